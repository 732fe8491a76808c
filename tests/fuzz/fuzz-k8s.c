/* What an API server says of Jobs, pods, nodes and events: any JSON. What is taken of it is bounded
 * and printable, and comes to an outcome that there is. */
#include "fleet/k8s-state.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            abort();
}

static void check_said(const struct k8s_said *s)
{
    check(s->reason);
    check(s->message);
}

static void read_pod(const json_t *o)
{
    struct k8s_pod p;
    json_t *times = k8s_pod_times(o), *stamp;
    const char *key;

    json_object_foreach (times, key, stamp)
        check(json_string_value(stamp));
    json_decref(times);
    k8s_pod_read(o, &p);
    const char *names[] = {p.name, p.uid, p.version, p.node, p.class_, p.container};
    const struct k8s_said *said[] = {&p.status, &p.scheduling, &p.disruption, &p.waiting, &p.ended};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        check(names[i]);
    for (size_t i = 0; i < ARRAY_SIZE(said); i++)
        check_said(said[i]);
}

static void read_node_or_class(const json_t *o)
{
    struct k8s_node n;

    k8s_node_read(o, &n);
    struct k8s_class c;

    k8s_class_read(o, &c);
    const char *names[] = {n.name, n.runtime, n.kernel,    n.boot_id,     n.kubelet,
                           n.arch, c.handler, c.fixed_cpu, c.fixed_memory};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        check(names[i]);
    double q = k8s_quantity(n.runtime);
    if (q < 0)
        abort();
}

static void judge(const json_t *list)
{
    static const char *const reasons[] = {"FailedCreate", "FailedCreatePodSandBox", NULL};
    struct k8s_said of_job = {.reason = ""}, of_pod = {.reason = ""}, any, why;
    struct k8s_job job;
    struct k8s_pod pod;
    bool hopeless;

    k8s_job_find(list, "j", &job);
    k8s_pod_find(list, "j", &pod);
    (void)k8s_event_find(list, "Job", "j", reasons, &of_job);
    (void)k8s_event_find(list, "Pod", pod.name, reasons, &of_pod);
    if (k8s_event_find(list, "Pod", pod.name, NULL, &any))
        check_said(&any);
    if (k8s_hindrance(&pod, &of_job, &of_pod, &why, &hopeless) >= FLEET_OUTCOME_COUNT)
        abort();
    check_said(&why);
    if (k8s_end_of(&pod, &job, &why) >= FLEET_OUTCOME_COUNT)
        abort();
    check_said(&why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *list = json_loadb((const char *)data, size, 0, NULL), *o;
    size_t i;

    judge(list);
    json_array_foreach (json_object_get(list, "items"), i, o) {
        read_pod(o);
        read_node_or_class(o);
    }
    json_decref(list);
    return 0;
}
