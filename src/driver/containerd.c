/* containerd, through ctr: `run` with a config.json of ours, attached, then the end of the client.
 *
 * The bundle is the one of the driver oci, word for word, so that the two columns differ by the
 * layer alone. ctr stays attached: it carries the standard streams (container, shim, ctr, cupel),
 * and its exit status is the container's. The shim is containerd's child; it is moved into the
 * session's group as soon as the container runs, since it belongs to the container's bill. */
#include "driver/containerd.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/time.h"
#include "driver/containerd-words.h"
#include "driver/kata.h"
#include "driver/oci.h"
#include "driver/proof.h"
#include "driver/shim.h"
#include "host/proc.h"

#include <errno.h>
#include <jansson.h>

static const char *const proposals[] = {
    "containerd/runc",
    "containerd/crun",
    "containerd/runsc:ptrace",
    "containerd/io.containerd.runsc.v1",
    "containerd/kata:qemu-9p",
    "containerd/kata:qemu-virtiofs",
    NULL,
};

/* ---- what containerd says ---- */

static int ask(struct live *l, const char *const *words, uint64_t deadline_ns, struct str *out,
               struct err *err)
{
    struct command c;
    containerd_command(&c, l->engine->own, words[0]);
    command_add_all(&c, words);
    return command_run_text(l, &c, deadline_ns, out, err);
}

/* The runtime in containerd's words: the program its shim was told to call. Ours is told as what is
 * behind the wrapper; the proof compares. */
static void add_runtime(json_t *state, struct live *l, json_t *container)
{
    const struct containerd *d = l->engine->own;
    const char *told, *options;
    (void)containerd_choose(l, &told, &options, NULL);
    char binary[256] = "";
    json_t *runtime = json_object_get(container, "Runtime");
    const char *name = json_string_value(json_object_get(runtime, "Name"));
    const char *value =
        json_string_value(json_object_get(json_object_get(runtime, "Options"), "value"));
    json_object_set_new(state, "shim", json_string(name ? name : ""));
    if (!d->binary[0])
        return;
    if (value)
        shim_option_binary(value, binary, sizeof(binary));
    json_object_set_new(state, "shim_calls", json_string(binary));
    json_object_set_new(state, "runtime",
                        json_string(str_eq(binary, told) && str_eq(name, d->shim)
                                        ? l->engine->info.path
                                    : *binary ? binary
                                              : "another runtime than it was told"));
}

static int state_text(struct live *l, uint64_t deadline_ns, char **ret, struct err *err)
{
    const struct containerd *d = l->engine->own;
    const char *const tasks[] = {"tasks", "list", NULL};
    const char *const info[] = {"containers", "info", l->ground.id, NULL};
    _cleanup_(str_release) struct str list = STR_INIT, about = STR_INIT;
    char status[24] = "", shim[256] = "";
    long pid = 0;
    int r = ask(l, tasks, deadline_ns, &list, err);
    if (r == 0 && !containerd_find_task(list.buf, l->ground.id, &pid, status, sizeof(status)))
        r = err_set(err, ERR_MEASUREMENT, EBADMSG, "ctr tasks list does not list it");
    if (r == 0)
        r = ask(l, info, deadline_ns, &about, err);
    if (r < 0)
        return r;
    proc_exe(l->shim, shim, sizeof(shim));
    str_printable(shim);
    json_t *container = json_loads(about.buf, 0, NULL);
    json_t *state =
        json_pack("{s:s, s:i, s:s, s:{s:s, s:s, s:s, s:s, s:s}, s:{s:i, s:s}}", "status", status,
                  "pid", (int)pid, "address", d->address, "engine", "version", d->version, "ctr",
                  d->ctr, "ctr_sha256", d->sha256, "daemon", d->daemon_path, "daemon_sha256",
                  d->daemon_sha256, "shim_process", "pid", (int)l->shim, "exe", shim);
    add_runtime(state, l, container);
    *ret = json_dumps(state, JSON_COMPACT);
    json_decref(state);
    json_decref(container);
    return *ret ? 0 : err_set(err, ERR_MEASUREMENT, EILSEQ, "ctr's answers are no text");
}

/* ---- start ---- */

static int run_command(struct command *c, struct live *l, struct err *err)
{
    const struct containerd *d = l->engine->own;
    const struct ground *g = &l->ground;
    const char *binary, *options;
    int r = containerd_choose(l, &binary, &options, err);
    containerd_command(c, d, "run");
    command_add(c, "run");
    command_add(c, "--rm");
    command_add(c, "--rootfs");
    command_addf(c, "--runtime=%s", d->shim);
    if (*binary) {
        command_addf(c, "--runc-binary=%s", binary);
        command_addf(c, "--runc-root=%s/" RUNTIME_DIR, l->engine->state_dir);
    }
    if (*options)
        command_addf(c, "--runtime-config-path=%s", options);
    command_addf(c, "--fifo-dir=%s/fifo", g->dir);
    command_addf(c, "--pid-file=%s/pid", g->dir);
    command_addf(c, "--config=%s/config.json", g->dir);
    command_add(c, g->id);
    return r;
}

static int find_container(struct live *l, struct err *err)
{
    char path[256];
    uint64_t pid;
    str_format(path, sizeof(path), "%s/pid", l->ground.dir);
    if (file_read_u64(path, &pid) < 0 || pid < 2 || pid > INT32_MAX)
        return err_set(err, ERR_MEASUREMENT, EBADMSG, "ctr run wrote no process id");
    if (l->engine->kata) { /* its process is a machine's, which lies where Kata put it */
        l->pid = (pid_t)pid;
        int r = kata_adopt(l, err);
        return r < 0 ? r : live_behind_client(l, (pid_t)pid, err);
    }
    int r = live_behind_client(l, (pid_t)pid, err);
    return r < 0 ? r : shim_adopt(l, l->ground.id, err);
}

/* From what a client last said to its end. */
#define CLIENT_END_NS NS_PER_S

/* A client that ended before the container ran says why; and a daemon that died is the reason
 * whoever says so. */
static int run_failed(struct live *l, const struct command *c, int r, struct err *err)
{
    const struct containerd *d = l->engine->own;
    if (d->own_daemon && daemon_failure(&d->daemon, NULL) < 0)
        return daemon_failure(&d->daemon, err);
    if (r != -EINTR && r != -ETIMEDOUT && l->watch && !l->exited)
        (void)loop_run_until(l->site->loop, &l->exited, time_deadline(CLIENT_END_NS), NULL);
    if (r != -EINTR && r != -ETIMEDOUT && l->exited && l->pid == 0 && l->wait_status != 0)
        return command_failed(l, c, l->wait_status, err);
    return r == -ETIMEDOUT ? err_wrap(err, "%s", c->what) : r;
}

static const char *why_ended(const struct live *l)
{
    const struct containerd *d = l->engine->own;
    /* Its socket is closed before its end is told, and ctr may be buried first. */
    bool dead =
        d->own_daemon && (daemon_failure(&d->daemon, NULL) < 0 || !socket_answers(d->address));
    return dead ? "containerd died" : NULL;
}

static int launch(struct live *l, struct err *err)
{
    const struct containerd *d = l->engine->own;
    char nonce[WIRE_NONCE_SIZE];
    struct stdio io;
    struct command c;
    pid_t client = 0;
    session_nonce(nonce);
    int r = oci_config_write(l->site, l->engine, &l->ground, nonce, l->tmpfs_bytes,
                             l->engine->kata ? kata_netns(l) : l->net.netns, err);
    if (r == 0)
        r = run_command(&c, l, err);
    if (r == 0)
        r = live_open_session(l, nonce, &io, err);
    if (r < 0)
        return r;
    str_format(l->entry, sizeof(l->entry), RUNTIME_DIR "/%s/%s", d->ns, l->ground.id);
    uint64_t begin_ns = start_begins(l);
    uint64_t deadline_ns = begin_ns + l->start_timeout_ns;
    l->created = true;
    l->why_ended = why_ended;
    r = command_spawn(l, &c, &io, &client, err);
    stdio_close_child(&io);
    if (r == 0)
        r = live_watch_client(l, client, err);
    if (r == 0)
        r = start_hello(l, &deadline_ns, err);
    if (r < 0)
        return run_failed(l, &c, r, err);
    l->session->life =
        (struct lifetimes){.begin_ns = begin_ns, .hello_ns = l->session->answered_ns};
    _cleanup_free_ char *state = NULL;
    r = find_container(l, err);
    if (r == 0)
        r = state_text(l, deadline_ns, &state, err);
    return r < 0 ? r : proof_make(l, state, err);
}

/* ---- stop ---- */

static void remove_container(struct live *l, struct calm *calm)
{
    const char *const task[] = {"tasks", "delete", "--force", l->ground.id, NULL};
    const char *const container[] = {"containers", "delete", l->ground.id, NULL};
    const char *const *const both[] = {task, container};
    uint64_t deadline_ns = time_deadline(l->site->stop_timeout_ns);
    for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
        struct err err = ERR_INIT;
        int r;
        do
            r = ask(l, both[i], deadline_ns, NULL, &err);
        while (r == -EINTR && calm_put_aside(calm));
        if (r < 0) /* what counts is what is left */
            log_debug("%s: %s", l->ground.id, err.msg);
    }
}

/* A shim that was killed leaves its socket. */
static void remove_socket(const struct live *l)
{
    const struct containerd *d = l->engine->own;
    char path[128];
    shim_socket_path(d->address, d->ns, l->ground.id, path, sizeof(path));
    (void)unlink(path);
}

static int take_down(struct live *l, bool by_ctr, struct lifetimes *life, struct err *err)
{
    struct site *s = l->site;
    const struct containerd *d = l->engine->own;
    struct calm calm = calm_begin(s->loop);
    bool dead = d->own_daemon && daemon_failure(&d->daemon, NULL) < 0;
    bool clean = l->exited; /* ctr has removed task and container itself */
    /* A machine is ended by who started it, while it is there to talk to. */
    by_ctr |= l->engine->kata && !clean;
    if (l->created && by_ctr && !dead)
        remove_container(l, &calm);
    if (l->created && !clean) {
        ground_kill_box(s, &l->ground, NULL);
        if (l->watch && !dead)
            calm_wait(&calm, &l->exited, time_deadline(s->stop_timeout_ns / 2));
    }
    if (l->created && !dead && !by_ctr && !(clean && l->wait_status == 0))
        remove_container(l, &calm);
    life->exited_ns = l->exited_ns;
    life->gone_ns = time_mono_ns();
    if (l->kata_owed)
        ground_kill(s, &l->ground, NULL);
    int r = kata_ground_remove(l, err);
    if (r == 0)
        r = ground_remove(s, &l->ground, err);
    if (l->created)
        remove_socket(l);
    live_free(l);
    calm_end(&calm);
    return r;
}

static int containerd_start(struct site *s, struct engine *e, const struct launch *what,
                            struct session **ret, struct err *err)
{
    const struct containerd *d = e->own;
    int r = d->own_daemon ? daemon_failure(&d->daemon, err) : 0;
    if (r < 0)
        return r;
    struct live *l = NULL;
    r = live_begin(s, e, what, take_down, &l, err);
    if (r < 0)
        return r;
    r = ground_make(s, e, &l->ground, what, false, err);
    if (r == 0 && e->kata)
        r = kata_ground_make(l, false, err);
    if (r == 0)
        r = launch(l, err);
    if (r == 0)
        r = live_describe(l, err);
    if (r < 0)
        return start_failed(l, r, err);
    live_container_dirs(l);
    *ret = l->session;
    return 0;
}

const struct driver driver_containerd = {
    .name = "containerd",
    .engine = true,
    .summary = "containerd through ctr, the running one or one of the run's own: containerd/runc, "
               "containerd/crun, containerd/runsc:ptrace, containerd/kata, "
               "containerd/io.containerd.NAME.vN",
    .proposals = proposals,
    .inspect = containerd_inspect,
    .open = containerd_open,
    .close = containerd_close,
    .start = containerd_start,
    .no_network =
        "containerd leaves networks to its clients, and to the CNI plug-ins that they configure",
};
