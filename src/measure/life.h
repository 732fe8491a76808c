/* What it takes to have a guest: starting and ending sessions, one by one and in a crowd.
 *
 * Layer: measure, internal. Nothing is asked of the guest but its first line; all times are this
 * host's. As with other whole workloads one execution serves several cells: it leaves facts (a
 * count, and its nanoseconds as <name>_ns), of which each cell takes its own. */
#ifndef CUPEL_MEASURE_LIFE_H
#define CUPEL_MEASURE_LIFE_H

#include "measure/lane.h"

/* One execution on l's target, whose session has been started; no session is left. A failure is the
 * lane's; < 0 ends the run. */
int life_execute(struct course *c, struct lane *l, uint32_t position, int previous,
                 struct err *err);

#endif
