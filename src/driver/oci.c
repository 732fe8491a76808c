/* Any runtime with the OCI command line: create, start, a wait on the process, delete.
 *
 * We are the child subreaper, so the container's first process (for runsc the sandbox) becomes our
 * child when `create` exits, and the loop sees its end; `state` is called once, for the proof,
 * since polling it distorts what is measured. The runtime's command lines live in the session's own
 * leaf `tool`: what they cost is counted, and one that hangs is killed with all it started. */
#include "driver/oci.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/spawn.h"
#include "base/time.h"
#include "driver/command.h"
#include "driver/plug.h"
#include "driver/proof.h"
#include "host/mounts.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char *const proposals[] = {
    "runc", "crun", "runsc:ptrace", "runsc:systrap", "runsc:kvm", "youki", NULL,
};

/* ---- the command line ---- */

static void verb_begin(struct command *c, const struct live *l, const char *verb)
{
    const struct engine *e = l->engine;
    command_init(c, e->info.path, verb);
    command_add(c, "--root");
    command_add(c, e->state_dir);
    command_add_runtime_flags(c, e, plug_runsc_network(l), NULL);
    command_add(c, verb);
}

/* ---- once a run ---- */

static void oci_close(struct site *s, struct engine *e)
{
    struct err err = ERR_INIT;
    if (e && e->state_dir[0] && state_dir_remove(s, e, &err) < 0)
        log_notice("%s", err.msg); /* it stays in the ledger */
    engine_free(e);
}

static int oci_open(struct site *s, const struct target_info *info, struct engine **ret,
                    struct err *err)
{
    struct engine *e = NULL;
    int r = engine_new(s, info, &e, err);
    if (r < 0)
        return r;
    r = state_dir_make(s, e, err);
    e->cover = info->work_around[0] != '\0';
    if (r < 0) {
        oci_close(s, e);
        return err_wrap(err, "open %s", info->target.label);
    }
    *ret = e;
    return 0;
}

/* ---- start ---- */

int oci_create(struct live *l, struct command *c, const struct stdio *io, uint64_t deadline_ns,
               struct err *err)
{
    struct spawn_result res;
    char pid_file[256];
    uint64_t pid;
    str_format(pid_file, sizeof(pid_file), "%s/pid", l->ground.dir);
    command_add(c, "--bundle");
    command_add(c, l->ground.dir);
    command_add(c, "--pid-file");
    command_add(c, pid_file);
    command_add(c, l->ground.id);
    l->created = true;
    int r = command_run(l, c, io, deadline_ns, &res, err);
    int wait_status = res.wait_status;
    spawn_result_release(&res);
    if (r == 0 && wait_status != 0)
        return command_failed(l, c, wait_status, err);
    if (r == 0 && (file_read_u64(pid_file, &pid) < 0 || pid < 2 || pid > INT32_MAX))
        return err_set(err, ERR_MEASUREMENT, EBADMSG, "%s wrote no process id", c->what);
    return r < 0 ? r : live_watch(l, (pid_t)pid, err);
}

static int create(struct live *l, const struct stdio *io, uint64_t deadline_ns, struct err *err)
{
    struct command c;
    verb_begin(&c, l, "create");
    return oci_create(l, &c, io, deadline_ns, err);
}

static int verb(struct live *l, const char *word, const char *option, uint64_t deadline_ns,
                struct str *out, struct err *err)
{
    struct command c;
    verb_begin(&c, l, word);
    if (option)
        command_add(&c, option);
    command_add(&c, l->ground.id);
    return command_run_text(l, &c, deadline_ns, out, err);
}

static int launch(struct live *l, struct err *err)
{
    char nonce[WIRE_NONCE_SIZE];
    struct stdio io;
    session_nonce(nonce);
    int r =
        oci_config_write(l->site, l->engine, &l->ground, nonce, l->tmpfs_bytes, l->net.netns, err);
    if (r == 0)
        r = live_open_session(l, nonce, &io, err);
    if (r < 0)
        return r;
    struct lifetimes life = {.begin_ns = start_begins(l)};
    uint64_t deadline_ns = life.begin_ns + l->site->start_timeout_ns;
    r = create(l, &io, deadline_ns, err);
    life.created_ns = time_mono_ns();
    stdio_close_child(&io);
    if (r == 0)
        r = verb(l, "start", NULL, deadline_ns, NULL, err);
    life.started_ns = time_mono_ns();
    if (r == 0)
        r = start_hello(l, &deadline_ns, err);
    if (r < 0)
        return r;
    life.hello_ns = l->session->answered_ns;
    l->session->life = life;
    _cleanup_(str_release) struct str state = STR_INIT;
    r = verb(l, "state", NULL, deadline_ns, &state, err);
    return r < 0 ? r : proof_make(l, state.buf, err);
}

/* ---- stop ---- */

/* What a runtime killed at the wrong moment leaves in its state directory bears the identifier. */
static int remove_entries(const struct live *l, struct err *err)
{
    DIR *d = opendir(l->engine->state_dir);
    if (!d)
        return errno == ENOENT ? 0 : err_errno(err, errno, "read %s", l->engine->state_dir);
    int r = 0;
    struct dirent *de;
    while (r == 0 && (de = readdir(d))) {
        char path[512];
        if (!strstr(de->d_name, l->ground.id))
            continue;
        str_format(path, sizeof(path), "%s/%s", l->engine->state_dir, de->d_name);
        r = fs_remove_tree(path, err);
    }
    closedir(d);
    return r;
}

static void delete_container(struct live *l, struct calm *calm)
{
    struct err err = ERR_INIT;
    int r;
    do
        r = verb(l, "delete", "--force", time_deadline(l->site->stop_timeout_ns), NULL, &err);
    while (r == -EINTR && calm_put_aside(calm));
    if (r < 0)
        log_debug("%s: %s", l->ground.id, err.msg); /* what counts is what is left, checked next */
}

/* What still runs is killed through its group and not by the runtime's `kill`: that is certain,
 * also where the runtime hangs or half of a container exists. */
static void end_container(struct live *l, struct calm *calm)
{
    struct site *s = l->site;
    if (!l->created)
        return;
    if (!l->exited)
        ground_kill(s, &l->ground, NULL);
    if (l->watch && !l->exited)
        calm_wait(calm, &l->exited, time_deadline(s->stop_timeout_ns));
    delete_container(l, calm);
}

/* As a person would remove one that runs: the runtime kills and deletes at one go. A runtime that
 * hangs or fails is helped as above. */
static void destroy_container(struct live *l, struct calm *calm)
{
    delete_container(l, calm);
    if (l->watch && !l->exited)
        calm_wait(calm, &l->exited, time_deadline(l->site->stop_timeout_ns));
    if (!l->exited)
        end_container(l, calm);
}

/* Ends whatever is there of it and frees l. */
static int take_down(struct live *l, bool by_runtime, struct lifetimes *life, struct err *err)
{
    struct site *s = l->site;
    struct calm calm = calm_begin(s->loop);
    if (by_runtime)
        destroy_container(l, &calm);
    else
        end_container(l, &calm);
    int r = remove_entries(l, err);
    life->exited_ns = l->exited_ns;
    life->gone_ns = time_mono_ns();
    int ground_r = ground_remove(s, &l->ground, r < 0 ? NULL : err);
    if (r == 0)
        r = ground_r;
    if (r == 0)
        r = ground_container_gone(s, l->engine, &l->ground, err);
    live_free(l);
    calm_end(&calm);
    return r;
}

static int bring_up(struct live *l, struct err *err)
{
    int r = launch(l, err);
    if (r == 0)
        r = live_describe(l, err);
    if (r < 0)
        return r;
    live_container_dirs(l);
    return 0;
}

static int oci_start(struct site *s, struct engine *e, const struct launch *what,
                     struct session **ret, struct err *err)
{
    struct live *l = NULL;
    int r = live_begin(s, e, what, take_down, &l, err);
    if (r < 0)
        return r;
    r = ground_make(s, e, &l->ground, what, true, err);
    if (r == 0 && e->cover)
        r = mountns_with_cover(s->loop, s->machine->cgroups.unified_mount, &l->cover_fd, err);
    if (r == 0)
        r = plug_cover(l, err);
    if (r == 0)
        r = bring_up(l, err);
    if (r < 0)
        return start_failed(l, r, err);
    *ret = l->session;
    return 0;
}

int oci_clear_bundle(const struct live *l, struct err *err)
{
    static const char *const names[] = {"config.json", "pid"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char path[256];
        str_format(path, sizeof(path), "%s/%s", l->ground.dir, names[i]);
        if (unlink(path) < 0 && errno != ENOENT)
            return err_errno(err, errno, "remove %s", path);
    }
    return 0;
}

/* The same ground, and so the same files: only the container is another. */
static int oci_renew(struct site *s, struct engine *e, struct session **inout, struct err *err)
{
    struct live *l = (*inout)->priv;
    live_farewell(l, NS_PER_S);
    struct calm calm = calm_begin(s->loop);
    end_container(l, &calm);
    int r = remove_entries(l, err);
    if (r == 0)
        r = oci_clear_bundle(l, err);
    calm_end(&calm);
    live_forget(l);
    *inout = NULL;
    if (r == 0 && l->net.netns[0])
        r = network_end_restore(s, &l->net, err);
    if (r == 0)
        r = bring_up(l, err);
    if (r < 0)
        return start_failed(l, r, err);
    *inout = l->session;
    return 0;
}

const struct driver driver_oci = {
    .name = "oci",
    .summary =
        "a runtime with the OCI command line, by name or path: runc, crun, runsc, youki, ...",
    .proposals = proposals,
    .inspect = oci_inspect,
    .open = oci_open,
    .close = oci_close,
    .start = oci_start,
    .renew = oci_renew,
    .no_network = "networks are made by engines, and a runtime is given one",
};
