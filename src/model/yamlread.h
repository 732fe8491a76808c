/* Reading YAML by libyaml's nodes, whose marks let every complaint name line and column:
 * `my.yaml:7:3: unknown key "metrik"; expected one of image, files, ...`.
 *
 * Layer: model, internal. Ownership: yaml_read opens a document and releases it after `take`; nodes
 * and scalars live as long as that call.
 *
 *     struct yaml_reader y = {.name = "my.yaml", .err = err};
 *     yaml_read(&y, text, n, take, &mine);      // take(&mine, root): yaml_mapping(&y, root, keys,
 * ...)
 *
 * Every function returns 0 or a negative errno with err (never NULL in a reader) as ERR_USAGE. */
#ifndef CUPEL_MODEL_YAMLREAD_H
#define CUPEL_MODEL_YAMLREAD_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

#define YAML_BYTES_MAX  (1u << 20)
#define YAML_SCALAR_MAX 1024u

struct yaml_reader {
    const char *name; /* of the file, for messages */
    struct err *err;
    yaml_document_t doc;
};

struct yaml_key {
    const char *name;
    int (*set)(void *user, const char *key, const yaml_node_t *v);
};

/* The one document in text, which has to be a mapping. */
int yaml_read(struct yaml_reader *y, const char *text, size_t n,
              int (*take)(void *user, const yaml_node_t *root), void *user);

int yaml_complain(struct yaml_reader *y, const yaml_node_t *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts the position before a message that a parser of lower level left. */
int yaml_at(struct yaml_reader *y, const yaml_node_t *at);
const yaml_node_t *yaml_child(struct yaml_reader *y, int index);
/* The text of a scalar, or NULL: another type, too long, with a NUL byte inside. */
const char *yaml_scalar(const yaml_node_t *v);
int yaml_need_scalar(struct yaml_reader *y, const char *key, const yaml_node_t *v,
                     const char **ret);
/* Of a sequence. */
size_t yaml_item_count(const yaml_node_t *v);
const yaml_node_t *yaml_item(struct yaml_reader *y, const yaml_node_t *v, size_t i);
int yaml_need(struct yaml_reader *y, const char *key, const yaml_node_t *v, yaml_node_type_t type,
              const char *expected);
/* Calls set for every entry of the mapping at v, each key once and out of the table (at most 64).
 */
int yaml_mapping(struct yaml_reader *y, const yaml_node_t *v, const struct yaml_key *keys, size_t n,
                 void *user);
int yaml_yes_no(struct yaml_reader *y, const char *key, const yaml_node_t *v, bool *ret);
int yaml_duration(struct yaml_reader *y, const char *key, const yaml_node_t *v, uint64_t min,
                  uint64_t max, uint64_t *ret);

#endif
