#include "analyse/known-cells.h"

#include "stats/dist.h"

#include <jansson.h>
#include <math.h>

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

static bool same_cell(const struct known_cell *x, const struct known_cell *y)
{
    const struct cell *a = &x->cell, *b = &y->cell;

    return str_eq(a->name, b->name) && a->workload == b->workload && a->cpus == b->cpus &&
           a->workers == b->workers && a->place == b->place && a->grain == b->grain &&
           str_eq(a->unit, b->unit) && a->better == b->better && x->cpus == y->cpus &&
           same_params(&a->params, &b->params) && same_app(a->app, b->app);
}

static unsigned cpus_of(const struct run_head *h)
{
    json_t *m = h->machine ? json_loads(h->machine, 0, NULL) : NULL;
    json_int_t n = json_integer_value(json_object_get(m, "cpus_usable"));

    json_decref(m);
    return n > 0 && n < 1 << 20 ? (unsigned)n : 0;
}

static struct known_cell as_known(const struct cell *cell, unsigned cpus)
{
    struct known_cell c = {.cell = *cell, .of_itself = str_eq(cell->unit, "times")};

    c.cpus = cell->cpus == CPUS_ALL ? cpus : 0;
    str_copy(c.name, sizeof(c.name), cell->name);
    return c;
}

size_t known_cells_add(struct known_cells *k, const struct run_head *h)
{
    unsigned cpus = cpus_of(h);
    size_t before = k->n;

    VEC_FOREACH (&h->plan.cells, const struct cell, cell) {
        struct known_cell x = as_known(cell, cpus);
        bool known = false;
        VEC_FOREACH (k, const struct known_cell, o)
            known = known || same_cell(&x, o);
        if (!known)
            VEC_PUSH(k, x);
    }
    return k->n - before;
}

void known_targets_add(struct known_targets *k, const struct run_head *h)
{
    VEC_FOREACH (&h->plan.targets, const struct target, t) {
        bool known = false;
        VEC_FOREACH (k, char *, o)
            known = known || str_eq(*o, t->label);
        if (!known)
            VEC_PUSH(k, xstrdup(t->label));
    }
}

void known_targets_release(struct known_targets *k)
{
    VEC_FOREACH (k, char *, t)
        free(*t);
    VEC_RELEASE(k);
}

static void add_param(const struct known_cell *x, const struct param *p, struct str *out)
{
    char text[PARAM_TEXT_MAX];

    param_value_text(workload_param(x->cell.workload, p->name), p, text, sizeof(text));
    str_addf(out, "%s%s=%s", out->len ? "," : "", p->name, text);
}

/* What tells x from all other cells of its name: "{array_bytes=64M}". */
static void tell_apart(const struct known_cells *k, struct known_cell *x)
{
    _cleanup_(str_release) struct str t = STR_INIT;
    bool other = false, workers = false, cpus = false;
    bool params[PARAMS_MAX] = {false};
    const struct params *mine = &x->cell.params;

    VEC_FOREACH (k, const struct known_cell, o) {
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

void known_cells_tell_apart(struct known_cells *k)
{
    VEC_FOREACH (k, struct known_cell, x)
        tell_apart(k, x);
}

void known_cells_index(const struct known_cells *k, const struct run_head *h, int32_t *ret)
{
    unsigned cpus = cpus_of(h);

    for (size_t i = 0; i < k->n; i++)
        ret[i] = -1;
    for (size_t c = 0; c < h->plan.cells.n; c++) {
        struct known_cell x = as_known(&h->plan.cells.v[c], cpus);
        for (size_t i = 0; i < k->n; i++)
            if (same_cell(&x, &k->v[i]))
                ret[i] = (int32_t)c;
    }
}

/* Of few blocks a rank interval is as wide as Student's, and the normal quantile would make 20 %
 * too much of a standard error at eight. */
double known_cell_log(const struct known_cell *c, const struct cell_result *r, double *ret_se)
{
    const struct estimate *e = c->of_itself ? &r->absolute : &r->ratio;

    *ret_se = NAN;
    if (r->status == CELL_NOT_MEASURED || !(e->n > 0) || !(e->value > 0) || !isfinite(e->value))
        return NAN;
    if (isfinite(e->lo) && isfinite(e->hi) && e->lo > 0 && e->level > 0 && e->level < 1)
        *ret_se = log(e->hi / e->lo) / 2 / dist_qt((1 + e->level) / 2, (double)e->n - 1);
    return log(e->value);
}
