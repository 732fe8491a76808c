/* A fleet as it is written down, in <state>/fleet/<id>.json: which machines, where on them, how it
 * ended with each.
 *
 * Layer: fleet, internal. Replaced as a whole at each change. */
#ifndef CUPEL_FLEET_ROLL_H
#define CUPEL_FLEET_ROLL_H

#include "fleet/fleet.h"

/* A directory there that may stand in a script: of LEDGER_BROUGHT, and all of it letters, digits
 * and what a shell sees nothing in. */
bool roll_place_ok(const char *place);
int roll_write(const struct fleet *f, const char *state_dir, struct err *err);

#endif
