/* What an API server says of Jobs, pods and events: any JSON. What is taken of it is bounded and
 * printable, and comes to an outcome that there is. */
#include "fleet/k8s-state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct k8s_said *s)
{
    const char *texts[] = {s->reason, s->message};

    for (size_t i = 0; i < 2; i++)
        for (const char *p = texts[i]; *p; p++)
            if (*p < ' ' || *p > '~')
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const reasons[] = {"FailedCreate", "FailedCreatePodSandBox", NULL};
    json_t *list = json_loadb((const char *)data, size, 0, NULL);
    struct k8s_said of_job = {.reason = ""}, of_pod = {.reason = ""}, why;
    struct k8s_job job;
    struct k8s_pod pod;
    bool hopeless;

    k8s_job_find(list, "j", &job);
    k8s_pod_find(list, "j", &pod);
    (void)k8s_event_find(list, "Job", "j", reasons, &of_job);
    (void)k8s_event_find(list, "Pod", pod.name, reasons, &of_pod);
    if (k8s_hindrance(&pod, &of_job, &of_pod, &why, &hopeless) >= FLEET_OUTCOME_COUNT)
        abort();
    check(&why);
    if (k8s_end_of(&pod, &job, &why) >= FLEET_OUTCOME_COUNT)
        abort();
    check(&why);
    json_decref(list);
    return 0;
}
