/* Kubernetes through kubectl: a pod a session, frames over `kubectl attach`.
 *
 * The pod's one container is the probe itself, so that what is timed is the start of what is
 * measured. What it says before somebody is attached would be lost in its log: it waits for a first
 * line (--await), which goes to it as soon as the client is connected. Its standard input is closed
 * when that client ends (stdinOnce): then it leaves.
 *
 * Ended is a pod when the server has no object of its uid any more: with a grace of a second, since
 * with none the server forgets it while its processes still run. */
#include "driver/k8s.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/time.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

/* Image, network and sandbox take their time even where all is well: this many times what other
 * starts are given; but one that the server warned of is not waited for longer than they are. */
#define PATIENCE    6
#define WATCHES_MAX 8
#define GRACE_S     1

static const char *const proposals[] = {"k8s/default", NULL};

static struct k8s *k8s_of(const struct live *l)
{
    return l->engine->own;
}

/* ---- once a run ---- */

static void k8s_close(struct site *s, struct engine *e)
{
    free(e ? e->own : NULL);
    engine_free(e);
}

static int k8s_open(struct site *s, const struct target_info *info, struct engine **ret,
                    struct err *err)
{
    struct engine *e = NULL;
    int r = engine_new(s, info, &e, err);

    if (r < 0)
        return r;
    e->own = xcalloc(1, sizeof(struct k8s));
    r = k8s_survey(s->loop, &info->target, time_deadline(K8S_CALL_NS), e->own, err);
    if (r < 0) {
        k8s_close(s, e);
        return err_wrap(err, "open %s", info->target.label);
    }
    *ret = e;
    return 0;
}

/* ---- the object ---- */

/* A row of the ledger; place is to be freed by the caller. */
static struct ledger_item item_of(const struct live *l, char *id, size_t size, char **ret_place)
{
    const struct kubectl *k = &k8s_of(l)->kubectl;

    str_format(id, size, "pods/%s", l->ground.id);
    *ret_place = kubectl_place(k);
    return (struct ledger_item){
        .kind = LEDGER_K8S, .path = k->config, .id = id, .runtime = k->path, .place = *ret_place};
}

static int intend(struct live *l, struct k8s_watched *p, struct err *err)
{
    _cleanup_free_ char *place = NULL;
    char id[64];
    const struct ledger_item item = item_of(l, id, sizeof(id), &place);
    int r = ledger_intend(l->site->ledger, &item, 1, err);

    p->asked = r == 0;
    return r;
}

static int create(struct live *l, struct k8s_watched *p, const struct str *object, struct err *err)
{
    const struct k8s *k = k8s_of(l);
    char path[512], raw[540];
    json_t *o = NULL;

    kubectl_api_path(&k->kubectl, "pods", "", path, sizeof(path));
    str_format(raw, sizeof(raw), "--raw=%s", path);
    const char *const args[] = {"create", raw, "--filename=-", NULL};
    int r = kubectl_json(l->site->loop, &k->kubectl, args, object, time_deadline(K8S_CALL_NS),
                         K8S_ANSWER_MAX, &o, err);
    if (r < 0)
        return err_wrap(err, "the pod is not created");
    k8s_pod_see(p, o, false);
    str_copy(p->uid, sizeof(p->uid), p->seen.uid);
    if (!p->uid[0])
        r = err_set(err, ERR_ENVIRONMENT, EBADMSG, "the server's answer has no uid of the pod");
    json_decref(o);
    return r;
}

/* ---- until it runs ---- */

static int not_coming(const struct live *l, const struct k8s_watched *p, struct err *err)
{
    return err_set(err, ERR_ENVIRONMENT, ECANCELED, "the pod does not come up on node %s: %s",
                   k8s_of(l)->node.name, p->why);
}

/* The server may end a watch when it likes, and be away for a while. */
static int watch_again(struct live *l, struct k8s_watched *p, unsigned *watches, struct err *err)
{
    int r = k8s_pod_look(l, p, time_deadline(K8S_CALL_NS), err);

    if (r == -ENOENT) {
        k8s_pod_see(p, NULL, true);
        return 0;
    }
    if (r == 0 && k8s_pod_comes(p) && ++*watches > WATCHES_MAX)
        return err_set(err, ERR_ENVIRONMENT, EPIPE, "the server does not let us follow the pod");
    return r < 0 || !k8s_pod_comes(p) ? r : k8s_watch_begin(l, p, err);
}

static int follow(struct live *l, struct k8s_watched *p, uint64_t deadline_ns, struct err *err)
{
    uint64_t look_ns = time_deadline(l->site->start_timeout_ns);
    unsigned watches = 1;
    int r = k8s_watch_begin(l, p, err);

    while (r == 0 && k8s_pod_comes(p)) {
        p->news = p->watch_ended;
        r = loop_run_until(l->site->loop, &p->news, look_ns < deadline_ns ? look_ns : deadline_ns,
                           err);
        if (r == 0 && p->watch_ended && k8s_pod_comes(p))
            r = watch_again(l, p, &watches, err);
        if (r != -ETIMEDOUT)
            continue;
        k8s_pod_ask_events(l, p);
        if (p->why[0])
            r = not_coming(l, p, err);
        else if (time_mono_ns() < deadline_ns)
            r = 0;
        look_ns = time_deadline(l->site->start_timeout_ns);
    }
    k8s_watch_end(p);
    return r == 0 && p->over ? not_coming(l, p, err) : r;
}

/* ---- frames ---- */

static const char *why_ended(const struct live *l)
{
    struct k8s_watched *p = l->own;

    if (l->session->leaving || p->ours_ends)
        return NULL;
    int r = k8s_pod_look((struct live *)l, p, time_deadline(K8S_CALL_NS), NULL);
    if (r == -ENOENT)
        k8s_pod_see(p, NULL, true);
    return p->over && p->why[0] ? p->why : r < 0 ? "its server does not answer" : NULL;
}

static int attach(struct live *l, const struct stdio *io, struct err *err)
{
    const char *const args[] = {"attach",     "--stdin", "--quiet", "--container=" K8S_CONTAINER,
                                l->ground.id, NULL};
    struct spawn_spec spec = {.fd_in = io->child_in,
                              .fd_out = io->child_out,
                              .fd_err = io->child_err,
                              .die_with_parent = true,
                              .new_session = true};
    pid_t pid = 0;

    if (l->ground.group[0]) {
        int n = cgroup_open_join(&l->site->machine->cgroups, l->ground.tool, spec.join_fds,
                                 SPAWN_MAX_JOIN, err);
        if (n < 0)
            return n;
        spec.n_join = (size_t)n;
    }
    int r = kubectl_spawn(&k8s_of(l)->kubectl, args, &spec, &pid, err);
    for (size_t i = 0; i < spec.n_join; i++)
        fd_close(&spec.join_fds[i]);
    return r < 0 ? r : live_watch_client(l, pid, err);
}

/* What kubectl said, and what the server says of the pod, is more than that a stream ended. */
static int say_why(struct live *l, int r, struct err *err)
{
    struct k8s_watched *p = l->own;
    char line[200];

    if (r == -EINTR || r == -ETIMEDOUT || !l->session)
        return r;
    session_err_line(l->session, line, sizeof(line));
    if (!p->why[0])
        (void)why_ended(l);
    if (p->over && p->why[0])
        return err_set(err, ERR_ENVIRONMENT, ECONNABORTED, "the pod ended at its start: %s%s%s",
                       p->why, *line ? "; " : "", line);
    return *line ? kubectl_failed(line, "kubectl attach", err) : r;
}

static int converse(struct live *l, const struct stdio *io, uint64_t *deadline_ns, struct err *err)
{
    int r = attach(l, io, err);

    if (r == 0)
        r = session_feed(l->session, "\n", 1, err);
    if (r == 0)
        r = start_hello(l, deadline_ns, err);
    return r < 0 ? say_why(l, r, err) : 0;
}

static int launch(struct live *l, struct err *err)
{
    _cleanup_(str_release) struct str object = STR_INIT;
    struct k8s_watched *p = l->own;
    char nonce[WIRE_NONCE_SIZE];
    struct stdio io;

    session_nonce(nonce);
    int r = k8s_pod_object(l, nonce, &object, err);
    if (r == 0)
        r = live_open_session(l, nonce, &io, err);
    if (r < 0)
        return r;
    l->why_ended = why_ended;
    r = intend(l, p, err);
    uint64_t begin_ns = start_begins(l), deadline_ns = begin_ns + l->start_timeout_ns;
    uint64_t created_ns = 0;
    if (r == 0)
        r = create(l, p, &object, err);
    if (r == 0) {
        created_ns = time_mono_ns();
        r = follow(l, p, deadline_ns, err);
    }
    if (r == 0)
        r = converse(l, &io, &deadline_ns, err);
    stdio_close_child(&io);
    if (r < 0)
        return r;
    l->session->life = (struct lifetimes){.begin_ns = begin_ns,
                                          .created_ns = created_ns,
                                          .placed_ns = p->placed_ns,
                                          .started_ns = p->running_ns,
                                          .hello_ns = l->session->answered_ns};
    r = k8s_pod_look(l, p, time_deadline(K8S_CALL_NS), err);
    if (r == 0)
        r = k8s_attribute(l, err);
    return r < 0 ? r : k8s_prove(l, err);
}

/* ---- the end ---- */

static int ask_deletion(struct live *l, struct k8s_watched *p, struct err *err)
{
    uint64_t deadline_ns = time_deadline(K8S_CALL_NS);
    /* Whether the server has it is not known where its answer did not come. */
    int r = p->uid[0] ? 0 : k8s_pod_look(l, p, deadline_ns, err);

    if (r == 0)
        r = kubectl_delete(l->site->loop, &k8s_of(l)->kubectl, "pods", l->ground.id, p->uid,
                           GRACE_S, deadline_ns, err);
    return r == -ESTALE ? -ENOENT : r;
}

static int await_gone(struct live *l, struct err *err)
{
    char name[64], limit[40];
    uint64_t wait_ns = l->site->stop_timeout_ns + K8S_CALL_NS;

    str_format(name, sizeof(name), "pods/%s", l->ground.id);
    str_format(limit, sizeof(limit), "--timeout=%ds", (int)(wait_ns / NS_PER_S));
    const char *const args[] = {"wait", "--for=delete", limit, name, NULL};
    /* A watch lasts longer than a request: it has no limit but its own and the deadline. */
    return kubectl_wait(l->site->loop, &k8s_of(l)->kubectl, args,
                        time_deadline(wait_ns + K8S_CALL_NS), err);
}

static int remove_pod(struct live *l, struct k8s_watched *p, struct calm *calm, struct err *err)
{
    _cleanup_free_ char *place = NULL;
    char id[64];
    int r;

    if (!p->asked)
        return 0;
    p->ours_ends = true;
    do
        r = ask_deletion(l, p, err);
    while (r == -EINTR && calm_put_aside(calm));
    while (r == 0 && (r = await_gone(l, err)) == -EINTR && calm_put_aside(calm))
        r = 0;
    if (r < 0 && r != -ENOENT)
        return err_wrap(err, "left behind: pod %s", l->ground.id);
    err_clear(err);
    const struct ledger_item item = item_of(l, id, sizeof(id), &place);
    return ledger_done(l->site->ledger, &item, err);
}

static void end_client(struct live *l, struct calm *calm)
{
    if (!l->watch || l->exited)
        return;
    kill(l->session->stream_pid, SIGKILL); /* ours, and not reaped yet */
    calm_wait(calm, &l->exited, time_deadline(l->site->stop_timeout_ns));
}

static int take_down(struct live *l, bool by_server, struct lifetimes *life, struct err *err)
{
    struct k8s_watched *p = l->own;
    struct calm calm = calm_begin(l->site->loop);
    struct err why = ERR_INIT;

    k8s_watch_end(p);
    p->ours_ends = true;
    if (!by_server)
        end_client(l, &calm);
    int r = remove_pod(l, p, &calm, &why);
    end_client(l, &calm);
    life->exited_ns = l->exited_ns;
    life->gone_ns = time_mono_ns();
    if (r < 0)
        (void)err_set(err, why.kind, why.code, "%s", why.msg);
    int ground = ground_remove(l->site, &l->ground, r < 0 ? NULL : err);
    json_decref(p->object);
    free(p);
    l->own = NULL;
    live_free(l);
    calm_end(&calm);
    return r < 0 ? r : ground;
}

/* ---- start ---- */

static int check_wishes(const struct engine *e, const struct launch *what, struct err *err)
{
    const char *why = what->net                       ? "the run's network"
                      : what->engine_network          ? "a network that is measured"
                      : what->image || what->n_inputs ? "images and files of an application"
                                                      : NULL;
    if (!why)
        return 0;
    return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
                   "%s cannot have %s: what a pod has comes from its cluster", e->info.target.label,
                   why);
}

static int k8s_start(struct site *s, struct engine *e, const struct launch *what,
                     struct session **ret, struct err *err)
{
    struct live *l = NULL;
    int r = check_wishes(e, what, err);

    if (r == 0)
        r = live_begin(s, e, what, take_down, &l, err);
    if (r < 0)
        return r;
    struct k8s_watched *p = l->own = xcalloc(1, sizeof(*p));
    p->fd = -1;
    str_init(&p->line);
    l->start_timeout_ns = s->start_timeout_ns * PATIENCE;
    r = ground_make(s, e, &l->ground, what, false, err);
    if (r == 0)
        r = launch(l, err);
    if (r < 0)
        return start_failed(l, r, err);
    *ret = l->session;
    return 0;
}

const struct driver driver_k8s = {
    .name = "k8s",
    .engine = true,
    .summary = "pods of a Kubernetes, through kubectl: k8s/default, k8s/RUNTIMECLASS, with "
               "image=NAME and node=NAME as flags",
    .proposals = proposals,
    .found = k8s_found,
    .inspect = k8s_inspect,
    .open = k8s_open,
    .close = k8s_close,
    .start = k8s_start,
    .no_network = "what pods speak over is the cluster's",
};
