/* From the figures of machines to what holds of them.
 *
 * Layer: analyse, internal to machines.c. */
#ifndef CUPEL_ANALYSE_MACHINES_JUDGE_H
#define CUPEL_ANALYSE_MACHINES_JUDGE_H

#include "analyse/machines.h"

/* Fills the results of all groups, and who stands apart. A group of all machines and one of their
 * only kind are the same: the second is left out. */
int machines_judge(struct machines *m, struct err *err);

#endif
