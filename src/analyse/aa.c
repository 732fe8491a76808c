#include "analyse/aa.h"

#include "analyse/cell.h"
#include "stats/binom.h"
#include "stats/describe.h"
#include "stats/multi.h"
#include "stats/paired.h"

#include <math.h>

#define ALARM_ALPHA .05 /* of the statement that an interval is */

struct aa_gather {
    const struct analysis *a;
    size_t n_pairs;
    struct pair_data *pairs; /* n_cells * n_pairs: of the second against the first */
    struct scratch scratch;
};

bool aa_withholds(const struct analysis *a, size_t pair)
{
    return a->emulated[2 * pair] && !a->head.plan.emulated_too;
}

static int gather_trial(void *user, const struct trial *t)
{
    struct aa_gather *g = user;
    const struct analysis *a = g->a;

    if (t->cell >= a->n_cells)
        return 0;
    for (uint32_t k = 0; k < g->n_pairs; k++)
        if (!aa_withholds(a, k))
            pair_data_add(&g->pairs[t->cell * g->n_pairs + k], &a->head.plan.cells.v[t->cell], t,
                          2 * k + 1, 2 * k, &g->scratch);
    return 0;
}

static int judge(const struct pair_data *d, double alpha, struct aa_entry *e, double *ret_estimate,
                 struct err *err)
{
    _cleanup_free_ double *column = xcalloc(d->values.n + 1, sizeof(*column));
    size_t n = pair_data_column(d, value_log_ratio, column);
    struct paired p;

    *e = (struct aa_entry){.ratio = {NAN, NAN, NAN, 0, 0}, .resolvable = NAN};
    *ret_estimate = NAN;
    if (n == 0)
        return 0;
    int r = paired_summary(column, n, alpha, &p, err);
    if (r < 0)
        return r;
    bool has = !(p.flags & PAIRED_NO_INTERVAL);
    e->ratio = (struct estimate){exp(p.estimate), has ? exp(p.lo) : NAN, has ? exp(p.hi) : NAN,
                                 p.level, n};
    e->alarm = has && (p.lo > 0 || p.hi < 0);
    if (isfinite(p.sd))
        e->resolvable = expm1(verdict_mde(p.sd, n));
    *ret_estimate = fabs(p.estimate);
    return 0;
}

static int conclude(const struct aa_gather *g, struct aa *x, struct err *err)
{
    size_t n = x->n_cells * x->n_pairs, used = 0;
    _cleanup_free_ double *size = xcalloc(n + 1, sizeof(*size));
    struct binom_interval rate = {NAN, 0, 1};
    struct stop_rule rule;
    double alpha;
    int r = 0;

    plan_rule(&g->a->head.plan, &rule, &alpha);
    for (size_t i = 0; r == 0 && i < n; i++) {
        double estimate;
        r = judge(&g->pairs[i], alpha, &x->entries[i], &estimate, err);
        if (r == 0 && isfinite(estimate))
            size[used++] = estimate;
        x->intervals += r == 0 && isfinite(x->entries[i].ratio.lo);
        x->alarms += x->entries[i].alarm;
    }
    if (r == 0 && x->intervals)
        r = binom_clopper_pearson(x->alarms, x->intervals, ALARM_ALPHA, &rate, err);
    x->rate_lo = rate.lo;
    x->rate_hi = rate.hi;
    x->allowed = multi_alarms_allowed(x->intervals, ALARM_ALPHA);
    x->floor = used ? expm1(describe_quantile(size, used, .95)) : NAN;
    return r;
}

int analyse_aa(struct store *s, const struct analysis *a, struct aa *ret, struct err *err)
{
    struct aa x = {.n_cells = a->n_cells, .n_pairs = a->n_targets / 2};
    struct aa_gather g = {.a = a, .n_pairs = x.n_pairs};
    size_t n = x.n_cells * x.n_pairs;

    x.entries = xcalloc(n + 1, sizeof(*x.entries));
    g.pairs = xcalloc(n + 1, sizeof(*g.pairs));
    int r = store_trials(s, a->head.id, -1, gather_trial, &g, err);
    if (r == 0)
        r = conclude(&g, &x, err);
    for (size_t i = 0; i < n; i++)
        pair_data_release(&g.pairs[i]);
    free(g.pairs);
    scratch_release(&g.scratch);
    if (r < 0) {
        aa_release(&x);
        return err_wrap(err, "A/A");
    }
    *ret = x;
    return 0;
}

void aa_release(struct aa *x)
{
    free(x->entries);
    *x = (struct aa){0};
}

const struct aa_entry *aa_at(const struct aa *x, size_t cell, size_t pair)
{
    return &x->entries[cell * x->n_pairs + pair];
}
