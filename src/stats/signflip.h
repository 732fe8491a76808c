/* Randomisation test of paired differences: were the two subjects of a block alike, each difference
 * could as well have carried the other sign. The reference distribution comes from the very
 * assignment the schedule drew, so ties and zeros need no correction and no shape is assumed.
 *
 * Layer: stats. Source: Phipson, Smyth, "Permutation p-values should never be zero", 2010, for the
 * (b+1)/(B+1) of the sampled form.
 *
 *     struct signflip p;
 *     if (signflip_test(d, n, SIGNFLIP_SIGNED_RANK, seed, &p, err) == 0 && p.p < .05) ... */
#ifndef CUPEL_STATS_SIGNFLIP_H
#define CUPEL_STATS_SIGNFLIP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum signflip_statistic {
    SIGNFLIP_SIGNED_RANK, /* rank sum of the positive differences, midranks for ties */
    SIGNFLIP_MEAN,        /* sum of the differences */
};

enum { SIGNFLIP_ENUMERATE_MAX = 20, SIGNFLIP_COUNT_MAX = 200, SIGNFLIP_DRAWS = 99999 };

struct signflip {
    double p;         /* two-sided */
    double p_greater; /* one-sided: the differences tend to be above 0 */
    bool exact;       /* every one of the 2^n flips was counted */
    uint64_t flips;   /* how many flips p rests on; 0 when exact and more than 2^63 */
};

/* p of the statistic's distance from its centre, and of its being so large. All flips are counted:
 * for the mean one by one up to n = 20, for the signed rank by convolving the (doubled, hence
 * whole) midranks, up to n = 200. Beyond, 99 999 seeded draws and p = (b+1)/(B+1). n = 0 or all
 * zeros gives p = 1. Errors: ERR_USAGE for values that are not finite. */
int signflip_test(const double *d, size_t n, enum signflip_statistic statistic, uint64_t seed,
                  struct signflip *ret, struct err *err);

#endif
