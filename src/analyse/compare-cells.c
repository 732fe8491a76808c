#include "analyse/compare-cells.h"

#include <errno.h>
#include <jansson.h>

static bool same_params(const struct params *a, const struct params *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        const struct param *o = params_find(b, a->v[i].name);
        if (!o || !param_equal(&a->v[i], o))
            return false;
    }
    return true;
}

static bool same_app(const struct app *a, const struct app *b)
{
    return a == b || (a && b && str_eq(a->source, b->source));
}

static bool same_cell(const struct compare_cell *x, const struct compare_cell *y)
{
    const struct cell *a = &x->cell, *b = &y->cell;

    return str_eq(a->name, b->name) && a->workload == b->workload && a->cpus == b->cpus &&
           a->workers == b->workers && a->place == b->place && a->grain == b->grain &&
           str_eq(a->unit, b->unit) && a->better == b->better && x->cpus == y->cpus &&
           same_params(&a->params, &b->params) && same_app(a->app, b->app);
}

static unsigned cpus_of(const struct analysis *a)
{
    json_t *m = a->head.machine ? json_loads(a->head.machine, 0, NULL) : NULL;
    json_int_t n = json_integer_value(json_object_get(m, "cpus_usable"));

    json_decref(m);
    return n > 0 && n < 1 << 20 ? (unsigned)n : 0;
}

static struct compare_cell as_compared(const struct cell *cell, unsigned cpus)
{
    struct compare_cell c = {.cell = *cell, .of_itself = str_eq(cell->unit, "times")};

    c.cpus = cell->cpus == CPUS_ALL ? cpus : 0;
    str_copy(c.name, sizeof(c.name), cell->name);
    return c;
}

static void add_run(struct compare *c, const struct analysis *a)
{
    unsigned cpus = cpus_of(a);

    VEC_FOREACH (&a->head.plan.cells, const struct cell, cell) {
        struct compare_cell x = as_compared(cell, cpus);
        bool known = false;
        VEC_FOREACH (&c->cells, const struct compare_cell, o)
            known = known || same_cell(&x, o);
        if (!known)
            VEC_PUSH(&c->cells, x);
    }
    VEC_FOREACH (&a->head.plan.targets, const struct target, t) {
        bool known = false;
        VEC_FOREACH (&c->targets, char *, o)
            known = known || str_eq(*o, t->label);
        if (!known)
            VEC_PUSH(&c->targets, xstrdup(t->label));
    }
}

static void add_param(const struct compare_cell *x, const struct param *p, struct str *out)
{
    char text[PARAM_TEXT_MAX];

    param_value_text(workload_param(x->cell.workload, p->name), p, text, sizeof(text));
    str_addf(out, "%s%s=%s", out->len ? "," : "", p->name, text);
}

/* What tells x from all other cells of its name: "{array_bytes=64M}". */
static void tell_apart(const struct compare *c, struct compare_cell *x)
{
    _cleanup_(str_release) struct str t = STR_INIT;
    bool other = false, workers = false, cpus = false;
    bool params[PARAMS_MAX] = {false};
    const struct params *mine = &x->cell.params;

    VEC_FOREACH (&c->cells, const struct compare_cell, o) {
        if (o == x || !str_eq(o->cell.name, x->cell.name))
            continue;
        other = true;
        workers = workers || o->cell.workers != x->cell.workers;
        cpus = cpus || o->cpus != x->cpus;
        for (size_t i = 0; i < mine->n; i++) {
            const struct param *p = params_find(&o->cell.params, mine->v[i].name);
            params[i] = params[i] || !p || !param_equal(p, &mine->v[i]);
        }
    }
    if (!other)
        return;
    for (size_t i = 0; i < mine->n; i++)
        if (params[i])
            add_param(x, &mine->v[i], &t);
    if (workers)
        str_addf(&t, "%sworkers=%u", t.len ? "," : "", x->cell.workers);
    if (cpus)
        str_addf(&t, "%scpus=%u", t.len ? "," : "", x->cpus);
    str_format(x->name, sizeof(x->name), "%s {%s}", x->cell.name,
               t.len ? t.buf : "otherwise defined");
    str_printable(x->name); /* texts of parameters may come from another machine */
}

static void index_run(struct compare *c, size_t run)
{
    const struct plan *p = &c->runs[run].head.plan;
    unsigned cpus = cpus_of(&c->runs[run]);

    for (size_t i = 0; i < c->cells.n; i++)
        c->cell_in[run * c->cells.n + i] = -1;
    for (size_t k = 0; k < p->cells.n; k++) {
        struct compare_cell x = as_compared(&p->cells.v[k], cpus);
        for (size_t i = 0; i < c->cells.n; i++)
            if (same_cell(&x, &c->cells.v[i]))
                c->cell_in[run * c->cells.n + i] = (int32_t)k;
    }
}

void compare_cells_find(struct compare *c)
{
    for (size_t i = 0; i < c->n_runs; i++)
        add_run(c, &c->runs[i]);
    VEC_FOREACH (&c->cells, struct compare_cell, x)
        tell_apart(c, x);
    c->cell_in = xcalloc(c->n_runs * c->cells.n + 1, sizeof(*c->cell_in));
    for (size_t i = 0; i < c->n_runs; i++)
        index_run(c, i);
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
        VEC_FOREACH (&c->cells, struct compare_cell, x) {
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
