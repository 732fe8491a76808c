/* The targets in which aggressors run, where that is not the victim's own: `-p aggressor=TARGET`.
 *
 * Layer: measure, internal. Those that are not measured themselves have slots behind the others',
 * from c->n_targets to c->n_slots, with an engine and no cells. */
#ifndef CUPEL_MEASURE_AGGRESSOR_H
#define CUPEL_MEASURE_AGGRESSOR_H

#include "measure/lane.h"

/* Gives the course their slots, whose array grows. ERR_USAGE for a name that cannot be one. */
int aggressors_find(struct course *c, struct err *err);
/* Starts each once, as the others are. Cells whose aggressor cannot run are impossible, and say so.
 * < 0: interrupted. */
int aggressors_preflight(struct course *c, struct err *err);
/* Where the aggressor of the lane's cell runs. */
const struct slot *aggressor_slot(const struct course *c, const struct lane *l);

#endif
