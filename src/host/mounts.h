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
/* Unmounts everything mounted at path or below it, deepest and newest first (from
 * /proc/self/mountinfo), MNT_DETACH as the last resort. Nothing mounted there: success. The last
 * name of path is not followed if it is a symbolic link. */
int mount_remove_below(const char *path, struct err *err);
bool mount_is_point(const char *path);
/* A private mount namespace (propagation slave) in which an empty tmpfs covers `cover`; returns a
 * descriptor for setns, which the caller closes. It is made by a thread that ends here: no process
 * stays behind, none has to be reaped, and the loop is not run. */
int mountns_with_cover(struct loop *l, const char *cover, int *ret_fd, struct err *err);

#endif
