/* What a group may use: quota, memory, processes, CPU sets. */
#include "base/fd.h"
#include "host/cgroup-tree.h"
#include "host/cpus.h"

#include <errno.h>
#include <unistd.h>

#define CFS_PERIOD_US 100000

/* A group's directory in the tree of a controller, or why there is none. */
static int open_controlled(const struct cgroups *c, const char *path, const char *controller,
                           const char *file, const struct cgroup_tree **ret_tree, struct err *err)
{
    const struct cgroup_tree *t = cgroups_with(c, controller);
    if (!t)
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "no %s controller is mounted here",
                       controller);
    int fd = cgroup_dir(t, path);
    if (fd < 0)
        return err_errno(err, -fd, "open control group %s in %s", path, t->mount);
    if (faccessat(fd, file, F_OK, 0) < 0) {
        int code = errno;
        fd_close(&fd);
        if (code != ENOENT)
            return err_errno(err, code, "open %s of control group %s", file, path);
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
                       "the %s controller is not enabled for control group %s (no %s)", controller,
                       path, file);
    }
    *ret_tree = t;
    return fd;
}

static int set_quota(const struct cgroups *c, const char *path, double cpus, struct err *err)
{
    const struct cgroup_tree *t = cgroups_with(c, "cpu");
    bool v2 = t && t->unified;
    _cleanup_fd_ int fd =
        open_controlled(c, path, "cpu", v2 ? "cpu.max" : "cpu.cfs_quota_us", &t, err);
    if (fd < 0)
        return fd;
    long long quota = (long long)(cpus * CFS_PERIOD_US);
    if (quota < 1000) /* the kernel's least */
        quota = 1000;
    char text[64];
    if (v2) {
        str_format(text, sizeof(text), "%lld %d", quota, CFS_PERIOD_US);
        return file_write_at(fd, "cpu.max", cpus > 0 ? text : "max", err);
    }
    str_format(text, sizeof(text), "%d", CFS_PERIOD_US);
    int r = file_write_at(fd, "cpu.cfs_period_us", text, err);
    if (r < 0)
        return r;
    str_format(text, sizeof(text), "%lld", quota);
    return file_write_at(fd, "cpu.cfs_quota_us", cpus > 0 ? text : "-1", err);
}

static int set_memory(const struct cgroups *c, const char *path, uint64_t bytes, struct err *err)
{
    const struct cgroup_tree *t = cgroups_with(c, "memory");
    bool v2 = t && t->unified;
    _cleanup_fd_ int fd =
        open_controlled(c, path, "memory", v2 ? "memory.max" : "memory.limit_in_bytes", &t, err);
    if (fd < 0)
        return fd;
    char text[32];
    str_format(text, sizeof(text), "%llu", (unsigned long long)bytes);
    if (v2) {
        int r = file_write_at(fd, "memory.max", bytes ? text : "max", err);
        /* Absent where the kernel accounts no swap. */
        if (r == 0)
            (void)file_write_at(fd, "memory.swap.max", bytes ? "0" : "max", NULL);
        return r;
    }
    /* memory+swap may never be below memory: lifted first, set last. Absent without swap
     * accounting. */
    (void)file_write_at(fd, "memory.memsw.limit_in_bytes", "-1", NULL);
    int r = file_write_at(fd, "memory.limit_in_bytes", bytes ? text : "-1", err);
    if (r == 0 && bytes)
        (void)file_write_at(fd, "memory.memsw.limit_in_bytes", text, NULL);
    return r;
}

static int set_pids(const struct cgroups *c, const char *path, uint64_t pids, struct err *err)
{
    const struct cgroup_tree *t;
    _cleanup_fd_ int fd = open_controlled(c, path, "pids", "pids.max", &t, err);
    if (fd < 0)
        return fd;
    char text[32];
    str_format(text, sizeof(text), "%llu", (unsigned long long)pids);
    return file_write_at(fd, "pids.max", pids ? text : "max", err);
}

int cgroup_set_limits(const struct cgroups *c, const char *path, const struct cgroup_limits *l,
                      struct err *err)
{
    int r = cgroup_check_path(path, err);
    if (r < 0)
        return r;
    /* Lifting a limit where the controller is missing has nothing to do, hence nothing to fail. */
    struct err quiet = ERR_INIT;
    r = set_quota(c, path, l->cpus, &quiet);
    if (r < 0 && (l->cpus > 0 || quiet.kind != ERR_UNSUPPORTED))
        goto fail;
    r = set_memory(c, path, l->memory_bytes, &quiet);
    if (r < 0 && (l->memory_bytes || quiet.kind != ERR_UNSUPPORTED))
        goto fail;
    r = set_pids(c, path, l->pids, &quiet);
    if (r < 0 && (l->pids || quiet.kind != ERR_UNSUPPORTED))
        goto fail;
    return 0;
fail:
    if (err)
        *err = quiet;
    return r;
}

static int read_cpus(int fd, const char *file, cpu_set_t *ret, struct err *err)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    int r = file_read_at(fd, file, 8192, &text, err);
    return r < 0 ? r : cpus_parse(text.buf, ret, err);
}

static int write_cpus(int fd, const cpu_set_t *cpus, struct err *err)
{
    char text[4096];
    cpus_format(cpus, text, sizeof(text));
    return file_write_at(fd, "cpuset.cpus", text, err);
}

struct cpus_change {
    const cpu_set_t *cpus;
    int top; /* the group named; those below it are treated differently on v2 */
    struct err *err;
};

/* v1: a child's set must stay within its parent's at every moment. */
static int widen_v1(void *user, int fd)
{
    const struct cpus_change *ch = user;
    cpu_set_t both;
    int r = read_cpus(fd, "cpuset.cpus", &both, ch->err);
    if (r < 0)
        return r;
    CPU_OR(&both, &both, ch->cpus);
    return write_cpus(fd, &both, ch->err);
}

static int set_v1(void *user, int fd)
{
    const struct cpus_change *ch = user;
    return write_cpus(fd, ch->cpus, ch->err);
}

/* v2: an empty set below means "as the parent's" and is left so; what has a set of its own gets the
 * new one. No order is asked for: the kernel intersects. */
static int set_v2(void *user, int fd)
{
    const struct cpus_change *ch = user;
    _cleanup_(str_release) struct str text = STR_INIT;
    if (fd != ch->top &&
        (file_read_at(fd, "cpuset.cpus", 8192, &text, NULL) < 0 || !*str_strip(text.buf)))
        return 0;
    return write_cpus(fd, ch->cpus, ch->err);
}

int cgroup_set_cpus(const struct cgroups *c, const char *path, const cpu_set_t *cpus,
                    struct err *err)
{
    int r = cgroup_check_path(path, err);
    if (r < 0)
        return r;
    if (cpus_count(cpus) == 0)
        return err_set(err, ERR_BUG, EINVAL, "an empty CPU set for control group %s", path);
    const struct cgroup_tree *t;
    _cleanup_fd_ int fd = open_controlled(c, path, "cpuset", "cpuset.cpus", &t, err);
    if (fd < 0)
        return fd;
    struct cpus_change change = {.cpus = cpus, .top = fd, .err = err};
    if (t->unified) {
        r = cgroup_walk(fd, false, set_v2, &change);
    } else {
        r = cgroup_walk(fd, false, widen_v1, &change);
        if (r == 0)
            r = cgroup_walk(fd, true, set_v1, &change);
    }
    return r < 0 && err ? err_wrap(err, "CPU set of control group %s", path) : r;
}

int cgroup_usable_cpus(const struct cgroups *c, cpu_set_t *ret, struct err *err)
{
    cpu_set_t own, root;
    if (sched_getaffinity(0, sizeof(own), &own) < 0)
        return err_errno(err, errno, "read the CPUs this process may use");
    const struct cgroup_tree *t = cgroups_with(c, "cpuset");
    _cleanup_fd_ int fd = t ? cgroup_dir(t, "") : -1;
    static const char *const files[] = {"cpuset.cpus.effective", "cpuset.effective_cpus",
                                        "cpuset.cpus"};
    for (size_t i = 0; fd >= 0 && i < ARRAY_SIZE(files); i++) {
        if (read_cpus(fd, files[i], &root, NULL) < 0 || cpus_count(&root) == 0)
            continue;
        CPU_AND(&own, &own, &root);
        break;
    }
    if (cpus_count(&own) == 0)
        return err_set(err, ERR_ENVIRONMENT, ENODEV,
                       "no CPU that this process may use is one that control groups can be given");
    *ret = own;
    return 0;
}
