/* The probe on the machine itself: the baseline. It gets the same directories, the same kind of
 * control group and the same limits as a container, and nothing else. Without root it has no group
 * and no tmpfs. */
#include "driver/ground.h"
#include "driver/proof.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/spawn.h"
#include "base/time.h"
#include "host/mounts.h"
#include "host/netns.h"

#include <errno.h>
#include <signal.h>

static const char *const proposals[] = {"host", NULL};

static void host_inspect(struct site *s, const struct target *t, struct target_info *ret)
{
    *ret = (struct target_info){.target = *t, .usable = true};
    str_copy(ret->kind, sizeof(ret->kind), "host");
    str_format(ret->version, sizeof(ret->version), "Linux %s", s->machine->kernel);
    if (t->runtime[0] || t->platform[0] || t->n_flags > 0) {
        ret->usable = false;
        ret->why = ERR_USAGE;
        str_copy(ret->reason, sizeof(ret->reason), "host takes no runtime, platform or flags");
    } else if (!s->machine->is_root) {
        str_copy(ret->reason, sizeof(ret->reason), "without root: no limits, no host CPU time");
    }
}

static int host_open(struct site *s, const struct target_info *info, struct engine **ret,
                     struct err *err)
{
    return engine_new(s, info, ret, err);
}

static void host_close(struct site *s, struct engine *e)
{
    engine_free(e);
}

static bool has_group(const struct live *l)
{
    return l->ground.group[0] != '\0';
}

/* The same places inside an image as a container has. */
static int furnish_image(const struct live *l, const struct launch *what, struct err *err)
{
    const struct ground *g = &l->ground;
    int r = mount_root_basics(g->rootfs, err);
    if (r == 0)
        r = mount_root_tmpfs(g->rootfs, "tmp", l->tmpfs_bytes, err);
    return r == 0 ? mount_root_bind(g->rootfs, "data", g->data, err) : r;
}

static int spawn_probe(struct live *l, const struct stdio *io, const char *nonce, struct err *err)
{
    bool inside = l->ground.with_image;
    char program[256];
    str_format(program, sizeof(program), "%s/%s", inside ? "" : l->ground.rootfs, PROBE_NAME);
    const char *inject = l->engine->info.target.inject;
    const char *argv[] = {program, "--nonce", nonce, *inject ? "--inject" : NULL, inject, NULL};
    /* What a container has, too: OPENBLAS_CORETYPE of our own surroundings would be another test.
     */
    static const char *const env[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb", NULL};
    struct spawn_spec spec = {.argv = argv,
                              .env = env,
                              .root = inside ? l->ground.rootfs : NULL,
                              .cwd = inside ? "/" : l->ground.dir,
                              .fd_in = io->child_in,
                              .fd_out = io->child_out,
                              .fd_err = io->child_err,
                              .die_with_parent = true,
                              .new_session = true};
    const struct cgroups *c = &l->site->machine->cgroups;
    if (has_group(l)) {
        int n = cgroup_open_join(c, l->ground.box, spec.join_fds, SPAWN_MAX_JOIN, err);
        if (n < 0)
            return n;
        spec.n_join = (size_t)n;
    } else {
        spec.cpus = &l->site->cpus;
    }
    pid_t pid = 0;
    _cleanup_fd_ int netns = -1;
    int r = 0;
    if (l->net.netns[0]) {
        r = netns = netns_open(l->net.netns, err);
        spec.ns_fds[spec.n_ns++] = netns;
    }
    if (r >= 0)
        r = spawn(&spec, &pid, err);
    for (size_t i = 0; i < spec.n_join; i++)
        fd_close(&spec.join_fds[i]);
    return r < 0 ? r : live_watch(l, pid, err);
}

static int launch(struct live *l, struct err *err)
{
    struct site *s = l->site;
    char nonce[WIRE_NONCE_SIZE];
    struct stdio io;
    session_nonce(nonce);
    int r = live_open_session(l, nonce, &io, err);
    if (r < 0)
        return r;
    uint64_t begin_ns = start_begins(l);
    uint64_t deadline_ns = begin_ns + s->start_timeout_ns;
    r = spawn_probe(l, &io, nonce, err);
    stdio_close_child(&io);
    if (r == 0)
        r = start_hello(l, &deadline_ns, err);
    if (r < 0)
        return r;
    l->session->life =
        (struct lifetimes){.begin_ns = begin_ns, .hello_ns = l->session->answered_ns};
    return proof_make(l, NULL, err);
}

static int set_dirs(struct live *l, struct err *err)
{
    struct session_caps *caps = &l->session->caps;
    if (l->ground.with_image) {
        live_container_dirs(l);
        return 0;
    }
    bool fits = str_format(caps->dir_rootfs, sizeof(caps->dir_rootfs), "%s/work", l->ground.rootfs);
    fits &= str_copy(caps->dir_bind, sizeof(caps->dir_bind), l->ground.data);
    if (has_group(l))
        fits &= str_copy(caps->dir_tmpfs, sizeof(caps->dir_tmpfs), l->ground.tmp);
    return fits ? 0 : err_errno(err, ENAMETOOLONG, "name the directories of %s", l->ground.id);
}

/* Ends whatever is there of it and frees l. The process is all that an engine would have made. */
static int take_down(struct live *l, bool by_engine, struct lifetimes *life, struct err *err)
{
    struct site *s = l->site;
    struct calm calm = calm_begin(s->loop);
    if (l->pid > 0 && !l->exited) {
        kill(l->pid, SIGKILL); /* not reaped yet, so the pid is ours */
        if (l->watch)
            calm_wait(&calm, &l->exited, time_deadline(s->stop_timeout_ns));
    }
    life->exited_ns = life->gone_ns = l->exited_ns;
    int r = ground_remove(s, &l->ground, err);
    live_free(l);
    calm_end(&calm);
    return r;
}

static int host_start(struct site *s, struct engine *e, const struct launch *what,
                      struct session **ret, struct err *err)
{
    struct live *l = NULL;
    int r = live_begin(s, e, what, take_down, &l, err);
    if (r < 0)
        return r;
    if (what->image && !has_group(l))
        r = err_set(err, ERR_UNSUPPORTED, EPERM, "an image needs root: its layers are mounted");
    l->ground.with_tmpfs = has_group(l) && !what->image;
    if (r == 0)
        r = ground_make(s, e, &l->ground, what, false, err);
    if (r == 0 && what->image)
        r = furnish_image(l, what, err);
    if (r == 0 && has_group(l))
        r = ground_make_group(s, l->ground.box, err);
    if (r == 0)
        r = launch(l, err);
    if (r == 0)
        r = live_describe(l, err);
    if (r == 0)
        r = set_dirs(l, err);
    if (r < 0)
        return start_failed(l, r, err);
    *ret = l->session;
    return 0;
}

const struct driver driver_host = {
    .name = "host",
    .summary = "the machine itself, without any sandbox: the baseline",
    .proposals = proposals,
    .inspect = host_inspect,
    .open = host_open,
    .close = host_close,
    .start = host_start,
    .no_network = "it is the machine itself",
};
