/* Lists of runs as people write them: "r1,r2,r7", "r4..r9".
 *
 * Layer: cli. Ownership: VEC_RELEASE. */
#ifndef CUPEL_CLI_RUN_LIST_H
#define CUPEL_CLI_RUN_LIST_H

#include "base/vec.h"
#include "store/store.h"

struct run_list {
    int64_t *v;
    size_t n, cap;
};

/* Appends what text names, each run as show names it; of a range those that there are. most: how
 * many the list may have; 0: any number. ERR_USAGE names the place; what was appended stays. */
int run_list_add(struct store *s, const char *text, size_t most, struct run_list *inout,
                 struct err *err);

#endif
