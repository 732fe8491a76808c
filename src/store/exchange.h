/* The exchange form: one run as one JSON document, docs/run.schema.json. What export writes, import
 * reads.
 *
 * Layer: store. Import treats the file as hostile: bounded size, depth, counts and strings, no path
 * in it is ever opened, nothing is stored unless the whole document is valid (one transaction). */
#ifndef CUPEL_STORE_EXCHANGE_H
#define CUPEL_STORE_EXCHANGE_H

#include "store/store.h"

#include <jansson.h>

#define EXCHANGE_KIND      "cupel run"
#define EXCHANGE_FORMAT    1
#define EXCHANGE_MAX_BYTES (512u * 1024 * 1024)

/* The raw run as JSON. `extra`, if not NULL, is stored under "summary" (stolen reference):
 * estimates and verdicts, which import ignores and recomputes. */
int exchange_export(struct store *s, int64_t run, json_t *extra, json_t **ret, struct err *err);
/* text is the whole file. name for messages. A run whose uuid is there already is refused
 * (-EEXIST). */
int exchange_import(struct store *s, const char *text, size_t n, const char *name, int64_t *ret_run,
                    struct err *err);

#endif
