#include "measure/course.h"

#include <math.h>
#include <inttypes.h>
#include <stdarg.h>

/* What passes a threshold (model/run.h and here) is said, never silently mended. */
#define SHARED_CORE_MAX .02 /* of short probes */
#define SHARED_CORE_NS  (300 * NS_PER_MS)

void warn_add(struct course *c, enum warning_kind kind, int block, int target, int cell,
              double value, const char *fmt, ...)
{
    struct warning w = {
        .kind = kind, .block = block, .target = target, .cell = cell, .value = value};
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(w.text, sizeof(w.text), fmt, ap);
    va_end(ap);
    str_printable(w.text);
    store_warning(c->o->store, c->head.id, &w, NULL);
    /* A kind is shown once a run; every single one is stored. */
    if (c->warned & (1u << kind))
        return;
    c->warned |= 1u << kind;
    if (c->progress->warning)
        c->progress->warning(c->progress->user, &w);
}

void warn_machine(struct course *c)
{
    const struct machine *m = c->o->machine;
    double shared;
    int n;

    if (m->clocksource[0] && !str_eq(m->clocksource, "tsc") && !str_eq(m->clocksource, "kvm-clock"))
        warn_add(c, WARN_CLOCKSOURCE, -1, -1, -1, NAN, "the clock source is %s", m->clocksource);
    if (m->governor[0] && !str_eq(m->governor, "performance"))
        warn_add(c, WARN_GOVERNOR, -1, -1, -1, NAN,
                 "the CPU frequency governor is %s, not performance", m->governor);
    if (m->threads_per_core > 1)
        warn_add(c, WARN_SMT, -1, -1, -1, m->threads_per_core, "%u hardware threads share a core",
                 m->threads_per_core);
    n = machine_foreign_containers(NULL);
    if (n > 0)
        warn_add(c, WARN_CONTAINERS, -1, -1, -1, n, "%d container%s of others %s running", n,
                 n == 1 ? "" : "s", n == 1 ? "is" : "are");
    shared = machine_shared_core(&c->site.cpus, SHARED_CORE_NS);
    if (shared > SHARED_CORE_MAX)
        warn_add(c, WARN_SHARED_CORE, -1, -1, -1, shared,
                 "the virtual CPUs share a physical core at times (%.0f %% of probes)",
                 100 * shared);
}

static void compare_setting(struct course *c, const char *what, const char *before,
                            const char *after)
{
    if (!str_eq(before, after))
        warn_add(c, WARN_ENVIRONMENT_CHANGED, -1, -1, -1, NAN, "%s changed from %s to %s", what,
                 before, after);
}

void warn_machine_end(struct course *c)
{
    const struct machine *a = c->o->machine;
    struct machine *b = &c->machine_end;

    machine_read(b);
    compare_setting(c, "transparent huge pages", a->thp, b->thp);
    compare_setting(c, "same-page merging", a->ksm, b->ksm);
    compare_setting(c, "the CPU frequency governor", a->governor, b->governor);
    compare_setting(c, "the clock source", a->clocksource, b->clocksource);
}

static double fraction(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : NAN;
}

static uint64_t difference(uint64_t from, uint64_t to)
{
    if (from == UINT64_MAX || to == UINT64_MAX)
        return UINT64_MAX;
    return to > from ? to - from : 0;
}

void covariates_between(const struct course *c, const struct reading *from,
                        const struct reading *to, struct covariates *ret)
{
    uint64_t total = to->total_ticks - from->total_ticks;
    uint64_t ns = to->mono_ns - from->mono_ns;
    uint64_t psi = difference(from->psi_cpu_us, to->psi_cpu_us);
    uint64_t own = difference(from->own_cpu_ns, to->own_cpu_ns);
    double machine_ns =
        (double)ns * (double)(c->o->machine->cpus_online ? c->o->machine->cpus_online : 1);
    double busy_ns = fraction(to->busy_ticks - from->busy_ticks, total) * machine_ns;

    *ret = (struct covariates){
        .steal = fraction(to->steal_ticks - from->steal_ticks, total),
        .psi_cpu = psi == UINT64_MAX ? NAN : fraction(psi * 1000, ns),
        .loadavg = to->loadavg,
        .runnable = to->runnable,
        .swap_pages = difference(from->swap_pages, to->swap_pages),
        .kernel_log_lines = difference(from->kernel_log_lines, to->kernel_log_lines),
        .others_cpu_ns = UINT64_MAX,
    };
    if (own != UINT64_MAX && isfinite(busy_ns))
        ret->others_cpu_ns = busy_ns > (double)own ? (uint64_t)(busy_ns - (double)own) : 0;
}

void warn_trial(struct course *c, const struct trial *t)
{
    const struct covariates *v = &t->covariates;
    const char *cell = c->head.plan.cells.v[t->cell].name;
    int b = (int)t->block, k = (int)t->cell;
    double others =
        v->others_cpu_ns == UINT64_MAX ? NAN : fraction(v->others_cpu_ns, t->end_ns - t->start_ns);

    if (v->steal > STEAL_MAX)
        warn_add(c, WARN_STEAL, b, -1, k, v->steal, "%.1f %% of the CPU time was stolen",
                 100 * v->steal);
    if (others > OTHERS_MAX)
        warn_add(c, WARN_OTHERS, b, -1, k, others, "others burned %.2f CPUs while %s was measured",
                 others, cell);
    if (v->swap_pages != UINT64_MAX && v->swap_pages > 0)
        warn_add(c, WARN_SWAP, b, -1, k, (double)v->swap_pages, "the machine swapped");
    if (v->throttled != UINT64_MAX && v->throttled > 0)
        warn_add(c, WARN_THROTTLED, b, -1, k, (double)v->throttled,
                 "a CPU quota of ours stopped the measured %" PRIu64 " times", v->throttled);
    if (v->kernel_log_lines != UINT64_MAX && v->kernel_log_lines > 0)
        warn_add(c, WARN_KERNEL_LOG, b, -1, k, (double)v->kernel_log_lines,
                 "the kernel logged %" PRIu64 " lines", v->kernel_log_lines);
    VEC_FOREACH (&t->parts, struct part, p) {
        if (fabs(p->clock_drift) > DRIFT_MAX)
            warn_add(c, WARN_DRIFT, b, (int)p->target, k, p->clock_drift,
                     "the clock inside %s is off by %.1f %% during %s",
                     c->slots[p->target].info.target.label, 100 * p->clock_drift, cell);
    }
}
