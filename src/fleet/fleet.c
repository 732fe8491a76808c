#include "fleet/fleet.h"

#include "base/rand.h"
#include "base/time.h"
#include "base/together.h"
#include "fleet/carrier.h"
#include "fleet/roll.h"

#include <errno.h>

void fleet_init(struct fleet *f)
{
    *f = (struct fleet){.lease_ns = FLEET_LEASE_NS, .keep_ns = FLEET_KEEP_NS};
    str_init(&f->plan);
}

static void texts_release(char **v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(v[i]);
}

void fleet_release(struct fleet *f)
{
    texts_release(f->args.v, f->args.n);
    texts_release(f->wanted.v, f->wanted.n);
    VEC_RELEASE(&f->args);
    VEC_RELEASE(&f->wanted);
    VEC_RELEASE(&f->machines);
    str_release(&f->plan);
}

static int add_machine(struct fleet *f, const char *on, const char *from,
                       const struct carrier *carrier, struct err *err)
{
    struct fleet_machine m = {.carrier = carrier, .status = -1};

    if (!str_copy(m.on, sizeof(m.on), on) || !str_copy(m.from, sizeof(m.from), from))
        return err_set(err, ERR_USAGE, E2BIG, "--on: \"%.40s...\" is too long", on);
    VEC_FOREACH (&f->machines, const struct fleet_machine, other)
        if (str_eq(other->on, on))
            return err_set(err, ERR_USAGE, EEXIST, "--on: %s is given twice", on);
    if (f->machines.n == FLEET_MACHINES_MAX)
        return err_set(err, ERR_USAGE, E2BIG, "--on: at most %d machines", FLEET_MACHINES_MAX);
    VEC_PUSH(&f->machines, m);
    return 0;
}

static int add_element(struct fleet *f, const char *from, struct err *err)
{
    const struct carrier *c;
    const char *spec;
    int r = carrier_of(from, &c, &spec, err);

    if (r >= 0)
        r = c->check(spec, err);
    if (r < 0)
        return r;
    if (c->find) { /* one in the place of all, until they are asked for */
        _cleanup_free_ char *all = xstrndup(from, FLEET_ON_MAX - 1);
        return add_machine(f, all, from, c, err);
    }
    if (!c->machines)
        return add_machine(f, from, from, c, err);
    for (size_t i = 1, n = c->machines(spec); r >= 0 && i <= n; i++) {
        _cleanup_free_ char *on =
            xasprintf("%.*s#%zu", (int)strcspn(from, ","), from, i); /* without its options */
        r = add_machine(f, on, from, c, err);
    }
    return r;
}

/* Where the element at p ends: at a comma, but not at one before a KEY=VALUE of its own. */
static size_t element_length(const char *p)
{
    size_t n = strcspn(p, ",");

    while (p[n] && p[n + 1 + strcspn(p + n + 1, ":=,")] == '=')
        n += 1 + strcspn(p + n + 1, ",");
    return n;
}

int fleet_add(struct fleet *f, const char *list, struct err *err)
{
    const char *p = list;
    int r = 0;

    for (;;) {
        size_t n = element_length(p);
        _cleanup_free_ char *on = xstrndup(p, n);
        r = add_element(f, on, err);
        if (r < 0 || !p[n])
            return r;
        p += n + 1;
    }
}

/* ---- which machines ---- */

static int put_found(struct fleet *f, const struct fleet_machine *m, const struct found *found,
                     struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < found->n; i++) {
        _cleanup_free_ char *on = xasprintf("%s:%s", m->carrier->scheme, found->v[i].name);
        r = add_machine(f, on, m->from, m->carrier, err);
        if (r == 0)
            str_copy(f->machines.v[f->machines.n - 1].id, sizeof(m->id), found->v[i].id);
    }
    return r;
}

int fleet_find(struct fleet *f, struct loop *l, struct err *err)
{
    struct fleet found = {.machines = VEC_INIT};
    int r = 0;

    str_format(f->id, sizeof(f->id), "%08x", (unsigned)rng_entropy());
    VEC_FOREACH (&f->machines, struct fleet_machine, m) {
        struct found names = VEC_INIT;
        if (r == 0 && m->carrier->find)
            r = m->carrier->find(l, m, &names, err);
        if (r == 0 && m->carrier->find && !m->ended)
            r = put_found(&found, m, &names, err);
        else if (r == 0)
            VEC_PUSH(&found.machines, *m);
        VEC_RELEASE(&names);
    }
    if (r < 0) {
        VEC_RELEASE(&found.machines);
        return r;
    }
    VEC_RELEASE(&f->machines);
    f->machines.v = found.machines.v;
    f->machines.n = found.machines.n;
    f->machines.cap = found.machines.cap;
    return 0;
}

/* ---- carrying it out ---- */

/* They stand side by side. */
struct fleet_machine *machine_next(const struct voyage *v, const struct fleet_machine *m)
{
    const struct fleet *f = v->fleet;
    struct fleet_machine *end = f->machines.v + f->machines.n;

    for (struct fleet_machine *next = f->machines.v + (m - f->machines.v) + 1; next < end; next++)
        if (!next->ended)
            return str_eq(next->from, m->from) ? next : NULL;
    return NULL;
}

struct trip {
    struct voyage *v;
    struct fleet_machine *m;
    bool resume;
    int r;
    struct err err;
};

static void go(void *user)
{
    struct trip *t = user;
    const struct carrier *c = t->m->carrier;

    t->r = (t->resume ? c->resume : c->carry)(t->v, t->m, &t->err);
    struct err late = ERR_INIT;
    if (roll_write(t->v->fleet, t->v->o->state_dir, &late) < 0 && t->r == 0) {
        t->r = -late.code;
        t->err = late;
    }
}

static int carry_out(struct voyage *v, bool resume, struct err *err)
{
    struct fleet *f = v->fleet;
    _cleanup_free_ struct trip *trips = xcalloc(f->machines.n + 1, sizeof(*trips));
    size_t n = 0;
    int r = 0;

    VEC_FOREACH (&f->machines, struct fleet_machine, m)
        if (!m->ended && (n == 0 || !str_eq(trips[n - 1].m->from, m->from)))
            trips[n++] = (struct trip){.v = v, .m = m, .resume = resume};
    int t = together_run(v->o->loop, go, trips, n, sizeof(*trips), err);
    if (t < 0)
        return t;
    /* That it was interrupted matters less than what went wrong here. */
    for (size_t i = 0; i < n; i++) {
        if (trips[i].r < 0 && (r == 0 || r == -EINTR)) {
            r = trips[i].r;
            if (err)
                *err = trips[i].err;
        }
    }
    return r;
}

static bool brings_something(const struct fleet *f)
{
    VEC_FOREACH (&f->machines, const struct fleet_machine, m)
        if (!m->carrier->brings_nothing)
            return true;
    return false;
}

int fleet_run(struct fleet *f, const struct fleet_options *o, struct err *err)
{
    struct voyage v = {.fleet = f, .o = o, .bundle = {.fd = -1}};
    struct bundle_parts parts = o->parts;

    f->started_real_ns = time_real_ns();
    parts.plan = f->plan.buf;
    int r = fleet_find(f, o->loop, err);
    if (r == 0 && brings_something(f))
        r = bundle_make(o->loop, &parts, &v.bundle, err);
    if (r == 0)
        r = roll_write(f, o->state_dir, err);
    if (r == 0)
        r = carry_out(&v, false, err);
    bundle_release(&v.bundle);
    return r;
}

int fleet_resume(struct fleet *f, const struct fleet_options *o, struct err *err)
{
    struct voyage v = {.fleet = f, .o = o, .bundle = {.fd = -1}};

    return carry_out(&v, true, err);
}
