/* A fleet as it is written down, in <state>/fleet/<id>.json: which machines, where on them, how it
 * ended with each.
 *
 * Layer: fleet, internal. Replaced as a whole at each change. */
#ifndef CUPEL_FLEET_ROLL_H
#define CUPEL_FLEET_ROLL_H

#include "fleet/fleet.h"

int roll_write(const struct fleet *f, const char *state_dir, struct err *err);

#endif
