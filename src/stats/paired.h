/* The two summaries that analysis calls: of a cell's block differences against the base, and of a
 * target's absolute values.
 *
 * Layer: stats. Differences d_b = ln(y_B,b / y_A,b), one a block, in the order measured; a block is
 * the replicate, never a slice.
 *
 *     struct paired p;
 *     int r = paired_summary(d, n, rule.alpha_prime, &p, err);
 *     printf("%.3f [%.3f, %.3f]", exp(p.estimate), exp(p.lo), exp(p.hi)); */
#ifndef CUPEL_STATS_PAIRED_H
#define CUPEL_STATS_PAIRED_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum paired_flag {
    PAIRED_NO_INTERVAL = 1 << 0,    /* too few blocks: lo, hi are infinite */
    PAIRED_ASYMMETRIC = 1 << 1,     /* HL, median and mean lie further apart than the half-width:
                                       bimodal or skewed; look at median_lo, median_hi instead */
    PAIRED_AUTOCORRELATED = 1 << 2, /* r1 > 1.645/sqrt(n): the interval is narrower than true */
    PAIRED_NOT_STEADY = 1 << 3,     /* the first third differs from the rest by > half-width */
};

struct paired {
    size_t n;
    double estimate;              /* Hodges-Lehmann, log */
    double lo, hi;                /* exact signed-rank interval, log */
    double level;                 /* achieved; 0 without an interval */
    double half_width;            /* (hi - lo)/2, inf without an interval */
    double median, mean, sd;      /* logs; sd NaN for n < 2 */
    double median_lo, median_hi;  /* order-statistic interval of the median; infinite if none */
    double r1;                    /* lag-1 autocorrelation; NaN for n < 3 */
    double p;                     /* within-block sign flip on the signed rank, two-sided */
    double first_third, the_rest; /* medians, log; NaN for n < 10 */
    unsigned flags;               /* enum paired_flag */
};

/* n = 0 gives NaN everywhere, n = 1.. an estimate with PAIRED_NO_INTERVAL until an interval exists.
 * Errors: ERR_USAGE EINVAL for values that are not finite or an alpha outside (0, 1). */
int paired_summary(const double *d, size_t n, double alpha, struct paired *ret, struct err *err);

/* Stable name of one flag ("no-interval", "asymmetric", "autocorrelated", "not-steady"), as stored
 * and exported; NULL for none. Loop over flag = 1, 2, 4, ... until NULL. */
const char *paired_flag_name(unsigned flag);

struct single {
    size_t n;
    double median, lo, hi; /* order-statistic interval; lo, hi infinite where none exists */
    double level;          /* achieved; 0 without an interval */
    double mean, variance; /* sample variance (n - 1), unit squared; NaN for n < 2 */
    double min, max, mad;
    double r1;
    bool has_interval;
    bool steady; /* by first third against the rest, shift beyond the half-width */
};

/* y in time order, any unit. n = 0 gives NaN everywhere. Errors as paired_summary. */
int single_summary(const double *y, size_t n, double alpha, struct single *ret, struct err *err);

#endif
