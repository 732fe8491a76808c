#include "analyse/matrix.h"

#include <jansson.h>
#include <math.h>

/* "beside.fsync@create" in its pieces. */
struct pair_name {
    bool is_tail;
    char load[CELL_NAME_MAX], victim[CELL_NAME_MAX];
};

static bool split(const struct cell *c, struct pair_name *ret)
{
    const char *dot = strchr(c->name, '.'), *at = strchr(c->name, '@');

    ret->is_tail = str_eq(c->workload->family, "tail");
    if ((!ret->is_tail && !str_eq(c->workload->family, "beside")) || !dot || !at || at < dot)
        return false;
    str_format(ret->load, sizeof(ret->load), "%.*s", (int)(at - dot - 1), dot + 1);
    str_copy(ret->victim, sizeof(ret->victim), at + 1);
    return true;
}

bool matrix_has(const struct analysis *a, size_t cell)
{
    struct pair_name name;

    return split(&a->head.plan.cells.v[cell], &name);
}

static size_t place(char (*names)[CELL_NAME_MAX], size_t *n, const char *name)
{
    size_t i = 0;

    while (i < *n && !str_eq(names[i], name))
        i++;
    if (i == *n)
        str_copy(names[(*n)++], sizeof(names[0]), name);
    return i;
}

const struct matrix_entry *matrix_at(const struct matrix *m, size_t target, size_t load,
                                     size_t victim)
{
    return &m->entries[(target * m->n_loads + load) * m->n_victims + victim];
}

/* As cells store a value of a unit that is no rate: see struct cell. */
static double value_of_cost(double ns)
{
    return ns / 1e9;
}

void matrix_factor_of(const struct analysis *a, const struct cell_result *r,
                      struct matrix_factor *ret)
{
    *ret = (struct matrix_factor){.result = r, .e = r->absolute};
    ret->e.value = value_of_cost(r->absolute.value);
    ret->e.lo = value_of_cost(r->absolute.lo);
    ret->e.hi = value_of_cost(r->absolute.hi);
    ret->verdict = VERDICT_INCONCLUSIVE;
    if (ret->e.n && isfinite(ret->e.lo) && isfinite(ret->e.hi) && ret->e.lo > 0)
        ret->verdict = verdict_of(log(ret->e.lo), log(ret->e.hi), a->head.plan.theta, false);
    if (analysis_withholds(a, r->target))
        ret->verdict = VERDICT_EMULATED;
}

/* What the blocks of one cell say of limits and recovery. */
struct target_facts {
    size_t limits, broken;
    VEC(double) recovery;
};

struct side_facts {
    size_t n_targets;
    struct target_facts *v; /* n_targets */
};

static int take_trial(void *user, const struct trial *t)
{
    const struct side_facts *all = user;

    VEC_FOREACH (&t->parts, const struct part, p) {
        if (p->target >= all->n_targets || p->outcome != OUTCOME_OK || !p->facts)
            continue;
        struct target_facts *f = &all->v[p->target];
        json_t *facts = json_loads(p->facts, 0, NULL);
        const json_t *held = json_object_get(facts, "held");
        const json_t *recovery = json_object_get(facts, "recovery_s");
        f->limits += json_is_boolean(held);
        f->broken += json_is_false(held);
        /* Not there in a block that did measure: not within the phase. */
        if (json_object_get(facts, "with_ns"))
            VEC_PUSH(&f->recovery,
                     json_is_number(recovery) ? json_number_value(recovery) : INFINITY);
        json_decref(facts);
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The middle one, or the worse of both in the middle: "not back" cannot be averaged. */
static double upper_median(double *x, size_t n)
{
    if (n == 0)
        return NAN;
    qsort(x, n, sizeof(*x), compare);
    return x[n / 2];
}

static int side_facts_read(struct store *s, const struct analysis *a, uint32_t cell,
                           struct matrix *m, size_t load, size_t victim, struct err *err)
{
    struct side_facts f = {a->n_targets, xcalloc(a->n_targets + 1, sizeof(*f.v))};
    int r = store_trials(s, a->head.id, (int32_t)cell, take_trial, &f, err);

    for (size_t t = 0; t < f.n_targets; t++) {
        struct matrix_entry *e = &m->entries[(t * m->n_loads + load) * m->n_victims + victim];
        e->limits = f.v[t].limits;
        e->broken = f.v[t].broken;
        e->recoveries = f.v[t].recovery.n;
        e->recovery_s = upper_median(f.v[t].recovery.v, f.v[t].recovery.n);
        VEC_RELEASE(&f.v[t].recovery);
    }
    free(f.v);
    return r;
}

static void name_all(const struct analysis *a, struct matrix *m)
{
    struct pair_name name;

    m->loads = xcalloc(a->n_cells + 1, sizeof(*m->loads));
    m->victims = xcalloc(a->n_cells + 1, sizeof(*m->victims));
    for (size_t i = 0; i < a->n_cells; i++)
        if (split(&a->head.plan.cells.v[i], &name)) {
            place(m->loads, &m->n_loads, name.load);
            place(m->victims, &m->n_victims, name.victim);
        }
    m->entries = xcalloc(m->n_targets * m->n_loads * m->n_victims + 1, sizeof(*m->entries));
    for (size_t i = 0; i < m->n_targets * m->n_loads * m->n_victims; i++)
        m->entries[i].recovery_s = NAN;
}

int analyse_matrix(struct store *s, const struct analysis *a, struct matrix *ret, struct err *err)
{
    struct matrix m = {.n_targets = a->n_targets};
    struct pair_name name;
    int r = 0;

    name_all(a, &m);
    for (uint32_t i = 0; r >= 0 && i < a->n_cells; i++) {
        if (!split(&a->head.plan.cells.v[i], &name))
            continue;
        size_t load = place(m.loads, &m.n_loads, name.load);
        size_t victim = place(m.victims, &m.n_victims, name.victim);
        for (size_t t = 0; t < a->n_targets; t++) {
            struct matrix_entry *e = &m.entries[(t * m.n_loads + load) * m.n_victims + victim];
            matrix_factor_of(a, analysis_at(a, i, t), name.is_tail ? &e->tail : &e->beside);
        }
        /* Both cells of a pair are read off one execution. */
        if (!name.is_tail || !matrix_at(&m, 0, load, victim)->beside.result)
            r = side_facts_read(s, a, i, &m, load, victim, err);
    }
    if (r < 0)
        matrix_release(&m);
    else
        *ret = m;
    return r < 0 ? r : 0;
}

void matrix_release(struct matrix *m)
{
    free(m->loads);
    free(m->victims);
    free(m->entries);
    *m = (struct matrix){0};
}
