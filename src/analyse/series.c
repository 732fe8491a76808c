#include "analyse/series.h"

#include "analyse/semantics.h"

#include "stats/describe.h"
#include "wire/hist.h"

#include <math.h>

#define P999_MIN 1000

static void scratch_reserve(struct scratch *s, size_t n)
{
    if (s->cap >= n)
        return;
    s->a = xreallocarray(s->a, n, sizeof(double));
    s->b = xreallocarray(s->b, n, sizeof(double));
    s->cap = n;
}

void scratch_release(struct scratch *s)
{
    free(s->a);
    free(s->b);
    free(s->hist);
    *s = (struct scratch){0};
}

void pair_data_release(struct pair_data *d)
{
    VEC_RELEASE(&d->values);
}

static const struct part *find_part(const struct trial *t, uint32_t target)
{
    VEC_FOREACH (&t->parts, struct part, p)
        if (p->target == target)
            return p;
    return NULL;
}

static const struct sample *find_round(const struct part *p, uint32_t round)
{
    VEC_FOREACH (&p->samples, struct sample, s)
        if (s->round == round)
            return s;
    return NULL;
}

/* NAN for a slice that did nothing or took no time: that is no measurement. */
static double per_op(const struct sample *s)
{
    return s->ops && s->ns ? (double)s->ns / (double)s->ops : NAN;
}

/* Within a round target and base ran close together: what slows the machine for longer than a round
 * falls out of the ratio. */
static double median_log_ratio(const struct part *p, const struct part *base, struct scratch *s)
{
    size_t n = 0;

    if (!base || base->outcome != OUTCOME_OK)
        return NAN;
    VEC_FOREACH (&p->samples, struct sample, x) {
        const struct sample *y = find_round(base, x->round);
        double d = y ? log(per_op(x) / per_op(y)) : NAN;

        if (isfinite(d))
            s->a[n++] = d;
    }
    return n ? describe_median(s->a, n) : NAN;
}

static void fill_costs(const struct part *p, struct scratch *s, struct block_value *v)
{
    double cpu = 0, wall = 0;
    size_t n = 0, n_cpu = 0;

    VEC_FOREACH (&p->samples, struct sample, x) {
        double y = per_op(x);

        if (!isfinite(y))
            continue;
        s->a[n++] = y;
        if (x->cpu_ns == UINT64_MAX)
            continue;
        s->b[n_cpu++] = (double)x->cpu_ns / (double)x->ops;
        cpu += (double)x->cpu_ns;
        wall += (double)x->ns;
    }
    v->ns_per_op = n ? describe_median(s->a, n) : NAN;
    v->cpu_per_op = n_cpu ? describe_median(s->b, n_cpu) : NAN;
    v->busy = wall > 0 ? cpu / wall : NAN;
}

/* Of a metric ops and ns are its value: what it cost is that of the execution. */
static void fill_execution(const struct part *p, struct block_value *v)
{
    const struct sample *x = &p->samples.v[0];

    v->cpu_per_op = x->cpu_ns == UINT64_MAX ? NAN : (double)x->cpu_ns;
    v->busy = x->control_ns ? v->cpu_per_op / (double)x->control_ns : NAN;
}

/* One quantile a launch; percentiles of different launches are never averaged. */
static void fill_latency(const struct part *p, struct scratch *s, struct block_value *v)
{
    if (!p->hist)
        return;
    if (!s->hist)
        s->hist = xmalloc(sizeof(*s->hist));
    if (hist_decode(p->hist, s->hist, NULL) < 0 || s->hist->total == 0)
        return;
    v->p50 = hist_quantile(s->hist, .5);
    v->p90 = hist_quantile(s->hist, .9);
    v->p99 = hist_quantile(s->hist, .99);
    /* With fewer it is the largest, or next to it. */
    v->p999 = s->hist->total >= P999_MIN ? hist_quantile(s->hist, .999) : 0;
    v->latency_n = s->hist->total;
}

static bool trial_noisy(const struct trial *t)
{
    const struct covariates *c = &t->covariates;
    double ns = (double)(t->end_ns - t->start_ns);

    return c->steal > STEAL_MAX ||
           (c->others_cpu_ns != UINT64_MAX && ns > 0 &&
            (double)c->others_cpu_ns / ns > OTHERS_MAX) ||
           (c->swap_pages != UINT64_MAX && c->swap_pages > 0);
}

static void note_failure(struct pair_data *d, enum err_kind kind, const char *text)
{
    if (d->failed++ > 0)
        return;
    d->fail_kind = kind;
    str_copy(d->fail_text, sizeof(d->fail_text), text);
}

void pair_data_add(struct pair_data *d, const struct cell *cell, const struct trial *t,
                   uint32_t target, uint32_t base, struct scratch *s)
{
    const struct part *p = find_part(t, target);
    struct block_value v = {.block = t->block};

    if (!p)
        return;
    d->tried++;
    if (p->outcome != OUTCOME_OK) {
        note_failure(d, p->fail_kind, p->fail_text);
        return;
    }
    scratch_reserve(s, p->samples.n + 1);
    fill_costs(p, s, &v);
    if (cell->unit[0] && p->samples.n)
        fill_execution(p, &v);
    if (!isfinite(v.ns_per_op)) {
        note_failure(d, ERR_MEASUREMENT, "no operation was done");
        return;
    }
    unsigned semantics = semantics_of(cell, p, find_part(t, base));
    for (unsigned i = 0; i < CELL_SEMANTICS; i++)
        d->semantics[i] += (semantics & CELL_FLAG_MEMORY_FS << i) != 0;
    v.log_ratio = target == base ? NAN : median_log_ratio(p, find_part(t, base), s);
    v.drift = p->clock_drift;
    v.noisy = trial_noisy(t);
    fill_latency(p, s, &v);
    if (p->peak_memory_bytes > d->peak_memory_bytes)
        d->peak_memory_bytes = p->peak_memory_bytes;
    VEC_PUSH(&d->values, v);
}

size_t pair_data_column(const struct pair_data *d, double (*get)(const struct block_value *v),
                        double *out)
{
    size_t n = 0;

    VEC_FOREACH (&d->values, struct block_value, v) {
        double x = get(v);
        if (isfinite(x))
            out[n++] = x;
    }
    return n;
}

double value_log_ratio(const struct block_value *v)
{
    return v->log_ratio;
}

double value_ns(const struct block_value *v)
{
    return v->ns_per_op;
}

double value_cpu(const struct block_value *v)
{
    return v->cpu_per_op;
}

double value_busy(const struct block_value *v)
{
    return v->busy;
}
