/* The cells beside.* and tail.* of a run as a matrix of aggressors and victims for each target.
 *
 * Layer: analyse. Plain data, for any report. Ownership: matrix_release; the analysis it was made
 * from has to live as long.
 *
 *     struct matrix m = {0};
 *     analyse_matrix(s, &a, &m, err);
 *     if (m.n_loads)
 *         const struct matrix_entry *e = matrix_at(&m, target, load, victim); */
#ifndef CUPEL_ANALYSE_MATRIX_H
#define CUPEL_ANALYSE_MATRIX_H

#include "analyse/analyse.h"

/* One factor: time (or 99th percentile) beside the aggressor / without it. Not the ratio to the
 * base target, which is in the cell's own result. */
struct matrix_factor {
    const struct cell_result *result; /* NULL: the run has no such cell */
    struct estimate e;    /* median over blocks, order-statistic interval; n = 0: none */
    enum verdict verdict; /* of the factor against 1, with the run's theta */
};

struct matrix_entry {
    struct matrix_factor beside, tail;
    size_t limits, broken; /* blocks that say whether the limits held, and in which they did not */
    size_t recoveries;     /* blocks that tell of recovery */
    double recovery_s;     /* median over them; INFINITY: not within the phase; NAN without */
};

struct matrix {
    size_t n_targets, n_loads, n_victims;
    char (*loads)[CELL_NAME_MAX]; /* "fsync": in the order of the run's cells */
    char (*victims)[CELL_NAME_MAX];
    struct matrix_entry *entries; /* n_targets * n_loads * n_victims */
};

/* No loads and no victims where the run has no such cells. */
int analyse_matrix(struct store *s, const struct analysis *a, struct matrix *ret, struct err *err);
void matrix_release(struct matrix *m);
const struct matrix_entry *matrix_at(const struct matrix *m, size_t target, size_t load,
                                     size_t victim);
/* Is that cell one of a matrix? */
bool matrix_has(const struct analysis *a, size_t cell);
/* The factor that a cell of neighbour.*, beside.* or tail.* is, judged against 1. */
void matrix_factor_of(const struct analysis *a, const struct cell_result *r,
                      struct matrix_factor *ret);

#endif
