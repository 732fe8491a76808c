/* One cell of one target, judged.
 *
 * Layer: analyse, internal. */
#ifndef CUPEL_ANALYSE_CELL_H
#define CUPEL_ANALYSE_CELL_H

#include "analyse/series.h"
#include "stats/sequential.h"

/* The stopping rule of a plan, and the alpha of its intervals: of a fixed number of blocks, which
 * has one look, what is reported; else alpha'. With a gate no look comes before a regression could
 * be proven. */
void plan_rule(const struct plan *p, struct stop_rule *rule, double *alpha);

/* Fills r (zeroed, with cell and target set) from the blocks of the cell and of its base. alpha: of
 * the intervals. ret_sd: spread of the log ratios, NAN without. */
int cell_judge(const struct pair_data *d, const struct pair_data *base, bool is_base,
               const struct stop_rule *rule, double alpha, struct cell_result *r, double *ret_sd,
               struct err *err);

#endif
