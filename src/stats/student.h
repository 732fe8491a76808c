/* The mean of a few values that stand for many, and how closely it is known: for figures of whole
 * machines, of which some were measured.
 *
 * Layer: stats. y: one value a replicate, here the log ratio of a machine.
 *
 *     t = mean y / se,   se = s / sqrt n,   n - 1 degrees of freedom
 *
 * As with stats/welch.h, s is never taken to be less than `least_sd`, what the noise within the
 * replicates alone makes of it: the spread of five values is by luck small at times. That only
 * widens intervals.
 *
 * Source: Student, "The probable error of a mean", Biometrika 6, 1908; as R's t.test has it.
 *
 *     struct student m;
 *     int r = student_mean(y, n, least_sd, .05, &m, err);
 *     printf("%.3f [%.3f, %.3f]", exp(m.mean), exp(m.lo), exp(m.hi)); */
#ifndef CUPEL_STATS_STUDENT_H
#define CUPEL_STATS_STUDENT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct student {
    double mean;   /* unit of the input */
    double se;     /* NaN where there is no interval */
    double lo, hi; /* infinite where there is none: fewer than two values */
    double level;  /* 1 - alpha; 0 without an interval */
    double p;      /* of a mean of 0, two-sided; NaN without */
    bool has_interval;
};

/* least_sd: of a value, unit of the input; 0 or NaN: nothing is known. Where no value differs from
 * the others and no least spread is known, the interval is the mean itself and p 1 or 0. Errors:
 * ERR_USAGE EINVAL for no value, values that are not finite, or an alpha outside (0, 1). */
int student_mean(const double *y, size_t n, double least_sd, double alpha, struct student *ret,
                 struct err *err);

#endif
