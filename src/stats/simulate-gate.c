/* The gate's rule end to end: cells that stop when their intervals are narrow, one-sided tests
 * against the gate, Holm over all cells. */
#include "stats/simulate-parts.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "stats/gate.h"
#include "stats/multi.h"
#include "stats/rank.h"

#include <math.h>

struct gate_run {
    const struct sim_gate *g;
    struct stop_rule rule;
    struct sim_look looks[STOP_LOOKS_MAX + 1];
    size_t n_looks;
    double *d;
};

/* One cell: blocks until it is precise or the budget is spent, then its p. */
static int one_cell(struct gate_run *x, enum sim_noise noise, double effect, uint64_t seed,
                    uint64_t stream, double *ret_p, size_t *ret_blocks, struct err *err)
{
    struct rank_interval ci = {0};

    sim_pairs(noise, x->g->max_blocks, 0, seed, stream, x->d);
    for (size_t i = 0; i < x->g->max_blocks; i++)
        x->d[i] = x->d[i] * x->g->unit + effect;
    for (size_t i = 0; i < x->n_looks; i++) {
        rank_hl_at(x->d, x->looks[i].n, x->looks[i].q, x->looks[i].level, &ci);
        if ((ci.hi - ci.lo) / 2 <= x->rule.half_width)
            break;
    }
    *ret_blocks = ci.n;
    return gate_ratio_p(x->d, ci.n, x->g->gate, &x->rule, ret_p, err);
}

/* Without a planted effect all cells are at the gate, and any alarm is one too many. */
static int one_run(struct gate_run *x, enum sim_noise noise, uint64_t seed, size_t replicate,
                   double *p, bool *ret_hit, double *ret_blocks, struct err *err)
{
    const struct sim_gate *g = x->g;
    bool planted = g->planted > 0;
    size_t alarms = 0;

    for (size_t c = 0; c < g->cells; c++) {
        double effect = !planted ? log1p(g->gate) : c == 0 ? log1p(g->planted) : 0;
        size_t blocks;
        int r = one_cell(x, noise, effect, seed, replicate * g->cells + c, &p[c], &blocks, err);
        if (r < 0)
            return r;
        *ret_blocks += (double)blocks / (double)g->cells;
    }
    multi_holm(p, g->cells, p);
    for (size_t c = 0; c < g->cells; c++)
        alarms += p[c] <= GATE_ALPHA;
    *ret_hit = planted ? p[0] <= GATE_ALPHA : alarms > 0;
    return 0;
}

int sim_gate(const struct sim_gate *g, enum sim_noise noise, size_t replicates, uint64_t seed,
             struct sim_row *ret, struct err *err)
{
    bool planted = g->planted > 0;
    struct sim_row row = {planted ? "gate: power" : "gate: false alarms", sim_noise_name(noise),
                          g->max_blocks, .replicates = replicates};
    struct gate_run x = {.g = g, .rule = stop_rule_default(g->gate)};
    _cleanup_free_ double *d = xmalloc(g->max_blocks * sizeof(*d));
    _cleanup_free_ double *p = xmalloc(g->cells * sizeof(*p));
    size_t hits = 0;
    double blocks = 0;

    x.d = d;
    stop_rule_start(&x.rule, gate_min_blocks(g->cells, &x.rule));
    int r = sim_looks(&x.rule, g->max_blocks, x.looks, &x.n_looks, err);
    for (size_t k = 0; r == 0 && k < replicates; k++) {
        bool hit = false;
        r = one_run(&x, noise, seed, k, p, &hit, &blocks, err);
        hits += hit;
    }
    if (r < 0)
        return r;
    row.mean_blocks = blocks / (double)replicates;
    sim_row_finish(&row, hits, planted ? 0.8 : GATE_ALPHA, planted);
    *ret = row;
    return 0;
}
