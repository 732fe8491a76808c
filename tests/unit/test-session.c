/* Sessions against a probe that misbehaves in every way we could think of. The fake is this program
 * itself, started with "--fake MODE NONCE". */
#include "unit.h"

#include "base/fd.h"
#include "base/spawn.h"
#include "base/time.h"
#include "driver/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>

/* ---- the fake ---- */

static void say(enum frame_type type, const char *nonce, uint64_t seq)
{
    struct frame f;
    _cleanup_(str_release) struct str line = STR_INIT;
    frame_init(&f, type, nonce, seq);
    if (type == FRAME_HELLO) {
        f.hello.version = WIRE_VERSION;
        str_copy(f.hello.program, sizeof(f.hello.program), "fake");
        str_copy(f.hello.sysname, sizeof(f.hello.sysname), "Fake");
        str_copy(f.hello.release, sizeof(f.hello.release), "0.0");
        str_copy(f.hello.kernel_version, sizeof(f.hello.kernel_version), "#1");
        str_copy(f.hello.machine, sizeof(f.hello.machine), "none");
        f.hello.pid = f.hello.cpus_online = f.hello.cpus_allowed = f.hello.clock_res_ns = 1;
        f.hello.page_bytes = 4096;
    }
    if (type == FRAME_ERROR) {
        f.error.code = ENOSYS;
        str_copy(f.error.where, sizeof(f.error.where), "prepare");
        str_copy(f.error.text, sizeof(f.error.text), "no such thing");
    }
    if (frame_encode(&f, &line, NULL) < 0 || fd_write_full(1, line.buf, line.len, NULL) < 0)
        _exit(9);
}

static void flood(int fd, const char *text)
{
    for (;;)
        if (fd_write_full(fd, text, strlen(text), NULL) < 0)
            _exit(9);
}

static void sleep_ms(int ms)
{
    poll(NULL, 0, ms);
}

/* Answers one request (its sequence number known) as the mode says. False: as an honest probe
 * would. */
static bool misbehave(const char *mode, const char *nonce, uint64_t seq)
{
    static const char other[] = "0123456789abcdef";
    if (strcmp(mode, "nonce") == 0)
        say(FRAME_PONG, other, seq);
    else if (strcmp(mode, "seq") == 0)
        say(FRAME_PONG, nonce, seq + 1);
    else if (strcmp(mode, "type") == 0)
        say(FRAME_READY, nonce, seq);
    else if (strcmp(mode, "garbage") == 0)
        fd_write_full(1, "{\"type\":\x01\n", 10, NULL);
    else if (strcmp(mode, "stall") == 0)
        sleep_ms(60000);
    else if (strcmp(mode, "twice") == 0)
        say(FRAME_PONG, nonce, seq), say(FRAME_PONG, nonce, seq + 1);
    else if (strcmp(mode, "flood-out") == 0)
        flood(1, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    else if (strcmp(mode, "flood-err") == 0)
        flood(2, "help! help! help! help! help! help! help! help! help! help! help!\n");
    else if (strcmp(mode, "die") == 0)
        fd_write_full(2, "first\nthe \x1b[31mlast words\n", 26, NULL), _exit(3);
    else if (strcmp(mode, "signal") == 0)
        raise(SIGUSR1);
    else if (strcmp(mode, "half") == 0)
        fd_write_full(1, "{\"type\":", 8, NULL), _exit(0);
    else if (strcmp(mode, "mute") == 0)
        close(1), sleep_ms(60000);
    else if (strcmp(mode, "gives-up") == 0)
        say(FRAME_ERROR, nonce, 0), _exit(1);
    else if (strcmp(mode, "leaves") == 0)
        say(FRAME_BYE, nonce, 0), _exit(2);
    else if (strcmp(mode, "error") == 0)
        say(FRAME_ERROR, nonce, seq);
    else
        return false;
    return true;
}

static int fake_main(const char *mode, const char *nonce)
{
    static char line[WIRE_LINE_MAX + 1];
    if (strcmp(mode, "no-hello") == 0)
        sleep_ms(60000);
    if (strcmp(mode, "no-start") == 0)
        fd_write_full(2, "cannot start\n", 13, NULL), _exit(1);
    if (strcmp(mode, "no-version") == 0)
        fd_write_full(1, "{}\n", 3, NULL), sleep_ms(60000);
    say(FRAME_HELLO, nonce, 0);
    if (strcmp(mode, "deaf") == 0)
        close(0), sleep_ms(60000);
    if (strcmp(mode, "early") == 0)
        sleep_ms(50), say(FRAME_PONG, nonce, 1);
    for (uint64_t seq = 1;; seq++) {
        size_t n = 0;
        if (strcmp(mode, "slow-reader") == 0)
            sleep_ms(100);
        while (n < WIRE_LINE_MAX && read(0, line + n, 1) == 1 && line[n] != '\n')
            n++;
        if (n == 0)
            return 0;
        if (strstr(line, "\"bye\"")) {
            say(FRAME_BYE, nonce, seq);
            return 0;
        }
        if (misbehave(mode, nonce, seq))
            continue;
        if (strcmp(mode, "late") == 0)
            sleep_ms(300);
        say(strstr(line, "\"prepare\"") ? FRAME_READY : FRAME_PONG, nonce, seq);
    }
}

/* ---- the rig ---- */

struct rig {
    struct loop *loop;
    struct session *s;
    struct loop_source *watch;
    pid_t pid;
    bool exited, guest;
};

static void on_exit_of(void *user, pid_t pid, int wait_status, const struct rusage *usage)
{
    struct rig *r = user;
    r->exited = true;
    session_exited(r->s, wait_status, NULL);
}

/* On another rig's loop, or one of its own. There is one loop a process: it reaps every child. */
static void rig_init_on(struct rig *r, struct loop *l, const char *mode)
{
    *r = (struct rig){.loop = l, .guest = l != NULL};
    int in[2], out[2], errs[2];
    char nonce[WIRE_NONCE_SIZE];
    session_nonce(nonce);
    if (!l)
        assert_ok(loop_new(&r->loop, err));
    assert_ok(fd_pipe(in, err));
    assert_ok(fd_pipe(out, err));
    assert_ok(fd_pipe(errs, err));
    fcntl(in[1], F_SETPIPE_SZ, 4096);
    const char *argv[] = {"/proc/self/exe", "--fake", mode, nonce, NULL};
    struct spawn_spec spec = {
        .argv = argv, .fd_in = in[0], .fd_out = out[1], .fd_err = errs[1], .die_with_parent = true};
    assert_ok(spawn(&spec, &r->pid, err));
    close(in[0]);
    close(out[1]);
    close(errs[1]);
    assert_ok(session_new(r->loop, nonce, in[1], out[0], errs[0], &r->s, err));
    r->s->caps.pid = r->pid;
    assert_ok(loop_watch_child(r->loop, r->pid, on_exit_of, r, &r->watch, err));
}

static void rig_init(struct rig *r, const char *mode)
{
    rig_init_on(r, NULL, mode);
}

static void rig_release(struct rig *r)
{
    if (!r->exited)
        kill(r->pid, SIGKILL);
    loop_run_until(r->loop, &r->exited, time_deadline(5 * NS_PER_S), NULL);
    loop_remove(r->loop, r->watch);
    session_free(r->s);
    if (!r->guest)
        loop_free(r->loop);
}

static void rig_hello(struct rig *r, const char *mode)
{
    rig_init(r, mode);
    assert_ok(session_hello(r->s, time_deadline(5 * NS_PER_S), err));
    assert_string_equal(r->s->hello.program, "fake");
}

static int ping(struct session *s, uint64_t ns, struct err *err)
{
    struct frame f;
    frame_init(&f, FRAME_PING, "", 0);
    return session_call(s, &f, FRAME_PONG, time_deadline(ns), NULL, err);
}

/* One ping in this mode fails so, and so does every later one. */
static void check_breaks(const char *mode, enum err_kind kind, const char *text)
{
    struct rig r;
    struct err first = ERR_INIT, second = ERR_INIT;
    rig_hello(&r, mode);
    int rc = ping(r.s, 2 * NS_PER_S, &first);
    assert_true(rc < 0);
    if (first.kind != kind || !strstr(first.msg, text))
        fail_msg("%s: %s: '%s', not '%s'", mode, err_kind_name(first.kind), first.msg, text);
    assert_true(r.s->broken);
    assert_null(session_answer(r.s));
    assert_int_equal(session_control_ns(r.s), 0);
    assert_int_equal(ping(r.s, NS_PER_S, &second), rc);
    assert_string_equal(first.msg, second.msg);
    rig_release(&r);
}

/* ---- tests ---- */

static void test_honest(void **state)
{
    struct rig r;
    rig_hello(&r, "honest");
    for (int i = 0; i < 100; i++)
        assert_ok(ping(r.s, 2 * NS_PER_S, err));
    uint64_t round_trip = session_control_ns(r.s);
    assert_true(round_trip > 0 && round_trip < NS_PER_S);
    struct frame f;
    frame_init(&f, FRAME_BYE, "", 0);
    assert_ok(session_call(r.s, &f, FRAME_BYE, time_deadline(NS_PER_S), NULL, err));
    assert_ok(loop_run_until(r.loop, &r.exited, time_deadline(2 * NS_PER_S), err));
    assert_false(r.s->broken); /* it was told to leave */
    rig_release(&r);
}

static void test_lies(void **state)
{
    check_breaks("nonce", ERR_MEASUREMENT, "nonce");
    check_breaks("seq", ERR_MEASUREMENT, "sequence number 2 instead of 1");
    check_breaks("type", ERR_MEASUREMENT, "answered ping with ready");
    check_breaks("garbage", ERR_MEASUREMENT, "its answer to ping");
}

/* An answer prepared before the question would make a fast probe. */
static void test_early(void **state)
{
    struct rig r;
    rig_hello(&r, "early");
    sleep_ms(200);
    assert_fails(ping(r.s, NS_PER_S, err), EPROTO, "without being asked");
    rig_release(&r);
}

static void test_floods(void **state)
{
    check_breaks("flood-out", ERR_MEASUREMENT, "longer than a frame");
    check_breaks("flood-err", ERR_MEASUREMENT, "floods");
}

static void test_deaths(void **state)
{
    check_breaks("die", ERR_MEASUREMENT, "exit status 3: the ?[31mlast words");
    check_breaks("signal", ERR_MEASUREMENT, "killed by signal 10");
    check_breaks("half", ERR_MEASUREMENT, "exit status 0");
    check_breaks("gives-up", ERR_MEASUREMENT, "it gave up: prepare: no such thing");
    check_breaks("leaves", ERR_MEASUREMENT, "it left without being asked");
    check_breaks("mute", ERR_MEASUREMENT, "its output ended");
}

static void test_stall(void **state)
{
    struct rig r;
    rig_hello(&r, "stall");
    assert_fails(ping(r.s, 100 * NS_PER_MS, err), ETIMEDOUT, "no answer to ping after 0.1");
    struct err why = ERR_INIT;
    assert_int_equal(session_failure(r.s, &why), -ETIMEDOUT);
    assert_int_equal(why.kind, ERR_TIMEOUT);
    rig_release(&r);
}

/* What comes after the deadline is nobody's answer. */
static void test_late(void **state)
{
    struct rig r;
    rig_hello(&r, "late");
    assert_fails(ping(r.s, 50 * NS_PER_MS, err), ETIMEDOUT, "no answer");
    sleep_ms(400);
    assert_fails(ping(r.s, NS_PER_S, err), ETIMEDOUT, "no answer");
    rig_release(&r);
}

static void test_two_answers(void **state)
{
    struct rig r;
    rig_hello(&r, "twice");
    struct err why = ERR_INIT;
    /* Whether the second is seen with the first or with the next question, it breaks. */
    if (ping(r.s, NS_PER_S, &why) == 0) {
        sleep_ms(50);
        assert_true(ping(r.s, NS_PER_S, &why) < 0);
    }
    assert_non_null(strstr(why.msg, "without being asked"));
    rig_release(&r);
}

static void test_deaf(void **state)
{
    struct rig r;
    rig_hello(&r, "deaf");
    sleep_ms(50);
    struct err why = ERR_INIT;
    assert_true(ping(r.s, NS_PER_S, &why) < 0);
    assert_int_equal(why.kind, ERR_MEASUREMENT);
    rig_release(&r);
}

static void test_no_hello(void **state)
{
    struct rig r;
    rig_init(&r, "no-hello");
    assert_fails(session_hello(r.s, time_deadline(50 * NS_PER_MS), err), ETIMEDOUT, "no hello");
    rig_release(&r);
    rig_init(&r, "no-start");
    assert_fails(session_hello(r.s, time_deadline(2 * NS_PER_S), err), ECHILD, "cannot start");
    rig_release(&r);
    rig_init(&r, "no-version");
    assert_fails(session_hello(r.s, time_deadline(2 * NS_PER_S), err), EPROTO, "its start");
    rig_release(&r);
}

static void test_error_frame(void **state)
{
    struct rig r;
    rig_hello(&r, "error");
    struct err why = ERR_INIT;
    assert_int_equal(ping(r.s, NS_PER_S, &why), -ENOSYS);
    assert_int_equal(why.kind, ERR_UNSUPPORTED);
    assert_string_equal(why.msg, "prepare: no such thing");
    assert_false(r.s->broken); /* an honest no */
    assert_int_equal(ping(r.s, NS_PER_S, &why), -ENOSYS);
    rig_release(&r);
}

/* A frame larger than the pipe: written in pieces, whenever there is room. */
static void test_large_frame(void **state)
{
    struct rig r;
    rig_hello(&r, "slow-reader");
    struct frame f;
    frame_init(&f, FRAME_PREPARE, "", 0);
    str_copy(f.prepare.workload, sizeof(f.prepare.workload), "x");
    f.prepare.workers = 1;
    for (int i = 0; i < WIRE_FACTS_MAX; i++) {
        char name[8], text[WIRE_TEXT_MAX];
        str_format(name, sizeof(name), "p%d", i);
        memset(text, 'a', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        assert_true(facts_add_text(&f.prepare.params, name, text));
    }
    assert_ok(session_post(r.s, &f, err));
    assert_non_null(r.s->src_in); /* it did not fit */
    assert_fails(session_post(r.s, &f, err), EBUSY, "second request");
    assert_ok(session_await(r.s, FRAME_READY, "prepare", time_deadline(5 * NS_PER_S), NULL, err));
    assert_null(r.s->src_in);
    assert_ok(ping(r.s, 2 * NS_PER_S, err));
    rig_release(&r);
}

/* Of several, the one that answers first; no wake-up for anything else. */
static void test_wait_any(void **state)
{
    struct rig a, b;
    rig_hello(&a, "late");
    rig_init_on(&b, a.loop, "honest");
    assert_ok(session_hello(b.s, time_deadline(2 * NS_PER_S), err));
    struct frame f;
    frame_init(&f, FRAME_PING, "", 0);
    assert_ok(session_post(a.s, &f, err));
    assert_ok(session_post(b.s, &f, err));
    struct session *who = NULL;
    struct session *const set[] = {NULL, a.s, b.s};
    uint64_t wakeups = loop_wakeups(a.loop);
    assert_ok(sessions_wait_any(a.loop, set, 3, time_deadline(2 * NS_PER_S), &who, err));
    assert_ptr_equal(who, b.s);
    assert_fails(sessions_wait_any(a.loop, set, 3, time_deadline(100 * NS_PER_MS), &who, err),
                 ETIMEDOUT, "");
    assert_ok(sessions_wait_any(a.loop, set, 3, time_deadline(2 * NS_PER_S), &who, err));
    assert_ptr_equal(who, a.s);
    assert_true(loop_wakeups(a.loop) - wakeups <= 3); /* an answer, a deadline, an answer */
    assert_true(session_control_ns(a.s) >= 250 * NS_PER_MS);
    assert_fails(sessions_wait_any(a.loop, set, 3, time_deadline(NS_PER_S), &who, err), EINVAL,
                 "asked nothing");
    rig_release(&b);
    rig_release(&a);
}

static void test_wake_up_on_break(void **state)
{
    struct rig r;
    rig_hello(&r, "stall");
    struct frame f;
    frame_init(&f, FRAME_PING, "", 0);
    assert_ok(session_post(r.s, &f, err));
    session_break(r.s, ERR_MEASUREMENT, EIO, "reason %d", 1);
    session_break(r.s, ERR_BUG, EINVAL, "reason %d", 2);
    struct session *who = NULL;
    struct session *const set[] = {r.s};
    assert_ok(sessions_wait_any(r.loop, set, 1, time_deadline(NS_PER_S), &who, err));
    assert_ptr_equal(who, r.s);
    assert_fails(session_failure(r.s, err), EIO, "reason 1");
    rig_release(&r);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--fake") == 0)
        return fake_main(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_honest),      cmocka_unit_test(test_lies),
        cmocka_unit_test(test_early),       cmocka_unit_test(test_floods),
        cmocka_unit_test(test_deaths),      cmocka_unit_test(test_stall),
        cmocka_unit_test(test_late),        cmocka_unit_test(test_two_answers),
        cmocka_unit_test(test_deaf),        cmocka_unit_test(test_no_hello),
        cmocka_unit_test(test_error_frame), cmocka_unit_test(test_large_frame),
        cmocka_unit_test(test_wait_any),    cmocka_unit_test(test_wake_up_on_break),
    };
    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
