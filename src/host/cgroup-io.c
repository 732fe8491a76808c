/* The bytes a group reads from and writes to a disk: limits, and what it did. */
#include "base/fd.h"
#include "host/cgroup-tree.h"
#include "host/mountinfo.h"
#include "host/proc.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define V1_READ  "blkio.throttle.read_bps_device"
#define V1_WRITE "blkio.throttle.write_bps_device"
#define V1_DONE  "blkio.throttle.io_service_bytes"

const struct cgroup_tree *cgroups_io(const struct cgroups *c)
{
    const struct cgroup_tree *t;
    for (size_t i = 0; (t = cgroups_tree(c, i)); i++)
        if (t->io)
            return t;
    return NULL;
}

const struct cgroup_tree *cgroups_foreign_io(const struct cgroups *c)
{
    const struct cgroup_tree *t = cgroups_io(c);
    return t && t >= c->others && t < c->others + c->n_others ? t : NULL;
}

/* Calls each with every group above path, from the root. */
static void for_parents(const char *path, void (*each)(void *user, const char *parent), void *user)
{
    char parent[CGROUP_PATH_MAX];
    str_copy(parent, sizeof(parent), path);
    for (size_t i = 0; path[i]; i++) {
        if (path[i] != '/')
            continue;
        parent[i] = '\0';
        each(user, parent);
        parent[i] = '/';
    }
}

static void hand_down(void *user, const char *parent)
{
    _cleanup_fd_ int fd = cgroup_dir(user, parent);
    if (fd >= 0)
        (void)file_write_at(fd, "cgroup.subtree_control", "+io", NULL);
}

static void make_dir(void *user, const char *group)
{
    const struct cgroup_tree *t = user;
    char full[sizeof(t->mount) + CGROUP_PATH_MAX];
    str_format(full, sizeof(full), "%s%s", t->mount, group);
    (void)mkdir(full, 0755); /* there already, or missed when it is opened */
}

int cgroup_make_with_io(const struct cgroups *c, const char *path, struct err *err)
{
    const struct cgroup_tree *t = cgroups_foreign_io(c);
    int r = cgroup_make(c, path, err);
    if (r < 0 || !t)
        return r;
    for_parents(path, make_dir, (void *)t);
    make_dir((void *)t, path);
    _cleanup_fd_ int fd = cgroup_dir(t, path);
    if (fd >= 0)
        return 0;
    (void)cgroup_remove(c, path, NULL);
    return err_errno(err, -fd, "make control group %s in %s", path, t->mount);
}

/* The group's directory, made if it is not there, with the files of the controller. */
static int open_io(const struct cgroups *c, const char *path, const struct cgroup_tree **ret_tree,
                   struct err *err)
{
    const struct cgroup_tree *t = cgroups_io(c);
    if (!t)
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
                       "no blkio or io controller is mounted here, so there are no I/O limits");
    for_parents(path, make_dir, (void *)t);
    make_dir((void *)t, path);
    if (t->unified)
        for_parents(path, hand_down, (void *)t);
    int fd = cgroup_dir(t, path);
    if (fd < 0)
        return err_errno(err, -fd, "make control group %s in %s", path, t->mount);
    const char *file = t->unified ? "io.max" : V1_WRITE;
    if (faccessat(fd, file, F_OK, 0) < 0) {
        fd_close(&fd);
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
                       "this kernel has no I/O limit for control group %s (no %s)", path, file);
    }
    *ret_tree = t;
    return fd;
}

struct throttle {
    char text[64];
    int top;
    struct err *err;
};

/* v1: each group for itself, the ones below too. One that goes meanwhile needs no limit. */
static int throttle_v1(void *user, int fd)
{
    const struct throttle *t = user;
    static const char *const files[] = {V1_READ, V1_WRITE};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        int r = file_write_at(fd, files[i], t->text, fd == t->top ? t->err : NULL);
        if (r < 0 && (fd == t->top || (r != -ENOENT && r != -ENODEV)))
            return r;
    }
    return 0;
}

int cgroup_limit_io(const struct cgroups *c, const char *path, dev_t disk, uint64_t bps,
                    struct err *err)
{
    const struct cgroup_tree *tree = NULL;
    int r = cgroup_check_path(path, err);
    if (r < 0)
        return r;
    _cleanup_fd_ int fd = open_io(c, path, &tree, err);
    if (fd < 0)
        return fd;
    struct throttle t = {.top = fd, .err = err};
    unsigned ma = major(disk), mi = minor(disk);
    unsigned long long most = bps;
    if (!tree->unified) {
        str_format(t.text, sizeof(t.text), "%u:%u %llu", ma, mi, most);
        r = cgroup_walk(fd, false, throttle_v1, &t);
    } else if (bps) {
        str_format(t.text, sizeof(t.text), "%u:%u rbps=%llu wbps=%llu", ma, mi, most, most);
        r = file_write_at(fd, "io.max", t.text, err);
    } else {
        str_format(t.text, sizeof(t.text), "%u:%u rbps=max wbps=max", ma, mi);
        r = file_write_at(fd, "io.max", t.text, err);
    }
    return r < 0 && err ? err_wrap(err, "I/O limit of control group %s", path) : r;
}

int cgroup_io_covers(const struct cgroups *c, const char *path, struct err *err)
{
    const struct cgroup_tree *t = cgroups_io(c);
    struct pid_list l = {NULL, 0, 0};
    int r = cgroup_pids(c, path, &l, err);
    for (size_t i = 0; r == 0 && i < l.n; i++) {
        char comm[32] = "?";
        if (t && proc_in_cgroup_of(l.v[i], path, t->unified ? "" : "blkio"))
            continue;
        if (!proc_alive(l.v[i]))
            continue;
        proc_comm(l.v[i], comm, sizeof(comm));
        r = err_set(err, ERR_UNSUPPORTED, ENOTSUP,
                    "process %d (%s) is in control group %s, but not in %s: no I/O limit holds "
                    "for it",
                    (int)l.v[i], comm, path, t ? t->mount : "one for I/O");
    }
    pid_list_release(&l);
    return r;
}

/* ---- in force ---- */

/* The number after key in a line of words: "254:0 rbps=1 wbps=max"; key "" is the second word. */
static uint64_t value_of(const char *line, size_t n, const char *key)
{
    _cleanup_free_ char *copy = xstrndup(line, n);
    char *rest = strchr(copy, ' ');
    uint64_t v;
    for (char *word; rest && (word = strsep(&rest, " "));)
        if (*word && str_starts(word, key) &&
            parse_u64(word + strlen(key), 1, UINT64_MAX, "", &v, NULL) == 0)
            return v;
    return 0; /* none, or "max" */
}

/* What a file of the group says of the disk, in the line whose second word is `what` if that is not
 * ""; 0: nothing. */
static int said_of(int fd, const char *file, dev_t disk, const char *what, const char *key,
                   uint64_t *ret)
{
    char head[48];
    _cleanup_(str_release) struct str text = STR_INIT;
    int r = file_read_at(fd, file, 65536, &text, NULL);
    *ret = 0;
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    str_format(head, sizeof(head), "%u:%u %s%s", major(disk), minor(disk), what,
               what[0] ? " " : "");
    for (const char *line = text.buf; *line;) {
        size_t n = strcspn(line, "\n");
        if (n > strlen(head) && str_starts(line, head))
            *ret = value_of(line, n, key);
        line += n + (line[n] == '\n');
    }
    return 0;
}

static void take_least(uint64_t v, uint64_t *least)
{
    if (v && (*least == 0 || v < *least))
        *least = v;
}

/* v1 throttles each group for itself: those above do not count. */
int cgroup_read_io(const struct cgroups *c, const char *path, dev_t disk, uint64_t *ret_bps,
                   struct err *err)
{
    const struct cgroup_tree *t = cgroups_io(c);
    char at[CGROUP_PATH_MAX];
    uint64_t least[2] = {0, 0};
    if (path[0] != '/' || !str_copy(at, sizeof(at), path))
        return err_set(err, ERR_BUG, EINVAL, "'%.80s' is no control group", path);
    for (char *end = at; t && end;) {
        uint64_t v[2];
        _cleanup_fd_ int fd = cgroup_dir(t, at);
        if (fd == -ENOENT && !t->unified)
            break; /* not made: no limit was asked for */
        int r = fd < 0 ? fd
                       : said_of(fd, t->unified ? "io.max" : V1_READ, disk, "",
                                 t->unified ? "rbps=" : "", &v[0]);
        if (r == 0)
            r = said_of(fd, t->unified ? "io.max" : V1_WRITE, disk, "", t->unified ? "wbps=" : "",
                        &v[1]);
        if (r < 0)
            return err_errno(err, -r, "read the I/O limit of control group %s", at);
        take_least(v[0], &least[0]);
        take_least(v[1], &least[1]);
        end = t->unified ? strrchr(at, '/') : NULL;
        if (end)
            *end = '\0';
    }
    *ret_bps = least[0] && least[1] ? (least[0] > least[1] ? least[0] : least[1]) : 0;
    return 0;
}

/* ---- used ---- */

struct io_sum {
    dev_t disk;
    struct cgroup_io total;
    bool found;
};

static int add_io_v1(void *user, int fd)
{
    struct io_sum *s = user;
    uint64_t read = 0, written = 0;
    if (faccessat(fd, V1_DONE, F_OK, 0) < 0 ||
        said_of(fd, V1_DONE, s->disk, "Read", "", &read) < 0 ||
        said_of(fd, V1_DONE, s->disk, "Write", "", &written) < 0)
        return 0;
    s->total.read_bytes += read;
    s->total.written_bytes += written;
    s->found = true;
    return 0;
}

int cgroup_io_done(const struct cgroups *c, const char *path, dev_t disk, struct cgroup_io *ret)
{
    const struct cgroup_tree *t = cgroups_io(c);
    struct io_sum sum = {.disk = disk};
    int r = 0;
    if (!t)
        return -ENOTSUP;
    _cleanup_fd_ int fd = cgroup_dir(t, path);
    if (fd < 0)
        return fd == -ENOENT ? -ENOTSUP : fd;
    if (!t->unified) {
        cgroup_walk(fd, false, add_io_v1, &sum);
    } else if (faccessat(fd, "io.stat", F_OK, 0) == 0) {
        r = said_of(fd, "io.stat", disk, "", "rbytes=", &sum.total.read_bytes);
        if (r == 0)
            r = said_of(fd, "io.stat", disk, "", "wbytes=", &sum.total.written_bytes);
        sum.found = true;
    }
    if (r == 0 && sum.found)
        *ret = sum.total;
    return r < 0 || sum.found ? r : -ENOTSUP;
}
