#include "measure/course.h"

#include <errno.h>

/* Doctor uses the same ground, preflight and clean-up as a run, only without a plan, a store and
 * blocks: what it calls usable is what a run would call usable. */

#define FOUND_MAX 32

static int found(struct course *c, const struct driver *d, struct err *err)
{
    char texts[FOUND_MAX][TARGET_TEXT_MAX];
    size_t n_names, n = d->found ? d->found(c->o->loop, texts, FOUND_MAX) : 0;
    const char *const *names = driver_names(&n_names);
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++) {
        struct target t;
        r = target_parse(texts[i], names, n_names, &t, err);
        if (r == 0)
            VEC_PUSH(&c->head.plan.targets, t);
    }
    return r;
}

static int proposals(struct course *c, struct err *err)
{
    size_t n_names;
    const char *const *names = driver_names(&n_names);

    for (size_t d = 0; d < driver_count(); d++) {
        const char *const *p = driver_at(d)->proposals;
        for (; p && *p; p++) {
            struct target t;
            int r = target_parse(*p, names, n_names, &t, err);
            if (r < 0)
                return r;
            VEC_PUSH(&c->head.plan.targets, t);
        }
        int r = found(c, driver_at(d), err);
        if (r < 0)
            return r;
    }
    return 0;
}

static void inspect_all(struct course *c)
{
    for (size_t i = 0; i < c->n_targets; i++) {
        struct slot *slot = &c->slots[i];

        slot->driver = driver_find(slot->info.target.driver);
        if (slot->driver)
            slot->driver->inspect(&c->site, &slot->info.target, &slot->info);
    }
}

int measure_doctor(struct loop *l, const struct machine *m, const char *state_dir,
                   const struct programs *programs, const struct target *targets, size_t n_targets,
                   bool start, const struct progress *progress, struct target_infos *ret,
                   struct err *err)
{
    static const struct progress silent;
    struct measure_options o = {
        .loop = l, .machine = m, .state_dir = state_dir, .programs = programs};
    struct course c = {.o = &o, .progress = progress ? progress : &silent};
    struct err late = ERR_INIT;
    int r = 0;

    run_head_init(&c.head);
    c.start_ns = time_mono_ns();
    for (size_t i = 0; i < n_targets; i++)
        VEC_PUSH(&c.head.plan.targets, targets[i]);
    if (n_targets == 0)
        r = proposals(&c, err);
    c.n_targets = c.n_slots = c.head.plan.targets.n;
    c.slots = xcalloc(c.n_targets ? c.n_targets : 1, sizeof(*c.slots));
    for (size_t i = 0; i < c.n_targets; i++)
        c.slots[i].info.target = c.head.plan.targets.v[i];
    if (r == 0 && start) {
        r = site_open(&c, err);
        if (r == 0)
            r = targets_preflight(&c, err);
        targets_close(&c);
        if (site_close(&c, &late) < 0 && r == 0) {
            if (err)
                *err = late;
            r = -late.code;
        }
    } else if (r == 0) {
        c.site.loop = l;
        c.site.machine = m;
        c.site.programs = *programs;
        str_copy(c.site.keep, sizeof(c.site.keep), state_dir);
        inspect_all(&c);
    }
    for (size_t i = 0; r == 0 && i < c.n_targets; i++)
        VEC_PUSH(ret, c.slots[i].info);
    free(c.slots);
    run_head_release(&c.head);
    return r;
}
