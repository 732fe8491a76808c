#include "unit.h"

#include "base/fd.h"
#include "base/fs.h"
#include "base/time.h"
#include "driver/oci.h"

#include <errno.h>
#include <jansson.h>
#include <sys/stat.h>

static void test_kind(void **state)
{
    assert_string_equal(oci_kind_of("runc version 1.1.5+ds1\ncommit: x\n"), "runc");
    assert_string_equal(oci_kind_of("crun version 1.8.1\n"), "crun");
    assert_string_equal(oci_kind_of("runsc version VERSION_MISSING\n"), "runsc");
    assert_string_equal(oci_kind_of("youki version 0.5\n"), "youki");
    assert_string_equal(oci_kind_of("runcible 3\n"), "oci");
    assert_string_equal(oci_kind_of("kata-runtime  : 1.13\n"), "oci");
    assert_string_equal(oci_kind_of(""), "oci");
}

static void test_platforms(void **state)
{
    char dst[64];
    oci_parse_platforms("ptrace\nkvm\n", dst, sizeof(dst));
    assert_string_equal(dst, "ptrace, kvm");
    oci_parse_platforms("No help topic for \"platforms\".\n", dst, sizeof(dst));
    assert_string_equal(dst, "");
    oci_parse_platforms("", dst, sizeof(dst));
    assert_string_equal(dst, "");
}

static void test_default_platform(void **state)
{
    static const char old[] =
        "  -platform string\n    \tspecifies which platform to use: ptrace "
        "(default), kvm. (default \"ptrace\")\n  -platform_device_path string\n";
    char dst[24];
    oci_parse_default_platform(old, dst, sizeof(dst));
    assert_string_equal(dst, "ptrace");
    oci_parse_default_platform("  -platform string\n \tno word\n  -x string\n \t(default \"y\")\n",
                               dst, sizeof(dst));
    assert_string_equal(dst, "");
    oci_parse_default_platform("", dst, sizeof(dst));
    assert_string_equal(dst, "");
}

/* What the bundle says: the container's own namespaces, our arguments, our directories. */
static void test_config(void **state)
{
    struct machine machine = {.cgroups.mode = CGROUP_V2};
    struct site site = {.machine = &machine};
    struct engine engine = {.cover = false};
    struct ground g;
    char dir[] = "/tmp/test-oci-XXXXXX";
    assert_non_null(mkdtemp(dir));
    str_copy(site.run_id, sizeof(site.run_id), "0000beef");
    str_copy(site.cgroup, sizeof(site.cgroup), "/cupel-0000beef");
    str_copy(site.dir, sizeof(site.dir), dir);
    str_copy(engine.info.target.inject, sizeof(engine.info.target.inject), "cpu:1%");
    assert_ok(ground_names(&site, 7, &g, err));
    assert_string_equal(g.id, "cupel-0000beef-0007");
    assert_string_equal(g.box, "/cupel-0000beef/s0007/box");
    assert_int_equal(mkdir(g.dir, 0700), 0);
    assert_ok(oci_config_write(&site, &engine, &g, "0123456789abcdef", UINT64_C(1) << 28, "", err));
    assert_fails(
        oci_config_write(&site, &engine, &g, "0123456789abcdef", UINT64_C(1) << 28, "", err),
        EEXIST, "config");

    char path[256];
    str_format(path, sizeof(path), "%s/config.json", g.dir);
    json_t *c = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(c);
    json_t *process = json_object_get(c, "process");
    json_t *args = json_object_get(process, "args");
    static const char *const want[] = {"/cupel-probe", "--nonce", "0123456789abcdef", "--inject",
                                       "cpu:1%"};
    assert_int_equal(json_array_size(args), ARRAY_SIZE(want));
    for (size_t i = 0; i < ARRAY_SIZE(want); i++)
        assert_string_equal(json_string_value(json_array_get(args, i)), want[i]);
    assert_true(json_is_false(json_object_get(process, "terminal")));
    assert_true(json_is_true(json_object_get(process, "noNewPrivileges")));
    json_t *root = json_object_get(c, "root");
    assert_true(json_is_false(json_object_get(root, "readonly")));
    assert_string_equal(json_string_value(json_object_get(root, "path")), g.rootfs);
    json_t *l = json_object_get(c, "linux");
    assert_string_equal(json_string_value(json_object_get(l, "cgroupsPath")), g.box);
    assert_int_equal(json_array_size(json_object_get(l, "namespaces")), 6);
    assert_null(json_object_get(json_array_get(json_object_get(l, "namespaces"), 1), "path"));
    json_decref(c);

    machine.cgroups.mode = CGROUP_HYBRID; /* there without a cgroup namespace */
    unlink(path);
    assert_ok(
        oci_config_write(&site, &engine, &g, "0123456789abcdef", UINT64_C(1) << 28, "/n/2", err));
    c = json_load_file(path, 0, NULL);
    json_t *spaces = json_object_get(json_object_get(c, "linux"), "namespaces"), *one;
    size_t i;
    assert_int_equal(json_array_size(spaces), 5);
    json_array_foreach (spaces, i, one) {
        const char *type = json_string_value(json_object_get(one, "type"));
        const char *where = json_string_value(json_object_get(one, "path"));
        assert_true(str_eq(where, str_eq(type, "network") ? "/n/2" : NULL));
    }
    json_decref(c);
    assert_ok(fs_remove_tree(dir, err));
}

static void test_names_too_long(void **state)
{
    struct site site = {.next_session = 0};
    struct ground g;
    memset(site.dir, 'x', sizeof(site.dir) - 1);
    memset(site.cgroup, 'y', sizeof(site.cgroup) - 1);
    assert_fails(ground_names(&site, 1, &g, err), ENAMETOOLONG, "name session 1");
    site.cgroup[0] = '\0';
    assert_ok(ground_names(&site, 12345, &g, err));
    assert_string_equal(g.group, "");
    assert_true(str_ends(g.id, "-12345"));
}

/* Every driver in the list is whole, and names nothing twice. */
static void test_registry(void **state)
{
    size_t n;
    const char *const *names = driver_names(&n);
    assert_int_equal(n, driver_count());
    for (size_t i = 0; i < n; i++) {
        const struct driver *d = driver_at(i);
        assert_string_equal(d->name, names[i]);
        assert_ptr_equal(driver_find(names[i]), d);
        assert_non_null(d->summary);
        assert_true(d->inspect && d->open && d->close && d->start);
        for (const char *const *p = d->proposals; *p; p++) {
            struct target t;
            assert_ok(target_parse(*p, names, n, &t, err));
            assert_string_equal(t.driver, d->name);
        }
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(names[k], names[i]);
    }
    assert_null(driver_find("nobody"));
    assert_null(driver_at(n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kind),
        cmocka_unit_test(test_platforms),
        cmocka_unit_test(test_default_platform),
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_names_too_long),
        cmocka_unit_test(test_registry),
    };
    return cmocka_run_group_tests_name("oci", tests, NULL, NULL);
}
