#include "analyse/claims-pick.h"

#include <stdarg.h>

/* ---- targets ---- */

static bool can_be_of(const struct claim_name *name, const char *driver)
{
    for (size_t i = 0; driver && i < name->n; i++)
        if (str_eq(name->choices[i].driver, driver))
            return true;
    return false;
}

/* driver NULL: any. It binds no name that has no target of that driver. */
static uint32_t find_target(const struct analysis *a, const struct claim_name *name,
                            const char *driver)
{
    bool bound = can_be_of(name, driver);

    for (size_t i = 0; i < name->n; i++) {
        const struct target *choice = &name->choices[i];
        if (bound && !str_eq(choice->driver, driver))
            continue;
        for (uint32_t t = 0; t < a->n_targets; t++)
            if (claim_target_is(choice, &a->head.plan.targets.v[t]))
                return t;
    }
    return UINT32_MAX;
}

static size_t names_of(const struct claim_item *c, size_t *ret)
{
    size_t n = 0;

    if (c->of != CLAIM_NO_NAME)
        ret[n++] = c->of;
    if (c->over != CLAIM_NO_NAME)
        ret[n++] = c->over;
    for (size_t g = 0; g < c->n_groups; g++)
        for (size_t i = 0; i < c->groups[g].n; i++)
            ret[n++] = c->groups[g].name[i];
    return n;
}

#define NAMES_MAX (2 + CLAIM_GROUPS_MAX * CLAIM_NAMES_MAX)

static const char *best_driver(const struct claims *all, const struct claim_item *c,
                               const struct analysis *a)
{
    size_t names[NAMES_MAX], n = names_of(c, names), most = 0;
    const char *best = NULL;

    for (size_t i = 0; i < n; i++) {
        const struct claim_name *name = &all->names[names[i]];
        for (size_t k = 0; k < name->n; k++) {
            const char *driver = name->choices[k].driver;
            size_t have = 0;
            if (str_eq(driver, "host"))
                continue;
            for (size_t j = 0; j < n; j++)
                have += find_target(a, &all->names[names[j]], driver) != UINT32_MAX;
            if (have > most) {
                most = have;
                best = driver;
            }
        }
    }
    return best;
}

/* ---- what is missing: the first thing is said ---- */

__attribute__((format(printf, 2, 3))) static void lack(struct picked *p, const char *fmt, ...)
{
    va_list ap;

    if (p->missing[0])
        return;
    va_start(ap, fmt);
    vsnprintf(p->missing, sizeof(p->missing), fmt, ap);
    va_end(ap);
}

static uint32_t pick_target(const struct claims *all, size_t name, const struct analysis *a,
                            const char *driver, struct picked *p)
{
    const struct claim_name *n = &all->names[name];
    uint32_t t = find_target(a, n, driver);

    if (t == UINT32_MAX)
        lack(p, "r%lld has no %s (%s%s)", (long long)a->head.id, n->title, n->choices[0].text,
             n->n > 1 ? " or the like" : "");
    return t;
}

/* Cells to come, which no run can have. */
static void refuse_planned(const struct claims *all, const struct claim_cells *names,
                           struct picked *p)
{
    for (size_t i = 0; i < names->n; i++)
        for (size_t k = 0; k < all->planned.n; k++)
            if (str_eq(all->planned.name[k], names->name[i]) && !cell_def_find(names->name[i]))
                lack(p, "cupel does not measure %s yet", names->name[i]);
}

static void pick_cells(const struct claim_cells *names, const struct analysis *a, struct picked *p,
                       struct picked_cells *ret)
{
    ret->n = 0;
    for (size_t i = 0; i < names->n; i++) {
        bool found = false;
        for (uint32_t k = 0; !found && k < a->n_cells; k++) {
            if (!str_eq(a->head.plan.cells.v[k].name, names->name[i]))
                continue;
            ret->cell[ret->n++] = k;
            found = true;
        }
        if (found)
            continue;
        /* Where something else is missing, too, a run of that cell would not help. */
        if (!p->missing[0])
            str_copy(p->lacks, sizeof(p->lacks), names->name[i]);
        lack(p, "r%lld has no %s", (long long)a->head.id, names->name[i]);
    }
}

/* Did target do the cell? Says what happened if it did not. */
static bool measured(const struct analysis *a, const struct picked_cells *cells, uint32_t target,
                     struct picked *p)
{
    const char *label = a->head.plan.targets.v[target].label;

    if (analysis_withholds(a, target)) {
        lack(p, "the CPU of %s is emulated, which says nothing of hardware",
             a->emulated[target] ? label : a->head.plan.targets.v[a->head.base].label);
        return false;
    }
    for (size_t i = 0; i < cells->n; i++) {
        const struct cell_result *r = analysis_at(a, cells->cell[i], target);
        const char *cell = a->head.plan.cells.v[cells->cell[i]].name;
        if (r->status == CELL_OK || r->status == CELL_SOME_FAILED)
            continue;
        if (r->status == CELL_FAILED)
            lack(p, "%s failed on %s: %s", cell, label, r->fail_text);
        else if (!a->targets[target].usable)
            lack(p, "%s could not be used: %s", label, a->target_reason[target]);
        else
            lack(p, "%s was not measured on %s", cell, label);
        return false;
    }
    return true;
}

static void pick_groups(const struct claims *all, const struct claim_item *c,
                        const struct analysis *a, const char *driver, struct picked *p)
{
    size_t groups = 0;

    for (size_t g = 0; g < c->n_groups; g++) {
        for (size_t i = 0; i < c->groups[g].n; i++) {
            uint32_t t = pick_target(all, c->groups[g].name[i], a, driver, p);
            if (t != UINT32_MAX && measured(a, &p->cells, t, p))
                p->groups[g].target[p->groups[g].n++] = t;
        }
        groups += p->groups[g].n > 0;
    }
    p->some = groups >= 2 && p->cells.n == c->cells.n;
}

void claim_pick(const struct claims *all, const struct claim_item *c, const struct analysis *a,
                struct picked *ret)
{
    const char *driver = best_driver(all, c, a);
    struct picked p = {.of = UINT32_MAX, .over = UINT32_MAX};

    refuse_planned(all, &c->cells, &p);
    refuse_planned(all, &c->than, &p);
    if (c->of != CLAIM_NO_NAME)
        p.of = pick_target(all, c->of, a, driver, &p);
    if (c->over != CLAIM_NO_NAME)
        p.over = pick_target(all, c->over, a, driver, &p);
    for (size_t g = 0; g < c->n_groups; g++)
        for (size_t i = 0; i < c->groups[g].n; i++)
            (void)pick_target(all, c->groups[g].name[i], a, driver, &p);
    pick_cells(&c->cells, a, &p, &p.cells);
    pick_cells(&c->than, a, &p, &p.than);
    for (size_t i = 0; i < 2; i++) {
        uint32_t t = i == 0 ? p.of : p.over;
        if (t != UINT32_MAX)
            (void)(measured(a, &p.cells, t, &p) && measured(a, &p.than, t, &p));
    }
    pick_groups(all, c, a, driver, &p);
    *ret = p;
}
