/* The limits in force on a group: its own and those of all above it. */
#include "base/fd.h"
#include "host/cgroup-tree.h"

#include <errno.h>

/* v1 writes "no limit" of memory as the largest multiple of a page. */
#define MEMORY_MOST (UINT64_C(1) << 62)

/* What one kind of limit says in one group's directory: its value, 0 for none. -ENOENT: the file is
 * not there, as in a root. */
typedef int limit_of(int fd, uint64_t *ret);

static int read_text(int fd, const char *file, char *dst, size_t size)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    int r = file_read_at(fd, file, size - 1, &text, NULL);
    if (r == 0)
        str_copy(dst, size, str_strip(text.buf));
    return r;
}

static int number_in(int fd, const char *file, uint64_t most, uint64_t *ret)
{
    char text[64];
    uint64_t v = 0;
    int r = read_text(fd, file, text, sizeof(text));
    if (r == 0 && !str_eq(text, "max") && !str_eq(text, "-1"))
        r = parse_u64(text, 0, UINT64_MAX, file, &v, NULL);
    if (r == 0)
        *ret = v < most ? v : 0;
    return r;
}

/* In thousandths of a CPU. */
static int quota_v1(int fd, uint64_t *ret)
{
    uint64_t quota = 0, period = 0;
    int r = number_in(fd, "cpu.cfs_quota_us", UINT32_MAX * UINT64_C(1000), &quota);
    if (r == 0 && quota)
        r = number_in(fd, "cpu.cfs_period_us", UINT32_MAX, &period);
    if (r == 0)
        *ret = period ? quota * 1000 / period : 0;
    return r;
}

static int quota_v2(int fd, uint64_t *ret)
{
    char text[64];
    uint64_t quota, period;
    int r = read_text(fd, "cpu.max", text, sizeof(text));
    if (r < 0)
        return r;
    char *rest = text, *first = strsep(&rest, " ");
    *ret = 0;
    if (str_eq(first, "max"))
        return 0;
    if (!rest)
        return -EINVAL;
    r = parse_u64(first, 0, UINT32_MAX * UINT64_C(1000), "cpu.max", &quota, NULL);
    if (r == 0)
        r = parse_u64(rest, 1, UINT32_MAX, "cpu.max", &period, NULL);
    if (r == 0)
        *ret = quota * 1000 / period;
    return r;
}

static int memory_v1(int fd, uint64_t *ret)
{
    return number_in(fd, "memory.limit_in_bytes", MEMORY_MOST, ret);
}

static int memory_v2(int fd, uint64_t *ret)
{
    return number_in(fd, "memory.max", MEMORY_MOST, ret);
}

static int pids_either(int fd, uint64_t *ret)
{
    return number_in(fd, "pids.max", UINT64_MAX, ret);
}

/* The least over the group and every group above it, the mounted root included. A limit of 0
 * processes reads as none: nobody could be in there to be asked about. */
static int least(const struct cgroup_tree *t, const char *path, limit_of *of, uint64_t *ret,
                 struct err *err)
{
    char at[CGROUP_PATH_MAX];
    *ret = 0;
    if (!t)
        return 0;
    if (path[0] != '/' || !str_copy(at, sizeof(at), path))
        return err_set(err, ERR_BUG, EINVAL, "'%.80s' is no control group", path);
    for (;;) {
        uint64_t v = 0;
        _cleanup_fd_ int fd = cgroup_dir(t, at);
        int r = fd < 0 ? fd : of(fd, &v);
        if (r == -ENOENT && fd >= 0)
            r = 0;
        if (r < 0)
            return err_errno(err, -r, "read the limits of control group %s in %s", at, t->mount);
        if (v && (*ret == 0 || v < *ret))
            *ret = v;
        char *end = strrchr(at, '/');
        if (!end)
            return 0;
        *end = '\0';
    }
}

int cgroup_read_limits(const struct cgroups *c, const char *path, struct cgroup_limits *ret,
                       struct err *err)
{
    const struct cgroup_tree *cpu = cgroups_with(c, "cpu"), *memory = cgroups_with(c, "memory");
    uint64_t milli_cpus = 0;
    struct cgroup_limits l = {.cpus = 0};
    int r = least(cpu, path, cpu && cpu->unified ? quota_v2 : quota_v1, &milli_cpus, err);
    if (r == 0)
        r = least(memory, path, memory && memory->unified ? memory_v2 : memory_v1, &l.memory_bytes,
                  err);
    if (r == 0)
        r = least(cgroups_with(c, "pids"), path, pids_either, &l.pids, err);
    if (r < 0)
        return r;
    l.cpus = (double)milli_cpus / 1000;
    *ret = l;
    return 0;
}
