/* The difference of two means whose spreads need not be alike: for figures of whole runs, a few a
 * side.
 *
 * Layer: stats. x, y: one value a replicate, here the log ratio of a run, so that the difference is
 * the log of a ratio of ratios. Whatever moves a run as a whole (what the kernel gave it, the hour)
 * and whatever is left of the noise within it are both in the spread of these values: nothing else
 * is needed, but for one thing. The spread of three values is by luck small at times, smaller than
 * the noise within the runs can leave it: `least_sd` is what that noise alone makes of it, and no
 * side's spread is taken to be less. That only widens intervals: of the degrees of freedom with and
 * without, the fewer count.
 *
 *     t = (mean y - mean x) / se,   se^2 = s_x^2/n_x + s_y^2/n_y
 *     df = se^4 / ((s_x^2/n_x)^2/(n_x - 1) + (s_y^2/n_y)^2/(n_y - 1))
 *
 * Source: Welch, Biometrika 34, 1947; the degrees of freedom Satterthwaite, Biometrics Bulletin 2,
 * 1946; as R's t.test has it.
 *
 *     struct welch_sample old = {.v = a, .n = 3}, new = {.v = b, .n = 3};
 *     struct welch w;
 *     int r = welch_compare(&old, &new, .05, &w, err);
 *     printf("%.3f [%.3f, %.3f]", exp(w.difference), exp(w.lo), exp(w.hi)); */
#ifndef CUPEL_STATS_WELCH_H
#define CUPEL_STATS_WELCH_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct welch_sample {
    const double *v;
    size_t n;
    double least_sd; /* of a value, unit of the input; 0 or NaN: nothing is known */
};

struct welch {
    double difference; /* mean y - mean x, unit of the input */
    double se, df;     /* NaN where there is no interval */
    double lo, hi;     /* infinite where there is none: fewer than two values a side */
    double level;      /* 1 - alpha; 0 without an interval */
    double p;          /* of no difference, two-sided; NaN without */
    bool has_interval;
};

/* Where no value differs from its side's others and no least spread is known, the interval is the
 * difference itself and p 1 or 0: what never varies (a count of calls) is known. Errors: ERR_USAGE
 * EINVAL for an empty side, values that are not finite, or an alpha outside (0, 1). */
int welch_compare(const struct welch_sample *x, const struct welch_sample *y, double alpha,
                  struct welch *ret, struct err *err);

#endif
