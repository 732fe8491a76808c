/* How long a run of a fixed number of blocks will take, before it has begun: what every workload
 * declares of itself, and what it took to start and stop each target in the preflight. */
#include "measure/course.h"

#define EXPECTED_NS (5 * NS_PER_S)

static uint64_t execution_ns(const struct cell *cell)
{
    const struct workload *w = cell->workload;

    if (cell->app && cell->app->expected_ns)
        return cell->app->expected_ns;
    if (w->time_param)
        return (uint64_t)params_num(&cell->params, w->time_param, EXPECTED_NS);
    return w->expected_ns ? w->expected_ns(&cell->params) : EXPECTED_NS;
}

/* A sliced cell: calibration and rounds, with their lead. */
static uint64_t sliced_ns(const struct plan *p)
{
    return (p->rounds + 2) * p->slice_ns * 3 / 2;
}

static uint64_t cell_ns(const struct course *c, const struct cell *cell, const struct slot *slot)
{
    const struct workload *w = cell->workload;
    bool timed = w->time_param != NULL;
    uint64_t factor = slot->own_kernel && w->dearer && !timed ? w->dearer : 1;

    if (cell->grain != GRAIN_WHOLE)
        return sliced_ns(&c->head.plan);
    if (w->grain != GRAIN_WHOLE)
        return slot->cycle_ns + 50 * c->head.plan.slice_ns;
    return slot->cycle_ns + factor * execution_ns(cell);
}

static bool shares_with_earlier(const struct course *c, size_t cell)
{
    const struct cell *cells = c->head.plan.cells.v;

    for (size_t i = 0; i < cell; i++)
        if (cell_shares_execution(&cells[i], &cells[cell]))
            return true;
    return false;
}

uint64_t estimate_block_ns(const struct course *c)
{
    uint64_t sum = 0;

    for (size_t t = 0; t < c->n_targets; t++) {
        const struct slot *slot = &c->slots[t];
        bool sliced = false;

        if (!slot->info.usable)
            continue;
        for (size_t i = 0; i < c->n_cells; i++) {
            if (slot->pairs[i].given_up || shares_with_earlier(c, i))
                continue;
            sum += cell_ns(c, &c->head.plan.cells.v[i], slot);
            sliced = sliced || c->head.plan.cells.v[i].grain != GRAIN_WHOLE;
        }
        sum += sliced ? slot->cycle_ns : 0;
    }
    return sum;
}
