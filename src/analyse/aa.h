/* A/A: every target beside itself under a second name. What the machine and the procedure see where
 * there is nothing to see.
 *
 * Layer: analyse. Plain data, for any report. Ownership: aa_release. Twins are compared with one
 * another, never with the base: targets 2k and 2k + 1 of a plan with `aa`. The per-block values and
 * the intervals are those of analyse.h, with the first of the two in the base's place.
 *
 *     struct aa x = {0};
 *     analyse_aa(s, &a, &x, err);
 *     const struct aa_entry *e = aa_at(&x, cell, pair);     // of targets 2 pair and 2 pair + 1 */
#ifndef CUPEL_ANALYSE_AA_H
#define CUPEL_ANALYSE_AA_H

#include "analyse/analyse.h"

struct aa_entry {
    struct estimate ratio; /* n = 0: the two have no block in common */
    bool alarm;            /* the interval leaves 1 out */
    double resolvable;     /* least difference found with power .8 at .05, a fraction; NAN */
};

struct aa {
    size_t n_cells, n_pairs;
    struct aa_entry *entries; /* n_cells * n_pairs, cell-major */
    size_t intervals, alarms; /* comparisons that have an interval; of those, that leave 1 out */
    size_t allowed;           /* the 99 % point of a true 5 % (stats/multi.h) */
    double rate_lo, rate_hi;  /* of alarms, Clopper-Pearson 95 %; [0, 1] without intervals */
    double floor;             /* 95th percentile of |estimate|, a fraction; NAN */
};

/* Is the pair left out, since the CPU of its target is emulated? */
bool aa_withholds(const struct analysis *a, size_t pair);
/* The plan has to have `aa`. */
int analyse_aa(struct store *s, const struct analysis *a, struct aa *ret, struct err *err);
void aa_release(struct aa *x);
const struct aa_entry *aa_at(const struct aa *x, size_t cell, size_t pair);

#endif
