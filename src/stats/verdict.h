/* From an interval to a word, and from a wish to a number of blocks.
 *
 * Layer: stats. Everything is in logs of the ratio B/A of costs (times); for metrics where higher
 * is better the caller passes higher_is_better and the direction turns. theta is a fraction (.02 is
 * 2 %), the practical threshold: ratios within 1/(1+theta) .. 1+theta are taken to be alike. */
#ifndef CUPEL_STATS_VERDICT_H
#define CUPEL_STATS_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

enum verdict {
    VERDICT_INCONCLUSIVE, /* anything else, an absent interval included */
    VERDICT_SLOWER,       /* the whole interval lies beyond theta */
    VERDICT_FASTER,
    VERDICT_EQUIVALENT, /* within theta, and 0 is in it: never "no difference" */
    VERDICT_SMALL,      /* within theta, and 0 is not in it: a difference, too small to matter */
    VERDICT_EMULATED,   /* none is given: the CPU was emulated. Never verdict_of's */
    VERDICT_COUNT
};

/* lo <= hi, logs; infinite or NaN ends (no interval) are inconclusive. */
enum verdict verdict_of(double lo, double hi, double theta, bool higher_is_better);

/* Which way the interval excludes 0: 1 worse, -1 better, 0 neither. Says "slower, how much is
 * open" for an inconclusive cell whose interval crosses theta but not 0. */
int verdict_direction(double lo, double hi, bool higher_is_better);

/* "inconclusive", "slower", "faster", "equivalent", "detectable-small", "emulated-cpu"; as
 * exported. */
const char *verdict_name(enum verdict v);
/* VERDICT_COUNT for an unknown name. */
enum verdict verdict_parse(const char *name);

/* Smallest difference (log) that n blocks find with power .8 at .05: (z.975 + z.8) sd sqrt(pi/3n);
 * pi/3 is the price of ranks against means under normal noise. sd: of the block differences. */
double verdict_mde(double sd, size_t n);

/* Blocks needed to find a difference of theta with the given power at .05:
 * N = (pi/3)((z.975 + z_power) sd / ln(1 + theta))^2, a large-sample formula, unrounded ... */
double verdict_power_formula(double sd, double theta, double power);
/* ... and the same for planning: plus z.975^2 / 2 for the estimated spread (Guenther 1981), rounded
 * up, at least the 6 blocks without which no 95 % interval exists, or 7 where 6 fall short. */
size_t verdict_power_blocks(double sd, double theta, double power);

#endif
