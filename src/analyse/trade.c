#include "analyse/trade.h"

#include "analyse/chapter.h"
#include "analyse/matrix.h"
#include "analyse/series.h"
#include "analyse/trade-reach.h"
#include "stats/boot.h"
#include "stats/rank.h"

#include <math.h>

#define TRADE_ALPHA      .05
#define TRADE_MIN_BLOCKS 6

static const struct {
    enum trade_kind kind;
    const char *name;
} measures[TRADE_MEASURES] = {
    [TRADE_CPU] = {TRADE_COST, "cpu"},
    [TRADE_MEMORY] = {TRADE_COST, "memory"},
    [TRADE_STORAGE] = {TRADE_COST, "storage"},
    [TRADE_CALLS] = {TRADE_COST, "system-calls"},
    [TRADE_NETWORK] = {TRADE_COST, "network"},
    [TRADE_START] = {TRADE_COST, "start"},
    [TRADE_APPS] = {TRADE_COST, "applications"},
    [TRADE_ALL] = {TRADE_COST, "all"},
    [TRADE_MADE] = {TRADE_REACH, "host-calls-made"},
    [TRADE_COULD] = {TRADE_REACH, "host-calls-possible"},
    [TRADE_ANSWERED] = {TRADE_REACH, "calls-answered"},
    [TRADE_CAPS] = {TRADE_REACH, "host-capabilities"},
    [TRADE_NAMESPACES] = {TRADE_REACH, "host-namespaces"},
    [TRADE_PATHS] = {TRADE_REACH, "host-paths"},
    [TRADE_LINPACK] = {TRADE_LOSS, "neighbour"},
    [TRADE_LINPACK_SAME] = {TRADE_LOSS, "neighbour-same-cpus"},
    [TRADE_BESIDE] = {TRADE_LOSS, "aggressors"},
    [TRADE_WORST] = {TRADE_LOSS, "worst-aggressor"},
};

enum trade_kind trade_kind_of(enum trade_measure m)
{
    return measures[m].kind;
}

const char *trade_measure_name(enum trade_measure m)
{
    return measures[m].name;
}

const char *trade_kind_name(enum trade_kind k)
{
    static const char *const names[TRADE_KINDS] = {"cost", "reach", "loss"};
    return names[k];
}

/* Which group of costs a cell belongs to; TRADE_MEASURES: none, since its figure is no time of work
 * done and no rate of it, or the part of another's. */
static enum trade_measure cost_of(const struct cell *c)
{
    if (str_eq(c->workload->name, "life.start"))
        return TRADE_START;
    if (!analysis_is_work(c))
        return TRADE_MEASURES;
    switch (chapter_of(c)) {
    case CHAPTER_CPU:
        return TRADE_CPU;
    case CHAPTER_MEMORY:
        return TRADE_MEMORY;
    case CHAPTER_CALLS:
        return TRADE_CALLS;
    case CHAPTER_STORAGE:
        return TRADE_STORAGE;
    case CHAPTER_NETWORK:
        return TRADE_NETWORK;
    case CHAPTER_APPS:
        return TRADE_APPS;
    default:
        return TRADE_MEASURES;
    }
}

static bool is_aggressor(const struct cell *c)
{
    return str_eq(c->workload->family, "beside") && !str_eq(c->workload->name, "beside.idle");
}

/* Is the cell one that this composite is a mean of? */
static bool is_of(const struct cell *c, enum trade_measure m)
{
    enum trade_measure group = cost_of(c);

    if (m == TRADE_BESIDE)
        return is_aggressor(c);
    return group == m || (m == TRADE_ALL && analysis_is_work(c) && group != TRADE_MEASURES);
}

static void kinds_of(const struct analysis *a, bool has[TRADE_KINDS])
{
    VEC_FOREACH (&a->head.plan.cells, const struct cell, c) {
        const char *family = c->workload->family;
        has[TRADE_COST] |= cost_of(c) != TRADE_MEASURES && a->n_targets > 1;
        has[TRADE_REACH] |= str_eq(family, "reach");
        has[TRADE_LOSS] |= is_aggressor(c) || str_eq(c->workload->name, "neighbour.slowdown");
    }
}

bool trade_has_several(const struct analysis *a)
{
    bool has[TRADE_KINDS] = {false};

    kinds_of(a, has);
    return has[TRADE_COST] + has[TRADE_REACH] + has[TRADE_LOSS] > 1;
}

/* ---- composites over cells ---- */

struct gather {
    const struct analysis *a;
    struct pair_data *pairs; /* n_cells * n_targets, as in analyse.c, of the cells wanted */
    struct scratch scratch;
};

static int gather_trial(void *user, const struct trial *t)
{
    struct gather *g = user;
    const struct analysis *a = g->a;

    if (t->cell >= a->n_cells)
        return 0;
    const struct cell *c = &a->head.plan.cells.v[t->cell];
    if (cost_of(c) == TRADE_MEASURES && !is_aggressor(c))
        return 0;
    for (size_t k = 0; k < a->n_targets; k++)
        pair_data_add(&g->pairs[t->cell * a->n_targets + k], c, t, (uint32_t)k, a->head.base,
                      &g->scratch);
    return 0;
}

static double log_factor(const struct block_value *v)
{
    return log(v->ns_per_op / 1e9); /* as cells store factors: see struct cell */
}

/* Does the cell count on this target: measured in every block, with a figure to take the mean of,
 * and on a CPU that is not emulated? */
static bool counts(const struct analysis *a, size_t cell, size_t target, bool loss)
{
    const struct cell_result *r = analysis_at(a, cell, target);
    const struct estimate *e = loss || r->is_base ? &r->absolute : &r->ratio;

    return r->status == CELL_OK && e->n && isfinite(e->value) && !analysis_withholds(a, target);
}

/* Cells of the measure that count on every target on which any counts. ret: their indices. */
static size_t common_cells(const struct analysis *a, enum trade_measure m, uint32_t *ret,
                           struct trade_row *row)
{
    bool loss = trade_kind_of(m) == TRADE_LOSS;
    _cleanup_free_ bool *wanted = xcalloc(a->n_cells + 1, sizeof(*wanted));
    _cleanup_free_ bool *takes_part = xcalloc(a->n_targets + 1, sizeof(*takes_part));

    for (size_t k = 0; k < a->n_cells; k++) {
        wanted[k] = is_of(&a->head.plan.cells.v[k], m);
        for (size_t t = 0; wanted[k] && t < a->n_targets; t++)
            takes_part[t] |= counts(a, k, t, loss);
    }
    for (uint32_t k = 0; k < a->n_cells; k++) {
        bool all = wanted[k];
        for (size_t t = 0; t < a->n_targets; t++)
            all = all && (!takes_part[t] || counts(a, k, t, loss));
        if (all)
            ret[row->cells++] = k;
        else
            row->left_out += wanted[k];
    }
    return row->cells;
}

/* Blocks x cells, packed: rows are the blocks that have any value. */
static size_t fill(const struct gather *g, size_t target, const uint32_t *cells, size_t n,
                   bool loss, double *d)
{
    size_t rows = 0;

    for (uint32_t block = 0, more = 1; more; block++) {
        bool any = false;
        more = 0;
        for (size_t i = 0; i < n; i++) {
            const struct pair_data *p = &g->pairs[cells[i] * g->a->n_targets + target];
            double *slot = d ? &d[rows * n + i] : NULL, x = NAN;
            VEC_FOREACH (&p->values, const struct block_value, v) {
                more |= v->block > block;
                if (v->block == block)
                    x = loss ? log_factor(v) : v->log_ratio;
            }
            if (slot)
                *slot = x;
            any |= isfinite(x);
        }
        rows += any;
    }
    return rows;
}

static double mean_of_estimates(const double *d, size_t blocks, size_t cells)
{
    _cleanup_free_ double *column = xcalloc(blocks + 1, sizeof(*column));
    double sum = 0;

    for (size_t i = 0; i < cells; i++) {
        size_t n = 0;
        for (size_t b = 0; b < blocks; b++)
            if (isfinite(d[b * cells + i]))
                column[n++] = d[b * cells + i];
        sum += rank_hl_estimate(column, n);
    }
    return sum / (double)cells;
}

/* A mean over one cell is that cell: its own interval is exact, and wider than drawing few blocks
 * would make it. */
static void one_alone(const struct analysis *a, const struct cell_result *r, bool loss,
                      struct trade_value *ret)
{
    struct matrix_factor f = {.e = r->ratio, .verdict = r->verdict};

    if (loss)
        matrix_factor_of(a, r, &f);
    ret->e = f.e;
    ret->verdict = f.verdict;
    ret->alone = r;
}

static void composite(const struct gather *g, size_t target, const uint32_t *cells, size_t n,
                      bool loss, struct trade_value *ret)
{
    const struct plan *p = &g->a->head.plan;
    size_t blocks = fill(g, target, cells, n, loss, NULL);
    /* One row more: the last block looked at may have none. */
    _cleanup_free_ double *d = xcalloc((blocks + 1) * n, sizeof(*d));
    struct boot_geomean b;

    if (blocks == 0)
        return;
    fill(g, target, cells, n, loss, d);
    double estimate = mean_of_estimates(d, blocks, n);
    ret->has = isfinite(estimate);
    ret->e = (struct estimate){exp(estimate), NAN, NAN, 0, blocks};
    ret->verdict = VERDICT_INCONCLUSIVE;
    if (n == 1) {
        one_alone(g->a, analysis_at(g->a, cells[0], target), loss, ret);
        return;
    }
    /* Where blocks cannot be drawn, there is no interval: that is no failure of the report. */
    if (blocks < TRADE_MIN_BLOCKS ||
        boot_geomean(d, blocks, n, BOOT_DRAWS, TRADE_ALPHA, p->seed, &b, NULL) < 0)
        return;
    ret->e.lo = exp(b.lo);
    ret->e.hi = exp(b.hi);
    ret->e.level = 1 - TRADE_ALPHA;
    ret->verdict = verdict_of(b.lo, b.hi, p->theta, false);
}

static void find_worst(const struct analysis *a, const uint32_t *cells, size_t n, struct trade *t)
{
    const struct trade_row *mean = &t->rows[TRADE_BESIDE];
    struct trade_row *worst = &t->rows[TRADE_WORST];
    worst->cells = mean->cells;
    worst->left_out = mean->left_out;
    for (size_t k = 0; k < a->n_targets; k++) {
        worst->values[k].alone = mean->values[k].alone;
        for (size_t i = 0; i < n && mean->values[k].has; i++) {
            struct trade_value *v = &worst->values[k];
            struct matrix_factor f;
            matrix_factor_of(a, analysis_at(a, cells[i], k), &f);
            if (v->has && f.e.value <= v->e.value)
                continue;
            *v = (struct trade_value){.has = true, .e = f.e, .verdict = f.verdict};
            v->alone = f.result;
            str_copy(v->which, sizeof(v->which), a->head.plan.cells.v[cells[i]].name);
        }
    }
}

static void composites(const struct gather *g, enum trade_measure m, struct trade *t)
{
    const struct analysis *a = g->a;
    bool loss = trade_kind_of(m) == TRADE_LOSS;
    _cleanup_free_ uint32_t *cells = xcalloc(a->n_cells + 1, sizeof(*cells));
    size_t n = common_cells(a, m, cells, &t->rows[m]);

    for (size_t k = 0; n && k < a->n_targets; k++) {
        if (!loss && k == a->head.base)
            continue;
        /* One that takes no part has none of the cells, or all. */
        if (counts(a, cells[0], k, loss))
            composite(g, k, cells, n, loss, &t->rows[m].values[k]);
    }
    for (uint32_t k = 0; k < a->n_cells; k++)
        for (size_t i = 0; is_of(&a->head.plan.cells.v[k], m) && i < a->n_targets; i++) {
            struct trade_value *v = &t->rows[m].values[i];
            if (!v->has && !v->alone)
                v->alone = analysis_at(a, k, i);
        }
    if (m == TRADE_BESIDE)
        find_worst(a, cells, n, t);
}

/* ---- figures of one cell ---- */

static void one_cell(const struct analysis *a, const char *name, enum trade_measure m,
                     struct trade *t)
{
    for (uint32_t k = 0; k < a->n_cells; k++) {
        if (!str_eq(a->head.plan.cells.v[k].name, name))
            continue;
        t->rows[m].cells = 1;
        for (size_t i = 0; i < a->n_targets; i++) {
            const struct cell_result *r = analysis_at(a, k, i);
            struct trade_value *v = &t->rows[m].values[i];
            struct matrix_factor f;
            matrix_factor_of(a, r, &f);
            *v = (struct trade_value){.e = f.e, .verdict = f.verdict, .alone = r};
            v->has = r->status == CELL_OK && f.e.n && isfinite(f.e.value);
            /* More is better: stored as the inverse (see struct cell). */
            if (a->head.plan.cells.v[k].better == BETTER_HIGHER)
                v->e = (struct estimate){1 / f.e.value, 1 / f.e.hi, 1 / f.e.lo, f.e.level, f.e.n};
        }
    }
}

int analyse_trade(struct store *s, const struct analysis *a, struct trade *ret, struct err *err)
{
    struct trade t = {.n_targets = a->n_targets};
    size_t n = a->n_cells * a->n_targets;
    struct gather g = {.a = a, .pairs = xcalloc(n + 1, sizeof(*g.pairs))};
    int r;

    kinds_of(a, t.has);
    for (size_t m = 0; m < TRADE_MEASURES; m++)
        t.rows[m].values = xcalloc(a->n_targets + 1, sizeof(*t.rows[m].values));
    r = store_trials(s, a->head.id, -1, gather_trial, &g, err);
    if (r >= 0) {
        for (enum trade_measure m = TRADE_CPU; m <= TRADE_START; m++)
            composites(&g, m, &t);
        composites(&g, TRADE_BESIDE, &t);
        one_cell(a, "neighbour.slowdown", TRADE_LINPACK, &t);
        one_cell(a, "neighbour.slowdown@same", TRADE_LINPACK_SAME, &t);
        one_cell(a, "reach.answered", TRADE_ANSWERED, &t);
        one_cell(a, "reach.host", TRADE_MADE, &t);
        r = trade_reach(s, a, &t, err);
    }
    for (size_t i = 0; i < n; i++)
        pair_data_release(&g.pairs[i]);
    free(g.pairs);
    scratch_release(&g.scratch);
    if (r < 0)
        trade_release(&t);
    else
        *ret = t;
    return r < 0 ? r : 0;
}

void trade_release(struct trade *t)
{
    for (size_t m = 0; m < TRADE_MEASURES; m++)
        free(t->rows[m].values);
    *t = (struct trade){0};
}
