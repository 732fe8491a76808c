/* Mounts and mount namespaces.
 *
 * Layer: host. Errors: ERR_ENVIRONMENT with the errno of the step that failed. */
#ifndef CUPEL_HOST_MOUNTS_H
#define CUPEL_HOST_MOUNTS_H

#include "base/err.h"
#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>

int mount_tmpfs(const char *path, uint64_t size_bytes, struct err *err);
/* An overlay of `lower`, which is only read, under `upper` (with its `work` beside it) at `path`.
 * Device nodes and set-uid bits in it mean nothing. The paths hold no ',' and no ':'. */
int mount_overlay(const char *lower, const char *upper, const char *work, const char *path,
                  struct err *err);
/* What a program in a root of its own expects there, mounted below `root`: /proc, a /dev of a few
 * harmless devices, /sys read-only. Directories are made where they are missing; no link inside
 * leads out of the root. */
int mount_root_basics(const char *root, struct err *err);
/* The same for one directory right in `root`: a tmpfs, or a directory of the host. */
int mount_root_tmpfs(const char *root, const char *name, uint64_t size_bytes, struct err *err);
int mount_root_bind(const char *root, const char *name, const char *source, struct err *err);
/* Opens the directory `name` (one component) right in `root`, made if it is missing. A link there
 * is followed as a process inside would follow it, never out of the root. The descriptor is the
 * caller's. */
int root_open_dir(const char *root, const char *name, struct err *err);
/* Unmounts everything mounted at path or below it, deepest and newest first (from
 * /proc/self/mountinfo), MNT_DETACH as the last resort. Nothing mounted there: success. The last
 * name of path is not followed if it is a symbolic link. */
int mount_remove_below(const char *path, struct err *err);
bool mount_is_point(const char *path);
/* Does what is mounted in the directory, there or not yet, show elsewhere too (mount
 * --make-shared)? */
bool mount_is_shared(const char *path);
/* The directory `source` once more at `path`, where nothing can be written or removed through it.
 */
int mount_read_only(const char *source, const char *path, struct err *err);
/* A private mount namespace (propagation slave) in which an empty tmpfs covers `cover`; returns a
 * descriptor for setns, which the caller closes. It is made by a thread that ends here: no process
 * stays behind, none has to be reaped, and the loop is not run. */
int mountns_with_cover(struct loop *l, const char *cover, int *ret_fd, struct err *err);
/* One for a program that writes to places compiled into it. /run is an empty tmpfs there, in which
 * only the directories `keep` (absolute, without a link) are what they are outside; /etc can be
 * written to without anything changing outside; `cover` is an empty tmpfs. All of that is gone with
 * the last process in it. Where several namespaces are to share such places, `run` is a directory
 * that is /run in each, and /etc is not touched; and the directory `bind` is seen in the place of
 * `over`, which exists. Texts that are "" mean nothing of the kind. */
struct mountns_daemon {
    const char *const *keep;
    size_t n_keep;
    const char *cover, *run, *bind, *over;
};
int mountns_for_daemon(const struct mountns_daemon *what, int *ret_fd, struct err *err);

#endif
