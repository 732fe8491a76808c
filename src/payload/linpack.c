/* linpack: a dense system of n equations in double precision, solved by LU with partial pivoting:
 * LAPACK's dgesv, as OpenBLAS has it.
 *
 * Layer: payload (sees probe, wire and base). The one slice is factoring and solving. Making the
 * system and judging its solution are not timed, as in every LINPACK. The system is fixed: a
 * generator with a constant seed, so that it can be made again for the check and memory stays near
 * 8 n^2 bytes. An operation is a floating-point operation by the usual count, 2/3 n^3 + 2 n^2,
 * whatever the library really does. The check is HPL's (testing/ptest/HPL_pdtest.c): the scaled
 * residual |Ax - b| / (eps (|A| |x| + |b|) n), maximum norms, has to be below 16.
 *
 * Parameters: n; threads of the library, 0: one for each CPU of the cell. */
#include "probe/family.h"

#include "base/cleanup.h"
#include "base/str.h"

#include <cblas.h>
#include <errno.h>
#include <f77blas.h>
#include <math.h>
#include <sched.h>
#include <sys/mman.h>

#define ORDER         5000
#define ORDER_MAX     100000
#define THREADS_MAX   1024
#define HUGE_BYTES    (UINT64_C(2) << 20)
#define RESIDUAL_GOOD 16.0
#define EPSILON       0x1p-53 /* HPL's: half of DBL_EPSILON */
#define SEED          UINT64_C(42)

struct linpack {
    size_t n, lda; /* columns of lda elements */
    unsigned threads;
    char *map;
    size_t map_bytes;
    double *a;       /* [n * lda], in the mapping; after the slice its factors */
    double *x;       /* [n]: b, after the slice the solution */
    blasint *pivots; /* [n] */
    bool solved;
};

/* ---- the system ---- */

/* HPL's generator (testing/matgen): uniform in [-0.5, 0.5). */
static inline double next_element(uint64_t *x)
{
    *x = *x * UINT64_C(6364136223846793005) + 1;
    return (double)(int64_t)*x * 0x1p-64;
}

/* A column by column, then b. */
static void make_system(struct linpack *s)
{
    uint64_t x = SEED;
    for (size_t j = 0; j < s->n; j++)
        for (size_t i = 0; i < s->n; i++)
            s->a[j * s->lda + i] = next_element(&x);
    for (size_t i = 0; i < s->n; i++)
        s->x[i] = next_element(&x);
}

static double norm(const double *v, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fabs(v[i]) <= most ? most : fabs(v[i]); /* so that a NaN stays */
    return most;
}

/* The system is made once more, an element at a time. */
static double residual(const struct linpack *s)
{
    _cleanup_free_ double *rest = xcalloc(s->n, sizeof(*rest));
    _cleanup_free_ double *rows = xcalloc(s->n, sizeof(*rows));
    uint64_t x = SEED;
    for (size_t j = 0; j < s->n; j++)
        for (size_t i = 0; i < s->n; i++) {
            double a = next_element(&x);
            rest[i] -= a * s->x[j];
            rows[i] += fabs(a);
        }

    double b_norm = 0;
    for (size_t i = 0; i < s->n; i++) {
        double b = next_element(&x);
        rest[i] += b;
        b_norm = fmax(b_norm, fabs(b));
    }
    double scale = norm(rows, s->n) * norm(s->x, s->n) + b_norm;
    return norm(rest, s->n) / (EPSILON * scale * (double)s->n);
}

/* 2/3 n^3 + 2 n^2 to the nearest whole one. */
static uint64_t flops(uint64_t n)
{
    return (2 * n * n * n + 6 * n * n + 1) / 3;
}

/* The least odd multiple of 16 that holds n: columns that lay a power of two apart would share a
 * few sets of a cache. 5008 for 5000 and 20016 for 20000, as in the input of Intel's LINPACK. */
static size_t leading_dimension(size_t n)
{
    return ((n + 15) / 16 | 1) * 16;
}

/* ---- preparing ---- */

static int linpack_params(const struct job *job, int64_t *ret_n, int64_t *ret_threads,
                          struct err *err)
{
    int64_t threads = 0;
    int r = job_num(job, "n", 1, ORDER_MAX, ORDER, ret_n, err);
    if (r == 0)
        r = job_num(job, "threads", 0, THREADS_MAX, 0, &threads, err);
    if (r < 0)
        return r;
    unsigned cpus = job->prepare.n_cpus > 0 ? job->prepare.n_cpus : 1;
    *ret_threads = threads > 0 ? threads : cpus;
    return 0;
}

static int linpack_prepare(struct job *job, struct err *err)
{
    int64_t n = 0, threads = 0;
    int r = linpack_params(job, &n, &threads, err);
    if (r < 0)
        return r;
    if (job->prepare.workers != 1)
        return err_set(err, ERR_USAGE, EINVAL,
                       "linpack has one worker; its threads are a parameter");
    if (job->inject > 0)
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "no more than one system can be solved");
    facts_add_num(&job->facts, "n", n);
    facts_add_num(&job->facts, "lda", (int64_t)leading_dimension((size_t)n));
    facts_add_num(&job->facts, "threads", threads);
    facts_add_text(&job->facts, "blas_core", openblas_get_corename());
    facts_add_text(&job->facts, "blas_config", openblas_get_config());
    return 0;
}

/* Huge pages are asked for, so that targets do not differ in them without need. */
static int map_matrix(struct linpack *s, struct err *err)
{
    size_t bytes = s->n * s->lda * sizeof(*s->a);
    s->map_bytes = bytes + HUGE_BYTES;
    s->map = mmap(NULL, s->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s->map == MAP_FAILED) {
        s->map = NULL;
        return err_errno(err, errno, "a system of order %zu: allocate %zu MiB", s->n,
                         s->map_bytes >> 20);
    }
    s->a = (double *)(((uintptr_t)s->map + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES);
    madvise(s->a, bytes, MADV_HUGEPAGE);
    return 0;
}

/* The library's threads, and worker 0, which the harness has pinned, may run on all CPUs of the
 * cell. The library has made some before main, with the CPUs the program began with, and makes
 * further ones with those of the caller. Where the guest has none of these CPUs nothing was pinned
 * either. */
static void use_cell_cpus(struct worker *w, unsigned threads)
{
    const struct frame_prepare *p = &w->job->prepare;
    cpu_set_t set;
    CPU_ZERO(&set);
    for (unsigned i = 0; i < p->n_cpus; i++)
        if (p->cpus[i] < CPU_SETSIZE)
            CPU_SET(p->cpus[i], &set);
    if (CPU_COUNT(&set) == 0)
        return;
    for (unsigned i = 0; i < threads; i++) /* the last one is the caller */
        openblas_setaffinity((int)i, sizeof(set), &set);
    w->cpu = -1; /* pinned no longer */
}

static int use_threads(struct worker *w, unsigned threads, struct err *err)
{
    openblas_set_num_threads((int)threads);
    int got = openblas_get_num_threads();
    if (got != (int)threads)
        return err_set(err, ERR_UNSUPPORTED, EINVAL, "OpenBLAS uses %d threads at most, not %u",
                       got, threads);
    if (threads > 1)
        use_cell_cpus(w, threads);
    return 0;
}

static void linpack_stop(struct worker *w)
{
    struct linpack *s = w->state;
    if (!s)
        return;
    if (s->map)
        munmap(s->map, s->map_bytes);
    free(s->x);
    free(s->pivots);
    free(s);
    w->state = NULL;
}

static int linpack_start(struct worker *w, struct err *err)
{
    struct linpack *s = w->state = xcalloc(1, sizeof(*s));
    int64_t n = 0, threads = 0;
    int r = linpack_params(w->job, &n, &threads, err);
    if (r < 0)
        return r;
    s->n = (size_t)n;
    s->lda = leading_dimension(s->n);
    r = use_threads(w, (unsigned)threads, err);
    if (r == 0)
        r = map_matrix(s, err);
    if (r < 0)
        return r;
    s->x = xcalloc(s->n, sizeof(*s->x));
    s->pivots = xcalloc(s->n, sizeof(*s->pivots));
    make_system(s);
    return 0;
}

/* ---- solving ---- */

/* Not to be cut: its operations are those of one whole solution, and the factors have taken the
 * matrix's place afterwards. */
static void run_linpack(struct worker *w, uint64_t ops)
{
    struct linpack *s = w->state;
    blasint n = (blasint)s->n, lda = (blasint)s->lda, one = 1, info = 0;
    if (ops != flops(s->n)) {
        worker_fail(w, EINVAL, "a slice is one whole solution");
        return;
    }
    if (s->solved) {
        worker_fail(w, EALREADY, "the system is solved already");
        return;
    }
    dgesv_(&n, &one, s->a, &lda, s->pivots, s->x, &n, &info);
    if (info != 0)
        worker_fail(w, EDOM, "dgesv: the matrix is singular");
    s->solved = info == 0;
    w->tally[0] += ops;
}

static int linpack_verify(struct job *job, struct frame_finished *fin, struct err *err)
{
    const struct linpack *s = job->workers[0].state;
    char text[32];
    if (!s->solved || job_done(job) != flops(s->n))
        return err_set(err, ERR_MEASUREMENT, EPROTO, "the system was not solved");

    double r = residual(s);
    str_format(text, sizeof(text), "%.4g", r);
    facts_add_text(&fin->facts, "residual", text);
    if (!(r < RESIDUAL_GOOD))
        return err_set(err, ERR_MEASUREMENT, EPROTO,
                       "the solution is wrong: scaled residual %s, OpenBLAS core %s", text,
                       openblas_get_corename());
    str_format(fin->detail, sizeof(fin->detail), "scaled residual %s, less than %g", text,
               RESIDUAL_GOOD);
    return 0;
}

static const struct workload list[] = {
    {.name = "linpack",
     .no_hist = true,
     .prepare = linpack_prepare,
     .start = linpack_start,
     .run = run_linpack,
     .verify = linpack_verify,
     .stop = linpack_stop},
};

const struct family family_linpack = {
    .name = "linpack",
    .list = list,
    .n = ARRAY_SIZE(list),
};
