#include "analyse/claims-series.h"

#include <math.h>

static void held_release(struct claim_data *d, struct held_cell *h)
{
    for (size_t t = 0; h->series && t < d->run->a->n_targets; t++)
        cell_series_release(&h->series[t]);
    free(h->series);
    VEC_FOREACH (&h->facts, struct fact_row, f)
        json_decref(f->facts);
    VEC_RELEASE(&h->facts);
}

void claim_data_release(struct claim_data *d)
{
    VEC_FOREACH (&d->cells, struct held_cell, h)
        held_release(d, h);
    VEC_RELEASE(&d->cells);
}

static struct held_cell *held(struct claim_data *d, uint32_t cell)
{
    VEC_FOREACH (&d->cells, struct held_cell, h)
        if (h->cell == cell)
            return h;
    VEC_PUSH(&d->cells, (struct held_cell){.cell = cell});
    return &d->cells.v[d->cells.n - 1];
}

static int need_series(struct claim_data *d, uint32_t cell, const struct cell_series **ret,
                       struct err *err)
{
    struct held_cell *h = held(d, cell);

    if (!h->series) {
        struct cell_series *s = xcalloc(d->run->a->n_targets + 1, sizeof(*s));
        int r = analyse_series_all(d->run->s, d->run->a, cell, s, err);
        if (r < 0) {
            free(s);
            return r;
        }
        h->series = s;
    }
    *ret = h->series;
    return 0;
}

static int take_facts(void *user, const struct trial *t)
{
    struct held_cell *h = user;

    VEC_FOREACH (&t->parts, const struct part, p) {
        json_t *o = p->outcome == OUTCOME_OK && p->facts ? json_loads(p->facts, 0, NULL) : NULL;
        if (o)
            VEC_PUSH(&h->facts, (struct fact_row){t->block, p->target, o});
    }
    return 0;
}

static int need_facts(struct claim_data *d, uint32_t cell, struct held_cell **ret, struct err *err)
{
    struct held_cell *h = held(d, cell);
    int r = h->has_facts
                ? 0
                : store_trials(d->run->s, d->run->a->head.id, (int32_t)cell, take_facts, h, err);

    h->has_facts = true;
    *ret = h;
    return r;
}

/* ---- sums ---- */

void block_sums_release(struct block_sums *b)
{
    VEC_RELEASE(&b->rows);
}

static void add(struct block_sums *b, uint32_t block, double x)
{
    if (!isfinite(x))
        return;
    VEC_FOREACH (&b->rows, struct block_sum, row) {
        if (row->block != block)
            continue;
        row->x += x;
        row->terms++;
        return;
    }
    VEC_PUSH(&b->rows, (struct block_sum){block, x, 1});
}

size_t block_sums_take(const struct block_sums *b, double *out)
{
    size_t n = 0;

    VEC_FOREACH (&b->rows, const struct block_sum, row)
        if (row->terms == b->terms)
            out[n++] = row->x;
    return n;
}

/* ln of a's cost over b's in the i-th block of a. Through the base where both were compared with
 * it round by round, which is the more exact way. */
static double log_cost(const struct analysis *a, const struct cell_series *s, uint32_t target,
                       uint32_t over, size_t i)
{
    const struct cell_series *x = &s[target];

    if (over == UINT32_MAX)
        return log(x->ns_per_op[i]);
    const struct cell_series *y = &s[over];
    for (size_t k = 0; k < y->n; k++) {
        if (y->block[k] != x->block[i])
            continue;
        double u = target == a->head.base ? 0 : x->log_ratio[i];
        double v = over == a->head.base ? 0 : y->log_ratio[k];
        return isfinite(u) && isfinite(v) ? u - v : log(x->ns_per_op[i]) - log(y->ns_per_op[k]);
    }
    return NAN;
}

int sum_cost(struct claim_data *d, uint32_t cell, uint32_t target, uint32_t over, double weight,
             struct block_sums *b, struct err *err)
{
    const struct cell_series *s;
    int r = need_series(d, cell, &s, err);

    b->terms++;
    for (size_t i = 0; r == 0 && i < s[target].n; i++)
        add(b, s[target].block[i], weight * log_cost(d->run->a, s, target, over, i));
    return r;
}

/* A sample holds an application's value as a cost: see struct cell. */
static double figure(const struct cell *cell, enum claim_as as, double ns)
{
    bool rate =
        as == AS_RATE || (as == AS_NATURAL && cell->unit[0] && cell->better == BETTER_HIGHER);
    return rate ? 1e9 / ns : ns / 1e9;
}

int sum_figure(struct claim_data *d, uint32_t cell, uint32_t target, enum claim_as as,
               double weight, struct block_sums *b, struct err *err)
{
    const struct cell *what = &d->run->a->head.plan.cells.v[cell];
    const struct cell_series *s;
    int r = need_series(d, cell, &s, err);

    b->terms++;
    for (size_t i = 0; r == 0 && i < s[target].n; i++)
        add(b, s[target].block[i], weight * figure(what, as, s[target].ns_per_op[i]));
    return r;
}

/* ---- facts ---- */

static double fact_total(const json_t *facts, const struct claim_facts *f)
{
    double sum = 0;

    for (size_t i = 0; i < f->n; i++) {
        const json_t *v = json_object_get(facts, f->name[i]);
        sum += json_is_number(v) ? json_number_value(v) : NAN;
    }
    return sum;
}

static double fact_value(const json_t *facts, const struct claim_item *c)
{
    double x = fact_total(facts, &c->facts) - fact_total(facts, &c->less);
    return c->share.n ? x / fact_total(facts, &c->share) : x;
}

static const json_t *facts_of(const struct held_cell *h, uint32_t block, uint32_t target)
{
    VEC_FOREACH (&h->facts, const struct fact_row, f)
        if (f->block == block && f->target == target)
            return f->facts;
    return NULL;
}

int sum_fact(struct claim_data *d, uint32_t cell, uint32_t target, uint32_t over,
             const struct claim_item *c, struct block_sums *b, struct err *err)
{
    struct held_cell *h;
    int r = need_facts(d, cell, &h, err);

    b->terms++;
    VEC_FOREACH (&h->facts, const struct fact_row, f) {
        if (r < 0 || f->target != target)
            continue;
        double x = fact_value(f->facts, c);
        if (over != UINT32_MAX) {
            const json_t *other = facts_of(h, f->block, over);
            x = other ? x / fact_value(other, c) : NAN;
        }
        add(b, f->block, x);
    }
    return r;
}

int sum_fact_log(struct claim_data *d, uint32_t cell, uint32_t target, const struct claim_facts *f,
                 double weight, struct block_sums *b, struct err *err)
{
    struct held_cell *h;
    int r = need_facts(d, cell, &h, err);

    b->terms++;
    VEC_FOREACH (&h->facts, const struct fact_row, row)
        if (r == 0 && row->target == target)
            add(b, row->block, weight * log(fact_total(row->facts, f)));
    return r;
}
