#include "base/fs.h"
#include "base/log.h"
#include "host/disk.h"
#include "measure/network.h"

#include <errno.h>

#define START_TIMEOUT_NS (10 * NS_PER_S)
#define STOP_TIMEOUT_NS  (10 * NS_PER_S)

/* Left over for the machine itself when no memory limit is given: a runaway target dies before the
 * machine swaps. */
#define NET_RESERVE_BYTES (UINT64_C(512) << 20)
#define NET_PIDS          16384

static void site_names(struct course *c)
{
    struct site *s = &c->site;
    uint64_t id = rng_entropy();

    str_format(s->run_id, sizeof(s->run_id), "%08x", (unsigned)(id & 0xffffffffu));
    if (c->o->machine->is_root && c->o->machine->cgroups.mode != CGROUP_NONE)
        str_format(s->cgroup, sizeof(s->cgroup), "/cupel-%s", s->run_id);
    str_format(s->dir, sizeof(s->dir), "%s/run/%s", c->o->state_dir, s->run_id);
    str_copy(s->keep, sizeof(s->keep), c->o->state_dir);
    s->programs = *c->o->programs;
}

/* The safety net below every run without limits of its own. It lies on the run's group, above all
 * targets alike, so that it cannot favour one of them. */
static int site_net(const struct course *c, struct err *err)
{
    const struct machine *m = c->o->machine;
    struct cgroup_limits net = {.pids = NET_PIDS};

    if (m->available_bytes > 2 * NET_RESERVE_BYTES)
        net.memory_bytes = m->available_bytes - NET_RESERVE_BYTES;
    return cgroup_set_limits(&m->cgroups, c->site.cgroup, &net, err);
}

static int site_make(struct course *c, struct err *err)
{
    struct site *s = &c->site;
    struct ledger_item items[] = {
        {.kind = LEDGER_DIR, .path = s->dir},
        {.kind = LEDGER_CGROUP, .path = s->cgroup},
    };
    int r = ledger_intend(s->ledger, items, s->cgroup[0] ? 2 : 1, err);

    if (r < 0)
        return r;
    r = fs_mkdirs(s->dir, 0711, err);
    if (r < 0)
        return err_wrap(err, "make the run's directory");
    if (!s->cgroup[0])
        return 0;
    r = cgroup_make(&c->o->machine->cgroups, s->cgroup, err);
    if (r < 0)
        return err_wrap(err, "make the run's control group");
    return site_net(c, err);
}

/* Where the root file systems lie: what an I/O limit holds for. */
static int site_disk(struct course *c, struct err *err)
{
    int r = disk_under(c->o->state_dir, &c->site.disk, err);

    return r < 0 ? err_wrap(err, "--limit io") : 0;
}

int site_open(struct course *c, struct err *err)
{
    struct site *s = &c->site;
    int r;

    s->loop = c->o->loop;
    s->machine = c->o->machine;
    s->limits = c->head.plan.limits;
    s->start_timeout_ns = machine_patience(s->machine) * START_TIMEOUT_NS;
    s->stop_timeout_ns = machine_patience(s->machine) * STOP_TIMEOUT_NS;
    s->engine_networks = network_asks_engines(&c->head.plan);
    site_names(c);
    r = cgroup_usable_cpus(&c->o->machine->cgroups, &s->cpus, err);
    if (r < 0)
        return r;
    r = ledger_open(c->o->state_dir, s->run_id, &s->ledger, err);
    if (r < 0)
        return r;
    if (s->limits.io_bps && s->cgroup[0] && (r = site_disk(c, err)) < 0)
        return r;
    r = site_make(c, err);
    if (r < 0)
        return r;
    return monitor_open(&c->o->machine->cgroups, s->cgroup, &c->monitor, err);
}

static void reap_between(void *user)
{
    loop_run_ready(user);
}

static int site_take_away(struct course *c, struct err *err)
{
    struct site *s = &c->site;
    const struct cgroups *g = &c->o->machine->cgroups;
    int r = 0;

    if (s->cgroup[0] && cgroup_exists(g, s->cgroup)) {
        r = cgroup_kill(g, s->cgroup, time_deadline(s->stop_timeout_ns), reap_between, s->loop,
                        err);
        if (r == 0)
            r = cgroup_remove(g, s->cgroup, err);
        if (r < 0)
            return r;
    }
    if (s->cgroup[0])
        ledger_done(s->ledger, &(struct ledger_item){.kind = LEDGER_CGROUP, .path = s->cgroup},
                    NULL);
    r = fs_remove_tree(s->dir, err);
    if (r < 0)
        return r;
    return ledger_done(s->ledger, &(struct ledger_item){.kind = LEDGER_DIR, .path = s->dir}, err);
}

int site_close(struct course *c, struct err *err)
{
    struct site *s = &c->site;
    struct err first = ERR_INIT;
    int r;

    monitor_close(c->monitor);
    c->monitor = NULL;
    if (!s->ledger)
        return 0;
    r = site_take_away(c, &first);
    if (r < 0) {
        if (err)
            *err = first;
        ledger_free(s->ledger);
    } else {
        r = ledger_close(s->ledger, err);
    }
    s->ledger = NULL;
    return r;
}
