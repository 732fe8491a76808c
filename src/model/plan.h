/* A run written down: what, how long, how exactly. The command line fills it, a plan file (YAML, of
 * which JSON is a part) reads and writes it, the store keeps it, so that a run can be repeated or
 * carried to another machine.
 *
 * Layer: model. Ownership: plan_release frees the arrays. */
#ifndef CUPEL_MODEL_PLAN_H
#define CUPEL_MODEL_PLAN_H

#include "base/str.h"
#include "base/vec.h"
#include "model/target.h"
#include "model/workload.h"

#include <stdint.h>

struct limits {
    double cpus;           /* 0: none; CFS quota in CPUs */
    uint64_t memory_bytes; /* 0: none */
    uint64_t pids;         /* 0: none */
};

struct plan {
    char suite[24];        /* "" when made of workloads alone */
    VEC(struct target) targets;
    VEC(struct cell) cells;
    char base[TARGET_LABEL_MAX]; /* "": host where present, else the first target */
    struct limits limits;
    uint64_t seed;         /* 0: drawn at start */
    double theta;          /* practical threshold, .02 */
    double precision;      /* wanted half-width of the ratio; 0: theta / 2 */
    unsigned blocks;       /* most blocks; 0: as many as the budget allows */
    unsigned repeats;      /* > 0: exactly so many blocks, no early looks, no dropping out */
    uint64_t budget_ns;    /* 0: none */
    uint64_t interval_ns;  /* pause between blocks */
    uint64_t settle_ns;    /* wait between the start of the targets and the first recording */
    uint64_t slice_ns;     /* length of a slice */
    unsigned rounds;       /* slices of each target per block and cell */
    bool solo;             /* targets one at a time within a block */
    bool share;            /* go on although another run measures on this machine */
};

#define PLAN_THETA    0.02
#define PLAN_SLICE_NS (20 * 1000 * 1000)
#define PLAN_ROUNDS   10

void plan_init(struct plan *p);
void plan_release(struct plan *p);

/* YAML through libyaml's node marks: ERR_USAGE "my.yaml:7:3: unknown key "metrik"; expected one of
 * ..." for unknown keys, wrong types, bad values; nothing is half applied. `name` is used in
 * messages. drivers as in target_parse. */
int plan_parse(const char *text, size_t n, const char *name, const char *const *drivers,
               size_t n_drivers, struct plan *ret, struct err *err);
int plan_format(const struct plan *p, struct str *out, struct err *err);

/* Index of the base target: by label, else the first of driver host, else 0. ERR_USAGE if the label
 * is none of them. */
int plan_base_index(const struct plan *p, size_t *ret, struct err *err);

#endif
