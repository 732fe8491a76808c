/* Of fleets what needs no other machine: names, reasons, lines of talk, what is written down, what
 * goes out. tests/runtime/test-fleet.py has the rest. */
#include "unit.h"

#include "base/fd.h"
#include "base/spawn.h"
#include "base/time.h"
#include "fleet/carrier.h"
#include "fleet/link.h"
#include "fleet/roll.h"
#include "fleet/ssh.h"
#include "fleet/talk.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#define STATUS(n) ((n) << 8)

static void test_tables(void **state)
{
    for (size_t i = 0; i < carrier_count(); i++) {
        const struct carrier *c = carrier_at(i);
        assert_true(c->scheme[0] && c->machine[0] && c->check && c->carry && c->resume);
    }
    for (unsigned o = 0; o < FLEET_OUTCOME_COUNT; o++) {
        enum fleet_outcome back;
        assert_true(fleet_outcome_words((enum fleet_outcome)o)[0]);
        assert_int_equal(fleet_outcome_parse(fleet_outcome_name((enum fleet_outcome)o), &back), 0);
        assert_int_equal(back, o);
    }
    enum fleet_outcome none;
    assert_int_equal(fleet_outcome_parse("well", &none), -EINVAL);
}

static void test_machines(void **state)
{
    struct fleet f;

    fleet_init(&f);
    assert_ok(fleet_add(&f, "ssh:root@a,ssh:b.example.org,ssh:[fe80::1%eth0]", err));
    assert_int_equal(f.machines.n, 3);
    assert_string_equal(f.machines.v[1].on, "ssh:b.example.org");
    assert_fails(fleet_add(&f, "ssh:b.example.org", err), EEXIST, "given twice");
    assert_fails(fleet_add(&f, "ssh:c,", err), EINVAL, "names no way there");
    assert_fails(fleet_add(&f, "shs:c", err), EINVAL, "did you mean ssh?");
    assert_fails(fleet_add(&f, "ssh:-oProxyCommand=x", err), EINVAL, "is no machine");
    assert_fails(fleet_add(&f, "ssh:a;b", err), EINVAL, "is no machine");
    for (int i = 0; f.machines.n < FLEET_MACHINES_MAX; i++) {
        char on[32];
        str_format(on, sizeof(on), "ssh:m%d", i);
        assert_ok(fleet_add(&f, on, err));
    }
    assert_fails(fleet_add(&f, "ssh:one-more", err), E2BIG, "at most 256");
    fleet_release(&f);
}

/* Words of OpenSSH 9.2, and of the programs that the script there runs. */
static void test_reasons(void **state)
{
    static const struct {
        int status;
        const char *text;
        enum fleet_outcome outcome;
    } cases[] = {
        {STATUS(255), "ssh: connect to host a port 22: Connection refused\n", FLEET_UNREACHABLE},
        {STATUS(255), "ssh: Could not resolve hostname a: Name or service not known\n",
         FLEET_UNREACHABLE},
        {STATUS(255), "Connection closed by 10.0.0.1 port 22\n", FLEET_UNREACHABLE},
        {STATUS(255), "root@a: Permission denied (publickey).\n", FLEET_REFUSED},
        {STATUS(255), "Received disconnect from a: 2: Too many authentication failures\n",
         FLEET_REFUSED},
        {STATUS(255), "Host key verification failed.\n", FLEET_HOST_KEY},
        {STATUS(255),
         "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nPermission denied "
         "(publickey).\n",
         FLEET_HOST_KEY},
        {STATUS(96), "that machine is Linux aarch64, and this one Linux x86_64\n",
         FLEET_ARCHITECTURE},
        {STATUS(97),
         "mktemp: failed to create directory via template '/x': No space left on device\n",
         FLEET_DISK_FULL},
        {STATUS(98), "tar: b: Cannot write: No space left on device\n", FLEET_DISK_FULL},
        {STATUS(97), "mktemp: /var/tmp: Permission denied (\n", FLEET_FAILED},
        {STATUS(94), "/var/tmp/cupel-fleet-0123456789 is there no more\n", FLEET_GONE},
        {STATUS(126), "sh: ./start: Permission denied\n", FLEET_FAILED},
        {SIGKILL, "", FLEET_UNREACHABLE},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (ssh_why(true, cases[i].status, cases[i].text) != cases[i].outcome)
            fail_msg("%s: %s", cases[i].text,
                     fleet_outcome_name(ssh_why(true, cases[i].status, cases[i].text)));
    assert_int_equal(ssh_why(false, 0, ""), FLEET_UNREACHABLE);
}

static enum fleet_outcome judge(bool root, const char *targets, const char *a, const char *b)
{
    char *wanted[] = {xstrdup(a), xstrdup(b)};
    _cleanup_free_ char *text = xasprintf("{\"machine\":{\"is_root\":%s},\"targets\":[%s]}",
                                          root ? "true" : "false", targets);
    json_t *report = json_loads(text, 0, NULL);
    assert_non_null(report);
    enum fleet_outcome o = talk_judge(report, wanted, (size_t)(a ? 1 : 0) + (b ? 1 : 0));
    json_decref(report);
    free(wanted[0]);
    free(wanted[1]);
    return o;
}

static void test_judgement(void **state)
{
    static const char some[] = "{\"target\":\"host\",\"usable\":true},"
                               "{\"target\":\"runc\",\"usable\":true},"
                               "{\"target\":\"crun\",\"usable\":false,\"reason\":\"none\"}";
    static const char none[] = "{\"target\":\"host\",\"usable\":true},"
                               "{\"target\":\"runc\",\"usable\":false}";

    assert_int_equal(judge(true, some, NULL, NULL), FLEET_MEASURED);
    assert_int_equal(judge(true, none, NULL, NULL), FLEET_NO_RUNTIMES);
    assert_int_equal(judge(false, some, NULL, NULL), FLEET_NO_ROOT);
    assert_int_equal(judge(false, some, "host", NULL), FLEET_MEASURED);
    assert_int_equal(judge(false, some, "host", "runc"), FLEET_NO_ROOT);
    assert_int_equal(judge(true, some, "crun", NULL), FLEET_NO_RUNTIMES);
    assert_int_equal(judge(true, some, "crun", "runc"), FLEET_MEASURED);
    assert_int_equal(judge(true, some, "*un*", NULL), FLEET_MEASURED);
    assert_int_equal(judge(true, some, "new=oci:/opt/x", NULL), FLEET_MEASURED);
    assert_int_equal(judge(true, some, "unheard-of", NULL), FLEET_MEASURED);
    assert_int_equal(talk_judge(NULL, NULL, 0), FLEET_NO_ROOT);
}

/* ---- lines ---- */

struct pair {
    struct loop *loop;
    struct link *a, *b;
};

static void pair_open(struct pair *p)
{
    int one[2], two[2];
    assert_ok(loop_new(&p->loop, err));
    assert_ok(fd_pipe(one, err));
    assert_ok(fd_pipe(two, err));
    assert_ok(link_new(p->loop, one[0], two[1], NULL, &p->a, err));
    assert_ok(link_new(p->loop, two[0], one[1], NULL, &p->b, err));
}

static void pair_close(struct pair *p)
{
    link_free(p->a);
    link_free(p->b);
    loop_free(p->loop);
}

static void expect_line(struct link *l, const char *text)
{
    struct err err = ERR_INIT;
    char *line;
    assert_int_equal(link_wait_line(l, time_deadline(10 * NS_PER_S), &line, &err), 1);
    assert_string_equal(line, text);
}

static void test_lines(void **state)
{
    struct pair p;
    char *line;
    pair_open(&p);
    link_send(p.a, "one");
    link_tell(p.a, json_pack("{s:i}", "two", 2));
    expect_line(p.b, "one");
    expect_line(p.b, "{\"two\":2}");
    assert_int_equal(link_line(p.b, &line), 0);
    assert_fails(link_wait_line(p.b, 0, &line, err), ETIMEDOUT, "");
    link_send(p.b, "back");
    expect_line(p.a, "back");
    link_free(p.a);
    p.a = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(link_wait_line(p.b, time_deadline(10 * NS_PER_S), &line, &err), 0);
    assert_true(link_ended(p.b));
    pair_close(&p);
}

/* A file goes whole, after what was said before it and before what is said meanwhile. */
static void test_a_file_between_lines(void **state)
{
    enum { BYTES = 3 << 20 };
    struct pair p;
    char path[] = "/tmp/cupel-test-fleet-XXXXXX";
    _cleanup_fd_ int fd = mkstemp(path);
    _cleanup_(str_release) struct str came = STR_INIT;
    _cleanup_free_ char *bytes = xmalloc(BYTES);

    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    assert_true(fd >= 0 && unlink(path) == 0);
    assert_ok(fd_write_full(fd, bytes, BYTES, err));
    pair_open(&p);
    link_send(p.a, "before");
    link_send_file(p.a, fd, BYTES);
    link_send(p.a, "after");
    assert_false(link_sent(p.a));
    assert_true(link_unsent(p.a) > BYTES / 2);
    expect_line(p.b, "before");
    assert_ok(link_wait_bytes(p.b, BYTES, 10 * NS_PER_S, &came, err));
    assert_memory_equal(came.buf, bytes, BYTES);
    expect_line(p.b, "after");
    assert_ok(link_flush(p.a, time_deadline(NS_PER_S), err));
    link_send(p.a, "short");
    link_free(p.a);
    p.a = NULL;
    assert_fails(link_wait_bytes(p.b, 100, NS_PER_S, &came, err), ECONNRESET, "ended");
    pair_close(&p);
}

/* What never ends its line, and what nobody reads. */
static void test_bounds(void **state)
{
    struct pair p;
    char *line;
    _cleanup_free_ char *much = xmalloc(65536);
    struct err err = ERR_INIT;

    memset(much, 'x', 65535);
    much[65535] = '\0';
    pair_open(&p);
    link_send_file(p.a, open("/dev/zero", O_RDONLY | O_CLOEXEC), UINT64_C(1) << 40);
    assert_int_equal(link_wait_line(p.b, time_deadline(10 * NS_PER_S), &line, &err), 0);
    assert_true(link_ended(p.b));
    pair_close(&p);
    pair_open(&p);
    for (int i = 0; i < 200 && !link_ended(p.a); i++)
        link_send(p.a, much);
    assert_true(link_ended(p.a));
    pair_close(&p);
}

/* ---- written down ---- */

static void test_roll(void **state)
{
    char dir[] = "/tmp/cupel-test-fleet-XXXXXX", name[32];
    struct fleet f, g;

    assert_non_null(mkdtemp(dir));
    fleet_init(&f);
    assert_ok(fleet_add(&f, "ssh:a,ssh:b", err));
    str_copy(f.id, sizeof(f.id), "0123abcd");
    str_add(&f.plan, "suite: quick\n");
    VEC_PUSH(&f.args, xstrdup("--share"));
    VEC_PUSH(&f.wanted, xstrdup("runc"));
    f.install = true;
    str_copy(f.machines.v[0].place, FLEET_PLACE_MAX, "/var/tmp/cupel-fleet-aZ09bcdefg");
    machine_ends(&f.machines.v[0], FLEET_KEPT, "gone with\nthe %s", "wind");
    machine_ends(&f.machines.v[1], FLEET_PART, NULL);
    assert_ok(roll_write(&f, dir, err));
    str_format(name, sizeof(name), "fleet-%s", f.id);
    assert_ok(fleet_read(dir, name, &g, err));
    assert_int_equal(g.machines.n, 2);
    assert_false(g.machines.v[0].ended);
    assert_true(g.machines.v[1].ended);
    assert_int_equal(g.machines.v[1].outcome, FLEET_PART);
    assert_string_equal(g.machines.v[0].place, f.machines.v[0].place);
    assert_string_equal(g.machines.v[0].why, "gone with?the wind");
    assert_string_equal(g.plan.buf, f.plan.buf);
    assert_string_equal(g.args.v[0], "--share");
    assert_string_equal(g.wanted.v[0], "runc");
    assert_true(g.install);
    assert_int_equal(g.lease_ns, FLEET_LEASE_NS);
    fleet_release(&g);

    /* The place goes into a shell's script there: only such as we make. */
    str_copy(f.machines.v[0].place, FLEET_PLACE_MAX, "/tmp/$(reboot)/cupel-fleet-aZ09bcdefg");
    assert_ok(roll_write(&f, dir, err));
    assert_fails(fleet_read(dir, name, &g, err), EINVAL, "damaged");
    assert_fails(fleet_read(dir, "fleet-00000000", &g, err), ENOENT, "there is no fleet-00000000");
    assert_false(fleet_is_name("fleet-0123abcX"));
    assert_false(fleet_is_name("r7"));
    fleet_release(&f);
    assert_ok(fs_remove_tree(dir, err));
}

/* ---- what goes out ---- */

/* A program of this machine, at work by its own loader out of what another machine would get. */
static void test_bundle(void **state)
{
    char dir[] = "/tmp/cupel-test-fleet-XXXXXX", tar[300], program[256];
    struct loop *loop;
    struct bundle b;
    _cleanup_(str_release) struct str out = STR_INIT;

    assert_non_null(mkdtemp(dir));
    assert_ok(loop_new(&loop, err));
    assert_int_equal(fs_which("uname", program, sizeof(program)), 0);
    _cleanup_free_ char *copy = xasprintf("%s/cupel", dir);
    assert_ok(fs_copy_file(program, copy, 0755, err));
    const struct bundle_parts parts = {.cupel = copy, .programs = {copy}, .plan = "suite: quick\n"};
    assert_ok(bundle_make(loop, &parts, &b, err));
    assert_true(b.loader[0] != '\0');
    str_format(tar, sizeof(tar), "/proc/%d/fd/%d", (int)getpid(), b.fd);
    const char *const extract[] = {"/bin/tar", "-C", dir, "-xzof", tar, NULL};
    assert_ok(spawn_simple(loop, extract, time_deadline(30 * NS_PER_S), NULL, err));
    _cleanup_free_ char *start =
        xasprintf("cd %s && env -i /bin/sh ./start -s; cat plan.yaml", dir);
    const char *const run[] = {"/bin/sh", "-c", start, NULL};
    assert_ok(spawn_simple(loop, run, time_deadline(30 * NS_PER_S), &out, err));
    assert_string_equal(out.buf, "Linux\nsuite: quick\n");
    bundle_release(&b);
    const struct bundle_parts script = {.cupel = "/usr/bin/ldd", .plan = ""};
    assert_fails(bundle_make(loop, &script, &b, err), ENOEXEC, "no 64-bit program");
    loop_free(loop);
    assert_ok(fs_remove_tree(dir, err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),  cmocka_unit_test(test_machines),
        cmocka_unit_test(test_reasons), cmocka_unit_test(test_judgement),
        cmocka_unit_test(test_lines),   cmocka_unit_test(test_a_file_between_lines),
        cmocka_unit_test(test_bounds),  cmocka_unit_test(test_roll),
        cmocka_unit_test(test_bundle),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
