/* containerd's shims, whoever called containerd.
 *
 * Layer: driver, internal. */
#ifndef CUPEL_DRIVER_SHIM_H
#define CUPEL_DRIVER_SHIM_H

#include "base/spawn.h"
#include "driver/ground.h"

/* A group of the session's, open for moving processes into it. */
struct door {
    int fds[SPAWN_MAX_JOIN];
    int n;
};
int door_open(const struct live *l, const char *group, struct door *ret, struct err *err);
/* With all its threads. */
int door_take(const struct door *d, pid_t pid, struct err *err);
void door_close(struct door *d);

/* Finds the shim of the container that was watched last (its process is l->pid): the process's
 * parent, a containerd-shim that has the container's identifier on its command line. Moves it into
 * the session's leaf of tools, with all its threads: it belongs to the container's bill, and what
 * it starts from now on begins there. l->shim is set. */
int shim_adopt(struct live *l, const char *id, struct err *err);

/* Moves the container whose process is pid into the session's box, for an engine that puts its
 * containers where systemd wants them: the process, and whatever else its shim has started. */
int shim_move_container(struct live *l, pid_t pid, struct err *err);

#endif
