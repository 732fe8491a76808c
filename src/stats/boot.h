/* Bootstrap intervals, for what ranks cannot give: means, and composites over workloads. For single
 * cells rank.h is better: at n = 10 to 30 the bootstrap of a mean covers .78 to .90 instead of .95.
 *
 * Layer: stats. Seeded: the same seed gives the same interval.
 * Sources: Davison, Hinkley, Bootstrap Methods and their Application, 1997, ch. 5 (basic,
 * percentile, BCa with the acceleration from the jackknife); Hesterberg, "What Teachers Should Know
 * about the Bootstrap", 2015 (expanded percentile, for few blocks).
 *
 *     struct boot ci;
 *     boot_interval(y, n, describe_mean, BOOT_DRAWS, .05, seed, &ci, err); */
#ifndef CUPEL_STATS_BOOT_H
#define CUPEL_STATS_BOOT_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { BOOT_DRAWS = 10000, BOOT_DRAWS_MIN = 1000 };

typedef double (*boot_statistic)(const double *y, size_t n);

struct boot {
    double estimate;
    double basic_lo, basic_hi;
    double percentile_lo, percentile_hi;
    double bca_lo, bca_hi;
};

/* Errors: ERR_MEASUREMENT ERANGE for n < 3; ERR_USAGE EINVAL for values that are not finite, fewer
 * than BOOT_DRAWS_MIN draws, or an alpha outside (0, 1). A statistic that is the same in every
 * resample gives intervals of width 0. */
int boot_interval(const double *y, size_t n, boot_statistic statistic, size_t draws, double alpha,
                  uint64_t seed, struct boot *ret, struct err *err);

struct boot_geomean {
    double estimate; /* log of the geometric mean over workloads of their ratios */
    double lo, hi;   /* logs; expanded percentile interval */
    size_t blocks, workloads;
};

/* The geometric mean over workloads of a target's ratios to the base, each workload's ratio being
 * its Hodges-Lehmann estimate. d[b * workloads + w] is the log ratio of block b in workload w, NaN
 * where the block has none (the cell was precise enough and dropped out, or failed). Whole blocks
 * are drawn, since one launch serves all workloads of a block. A workload without any value is an
 * error, not a hole: leave it out and say so.
 * Errors: as boot_interval; ERR_MEASUREMENT ERANGE for fewer than 6 blocks or an empty workload. */
int boot_geomean(const double *d, size_t blocks, size_t workloads, size_t draws, double alpha,
                 uint64_t seed, struct boot_geomean *ret, struct err *err);

#endif
