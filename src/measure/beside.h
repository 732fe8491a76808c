/* What an aggressor costs: a victim's samples without and with one of the probe's load.* beside it,
 * and what that took of the host.
 *
 * Layer: measure, internal. The aggressor runs in a second session, of the lane's target or
 * another, whose control group has limits of CPU, memory, processes (and of I/O where it writes
 * files) in force, and which a guard ends with this process or after a deadline. */
#ifndef CUPEL_MEASURE_BESIDE_H
#define CUPEL_MEASURE_BESIDE_H

#include "measure/lane.h"

#include <jansson.h>

/* On l's target; adds the facts (docs/isolation.md). < 0 ends the run; what else goes wrong is the
 * lane's failure. */
int beside_measure(struct course *c, struct lane *l, json_t *facts, struct err *err);

#endif
