/* The exact interval of a rate, for failures and other outcomes that happen or not.
 *
 * Layer: stats. Source: Clopper, Pearson, Biometrika 26, 1934, in its beta-quantile form. */
#ifndef CUPEL_STATS_BINOM_H
#define CUPEL_STATS_BINOM_H

#include "base/err.h"

#include <stddef.h>

struct binom_interval {
    double rate; /* hits / n */
    double lo, hi;
};

/* Two-sided, level at least 1 - alpha. n = 0 gives rate NaN within [0, 1].
 * Errors: ERR_USAGE EINVAL for hits > n or an alpha outside (0, 1). */
int binom_clopper_pearson(size_t hits, size_t n, double alpha, struct binom_interval *ret,
                          struct err *err);

#endif
