/* Distribution functions of the R mathematics library and the normal quantiles, under names of our
 * own: Rmath.h defines macros such as dt, beta, sign and choose, so rmath.c alone includes it.
 *
 * Layer: stats. Pure, but not for two threads at once: the signed-rank and rank-sum functions keep
 * their counting table inside the library, for the last n asked for (changing n costs O(n^3)).
 * Arguments outside a function's domain give NaN. */
#ifndef CUPEL_STATS_DIST_H
#define CUPEL_STATS_DIST_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Switches GSL's aborting error handler off. main and every test program call it once, first. */
void stats_init(void);

/* Wilcoxon's signed-rank statistic V (sum of the ranks of the positive differences) of n
 * differences: P(V <= v), or P(V > v) when lower is false; and the least v with P(V <= v) >= p.
 * Exact up to n = 500, beyond that the normal approximation with continuity correction. */
double dist_psignrank(double v, size_t n, bool lower);
double dist_qsignrank(double p, size_t n);

/* Mann-Whitney's W of samples of nx and ny: P(W <= w) or P(W > w). Exact; O(nx ny (nx + ny)). */
double dist_pwilcox(double w, size_t nx, size_t ny, bool lower);

double dist_pbinom(double k, size_t n, double p, bool lower);
double dist_qbinom(double prob, size_t n, double p);
double dist_qbeta(double prob, double a, double b);
double dist_pnorm(double z, bool lower);
double dist_qnorm(double prob);
double dist_pt(double t, double df, bool lower);
double dist_qt(double prob, double df);

#endif
