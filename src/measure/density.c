#include "measure/density.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>

#define LOOK_NS    (500 * NS_PER_MS)
#define SETTLE_MAX (10 * NS_PER_S)
#define STEADY     .01

int density_begin(struct density *d, struct err *err)
{
    *d = (struct density){.reader = {.dir = -1}}; /* release takes what was never begun */
    int r = kernel_memory_read("/proc", &d->before, err);
    return r == 0 ? pss_reader_open(&d->reader, "/proc", err) : r;
}

void density_release(struct density *d)
{
    attribution_release(&d->look);
    pss_reader_close(&d->reader);
}

static void add(struct weight *sum, const struct weight *w)
{
    for (enum component what = 0; what < COMPONENT_COUNT; what++) {
        sum->part[what].pss_bytes += w->part[what].pss_bytes;
        sum->part[what].swap_bytes += w->part[what].swap_bytes;
        sum->part[what].shmem_bytes += w->part[what].shmem_bytes;
        sum->part[what].processes += w->part[what].processes;
    }
    sum->gone += w->gone;
    sum->unreadable += w->unreadable;
}

static int weigh(struct density *d, struct session *const *v, size_t n, struct weight *ret,
                 struct err *err)
{
    _cleanup_free_ struct claim *claims = xcalloc(n ? n : 1, sizeof(*claims));
    _cleanup_free_ struct weight *each = xcalloc(n ? n : 1, sizeof(*each));
    const struct attribution_input in = {
        .proc = "/proc", .self = getpid(), .claims = claims, .n_claims = n};
    for (size_t i = 0; i < n; i++) {
        if (v[i]->caps.elsewhere)
            return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
                           "what lies on another machine is not weighed from here");
        claims[i] = session_claim(v[i]);
    }
    int r = attribution_read(&d->look, &in, err);
    if (r < 0)
        return r;
    weights_read(&d->look, &d->reader, each, n, NULL);
    *ret = (struct weight){0};
    for (size_t i = 0; i < n; i++)
        add(ret, &each[i]);
    return 0;
}

static uint64_t cpu_of_all(struct session *const *v, size_t n)
{
    uint64_t sum = 0, ns;
    for (size_t i = 0; i < n; i++)
        sum += session_cpu_read(v[i], &ns) == 0 ? ns : 0;
    return sum;
}

static int pause_for(struct course *c, uint64_t ns, struct err *err)
{
    int r = loop_run_until(c->o->loop, NULL, time_deadline(ns), NULL);
    return r == -ETIMEDOUT || r == 0 ? 0 : err_set(err, ERR_ENVIRONMENT, EINTR, "interrupted");
}

int density_settle(struct course *c, struct density *d, struct session *const *v, size_t n,
                   struct err *err)
{
    uint64_t begin_ns = time_mono_ns(), least_ns = c->head.plan.settle_ns;
    struct weight now = {0}, last = {0};
    int r = weigh(d, v, n, &now, err);
    for (bool steady = false; r == 0 && !steady;) {
        uint64_t cpu_ns = cpu_of_all(v, n), from_ns = time_mono_ns();
        last = now;
        r = pause_for(c, LOOK_NS, err);
        d->cpu_ns = cpu_of_all(v, n) - cpu_ns;
        d->cpu_over_ns = time_mono_ns() - from_ns;
        if (r == 0)
            r = weigh(d, v, n, &now, err);
        double a = (double)weight_pss(&last, WEIGHT_ALL), b = (double)weight_pss(&now, WEIGHT_ALL);
        uint64_t waited_ns = time_mono_ns() - begin_ns;
        steady = waited_ns >= least_ns && (fabs(a - b) <= STEADY * a || waited_ns > SETTLE_MAX);
    }
    if (r == 0)
        r = kernel_memory_read("/proc", &d->after, err);
    d->sum = now;
    d->running = n;
    return r;
}

int density_point(struct density *d, struct session *const *v, size_t n, struct err *err)
{
    struct weight w;
    if (d->n_points == DENSITY_POINTS_MAX)
        return 0;
    int r = weigh(d, v, n, &w, err);
    if (r < 0)
        return r;
    d->points[d->n_points].n = (double)n;
    d->points[d->n_points].container = (double)weight_pss(&w, WEIGHT_CONTAINER);
    d->points[d->n_points++].all = (double)weight_pss(&w, WEIGHT_ALL);
    return 0;
}

/* Least squares of bytes against number; the mean where there is one number. */
static double slope(const struct density *d, bool all)
{
    double mean_n = 0, mean_y = 0, over = 0, under = 0;
    for (size_t i = 0; i < d->n_points; i++) {
        mean_n += d->points[i].n / (double)d->n_points;
        mean_y += (all ? d->points[i].all : d->points[i].container) / (double)d->n_points;
    }
    for (size_t i = 0; i < d->n_points; i++) {
        double y = all ? d->points[i].all : d->points[i].container;
        over += (d->points[i].n - mean_n) * (y - mean_y);
        under += (d->points[i].n - mean_n) * (d->points[i].n - mean_n);
    }
    return under > 0 ? over / under : mean_n > 0 ? mean_y / mean_n : 0;
}

void density_facts(const struct density *d, json_t *facts)
{
    double n = (double)d->running, each = slope(d, true);
    if (d->running == 0 || d->n_points == 0)
        return;
    double kernel =
        ((double)kernel_memory_pinned(&d->after) - (double)kernel_memory_pinned(&d->before)) / n;
    bool known =
        d->before.available != KERNEL_MEMORY_UNKNOWN && d->after.available != KERNEL_MEMORY_UNKNOWN;
    double memory = ((double)d->before.available - (double)d->after.available) / n;
    json_object_set_new(facts, "container", json_integer((json_int_t)slope(d, false)));
    json_object_set_new(facts, "all", json_integer((json_int_t)each));
    json_object_set_new(facts, "kernel_bytes", json_integer((json_int_t)kernel));
    if (known) {
        json_object_set_new(facts, "memory_bytes", json_integer((json_int_t)memory));
        json_object_set_new(facts, "unaccounted_bytes",
                            json_integer((json_int_t)(memory - each - kernel)));
    }
    for (enum component what = 0; what < COMPONENT_COUNT; what++) {
        const struct weight_part *p = &d->sum.part[what];
        char name[40];
        if (p->processes == 0)
            continue;
        str_format(name, sizeof(name), "%s_bytes", component_name(what));
        json_object_set_new(facts, name, json_integer((json_int_t)((double)p->pss_bytes / n)));
        str_format(name, sizeof(name), "%s_processes", component_name(what));
        json_object_set_new(facts, name, json_integer((json_int_t)p->processes));
    }
    json_object_set_new(facts, "processes_gone", json_integer((json_int_t)d->sum.gone));
    json_object_set_new(facts, "processes_unreadable", json_integer((json_int_t)d->sum.unreadable));
    if (d->cpu_over_ns)
        json_object_set_new(
            facts, "idle_cpu_ppm",
            json_integer((json_int_t)(1e6 * (double)d->cpu_ns / (double)d->cpu_over_ns / n)));
    if (each + kernel > 0 && known)
        json_object_set_new(
            facts, "fit",
            json_integer((json_int_t)((double)d->before.available / (each + kernel))));
}
