#include "analyse/compare.h"

#include "analyse/compare-cells.h"
#include "base/cleanup.h"
#include "stats/describe.h"
#include "stats/multi.h"

#include <errno.h>
#include <math.h>

const struct comparison *compare_at(const struct compare *c, size_t cell, size_t target)
{
    return &c->results[cell * c->targets.n + target];
}

size_t compare_side_runs(const struct compare *c, enum compare_side_name side)
{
    return side == SIDE_A ? c->n_a : c->n_runs - c->n_a;
}

bool compare_is_base(const struct compare *c, size_t target)
{
    for (size_t i = 0; i < c->n_runs; i++) {
        const struct run_head *h = &c->runs[i].head;
        if (h->base < h->plan.targets.n &&
            str_eq(h->plan.targets.v[h->base].label, c->targets.v[target]))
            return true;
    }
    return false;
}

const char *comparison_status_name(enum comparison_status s)
{
    static const char *const names[] = {
        [COMPARISON_OK] = "ok",          [COMPARISON_FEW] = "too-few-runs",
        [COMPARISON_NONE] = "no-figure", [COMPARISON_ONE_SIDE] = "one-side-only",
        [COMPARISON_ABSENT] = "absent",
    };
    return names[s];
}

const char *comparison_hold_name(enum comparison_hold h)
{
    return h == HOLD_FAILED ? "failures" : h == HOLD_MANY ? "multiplicity" : "";
}

static int read_runs(struct store *s, const struct compare_request *q, struct compare *c,
                     struct err *err)
{
    size_t n = q->n[SIDE_A] + q->n[SIDE_B];

    c->runs = xcalloc(n, sizeof(*c->runs));
    c->n_a = q->n[SIDE_A];
    c->environ.n_runs = n;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++)
            if (q->runs[k] == q->runs[i])
                return err_set(err, ERR_USAGE, EINVAL,
                               "r%lld is there twice: every run counts once",
                               (long long)q->runs[i]);
        int r = analyse_progress(s, q->runs[i], &c->runs[i], err);
        if (r < 0)
            return r;
        c->n_runs++;
        r = environ_add(&c->environ, i, s, &c->runs[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int take_theta(const struct compare_request *q, struct compare *c, struct err *err)
{
    c->theta = q->theta > 0 ? q->theta : c->runs[0].head.plan.theta;
    for (size_t i = 1; i < c->n_runs && !(q->theta > 0); i++)
        if (c->runs[i].head.plan.theta != c->theta)
            return err_set(err, ERR_USAGE, EINVAL,
                           "r%lld takes differences up to %g %% to be alike and r%lld up to %g %%; "
                           "say with --theta what this comparison does",
                           (long long)c->runs[0].head.id, 100 * c->theta,
                           (long long)c->runs[i].head.id, 100 * c->runs[i].head.plan.theta);
    return 0;
}

bool compare_forbids(const struct compare *c, const struct environ_field *f)
{
    return f->weight >= (c->absolute ? ENVIRON_REFUSE : ENVIRON_REFUSE_RATIOS);
}

/* One line that names the first field; the others are counted. */
static int check_environ(const struct compare *c, struct err *err)
{
    const struct environ_field *first = NULL;
    size_t a = 0, b = 0, others = 0;
    char more[48] = "";

    VEC_FOREACH (&c->environ.fields, const struct environ_field, f) {
        size_t i, k;
        if (!compare_forbids(c, f) || !environ_pair(f, c->n_runs, &i, &k))
            continue;
        others += first != NULL;
        if (!first) {
            first = f;
            a = i;
            b = k;
        }
    }
    if (!first)
        return 0;
    if (others)
        str_format(more, sizeof(more), " (and %zu more field%s)", others, others == 1 ? "" : "s");
    return err_set(err, ERR_USAGE, EXDEV,
                   "r%lld has %s %.60s and r%lld %.60s%s: their %s do not mean the same; "
                   "--force compares them all the same",
                   (long long)c->runs[a].head.id, first->name, first->values[a],
                   (long long)c->runs[b].head.id, first->values[b], more,
                   c->absolute ? "values" : "ratios");
}

static uint64_t ended_ns(const struct run_head *h)
{
    return h->ended_real_ns > h->started_real_ns ? h->ended_real_ns : h->started_real_ns;
}

/* Had all runs of one side ended before the first of the other began? */
static bool all_before(const struct compare *c, enum compare_side_name first)
{
    uint64_t last_end = 0, next_start = UINT64_MAX;

    for (size_t i = 0; i < c->n_runs; i++) {
        const struct run_head *h = &c->runs[i].head;
        enum compare_side_name side = i < c->n_a ? SIDE_A : SIDE_B;
        if (side == first && ended_ns(h) > last_end)
            last_end = ended_ns(h);
        else if (side != first && h->started_real_ns < next_start)
            next_start = h->started_real_ns;
    }
    return last_end <= next_start;
}

static void see_order(struct compare *c)
{
    for (size_t i = 0; i < c->n_runs; i++) {
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++)
            seen = str_eq(c->runs[i].head.machine_id, c->runs[k].head.machine_id);
        c->machines += !seen;
    }
    if (c->machines > 1)
        c->order = ORDER_MACHINES;
    else if (all_before(c, SIDE_A))
        c->order = ORDER_A_FIRST;
    else
        c->order = all_before(c, SIDE_B) ? ORDER_B_FIRST : ORDER_MIXED;
}

/* What one side has, its logs in y (room for all runs of the side). */
static void gather_side(const struct compare *c, const struct comparison *x,
                        enum compare_side_name side, double *y, struct comparison_side *ret)
{
    const struct known_cell *cell = &c->cells.v[x->cell];
    double squares = 0;
    size_t with_se = 0;

    *ret = (struct comparison_side){.fail_text = "", .mean = NAN, .sd = NAN, .within = NAN};
    for (size_t i = side == SIDE_A ? 0 : c->n_a; i < (side == SIDE_A ? c->n_a : c->n_runs); i++) {
        const struct cell_result *r = compare_result(c, i, x->cell, x->target);
        double se, log_value = r ? known_cell_log(cell, r, &se) : NAN;
        if (!r)
            continue;
        ret->runs++;
        ret->tried += r->tried;
        if (r->failed && !ret->failed) {
            ret->fail_kind = r->fail_kind;
            ret->fail_text = r->fail_text;
        }
        ret->failed += r->failed;
        if (!isfinite(log_value))
            continue;
        y[ret->n++] = log_value;
        if (isfinite(se)) {
            squares += se * se;
            with_se++;
        }
    }
    if (ret->n)
        ret->mean = describe_mean(y, ret->n);
    if (ret->n > 1)
        ret->sd = describe_sd(y, ret->n);
    if (with_se)
        ret->within = sqrt(squares / (double)with_se);
}

static enum comparison_status status_of(const struct comparison *x)
{
    const struct comparison_side *a = &x->side[SIDE_A], *b = &x->side[SIDE_B];

    if (!a->runs && !b->runs)
        return COMPARISON_ABSENT;
    if (!a->runs || !b->runs)
        return COMPARISON_ONE_SIDE;
    if (!a->n || !b->n)
        return COMPARISON_NONE;
    return a->n < COMPARE_RUNS_MIN || b->n < COMPARE_RUNS_MIN ? COMPARISON_FEW : COMPARISON_OK;
}

/* Root mean square over the sides, each by its runs less `lost`. */
static double pooled(const struct comparison *x, double a, double b, size_t lost)
{
    double sum = 0;
    size_t n = 0;
    const double v[SIDES] = {a, b};

    for (int i = 0; i < SIDES; i++) {
        if (!isfinite(v[i]) || x->side[i].n <= lost)
            continue;
        sum += (double)(x->side[i].n - lost) * v[i] * v[i];
        n += x->side[i].n - lost;
    }
    return n ? sqrt(sum / (double)n) : NAN;
}

static enum verdict verdict_alone(const struct compare *c, const struct comparison *x)
{
    if (x->status != COMPARISON_OK)
        return VERDICT_INCONCLUSIVE;
    return verdict_of(x->w.lo, x->w.hi, c->theta, false);
}

/* In any of its runs, on either side. */
static bool withheld(const struct compare *c, const struct comparison *x)
{
    for (size_t i = 0; i < c->n_runs; i++) {
        const struct cell_result *r = compare_result(c, i, x->cell, x->target);
        if (r && analysis_withholds(&c->runs[i], r->target))
            return true;
    }
    return false;
}

static int compare_one(const struct compare *c, struct comparison *x, struct err *err)
{
    _cleanup_free_ double *a = xcalloc(c->n_runs, sizeof(*a));
    _cleanup_free_ double *b = xcalloc(c->n_runs, sizeof(*b));

    gather_side(c, x, SIDE_A, a, &x->side[SIDE_A]);
    gather_side(c, x, SIDE_B, b, &x->side[SIDE_B]);
    x->status = status_of(x);
    x->primary = c->cells.v[x->cell].primary;
    x->ratio = (struct estimate){NAN, NAN, NAN, 0, 0};
    x->between = pooled(x, x->side[SIDE_A].sd, x->side[SIDE_B].sd, 1);
    x->within = pooled(x, x->side[SIDE_A].within, x->side[SIDE_B].within, 0);
    x->adjusted_p = NAN;
    if (x->status != COMPARISON_OK && x->status != COMPARISON_FEW)
        return 0;
    const struct welch_sample old = {a, x->side[SIDE_A].n, x->side[SIDE_A].within},
                              new = {b, x->side[SIDE_B].n, x->side[SIDE_B].within};
    int r = welch_compare(&old, &new, COMPARE_ALPHA, &x->w, err);
    if (r < 0)
        return r;
    x->ratio = (struct estimate){exp(x->w.difference), NAN, NAN, x->w.level,
                                 x->side[SIDE_A].n + x->side[SIDE_B].n};
    if (x->w.has_interval) {
        x->ratio.lo = exp(x->w.lo);
        x->ratio.hi = exp(x->w.hi);
    }
    x->verdict = withheld(c, x) ? VERDICT_EMULATED : verdict_alone(c, x);
    return 0;
}

/* Adjusts the p values of the primary comparisons or of the others; returns how many were tested.
 */
static size_t adjust(struct compare *c, bool primary)
{
    size_t n = c->cells.n * c->targets.n, tested = 0;
    _cleanup_free_ double *p = xcalloc(n + 1, sizeof(*p));

    for (size_t i = 0; i < n; i++) {
        const struct comparison *x = &c->results[i];
        bool judged = x->status == COMPARISON_OK && x->verdict != VERDICT_EMULATED;
        p[i] = judged && x->primary == primary ? x->w.p : NAN;
        tested += !isnan(p[i]);
    }
    if (primary)
        multi_holm(p, n, p);
    else
        multi_bh(p, n, p);
    for (size_t i = 0; i < n; i++)
        if (!isnan(p[i]))
            c->results[i].adjusted_p = p[i];
    return tested;
}

static bool is_difference(enum verdict v)
{
    return v == VERDICT_SLOWER || v == VERDICT_FASTER || v == VERDICT_SMALL;
}

/* A difference has to stand among all that were looked for, and what failed at times is never
 * called the faster side, whichever it is. */
static void hold_back(struct comparison *x)
{
    bool b_better = x->verdict == VERDICT_FASTER, a_better = x->verdict == VERDICT_SLOWER;

    if (is_difference(x->verdict) && !(x->adjusted_p <= COMPARE_ALPHA))
        x->hold = HOLD_MANY;
    else if ((b_better && x->side[SIDE_B].failed) || (a_better && x->side[SIDE_A].failed))
        x->hold = HOLD_FAILED;
    if (x->hold != HOLD_NONE)
        x->verdict = VERDICT_INCONCLUSIVE;
}

static int compare_all(struct compare *c, struct err *err)
{
    size_t n = c->cells.n * c->targets.n;
    bool common = false;

    c->results = xcalloc(n + 1, sizeof(*c->results));
    for (size_t i = 0; i < n; i++) {
        struct comparison *x = &c->results[i];
        x->cell = (uint32_t)(i / c->targets.n);
        x->target = (uint32_t)(i % c->targets.n);
        x->status = COMPARISON_ABSENT;
        if (compare_is_base(c, x->target) && !c->cells.v[x->cell].of_itself)
            continue;
        int r = compare_one(c, x, err);
        if (r < 0)
            return err_wrap(err, "%s on %s", c->cells.v[x->cell].name, c->targets.v[x->target]);
        common = common || x->side[SIDE_A].runs * x->side[SIDE_B].runs > 0;
    }
    if (!common)
        return err_set(err, ERR_USAGE, EINVAL,
                       "the two sides have no cell in common that both measured on the same target "
                       "against a base: there is nothing to compare%s",
                       c->absolute ? "" : " but the values themselves (--absolute)");
    c->n_primary = adjust(c, true);
    c->n_rest = adjust(c, false);
    for (size_t i = 0; i < n; i++)
        hold_back(&c->results[i]);
    return 0;
}

int compare_runs(struct store *s, const struct compare_request *q, struct compare *ret,
                 struct err *err)
{
    struct compare c = {.absolute = q->absolute};
    int r = read_runs(s, q, &c, err);

    if (r == 0 && !q->force)
        r = check_environ(&c, err);
    if (r == 0)
        r = take_theta(q, &c, err);
    if (r == 0) {
        compare_cells_find(&c);
        VEC_FOREACH (&c.cells, struct known_cell, x)
            x->of_itself = x->of_itself || q->absolute;
        r = compare_cells_declare(&c, q->primary, q->n_primary, err);
    }
    if (r == 0)
        r = compare_all(&c, err);
    if (r < 0) {
        compare_release(&c);
        return r;
    }
    see_order(&c);
    *ret = c;
    return 0;
}

void compare_release(struct compare *c)
{
    for (size_t i = 0; i < c->n_runs; i++)
        analysis_release(&c->runs[i]);
    free(c->runs);
    known_targets_release(&c->targets);
    VEC_RELEASE(&c->cells);
    free(c->cell_in);
    free(c->results);
    environ_release(&c->environ);
    *c = (struct compare){.n_runs = 0};
}
