/* The numbers that claims are decided by, one a block.
 *
 * Layer: analyse, internal. A cell is read from the store once. Ownership: claim_data_release. */
#ifndef CUPEL_ANALYSE_CLAIMS_SERIES_H
#define CUPEL_ANALYSE_CLAIMS_SERIES_H

#include "analyse/claims.h"

#include <jansson.h>

struct fact_row {
    uint32_t block, target;
    json_t *facts;
};

struct held_cell {
    uint32_t cell;
    struct cell_series *series; /* one a target; NULL: not read */
    bool has_facts;
    VEC(struct fact_row) facts;
};

/* Of one run. */
struct claim_data {
    const struct claim_run *run;
    VEC(struct held_cell) cells;
};
void claim_data_release(struct claim_data *d);

/* A number for each block, made of several terms; blocks that lack one of them do not count. */
struct block_sum {
    uint32_t block;
    double x;
    size_t terms;
};
struct block_sums {
    VEC(struct block_sum) rows;
    size_t terms; /* added so far */
};
void block_sums_release(struct block_sums *b);
/* The values of complete blocks, in order; returns how many. out has room for b->rows.n. */
size_t block_sums_take(const struct block_sums *b, double *out);

/* + weight * ln(cost on target / cost on over), over UINT32_MAX: weight * ln(cost). */
int sum_cost(struct claim_data *d, uint32_t cell, uint32_t target, uint32_t over, double weight,
             struct block_sums *b, struct err *err);
/* The same of the fact, ln(sum of facts). */
int sum_fact_log(struct claim_data *d, uint32_t cell, uint32_t target, const struct claim_facts *f,
                 double weight, struct block_sums *b, struct err *err);
/* + weight * the figure itself: s or the cell's unit, as `as` says. */
int sum_figure(struct claim_data *d, uint32_t cell, uint32_t target, enum claim_as as,
               double weight, struct block_sums *b, struct err *err);
/* + (sum of facts - sum of less) / sum of share, of claim c; over the same on `over` unless that is
 * UINT32_MAX. */
int sum_fact(struct claim_data *d, uint32_t cell, uint32_t target, uint32_t over,
             const struct claim_item *c, struct block_sums *b, struct err *err);

#endif
