#include "measure/lane.h"

#include <errno.h>
#include <math.h>

/* A cell that a workload does not end by itself, but that is wanted whole, lasts so many slices. */
#define WHOLE_SLICES 50

static void lanes_open(struct course *c, size_t cell, const size_t *targets, size_t n,
                       struct trial *t, struct lane *lanes)
{
    size_t first = t->parts.n;

    for (size_t i = 0; i < n; i++)
        lane_open(c, &lanes[i], cell, targets[i], t);
    for (size_t i = 0; i < n; i++) {
        lanes[i].part = &t->parts.v[first + i]; /* the array does not grow any more */
        if (!lanes[i].slot->session)
            lane_fail(c, &lanes[i], &lanes[i].slot->start_failure);
    }
}

static int lanes_prepare(struct course *c, struct lane *lanes, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (lanes[i].alive)
            lane_post_prepare(c, &lanes[i]);
    for (size_t i = 0; i < n; i++) {
        int r = lanes[i].alive ? lane_wait_prepared(c, &lanes[i], err) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static int lanes_calibrate(struct course *c, struct lane *lanes, size_t n, struct err *err)
{
    const struct cell *cell = &c->head.plan.cells.v[lanes[0].cell];
    uint64_t want = c->head.plan.slice_ns;

    for (size_t i = 0; i < n; i++) {
        int r = 0;

        if (!lanes[i].alive)
            continue;
        r = lane_calibrate(c, &lanes[i], want, err);
        if (r < 0)
            return r;
        if (cell->grain == GRAIN_WHOLE) {
            lanes[i].ops *= WHOLE_SLICES;
            lanes[i].lead = 0;
        }
    }
    return 0;
}

/* Many short rounds: every target once a round, in fresh random order, close together in time. */
static int lanes_rounds(struct course *c, struct lane *lanes, size_t n, unsigned block,
                        struct err *err)
{
    size_t cell = lanes[0].cell;
    bool whole = c->head.plan.cells.v[cell].grain == GRAIN_WHOLE;
    unsigned rounds = whole ? 1 : c->head.plan.rounds;
    _cleanup_free_ size_t *order = xcalloc(n, sizeof(*order));
    int previous = -1;
    struct rng rng;

    for (size_t i = 0; i < n; i++)
        order[i] = i;
    schedule_rounds_rng(c->head.plan.seed, block, (unsigned)cell, &rng);
    for (unsigned round = 0; round < rounds; round++) {
        rng_shuffle(&rng, order, n);
        for (size_t i = 0; i < n; i++) {
            struct lane *l = &lanes[order[i]];
            int r = l->alive ? lane_slice(c, l, round, (uint32_t)i, previous, err) : 0;

            if (r < 0)
                return r;
            if (l->alive)
                previous = (int)l->target;
        }
    }
    return 0;
}

static int lanes_latency(struct course *c, struct lane *lanes, size_t n, struct err *err)
{
    if (!c->head.plan.cells.v[lanes[0].cell].workload->latency)
        return 0;
    for (size_t i = 0; i < n; i++) {
        int r = lanes[i].alive ? lane_latency(c, &lanes[i], err) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static int lanes_finish(struct course *c, struct lane *lanes, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (lanes[i].alive)
            lane_post_finish(c, &lanes[i]);
    for (size_t i = 0; i < n; i++) {
        int r = lanes[i].alive ? lane_wait_finished(c, &lanes[i], err) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

/* Times a quota of ours stopped the measured, over all lanes; UINT64_MAX without a quota. */
static uint64_t lanes_throttled(const struct course *c, const struct lane *lanes, size_t n)
{
    uint64_t sum = 0;

    if (!(c->head.plan.limits.cpus > 0))
        return UINT64_MAX;
    for (size_t i = 0; i < n; i++) {
        uint64_t one = 0;
        if (lanes[i].slot->session &&
            cgroup_throttled(&c->site.machine->cgroups, lanes[i].slot->session->caps.cgroup,
                             &one) == 0)
            sum += one;
    }
    return sum;
}

/* A session that died meanwhile took its count with it. */
static uint64_t throttled_since(const struct course *c, const struct lane *lanes, size_t n,
                                uint64_t before)
{
    uint64_t after = lanes_throttled(c, lanes, n);

    if (before == UINT64_MAX || after == UINT64_MAX)
        return UINT64_MAX;
    return after > before ? after - before : 0;
}

static int lanes_run(struct course *c, unsigned block, struct lane *lanes, size_t n,
                     struct err *err)
{
    int r = lanes_prepare(c, lanes, n, err);

    if (r == 0)
        r = lanes_calibrate(c, lanes, n, err);
    if (r == 0)
        r = lanes_rounds(c, lanes, n, block, err);
    if (r == 0)
        r = lanes_latency(c, lanes, n, err);
    if (r == 0)
        r = lanes_finish(c, lanes, n, err);
    return r;
}

int trial_run(struct course *c, unsigned block, size_t cell, const size_t *targets, size_t n,
              struct trial *t, struct err *err)
{
    _cleanup_free_ struct lane *lanes = xcalloc(n ? n : 1, sizeof(*lanes));
    struct reading before, after;
    uint64_t throttled;
    int r;

    if (n == 0)
        return 0;
    if (!t->start_ns)
        t->start_ns = course_now(c);
    lanes_open(c, cell, targets, n, t, lanes);
    throttled = lanes_throttled(c, lanes, n);
    monitor_read(c->monitor, &before);
    r = lanes_run(c, block, lanes, n, err);
    monitor_read(c->monitor, &after);
    t->end_ns = course_now(c);
    for (size_t i = 0; i < n; i++)
        lane_close(&lanes[i]);
    covariates_between(c, &before, &after, &t->covariates);
    t->covariates.throttled = throttled_since(c, lanes, n, throttled);
    return r;
}
