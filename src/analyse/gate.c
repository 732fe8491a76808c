#include "analyse/gate.h"

#include "analyse/cell.h"
#include "stats/describe.h"
#include "stats/gate.h"
#include "stats/multi.h"

#include <math.h>

/* The blocks of every cell and target again, with what failed in which. */
struct gate_gather {
    const struct analysis *a;
    struct gate_entry *entries;
    struct pair_data *pairs; /* n_cells * n_targets, cell-major */
    struct scratch scratch;
};

/* Did that target work in this trial? False as well where it took no part: *ret_tried. */
static bool works(struct gate_gather *g, const struct trial *t, size_t target, bool *ret_tried)
{
    const struct analysis *a = g->a;
    struct pair_data *d = &g->pairs[t->cell * a->n_targets + target];
    size_t tried = d->tried, failed = d->failed;

    pair_data_add(d, &a->head.plan.cells.v[t->cell], t, (uint32_t)target, a->head.base,
                  &g->scratch);
    *ret_tried = d->tried > tried;
    return *ret_tried && d->failed == failed;
}

static int gather_trial(void *user, const struct trial *t)
{
    struct gate_gather *g = user;
    const struct analysis *a = g->a;
    bool base_tried, tried;

    if (t->cell >= a->n_cells)
        return 0;
    bool base = works(g, t, a->head.base, &base_tried);
    for (size_t k = 0; k < a->n_targets; k++) {
        if (k == a->head.base)
            continue;
        struct gate_entry *e = &g->entries[t->cell * a->n_targets + k];
        bool ok = works(g, t, k, &tried);
        e->only_target += tried && base && !ok;
        e->only_base += base_tried && !base && ok;
    }
    return 0;
}

static bool base_works(const struct gate_gather *g, uint32_t cell)
{
    enum cell_status status = analysis_at(g->a, cell, g->a->head.base)->status;
    return status == CELL_OK || status == CELL_SOME_FAILED;
}

/* Whatever the number of blocks: it works nowhere, and the base does wherever it was tried. */
static bool never_works(const struct gate_gather *g, const struct gate_entry *e)
{
    const struct cell_result *r = e->result;

    if (r->status == CELL_FAILED)
        return e->only_target == r->tried;
    return r->status == CELL_NOT_MEASURED && !g->a->targets[r->target].usable &&
           base_works(g, r->cell);
}

static enum gate_state state_of(const struct gate_gather *g, const struct gate_entry *e,
                                double gate)
{
    const struct estimate *ratio = &e->result->ratio;

    if (analysis_withholds(g->a, e->result->target))
        return GATE_EMULATED;
    if (never_works(g, e) || e->failure_p <= GATE_ALPHA)
        return GATE_BROKE;
    if (e->p <= GATE_ALPHA)
        return GATE_REGRESSED;
    if (ratio->n == 0 && e->only_target == 0)
        return GATE_UNCOMPARED;
    return e->only_target == 0 && ratio->hi < 1 + gate ? GATE_WITHIN : GATE_UNSURE;
}

/* rule: NULL where the number of blocks was fixed. p: the ratios' first, then the failures'. */
static int test_all(struct gate_gather *g, const struct stop_rule *rule, double *p,
                    struct gate *ret, struct err *err)
{
    const struct analysis *a = g->a;
    size_t n = a->n_cells * a->n_targets, comparisons = plan_comparisons(&a->head.plan);
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++) {
        const struct pair_data *d = &g->pairs[i];
        struct gate_entry *e = &g->entries[i];
        _cleanup_free_ double *column = xcalloc(d->values.n + 1, sizeof(*column));
        size_t blocks = pair_data_column(d, value_log_ratio, column);
        r = gate_ratio_p(column, blocks, ret->gate, rule, &p[i], err);
        p[n + i] = gate_failure_p(e->only_target, e->only_base);
        e->provable =
            gate_provable(describe_sd(column, blocks), blocks, ret->gate, comparisons, rule);
        if (analysis_withholds(a, i % a->n_targets))
            p[i] = p[n + i] = NAN;
    }
    multi_holm(p, 2 * n, p);
    ret->min_blocks = gate_min_blocks(comparisons, rule);
    return r;
}

static int worse(const void *x, const void *y)
{
    const struct gate_entry *a = x, *b = y;

    if (a->state != b->state)
        return a->state < b->state ? -1 : 1;
    double l = a->result->ratio.value, m = b->result->ratio.value;
    if (isfinite(l) && isfinite(m) && l != m)
        return l > m ? -1 : 1;
    if (a->result->cell != b->result->cell)
        return a->result->cell < b->result->cell ? -1 : 1;
    return a->result->target < b->result->target ? -1 : a->result->target > b->result->target;
}

/* Those of the base are left out, the rest is put in the order of the reports. */
static void conclude(struct gate_gather *g, const double *p, struct gate *ret)
{
    const struct analysis *a = g->a;
    size_t n = a->n_cells * a->n_targets;

    ret->entries = xcalloc(n + 1, sizeof(*ret->entries));
    ret->provable = NAN;
    for (size_t i = 0; i < n; i++) {
        struct gate_entry *e = &g->entries[i];
        e->result = &a->results[i];
        if (e->result->is_base || e->result->target == a->head.base)
            continue;
        e->p = p[i];
        e->failure_p = p[n + i];
        e->state = state_of(g, e, ret->gate);
        ret->count[e->state]++;
        if (e->result->ratio.n && e->state != GATE_EMULATED && !(e->provable <= ret->provable))
            ret->provable = e->provable;
        ret->entries[ret->n++] = *e;
    }
    qsort(ret->entries, ret->n, sizeof(*ret->entries), worse);
}

int analyse_gate(struct store *s, const struct analysis *a, struct gate *ret, struct err *err)
{
    size_t n = a->n_cells * a->n_targets;
    struct gate_gather g = {.a = a};
    struct gate out = {.gate = a->head.plan.gate};
    struct stop_rule rule;
    double alpha;

    g.entries = xcalloc(n + 1, sizeof(*g.entries));
    g.pairs = xcalloc(n + 1, sizeof(*g.pairs));
    _cleanup_free_ double *p = xcalloc(2 * n + 1, sizeof(*p));
    plan_rule(&a->head.plan, &rule, &alpha);
    int r = store_trials(s, a->head.id, -1, gather_trial, &g, err);
    if (r == 0)
        r = test_all(&g, a->head.plan.repeats ? NULL : &rule, p, &out, err);
    if (r == 0)
        conclude(&g, p, &out);
    for (size_t i = 0; i < n; i++)
        pair_data_release(&g.pairs[i]);
    free(g.pairs);
    free(g.entries);
    scratch_release(&g.scratch);
    if (r < 0)
        return err_wrap(err, "gate");
    *ret = out;
    return 0;
}

void gate_release(struct gate *g)
{
    free(g->entries);
    *g = (struct gate){0};
}

enum gate_verdict gate_verdict(const struct gate *g)
{
    if (g->count[GATE_BROKE] + g->count[GATE_REGRESSED])
        return GATE_FAILED;
    return g->count[GATE_UNSURE] || !g->count[GATE_WITHIN] ? GATE_UNDECIDED : GATE_PASSED;
}

const char *gate_verdict_name(enum gate_verdict v)
{
    static const char *const names[] = {
        [GATE_PASSED] = "passed", [GATE_FAILED] = "failed", [GATE_UNDECIDED] = "undecided"};
    return names[v];
}

const char *gate_state_name(enum gate_state s)
{
    static const char *const names[GATE_STATES] = {
        [GATE_BROKE] = "broke",           [GATE_REGRESSED] = "regressed",
        [GATE_UNSURE] = "unsure",         [GATE_WITHIN] = "within",
        [GATE_UNCOMPARED] = "uncompared", [GATE_EMULATED] = "emulated-cpu",
    };
    return names[s];
}
