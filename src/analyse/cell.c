#include "analyse/cell.h"

#include "stats/binom.h"
#include "stats/describe.h"
#include "stats/paired.h"

#include <math.h>

#define NOISY_FRACTION .1
#define FAILURE_ALPHA  .05

static const struct estimate no_estimate = {NAN, NAN, NAN, 0, 0};

static double finite_or_nan(double x)
{
    return isfinite(x) ? x : NAN;
}

static struct estimate from_single(const struct single *s)
{
    return (struct estimate){s->median, finite_or_nan(s->lo), finite_or_nan(s->hi), s->level, s->n};
}

static void absolute_estimates(struct cell_result *r, const struct pair_data *d, double alpha,
                               double *column)
{
    struct single s;
    size_t n = pair_data_column(d, value_ns, column);

    if (n && single_summary(column, n, alpha, &s, NULL) == 0) {
        r->absolute = from_single(&s);
        r->mean_ns = s.mean;
        r->variance_ns = s.variance;
    }
    n = pair_data_column(d, value_cpu, column);
    if (n && single_summary(column, n, alpha, &s, NULL) == 0)
        r->cpu = from_single(&s);
    n = pair_data_column(d, value_busy, column);
    r->cpus_busy = n ? describe_median(column, n) : NAN;
}

static void failures(struct cell_result *r, const struct pair_data *d)
{
    struct binom_interval b;

    r->tried = d->tried;
    r->failed = d->failed;
    r->fail_kind = d->fail_kind;
    str_copy(r->fail_text, sizeof(r->fail_text), d->fail_text);
    r->failure_lo = r->failure_hi = NAN;
    if (d->tried && binom_clopper_pearson(d->failed, d->tried, FAILURE_ALPHA, &b, NULL) == 0) {
        r->failure_lo = b.lo;
        r->failure_hi = b.hi;
    }
    if (d->tried == 0)
        r->status = CELL_NOT_MEASURED;
    else if (d->failed == 0)
        r->status = CELL_OK;
    else
        r->status = d->failed == d->tried ? CELL_FAILED : CELL_SOME_FAILED;
}

static unsigned flags_of(const struct paired *p)
{
    unsigned f = 0;

    if (p->flags & PAIRED_NO_INTERVAL)
        f |= CELL_FLAG_TOO_FEW;
    if (p->flags & PAIRED_ASYMMETRIC)
        f |= CELL_FLAG_ASYMMETRIC;
    if (p->flags & PAIRED_AUTOCORRELATED)
        f |= CELL_FLAG_AUTOCORRELATED;
    if (p->flags & PAIRED_NOT_STEADY)
        f |= CELL_FLAG_NOT_STEADY;
    return f;
}

static unsigned quality_flags(const struct pair_data *d)
{
    size_t drifting = 0, noisy = 0;

    VEC_FOREACH (&d->values, struct block_value, v) {
        drifting += fabs(v->drift) > DRIFT_MAX;
        noisy += v->noisy;
    }
    unsigned semantics = 0;
    for (unsigned i = 0; i < CELL_SEMANTICS; i++)
        if (d->semantics[i] > d->values.n / 2)
            semantics |= CELL_FLAG_MEMORY_FS << i;
    return semantics | (drifting > d->values.n / 2 ? CELL_FLAG_DRIFT : 0) |
           ((double)noisy > NOISY_FRACTION * (double)d->values.n ? CELL_FLAG_NOISY_ENV : 0);
}

/* Medians over the blocks of each block's quantile. */
static void latencies(struct cell_result *r, const struct pair_data *d, double *column)
{
    uint64_t *to[] = {&r->p50_ns, &r->p90_ns, &r->p99_ns, &r->p999_ns};

    r->latency_n = 0;
    VEC_FOREACH (&d->values, struct block_value, v)
        r->latency_n += v->latency_n;
    for (size_t q = 0; q < ARRAY_SIZE(to); q++) {
        size_t n = 0;
        VEC_FOREACH (&d->values, struct block_value, v) {
            uint64_t its[] = {v->p50, v->p90, v->p99, v->p999};
            if (v->latency_n && its[q])
                column[n++] = (double)its[q];
        }
        *to[q] = n ? (uint64_t)llround(describe_median(column, n)) : 0;
    }
}

/* Mean of the base over the blocks that d has too: the base goes on after a precise target has
 * dropped out, and the machine may be another by then. NAN without a common block. */
static double base_mean(const struct pair_data *d, const struct pair_data *base)
{
    double sum = 0;
    size_t n = 0, k = 0;

    VEC_FOREACH (&base->values, struct block_value, v) {
        while (k < d->values.n && d->values.v[k].block < v->block)
            k++;
        if (k == d->values.n || d->values.v[k].block != v->block)
            continue;
        sum += v->ns_per_op;
        n++;
    }
    return n ? sum / (double)n : NAN;
}

/* Against the base: ratio, interval, verdict. */
static int against_base(struct cell_result *r, const struct pair_data *d,
                        const struct stop_rule *rule, double alpha, double *column, double *ret_sd,
                        struct err *err)
{
    size_t n = pair_data_column(d, value_log_ratio, column);
    struct stop_state stop;
    struct paired p;
    int rc;

    if (n == 0)
        return 0;
    rc = paired_summary(column, n, alpha, &p, err);
    if (rc < 0)
        return rc;
    r->ratio = (struct estimate){exp(p.estimate), finite_or_nan(exp(p.lo)),
                                 finite_or_nan(exp(p.hi)), p.level, n};
    if (p.flags & PAIRED_NO_INTERVAL)
        r->ratio.lo = r->ratio.hi = NAN;
    r->r1 = p.r1;
    r->sign_flip_p = p.p;
    r->flags |= flags_of(&p);
    r->verdict = verdict_of(p.lo, p.hi, rule->theta, false);
    /* A subject with any failure is never called faster. */
    if (r->failed && r->verdict == VERDICT_FASTER)
        r->verdict = VERDICT_INCONCLUSIVE;
    *ret_sd = p.sd;
    rc = stop_rule_decide(rule, column, n, &stop, err);
    if (rc == 0)
        r->precise = stop.decision == STOP_PRECISE;
    return rc;
}

/* Without a base to compare with, the cell is done when its own value is known closely. */
static int by_itself(struct cell_result *r, const struct pair_data *d, const struct stop_rule *rule,
                     double *column, struct err *err)
{
    size_t n = pair_data_column(d, value_ns, column);
    struct stop_state stop;
    int rc;

    for (size_t i = 0; i < n; i++)
        column[i] = log(column[i]);
    rc = stop_rule_decide(rule, column, n, &stop, err);
    if (rc == 0)
        r->precise = stop.decision == STOP_PRECISE;
    return rc;
}

int cell_judge(const struct pair_data *d, const struct pair_data *base, bool is_base,
               const struct stop_rule *rule, double alpha, struct cell_result *r, double *ret_sd,
               struct err *err)
{
    _cleanup_free_ double *column = xcalloc(d->values.n + 1, sizeof(*column));
    int rc;

    r->is_base = is_base;
    r->ratio = r->absolute = r->cpu = no_estimate;
    r->mean_ns = r->variance_ns = r->base_mean_ns = NAN;
    r->overhead = r->degradation = r->r1 = r->sign_flip_p = r->adjusted_p = r->cpus_busy = NAN;
    r->verdict = VERDICT_INCONCLUSIVE;
    *ret_sd = NAN;
    failures(r, d);
    r->peak_memory_bytes = d->peak_memory_bytes;
    if (d->values.n == 0)
        return 0;
    absolute_estimates(r, d, alpha, column);
    latencies(r, d, column);
    r->flags |= quality_flags(d);
    if (!is_base && base->values.n) {
        rc = against_base(r, d, rule, alpha, column, ret_sd, err);
        if (rc < 0)
            return rc;
        r->base_mean_ns = base_mean(d, base);
        /* The paper's performance is a rate: its formula (1) takes the means of the rates' inverse,
         * the time per operation, so that a mean over blocks weighs equal work equally. */
        r->overhead = overhead(1 / r->mean_ns, 1 / r->base_mean_ns);
        r->degradation = degradation(1 / r->mean_ns, 1 / r->base_mean_ns, true);
        return 0;
    }
    return by_itself(r, d, rule, column, err);
}
