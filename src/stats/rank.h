/* Estimates, intervals and tests that use ranks alone: no assumption about the shape of the noise
 * beyond the one each function names.
 *
 * Layer: stats. Inputs are read only; memory is O(n^2) for the Walsh averages (n <= 2000).
 * Errors: ERR_USAGE EINVAL for values that are not finite or an alpha outside (0, 1);
 * ERR_MEASUREMENT ERANGE when so few values allow no interval of that level at all.
 *
 *     struct rank_interval ci;
 *     int r = rank_hl(d, n, .05, &ci, err);
 *     if (r == -ERANGE) ... fewer than 6 blocks: there is an estimate, but no interval */
#ifndef CUPEL_STATS_RANK_H
#define CUPEL_STATS_RANK_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { RANK_HL_MAX = 2000 };

struct rank_interval {
    double estimate;
    double lo, hi; /* unit of the input */
    double level;  /* achieved, >= 1 - alpha: ranks are discrete */
    size_t n;
    size_t lo_rank, hi_rank; /* which order statistics lo and hi are, from 1 */
};

/* The rank q of the Walsh averages at which the signed-rank interval starts (it ends at M + 1 - q,
 * M = n(n+1)/2): q = qsignrank(alpha/2, n), achieved level 1 - 2 P(V <= q - 1).
 * Source: Hollander, Wolfe, Chicken, Nonparametric Statistical Methods, 3rd ed., 3.3. */
int rank_hl_cut(size_t n, double alpha, size_t *ret_q, double *ret_level, struct err *err);

/* Least n for which rank_hl has an interval at this alpha: 6 at .05, 7 at .03, 8 at .01. */
size_t rank_hl_min_n(double alpha);

/* Hodges-Lehmann estimate: the median of the Walsh averages (d_i + d_j)/2, i <= j. NaN when n is 0
 * or above RANK_HL_MAX. */
double rank_hl_estimate(const double *d, size_t n);

/* That estimate with its exact interval. Exact for differences that are independent and symmetric
 * about their centre, as those of pairs in random order are. */
int rank_hl(const double *d, size_t n, double alpha, struct rank_interval *ret, struct err *err);

/* As rank_hl with q and level from rank_hl_cut, for loops over many samples of one size. */
void rank_hl_at(const double *d, size_t n, size_t q, double level, struct rank_interval *ret);

/* The p-quantile (type 7) with the order-statistic interval from the binomial distribution; p = .5
 * is the interval of the median, which assumes independence and nothing else.
 * Source: Conover, Practical Nonparametric Statistics, 3rd ed., 3.2. */
int rank_quantile(const double *y, size_t n, double p, double alpha, struct rank_interval *ret,
                  struct err *err);
int rank_median(const double *y, size_t n, double alpha, struct rank_interval *ret,
                struct err *err);
/* Least n for which rank_quantile has a two-sided interval: p90 36, p99 368 at alpha = .05. */
size_t rank_quantile_min_n(double p, double alpha);

enum rank_method {
    RANK_AUTO,             /* exact below 50 values without ties or zeros, else corrected normal */
    RANK_EXACT,            /* refuses ties and zeros (ERR_USAGE) */
    RANK_NORMAL,           /* with the variance corrected for ties */
    RANK_NORMAL_CORRECTED, /* and with the continuity correction */
};

struct rank_test {
    double statistic; /* V: rank sum of the positive differences; W: Mann-Whitney's count for x */
    size_t n;         /* values used: zero differences are dropped (Wilcoxon) */
    bool exact;
    double p_two, p_greater, p_less; /* greater: the first sample (or d) tends to be larger */
};

/* Wilcoxon's signed-rank test that d is symmetric about 0. All zeros: statistic 0, every p = 1. */
int rank_signed_test(const double *d, size_t n, enum rank_method method, struct rank_test *ret,
                     struct err *err);
/* Mann-Whitney's rank-sum test of x against y. */
int rank_sum_test(const double *x, size_t nx, const double *y, size_t ny, enum rank_method method,
                  struct rank_test *ret, struct err *err);

#endif
