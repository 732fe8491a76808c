/* What a column of numbers looks like, and the paper's two ways of saying "overhead".
 *
 * Layer: stats. Inputs are read only and need not be sorted; nothing is kept. An input too short
 * for the quantity gives NaN, and NaN or infinity in the input comes out again.
 *
 *     double m = describe_median(y, n);
 *     double cost = overhead(describe_mean(runc, n), describe_mean(host, n)); */
#ifndef CUPEL_STATS_DESCRIBE_H
#define CUPEL_STATS_DESCRIBE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

double describe_mean(const double *y, size_t n);
/* Sample variance, divisor n - 1; NaN for n < 2. Unit: that of y squared. */
double describe_variance(const double *y, size_t n);
double describe_sd(const double *y, size_t n);
double describe_median(const double *y, size_t n);
/* Type 7 of Hyndman and Fan 1996 (R's and GSL's default); p in [0, 1]. */
double describe_quantile(const double *y, size_t n, double p);
/* Median absolute deviation from the median, not rescaled; times 1.4826 it estimates sigma. */
double describe_mad(const double *y, size_t n);
double describe_min(const double *y, size_t n);
double describe_max(const double *y, size_t n);
/* Lag-1 autocorrelation r1 = sum (y_i - m)(y_{i+1} - m) / sum (y_i - m)^2; 0 where all values are
 * equal, NaN for n < 3. */
double describe_lag1(const double *y, size_t n);
/* exp of the mean log; NaN unless all y > 0. */
double describe_geomean(const double *y, size_t n);
/* n over the sum of 1/y, the mean of rates over equal amounts of work; NaN unless all y > 0. */
double describe_harmonic(const double *y, size_t n);
/* Ranks 1..n with ties sharing their mean rank (midranks). ret_tie_sum, if not NULL, receives the
 * sum of t^3 - t over groups of t equal values. */
void describe_ranks(const double *y, size_t n, double *ret_ranks, double *ret_tie_sum);

/* Is the first third of a series, in time order, like the rest? Two conditions make it unsteady:
 * the rank-sum test between the two (two-sided, .02) and a shift of the medians beyond `threshold`
 * (unit of y). The second keeps a cell that is precise to a hair from being called unsteady over
 * nothing. Needs n >= 10, below which it says steady with p = NaN. */
struct steadiness {
    double first; /* median of the first third, floor(n/3) values */
    double rest;  /* median of the rest */
    double shift; /* first - rest */
    double p;
    bool steady;
};
struct steadiness describe_steadiness(const double *y, size_t n, double threshold);

/* The paper's formula (1), |virt - native| / native: a fraction, never negative. */
double overhead(double virt, double native);
/* Signed: the fraction by which virt is worse than native (negative: better). For metrics where
 * lower is better (virt - native) / native, where higher is better (native - virt) / native. */
double degradation(double virt, double native, bool higher_is_better);

#endif
