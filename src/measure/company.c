#include "measure/company.h"

#include "driver/confine.h"

#include <errno.h>

static void halve(const cpu_set_t *all, cpu_set_t *first, cpu_set_t *second)
{
    size_t n = cpus_count(all), seen = 0;
    CPU_ZERO(first);
    CPU_ZERO(second);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, all))
            CPU_SET(cpu, seen++ < n / 2 ? first : second);
}

static int place(struct company *x, bool same, struct err *err)
{
    const cpu_set_t *all = &x->c->cell_cpus[x->l->cell];
    if (cpus_count(all) < 2)
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "two neighbours need two CPUs");
    halve(all, &x->own_cpus, &x->other_cpus);
    if (same)
        x->other_cpus = x->own_cpus;
    int r = session_confine(&x->c->site, x->own, &x->own_cpus, err);
    return r < 0 ? r : session_confine(&x->c->site, x->other, &x->other_cpus, err);
}

static int warm_up(struct company *x, struct err *err)
{
    uint64_t warm = x->other->caps.warm_up_ns, settle = x->c->head.plan.settle_ns;
    uint64_t need = warm > settle ? warm : settle;
    int r = need ? loop_run_until(x->c->o->loop, NULL, time_deadline(need), NULL) : -ETIMEDOUT;
    return r == -ETIMEDOUT ? 0 : err_set(err, ERR_ENVIRONMENT, EINTR, "interrupted");
}

int company_begin(struct company *x, struct course *c, struct lane *l, const struct slot *slot,
                  bool same_cpus, struct err *err)
{
    struct launch what = c->launches[l->cell];
    what.image = NULL;
    what.n_inputs = 0;
    *x = (struct company){.c = c, .l = l, .slot = slot, .own = l->slot->session};
    int r = slot->driver->start(&c->site, slot->engine, &what, &x->other, err);
    if (r == 0)
        r = place(x, same_cpus, err);
    return r < 0 ? r : warm_up(x, err);
}

int company_part(struct company *x, struct err *err)
{
    struct session *s = x->other;
    x->other = NULL;
    return s ? session_stop(s, ENDING_FORCED, NULL, err) : 0;
}
