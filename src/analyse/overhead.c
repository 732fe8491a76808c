#include "analyse/overhead.h"

#include "host/k8sread.h"

#include <math.h>

#define KIB 1024.

static double fact(const json_t *facts, const char *name)
{
    return json_number_value(json_object_get(facts, name));
}

static void add_facts(struct overhead *o, const json_t *facts)
{
    double without = fact(facts, "payload_bytes") + fact(facts, "tool_bytes");

    /* The least of what is taken off, the most of all else: it errs to the safe side. */
    o->without_bytes = o->blocks == 0 ? without : fmin(o->without_bytes, without);
    o->kernel_bytes = fmax(o->kernel_bytes, fact(facts, "kernel_bytes"));
    o->cpus = fmax(o->cpus, fact(facts, "idle_cpu_ppm") / 1e6);
    o->running = fmax(o->running, fact(facts, "running"));
    o->blocks++;
}

static int add_block(void *user, const struct trial *t)
{
    struct overheads *all = user;

    VEC_FOREACH (&all->list, struct overhead, o)
        VEC_FOREACH (&t->parts, struct part, p) {
            json_t *facts = p->target == o->target && p->outcome == OUTCOME_OK && p->facts
                                ? json_loads(p->facts, 0, NULL)
                                : NULL;
            if (facts)
                add_facts(o, facts);
            json_decref(facts);
        }
    return 0;
}

static int find_cell(const struct analysis *a)
{
    for (size_t i = 0; i < a->n_cells; i++)
        if (str_eq(a->head.plan.cells.v[i].name, OVERHEAD_CELL))
            return (int)i;
    return -1;
}

static void read_class(struct overhead *o, const char *info)
{
    json_t *about = info ? json_loads(info, 0, NULL) : NULL;
    const json_t *class_ = json_object_get(about, "runtime_class");
    const json_t *fixed = json_object_get(class_, "pod_fixed");

    str_copy(o->handler, sizeof(o->handler), object_text(class_, "handler"));
    o->counted_bytes = k8s_quantity(object_text(fixed, "memory"));
    o->counted_cpus = k8s_quantity(object_text(fixed, "cpu"));
    json_decref(about);
}

static void add_up(const struct cell_result *r, struct overhead *o)
{
    double kib = (isfinite(r->absolute.hi) ? r->absolute.hi : r->absolute.value) / 1e9;

    o->pss_bytes = kib * KIB;
    o->memory_bytes = fmax(o->pss_bytes - o->without_bytes, 0) + o->kernel_bytes;
}

int analyse_overheads(struct store *s, const struct analysis *a, struct overheads *ret,
                      struct err *err)
{
    struct overheads all = {.list = VEC_INIT};
    int cell = find_cell(a), r = 0;

    for (uint32_t t = 0; cell >= 0 && t < a->n_targets; t++) {
        struct overhead o = {.target = t};
        if (str_eq(a->head.plan.targets.v[t].driver, "host") ||
            analysis_at(a, (size_t)cell, t)->absolute.n == 0)
            continue;
        read_class(&o, a->targets[t].info);
        VEC_PUSH(&all.list, o);
    }
    if (all.list.n)
        r = store_trials(s, a->head.id, cell, add_block, &all, err);
    VEC_FOREACH (&all.list, struct overhead, o)
        add_up(analysis_at(a, (size_t)cell, o->target), o);
    if (r < 0)
        overheads_release(&all);
    *ret = all;
    return r;
}

void overheads_release(struct overheads *o)
{
    VEC_RELEASE(&o->list);
}

bool overhead_is_more(const struct overhead *o)
{
    return o->memory_bytes > o->counted_bytes || o->cpus > o->counted_cpus;
}
