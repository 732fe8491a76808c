/* mem.copy, mem.scale, mem.add, mem.triad: the four kernels of STREAM and RAMspeed over doubles.
 *
 * Layer: probe. copy c = a, scale c = m a, add c = a + b, triad c = a + m b with m = 3. Unlike
 * STREAM's, sources are never written: every pass computes the same values, which stay exact, and
 * can be checked by samples. One operation is one MiB of every array whatever their size, in chunks
 * at a position that moves on through the worker's share and around, across operations and slices.
 *
 * Parameters: array_bytes (each of the three arrays, shared out among the workers), stores
 * (plain, nt: past the cache), pages (huge, base). Bytes are counted as STREAM does: two per
 * element byte for copy and scale, three for add and triad; no write-allocate traffic. */
#include "probe/family.h"

#include "base/fd.h"

#include <errno.h>
#include <sys/mman.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define HUGE_BYTES (UINT64_C(2) << 20)
#define OP_BYTES   (UINT64_C(1) << 20)  /* of each array */
#define CHUNK_MAX  (UINT64_C(64) << 10) /* of each array, walked by one call of a kernel */
#define SHARE_MIN  4096                 /* bytes of one array a worker gets at least */
#define ARRAY_MAX  (INT64_C(1) << 40)
#define SAMPLES    4 /* checked elements in a chunk */
#define SMAPS_MAX  (8 << 20)
#define FACTOR     3.0

typedef double pair __attribute__((vector_size(16)));
typedef void kernel(const pair *restrict a, const pair *restrict b, pair *restrict c, size_t n);

enum op { OP_COPY, OP_SCALE, OP_ADD, OP_TRIAD };

static const char *const store_names[] = {"plain", "nt", NULL};
static const char *const page_names[] = {"huge", "base", NULL};

struct mem {
    size_t chunk;         /* elements of one array in it; a power of two */
    size_t chunks;        /* in a worker's share */
    size_t chunks_per_op; /* more than there are if the share is less than OP_BYTES */
    unsigned pages;
    unsigned stores;
};

/* A worker's three arrays, in one mapping. */
struct seg {
    char *map;
    size_t map_bytes;
    double *a, *b, *c;
    kernel *run;
    size_t at; /* next chunk */
    int advice_errno;
};

/* ---- kernels ---- */

#define PLAIN(to, value) ((to) = (value))
#ifdef __SSE2__
#define NT(to, value) _mm_stream_pd((double *)&(to), (value))
#endif

/* Not unrolled: four streaming stores in a row cost 4 % against a bare loop of one. */
#define KERNEL(name, STORE, EXPR)                                                                  \
    static void name(const pair *restrict a, const pair *restrict b, pair *restrict c, size_t n)   \
    {                                                                                              \
        const pair m = {FACTOR, FACTOR};                                                           \
        (void)b, (void)m;                                                                          \
        for (size_t k = 0; k < n; k++)                                                             \
            STORE(c[k], EXPR);                                                                     \
    }

#define KERNELS(suffix, STORE)                                                                     \
    KERNEL(copy_##suffix, STORE, a[k])                                                             \
    KERNEL(scale_##suffix, STORE, m *a[k])                                                         \
    KERNEL(add_##suffix, STORE, a[k] + b[k])                                                       \
    KERNEL(triad_##suffix, STORE, a[k] + m * b[k])

KERNELS(plain, PLAIN)
#ifdef NT
KERNELS(nt, NT)
#define NT_ROW copy_nt, scale_nt, add_nt, triad_nt
#else
#define NT_ROW NULL, NULL, NULL, NULL
#endif

static kernel *const kernels[2][4] = {
    {copy_plain, scale_plain, add_plain, triad_plain},
    {NT_ROW},
};

/* ---- arrays ---- */

static double pattern_a(size_t i)
{
    return 1.0 + (double)(i % 7);
}

static double pattern_b(size_t i)
{
    return 2.0 + (double)(i % 5);
}

static double expected(enum op op, size_t i)
{
    switch (op) {
    case OP_COPY:
        return pattern_a(i);
    case OP_SCALE:
        return FACTOR * pattern_a(i);
    case OP_ADD:
        return pattern_a(i) + pattern_b(i);
    case OP_TRIAD:
        return pattern_a(i) + FACTOR * pattern_b(i);
    }
    return 0;
}

/* Where sample s of a chunk is: spread over it, first and last element among them. */
static size_t sample_at(const struct mem *m, size_t chunk, unsigned s)
{
    return chunk * m->chunk + (m->chunk - 1) * s / (SAMPLES - 1);
}

static bool mem_keep(const struct frame_prepare *old, const struct frame_prepare *new)
{
    return param_same(old, new, "array_bytes") && param_same(old, new, "pages");
}

static int mem_setup(struct job *job, struct err *err)
{
    struct mem *m = job->state = xcalloc(1, sizeof(*m));
    int64_t bytes;
    int r = job_num(job, "array_bytes", SHARE_MIN, ARRAY_MAX, 64 << 20, &bytes, err);
    if (r == 0)
        r = job_choice(job, "pages", page_names, &m->pages, err);
    if (r < 0)
        return r;
    uint64_t share = (uint64_t)bytes / job->prepare.workers;
    uint64_t chunk = CHUNK_MAX;
    while (chunk > share)
        chunk /= 2;
    if (chunk < SHARE_MIN)
        return err_set(err, ERR_USAGE, EINVAL, "array_bytes: less than %d for each worker",
                       SHARE_MIN);
    m->chunk = chunk / sizeof(double);
    m->chunks = share / chunk;
    m->chunks_per_op = OP_BYTES / chunk;
    facts_add_num(&job->facts, "array_bytes", (int64_t)(m->chunks * chunk * job->prepare.workers));
    facts_add_num(&job->facts, "chunk_bytes", (int64_t)chunk);
    facts_add_num(&job->facts, "alignment_bytes", HUGE_BYTES);
    return 0;
}

static void mem_teardown(struct job *job)
{
    free(job->state);
}

static double *align_huge(char *p)
{
    return (double *)(((uintptr_t)p + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES);
}

/* The worker that uses the arrays maps and touches them, so that they are on its node. */
static int mem_worker_setup(struct worker *w, struct err *err)
{
    const struct mem *m = w->job->state;
    struct seg *s = w->state = xcalloc(1, sizeof(*s));
    size_t n = m->chunk * m->chunks;
    size_t stride = (n * sizeof(double) + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
    size_t bytes = 3 * stride + HUGE_BYTES;
    char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return err_errno(err, errno, "map %zu bytes", bytes);
    s->map = map;
    s->map_bytes = bytes;
    if (madvise(map, bytes, m->pages == 0 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) != 0)
        s->advice_errno = errno;
    s->a = align_huge(map);
    s->b = s->a + stride / sizeof(double);
    s->c = s->b + stride / sizeof(double);
    for (size_t i = 0; i < n; i++) {
        s->a[i] = pattern_a(i);
        s->b[i] = pattern_b(i);
        s->c[i] = -1;
    }
    return 0;
}

static void mem_worker_teardown(struct worker *w)
{
    struct seg *s = w->state;
    if (s && s->map)
        munmap(s->map, s->map_bytes);
    free(s);
    w->state = NULL;
}

/* Bytes of the workers' mappings that are backed by huge pages, or -1 where /proc does not say. */
static int64_t huge_bytes(const struct job *job)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    if (file_read("/proc/self/smaps", SMAPS_MAX, &text, NULL) < 0)
        return -1;
    bool ours = false, known = false;
    uint64_t sum = 0;
    for (char *line = text.buf, *next; *line; line = next) {
        next = line + strcspn(line, "\n");
        next += *next == '\n';
        unsigned long from, to, kib;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            ours = false;
            for (unsigned i = 0; i < job->prepare.workers; i++) {
                const struct seg *s = job->workers[i].state;
                uintptr_t at = (uintptr_t)s->map;
                ours = ours || (from < at + s->map_bytes && at < to);
            }
        } else if (ours && sscanf(line, "AnonHugePages: %lu kB", &kib) == 1) {
            sum += kib * UINT64_C(1024);
            known = true;
        }
    }
    return known ? (int64_t)sum : -1;
}

static int mem_prepare(struct job *job, struct err *err)
{
    struct mem *m = job->state;
    int r = job_choice(job, "stores", store_names, &m->stores, err);
    if (r == 0 && !kernels[m->stores][0])
        r = err_set(err, ERR_UNSUPPORTED, ENOTSUP, "stores=%s: not on this architecture",
                    store_names[m->stores]);
    return r;
}

static int mem_start(struct worker *w, enum op op)
{
    const struct mem *m = w->job->state;
    struct seg *s = w->state;
    s->run = kernels[m->stores][op];
    s->at = 0;
    for (size_t chunk = 0; chunk < m->chunks; chunk++) /* what an earlier workload left is wrong */
        for (unsigned k = 0; k < SAMPLES; k++)
            s->c[sample_at(m, chunk, k)] = -1;
    return 0;
}

static int mem_ready(struct job *job, unsigned streams)
{
    const struct mem *m = job->state;
    const struct seg *s = job->workers[0].state;
    facts_add_num(&job->facts, "bytes_per_op", (int64_t)(OP_BYTES * streams));
    facts_add_text(&job->facts, "stores", store_names[m->stores]);
    facts_add_text(&job->facts, "pages", page_names[m->pages]);
    facts_add_num(&job->facts, "huge_bytes", huge_bytes(job));
    facts_add_num(&job->facts, "mapped_bytes", (int64_t)(s->map_bytes * job->prepare.workers));
    facts_add_num(&job->facts, "advice_errno", s->advice_errno);
    return 0;
}

static void mem_run(struct worker *w, uint64_t ops)
{
    const struct mem *m = w->job->state;
    struct seg *s = w->state;
    size_t n = m->chunk, chunks = m->chunks, at = s->at;
    kernel *run = s->run;
    for (uint64_t i = ops * m->chunks_per_op; i > 0; i--) {
        size_t from = at * n;
        run((const pair *)(s->a + from), (const pair *)(s->b + from), (pair *)(s->c + from), n / 2);
        at = at + 1 < chunks ? at + 1 : 0;
    }
#ifdef __SSE2__
    _mm_sfence(); /* what was streamed is written when the clock is read */
#endif
    s->at = at;
    w->tally[0] += ops;
}

static int mem_check(struct worker *w, enum op op, struct err *err)
{
    const struct mem *m = w->job->state;
    const struct seg *s = w->state;
    uint64_t walked = w->done * m->chunks_per_op;
    size_t covered = walked < m->chunks ? (size_t)walked : m->chunks;
    for (size_t chunk = 0; chunk < covered; chunk++)
        for (unsigned k = 0; k < SAMPLES; k++) {
            size_t i = sample_at(m, chunk, k);
            if (s->c[i] != expected(op, i))
                return err_set(err, ERR_MEASUREMENT, EPROTO,
                               "worker %u, element %zu is %g instead of %g", w->index, i, s->c[i],
                               expected(op, i));
        }
    if (s->at != walked % m->chunks)
        return err_set(err, ERR_MEASUREMENT, EPROTO, "worker %u stands at chunk %zu", w->index,
                       s->at);
    w->tally[1] = covered * SAMPLES;
    return 0;
}

static int mem_verify(struct job *job, struct frame_finished *fin, struct err *err)
{
    int r = job_verify_count(job, 1, fin, err);
    if (r < 0)
        return r;
    int64_t samples = (int64_t)job_tally(job, 1);
    str_format(fin->detail, sizeof(fin->detail), "%lld sampled elements hold the expected value",
               (long long)samples);
    facts_add_num(&fin->facts, "elements_checked", samples);
    return 0;
}

/* ---- the table ---- */

#define HOOKS(name, op, streams)                                                                   \
    static int name##_start(struct worker *w, struct err *err)                                     \
    {                                                                                              \
        return mem_start(w, op);                                                                   \
    }                                                                                              \
    static int name##_ready(struct job *job, struct err *err)                                      \
    {                                                                                              \
        return mem_ready(job, streams);                                                            \
    }                                                                                              \
    static int name##_check(struct worker *w, struct err *err)                                     \
    {                                                                                              \
        return mem_check(w, op, err);                                                              \
    }

HOOKS(copy, OP_COPY, 2)
HOOKS(scale, OP_SCALE, 2)
HOOKS(add, OP_ADD, 3)
HOOKS(triad, OP_TRIAD, 3)

#define ROW(op)                                                                                    \
    {                                                                                              \
        .name = "mem." #op, .prepare = mem_prepare, .start = op##_start, .ready = op##_ready,      \
        .run = mem_run, .check = op##_check, .verify = mem_verify                                  \
    }

static const struct workload list[] = {ROW(copy), ROW(scale), ROW(add), ROW(triad)};

const struct family family_mem = {
    .name = "mem",
    .list = list,
    .n = ARRAY_SIZE(list),
    .keep = mem_keep,
    .setup = mem_setup,
    .worker_setup = mem_worker_setup,
    .worker_teardown = mem_worker_teardown,
    .teardown = mem_teardown,
};
