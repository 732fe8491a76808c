/* Layer: analyse, internal: where the figures of advise.h come from. */
#ifndef CUPEL_ANALYSE_ADVISE_PARTS_H
#define CUPEL_ANALYSE_ADVISE_PARTS_H

#include "analyse/advise.h"
#include "analyse/facts.h"

/* Which cells of the run a limit is about: take has room for a->n_cells. ret: how many, and what of
 * the pattern the run has not. ERR_USAGE as analyse_advise. */
int advise_cells(const struct analysis *a, const struct advise_limit *l, const struct plan *known,
                 bool *take, struct advise_row *ret, struct err *err);

/* What is no cell's own figure, of one target. */
struct advise_facts {
    const struct cell_result *weighed; /* its density.all; NULL: not in the run */
    struct fact_values memory, fit;    /* one a block */
    double running;                    /* containers that ran at once, the most */
    /* Starts whose guest told of its kernel; of those: another one than the host's, and the host's.
     */
    size_t starts, own, shared;
    char guest_kernel[96]; /* as the first one said it */
};
/* ret has room for a->n_targets, zeroed. */
int advise_facts_read(struct store *s, const struct analysis *a, struct advise_facts *ret,
                      struct err *err);
void advise_facts_release(struct advise_facts *f, size_t n);
/* The release of the kernel that the run was made on; "" if it does not say. */
void advise_host_kernel(const struct analysis *a, char *dst, size_t size);

#endif
