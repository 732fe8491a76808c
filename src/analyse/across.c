#include "analyse/across.h"

#include "stats/dist.h"

#include <math.h>

#define LEVEL .95

static const struct estimate none = {NAN, NAN, NAN, NAN, 0};

void across_estimate(const double *ratios, size_t n, struct estimate *ret_all, double *ret_spread)
{
    double sum = 0, squares = 0;
    size_t k = 0;

    *ret_all = none;
    *ret_spread = NAN;
    for (size_t i = 0; i < n; i++) {
        if (!(isfinite(ratios[i]) && ratios[i] > 0))
            continue;
        sum += log(ratios[i]);
        k++;
    }
    double mean = k ? sum / (double)k : NAN;
    for (size_t i = 0; i < n; i++)
        if (isfinite(ratios[i]) && ratios[i] > 0)
            squares += (log(ratios[i]) - mean) * (log(ratios[i]) - mean);
    if (k >= 2)
        *ret_spread = sqrt(squares / (double)(k - 1));
    if (k < ACROSS_LEAST)
        return;
    double half = dist_qt((1 + LEVEL) / 2, (double)(k - 1)) * *ret_spread / sqrt((double)k);
    *ret_all = (struct estimate){
        .value = exp(mean), .lo = exp(mean - half), .hi = exp(mean + half), .level = LEVEL, .n = k};
}

static const char *base_of(const struct analysis *a)
{
    return a->head.base < a->n_targets ? a->head.plan.targets.v[a->head.base].label : "";
}

static struct across_row *row_of(struct across *t, const char *cell, const char *target)
{
    VEC_FOREACH (&t->rows, struct across_row, r)
        if (str_eq(r->cell, cell) && str_eq(r->target, target))
            return r;
    struct across_row r = {.ratio = xcalloc(t->n_machines, sizeof(*r.ratio)),
                           .failed = xcalloc(t->n_machines, sizeof(*r.failed)),
                           .all = none};
    str_copy(r.cell, sizeof(r.cell), cell);
    str_copy(r.target, sizeof(r.target), target);
    for (size_t i = 0; i < t->n_machines; i++)
        r.ratio[i] = none;
    VEC_PUSH(&t->rows, r);
    return &t->rows.v[t->rows.n - 1];
}

static void add_machine(struct across *t, size_t machine, const struct analysis *a)
{
    bool comparable = str_eq(base_of(a), t->base);

    for (size_t c = 0; c < a->n_cells; c++) {
        for (size_t k = 0; k < a->n_targets; k++) {
            const struct cell_result *r = analysis_at(a, c, k);
            if (r->is_base)
                continue;
            struct across_row *row =
                row_of(t, a->head.plan.cells.v[c].name, a->head.plan.targets.v[k].label);
            row->failed[machine] = r->failed > 0;
            if (comparable && r->ratio.n > 0)
                row->ratio[machine] = r->ratio;
        }
    }
}

void across_make(const struct analysis *const *runs, size_t n, struct across *ret)
{
    struct across t = {.n_machines = n};
    _cleanup_free_ double *values = xcalloc(n + 1, sizeof(*values));

    str_copy(t.base, sizeof(t.base), base_of(runs[0]));
    for (size_t i = 0; i < n; i++)
        add_machine(&t, i, runs[i]);
    VEC_FOREACH (&t.rows, struct across_row, r) {
        for (size_t i = 0; i < n; i++) {
            values[i] = r->ratio[i].value;
            r->n += isfinite(values[i]) && values[i] > 0;
        }
        across_estimate(values, n, &r->all, &r->spread);
    }
    *ret = t;
}

void across_release(struct across *a)
{
    VEC_FOREACH (&a->rows, struct across_row, r) {
        free(r->ratio);
        free(r->failed);
    }
    VEC_RELEASE(&a->rows);
}
