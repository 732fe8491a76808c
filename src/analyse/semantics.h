/* Did the operation do what its name says? From the facts that the probe found.
 *
 * Layer: analyse, internal. Pure. */
#ifndef CUPEL_ANALYSE_SEMANTICS_H
#define CUPEL_ANALYSE_SEMANTICS_H

#include "model/run.h"
#include "model/workload.h"

/* CELL_FLAG_* of one part of a trial of `cell`; base: the base's part, p itself, or NULL. */
unsigned semantics_of(const struct cell *cell, const struct part *p, const struct part *base);

#endif
