/* The cells and targets of a comparison, and which of them it is about.
 *
 * Layer: analyse, internal. */
#ifndef CUPEL_ANALYSE_COMPARE_CELLS_H
#define CUPEL_ANALYSE_COMPARE_CELLS_H

#include "analyse/compare.h"

/* Fills cells, targets and cell_in from the runs. */
void compare_cells_find(struct compare *c);
/* Marks those that the patterns select: each a cell's name, else a workload, a family or a glob. */
int compare_cells_declare(struct compare *c, const char *const *patterns, size_t n,
                          struct err *err);
/* What a run has of it; NULL: it was not to measure that. */
const struct cell_result *compare_result(const struct compare *c, size_t run, size_t cell,
                                         size_t target);

#endif
