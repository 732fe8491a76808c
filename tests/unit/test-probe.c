/* Scripted conversations with the real probe, over pipes, as a controller has them. */
#include "base/fd.h"
#include "base/spawn.h"
#include "base/time.h"
#include "wire/frame.h"
#include "wire/hist.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <cmocka.h>

#define NONCE   "00112233aabbccdd"
#define WAIT_NS (60 * NS_PER_S)

struct talk {
    pid_t pid;
    int to, from;
    uint64_t seq;
    struct line_reader reader;
};

static void talk_begin(struct talk *t, const char *const *argv)
{
    struct err err = ERR_INIT;
    int in[2], out[2];
    assert_int_equal(fd_pipe(in, &err), 0);
    assert_int_equal(fd_pipe(out, &err), 0);
    struct spawn_spec spec = {
        .argv = argv, .fd_in = in[0], .fd_out = out[1], .fd_err = -1, .die_with_parent = true};
    if (spawn(&spec, &t->pid, &err) != 0)
        fail_msg("%s", err.msg);
    close(in[0]);
    close(out[1]);
    t->to = in[1];
    t->from = out[0];
    t->seq = 0;
    line_reader_init(&t->reader);
}

/* The next frame of the probe, or FRAME_NONE at end of file. */
static void talk_hear(struct talk *t, struct frame *ret)
{
    struct err err = ERR_INIT;
    uint64_t deadline = time_deadline(WAIT_NS);
    for (;;) {
        const char *line;
        size_t n;
        int r = line_reader_take(&t->reader, &line, &n);
        assert_true(r >= 0);
        if (r == 1) {
            if (frame_parse(line, n, ret, &err) != 0)
                fail_msg("%s: %.*s", err.msg, (int)n, line);
            assert_string_equal(ret->nonce, NONCE);
            return;
        }
        struct pollfd p = {.fd = t->from, .events = POLLIN};
        assert_int_equal(poll(&p, 1, time_left_ms(deadline)), 1);
        ssize_t got = line_reader_fill(&t->reader, t->from);
        if (got == 0) {
            frame_init(ret, FRAME_NONE, NONCE, 0);
            return;
        }
        assert_true(got > 0);
    }
}

static void talk_hello(struct talk *t, const char *inject, const char *lease)
{
    const char *argv[8] = {CUPEL_PROBE_PATH, "--nonce", NONCE};
    unsigned n = 3;
    if (inject) {
        argv[n++] = "--inject";
        argv[n++] = inject;
    }
    if (lease) {
        argv[n++] = "--lease";
        argv[n++] = lease;
    }
    talk_begin(t, argv);
    struct frame f;
    talk_hear(t, &f);
    assert_int_equal(f.type, FRAME_HELLO);
    frame_release(&f);
}

static void talk_bytes(struct talk *t, const char *bytes)
{
    assert_int_equal(write(t->to, bytes, strlen(bytes)), strlen(bytes));
}

static void talk_send(struct talk *t, struct frame *f)
{
    _cleanup_(str_release) struct str s = STR_INIT;
    struct err err = ERR_INIT;
    if (frame_encode(f, &s, &err) != 0)
        fail_msg("%s", err.msg);
    talk_bytes(t, s.buf);
}

/* Sends f with the next sequence number and hears its answer. */
static void talk_ask(struct talk *t, struct frame *f, struct frame *ret)
{
    f->seq = ++t->seq;
    talk_send(t, f);
    talk_hear(t, ret);
    if (ret->type != FRAME_NONE)
        assert_int_equal(ret->seq, t->seq);
}

static void ask_type(struct talk *t, enum frame_type type, enum frame_type expect,
                     struct frame *ret)
{
    struct frame f;
    frame_init(&f, type, NONCE, 0);
    talk_ask(t, &f, ret);
    if (ret->type == FRAME_ERROR && expect != FRAME_ERROR)
        fail_msg("%s: %s", ret->error.where, ret->error.text);
    assert_int_equal(ret->type, expect);
}

static void expect_status(struct talk *t, int status)
{
    int st;
    assert_int_equal(waitpid(t->pid, &st, 0), t->pid);
    assert_true(WIFEXITED(st));
    assert_int_equal(WEXITSTATUS(st), status);
    close(t->to);
    close(t->from);
    line_reader_release(&t->reader);
}

static void talk_end(struct talk *t)
{
    struct frame f;
    ask_type(t, FRAME_BYE, FRAME_BYE, &f);
    talk_hear(t, &f);
    assert_int_equal(f.type, FRAME_NONE);
    expect_status(t, 0);
}

static void prepare_init(struct frame *f, const char *workload, unsigned workers)
{
    frame_init(f, FRAME_PREPARE, NONCE, 0);
    str_copy(f->prepare.workload, sizeof(f->prepare.workload), workload);
    f->prepare.workers = workers;
}

static void ask_prepare(struct talk *t, struct frame *f, struct frame *ret)
{
    talk_ask(t, f, ret);
    if (ret->type == FRAME_ERROR)
        fail_msg("prepare %s: %s", f->prepare.workload, ret->error.text);
    assert_int_equal(ret->type, FRAME_READY);
}

static uint64_t ask_slice(struct talk *t, uint64_t ops, unsigned workers, bool hist)
{
    struct frame f, a;
    frame_init(&f, FRAME_SLICE, NONCE, 0);
    f.slice.ops = ops;
    f.slice.hist = hist;
    uint64_t before = time_mono_ns();
    talk_ask(t, &f, &a);
    uint64_t took = time_mono_ns() - before;
    if (a.type == FRAME_ERROR)
        fail_msg("slice: %s", a.error.text);
    assert_int_equal(a.type, FRAME_SLICED);
    assert_int_equal(a.sliced.ops, ops * workers);
    assert_true(a.sliced.ns > 0 && a.sliced.ns <= took);
    assert_true(a.sliced.start_ns >= before); /* one machine, one clock */
    uint64_t ns = a.sliced.ns;
    assert_true(hist == (a.sliced.hist != NULL));
    if (hist) {
        struct hist *h = xmalloc(sizeof(*h));
        assert_int_equal(hist_decode(a.sliced.hist, h, NULL), 0);
        assert_int_equal(h->total, ops * workers);
        assert_true(h->max_ns <= ns);
        free(h);
    }
    frame_release(&a);
    return ns;
}

static void ask_finish(struct talk *t, uint64_t ops)
{
    struct frame a;
    ask_type(t, FRAME_FINISH, FRAME_FINISHED, &a);
    if (!a.finished.verified)
        fail_msg("not verified: %s", a.finished.detail);
    assert_int_equal(a.finished.ops, ops);
    assert_true(a.finished.detail[0] != '\0');
    frame_release(&a);
}

static void hello_says_where_it_is(void **state)
{
    struct talk t;
    const char *argv[] = {CUPEL_PROBE_PATH, "--nonce", NONCE, NULL};
    talk_begin(&t, argv);
    struct frame f;
    talk_hear(&t, &f);
    assert_int_equal(f.type, FRAME_HELLO);
    assert_int_equal(f.seq, 0);
    assert_int_equal(f.hello.version, WIRE_VERSION);
    assert_string_equal(f.hello.program, "cupel-probe " CUPEL_VERSION);
    assert_string_equal(f.hello.sysname, "Linux");
    assert_true(f.hello.release[0] && f.hello.kernel_version[0] && f.hello.machine[0]);
    char boot_id[WIRE_NAME_MAX];
    assert_true(file_read_line("/proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id)) >= 0);
    assert_string_equal(f.hello.boot_id, boot_id);
    assert_int_equal(f.hello.pid, t.pid);
    assert_int_equal(f.hello.cpus_online, sysconf(_SC_NPROCESSORS_ONLN));
    assert_in_range(f.hello.cpus_allowed, 1, f.hello.cpus_online);
    assert_int_equal(f.hello.page_bytes, sysconf(_SC_PAGESIZE));
    assert_in_range(f.hello.clock_res_ns, 1, 100000000);
    assert_in_range(time_mono_ns() - (uint64_t)f.hello.clock_ns, 0, WAIT_NS);
    frame_release(&f);
    ask_type(&t, FRAME_PING, FRAME_PONG, &f);
    talk_end(&t);
}

struct scene {
    const char *workload;
    const char *param, *text;
    bool hist;
};

static const struct scene scenes[] = {
    {"cpu.prime", NULL, NULL, true},
    {"mem.copy", "stores", "plain", true},
    {"mem.scale", "stores", "plain", true},
    {"mem.add", "stores", "plain", true},
    {"mem.triad", "pages", "base", true},
#ifdef __x86_64__
    {"mem.copy", "stores", "nt", true},
    {"mem.scale", "stores", "nt", true},
    {"mem.add", "stores", "nt", true},
    {"mem.triad", "stores", "nt", true},
#endif
    {"clock.gettime", "clock", "monotonic", true},
    {"clock.gettime", "clock", "realtime", true},
};

static void every_workload_does_its_work(void **state)
{
    struct talk t;
    talk_hello(&t, NULL, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(scenes); i++)
        for (unsigned workers = 1; workers <= 3; workers += 2) {
            struct frame f, a;
            prepare_init(&f, scenes[i].workload, workers);
            facts_add_num(&f.prepare.params, "limit", 500);
            facts_add_num(&f.prepare.params, "array_bytes", 8 << 20);
            if (scenes[i].param)
                facts_add_text(&f.prepare.params, scenes[i].param, scenes[i].text);
            ask_prepare(&t, &f, &a);
            ask_finish(&t, 0);
            ask_slice(&t, 5, workers, false);
            ask_slice(&t, 1, workers, false);
            ask_finish(&t, 6 * workers);
            ask_slice(&t, 20, workers, scenes[i].hist);
            ask_finish(&t, 26 * workers);
        }
    talk_end(&t);
}

static void primes_are_counted_for_every_limit(void **state)
{
    static const struct {
        int64_t limit, primes; /* in [3, limit) */
    } known[] = {{3, 0}, {4, 1}, {5, 1}, {10, 3}, {2000, 302}, {20000, 2261}};
    struct talk t;
    talk_hello(&t, NULL, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
        struct frame f, a;
        prepare_init(&f, "cpu.prime", 1);
        facts_add_num(&f.prepare.params, "limit", known[i].limit);
        ask_prepare(&t, &f, &a);
        ask_slice(&t, 3, 1, false);
        ask_type(&t, FRAME_FINISH, FRAME_FINISHED, &a);
        assert_true(a.finished.verified);
        assert_int_equal(facts_num(&a.finished.facts, "primes_per_event", -1), known[i].primes);
    }
    talk_end(&t);
}

static void memory_facts_are_told_and_arrays_reused(void **state)
{
    struct talk t;
    talk_hello(&t, NULL, NULL);
    static const char *const names[] = {"mem.copy", "mem.triad"};
    for (unsigned i = 0; i < 2; i++) {
        struct frame f, a;
        prepare_init(&f, names[i], 2);
        facts_add_num(&f.prepare.params, "array_bytes", 16 << 20);
        ask_prepare(&t, &f, &a);
        assert_int_equal(facts_num(&a.ready, "state_reused", -1), i);
        assert_int_equal(facts_num(&a.ready, "array_bytes", -1), 16 << 20);
        assert_int_equal(facts_num(&a.ready, "chunk_bytes", -1), 64 << 10);
        assert_int_equal(facts_num(&a.ready, "bytes_per_op", -1), (2 + (int)i) << 20);
        assert_int_equal(facts_num(&a.ready, "alignment_bytes", -1), 2 << 20);
        assert_in_range(facts_num(&a.ready, "huge_bytes", -2) + 1, 0, 64 << 20);
        assert_string_equal(facts_text(&a.ready, "workers_are", ""), "threads");
        ask_slice(&t, 8, 2, false);
        ask_finish(&t, 16);
    }
    struct frame f, a;
    prepare_init(&f, "mem.triad", 2);
    facts_add_num(&f.prepare.params, "array_bytes", 3 * 4096 + 100);
    ask_prepare(&t, &f, &a);
    assert_int_equal(facts_num(&a.ready, "state_reused", -1), 0);
    assert_int_equal(facts_num(&a.ready, "array_bytes", -1), 2 * 4096);
    assert_int_equal(facts_num(&a.ready, "bytes_per_op", -1), 3 << 20);
    ask_slice(&t, 1000, 2, false);
    ask_finish(&t, 2000);
    talk_end(&t);
}

static void expect_refused(struct talk *t, struct frame *f, int code, const char *text)
{
    struct frame a;
    talk_ask(t, f, &a);
    assert_int_equal(a.type, FRAME_ERROR);
    assert_string_equal(a.error.where, frame_type_name(f->type));
    assert_int_equal(a.error.code, code);
    if (!strstr(a.error.text, text))
        fail_msg("'%s' does not name '%s'", a.error.text, text);
    ask_type(t, FRAME_PING, FRAME_PONG, &a);
}

static void what_cannot_be_prepared_leaves_the_probe_alive(void **state)
{
    struct talk t;
    struct frame f;
    talk_hello(&t, NULL, NULL);
    frame_init(&f, FRAME_SLICE, NONCE, 0);
    f.slice.ops = 1;
    expect_refused(&t, &f, EINVAL, "nothing is prepared");
    frame_init(&f, FRAME_FINISH, NONCE, 0);
    expect_refused(&t, &f, EINVAL, "nothing is prepared");
    prepare_init(&f, "cpu.primes", 1);
    expect_refused(&t, &f, ENOTSUP, "cpu.primes");
    prepare_init(&f, "cpu.prime", 2);
    facts_add_num(&f.prepare.params, "limit", 2);
    expect_refused(&t, &f, EINVAL, "limit");
    prepare_init(&f, "cpu.prime", 2);
    facts_add_text(&f.prepare.params, "limit", "many");
    expect_refused(&t, &f, EINVAL, "limit");
    prepare_init(&f, "mem.copy", 2);
    facts_add_text(&f.prepare.params, "stores", "sideways");
    expect_refused(&t, &f, EINVAL, "stores");
    prepare_init(&f, "mem.copy", 2);
    facts_add_num(&f.prepare.params, "array_bytes", 4096);
    expect_refused(&t, &f, EINVAL, "array_bytes");
    frame_init(&f, FRAME_SLICE, NONCE, 0);
    f.slice.ops = 1;
    expect_refused(&t, &f, EINVAL, "nothing is prepared");
    talk_end(&t);
}

static uint64_t fastest_slice(const char *inject)
{
    struct talk t;
    struct frame f, a;
    uint64_t best = UINT64_MAX;
    talk_hello(&t, inject, NULL);
    prepare_init(&f, "cpu.prime", 1);
    facts_add_num(&f.prepare.params, "limit", 2000);
    ask_prepare(&t, &f, &a);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t ns = ask_slice(&t, 10, 1, false);
        best = ns < best ? ns : best;
    }
    ask_finish(&t, 200);
    talk_end(&t);
    return best;
}

static void injected_work_takes_time_and_is_not_counted(void **state)
{
    double ratio = (double)fastest_slice("cpu:100%") / (double)fastest_slice(NULL);
    if (ratio < 1.5)
        fail_msg("twice the work took %.2f times as long", ratio);
}

/* One error frame, then the end. */
static void expect_alien(struct talk *t, const char *text)
{
    struct frame f;
    talk_hear(t, &f);
    assert_int_equal(f.type, FRAME_ERROR);
    assert_string_equal(f.error.where, "frame");
    if (!strstr(f.error.text, text))
        fail_msg("'%s' does not say '%s'", f.error.text, text);
    talk_hear(t, &f);
    assert_int_equal(f.type, FRAME_NONE);
    expect_status(t, 1);
}

static void only_its_controller_is_served(void **state)
{
    struct talk t;
    struct frame f;
    talk_hello(&t, NULL, NULL);
    talk_bytes(&t, "GET / HTTP/1.1\r\n\r\n");
    expect_alien(&t, "");

    talk_hello(&t, NULL, NULL);
    frame_init(&f, FRAME_PING, "0011223344556677", 1);
    talk_send(&t, &f);
    expect_alien(&t, "nonce");

    talk_hello(&t, NULL, NULL);
    ask_type(&t, FRAME_PING, FRAME_PONG, &f);
    frame_init(&f, FRAME_PING, NONCE, 1);
    talk_send(&t, &f);
    expect_alien(&t, "sequence");

    talk_hello(&t, NULL, NULL);
    frame_init(&f, FRAME_PONG, NONCE, 1);
    talk_send(&t, &f);
    expect_alien(&t, "pong");

    talk_hello(&t, NULL, NULL);
    _cleanup_free_ char *flood = xmalloc(WIRE_LINE_MAX + 2);
    memset(flood, 'x', WIRE_LINE_MAX + 1);
    flood[WIRE_LINE_MAX + 1] = '\0';
    /* It may leave before the last byte, for which the pipe has no room. */
    assert_true(write(t.to, flood, WIRE_LINE_MAX + 1) >= WIRE_LINE_MAX);
    expect_alien(&t, "bytes");
}

static void it_leaves_when_nobody_speaks(void **state)
{
    struct talk t;
    struct frame f;
    talk_hello(&t, NULL, NULL);
    prepare_init(&f, "mem.copy", 3);
    struct frame a;
    ask_prepare(&t, &f, &a);

    close(t.to);
    t.to = -1;
    talk_hear(&t, &f);
    assert_int_equal(f.type, FRAME_NONE);
    expect_status(&t, 0);

    uint64_t before = time_mono_ns();
    talk_hello(&t, NULL, "1");
    ask_type(&t, FRAME_PING, FRAME_PONG, &f);
    talk_bytes(&t, "{"); /* half a line is no frame */
    talk_hear(&t, &f);
    assert_int_equal(f.type, FRAME_NONE);
    assert_in_range(time_mono_ns() - before, NS_PER_S, 30 * NS_PER_S);
    expect_status(&t, 2);
}

static int status_of(const char *const *argv)
{
    struct talk t;
    int st;
    talk_begin(&t, argv);
    assert_int_equal(waitpid(t.pid, &st, 0), t.pid);
    char byte;
    assert_int_equal(read(t.from, &byte, 1), 0);
    close(t.to);
    close(t.from);
    line_reader_release(&t.reader);
    return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

#define STATUS(...)                                                                                \
    status_of((const char *const[]){CUPEL_PROBE_PATH __VA_OPT__(, ) __VA_ARGS__, NULL})

static void its_workers_die_with_it(void **state)
{
    struct talk t;
    struct frame f, a;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    talk_hello(&t, NULL, NULL);
    prepare_init(&f, "sys.getpid", 3);
    ask_prepare(&t, &f, &a);
    assert_string_equal(facts_text(&a.ready, "workers_are", ""), "processes");
    assert_int_equal(kill(t.pid, SIGKILL), 0);
    unsigned reaped = 0;
    alarm(30); /* ends the test should they live on */
    for (int st; waitpid(-1, &st, 0) > 0; reaped++)
        assert_true(WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL);
    alarm(0);
    assert_int_equal(reaped, 3);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
    close(t.to);
    close(t.from);
    line_reader_release(&t.reader);
}

static void the_list_names_each_workload_once(void **state)
{
    static const char *const argv[] = {CUPEL_PROBE_PATH, "--list", NULL};
    struct talk t;
    _cleanup_(str_release) struct str text = STR_INIT;
    talk_begin(&t, argv);
    assert_int_equal(fd_read_all(t.from, 65536, &text, NULL), 0);
    expect_status(&t, 0);
    char *names[256];
    unsigned n = 0;
    for (char *rest = text.buf, *name; (name = strsep(&rest, "\n")) && *name;) {
        const char *dot = strchr(name, '.'); /* not every family has several */
        assert_true(!dot || (dot > name && dot[1]));
        assert_true(strlen(name) < WIRE_NAME_MAX);
        for (unsigned i = 0; i < n; i++)
            assert_string_not_equal(names[i], name);
        assert_true(n < ARRAY_SIZE(names));
        names[n++] = name;
    }
    assert_true(n >= 6);
}

static void it_can_be_asked_to_stop(void **state)
{
    struct talk t;
    struct frame f;
    talk_hello(&t, NULL, NULL);
    assert_int_equal(kill(t.pid, SIGTERM), 0);
    talk_hear(&t, &f);
    assert_int_equal(f.type, FRAME_NONE);
    expect_status(&t, 0);
}

static void wrong_arguments_are_refused(void **state)
{
    assert_int_equal(STATUS(), 64);
    assert_int_equal(STATUS("--nonce", "short"), 64);
    assert_int_equal(STATUS("--nonce", "00112233AABBCCDG"), 64);
    assert_int_equal(STATUS("--nonce", NONCE, "more"), 64);
    assert_int_equal(STATUS("--nonce", NONCE, "--inject", "disk:1%"), 64);
    assert_int_equal(STATUS("--nonce", NONCE, "--inject", "cpu:101%"), 64);
    assert_int_equal(STATUS("--nonce", NONCE, "--lease", "0"), 64);
    assert_int_equal(STATUS("--unknown"), 64);
    assert_int_equal(STATUS("--true"), 0);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_says_where_it_is),
        cmocka_unit_test(every_workload_does_its_work),
        cmocka_unit_test(primes_are_counted_for_every_limit),
        cmocka_unit_test(memory_facts_are_told_and_arrays_reused),
        cmocka_unit_test(what_cannot_be_prepared_leaves_the_probe_alive),
        cmocka_unit_test(injected_work_takes_time_and_is_not_counted),
        cmocka_unit_test(only_its_controller_is_served),
        cmocka_unit_test(it_leaves_when_nobody_speaks),
        cmocka_unit_test(its_workers_die_with_it),
        cmocka_unit_test(the_list_names_each_workload_once),
        cmocka_unit_test(it_can_be_asked_to_stop),
        cmocka_unit_test(wrong_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
