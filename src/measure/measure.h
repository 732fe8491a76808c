/* A run: from a plan to a stored result.
 *
 * Layer: measure. measure_run owns the whole course: site, ledger, preflight of the targets,
 * blocks, analysis between blocks, stopping, clean-up. It reports what happens through `struct
 * progress` callbacks, which a terminal, a log or a test may implement; they are called between
 * slices only, never inside one.
 *
 *     struct measure_options o = {.plan = &plan, .store = store, .probe = path, ...};
 *     struct measure_result res;
 *     measure_run(&o, &progress, &res, &err);
 *
 * Interrupt (SIGINT, SIGTERM): the run ends in order, keeps what was measured, status
 * "interrupted". */
#ifndef CUPEL_MEASURE_MEASURE_H
#define CUPEL_MEASURE_MEASURE_H

#include "analyse/analyse.h"
#include "driver/driver.h"
#include "store/store.h"

struct progress_state {
    int64_t run; /* r<id> */
    size_t n_targets, n_cells;
    unsigned block;                 /* 1-based, the one that runs; 0: before the first */
    unsigned max_blocks;            /* 0 unknown */
    uint64_t elapsed_ns, budget_ns; /* budget 0: none */
    uint64_t left_ns;               /* estimate until the end; UINT64_MAX unknown */
    size_t cells_open;              /* cell x target pairs not yet precise */
    size_t cells_total;             /* pairs that are measured at all (base excluded) */
};

struct progress {
    void *user;
    /* Anything may be NULL. */
    void (*begin)(void *user, const struct plan *p, const struct target_info *infos, size_t n);
    void (*target_state)(void *user, const struct target_info *info); /* after its preflight */
    /* An image, or a file that an application needs: said before it takes its time. */
    void (*making)(void *user, const char *line);
    /* Everything is known now: left_ns is the estimate for a run of a fixed number of blocks. */
    void (*planned)(void *user, const struct progress_state *s);
    void (*starting)(void *user, const struct progress_state *s, const char *target);
    void (*cell)(void *user, const struct progress_state *s, const char *cell);
    void (*failure)(void *user, const char *target, const char *cell, const struct err *why);
    /* After each block, with the analysis so far. */
    void (*block)(void *user, const struct progress_state *s, const struct analysis *a);
    void (*warning)(void *user, const struct warning *w);
    void (*end)(void *user, const struct progress_state *s);
};

struct measure_options {
    const struct plan *plan;
    struct store *store;
    const struct programs *programs;
    const char *state_dir;
    const char *command; /* as typed, for the record */
    int64_t resume;      /* run to go on with, 0: a new one (plan is then taken from the store) */
    bool understood;     /* aggressors may run on the host itself */
    struct loop *loop;
    const struct machine *machine;
};

struct measure_result {
    int64_t run;
    size_t cells_measured; /* cell x target */
    size_t cells_failed;
    bool interrupted;
};

int measure_run(const struct measure_options *o, const struct progress *progress,
                struct measure_result *ret, struct err *err);

/* What every known target (or those given) is on this machine; n_targets 0: all proposals. Without
 * `start` only looks; with it each usable one is really started once under a deadline. Of progress
 * only starting and target_state are called. */
int measure_doctor(struct loop *l, const struct machine *m, const char *state_dir,
                   const struct programs *programs, const struct target *targets, size_t n_targets,
                   bool start, const struct progress *progress, struct target_infos *ret,
                   struct err *err);

/* target_info as the JSON object that the store keeps (malloced). */
char *target_info_json(const struct target_info *info);

#endif
