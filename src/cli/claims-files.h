/* Claims files: those that came with cupel, by name, and the user's own, by path.
 *
 * Layer: cli. */
#ifndef CUPEL_CLI_CLAIMS_FILES_H
#define CUPEL_CLI_CLAIMS_FILES_H

#include "base/vec.h"
#include "model/claims.h"

struct claims_list {
    struct claims **v;
    size_t n, cap;
};
void claims_list_release(struct claims_list *l);

/* spec: "paper", or a path (with a '/', or ending in .yaml). From $CUPEL_CLAIMS, else the build
 * tree, else as installed. ERR_USAGE names those that there are. */
int claims_list_add(struct claims_list *l, const char *spec, struct err *err);

#endif
