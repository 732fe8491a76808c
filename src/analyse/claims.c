/* Verdicts: what is compared, and whether it is as claimed. Which targets and cells stand for a
 * claim's is in claims-pick.c. */
#include "analyse/claims-pick.h"

#include "stats/paired.h"

#include <errno.h>
#include <math.h>

const char *claim_verdict_name(enum claim_verdict v)
{
    static const char *const names[CLAIM_VERDICTS] = {
        [CLAIM_HOLDS] = "holds",
        [CLAIM_DOES_NOT_HOLD] = "does-not-hold",
        [CLAIM_UNDECIDED] = "undecided",
        [CLAIM_UNTESTED] = "untested",
    };
    return names[v];
}

/* ---- estimates ---- */

/* Of logs of ratios, or of differences (plain). */
static int estimate_paired(const struct claim_data *d, const struct block_sums *b, bool plain,
                           struct estimate *ret, struct err *err)
{
    _cleanup_free_ double *x = xcalloc(b->rows.n + 1, sizeof(*x));
    size_t n = block_sums_take(b, x);
    struct paired p;
    int r = paired_summary(x, n, analysis_alpha(d->run->a), &p, err);

    if (r < 0)
        return r;
    *ret = (struct estimate){p.estimate, p.lo, p.hi, p.level, n};
    if (!plain)
        *ret = (struct estimate){exp(p.estimate), exp(p.lo), exp(p.hi), p.level, n};
    if (p.flags & PAIRED_NO_INTERVAL)
        ret->lo = ret->hi = NAN;
    return 0;
}

static int estimate_median(const struct claim_data *d, const struct block_sums *b, double times,
                           struct estimate *ret, struct err *err)
{
    _cleanup_free_ double *x = xcalloc(b->rows.n + 1, sizeof(*x));
    size_t n = block_sums_take(b, x);
    struct single s;
    int r = single_summary(x, n, analysis_alpha(d->run->a), &s, err);

    if (r < 0)
        return r;
    *ret = (struct estimate){times * s.median, times * s.lo, times * s.hi, s.level, n};
    if (!s.has_interval)
        ret->lo = ret->hi = NAN;
    return 0;
}

static int add_cells(struct claim_data *d, const struct picked_cells *c, uint32_t target,
                     uint32_t over, double weight, struct block_sums *b, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < c->n; i++)
        r = sum_cost(d, c->cell[i], target, over, weight / (double)c->n, b, err);
    return r;
}

/* The log of the ratio that an overhead or a growth is. */
static int add_ratio(struct claim_data *d, const struct claim_item *c, const struct picked *p,
                     struct block_sums *b, struct err *err)
{
    if (c->test == CLAIM_OVERHEAD) {
        int r = add_cells(d, &p->cells, p->of, p->over, 1, b, err);
        return r == 0 ? add_cells(d, &p->than, p->of, p->over, -1, b, err) : r;
    }
    int r = add_cells(d, &p->cells, p->of, UINT32_MAX, 1, b, err);
    if (r == 0)
        r = add_cells(d, &p->than, p->of, UINT32_MAX, -1, b, err);
    if (r == 0 && p->over != UINT32_MAX)
        r = add_cells(d, &p->cells, p->over, UINT32_MAX, -1, b, err);
    if (r == 0 && p->over != UINT32_MAX)
        r = add_cells(d, &p->than, p->over, UINT32_MAX, 1, b, err);
    return r;
}

static int estimate_of(struct claim_data *d, const struct claim_item *c, const struct picked *p,
                       struct estimate *ret, struct err *err)
{
    _cleanup_(block_sums_release) struct block_sums b = {.terms = 0};
    uint32_t cell = p->cells.cell[0];
    int r;

    switch (c->test) {
    case CLAIM_OVERHEAD:
    case CLAIM_GROWTH:
        r = add_ratio(d, c, p, &b, err);
        return r == 0 ? estimate_paired(d, &b, false, ret, err) : r;
    case CLAIM_DIFFERENCE:
        r = sum_figure(d, cell, p->of, c->as, c->times, &b, err);
        if (r == 0)
            r = sum_figure(d, cell, p->over, c->as, -c->times, &b, err);
        return r == 0 ? estimate_paired(d, &b, true, ret, err) : r;
    case CLAIM_VALUE:
        r = sum_figure(d, cell, p->of, c->as, 1, &b, err);
        return r == 0 ? estimate_median(d, &b, c->times, ret, err) : r;
    default:
        r = sum_fact(d, cell, p->of, p->over, c, &b, err);
        if (r == 0)
            r = estimate_median(d, &b, c->times, ret, err);
        /* "51 % more" is a ratio of 1.51. */
        if (r == 0 && p->over != UINT32_MAX && c->figure.scale == SCALE_PERCENT)
            *ret = (struct estimate){ret->value - 1, ret->lo - 1, ret->hi - 1, ret->level, ret->n};
        return r;
    }
}

/* ---- what is claimed, on the scale on which it is judged ---- */

static bool is_ratio(const struct claim_item *c)
{
    return c->test == CLAIM_OVERHEAD || c->test == CLAIM_GROWTH;
}

/* Is the claim's loss one of a rate, so that it ends at 100 %? */
static bool of_rate(const struct claim_item *c, const struct analysis *a, const struct picked *p)
{
    if (c->test != CLAIM_OVERHEAD)
        return false;
    if (c->better_said)
        return c->better == BETTER_HIGHER;
    const struct cell *cell = &a->head.plan.cells.v[p->cells.cell[0]];
    return cell->unit[0] && cell->better == BETTER_HIGHER;
}

/* A loss as a ratio of costs, and back. */
static double to_ratio(double loss, bool rate)
{
    return rate ? 1 / (1 - loss) : 1 + loss;
}

static double to_loss(double ratio, bool rate)
{
    return rate ? 1 - 1 / ratio : ratio - 1;
}

/* Printed figures give the loss with its sign, where the formula has none. */
static double printed_figure(const struct claim_item *c, bool rate)
{
    struct claim_own own;
    const double *v = c->printed.v;

    if (c->better_said)
        rate = c->better == BETTER_HIGHER;
    if (c->printed.formula == FORMULA_OVERHEAD)
        return (rate ? v[1] - v[0] : v[0] - v[1]) / v[1];
    claim_own_check(c, &own);
    return own.value;
}

/* stated: a ratio of costs, or the figure itself; NAN for words. Bounds of what will do. */
static void claimed(const struct claims *all, const struct claim_item *c, bool rate, double *stated,
                    double *lo, double *hi)
{
    const struct claim_figure *f = &c->figure;
    bool ratio = is_ratio(c), printed = f->is == IS_PRINTED;
    double x = printed ? printed_figure(c, rate) : f->value, tolerance;
    bool percent = f->scale == SCALE_PERCENT || (printed && c->printed.formula == FORMULA_OVERHEAD);

    *lo = -INFINITY;
    *hi = INFINITY;
    if (ratio && percent)
        x = to_ratio(x, rate);
    *stated = f->is >= IS_ALIKE ? NAN : x;
    if (ratio)
        tolerance = percent ? fmax(all->relative * fabs(x - 1), all->points) : all->relative * x;
    else
        tolerance = fmax(all->relative * fabs(x), percent ? all->points : 0);
    switch (f->is) {
    case IS_PRINTED:
    case IS_ABOUT:
        *lo = ratio ? fmax(x - tolerance, 1e-9) : x - tolerance;
        *hi = x + tolerance;
        break;
    case IS_BELOW:
    case IS_AT_MOST:
        *hi = x;
        break;
    case IS_ABOVE:
    case IS_AT_LEAST:
        *lo = x;
        break;
    case IS_ALIKE:
        *lo = 1 / (1 + all->alike);
        *hi = 1 + all->alike;
        break;
    case IS_MORE:
        *lo = 1;
        break;
    case IS_LESS:
        *hi = 1;
        break;
    case IS_MUCH_MORE:
        *lo = 1 + all->alike;
        break;
    case IS_MUCH_LESS:
        *hi = 1 / (1 + all->alike);
        break;
    }
}

/* ---- verdicts ---- */

static bool has_interval(const struct estimate *e)
{
    return e->n > 0 && isfinite(e->lo) && isfinite(e->hi);
}

/* Does it lie within the bounds? */
static enum claim_answer within(const struct estimate *e, double lo, double hi)
{
    if (!has_interval(e))
        return ANSWER_OPEN;
    if (e->lo >= lo && e->hi <= hi)
        return ANSWER_YES;
    return e->hi < lo || e->lo > hi ? ANSWER_NO : ANSWER_OPEN;
}

/* Is it on the same side of `zero` as the stated figure? No question where that is closer to it
 * than `points`. */
static enum claim_answer direction_of(const struct estimate *e, double stated, double zero,
                                      double points)
{
    if (isnan(stated) || fabs(stated - zero) <= points)
        return ANSWER_NONE;
    if (!has_interval(e))
        return ANSWER_OPEN;
    if (stated > zero)
        return e->lo > zero ? ANSWER_YES : e->hi <= zero ? ANSWER_NO : ANSWER_OPEN;
    return e->hi < zero ? ANSWER_YES : e->lo >= zero ? ANSWER_NO : ANSWER_OPEN;
}

/* More, or less: that something is there which does not matter shows only that it is not refuted;
 * all of the interval within theta, on both sides of 1, does. */
static enum claim_answer more_than_1(const struct estimate *e, double theta, bool *negligible)
{
    if (!has_interval(e))
        return ANSWER_OPEN;
    *negligible = e->lo > 1 && e->hi <= 1 + theta;
    if (e->lo > 1)
        return ANSWER_YES;
    return e->hi <= 1 + theta ? ANSWER_NO : ANSWER_OPEN;
}

static struct estimate inverse(const struct estimate *e)
{
    return (struct estimate){1 / e->value, 1 / e->hi, 1 / e->lo, e->level, e->n};
}

static enum claim_verdict verdict_from(enum claim_answer direction, enum claim_answer size)
{
    if (direction == ANSWER_NO || size == ANSWER_NO)
        return CLAIM_DOES_NOT_HOLD;
    return size == ANSWER_YES && direction != ANSWER_OPEN ? CLAIM_HOLDS : CLAIM_UNDECIDED;
}

static void no_interval(struct claim_result *r)
{
    if (!r->reason[0] && !has_interval(&r->e))
        str_format(r->reason, sizeof(r->reason), "%zu block%s give no interval", r->e.n,
                   r->e.n == 1 ? "" : "s");
}

/* From a ratio of costs to the measure in which the source states it. */
static void show_as_stated(struct claim_result *r, const struct claim_item *c, bool rate)
{
    double *const all[] = {&r->e.value, &r->e.lo, &r->e.hi, &r->stated, &r->lo, &r->hi};

    if (c->figure.scale == SCALE_TIMES) {
        r->measure = MEASURE_TIMES;
        return;
    }
    r->measure = MEASURE_FRACTION;
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        if (isfinite(*all[i]))
            *all[i] = to_loss(*all[i], rate);
}

static int judge_figure(struct claim_data *d, const struct claims *all, const struct claim_item *c,
                        const struct picked *p, struct claim_result *r, struct err *err)
{
    const struct analysis *a = d->run->a;
    double theta = a->head.plan.theta > 0 ? a->head.plan.theta : PLAN_THETA;
    bool ratio = is_ratio(c), rate = of_rate(c, a, p);
    enum claim_is is = c->figure.is;
    int rc = estimate_of(d, c, p, &r->e, err);

    if (rc < 0)
        return rc;
    if (r->e.n == 0) {
        str_format(r->reason, sizeof(r->reason), "r%lld has no block with all that it takes",
                   (long long)a->head.id);
        return 0;
    }
    claimed(all, c, rate, &r->stated, &r->lo, &r->hi);
    r->direction = ANSWER_NONE;
    if (is == IS_MORE || is == IS_LESS) {
        struct estimate e = is == IS_MORE ? r->e : inverse(&r->e);
        r->size = more_than_1(&e, theta, &r->negligible);
    } else {
        bool about = is == IS_ABOUT || is == IS_PRINTED;
        r->size = within(&r->e, r->lo, r->hi);
        if (about && (ratio || c->test == CLAIM_DIFFERENCE))
            r->direction = direction_of(&r->e, r->stated, ratio ? 1 : 0, ratio ? all->points : 0);
    }
    r->verdict = verdict_from(r->direction, r->size);
    no_interval(r);
    bool printed_loss = is == IS_PRINTED && c->printed.formula == FORMULA_OVERHEAD;
    r->measure = c->figure.scale == SCALE_PERCENT || printed_loss ? MEASURE_FRACTION
                 : c->figure.scale == SCALE_TIMES                 ? MEASURE_TIMES
                                                                  : MEASURE_PLAIN;
    if (ratio)
        show_as_stated(r, c, rate);
    return 0;
}

/* ---- orders ---- */

static int judge_pair(struct claim_data *d, const struct claim_item *c, const struct picked *p,
                      uint32_t less, uint32_t more, struct claim_result *r, struct err *err)
{
    _cleanup_(block_sums_release) struct block_sums b = {.terms = 0};
    struct claim_pair pair = {.less = less, .more = more};
    const struct analysis *a = d->run->a;
    bool negligible = false;
    int rc = 0;

    if (c->facts.n) {
        rc = sum_fact_log(d, p->cells.cell[0], more, &c->facts, 1, &b, err);
        if (rc == 0)
            rc = sum_fact_log(d, p->cells.cell[0], less, &c->facts, -1, &b, err);
    } else {
        rc = add_cells(d, &p->cells, more, less, 1, &b, err);
    }
    if (rc == 0)
        rc = estimate_paired(d, &b, false, &pair.ratio, err);
    if (rc < 0)
        return rc;
    pair.holds = more_than_1(&pair.ratio, a->head.plan.theta > 0 ? a->head.plan.theta : PLAN_THETA,
                             &negligible);
    r->negligible = r->negligible || negligible;
    VEC_PUSH(&r->pairs, pair);
    return 0;
}

static int judge_order(struct claim_data *d, const struct claim_item *c, const struct picked *p,
                       struct claim_result *r, struct err *err)
{
    size_t yes = 0, no = 0;
    int rc = 0;

    /* Groups that this run has; neighbours among those are compared. */
    for (size_t g = 0, last = SIZE_MAX; rc == 0 && g < c->n_groups; g++) {
        if (p->groups[g].n == 0)
            continue;
        for (size_t i = 0; last != SIZE_MAX && i < p->groups[last].n; i++)
            for (size_t k = 0; rc == 0 && k < p->groups[g].n; k++)
                rc = judge_pair(d, c, p, p->groups[last].target[i], p->groups[g].target[k], r, err);
        last = g;
    }
    if (rc < 0)
        return rc;
    VEC_FOREACH (&r->pairs, const struct claim_pair, pair) {
        yes += pair->holds == ANSWER_YES;
        no += pair->holds == ANSWER_NO;
    }
    r->partial = p->missing[0] != '\0';
    r->measure = MEASURE_TIMES;
    /* One pair the other way round refutes the whole; for the whole to hold, all are needed. */
    if (no)
        r->verdict = CLAIM_DOES_NOT_HOLD;
    else if (r->partial)
        str_copy(r->reason, sizeof(r->reason), p->missing);
    else
        r->verdict = yes == r->pairs.n && yes ? CLAIM_HOLDS : CLAIM_UNDECIDED;
    if (r->verdict == CLAIM_UNDECIDED && r->pairs.n && !has_interval(&r->pairs.v[0].ratio))
        str_format(r->reason, sizeof(r->reason), "%zu blocks give no interval",
                   r->pairs.v[0].ratio.n);
    return 0;
}

/* ---- one claim, all claims ---- */

static int judge_in(struct claim_data *d, const struct claims *all, const struct claim_item *c,
                    struct claim_result *r, struct err *err)
{
    struct picked p;

    claim_pick(all, c, d->run->a, &p);
    r->of = p.of;
    r->over = p.over;
    r->verdict = CLAIM_UNTESTED;
    str_copy(r->lacks, sizeof(r->lacks), p.lacks);
    if (p.missing[0] && !(c->test == CLAIM_ORDER && p.some)) {
        str_copy(r->reason, sizeof(r->reason), p.missing);
        return 0;
    }
    return c->test == CLAIM_ORDER ? judge_order(d, c, &p, r, err)
                                  : judge_figure(d, all, c, &p, r, err);
}

static void result_init(struct claim_result *r)
{
    VEC_RELEASE(&r->pairs);
    *r = (struct claim_result){
        .verdict = CLAIM_UNTESTED, .run = SIZE_MAX, .of = UINT32_MAX, .over = UINT32_MAX};
    r->e = (struct estimate){NAN, NAN, NAN, 0, 0};
    r->stated = r->lo = r->hi = NAN;
}

/* How much a run has to say about a claim: the first of those that say most is taken. */
static int rank_of(const struct claim_result *r)
{
    return r->verdict != CLAIM_UNTESTED ? 3 : r->pairs.n ? 2 : r->lacks[0] ? 0 : 1;
}

static int judge_one(struct claim_data *data, size_t n_runs, const struct claims *all,
                     const struct claim_item *c, struct claim_result *ret, struct err *err)
{
    int rc = 0;

    result_init(ret);
    if (n_runs == 0)
        str_copy(ret->reason, sizeof(ret->reason), "there is no run to look at");
    for (size_t i = 0; rc == 0 && i < n_runs; i++) {
        struct claim_result r = {.verdict = CLAIM_UNTESTED};
        result_init(&r);
        r.run = i;
        rc = judge_in(&data[i], all, c, &r, err);
        if (rc == 0 && (ret->run == SIZE_MAX || rank_of(&r) > rank_of(ret))) {
            VEC_RELEASE(&ret->pairs);
            *ret = r;
        } else {
            VEC_RELEASE(&r.pairs);
        }
    }
    return rc < 0 ? err_wrap(err, "claim %s", c->id) : 0;
}

static void judge_own_figures(const struct claim_item *c, struct claim_result *r)
{
    result_init(r);
    claim_own_check(c, &r->own);
    r->measure = c->figure.scale == SCALE_PERCENT ? MEASURE_FRACTION : MEASURE_PLAIN;
    r->verdict = r->own.agrees == AGREES_NO ? CLAIM_DOES_NOT_HOLD : CLAIM_HOLDS;
}

int claims_judge(const struct claims *c, const struct claim_run *runs, size_t n_runs,
                 struct claims_judged *ret, struct err *err)
{
    struct claims_judged j = {.claims = c, .v = xcalloc(c->all.n + 1, sizeof(*j.v))};
    struct claim_data *data = xcalloc(n_runs + 1, sizeof(*data));
    int r = 0;

    for (size_t i = 0; i < n_runs; i++)
        data[i].run = &runs[i];
    for (size_t i = 0; r == 0 && i < c->all.n; i++) {
        const struct claim_item *claim = &c->all.v[i];
        if (claim->test == CLAIM_FIGURES)
            judge_own_figures(claim, &j.v[i]);
        else
            r = judge_one(data, n_runs, c, claim, &j.v[i], err);
        claim_own_check(claim, &j.v[i].own);
        j.count[j.v[i].verdict]++;
    }
    for (size_t i = 0; i < n_runs; i++)
        claim_data_release(&data[i]);
    free(data);
    if (r < 0)
        claims_judged_release(&j);
    else
        *ret = j;
    return r;
}

void claims_judged_release(struct claims_judged *j)
{
    for (size_t i = 0; j->v && i < j->claims->all.n; i++)
        VEC_RELEASE(&j->v[i].pairs);
    free(j->v);
    *j = (struct claims_judged){NULL, NULL, {0}};
}
