/* What Kata keeps of a container in places of its own.
 *
 * Kata takes no directory from whoever calls it: `--root` is accepted and ignored, and everything
 * lies under the container's identifier in places compiled into it (state, sockets, the tree that
 * is shared with the guest, control groups beside the one it was given). After a SIGKILL, or a
 * `create` that failed, some of it stays, with mounts of the container's files in it. So before
 * anything is removed all of it is unmounted, and what is another mount is never descended into.
 *
 * Layer: ledger; the drivers use it too. */
#ifndef CUPEL_LEDGER_KATA_H
#define CUPEL_LEDGER_KATA_H

#include "base/err.h"
#include "host/cgroup.h"

#include <stdbool.h>
#include <stdint.h>

/* Kills what still runs of the container (processes of Kata, of its virtual machine, of `runtime`,
 * that have the identifier on their command lines, or in whose control group it stands), unmounts
 * and removes what Kata keeps of it. id: ours (cupel-<8 hexadecimal digits>-<digits>) or an
 * engine's (hexadecimal digits); another is ERR_BUG. Returns how many things there were, or a
 * negative errno; goes on after a failure and reports the first. */
int kata_remove(const struct cgroups *c, const char *id, const char *runtime, uint64_t deadline_ns,
                struct err *err);

/* Is anything in one of these places? */
bool kata_has_left(const struct cgroups *c, const char *id);

#endif
