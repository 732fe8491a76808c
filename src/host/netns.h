/* Network namespaces that are held by a file.
 *
 * Layer: host. Whoever has to be in one to do something is a thread that ends here: the caller's
 * own namespace never changes, so there is nothing that could fail to be changed back.
 * Errors: ERR_ENVIRONMENT with the errno of the step that failed; ERR_UNSUPPORTED where the kernel
 * has no network namespaces or we may not make one. */
#ifndef CUPEL_HOST_NETNS_H
#define CUPEL_HOST_NETNS_H

#include "base/err.h"

#include <stdbool.h>

/* Makes a namespace and binds it to `path`, which is made and must not exist (EEXIST). It lasts
 * until that is unmounted and the last process in it has ended. On failure nothing is left. */
int netns_make(const char *path, struct err *err);
/* The same with the namespace of the caller. */
int netns_hold_own(const char *path, struct err *err);
/* Unmounts and removes the file. One that is not there, or not mounted: success. */
int netns_remove(const char *path, struct err *err);
/* A descriptor of it, for setns, which the caller closes; negative errno. */
int netns_open(const char *path, struct err *err);
/* Calls fn(user, err) on a thread inside it and returns what that returned. */
int netns_run(int fd, int (*fn)(void *user, struct err *err), void *user, struct err *err);
/* Is the file there for a process inside it? For /proc/sys/net, which is another in each. */
bool netns_sees(int fd, const char *path);

#endif
