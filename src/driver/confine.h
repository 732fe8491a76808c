/* Which CPUs a whole session may use: payload, sandbox and runtime processes alike.
 *
 * Layer: driver. */
#ifndef CUPEL_DRIVER_CONFINE_H
#define CUPEL_DRIVER_CONFINE_H

#include "driver/driver.h"

/* Confines the session's control group to the set; processes that run already move. Without groups
 * (not root) the process at the session's root and its threads get the set as their affinity, which
 * what they start inherits. */
int session_confine(const struct site *s, struct session *sess, const cpu_set_t *cpus,
                    struct err *err);

#endif
