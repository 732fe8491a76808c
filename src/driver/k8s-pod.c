/* What a pod is asked for, and what becomes of it as the server tells.
 *
 * The server's stamps have whole seconds, so the steps of a start are timed here, by when the watch
 * told of them; the stamps are kept beside. */
#include "driver/k8s.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/time.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>

#define LINE_MAX (1u << 20) /* of an event of the watch: a pod's object has some kilobytes */

/* ---- what is asked for ---- */

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static json_t *command_of(const struct live *l, const char *nonce)
{
    json_t *a = json_array();
    const char *inject = l->engine->info.target.inject;

    json_array_append_new(a, json_sprintf(K8S_PROGRAMS "/%s", last_name(l->program->path)));
    json_array_append_new(a, json_string("--await"));
    json_array_append_new(a, json_string("--nonce"));
    json_array_append_new(a, json_string(nonce));
    if (*inject) {
        json_array_append_new(a, json_string("--inject"));
        json_array_append_new(a, json_string(inject));
    }
    return a;
}

/* Requests equal to limits, so that the scheduler keeps free what the plan grants. */
static json_t *resources_of(const struct limits *l)
{
    json_t *o = json_object();

    if (l->cpus > 0)
        json_object_set_new(o, "cpu", json_sprintf("%.0fm", l->cpus * 1000));
    if (l->memory_bytes)
        json_object_set_new(o, "memory", json_sprintf("%llu", (unsigned long long)l->memory_bytes));
    return json_pack("{s:O, s:o}", "requests", o, "limits", o);
}

/* The scheduler sees to it, and says why where it does not work: by spec.nodeName a pod would pass
 * it by, with its taints and what is left of the node. */
static json_t *affinity_of(const struct k8s *k)
{
    return json_pack("{s:{s:{s:[{s:[{s:s, s:s, s:[s]}]}]}}}", "nodeAffinity",
                     "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms",
                     "matchFields", "key", "metadata.name", "operator", "In", "values",
                     k->node.name);
}

/* /tmp is memory and /data the node's disk, as in other containers. */
static json_t *volumes_of(const struct live *l)
{
    return json_pack("[{s:s, s:{s:s, s:o}}, {s:s, s:{}}]", "name", "tmp", "emptyDir", "medium",
                     "Memory", "sizeLimit",
                     json_sprintf("%llu", (unsigned long long)l->tmpfs_bytes), "name", "data",
                     "emptyDir");
}

static json_t *container_of(const struct live *l, const char *nonce)
{
    const struct k8s *k = l->engine->own;

    return json_pack("{s:s, s:s, s:s, s:o, s:b, s:b, s:o, s:{s:b}, s:[{s:s, s:s}, {s:s, s:s}]}",
                     "name", K8S_CONTAINER, "image", k->image, "imagePullPolicy",
                     k->never_pull ? "Never" : "IfNotPresent", "command", command_of(l, nonce),
                     "stdin", 1, "stdinOnce", 1, "resources", resources_of(&l->site->limits),
                     "securityContext", "allowPrivilegeEscalation", 0, "volumeMounts", "name",
                     "tmp", "mountPath", "/tmp", "name", "data", "mountPath", "/data");
}

int k8s_pod_object(const struct live *l, const char *nonce, struct str *ret, struct err *err)
{
    const struct k8s *k = l->engine->own;
    const struct limits *limits = &l->site->limits;

    if (limits->pids || limits->io_bps)
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
                       "a pod has no limit of %s: that is the kubelet's to set",
                       limits->pids ? "processes" : "input and output");
    json_t *spec = json_pack("{s:s, s:b, s:b, s:i, s:o, s:[o], s:o}", "restartPolicy", "Never",
                             "automountServiceAccountToken", 0, "enableServiceLinks", 0,
                             "terminationGracePeriodSeconds", 1, "affinity", affinity_of(k),
                             "containers", container_of(l, nonce), "volumes", volumes_of(l));
    if (spec && k->class_[0])
        json_object_set_new(spec, "runtimeClassName", json_string(k->class_));
    json_t *o = json_pack("{s:s, s:s, s:{s:s, s:{s:s, s:s, s:s}}, s:o}", "apiVersion", "v1", "kind",
                          "Pod", "metadata", "name", l->ground.id, "labels", KUBECTL_MANAGED_KEY,
                          KUBECTL_MANAGED_VALUE, KUBECTL_RUN_KEY, l->site->run_id, "cupel/session",
                          l->ground.id, "spec", spec);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    if (!text)
        return err_set(err, ERR_ENVIRONMENT, EILSEQ, "the names of image or class are no text");
    str_add(ret, text);
    free(text);
    return 0;
}

/* ---- what became of it ---- */

/* Nothing comes of these by waiting. */
static const char *const fatal_waits[] = {
    "ErrImageNeverPull",    "ErrImagePull",      "ImagePullBackOff",
    "InvalidImageName",     "ImageInspectError", "CreateContainerConfigError",
    "CreateContainerError", "RunContainerError", "CrashLoopBackOff",
};

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static json_t *at(const json_t *o, const char *a, const char *b)
{
    return json_object_get(json_object_get(o, a), b);
}

static void note(struct k8s_pod *p, const char *reason, const char *message)
{
    if (p->why[0])
        return;
    str_format(p->why, sizeof(p->why), "%s%s%s", reason, *reason && *message ? ": " : "", message);
    str_printable(p->why);
}

static void over(struct k8s_pod *p, const char *reason, const char *message)
{
    p->phase = K8S_OVER;
    note(p, reason, message);
}

static json_t *condition(const json_t *object, const char *type)
{
    size_t i;
    json_t *c;

    json_array_foreach(at(object, "status", "conditions"), i,
                       c) if (str_eq(text_of(c, "type"), type)) return c;
    return NULL;
}

static void see_container(struct k8s_pod *p, const json_t *state)
{
    json_t *waits = json_object_get(state, "waiting"),
           *ended = json_object_get(state, "terminated");

    for (size_t i = 0; waits && i < ARRAY_SIZE(fatal_waits); i++)
        if (str_eq(text_of(waits, "reason"), fatal_waits[i]))
            over(p, fatal_waits[i], text_of(waits, "message"));
    if (ended) {
        char how[64];
        int code = (int)json_integer_value(json_object_get(ended, "exitCode"));
        str_format(how, sizeof(how), "%.24s, exit %d", text_of(ended, "reason"), code);
        over(p, how, text_of(ended, "message"));
    } else if (json_object_get(state, "running") && p->phase == K8S_COMING) {
        p->phase = K8S_RUNNING;
        p->running_ns = time_mono_ns();
    }
}

/* It may have got there before anybody told of it. */
static void see_place(struct k8s_pod *p)
{
    json_t *c = condition(p->object, "PodScheduled");

    if (!p->placed_ns && str_eq(text_of(c, "status"), "True"))
        p->placed_ns = time_mono_ns();
}

void k8s_pod_see(struct k8s_pod *p, json_t *object, bool gone)
{
    json_t *status = json_object_get(object, "status");

    p->news = true;
    if (gone || (json_object_get(json_object_get(object, "metadata"), "deletionTimestamp") &&
                 !p->ours_ends))
        over(p, "", "the pod was deleted by somebody else");
    if (!json_is_object(object))
        return;
    json_incref(object);
    json_decref(p->object);
    p->object = object;
    str_copy(p->version, sizeof(p->version),
             text_of(json_object_get(object, "metadata"), "resourceVersion"));
    see_place(p);
    /* Evicted, OutOfcpu, ...: said of the pod, and more than its containers know. */
    if (str_eq(text_of(status, "phase"), "Failed") && *text_of(status, "reason"))
        over(p, text_of(status, "reason"), text_of(status, "message"));
    see_container(p, json_object_get(
                         json_array_get(json_object_get(status, "containerStatuses"), 0), "state"));
    if (str_eq(text_of(status, "phase"), "Failed"))
        over(p, "Failed", text_of(status, "message"));
}

/* ---- following it ---- */

static void take_event(struct k8s_pod *p, const char *text, size_t n)
{
    json_t *event = json_loadb(text, n, 0, NULL), *object = json_object_get(event, "object");
    const char *type = text_of(event, "type");

    if (str_eq(text_of(json_object_get(object, "metadata"), "uid"), p->uid))
        k8s_pod_see(p, object, str_eq(type, "DELETED"));
    json_decref(event);
}

static void take_lines(struct k8s_pod *p)
{
    char *from = p->line.buf, *end;

    while ((end = memchr(from, '\n', (size_t)(p->line.buf + p->line.len - from)))) {
        take_event(p, from, (size_t)(end - from));
        from = end + 1;
    }
    size_t left = (size_t)(p->line.buf + p->line.len - from);
    memmove(p->line.buf, from, left);
    p->line.len = left;
    p->line.buf[left] = '\0';
}

static void on_watch(void *user, int fd, uint32_t events)
{
    struct k8s_pod *p = user;
    char chunk[16384];
    ssize_t n = read(fd, chunk, sizeof(chunk));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0 && p->line.len + (size_t)n <= LINE_MAX) {
        str_addn(&p->line, chunk, (size_t)n);
        take_lines(p);
        return;
    }
    loop_remove(p->loop, p->source);
    p->source = NULL;
    p->watch_ended = p->news = true;
}

static void on_watcher_exit(void *user, pid_t pid, int wait_status, const struct rusage *usage)
{
    struct k8s_pod *p = user;
    p->watcher = 0;
}

int k8s_watch_begin(struct live *l, struct k8s_pod *p, struct err *err)
{
    const struct k8s *k = l->engine->own;
    int fds[2];
    char path[512], raw[800];

    k8s_watch_end(p);
    kubectl_api_path(&k->kubectl, "pods", "", path, sizeof(path));
    str_format(raw, sizeof(raw),
               "--raw=%s?watch=1&fieldSelector=metadata.name%%3D%s&resourceVersion=%s"
               "&timeoutSeconds=600",
               path, l->ground.id, p->version);
    int r = fd_pipe(fds, err);
    if (r < 0)
        return r;
    const char *const args[] = {"get", raw, NULL};
    const struct spawn_spec spec = {
        .fd_in = -1, .fd_out = fds[1], .fd_err = -1, .die_with_parent = true, .new_session = true};
    r = kubectl_spawn(&k->kubectl, args, &spec, &p->watcher, err);
    fd_close(&fds[1]);
    p->loop = l->site->loop;
    p->fd = fds[0];
    p->watch_ended = false;
    if (r == 0)
        r = loop_watch_child(p->loop, p->watcher, on_watcher_exit, p, &p->child, err);
    if (r == 0)
        r = fd_set_nonblock(p->fd, true, err);
    if (r == 0)
        r = loop_add_fd(p->loop, p->fd, EPOLLIN, on_watch, p, &p->source, err);
    return r;
}

void k8s_watch_end(struct k8s_pod *p)
{
    if (!p->loop)
        return;
    loop_remove(p->loop, p->source);
    if (p->watcher > 0)
        kill(p->watcher, SIGKILL); /* ours, and not reaped yet: the loop tells when it is */
    loop_remove(p->loop, p->child);
    p->source = p->child = NULL;
    p->watcher = 0;
    fd_close(&p->fd);
    str_release(&p->line);
    str_init(&p->line);
    p->loop = NULL;
}

int k8s_pod_look(struct live *l, struct k8s_pod *p, uint64_t deadline_ns, struct err *err)
{
    const struct k8s *k = l->engine->own;
    char path[512], raw[540];
    json_t *o = NULL;

    kubectl_api_path(&k->kubectl, "pods", l->ground.id, path, sizeof(path));
    str_format(raw, sizeof(raw), "--raw=%s", path);
    const char *const args[] = {"get", raw, NULL};
    int r =
        kubectl_json(l->site->loop, &k->kubectl, args, NULL, deadline_ns, K8S_ANSWER_MAX, &o, err);
    if (r < 0)
        return r;
    const char *uid = text_of(json_object_get(o, "metadata"), "uid");
    if (!p->uid[0])
        str_copy(p->uid, sizeof(p->uid), uid);
    if (str_eq(uid, p->uid))
        k8s_pod_see(p, o, false);
    else
        r = err_set(err, ERR_ENVIRONMENT, ENOENT, "the pod is another one by now");
    json_decref(o);
    return r;
}

/* ---- events ---- */

/* The stamps are of one form, so that the later is the greater text. */
static const char *stamp_of(const json_t *e)
{
    static const char *const keys[] = {"lastTimestamp", "eventTime", "firstTimestamp"};

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (*text_of(e, keys[i]))
            return text_of(e, keys[i]);
    return "";
}

void k8s_pod_ask_events(struct live *l, struct k8s_pod *p)
{
    const struct k8s *k = l->engine->own;
    json_t *list = NULL, *e, *last = NULL;
    char path[512], raw[800];
    size_t i;

    kubectl_api_path(&k->kubectl, "events", "", path, sizeof(path));
    str_format(raw, sizeof(raw), "--raw=%s?fieldSelector=involvedObject.uid%%3D%s", path, p->uid);
    const char *const args[] = {"get", raw, NULL};
    if (kubectl_json(l->site->loop, &k->kubectl, args, NULL, time_deadline(K8S_CALL_NS),
                     K8S_ANSWER_MAX, &list, NULL) < 0)
        return;
    json_array_foreach(json_object_get(list, "items"), i,
                       e) if (str_eq(text_of(e, "type"), "Warning") &&
                              (!last || strcmp(stamp_of(e), stamp_of(last)) >= 0)) last = e;
    if (last)
        note(p, text_of(last, "reason"), text_of(last, "message"));
    json_decref(list);
    json_t *placed = condition(p->object, "PodScheduled");
    if (str_eq(text_of(placed, "status"), "False"))
        note(p, text_of(placed, "reason"), text_of(placed, "message"));
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
    json_t *o = json_object(), *state;
    const char *text = text_of(json_object_get(object, "metadata"), "creationTimestamp");

    json_object_set_new(o, "created", json_string(text));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        json_t *c = condition(object, names[i][0]);
        if (str_eq(text_of(c, "status"), "True"))
            json_object_set_new(o, names[i][1], json_string(text_of(c, "lastTransitionTime")));
    }
    state = json_object_get(json_array_get(at(object, "status", "containerStatuses"), 0), "state");
    text = text_of(json_object_get(state, "running"), "startedAt");
    if (*text)
        json_object_set_new(o, "started", json_string(text));
    return o;
}
