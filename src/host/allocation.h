/* A job's own control groups as the root of all others: what a batch system allotted to a job holds
 * for everything that cupel makes, its containers included, and what it counts counts them.
 *
 * Done by namespaces, since each hierarchy of v1 may confine the job to another group, and since
 * runtimes and engines then need not know: this process and all it starts see the group that it is
 * in as the root of each hierarchy. It keeps seeing what is mounted outside; nobody outside sees
 * its mounts.
 *
 * Layer: host. The process gets a mount and a control group namespace of its own; what it says of
 * its allocation to children is $CUPEL_ALLOCATION. */
#ifndef CUPEL_HOST_ALLOCATION_H
#define CUPEL_HOST_ALLOCATION_H

#include "host/cgroup.h"

#define ALLOCATION_ENV "CUPEL_ALLOCATION"
/* Set in a privileged pod: it sees the node's groups, and what it made among them would outlive
 * it. */
#define ALLOCATION_POD_ENV "CUPEL_IN_POD"

/* Enters the groups of the job that $SLURM_JOB_ID names, or those of this pod, where this process
 * is confined to one: 1. 0: it is not, or may not change anything here (not root). < 0: it is, and
 * cannot be kept to. To be called before cgroups_detect, with no other thread. */
int allocation_enter(struct err *err);
/* Undoes what of that would hold up the job's end: on v2 this process goes back to where Slurm put
 * it. Nothing where nothing was entered. */
void allocation_leave(void);

/* The groups of this process's allocation as seen from outside: "freezer=/slurm/job_7;memory=/...",
 * by the first controller of a hierarchy, "" for the unified one. NULL: none. */
const char *allocation_of_self(void);
/* From /proc/self/cgroup's text (cut up): that list. False, and nothing added: no group of that job
 * is in it, or for a job of NULL none but the roots. */
bool allocation_parse(char *text, const char *job, struct str *ret);
/* Turns what is mounted here into what it is below that list, for clean-up from outside. Trees that
 * are not in it stay. ERR_BUG: no list of ours. */
int allocation_look_into(struct cgroups *c, const char *list, struct err *err);

#endif
