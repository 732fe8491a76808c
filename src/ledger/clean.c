/* Clean-up from the ledgers. Order within a run: processes of its groups, containers through their
 * runtimes, processes and state entries by identifier, mounts, tracing instances, groups,
 * directories, the ledger. What fails is reported and the rest goes on; the ledger stays then, for
 * the next time. */
#include "base/fd.h"
#include "base/fs.h"
#include "base/spawn.h"
#include "base/time.h"
#include "engine/docker.h"
#include "host/allocation.h"
#include "host/cgroup.h"
#include "host/mounts.h"
#include "host/proc.h"
#include "host/tracing.h"
#include "ledger/byid.h"
#include "ledger/journal.h"
#include "ledger/k8sobject.h"
#include "ledger/kata.h"
#include "ledger/namespace.h"
#include "ledger/slurmjob.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>

#define STEP_NS (10 * NS_PER_S) /* for one runtime call or one group to die */
/* For a job to end in order: Slurm gives it KillWait, 30 s, before it kills. */
#define JOB_NS (90 * NS_PER_S)

struct text_list {
    char **v;
    size_t n, cap;
};

struct clean {
    const char *state_dir;
    struct loop *loop;
    void (*report)(void *user, const char *line);
    void *user;
    struct clean_result *count;
    struct cgroups groups;
    char boot[40];
    int covered_ns;         /* the mount namespace for crun, made when first needed; -1 */
    struct text_list known; /* run ids and paths of groups and directories that stand in a ledger */
};

/* One run being worked off. */
struct job {
    struct clean *c;
    const struct journal *j;
    bool kernel_side; /* its kernel objects may still be there: no reboot since */
    unsigned failed;
};

static void say(struct clean *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct clean *c, const char *fmt, ...)
{
    if (!c->report)
        return;
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    str_printable(line); /* names come from files and from /proc */
    c->report(c->user, line);
}

static void removed(struct job *job, const char *what, const char *name)
{
    job->c->count->removed++;
    say(job->c, "removed %s %s", what, name);
}

static void failed(struct job *job, const struct err *err)
{
    job->failed++;
    job->c->count->failed++;
    say(job->c, "failed: %s", err->msg);
}

static void reap(void *user)
{
    loop_run_ready(user);
}

/* --- processes and groups --- */

static void kill_group(struct job *job, const char *path)
{
    struct err err = ERR_INIT;
    struct pid_list before = {NULL, 0, 0};
    size_t n = cgroup_pids(&job->c->groups, path, &before, NULL) == 0 ? before.n : 0;
    pid_list_release(&before);
    if (n == 0)
        return;
    if (cgroup_kill(&job->c->groups, path, time_deadline(STEP_NS), reap, job->c->loop, &err) < 0)
        failed(job, &err);
    else
        say(job->c, "ended %zu processes in control group %s", n, path);
}

static void remove_group(struct job *job, const char *path)
{
    struct err err = ERR_INIT;
    if (!cgroup_exists(&job->c->groups, path))
        return; /* one that stood below another went with it */
    kill_group(job, path);
    if (cgroup_remove(&job->c->groups, path, &err) < 0)
        failed(job, &err);
    else
        removed(job, "control group", path);
}

/* --- containers --- */

/* Running it with our rights is only safe if nobody else could have put it there. */
static bool may_run(const char *runtime)
{
    struct stat st;
    return runtime[0] == '/' && stat(runtime, &st) == 0 && S_ISREG(st.st_mode) &&
           (st.st_uid == 0 || st.st_uid == geteuid()) && !(st.st_mode & S_IWOTH) &&
           !((st.st_mode & S_IWGRP) && st.st_gid != 0) && access(runtime, X_OK) == 0;
}

static int covered_ns(struct clean *c)
{
    if (c->groups.mode != CGROUP_HYBRID || !c->groups.unified_has_controllers)
        return -1;
    if (c->covered_ns < 0)
        (void)mountns_with_cover(c->loop, c->groups.unified_mount, &c->covered_ns, NULL);
    return c->covered_ns;
}

/* What it answers does not count: after a kill inside `create` it says nothing and does nothing,
 * and for a container that is gone it fails. What counts is what is left. */
static void ask_runtime(struct job *job, const struct ledger_item *it)
{
    if (!may_run(it->runtime)) {
        say(job->c, "container %s: not asking %s, which is not there or which others could change",
            it->id, it->runtime);
        return;
    }
    const char *const argv[] = {it->runtime, "--root", it->path, "delete", "--force", it->id, NULL};
    struct spawn_spec spec = {.argv = argv, .fd_in = -1, .fd_out = -1, .fd_err = -1};
    int ns = it->cover_unified ? covered_ns(job->c) : -1;
    if (ns >= 0)
        spec.ns_fds[spec.n_ns++] = ns;
    struct spawn_result res = {0};
    struct err err = ERR_INIT;
    int r = spawn_run(job->c->loop, &spec, time_deadline(STEP_NS), 4096, &res, &err);
    if (r < 0)
        say(job->c, "container %s: %s", it->id, err.msg);
    spawn_result_release(&res);
}

static void remove_container(struct job *job, const struct ledger_item *it)
{
    struct err err = ERR_INIT;
    int before = byid_count_state(it->path, it->id), killed = 0;
    if (job->kernel_side) {
        /* Where there is no state directory, the runtime knows nothing of it (and would make one).
         * An empty one says nothing: there are runtimes that keep their state elsewhere all the
         * same. */
        if (access(it->path, F_OK) == 0)
            ask_runtime(job, it);
        killed = byid_kill(it->id, it->runtime, time_deadline(STEP_NS), &err);
        if (killed < 0)
            failed(job, &err);
    }
    if (byid_remove_state(it->path, it->id, &err) < 0)
        failed(job, &err);
    else if (killed > 0 || before > 0)
        removed(job, "container", it->id);
}

/* What its runtime was asked to delete, or had no time to make, in places of Kata's own. */
static void remove_kata(struct job *job, const struct ledger_item *it)
{
    struct err err = ERR_INIT;
    int n = kata_remove(&job->c->groups, it->id, it->runtime, time_deadline(STEP_NS), &err);
    if (n < 0)
        failed(job, &err);
    else if (n > 0)
        removed(job, "what Kata had of container", it->id);
}

/* A private daemon was in the run's group and is gone; the user's is asked. */
static void remove_namespace(struct job *job, const struct ledger_item *it)
{
    struct err err = ERR_INIT;
    int n = namespace_remove(job->c->loop, it, job->j->run, may_run(it->runtime), &err);
    if (n < 0)
        failed(job, &err);
    else if (n > 0)
        removed(job, "containerd namespace", it->id);
}

/* In a daemon of the user's: by the name, and only where the label of the run is on it. */
static void remove_of_docker(struct job *job, const struct ledger_item *it)
{
    struct err err = ERR_INIT;
    struct docker *d = NULL;
    bool image = it->kind == LEDGER_DOCKER_IMAGE;
    int r = docker_new(job->c->loop, it->path, &d, &err);
    if (r == 0)
        r = (image ? docker_remove_image : docker_remove_container)(d, it->id, job->j->run,
                                                                    time_deadline(STEP_NS), &err);
    docker_free(d);
    if (r == -EPERM)
        say(job->c, "%s", err.msg);
    else if (r < 0)
        failed(job, &err);
    else if (r > 0)
        removed(job, image ? "docker image" : "docker container", it->id);
}

/* By its name, which was drawn for it. It ends in order first. */
static void remove_slurm_job(struct job *job, const struct ledger_item *it)
{
    struct err err = ERR_INIT;
    int n = may_run(it->runtime)
                ? slurmjob_remove(job->c->loop, it, time_deadline(JOB_NS), &err)
                : err_set(&err, ERR_ENVIRONMENT, EPERM,
                          "Slurm's job %s: not asking %s, which is not there or which others could "
                          "change",
                          it->id, it->runtime);
    if (n < 0)
        failed(job, &err);
    else if (n > 0)
        removed(job, "Slurm job", it->id);
}

static void remove_k8s_object(struct job *job, const struct ledger_item *it)
{
    struct err err = ERR_INIT;
    int n = may_run(it->runtime)
                ? k8sobject_remove(job->c->loop, it, time_deadline(JOB_NS), &err)
                : err_set(&err, ERR_ENVIRONMENT, EPERM,
                          "%s: not asking %s, which is not there or which others could change",
                          it->id, it->runtime);
    if (n < 0)
        failed(job, &err);
    else if (n > 0)
        removed(job, "of a Kubernetes,", it->id);
}

/* --- mounts and directories --- */

static void remove_mount(struct job *job, const char *path)
{
    struct err err = ERR_INIT;
    if (!mount_is_point(path))
        return;
    if (mount_remove_below(path, &err) < 0)
        failed(job, &err);
    else
        removed(job, "mount", path);
}

static void remove_dir(struct job *job, const char *path)
{
    struct err err = ERR_INIT;
    struct stat st;
    if (lstat(path, &st) < 0 && errno == ENOENT)
        return;
    /* Mounts that stand in no ledger too: a runtime's, or the root file system bound by an engine.
     * Were one still there, what is removed could be somebody's files. */
    int r = mount_remove_below(path, &err);
    if (r == 0)
        r = fs_remove_tree(path, &err);
    if (r < 0)
        failed(job, &err);
    else
        removed(job, "directory", path);
}

/* Is it what a controller elsewhere made here for us, and does nobody work in it? Its folder may be
 * one where others can make such a name. Returns a descriptor that holds its lock. */
static int claim_brought(struct job *job, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    bool ours = fstat(fd, &st) == 0 && st.st_uid == geteuid() && !(st.st_mode & 077);
    if (ours && flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    if (ours) {
        /* Its keeper lives: the ledger stays for the next time. */
        job->failed++;
        job->c->count->live++;
    }
    say(job->c, "left alone: directory %s is %s", path, ours ? "in use" : "not ours");
    close(fd);
    return -1;
}

/* What ran in there has a ledger of its own, which goes first. */
static void remove_brought(struct job *job, const struct ledger_item *it)
{
    struct err err = ERR_INIT;
    struct clean_result inner = {0};
    _cleanup_free_ char *state = xasprintf("%s/state", it->path);
    _cleanup_fd_ int fd = claim_brought(job, it->path);
    if (fd < 0)
        return;
    int r =
        access(state, F_OK) == 0 ? ledger_clean(state, job->c->loop, NULL, NULL, &inner, &err) : 0;
    job->c->count->removed += inner.removed;
    if (r == 0 && inner.failed > 0)
        r = err_set(&err, ERR_ENVIRONMENT, EBUSY, "%s: %u things of it are left", it->path,
                    inner.failed);
    if (r < 0)
        failed(job, &err);
    else
        remove_dir(job, it->path);
}

/* Its jobs are gone, or it stays for the next time. */
static void remove_shared(struct job *job, const struct ledger_item *it)
{
    _cleanup_fd_ int fd = open(it->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 && errno == ENOENT)
        return;
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 077))
        say(job->c, "left alone: directory %s is not ours", it->path);
    else if (job->failed == 0)
        remove_dir(job, it->path);
}

static void remove_tracing(struct job *job, const char *path)
{
    struct err err = ERR_INIT;
    int r = tracing_remove(path, &err);
    if (r < 0)
        failed(job, &err);
    else if (r > 0)
        removed(job, "tracing instance", path);
}

/* --- a run --- */

static void each(struct job *job, enum ledger_kind kind,
                 void (*act)(struct job *job, const struct ledger_item *it))
{
    /* The latest first: what was made last lies on or in what was made before. */
    for (size_t i = job->j->items.n; i-- > 0;) {
        const struct journal_item *it = &job->j->items.v[i];
        if (!it->done && it->item.kind == kind)
            act(job, &it->item);
    }
}

static void act_kill(struct job *job, const struct ledger_item *it)
{
    kill_group(job, it->path);
}

static void act_mount(struct job *job, const struct ledger_item *it)
{
    remove_mount(job, it->path);
}

static void act_tracing(struct job *job, const struct ledger_item *it)
{
    remove_tracing(job, it->path);
}

static void act_group(struct job *job, const struct ledger_item *it)
{
    remove_group(job, it->path);
}

static void act_dir(struct job *job, const struct ledger_item *it)
{
    remove_dir(job, it->path);
}

static void remove_items(struct job *job)
{
    each(job, LEDGER_SLURM_JOB, remove_slurm_job);
    each(job, LEDGER_K8S, remove_k8s_object);
    if (job->kernel_side)
        each(job, LEDGER_CGROUP, act_kill);
    each(job, LEDGER_CONTAINER, remove_container);
    /* Also after a reboot: an engine's records outlast it. */
    each(job, LEDGER_NAMESPACE, remove_namespace);
    each(job, LEDGER_KATA, remove_kata);
    each(job, LEDGER_DOCKER_CONTAINER, remove_of_docker);
    each(job, LEDGER_DOCKER_IMAGE, remove_of_docker);
    if (job->kernel_side) {
        each(job, LEDGER_MOUNT, act_mount);
        each(job, LEDGER_TRACING, act_tracing);
        each(job, LEDGER_CGROUP, act_group);
    }
    each(job, LEDGER_DIR, act_dir);
    each(job, LEDGER_BROUGHT, remove_brought);
    each(job, LEDGER_SHARED, remove_shared);
}

/* A run within a job made its groups below the job's. Whoever is in that job sees them as it did.
 */
static int look_where_it_was(struct clean *c, const struct journal *j, struct err *err)
{
    const char *own = allocation_of_self();
    if (!j->allocation[0] || str_eq(own, j->allocation))
        return 0;
    return own ? err_set(err, ERR_ENVIRONMENT, EXDEV, "run %s was another job's", j->run)
               : allocation_look_into(&c->groups, j->allocation, err);
}

static void work_off(struct job *job)
{
    struct err err = ERR_INIT;
    const struct cgroups here = job->c->groups;
    if (look_where_it_was(job->c, job->j, &err) < 0)
        failed(job, &err);
    else
        remove_items(job);
    if (job->j->allocation[0] && !allocation_of_self() && job->kernel_side)
        allocation_left(&job->c->groups);
    job->c->groups = here;
}

/* --- ledgers --- */

static void know(struct clean *c, const struct journal *j)
{
    if (j->has_header)
        VEC_PUSH(&c->known, xstrdup(j->run));
    for (size_t i = 0; i < j->items.n; i++)
        if (j->items.v[i].item.kind == LEDGER_CGROUP || j->items.v[i].item.kind == LEDGER_DIR)
            VEC_PUSH(&c->known, xstrdup(j->items.v[i].item.path));
}

/* The ledger itself: away if all is done; aside if it holds lines we refuse, so that somebody can
 * look at them and no clean-up trips over them again; else it stays. */
static void finish_ledger(struct job *job, int dirfd, const char *name)
{
    struct clean *c = job->c;
    if (job->j->refused > 0) {
        c->count->failed += job->j->refused;
        say(c, "failed: ledger %s holds %u lines that are none of ours, not acted on; %s", name,
            job->j->refused, job->j->refusal);
    }
    if (job->failed > 0)
        return;
    char aside[280];
    if (job->j->refused > 0 && str_format(aside, sizeof(aside), "%s.refused", name) &&
        renameat(dirfd, name, dirfd, aside) == 0)
        say(c, "ledger kept as %s/ledger/%s", c->state_dir, aside);
    else if (job->j->refused == 0)
        unlinkat(dirfd, name, 0);
}

static void work_off_ledger(struct clean *c, int dirfd, const char *name)
{
    _cleanup_fd_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    struct journal j;
    _cleanup_(str_release) struct str text = STR_INIT;
    struct err err = ERR_INIT;
    if (fd < 0)
        return;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    int r = fd_read_all(fd, JOURNAL_MAX, &text, &err);
    journal_parse(text.buf, text.len, c->state_dir, &j);
    bool live = !journal_lock(fd, LOCK_EX, &j);
    /* Gone meanwhile: somebody else worked it off, or the run ended well. */
    if (fstat(fd, &st) < 0 || st.st_nlink == 0) {
        journal_release(&j);
        return;
    }
    know(c, &j);
    if (live) {
        c->count->live++;
        say(c, "left alone: run %s is alive (process %d)", j.has_header ? j.run : name, (int)j.pid);
    } else if (r < 0) {
        c->count->failed++;
        say(c, "failed: ledger %s: %s", name, err.msg);
    } else {
        struct job job = {.c = c, .j = &j};
        /* Without a header nothing says when it was: then look for everything. */
        job.kernel_side = !j.has_header || str_eq(j.boot, c->boot);
        c->count->runs++;
        work_off(&job);
        finish_ledger(&job, dirfd, name);
    }
    journal_release(&j);
}

/* A draft (".<run>.<pid>") was never a ledger: nothing was made from it. Locked, it is about to
 * become one. */
static void remove_draft(int dirfd, const char *name)
{
    _cleanup_fd_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    /* The second is between its making and its lock. */
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        (uint64_t)st.st_mtime + 60 < time_real_ns() / NS_PER_S && flock(fd, LOCK_EX | LOCK_NB) == 0)
        unlinkat(dirfd, name, 0);
}

static int list_names(const char *path, struct text_list *to, struct err *err)
{
    DIR *dir = opendir(path);
    if (!dir)
        return errno == ENOENT ? 0 : err_errno(err, errno, "open %s", path);
    for (struct dirent *d; (d = readdir(dir));)
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            VEC_PUSH(to, xstrdup(d->d_name));
    closedir(dir);
    return 0;
}

static void text_list_release(struct text_list *l)
{
    VEC_FOREACH (l, char *, text)
        free(*text);
    VEC_RELEASE(l);
}

static int work_off_all(struct clean *c, struct err *err)
{
    _cleanup_(text_list_release) struct text_list names = {NULL, 0, 0};
    _cleanup_free_ char *path = xasprintf("%s/ledger", c->state_dir);
    int r = list_names(path, &names, err);
    if (r < 0 || names.n == 0)
        return r;
    _cleanup_fd_ int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return err_errno(err, errno, "open %s", path);
    VEC_FOREACH (&names, char *, name) {
        if ((*name)[0] == '.')
            remove_draft(dirfd, *name);
        else if (str_ends(*name, ".jsonl"))
            work_off_ledger(c, dirfd, *name);
    }
    return 0;
}

/* --- what stands in no ledger --- */

static bool is_known(const struct clean *c, const char *path, const char *name)
{
    VEC_FOREACH (&c->known, char *, k)
        if (str_eq(*k, path) || str_eq(*k, name) ||
            (str_starts(name, "cupel-") && journal_is_run_id(*k) && str_starts(name + 6, *k)))
            return true;
    return false;
}

static void unknown(struct clean *c, const char *what, const char *path)
{
    c->count->unknown++;
    say(c, "unknown: %s %s stands in no ledger, not touched", what, path);
}

static void add_group(void *user, const char *path)
{
    struct text_list *l = user;
    VEC_PUSH(l, xstrdup(path));
}

static int list_tracing(struct text_list *to, struct err *err)
{
    _cleanup_(text_list_release) struct text_list names = {NULL, 0, 0};
    const char *dir = tracing_dir();
    _cleanup_free_ char *path = xasprintf("%s/instances", dir ? dir : "");
    int r = dir ? list_names(path, &names, err) : 0;
    VEC_FOREACH (&names, char *, name)
        if (str_starts(*name, "cupel-"))
            VEC_PUSH(to, xasprintf("%s/%s", path, *name));
    return r;
}

int ledger_clean(const char *state_dir, struct loop *l,
                 void (*report)(void *user, const char *line), void *user, struct clean_result *ret,
                 struct err *err)
{
    struct clean_result count = {0};
    struct clean c = {.state_dir = state_dir,
                      .loop = l,
                      .report = report,
                      .user = user,
                      .count = &count,
                      .covered_ns = -1};
    _cleanup_(text_list_release) struct text_list groups = {NULL, 0, 0}, dirs = {NULL, 0, 0},
                                                  tracing = {NULL, 0, 0};
    _cleanup_free_ char *run_dir = xasprintf("%s/run", state_dir);
    int r = cgroups_detect(&c.groups, err);
    if (r == 0 && file_read_line("/proc/sys/kernel/random/boot_id", c.boot, sizeof(c.boot)) < 0)
        c.boot[0] = '\0';
    /* Looked for before the ledgers are read: a run that begins meanwhile writes its ledger first,
     * so what is seen here and stands in no ledger read later really stands in none. */
    if (r == 0)
        r = cgroup_list(&c.groups, "cupel-", add_group, &groups, err);
    if (r == 0)
        r = list_names(run_dir, &dirs, err);
    if (r == 0)
        r = list_tracing(&tracing, err);
    if (r == 0)
        r = work_off_all(&c, err);
    VEC_FOREACH (&groups, char *, path)
        if (r == 0 && !is_known(&c, *path, *path + 1) && cgroup_exists(&c.groups, *path))
            unknown(&c, "control group", *path);
    VEC_FOREACH (&dirs, char *, name) {
        _cleanup_free_ char *path = xasprintf("%s/%s", run_dir, *name);
        if (r == 0 && !is_known(&c, path, *name) && access(path, F_OK) == 0)
            unknown(&c, "directory", path);
    }
    VEC_FOREACH (&tracing, char *, path)
        if (r == 0 && !is_known(&c, *path, strrchr(*path, '/') + 1) && access(*path, F_OK) == 0)
            unknown(&c, "tracing instance", *path);
    text_list_release(&c.known);
    fd_close(&c.covered_ns);
    if (r == 0)
        *ret = count;
    return r;
}

int ledger_clean_fleets(const char *state_dir, struct loop *l,
                        void (*report)(void *user, const char *line), void *user,
                        struct clean_result *ret, struct err *err)
{
    _cleanup_free_ char *fleets = xasprintf("%s/fleet", state_dir);
    struct clean c = {.state_dir = fleets,
                      .loop = l,
                      .report = report,
                      .user = user,
                      .count = ret,
                      .covered_ns = -1};
    int r = cgroups_detect(&c.groups, err);
    if (r == 0)
        r = work_off_all(&c, err);
    text_list_release(&c.known);
    return r;
}
