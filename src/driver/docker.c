/* docker, through its Engine API: create, attach, start, a wait on the container's process, delete.
 *
 * Standard streams: the connection of `attach`, on which the daemon copies what the shim copies
 * from the container; there is no way to hand descriptors of ours to a container of docker's. So a
 * frame passes four programs, which is what anything said through docker costs, and the round trip
 * of an empty frame tells of it. No client of docker's stays.
 *
 * The container lies in the session's group. Its process is the shim's child: its end is seen by a
 * pidfd, and its status asked of the daemon. The shim is moved into the session's group; dockerd
 * and containerd serve all and are on nobody's bill. */
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/time.h"
#include "driver/docker-daemon.h"
#include "driver/oci.h"
#include "driver/plug.h"
#include "driver/proof.h"
#include "driver/shim.h"
#include "host/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

/* From the end of the container's process to docker's word about it. */
#define END_NS (2 * NS_PER_S)

/* For a container whose making was not heard to its end to appear. */
#define LATE_NS       (2 * NS_PER_S)
#define LATE_AGAIN_NS (50 * NS_PER_MS)

static const char *const proposals[] = {
    "docker/runc", "docker/crun", "docker/runsc:ptrace", "docker/runsc:kvm", "docker/kata", NULL,
};

/* ---- once a run ---- */

static void docker_inspect(struct site *s, const struct target *t, struct target_info *ret)
{
    struct docker_choice choice;
    docker_choose(s, t, ret, &choice);
}

static void docker_close(struct site *s, struct engine *e)
{
    struct err err = ERR_INIT;
    struct docker_target *t = e ? e->own : NULL;
    if (t && docker_daemon_drop(t->daemon, &err) < 0)
        log_notice("%s", err.msg); /* it stays in the ledger */
    free(t);
    engine_free(e);
}

static int docker_open(struct site *s, const struct target_info *info, struct engine **ret,
                       struct err *err)
{
    struct engine *e = NULL;
    struct target_info now;
    struct docker_choice choice;
    docker_choose(s, &info->target, &now, &choice);
    int r = now.usable ? engine_new(s, &now, &e, err)
                       : err_set(err, now.why, ENOTSUP, "%s", now.reason);
    if (r < 0)
        return r;
    struct docker_target *t = e->own = xcalloc(1, sizeof(*t));
    str_copy(t->runtime, sizeof(t->runtime), choice.runtime);
    str_copy(t->plugged, sizeof(t->plugged), choice.runtime);
    if (str_eq(now.kind, "kata"))
        r = kata_engine_make(e, &choice.kata, err);
    if (r == 0)
        r = docker_daemon_hold(s, choice.whose, &t->daemon, err);
    if (r == 0 && choice.whose == DOCKER_OWN)
        r = docker_daemon_register(t->daemon, e, t, err);
    if (r < 0) {
        docker_close(s, e);
        return err_wrap(err, "open %s", info->target.label);
    }
    *ret = e;
    return 0;
}

/* ---- calls ---- */

static struct docker_daemon *daemon_of(const struct live *l)
{
    return ((struct docker_target *)l->engine->own)->daemon;
}

static struct ledger_item container_item(const struct live *l)
{
    return (struct ledger_item){.kind = LEDGER_DOCKER_CONTAINER,
                                .path = docker_socket(daemon_of(l)->api),
                                .id = l->ground.id};
}

static int call(const struct live *l, const char *method, const char *verb, const char *what,
                uint64_t deadline_ns, json_t **ret, struct err *err)
{
    char path[192];
    str_format(path, sizeof(path), "/containers/%s%s", l->engine_id, verb);
    return docker_call(daemon_of(l)->api,
                       &(struct docker_request){.method = method, .path = path, .what = what},
                       deadline_ns, ret, err);
}

/* ---- create ---- */

static json_t *host_config(const struct live *l)
{
    const struct ground *g = &l->ground;
    const struct docker_target *t = l->engine->own;
    char program[224], data[224], tmpfs[64];
    str_format(program, sizeof(program), "%s:/" PROBE_NAME ":ro", l->program->path);
    str_format(data, sizeof(data), "%s:/data", g->data);
    str_format(tmpfs, sizeof(tmpfs), "rw,exec,nosuid,nodev,mode=1777,size=%lluk",
               (unsigned long long)(l->tmpfs_bytes >> 10));
    json_t *o = json_pack("{s:s, s:s, s:[s, s], s:{s:s}, s:{s:s}, s:[s, s, s]}", "Runtime",
                          l->engine_network ? t->plugged : t->runtime, "NetworkMode",
                          l->engine_network ? DOCKER_NETWORK : "none", "Binds", program, data,
                          "Tmpfs", "/tmp", tmpfs, "LogConfig", "Type", "none", "SecurityOpt",
                          "no-new-privileges", "seccomp=unconfined", "apparmor=unconfined");
    if (o && !t->daemon->systemd)
        json_object_set_new(o, "CgroupParent", json_string(g->box));
    return o;
}

static json_t *container_config(const struct live *l, const char *image, const char *nonce)
{
    const char *inject = l->engine->info.target.inject;
    json_t *command = json_pack("[s, s, s]", "/" PROBE_NAME, "--nonce", nonce);
    if (*inject) {
        json_array_append_new(command, json_string("--inject"));
        json_array_append_new(command, json_string(inject));
    }
    return json_pack(
        "{s:s, s:o, s:[], s:s, s:s, s:s, s:b, s:b, s:b, s:b, s:b, s:[s, s], s:{s:s}, s:o}", "Image",
        image, "Cmd", command, "Entrypoint", "User", "0:0", "WorkingDir", "/", "Hostname", "cupel",
        "OpenStdin", 1, "StdinOnce", 1, "AttachStdin", 1, "AttachStdout", 1, "AttachStderr", 1,
        "Env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb",
        "Labels", DOCKER_LABEL, l->site->run_id, "HostConfig", host_config(l));
}

static int create(struct live *l, const char *image, const char *nonce, uint64_t deadline_ns,
                  struct err *err)
{
    char path[80];
    json_t *body = container_config(l, image, nonce), *answer = NULL;
    if (!body)
        return err_set(err, ERR_USAGE, EILSEQ, "a path that is no UTF-8");
    str_format(path, sizeof(path), "/containers/create?name=%s", l->ground.id);
    l->created = true;
    const struct docker_request q = {
        .method = "POST", .path = path, .what = "create", .body = body, .unheard = &l->unheard};
    int r = docker_call(daemon_of(l)->api, &q, deadline_ns, &answer, err);
    json_decref(body);
    const char *id = json_string_value(json_object_get(answer, "Id"));
    if (r == 0 && (!id || !str_copy(l->engine_id, sizeof(l->engine_id), id) ||
                   strspn(id, "0123456789abcdef") != strlen(id)))
        r = err_set(err, ERR_MEASUREMENT, EBADMSG, "docker create gave no identifier");
    json_decref(answer);
    return r;
}

/* ---- what it says, for the proof ---- */

/* A program as the shim finds it, on its own PATH. */
static bool find_as_shim(const struct live *l, const char *name, char *dst, size_t size)
{
    char path[64];
    _cleanup_(str_release) struct str env = STR_INIT;
    if (*name == '/')
        return str_copy(dst, size, name);
    str_format(path, sizeof(path), "/proc/%d/environ", (int)l->shim);
    if (!*name || strchr(name, '/') || file_read(path, 1 << 20, &env, NULL) < 0)
        return false;
    for (size_t at = 0; at < env.len; at += strlen(env.buf + at) + 1) {
        const char *dir = env.buf + at + strlen("PATH=");
        if (!str_starts(env.buf + at, "PATH="))
            continue;
        for (size_t n; (n = strcspn(dir, ":")) > 0; dir += n + (dir[n] == ':'))
            if (str_format(dst, size, "%.*s/%s", (int)n, dir, name) && access(dst, X_OK) == 0)
                return true;
    }
    return false;
}

/* The runtime that the shim called. Docker puts one with arguments behind a wrapper of its own:
 * what counts then is what that was made from. */
static const char *called(const struct live *l, const char *binary, json_t *registered, char *dst,
                          size_t size)
{
    const struct engine *e = l->engine;
    struct stat st;
    char wrappers[280];
    str_format(wrappers, sizeof(wrappers), "%s/runtimes/", daemon_of(l)->root);
    if (str_starts(binary, wrappers)) {
        const char *path = json_string_value(json_object_get(registered, "path"));
        binary = path ? path : binary;
    }
    const struct docker_target *t = e->own;
    if (t->wrapper[0] && str_eq(binary, t->wrapper))
        binary = e->info.path;
    if (!find_as_shim(l, binary, dst, size))
        str_copy(dst, size, *binary ? binary : "nobody knows what");
    if (stat(dst, &st) == 0 && st.st_dev == e->runtime_stat.st_dev &&
        st.st_ino == e->runtime_stat.st_ino)
        str_copy(dst, size, e->info.path);
    return dst;
}

/* One that is a shim, and calls no other program. */
static const char *shim_called(const struct live *l, char *dst, size_t size)
{
    const struct engine *e = l->engine;
    char exe[64];
    str_format(exe, sizeof(exe), "/proc/%d/exe", (int)l->shim);
    if (l->shim > 0 && fs_is_same(exe, &e->runtime_stat, e->info.sha256))
        str_copy(dst, size, e->info.path);
    else if (l->shim <= 0 || proc_exe(l->shim, dst, size) < 0)
        str_copy(dst, size, "nobody knows what");
    return dst;
}

/* What the shim was told: it lies in its working directory. */
static json_t *shim_options(const struct live *l)
{
    char path[64];
    _cleanup_(str_release) struct str text = STR_INIT;
    str_format(path, sizeof(path), "/proc/%d/cwd/options.json", (int)l->shim);
    if (file_read(path, 65536, &text, NULL) < 0)
        return NULL;
    return json_loadb(text.buf, text.len, 0, NULL);
}

static bool is_shim(json_t *registered, const char *name)
{
    return kata_is_shim(name) || kata_is_shim(object_text(registered, "runtimeType"));
}

static int state_text(struct live *l, json_t *found, char **ret, struct err *err)
{
    const struct docker_daemon *d = daemon_of(l);
    json_t *state = json_object_get(found, "State"), *options = shim_options(l);
    const char *name = object_text(json_object_get(found, "HostConfig"), "Runtime");
    json_t *registered = json_object_get(d->runtimes, name);
    char runtime[256], shim[256] = "";
    proc_exe(l->shim, shim, sizeof(shim));
    str_printable(shim);
    /* Where its runtime keeps what it knows of it. */
    str_copy(l->engine->state_dir, sizeof(l->engine->state_dir), object_text(options, "root"));
    str_format(l->entry, sizeof(l->entry), "moby/%s", l->engine_id);
    json_t *o =
        json_pack("{s:s, s:i, s:s, s:s, s:O?, s:s, s:{s:i, s:s}, s:{s:s, s:b, s:s, s:s, s:s, s:s}}",
                  "status", object_text(state, "Status"), "pid", (int)l->pid, "runtime",
                  is_shim(registered, name) ? shim_called(l, runtime, sizeof(runtime))
                                            : called(l, object_text(options, "binary_name"),
                                                     registered, runtime, sizeof(runtime)),
                  "runtime_name", name, "runtime_registered", registered, "shim_calls",
                  object_text(options, "binary_name"), "shim_process", "pid", (int)l->shim, "exe",
                  shim, "engine", "version", d->version, "private", d->whose == DOCKER_OWN,
                  "socket", docker_socket(d->api), "daemon", d->path, "daemon_sha256", d->sha256,
                  "storage", d->storage);
    *ret = o ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    json_decref(options);
    return *ret ? 0 : err_set(err, ERR_MEASUREMENT, EILSEQ, "docker's answers are no text");
}

/* ---- its end ---- */

/* The daemon hears of it from the shim, a moment later than we do. */
static int how_ended(struct live *l)
{
    json_t *answer = NULL, *found = NULL;
    uint64_t deadline_ns = time_deadline(END_NS);
    /* Its end is seen before its farewell has come through shim and daemon. */
    if (l->session->leaving)
        return 0;
    if (call(l, "POST", "/wait", "wait", deadline_ns, &answer, NULL) < 0)
        return -1;
    json_int_t code = json_integer_value(json_object_get(answer, "StatusCode"));
    if (call(l, "GET", "/json", "inspect", deadline_ns, &found, NULL) == 0)
        l->oom |= json_is_true(json_object_get(json_object_get(found, "State"), "OOMKilled"));
    json_decref(answer);
    json_decref(found);
    return code >= 0 && code < 256 ? wait_status_of_shell((int)code) : -1;
}

static const char *why_ended(const struct live *l)
{
    return docker_daemon_death(daemon_of(l));
}

static const char *why_stream_ended(const struct session *s)
{
    const struct live *l = s->priv;
    return l ? why_ended(l) : NULL;
}

/* ---- start ---- */

/* Docker makes the namespace of a container itself: the interface comes into it afterwards. */
static int plug_in(struct live *l, struct err *err)
{
    int r = network_end_move(l->site, &l->net, l->pid, err);
    l->net_moved = r == 0;
    return r;
}

static int check_network(const struct live *l, struct err *err)
{
    const struct engine *e = l->engine;
    char why[160];
    if (!l->net.netns[0] || !(e->kata || str_eq(e->info.kind, "runsc")))
        return 0;
    str_format(why, sizeof(why),
               "docker makes its namespace when it starts, which is when %s looks for interfaces "
               "in it",
               e->kata ? "Kata" : "gVisor");
    return plug_unsupported(l, why, err);
}

/* Its process is a machine's or the shim of one, and lies where Kata put it. */
static int take_machine(struct live *l, pid_t pid, struct err *err)
{
    l->pid = pid;
    return kata_adopt(l, err);
}

static int find_container(struct live *l, uint64_t deadline_ns, char **ret_state, struct err *err)
{
    json_t *found = NULL;
    int r = call(l, "GET", "/json", "inspect", deadline_ns, &found, err);
    json_int_t pid = json_integer_value(json_object_get(json_object_get(found, "State"), "Pid"));
    if (r == 0 && (pid < 2 || pid > INT32_MAX))
        r = err_set(err, ERR_MEASUREMENT, EBADMSG, "docker inspect tells no process of it");
    if (r == 0 && l->engine->kata)
        r = take_machine(l, (pid_t)pid, err);
    else if (r == 0 && daemon_of(l)->systemd)
        r = shim_move_container(l, (pid_t)pid, err);
    if (r == 0)
        r = live_watch_foreign(l, (pid_t)pid, err);
    if (r == 0 && !l->engine->kata)
        r = shim_adopt(l, l->engine_id, err);
    if (r == 0 && l->net.netns[0])
        r = plug_in(l, err);
    if (r == 0 && l->engine_network)
        r = docker_network_place(l, found, err);
    if (r == 0)
        r = state_text(l, found, ret_state, err);
    json_decref(found);
    return r;
}

static int launch(struct live *l, const char *image, struct err *err)
{
    char nonce[WIRE_NONCE_SIZE];
    session_nonce(nonce);
    struct lifetimes life = {.begin_ns = start_begins(l)};
    uint64_t deadline_ns = life.begin_ns + l->start_timeout_ns;
    int fd = -1, r = create(l, image, nonce, deadline_ns, err);
    life.created_ns = time_mono_ns();
    if (r == 0)
        r = docker_attach(daemon_of(l)->api, l->engine_id, deadline_ns, &fd, err);
    if (r == 0)
        r = session_new_muxed(l->site->loop, nonce, fd, &l->session, err);
    if (r < 0)
        return r;
    l->session->priv = l;
    l->session->why_end = why_stream_ended;
    l->how_ended = how_ended;
    l->why_ended = why_ended;
    r = call(l, "POST", "/start", "start", deadline_ns, NULL, err);
    life.started_ns = time_mono_ns();
    if (r == 0)
        r = start_hello(l, &deadline_ns, err);
    if (r < 0)
        return r;
    life.hello_ns = l->session->answered_ns;
    l->session->life = life;
    _cleanup_free_ char *state = NULL;
    r = find_container(l, deadline_ns, &state, err);
    return r < 0 ? r : proof_make(l, state, err);
}

/* ---- stop ---- */

/* A `create` that was not heard to its end may still come to one. */
static int remove_late(struct live *l, struct calm *calm, struct err *err)
{
    const struct docker_daemon *d = daemon_of(l);
    uint64_t deadline_ns = time_deadline(LATE_NS);
    const bool never = false;
    int r;
    do {
        calm_wait(calm, &never, time_deadline(LATE_AGAIN_NS));
        r = docker_remove_container(d->api, l->ground.id, l->site->run_id,
                                    time_deadline(l->site->stop_timeout_ns), err);
    } while ((r == 0 || (r == -EINTR && calm_put_aside(calm))) && time_mono_ns() < deadline_ns);
    if (r != 0)
        return r;
    return err_set(err, ERR_ENVIRONMENT, EBUSY,
                   "docker may still be making it: \"cupel clean\" "
                   "looks again");
}

static int remove_container(struct live *l, struct calm *calm, struct err *err)
{
    const struct docker_daemon *d = daemon_of(l);
    struct ledger_item item = container_item(l);
    int r = 0;
    if (l->created) {
        do
            r = docker_remove_container(d->api, l->ground.id, l->site->run_id,
                                        time_deadline(l->site->stop_timeout_ns), err);
        while (r == -EINTR && calm_put_aside(calm));
        if (r == 0 && l->unheard && d->whose == DOCKER_USERS)
            r = remove_late(l, calm, err);
        /* Somebody else's of the same name, which kept us from making ours; or a daemon of ours
         * that is gone, with all it knew. */
        if (r == -EPERM || d->whose == DOCKER_OWN)
            r = 0;
    }
    if (r < 0)
        return err_wrap(err, "left behind of %s", l->ground.id);
    return d->whose == DOCKER_USERS ? ledger_done(l->site->ledger, &item, err) : 0;
}

static void kill_and_see(struct live *l, struct calm *calm)
{
    if (!l->exited)
        ground_kill_box(l->site, &l->ground, NULL);
    if (l->watch && !l->exited)
        calm_wait(calm, &l->exited, time_deadline(l->site->stop_timeout_ns));
}

/* What still runs is killed through its group, which is certain, whatever docker does. */
static int take_down(struct live *l, bool by_docker, struct lifetimes *life, struct err *err)
{
    struct site *s = l->site;
    struct calm calm = calm_begin(s->loop);
    struct err docker_err = ERR_INIT;
    by_docker |= l->engine->kata != NULL; /* which wants its machine to talk to */
    if (l->created && !by_docker)
        kill_and_see(l, &calm);
    int r = remove_container(l, &calm, &docker_err);
    if (l->created && by_docker) {
        if (l->watch && !l->exited)
            calm_wait(&calm, &l->exited, time_deadline(NS_PER_S));
        kill_and_see(l, &calm);
    }
    life->exited_ns = l->exited_ns;
    life->gone_ns = time_mono_ns();
    if (l->created && l->engine->kata && r == 0)
        r = kata_ground_sweep(l, &docker_err);
    int ground_r = ground_remove(s, &l->ground, err);
    if (r < 0 && ground_r == 0 && err)
        *err = docker_err;
    live_free(l);
    calm_end(&calm);
    return ground_r < 0 ? ground_r : r;
}

static int prepare(struct live *l, const struct launch *what, struct err *err)
{
    struct site *s = l->site;
    /* The root file system is docker's to make: of the image it has imported. */
    struct launch plain = *what;
    plain.image = NULL;
    int r = ground_make(s, l->engine, &l->ground, &plain, false, err);
    /* Made here: with its CPUs, which a runtime does not give to a group on the way to its own. */
    return r == 0 ? ground_make_group(s, l->ground.box, err) : r;
}

/* Its root is mounted where the daemon lives: seen from here through a process in it. */
static void set_places(struct live *l)
{
    struct session_caps *caps = &l->session->caps;
    caps->host_rootfs[0] = '\0';
    if (!caps->own_cache)
        str_format(caps->host_rootfs, sizeof(caps->host_rootfs), "/proc/%d/root", (int)l->pid);
}

static int docker_start(struct site *s, struct engine *e, const struct launch *what,
                        struct session **ret, struct err *err)
{
    struct docker_target *t = e->own;
    const char *image = NULL;
    int r = t->daemon->whose == DOCKER_OWN ? daemon_failure(&t->daemon->process, err) : 0;
    if (r == 0 && what->engine_network)
        r = docker_network_known(t->daemon, err);
    if (r == 0)
        r = docker_daemon_image(t->daemon, what->image, &image, err);
    if (r < 0)
        return r;
    struct live *l = NULL;
    r = live_begin(s, e, what, take_down, &l, err);
    if (r < 0)
        return r;
    struct ledger_item item = container_item(l);
    r = check_network(l, err);
    if (r == 0 && t->daemon->whose == DOCKER_USERS)
        r = ledger_intend(s->ledger, &item, 1, err);
    if (r < 0) {
        live_free(l);
        return r;
    }
    r = prepare(l, what, err);
    if (r == 0)
        r = launch(l, image, err);
    if (r == 0)
        r = live_describe(l, err);
    if (r < 0)
        return start_failed(l, r, err);
    live_container_dirs(l);
    set_places(l);
    *ret = l->session;
    return 0;
}

const struct driver driver_docker = {
    .name = "docker",
    .engine = true,
    .summary = "docker through its Engine API, the running one or one of the run's own: "
               "docker/runc, docker/crun, docker/runsc:ptrace",
    .proposals = proposals,
    .inspect = docker_inspect,
    .open = docker_open,
    .close = docker_close,
    .start = docker_start,
    .network = docker_network,
};
