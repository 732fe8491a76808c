/* Several runs against several others: has what a target costs, against the base of its own run,
 * changed from one side (A) to the other (B)?
 *
 * Layer: analyse. Plain data, for any report. Ownership: compare_release.
 *
 * The replicate is the run. A run gives one number a cell and target, y = the log of its ratio to
 * that run's base (analyse.h: Hodges-Lehmann over blocks), and for cells that are factors of
 * themselves (time beside a neighbour / without), or for all if that is asked for, the log of the
 * value. B against A is
 * exp(mean y_B - mean y_A) with Welch's interval over runs (stats/welch.h): whatever differs from
 * run to run is in the spread of y, and so is what noise is left of the blocks within; that spread
 * is never taken to be less than what the runs' own intervals show of this noise. All blocks
 * of all runs thrown together would say how closely these runs are known, and not what the next one
 * will show.
 *
 *     struct compare_request q = {.runs = runs, .n = {3, 3}};
 *     compare_runs(s, &q, &c, err);
 *     const struct comparison *x = compare_at(&c, cell, target); */
#ifndef CUPEL_ANALYSE_COMPARE_H
#define CUPEL_ANALYSE_COMPARE_H

#include "analyse/analyse.h"
#include "analyse/environ.h"
#include "analyse/known-cells.h"
#include "stats/welch.h"

#define COMPARE_RUNS_MIN 3 /* a side, for a verdict */
#define COMPARE_RUNS_MAX 64
#define COMPARE_ALPHA    .05 /* of intervals, of Holm, and the q of Benjamini-Hochberg */

enum compare_side_name { SIDE_A, SIDE_B, SIDES };

struct compare_request {
    const int64_t *runs; /* A's, then B's */
    size_t n[SIDES];
    double theta; /* 0: the runs' own, which has to be one */
    /* Cells declared to be what it is about: their names, their workloads, families or globs. */
    const char *const *primary;
    size_t n_primary;
    bool absolute; /* what cells came to, where there is no base: ratios of B's values to A's */
    bool force;    /* also where ratios do not mean the same */
};

enum comparison_status {
    COMPARISON_OK,
    COMPARISON_FEW,      /* fewer runs with a figure than a verdict takes, on a side */
    COMPARISON_NONE,     /* no figure at all on a side, where it was measured */
    COMPARISON_ONE_SIDE, /* the other side has no such cell, or no such target */
    COMPARISON_ABSENT    /* neither has: a cell of other targets */
};

/* What holds a verdict back that the interval alone would give. */
enum comparison_hold {
    HOLD_NONE,
    HOLD_FAILED, /* the side that would be the better one failed at times */
    HOLD_MANY    /* it does not stand among so many comparisons */
};

struct comparison_side {
    size_t runs;          /* that were to measure it */
    size_t n;             /* that have a figure */
    size_t tried, failed; /* blocks */
    enum err_kind fail_kind;
    const char *fail_text; /* of the first failure, as it came; "" without; of an analysis below */
    double mean;           /* of the logs; NAN without */
    double sd;             /* of the logs, between runs; NAN below 2 */
    double within;         /* root mean square of the runs' own standard errors, log; NAN unknown */
};

struct comparison {
    uint32_t cell, target; /* of struct compare */
    enum comparison_status status;
    struct comparison_side side[SIDES];
    struct welch w;        /* logs; only with a figure on both sides */
    struct estimate ratio; /* exp of it: B against A, > 1 is dearer; n: runs of both */
    double between;        /* sd between runs, both sides pooled; NAN unknown */
    double within;         /* what the runs' own intervals make one expect of it; NAN unknown */
    bool primary;
    double adjusted_p; /* NAN: not tested */
    enum verdict verdict;
    enum comparison_hold hold;
};

/* When the sides were measured. */
enum compare_order {
    ORDER_MIXED,   /* in turns, or overlapping */
    ORDER_A_FIRST, /* on one machine, all of A and then all of B */
    ORDER_B_FIRST,
    ORDER_MACHINES /* on several machines */
};

struct compare {
    size_t n_runs, n_a; /* A's come first */
    bool absolute;
    struct analysis *runs;
    double theta;
    struct known_cells cells;     /* of any run */
    struct known_targets targets; /* of any run */
    int32_t *cell_in;             /* n_runs * cells.n: which of the run's cells it is; -1: none */
    struct comparison *results;   /* cells.n * targets.n, cell-major */
    struct environ environ;
    enum compare_order order;
    size_t machines;
    size_t n_primary, n_rest; /* comparisons that were tested: by Holm, by Benjamini-Hochberg */
};

/* ERR_USAGE, one line: a run that is there twice, sides of which nothing is common, runs of several
 * thresholds, a primary cell that is in no run, environments in which ratios do not mean the same
 * (but for force). */
int compare_runs(struct store *s, const struct compare_request *q, struct compare *ret,
                 struct err *err);
void compare_release(struct compare *c);
const struct comparison *compare_at(const struct compare *c, size_t cell, size_t target);
/* Is it the base of a run? Then only values can be compared, and no ratios to it. */
bool compare_is_base(const struct compare *c, size_t target);
/* Do figures of runs that differ in this field not mean the same? */
bool compare_forbids(const struct compare *c, const struct environ_field *f);
size_t compare_side_runs(const struct compare *c, enum compare_side_name side);
/* Stable, for csv and json: "ok", "too-few-runs", "no-figure", "one-side-only". */
const char *comparison_status_name(enum comparison_status s);
const char *comparison_hold_name(enum comparison_hold h); /* "", "failures", "multiplicity" */

#endif
