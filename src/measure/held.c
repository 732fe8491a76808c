#include "measure/held.h"

#include <errno.h>
#include <math.h>

/* A limit held if it was passed by less: quotas are kept by periods, memory by batches of pages;
 * what waits for its turn at the disk is counted already, a request or two. */
#define PERIOD_NS       1e8
#define MEMORY_SLACK    1.02
#define IO_QUEUED_BYTES (1 << 20)

/* ---- in force ---- */

static const char *const no_limit =
    "no %s limit is in force on the aggressor's control group; it runs under limits only: "
    "--limit cpus=..,memory=..,pids=..,io=..";

static int check_io(struct held *h, bool writes, struct err *err)
{
    int r = writes ? cgroup_io_covers(h->groups, h->group, err) : 0;
    if (r == 0)
        r = cgroup_read_io(h->groups, h->group, h->disk, &h->io_bps, writes ? err : NULL);
    if (!writes)
        return 0;
    return r == 0 && h->io_bps == 0 ? err_set(err, ERR_UNSUPPORTED, EPERM, no_limit, "I/O") : r;
}

static bool is_within(uint64_t in_force, uint64_t wanted)
{
    return in_force > 0 && in_force <= wanted;
}

int held_begin(struct held *h, const struct course *c, const struct session *s, bool writes,
               struct err *err)
{
    const struct limits *want = &c->head.plan.limits;
    const char *lacks = NULL;
    *h = (struct held){
        .groups = &c->site.machine->cgroups, .group = s->caps.cgroup, .disk = c->site.disk};
    if (!h->group[0])
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
                       "an aggressor runs in a control group alone, and this target has none");
    int r = cgroup_read_limits(h->groups, h->group, &h->limits, err);
    if (r < 0)
        return r;
    /* Above every session is the run's own net, too wide to count. */
    if (want->cpus <= 0 || h->limits.cpus <= 0 || h->limits.cpus > want->cpus + .001)
        lacks = "CPU";
    else if (!is_within(h->limits.memory_bytes, want->memory_bytes))
        lacks = "memory";
    else if (!is_within(h->limits.pids, want->pids))
        lacks = "process";
    if (lacks)
        return err_set(err, ERR_UNSUPPORTED, EPERM, no_limit, lacks);
    uint64_t peak;
    h->peak_kept = cgroup_peak_tasks(h->groups, h->group, &peak) == 0;
    return check_io(h, writes, err);
}

/* ---- used ---- */

void held_look(struct held *h)
{
    uint64_t now;
    if (!h->peak_kept && cgroup_tasks(h->groups, h->group, &now) == 0 && now > h->peak_tasks)
        h->peak_tasks = now;
}

void held_read(const struct held *h, struct held_point *ret)
{
    ret->ns = time_mono_ns();
    ret->known = h->io_bps && cgroup_io_done(h->groups, h->group, h->disk, &ret->io) == 0;
}

void held_add(struct held *h, const struct held_point *from, const struct held_point *to)
{
    h->wall_ns += to->ns - from->ns;
    h->io_known = (h->phases++ == 0 || h->io_known) && from->known && to->known;
    if (!h->io_known)
        return;
    h->io.read_bytes += to->io.read_bytes - from->io.read_bytes;
    h->io.written_bytes += to->io.written_bytes - from->io.written_bytes;
}

void held_end(struct held *h)
{
    if (!h->group)
        return;
    (void)cgroup_peak_memory(h->groups, h->group, &h->peak_bytes);
    h->refused_known = cgroup_refused_tasks(h->groups, h->group, &h->refused_tasks) == 0;
    if (h->peak_kept)
        (void)cgroup_peak_tasks(h->groups, h->group, &h->peak_tasks);
    else if (h->refused_known && h->refused_tasks && h->peak_tasks < h->limits.pids)
        h->peak_tasks = h->limits.pids; /* or nobody had been refused */
}

/* ---- facts ---- */

static void add_count(json_t *facts, const char *key, uint64_t v)
{
    json_object_set_new(facts, key, json_integer((json_int_t)v));
}

/* true: neither reading nor writing was faster than it might be. */
static bool add_io(const struct held *h, json_t *facts)
{
    double s = (double)h->wall_ns / 1e9;
    double read = (double)h->io.read_bytes, written = (double)h->io.written_bytes;
    double most =
        (double)h->io_bps * (s + h->phases * PERIOD_NS / 1e9) + h->phases * IO_QUEUED_BYTES;
    if (h->io_bps)
        add_count(facts, "allowed_io_bps", h->io_bps);
    if (!h->io_known || h->wall_ns == 0)
        return true;
    json_object_set_new(facts, "load_read_bps", json_real(read / s));
    json_object_set_new(facts, "load_written_bps", json_real(written / s));
    return read <= most && written <= most;
}

void held_facts(const struct held *h, double cpus, json_t *facts)
{
    double slack = 1 + PERIOD_NS * h->phases / (double)h->wall_ns;
    json_object_set_new(facts, "allowed_cpus", json_real(h->limits.cpus));
    json_object_set_new(facts, "allowed_bytes", json_real((double)h->limits.memory_bytes));
    add_count(facts, "allowed_pids", h->limits.pids);
    if (h->peak_bytes)
        json_object_set_new(facts, "peak_bytes", json_real((double)h->peak_bytes));
    if (h->peak_tasks)
        add_count(facts, "peak_pids", h->peak_tasks);
    if (h->refused_known)
        add_count(facts, "refused_pids", h->refused_tasks);
    bool io = add_io(h, facts);
    if (!isfinite(cpus))
        return;
    json_object_set_new(facts, "load_cpus", json_real(cpus));
    json_object_set_new(
        facts, "held",
        json_boolean(io && cpus <= h->limits.cpus * slack && h->peak_tasks <= h->limits.pids &&
                     (double)h->peak_bytes <= (double)h->limits.memory_bytes * MEMORY_SLACK));
}
