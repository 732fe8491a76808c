/* What a group has used. */
#include "base/fd.h"
#include "base/time.h"
#include "host/cgroup-tree.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Value of a line "key N" in text. */
static int find_key(const char *text, const char *key, uint64_t *ret)
{
    size_t n = strlen(key);
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        if (len > n + 1 && memcmp(line, key, n) == 0 && line[n] == ' ') {
            char number[32];
            if (len - n - 1 >= sizeof(number))
                return -ERANGE;
            memcpy(number, line + n + 1, len - n - 1);
            number[len - n - 1] = '\0';
            return parse_u64(number, 0, UINT64_MAX, key, ret, NULL);
        }
        line += len + (line[len] == '\n');
    }
    return -ENODATA;
}

int cgroup_keyed(int fd, const char *file, const char *key, uint64_t *ret)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    int r = file_read_at(fd, file, 65536, &text, NULL);
    return r < 0 ? r : find_key(text.buf, key, ret);
}

int cgroup_meter_open(const struct cgroups *c, const char *path, struct cgroup_meter *ret,
                      struct err *err)
{
    const struct cgroup_tree *t = cgroups_with(c, "cpuacct");
    bool v2 = !t;
    for (size_t i = 0; !t && i < c->n_trees; i++)
        if (c->trees[i].unified)
            t = &c->trees[i];
    if (!t)
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
                       "no hierarchy here counts the CPU time of control groups");
    _cleanup_fd_ int dir = cgroup_dir(t, path);
    int fd = dir < 0 ? -1 : openat(dir, v2 ? "cpu.stat" : "cpuacct.usage", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, dir < 0 ? -dir : errno, "open the CPU time of control group %s",
                         path);
    *ret = (struct cgroup_meter){.fd = fd, .v2 = v2};
    return 0;
}

int cgroup_meter_read(const struct cgroup_meter *m, uint64_t *ret_ns)
{
    char text[2048];
    if (m->fd < 0)
        return -EBADF;
    ssize_t n = pread(m->fd, text, sizeof(text) - 1, 0);
    if (n < 0)
        return -errno;
    text[n] = '\0';
    if (!m->v2)
        return parse_u64(str_strip(text), 0, UINT64_MAX, "", ret_ns, NULL);
    uint64_t us;
    int r = find_key(text, "usage_usec", &us);
    if (r == 0)
        *ret_ns = us * NS_PER_US;
    return r;
}

void cgroup_meter_close(struct cgroup_meter *m)
{
    fd_close(&m->fd);
}

uint64_t cgroup_memory_room(const struct cgroups *c)
{
    const struct cgroup_tree *t = cgroups_with(c, "memory");
    _cleanup_fd_ int dir = t ? cgroup_dir(t, "") : -1;
    _cleanup_(str_release) struct str max = STR_INIT, now = STR_INIT;
    uint64_t limit, used, cached = 0;

    if (dir < 0 ||
        file_read_at(dir, t->unified ? "memory.max" : "memory.limit_in_bytes", 64, &max, NULL) <
            0 ||
        file_read_at(dir, t->unified ? "memory.current" : "memory.usage_in_bytes", 64, &now, NULL) <
            0 ||
        parse_u64(str_strip(max.buf), 0, UINT64_MAX, "", &limit, NULL) < 0 || /* "max" */
        parse_u64(str_strip(now.buf), 0, UINT64_MAX, "", &used, NULL) < 0)
        return UINT64_MAX;
    /* Files that nobody has looked at for a while go as soon as room is needed. */
    if (cgroup_keyed(dir, "memory.stat", t->unified ? "inactive_file" : "total_inactive_file",
                     &cached) == 0 &&
        cached < used)
        used -= cached;
    return limit > used ? limit - used : 0;
}

/* The group's directory in the memory tree and the name of the file with its peak. */
static int open_peak(const struct cgroups *c, const char *path, const char **ret_file)
{
    const struct cgroup_tree *t = cgroups_with(c, "memory");
    if (!t)
        return -ENOTSUP;
    *ret_file = t->unified ? "memory.peak" : "memory.max_usage_in_bytes";
    return cgroup_dir(t, path);
}

int cgroup_peak_memory(const struct cgroups *c, const char *path, uint64_t *ret_bytes)
{
    const char *file;
    _cleanup_fd_ int fd = open_peak(c, path, &file);
    if (fd < 0)
        return fd;
    _cleanup_(str_release) struct str text = STR_INIT;
    int r = file_read_at(fd, file, 64, &text, NULL);
    if (r == -ENOENT) /* v2 before Linux 5.19, or the controller is not enabled here */
        return -ENOTSUP;
    return r < 0 ? r : parse_u64(str_strip(text.buf), 0, UINT64_MAX, "", ret_bytes, NULL);
}

int cgroup_reset_peak(const struct cgroups *c, const char *path)
{
    const struct cgroup_tree *t = cgroups_with(c, "memory");
    /* v2 can since Linux 6.12, but only for readings through the very descriptor that was written
     * to. */
    if (!t || t->unified)
        return -ENOTSUP;
    const char *file;
    _cleanup_fd_ int fd = open_peak(c, path, &file);
    return fd < 0 ? fd : file_write_at(fd, file, "0", NULL);
}

struct sum {
    const char *file, *key;
    uint64_t total;
    bool found;
};

static int add_keyed(void *user, int fd)
{
    struct sum *s = user;
    uint64_t value;
    if (cgroup_keyed(fd, s->file, s->key, &value) == 0) {
        s->total += value;
        s->found = true;
    }
    return 0;
}

/* below: the file counts the group alone, so those below it are added. */
static int sum_keyed(const struct cgroup_tree *t, const char *path, const char *file,
                     const char *key, bool below, uint64_t *ret)
{
    if (!t)
        return -ENOTSUP;
    _cleanup_fd_ int fd = cgroup_dir(t, path);
    if (fd < 0)
        return fd;
    struct sum sum = {.file = file, .key = key};
    if (below)
        cgroup_walk(fd, false, add_keyed, &sum);
    else
        add_keyed(&sum, fd);
    if (!sum.found)
        return -ENOTSUP;
    *ret = sum.total;
    return 0;
}

int cgroup_throttled(const struct cgroups *c, const char *path, uint64_t *ret)
{
    return sum_keyed(cgroups_with(c, "cpu"), path, "cpu.stat", "nr_throttled", true, ret);
}

int cgroup_oom_kills(const struct cgroups *c, const char *path, uint64_t *ret)
{
    const struct cgroup_tree *t = cgroups_with(c, "memory");
    bool v2 = t && t->unified; /* memory.events counts what happened below, too */
    return sum_keyed(t, path, v2 ? "memory.events" : "memory.oom_control", "oom_kill", !v2, ret);
}

static int tasks_in(const struct cgroups *c, const char *path, const char *file, uint64_t *ret)
{
    const struct cgroup_tree *t = cgroups_with(c, "pids");
    _cleanup_fd_ int fd = t ? cgroup_dir(t, path) : -ENOTSUP;
    if (fd < 0)
        return fd;
    _cleanup_(str_release) struct str text = STR_INIT;
    int r = file_read_at(fd, file, 64, &text, NULL);
    if (r == -ENOENT) /* of the peak, before Linux 6.1 */
        return -ENOTSUP;
    return r < 0 ? r : parse_u64(str_strip(text.buf), 0, UINT64_MAX, "", ret, NULL);
}

int cgroup_tasks(const struct cgroups *c, const char *path, uint64_t *ret)
{
    return tasks_in(c, path, "pids.current", ret);
}

int cgroup_peak_tasks(const struct cgroups *c, const char *path, uint64_t *ret)
{
    return tasks_in(c, path, "pids.peak", ret);
}

/* Since Linux 6.11 v2 counts at the group whose limit it was, and at those above it; before, and on
 * v1, at the one that wanted the process. */
int cgroup_refused_tasks(const struct cgroups *c, const char *path, uint64_t *ret)
{
    const struct cgroup_tree *t = cgroups_with(c, "pids");
    if (!t)
        return -ENOTSUP;
    _cleanup_fd_ int fd = cgroup_dir(t, path);
    if (fd < 0)
        return fd;
    bool below = faccessat(fd, "pids.events.local", F_OK, 0) < 0;
    return sum_keyed(t, path, "pids.events", "max", below, ret);
}

int cgroup_shmem(const struct cgroups *c, const char *path, uint64_t *ret_bytes)
{
    const struct cgroup_tree *t = cgroups_with(c, "memory");
    bool v2 = t && t->unified;
    return sum_keyed(t, path, "memory.stat", v2 ? "shmem" : "total_shmem", false, ret_bytes);
}
