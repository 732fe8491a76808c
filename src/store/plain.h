/* Small values as JSON: a cell's parameters, a target's flags. Both the tables and the exchange
 * form hold them so.
 *
 * Layer: store, inside the room only. Ownership: _to_json gives a new reference; _from_json
 * borrows. */
#ifndef CUPEL_STORE_PLAIN_H
#define CUPEL_STORE_PLAIN_H

#include "model/plan.h"
#include "model/target.h"
#include "model/workload.h"

#include <jansson.h>

/* {"array_bytes": 67108864, "stores": "nt", "limit": null}; null: auto, not resolved. */
json_t *params_to_json(const struct params *p);
int params_from_json(const json_t *o, struct params *ret, struct err *err);
/* [["overlay2", "none"], ...] */
json_t *flags_to_json(const struct target *t);
int flags_from_json(const json_t *a, struct target *ret, struct err *err);

/* Is text one line of printable characters, in UTF-8, at most max bytes? */
bool text_ok(const char *text, size_t max);
/* Replaces control characters, C1 ones included, by '?', in place. */
void text_clean(char *text);

/* "fs.open@tmpfs" is a cell of workload "fs.open": the one of the catalogue, or workload_unknown.
 */
void cell_workload_name(const char *cell, char dst[CELL_NAME_MAX]);
const struct workload *cell_workload(const char *cell);
/* Letters, digits and ._@+- only, 1 .. CELL_NAME_MAX - 1 of them. */
/* Ties a stored cell to its application, whose text came with it; it stays unknown where this
 * version does not read that text any more. */
void cell_find_app(struct plan *p, struct cell *c, const char *source);
bool cell_name_ok(const char *name);

#endif
