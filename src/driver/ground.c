#include "driver/ground.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/time.h"
#include "base/together.h"
#include "driver/confine.h"
#include "driver/engine-network.h"
#include "driver/kata.h"
#include "host/mounts.h"
#include "host/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Of /tmp where nothing else is asked for. */
#define TMPFS_BYTES (UINT64_C(256) << 20)

/* gVisor's clock runs at a thirtieth of its speed for about a second after the start. */
#define RUNSC_WARM_UP_NS (1200 * NS_PER_MS)

#define MAX_INTENTS 6

static const char *const program_names[PROGRAM_COUNT] = {
    [PROGRAM_PROBE] = "cupel-probe",
    [PROGRAM_LINPACK] = "cupel-linpack",
    [PROGRAM_SQLITE] = "cupel-sqlite",
};

/* ---- names ---- */

int ground_names(const struct site *s, unsigned n, struct ground *ret, struct err *err)
{
    struct ground g = {.number = n};
    bool fits = str_format(g.id, sizeof(g.id), "cupel-%s-%04u", s->run_id, n);
    if (s->cgroup[0]) {
        fits &= str_format(g.group, sizeof(g.group), "%s/s%04u", s->cgroup, n);
        fits &= str_format(g.tool, sizeof(g.tool), "%s/tool", g.group);
        fits &= str_format(g.box, sizeof(g.box), "%s/box", g.group);
    }
    fits &= str_format(g.dir, sizeof(g.dir), "%s/%04u", s->dir, n);
    fits &= str_format(g.rootfs, sizeof(g.rootfs), "%s/rootfs", g.dir);
    fits &= str_format(g.data, sizeof(g.data), "%s/data", g.dir);
    fits &= str_format(g.tmp, sizeof(g.tmp), "%s/tmp", g.dir);
    if (!fits)
        return err_errno(err, ENAMETOOLONG, "name session %u below %s", n, s->dir);
    *ret = g;
    return 0;
}

static struct ledger_item container_item(const struct engine *e, const struct ground *g)
{
    return (struct ledger_item){.kind = LEDGER_CONTAINER,
                                .path = e->state_dir,
                                .id = g->id,
                                .runtime = e->info.path,
                                .cover_unified = e->cover};
}

static size_t ground_items(const struct ground *g, struct ledger_item items[MAX_INTENTS])
{
    size_t n = 0;
    items[n++] = (struct ledger_item){.kind = LEDGER_DIR, .path = g->dir};
    if (g->group[0])
        items[n++] = (struct ledger_item){.kind = LEDGER_CGROUP, .path = g->group};
    if (g->with_tmpfs)
        items[n++] = (struct ledger_item){.kind = LEDGER_MOUNT, .path = g->tmp};
    if (g->with_image)
        items[n++] = (struct ledger_item){.kind = LEDGER_MOUNT, .path = g->rootfs};
    return n;
}

/* ---- making ---- */

static int make_dir(const char *parent, const char *name, mode_t mode, struct err *err)
{
    char path[256];
    str_format(path, sizeof(path), "%s%s%s", parent, *name ? "/" : "", name);
    if (mkdir(path, mode) < 0)
        return err_errno(err, errno, "make %s", path);
    return chmod(path, mode) < 0 ? err_errno(err, errno, "make %s", path) : 0;
}

/* The image under a layer of the session's own. */
static int make_image_root(const struct ground *g, const char *image, struct err *err)
{
    char upper[192], work[192];
    str_format(upper, sizeof(upper), "%s/upper", g->dir);
    str_format(work, sizeof(work), "%s/work", g->dir);
    int r = make_dir(upper, "", 0755, err);
    if (r == 0)
        r = make_dir(work, "", 0755, err);
    return r == 0 ? mount_overlay(image, upper, work, g->rootfs, err) : r;
}

/* In a tree of our own, where no name can lead elsewhere. */
static int make_own_dirs(const struct ground *g, struct err *err)
{
    static const char *const needed[] = {"proc", "dev", "sys", "tmp", "data", "work"};
    _cleanup_fd_ int root = open(g->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int bad = root < 0 ? errno : 0;
    for (size_t i = 0; i < ARRAY_SIZE(needed) && !bad; i++)
        if (mkdirat(root, needed[i], 0755) < 0 || fchmodat(root, needed[i], 0755, 0) < 0)
            bad = errno;
    return bad ? err_errno(err, bad, "make the directories of %s", g->rootfs) : 0;
}

/* What is mounted elsewhere is its runtime's to make room for. */
static int make_image_dirs(const struct ground *g, struct err *err)
{
    _cleanup_fd_ int fd = root_open_dir(g->rootfs, "work", err);
    return fd < 0 ? fd : 0;
}

/* One copy a run, so that every target executes the same pages; a file system without links, or
 * another one, as an image's layer is, gets a copy each. */
static int put_program(const struct ground *g, const struct run_program *program, struct err *err)
{
    char path[256];
    str_format(path, sizeof(path), "%s/%s", g->rootfs, PROBE_NAME);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_errno(err, errno, "replace the image's %s", PROBE_NAME);
    if (link(program->path, path) == 0)
        return 0;
    return fs_copy_file(program->path, path, 0755, err);
}

static int put_inputs(const struct ground *g, const struct launch *what, struct err *err)
{
    for (size_t i = 0; i < what->n_inputs; i++) {
        char path[256];
        if (!str_format(path, sizeof(path), "%s/%s", g->data, what->inputs[i].name))
            return err_errno(err, ENAMETOOLONG, "name input %s", what->inputs[i].name);
        int r = fs_copy_file(what->inputs[i].path, path, 0444, err);
        if (r < 0)
            return err_wrap(err, "input %s", what->inputs[i].name);
    }
    return 0;
}

uint64_t ground_tmpfs_bytes(const struct launch *what)
{
    return what->tmpfs_bytes ? what->tmpfs_bytes : TMPFS_BYTES;
}

static int make_tree(const struct run_program *program, const struct ground *g,
                     const struct launch *what, struct err *err)
{
    int r = make_dir(g->dir, "", 0755, err);
    if (r == 0)
        r = make_dir(g->rootfs, "", 0755, err);
    if (r == 0 && g->with_image)
        r = make_image_root(g, what->image, err);
    if (r == 0)
        r = g->with_image ? make_image_dirs(g, err) : make_own_dirs(g, err);
    if (r == 0)
        r = make_dir(g->data, "", 0755, err);
    if (r == 0 && g->with_tmpfs)
        r = make_dir(g->tmp, "", 0755, err);
    if (r == 0 && g->with_tmpfs)
        r = mount_tmpfs(g->tmp, ground_tmpfs_bytes(what), err);
    if (r == 0)
        r = put_inputs(g, what, err);
    return r == 0 ? put_program(g, program, err) : r;
}

int ground_make_group(const struct site *s, const char *path, struct err *err)
{
    const struct cgroups *c = &s->machine->cgroups;
    return s->limits.io_bps ? cgroup_make_with_io(c, path, err) : cgroup_make(c, path, err);
}

static int make_group(const struct site *s, const struct ground *g, struct err *err)
{
    const struct cgroups *c = &s->machine->cgroups;
    const struct cgroup_limits limits = {
        .cpus = s->limits.cpus, .memory_bytes = s->limits.memory_bytes, .pids = s->limits.pids};
    int r = ground_make_group(s, g->group, err);
    if (r == 0 && s->limits.io_bps)
        r = cgroup_limit_io(c, g->group, s->disk, s->limits.io_bps, err);
    if (r == 0)
        r = ground_make_group(s, g->tool, err);
    if (r == 0)
        r = cgroup_set_limits(c, g->group, &limits, err);
    if (r == 0)
        r = group_confine(c, g->group, &s->cpus, err);
    return r;
}

int ground_make(struct site *s, struct engine *e, struct ground *g, const struct launch *what,
                bool container, struct err *err)
{
    struct ledger_item items[MAX_INTENTS];
    const struct run_program *program;
    int r = engine_program(s, e, what->program, &program, err);
    if (r < 0)
        return r;
    g->with_image = what->image != NULL;
    size_t n = ground_items(g, items);
    if (container)
        items[n++] = container_item(e, g);
    r = ledger_intend(s->ledger, items, n, err);
    if (r == 0)
        r = make_tree(program, g, what, err);
    if (r == 0 && g->group[0])
        r = make_group(s, g, err);
    return r < 0 ? err_wrap(err, "prepare %s", g->id) : 0;
}

/* ---- removing ---- */

static void run_ready(void *user)
{
    loop_run_ready(user);
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

int ground_kill(struct site *s, const struct ground *g, struct err *err)
{
    if (!g->group[0])
        return 0;
    return cgroup_kill(&s->machine->cgroups, g->group, time_deadline(s->stop_timeout_ns), run_ready,
                       s->loop, err);
}

int ground_kill_box(struct site *s, const struct ground *g, struct err *err)
{
    return cgroup_kill(&s->machine->cgroups, g->box, time_deadline(s->stop_timeout_ns), run_ready,
                       s->loop, err);
}

static int remove_group(struct site *s, const struct ground *g, struct err *err)
{
    const struct cgroups *c = &s->machine->cgroups;
    int r = ground_kill(s, g, err);
    if (r == 0)
        r = cgroup_remove(c, g->group, err);
    if (r == 0 && cgroup_exists(c, g->group))
        r = err_set(err, ERR_ENVIRONMENT, EBUSY, "group %s is still there", g->group);
    return r;
}

static int remove_dir(const struct ground *g, struct err *err)
{
    int r = mount_remove_below(g->dir, err);
    if (r == 0)
        r = fs_remove_tree(g->dir, err);
    if (r == 0 && exists(g->dir))
        r = err_set(err, ERR_ENVIRONMENT, EBUSY, "%s is still there", g->dir);
    return r;
}

int ground_remove(struct site *s, struct ground *g, struct err *err)
{
    struct err group_err = ERR_INIT, dir_err = ERR_INIT;
    int group = g->group[0] ? remove_group(s, g, &group_err) : 0;
    int dir = exists(g->dir) ? remove_dir(g, &dir_err) : 0;
    struct ledger_item items[MAX_INTENTS];
    size_t n = ground_items(g, items);
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++)
        if ((items[i].kind == LEDGER_CGROUP ? group : dir) == 0)
            r = ledger_done(s->ledger, &items[i], err);
    if (r < 0)
        return r;
    const struct err *first = group < 0 ? &group_err : dir < 0 ? &dir_err : NULL;
    if (!first)
        return 0;
    return err_set(err, first->kind, first->code, "left behind of %s: %s", g->id, first->msg);
}

int ground_container_gone(struct site *s, const struct engine *e, const struct ground *g,
                          struct err *err)
{
    struct ledger_item item = container_item(e, g);
    return ledger_done(s->ledger, &item, err);
}

/* ---- engines ---- */

int engine_program(struct site *s, struct engine *e, enum program which,
                   const struct run_program **ret, struct err *err)
{
    struct run_program *p = &e->programs[which];
    const char *original = s->programs.path[which];
    char sha256[FS_SHA256_HEX];
    *ret = p;
    if (p->path[0])
        return 0;
    if (!original[0])
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
                       "%s is not built here (its library was missing when cupel was built)",
                       program_names[which]);
    struct run_program made = {.path = ""};
    if (!str_format(made.path, sizeof(made.path), "%s/%s", s->dir, program_names[which]))
        return err_errno(err, ENAMETOOLONG, "copy %s to %s", program_names[which], s->dir);
    int r = fs_mkdirs(s->dir, 0700, err);
    if (r == 0)
        r = fs_sha256(original, sha256, err);
    if (r == 0 && !exists(made.path))
        r = fs_copy_file(original, made.path, 0755, err);
    if (r == 0)
        r = fs_sha256(made.path, made.sha256, err);
    if (r == 0 && stat(made.path, &made.stat) < 0)
        r = err_errno(err, errno, "read %s", made.path);
    if (r < 0)
        return err_wrap(err, "copy %s", program_names[which]);
    if (strcmp(sha256, made.sha256) != 0)
        return err_set(err, ERR_ENVIRONMENT, ESTALE, "%s changed while the run goes on", original);
    *p = made;
    return 0;
}

int engine_new(struct site *s, const struct target_info *info, struct engine **ret, struct err *err)
{
    if (!info->usable)
        return err_set(err, info->why ? info->why : ERR_UNSUPPORTED, ENOTSUP, "%s: %s",
                       info->target.label, info->reason);
    struct engine *e = xcalloc(1, sizeof(*e));
    e->info = *info;
    const struct run_program *probe;
    int r = engine_program(s, e, PROGRAM_PROBE, &probe, err);
    if (r == 0 && info->path[0] && stat(info->path, &e->runtime_stat) < 0)
        r = err_errno(err, errno, "read %s", info->path);
    if (r < 0) {
        engine_free(e);
        return r;
    }
    *ret = e;
    return 0;
}

void engine_free(struct engine *e)
{
    if (e)
        free(e->kata);
    free(e);
}

/* ---- sessions ---- */

void stdio_close_child(struct stdio *io)
{
    fd_close(&io->child_in);
    fd_close(&io->child_out);
    fd_close(&io->child_err);
}

int live_open_session(struct live *l, const char *nonce, struct stdio *ret, struct err *err)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, errs[2] = {-1, -1};
    int r = fd_pipe(in, err);
    if (r == 0)
        r = fd_pipe(out, err);
    if (r == 0)
        r = fd_pipe(errs, err);
    *ret = (struct stdio){.child_in = in[0], .child_out = out[1], .child_err = errs[1]};
    if (r == 0) {
        r = session_new(l->site->loop, nonce, in[1], out[0], errs[0], &l->session, err);
    } else {
        fd_close(&in[1]);
        fd_close(&out[0]);
        fd_close(&errs[0]);
    }
    if (r < 0)
        stdio_close_child(ret);
    return r;
}

static void look_for_oom(struct live *l)
{
    uint64_t kills = 0;
    l->oom |= l->ground.group[0] &&
              cgroup_oom_kills(&l->site->machine->cgroups, l->ground.group, &kills) == 0 &&
              kills > 0;
}

static void ended(struct live *l, int wait_status)
{
    look_for_oom(l);
    l->exited = true;
    if (!l->exited_ns)
        l->exited_ns = time_mono_ns();
    l->wait_status = wait_status;
    const char *why = l->why_ended ? l->why_ended(l) : NULL;
    session_exited(l->session, wait_status, l->oom ? "its memory limit" : why);
}

static void on_exit_of(void *user, pid_t pid, int wait_status, const struct rusage *usage)
{
    ended(user, wait_status);
}

static void on_gone(void *user, int fd, uint32_t events)
{
    struct live *l = user;
    l->exited_ns = time_mono_ns();
    look_for_oom(l); /* before the engine is asked: it removes the container's group */
    ended(l, l->how_ended ? l->how_ended(l) : -1);
}

int live_watch(struct live *l, pid_t pid, struct err *err)
{
    l->pid = l->session->caps.pid = pid;
    l->pid_ticks = proc_start_ticks(pid);
    return loop_watch_child(l->site->loop, pid, on_exit_of, l, &l->watch, err);
}

int wait_status_of_shell(int code)
{
    return code > 128 && code < 128 + NSIG ? code - 128 : code << 8;
}

/* A client tells of a signal as the shell does; the probe itself leaves with less. */
static void on_client_exit(void *user, pid_t pid, int wait_status, const struct rusage *usage)
{
    ended(user,
          WIFEXITED(wait_status) ? wait_status_of_shell(WEXITSTATUS(wait_status)) : wait_status);
}

/* The count of what ran out of memory goes with the container's group, which its engine removes
 * before the client ends. */
static void on_container_gone(void *user, int fd, uint32_t events)
{
    look_for_oom(user);
}

/* After the watch is set: the number still means what the engine said. */
static int check_in_group(const struct live *l, struct err *err)
{
    if (proc_in_cgroup(l->pid, l->ground.group))
        return 0;
    return err_set(err, ERR_MEASUREMENT, EBADE, "process %d is not in the session's group",
                   (int)l->pid);
}

int live_watch_foreign(struct live *l, pid_t pid, struct err *err)
{
    l->pid = l->session->caps.pid = pid;
    l->pid_ticks = proc_start_ticks(pid);
    int r = loop_watch_pid(l->site->loop, pid, on_gone, l, &l->watch, err);
    return r < 0 ? r : check_in_group(l, err);
}

int live_watch_client(struct live *l, pid_t child, struct err *err)
{
    l->session->stream_pid = child;
    return loop_watch_child(l->site->loop, child, on_client_exit, l, &l->watch, err);
}

int live_behind_client(struct live *l, pid_t pid, struct err *err)
{
    l->pid = l->session->caps.pid = pid;
    int r = loop_watch_pid(l->site->loop, pid, on_container_gone, l, &l->gone_watch, err);
    return r < 0 ? r : check_in_group(l, err);
}

/* The groups its runtime has made meanwhile get the limit, too: on v1 none holds for those below
 * it. And nothing of the container may stand outside of them. */
static int hold_io(const struct live *l, struct err *err)
{
    const struct site *s = l->site;
    const struct cgroups *c = &s->machine->cgroups;
    if (!s->limits.io_bps)
        return 0;
    int r = cgroup_limit_io(c, l->ground.group, s->disk, s->limits.io_bps, err);
    return r == 0 ? cgroup_io_covers(c, l->ground.box, err) : r;
}

int live_describe(struct live *l, struct err *err)
{
    struct session *s = l->session;
    s->number = l->ground.number;
    s->priv = l;
    s->caps.eof_reaches_us = true;
    if (str_eq(l->engine->info.kind, "runsc")) {
        s->caps.warm_up_ns = RUNSC_WARM_UP_NS;
        s->caps.own_cache = true;
    }
    if (str_eq(l->engine->info.kind, "kata"))
        s->caps.own_cache = true;
    if (!l->ground.group[0])
        return 0;
    str_copy(s->caps.cgroup, sizeof(s->caps.cgroup), l->ground.group);
    int r = hold_io(l, err);
    return r < 0 ? r
                 : cgroup_meter_open(&l->site->machine->cgroups, l->ground.group, &s->meter, err);
}

void live_container_dirs(struct live *l)
{
    struct session_caps *caps = &l->session->caps;
    str_copy(caps->dir_rootfs, sizeof(caps->dir_rootfs), "/work");
    str_copy(caps->dir_tmpfs, sizeof(caps->dir_tmpfs), "/tmp");
    str_copy(caps->dir_bind, sizeof(caps->dir_bind), "/data");
    str_copy(caps->host_rootfs, sizeof(caps->host_rootfs), l->ground.rootfs);
    str_copy(caps->host_bind, sizeof(caps->host_bind), l->ground.data);
}

bool live_farewell(struct live *l, uint64_t patience_ns)
{
    struct session *s = l->session;
    /* One that is broken or busy does not hear: no use in waiting. */
    if (l->exited || s->broken || s->waiting)
        return l->exited;
    struct calm c = calm_begin(l->site->loop);
    struct frame f;
    frame_init(&f, FRAME_BYE, s->nonce, 0);
    if (session_post(s, &f, NULL) == 0)
        calm_wait(&c, &l->exited, time_deadline(patience_ns));
    calm_end(&c);
    return l->exited;
}

int live_begin(struct site *s, struct engine *e, const struct launch *what, take_down_fn down,
               struct live **ret, struct err *err)
{
    const struct driver *d = what->engine_network ? driver_find(e->info.target.driver) : NULL;
    if (d && !d->network)
        return engine_network_none(&e->info, d->no_network, err);
    struct live *l = xcalloc(1, sizeof(*l));
    l->site = s;
    l->engine = e;
    l->down = down;
    l->cover_fd = l->net_fd = -1;
    l->program = &e->programs[what->program];
    l->tmpfs_bytes = ground_tmpfs_bytes(what);
    l->start_timeout_ns = s->start_timeout_ns * (e->kata ? KATA_PATIENCE : 1);
    if (what->net)
        l->net = *what->net;
    l->net_stack = what->net_stack;
    l->engine_network = what->engine_network;
    int r = ground_names(s, s->next_session++, &l->ground, err);
    if (r < 0) {
        live_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

void live_forget(struct live *l)
{
    loop_remove(l->site->loop, l->watch);
    loop_remove(l->site->loop, l->gone_watch);
    l->gone_watch = NULL;
    session_free(l->session);
    l->watch = NULL;
    l->session = NULL;
    l->pid = 0;
    l->exited = false;
    l->exited_ns = 0;
    l->created = false;
}

void live_free(struct live *l)
{
    if (!l)
        return;
    live_forget(l);
    fd_close(&l->cover_fd);
    fd_close(&l->net_fd);
    free(l);
}

int session_stop(struct session *sess, enum ending how, struct lifetimes *ret_life, struct err *err)
{
    struct live *l = sess->priv;
    struct lifetimes life = sess->life;
    life.end_ns = time_mono_ns();
    if (how == ENDING_BYE)
        live_farewell(l, NS_PER_S);
    int r = l->down(l, how == ENDING_FORCED, &life, err);
    if (ret_life)
        *ret_life = life;
    return r;
}

uint64_t start_begins(struct live *l)
{
    together_meet(l->site->loop);
    return time_mono_ns();
}

int start_hello(struct live *l, uint64_t *deadline_ns, struct err *err)
{
    int r = session_hello(l->session, *deadline_ns, err);
    if (r < 0)
        return r;
    uint64_t begin_ns = time_mono_ns();
    together_meet(l->site->loop);
    *deadline_ns += time_mono_ns() - begin_ns;
    return 0;
}

int start_failed(struct live *l, int r, struct err *err)
{
    struct lifetimes life = {0};
    struct err first = err ? *err : (struct err)ERR_INIT, left = ERR_INIT;
    double limit_s = (double)l->start_timeout_ns / NS_PER_S;
    int left_r = l->down(l, false, &life, &left);
    const char *waiting = strstr(first.msg, ": timed out");
    int phase = waiting ? (int)(waiting - first.msg) : (int)strlen(first.msg);
    if (r == -ETIMEDOUT)
        err_set(err, ERR_TIMEOUT, ETIMEDOUT, "timed out at start after %.3g s (%.*s)%s%s", limit_s,
                phase, first.msg, left_r < 0 ? "; " : "", left.msg);
    else if (left_r < 0)
        err_set(err, first.kind, first.code, "%s; %s", first.msg, left.msg);
    return r;
}

/* ---- calm ---- */

struct calm calm_begin(struct loop *l)
{
    struct calm c = {.loop = l};
    calm_put_aside(&c);
    return c;
}

bool calm_put_aside(struct calm *c)
{
    int sig = loop_interrupted(c->loop);
    if (!sig)
        return false;
    c->signal = sig;
    loop_clear_interrupt(c->loop);
    return true;
}

int calm_wait(struct calm *c, const bool *done, uint64_t deadline_ns)
{
    for (;;) {
        int r = loop_run_until(c->loop, done, deadline_ns, NULL);
        if (r != -EINTR)
            return r;
        if (!calm_put_aside(c))
            return r;
    }
}

void calm_end(struct calm *c)
{
    loop_set_interrupt(c->loop, c->signal);
    c->signal = 0;
}
