/* How well a tenant is kept from its neighbour: what it loses of its performance, and of its CPU
 * time.
 *
 * Layer: stats. Pure functions. NaN where there is nothing to divide by. Source: Wang, Du, Liu,
 * Cluster Computing 2022, section 5.8: I; there the combination of both is by the rule that of
 * equal shrinkage more loss is worse, and of equal loss more shrinkage is better. The quotient C is
 * the least that obeys it, and ours. */
#ifndef CUPEL_STATS_ISOLATION_H
#define CUPEL_STATS_ISOLATION_H

/* I = |p_i - p_j| / p_i: performance (a rate) before and with the neighbour. 0 is perfect. */
double isolation_loss(double before, double with);
/* RS = (u_i - u_j) / u_i: CPU utilisation before and with. Negative: it used more. */
double isolation_shrinkage(double before, double with);
/* C = I / RS. NaN for a shrinkage within `least` of 0 (or below): then the pair is to be said. */
double isolation_combined(double loss, double shrinkage, double least);

#endif
