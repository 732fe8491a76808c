/* What limits are about that is no cell's own figure: memory with the kernel's part, how many would
 * fit, and whose kernel answers. */
#include "analyse/advise-parts.h"

#include <jansson.h>
#include <math.h>

#define WEIGHED "density.all"

struct reading {
    const struct analysis *a;
    struct advise_facts *of; /* n_targets */
    char host_kernel[96], host_boot[64];
};

static double number(const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static int take_trial(void *user, const struct trial *t)
{
    const struct reading *all = user;

    VEC_FOREACH (&t->parts, const struct part, p) {
        if (p->target >= all->a->n_targets || p->outcome != OUTCOME_OK || !p->facts)
            continue;
        struct advise_facts *f = &all->of[p->target];
        json_t *facts = json_loads(p->facts, 0, NULL);
        double pss = number(facts, "all"), kernel = number(facts, "kernel_bytes");
        double fit = number(facts, "fit"), running = number(facts, "running");
        /* The kernel's part is a difference of the whole machine's: below zero it is none. */
        if (pss > 0 && isfinite(kernel))
            VEC_PUSH(&f->memory.x, pss + fmax(kernel, 0));
        if (fit > 0)
            VEC_PUSH(&f->fit.x, fit);
        if (running > f->running)
            f->running = running;
        json_decref(facts);
    }
    return 0;
}

static void text_of(const json_t *o, const char *name, char *dst, size_t size)
{
    const char *v = json_string_value(json_object_get(o, name));
    str_copy(dst, size, v ? v : "");
}

static int take_host_boot(void *user, const struct session_record *r)
{
    struct reading *all = user;

    if (r->target >= all->a->n_targets || !r->hello || all->host_boot[0] ||
        !str_eq(all->a->head.plan.targets.v[r->target].driver, "host"))
        return 0;
    json_t *hello = json_loads(r->hello, 0, NULL);
    text_of(hello, "boot_id", all->host_boot, sizeof(all->host_boot));
    json_decref(hello);
    return 0;
}

/* Another release is another kernel, and so is one of the same release that was booted on its own.
 * Of the same release alone nobody knows. */
static int take_session(void *user, const struct session_record *r)
{
    const struct reading *all = user;
    char release[96], boot[64];

    if (r->target >= all->a->n_targets || r->outcome != OUTCOME_OK || !r->hello)
        return 0;
    struct advise_facts *f = &all->of[r->target];
    json_t *hello = json_loads(r->hello, 0, NULL);
    text_of(hello, "release", release, sizeof(release));
    text_of(hello, "boot_id", boot, sizeof(boot));
    json_decref(hello);
    if (!release[0] || !all->host_kernel[0])
        return 0;
    bool same = str_eq(release, all->host_kernel), boots = boot[0] && all->host_boot[0];
    f->starts++;
    f->own += !same || (boots && !str_eq(boot, all->host_boot));
    f->shared += same && boots && str_eq(boot, all->host_boot);
    if (!f->guest_kernel[0])
        str_copy(f->guest_kernel, sizeof(f->guest_kernel), release);
    return 0;
}

void advise_host_kernel(const struct analysis *a, char *dst, size_t size)
{
    json_t *machine = a->head.machine ? json_loads(a->head.machine, 0, NULL) : NULL;

    text_of(machine, "kernel", dst, size);
    json_decref(machine);
}

int advise_facts_read(struct store *s, const struct analysis *a, struct advise_facts *ret,
                      struct err *err)
{
    struct reading all = {.a = a, .of = ret};
    int r = 0;

    advise_host_kernel(a, all.host_kernel, sizeof(all.host_kernel));
    for (uint32_t k = 0; r >= 0 && k < a->n_cells; k++) {
        if (!str_eq(a->head.plan.cells.v[k].name, WEIGHED))
            continue;
        for (size_t t = 0; t < a->n_targets; t++)
            ret[t].weighed = analysis_at(a, k, t);
        r = store_trials(s, a->head.id, (int32_t)k, take_trial, &all, err);
    }
    if (r >= 0)
        r = store_sessions(s, a->head.id, take_host_boot, &all, err);
    return r < 0 ? r : store_sessions(s, a->head.id, take_session, &all, err);
}

void advise_facts_release(struct advise_facts *f, size_t n)
{
    for (size_t i = 0; f && i < n; i++) {
        VEC_RELEASE(&f[i].memory.x);
        VEC_RELEASE(&f[i].fit.x);
    }
}
