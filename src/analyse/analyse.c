#include "analyse/cell.h"

#include "stats/boot.h"
#include "stats/describe.h"
#include "stats/gate.h"
#include "stats/multi.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>

#define GEOMEAN_MIN_BLOCKS 6
#define FIXED_ALPHA        .05

struct gather {
    struct analysis *a;
    struct pair_data *pairs; /* n_cells * n_targets, cell-major */
    struct scratch scratch;
};

static struct pair_data *gather_pair(struct gather *g, size_t cell, size_t target)
{
    return &g->pairs[cell * g->a->n_targets + target];
}

static int gather_trial(void *user, const struct trial *t)
{
    struct gather *g = user;

    if (t->cell >= g->a->n_cells)
        return 0;
    for (size_t k = 0; k < g->a->n_targets; k++)
        pair_data_add(gather_pair(g, t->cell, k), &g->a->head.plan.cells.v[t->cell], t, (uint32_t)k,
                      g->a->head.base, &g->scratch);
    return 0;
}

static int take_target(void *user, uint32_t idx, const struct target_row *t)
{
    struct analysis *a = user;
    json_t *o;

    if (idx >= a->n_targets)
        return 0;
    a->targets[idx].usable = t->usable;
    a->targets[idx].info = xstrdup(t->info);
    o = t->info ? json_loads(t->info, 0, NULL) : NULL;
    a->emulated[idx] = json_is_true(json_object_get(o, "emulated"));
    a->machine[idx] = xstrdup(json_string_value(json_object_get(o, "machine")));
    const char *reason = json_string_value(json_object_get(o, "reason"));
    if (!t->usable)
        str_copy(a->target_reason[idx], sizeof(a->target_reason[idx]),
                 reason ? reason : "not usable");
    json_decref(o);
    return 0;
}

static int take_warning(void *user, const struct warning *w)
{
    struct analysis *a = user;

    a->warnings = xreallocarray(a->warnings, a->n_warnings + 1, sizeof(*a->warnings));
    a->warnings[a->n_warnings++] = *w;
    return 0;
}

static int take_block(void *user, const struct block_record *b)
{
    struct analysis *a = user;

    a->n_blocks += b->complete;
    if (b->end_ns > a->elapsed_ns)
        a->elapsed_ns = b->end_ns;
    return 0;
}

void plan_rule(const struct plan *p, struct stop_rule *rule, double *alpha)
{
    *rule = stop_rule_default(p->theta > 0 ? p->theta : PLAN_THETA);
    if (p->precision > 0)
        rule->half_width = log1p(p->precision);
    if (p->gate > 0)
        stop_rule_start(rule, gate_min_blocks(plan_comparisons(p), rule));
    /* A fixed number of blocks has one look, so nothing has to be paid for looking early. */
    *alpha = p->repeats ? FIXED_ALPHA : rule->alpha_prime;
}

double analysis_alpha(const struct analysis *a)
{
    struct stop_rule rule;
    double alpha;

    plan_rule(&a->head.plan, &rule, &alpha);
    return alpha;
}

bool analysis_withholds(const struct analysis *a, size_t target)
{
    return !a->head.plan.emulated_too && a->emulated &&
           (a->emulated[target] || a->emulated[a->head.base]);
}

/* No verdict, and no block more than an interval takes. */
static void withhold(struct cell_result *r)
{
    const struct estimate *e = r->is_base || !r->ratio.n ? &r->absolute : &r->ratio;

    if (!r->is_base)
        r->verdict = VERDICT_EMULATED;
    r->precise = isfinite(e->lo) && isfinite(e->hi);
}

static int judge_all(struct gather *g, double *sds, struct err *err)
{
    struct analysis *a = g->a;
    struct stop_rule rule;
    double alpha;

    plan_rule(&a->head.plan, &rule, &alpha);
    for (size_t k = 0; k < a->n_cells; k++) {
        for (size_t t = 0; t < a->n_targets; t++) {
            size_t i = k * a->n_targets + t;
            struct cell_result *r = &a->results[i];
            int rc;

            r->cell = (uint32_t)k;
            r->target = (uint32_t)t;
            rc = cell_judge(&g->pairs[i], gather_pair(g, k, a->head.base), t == a->head.base, &rule,
                            alpha, r, &sds[i], err);
            if (rc < 0)
                return err_wrap(err, "%s on %s", a->head.plan.cells.v[k].name,
                                a->head.plan.targets.v[t].label);
            if (a->emulated[t])
                r->flags |= CELL_FLAG_EMULATED;
            if (!str_eq(a->machine[t], a->machine[a->head.base]))
                r->flags |= CELL_FLAG_OTHER_MACHINE;
            if (analysis_withholds(a, t))
                withhold(r);
        }
    }
    return 0;
}

/* Family-wise error over all comparisons of the run. A cell that may have stopped early pays for
 * that here as its interval does, which is computed at alpha' and reported as 95 %. */
static void adjust(struct analysis *a)
{
    size_t n = a->n_cells * a->n_targets;
    _cleanup_free_ double *p = xcalloc(n ? n : 1, sizeof(*p));
    struct stop_rule rule;
    double alpha;

    plan_rule(&a->head.plan, &rule, &alpha);
    for (size_t i = 0; i < n; i++) {
        double raw = a->results[i].sign_flip_p;
        if (analysis_withholds(a, a->results[i].target))
            raw = NAN;
        p[i] = a->head.plan.repeats ? raw : stop_rule_adjust_p(&rule, raw);
    }
    multi_holm(p, n, p);
    for (size_t i = 0; i < n; i++)
        a->results[i].adjusted_p = p[i];
}

static void noise_floor(struct analysis *a, const double *sds)
{
    size_t n = a->n_cells * a->n_targets, used = 0;
    _cleanup_free_ double *mde = xcalloc(n ? n : 1, sizeof(*mde));

    for (size_t i = 0; i < n; i++) {
        const struct cell_result *r = &a->results[i];
        bool counts = isfinite(sds[i]) && !analysis_withholds(a, r->target);
        double m = counts ? verdict_mde(sds[i], r->ratio.n) : NAN;
        if (isfinite(m))
            mde[used++] = m;
    }
    a->noise_floor = used ? expm1(describe_median(mde, used)) : NAN;
}

bool analysis_is_work(const struct cell *c)
{
    bool count = c->unit[0] && !c->app;
    return c->workload->experiment == EXPERIMENT_WORK && !c->workload->host_calls && !count;
}

bool analysis_has_work(const struct analysis *a)
{
    VEC_FOREACH (&a->head.plan.cells, struct cell, c)
        if (analysis_is_work(c))
            return true;
    return false;
}

bool analysis_in_composite(const struct analysis *a, size_t cell)
{
    return analysis_is_work(&a->head.plan.cells.v[cell]) || !analysis_has_work(a);
}

/* Log ratios of one target as blocks x cells, NAN where a block has none; cells without any value
 * are left out. Returns how many cells stayed. */
static size_t ratio_matrix(struct gather *g, size_t target, size_t blocks, double *d)
{
    struct analysis *a = g->a;
    size_t used = 0;

    for (size_t i = 0; i < blocks * a->n_cells; i++)
        d[i] = NAN;
    for (size_t k = 0; k < a->n_cells; k++) {
        const struct pair_data *p = gather_pair(g, k, target);
        bool any = false;

        if (!analysis_in_composite(a, k))
            continue;
        VEC_FOREACH (&p->values, struct block_value, v) {
            if (v->block >= blocks || !isfinite(v->log_ratio))
                continue;
            d[v->block * a->n_cells + used] = v->log_ratio;
            any = true;
        }
        used += any;
    }
    return used;
}

static int geomeans(struct gather *g, struct err *err)
{
    struct analysis *a = g->a;
    size_t blocks = 0;

    VEC_FOREACH (&a->head.plan.targets, struct target, t)
        a->geomean[t - a->head.plan.targets.v] = (struct estimate){NAN, NAN, NAN, 0, 0};
    for (size_t i = 0; i < a->n_cells * a->n_targets; i++)
        VEC_FOREACH (&g->pairs[i].values, struct block_value, v)
            if (v->block >= blocks)
                blocks = v->block + 1;
    if (blocks < GEOMEAN_MIN_BLOCKS)
        return 0;
    for (size_t t = 0; t < a->n_targets; t++) {
        _cleanup_free_ double *d = xcalloc(blocks * a->n_cells, sizeof(*d));
        _cleanup_free_ double *packed = NULL;
        struct boot_geomean b;
        size_t used;

        if (t == a->head.base || analysis_withholds(a, t))
            continue;
        used = ratio_matrix(g, t, blocks, d);
        if (used == 0)
            continue;
        packed = xcalloc(blocks * used, sizeof(*packed));
        for (size_t i = 0; i < blocks; i++)
            memcpy(&packed[i * used], &d[i * a->n_cells], used * sizeof(*packed));
        int r =
            boot_geomean(packed, blocks, used, BOOT_DRAWS, FIXED_ALPHA, a->head.plan.seed, &b, err);
        if (r == -ERANGE) /* a cell that worked in a block or two: nothing to draw from, no mean */
            continue;
        if (r < 0)
            return err_wrap(err, "geometric mean of %s", a->head.plan.targets.v[t].label);
        a->geomean[t] =
            (struct estimate){exp(b.estimate), exp(b.lo), exp(b.hi), 1 - FIXED_ALPHA, b.blocks};
    }
    return 0;
}

static int load(struct store *s, int64_t run, struct analysis *a, struct err *err)
{
    int r = store_run_head(s, run, &a->head, err);

    if (r < 0)
        return r;
    a->n_targets = a->head.plan.targets.n;
    a->n_cells = a->head.plan.cells.n;
    if (a->head.base >= a->n_targets)
        return err_set(err, ERR_MEASUREMENT, EINVAL, "the stored run has no target %u",
                       a->head.base);
    a->targets = xcalloc(a->n_targets + 1, sizeof(*a->targets));
    a->target_reason = xcalloc(a->n_targets + 1, sizeof(*a->target_reason));
    a->emulated = xcalloc(a->n_targets + 1, sizeof(*a->emulated));
    a->machine = xcalloc(a->n_targets + 1, sizeof(*a->machine));
    a->results = xcalloc(a->n_cells * a->n_targets + 1, sizeof(*a->results));
    a->geomean = xcalloc(a->n_targets + 1, sizeof(*a->geomean));
    r = store_targets(s, run, take_target, a, err);
    if (r == 0)
        r = store_warnings(s, run, take_warning, a, err);
    if (r == 0)
        r = store_blocks(s, run, take_block, a, err);
    return r;
}

static int analyse(struct store *s, int64_t run, bool composites, bool emulated_too,
                   struct analysis *ret, struct err *err)
{
    struct analysis a = {0};
    struct gather g = {.a = &a};
    _cleanup_free_ double *sds = NULL;
    size_t n;
    int r;

    run_head_init(&a.head);
    r = load(s, run, &a, err);
    a.head.plan.emulated_too = a.head.plan.emulated_too || emulated_too;
    n = a.n_cells * a.n_targets;
    if (r == 0) {
        g.pairs = xcalloc(n + 1, sizeof(*g.pairs));
        sds = xcalloc(n + 1, sizeof(*sds));
        r = store_trials(s, run, -1, gather_trial, &g, err);
    }
    if (r == 0)
        r = judge_all(&g, sds, err);
    if (r == 0) {
        adjust(&a);
        noise_floor(&a, sds);
        if (composites)
            r = geomeans(&g, err);
    }
    for (size_t i = 0; g.pairs && i < n; i++)
        pair_data_release(&g.pairs[i]);
    free(g.pairs);
    scratch_release(&g.scratch);
    if (r < 0)
        analysis_release(&a);
    else
        *ret = a;
    return r;
}

int analyse_run(struct store *s, int64_t run, struct analysis *ret, struct err *err)
{
    return analyse(s, run, true, false, ret, err);
}

int analyse_run_with(struct store *s, int64_t run, bool emulated_too, struct analysis *ret,
                     struct err *err)
{
    return analyse(s, run, true, emulated_too, ret, err);
}

int analyse_progress(struct store *s, int64_t run, struct analysis *ret, struct err *err)
{
    return analyse(s, run, false, false, ret, err);
}

void analysis_release(struct analysis *a)
{
    for (size_t i = 0; a->targets && i < a->n_targets; i++)
        free(a->targets[i].info);
    for (size_t i = 0; a->machine && i < a->n_targets; i++)
        free(a->machine[i]);
    free(a->targets);
    free(a->target_reason);
    free(a->emulated);
    free(a->machine);
    free(a->results);
    free(a->warnings);
    free(a->geomean);
    run_head_release(&a->head);
    *a = (struct analysis){0};
}

const struct cell_result *analysis_at(const struct analysis *a, size_t cell, size_t target)
{
    return &a->results[cell * a->n_targets + target];
}

/* One cell, the targets first .. first + n. */
struct some_pairs {
    struct pair_data *data;
    struct scratch scratch;
    uint32_t first, base;
    size_t n;
    struct cell cell;
};

static int some_trial(void *user, const struct trial *t)
{
    struct some_pairs *o = user;

    for (size_t i = 0; i < o->n; i++)
        pair_data_add(&o->data[i], &o->cell, t, o->first + (uint32_t)i, o->base, &o->scratch);
    return 0;
}

static struct cell_series series_of(const struct pair_data *d)
{
    struct cell_series c = {.n = d->values.n};

    c.block = xcalloc(c.n + 1, sizeof(*c.block));
    c.log_ratio = xcalloc(c.n + 1, sizeof(double));
    c.ns_per_op = xcalloc(c.n + 1, sizeof(double));
    c.cpu_per_op = xcalloc(c.n + 1, sizeof(double));
    for (size_t i = 0; i < c.n; i++) {
        const struct block_value *v = &d->values.v[i];
        c.block[i] = v->block;
        c.log_ratio[i] = v->log_ratio;
        c.ns_per_op[i] = v->ns_per_op;
        c.cpu_per_op[i] = v->cpu_per_op;
    }
    return c;
}

static int read_series(struct store *s, int64_t run, uint32_t cell, struct some_pairs *o,
                       struct cell_series *ret, struct err *err)
{
    o->data = xcalloc(o->n + 1, sizeof(*o->data));
    int r = store_trials(s, run, (int32_t)cell, some_trial, o, err);
    for (size_t i = 0; i < o->n; i++) {
        if (r == 0)
            ret[i] = series_of(&o->data[i]);
        pair_data_release(&o->data[i]);
    }
    free(o->data);
    scratch_release(&o->scratch);
    return r;
}

int analyse_series(struct store *s, int64_t run, uint32_t cell, uint32_t target,
                   struct cell_series *ret, struct err *err)
{
    struct some_pairs o = {.first = target, .n = 1, .cell = {.workload = workload_unknown()}};
    struct run_head head;
    int r;

    run_head_init(&head);
    r = store_run_head(s, run, &head, err);
    o.base = head.base;
    if (r == 0 && cell < head.plan.cells.n)
        o.cell = head.plan.cells.v[cell];
    run_head_release(&head);
    return r == 0 ? read_series(s, run, cell, &o, ret, err) : r;
}

int analyse_series_all(struct store *s, const struct analysis *a, uint32_t cell,
                       struct cell_series *ret, struct err *err)
{
    struct some_pairs o = {
        .n = a->n_targets, .base = a->head.base, .cell = a->head.plan.cells.v[cell]};

    return read_series(s, a->head.id, cell, &o, ret, err);
}

void cell_series_release(struct cell_series *c)
{
    free(c->block);
    free(c->log_ratio);
    free(c->ns_per_op);
    free(c->cpu_per_op);
    *c = (struct cell_series){0};
}
