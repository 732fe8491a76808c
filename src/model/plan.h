/* A run written down: what, how long, how exactly. The command line fills it, a plan file (YAML, of
 * which JSON is a part) reads and writes it, the store keeps it, so that a run can be repeated or
 * carried to another machine.
 *
 *
 *     targets: [host, runc, "new=oci:/opt/b/runsc:systrap"]
 *     suite: quick                      # and, or instead:
 *     workloads:
 *       - fs.*                          # names and globs as on the command line
 *       - mem.triad: {array_bytes: 64M} # with parameters of its own
 *     parameters: {limit: 10000}        # for every workload that has such a parameter
 *     limits: {cpus: 1.5, memory: 512M, pids: 100, io: 50M} # io: a second, read and written each
 *     base: host
 *     seed: 42
 *     theta: 2%
 *     precision: 1%
 *     blocks: 20
 *     repeats: 0
 *     budget: 4m
 *     interval: 0
 *     settle: 1s
 *     slice: 15ms
 *     rounds: 10
 *     solo: no
 *     applications: ["name: mine\n..."] # texts as in model/app.h, that workloads may name
 *     drop_caches: no
 *     emulated_too: no
 *     scaled: 0.1                       # says that it was shortened so; does nothing more
 *     gate: 5%                          # what a target may cost more than the base; theta is then
 *                                       # this, too, unless it is given
 *     aa: no                            # yes: targets are twins two by two, see targets_double
 *
 * Every key may be left out: the fields then keep what plan_init gives, and a plan without targets
 * or cells is the caller's to complete. `share` is no part of a plan file: it is said on the spot.
 *
 * Layer: model. Ownership: plan_release frees the arrays. */
#ifndef CUPEL_MODEL_PLAN_H
#define CUPEL_MODEL_PLAN_H

#include "base/str.h"
#include "base/vec.h"
#include "model/app.h"
#include "model/target.h"
#include "model/workload.h"

#include <stdbool.h>
#include <stdint.h>

struct limits {
    double cpus;           /* 0: none; CFS quota in CPUs */
    uint64_t memory_bytes; /* 0: none */
    uint64_t pids;         /* 0: none */
    uint64_t io_bps;       /* bytes a second from the disk, and as many to it; 0: none */
};

struct plan {
    char suite[24]; /* "" when made of workloads alone */
    VEC(struct target) targets;
    VEC(struct cell) cells;
    VEC(struct app *) apps;      /* those that names may refer to, and all that cells refer to */
    char base[TARGET_LABEL_MAX]; /* "": host where present, else the first target */
    struct limits limits;
    uint64_t seed;        /* 0: drawn at start */
    double theta;         /* practical threshold, .02 */
    double precision;     /* wanted half-width of the ratio; 0: theta / 2 */
    double gate;          /* a regression is more than this fraction against the base; 0: none */
    bool aa;              /* targets 2k and 2k + 1 are one, under two names */
    unsigned blocks;      /* most blocks; 0: as many as the budget allows */
    unsigned repeats;     /* > 0: exactly so many blocks, no early looks, no dropping out */
    uint64_t budget_ns;   /* 0: none */
    uint64_t interval_ns; /* pause between blocks */
    uint64_t settle_ns;   /* wait between the start of the targets and the first recording */
    uint64_t slice_ns;    /* length of a slice */
    unsigned rounds;      /* slices of each target per block and cell */
    bool solo;            /* targets one at a time within a block */
    bool drop_caches;     /* the page cache is dropped before whole executions on the disk */
    double scale;         /* durations and repeats were shortened by this factor; 1: as declared */
    bool share;           /* go on although another run measures on this machine */
    bool emulated_too;    /* verdicts also where the CPU is emulated in software */
};

#define PLAN_THETA 0.02
/* Why these: docs/design.md, "Slices". */
#define PLAN_SLICE_NS (15 * 1000 * 1000)
#define PLAN_ROUNDS   10

/* Bounds, for the command line too. */
#define PLAN_TARGETS_MAX    64
#define PLAN_BLOCKS_MAX     100000u
#define PLAN_REPEATS_MIN    7u /* the least that an interval needs */
#define PLAN_SCALE_MIN      .001
#define PLAN_ROUNDS_MAX     1000u
#define PLAN_SLICE_MIN_NS   (1000 * 1000)
#define PLAN_SLICE_MAX_NS   UINT64_C(10000000000)
#define PLAN_TIME_MAX_NS    (UINT64_C(30) * 24 * 3600 * 1000000000) /* 30 days */
#define PLAN_FRACTION_MAX   .5                                      /* theta, precision, gate */
#define PLAN_LIMIT_CPUS_MAX 65536.0

void plan_init(struct plan *p);
void plan_release(struct plan *p);
/* Releases what `to` (initialised) held and makes it a copy with arrays of its own. */
void plan_copy(struct plan *to, const struct plan *from);

/* known: a plan whose applications names may refer to; NULL: none.
 * Reads YAML: ERR_USAGE "my.yaml:7:3: unknown key "metrik"; expected one of ..." for unknown,
 * double and misplaced keys, wrong types, bad values; ret is untouched then. `name` is used in
 * messages. drivers as in target_parse. */
int plan_parse(const char *text, size_t n, const char *name, const char *const *drivers,
               size_t n_drivers, const struct plan *known, struct plan *ret, struct err *err);
/* Appends YAML that plan_parse reads to an equal plan, on this machine or another: cells one by one
 * with all their parameters, so it means the same when a suite has changed. The suite is written as
 * `from_suite`, which names it and adds nothing; the number of workers is derived anew from the
 * CPUs. */
int plan_format(const struct plan *p, struct str *out, struct err *err);
/* All that a plan file holds; `share` and the cells' workers do not count. */
bool plan_equal(const struct plan *a, const struct plan *b);

/* Makes an application known, by reference: its name, its aliases and its cells can be added then.
 * One of the same source or name that is known already stays. */
void plan_know_app(struct plan *p, struct app *a);
/* The known application that bears just this name; NULL: none. */
const struct app *plan_app(const struct plan *p, const char *name);
/* The application that a cell is of, or that is its victim; NULL: neither. */
const struct app *plan_cell_app(const struct plan *p, const struct cell *c);
/* Adds the cells of a suite, or those a pattern selects (an application by its name, and then
 * nothing else; else applications, their cells, and cells_select), leaving out what is there
 * already. ERR_USAGE with the nearest name. */
int plan_add_suite(struct plan *p, const char *suite, struct err *err);
int plan_add_cells(struct plan *p, const char *pattern, struct err *err);
/* Shortens the repeats (to PLAN_REPEATS_MIN at the least) and what workloads declare as scaled, to
 * the floor each states; never sizes, orders or records. */
void plan_scale(struct plan *p, double factor);
/* As the function says, for p->targets and with a bound on their number. */
int plan_add_target(struct plan *p, const char *text, const char *const *drivers, size_t n_drivers,
                    struct err *err);

/* Index of the base target: by label, else the first of driver host, else 0. ERR_USAGE if the label
 * is none of them. */
int plan_base_index(const struct plan *p, size_t *ret, struct err *err);

/* Cells times targets that are compared with the base. */
size_t plan_comparisons(const struct plan *p);
/* Puts every target in twice, each with its twin after it, and sets `aa`. ERR_USAGE: too many. */
int plan_double_targets(struct plan *p, struct err *err);
/* ERR_USAGE where `aa` is set and the targets are no such pairs. */
int plan_check_twins(const struct plan *p, struct err *err);

#endif
