/* What the API server says of a Job, its pod and what happened to them, and what that comes to.
 * What it says is bounded here; words of nodes and of pods stand in it.
 *
 * Layer: fleet, internal. Pure. */
#ifndef CUPEL_FLEET_K8S_STATE_H
#define CUPEL_FLEET_K8S_STATE_H

#include "fleet/fleet.h"

#include <jansson.h>

#define K8S_WORD_MAX    64
#define K8S_MESSAGE_MAX 320

enum k8s_phase { K8S_NONE, K8S_PENDING, K8S_RUNNING, K8S_DONE };

struct k8s_said {
    char reason[K8S_WORD_MAX], message[K8S_MESSAGE_MAX]; /* "": nothing */
};

struct k8s_pod {
    char name[128];
    enum k8s_phase phase;
    bool ready, deleting;
    struct k8s_said status;     /* of the pod: Evicted, NodeLost, ... */
    struct k8s_said scheduling; /* why it has no node */
    struct k8s_said disruption; /* PreemptionByScheduler, DeletionByTaintManager, ... */
    struct k8s_said waiting;    /* its container: ErrImagePull, ContainerCreating, ... */
    struct k8s_said ended;      /* its container: Completed, OOMKilled, StartError, ... */
    int exit_code;
};

struct k8s_job {
    bool there, failed, deleting;
    struct k8s_said failure; /* BackoffLimitExceeded, DeadlineExceeded */
};

/* Out of a list of Jobs and Pods (`kubectl get jobs,pods -o json`). */
void k8s_job_find(const json_t *list, const char *job, struct k8s_job *ret);
void k8s_pod_find(const json_t *list, const char *job, struct k8s_pod *ret);
/* The latest event of such a reason (NULL ends them) that tells of the Job (kind "Job") or of its
 * pod ("Pod"): false, there is none. */
bool k8s_event_find(const json_t *list, const char *kind, const char *name,
                    const char *const *reasons, struct k8s_said *ret);

/* How it ended with a pod that is done, or that is gone, and left nothing in its log. */
enum fleet_outcome k8s_end_of(const struct k8s_pod *pod, const struct k8s_job *job,
                              struct k8s_said *ret_why);
/* Why the pod does not run, if that is known; *ret_hopeless: waiting changes nothing about it.
 * FLEET_QUEUED: it waits. */
enum fleet_outcome k8s_hindrance(const struct k8s_pod *pod, const struct k8s_said *of_job,
                                 const struct k8s_said *of_pod, struct k8s_said *ret_why,
                                 bool *ret_hopeless);

/* By the code of host/kubectl.h: refused, not taken, unreachable. */
enum fleet_outcome k8s_refusal(const struct err *why);

#endif
