/* Starts at once: how many containers a second an engine starts when 1, 2, 4, ... are asked of it
 * together.
 *
 * Layer: measure, internal. All of them are prepared first; then each is started as any is, beside
 * the others, and nothing is asked of one that is up before the last is. */
#ifndef CUPEL_MEASURE_PARALLEL_H
#define CUPEL_MEASURE_PARALLEL_H

#include "measure/lane.h"

#include <jansson.h>

/* On l's target, of which none runs; none runs afterwards. Adds, for every n up to most:
 *   at_once_<n>, at_once_<n>_ns   n; and from the first one's beginning to the last's first byte
 *   each_<n>_ns                   the mean, over them, of one's own beginning to its first byte
 * A start that fails ends it, and is the part's failure, for those of its cells that it has nothing
 * for. < 0 ends the run. */
int parallel_starts(struct course *c, struct lane *l, size_t most, json_t *facts, struct err *err);

#endif
