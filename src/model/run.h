/* What a run yields: blocks, sessions, trials and their parts, samples, warnings. Plain data, as
 * measured and as stored; no judgement in here.
 *
 * Layer: model. Ownership: structs with pointers have a _release. Times named _ns count from the
 * start of the run on CLOCK_MONOTONIC unless said otherwise. */
#ifndef CUPEL_MODEL_RUN_H
#define CUPEL_MODEL_RUN_H

#include "base/err.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

#define RUN_ID_MAX 24

enum outcome { OUTCOME_OK, OUTCOME_FAILED };

/* A slice of one target. y = ns / ops is the guest's time per operation. */
struct sample {
    uint32_t round;    /* 0 .. rounds-1 */
    uint32_t position; /* place within the round */
    int32_t previous;  /* target that ran just before in this round or block, -1: none */
    uint64_t start_ns; /* when the controller posted it */
    uint64_t ops;
    uint64_t ns;         /* as the probe measured */
    uint64_t control_ns; /* post to answer, as the controller measured; the lead included */
    uint64_t cpu_ns;     /* CPU time of the whole sandbox on the host; UINT64_MAX: unknown */
};

/* One role of a trial: in this catalogue always "main"; client/server and victim/aggressor trials
 * have several. */
struct part {
    char role[16];
    uint32_t target; /* index into the run's targets */
    enum outcome outcome;
    enum err_kind fail_kind; /* when failed */
    int fail_code;
    char fail_text[480];
    bool verified;
    char detail[256];           /* what was verified */
    char *facts;                /* JSON object text of the probe's facts, or NULL */
    char *hist;                 /* hist_encode text, or NULL */
    uint64_t peak_memory_bytes; /* of the session's cgroup; 0 unknown */
    double clock_drift;         /* guest clock's rate against the host's, less 1; NAN unknown */
    VEC(struct sample) samples;
};

/* What makes the surroundings of a trial remarkable: warned about while measuring, counted while
 * judging. */
#define STEAL_MAX  .01 /* of the trial's CPU time */
#define OTHERS_MAX .10 /* CPUs burned outside the run */
#define DRIFT_MAX  .01 /* of the guest's clock */

/* Covariates: deltas over the trial unless named otherwise. UINT64_MAX / NAN: not available here.
 */
struct covariates {
    double steal;              /* fraction of CPU time */
    double psi_cpu;            /* PSI "some" cpu, fraction of the time */
    double loadavg;            /* at the end */
    uint64_t runnable;         /* at the end */
    uint64_t swap_pages;       /* in + out */
    uint64_t throttled;        /* nr_throttled over our cgroups */
    uint64_t others_cpu_ns;    /* CPU time on this machine outside the run's cgroup */
    uint64_t kernel_log_lines; /* new lines of the kernel log */
};

/* One execution of one cell in a block, over all targets that took part. */
struct trial {
    uint32_t block;
    uint32_t position; /* place within the block */
    uint32_t cell;     /* index into the run's cells */
    uint64_t start_ns, end_ns;
    struct covariates covariates;
    VEC(struct part) parts;
};

/* One start of one target. */
struct session_record {
    uint32_t block;
    uint32_t target;
    enum outcome outcome;
    enum err_kind fail_kind;
    int fail_code;
    char fail_text[480];
    uint64_t launch_ns; /* from the first verb to the hello frame */
    double idle_cpu;    /* CPUs burned while idle; NAN unknown */
    char *proof;        /* JSON object text: the evidence that this target ran; NULL if failed */
    char *hello;        /* JSON object text of the hello frame */
};

enum warning_kind {
    WARN_STEAL,
    WARN_PRESSURE,
    WARN_OTHERS,     /* foreign CPU time while measuring */
    WARN_CONTAINERS, /* containers of others are running */
    WARN_SWAP,
    WARN_THROTTLED,
    WARN_KERNEL_LOG,
    WARN_CLOCKSOURCE,
    WARN_GOVERNOR,
    WARN_SMT,
    WARN_IDLE_BUSY, /* an idle target burns CPU: --solo helps */
    WARN_DRIFT,     /* guest clock off by more than 1 % over a block */
    WARN_LEFTOVERS, /* something of a session was still there after its stop */
    WARN_ENVIRONMENT_CHANGED,
    WARN_SHARED,      /* another run measured at the same time */
    WARN_BUDGET,      /* the budget ended before the wanted precision */
    WARN_SHARED_CORE, /* the vCPUs seem to share a physical core at times */
    WARN_KIND_COUNT
};

struct warning {
    enum warning_kind kind;
    int32_t block, target, cell; /* -1: not about one */
    double value;                /* in the kind's natural unit, NAN if none */
    char text[240];
};

struct block_record {
    uint32_t block;
    uint64_t start_ns, end_ns;
    bool complete;
};

void part_release(struct part *p);
void trial_init(struct trial *t);
void trial_release(struct trial *t);
void session_record_release(struct session_record *s);
/* Stable names, as stored and exported; the _parse functions return -EINVAL for unknown ones. */
const char *outcome_name(enum outcome o); /* "ok", "failed" */
int outcome_parse(const char *name, enum outcome *ret);
const char *warning_name(enum warning_kind k); /* "steal", "pressure", ... */
int warning_parse(const char *name, enum warning_kind *ret);

#endif
