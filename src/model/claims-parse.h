/* Reading claims files, in the pieces that two files share: claims-parse.c reads the head and the
 * whole, claims-test.c each claim and its test.
 *
 * Layer: model, internal. Every function returns 0, or fails with the place of what is wrong. */
#ifndef CUPEL_MODEL_CLAIMS_PARSE_H
#define CUPEL_MODEL_CLAIMS_PARSE_H

#include "model/claims.h"
#include "model/yamlread.h"

struct claims_reader {
    struct yaml_reader y;
    struct claims *c;
    const char *const *drivers;
    size_t n_drivers;
    const struct plan *known;
    const yaml_node_t *base, *list; /* read when the names are known */
    /* What the mapping at hand fills; set before it is read. */
    struct claim_name *target;
    struct claim_step *step;
    struct claim_item *claim;
    struct claim_cells *cells;
    struct claim_facts *facts;
    struct claim_group *group;
    const yaml_node_t *test; /* of the claim at hand, NULL: none yet */
    bool recomputed;
};

int claims_take_text(struct claims_reader *r, const char *key, const yaml_node_t *v, char **ret);
int claims_take_number(struct claims_reader *r, const char *key, const yaml_node_t *v, double *ret);
int claims_take_list(struct claims_reader *r, const char *key, const yaml_node_t *v, size_t max,
                     int (*each)(struct claims_reader *r, const char *key, const yaml_node_t *v));
/* A name out of targets, with the nearest one in the message. */
int claims_take_name(struct claims_reader *r, const char *key, const yaml_node_t *v, size_t *ret);
bool claims_name_find(const struct claims *c, const char *name, size_t *ret);
/* claims-test.c: the list of claims, when all else has been read. */
int claims_take_all(struct claims_reader *r, const yaml_node_t *list);

#endif
