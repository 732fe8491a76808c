#include "ledger/kata.h"

#include "base/fs.h"
#include "base/str.h"
#include "host/mounts.h"
#include "ledger/byid.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUP_DEPTH_MOST 8

/* Of all versions from 1.5 on: state and sockets (1, 2, 3), the tree shared with the guest, which
 * sandbox a container is in (1), and the state of the runtime in Rust (3). */
static const char *const places[] = {
    "/run/kata-containers/shared/sandboxes",
    "/run/kata-containers/containers-mapping",
    "/run/vc/vm",
    "/run/vc/sbs",
    "/var/lib/vc/sbs",
    "/run/kata",
};

static bool is_own(const char *id)
{
    return str_starts(id, "cupel-") && strspn(id + 6, "0123456789abcdef") == 8 && id[14] == '-' &&
           id[15] && strspn(id + 15, "0123456789") == strlen(id + 15);
}

/* A name that can mean nothing but one container. */
static bool is_name(const char *id)
{
    size_t n = strlen(id);
    return is_own(id) || (n >= 32 && n <= 64 && strspn(id, "0123456789abcdef") == n);
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

/* ---- control groups ---- */

/* Where a virtual machine is put that is not to be held by the container's group: of version 1 that
 * group's own path below /kata, of version 2 and 3 the identifier below /kata_overhead. */
static bool group_names(const char *id, char ret[2][64])
{
    str_format(ret[0], sizeof(ret[0]), "/kata_overhead/%s", id);
    ret[1][0] = '\0';
    if (is_own(id))
        str_format(ret[1], sizeof(ret[1]), "/kata/%.14s/s%s", id, id + 15);
    return ret[1][0] != '\0';
}

/* Only what is empty goes: a group's directory is removed by rmdir alone. */
static int remove_groups_below(const char *path, unsigned depth)
{
    DIR *dir = opendir(path);
    if (!dir)
        return 0;
    for (struct dirent *d; depth < GROUP_DEPTH_MOST && (d = readdir(dir));) {
        if (d->d_type != DT_DIR || str_eq(d->d_name, ".") || str_eq(d->d_name, ".."))
            continue;
        _cleanup_free_ char *child = xasprintf("%s/%s", path, d->d_name);
        remove_groups_below(child, depth + 1);
    }
    closedir(dir);
    return rmdir(path) == 0 || errno == ENOENT ? 1 : -errno;
}

static const struct cgroup_tree *tree_at(const struct cgroups *c, size_t i)
{
    return i < c->n_trees                 ? &c->trees[i]
           : i - c->n_trees < c->n_others ? &c->others[i - c->n_trees]
                                          : NULL;
}

/* Calls for each directory of a control group that is Kata's; the first failure counts. */
static int each_group(const struct cgroups *c, const char *id, bool remove, struct err *err)
{
    char names[2][64];
    int n = 0, first = 0;
    size_t n_names = group_names(id, names) ? 2 : 1;
    const struct cgroup_tree *t;
    for (size_t i = 0; (t = tree_at(c, i)); i++) {
        for (size_t k = 0; k < n_names; k++) {
            _cleanup_free_ char *path = xasprintf("%s%s", t->mount, names[k]);
            if (!exists(path))
                continue;
            int r = remove ? remove_groups_below(path, 0) : 1;
            if (r < 0 && first == 0)
                first = err_errno(err, -r, "remove control group %s", path);
            n += r > 0;
            if (k == 1 && remove) { /* of the run, when this was the last */
                *strrchr(path, '/') = '\0';
                (void)rmdir(path);
            }
        }
    }
    return first < 0 ? first : n;
}

/* ---- files ---- */

static int remove_place(const char *path, struct err *err)
{
    int r = mount_remove_below(path, err);
    return r < 0 ? r : fs_remove_tree(path, err);
}

static int each_place(const char *id, bool remove, struct err *err)
{
    int n = 0, first = 0;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        struct err why = ERR_INIT;
        _cleanup_free_ char *path = xasprintf("%s/%s", places[i], id);
        if (!exists(path))
            continue;
        int r = remove ? remove_place(path, &why) : 0;
        if (r < 0 && first == 0) {
            first = r;
            err_set(err, why.kind, why.code, "%s", why.msg);
        }
        n += r == 0;
    }
    return first < 0 ? first : n;
}

bool kata_has_left(const struct cgroups *c, const char *id)
{
    return is_name(id) && (each_place(id, false, NULL) > 0 || each_group(c, id, false, NULL) > 0);
}

int kata_remove(const struct cgroups *c, const char *id, const char *runtime, uint64_t deadline_ns,
                struct err *err)
{
    struct err group_err = ERR_INIT;
    if (!is_name(id))
        return err_set(err, ERR_BUG, EINVAL, "'%.80s' names no container of Kata's", id);
    int killed = byid_kill(id, runtime, deadline_ns, err);
    if (killed < 0)
        return killed;
    int files = each_place(id, true, err);
    int groups = each_group(c, id, true, &group_err);
    if (files < 0)
        return files;
    if (groups < 0)
        return err_set(err, group_err.kind, group_err.code, "%s", group_err.msg);
    return killed + files + groups;
}
