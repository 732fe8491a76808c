/* A fleet as it is written down, in <state>/fleet/<id>.json: which machines, where on them, how it
 * ended with each.
 *
 * Layer: fleet, internal. Replaced as a whole at each change. */
#ifndef CUPEL_FLEET_ROLL_H
#define CUPEL_FLEET_ROLL_H

#include "fleet/fleet.h"

#include <jansson.h>

/* A directory there that may stand in a script: of LEDGER_BROUGHT, and all of it letters, digits
 * and what a shell sees nothing in. */
bool roll_place_ok(const char *place);
/* The same with n machines from `first` on alone, as it goes out to them. */
json_t *roll_json(const struct fleet *f, size_t first, size_t n);
/* On the other machine: FOLDER/fleet/ID.json, absolute, which has a machine of that number, from 1.
 * Fills *ret, and the folder, which the caller frees; else they are as fleet_init leaves them. */
int roll_read_order(const char *path, unsigned number, struct fleet *ret, char **ret_folder,
                    struct err *err);
int roll_write(const struct fleet *f, const char *state_dir, struct err *err);

#endif
