#include "analyse/facts.h"

#include "stats/paired.h"

#include <jansson.h>
#include <math.h>

#define FACT_ALPHA .05

static struct fact_values *find_or_add(struct fact_table *t, const char *name)
{
    struct fact_values f = {.name = ""};

    VEC_FOREACH (&t->names, struct fact_values, old)
        if (str_eq(old->name, name))
            return old;
    if (t->names.n == FACT_NAMES_MAX || !str_copy(f.name, sizeof(f.name), name))
        return NULL;
    VEC_PUSH(&t->names, f);
    return &t->names.v[t->names.n - 1];
}

void fact_table_add(struct fact_table *t, const char *json)
{
    json_t *o = json ? json_loads(json, 0, NULL) : NULL, *v;
    const char *name;

    json_object_foreach (o, name, v) {
        double x = json_is_number(v) ? json_number_value(v) : NAN;
        struct fact_values *f = isfinite(x) ? find_or_add(t, name) : NULL;
        if (f)
            VEC_PUSH(&f->x, x);
    }
    json_decref(o);
}

void fact_table_release(struct fact_table *t)
{
    VEC_FOREACH (&t->names, struct fact_values, f)
        VEC_RELEASE(&f->x);
    VEC_RELEASE(&t->names);
}

struct estimate fact_estimate(const struct fact_values *f)
{
    struct estimate e = {NAN, NAN, NAN, 0, 0};
    struct single s;

    if (f->x.n == 0 || single_summary(f->x.v, f->x.n, FACT_ALPHA, &s, NULL) < 0)
        return e;
    e = (struct estimate){s.median, s.lo, s.hi, s.level, s.n};
    if (!isfinite(s.lo) || !isfinite(s.hi))
        e.lo = e.hi = NAN;
    return e;
}
