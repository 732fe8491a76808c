#include "measure/aggressor.h"

#include <errno.h>

/* The slot of the target that the cell names; n_slots: it has none yet, or names none. */
static size_t slot_of(const struct course *c, const struct target *t)
{
    for (size_t i = 0; i < c->n_slots; i++)
        if (str_eq(c->slots[i].info.target.label, t->label))
            return i;
    for (size_t i = 0; i < c->n_slots; i++)
        if (str_eq(c->slots[i].info.target.text, t->text))
            return i;
    return c->n_slots;
}

int aggressors_find(struct course *c, struct err *err)
{
    size_t n_drivers;
    const char *const *drivers = driver_names(&n_drivers);

    for (size_t i = 0; i < c->n_cells; i++) {
        struct target t;
        int r = cell_aggressor(&c->head.plan.cells.v[i], drivers, n_drivers, &t, err);

        if (r < 0)
            return r;
        c->aggressors[i] = r ? slot_of(c, &t) : SIZE_MAX;
        if (c->aggressors[i] != c->n_slots)
            continue;
        c->slots = xrealloc(c->slots, (c->n_slots + 1) * sizeof(*c->slots));
        c->slots[c->n_slots++] = (struct slot){.info.target = t};
    }
    return 0;
}

int aggressors_preflight(struct course *c, struct err *err)
{
    int r = 0;

    for (size_t t = c->n_targets; r == 0 && t < c->n_slots; t++)
        r = target_preflight(c, t, err);
    for (size_t i = 0; r == 0 && i < c->n_cells; i++) {
        const struct slot *slot =
            c->aggressors[i] < c->n_slots ? &c->slots[c->aggressors[i]] : NULL;
        struct err why = ERR_INIT;

        if (!slot || slot->info.usable)
            continue;
        err_set(&why, slot->info.why, ENODEV, "the aggressor's target %s: %s",
                slot->info.target.label, slot->info.reason);
        course_impossible(c, i, &why);
    }
    return r;
}

const struct slot *aggressor_slot(const struct course *c, const struct lane *l)
{
    return c->aggressors[l->cell] < c->n_slots ? &c->slots[c->aggressors[l->cell]] : l->slot;
}
