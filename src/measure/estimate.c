/* How long a run of a fixed number of blocks will take, before it has begun: what every workload
 * says of itself for the pace of this machine, and what it took to start and stop each target in
 * the preflight. The disk's pace differs a hundredfold between machines, so that is measured. */
#include "measure/network.h"

#include "base/cleanup.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define EXPECTED_NS (5 * NS_PER_S)
/* Preparing, finishing and reading an application's server: beside the command itself. */
#define APP_EXTRA_NS (300 * NS_PER_MS)

/* A server that is a process of the host, its namespaces made and removed. */
#define PEER_NS (150 * NS_PER_MS)

#define TRIAL_BYTES (32 << 20)
#define TRIAL_PIECE (1 << 20)
#define TRIAL_SYNCS 8

/* Where nothing was measured: a machine of the usual kind. */
#define DISK_NS   2.
#define SYNC_NS   1e6
#define MEMORY_NS .2
#define CALL_NS   60e3 /* gVisor's file server, one record */

/* One CPU of a usual machine at a matrix product: it hangs on how wide its vectors are. */
#define FLOP_NS      .03
#define FLOP_WIDE_NS .014

/* ---- the disk ---- */

static int write_and_sync(int fd, const char *piece, size_t n, size_t times)
{
    for (size_t i = 0; i < times; i++)
        if (write(fd, piece, n) != (ssize_t)n)
            return -EIO;
    return fsync(fd) < 0 ? -errno : 0;
}

/* Leaves *ret as it is where the disk cannot be written: the run itself will say so. */
static void disk_pace(const struct course *c, struct pace *ret)
{
    char path[160];
    _cleanup_free_ char *piece = xcalloc(1, TRIAL_PIECE);
    str_format(path, sizeof(path), "%s/pace", c->site.dir);
    _cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return;
    uint64_t begin_ns = time_mono_ns();
    int r = write_and_sync(fd, piece, TRIAL_PIECE, TRIAL_BYTES / TRIAL_PIECE);
    uint64_t written_ns = time_mono_ns();
    for (int i = 0; r == 0 && i < TRIAL_SYNCS; i++)
        r = write_and_sync(fd, piece, 4096, 1);
    uint64_t synced_ns = time_mono_ns();
    unlink(path);
    if (r < 0)
        return;
    ret->disk_ns = (double)(written_ns - begin_ns) / TRIAL_BYTES;
    ret->sync_ns = (double)(synced_ns - written_ns) / TRIAL_SYNCS;
}

static bool writes_to_disk(const struct course *c)
{
    for (size_t i = 0; i < c->n_cells; i++) {
        const struct cell *cell = &c->head.plan.cells.v[i];
        if (cell->grain == GRAIN_WHOLE && cell->workload->expected_ns &&
            (cell->place == PLACE_ROOTFS || cell->place == PLACE_BIND))
            return true;
    }
    return false;
}

static double flop_ns(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f"))
        return FLOP_WIDE_NS;
#endif
    return FLOP_NS;
}

static struct pace machine_pace(const struct course *c)
{
    struct pace p = {.disk_ns = DISK_NS,
                     .sync_ns = SYNC_NS,
                     .memory_ns = MEMORY_NS,
                     .flop_ns = flop_ns() / (double)cpus_count(&c->site.cpus)};
    if (writes_to_disk(c))
        disk_pace(c, &p);
    return p;
}

/* ---- cells ---- */

/* What an application declares is for its default; a run that is scaled or told otherwise takes
 * as much less or more. */
static uint64_t app_ns(const struct cell *cell)
{
    const struct app *a = cell->app;
    uint64_t expected = a->expected_ns ? a->expected_ns : EXPECTED_NS;
    double factor = 1;

    for (size_t i = 0; i < a->n_params; i++) {
        struct params usual = {.n = 0};
        if (a->scaled && str_eq(a->params[i].name, a->scaled) &&
            params_set(&usual, &a->params[i], a->params[i].fallback, NULL) == 0 &&
            usual.v[0].num > 0)
            factor = (double)params_num(&cell->params, a->scaled, 0) / (double)usual.v[0].num;
    }
    return (uint64_t)((double)expected * factor) + APP_EXTRA_NS;
}

static uint64_t execution_ns(const struct cell *cell, const struct pace *pace)
{
    const struct workload *w = cell->workload;

    if (cell->app)
        return app_ns(cell);
    if (w->expected_ns)
        return w->expected_ns(cell, pace);
    return w->time_param ? (uint64_t)params_num(&cell->params, w->time_param, EXPECTED_NS)
                         : EXPECTED_NS;
}

/* A sliced cell: calibration and rounds, with their lead, and what is timed one by one. */
static uint64_t sliced_ns(const struct plan *p, const struct cell *cell)
{
    unsigned more = cell->workload->network && cell->workload->latency ? LATENCY_SLICES : 0;

    return (p->rounds + 2 + more) * p->slice_ns * 3 / 2;
}

static uint64_t cell_ns(const struct course *c, const struct cell *cell, const struct slot *slot,
                        const struct pace *pace)
{
    if (cell->grain != GRAIN_WHOLE)
        return sliced_ns(&c->head.plan, cell);
    if (cell->workload->grain != GRAIN_WHOLE)
        return slot->cycle_ns + 50 * c->head.plan.slice_ns;
    return slot->cycle_ns + execution_ns(cell, pace);
}

static bool shares_with_earlier(const struct course *c, size_t cell)
{
    const struct cell *cells = c->head.plan.cells.v;

    for (size_t i = 0; i < cell; i++)
        if (cell_shares_execution(&cells[i], &cells[cell]))
            return true;
    return false;
}

/* Sessions are started once more for each network, and so are their peers. */
static uint64_t network_ns(const struct course *c, size_t cell, const struct slot *slot)
{
    const struct cell *cells = c->head.plan.cells.v;
    bool same = str_eq(params_text(&cells[cell].params, NET_PEER, ""), NET_PEER_TARGET);

    for (size_t i = 0; i < cell; i++)
        if (network_shared(&cells[i], &cells[cell]))
            return 0;
    return slot->cycle_ns + (same ? slot->cycle_ns : PEER_NS);
}

uint64_t estimate_block_ns(const struct course *c)
{
    struct pace pace = machine_pace(c);
    uint64_t sum = 0;

    for (size_t t = 0; t < c->n_targets; t++) {
        const struct slot *slot = &c->slots[t];
        bool sliced = false;

        if (!slot->info.usable)
            continue;
        pace.call_ns = slot->own_kernel ? CALL_NS : 0;
        pace.cycle_ns = (double)slot->cycle_ns;
        for (size_t i = 0; i < c->n_cells; i++) {
            if (slot->pairs[i].given_up || shares_with_earlier(c, i))
                continue;
            const struct cell *cell = &c->head.plan.cells.v[i];
            sum += cell_ns(c, cell, slot, &pace);
            if (cell->workload->network)
                sum += network_ns(c, i, slot);
            else
                sliced = sliced || cell->grain != GRAIN_WHOLE;
        }
        sum += sliced ? slot->cycle_ns : 0;
    }
    return sum;
}
