/* What the parts of the simulator share.
 *
 * Layer: stats, internal. */
#ifndef CUPEL_STATS_SIMULATE_PARTS_H
#define CUPEL_STATS_SIMULATE_PARTS_H

#include "stats/simulate.h"

/* n differences of pairs in random order into d, which is returned. stream: the replicate's number.
 */
double *sim_pairs(enum sim_noise noise, size_t n, double effect, uint64_t seed, uint64_t stream,
                  double *d);
/* Value, bound and pass of a row whose replicates are set. */
void sim_row_finish(struct sim_row *row, size_t hits, double bound, bool at_least);

struct sim_look {
    size_t n, q; /* blocks; rank at which the interval starts */
    double level;
};

/* The rule's looks within max_blocks, and max_blocks itself, where the budget ends it. looks has
 * room for STOP_LOOKS_MAX + 1. Errors: as stop_rule_check and rank_hl_cut. */
int sim_looks(const struct stop_rule *rule, size_t max_blocks, struct sim_look *looks,
              size_t *ret_n, struct err *err);

#endif
