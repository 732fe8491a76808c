/* The figures that an execution leaves beside its samples (its facts), over the blocks: what a
 * crowd weighed by component, what a neighbour took.
 *
 * Layer: analyse. Pure. Ownership: fact_table_release.
 *
 *     struct fact_table t = {0};
 *     fact_table_add(&t, part->facts);              // one block after the other
 *     struct estimate e = fact_estimate(&t.v[0]);   // median, interval of the median */
#ifndef CUPEL_ANALYSE_FACTS_H
#define CUPEL_ANALYSE_FACTS_H

#include "analyse/analyse.h"

#define FACT_NAME_MAX  64
#define FACT_NAMES_MAX 128 /* facts come from a guest: more than these are left out */

struct fact_values {
    char name[FACT_NAME_MAX];
    VEC(double) x;
};

struct fact_table {
    VEC(struct fact_values) names; /* in the order in which they were met */
};

/* Takes every number of a JSON object's text; what is not of that form says nothing. */
void fact_table_add(struct fact_table *t, const char *json);
void fact_table_release(struct fact_table *t);
/* Median and its order-statistic interval at 95 %; NAN bounds with too few blocks. */
struct estimate fact_estimate(const struct fact_values *f);

#endif
