#include "fleet/k8s-state.h"

#include <errno.h>

static void say(struct k8s_said *s, const char *reason, const char *message)
{
    str_copy(s->reason, sizeof(s->reason), reason);
    str_copy(s->message, sizeof(s->message), message);
}

/* ---- reading ---- */

void k8s_job_find(const json_t *list, const char *job, struct k8s_job *ret)
{
    size_t i;
    const json_t *o;

    *ret = (struct k8s_job){.there = false};
    json_array_foreach (json_object_get(list, "items"), i, o) {
        if (!str_eq(object_text(o, "kind"), "Job") ||
            !str_eq(object_text(json_object_get(o, "metadata"), "name"), job))
            continue;
        ret->there = true;
        ret->deleting = k8s_is_deleting(o);
        ret->failed = str_eq(k8s_condition(o, "Failed", &ret->failure), "True");
        return;
    }
}

/* The latest, if a Job ever had two: one that is not being deleted. */
void k8s_pod_find(const json_t *list, const char *job, struct k8s_pod *ret)
{
    size_t i;
    const json_t *o;

    *ret = (struct k8s_pod){.phase = K8S_NONE};
    json_array_foreach (json_object_get(list, "items"), i, o) {
        const json_t *labels = object_at(o, "metadata", "labels");
        if (str_eq(object_text(o, "kind"), "Pod") && str_eq(object_text(labels, "job-name"), job) &&
            (ret->phase == K8S_NONE || !k8s_is_deleting(o)))
            k8s_pod_read(o, ret);
    }
}

/* ---- judging ---- */

static bool has(const struct k8s_said *s, const char *word)
{
    return strcasestr(s->message, word) != NULL;
}

/* Reasons of kubelet's and of the node controller's. */
static enum fleet_outcome by_reason(const char *reason)
{
    static const struct {
        const char *reason;
        enum fleet_outcome outcome;
    } known[] = {
        {"Evicted", FLEET_CANCELLED},
        {"Preempting", FLEET_CANCELLED},
        {"PreemptionByScheduler", FLEET_CANCELLED},
        {"EvictionByEvictionAPI", FLEET_CANCELLED},
        {"TerminationByKubelet", FLEET_CANCELLED},
        {"DeadlineExceeded", FLEET_TIME_LIMIT},
        {"NodeLost", FLEET_NODE_FAILED},
        {"NodeShutdown", FLEET_NODE_FAILED},
        {"Terminated", FLEET_NODE_FAILED}, /* a node that shuts down in order */
        {"Shutdown", FLEET_NODE_FAILED},
        {"DeletionByTaintManager", FLEET_NODE_FAILED},
        {"DeletionByPodGC", FLEET_NODE_FAILED},
        {"NodeAffinity", FLEET_NODE_FAILED},
        {"OutOfcpu", FLEET_QUEUED},
        {"OutOfmemory", FLEET_QUEUED},
        {"OutOfpods", FLEET_QUEUED},
    };

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (str_eq(reason, known[i].reason))
            return known[i].outcome;
    return FLEET_FAILED;
}

static bool is_other_architecture(const struct k8s_said *s)
{
    return has(s, "exec format error");
}

enum fleet_outcome k8s_end_of(const struct k8s_pod *pod, const struct k8s_job *job,
                              struct k8s_said *ret_why)
{
    const struct k8s_said *said[] = {&pod->status, &pod->disruption, &job->failure};

    for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
        enum fleet_outcome outcome = by_reason(said[i]->reason);
        if (outcome == FLEET_FAILED)
            continue;
        *ret_why = *said[i];
        return outcome;
    }
    *ret_why = pod->ended;
    if (is_other_architecture(&pod->ended))
        return FLEET_ARCHITECTURE;
    if (str_eq(pod->ended.reason, "StartError") || str_eq(pod->ended.reason, "ContainerCannotRun"))
        return FLEET_NO_SANDBOX;
    if (pod->ended.reason[0])
        return FLEET_FAILED;
    if (pod->phase == K8S_DONE) {
        *ret_why = pod->status;
        return FLEET_FAILED;
    }
    say(ret_why, "",
        pod->name[0] ? "its pod was deleted by somebody else"
                     : "its Job was deleted by somebody else");
    return FLEET_CANCELLED;
}

/* A Job whose pod is not made. */
static enum fleet_outcome of_job_only(const struct k8s_said *of_job, struct k8s_said *ret_why,
                                      bool *ret_hopeless)
{
    if (!of_job->reason[0])
        return FLEET_QUEUED;
    *ret_why = *of_job;
    *ret_hopeless = !has(of_job, "exceeded quota") && !has(of_job, "failed calling webhook");
    return FLEET_NOT_TAKEN;
}

enum fleet_outcome k8s_hindrance(const struct k8s_pod *pod, const struct k8s_said *of_job,
                                 const struct k8s_said *of_pod, struct k8s_said *ret_why,
                                 bool *ret_hopeless)
{
    const struct k8s_said *waiting = &pod->waiting;

    *ret_hopeless = false;
    *ret_why = (struct k8s_said){.reason = ""};
    if (pod->phase == K8S_NONE)
        return of_job_only(of_job, ret_why, ret_hopeless);
    if (pod->scheduling.reason[0]) {
        *ret_why = pod->scheduling;
        return FLEET_QUEUED;
    }
    *ret_why = waiting->reason[0] ? *waiting : pod->status;
    if (k8s_waits_for_image(waiting->reason)) {
        *ret_hopeless = str_eq(waiting->reason, "ErrImageNeverPull") ||
                        str_eq(waiting->reason, "InvalidImageName");
        return FLEET_NO_IMAGE;
    }
    if (k8s_waits_for_start(waiting->reason))
        return is_other_architecture(waiting) ? FLEET_ARCHITECTURE : FLEET_NO_SANDBOX;
    if (of_pod->reason[0]) {
        *ret_why = *of_pod;
        return FLEET_NO_SANDBOX;
    }
    return FLEET_QUEUED;
}

enum fleet_outcome k8s_refusal(const struct err *why)
{
    switch (why->code) {
    case EACCES:
    case EKEYREJECTED:
        return FLEET_REFUSED;
    case EHOSTUNREACH:
    case ETIMEDOUT:
        return FLEET_UNREACHABLE;
    default: /* quotas, admission, what the server finds invalid; no kubectl */
        return FLEET_NOT_TAKEN;
    }
}
