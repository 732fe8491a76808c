/* Runs of many machines: what does a target cost on machines like these, on which of them does it
 * cost something else, and which of them failed or are not like the others?
 *
 * Layer: analyse. Plain data, for any report. Ownership: machines_release.
 *
 * The replicate is the machine. A run gives one number a cell and target, y = the log of its ratio
 * to that run's base (known_cell_log); a machine's is the mean over its runs. What holds of
 * machines is exp(mean y) with Student's interval over machines (stats/student.h): whatever differs
 * from machine to machine is in the spread of y, and that is never taken to be less than what the
 * runs' own intervals show of the noise within. Of fewer than MACHINES_MIN machines nothing is
 * claimed beyond them. Cells and targets of a group are held to Benjamini and Hochberg's procedure
 * together.
 *
 * Where runs have no target but their base (a pod that measured its own sandbox), y is the log of
 * the value: which machines stand apart can be told of it, and nothing is slower or faster.
 *
 * Runs are analysed one after the other, and of each only its figures are kept: about 100 bytes a
 * machine, cell and target.
 *
 *     struct machines_request q = {.runs = runs, .n = 12};
 *     machines_read(s, &q, &m, err);
 *     const struct machines_result *x = machines_at(&m, 0, cell, target); */
#ifndef CUPEL_ANALYSE_MACHINES_H
#define CUPEL_ANALYSE_MACHINES_H

#include "analyse/compare.h"

#define MACHINES_MIN   5 /* in a group, for a verdict */
#define MACHINES_ALPHA .05
/* A machine stands apart from the median of its group by more than this many spreads: the modified
 * z score of Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993, 0.6745 |y - median| /
 * MAD, and their bound for it. The MAD of a handful is by luck near 0, so that takes some more of
 * them; and it has to be by more than so many of the figure's own standard errors. */
#define MACHINES_APART     3.5
#define MACHINES_APART_MIN 8
#define MACHINES_APART_SE  3

struct machines_request {
    const int64_t *runs;
    /* What the machine of each run is called, which tells it from others; NULL: that is in the
     * runs' records. */
    const char *const *names;
    size_t n;
    double theta;  /* 0: the runs' own, which has to be one */
    bool absolute; /* values instead of ratios; so it is where no run has a target but its base */
    bool force;    /* also where ratios do not mean the same */
};

/* What one machine found of a cell on a target. */
struct machine_figure {
    double log, se;    /* mean over its runs, and its own standard error; NAN without */
    double lo, hi;     /* of the log, the run's own interval; NAN without, and of several runs */
    unsigned runs, n;  /* that were to measure it; that have a figure */
    unsigned failed;   /* blocks, of all runs */
    char *fail_text;   /* of the first failure, as it came; NULL without */
    uint8_t fail_kind; /* enum err_kind */
    bool withheld;     /* an emulated CPU: it takes no part in what holds of machines */
    uint8_t verdict;   /* enum verdict: the run's own, of an only run */
};

struct machine_row {
    char id[65];   /* of the run's record, cut */
    char name[96]; /* as it was asked for, else its host name; inert; of several with one name, with
                      the id's beginning */
    size_t group;  /* its kind: an index of groups */
    size_t runs;
    int64_t last_run;     /* r<id> */
    size_t blocks;        /* complete ones, of its runs */
    char status[16];      /* of the first of its runs that did not end as planned; "" */
    size_t cells, failed; /* of all cells on all targets: to be measured; without a figure */
    size_t apart;         /* that stand apart */
};

/* What holds of a group of machines. */
struct machines_result {
    size_t machines;     /* that were to measure it */
    size_t n;            /* that have a figure */
    size_t failed;       /* in which it failed, once at least */
    size_t first_failed; /* machine: index of rows */
    size_t withheld;     /* whose CPU is emulated in software */
    struct estimate
        ratio;      /* or value; mean over machines; interval from MACHINES_MIN on; n: machines */
    double between; /* sd of the logs from machine to machine; NAN below 2 */
    double within;  /* root mean square of their own standard errors, log; NAN unknown */
    size_t least, most;   /* machines with the smallest and the greatest figure */
    double p, adjusted_p; /* NAN: not tested */
    enum verdict verdict;
    enum comparison_hold hold;
};

struct machines_group {
    char name[160];                  /* "AMD EPYC, 2 CPUs, 24 GiB, x86_64"; of all machines "all" */
    size_t n;                        /* machines */
    struct machines_result *results; /* cells.n * targets.n, cell-major */
    size_t tested;                   /* by Benjamini and Hochberg */
};

struct machine_apart {
    size_t machine, cell, target;
    double ratio, median; /* of its group; values where those are compared */
    double score;
};

struct machines {
    double theta;
    bool absolute; /* the figures are values: there is nothing to be slower or faster than */
    size_t n, n_runs;
    struct machine_row *rows; /* in the order in which they were met */
    struct known_cells cells;
    struct known_targets targets;
    bool *is_base;                  /* targets.n: of some run */
    struct machine_figure *figures; /* n * cells.n * targets.n, machine-major */
    /* The first is all of them; then, where there are several kinds, each kind. */
    VEC(struct machines_group) groups;
    VEC(struct machine_apart) apart; /* the farthest first */
    struct environ environ;          /* of runs */
    size_t *machine_of;              /* n_runs: index of rows */
    VEC(struct run_head *) kept;     /* that the cells were met in */
};

/* ERR_USAGE, one line: no run, a run that is there twice, runs of several thresholds, environments
 * in which ratios do not mean the same (but for force; another architecture is another kind of
 * machine, and no such thing). */
int machines_read(struct store *s, const struct machines_request *q, struct machines *ret,
                  struct err *err);
void machines_release(struct machines *m);
const struct machines_result *machines_at(const struct machines *m, size_t group, size_t cell,
                                          size_t target);
const struct machine_figure *machines_figure(const struct machines *m, size_t machine, size_t cell,
                                             size_t target);
/* Do figures of runs that differ in this field not mean the same? */
bool machines_forbid(const struct machines *m, const struct environ_field *f);
/* Was any machine to measure it? A base is there where it is a factor of itself. */
bool machines_has(const struct machines *m, size_t cell, size_t target);
/* The latest run of every machine that has one which is over, in the order of the results. */
int machines_latest(struct store *s, int64_t **ret_runs, size_t *ret_n, struct err *err);

#endif
