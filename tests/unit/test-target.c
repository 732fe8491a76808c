#include "unit.h"

#include "base/str.h"
#include "model/target.h"

#include <errno.h>

static const char *const drivers[] = {"host", "oci", "docker", "podman", "qemu"};

static int parse(const char *text, struct target *t, struct err *err)
{
    return target_parse(text, drivers, ARRAY_SIZE(drivers), t, err);
}

struct example {
    const char *text, *label, *driver, *runtime, *platform;
};

static void grammar(void **state)
{
    static const struct example list[] = {
        {"host", "host", "host", "", ""},
        {"runc", "runc", "oci", "runc", ""},
        {"runsc:ptrace", "runsc:ptrace", "oci", "runsc", "ptrace"},
        {"docker/runc", "docker/runc", "docker", "runc", ""},
        {"docker/runsc:kvm", "docker/runsc:kvm", "docker", "runsc", "kvm"},
        {"docker", "docker", "docker", "", ""},
        {"qemu:virtiofs", "qemu:virtiofs", "qemu", "", "virtiofs"},
        {"oci/runc", "oci/runc", "oci", "runc", ""},
        {"oci:runsc:systrap", "oci:runsc:systrap", "oci", "runsc", "systrap"},
        {"old=oci:/opt/a/runsc:systrap", "old", "oci", "/opt/a/runsc", "systrap"},
        {"new=oci:/opt/b/runsc:systrap,overlay2=none", "new", "oci", "/opt/b/runsc", "systrap"},
        {"/usr/bin/crun", "/usr/bin/crun", "oci", "/usr/bin/crun", ""},
        {"/opt/a:b/runsc", "/opt/a:b/runsc", "oci", "/opt/a:b/runsc", ""},
        {"/opt/a:b/runsc:kvm", "/opt/a:b/runsc:kvm", "oci", "/opt/a:b/runsc", "kvm"},
        {"/opt/a/my\\:runsc", "/opt/a/my-:runsc", "oci", "/opt/a/my:runsc", ""},
        {"c=/opt/a\\,b/ru\\=nc", "c", "oci", "/opt/a,b/ru=nc", ""},
        {"io.containerd.kata.v2", "io.containerd.kata.v2", "oci", "io.containerd.kata.v2", ""},
        {"a/b:c#2=host", "a/b:c#2", "host", "", ""},
        {"docker:/opt/x/runc", "docker:/opt/x/runc", "docker", "/opt/x/runc", ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
        struct target t, back;
        char text[TARGET_FORMAT_MAX];
        assert_ok(parse(list[i].text, &t, err));
        assert_string_equal(t.label, list[i].label);
        assert_string_equal(t.driver, list[i].driver);
        assert_string_equal(t.runtime, list[i].runtime);
        assert_string_equal(t.platform, list[i].platform);
        target_format(&t, text, sizeof(text));
        assert_ok(parse(text, &back, err));
        assert_true(target_equal(&t, &back));
    }
}

static void flags(void **state)
{
    struct target t, back;
    char text[TARGET_FORMAT_MAX];
    assert_ok(parse("slow=host,inject=cpu:1%", &t, err));
    assert_string_equal(t.label, "slow");
    assert_string_equal(t.inject, "cpu:1%");
    assert_int_equal(t.n_flags, 0);
    assert_ok(parse("runsc:systrap,overlay2=none,inject=cpu:0.02,file-access=a\\,b=c,e=", &t, err));
    assert_string_equal(t.label, "runsc:systrap");
    assert_string_equal(t.inject, "cpu:0.02");
    assert_int_equal(t.n_flags, 3);
    assert_string_equal(t.flags[0].name, "overlay2");
    assert_string_equal(t.flags[0].value, "none");
    assert_string_equal(t.flags[1].name, "file-access");
    assert_string_equal(t.flags[1].value, "a,b=c");
    assert_string_equal(t.flags[2].value, "");
    target_format(&t, text, sizeof(text));
    assert_ok(parse(text, &back, err));
    assert_true(target_equal(&t, &back));
}

static void refused(void **state)
{
    struct target t = {.label = "untouched"};
    assert_fails(parse("", &t, err), EINVAL, "character 1: expected a driver or a runtime");
    assert_fails(parse("=host", &t, err), EINVAL, "character 1: expected a label");
    assert_fails(parse("a=", &t, err), EINVAL, "character 3: expected a driver");
    assert_fails(parse("a b=host", &t, err), EINVAL, "character 2: ' ' in a label");
    assert_fails(parse("runsc:", &t, err), EINVAL, "character 7: expected a platform");
    assert_fails(parse("runsc:a:b", &t, err), EINVAL, "character 8: ':' in the platform");
    assert_fails(parse("docker/", &t, err), EINVAL, "character 8: expected a runtime");
    assert_fails(parse("dokcer/runc", &t, err), EINVAL,
                 "no driver \"dokcer\"; did you mean docker?");
    assert_fails(parse("./runsc", &t, err), EINVAL, "a path has to be absolute");
    assert_fails(parse("oci", &t, err), EINVAL, "oci needs a runtime");
    assert_fails(parse("host:kvm", &t, err), EINVAL, "host takes neither");
    assert_fails(parse("/opt/", &t, err), EINVAL, "directory");
    assert_fails(parse("/opt/a\tb", &t, err), EINVAL, "character 7: control character");
    assert_fails(parse("runc,", &t, err), EINVAL, "character 6: expected a flag");
    assert_fails(parse("runc,debug", &t, err), EINVAL, "flag \"debug\" needs a value");
    assert_fails(parse("runc,--debug=1", &t, err), EINVAL, "without dashes");
    assert_fails(parse("runc,a=1,a=2", &t, err), EINVAL, "character 10: flag \"a\" is given twice");
    assert_fails(parse("runc,a=\x01", &t, err), EINVAL, "control character");
    assert_fails(parse("host,inject=cpu:1%,inject=cpu:1%", &t, err), EINVAL, "given twice");
    assert_fails(parse("host,inject=mem:1%", &t, err), EINVAL, "expected cpu:");
    assert_fails(parse("host,inject=cpu:x", &t, err), EINVAL, "inject: 'x' is not a fraction");
    assert_fails(parse("host,inject=cpu:0.000000000000000000000001", &t, err), EINVAL, "longer");
    assert_fails(parse("r,a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1", &t, err), EINVAL,
                 "more than 8 flags");
    assert_string_equal(t.label, "untouched");
}

/* Everything too long says so, and nothing is cut in silence. */
static void too_long(void **state)
{
    static const char *const heads[] = {
        "", "/", "a=", "host,", "host,x=", "host:", "docker/", "docker:/", "host,inject=cpu:1%"};
    for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
        struct str s = STR_INIT;
        struct target t;
        str_add(&s, heads[i]);
        for (int k = 0; k < 300; k++)
            str_addc(&s, 'a');
        assert_fails(parse(s.buf, &t, err), EINVAL, "target \"");
        str_addc(&s, '=');
        assert_fails(parse(s.buf, &t, err), EINVAL, "target \"");
        str_release(&s);
    }
    struct target t;
    assert_ok(parse("oci:/a/quite/long/path/to/a/build/of/some/kind/of/runsc:systrap", &t, err));
    assert_int_equal(strlen(t.label), TARGET_LABEL_MAX - 1);
    assert_true(str_ends(t.label, "/some/kind/of/runsc:systrap"));
    assert_true(target_label_ok(t.label));
}

static void unique(void **state)
{
    struct target t[5];
    assert_ok(parse("host", &t[0], err));
    assert_ok(parse("host#2=host", &t[1], err));
    assert_ok(parse("host", &t[2], err));
    assert_ok(parse("host", &t[3], err));
    assert_ok(parse("runc", &t[4], err));
    assert_ok(targets_make_unique(t, 5, err));
    assert_string_equal(t[0].label, "host");
    assert_string_equal(t[1].label, "host#2");
    assert_string_equal(t[2].label, "host#3");
    assert_string_equal(t[3].label, "host#4");
    assert_string_equal(t[4].label, "runc");
    assert_ok(parse("a=runc", &t[0], err));
    assert_ok(parse("a=crun", &t[1], err));
    assert_fails(targets_make_unique(t, 2, err), EEXIST, "label \"a\" is given to two targets");
    for (int i = 0; i < 2; i++)
        assert_ok(parse("oci:/a/quite/long/path/to/a/build/of/some/kind/of/runsc", &t[i], err));
    assert_ok(targets_make_unique(t, 2, err));
    assert_string_not_equal(t[0].label, t[1].label);
    assert_true(target_label_ok(t[1].label));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grammar),  cmocka_unit_test(flags),  cmocka_unit_test(refused),
        cmocka_unit_test(too_long), cmocka_unit_test(unique),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
