/* Taking values out of a JSON document that is not to be trusted.
 *
 * Layer: store, inside the room only. After the first failure every further call does nothing and
 * gives a harmless value, so reading code needs no checks in between; doc->r says how it went.
 * Errors are ERR_USAGE: "run.json: trials[3].parts[0]: ops: expected ...".
 *
 *     doc_at(d, "blocks[%zu]", i);
 *     b.block = (uint32_t)doc_int(d, o, "block", 0, MAX);
 *     if (d->r < 0) ... */
#ifndef CUPEL_STORE_EXCHANGE_READ_H
#define CUPEL_STORE_EXCHANGE_READ_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Integers stay where every reader of JSON is exact. */
#define DOC_INT_MAX INT64_C(9007199254740991)

struct doc {
    const char *name; /* of the file, for messages */
    struct err *err;  /* never NULL */
    int r;
    char where[64];
};

void doc_at(struct doc *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void doc_fail(struct doc *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

const json_t *doc_object(struct doc *d, const json_t *o, const char *key);
/* An array of at most max items. */
const json_t *doc_array(struct doc *d, const json_t *o, const char *key, size_t max);
/* Item i of an array: an object. */
const json_t *doc_item(struct doc *d, const json_t *a, size_t i);

int64_t doc_int(struct doc *d, const json_t *o, const char *key, int64_t min, int64_t max);
/* Item i of an array: an integer, or null where `null` is what that stands for (else INT64_MIN). */
int64_t doc_int_at(struct doc *d, const json_t *a, size_t i, int64_t min, int64_t max,
                   int64_t null);
uint64_t doc_count(struct doc *d, const json_t *o, const char *key);
/* null: UINT64_MAX */
uint64_t doc_count_or_unknown(struct doc *d, const json_t *o, const char *key);
/* null: -1 */
int32_t doc_index_or_none(struct doc *d, const json_t *o, const char *key, int32_t max);
bool doc_bool(struct doc *d, const json_t *o, const char *key);
double doc_real(struct doc *d, const json_t *o, const char *key, double min, double max);
/* null: NAN */
double doc_real_or_nan(struct doc *d, const json_t *o, const char *key, double min, double max);
/* A decimal number as a string, for what may pass 2^53; null: 0. */
uint64_t doc_big(struct doc *d, const json_t *o, const char *key, uint64_t max);

/* One line: control characters become '?'. Too long for dst is an error. */
void doc_text(struct doc *d, const json_t *o, const char *key, char *dst, size_t size);
/* The same, malloced; null: NULL. */
char *doc_text_dup(struct doc *d, const json_t *o, const char *key, size_t max);
/* A text out of a known set: parse is one of the _parse functions of the model, ret its enum. */
void doc_word(struct doc *d, const json_t *o, const char *key, int (*parse)(const char *, void *),
              void *ret);
/* An object as JSON text, its strings made printable; null: NULL. At most max bytes, 8 levels. */
char *doc_json(struct doc *d, const json_t *o, const char *key, size_t max);

#endif
