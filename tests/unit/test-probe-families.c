/* Every workload of the families sys, call, mm, ipc and fs, run by the real probe: it verifies, its
 * verification notices when the work was not done, parameters out of bounds are refused, and
 * nothing stays behind. */
#include "probe-talk.h"

#include "base/fs.h"
#include "site.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>

#define WORKLOADS_MIN 59

static const char *const families[] = {"sys.", "call.", "mm.", "ipc.", "fs."};

static bool is_ours(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        if (str_starts(name, families[i]))
            return true;
    }
    return false;
}

/* Calls cb for every name the probe lists that is of our families. */
static unsigned for_each_workload(void (*cb)(void *user, const char *name), void *user)
{
    const char *argv[] = {CUPEL_PROBE_PATH, "--list", NULL};
    struct err err = ERR_INIT;
    int out[2], status;
    pid_t pid;
    assert_int_equal(fd_pipe(out, &err), 0);
    struct spawn_spec spec = {.argv = argv, .fd_in = -1, .fd_out = out[1], .fd_err = -1};
    assert_int_equal(spawn(&spec, &pid, &err), 0);
    close(out[1]);
    _cleanup_(str_release) struct str text = STR_INIT;
    assert_int_equal(fd_read_all(out[0], 65536, &text, &err), 0);
    close(out[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);

    unsigned n = 0;
    char *rest = text.buf;
    for (char *name; (name = strsep(&rest, "\n"));) {
        if (!is_ours(name))
            continue;
        n++;
        cb(user, name);
    }
    return n;
}

/* ---- asking ---- */

static void prepare_frame(struct frame *f, const char *workload, unsigned workers)
{
    frame_init(f, FRAME_PREPARE, TALK_NONCE, 0);
    str_copy(f->prepare.workload, sizeof(f->prepare.workload), workload);
    f->prepare.workers = workers;
}

static void prepare_in(struct talk *t, const char *workload, const char *dir, struct frame *ret)
{
    struct frame f;
    prepare_frame(&f, workload, 1);
    facts_add_text(&f.prepare.params, "dir", dir);
    talk_ask(t, &f, ret);
    if (ret->type != FRAME_READY)
        fail_msg("%s: %s", workload, ret->error.text);
}

static void slice(struct talk *t, uint64_t ops, bool hist, struct frame *ret)
{
    struct frame f;
    frame_init(&f, FRAME_SLICE, TALK_NONCE, 0);
    f.slice.ops = ops;
    f.slice.hist = hist;
    talk_ask(t, &f, ret);
}

static void slice_ok(struct talk *t, const char *name, uint64_t ops, uint64_t expect)
{
    struct frame a;
    slice(t, ops, false, &a);
    if (a.type != FRAME_SLICED)
        fail_msg("%s: slice: %s", name, a.error.text);
    assert_int_equal(a.sliced.ops, expect);
    assert_true(a.sliced.ns > 0);
    frame_release(&a);
}

static void finish(struct talk *t, struct frame *ret)
{
    struct frame f;
    frame_init(&f, FRAME_FINISH, TALK_NONCE, 0);
    talk_ask(t, &f, ret);
    assert_int_equal(ret->type, FRAME_FINISHED);
}

static void finish_verified(struct talk *t, const char *name, uint64_t ops)
{
    struct frame a;
    finish(t, &a);
    if (!a.finished.verified)
        fail_msg("%s: %s", name, a.finished.detail);
    assert_int_equal(a.finished.ops, ops);
    frame_release(&a);
}

static void finish_refused(struct talk *t, const char *name, const char *detail)
{
    struct frame a;
    finish(t, &a);
    if (a.finished.verified || !strstr(a.finished.detail, detail))
        fail_msg("%s: verified %d: %s", name, a.finished.verified, a.finished.detail);
    frame_release(&a);
}

/* Operations of one slice: enough to wrap what wraps, little where one costs a process. */
static uint64_t ops_of(const char *name)
{
    static const char *const heavy[] = {"sys.exec", "call.exec", "call.fork", "call.thread"};
    for (size_t i = 0; i < ARRAY_SIZE(heavy); i++) {
        if (str_eq(name, heavy[i]))
            return 3;
    }
    return str_eq(name, "mm.fault") ? 37 : 101;
}

/* ---- every workload ---- */

struct every {
    struct talk talk;
    const char *dir;
    unsigned workers;
};

static void run_one(void *user, const char *name)
{
    struct every *e = user;
    uint64_t ops = ops_of(name);
    struct frame f, a;
    prepare_frame(&f, name, e->workers);
    facts_add_text(&f.prepare.params, "dir", e->dir);
    if (str_eq(name, "mm.fault"))
        facts_add_num(&f.prepare.params, "region_bytes", 16 * 4096);
    talk_ask(&e->talk, &f, &a);
    if (a.type != FRAME_READY)
        fail_msg("%s: %s", name, a.error.text);
    frame_release(&a);

    /* An odd number of operations, twice, and a finish between: state is carried on. */
    slice_ok(&e->talk, name, ops, ops * e->workers);
    finish_verified(&e->talk, name, ops * e->workers);
    slice_ok(&e->talk, name, ops, ops * e->workers);
    slice(&e->talk, 3, true, &a);
    if (str_eq(name, "ipc.switch")) { /* which says itself that single hops cannot be timed */
        assert_int_equal(a.type, FRAME_ERROR);
        assert_int_equal(a.error.code, ENOTSUP);
        finish_verified(&e->talk, name, 2 * ops * e->workers);
    } else {
        assert_int_equal(a.type, FRAME_SLICED);
        assert_non_null(a.sliced.hist);
        finish_verified(&e->talk, name, (2 * ops + 3) * e->workers);
    }
    frame_release(&a);
}

static void assert_empty(const char *dir)
{
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] != '.')
            fail_msg("%s was left behind", e->d_name);
    }
    closedir(d);
}

static void test_each_verifies(void **state)
{
    const struct site *s = *state;
    struct every e = {.dir = s->dir, .workers = 1};
    talk_open(&e.talk, NULL);
    assert_true(for_each_workload(run_one, &e) >= WORKLOADS_MIN);
    talk_close(&e.talk);
    assert_empty(s->dir);
}

static void test_each_verifies_with_two_workers(void **state)
{
    const struct site *s = *state;
    struct every e = {.dir = s->dir, .workers = 2};
    talk_open(&e.talk, NULL);
    assert_true(for_each_workload(run_one, &e) >= WORKLOADS_MIN);
    talk_close(&e.talk);
    assert_empty(s->dir);
}

/* Undeclared work is not reported, and does not upset what is checked. */
static void test_each_verifies_with_injection(void **state)
{
    const struct site *s = *state;
    struct every e = {.dir = s->dir, .workers = 1};
    talk_open(&e.talk, "cpu:50%");
    assert_true(for_each_workload(run_one, &e) >= WORKLOADS_MIN);
    talk_close(&e.talk);
    assert_empty(s->dir);
}

/* ---- parameters ---- */

static const struct bad_param {
    const char *workload, *name;
    int64_t num;
    const char *text; /* NULL: num */
    int code;
} bad_params[] = {
    {"mm.fault", "region_bytes", 4095, NULL, EINVAL},
    {"mm.fault", "region_bytes", 4097, NULL, EINVAL},
    {"mm.fault", "region_bytes", INT64_MAX, NULL, EINVAL},
    {"mm.fault", "region_bytes", 0, "much", EINVAL},
    {"mm.mmap", "region_bytes", -4096, NULL, EINVAL},
    {"ipc.switch", "procs", 1, NULL, EINVAL},
    {"ipc.switch", "procs", 65, NULL, EINVAL},
    {"ipc.switch", "work_bytes", -1, NULL, EINVAL},
    {"ipc.switch", "work_bytes", INT64_C(1) << 40, NULL, EINVAL},
    {"fs.open", "files", 0, NULL, EINVAL},
    {"fs.open", "files", 1000000, NULL, EINVAL},
    {"fs.open", "bytes", -1, NULL, EINVAL},
    {"fs.create", "bytes", INT64_C(1) << 33, NULL, EINVAL},
    {"fs.open", "dir", 7, NULL, EINVAL},
    {"fs.open", "dir", 0, "relative", EINVAL},
    {"fs.create", "dir", 0, "/nonexistent-directory", ENOENT},
    {"fs.create", "dir", 0, CUPEL_PROBE_PATH, ENOTDIR},
    {"call.stat", "dir", 0, "", EINVAL},
    {"call.getdents", "dir", 0, "/nonexistent-directory", ENOENT},
};

static void test_bad_parameters_are_refused(void **state)
{
    struct talk t;
    talk_open(&t, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(bad_params); i++) {
        const struct bad_param *b = &bad_params[i];
        struct frame f, a;
        prepare_frame(&f, b->workload, 1);
        if (b->text)
            facts_add_text(&f.prepare.params, b->name, b->text);
        else
            facts_add_num(&f.prepare.params, b->name, b->num);
        talk_ask(&t, &f, &a);
        if (a.type != FRAME_ERROR || a.error.code != b->code)
            fail_msg("%s %s #%zu: %s %d %s", b->workload, b->name, i, frame_type_name(a.type),
                     a.type == FRAME_ERROR ? a.error.code : 0,
                     a.type == FRAME_ERROR ? a.error.text : "");
        frame_release(&a);

        slice(&t, 1, false, &a); /* nothing is prepared now */
        assert_int_equal(a.type, FRAME_ERROR);
        frame_release(&a);
    }
    talk_close(&t);
}

static void test_facts_say_where(void **state)
{
    const struct site *s = *state;
    struct talk t;
    struct frame a, f;
    talk_open(&t, NULL);
    prepare_in(&t, "fs.open", s->dir, &a);
    assert_string_equal(facts_text(&a.ready, "dir", ""), s->dir);
    assert_true(facts_num(&a.ready, "fs_magic", -1) > 0);
    frame_release(&a);

    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
    unsigned cpu = 0;
    while (!CPU_ISSET(cpu, &set))
        cpu++;
    static const char *const pairs[] = {"ipc.pipe", "ipc.futex", "ipc.switch"};
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        prepare_frame(&f, pairs[i], 1);
        f.prepare.n_cpus = 1;
        f.prepare.cpus[0] = (uint16_t)cpu;
        talk_ask(&t, &f, &a);
        assert_int_equal(a.type, FRAME_READY);
        assert_int_equal(facts_num(&a.ready, "cpu_worker", -2), cpu);
        assert_int_equal(facts_num(&a.ready, "cpu_peer", -2), cpu);
        assert_int_equal(facts_num(&a.ready, "peers_pinned", -2), facts_num(&a.ready, "peers", -3));
        frame_release(&a);
    }
    talk_close(&t);
}

/* ---- work that is not done is noticed ---- */

/* The path of a file in the one directory that the probe made in dir. */
static void inside(const char *dir, const char *file, char dst[256])
{
    DIR *d = opendir(dir);
    assert_non_null(d);
    dst[0] = '\0';
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] != '.')
            assert_true(str_format(dst, 256, "%s/%s/%s", dir, e->d_name, file));
    }
    closedir(d);
    assert_true(dst[0]);
}

static void slice_fails(struct talk *t, const char *name, int code)
{
    struct frame a;
    slice(t, 100, false, &a);
    if (a.type != FRAME_ERROR || a.error.code != code)
        fail_msg("%s: %s", name, a.type == FRAME_ERROR ? a.error.text : "the slice succeeded");
    frame_release(&a);
    finish_refused(t, name, "");
}

static void test_failing_calls_are_errors(void **state)
{
    static const struct {
        const char *workload, *file;
        int code;
    } cases[] = {{"fs.open", "f0063", ENOENT},
                 {"call.open", "file", ENOENT},
                 {"call.stat", "file", ENOENT},
                 {"call.link", "file", ENOENT},
                 {"call.rename", "other", ENOENT}};
    const struct site *s = *state;
    struct talk t;
    talk_open(&t, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct frame a;
        char path[256];
        prepare_in(&t, cases[i].workload, s->dir, &a);
        frame_release(&a);
        inside(s->dir, cases[i].file, path);
        assert_int_equal(unlink(path), 0);
        slice_fails(&t, cases[i].workload, cases[i].code);
    }
    talk_close(&t);
    assert_empty(s->dir);
}

static void test_tampering_is_noticed(void **state)
{
    static const struct {
        const char *workload, *file, *detail;
    } cases[] = {{"fs.create", "alien", "not removed"},
                 {"call.write", "file", "written last"},
                 {"call.truncate", "file", "length"},
                 {"call.rename", "file", "moved last"},
                 {"call.link", "other", "left behind"}};
    const struct site *s = *state;
    struct talk t;
    talk_open(&t, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct frame a;
        char path[256];
        prepare_in(&t, cases[i].workload, s->dir, &a);
        frame_release(&a);
        slice_ok(&t, cases[i].workload, 8, 8);
        finish_verified(&t, cases[i].workload, 8);
        slice_ok(&t, cases[i].workload, 8, 8);
        inside(s->dir, cases[i].file, path);
        int fd = open(path, O_CREAT | O_WRONLY, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "something else", 14), 14);
        assert_int_equal(ftruncate(fd, 14), 0);
        close(fd);
        finish_refused(&t, cases[i].workload, cases[i].detail);
    }
    talk_close(&t);
    assert_empty(s->dir);
}

/* ---- no path is walked while the clock runs ---- */

static void cwd_of(pid_t pid, char *dst, size_t size)
{
    char path[64];
    str_format(path, sizeof(path), "/proc/%d/cwd", (int)pid);
    ssize_t n = readlink(path, dst, size - 1);
    assert_true(n > 0);
    dst[n] = '\0';
}

/* The directory goes by another name as soon as everything is prepared: work that named its files
 * by a whole path, whose length differs from target to target, would fail. */
static void test_timed_work_walks_no_path(void **state)
{
    static const char *const names[] = {
        "fs.open",     "fs.create", "call.stat",  "call.statfs",   "call.access",  "call.open",
        "call.rename", "call.link", "call.mkdir", "call.readlink", "call.getdents"};
    const struct site *s = *state;
    char elsewhere[80];
    struct talk t;
    struct frame a;
    talk_open(&t, NULL);
    str_format(elsewhere, sizeof(elsewhere), "%s-moved", s->dir);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        prepare_in(&t, names[i], s->dir, &a);
        frame_release(&a);
        assert_int_equal(rename(s->dir, elsewhere), 0);
        slice(&t, 101, false, &a);
        assert_int_equal(rename(elsewhere, s->dir), 0);
        if (a.type != FRAME_SLICED)
            fail_msg("%s: %s", names[i], a.error.text);
        frame_release(&a);
        finish_verified(&t, names[i], 101);
    }

    /* Nor does the depth of the current directory count, or keep the directory in use. */
    char cwd[256];
    prepare_in(&t, "call.statfs", s->dir, &a);
    frame_release(&a);
    cwd_of(t.pid, cwd, sizeof(cwd));
    assert_true(str_starts(cwd, s->dir));
    prepare_in(&t, "call.getcwd", s->dir, &a);
    frame_release(&a);
    cwd_of(t.pid, cwd, sizeof(cwd));
    assert_string_equal(cwd, "/");
    talk_close(&t);
    assert_empty(s->dir);
}

/* ---- peers ---- */

/* Children of a process, as many as fit. */
static unsigned children(pid_t pid, pid_t *ret, unsigned max)
{
    char path[64];
    _cleanup_(str_release) struct str text = STR_INIT;
    struct err err = ERR_INIT;
    str_format(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
    if (file_read(path, 4096, &text, &err) < 0)
        return 0;
    unsigned n = 0;
    char *rest = text.buf;
    for (char *word; n < max && (word = strsep(&rest, " "));) {
        if (word[0])
            ret[n++] = (pid_t)strtol(word, NULL, 10);
    }
    return n;
}

static void prepare_plain(struct talk *t, const char *workload)
{
    struct frame f, a;
    prepare_frame(&f, workload, 1);
    talk_ask(t, &f, &a);
    assert_int_equal(a.type, FRAME_READY);
    frame_release(&a);
}

static void test_a_dead_peer_is_an_error(void **state)
{
    static const struct {
        const char *workload;
        unsigned peers, victim;
    } cases[] = {
        {"ipc.pipe", 1, 0}, {"ipc.switch", 8, 0}, {"ipc.switch", 8, 3}, {"ipc.switch", 8, 7}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct talk t;
        pid_t pids[16];
        talk_open(&t, NULL);
        prepare_plain(&t, cases[i].workload);
        slice_ok(&t, cases[i].workload, 100, 100);
        assert_int_equal(children(t.pid, pids, 16), cases[i].peers);
        assert_int_equal(kill(pids[cases[i].victim], SIGKILL), 0);
        slice_fails(&t, cases[i].workload, EPIPE);

        /* The probe is as good as new. */
        prepare_plain(&t, cases[i].workload);
        slice_ok(&t, cases[i].workload, 100, 100);
        finish_verified(&t, cases[i].workload, 100);
        talk_close(&t);
    }
}

static bool gone(pid_t pid)
{
    char path[64], line[256];
    str_format(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (file_read_line(path, line, sizeof(line)) < 0)
        return true;
    const char *after = strrchr(line, ')');
    return after && (after[2] == 'Z' || after[2] == 'X');
}

static void test_peers_die_with_the_probe(void **state)
{
    struct talk t;
    pid_t pids[16];
    talk_open(&t, NULL);
    prepare_plain(&t, "ipc.switch");
    unsigned n = children(t.pid, pids, 16);
    assert_int_equal(n, 8);
    assert_int_equal(kill(t.pid, SIGKILL), 0);
    assert_true(WIFSIGNALED(talk_hang_up(&t)));
    uint64_t deadline = time_deadline(10 * NS_PER_S);
    for (unsigned i = 0; i < n; i++) {
        while (!gone(pids[i])) {
            if (time_mono_ns() > deadline)
                fail_msg("peer %u lives on", i);
            sched_yield();
        }
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_verifies, site_make, site_remove),
        cmocka_unit_test_setup_teardown(test_each_verifies_with_two_workers, site_make,
                                        site_remove),
        cmocka_unit_test_setup_teardown(test_each_verifies_with_injection, site_make, site_remove),
        cmocka_unit_test(test_bad_parameters_are_refused),
        cmocka_unit_test_setup_teardown(test_facts_say_where, site_make, site_remove),
        cmocka_unit_test_setup_teardown(test_failing_calls_are_errors, site_make, site_remove),
        cmocka_unit_test_setup_teardown(test_tampering_is_noticed, site_make, site_remove),
        cmocka_unit_test_setup_teardown(test_timed_work_walks_no_path, site_make, site_remove),
        cmocka_unit_test(test_a_dead_peer_is_an_error),
        cmocka_unit_test(test_peers_die_with_the_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
