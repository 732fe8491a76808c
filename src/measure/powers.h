/* What the kernel would let the processes of a session do, whether they do it or not: read once,
 * when nothing is measured, since it stops each of them for a moment.
 *
 * Layer: measure, internal. */
#ifndef CUPEL_MEASURE_POWERS_H
#define CUPEL_MEASURE_POWERS_H

#include "driver/attribution.h"

#include <jansson.h>

/* Adds, of the processes of claim 0:
 *   processes, processes_without_filter (seccomp), processes_that_may_gain (privileges, by execve)
 *   host_capabilities     how many different ones any of them holds in our user namespace
 * and of those that are payload and of all others, SIDE being payload or sandbox, where there are
 * any:
 *   shares_SIDE           our namespaces that any of them is in: "pid,cgroup"
 *   host_paths_SIDE       as in host/hostpaths.h, under the root of any of them
 *   could_SIDE            how many calls (of the numbers below 512) pass the filters of any of
 *                         them with some arguments; 512: one has no filter
 *   could_SIDE_always     how many with all arguments
 *   could_SIDE_bits       which pass with some, as in wire/callset.h
 *   could_SIDE_unknown    of how many of them it is not known; only if of any
 * Where it is known of none of a side's, its could_SIDE, _always and _bits are not there.
 *   host_paths_asked      how long the list is
 *   could_unknown         why, of the first that is not known */
void powers_add(json_t *facts, const struct attribution *look);

#endif
