/* What the API server says of a Job and its pod, and what that comes to.
 *
 * Layer: fleet, internal. Pure. */
#ifndef CUPEL_FLEET_K8S_STATE_H
#define CUPEL_FLEET_K8S_STATE_H

#include "fleet/fleet.h"
#include "host/k8sread.h"

struct k8s_job {
    bool there, failed, deleting;
    struct k8s_said failure; /* BackoffLimitExceeded, DeadlineExceeded */
};

/* Out of a list of Jobs and Pods (`kubectl get jobs,pods -o json`). */
void k8s_job_find(const json_t *list, const char *job, struct k8s_job *ret);
void k8s_pod_find(const json_t *list, const char *job, struct k8s_pod *ret);
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
