/* One plan on many machines: it goes out, a run per machine comes back into the store. A machine
 * that fails has its reason; the others go on.
 *
 * Layer: fleet. Ownership: fleet_release frees what a struct fleet holds; what is in
 * fleet_options is the caller's.
 *
 *     struct fleet f;
 *     fleet_init(&f);
 *     fleet_add(&f, "ssh:root@a,ssh:root@b", &err);
 *     ... f.plan, f.args ...
 *     fleet_run(&f, &options, &err);       // or fleet_resume after fleet_read
 *     for each machine: outcome, why, run
 *
 * A fleet is written down in <state>/fleet/<id>.json before anything is made elsewhere, and as long
 * as a part of it is kept somewhere else. docs/fleet.md tells how a machine is left. */
#ifndef CUPEL_FLEET_FLEET_H
#define CUPEL_FLEET_FLEET_H

#include "base/loop.h"
#include "base/vec.h"
#include "fleet/bundle.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

#define FLEET_MACHINES_MAX 256
#define FLEET_ON_MAX       160
#define FLEET_FROM_MAX     400
#define FLEET_PLACE_MAX    256
#define FLEET_LEASE_NS     (UINT64_C(60) * 1000000000)
#define FLEET_KEEP_NS      (UINT64_C(24) * 3600 * 1000000000)
#define FLEET_LEASE_MIN_NS (UINT64_C(5) * 1000000000)
#define FLEET_KEEP_MAX_NS  (UINT64_C(30) * 24 * 3600 * 1000000000)

/* How it ended with one machine. The first three have a run in the store. */
enum fleet_outcome {
    FLEET_MEASURED,     /* to its end, as was planned */
    FLEET_PART,         /* interrupted: what was measured until then */
    FLEET_KEPT,         /* not yet: what was measured is kept there, for --resume */
    FLEET_UNREACHABLE,  /* nobody answers there */
    FLEET_REFUSED,      /* somebody answers, and does not let us in */
    FLEET_HOST_KEY,     /* it is not the machine that it was, or not known */
    FLEET_ARCHITECTURE, /* cupel as it is here does not run there */
    FLEET_NO_ROOT,
    FLEET_NO_RUNTIMES, /* none of the targets works there */
    FLEET_DISK_FULL,
    FLEET_BUSY, /* another cupel measures there */
    FLEET_LOST, /* the connection, before anything was measured, or what was there with it */
    FLEET_GONE, /* what was kept is not there any more */
    FLEET_FAILED,
    /* Of schedulers. */
    FLEET_NOT_TAKEN,  /* the scheduler did not take the job */
    FLEET_QUEUED,     /* it waited in the queue until our patience ended */
    FLEET_CANCELLED,  /* somebody cancelled it, or it was preempted */
    FLEET_TIME_LIMIT, /* it ran into its time limit with nothing to show */
    FLEET_NODE_FAILED,
    FLEET_NO_IMAGE,   /* its image is not to be had on the node */
    FLEET_NO_SANDBOX, /* the node could not make its sandbox */
    FLEET_OUTCOME_COUNT
};

struct carrier;

struct fleet_machine {
    char on[FLEET_ON_MAX];     /* its name, no other's: "ssh:root@a", "slurm:batch#2" */
    char from[FLEET_FROM_MAX]; /* the element it came of: "ssh:root@a", "slurm:batch,nodes=2" */
    const struct carrier *carrier;
    char place[FLEET_PLACE_MAX]; /* our directory there; "": none, or not any more */
    enum fleet_outcome outcome;
    bool ended; /* the outcome stands; else it is to be seen */
    char why[480];
    char hostname[65], id[65], boot[40]; /* as the machine says */
    int64_t run;                         /* 0: none */
    char uuid[37];
    int status; /* exit status of the run there, -1 */
    bool some_failed;
};

struct fleet {
    char id[9]; /* 8 hexadecimal digits */
    VEC(struct fleet_machine) machines;
    struct str plan;    /* YAML, as plan_parse reads it */
    VEC(char *) args;   /* what of the command line is no part of a plan */
    VEC(char *) wanted; /* texts of the targets asked for; none: what works there */
    bool install;       /* what of it is missing there may be installed */
    uint64_t lease_ns;  /* so long the run goes on without a word from here */
    uint64_t keep_ns;   /* so long its part is kept after its end */
    bool privileged;    /* in a cluster: pods that reach the host */
    uint64_t started_real_ns;
};

struct fleet_options {
    struct loop *loop;
    struct store *store;
    const char *state_dir;
    struct bundle_parts parts; /* without the plan */
    void *user;
    /* A line of a machine's, or of ours on it, without its end. */
    void (*say)(void *user, const struct fleet_machine *m, const char *line);
};

void fleet_init(struct fleet *f);
void fleet_release(struct fleet *f);
/* Adds what a list names ("ssh:a,slurm:batch,nodes=2"): elements, each with its KEY=VALUEs behind
 * it. ERR_USAGE: an unknown carrier, no machine, one given
 * twice, too many. */
int fleet_add(struct fleet *f, const char *list, struct err *err);

/* Draws its id, and asks which machines the elements stand for that do not say so themselves. Part
 * of fleet_run. */
int fleet_find(struct fleet *f, struct loop *l, struct err *err);

/* 0 when every machine has its outcome. An interrupt ends the runs there in order and fetches what
 * was measured; a second one leaves them to their leases: -EINTR. */
int fleet_run(struct fleet *f, const struct fleet_options *o, struct err *err);
/* The machines without an outcome that stands: what is kept there goes on to its end, and is
 * fetched. */
int fleet_resume(struct fleet *f, const struct fleet_options *o, struct err *err);

/* The fleet called `name` ("fleet-3fa9c2d1"), as it was written down. */
bool fleet_is_name(const char *name);
int fleet_read(const char *state_dir, const char *name, struct fleet *ret, struct err *err);

/* Stable names: "measured", "part", "kept", "unreachable", "refused", "host-key", ... */
const char *fleet_outcome_name(enum fleet_outcome o);
int fleet_outcome_parse(const char *name, enum fleet_outcome *ret);
/* "its host key is not the one known" */
const char *fleet_outcome_words(enum fleet_outcome o);

#endif
