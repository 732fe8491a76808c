#include "measure/course.h"

#include <errno.h>

#define MIB (UINT64_C(1) << 20)

/* Without a figure for the last-level cache: larger than most. */
#define LLC_UNKNOWN_BYTES (32 * MIB)
#define ARRAY_MIN_BYTES   (16 * MIB)
#define ARRAY_MAX_BYTES   (256 * MIB)
#define ARRAYS            3

/* A file that is read and written: the smaller of this and a quarter of the memory. */
#define FILE_MAX_BYTES    (2048 * MIB)
#define TMPFS_SLACK_BYTES (64 * MIB)

/* Three arrays of twice the last-level cache each are streamed through in a circle, six times the
 * cache in all: least-recently-used never hits, and the four times that STREAM asks of its arrays
 * is kept by their sum. Twice instead of four times keeps the first touch in each new session
 * short. */
static uint64_t auto_array_bytes(const struct course *c)
{
    const struct machine *m = c->o->machine;
    uint64_t llc = m->llc_bytes ? m->llc_bytes : LLC_UNKNOWN_BYTES;
    uint64_t room = m->available_bytes;
    uint64_t want = 2 * llc;
    uint64_t most;

    if (c->head.plan.limits.memory_bytes && c->head.plan.limits.memory_bytes < room)
        most = c->head.plan.limits.memory_bytes / (2 * ARRAYS);
    else
        most = room / (2 * ARRAYS * (c->n_targets ? c->n_targets : 1));
    if (want > ARRAY_MAX_BYTES)
        want = ARRAY_MAX_BYTES;
    if (want < ARRAY_MIN_BYTES)
        want = ARRAY_MIN_BYTES;
    if (want > most)
        want = most;
    return want / (2 * MIB) * (2 * MIB);
}

static uint64_t auto_file_bytes(const struct course *c)
{
    uint64_t memory = c->o->machine->memory_bytes, limit = c->head.plan.limits.memory_bytes;

    if (limit && limit < memory)
        memory = limit;
    return (memory / 4 < FILE_MAX_BYTES ? memory / 4 : FILE_MAX_BYTES) / MIB * MIB;
}

static int resolve_auto(const struct course *c, struct cell *cell, struct param *p, struct err *err)
{
    if (str_eq(p->name, "array_bytes")) {
        p->num = (int64_t)auto_array_bytes(c);
        if (p->num < (int64_t)(2 * MIB))
            return err_set(
                err, ERR_ENVIRONMENT, ENOMEM,
                "%s: too little memory for its arrays; give -p array_bytes=", cell->name);
        p->is_auto = false;
        return 0;
    }
    if (str_eq(p->name, "size")) {
        p->num = (int64_t)auto_file_bytes(c);
        p->is_auto = false;
        return 0;
    }
    return err_set(err, ERR_BUG, EINVAL, "%s: nothing derives parameter %s", cell->name, p->name);
}

/* The measured work lies at the end of the set: interrupts and daemons tend to live at its start.
 */
static int resolve_cpus(const struct course *c, const struct cell *cell, cpu_set_t *ret,
                        struct err *err)
{
    const cpu_set_t *all = &c->site.cpus;
    size_t want = cell->cpus == CPUS_ONE ? 1 : cell->cpus == CPUS_TWO ? 2 : cpus_count(all);

    if (cell->cpus == CPUS_TWO && cpus_count(all) < 2)
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "%s needs two CPUs, this machine gives one",
                       cell->name);
    CPU_ZERO(ret);
    for (size_t k = 0; k < want; k++)
        CPU_SET((size_t)cpus_from_end(all, k), ret);
    return 0;
}

/* The client of a network has the first of the cell's CPUs, the server the other, if there is one.
 */
static void part_cpus(const struct course *c, cpu_set_t *client, cpu_set_t *server)
{
    size_t other = cpus_count(client) > 1 ? 1 : 0;

    CPU_ZERO(client);
    CPU_ZERO(server);
    CPU_SET((size_t)cpus_from_end(&c->site.cpus, 0), client);
    CPU_SET((size_t)cpus_from_end(&c->site.cpus, other), server);
}

/* What its sessions run in. A file of its own has to fit where the workload puts one; what grows
 * with the time it is given (blogbench) gets a tmpfs as Linux makes it, of half the memory. */
static void resolve_launch(const struct course *c, const struct cell *cell, struct launch *ret)
{
    uint64_t limit = c->head.plan.limits.memory_bytes, memory = c->o->machine->memory_bytes;
    int64_t size = params_num(&cell->params, "size", 0);

    ret->program = cell->workload->program;
    if (cell->place == PLACE_TMPFS && size > 0)
        ret->tmpfs_bytes = (uint64_t)size + TMPFS_SLACK_BYTES;
    else if (cell->place == PLACE_TMPFS && cell->workload->grain == GRAIN_WHOLE)
        ret->tmpfs_bytes = (limit && limit < memory ? limit : memory) / 2;
}

int resolve_params(const struct course *c, struct cell *cell, struct err *err)
{
    int r = 0;

    for (size_t k = 0; r == 0 && k < cell->params.n; k++)
        if (cell->params.v[k].is_auto)
            r = resolve_auto(c, cell, &cell->params.v[k], err);
    return r;
}

int resolve_cells(struct course *c, struct err *err)
{
    for (size_t i = 0; i < c->n_cells; i++) {
        struct cell *cell = &c->head.plan.cells.v[i];
        struct err why = ERR_INIT;
        int r = resolve_params(c, cell, err);

        if (r < 0)
            return r;
        if (resolve_cpus(c, cell, &c->cell_cpus[i], &why) < 0) {
            course_impossible(c, i, &why);
            continue;
        }
        if (cell->workload->network)
            part_cpus(c, &c->cell_cpus[i], &c->peer_cpus[i]);
        resolve_launch(c, cell, &c->launches[i]);
        if (cell->workers == 0)
            cell->workers = (unsigned)cpus_count(&c->cell_cpus[i]);
    }
    return 0;
}
