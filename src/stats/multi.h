/* Adjusted p values for many comparisons at once.
 *
 * Layer: stats. p values lie in [0, 1]; NaN (a cell without a test) stays NaN and is not counted.
 * ret may be the same array as p. An adjusted p at or below the level means: rejected.
 *
 *     multi_holm(p, n, adjusted);       // declared primary metrics: family-wise error
 *     multi_bh(p, n, adjusted);         // the exploratory rest: false discovery rate */
#ifndef CUPEL_STATS_MULTI_H
#define CUPEL_STATS_MULTI_H

#include <stddef.h>

/* Holm, "A simple sequentially rejective multiple test procedure", 1979. */
void multi_holm(const double *p, size_t n, double *ret);
/* Benjamini, Hochberg, "Controlling the false discovery rate", 1995. */
void multi_bh(const double *p, size_t n, double *ret);

/* The 99 % point of false alarms among n true null hypotheses tested at alpha each: an A/A series
 * with more than these alarms is worse than alpha. A bar at the mean, n alpha, would be a coin
 * toss. At .05: 6 of 40, 18 of 200, 31 of 400, 67 of 1000. */
size_t multi_alarms_allowed(size_t n, double alpha);

#endif
