#include "store-fixture.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct store *open_new(const struct fixture *f)
{
    struct store *s = NULL;
    assert_ok(store_open(f->db, true, &s, err));
    return s;
}

static void sql(const char *path, const char *text)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void hash(const char *path, char hex[FS_SHA256_HEX])
{
    assert_ok(fs_sha256(path, hex, err));
}

/* The call fails so, and the file is byte for byte what it was. */
static void assert_untouched(const char *path, int code, const char *text)
{
    char before[FS_SHA256_HEX], after[FS_SHA256_HEX];
    struct store *s = NULL;
    hash(path, before);
    assert_fails(store_open(path, true, &s, err), code, text);
    assert_fails(store_open_readonly(path, &s, err), code, text);
    assert_null(s);
    hash(path, after);
    assert_string_equal(before, after);
}

static void head_comes_back(void **state)
{
    struct store *s = open_new(*state);
    int64_t run = fixture_run(s, 1);
    struct run_head h;
    struct plan want;
    plan_init(&want);
    fixture_plan(&want);
    assert_ok(store_run_head(s, run, &h, err));
    assert_true(plan_equal(&want, &h.plan));
    assert_int_equal(h.plan.cells.v[1].workers, 2);
    assert_int_equal(h.plan.cells.v[1].cpus, CPUS_ALL);
    assert_int_equal(h.plan.cells.v[2].place, PLACE_TMPFS);
    assert_ptr_equal(h.plan.cells.v[2].workload, workload_find("fs.open"));
    assert_string_equal(h.machine_id, "0123456789abcdef");
    assert_string_equal(h.command, "cupel run --target \"host\" --workload 'fs.*'");
    assert_string_equal(h.status, "complete");
    assert_true(h.started_real_ns == 1795000000123456789);
    assert_true(h.ended_real_ns > 0);
    run_head_release(&h);
    run_head_release(&h);
    assert_ok(store_run_status(s, run, "running", err));
    assert_ok(store_run_head(s, run, &h, err));
    assert_string_equal(h.status, "running");
    assert_int_equal(h.ended_real_ns, 0);
    run_head_release(&h);
    plan_release(&want);
    assert_fails(store_run_head(s, run + 1, &h, err), ENOENT, "there is no run r2");
    assert_fails(store_run_end(s, run + 1, "complete", err), ENOENT, "there is no run r2");
    store_close(s);
    store_close(NULL);
}

struct seen {
    struct store *s;
    int64_t run;
    size_t n, samples, stop_after;
    uint32_t cell;
};

static bool same_double(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void same_sample(const struct sample *a, const struct sample *b)
{
    assert_int_equal(a->round, b->round);
    assert_int_equal(a->position, b->position);
    assert_int_equal(a->previous, b->previous);
    assert_true(a->start_ns == b->start_ns && a->ops == b->ops && a->ns == b->ns);
    assert_true(a->control_ns == b->control_ns && a->cpu_ns == b->cpu_ns);
}

static void same_part(const struct part *a, const struct part *b)
{
    assert_string_equal(a->role, b->role);
    assert_int_equal(a->target, b->target);
    assert_int_equal(a->outcome, b->outcome);
    assert_int_equal(a->fail_kind, b->fail_kind);
    assert_int_equal(a->fail_code, b->fail_code);
    assert_string_equal(a->fail_text, b->fail_text);
    assert_int_equal(a->verified, b->verified);
    assert_string_equal(a->detail, b->detail);
    assert_true(str_eq(a->facts, b->facts) && str_eq(a->hist, b->hist));
    assert_int_equal(a->peak_memory_bytes, b->peak_memory_bytes);
    assert_true(same_double(a->clock_drift, b->clock_drift));
    assert_int_equal(a->samples.n, b->samples.n);
    for (size_t i = 0; i < a->samples.n; i++)
        same_sample(&a->samples.v[i], &b->samples.v[i]);
}

static int see_trial(void *user, const struct trial *t)
{
    struct seen *x = user;
    struct trial want;
    fixture_trial(t->block, t->cell, &want);
    assert_int_equal(t->position, want.position);
    assert_int_equal(t->start_ns, want.start_ns);
    assert_int_equal(t->end_ns, want.end_ns);
    const struct covariates *a = &t->covariates, *b = &want.covariates;
    assert_true(same_double(a->steal, b->steal) && same_double(a->psi_cpu, b->psi_cpu));
    assert_true(a->runnable == b->runnable && a->throttled == b->throttled);
    assert_true(a->others_cpu_ns == b->others_cpu_ns && a->swap_pages == b->swap_pages);
    assert_true(a->kernel_log_lines == b->kernel_log_lines && a->loadavg == b->loadavg);
    assert_int_equal(t->parts.n, want.parts.n);
    for (size_t i = 0; i < t->parts.n; i++) {
        same_part(&t->parts.v[i], &want.parts.v[i]);
        x->samples += t->parts.v[i].samples.n;
    }
    /* Schedule order: the fixture runs the cells backwards. */
    assert_int_equal(t->block, x->n / FIXTURE_CELLS);
    assert_int_equal(t->position, x->n % FIXTURE_CELLS);
    trial_release(&want);
    assert_true(
        store_has_trial(x->s, x->run, t->block, t->cell)); /* the store can be used in here */
    x->n++;
    return x->stop_after && x->n == x->stop_after ? 7 : 0;
}

static int see_cell(void *user, const struct trial *t)
{
    struct seen *x = user;
    assert_int_equal(t->cell, x->cell);
    assert_int_equal(t->block, x->n++);
    return 0;
}

static void trials_come_back(void **state)
{
    struct store *s = open_new(*state);
    int64_t other = fixture_run(s, 2), run = fixture_run(s, 4);
    struct seen x = {.s = s, .run = run};
    assert_int_equal(store_trials(s, run, -1, see_trial, &x, NULL), 0);
    assert_int_equal(x.n, 12);
    assert_int_equal(x.samples, 12 * 2 * 10);
    x = (struct seen){.s = s, .run = run, .stop_after = 5};
    assert_int_equal(store_trials(s, run, -1, see_trial, &x, NULL), 7);
    x = (struct seen){.s = s, .cell = 1};
    assert_int_equal(store_trials(s, run, 1, see_cell, &x, NULL), 0);
    assert_int_equal(x.n, 4);
    assert_false(store_has_trial(s, run, 4, 0));
    assert_false(store_has_trial(s, other, 3, 0));
    store_close(s);
}

static int see_session(void *user, const struct session_record *x)
{
    struct seen *n = user;
    assert_int_equal(x->target, n->n % FIXTURE_TARGETS);
    if (x->target == 1) {
        assert_int_equal(x->outcome, OUTCOME_FAILED);
        assert_int_equal(x->fail_kind, ERR_TIMEOUT);
        assert_int_equal(x->fail_code, 110);
        assert_string_equal(x->fail_text, "timed out");
        assert_null(x->proof);
    } else {
        assert_int_equal(x->launch_ns, 5000000 + x->target);
        assert_string_equal(x->proof, "{\"pid\":7,\"namespaces\":[1,2]}");
        assert_string_equal(x->hello, "{\"release\":\"6.1\"}");
    }
    assert_true(x->target == 0 ? x->idle_cpu == .25 : isnan(x->idle_cpu));
    n->n++;
    return 0;
}

static int see_block(void *user, const struct block_record *b)
{
    struct seen *n = user;
    assert_int_equal(b->block, n->n++);
    assert_true(b->complete);
    assert_int_equal(b->end_ns, b->start_ns + 999);
    return 0;
}

static int see_target(void *user, uint32_t idx, const struct target_row *t)
{
    struct seen *n = user;
    assert_int_equal(idx, n->n++);
    assert_int_equal(t->usable, idx != 1);
    assert_true(str_eq(t->info, idx == 0   ? "{\"version\":\"1\"}"
                                : idx == 1 ? "{\"reason\":\"it hung\"}"
                                           : NULL));
    return 0;
}

static int see_warning(void *user, const struct warning *w)
{
    struct seen *n = user;
    if (n->n++ == 0) {
        assert_int_equal(w->kind, WARN_STEAL);
        assert_true(w->block == 0 && w->target == -1 && w->cell == 1 && w->value == .02);
        assert_string_equal(w->text, "2.0 % of the CPU time was stolen");
    } else {
        assert_int_equal(w->kind, WARN_SMT);
        assert_true(w->block == -1 && isnan(w->value));
    }
    return 0;
}

static void the_rest_comes_back(void **state)
{
    struct store *s = open_new(*state);
    int64_t run = fixture_run(s, 3);
    struct seen n = {.n = 0};
    assert_int_equal(store_sessions(s, run, see_session, &n, NULL), 0);
    assert_int_equal(n.n, 9);
    n.n = 0;
    assert_int_equal(store_blocks(s, run, see_block, &n, NULL), 0);
    assert_int_equal(n.n, 3);
    n.n = 0;
    assert_int_equal(store_targets(s, run, see_target, &n, NULL), 0);
    assert_int_equal(n.n, FIXTURE_TARGETS);
    n.n = 0;
    assert_int_equal(store_warnings(s, run, see_warning, &n, NULL), 0);
    assert_int_equal(n.n, 2);
    store_close(s);
}

static int see_run(void *user, const struct run_head *h, size_t n_trials)
{
    struct seen *n = user;
    assert_int_equal(h->id, n->n + 1);
    assert_int_equal(n_trials, FIXTURE_CELLS * (n->n + 1));
    assert_int_equal(h->plan.targets.n, FIXTURE_TARGETS);
    n->n++;
    return 0;
}

static void find(void **state)
{
    struct store *s = open_new(*state);
    struct seen n = {.n = 0};
    int64_t run = 0;
    assert_fails(store_run_find(s, NULL, &run, err), ENOENT, "holds no run yet");
    assert_fails(store_run_find(s, "r1", &run, err), ENOENT, "holds no run yet");
    for (uint32_t i = 1; i <= 3; i++)
        fixture_run(s, i);
    assert_int_equal(store_runs(s, see_run, &n, NULL), 0);
    assert_int_equal(n.n, 3);
    assert_ok(store_run_find(s, NULL, &run, err));
    assert_int_equal(run, 3);
    assert_ok(store_run_find(s, "", &run, err));
    assert_int_equal(run, 3);
    assert_ok(store_run_find(s, "r2", &run, err));
    assert_int_equal(run, 2);
    assert_ok(store_run_find(s, "1", &run, err));
    assert_int_equal(run, 1);
    struct run_head h;
    assert_ok(store_run_head(s, 2, &h, err));
    assert_ok(store_run_find(s, h.uuid, &run, err));
    assert_int_equal(run, 2);
    h.uuid[14] = '\0';
    for (char *p = h.uuid; *p; p++)
        *p = (char)(*p >= 'a' && *p <= 'f' ? *p - 32 : *p);
    assert_ok(store_run_find(s, h.uuid, &run, err));
    assert_int_equal(run, 2);
    run_head_release(&h);
    assert_fails(store_run_find(s, "r9", &run, err), ENOENT, "there are r1 to r3");
    assert_fails(store_run_find(s, "r0", &run, err), ENOENT, "no run \"r0\"");
    assert_fails(store_run_find(s, "%", &run, err), ENOENT, "no run");
    assert_fails(store_run_find(s, "zzzz", &run, err), ENOENT, "no run");
    assert_int_equal(run, 2);
    store_close(s);
}

static void one_trial_a_cell_and_block(void **state)
{
    struct store *s = open_new(*state);
    int64_t run = fixture_run(s, 1);
    struct trial t;
    fixture_trial(0, 1, &t);
    assert_fails(store_trial(s, run, &t, err), EEXIST, "store a trial");
    t.block = 1;
    t.cell = FIXTURE_CELLS; /* no such cell */
    assert_fails(store_trial(s, run, &t, err), EEXIST, "store a trial");
    /* A part that is refused takes the whole trial with it. */
    t.cell = 0;
    t.parts.v[2].target = 99;
    assert_fails(store_trial(s, run, &t, err), EEXIST, "store a part");
    assert_false(store_has_trial(s, run, 1, 0));
    t.parts.v[2].target = 2;
    assert_ok(store_trial(s, run, &t, err));
    trial_release(&t);
    store_close(s);
}

static void unknown_workload(void **state)
{
    const struct fixture *f = *state;
    struct store *s = open_new(f);
    int64_t run = fixture_run(s, 1);
    store_close(s);
    sql(f->db, "UPDATE cell SET name='quantum.leap@far', workload='quantum.leap' WHERE idx=0");
    assert_ok(store_open_readonly(f->db, &s, err));
    struct run_head h;
    assert_ok(store_run_head(s, run, &h, err));
    assert_string_equal(h.plan.cells.v[0].name, "quantum.leap@far");
    assert_ptr_equal(h.plan.cells.v[0].workload, workload_unknown());
    run_head_release(&h);
    store_close(s);
}

static void not_a_database(void **state)
{
    const struct fixture *f = *state;
    static const char longer[] = "SQLite format 3 and then something else that is longer than the "
                                 "header of a file, which has "
                                 "one hundred bytes";
    static const char *const contents[] = {"x", "SQLite format 3", "{\"format\":1}", longer};
    for (size_t i = 0; i < ARRAY_SIZE(contents); i++) {
        int fd = open(f->db, O_CREAT | O_TRUNC | O_WRONLY, 0600);
        assert_int_equal(write(fd, contents[i], strlen(contents[i])), strlen(contents[i]));
        close(fd);
        assert_untouched(f->db, EBADMSG, "results.db: ");
    }
    struct store *s = NULL;
    assert_fails(store_open(f->dir, true, &s, err), EISDIR, "is no regular file");
    assert_fails(store_open_readonly(f->dir, &s, err), EISDIR, "is no regular file");
    char path[128];
    str_format(path, sizeof(path), "%s/none/results.db", f->dir);
    assert_fails(store_open(path, true, &s, err), EACCES, "cannot be opened");
    assert_fails(store_open(path, false, &s, err), ENOENT, "no results at");
    assert_fails(store_open_readonly(path, &s, err), ENOENT, "no results at");
}

static void other_formats(void **state)
{
    const struct fixture *f = *state;
    struct store *s = open_new(f);
    fixture_run(s, 1);
    store_close(s);
    sql(f->db, "PRAGMA user_version=6");
    assert_untouched(
        f->db, EPROTONOSUPPORT,
        "was written by a newer cupel (format 6, this one knows 5); nothing was changed");
    sql(f->db, "PRAGMA user_version=1; PRAGMA application_id=7");
    assert_untouched(f->db, EBADMSG, "a database of another program");
    unlink(f->db);
    sql(f->db, "CREATE TABLE mine(x)");
    assert_untouched(f->db, EBADMSG, "a database of another program");
    unlink(f->db);
    /* A creation that was cut short left an empty file, which is filled now. */
    close(open(f->db, O_CREAT | O_WRONLY, 0600));
    assert_fails(store_open_readonly(f->db, &s, err), ENOENT, "no results at");
    s = open_new(f);
    fixture_run(s, 1);
    store_close(s);
}

/* However much of the end is missing, it is said and nothing is touched. */
static void cut_short(void **state)
{
    const struct fixture *f = *state;
    struct store *s = open_new(f);
    fixture_run(s, 20);
    store_close(s);
    struct stat st;
    assert_int_equal(stat(f->db, &st), 0);
    for (off_t n = st.st_size - 1; n > 0; n -= st.st_size / 7) {
        assert_int_equal(truncate(f->db, n), 0);
        assert_untouched(f->db, EBADMSG, "nothing was changed, move it away");
    }
}

static int count_trial(void *user, const struct trial *t)
{
    ++*(size_t *)user;
    return 0;
}

/* Damage in the middle is met while reading: an error, never a crash. */
static void scribbled_on(void **state)
{
    const struct fixture *f = *state;
    struct store *s = open_new(f);
    fixture_run(s, 20);
    store_close(s);
    struct stat st;
    assert_int_equal(stat(f->db, &st), 0);
    int fd = open(f->db, O_RDWR | O_CLOEXEC);
    size_t refused = 0;
    for (off_t at = 4096; at + 4096 <= st.st_size; at += 4096) {
        char keep[4096], junk[4096];
        memset(junk, 0xa5, sizeof(junk));
        assert_int_equal(pread(fd, keep, sizeof(keep), at), sizeof(keep));
        assert_int_equal(pwrite(fd, junk, sizeof(junk), at), sizeof(junk));
        struct err err = ERR_INIT;
        size_t n = 0;
        int r = store_open_readonly(f->db, &s, &err);
        struct run_head h;
        if (r == 0 && (r = store_run_head(s, 1, &h, &err)) == 0)
            run_head_release(&h);
        if (r == 0)
            r = store_trials(s, 1, -1, count_trial, &n, &err);
        if (r < 0) {
            refused++;
            assert_int_equal(err.kind, ERR_ENVIRONMENT);
            assert_non_null(strstr(err.msg, "damaged"));
        }
        store_close(TAKE_PTR(s));
        assert_int_equal(pwrite(fd, keep, sizeof(keep), at), sizeof(keep));
    }
    assert_true(refused > 5);
    close(fd);
}

/* A writer that is killed at any moment loses the trial in flight and nothing else. */
static void killed(void **state)
{
    const struct fixture *f = *state;
    struct store *s = open_new(f);
    int64_t run = fixture_head(s);
    store_close(s);
    uint32_t block = 0;
    for (int round = 0; round < 8; round++) {
        int fds[2];
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            s = NULL;
            if (store_open(f->db, false, &s, NULL) < 0)
                _exit(1);
            for (uint32_t b = block;; b++) {
                struct trial t;
                fixture_trial(b, 0, &t);
                if (store_trial(s, run, &t, NULL) < 0 || write(fds[1], &b, sizeof(b)) < 0)
                    _exit(1);
                trial_release(&t);
            }
        }
        close(fds[1]);
        uint32_t told = 0;
        for (int i = 0; i < 20 + round; i++)
            assert_int_equal(read(fds[0], &told, sizeof(told)), sizeof(told));
        kill(pid, SIGKILL);
        int status;
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
        while (read(fds[0], &block, sizeof(block)) == sizeof(block))
            told = block;
        close(fds[0]);
        /* Everything that was reported as stored is there, whole; at most one more came after. */
        s = NULL;
        assert_ok(store_open(f->db, false, &s, err));
        for (uint32_t b = 0; b <= told; b++)
            assert_true(store_has_trial(s, run, b, 0));
        size_t n = 0;
        assert_int_equal(store_trials(s, run, 0, count_trial, &n, NULL), 0);
        assert_true(n == told + 1 || n == told + 2);
        struct seen x = {.cell = 0};
        assert_int_equal(store_trials(s, run, 0, see_cell, &x, NULL), 0);
        store_close(s);
        block = (uint32_t)n;
    }
}

static void two_at_once(void **state)
{
    const struct fixture *f = *state;
    struct store *a = open_new(f), *b = NULL, *c = NULL;
    assert_ok(store_open(f->db, true, &b, err));
    int64_t one = fixture_run(a, 1), two = fixture_run(b, 2);
    assert_true(one != two);
    assert_ok(store_open_readonly(f->db, &c, err));
    size_t n = 0;
    assert_int_equal(store_trials(c, two, -1, count_trial, &n, NULL), 0);
    assert_int_equal(n, 2 * FIXTURE_CELLS);
    struct run_head h;
    run_head_init(&h);
    struct err err = ERR_INIT;
    assert_true(store_run_new(c, &h, NULL, &err) < 0);
    assert_int_equal(err.kind, ERR_ENVIRONMENT);
    store_close(a);
    store_close(b);
    store_close(c);
}

/* In a child with a mount namespace of its own: cmocka's process stays where it is. */
static void with_small_disk(void (*body)(const char *dir))
{
    if (geteuid() != 0) {
        print_message("not root: no file system of one's own\n");
        skip();
    }
    char dir[] = "/tmp/cupel-store-disk-XXXXXX";
    assert_non_null(mkdtemp(dir));
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", dir, "tmpfs", 0, "size=512k") < 0)
            _exit(77);
        body(dir);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    rmdir(dir);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("mounting is not allowed here\n");
        skip();
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define child_check(cond)                                                                          \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #cond, err.msg);               \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static void fill_disk(const char *dir)
{
    struct err err = ERR_INIT;
    struct store *s = NULL;
    char path[96], filler[96];
    str_format(path, sizeof(path), "%s/results.db", dir);
    str_format(filler, sizeof(filler), "%s/filler", dir);
    child_check(store_open(path, true, &s, &err) == 0);
    int64_t run = fixture_head(s);
    int r = 0;
    uint32_t b = 0;
    for (; r == 0 && b < 100000; b++) {
        struct trial t;
        fixture_trial(b, 0, &t);
        r = store_trial(s, run, &t, &err);
        trial_release(&t);
    }
    child_check(r == -ENOSPC && err.kind == ERR_ENVIRONMENT);
    child_check(strstr(err.msg, "the disk is full; free some space") != NULL);
    store_close(s);
    /* What was stored before is there, and can be read though the disk is full. */
    size_t n = 0;
    child_check(store_open_readonly(path, &s, &err) == 0);
    child_check(store_trials(s, run, -1, count_trial, &n, &err) == 0);
    child_check(n == b - 1 && n > 10);
    store_close(s);
    /* A new file on a full disk is an error, and leaves nothing behind. */
    int fd = open(filler, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    char zeros[1024] = "";
    while (write(fd, zeros, sizeof(zeros)) > 0)
        ;
    close(fd);
    str_format(path, sizeof(path), "%s/other.db", dir);
    s = NULL;
    r = store_open(path, true, &s, &err);
    child_check(r == -ENOSPC && err.kind == ERR_ENVIRONMENT);
    child_check(access(path, F_OK) < 0);
}

static void full_disk(void **state)
{
    with_small_disk(fill_disk);
}

static void use_readonly(const char *dir)
{
    struct err err = ERR_INIT;
    struct store *s = NULL;
    char path[96];
    str_format(path, sizeof(path), "%s/a %% ?#.db", dir);
    child_check(store_open(path, true, &s, &err) == 0);
    fixture_run(s, 2);
    store_close(s);
    child_check(mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
    s = NULL;
    child_check(store_open(path, true, &s, &err) < 0);
    child_check(err.kind == ERR_ENVIRONMENT && strstr(err.msg, "cannot be written"));
    size_t n = 0;
    child_check(store_open_readonly(path, &s, &err) == 0);
    child_check(store_trials(s, 1, -1, count_trial, &n, &err) == 0);
    child_check(n == 2 * FIXTURE_CELLS);
    store_close(s);
    str_format(path, sizeof(path), "%s/new.db", dir);
    child_check(store_open(path, true, &s, &err) < 0);
    child_check(err.kind == ERR_ENVIRONMENT);
}

static void read_only(void **state)
{
    with_small_disk(use_readonly);
}

/* docs/results.md names every table and column, and its example works. */
static void documented(void **state)
{
    const struct fixture *f = *state;
    const char *root = getenv("CUPEL_SOURCE_ROOT");
    if (!root) {
        print_message("CUPEL_SOURCE_ROOT is not set\n");
        skip();
    }
    struct store *s = open_new(f);
    fixture_run(s, 1);
    store_close(s);
    char path[512];
    _cleanup_(str_release) struct str doc = STR_INIT;
    str_format(path, sizeof(path), "%s/docs/results.md", root);
    assert_ok(file_read(path, 1 << 20, &doc, err));
    sqlite3 *db;
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
    static const char columns[] =
        "SELECT m.name, i.name FROM sqlite_schema m, pragma_table_info(m.name) i"
        " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'";
    assert_int_equal(sqlite3_prepare_v2(db, columns, -1, &st, NULL), SQLITE_OK);
    int n = 0;
    for (; sqlite3_step(st) == SQLITE_ROW; n++) {
        const char *table = (const char *)sqlite3_column_text(st, 0);
        const char *column = (const char *)sqlite3_column_text(st, 1);
        char word[64];
        str_format(word, sizeof(word), "\n| `%s` |", table);
        const char *row = strstr(doc.buf, word);
        if (!row)
            fail_msg("docs/results.md has no row of table %s", table);
        str_format(word, sizeof(word), "`%s`", column);
        _cleanup_free_ char *line = xstrndup(row + 1, strcspn(row + 1, "\n"));
        /* The plain row number of a table without a use of its own needs no mention. */
        if (!strstr(line, word) && !str_eq(column, "id"))
            fail_msg("docs/results.md does not name column %s of table %s", column, table);
    }
    sqlite3_finalize(st);
    assert_true(n > 80);
    char *query = strstr(doc.buf, "    SELECT cell.name, target.label");
    assert_non_null(query);
    assert_int_equal(sqlite3_prepare_v2(db, query, -1, &st, NULL), SQLITE_OK);
    for (n = 0; sqlite3_step(st) == SQLITE_ROW; n++)
        assert_true(sqlite3_column_double(st, 4) > 0);
    assert_int_equal(n, FIXTURE_CELLS * 2 * 10);
    sqlite3_finalize(st);
    sqlite3_close(db);
}

#define test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(head_comes_back),
        test(trials_come_back),
        test(the_rest_comes_back),
        test(find),
        test(one_trial_a_cell_and_block),
        test(unknown_workload),
        test(not_a_database),
        test(other_formats),
        test(cut_short),
        test(scribbled_on),
        test(killed),
        test(two_at_once),
        test(full_disk),
        test(read_only),
        test(documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
