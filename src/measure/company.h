/* Two sessions side by side: the lane's own, and a second one in its company, of the same target or
 * of another.
 *
 * Layer: measure, internal. Both are there and warm before anything is asked of either, each on its
 * half of the cell's CPUs, or both on the first half. */
#ifndef CUPEL_MEASURE_COMPANY_H
#define CUPEL_MEASURE_COMPANY_H

#include "measure/lane.h"

struct company {
    struct course *c;
    struct lane *l;
    const struct slot *slot;     /* the other's */
    struct session *own, *other; /* other: NULL when it is not there */
    cpu_set_t own_cpus, other_cpus;
};

/* Starts the second session, on the slot's target, with the cell's program but no image.
 * ERR_UNSUPPORTED with one CPU alone. On failure company_part is still to be called. */
int company_begin(struct company *x, struct course *c, struct lane *l, const struct slot *slot,
                  bool same_cpus, struct err *err);
/* Removes the second one by force; nothing where there is none. */
int company_part(struct company *x, struct err *err);

#endif
