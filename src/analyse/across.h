/* The runs of several machines side by side: for each cell and target what each machine says, and,
 * where they are enough, what can be said beyond them.
 *
 * Layer: analyse. Pure: of analyses. A machine is one sample of machines: its ratio is one value,
 * however many blocks it was measured in. Over five of them and more: the geometric mean of the
 * machines' ratios with Student's interval on the log scale, which takes the logs for normal;
 * fewer are shown, and nothing is claimed beyond them. Ratios against bases that are called
 * otherwise than the first machine's do not count. */
#ifndef CUPEL_ANALYSE_ACROSS_H
#define CUPEL_ANALYSE_ACROSS_H

#include "analyse/analyse.h"

/* Fewer are no sample of machines. */
#define ACROSS_LEAST 5

struct across_row {
    char cell[CELL_NAME_MAX], target[TARGET_LABEL_MAX];
    struct estimate *ratio; /* n_machines; NAN: that machine has none */
    bool *failed;           /* n_machines: it was tried there, and failed in some block */
    size_t n;               /* machines with a ratio */
    struct estimate all;    /* NAN below ACROSS_LEAST */
    double spread;          /* standard deviation of the logs between machines; NAN below two */
};

struct across {
    size_t n_machines;
    char base[TARGET_LABEL_MAX];
    VEC(struct across_row) rows; /* no bases; in the order of the first machine that has them */
};

/* n >= 1 analyses, one a machine. */
void across_make(const struct analysis *const *runs, size_t n, struct across *ret);
void across_release(struct across *a);

/* all and spread of n ratios, of which those that are not finite or not positive are left out. */
void across_estimate(const double *ratios, size_t n, struct estimate *ret_all, double *ret_spread);

#endif
