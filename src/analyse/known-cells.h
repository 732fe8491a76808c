/* Which cells and targets of several runs are the same.
 *
 * Layer: analyse. Two cells are one if name, workload, application, CPU set, workers, place, grain,
 * metric and all parameters are the same; those on all CPUs also need as many of them. Two targets
 * are one if their labels are. Ownership: what a cell's application and parameters point to belongs
 * to the run's head that it was met in, which has to last as long; VEC_RELEASE frees the list.
 *
 *     struct known_cells k = VEC_INIT;
 *     for (i = 0; i < n; i++)
 *         known_cells_add(&k, &heads[i]);
 *     known_cells_tell_apart(&k);
 *     known_cells_index(&k, &heads[i], index);   // index[c]: which of the run's cells k.v[c] is */
#ifndef CUPEL_ANALYSE_KNOWN_CELLS_H
#define CUPEL_ANALYSE_KNOWN_CELLS_H

#include "analyse/analyse.h"
#include "base/vec.h"

struct known_cell {
    struct cell cell;
    bool primary;
    bool of_itself;                /* compared without a base: a factor, or by its value */
    char name[CELL_NAME_MAX + 96]; /* with the parameters that tell it from one of the same name */
    unsigned cpus;                 /* of the machine, where it uses all of them; else 0 */
};

/* In the order in which they were met. */
struct known_cells {
    struct known_cell *v;
    size_t n, cap;
};

/* Labels. */
struct known_targets {
    char **v;
    size_t n, cap;
};

/* Returns how many of the run's cells were not there yet. */
size_t known_cells_add(struct known_cells *k, const struct run_head *h);
/* Once all are there: their names. */
void known_cells_tell_apart(struct known_cells *k);
/* ret[0 .. k->n): which of the run's cells each is; -1: none. */
void known_cells_index(const struct known_cells *k, const struct run_head *h, int32_t *ret);

/* The log of what a run found of it: the ratio to the run's base, or the value. NAN
 * without. ret_se: its own standard error, from its interval at the level that this achieved; NAN
 * without one. */
double known_cell_log(const struct known_cell *c, const struct cell_result *r, double *ret_se);

void known_targets_add(struct known_targets *k, const struct run_head *h);
void known_targets_release(struct known_targets *k);

#endif
