/* Machines by Slurm: a job array through sbatch, a task a machine, each alone on its node. What
 * goes out and what comes back lies in a folder that the nodes see, too:
 *
 *     bundle           fleet/bundle.h
 *     fleet/ID.json    the order
 *     job.sh           what each task starts with
 *     N.log            what task N said
 *     N.json N.run     how it ended, and its run (fleet/courier.h)
 *     on-NODE          a folder: that node is one of the machines already
 *     N.again          task N came to such a node, and is to be had elsewhere
 *
 * Layer: fleet, internal. */
#ifndef CUPEL_FLEET_SLURM_H
#define CUPEL_FLEET_SLURM_H

#include "fleet/carrier.h"
#include "host/slurm.h"
#include "ledger/ledger.h"

#define SLURM_PASSED_MAX 8
#define SLURM_NAME_MAX   40

/* "batch,nodes=2,account=lab,dir=/scratch/me" */
struct slurm_spec {
    char partition[64];
    unsigned nodes;
    char dir[FLEET_PLACE_MAX];         /* of the shared folder; "": the working directory */
    uint64_t wait_ns;                  /* so long a task may wait in the queue */
    char passed[SLURM_PASSED_MAX][96]; /* to sbatch as they are: "--account=lab" */
    size_t n_passed;
};
int slurm_spec_parse(const char *spec, struct slurm_spec *ret, struct err *err);

/* One machine: its task. */
struct seat {
    struct fleet_machine *m;
    unsigned number;   /* of the machine in the fleet, from 1; of the task in its array */
    uint64_t since_ns; /* it waits since, or is over since */
    bool known, over, ordered_away;
    struct slurm_job job; /* the latest of them, as Slurm said last */
    off_t read;           /* of its log */
    uint64_t said;
    char last[400]; /* what it said last */
};

/* What one element of --on is while it is carried. */
struct shipment {
    struct voyage *v;
    struct slurm_spec spec;
    struct slurm slurm;
    struct ledger *ledger;
    char name[SLURM_NAME_MAX]; /* of its jobs */
    char place[FLEET_PLACE_MAX];
    VEC(struct seat) seats;
    bool stopping;
    uint64_t asked_ns, ask_every_ns, answered_ns;
};

/* Gives the task of this seat (NULL: of all) to Slurm. */
int slurm_ship(struct shipment *s, const struct seat *one, struct err *err);
/* Until every machine has its outcome: 0. -EINTR: interrupted twice, the jobs are cancelled and
 * what they still have to give is kept in the folder. */
int slurm_watch(struct shipment *s, struct err *err);

#endif
