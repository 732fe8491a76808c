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

static void note(struct k8s_watched *p, const char *reason, const char *message)
{
    if (!p->why[0])
        str_format(p->why, sizeof(p->why), "%s%s%s", reason, *reason && *message ? ": " : "",
                   message);
}

static void over(struct k8s_watched *p, const char *reason, const char *message)
{
    p->over = true;
    note(p, reason, message);
}

static void see_container(struct k8s_watched *p)
{
    const struct k8s_pod *now = &p->seen;

    /* Nothing comes of these by waiting. */
    if (k8s_waits_for_image(now->waiting.reason) || k8s_waits_for_start(now->waiting.reason))
        over(p, now->waiting.reason, now->waiting.message);
    if (now->over) {
        char how[K8S_WORD_MAX + 24];
        str_format(how, sizeof(how), "%s, exit %d", now->ended.reason, now->exit_code);
        over(p, how, now->ended.message);
    } else if (now->started && k8s_pod_comes(p)) {
        p->running_ns = time_mono_ns();
    }
}

void k8s_pod_see(struct k8s_watched *p, json_t *object, bool gone)
{
    struct k8s_pod *now = &p->seen;

    p->news = true;
    if (json_is_object(object)) {
        json_incref(object);
        json_decref(p->object);
        p->object = object;
        k8s_pod_read(object, now);
    }
    if (gone || (now->deleting && !p->ours_ends))
        over(p, "", "the pod was deleted by somebody else");
    if (!json_is_object(object))
        return;
    if (!p->placed_ns && now->placed) /* it may have got there before anybody told of it */
        p->placed_ns = time_mono_ns();
    /* Evicted, OutOfcpu, ...: said of the pod, and more than its containers know. */
    if (now->failed && now->status.reason[0])
        over(p, now->status.reason, now->status.message);
    see_container(p);
    if (now->failed)
        over(p, "Failed", now->status.message);
}

/* ---- following it ---- */

static void take_event(struct k8s_watched *p, const char *text, size_t n)
{
    json_t *event = json_loadb(text, n, 0, NULL), *object = json_object_get(event, "object");

    if (str_eq(object_text(json_object_get(object, "metadata"), "uid"), p->uid))
        k8s_pod_see(p, object, str_eq(object_text(event, "type"), "DELETED"));
    json_decref(event);
}

static void take_lines(struct k8s_watched *p)
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
    struct k8s_watched *p = user;
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
    struct k8s_watched *p = user;
    p->watcher = 0;
}

int k8s_watch_begin(struct live *l, struct k8s_watched *p, struct err *err)
{
    const struct k8s *k = l->engine->own;
    int fds[2];
    char path[512], raw[800];

    k8s_watch_end(p);
    kubectl_api_path(&k->kubectl, "pods", "", path, sizeof(path));
    str_format(raw, sizeof(raw),
               "--raw=%s?watch=1&fieldSelector=metadata.name%%3D%s&resourceVersion=%s"
               "&timeoutSeconds=600",
               path, l->ground.id, p->seen.version);
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

void k8s_watch_end(struct k8s_watched *p)
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

int k8s_pod_look(struct live *l, struct k8s_watched *p, uint64_t deadline_ns, struct err *err)
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
    const char *uid = object_text(json_object_get(o, "metadata"), "uid");
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

void k8s_pod_ask_events(struct live *l, struct k8s_watched *p)
{
    const struct k8s *k = l->engine->own;
    struct k8s_said said;
    json_t *list = NULL;
    char path[512], raw[800];

    kubectl_api_path(&k->kubectl, "events", "", path, sizeof(path));
    str_format(raw, sizeof(raw), "--raw=%s?fieldSelector=involvedObject.uid%%3D%s", path, p->uid);
    const char *const args[] = {"get", raw, NULL};
    if (kubectl_json(l->site->loop, &k->kubectl, args, NULL, time_deadline(K8S_CALL_NS),
                     K8S_ANSWER_MAX, &list, NULL) < 0)
        return;
    if (k8s_event_find(list, "Pod", l->ground.id, NULL, &said))
        note(p, said.reason, said.message);
    json_decref(list);
    if (p->seen.scheduling.reason[0])
        note(p, p->seen.scheduling.reason, p->seen.scheduling.message);
}
