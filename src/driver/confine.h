/* Which CPUs a whole session may use: payload, sandbox and runtime processes alike.
 *
 * Layer: driver. */
#ifndef CUPEL_DRIVER_CONFINE_H
#define CUPEL_DRIVER_CONFINE_H

#include "driver/driver.h"

/* Confines the session's control group to the set; processes that run already move, and those that
 * are the session's outside of its group (a shim) have their threads confined. Without groups
 * (not root) the process at the session's root and its threads get the set as their affinity, which
 * what they start inherits; without a cpuset controller, and in a group that is not ours
 * (session.h), every thread of the group does. A session that runs elsewhere (session.h) stays as
 * it is. */
int session_confine(const struct site *s, struct session *sess, const cpu_set_t *cpus,
                    struct err *err);

/* The same for a group of ours; for the drivers. */
int group_confine(const struct cgroups *c, const char *group, const cpu_set_t *cpus,
                  struct err *err);

#endif
