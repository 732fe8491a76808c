/* What a busy neighbour costs: LINPACK in one session, and after a while in a second one of the
 * same target, the paper's section 5.8.
 *
 * Layer: measure, internal. Both sessions run from the start; the second does nothing until its
 * turn. Times and CPU time are this host's, of each session's control group. */
#ifndef CUPEL_MEASURE_NEIGHBOUR_H
#define CUPEL_MEASURE_NEIGHBOUR_H

#include "measure/lane.h"

#include <jansson.h>

/* On l's target, whose session is the affected one and runs; adds the facts (docs/isolation.md).
 * < 0 ends the run; what else goes wrong is the lane's failure. */
int neighbour_measure(struct course *c, struct lane *l, json_t *facts, struct err *err);

#endif
