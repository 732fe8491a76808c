/* What a workload of the probe is: a row of const function pointers in its family's table.
 *
 * Layer: probe (sees wire, base and libc alone). Ownership: `struct job` and `struct worker` belong
 * to the harness (team.c, session.c) and live in a mapping shared with every worker process;
 * whatever a family hangs on their `state` pointers is the family's, freed in its teardown hooks.
 *
 * Life of a job, and where each hook runs (a NULL hook is skipped):
 *
 *     frame     main thread of the probe              every worker (thread or process), pinned
 *     prepare   family.setup                          family.worker_setup
 *               workload.prepare                      workload.start
 *               workload.ready (after every start)
 *     slice                                           workload.run        <- the only timed one
 *     finish    workload.verify  (after the checks)   workload.check
 *     later     family.teardown                       workload.stop, family.worker_teardown
 *
 * The order in prepare is setup, prepare, (workers are made), worker_setup, start, ready. finish
 * leaves the job prepared: more slices and another finish may follow. stop runs before the next
 * prepare. When the next prepare is of the same family, kind (threads or processes), worker count
 * and CPUs, and family.keep(old, new) says yes, then setup, worker_setup and the workers themselves
 * are kept and only stop/prepare/start run again. With keep == NULL everything is made anew. After
 * a hook of prepare failed, stop and both teardowns run, also for what was never set up: state may
 * be NULL there. Teardowns clean up what their partner made, half built or not (the worker hooks
 * run only if workers were made).
 *
 * Threads or processes. Worker 0 is always the main thread of the probe itself, so a job with one
 * worker has no futex, no thread and no second process; workers 1.. are threads, or forked
 * processes when workload.processes is set. Memory of a worker process is its own from the fork on:
 * what setup and prepare put into job->state before is there (as a copy), but after a *kept* family
 * only job, worker and memory mapped MAP_SHARED in setup are seen by both sides. Results go into
 * worker->tally, which the main thread can read in verify.
 *
 * run is the hot loop: the work, `ops` times, nothing else. No allocation, printing, sleeping or
 * clock (unless that is the work). Count in locals and add to worker->tally at the end. If the work
 * fails: worker_fail(w, errno, "dup") and return; the slice is then answered by an error. For a
 * slice with a histogram run is called with ops == 1 for every operation.
 *
 * Adding a workload, as a checklist:
 *   1. write run (and what it needs of prepare, start, check, verify, stop) in its family's file;
 *   2. add its row to that file's table;
 *   3. add it to the catalogue of model/, whose test compares itself with `cupel-probe --list`.
 * Adding a family: its file, one line in FAMILIES in registry.c, one in meson.build. A family that
 * would make the probe heavy becomes a program of its own: see program.h and src/payload. */
#ifndef CUPEL_PROBE_FAMILY_H
#define CUPEL_PROBE_FAMILY_H

#include "base/err.h"
#include "wire/frame.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define WORKER_TALLIES 8

struct job;
struct workload;
struct family;

/* One worker. Cache-line aligned, in shared memory. */
struct worker {
    struct job *job;
    unsigned index; /* 0 .. job->prepare.workers - 1 */
    void *state;    /* the family's or workload's, this worker's address space */
    uint64_t done;  /* operations really run since prepare, injected ones included */
    uint64_t tally[WORKER_TALLIES]; /* the workload's own; zero after each prepare */
    uint64_t slices;                /* begun since prepare, this one included */
    /* Zero before each operation of a slice with a histogram. A run may say here when the operation
     * was meant to begin (CLOCK_MONOTONIC), and its time counts from then. */
    uint64_t intended_ns;
    int fail_code; /* errno of worker_fail, 0: none; kept until the next prepare */
    char fail_where[WIRE_NAME_MAX];
    char fail_text[WIRE_TEXT_MAX]; /* of worker_fail_text; "" otherwise */
    /* Below: the harness's own. */
    uint64_t start_ns, end_ns, cpu_ns;
    uint64_t ops; /* of the last slice, injected ones excluded */
    double inject_carry;
    int cpu; /* pinned to, or -1 */
    bool check_failed;
    struct err err; /* of worker_setup, start, check */
} __attribute__((aligned(128)));

/* What is being measured. */
struct job {
    const struct workload *workload;
    const struct family *family;
    struct frame_prepare prepare; /* as the controller sent it; spec is there in setup and
                                     prepare only */
    void *state;                  /* the family's */
    struct facts facts;           /* of the `ready` answer; add in setup or prepare */
    struct worker *workers;       /* [prepare.workers]; valid from worker_setup to teardown */
    double inject;                /* extra work per operation, 0.01 = 1 % (test aid) */
};

struct workload {
    const char *name; /* "mem.triad" */
    bool processes;   /* workers are processes instead of threads */
    bool no_hist;     /* single operations must not be timed */
    /* What a program wrote in the slice that has just ended, or NULL; the caller frees it. */
    char *(*output)(struct job *job);
    int (*prepare)(struct job *job, struct err *err);
    int (*start)(struct worker *w, struct err *err);
    /* For facts that need what the workers made (huge pages after first touch). */
    int (*ready)(struct job *job, struct err *err);
    void (*run)(struct worker *w, uint64_t ops);
    /* Own evidence in the worker's address space. An error: the work was not done. */
    int (*check)(struct worker *w, struct err *err);
    /* The whole: 0 and, if you like, detail (what was checked; one line) and facts; or an error,
     * whose text becomes the detail of `finished` with verified = false. Runs only after every
     * check passed. NULL: job_verify_count(job, 1, ...), so run adds its successes to tally[0]. */
    int (*verify)(struct job *job, struct frame_finished *fin, struct err *err);
    void (*stop)(struct worker *w);
};

struct family {
    const char *name;
    const struct workload *list;
    unsigned n;
    /* May the state of `old` serve `new`? Called only if kind, workers and CPUs are the same. */
    bool (*keep)(const struct frame_prepare *old, const struct frame_prepare *new);
    int (*setup)(struct job *job, struct err *err);
    int (*worker_setup)(struct worker *w, struct err *err);
    void (*worker_teardown)(struct worker *w);
    void (*teardown)(struct job *job);
};

/* job.c: parameters, with bounds. A missing one takes its fallback; one that is of the wrong type
 * or out of [min, max] is ERR_USAGE with EINVAL. The values come from the controller only: no size
 * is ever taken from the guest's view of the machine. */
int job_num(const struct job *job, const char *name, int64_t min, int64_t max, int64_t fallback,
            int64_t *ret, struct err *err);
/* A text out of a NULL-terminated list of choices, as its index; the first is the fallback. */
int job_choice(const struct job *job, const char *name, const char *const *choices, unsigned *ret,
               struct err *err);
/* Equal parameter in two prepares, both missing included. What family.keep is made of. */
bool param_same(const struct frame_prepare *a, const struct frame_prepare *b, const char *name);

/* Sums over workers. */
uint64_t job_done(const struct job *job);
uint64_t job_tally(const struct job *job, unsigned i);
/* The usual verification: tally 0 of every worker is `per_op` times its operations. Fills detail
 * ("N operations, each seen to succeed"). */
int job_verify_count(const struct job *job, uint64_t per_op, struct frame_finished *fin,
                     struct err *err);

/* Marks the worker as failed; the first failure is kept. Safe in the hot loop's error branch. */
void worker_fail(struct worker *w, int code, const char *where);

/* The same with a sentence of its own instead of the errno's: what a program said before it died.
 */
void worker_fail_text(struct worker *w, int code, const char *text);

/* The frames' descriptors are not for other processes: a copy of them would keep the controller
 * from seeing end of file. A pipe to itself takes their place, since not every image has a
 * /dev/null. */
void job_hide_frames(void);

/* Lets the calling thread, and what it starts, run on every CPU of the cell; as it is where that
 * names none. */
void job_spread(const struct job *job);

/* Pins the calling thread to a CPU of the cell: slot modulo the number of its CPUs. Returns the
 * CPU, or -1 when the cell names none or the kernel refuses. Workers are pinned already (slot =
 * index); a peer that a worker starts may pin itself elsewhere. */
int job_pin(const struct job *job, unsigned slot);

#endif
