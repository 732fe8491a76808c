/* What the blocks of one cell on one target come to, one value a block: the raw material of every
 * estimate.
 *
 * Layer: analyse, internal. Ownership: pair_data_release. */
#ifndef CUPEL_ANALYSE_SERIES_H
#define CUPEL_ANALYSE_SERIES_H

#include "analyse/analyse.h"

struct block_value {
    uint32_t block;
    double log_ratio;             /* median over rounds of ln(y / y_base); NAN without a base */
    double ns_per_op;             /* median over rounds */
    double cpu_per_op;            /* host CPU ns per operation, median over rounds; NAN unknown */
    double busy;                  /* host CPU time over wall time; NAN unknown */
    double drift;                 /* NAN unknown */
    uint64_t p50, p90, p99, p999; /* latency; 0 none, or too few operations for it */
    uint64_t latency_n;
    bool noisy; /* a covariate of the trial passed its threshold */
};

struct pair_data {
    VEC(struct block_value) values;
    size_t tried, failed;
    size_t semantics[CELL_SEMANTICS]; /* blocks that showed each CELL_FLAG_ of that kind */
    enum err_kind fail_kind;
    char fail_text[480];
    uint64_t peak_memory_bytes;
};

/* Adds what trial t says about target; base as in the run's head. `scratch` belongs to the caller
 * and is reused from call to call. */
struct scratch {
    double *a, *b;
    size_t cap;
    struct hist *hist;
};
void pair_data_add(struct pair_data *d, const struct cell *cell, const struct trial *t,
                   uint32_t target, uint32_t base, struct scratch *s);
void pair_data_release(struct pair_data *d);
void scratch_release(struct scratch *s);

/* One column of the series, finite values only, appended to out; returns how many. */
size_t pair_data_column(const struct pair_data *d, double (*get)(const struct block_value *v),
                        double *out);
double value_log_ratio(const struct block_value *v);
double value_ns(const struct block_value *v);
double value_cpu(const struct block_value *v);
double value_busy(const struct block_value *v);

#endif
