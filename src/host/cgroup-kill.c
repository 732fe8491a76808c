/* The processes of a group, and their end. */
#include "base/fd.h"
#include "base/time.h"
#include "host/cgroup-tree.h"
#include "host/proc.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROCS_MAX (32u << 20) /* bytes of one cgroup.procs: more than pid_max allows */

static int add_pids(void *user, int fd)
{
    struct pid_list *l = user;
    _cleanup_(str_release) struct str text = STR_INIT;
    /* A group that vanished, or a threaded one of v2 (its processes stand in the one above). */
    if (file_read_at(fd, "cgroup.procs", PROCS_MAX, &text, NULL) < 0)
        return 0;
    for (char *rest = text.buf, *line; (line = strsep(&rest, "\n"));) {
        uint64_t pid;
        /* 0: a process of a pid namespace outside ours. */
        if (parse_u64(line, 1, INT32_MAX, "", &pid, NULL) == 0)
            VEC_PUSH(l, (pid_t)pid);
    }
    return 0;
}

static int compare_pids(const void *a, const void *b)
{
    pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;
    return (x > y) - (x < y);
}

int cgroup_pids(const struct cgroups *c, const char *path, struct pid_list *ret, struct err *err)
{
    const struct cgroup_tree *t;
    for (size_t i = 0; (t = cgroups_tree(c, i)); i++) {
        _cleanup_fd_ int fd = cgroup_dir(t, path);
        if (fd >= 0)
            cgroup_walk(fd, false, add_pids, ret);
        else if (fd != -ENOENT)
            return err_errno(err, -fd, "open control group %s in %s", path, t->mount);
    }
    if (ret->n == 0)
        return 0;
    qsort(ret->v, ret->n, sizeof(*ret->v), compare_pids);
    size_t kept = 0;
    for (size_t i = 0; i < ret->n; i++)
        if (i == 0 || ret->v[i] != ret->v[kept - 1])
            ret->v[kept++] = ret->v[i];
    ret->n = kept;
    return 0;
}

void pid_list_release(struct pid_list *l)
{
    VEC_RELEASE(l);
}

/* Through a pidfd, and after looking again whether it is in the group: the number may have been
 * given to somebody else since the list was read. */
static void kill_member(const char *path, pid_t pid)
{
    if (pid == getpid())
        return;
    _cleanup_fd_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd >= 0 && proc_in_cgroup(pid, path))
        (void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
    else if (fd < 0 && errno == ENOSYS && proc_in_cgroup(pid, path))
        kill(pid, SIGKILL); /* Linux before 5.3 */
}

/* Writes to a file of the group in every tree where it is there; true if it was anywhere. */
static bool write_everywhere(const struct cgroups *c, const char *path, const char *file,
                             const char *text)
{
    bool any = false;
    const struct cgroup_tree *t;
    for (size_t i = 0; (t = cgroups_tree(c, i)); i++) {
        _cleanup_fd_ int fd = cgroup_dir(t, path);
        any |= fd >= 0 && file_write_at(fd, file, text, NULL) == 0;
    }
    return any;
}

/* Waits until the group's processes stand still, at most 100 ms: what forks in the meantime is in
 * the group as well, and killed in the next round. */
static void await_frozen(const struct cgroups *c, const char *path)
{
    const struct cgroup_tree *v1 = cgroups_with(c, "freezer");
    for (unsigned i = 0; i < 50; i++) {
        if (v1) {
            char state[32];
            _cleanup_(str_release) struct str file = STR_INIT;
            str_addf(&file, "%s%s/freezer.state", v1->mount, path);
            if (file_read_line(file.buf, state, sizeof(state)) < 0 || str_eq(state, "FROZEN"))
                return;
        } else {
            uint64_t frozen = 1;
            _cleanup_fd_ int fd = c->n_trees ? cgroup_dir(&c->trees[0], path) : -1;
            if (fd < 0 || cgroup_keyed(fd, "cgroup.events", "frozen", &frozen) < 0 || frozen)
                return;
        }
        poll(NULL, 0, 2);
    }
}

static int thaw_one(void *user, int fd)
{
    (void)file_write_at(fd, "freezer.state", "THAWED", NULL);
    (void)file_write_at(fd, "cgroup.freeze", "0", NULL);
    return 0;
}

/* The groups below too: what an engine has paused there would not die. */
static void thaw(const struct cgroups *c, const char *path)
{
    const struct cgroup_tree *t;
    for (size_t i = 0; (t = cgroups_tree(c, i)); i++) {
        _cleanup_fd_ int fd = cgroup_dir(t, path);
        if (fd >= 0)
            cgroup_walk(fd, false, thaw_one, NULL);
    }
}

/* One round: everything that is in the group now gets SIGKILL, standing still where we can make it
 * so. Frozen processes of v1 die when they are thawed, before they run another instruction of
 * theirs. */
static void kill_round(const struct cgroups *c, const char *path, const struct pid_list *seen)
{
    if (write_everywhere(c, path, "cgroup.kill", "1") && c->mode == CGROUP_V2)
        return;
    bool v1 = write_everywhere(c, path, "freezer.state", "FROZEN");
    bool v2 = write_everywhere(c, path, "cgroup.freeze", "1");
    struct pid_list now = {NULL, 0, 0};
    if (v1 || v2) {
        await_frozen(c, path);
        cgroup_pids(c, path, &now, NULL);
        seen = &now;
    } else {
        write_everywhere(c, path, "pids.max", "0"); /* at least nobody forks any more */
    }
    for (size_t i = 0; i < seen->n; i++)
        kill_member(path, seen->v[i]);
    pid_list_release(&now);
    if (v1 || v2)
        thaw(c, path);
}

/* How many of the list still run, not counting us. A zombie is waiting for its parent, which may
 * well be somebody we cannot hurry. */
static size_t count_alive(const struct pid_list *l, pid_t *ret_one)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++) {
        if (l->v[i] == getpid() || !proc_alive(l->v[i]))
            continue;
        *ret_one = l->v[i];
        n++;
    }
    return n;
}

static bool same_pids(const struct pid_list *a, const struct pid_list *b)
{
    return a->n == b->n && (a->n == 0 || memcmp(a->v, b->v, a->n * sizeof(a->v[0])) == 0);
}

/* The group is empty when nothing is listed. What was listed and is dead when looked at may have
 * forked in between: only if the same are listed again are they zombies that nobody buries. */
static bool is_over(const struct pid_list *now, const struct pid_list *before, size_t alive)
{
    return alive == 0 && (now->n == 0 || same_pids(now, before));
}

int cgroup_kill(const struct cgroups *c, const char *path, uint64_t deadline_ns,
                void (*between)(void *user), void *user, struct err *err)
{
    int r = cgroup_check_path(path, err);
    struct pid_list before = {NULL, 0, 0};
    for (unsigned round = 0; r == 0; round++) {
        struct pid_list l = {NULL, 0, 0};
        pid_t one = 0;
        r = cgroup_pids(c, path, &l, err);
        size_t alive = r < 0 ? 0 : count_alive(&l, &one);
        bool over = r < 0 || is_over(&l, &before, alive);
        if (!over)
            kill_round(c, path, &l);
        pid_list_release(&before);
        before = l;
        if (between)
            between(user);
        if (over)
            break;
        if (time_mono_ns() >= deadline_ns) {
            char comm[32] = "?";
            proc_comm(one, comm, sizeof(comm));
            r = err_set(err, ERR_TIMEOUT, ETIMEDOUT,
                        "control group %s: %zu processes survive SIGKILL, one is %d (%s)", path,
                        alive, (int)one, comm);
        }
        /* Dying takes its time: the first looks come soon, the later ones not. */
        poll(NULL, 0, round < 5 ? 1 : 10);
    }
    pid_list_release(&before);
    return r;
}
