#include "analyse/compare-cells.h"

#include <errno.h>

void compare_cells_find(struct compare *c)
{
    for (size_t i = 0; i < c->n_runs; i++) {
        known_cells_add(&c->cells, &c->runs[i].head);
        known_targets_add(&c->targets, &c->runs[i].head);
    }
    known_cells_tell_apart(&c->cells);
    c->cell_in = xcalloc(c->n_runs * c->cells.n + 1, sizeof(*c->cell_in));
    for (size_t i = 0; i < c->n_runs; i++)
        known_cells_index(&c->cells, &c->runs[i].head, c->cell_in + i * c->cells.n);
}

enum match { BY_CELL, BY_WORKLOAD, BY_FAMILY, BY_GLOB, BY_NOTHING };

static bool matches(const struct cell *c, const char *pattern, enum match how)
{
    switch (how) {
    case BY_CELL:
        return str_eq(c->name, pattern);
    case BY_WORKLOAD:
        return str_eq(c->workload->name, pattern);
    case BY_FAMILY:
        return str_eq(c->workload->family, pattern);
    default:
        return str_glob(pattern, c->name);
    }
}

static int declare(struct compare *c, const char *pattern, struct err *err)
{
    _cleanup_free_ const char **names = xcalloc(c->cells.n + 1, sizeof(*names));
    bool any = false;

    for (enum match how = BY_CELL; how < BY_NOTHING && !any; how++)
        VEC_FOREACH (&c->cells, struct known_cell, x) {
            bool is = matches(&x->cell, pattern, how);
            x->primary = x->primary || is;
            any = any || is;
        }
    if (any)
        return 0;
    for (size_t i = 0; i < c->cells.n; i++)
        names[i] = c->cells.v[i].cell.name;
    const char *near = str_nearest(pattern, names, c->cells.n);
    return err_set(err, ERR_USAGE, EINVAL, "none of the runs has a cell \"%s\"%s%s%s", pattern,
                   near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

int compare_cells_declare(struct compare *c, const char *const *patterns, size_t n, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++)
        r = declare(c, patterns[i], err);
    return r;
}

const struct cell_result *compare_result(const struct compare *c, size_t run, size_t cell,
                                         size_t target)
{
    const struct analysis *a = &c->runs[run];
    int32_t k = c->cell_in[run * c->cells.n + cell];

    for (size_t t = 0; k >= 0 && t < a->n_targets; t++)
        if (str_eq(a->head.plan.targets.v[t].label, c->targets.v[target]))
            return analysis_at(a, (size_t)k, t);
    return NULL;
}
