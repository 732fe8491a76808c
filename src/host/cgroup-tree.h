/* What the cgroup-*.c files share: groups as directories of the mounted hierarchies.
 *
 * Layer: host, private to host/cgroup-*.c. Directories are opened relative to their mount and
 * walked by descriptor, without following symbolic links; depth is bounded. */
#ifndef CUPEL_HOST_CGROUP_TREE_H
#define CUPEL_HOST_CGROUP_TREE_H

#include "host/cgroup.h"

/* All mounted trees: those we make groups in first, then the others. NULL behind the last. */
const struct cgroup_tree *cgroups_tree(const struct cgroups *c, size_t i);
/* The tree of ours that carries the controller, or NULL. */
const struct cgroup_tree *cgroups_with(const struct cgroups *c, const char *controller);

/* The tree that limits I/O, ours or not, or NULL. */
const struct cgroup_tree *cgroups_io(const struct cgroups *c);
/* The same if it is none that every group of ours is made in. */
const struct cgroup_tree *cgroups_foreign_io(const struct cgroups *c);

/* 0, or ERR_BUG for a path that is no group of ours: "/cupel-" and then names out of
 * [A-Za-z0-9_.-]. */
int cgroup_check_path(const char *path, struct err *err);
/* The group's directory in the tree, or a negative errno. */
int cgroup_dir(const struct cgroup_tree *t, const char *path);

/* Calls cb with the directory of the group open at fd and of every group below it, until one
 * returns non-zero, which is returned. Groups that vanish meanwhile are skipped. */
typedef int cgroup_walk_cb(void *user, int fd);
int cgroup_walk(int fd, bool deepest_first, cgroup_walk_cb *cb, void *user);

/* Value of "key N" in a flat keyed file of the group at fd. */
int cgroup_keyed(int fd, const char *file, const char *key, uint64_t *ret);

#endif
