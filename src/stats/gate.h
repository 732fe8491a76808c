/* The rule of a gate: is a target worse than its base by more than the gate allows?
 *
 * Layer: stats. Pure functions. The gate is a fraction: with .05, a cost of more than 1.05 times
 * the base's is a regression. Each comparison (a cell on a target) is tested one-sided against the
 * gate, not against 1, so that what is proven is that the regression is larger than was allowed:
 *
 * Of its ratios: the within-block sign flip of the signed rank of ln(y_target / y_base) - ln(1 +
 * gate), put on the scale of the reported alpha where the blocks were few because an interval was
 * narrow (stats/sequential.h). Of its failures: of the blocks in which just one of the two failed,
 * the share in which it was the target; were both alike it would be a toss of a coin (McNemar,
 * Psychometrika 12, 1947, in its exact form).
 *
 * Holm's adjustment is over all of them. What could not have been rejected whatever came out (no
 * block failed; fewer blocks than one test needs) is given as NaN and not counted among them: given
 * how many blocks tell of it, its p has a floor above the level (Tarone, Biometrics 46, 1990).
 *
 *     gate_ratio_p(d, n, .05, &rule, &p[i], err);   // rule NULL: the number of blocks was fixed
 *     p[k] = gate_failure_p(only_target, only_base);
 *     multi_holm(p, n_p, p);
 *     bool failed = p[i] <= GATE_ALPHA; */
#ifndef CUPEL_STATS_GATE_H
#define CUPEL_STATS_GATE_H

#include "base/err.h"
#include "stats/sequential.h"

#include <stddef.h>

#define GATE_ALPHA .05

/* d: logs, one a block. NaN where n blocks are too few to reject even alone (n = 0 included).
 * Errors: ERR_USAGE EINVAL for values that are not finite. */
int gate_ratio_p(const double *d, size_t n, double gate, const struct stop_rule *rule, double *ret,
                 struct err *err);
/* NaN where fewer than 5 blocks tell the two apart. */
double gate_failure_p(size_t only_target, size_t only_base);
/* Least blocks with which one of so many comparisons can be a proven regression, all blocks on one
 * side: 2^-n, adjusted, has to be at most the level. 6 for 1 (5 where the number is fixed), 9
 * for 12.
 */
size_t gate_min_blocks(size_t comparisons, const struct stop_rule *rule);
/* The regression (fraction against the base) that would have been proven with power .8, for block
 * differences of spread sd, as the first of so many comparisons: ln(1 + gate) + (z_{1-a} + z.8) sd
 * sqrt(pi/3n), a the level of one of them. INFINITY for fewer than gate_min_blocks. */
double gate_provable(double sd, size_t n, double gate, size_t comparisons,
                     const struct stop_rule *rule);

#endif
