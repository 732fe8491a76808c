/* Does the arithmetic keep its promises? Simulated noise of known truth goes through the very
 * functions that judge real runs, and what comes out is counted: coverage of the intervals, false
 * alarms, effects found. Used by the unit tests and by the self-test a user can run.
 *
 * Layer: stats. Seeded: the same seed gives the same table. Unit of all values: the standard
 * deviation of the independent part of the noise of one slot (log scale).
 *
 *     struct sim_table t;
 *     if (sim_table_run(400, 1, NULL, NULL, &t, err) == 0) {
 *         for (size_t i = 0; i < t.n; i++) ... t.row[i].pass
 *         sim_table_release(&t);
 *     } */
#ifndef CUPEL_STATS_SIMULATE_H
#define CUPEL_STATS_SIMULATE_H

#include "base/err.h"
#include "base/rand.h"
#include "stats/sequential.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The noise of successive slots of one machine, each on top of independent N(0, 1). */
enum sim_noise {
    SIM_LOGNORMAL, /* nothing more: times are lognormal */
    SIM_AR,        /* plus AR(1), phi .95, stationary sd 1: a neighbour's load */
    SIM_BIMODAL,   /* 30 % of slots at +5: two page placements, two cores */
    SIM_HEAVY,     /* 5 % of slots at + lognormal(2, 1), median 7: interrupts, other tenants */
    SIM_REGIME,    /* two levels 5 apart, switching with probability .05 a slot */
    SIM_DRIFT,     /* +.05 a slot: temperature, filling caches */
    SIM_NOISE_COUNT
};

const char *sim_noise_name(enum sim_noise noise);

struct sim_source {
    enum sim_noise noise;
    struct rng rng;
    double ar, level, drift; /* state of the correlated part */
    double spare;            /* second normal of a Box-Muller pair, NaN if used */
};

/* stream: the replicate's number. The state starts stationary. */
void sim_source_init(struct sim_source *s, enum sim_noise noise, uint64_t seed, uint64_t stream);
/* Log value of the next slot. */
double sim_slot(struct sim_source *s);
/* Two slots in random order, B carrying `effect`: B - A. */
double sim_pair(struct sim_source *s, double effect);

/* One statement tested: value compared with bound. */
struct sim_row {
    const char *what;  /* "coverage", "stopping", "false alarms", "power", "control: ..." */
    const char *noise; /* sim_noise_name, "phi .4" or "recorded" */
    size_t n;          /* blocks; for stopping the most blocks allowed */
    size_t replicates;
    double value; /* share of the replicates */
    double bound;
    bool at_least;      /* pass means value >= bound, else value <= bound */
    double mean_blocks; /* used; n except for stopping */
    bool pass;
};

struct sim_table {
    struct sim_row *row;
    size_t n;
    bool pass; /* all rows */
};

/* Share of replicates whose 1 - alpha interval (rank_hl of n pairs in random order) holds the true
 * effect. Errors: as rank_hl. */
int sim_coverage(enum sim_noise noise, size_t n, double alpha, size_t replicates, uint64_t seed,
                 struct sim_row *ret, struct err *err);

/* The same end to end: pairs are added until the rule says precise or max_blocks are spent, and the
 * interval that would then be printed is judged. rule->half_width is in units of the noise. */
int sim_stopping(const struct stop_rule *rule, enum sim_noise noise, size_t max_blocks,
                 size_t replicates, uint64_t seed, struct sim_row *ret, struct err *err);

/* Median half-width at n blocks: a half_width for sim_stopping that makes cells stop about there.
 */
int sim_typical_half_width(enum sim_noise noise, size_t n, double alpha, uint64_t seed, double *ret,
                           struct err *err);

/* Share of replicates in which the sign-flip test at alpha finds the effect; with effect 0, the
 * false alarms. */
int sim_detection(enum sim_noise noise, size_t n, double effect, double alpha, size_t replicates,
                  uint64_t seed, struct sim_row *ret, struct err *err);

/* False alarms on recorded noise: blocks of `n` pairs of successive values, taken from a random
 * place of y (log values of one subject in time order, `slots` of them, at least 4 n) with the
 * names A and B drawn anew for each pair. With `shuffled` false the first of a pair is always A, a
 * control for noise in which position matters. Errors: ERR_USAGE EINVAL for too short a record or
 * values that are not finite. */
int sim_recorded(const double *y, size_t slots, size_t n, bool shuffled, size_t replicates,
                 uint64_t seed, struct sim_row *ret, struct err *err);

/* Negative controls: what the procedure forbids, and which has to be caught failing.
 * Sequential: n times A, then n times B, rank-sum test: share of false alarms.
 * Correlated: coverage of rank_hl on differences that are AR(1) with phi = .4. */
int sim_control_sequential(enum sim_noise noise, size_t n, size_t replicates, uint64_t seed,
                           struct sim_row *ret, struct err *err);
int sim_control_correlated(size_t n, size_t replicates, uint64_t seed, struct sim_row *ret,
                           struct err *err);

/* The rule of stats/gate.h as a run has it: `cells` cells, each measured until its interval is as
 * narrow as half the gate, or max_blocks are spent. Without `planted` all of them are at the very
 * gate, and the share of replicates with any regression is counted; with it one cell is so much
 * slower (a fraction), the others not at all, and the share in which that one is found. */
struct sim_gate {
    size_t cells, max_blocks;
    double gate, planted; /* fractions */
    double unit;          /* of the noise: what its standard deviation of 1 is in logs */
};
int sim_gate(const struct sim_gate *g, enum sim_noise noise, size_t replicates, uint64_t seed,
             struct sim_row *ret, struct err *err);

enum { SIM_TABLE_ROWS = 6 * 6 + 6 * 4 + 6 + 1 + 3 + 1 + 6 + 1 };
/* Called after each row: it was number `rows` of SIM_TABLE_ROWS. */
typedef void sim_row_done(void *user, const struct sim_row *row, size_t rows);

/* All of it: coverage for n = 8, 10, 15, 20, 30, 50 and every noise; the default stopping rule for
 * half-widths that stop it early, midway and late; false alarms, power and controls; the gate.
 * Bounds allow for what `replicates` draws can err at the 99 % point; for coverage and power they
 * are bare from 2000 on. About 2 s per 1000 replicates. Errors: ERR_USAGE EINVAL for fewer than 100
 * replicates. done may be NULL. */
int sim_table_run(size_t replicates, uint64_t seed, sim_row_done *done, void *user,
                  struct sim_table *ret, struct err *err);
void sim_table_release(struct sim_table *t);

#endif
