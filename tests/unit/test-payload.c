/* The payload programs, spoken to as a controller does: they do their work and show it, refuse what
 * is not a whole piece of it, notice when it was not done, and leave nothing behind. */
#include "probe-talk.h"

#include "base/fs.h"
#include "site.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#ifndef CUPEL_LINPACK_PATH
#define CUPEL_LINPACK_PATH ""
#endif
#ifndef CUPEL_SQLITE_PATH
#define CUPEL_SQLITE_PATH ""
#endif

static const char linpack[] = CUPEL_LINPACK_PATH, sqlite[] = CUPEL_SQLITE_PATH;

/* ---- asking ---- */

static void prepare_frame(struct frame *f, const char *workload)
{
    frame_init(f, FRAME_PREPARE, TALK_NONCE, 0);
    str_copy(f->prepare.workload, sizeof(f->prepare.workload), workload);
    f->prepare.workers = 1;
}

static void ask_ready(struct talk *t, struct frame *f, struct frame *ret)
{
    talk_ask(t, f, ret);
    if (ret->type != FRAME_READY)
        fail_msg("%s: %s", f->prepare.workload, ret->error.text);
}

static void ask_refused(struct talk *t, struct frame *f, int code, const char *text)
{
    struct frame a;
    talk_ask(t, f, &a);
    if (a.type != FRAME_ERROR)
        fail_msg("a %s was answered by a %s", frame_type_name(f->type), frame_type_name(a.type));
    if (a.error.code != code || !strstr(a.error.text, text))
        fail_msg("%d %s", a.error.code, a.error.text);
    frame_release(&a);
}

static void slice_frame(struct frame *f, uint64_t ops)
{
    frame_init(f, FRAME_SLICE, TALK_NONCE, 0);
    f->slice.ops = ops;
}

static void slice_ok(struct talk *t, uint64_t ops, uint64_t expect)
{
    struct frame f, a;
    slice_frame(&f, ops);
    talk_ask(t, &f, &a);
    if (a.type != FRAME_SLICED)
        fail_msg("slice: %s", a.error.text);
    assert_int_equal(a.sliced.ops, expect);
    assert_true(a.sliced.ns > 0);
    frame_release(&a);
}

static void slice_refused(struct talk *t, uint64_t ops, int code, const char *text)
{
    struct frame f;
    slice_frame(&f, ops);
    ask_refused(t, &f, code, text);
}

static void finish(struct talk *t, struct frame *ret)
{
    struct frame f;
    frame_init(&f, FRAME_FINISH, TALK_NONCE, 0);
    talk_ask(t, &f, ret);
    assert_int_equal(ret->type, FRAME_FINISHED);
}

static void finish_verified(struct talk *t, struct facts *ret)
{
    struct frame a;
    finish(t, &a);
    if (!a.finished.verified)
        fail_msg("%s", a.finished.detail);
    if (ret)
        *ret = a.finished.facts;
    frame_release(&a);
}

static void finish_refused(struct talk *t, const char *detail)
{
    struct frame a;
    finish(t, &a);
    if (a.finished.verified || !strstr(a.finished.detail, detail))
        fail_msg("verified %d: %s", a.finished.verified, a.finished.detail);
    frame_release(&a);
}

struct bad_param {
    const char *name;
    int64_t num;
    const char *text; /* NULL: num */
    int code;
};

static void refuses(struct talk *t, const char *workload, const struct bad_param *bad, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct frame f;
        prepare_frame(&f, workload);
        if (bad[i].text)
            facts_add_text(&f.prepare.params, bad[i].name, bad[i].text);
        else
            facts_add_num(&f.prepare.params, bad[i].name, bad[i].num);
        ask_refused(t, &f, bad[i].code, "");
        slice_refused(t, 1, EINVAL, "nothing is prepared");
    }
}

/* Every CPU this process may use, as a cell would name them. */
static void add_cpus(struct frame_prepare *p)
{
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
    for (unsigned i = 0; i < CPU_SETSIZE && p->n_cpus < WIRE_CPUS_MAX; i++)
        if (CPU_ISSET(i, &set))
            p->cpus[p->n_cpus++] = (uint16_t)i;
}

/* ---- any of them ---- */

static void says_its_name(const char *path, const char *program, const char *workload)
{
    const char *options[] = {"--version", "--list", "--help"};
    const char *expect[] = {program, workload, program};
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        const char *argv[] = {path, options[i], NULL};
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
        if (!strstr(text.buf, expect[i]) || strstr(text.buf, "cupel-probe"))
            fail_msg("%s %s: %s", path, options[i], text.buf);
    }
}

static void test_linpack_says_its_name(void **state)
{
    says_its_name(linpack, "cupel-linpack", "linpack\n");
}

static void test_sqlite_says_its_name(void **state)
{
    says_its_name(sqlite, "cupel-sqlite", "sqlite\n");
}

/* ---- linpack ---- */

#define FLOPS_200 5413333 /* 2/3 200^3 + 2 200^2 */

static void linpack_frame(struct frame *f, int64_t n, int64_t threads)
{
    prepare_frame(f, "linpack");
    facts_add_num(&f->prepare.params, "n", n);
    facts_add_num(&f->prepare.params, "threads", threads);
}

static void linpack_ready(struct talk *t, int64_t n, int64_t threads)
{
    struct frame f, a;
    linpack_frame(&f, n, threads);
    ask_ready(t, &f, &a);
    frame_release(&a);
}

static void solved(struct talk *t, uint64_t ops)
{
    struct facts facts;
    double residual;
    slice_ok(t, ops, ops);
    finish_verified(t, &facts);
    assert_int_equal(
        parse_double(facts_text(&facts, "residual", ""), 0, 16, "residual", &residual, NULL), 0);
}

static void test_linpack_solves(void **state)
{
    struct talk t;
    struct frame f, a;
    talk_start(&t, linpack, NULL);
    linpack_frame(&f, 200, 1);
    ask_ready(&t, &f, &a);
    assert_int_equal(facts_num(&a.ready, "n", 0), 200);
    assert_int_equal(facts_num(&a.ready, "lda", 0), 208);
    assert_int_equal(facts_num(&a.ready, "threads", 0), 1);
    assert_true(facts_text(&a.ready, "blas_core", "")[0]);
    assert_non_null(strstr(facts_text(&a.ready, "blas_config", ""), "OpenBLAS"));
    frame_release(&a);
    solved(&t, FLOPS_200);

    /* Orders on both sides of what the library cuts its blocks at; every one a system anew. */
    linpack_ready(&t, 1, 1);
    solved(&t, 3); /* 2.67 */
    linpack_ready(&t, 1000, 1);
    solved(&t, 668666667);
    talk_close(&t);
}

static void test_linpack_leading_dimension(void **state)
{
    static const int64_t cases[][2] = {{16, 16}, {17, 48}, {200, 208}, {512, 528}, {1000, 1008}};
    struct talk t;
    talk_start(&t, linpack, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct frame f, a;
        linpack_frame(&f, cases[i][0], 1);
        ask_ready(&t, &f, &a);
        assert_int_equal(facts_num(&a.ready, "lda", 0), cases[i][1]);
        frame_release(&a);
    }
    talk_close(&t);
}

/* As many threads as the cell has CPUs, and worker 0 is not kept on one of them. */
static void test_linpack_uses_the_cell(void **state)
{
    struct talk t;
    struct frame f, a;
    cpu_set_t set;
    talk_start(&t, linpack, NULL);
    linpack_frame(&f, 1000, 0);
    add_cpus(&f.prepare);
    ask_ready(&t, &f, &a);
    assert_int_equal(facts_num(&a.ready, "threads", 0), f.prepare.n_cpus);
    if (f.prepare.n_cpus > 1) {
        assert_int_equal(facts_num(&a.ready, "workers_pinned", -1), 0);
        assert_int_equal(sched_getaffinity(t.pid, sizeof(set), &set), 0);
        assert_int_equal(CPU_COUNT(&set), f.prepare.n_cpus);
    }
    frame_release(&a);
    solved(&t, 668666667);

    linpack_frame(&f, 200, 1);
    add_cpus(&f.prepare);
    ask_ready(&t, &f, &a);
    assert_int_equal(facts_num(&a.ready, "workers_pinned", -1), 1);
    frame_release(&a);
    solved(&t, FLOPS_200);
    talk_close(&t);
}

static void test_linpack_is_whole(void **state)
{
    struct talk t;
    talk_start(&t, linpack, NULL);
    linpack_ready(&t, 200, 1);
    finish_refused(&t, "not solved");

    slice_refused(&t, FLOPS_200 - 1, EINVAL, "whole");
    finish_refused(&t, "whole");

    linpack_ready(&t, 200, 1);
    solved(&t, FLOPS_200);
    slice_refused(&t, FLOPS_200, EALREADY, "solved already");
    finish_refused(&t, "solved already");

    linpack_ready(&t, 200, 1);
    struct frame f;
    slice_frame(&f, FLOPS_200);
    f.slice.hist = true;
    ask_refused(&t, &f, ENOTSUP, "single operations");
    slice_frame(&f, FLOPS_200);
    f.slice.lead = FLOPS_200;
    ask_refused(&t, &f, EALREADY, "solved already");

    linpack_ready(&t, 200, 1); /* as good as new */
    solved(&t, FLOPS_200);
    talk_close(&t);
}

static void test_linpack_refuses(void **state)
{
    static const struct bad_param bad[] = {
        {"n", 0, NULL, EINVAL},      {"n", -5000, NULL, EINVAL},
        {"n", 100001, NULL, EINVAL}, {"n", INT64_MAX, NULL, EINVAL},
        {"n", 0, "many", EINVAL},    {"threads", -1, NULL, EINVAL},
        {"threads", 0, "2", EINVAL}, {"threads", 100000, NULL, EINVAL},
    };
    struct talk t;
    struct frame f;
    talk_start(&t, linpack, NULL);
    refuses(&t, "linpack", bad, ARRAY_SIZE(bad));
    linpack_frame(&f, 200, 1);
    f.prepare.workers = 2;
    ask_refused(&t, &f, EINVAL, "one worker");
    prepare_frame(&f, "sys.getpid");
    ask_refused(&t, &f, ENOTSUP, "no workload 'sys.getpid'");
    talk_close(&t);

    talk_start(&t, linpack, "cpu:50%");
    linpack_frame(&f, 200, 1);
    ask_refused(&t, &f, ENOTSUP, "more than one system");
    talk_close(&t);
}

/* Memory that is not to be had is an error with numbers, and the program lives on. */
static void test_linpack_without_memory(void **state)
{
    struct rlimit old, few = {UINT64_C(2) << 30, UINT64_C(2) << 30};
    struct talk t;
    struct frame f;
#if defined(__SANITIZE_ADDRESS__)
    print_message("# skipped: the sanitizer's shadow needs the address space\n");
    return;
#endif
    assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
    few.rlim_max = old.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_AS, &few), 0);
    talk_start(&t, linpack, NULL);
    assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
    linpack_frame(&f, 20000, 1);
    ask_refused(&t, &f, ENOMEM, "allocate 3056 MiB");
    linpack_ready(&t, 200, 1);
    solved(&t, FLOPS_200);
    talk_close(&t);
}

/* ---- sqlite ---- */

static void assert_empty(const char *dir)
{
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.')
            fail_msg("%s was left behind", e->d_name);
    closedir(d);
}

static void sqlite_frame(struct frame *f, const char *dir, int64_t scripts, const char *indexed)
{
    prepare_frame(f, "sqlite");
    facts_add_text(&f->prepare.params, "dir", dir);
    facts_add_num(&f->prepare.params, "rows", 20);
    facts_add_num(&f->prepare.params, "scripts", scripts);
    facts_add_text(&f->prepare.params, "indexed", indexed);
}

static void sqlite_ready(struct talk *t, const char *dir, int64_t scripts, const char *indexed)
{
    struct frame f, a;
    sqlite_frame(&f, dir, scripts, indexed);
    ask_ready(t, &f, &a);
    frame_release(&a);
}

static void inserted(struct talk *t, uint64_t rows, unsigned workers)
{
    struct facts facts;
    slice_ok(t, rows, rows * workers);
    finish_verified(t, &facts);
    assert_true(facts_num(&facts, "syncs", 0) >= (int64_t)(rows * workers));
}

static void test_sqlite_inserts(void **state)
{
    const struct site *s = *state;
    struct talk t;
    struct frame f, a;
    talk_start(&t, sqlite, NULL);
    sqlite_frame(&f, s->dir, 1, "no");
    ask_ready(&t, &f, &a);
    assert_true(str_starts(facts_text(&a.ready, "sqlite_version", ""), "3."));
    assert_string_equal(facts_text(&a.ready, "journal_mode", ""), "delete");
    assert_int_equal(facts_num(&a.ready, "synchronous", -1), 2);
    assert_true(facts_num(&a.ready, "page_bytes", 0) >= 512);
    assert_string_equal(facts_text(&a.ready, "dir", ""), s->dir);
    assert_true(facts_num(&a.ready, "fs_magic", -1) > 0);
    frame_release(&a);
    inserted(&t, 20, 1);

    sqlite_ready(&t, s->dir, 3, "no");
    inserted(&t, 60, 1);
    sqlite_ready(&t, s->dir, 2, "yes");
    inserted(&t, 40, 1);

    sqlite_frame(&f, s->dir, 2, "no");
    f.prepare.workers = 2;
    ask_ready(&t, &f, &a);
    frame_release(&a);
    inserted(&t, 40, 2);
    talk_close(&t);
    assert_empty(s->dir);

    talk_start(&t, sqlite, "cpu:50%"); /* ten rows more, in the database and not in the report */
    sqlite_ready(&t, s->dir, 1, "no");
    inserted(&t, 20, 1);
    talk_close(&t);
    assert_empty(s->dir);
}

static void test_sqlite_is_whole(void **state)
{
    const struct site *s = *state;
    struct talk t;
    talk_start(&t, sqlite, NULL);
    sqlite_ready(&t, s->dir, 1, "no");
    finish_refused(&t, "no row");
    slice_refused(&t, 19, EINVAL, "all scripts");
    finish_refused(&t, "all scripts");

    sqlite_ready(&t, s->dir, 1, "no");
    inserted(&t, 20, 1);
    slice_refused(&t, 20, EALREADY, "once");
    finish_refused(&t, "once");

    sqlite_ready(&t, s->dir, 1, "no"); /* as good as new */
    inserted(&t, 20, 1);
    talk_close(&t);
    assert_empty(s->dir);
}

static void test_sqlite_refuses(void **state)
{
    static const struct bad_param bad[] = {
        {"rows", 0, NULL, EINVAL},      {"rows", 100000, NULL, EINVAL},
        {"rows", 0, "few", EINVAL},     {"scripts", 0, NULL, EINVAL},
        {"scripts", 101, NULL, EINVAL}, {"indexed", 0, "perhaps", EINVAL},
        {"indexed", 1, NULL, EINVAL},   {"dir", 7, NULL, EINVAL},
        {"dir", 0, "relative", EINVAL}, {"dir", 0, "/nonexistent-directory", ENOENT},
    };
    struct talk t;
    talk_start(&t, sqlite, NULL);
    refuses(&t, "sqlite", bad, ARRAY_SIZE(bad));
    talk_close(&t);
}

/* The path of the database in the one directory that the program made in dir. */
static void database(const char *dir, char dst[256])
{
    DIR *d = opendir(dir);
    assert_non_null(d);
    dst[0] = '\0';
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.')
            assert_true(str_format(dst, 256, "%s/%s/pts.db", dir, e->d_name));
    closedir(d);
    assert_true(dst[0]);
}

static void test_sqlite_looks_into_the_file(void **state)
{
    const struct site *s = *state;
    struct talk t;
    char path[256];
    talk_start(&t, sqlite, NULL);

    sqlite_ready(&t, s->dir, 1, "no");
    slice_ok(&t, 20, 20);
    database(s->dir, path);
    assert_int_equal(unlink(path), 0);
    finish_refused(&t, "no such table");

    sqlite_ready(&t, s->dir, 1, "no");
    slice_ok(&t, 20, 20);
    database(s->dir, path);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    char one;
    off_t at = lseek(fd, -1, SEEK_END); /* the last digit of the first row's F2 */
    assert_int_equal(pread(fd, &one, 1, at), 1);
    one = one == '9' ? '0' : '9';
    assert_int_equal(pwrite(fd, &one, 1, at), 1);
    close(fd);
    finish_refused(&t, "expected");

    sqlite_ready(&t, s->dir, 1, "no");
    database(s->dir, path);
    *strrchr(path, '/') = '\0';
    assert_int_equal(rmdir(path), 0);
    slice_refused(&t, 20, EIO, "insert");
    talk_close(&t);
}

/* A program that this build has left out is no failure: its tests are not there. (cmocka's skip()
 * is "not ok" in TAP.) */
static void add(struct CMUnitTest *tests, size_t *n, const struct CMUnitTest *more, size_t n_more,
                const char *program, const char *library)
{
    if (!program[0]) {
        printf("# left out: not built, this machine has no static %s\n", library);
        return;
    }
    memcpy(tests + *n, more, n_more * sizeof(*more));
    *n += n_more;
}

int main(void)
{
    static const struct CMUnitTest of_linpack[] = {
        cmocka_unit_test(test_linpack_says_its_name),
        cmocka_unit_test(test_linpack_solves),
        cmocka_unit_test(test_linpack_leading_dimension),
        cmocka_unit_test(test_linpack_uses_the_cell),
        cmocka_unit_test(test_linpack_is_whole),
        cmocka_unit_test(test_linpack_refuses),
        cmocka_unit_test(test_linpack_without_memory),
    };
    static const struct CMUnitTest of_sqlite[] = {
        cmocka_unit_test(test_sqlite_says_its_name),
        cmocka_unit_test_setup_teardown(test_sqlite_inserts, site_make, site_remove),
        cmocka_unit_test_setup_teardown(test_sqlite_is_whole, site_make, site_remove),
        cmocka_unit_test(test_sqlite_refuses),
        cmocka_unit_test_setup_teardown(test_sqlite_looks_into_the_file, site_make, site_remove),
    };
    struct CMUnitTest tests[ARRAY_SIZE(of_linpack) + ARRAY_SIZE(of_sqlite)];
    size_t n = 0;

    signal(SIGPIPE, SIG_IGN);
    add(tests, &n, of_linpack, ARRAY_SIZE(of_linpack), linpack, "OpenBLAS");
    add(tests, &n, of_sqlite, ARRAY_SIZE(of_sqlite), sqlite, "SQLite");
    if (n == 0) {
        printf("1..0 # SKIP neither program is built here\n");
        return 0;
    }
    return _cmocka_run_group_tests("payload", tests, n, NULL, NULL);
}
