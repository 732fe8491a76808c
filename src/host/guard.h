/* A process of our own that ends a control group when we no longer can: when we are gone, by
 * SIGKILL too, or when a hard deadline is over. Workloads that do harm run under one.
 *
 *     struct guard *g;
 *     guard_new(cgroups, "/cupel-3fa9c2d1/s0007", time_deadline(30 * NS_PER_S), &g, &err);
 *     ...                                      // whatever becomes of us, the group has an end
 *     guard_end(g, &killed, &err);             // stand down
 *
 * The guard is a fork of the caller, not a program that is looked up and executed: it is there when
 * guard_new returns, on a machine that can start no other process any more, too. It sleeps in
 * poll(2) on its end of a socket, whose other end only we hold: that is close-on-exec, and each
 * guard closes all it inherited. It keeps nothing of ours open, no lock of the ledger's either.
 *
 * What it cannot do: keep others from putting processes into the group after it has ended it (an
 * engine's daemon that is still busy starting a container), or live through SIGKILL itself.
 *
 * Layer: host. Needs Linux 5.9. Ownership: guard_end frees; the process is the caller's child,
 * which the caller's loop may reap as well. */
#ifndef CUPEL_HOST_GUARD_H
#define CUPEL_HOST_GUARD_H

#include "host/cgroup.h"

#define GUARD_NAME "cupel-guard" /* its name in /proc/PID/comm */

struct guard;

/* Guards the group and all below it until deadline_ns (CLOCK_MONOTONIC; UINT64_MAX: only our end
 * counts). The caller has one thread and is not in the group itself (ERR_BUG). */
int guard_new(const struct cgroups *c, const char *group, uint64_t deadline_ns, struct guard **ret,
              struct err *err);
/* Its process: for those who account for every child. */
pid_t guard_pid(const struct guard *g);
/* Tells it to stand down, waits for its end, and frees g in every case. NULL is fine. *ret_killed:
 * the deadline was over and it has killed the group; with it may come -ETIMEDOUT, where something
 * in there survives. ERR_ENVIRONMENT if it was gone before it was told to: nothing was guarded. */
int guard_end(struct guard *g, bool *ret_killed, struct err *err);

#endif
