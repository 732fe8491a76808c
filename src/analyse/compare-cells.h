/* Which cells and targets of several runs are the same.
 *
 * Layer: analyse, internal. */
#ifndef CUPEL_ANALYSE_COMPARE_CELLS_H
#define CUPEL_ANALYSE_COMPARE_CELLS_H

#include "analyse/compare.h"

/* Fills cells, targets and cell_in from the runs. Two cells are one if name, workload, application,
 * CPU set, workers, place, grain, metric and all parameters are the same; those on all CPUs also
 * need as many of them. */
void compare_cells_find(struct compare *c);
/* Marks those that the patterns select: each a cell's name, else a workload, a family or a glob. */
int compare_cells_declare(struct compare *c, const char *const *patterns, size_t n,
                          struct err *err);
/* What a run has of it; NULL: it was not to measure that. */
const struct cell_result *compare_result(const struct compare *c, size_t run, size_t cell,
                                         size_t target);

#endif
