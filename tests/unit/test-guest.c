/* The guest's init: how it reads the kernel's command line. What it does then is tried in a machine
 * (tests/runtime/test-guest.c). */
#include "unit.h"

#include "base/str.h"
#include "guest/guest.h"

#include <arpa/inet.h>

#define LEAST "cupel.root=virtiofs cupel.tmpfs=65536 cupel.prog=/p"

/* The text stays allocated as long as the plan is looked at. */
static char text[1024];

static int read_plan(const char *cmdline, struct guest_plan *ret, struct err *err)
{
    assert_true(str_copy(text, sizeof(text), cmdline));
    return guest_plan_read(text, ret, err);
}

static void assert_refused(const char *cmdline, const char *why)
{
    struct err err = ERR_INIT;
    struct guest_plan p = {.tmpfs_bytes = 7};
    assert_true(read_plan(cmdline, &p, &err) < 0);
    assert_int_equal(err.kind, ERR_USAGE);
    if (!strstr(err.msg, why))
        fail_msg("\"%s\" does not say \"%s\"", err.msg, why);
    assert_int_equal(p.tmpfs_bytes, 7);
}

static void test_least(void **state)
{
    struct guest_plan p;
    assert_ok(read_plan("quiet panic=-1 console=ttyS0 " LEAST "\n", &p, err));
    assert_int_equal(p.root, GUEST_ROOT_VIRTIOFS);
    assert_int_equal(p.tmpfs_bytes, 65536);
    assert_string_equal(p.argv[0], "/p");
    assert_null(p.argv[1]);
    assert_string_equal(p.options, "");
    assert_false(p.data);
    assert_false(p.net.on);
}

static void test_all(void **state)
{
    struct guest_plan p;
    char address[INET_ADDRSTRLEN];
    assert_ok(read_plan("cupel.arg=--nonce cupel.root=9p cupel.options=trans=virtio,msize=512 "
                        "cupel.arg=a=b cupel.data=1 cupel.net=10.231.0.9/16,10.231.0.1,1400 "
                        "cupel.tmpfs=1048576 cupel.prog=/cupel-probe",
                        &p, err));
    assert_int_equal(p.root, GUEST_ROOT_9P);
    assert_string_equal(p.options, "trans=virtio,msize=512");
    assert_true(p.data);
    assert_string_equal(p.argv[0], "/cupel-probe");
    assert_string_equal(p.argv[1], "--nonce");
    assert_string_equal(p.argv[2], "a=b");
    assert_null(p.argv[3]);
    assert_true(p.net.on);
    assert_int_equal(p.net.mtu, 1400);
    assert_string_equal(inet_ntop(AF_INET, &p.net.address, address, sizeof(address)), "10.231.0.9");
    assert_string_equal(inet_ntop(AF_INET, &p.net.mask, address, sizeof(address)), "255.255.0.0");
    assert_string_equal(inet_ntop(AF_INET, &p.net.gateway, address, sizeof(address)), "10.231.0.1");
}

static void test_net_alone(void **state)
{
    struct guest_plan p;
    assert_ok(read_plan(LEAST " cupel.net=10.0.0.1/32", &p, err));
    assert_int_equal(p.net.mask.s_addr, UINT32_MAX);
    assert_int_equal(p.net.gateway.s_addr, 0);
    assert_int_equal(p.net.mtu, 0);
}

static void test_missing(void **state)
{
    assert_refused("", "cupel.root");
    assert_refused("cupel.root=block cupel.prog=/p", "cupel.tmpfs");
    assert_refused("cupel.root=block cupel.tmpfs=65536", "cupel.prog");
}

static void test_refused(void **state)
{
    assert_refused(LEAST " cupel.root=nfs", "cupel.root: \"nfs\"");
    assert_refused(LEAST " cupel.prog=relative", "cupel.prog");
    assert_refused(LEAST " cupel.tmpfs=12x", "cupel.tmpfs");
    assert_refused(LEAST " cupel.tmpfs", "cupel.tmpfs");
    assert_refused(LEAST " cupel.nonsense=1", "cupel.nonsense");
    assert_refused(LEAST " cupel.net=10.0.0.1", "cupel.net");
    assert_refused(LEAST " cupel.net=10.0.0/8", "cupel.net: address");
    assert_refused(LEAST " cupel.net=10.0.0.1/33", "cupel.net: prefix");
    assert_refused(LEAST " cupel.net=10.0.0.1/8,nobody", "cupel.net: gateway");
    assert_refused(LEAST " cupel.net=10.0.0.1/8,10.0.0.2,1", "cupel.net: mtu");
}

static void test_too_many_arguments(void **state)
{
    _cleanup_(str_release) struct str s = STR_INIT;
    struct guest_plan p;
    str_add(&s, LEAST);
    for (int i = 0; i < GUEST_ARGS_MAX; i++)
        str_addf(&s, " cupel.arg=%d", i);
    assert_ok(read_plan(s.buf, &p, err));
    assert_string_equal(p.argv[GUEST_ARGS_MAX], "15");
    assert_null(p.argv[GUEST_ARGS_MAX + 1]);
    str_add(&s, " cupel.arg=more");
    assert_refused(s.buf, "cupel.arg");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least),     cmocka_unit_test(test_all),
        cmocka_unit_test(test_net_alone), cmocka_unit_test(test_missing),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_too_many_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
