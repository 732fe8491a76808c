/* podman, with any OCI runtime that works under it: `run --detach`, a wait on the container's
 * process, `rm`.
 *
 * podman here has nothing of the user's: its storage, its run-time files, its locks, its
 * configuration lie in directories of the target's. (Its locks lie in a shared memory of all
 * podmans otherwise, and a new one begins by freeing them all.)
 *
 * Standard streams: the log driver `passthrough` hands podman's own descriptors to the container,
 * through conmon, for every runtime alike. An attached podman instead would copy every frame twice,
 * and would stay, with 33 MB and a runtime of its own that wakes up, inside the group whose CPU
 * time is the target's bill. conmon stays, as it does behind every container of podman's.
 *
 * The container's process is conmon's child: its end is seen by a pidfd, and its exit status is
 * what conmon writes down. */
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/time.h"
#include "driver/command.h"
#include "driver/oci.h"
#include "driver/plug.h"
#include "driver/podman.h"
#include "driver/proof.h"
#include "host/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/resource.h>

/* From the end of the container's process to conmon's word about it. */
#define EXIT_FILE_NS (500 * NS_PER_MS)

#define RUNTIME_DIR "runtime" /* --root of the runtime, below the state directory */

static const char *const proposals[] = {"podman/runc", "podman/crun", "podman/runsc:ptrace", NULL};

/* ---- what is here ---- */

static void podman_inspect(struct site *s, const struct target *t, struct target_info *ret)
{
    char path[256], version[48];
    struct err err = ERR_INIT;
    *ret = (struct target_info){.target = *t};
    if (!t->runtime[0])
        target_unusable(ret, ERR_USAGE, "a runtime is missing: podman/NAME or podman:/PATH");
    else if (fs_which("podman", path, sizeof(path)) < 0)
        target_unusable(ret, ERR_UNSUPPORTED, "podman is not installed");
    else if (fs_which("conmon", path, sizeof(path)) < 0)
        target_unusable(ret, ERR_UNSUPPORTED, "podman is installed, but no conmon on the PATH");
    else
        oci_inspect(s, t, ret);
    if (!ret->usable)
        return;
    fs_which("podman", path, sizeof(path));
    if (program_number(s, path, version, sizeof(version), &err) < 0)
        target_unusable(ret, err.kind, "%s", err.msg);
    else
        str_format(ret->reason, sizeof(ret->reason), "podman %s", version);
}

/* ---- once a run ---- */

static void env_add(struct podman *p, const char *name, const char *value)
{
    if (value && p->n_env + 1 < ARRAY_SIZE(p->env))
        p->env[p->n_env++] = xasprintf("%s=%s", name, value);
}

static int write_file(const char *dir, const char *name, const char *text, struct err *err)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
    return file_replace(path, text, strlen(text), 0600, err);
}

/* Neither /etc nor the user's own configuration, whatever it says, takes part. */
static int configure(struct podman *p, const struct engine *e, struct err *err)
{
    static const char *const dirs[] = {"root", "net", RUNTIME_DIR};
    const char *dir = e->state_dir;
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(dirs); i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", dir, dirs[i]);
        r = fs_mkdirs(path, 0700, err);
    }
    _cleanup_free_ char *storage =
        xasprintf("[storage]\ndriver = \"vfs\"\ngraphroot = \"%s/root\"\nrunroot = \"%s\"\n", dir,
                  e->run_dir);
    _cleanup_free_ char *network = podman_network_config(p);
    _cleanup_free_ char *containers = xasprintf("[engine]\nlock_type = \"file\"\n%s", network);
    if (r == 0)
        r = write_file(dir, "containers.conf", containers, err);
    if (r == 0)
        r = write_file(dir, "storage.conf", storage, err);
    _cleanup_free_ char *containers_conf = xasprintf("%s/containers.conf", dir);
    _cleanup_free_ char *storage_conf = xasprintf("%s/storage.conf", dir);
    env_add(p, "PATH", getenv("PATH"));
    env_add(p, "LD_LIBRARY_PATH", getenv("LD_LIBRARY_PATH"));
    env_add(p, "HOME", dir);
    env_add(p, "CONTAINERS_CONF", containers_conf);
    env_add(p, "CONTAINERS_STORAGE_CONF", storage_conf);
    return r;
}

static void podman_close(struct site *s, struct engine *e)
{
    struct err err = ERR_INIT;
    /* What cannot be removed stays in the ledger. */
    if (e && podman_network_close(s, e, &err) < 0)
        log_notice("%s", err.msg);
    if (e && state_dir_remove(s, e, &err) < 0)
        log_notice("%s", err.msg);
    if (e && run_dir_remove(s, e, &err) < 0)
        log_notice("%s", err.msg);
    struct podman *p = e ? e->own : NULL;
    for (size_t i = 0; p && i < p->n_env; i++)
        free(p->env[i]);
    free(p);
    engine_free(e);
}

static int podman_open(struct site *s, const struct target_info *info, struct engine **ret,
                       struct err *err)
{
    struct engine *e = NULL;
    int r = engine_new(s, info, &e, err);
    if (r < 0)
        return r;
    struct podman *p = e->own = xcalloc(1, sizeof(*p));
    e->cover = info->work_around[0] != '\0';
    if (fs_which("podman", p->path, sizeof(p->path)) < 0 ||
        fs_which("conmon", p->conmon, sizeof(p->conmon)) < 0)
        r = err_set(err, ERR_ENVIRONMENT, ENOENT, "podman or conmon is gone");
    if (r == 0)
        r = fs_sha256(p->path, p->sha256, err);
    if (r == 0)
        r = program_version(s, p->path, p->version, sizeof(p->version), err);
    if (r == 0)
        r = state_dir_make(s, e, err);
    if (r == 0)
        r = run_dir_make(s, e, err);
    if (r == 0)
        r = podman_network_open(s, e, err);
    if (r == 0)
        r = configure(p, e, err);
    if (r < 0) {
        podman_close(s, e);
        return err_wrap(err, "open %s", info->target.label);
    }
    *ret = e;
    return 0;
}

/* ---- the command line ---- */

static void podman_command(struct command *c, const struct live *l, const char *verb)
{
    const struct engine *e = l->engine;
    const struct podman *p = e->own;
    static const char *const fixed[] = {"--storage-driver", "vfs",  "--cgroup-manager", "cgroupfs",
                                        "--events-backend", "none", "--log-level",      "error",
                                        "--runtime-flag",   NULL};
    command_init(c, p->path, verb);
    c->env = (const char *const *)p->env;
    command_addf(c, "--root=%s/root", e->state_dir);
    command_addf(c, "--runroot=%s", e->run_dir);
    command_addf(c, "--tmpdir=%s/tmp", e->run_dir);
    command_addf(c, "--network-config-dir=%s/net", e->state_dir);
    command_addf(c, "--conmon=%s", p->conmon);
    command_addf(c, "--runtime=%s", l->engine_network ? p->wrapper : e->info.path);
    command_add_all(c, fixed);
    command_addf(c, "root=%s/" RUNTIME_DIR, e->state_dir);
    command_add_runtime_flags(c, e, plug_runsc_network(l), "--runtime-flag");
    command_add(c, verb);
}

/* The same that a runtime called without podman inherits: podman's own defaults need a privilege.
 * As soon as it starts, podman lowers its own limit of processes to pid_max, which nobody can
 * exceed anyway, and cannot hand out more afterwards. */
static void add_ulimit(struct command *c, const char *name, int resource, uint64_t most)
{
    struct rlimit l;
    if (resource == RLIMIT_NOFILE)
        spawn_file_limit(&l);
    else if (getrlimit(resource, &l) < 0)
        return;
    if (l.rlim_cur > most)
        l.rlim_cur = most;
    if (l.rlim_max > most)
        l.rlim_max = most;
    command_addf(c, "--ulimit=%s=%lld:%lld", name, (long long)l.rlim_cur, (long long)l.rlim_max);
}

static void add_ulimits(struct command *c)
{
    uint64_t pid_max = RLIM_INFINITY;
    (void)file_read_u64("/proc/sys/kernel/pid_max", &pid_max);
    add_ulimit(c, "nofile", RLIMIT_NOFILE, RLIM_INFINITY);
    add_ulimit(c, "nproc", RLIMIT_NPROC, pid_max);
}

/* What a container gets is what config.json of the driver oci says. */
static void add_confinement(struct command *c, const struct live *l)
{
    const struct ground *g = &l->ground;
    static const char *const fixed[] = {"--cgroups=no-conmon",
                                        "--no-hosts",
                                        "--http-proxy=false",
                                        "--systemd=false",
                                        "--sdnotify=ignore",
                                        "--hostname=cupel",
                                        "--security-opt=seccomp=unconfined",
                                        "--security-opt=no-new-privileges",
                                        "--cap-drop=all",
                                        "--env=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
                                        "/usr/bin:/sbin:/bin",
                                        "--env=TERM=dumb",
                                        NULL};
    size_t n;
    const char *const *caps = oci_capabilities(&n);
    command_add_all(c, fixed);
    if (l->net.netns[0])
        command_addf(c, "--network=ns:%s", l->net.netns);
    else if (l->engine_network)
        command_add(c, "--network=bridge");
    else
        command_add(c, "--network=none");
    for (size_t i = 0; i < n; i++)
        command_addf(c, "--cap-add=%s", caps[i]);
    add_ulimits(c);
    command_addf(c, "--cgroup-parent=%s", g->box);
    command_addf(c, "--tmpfs=/tmp:rw,exec,nosuid,nodev,notmpcopyup,mode=1777,size=%lluk",
                 (unsigned long long)(l->tmpfs_bytes >> 10));
    command_addf(c, "--volume=%s:/data:rw", g->data);
}

static void run_command(struct command *c, const struct live *l, const char *nonce)
{
    const struct ground *g = &l->ground;
    const char *inject = l->engine->info.target.inject;
    podman_command(c, l, "run");
    command_add(c, "--detach");
    command_add(c, "--interactive");
    command_add(c, "--log-driver=passthrough");
    command_add(c, "--pull=never");
    command_addf(c, "--name=%s", g->id);
    command_addf(c, "--pidfile=%s/pid", g->dir);
    command_addf(c, "--cidfile=%s/cid", g->dir);
    add_confinement(c, l);
    command_add(c, "--rootfs");
    command_add(c, g->rootfs);
    command_add(c, "/" PROBE_NAME);
    command_add(c, "--nonce");
    command_add(c, nonce);
    if (*inject) {
        command_add(c, "--inject");
        command_add(c, inject);
    }
}

/* ---- its end ---- */

static int read_exit_file(const char *path)
{
    uint64_t code;
    if (file_read_u64(path, &code) < 0 || code > 255)
        return -1;
    return wait_status_of_shell((int)code);
}

/* conmon writes it a moment after the process is gone. */
static int how_ended(struct live *l)
{
    const char *cid = strrchr(l->entry, '/');
    char dir[256], path[400];
    str_format(dir, sizeof(dir), "%s/tmp/exits", l->engine->run_dir);
    str_format(path, sizeof(path), "%s%s", dir, cid ? cid : "/");
    _cleanup_fd_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0 || inotify_add_watch(fd, dir, IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE) < 0)
        return -1;
    uint64_t deadline_ns = time_deadline(EXIT_FILE_NS);
    for (int status;;) {
        char events[1024];
        if ((status = read_exit_file(path)) >= 0)
            return status;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, time_left_ms(deadline_ns)) == 0)
            return -1;
        while (read(fd, events, sizeof(events)) > 0)
            ;
    }
}

/* ---- start ---- */

static int read_cid(struct live *l, struct err *err)
{
    char path[256], cid[72];
    str_format(path, sizeof(path), "%s/cid", l->ground.dir);
    if (file_read_line(path, cid, sizeof(cid)) < 0 || strlen(cid) != 64 ||
        strspn(cid, "0123456789abcdef") != 64)
        return err_set(err, ERR_MEASUREMENT, EBADMSG, "podman run wrote no container id");
    str_format(l->entry, sizeof(l->entry), RUNTIME_DIR "/%s", cid);
    return 0;
}

static int run(struct live *l, const struct stdio *io, const char *nonce, uint64_t deadline_ns,
               struct err *err)
{
    struct command c;
    struct spawn_result res;
    char path[256];
    uint64_t pid;
    run_command(&c, l, nonce);
    l->created = true;
    int r = command_run(l, &c, io, deadline_ns, &res, err);
    int wait_status = res.wait_status;
    spawn_result_release(&res);
    if (r == 0 && wait_status != 0)
        return command_failed(l, &c, wait_status, err);
    if (r == 0)
        r = read_cid(l, err);
    str_format(path, sizeof(path), "%s/pid", l->ground.dir);
    if (r == 0 && (file_read_u64(path, &pid) < 0 || pid < 2 || pid > INT32_MAX))
        r = err_set(err, ERR_MEASUREMENT, EBADMSG, "podman run wrote no process id");
    l->how_ended = how_ended;
    return r < 0 ? r : live_watch_foreign(l, (pid_t)pid, err);
}

/* What podman says of it, and which podman says so, in the form of a runtime's `state`. */
static int state_text(struct live *l, uint64_t deadline_ns, char **ret, struct err *err)
{
    const struct podman *p = l->engine->own;
    struct command c;
    struct spawn_result res;
    podman_command(&c, l, "inspect");
    command_add(&c, "--type=container");
    command_add(&c, "--format={\"status\":{{json .State.Status}},\"pid\":{{json .State.Pid}},"
                    "\"runtime\":{{json .OCIRuntime}},\"conmon\":{{json .State.ConmonPid}},"
                    "\"group\":{{json .State.CgroupPath}},"
                    "\"networks\":{{json .NetworkSettings.Networks}}}");
    command_add(&c, l->ground.id);
    int r = command_run(l, &c, NULL, deadline_ns, &res, err);
    json_t *said = r == 0 ? json_loadb(res.out.buf, res.out.len, 0, NULL) : NULL;
    spawn_result_release(&res);
    if (r == 0 && !json_is_object(said))
        r = err_set(err, ERR_MEASUREMENT, EBADMSG, "podman inspect answers no JSON");
    if (r == 0 && l->engine_network)
        r = podman_network_place(l, json_object_get(said, "networks"), err);
    if (r == 0) {
        if (str_eq(p->wrapper, json_string_value(json_object_get(said, "runtime")))) /* ours */
            json_object_set_new(said, "runtime", json_string(l->engine->info.path));
        json_object_set_new(said, "engine",
                            json_pack("{s:s, s:s, s:s, s:s}", "version", p->version, "path",
                                      p->path, "sha256", p->sha256, "conmon", p->conmon));
        *ret = json_dumps(said, JSON_COMPACT);
    }
    json_decref(said);
    return r;
}

static int launch(struct live *l, struct err *err)
{
    char nonce[WIRE_NONCE_SIZE];
    struct stdio io;
    session_nonce(nonce);
    int r = live_open_session(l, nonce, &io, err);
    if (r < 0)
        return r;
    uint64_t begin_ns = start_begins(l);
    uint64_t deadline_ns = begin_ns + l->site->start_timeout_ns;
    r = run(l, &io, nonce, deadline_ns, err);
    stdio_close_child(&io);
    if (r == 0)
        r = start_hello(l, &deadline_ns, err);
    if (r < 0)
        return r;
    l->session->life =
        (struct lifetimes){.begin_ns = begin_ns, .hello_ns = l->session->answered_ns};
    _cleanup_free_ char *state = NULL;
    r = state_text(l, deadline_ns, &state, err);
    return r < 0 ? r : proof_make(l, state, err);
}

/* ---- stop ---- */

static void remove_container(struct live *l, struct calm *calm)
{
    struct err err = ERR_INIT;
    int r;
    do {
        struct command c;
        struct spawn_result res;
        podman_command(&c, l, "rm");
        command_add(&c, "--force");
        command_add(&c, "--time=0");
        command_add(&c, l->ground.id);
        r = command_run(l, &c, NULL, time_deadline(l->site->stop_timeout_ns), &res, &err);
        spawn_result_release(&res);
    } while (r == -EINTR && calm_put_aside(calm));
    if (r < 0)
        log_debug("%s: %s", l->ground.id, err.msg); /* what counts is what is left, checked next */
}

/* What podman did not remove, of the runtime's and its own, goes with the state directory at the
 * end of the run: nothing of it runs any more, and nothing of it is the user's. conmon is left to
 * see the end of what is killed: without its word `rm` waits five seconds for it. */
static void kill_and_see(struct live *l, struct calm *calm)
{
    if (!l->exited)
        ground_kill_box(l->site, &l->ground, NULL);
    if (l->watch && !l->exited)
        calm_wait(calm, &l->exited, time_deadline(l->site->stop_timeout_ns));
}

/* by_podman: it kills, too; what it leaves running is killed as else. */
static int take_down(struct live *l, bool by_podman, struct lifetimes *life, struct err *err)
{
    struct calm calm = calm_begin(l->site->loop);
    if (l->created && !by_podman)
        kill_and_see(l, &calm);
    if (l->created)
        remove_container(l, &calm);
    if (l->created && by_podman) {
        if (l->watch && !l->exited)
            calm_wait(&calm, &l->exited, time_deadline(NS_PER_S));
        kill_and_see(l, &calm);
    }
    life->exited_ns = l->exited_ns;
    life->gone_ns = time_mono_ns();
    int r = ground_remove(l->site, &l->ground, err);
    live_free(l);
    calm_end(&calm);
    return r;
}

/* Of its command lines. */
static int enter_namespaces(struct live *l, struct err *err)
{
    struct site *s = l->site;
    if (l->engine_network)
        return podman_network_enter(l, err);
    int r = l->engine->cover
                ? mountns_with_cover(s->loop, s->machine->cgroups.unified_mount, &l->cover_fd, err)
                : 0;
    return r < 0 ? r : plug_cover(l, err);
}

static int podman_start(struct site *s, struct engine *e, const struct launch *what,
                        struct session **ret, struct err *err)
{
    struct live *l = NULL;
    int r = what->engine_network ? podman_network_known(e->own, err) : 0;
    if (r == 0)
        r = live_begin(s, e, what, take_down, &l, err);
    if (r < 0)
        return r;
    r = ground_make(s, e, &l->ground, what, false, err);
    if (r == 0)
        r = enter_namespaces(l, err);
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

const struct driver driver_podman = {
    .name = "podman",
    .engine = true,
    .summary = "podman, with storage and configuration of the run's own: podman/runc, "
               "podman/crun, podman/runsc:ptrace",
    .proposals = proposals,
    .inspect = podman_inspect,
    .open = podman_open,
    .close = podman_close,
    .start = podman_start,
    .network = podman_network,
};
