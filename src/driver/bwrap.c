/* bubblewrap: namespaces and nothing else. No daemon, no state of its own, no verbs: one command
 * line starts the sandbox and waits for its end.
 *
 * What stays of it is a process that waits, outside of the sandbox; our probe is process 1 inside.
 * bwrap makes no control group, so both live in the session's own from the start, under its limits.
 * Its user namespace knows user 0 alone, which is ours: what an image's program gives to other
 * users fails there, as it does for everybody who uses bwrap. */
#include "driver/ground.h"
#include "driver/proof.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/spawn.h"
#include "base/time.h"
#include "driver/command.h"
#include "driver/oci.h"
#include "host/netns.h"
#include "host/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/stat.h>

#define USER_NAMESPACES "/proc/sys/user/max_user_namespaces"
#define LEAST_VERSION   7 /* 0.7: --size */

static const char *const proposals[] = {"bwrap", NULL};

/* ---- what it is ---- */

static bool too_old(const char *version)
{
    unsigned major, minor;
    return sscanf(version, "bubblewrap %u.%u", &major, &minor) == 2 && major == 0 &&
           minor < LEAST_VERSION;
}

static bool find_program(struct site *s, const struct target *t, struct target_info *ret)
{
    const char *name = t->runtime[0] ? t->runtime : "bwrap";
    struct err err = ERR_INIT;
    if (fs_which(name, ret->path, sizeof(ret->path)) < 0) {
        target_unusable(ret, ERR_UNSUPPORTED,
                        strchr(name, '/') ? "no program at %s" : "no %s on the PATH", name);
        return false;
    }
    int r = fs_sha256(ret->path, ret->sha256, &err);
    if (r == 0)
        r = program_version(s, ret->path, ret->version, sizeof(ret->version), &err);
    if (r < 0)
        target_unusable(ret, err.kind, "%s", err.msg);
    else if (!str_starts(ret->version, "bubblewrap "))
        target_unusable(ret, ERR_ENVIRONMENT, "%s calls itself \"%s\"", ret->path, ret->version);
    else if (too_old(ret->version))
        target_unusable(ret, ERR_UNSUPPORTED, "bubblewrap 0.%d or later is needed", LEAST_VERSION);
    else
        return true;
    return false;
}

static bool check_machine(const struct site *s, struct target_info *ret)
{
    uint64_t most;
    if (!oci_check_machine(s, ret))
        return false;
    if (file_read_u64(USER_NAMESPACES, &most) == 0 && most > 0)
        return true;
    target_unusable(ret, ERR_UNSUPPORTED, "no user namespaces here (see " USER_NAMESPACES ")");
    return false;
}

static void bwrap_inspect(struct site *s, const struct target *t, struct target_info *ret)
{
    *ret = (struct target_info){.target = *t};
    str_copy(ret->kind, sizeof(ret->kind), "bwrap");
    if (t->platform[0] || t->n_flags > 0)
        target_unusable(ret, ERR_USAGE, "bwrap takes no platform and no flags");
    else
        ret->usable = find_program(s, t, ret) && check_machine(s, ret);
}

static int bwrap_open(struct site *s, const struct target_info *info, struct engine **ret,
                      struct err *err)
{
    return engine_new(s, info, ret, err);
}

static void bwrap_close(struct site *s, struct engine *e)
{
    engine_free(e);
}

/* ---- the command line ---- */

static void add_namespaces(struct command *c, const struct live *l)
{
    static const char *const always[] = {
        "--unshare-user",    "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--as-pid-1",
        "--die-with-parent", "--new-session", "--hostname",    "cupel",         NULL};
    command_add_all(c, always);
    if (!l->net.netns[0]) /* else it is started in there */
        command_add(c, "--unshare-net");
    if (l->site->machine->cgroups.mode == CGROUP_V2) /* as a container of a runtime's */
        command_add(c, "--unshare-cgroup");
}

/* What every container gets: Docker's default set. */
static void add_capabilities(struct command *c)
{
    size_t n;
    const char *const *caps = oci_capabilities(&n);
    command_add(c, "--cap-drop");
    command_add(c, "ALL");
    for (size_t i = 0; i < n; i++) {
        command_add(c, "--cap-add");
        command_add(c, caps[i]);
    }
}

/* Of /sys what flatpak shows its applications, and whether there are huge pages: bwrap can bind
 * this machine's, with all that is mounted in it, but not mount another. */
static void add_sys(struct command *c)
{
    static const char *const shown[] = {"/sys/block", "/sys/bus",     "/sys/class",
                                        "/sys/dev",   "/sys/devices", "/sys/kernel/mm"};
    command_add(c, "--tmpfs");
    command_add(c, "/sys");
    for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
        command_add(c, "--ro-bind-try");
        command_add(c, shown[i]);
        command_add(c, shown[i]);
    }
    command_add(c, "--remount-ro");
    command_add(c, "/sys");
}

/* As in a container. User 0 inside is this machine's, and could write to the machine's settings:
 * what bwrap covers by itself is less. */
static void add_proc(struct command *c)
{
    size_t n;
    const char *const *paths = oci_readonly_paths(&n);
    command_add(c, "--proc");
    command_add(c, "/proc");
    for (size_t i = 0; i < n; i++) {
        command_add(c, "--ro-bind-try");
        command_add(c, paths[i]);
        command_add(c, paths[i]);
    }
    paths = oci_masked_paths(&n);
    for (size_t i = 0; i < n; i++) {
        struct stat st;
        if (!str_starts(paths[i], "/proc/") || stat(paths[i], &st) < 0)
            continue; /* this kernel has none, and so has none inside */
        bool dir = S_ISDIR(st.st_mode);
        command_add(c, dir ? "--tmpfs" : "--ro-bind");
        command_add(c, dir ? paths[i] : "/dev/null");
        command_add(c, dir ? "--remount-ro" : paths[i]);
        if (dir)
            command_add(c, paths[i]);
    }
}

static void add_files(struct command *c, const struct live *l)
{
    static const char *const kernels[] = {"--dev",   "/dev", "--mqueue", "/dev/mqueue",
                                          "--perms", "1777", "--size",   NULL};
    command_add(c, "--bind");
    command_add(c, l->ground.rootfs);
    command_add(c, "/");
    add_proc(c);
    add_sys(c);
    command_add_all(c, kernels);
    command_addf(c, "%llu", (unsigned long long)l->tmpfs_bytes);
    command_add(c, "--tmpfs");
    command_add(c, "/tmp");
    command_add(c, "--bind");
    command_add(c, l->ground.data);
    command_add(c, "/data");
    command_add(c, "--chdir");
    command_add(c, "/");
}

static void bwrap_command(struct command *c, const struct live *l, const char *nonce)
{
    static const char *const env[] = {
        "--clearenv", "--setenv",
        "PATH",       "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "--setenv",   "TERM",
        "dumb",       NULL};
    const char *inject = l->engine->info.target.inject;
    command_init(c, l->engine->info.path, "run");
    add_namespaces(c, l);
    add_capabilities(c);
    command_add_all(c, env);
    add_files(c, l);
    command_add(c, "--");
    command_add(c, "/" PROBE_NAME);
    command_add(c, "--nonce");
    command_add(c, nonce);
    if (*inject) {
        command_add(c, "--inject");
        command_add(c, inject);
    }
}

/* ---- start ---- */

/* bwrap makes and follows names from where the machine's own root can be reached: in an image they
 * have to be directories, and no links. */
static int check_image(const struct ground *g, struct err *err)
{
    static const char *const places[] = {"proc", "sys", "dev", "tmp", "data"};
    _cleanup_fd_ int root = open(g->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return err_errno(err, errno, "open %s", g->rootfs);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        if (mkdirat(root, places[i], 0755) < 0 && errno != EEXIST)
            return err_errno(err, errno, "make %s/%s", g->rootfs, places[i]);
        _cleanup_fd_ int fd =
            fd_open_inside(root, places[i], O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
        if (fd < 0)
            return err_set(err, ERR_UNSUPPORTED, -fd,
                           "the image's /%s is no directory, which bwrap needs it to be",
                           places[i]);
    }
    return 0;
}

/* In the session's group, which is all that holds its limits, and in its network namespace. */
static int spawn_bwrap(struct live *l, const struct stdio *io, const char *nonce, struct err *err)
{
    struct command c;
    bwrap_command(&c, l, nonce);
    if (c.too_long)
        return err_set(err, ERR_BUG, E2BIG, "%s: too many arguments", c.what);
    struct spawn_spec spec = {.argv = c.argv,
                              .what = "bwrap",
                              .cwd = l->ground.dir,
                              .fd_in = io->child_in,
                              .fd_out = io->child_out,
                              .fd_err = io->child_err,
                              .die_with_parent = true,
                              .new_session = true};
    _cleanup_fd_ int netns = -1;
    pid_t pid = 0;
    int r = 0;
    if (l->net.netns[0]) {
        r = netns = netns_open(l->net.netns, err);
        spec.ns_fds[spec.n_ns++] = netns;
    }
    int n = r < 0 ? r
                  : cgroup_open_join(&l->site->machine->cgroups, l->ground.box, spec.join_fds,
                                     SPAWN_MAX_JOIN, err);
    if (n < 0)
        return n;
    spec.n_join = (size_t)n;
    r = spawn(&spec, &pid, err);
    for (size_t i = 0; i < spec.n_join; i++)
        fd_close(&spec.join_fds[i]);
    return r < 0 ? r : live_watch_client(l, pid, err);
}

/* What bwrap waits for is its only child. */
static int find_inside(struct live *l, struct err *err)
{
    _cleanup_(pid_list_release) struct pid_list pids = {0};
    int r = cgroup_pids(&l->site->machine->cgroups, l->ground.box, &pids, err);
    for (size_t i = 0; r == 0 && i < pids.n; i++) {
        if (proc_parent(pids.v[i]) != l->session->stream_pid)
            continue;
        l->pid_ticks = proc_start_ticks(pids.v[i]);
        return live_behind_client(l, pids.v[i], err);
    }
    return r < 0 ? r : err_set(err, ERR_MEASUREMENT, ESRCH, "bwrap: nothing runs below it");
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
    r = spawn_bwrap(l, &io, nonce, err);
    stdio_close_child(&io);
    if (r == 0)
        r = start_hello(l, &deadline_ns, err);
    if (r < 0)
        return r;
    l->session->life =
        (struct lifetimes){.begin_ns = begin_ns, .hello_ns = l->session->answered_ns};
    r = find_inside(l, err);
    if (r == 0)
        r = proof_make(l, NULL, err);
    return r == 0 ? live_describe(l, err) : r;
}

/* ---- stop ---- */

/* Forced as a person would: bwrap is killed, and takes along what is inside. What bwrap leaves, or
 * half made, the group has. */
static int kill_all(struct live *l, bool by_bwrap, struct calm *calm, struct err *err)
{
    if (by_bwrap && l->watch && !l->exited)
        kill(l->session->stream_pid, SIGKILL); /* not reaped yet, so the pid is ours */
    int r = by_bwrap ? 0 : ground_kill_box(l->site, &l->ground, err);
    if (l->watch && !l->exited)
        calm_wait(calm, &l->exited, time_deadline(l->site->stop_timeout_ns));
    return r < 0 ? r : ground_kill_box(l->site, &l->ground, err);
}

static int take_down(struct live *l, bool by_bwrap, struct lifetimes *life, struct err *err)
{
    struct calm calm = calm_begin(l->site->loop);
    int r = cgroup_exists(&l->site->machine->cgroups, l->ground.box)
                ? kill_all(l, by_bwrap, &calm, err)
                : 0;
    life->exited_ns = l->exited_ns;
    life->gone_ns = time_mono_ns();
    int ground_r = ground_remove(l->site, &l->ground, r < 0 ? NULL : err);
    live_free(l);
    calm_end(&calm);
    return r < 0 ? r : ground_r;
}

static int bwrap_start(struct site *s, struct engine *e, const struct launch *what,
                       struct session **ret, struct err *err)
{
    struct live *l = NULL;
    int r = live_begin(s, e, what, take_down, &l, err);
    if (r < 0)
        return r;
    r = ground_make(s, e, &l->ground, what, false, err);
    if (r == 0 && what->image)
        r = check_image(&l->ground, err);
    if (r == 0)
        r = ground_make_group(s, l->ground.box, err);
    if (r == 0)
        r = launch(l, err);
    if (r < 0)
        return start_failed(l, r, err);
    live_container_dirs(l);
    *ret = l->session;
    return 0;
}

/* The same ground, and so the same files. */
static int bwrap_renew(struct site *s, struct engine *e, struct session **inout, struct err *err)
{
    struct live *l = (*inout)->priv;
    live_farewell(l, NS_PER_S);
    struct calm calm = calm_begin(s->loop);
    int r = kill_all(l, false, &calm, err);
    calm_end(&calm);
    live_forget(l);
    *inout = NULL;
    if (r == 0 && l->net.netns[0])
        r = network_end_restore(s, &l->net, err);
    if (r == 0)
        r = launch(l, err);
    if (r < 0)
        return start_failed(l, r, err);
    live_container_dirs(l);
    *inout = l->session;
    return 0;
}

const struct driver driver_bwrap = {
    .name = "bwrap",
    .summary = "bubblewrap: namespaces and nothing else, by name or path: bwrap, bwrap:/PATH",
    .proposals = proposals,
    .inspect = bwrap_inspect,
    .open = bwrap_open,
    .close = bwrap_close,
    .start = bwrap_start,
    .renew = bwrap_renew,
};
