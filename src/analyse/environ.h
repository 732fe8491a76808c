/* What runs were made with, field by field, so that what differs can be named: the machine, cupel
 * and its probe, how it measured, every target's definition and program.
 *
 * Layer: analyse. Plain data out of what was stored; texts that came from outside are as they came.
 * Ownership: environ_release.
 *
 *     struct environ e = {.n_runs = 6};
 *     for (i = 0; i < 6; i++)
 *         environ_add(&e, i, s, &analyses[i], err);
 *     VEC_FOREACH (&e.fields, struct environ_field, f)
 *         if (environ_differs(f, 0, 3)) ...   // within the first three
 *
 * Adding a field: its line in a table of environ.c. */
#ifndef CUPEL_ANALYSE_ENVIRON_H
#define CUPEL_ANALYSE_ENVIRON_H

#include "analyse/analyse.h"

/* Targets' labels are in the name. */
#define ENVIRON_NAME_MAX (TARGET_LABEL_MAX + 32)

enum environ_weight {
    ENVIRON_TELL,          /* may be what a difference comes from */
    ENVIRON_REFUSE_RATIOS, /* ratios of runs that differ here do not mean the same, values do */
    ENVIRON_REFUSE         /* neither does */
};

struct environ_field {
    char name[ENVIRON_NAME_MAX]; /* "kernel", "runc: version" */
    enum environ_weight weight;
    char **values; /* one a run; NULL: not recorded, which differs from nothing */
};

struct environ {
    size_t n_runs; /* set by the caller */
    VEC(struct environ_field) fields;
};

int environ_add(struct environ *e, size_t run, struct store *s, const struct analysis *a,
                struct err *err);
void environ_release(struct environ *e);

/* Do the runs from..to-1 have more than one value? */
bool environ_differs(const struct environ_field *f, size_t from, size_t to);
/* Is there a value that the runs before `split` have and those from there on to n have not, or the
 * other way round? */
bool environ_differs_between(const struct environ_field *f, size_t split, size_t n);
/* The first two runs that differ; false: none do. */
bool environ_pair(const struct environ_field *f, size_t n, size_t *ret_a, size_t *ret_b);

#endif
