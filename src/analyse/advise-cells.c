/* Which cells of a run a limit is about. */
#include "analyse/advise-parts.h"
#include "analyse/chapter.h"

#include <errno.h>

/* Without a pattern. Of neighbours those on CPUs of their own: two on the same CPUs share them, and
 * lose half by any scheduler that is fair. */
static bool takes_unnamed(enum advise_kind k, const struct cell *c)
{
    if (k == ADVISE_START)
        return str_eq(c->workload->name, "life.start");
    if (k == ADVISE_BESIDE)
        return str_eq(c->name, "neighbour.slowdown") ||
               (str_eq(c->workload->family, "beside") && !str_eq(c->workload->name, "beside.idle"));
    return k == ADVISE_LOSS && analysis_is_work(c);
}

/* Could a limit of that kind be about the cell at all? Starts may be named; of a pattern that is
 * about work, too, they are no part. */
static bool takes_named(enum advise_kind k, const struct cell *c, bool work)
{
    enum chapter is = chapter_of(c);

    if (work)
        return analysis_is_work(c);
    if (k == ADVISE_BESIDE)
        return is == CHAPTER_ISOLATION;
    return is != CHAPTER_ISOLATION && is != CHAPTER_REACH && is != CHAPTER_DENSITY;
}

static const struct cell *find_cell(const struct plan *p, const char *name)
{
    VEC_FOREACH (&p->cells, const struct cell, c)
        if (str_eq(c->name, name))
            return c;
    return NULL;
}

static int none_fits(const struct advise_limit *l, struct err *err)
{
    if (l->kind == ADVISE_BESIDE)
        return err_set(err, ERR_USAGE, EINVAL,
                       "--beside: %s has no neighbour; its cost is what --loss limits", l->pattern);
    return err_set(err, ERR_USAGE, EINVAL,
                   "--loss: %s is no work; --beside, --memory, --per-machine, --calls and --paths "
                   "limit what is not",
                   l->pattern);
}

/* Are there cells of work among what is named? */
static bool names_work(const struct analysis *a, const struct advise_limit *l,
                       const struct plan *all)
{
    if (l->kind != ADVISE_LOSS)
        return false;
    VEC_FOREACH (&all->cells, const struct cell, c)
        if (analysis_is_work(c))
            return true;
    VEC_FOREACH (&a->head.plan.cells, const struct cell, c)
        if (str_glob(l->pattern, c->name) && analysis_is_work(c))
            return true;
    return false;
}

static int by_pattern(const struct analysis *a, const struct advise_limit *l, struct plan *all,
                      bool *take, struct advise_row *row, struct err *err)
{
    struct err why = ERR_INIT;
    int r = plan_add_cells(all, l->pattern, &why);
    bool other = false, work = names_work(a, l, all);

    for (size_t i = 0; i < a->n_cells; i++) {
        const struct cell *c = &a->head.plan.cells.v[i];
        bool named = str_glob(l->pattern, c->name) || find_cell(all, c->name);
        take[i] = named && takes_named(l->kind, c, work);
        row->cells += take[i];
        other |= named;
    }
    if (r < 0 && !other) {
        if (err)
            *err = why;
        return err_wrap(err, "--%s", advise_kind_name(l->kind));
    }
    VEC_FOREACH (&all->cells, const struct cell, c)
        if (takes_named(l->kind, c, work) && !find_cell(&a->head.plan, c->name))
            str_addf(&row->missing, "%s%s", row->n_missing++ ? ", " : "", c->name);
    return row->cells || row->missing.len ? 0 : none_fits(l, err);
}

int advise_cells(const struct analysis *a, const struct advise_limit *l, const struct plan *known,
                 bool *take, struct advise_row *ret, struct err *err)
{
    struct plan all;
    int r;

    if (!l->pattern[0]) {
        for (size_t i = 0; i < a->n_cells; i++) {
            take[i] = takes_unnamed(l->kind, &a->head.plan.cells.v[i]);
            ret->cells += take[i];
        }
        return 0;
    }
    plan_init(&all);
    VEC_FOREACH (&a->head.plan.apps, struct app *, app)
        plan_know_app(&all, *app);
    for (size_t i = 0; known && i < known->apps.n; i++)
        plan_know_app(&all, known->apps.v[i]);
    r = by_pattern(a, l, &all, take, ret, err);
    plan_release(&all);
    return r;
}
