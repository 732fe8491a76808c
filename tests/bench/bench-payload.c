/* bench-payload LINPACK REFERENCE SQLITE: the payload programs against a bare dgesv program and the
 * sqlite3 shell. A program that was not built is the word "none"; what is not here is said and left
 * out. HPL is for orientation: no bound. */
#include "bench.h"

#include "base/fd.h"
#include "base/fs.h"
#include "base/spawn.h"
#include "base/time.h"
#include "payload/sqlite-script.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define TOOL_TIMEOUT_NS (120 * NS_PER_S)
#define ORDER           "2000"
#define ORDER_FLOPS     UINT64_C(5341333333) /* 2/3 n^3 + 2 n^2 */
#define ROWS            500

/* ---- SQLite ---- */

/* The shell, fed with the script; its database is made anew every time. */
struct shell {
    struct loop *loop;
    char path[256]; /* of the shell */
    char dir[64], script[80], database[80];
};

static int write_script(const struct shell *s, struct err *err)
{
    _cleanup_(str_release) struct str text = STR_INIT;

    str_add(&text, SCRIPT_TABLE "\n");
    for (unsigned i = 1; i <= ROWS; i++) {
        char insert[SCRIPT_STATEMENT_MAX];

        script_insert(i, insert);
        str_addf(&text, "%s\n", insert);
    }
    _cleanup_fd_ int fd = open(s->script, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, errno, "create %s", s->script);
    return fd_write_full(fd, text.buf, text.len, err);
}

static int nothing_open(void *user, struct err *err)
{
    (void)user, (void)err;
    return 0;
}

static void nothing_close(void *user)
{
    (void)user;
}

static int shell_slice(void *user, uint64_t want_ns, double *ret, struct err *err)
{
    struct shell *s = user;
    const char *argv[] = {s->path, "-batch", "-bail", s->database, NULL};
    _cleanup_fd_ int script = open(s->script, O_RDONLY | O_CLOEXEC);
    struct spawn_spec spec = {.argv = argv, .fd_in = script, .fd_out = -1, .fd_err = -1};
    struct spawn_result res;
    cpu_set_t cpus;
    uint64_t from;
    int r;

    (void)want_ns;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)bench_cpu(), &cpus);
    spec.cpus = &cpus;
    from = time_mono_ns();
    r = spawn_run(s->loop, &spec, time_deadline(TOOL_TIMEOUT_NS), 4096, &res, err);
    *ret = (double)(time_mono_ns() - from);
    if (r == 0)
        r = spawn_check(&spec, &res, err);
    spawn_result_release(&res);
    unlink(s->database);
    return r;
}

static int against_shell(struct shell *s, const char *program, struct err *err)
{
    char rows[16], dir[80];
    const char *params[] = {rows, dir, NULL};
    struct bench_probe p = {.loop = s->loop,
                            .path = program,
                            .workload = "sqlite",
                            .params = params,
                            .cpu = bench_cpu(),
                            .whole_ops = ROWS};
    struct subject a = bench_probe_subject(&p);
    struct subject b = {"sqlite3", s, nothing_open, shell_slice, nothing_close};
    struct bench_plan plan = {.what = "sqlite, rate of the workload / sqlite3 shell",
                              .blocks = 12,
                              .rounds = 2,
                              .least = .97,
                              .interval_within = true};
    int r;

    str_format(rows, sizeof(rows), "rows=%d", ROWS);
    str_format(dir, sizeof(dir), "dir=%s", s->dir);
    r = write_script(s, err);
    return r < 0 ? r : bench_compare(&plan, &a, &b, false, err);
}

static int bench_sqlite(struct loop *loop, const char *program, struct err *err)
{
    struct shell s = {.loop = loop, .dir = "/var/tmp/cupel-bench-XXXXXX"};
    int r;

    if (str_eq(program, "none") || fs_which("sqlite3", s.path, sizeof(s.path)) < 0) {
        printf("sqlite: left out, %s\n",
               str_eq(program, "none") ? "it was not built" : "sqlite3 is not installed");
        return 0;
    }
    if (!mkdtemp(s.dir))
        return err_errno(err, errno, "make a directory in /var/tmp");
    str_format(s.script, sizeof(s.script), "%s/script.sql", s.dir);
    str_format(s.database, sizeof(s.database), "%s/shell.db", s.dir);
    r = against_shell(&s, program, err);
    fs_remove_tree(s.dir, NULL);
    return r;
}

/* ---- LINPACK ---- */

static struct bench_probe linpack_probe(struct loop *loop, const char *program)
{
    static const char *const params[] = {"n=" ORDER, "threads=1", NULL};

    return (struct bench_probe){.loop = loop,
                                .path = program,
                                .workload = "linpack",
                                .params = params,
                                .cpu = bench_cpu(),
                                .whole_ops = ORDER_FLOPS};
}

static int bench_linpack(struct loop *loop, const char *program, const char *reference,
                         struct err *err)
{
    struct bench_probe p = linpack_probe(loop, program);
    struct bench_reference bare = {
        .loop = loop, .path = reference, .args = {ORDER}, .cpu = bench_cpu()};
    struct subject a = bench_probe_subject(&p), b = bench_reference_subject(&bare);
    struct bench_plan plan = {.what = "linpack of order " ORDER ", rate of the workload / dgesv",
                              .blocks = 12,
                              .rounds = 5,
                              .slice_ns = 1, /* one solution */
                              .least = .97,
                              .interval_within = true};

    if (str_eq(program, "none")) {
        printf("linpack: left out, it was not built\n");
        return 0;
    }
    return bench_compare(&plan, &a, &b, false, err);
}

/* ---- HPL ---- */

/* One process, one block size; what hpcc does besides is small at this order. */
static const char hpl_input[] = "cupel\ncupel\n"
                                "HPL.out file\n8 device\n"
                                "1 orders\n" ORDER " N\n"
                                "1 block sizes\n128 NB\n"
                                "0 row-major\n1 grids\n1 P\n1 Q\n"
                                "16.0 threshold\n"
                                "1 panel factorisations\n2 right\n"
                                "1 stopping criteria\n4 NBMIN\n"
                                "1 panels\n2 NDIV\n"
                                "1 recursive factorisations\n1 Crout\n"
                                "1 broadcasts\n1 1rM\n"
                                "1 depths\n1 DEPTH\n"
                                "2 mixed swapping\n64 threshold\n"
                                "0 L1\n0 U\n1 equilibration\n8 alignment\n"
                                "separator\n"
                                "0 further PTRANS orders\n1200\n0 further PTRANS blocks\n40\n";

struct hpl {
    struct loop *loop;
    char path[256], dir[64];
};

static int hpl_run(struct hpl *h, struct str *ret, struct err *err)
{
    const char *argv[] = {h->path, NULL};
    struct spawn_spec spec = {.argv = argv, .cwd = h->dir, .fd_in = -1, .fd_out = -1, .fd_err = -1};
    struct spawn_result res;
    char out[80];
    cpu_set_t cpus;
    int r;

    CPU_ZERO(&cpus);
    CPU_SET((size_t)bench_cpu(), &cpus);
    spec.cpus = &cpus;
    str_format(out, sizeof(out), "%s/hpccoutf.txt", h->dir);
    unlink(out); /* it appends */
    r = spawn_run(h->loop, &spec, time_deadline(TOOL_TIMEOUT_NS), 4096, &res, err);
    if (r == 0)
        r = spawn_check(&spec, &res, err);
    spawn_result_release(&res);
    if (r < 0)
        return r;
    _cleanup_fd_ int fd = open(out, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? err_errno(err, errno, "open %s", out) : fd_read_all(fd, 1 << 20, ret, err);
}

static int hpl_slice(void *user, uint64_t want_ns, double *ret, struct err *err)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    const char *at;
    int r = hpl_run(user, &text, err);

    (void)want_ns;
    if (r < 0)
        return r;
    at = strstr(text.buf, "HPL_time=");
    *ret = at ? 1e9 * strtod(at + strlen("HPL_time="), NULL) : 0;
    return *ret > 0 ? 0 : err_set(err, ERR_MEASUREMENT, EPROTO, "hpcc printed no HPL_time");
}

static int against_hpl(struct hpl *h, const char *program, struct err *err)
{
    struct bench_probe p = linpack_probe(h->loop, program);
    struct subject a = bench_probe_subject(&p);
    struct subject b = {"hpcc", h, nothing_open, hpl_slice, nothing_close};
    struct bench_plan plan = {
        .what = "linpack of order " ORDER ", rate of the workload / HPL", .blocks = 6, .rounds = 1};
    char input[80];

    str_format(input, sizeof(input), "%s/hpccinf.txt", h->dir);
    _cleanup_fd_ int fd = open(input, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, errno, "create %s", input);
    int r = fd_write_full(fd, hpl_input, strlen(hpl_input), err);
    return r < 0 ? r : bench_compare(&plan, &a, &b, false, err);
}

static int bench_hpl(struct loop *loop, const char *program, struct err *err)
{
    struct hpl h = {.loop = loop, .dir = "/var/tmp/cupel-bench-XXXXXX"};
    int r;

    if (str_eq(program, "none") || fs_which("hpcc", h.path, sizeof(h.path)) < 0) {
        printf("HPL: left out, %s\n",
               str_eq(program, "none") ? "linpack was not built" : "hpcc is not installed");
        return 0;
    }
    if (!mkdtemp(h.dir))
        return err_errno(err, errno, "make a directory in /var/tmp");
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    r = against_hpl(&h, program, err);
    fs_remove_tree(h.dir, NULL);
    return r;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct loop *loop;

    if (argc != 4 || loop_new(&loop, &err) < 0) {
        fprintf(stderr, "usage: bench-payload LINPACK|none REFERENCE|none SQLITE|none\n");
        return 2;
    }
    setenv("OPENBLAS_NUM_THREADS", "1", 1); /* of the references */
    int missed = 0;
    int r = bench_linpack(loop, argv[1], argv[2], &err);
    if (r >= 0) {
        missed += r;
        r = bench_sqlite(loop, argv[3], &err);
    }
    if (r >= 0) {
        missed += r;
        r = bench_hpl(loop, argv[1], &err);
    }
    if (r < 0)
        fprintf(stderr, "bench-payload: %s\n", err.msg);
    loop_free(loop);
    return r < 0 ? 2 : missed != 0;
}
