#include "host/k8sread.h"

#include "base/str.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void take_said(const json_t *o, struct k8s_said *ret)
{
    object_copy(o, "reason", ret->reason, sizeof(ret->reason));
    object_copy(o, "message", ret->message, sizeof(ret->message));
}

static const json_t *find_condition(const json_t *object, const char *type)
{
    size_t i;
    const json_t *c;

    json_array_foreach (object_at(object, "status", "conditions"), i, c)
        if (str_eq(object_text(c, "type"), type))
            return c;
    return NULL;
}

const char *k8s_condition(const json_t *object, const char *type, struct k8s_said *ret)
{
    const json_t *c = find_condition(object, type);

    if (ret)
        take_said(c, ret);
    return object_text(c, "status");
}

static bool holds(const json_t *object, const char *type)
{
    return str_eq(k8s_condition(object, type, NULL), "True");
}

bool k8s_is_deleting(const json_t *object)
{
    return json_is_string(object_at(object, "metadata", "deletionTimestamp"));
}

static bool is_one_of(const char *word, const char *const *words)
{
    while (*words && !str_eq(word, *words))
        words++;
    return *words != NULL;
}

/* ---- pods ---- */

/* Ours have one. */
static const json_t *container_of(const json_t *pod)
{
    return json_array_get(object_at(pod, "status", "containerStatuses"), 0);
}

static void read_container(const json_t *container, struct k8s_pod *ret)
{
    const json_t *state = json_object_get(container, "state");
    const json_t *ended = json_object_get(state, "terminated");

    object_copy_whole(container, "containerID", ret->container, sizeof(ret->container));
    take_said(json_object_get(state, "waiting"), &ret->waiting);
    ret->started = json_is_object(json_object_get(state, "running"));
    ret->over = json_is_object(ended);
    if (ret->over) {
        take_said(ended, &ret->ended);
        ret->exit_code = (int)json_integer_value(json_object_get(ended, "exitCode"));
    }
}

static enum k8s_phase phase_of(const char *word)
{
    static const struct {
        const char *word;
        enum k8s_phase phase;
    } phases[] = {{"Running", K8S_RUNNING},
                  {"Unknown", K8S_RUNNING}, /* nobody hears of the node */
                  {"Succeeded", K8S_DONE},
                  {"Failed", K8S_DONE}};

    for (size_t i = 0; i < ARRAY_SIZE(phases); i++)
        if (str_eq(word, phases[i].word))
            return phases[i].phase;
    return K8S_PENDING;
}

void k8s_pod_read(const json_t *o, struct k8s_pod *ret)
{
    const json_t *about = json_object_get(o, "metadata"), *spec = json_object_get(o, "spec"),
                 *status = json_object_get(o, "status");
    const char *phase = object_text(status, "phase");

    *ret = (struct k8s_pod){.phase = phase_of(phase), .failed = str_eq(phase, "Failed")};
    object_copy_whole(about, "name", ret->name, sizeof(ret->name));
    object_copy_whole(about, "uid", ret->uid, sizeof(ret->uid));
    object_copy_whole(about, "resourceVersion", ret->version, sizeof(ret->version));
    object_copy_whole(spec, "nodeName", ret->node, sizeof(ret->node));
    object_copy_whole(spec, "runtimeClassName", ret->class_, sizeof(ret->class_));
    ret->deleting = k8s_is_deleting(o);
    ret->ready = holds(o, "Ready");
    ret->placed = holds(o, "PodScheduled");
    take_said(status, &ret->status);
    if (str_eq(k8s_condition(o, "PodScheduled", NULL), "False"))
        k8s_condition(o, "PodScheduled", &ret->scheduling);
    if (holds(o, "DisruptionTarget"))
        k8s_condition(o, "DisruptionTarget", &ret->disruption);
    read_container(container_of(o), ret);
}

json_t *k8s_pod_times(const json_t *object)
{
    static const char *const names[][2] = {
        {"PodScheduled", "scheduled"},
        {"PodReadyToStartContainers", "sandbox"},
        {"Initialized", "initialized"},
        {"ContainersReady", "containers_ready"},
        {"Ready", "ready"},
    };
    const json_t *running = object_at(container_of(object), "state", "running");
    json_t *o = json_object();
    char stamp[40];

    object_copy(json_object_get(object, "metadata"), "creationTimestamp", stamp, sizeof(stamp));
    json_object_set_new(o, "created", json_string(stamp));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!holds(object, names[i][0]))
            continue;
        object_copy(find_condition(object, names[i][0]), "lastTransitionTime", stamp,
                    sizeof(stamp));
        json_object_set_new(o, names[i][1], json_string(stamp));
    }
    object_copy(running, "startedAt", stamp, sizeof(stamp));
    if (stamp[0])
        json_object_set_new(o, "started", json_string(stamp));
    return o;
}

bool k8s_waits_for_image(const char *reason)
{
    static const char *const reasons[] = {
        "ErrImagePull",      "ImagePullBackOff",    "ErrImageNeverPull",         "InvalidImageName",
        "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed", NULL};

    return is_one_of(reason, reasons);
}

bool k8s_waits_for_start(const char *reason)
{
    static const char *const reasons[] = {"CreateContainerConfigError", "CreateContainerError",
                                          "RunContainerError", "CrashLoopBackOff", NULL};

    return is_one_of(reason, reasons);
}

/* ---- nodes ---- */

void k8s_node_read(const json_t *o, struct k8s_node *ret)
{
    const json_t *info = object_at(o, "status", "nodeInfo");

    *ret = (struct k8s_node){.ready = holds(o, "Ready")};
    object_copy_whole(json_object_get(o, "metadata"), "name", ret->name, sizeof(ret->name));
    object_copy_whole(info, "containerRuntimeVersion", ret->runtime, sizeof(ret->runtime));
    object_copy_whole(info, "kernelVersion", ret->kernel, sizeof(ret->kernel));
    object_copy_whole(info, "bootID", ret->boot_id, sizeof(ret->boot_id));
    object_copy_whole(info, "kubeletVersion", ret->kubelet, sizeof(ret->kubelet));
    object_copy_whole(info, "architecture", ret->arch, sizeof(ret->arch));
}

/* ---- classes ---- */

void k8s_class_read(const json_t *o, struct k8s_class *ret)
{
    const json_t *fixed = object_at(o, "overhead", "podFixed");

    object_copy_whole(o, "handler", ret->handler, sizeof(ret->handler));
    object_copy_whole(fixed, "cpu", ret->fixed_cpu, sizeof(ret->fixed_cpu));
    object_copy_whole(fixed, "memory", ret->fixed_memory, sizeof(ret->fixed_memory));
}

/* ---- what happened ---- */

/* Stamps have one form, so that the later one is the greater text. */
static const char *time_of(const json_t *event)
{
    static const char *const keys[] = {"lastTimestamp", "eventTime", "firstTimestamp"};

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (*object_text(event, keys[i]))
            return object_text(event, keys[i]);
    return "";
}

static bool is_about(const json_t *event, const char *kind, const char *name)
{
    const json_t *who = json_object_get(event, "involvedObject");

    return str_eq(object_text(who, "kind"), kind) && str_eq(object_text(who, "name"), name);
}

bool k8s_event_find(const json_t *list, const char *kind, const char *name,
                    const char *const *reasons, struct k8s_said *ret)
{
    const char *latest = "";
    bool found = false;
    size_t i;
    const json_t *o;

    json_array_foreach (json_object_get(list, "items"), i, o) {
        bool asked_for = reasons ? is_one_of(object_text(o, "reason"), reasons)
                                 : str_eq(object_text(o, "type"), "Warning");
        if (!asked_for || !is_about(o, kind, name) || strcmp(time_of(o), latest) < 0)
            continue;
        latest = time_of(o);
        take_said(o, ret);
        found = true;
    }
    return found;
}

/* ---- quantities ---- */

double k8s_quantity(const char *text)
{
    static const struct {
        const char *suffix;
        double factor;
    } units[] = {{"", 1},        {"n", 1e-9},    {"u", 1e-6},    {"m", 1e-3},
                 {"k", 1e3},     {"M", 1e6},     {"G", 1e9},     {"T", 1e12},
                 {"P", 1e15},    {"E", 1e18},    {"Ki", 0x1p10}, {"Mi", 0x1p20},
                 {"Gi", 0x1p30}, {"Ti", 0x1p40}, {"Pi", 0x1p50}, {"Ei", 0x1p60}};
    size_t digits = strspn(text, "0123456789.");
    char *end;

    /* strtod knows more than that: white space, signs, hexadecimal digits, names. */
    if (!strpbrk(text, "0123456789") || digits == 0 || text[digits] == 'x' || text[digits] == 'X')
        return NAN;
    double value = strtod(text, &end);
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (str_eq(end, units[i].suffix))
            return value * units[i].factor;
    return NAN;
}
