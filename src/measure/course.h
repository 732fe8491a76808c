/* The course of one run: what measure_run keeps while it goes, and the steps it is made of.
 *
 * Layer: measure, internal to the room. One `struct course` on the stack of measure_run; each file
 * of this room owns one step and takes the course as its first argument.
 *
 *     site.c      the ground: ledger, run directory, run cgroup; and taking it away
 *     schedule.c  who comes when (seeded, pure)
 *     images.c    what applications run in
 *     targets.c   preflight of the targets; starting and stopping their sessions
 *     trial.c     one cell over the targets of a block: prepare, calibrate, rounds, finish
 *     estimate.c  how long it will take
 *     whole.c     workloads that run whole, alone on the machine
 *     density.c   what many of them weigh
 *     life.c      starting and ending sessions as what is measured
 *     parallel.c  several started at once
 *     company.c   two sessions of one target side by side
 *     neighbour.c the paper's two: LINPACK beside LINPACK
 *     victim.c    work of which one sample is taken after the other
 *     aggressor.c the targets that what is beside it runs in
 *     held.c      the limits it runs under: are they in force, did they hold
 *     beside.c    such work without and with an aggressor beside it
 *     network.c   the networks that cells ask for, and the servers in them
 *     hostcalls.c what of the host's kernel is asked for meanwhile
 *     cold.c      their reads from the device, where a guest keeps files in memory of its own
 *     block.c     one block: starts, warm-up, the cells in their order, stops
 *     warn.c      covariates and what is remarkable about them
 *     measure.c   the run: blocks until everything is precise, spent or interrupted */
#ifndef CUPEL_MEASURE_COURSE_H
#define CUPEL_MEASURE_COURSE_H

#include "base/fs.h"
#include "base/rand.h"
#include "base/time.h"
#include "host/covariates.h"
#include "host/cpus.h"
#include "image/image.h"
#include "measure/measure.h"
#include "stats/sequential.h"

/* What is remembered of a cell on a target from block to block. */
struct pair {
    bool closed;       /* precise enough: drops out of later blocks */
    bool given_up;     /* failed in a way that trying again would only repeat */
    struct err why;    /* of given_up */
    unsigned timeouts; /* in a row */
    uint64_t ops_hint; /* operations per slice that fitted last time; 0: calibrate from 1 */
};

/* A target in the course. */
struct slot {
    struct target_info info;
    const struct driver *driver;
    struct engine *engine;
    struct session *session;  /* NULL: not running now */
    uint64_t started_ns;      /* CLOCK_MONOTONIC of its hello */
    uint64_t ping_ns;         /* median round trip of an empty frame in this session */
    uint64_t cycle_ns;        /* start, warm-up and stop, as the preflight took it */
    bool own_kernel;          /* its guest says another kernel than ours */
    struct err start_failure; /* of this block's start, kind ERR_NONE: none */
    struct pair *pairs;       /* n_cells */
};

/* An application's image and inputs, which its cell's launch points to. */
struct cell_files {
    struct image image;
    struct launch_input inputs[APP_LIST_MAX];
    size_t n_inputs;
    char paths[APP_LIST_MAX][256], sha256[APP_LIST_MAX][65];
};

struct net_group;

struct course {
    const struct measure_options *o;
    const struct progress *progress;
    struct site site;
    struct run_head head; /* head.plan: resolved */
    struct rng rng;       /* of the step at hand; seeded per block and purpose */
    size_t n_targets, n_cells;
    size_t n_slots;            /* n_targets and more */
    struct slot *slots;        /* n_slots: behind the targets those of aggressors alone */
    size_t *aggressors;        /* n_cells: the slot of its aggressor; SIZE_MAX: the victim's */
    cpu_set_t *cell_cpus;      /* n_cells */
    cpu_set_t *peer_cpus;      /* n_cells: of the server at the other end of a network */
    struct net_group *net;     /* that the cells at hand share; NULL: none */
    struct launch *launches;   /* n_cells: what the sessions of whole cells run */
    struct cell_files *files;  /* n_cells: and what of it is made for an application */
    struct image_store images; /* holds what the run uses, until its end */
    bool *impossible;          /* n_cells: not on this machine */
    size_t base;
    size_t usable_targets; /* after the preflight */
    struct monitor *monitor;
    struct stop_rule rule;
    uint64_t start_ns; /* CLOCK_MONOTONIC of the start of this invocation */
    uint64_t block_ns; /* duration of the last block, for the estimate */
    unsigned first_block, max_blocks;
    bool shared; /* another run measures on this machine, too */
    bool cut;    /* the budget ended inside a block, which is not complete then */
    struct progress_state state;
    struct machine machine_end;
    unsigned warned; /* bit per warning_kind that is said once a run */
};

/* Time since the run began, as stored. */
static inline uint64_t course_now(const struct course *c)
{
    return time_mono_ns() - c->start_ns;
}

static inline struct pair *course_pair(struct course *c, size_t target, size_t cell)
{
    return &c->slots[target].pairs[cell];
}

/* course.c. The same rule for every target: nothing is recorded before the slowest of those that
 * run is warm. */
int course_warm_up(struct course *c, struct err *err);
/* Without a glance at anything else; an interrupt ends it. */
int course_wait_until(struct course *c, uint64_t deadline_ns, struct err *err);
void course_say_cell(struct course *c, size_t cell);
int course_keep_trial(struct course *c, struct trial *t, struct err *err);
bool course_budget_over(const struct course *c);
/* This machine cannot measure the cell at all, on no target. */
void course_impossible(struct course *c, size_t cell, const struct err *why);

/* site.c */
int site_open(struct course *c, struct err *err);
/* Removes all that is the run's. What could not be removed stays in the ledger. */
int site_close(struct course *c, struct err *err);

/* schedule.c: all orders are functions of (seed, block, purpose), so that a schedule can be
 * repeated and a resumed run goes on as the interrupted one would have. */
enum schedule_purpose { SCHEDULE_STARTS = 1, SCHEDULE_CELLS, SCHEDULE_ROUNDS };
void schedule_targets(uint64_t seed, unsigned block, size_t *idx, size_t n);
/* Cells in random order, families kept together (they share what PREPARE made). */
void schedule_cells(uint64_t seed, unsigned block, const struct cell *cells, size_t n, size_t *idx);
void schedule_rounds_rng(uint64_t seed, unsigned block, unsigned cell, struct rng *ret);

/* targets.c */
int targets_preflight(struct course *c, struct err *err);
int target_preflight(struct course *c, size_t slot, struct err *err);
/* Starts one target's session for block, records it in the store, sets slot->session or
 * slot->start_failure. Returns < 0 only for what ends the run (interrupt, store). */
int target_start(struct course *c, size_t target, unsigned block, const struct launch *what,
                 struct err *err);
/* As target_start, for a start that could not even be tried. */
int target_not_started(struct course *c, size_t target, unsigned block, const struct err *why,
                       struct err *err);
/* A session of the same target on the same files, in the place of the one that runs; recorded as
 * target_start does. */
int target_renew(struct course *c, size_t target, unsigned block, struct err *err);
void target_stop(struct course *c, size_t target, unsigned block);
void targets_close(struct course *c);

/* trial.c: runs `cell` on the targets listed (those without a session count as failed with their
 * start failure) and appends their parts to t. */
int trial_run(struct course *c, unsigned block, size_t cell, const size_t *targets, size_t n,
              struct trial *t, struct err *err);

/* block.c */
int block_run(struct course *c, unsigned block, struct err *err);

/* whole.c: the whole cells of a block, one execution after the other. */
int whole_block(struct course *c, unsigned block, const size_t *cells, size_t n, struct err *err);

/* warn.c */
void warn_add(struct course *c, enum warning_kind kind, int block, int target, int cell,
              double value, const char *fmt, ...) __attribute__((format(printf, 7, 8)));
void warn_machine(struct course *c);
void warn_machine_end(struct course *c);
void covariates_between(const struct course *c, const struct reading *from,
                        const struct reading *to, struct covariates *ret);
void warn_trial(struct course *c, const struct trial *t);

/* images.c: the images and inputs of applications. What cannot be had makes its cells impossible;
 * < 0 only for an interrupt. */
int images_prepare(struct course *c, struct err *err);

/* estimate.c: how long a block is expected to take, before there was one. */
uint64_t estimate_block_ns(const struct course *c);

/* resolve.c: "auto" parameters, CPU sets and workers of every cell of the plan, from the machine.
 */
int resolve_cells(struct course *c, struct err *err);
/* "auto" parameters of a cell that is no cell of the plan. */
int resolve_params(const struct course *c, struct cell *cell, struct err *err);

#endif
