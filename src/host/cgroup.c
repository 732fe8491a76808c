#include "host/cgroup.h"

#include "base/fd.h"
#include "host/cgroup-tree.h"
#include "host/mountinfo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#define WALK_DEPTH 32

/* The controllers we use, and so the ones enabled on v2. */
static const char *const wanted[] = {"cpu", "cpuacct", "cpuset", "memory", "pids", "freezer"};

/* --- what is mounted --- */

const struct cgroup_tree *cgroups_tree(const struct cgroups *c, size_t i)
{
    if (i < c->n_trees)
        return &c->trees[i];
    i -= c->n_trees;
    return i < c->n_others ? &c->others[i] : NULL;
}

const struct cgroup_tree *cgroups_with(const struct cgroups *c, const char *controller)
{
    for (size_t i = 0; i < c->n_trees; i++)
        if (mountinfo_has_option(c->trees[i].controllers, controller))
            return &c->trees[i];
    return NULL;
}

static void keep_wanted(const char *options, struct cgroup_tree *t)
{
    _cleanup_(str_release) struct str kept = STR_INIT;
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
        if (mountinfo_has_option(options, wanted[i]))
            str_addf(&kept, "%s%s", kept.len ? "," : "", wanted[i]);
    str_copy(t->controllers, sizeof(t->controllers), kept.buf);
}

static bool is_mounted_already(const struct cgroups *c, const struct cgroup_tree *t)
{
    const struct cgroup_tree *other;
    for (size_t i = 0; (other = cgroups_tree(c, i)); i++)
        if (str_eq(other->mount, t->mount) ||
            (t->controllers[0] && str_eq(other->controllers, t->controllers)))
            return true;
    return false;
}

static void add_tree(struct cgroups *c, const struct cgroup_tree *t)
{
    if (is_mounted_already(c, t))
        return;
    if (t->controllers[0] && c->n_trees < CGROUP_TREES)
        c->trees[c->n_trees++] = *t;
    else if (c->n_others < CGROUP_OTHERS)
        c->others[c->n_others++] = *t;
}

static void add_unified(struct cgroups *c, bool has_v1)
{
    struct cgroup_tree t = {.unified = true};
    char path[160], controllers[256] = "";
    str_copy(t.mount, sizeof(t.mount), c->unified_mount);
    str_format(path, sizeof(path), "%s/cgroup.controllers", c->unified_mount);
    file_read_line(path, controllers, sizeof(controllers));
    for (char *p = controllers; *p; p++)
        if (*p == ' ')
            *p = ',';
    keep_wanted(controllers, &t);
    t.io = mountinfo_has_option(controllers, "io");
    c->unified_has_controllers = controllers[0] != '\0';
    /* Pure v2 is our tree even if it carries nothing: groups still hold processes and count time.
     */
    if (!has_v1 && !t.controllers[0])
        c->trees[c->n_trees++] = t;
    else
        add_tree(c, &t);
}

void cgroups_from_mountinfo(char *text, struct cgroups *ret)
{
    struct cgroups c = {.mode = CGROUP_NONE};
    bool has_v1 = false;
    char *cursor = text;
    for (struct mountinfo m; mountinfo_next(&cursor, &m);) {
        struct cgroup_tree t = {.unified = false};
        if (!str_copy(t.mount, sizeof(t.mount), m.point))
            continue;
        if (str_eq(m.fstype, "cgroup2") && !c.unified_mount[0])
            str_copy(c.unified_mount, sizeof(c.unified_mount), m.point);
        if (!str_eq(m.fstype, "cgroup"))
            continue;
        keep_wanted(m.super, &t);
        t.io = mountinfo_has_option(m.super, "blkio");
        add_tree(&c, &t);
        has_v1 = true;
    }
    bool has_v1_controllers = c.n_trees > 0;
    if (c.unified_mount[0])
        add_unified(&c, has_v1);
    if (c.unified_mount[0])
        c.mode = has_v1 ? CGROUP_HYBRID : CGROUP_V2;
    else if (has_v1_controllers)
        c.mode = CGROUP_V1;
    *ret = c;
}

int cgroups_detect(struct cgroups *ret, struct err *err)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    int r = mountinfo_read(&text, err);
    if (r < 0)
        return r;
    cgroups_from_mountinfo(text.buf, ret);
    return 0;
}

const char *cgroup_mode_name(enum cgroup_mode m)
{
    static const char *const names[] = {"none", "v1", "hybrid", "v2"};
    return (unsigned)m < ARRAY_SIZE(names) ? names[m] : "none";
}

/* --- groups as directories --- */

int cgroup_check_path(const char *path, struct err *err)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/";
    size_t n = strlen(path);
    if (!str_starts(path, "/cupel-") || n >= CGROUP_PATH_MAX || strspn(path, allowed) != n ||
        path[n - 1] == '/' || strstr(path, "//") || strstr(path, "/."))
        return err_set(err, ERR_BUG, EINVAL, "'%.80s' is no control group of cupel's", path);
    return 0;
}

int cgroup_dir(const struct cgroup_tree *t, const char *path)
{
    char full[sizeof(t->mount) + CGROUP_PATH_MAX];
    if (!str_format(full, sizeof(full), "%s%s", t->mount, path))
        return -ENAMETOOLONG;
    int fd = open(full, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int sub_dir(int fd, const char *name)
{
    return openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Opens fd's directory for reading its entries, without taking fd. */
static DIR *entries_of(int fd)
{
    _cleanup_fd_ int again = sub_dir(fd, ".");
    DIR *dir = again < 0 ? NULL : fdopendir(again);
    if (dir)
        again = -1;
    return dir;
}

/* A directory has a link from each one below it; file systems that do not count them say 1. */
static bool has_none_below(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_nlink == 2;
}

static const char *next_group(DIR *dir)
{
    for (struct dirent *d; (d = readdir(dir));)
        if (d->d_type == DT_DIR && strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            return d->d_name;
    return NULL;
}

static int walk(int fd, bool deepest_first, cgroup_walk_cb *cb, void *user, unsigned depth)
{
    int r = deepest_first ? 0 : cb(user, fd);
    DIR *dir = r == 0 && depth < WALK_DEPTH && !has_none_below(fd) ? entries_of(fd) : NULL;
    for (const char *name; r == 0 && dir && (name = next_group(dir));) {
        _cleanup_fd_ int sub = sub_dir(fd, name);
        if (sub >= 0)
            r = walk(sub, deepest_first, cb, user, depth + 1);
    }
    if (dir)
        closedir(dir);
    return r == 0 && deepest_first ? cb(user, fd) : r;
}

int cgroup_walk(int fd, bool deepest_first, cgroup_walk_cb *cb, void *user)
{
    return walk(fd, deepest_first, cb, user, 0);
}

bool cgroup_exists(const struct cgroups *c, const char *path)
{
    const struct cgroup_tree *t;
    for (size_t i = 0; (t = cgroups_tree(c, i)); i++) {
        _cleanup_fd_ int fd = cgroup_dir(t, path);
        if (fd >= 0)
            return true;
    }
    return false;
}

/* --- making --- */

/* Hands the controllers we use down to the children of the group at fd. Some may be missing, or
 * refuse (a group that holds processes itself, as the root of a container does): each is tried
 * alone then. */
static void enable_controllers(int fd)
{
    _cleanup_(str_release) struct str has = STR_INIT;
    if (file_read_at(fd, "cgroup.controllers", 4096, &has, NULL) < 0)
        return;
    for (char *p = has.buf; *p; p++)
        if (*p == ' ' || *p == '\n')
            *p = ',';
    _cleanup_(str_release) struct str all = STR_INIT;
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
        if (mountinfo_has_option(has.buf, wanted[i]))
            str_addf(&all, "%s+%s", all.len ? " " : "", wanted[i]);
    if (all.len == 0 || file_write_at(fd, "cgroup.subtree_control", all.buf, NULL) == 0)
        return;
    for (char *rest = all.buf, *one; (one = strsep(&rest, " "));)
        (void)file_write_at(fd, "cgroup.subtree_control", one, NULL);
}

/* Every parent of path, the root included, from the top. */
static void enable_in_parents(const struct cgroup_tree *t, const char *path)
{
    char parent[CGROUP_PATH_MAX];
    str_copy(parent, sizeof(parent), path);
    for (size_t i = 0; path[i]; i++) {
        if (path[i] != '/')
            continue;
        parent[i] = '\0';
        _cleanup_fd_ int fd = cgroup_dir(t, parent);
        if (fd >= 0)
            enable_controllers(fd);
        parent[i] = '/';
    }
}

/* A cpuset of v1 starts empty and takes no process until it has CPUs and memory nodes. */
static int inherit_cpuset(int parent, int fd, struct err *err)
{
    static const char *const files[] = {"cpuset.mems", "cpuset.cpus"};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        _cleanup_(str_release) struct str value = STR_INIT;
        int r = file_read_at(parent, files[i], 8192, &value, err);
        if (r < 0)
            return r;
        if ((r = file_write_at(fd, files[i], str_strip(value.buf), err)) < 0)
            return r;
    }
    return 0;
}

static int make_in_tree(const struct cgroup_tree *t, const char *path, struct err *err)
{
    char parent_path[CGROUP_PATH_MAX];
    str_copy(parent_path, sizeof(parent_path), path);
    char *name = strrchr(parent_path, '/');
    *name++ = '\0';
    if (t->unified)
        enable_in_parents(t, path);
    _cleanup_fd_ int parent = cgroup_dir(t, parent_path);
    if (parent < 0)
        return err_errno(err, -parent, "make control group %s in %s", path, t->mount);
    if (mkdirat(parent, name, 0755) < 0)
        return err_errno(err, errno, "make control group %s in %s", path, t->mount);
    _cleanup_fd_ int fd = sub_dir(parent, name);
    int r = fd < 0 ? err_errno(err, errno, "open control group %s in %s", path, t->mount) : 0;
    if (r == 0 && !t->unified && mountinfo_has_option(t->controllers, "cpuset"))
        r = inherit_cpuset(parent, fd, err);
    /* Old kernels count a memory group without its children unless told; new ones refuse any
     * change. */
    if (r == 0 && !t->unified && mountinfo_has_option(t->controllers, "memory"))
        (void)file_write_at(fd, "memory.use_hierarchy", "1", NULL);
    if (r < 0)
        unlinkat(parent, name, AT_REMOVEDIR);
    return r;
}

static void unmake(const struct cgroups *c, const char *path, size_t n)
{
    char name[sizeof(c->trees[0].mount) + CGROUP_PATH_MAX];
    while (n-- > 0) {
        str_format(name, sizeof(name), "%s%s", c->trees[n].mount, path);
        rmdir(name);
    }
}

int cgroup_make(const struct cgroups *c, const char *path, struct err *err)
{
    int r = cgroup_check_path(path, err);
    if (r < 0)
        return r;
    if (c->n_trees == 0)
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "no control groups are mounted here");
    size_t made = 0;
    while (r == 0 && made < c->n_trees)
        if ((r = make_in_tree(&c->trees[made], path, err)) == 0)
            made++;
    if (r < 0)
        unmake(c, path, made);
    return r;
}

int cgroup_open_join(const struct cgroups *c, const char *path, int *ret_fds, size_t max,
                     struct err *err)
{
    int fds[CGROUP_TREES + 1], r = 0;
    size_t n = 0;
    const struct cgroup_tree *io = cgroups_foreign_io(c);
    for (; n < c->n_trees + (io != NULL); n++) {
        const struct cgroup_tree *t = n < c->n_trees ? &c->trees[n] : io;
        _cleanup_fd_ int dir = cgroup_dir(t, path);
        if (dir == -ENOENT && t == io)
            break; /* nobody asked for an I/O limit */
        fds[n] = dir < 0 ? -1 : openat(dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        if (fds[n] < 0) {
            r = err_errno(err, dir < 0 ? -dir : errno, "open control group %s in %s", path,
                          t->mount);
            break;
        }
    }
    if (r == 0 && n > max)
        r = err_set(err, ERR_BUG, E2BIG, "%zu hierarchies, room for %zu", n, max);
    for (size_t i = 0; i < n; i++) {
        if (r < 0)
            close(fds[i]);
        else
            ret_fds[i] = fds[i];
    }
    return r < 0 ? r : (int)n;
}

/* --- removing and listing --- */

/* A group is busy for a moment after its last process has gone; then one try more is enough. */
static int remove_dir(int parent, const char *name)
{
    for (unsigned tries = 0;; tries++) {
        if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
            return 0;
        if (errno != EBUSY || tries >= 40)
            return -errno;
        poll(NULL, 0, 5);
    }
}

static int remove_below(int parent, const char *name, unsigned depth)
{
    _cleanup_fd_ int fd = sub_dir(parent, name);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    DIR *dir = depth < WALK_DEPTH ? entries_of(fd) : NULL;
    if (!dir)
        return -ELOOP;
    int r = 0;
    for (const char *sub; (sub = next_group(dir));) {
        int sub_r = remove_below(fd, sub, depth + 1);
        r = r < 0 ? r : sub_r;
    }
    closedir(dir);
    return r < 0 ? r : remove_dir(parent, name);
}

int cgroup_remove(const struct cgroups *c, const char *path, struct err *err)
{
    int r = cgroup_check_path(path, err);
    if (r < 0)
        return r;
    char parent_path[CGROUP_PATH_MAX];
    str_copy(parent_path, sizeof(parent_path), path);
    char *name = strrchr(parent_path, '/');
    *name++ = '\0';
    const struct cgroup_tree *t;
    for (size_t i = 0; (t = cgroups_tree(c, i)); i++) {
        _cleanup_fd_ int parent = cgroup_dir(t, parent_path);
        int tree_r = parent < 0 ? parent : remove_below(parent, name, 0);
        if (tree_r < 0 && tree_r != -ENOENT && r == 0)
            r = err_errno(err, -tree_r, "remove control group %s from %s", path, t->mount);
    }
    return r;
}

int cgroup_list(const struct cgroups *c, const char *prefix,
                void (*cb)(void *user, const char *path), void *user, struct err *err)
{
    VEC(char *) seen = VEC_INIT;
    const struct cgroup_tree *t;
    for (size_t i = 0; (t = cgroups_tree(c, i)); i++) {
        _cleanup_fd_ int root = cgroup_dir(t, "");
        DIR *dir = root < 0 ? NULL : entries_of(root);
        for (const char *name; dir && (name = next_group(dir));) {
            bool known = !str_starts(name, prefix) || strlen(name) + 2 > CGROUP_PATH_MAX;
            for (size_t k = 0; !known && k < seen.n; k++)
                known = str_eq(seen.v[k] + 1, name);
            if (!known)
                VEC_PUSH(&seen, xasprintf("/%s", name));
        }
        if (dir)
            closedir(dir);
    }
    VEC_FOREACH (&seen, char *, path) {
        cb(user, *path);
        free(*path);
    }
    VEC_RELEASE(&seen);
    return 0;
}
