/* Which targets and cells of a run stand for those of a claim.
 *
 * Layer: analyse, internal. Pure. */
#ifndef CUPEL_ANALYSE_CLAIMS_PICK_H
#define CUPEL_ANALYSE_CLAIMS_PICK_H

#include "analyse/claims-series.h"

struct picked_cells {
    size_t n;
    uint32_t cell[CLAIM_CELLS_MAX];
};

struct picked_group {
    size_t n;
    uint32_t target[CLAIM_NAMES_MAX];
};

struct picked {
    uint32_t of, over; /* UINT32_MAX: none */
    struct picked_cells cells, than;
    struct picked_group groups[CLAIM_GROUPS_MAX];
    char missing[300];         /* why the claim cannot be tested by this run; "": it can */
    char lacks[CELL_NAME_MAX]; /* the cell that it has not; "" */
    bool some;                 /* of an order: at least two groups can be compared */
};

/* All targets of a claim are of one engine where they can be, so that layers are not compared with
 * runtimes: the engine that has most of them, of several the one that the claims name first. */
void claim_pick(const struct claims *all, const struct claim_item *c, const struct analysis *a,
                struct picked *ret);

#endif
