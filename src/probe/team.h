/* A team: the workers of a job, made once at prepare and released together for every slice.
 *
 * Layer: probe. Ownership: the team owns the shared mapping with the job, the workers and their
 * histograms, and the threads or processes; team_free ends and reaps them.
 *
 * Worker 0 is the calling (main) thread. Workers 1.. wait on a futex in the shared mapping. A slice
 * wakes them, lets all meet (spinning shortly, only if each has a CPU of its own), and every one
 * reads CLOCK_MONOTONIC itself before and after its share: the slice lasts from the first start to
 * the last end. With one worker a slice is two clock readings around the bare loop.
 * A worker process that dies is noticed (its pid is waited for, only its) and becomes an error;
 * when the probe dies its worker processes are killed by the kernel (PR_SET_PDEATHSIG). */
#ifndef CUPEL_PROBE_TEAM_H
#define CUPEL_PROBE_TEAM_H

#include "probe/family.h"
#include "wire/hist.h"

struct team;

struct team_slice {
    uint64_t ops;      /* done, summed over workers; injected work is not counted */
    uint64_t ns;       /* first start to last end */
    uint64_t start_ns; /* CLOCK_MONOTONIC */
    uint64_t cpu_ns;   /* of the workers, as the guest says */
};

/* Allocates the mapping; no worker runs yet. prepare is copied. The job's setup and
 * workload.prepare are run in here, then the workers are made and run worker_setup and start. On
 * failure everything is torn down again and *ret untouched. */
int team_new(const struct family *family, const struct workload *workload,
             const struct frame_prepare *prepare, double inject, struct team **ret,
             struct err *err);
/* True if the team can serve this prepare without being made anew (see family.h). */
bool team_fits(const struct team *t, const struct family *family, const struct workload *workload,
               const struct frame_prepare *prepare);
/* Reuses the team for it: stop, prepare, start. On failure the team is only good for team_free. */
int team_reuse(struct team *t, const struct workload *workload, const struct frame_prepare *prepare,
               struct err *err);
/* NULL is fine. */
void team_free(struct team *t);

const struct job *team_job(const struct team *t);

/* ops per worker, >= 1, after `lead` that are neither timed nor counted. hist: every operation
 * timed; merged into it (cleared first), or NULL. */
int team_slice(struct team *t, uint64_t ops, uint64_t lead, struct hist *hist,
               struct team_slice *ret, struct err *err);
/* Pieces of `ops` operations, by every worker, until for_ns have passed. */
int team_slice_for(struct team *t, uint64_t ops, uint64_t for_ns, struct team_slice *ret,
                   struct err *err);
/* What the workload's programs wrote in the last slice (malloced), or NULL. */
char *team_output(struct team *t);
/* Operations counted so far (injected ones excluded), summed. */
uint64_t team_ops(const struct team *t);
/* Runs check and verify. Returns 0 with ret->verified false when the work was not done; an error
 * only if the team itself broke. */
int team_finish(struct team *t, struct frame_finished *ret, struct err *err);

#endif
