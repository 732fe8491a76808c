/* From stored samples to estimates and verdicts. Called while measuring (which cells are precise
 * enough?) and while showing; both read the same store, so a verdict can always be recomputed.
 *
 * Layer: analyse. Pure with respect to the store: reads only.
 *
 * Per block b, cell and target: x_b = median over rounds of ln(y_target / y_base) within the round,
 * y = ns / ops, and the absolute value a_b = median over rounds of y. Blocks are the replicates.
 * The ratio is exp(Hodges-Lehmann of x), its interval the exact signed-rank one (stats/paired.h).
 */
#ifndef CUPEL_ANALYSE_ANALYSE_H
#define CUPEL_ANALYSE_ANALYSE_H

#include "base/err.h"
#include "stats/verdict.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/* An estimate with its interval; n = 0: none. All NAN where it cannot be computed. */
struct estimate {
    double value, lo, hi;
    double level; /* achieved, e.g. .971 */
    size_t n;     /* blocks */
};

enum cell_status {
    CELL_OK,          /* measured, no failure */
    CELL_SOME_FAILED, /* measured in some blocks, failed in others */
    CELL_FAILED,      /* failed in every block it was tried in */
    CELL_NOT_MEASURED /* never tried (target unusable, run interrupted before it) */
};

/* Data-quality remarks about one cell. */
#define CELL_FLAG_ASYMMETRIC                                                                       \
    1u /* HL, median and mean of the log ratios differ by more than the half-width */
#define CELL_FLAG_AUTOCORRELATED 2u  /* lag-1 r above 1.645/sqrt(n) */
#define CELL_FLAG_NOT_STEADY     4u  /* first third of the blocks differs from the rest */
#define CELL_FLAG_DRIFT          8u  /* guest clock off by more than 1 % */
#define CELL_FLAG_TOO_FEW        16u /* fewer blocks than an interval needs */
#define CELL_FLAG_NOISY_ENV                                                                        \
    32u /* a covariate passed its threshold in more than a tenth of the blocks */

/* What a number is worth depends on what the operation did. Each: in more than half of the blocks.
 */
#define CELL_FLAG_MEMORY_FS  64u   /* a root file system that is really memory */
#define CELL_FLAG_NOT_COLD   128u  /* what was to be read cold was in a cache */
#define CELL_FLAG_FSYNC      256u  /* syncs cost less than half of the base's: not honoured? */
#define CELL_FLAG_HUGE_PAGES 512u  /* other huge pages than the base has */
#define CELL_FLAG_PEER       1024u /* the server was busy throughout, and the client was not */
#define CELL_SEMANTICS       5     /* how many these are, from MEMORY_FS on */
/* Whatever the operation did: */
#define CELL_FLAG_EMULATED      2048u /* its CPU is emulated in software */
#define CELL_FLAG_OTHER_MACHINE 4096u /* it ran on another machine than the base */

struct cell_result {
    uint32_t cell, target;
    enum cell_status status;
    bool is_base;
    size_t tried, failed;          /* blocks */
    double failure_lo, failure_hi; /* Clopper-Pearson 95 % of the failure rate */
    enum err_kind fail_kind;       /* of the first failure */
    char fail_text[480];
    struct estimate ratio;       /* time per operation against the base; > 1 is slower */
    struct estimate absolute;    /* ns per operation, median over blocks */
    struct estimate cpu;         /* host CPU ns per operation of the whole sandbox */
    double cpus_busy;            /* host CPU time / wall time while its slices ran; NAN unknown */
    double mean_ns, variance_ns; /* of the per-block values, sample variance (n-1) */
    double base_mean_ns;         /* over the blocks in which this target was measured too */
    double overhead;    /* the paper's formula (1) on mean performance (1/time): |v - n| / n */
    double degradation; /* signed: positive is worse */
    double r1;          /* lag-1 autocorrelation of the log ratios */
    double sign_flip_p; /* within-block sign flip; NAN for the base */
    double adjusted_p;  /* Holm over the run's non-base cells */
    /* Median over blocks of each block's latency quantile; 0 none. p999_ns over the blocks alone
     * that timed at least a thousand operations. */
    uint64_t p50_ns, p90_ns, p99_ns, p999_ns;
    size_t latency_n;           /* operations timed, all blocks */
    uint64_t peak_memory_bytes; /* highest over blocks; 0 unknown */
    unsigned flags;
    enum verdict verdict;
    bool precise; /* the stopping rule is satisfied */
};

struct analysis {
    struct run_head head;
    size_t n_targets, n_cells;
    struct target_row *targets;  /* n_targets */
    char (*target_reason)[240];  /* why a target was not measured, "" if it was */
    bool *emulated;              /* per target: its CPU is emulated in software */
    char **machine;              /* per target: where it ran, if not here: "node n2"; NULL */
    struct cell_result *results; /* n_cells * n_targets, cell-major */
    struct warning *warnings;
    size_t n_warnings;
    size_t n_blocks;          /* complete ones */
    struct estimate *geomean; /* per target, over its cells in the composite (block bootstrap) */
    double noise_floor;       /* smallest half-width-resolvable difference seen: median MDE; NAN */
    uint64_t elapsed_ns;
};

int analyse_run(struct store *s, int64_t run, struct analysis *ret, struct err *err);
/* As analyse_run; emulated_too: with verdicts of emulated CPUs, whatever the run's plan says. */
int analyse_run_with(struct store *s, int64_t run, bool emulated_too, struct analysis *ret,
                     struct err *err);
/* As analyse_run without the composites over cells (geomean stays NAN), whose bootstrap takes
 * longer than all the rest: for looks between blocks. */
int analyse_progress(struct store *s, int64_t run, struct analysis *ret, struct err *err);
void analysis_release(struct analysis *a);
/* An emulated CPU says nothing of the hardware: unless the plan has `emulated_too`, a target on one
 * takes no part in whatever compares targets, and where the base is on one nothing does. */
bool analysis_withholds(const struct analysis *a, size_t target);
/* 1 - the level at which the run's intervals are computed: .05, or the stopping rule's. */
double analysis_alpha(const struct analysis *a);
/* Is it about work done inside, and not about starts, crowds, neighbours or counts? */
bool analysis_is_work(const struct cell *c);
bool analysis_has_work(const struct analysis *a);
/* Does the composite (geomean) take this cell? Where a run has work, all else stands for itself. */
bool analysis_in_composite(const struct analysis *a, size_t cell);
const struct cell_result *analysis_at(const struct analysis *a, size_t cell, size_t target);

/* The per-block series behind a cell, for the cell view, the export and the reports. Arrays of n.
 */
struct cell_series {
    size_t n;
    uint32_t *block;
    double *log_ratio; /* NAN for the base or a block without both */
    double *ns_per_op;
    double *cpu_per_op;
};
int analyse_series(struct store *s, int64_t run, uint32_t cell, uint32_t target,
                   struct cell_series *ret, struct err *err);
/* Of all targets at once, from one reading of the cell's trials: ret has room for a->n_targets. */
int analyse_series_all(struct store *s, const struct analysis *a, uint32_t cell,
                       struct cell_series *ret, struct err *err);
void cell_series_release(struct cell_series *c);

#endif
