/* What Kata's programs say, and what may be removed under its name. */
#include "unit.h"

#include "driver/kata-words.h"
#include "ledger/kata.h"

#include <errno.h>

#define ENV(config, hypervisor, more)                                                              \
    "{\"Runtime\": {\"Config\": {" config "}, \"SandboxCgroupOnly\": true},"                       \
    " \"Hypervisor\": {" hypervisor "}" more "}"
#define CONFIG "\"Path\": \"/etc/kata-containers/configuration.toml\""

static void test_env(void **state)
{
    static const struct {
        const char *hypervisor, *platform;
    } cases[] = {
        {"\"Path\": \"/usr/bin/qemu-system-x86_64\", \"SharedFS\": \"virtio-9p\"", "qemu-9p"},
        {"\"Path\": \"/opt/kata/bin/kata-qemu\", \"SharedFS\": \"virtio-fs\"", "qemu-virtiofs"},
        {"\"Path\": \"/opt/kata/bin/cloud-hypervisor\", \"SharedFS\": \"virtio-fs\"",
         "clh-virtiofs"},
        {"\"Path\": \"/opt/kata/bin/firecracker\", \"SharedFS\": \"\"", "fc-none"},
        {"\"Path\": \"/x/stratovirt\", \"SharedFS\": \"virtio-fs-nydus\"",
         "stratovirt-virtio-fs-nydus"},
    };
    struct kata_config c;
    char text[600], platform[40];
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        str_format(text, sizeof(text), ENV(CONFIG, "%s", ", \"Initrd\": {\"Path\": \"/i\"}"),
                   cases[i].hypervisor);
        assert_ok(kata_config_parse(text, strlen(text), &c, err));
        kata_platform(&c, platform, sizeof(platform));
        assert_string_equal(platform, cases[i].platform);
        assert_string_equal(c.path, "/etc/kata-containers/configuration.toml");
        assert_string_equal(c.image, "/i");
        assert_true(c.sandbox_cgroup_only);
    }
}

static void test_env_refused(void **state)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "no JSON"},
        {"time=\"now\" level=error", "no JSON"},
        {"[]", "Runtime.Config.Path"},
        {ENV("", "\"Path\": \"/q\", \"SharedFS\": \"virtio-9p\"", ""), "Runtime.Config.Path"},
        {ENV(CONFIG, "\"SharedFS\": \"virtio-9p\"", ""), "Hypervisor.Path"},
        {ENV(CONFIG, "\"Path\": \"/q\"", ""), "Hypervisor.SharedFS"},
        {ENV(CONFIG, "\"Path\": 7, \"SharedFS\": \"virtio-9p\"", ""), "Hypervisor.Path"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct kata_config c = {.path = "untouched"};
        struct err err = ERR_INIT;
        assert_int_equal(kata_config_parse(cases[i].text, strlen(cases[i].text), &c, &err),
                         -EBADMSG);
        assert_int_equal(err.kind, ERR_ENVIRONMENT);
        if (!strstr(err.msg, cases[i].words))
            fail_msg("'%s': %s", cases[i].text, err.msg);
        assert_string_equal(c.path, "untouched");
    }
}

static void test_names(void **state)
{
    assert_int_equal(kata_major_version("kata-runtime  : 1.13.0"), 1);
    assert_int_equal(kata_major_version("kata-runtime  : 3.2.0-rc0"), 3);
    assert_int_equal(kata_major_version("runc version 1.1.5"), 0);
    assert_int_equal(kata_major_version("kata-runtime"), 0);
    assert_int_equal(kata_major_version(""), 0);
    assert_string_equal(kata_shim_type("kata"), "io.containerd.kata.v2");
    assert_string_equal(kata_shim_type("io.containerd.kata-clh.v2"), "io.containerd.kata-clh.v2");
    assert_null(kata_shim_type("runc"));
    assert_null(kata_shim_type("io.containerd.runc.v2"));
    assert_null(kata_shim_type("io.containerd.katana.v2"));
}

/* Nothing but what an identifier of a container leads to. */
static void test_remove_refuses(void **state)
{
    static const char *const bad[] = {"",
                                      ".",
                                      "..",
                                      "cupel-",
                                      "cupel-3fa9c2d1",
                                      "cupel-3fa9c2d1-",
                                      "cupel-3fa9c2d1-0001/..",
                                      "cupel-3FA9c2d1-0001",
                                      "0123456789abcdef",
                                      "0123456789abcdef0123456789abcdef/"};
    struct cgroups none = {.mode = CGROUP_NONE};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct err err = ERR_INIT;
        assert_int_equal(kata_remove(&none, bad[i], "/usr/bin/kata-runtime", 0, &err), -EINVAL);
        assert_int_equal(err.kind, ERR_BUG);
        assert_false(kata_has_left(&none, bad[i]));
    }
    assert_int_equal(
        kata_remove(&none, "cupel-ffffffff-999999", "/nonexistent/kata-runtime", 0, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_env),
        cmocka_unit_test(test_env_refused),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_remove_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
