/* What of the runtimes' configuration may leave the machine. */
#include "unit.h"

#include "host/runtimeconf.h"

#include <jansson.h>

static char *kept_of(const char *text, bool json, unsigned *left_out)
{
    struct str out = STR_INIT;
    *left_out = runtimeconf_keep(text, strlen(text), json, &out);
    return str_take(&out);
}

static void test_json(void **state)
{
    unsigned left_out;
    _cleanup_free_ char *kept = kept_of(
        "{\"runtimes\": {\"kata\": {\"path\": \"/usr/bin/kata\", \"runtimeArgs\": [\"--debug\"]}},"
        " \"userland-proxy\": false, \"storage-driver\": \"overlay2\", \"mtu\": 1450,"
        " \"proxies\": {\"http-proxy\": \"http://me:hunter2@there\"},"
        " \"registry-mirrors\": [\"https://a\", \"https://me:hunter2@b\"],"
        " \"exec-opts\": [\"HTTPS_PROXY=hunter2\", \"native.cgroupdriver=systemd\"],"
        " \"tlskey\": \"hunter2\", \"nested\": {\"password\": [\"hunter2\"]}}",
        true, &left_out);

    assert_null(strstr(kept, "hunter2"));
    assert_int_equal(left_out, 5);
    assert_string_equal(
        kept, "{\"exec-opts\":[\"native.cgroupdriver=systemd\"],\"mtu\":1450,\"nested\":{},"
              "\"registry-mirrors\":[\"https://a\"],\"runtimes\":{\"kata\":{\"path\":"
              "\"/usr/bin/kata\",\"runtimeArgs\":[\"--debug\"]}},\"storage-driver\":\"overlay2\","
              "\"userland-proxy\":false}");
}

static void test_toml(void **state)
{
    unsigned left_out;
    _cleanup_free_ char *kept =
        kept_of("# password = hunter2\n"
                "version = 2 # hunter2\n"
                "root = \"/var/lib/containerd\"\n"
                "[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"x\".auth]\n"
                "  username = \"hunter2\"\n"
                "  anything = \"hunter2\"\n"
                "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n"
                "  SystemdCgroup = true\n"
                "  auth_check = true\n"
                "  password = '''\n hunter2 = 1\n[x]\n'''\n"
                "  tokens = [\n  \"hunter2\", # ]\n  [\"hunter2\"]\n  ]\n"
                "  env = [\n \"HTTP_PROXY=http://hunter2\",\n \"A=b\"\n]\n"
                "  mirror = \"https://me:hunter2@x\"\n"
                "  inline = { password = \"hunter2\" }\n"
                "kernel_params = \"quiet\"\n",
                false, &left_out);

    assert_null(strstr(kept, "hunter2"));
    assert_string_equal(kept,
                        "version = 2\n"
                        "root = \"/var/lib/containerd\"\n"
                        "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n"
                        "SystemdCgroup = true\n"
                        "auth_check = true\n"
                        "env = [\n\"A=b\"\n]\n"
                        "kernel_params = \"quiet\"\n");
    assert_true(left_out > 8);
}

static void test_what_is_none_is_left_out(void **state)
{
    unsigned left_out;
    _cleanup_free_ char *kept = kept_of("[1, 2]", true, &left_out);
    assert_string_equal(kept, "");
    assert_int_equal(left_out, 1);
    _cleanup_free_ char *none = kept_of("hunter2\nx = [\nhunter2", false, &left_out);
    assert_null(strstr(none, "hunter2\nx"));

    struct str big = STR_INIT;
    for (int i = 0; i < 4000; i++)
        str_addf(&big, "number%d = %d\n", i, i);
    _cleanup_free_ char *bounded = kept_of(big.buf, false, &left_out);
    assert_in_range(strlen(bounded), 1000, RUNTIMECONF_KEPT_MAX);
    assert_true(left_out > 3000);
    str_release(&big);
}

static void test_a_machine_stays_an_object(void **state)
{
    _cleanup_free_ char *text = runtimeconf_add(xstrdup("{\"id\":\"x\"}"));
    json_t *o = json_loads(text, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(o, "id")), "x");
    json_decref(o);
    _cleanup_free_ char *odd = runtimeconf_add(xstrdup("nothing"));
    assert_string_equal(odd, "nothing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_toml),
        cmocka_unit_test(test_what_is_none_is_left_out),
        cmocka_unit_test(test_a_machine_stays_an_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
