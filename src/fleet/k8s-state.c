#include "fleet/k8s-state.h"

#include <errno.h>

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

static const json_t *at(const json_t *o, const char *a, const char *b)
{
    return json_object_get(json_object_get(o, a), b);
}

static void copy(const char *text, char *dst, size_t size)
{
    str_copy(dst, size, text);
    str_printable(dst);
}

static void take_said(const json_t *o, struct k8s_said *ret)
{
    copy(text_of(o, "reason"), ret->reason, sizeof(ret->reason));
    copy(text_of(o, "message"), ret->message, sizeof(ret->message));
}

static void say(struct k8s_said *s, const char *reason, const char *message)
{
    copy(reason, s->reason, sizeof(s->reason));
    copy(message, s->message, sizeof(s->message));
}

static const json_t *condition(const json_t *object, const char *type)
{
    size_t i;
    const json_t *c;

    json_array_foreach(at(object, "status", "conditions"), i,
                       c) if (str_eq(text_of(c, "type"), type)) return c;
    return NULL;
}

static bool is_deleting(const json_t *object)
{
    return json_is_string(at(object, "metadata", "deletionTimestamp"));
}

/* ---- reading ---- */

void k8s_job_find(const json_t *list, const char *job, struct k8s_job *ret)
{
    size_t i;
    const json_t *o;

    *ret = (struct k8s_job){.there = false};
    json_array_foreach(json_object_get(list, "items"), i, o)
    {
        if (!str_eq(text_of(o, "kind"), "Job") ||
            !str_eq(text_of(json_object_get(o, "metadata"), "name"), job))
            continue;
        const json_t *failed = condition(o, "Failed");
        ret->there = true;
        ret->deleting = is_deleting(o);
        ret->failed = str_eq(text_of(failed, "status"), "True");
        take_said(failed, &ret->failure);
        return;
    }
}

static void read_container(const json_t *status, struct k8s_pod *ret)
{
    const json_t *state =
        json_object_get(json_array_get(json_object_get(status, "containerStatuses"), 0), "state");
    const json_t *ended = json_object_get(state, "terminated");

    take_said(json_object_get(state, "waiting"), &ret->waiting);
    if (ended) {
        take_said(ended, &ret->ended);
        ret->exit_code = (int)json_integer_value(json_object_get(ended, "exitCode"));
    }
}

static void read_pod(const json_t *o, struct k8s_pod *ret)
{
    static const struct {
        const char *name;
        enum k8s_phase phase;
    } phases[] = {{"Running", K8S_RUNNING},
                  {"Unknown", K8S_RUNNING}, /* nobody hears of the node */
                  {"Succeeded", K8S_DONE},
                  {"Failed", K8S_DONE}};
    const json_t *status = json_object_get(o, "status");
    const json_t *scheduled = condition(o, "PodScheduled");
    const json_t *disruption = condition(o, "DisruptionTarget");

    *ret = (struct k8s_pod){.phase = K8S_PENDING};
    copy(text_of(json_object_get(o, "metadata"), "name"), ret->name, sizeof(ret->name));
    for (size_t i = 0; i < ARRAY_SIZE(phases); i++)
        if (str_eq(text_of(status, "phase"), phases[i].name))
            ret->phase = phases[i].phase;
    ret->deleting = is_deleting(o);
    ret->ready = str_eq(text_of(condition(o, "Ready"), "status"), "True");
    take_said(status, &ret->status);
    if (str_eq(text_of(scheduled, "status"), "False"))
        take_said(scheduled, &ret->scheduling);
    if (str_eq(text_of(disruption, "status"), "True"))
        take_said(disruption, &ret->disruption);
    read_container(status, ret);
}

/* The latest, if a Job ever had two: one that is not being deleted. */
void k8s_pod_find(const json_t *list, const char *job, struct k8s_pod *ret)
{
    size_t i;
    const json_t *o;

    *ret = (struct k8s_pod){.phase = K8S_NONE};
    json_array_foreach(json_object_get(list, "items"), i, o)
    {
        const json_t *labels = at(o, "metadata", "labels");
        if (str_eq(text_of(o, "kind"), "Pod") && str_eq(text_of(labels, "job-name"), job) &&
            (ret->phase == K8S_NONE || !is_deleting(o)))
            read_pod(o, ret);
    }
}

static const char *time_of(const json_t *event)
{
    const char *last = text_of(event, "lastTimestamp");
    return last[0] ? last : text_of(event, "eventTime");
}

static bool is_one_of(const char *word, const char *const *words)
{
    while (*words && !str_eq(word, *words))
        words++;
    return *words != NULL;
}

bool k8s_event_find(const json_t *list, const char *kind, const char *name,
                    const char *const *reasons, struct k8s_said *ret)
{
    const char *latest = "";
    bool found = false;
    size_t i;
    const json_t *o;

    json_array_foreach(json_object_get(list, "items"), i, o)
    {
        const json_t *who = json_object_get(o, "involvedObject");
        if (!str_eq(text_of(who, "kind"), kind) || !str_eq(text_of(who, "name"), name) ||
            !is_one_of(text_of(o, "reason"), reasons) || strcmp(time_of(o), latest) < 0)
            continue;
        latest = time_of(o);
        take_said(o, ret);
        found = true;
    }
    return found;
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
    static const char *const image[] = {
        "ErrImagePull",      "ImagePullBackOff",    "ErrImageNeverPull",         "InvalidImageName",
        "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed", NULL};
    static const char *const start[] = {"CreateContainerConfigError", "CreateContainerError",
                                        "RunContainerError", "CrashLoopBackOff", NULL};
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
    if (is_one_of(waiting->reason, image)) {
        *ret_hopeless = str_eq(waiting->reason, "ErrImageNeverPull") ||
                        str_eq(waiting->reason, "InvalidImageName");
        return FLEET_NO_IMAGE;
    }
    if (is_one_of(waiting->reason, start))
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
