#include "measure/course.h"

static void iota(size_t *idx, size_t n)
{
    for (size_t i = 0; i < n; i++)
        idx[i] = i;
}

void schedule_targets(uint64_t seed, unsigned block, size_t *idx, size_t n)
{
    struct rng r;

    rng_stream(&r, seed, block, SCHEDULE_STARTS);
    iota(idx, n);
    rng_shuffle(&r, idx, n);
}

/* Families in random order, and the cells of each in random order: mem.copy and mem.triad then use
 * the same arrays, whose first touch costs more than all their slices. */
void schedule_cells(uint64_t seed, unsigned block, const struct cell *cells, size_t n, size_t *idx)
{
    _cleanup_free_ size_t *order = xcalloc(n ? n : 1, sizeof(*order));
    _cleanup_free_ bool *done = xcalloc(n ? n : 1, sizeof(*done));
    struct rng r;
    size_t k = 0;

    rng_stream(&r, seed, block, SCHEDULE_CELLS);
    iota(order, n);
    rng_shuffle(&r, order, n);
    for (size_t i = 0; i < n; i++) {
        if (done[order[i]])
            continue;
        for (size_t j = i; j < n; j++) {
            if (done[order[j]] ||
                !str_eq(cells[order[j]].workload->family, cells[order[i]].workload->family))
                continue;
            done[order[j]] = true;
            idx[k++] = order[j];
        }
    }
}

void schedule_rounds_rng(uint64_t seed, unsigned block, unsigned cell, struct rng *ret)
{
    rng_stream(ret, seed, block, SCHEDULE_ROUNDS + ((uint64_t)cell << 8));
}
