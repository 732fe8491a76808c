/* What is created in the cluster. The pod is one that any namespace takes (Pod Security
 * "restricted"): no root, no privilege, nothing of the host's. */
#include "fleet/k8s-manifest.h"

#include "base/time.h"
#include "fleet/k8s.h"
#include "fleet/podside.h"
#include "fleet/roll.h"

#include <errno.h>

/* From its SIGTERM until it is killed: a block ends, and the run goes into the log. */
#define GRACE_S 120
/* What a Job may take longer than its run: it says so itself before it is ended without a word. */
#define SLACK_S 300
#define USER    65532

void k8s_run_label(const struct fleet *f, size_t first, char ret[K8S_NAME_MAX])
{
    str_format(ret, K8S_NAME_MAX, "cupel-%s-%zu", f->id, first + 1);
}

void k8s_job_name(const struct fleet *f, size_t machine, char ret[K8S_NAME_MAX])
{
    str_format(ret, K8S_NAME_MAX, "cupel-%s-%zu", f->id, machine + 1);
}

void k8s_map_name(const struct fleet *f, size_t first, char ret[K8S_NAME_MAX])
{
    k8s_job_name(f, first, ret);
}

static json_t *labels(const struct fleet *f, size_t first)
{
    char run[K8S_NAME_MAX];

    k8s_run_label(f, first, run);
    return json_pack("{s:s, s:s, s:s}", "app.kubernetes.io/name", "cupel", KUBECTL_MANAGED_KEY,
                     KUBECTL_MANAGED_VALUE, KUBECTL_RUN_KEY, run);
}

static json_t *order_map(const struct fleet *f, size_t first, size_t n)
{
    char name[K8S_NAME_MAX], file[24];
    json_t *order = roll_json(f, first, n);
    _cleanup_free_ char *text = json_dumps(order, JSON_INDENT(1));

    json_decref(order);
    k8s_map_name(f, first, name);
    str_format(file, sizeof(file), "%s.json", f->id);
    return json_pack("{s:s, s:s, s:{s:s, s:o}, s:b, s:{s:s}}", "apiVersion", "v1", "kind",
                     "ConfigMap", "metadata", "name", name, "labels", labels(f, first), "immutable",
                     1, "data", file, text ? text : "");
}

/* ---- the pod ---- */

/* To this node and no other, but by the scheduler: it knows of room, taints and quotas. */
static json_t *affinity(const char *node)
{
    return json_pack("{s:{s:{s:[{s:[{s:s, s:s, s:[s]}]}]}}}", "nodeAffinity",
                     "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms",
                     "matchFields", "key", "metadata.name", "operator", "In", "values", node);
}

static json_t *tolerations(const struct k8s_spec *s)
{
    _cleanup_free_ char *copy = xstrdup(s->tolerate);
    char *rest = copy;
    json_t *a = json_array();

    for (char *key; (key = strsep(&rest, ","));) {
        json_t *one = json_pack("{s:s}", "operator", "Exists");
        if (!str_eq(key, "all"))
            json_object_set_new(one, "key", json_string(key));
        json_array_append_new(a, one);
    }
    return a;
}

static json_t *from_field(const char *name, const char *path)
{
    return json_pack("{s:s, s:{s:{s:s}}}", "name", name, "valueFrom", "fieldRef", "fieldPath",
                     path);
}

static json_t *resources(const struct k8s_spec *s)
{
    json_t *both = json_object();

    if (s->cpu[0])
        json_object_set_new(both, "cpu", json_string(s->cpu));
    if (s->memory[0])
        json_object_set_new(both, "memory", json_string(s->memory));
    return json_pack("{s:O, s:o}", "requests", both, "limits", both);
}

static json_t *container_security(bool privileged)
{
    if (privileged)
        return json_pack("{s:b, s:i}", "privileged", 1, "runAsUser", 0);
    return json_pack("{s:b, s:{s:[s]}}", "allowPrivilegeEscalation", 0, "capabilities", "drop",
                     "ALL");
}

static json_t *container(const struct fleet *f, size_t first, size_t machine,
                         const struct k8s_spec *s)
{
    char order[64], number[24], seconds[24];
    json_t *o;

    str_format(order, sizeof(order), POD_ORDER_DIR "/fleet/%s.json", f->id);
    str_format(number, sizeof(number), "%zu", machine - first + 1);
    str_format(seconds, sizeof(seconds), "%llus", (unsigned long long)(s->time_ns / NS_PER_S));
    o = json_pack("{s:s, s:s, s:s, s:[s,s,s,s,s,s,s,s], s:[o,o,o], s:o, s:[{s:s, s:s, s:b}]}",
                  "name", "cupel", "image", s->image, "imagePullPolicy", s->pull, "args", "steward",
                  "--in-pod", seconds, "--order", order, "--number", number, POD_SCRATCH, "env",
                  from_field(POD_ENV_NODE, "spec.nodeName"),
                  from_field(POD_ENV_NAME, "metadata.name"),
                  from_field(POD_ENV_NAMESPACE, "metadata.namespace"), "securityContext",
                  container_security(f->privileged), "volumeMounts", "name", "order", "mountPath",
                  POD_ORDER_DIR "/fleet", "readOnly", 1);
    if (s->cpu[0] || s->memory[0])
        json_object_set_new(o, "resources", resources(s));
    return o;
}

/* What the host's baseline needs: the host's processes, network and memory, and no filter of system
 * calls; none of its files. */
static void add_privilege(json_t *pod)
{
    json_object_set_new(pod, "hostPID", json_true());
    json_object_set_new(pod, "hostIPC", json_true());
    json_object_set_new(pod, "hostNetwork", json_true());
}

static void add_restriction(json_t *pod)
{
    json_object_set_new(pod, "securityContext",
                        json_pack("{s:b, s:i, s:i, s:{s:s}}", "runAsNonRoot", 1, "runAsUser", USER,
                                  "runAsGroup", USER, "seccompProfile", "type", "RuntimeDefault"));
}

static json_t *pod_spec(const struct fleet *f, size_t first, size_t machine,
                        const struct k8s_spec *s)
{
    char map[K8S_NAME_MAX];

    k8s_map_name(f, first, map);
    json_t *o = json_pack(
        "{s:s, s:b, s:b, s:i, s:o, s:[o], s:[{s:s, s:{s:s}}]}", "restartPolicy", "Never",
        "automountServiceAccountToken", 0, "enableServiceLinks", 0, "terminationGracePeriodSeconds",
        GRACE_S, "affinity", affinity(k8s_node_of(&f->machines.v[machine])), "containers",
        container(f, first, machine, s), "volumes", "name", "order", "configMap", "name", map);
    if (s->class[0])
        json_object_set_new(o, "runtimeClassName", json_string(s->class));
    if (s->tolerate[0])
        json_object_set_new(o, "tolerations", tolerations(s));
    if (f->privileged)
        add_privilege(o);
    else
        add_restriction(o);
    return o;
}

/* ---- the job ---- */

static json_t *job(const struct fleet *f, size_t first, size_t machine, const struct k8s_spec *s)
{
    json_int_t deadline_s = (json_int_t)((s->wait_ns + s->time_ns) / NS_PER_S) + SLACK_S;
    char name[K8S_NAME_MAX];

    k8s_job_name(f, machine, name);
    return json_pack("{s:s, s:s, s:{s:s, s:o}, s:{s:i, s:i, s:i, s:I, s:I, s:{s:{s:o}, s:o}}}",
                     "apiVersion", "batch/v1", "kind", "Job", "metadata", "name", name, "labels",
                     labels(f, first), "spec", "completions", 1, "parallelism", 1, "backoffLimit",
                     0, "activeDeadlineSeconds", deadline_s, "ttlSecondsAfterFinished",
                     (json_int_t)(f->keep_ns / NS_PER_S), "template", "metadata", "labels",
                     labels(f, first), "spec", pod_spec(f, first, machine, s));
}

json_t *k8s_objects(const struct fleet *f, size_t first, size_t n, const struct k8s_spec *s)
{
    json_t *items = json_array(), *one;
    size_t i;

    json_array_append_new(items, order_map(f, first, n));
    for (i = first; i < first + n; i++)
        json_array_append_new(items, job(f, first, i, s));
    json_array_foreach (items, i, one)
        if (s->namespace[0])
            json_object_set_new(json_object_get(one, "metadata"), "namespace",
                                json_string(s->namespace));
    return json_pack("{s:s, s:s, s:o}", "apiVersion", "v1", "kind", "List", "items", items);
}

/* ---- for people ---- */

static void put_words(const struct fleet *f, size_t first, size_t n, const struct k8s_spec *s,
                      struct str *out)
{
    char label[K8S_NAME_MAX];
    _cleanup_free_ char *space =
        s->namespace[0] ? xasprintf(" --namespace %s", s->namespace) : xstrdup("");

    k8s_run_label(f, first, label);
    str_addf(out, "# Made by cupel k8s manifest. %s, on %zu node%s.\n",
             f->privileged ? "Measures the nodes themselves, from privileged pods"
                           : "Measures the sandbox of its pod, which reaches nothing of the node",
             n, n == 1 ? "" : "s");
    str_addf(out,
             "#   kubectl create%s -f FILE\n"
             "#   kubectl wait%s --for=condition=complete --timeout=%llus job -l " KUBECTL_RUN_KEY
             "=%s\n"
             "#   kubectl logs%s --tail=-1 -l " KUBECTL_RUN_KEY "=%s | cupel import -\n"
             "#   kubectl delete%s job,configmap -l " KUBECTL_RUN_KEY "=%s\n",
             space, space, (unsigned long long)((s->wait_ns + s->time_ns) / NS_PER_S), label, space,
             label, space, label);
}

int k8s_manifest_of(struct fleet *f, struct loop *l, struct str *out, struct err *err)
{
    VEC_FOREACH (&f->machines, const struct fleet_machine, m)
        if (!str_eq(m->carrier->scheme, "k8s"))
            return err_set(err, ERR_USAGE, EINVAL, "%s is in no cluster", m->on);
    int r = fleet_find(f, l, err);
    if (r < 0)
        return r;
    for (size_t i = 0, n; i < f->machines.n; i += n) {
        const struct fleet_machine *m = &f->machines.v[i];
        struct k8s_spec s;
        for (n = 1; i + n < f->machines.n && str_eq(f->machines.v[i + n].from, m->from);)
            n++;
        r = k8s_spec_parse(m->from + strlen("k8s:"), &s, err);
        if (r < 0)
            return r;
        if (m->ended)
            return err_set(err, ERR_ENVIRONMENT, ENOENT, "which nodes? %s", m->why);
        json_t *objects = k8s_objects(f, i, n, &s);
        put_words(f, i, n, &s, out);
        k8s_yaml(objects, out);
        json_decref(objects);
    }
    return 0;
}

int k8s_check_privileged(const struct fleet *f, struct err *err)
{
    bool any = false;

    VEC_FOREACH (&f->machines, const struct fleet_machine, m) {
        struct k8s_spec s;
        if (!str_eq(m->carrier->scheme, "k8s"))
            continue;
        any = true;
        if (f->privileged && k8s_spec_parse(m->from + strlen("k8s:"), &s, NULL) == 0 && s.class[0])
            return err_set(err, ERR_USAGE, EINVAL,
                           "--privileged-agent measures the node itself, without class=%s: that "
                           "is another run",
                           s.class);
    }
    return f->privileged && !any
               ? err_set(err, ERR_USAGE, EINVAL, "--privileged-agent goes with --on k8s:... alone")
               : 0;
}
