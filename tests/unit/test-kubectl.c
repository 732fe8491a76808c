#include "host/kubectl.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void said(const char *words, int code, const char *message)
{
    struct err err = ERR_INIT;

    assert_int_equal(kubectl_failed(words, "kubectl get", &err), -code);
    assert_int_equal(err.code, code);
    assert_int_equal(err.kind, ERR_ENVIRONMENT);
    assert_string_equal(err.msg, message);
}

static void test_reasons(void **state)
{
    said("Error from server (NotFound): pods \"x\" not found\n", ENOENT,
         "kubectl get: pods \"x\" not found");
    said("Error from server (Forbidden): pods \"x\" is forbidden: exceeded quota: q\n", EDQUOT,
         "kubectl get: pods \"x\" is forbidden: exceeded quota: q");
    said("Error from server (Forbidden): pods \"x\" is forbidden: violates PodSecurity \"a\"\n",
         EPERM, "kubectl get: pods \"x\" is forbidden: violates PodSecurity \"a\"");
    said("Error from server (Forbidden): pods is forbidden: User \"u\"\n", EACCES,
         "kubectl get: pods is forbidden: User \"u\"");
    said("Error from server (Conflict): uid\n", ESTALE, "kubectl get: uid");
    said("error: You must be logged in to the server (Unauthorized)\n", EKEYREJECTED,
         "kubectl get: You must be logged in to the server (Unauthorized)");
    said("Unable to connect to the server: dial tcp: i/o timeout\n", EHOSTUNREACH,
         "kubectl get: Unable to connect to the server: dial tcp: i/o timeout");
    said("The Pod \"x\" is invalid: \n* spec.a: bad\n* spec.b: bad\n", EINVAL,
         "kubectl get: The Pod \"x\" is invalid: * spec.a: bad * spec.b: bad");
}

/* Its log and its warnings are not the reason, unless there is nothing else. */
static void test_chatter(void **state)
{
    said("E1201 07:35:12.123456   12 memcache.go:265] couldn't get\nWarning: old\n"
         "Error from server (NotFound): gone\n",
         ENOENT, "kubectl get: gone");
    said("Warning: nothing but this\n", EIO, "kubectl get: Warning: nothing but this");
    said("", EIO, "kubectl get: it failed and said nothing");
    said("error: \x1b[31mred\n", EIO, "kubectl get: ?[31mred");
}

static void test_places(void **state)
{
    struct kubectl k = {.namespace_ = "space", .server = "https://s:6443", .context = "a b/c"},
                   back;
    char *place = kubectl_place(&k);
    const char *const wrong[] = {"", "space", "space https://s", "space  x y", NULL};

    assert_true(kubectl_from_place("/usr/bin/kubectl", "/c", place, &back));
    assert_string_equal(back.namespace_, k.namespace_);
    assert_string_equal(back.server, k.server);
    assert_string_equal(back.context, k.context);
    free(place);
    k = (struct kubectl){.namespace_ = "space"};
    place = kubectl_place(&k);
    assert_true(kubectl_from_place("/usr/bin/kubectl", "", place, &back));
    assert_string_equal(back.context, "");
    free(place);
    for (size_t i = 0; wrong[i]; i++)
        assert_false(kubectl_from_place("/usr/bin/kubectl", "", wrong[i], &back));
}

static void test_api_paths(void **state)
{
    const struct kubectl k = {.namespace_ = "space"};
    char path[128];

    assert_true(kubectl_api_path(&k, "pods", "x", path, sizeof(path)));
    assert_string_equal(path, "/api/v1/namespaces/space/pods/x");
    assert_true(kubectl_api_path(&k, "jobs", "", path, sizeof(path)));
    assert_string_equal(path, "/apis/batch/v1/namespaces/space/jobs");
    assert_false(kubectl_api_path(&k, "secrets", "x", path, sizeof(path)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_chatter),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_api_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
