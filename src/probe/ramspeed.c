/* ramspeed.copy, scale, add, triad: the *mem tests of RAMspeed/SMP, with its process model.
 *
 * Layer: probe. Workers are processes; each has arrays of its own and goes through them for a pass
 * of so many bytes in all. copy b = a, scale b = m a, add c = a + b, triad c = a + m b. Elements
 * are unsigned long (int, m = 77) or double (float, m = ln 2). Unlike in mem.*, the destination is
 * not touched before: its page faults are in the time, in the first pass. The sources are filled
 * outside. Source: fltmem.c, intmem.c and ramsmp.c of RAMspeed/SMP 3.5.0; its loops are unrolled 32
 * times by hand, these are not.
 *
 * One operation is one MiB of the pass, so a slice of pass_bytes / MiB operations is what RAMspeed
 * does. RAMspeed divides the bytes of all processes by the arithmetic mean of their times: both
 * are facts, mean_ns and bytes, of the last slice.
 *
 * Parameters: array_bytes (each array of each process), elements (int, float). */
#include "probe/family.h"

#include <errno.h>
#include <math.h>
#include <sys/mman.h>

#define OP_BYTES  (INT64_C(1) << 20)
#define ARRAY_MAX (INT64_C(1) << 40)
#define SAMPLES   4 /* checked elements in a MiB */
#define FACTOR_I  77UL
#define FACTOR_F  M_LN2

enum op { OP_COPY, OP_SCALE, OP_ADD, OP_TRIAD };

static const char *const element_names[] = {"int", "float", NULL};

/* One MiB. */
typedef void kernel(const void *a, const void *b, void *to);

struct ram {
    void *map;
    size_t map_bytes;
    char *a, *b, *to; /* b: NULL where there is one source */
    uint64_t mibs, at;
    bool floats;
    enum op op;
    kernel *run;
};

/* ---- kernels ---- */

#define KERNEL(name, type, expr)                                                                   \
    static void name(const void *pa, const void *pb, void *pto)                                    \
    {                                                                                              \
        const type *restrict a = pa, *restrict b = pb;                                             \
        type *restrict to = pto;                                                                   \
        (void)b;                                                                                   \
        for (size_t i = 0; i < OP_BYTES / sizeof(type); i++)                                       \
            to[i] = expr;                                                                          \
    }

KERNEL(copy_int, unsigned long, a[i])
KERNEL(scale_int, unsigned long, FACTOR_I *a[i])
KERNEL(add_int, unsigned long, a[i] + b[i])
KERNEL(triad_int, unsigned long, a[i] + FACTOR_I * b[i])
KERNEL(copy_float, double, a[i])
KERNEL(scale_float, double, FACTOR_F *a[i])
KERNEL(add_float, double, a[i] + b[i])
KERNEL(triad_float, double, a[i] + FACTOR_F * b[i])

static kernel *const kernels[2][4] = {
    {copy_int, scale_int, add_int, triad_int},
    {copy_float, scale_float, add_float, triad_float},
};

/* ---- arrays ---- */

static unsigned long pattern_a(size_t i)
{
    return 33 + i % 7;
}

static unsigned long pattern_b(size_t i)
{
    return 55 + i % 5;
}

#define EXPECT(op, a, b, m)                                                                        \
    ((op) == OP_COPY    ? (a)                                                                      \
     : (op) == OP_SCALE ? (m) * (a)                                                                \
     : (op) == OP_ADD   ? (a) + (b)                                                                \
                        : (a) + (m) * (b))

static bool element_is_right(const struct ram *s, size_t i)
{
    unsigned long a = pattern_a(i), b = pattern_b(i);
    if (!s->floats)
        return ((const unsigned long *)s->to)[i] == EXPECT(s->op, a, b, FACTOR_I);
    double want = EXPECT(s->op, (double)a, (double)b, FACTOR_F);
    return fabs(((const double *)s->to)[i] - want) <= 1e-12 * want;
}

static void fill(const struct ram *s, char *array, unsigned long (*pattern)(size_t))
{
    size_t n = (size_t)s->mibs * (OP_BYTES / sizeof(unsigned long));
    for (size_t i = 0; i < n && s->floats; i++)
        ((double *)array)[i] = (double)pattern(i);
    for (size_t i = 0; i < n && !s->floats; i++)
        ((unsigned long *)array)[i] = pattern(i);
}

static int ram_params(const struct job *job, int64_t *ret_bytes, unsigned *ret_elements,
                      struct err *err)
{
    int r = job_num(job, "array_bytes", OP_BYTES, ARRAY_MAX, 32 * OP_BYTES, ret_bytes, err);
    if (r == 0 && *ret_bytes % OP_BYTES != 0)
        r = err_set(err, ERR_USAGE, EINVAL, "parameter array_bytes: %lld is no number of MiBs",
                    (long long)*ret_bytes);
    return r < 0 ? r : job_choice(job, "elements", element_names, ret_elements, err);
}

static int ram_prepare(struct job *job, struct err *err)
{
    int64_t bytes = 0;
    unsigned elements = 0;
    int r = ram_params(job, &bytes, &elements, err);
    if (r < 0)
        return r;
    facts_add_num(&job->facts, "array_bytes", bytes);
    facts_add_text(&job->facts, "elements", element_names[elements]);
    return 0;
}

/* No advice about huge pages: RAMspeed takes what malloc gives. */
static int ram_start(struct worker *w, enum op op, struct err *err)
{
    struct ram *s = w->state = xcalloc(1, sizeof(*s));
    int64_t bytes = 0;
    unsigned elements = 0, arrays = op >= OP_ADD ? 3 : 2;
    int r = ram_params(w->job, &bytes, &elements, err);
    if (r < 0)
        return r;
    size_t all = arrays * (size_t)bytes;
    void *map = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return err_errno(err, errno, "map %zu bytes", all);
    s->map = map;
    s->map_bytes = all;
    s->mibs = (uint64_t)(bytes / OP_BYTES);
    s->floats = elements == 1;
    s->op = op;
    s->run = kernels[elements][op];
    s->a = map;
    s->b = arrays == 3 ? s->a + bytes : NULL;
    s->to = s->a + (arrays - 1) * (size_t)bytes;
    fill(s, s->a, pattern_a);
    if (s->b)
        fill(s, s->b, pattern_b);
    return 0;
}

static void ram_stop(struct worker *w)
{
    struct ram *s = w->state;
    if (s && s->map)
        munmap(s->map, s->map_bytes);
    free(s);
    w->state = NULL;
}

static void ram_run(struct worker *w, uint64_t ops)
{
    struct ram *s = w->state;
    uint64_t at = s->at, mibs = s->mibs;
    for (uint64_t i = 0; i < ops; i++) {
        size_t from = (size_t)at * (size_t)OP_BYTES;
        s->run(s->a + from, s->b ? s->b + from : NULL, s->to + from);
        at = at + 1 < mibs ? at + 1 : 0;
    }
    s->at = at;
    w->tally[0] += ops;
}

static int ram_check(struct worker *w, struct err *err)
{
    const struct ram *s = w->state;
    const size_t n = (size_t)OP_BYTES / (s->floats ? sizeof(double) : sizeof(unsigned long));
    size_t covered = w->done < s->mibs ? (size_t)w->done : (size_t)s->mibs;
    for (size_t mib = 0; mib < covered; mib++)
        for (unsigned k = 0; k < SAMPLES; k++) {
            size_t i = mib * n + (n - 1) * k / (SAMPLES - 1);
            if (!element_is_right(s, i))
                return err_set(err, ERR_MEASUREMENT, EPROTO, "worker %u, element %zu is wrong",
                               w->index, i);
        }
    if (s->at != w->done % s->mibs)
        return err_set(err, ERR_MEASUREMENT, EPROTO, "worker %u stands at MiB %llu", w->index,
                       (unsigned long long)s->at);
    w->tally[1] = covered * SAMPLES;
    return 0;
}

static int ram_verify(struct job *job, unsigned streams, struct frame_finished *fin,
                      struct err *err)
{
    unsigned n = job->prepare.workers;
    uint64_t ns = 0, ops = 0;
    int r = job_verify_count(job, 1, fin, err);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < n; i++) {
        const struct worker *w = &job->workers[i];
        ns += w->end_ns - w->start_ns;
        ops += w->ops;
    }
    facts_add_num(&fin->facts, "mean_ns", (int64_t)(ns / n));
    facts_add_num(&fin->facts, "bytes", (int64_t)(ops * streams) * OP_BYTES);
    facts_add_num(&fin->facts, "elements_checked", (int64_t)job_tally(job, 1));
    str_format(fin->detail, sizeof(fin->detail), "%llu sampled elements hold the expected value",
               (unsigned long long)job_tally(job, 1));
    return 0;
}

/* ---- the table ---- */

#define HOOKS(name, op, streams)                                                                   \
    static int name##_start(struct worker *w, struct err *err)                                     \
    {                                                                                              \
        return ram_start(w, op, err);                                                              \
    }                                                                                              \
    static int name##_verify(struct job *job, struct frame_finished *fin, struct err *err)         \
    {                                                                                              \
        return ram_verify(job, streams, fin, err);                                                 \
    }

HOOKS(copy, OP_COPY, 2)
HOOKS(scale, OP_SCALE, 2)
HOOKS(add, OP_ADD, 3)
HOOKS(triad, OP_TRIAD, 3)

#define ROW(op)                                                                                    \
    {                                                                                              \
        .name = "ramspeed." #op, .processes = true, .prepare = ram_prepare, .start = op##_start,   \
        .run = ram_run, .check = ram_check, .verify = op##_verify, .stop = ram_stop                \
    }

static const struct workload list[] = {ROW(copy), ROW(scale), ROW(add), ROW(triad)};

const struct family family_ramspeed = {
    .name = "ramspeed",
    .list = list,
    .n = ARRAY_SIZE(list),
};
