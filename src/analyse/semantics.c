#include "analyse/semantics.h"

#include "analyse/analyse.h"
#include "base/str.h"

#include <jansson.h>
#include <math.h>

/* statfs(2) */
#define MAGIC_TMPFS 0x01021994
#define MAGIC_RAMFS 0x858458f6

/* Of what was to be read from the device, so much may have been in memory. */
#define WARM_MAX .02
/* A sync that costs less than this of the base's did something else. */
#define SYNC_MIN .5
/* Share of the mapped memory in huge pages that two targets may differ by. */
#define HUGE_DIFFERENCE .5
/* Who uses more than this of its CPU is what the others wait for. */
#define BUSY .9

static double fact(const json_t *facts, const char *name)
{
    const json_t *v = json_object_get(facts, name);

    return json_is_number(v) ? json_number_value(v) : NAN;
}

static bool is_memory(const struct cell *cell, const json_t *facts)
{
    double magic = fact(facts, "fs_magic");

    return (cell->place == PLACE_ROOTFS || cell->place == PLACE_BIND) &&
           (magic == MAGIC_TMPFS || magic == (double)MAGIC_RAMFS ||
            json_is_false(json_object_get(facts, "on_host")));
}

/* Of the first reading alone; a tmpfs has nothing colder than memory. */
static bool is_warm(const struct cell *cell, const json_t *facts)
{
    const char *metric = cell->workload->metric;

    if (cell->place == PLACE_TMPFS || !metric || !str_eq(metric, "read") ||
        !str_eq(params_text(&cell->params, "cold", "yes"), "yes"))
        return false;
    double resident = fact(facts, "read_resident_mib"), all = fact(facts, "read");

    return resident > WARM_MAX * all;
}

static double cost(const struct part *p)
{
    const struct sample *s = p->samples.n ? &p->samples.v[0] : NULL;

    return s && s->ops && s->ns ? (double)s->ns / (double)s->ops : NAN;
}

/* Of cells whose operation ends on the device: more than one sync for every operation. */
static bool syncs_are_cheap(const struct cell *cell, const json_t *facts, const struct part *p,
                            const struct part *base)
{
    double syncs = fact(facts, "syncs");

    if (cell->place == PLACE_TMPFS || p == base || !base || !(syncs > 0))
        return false;
    return cost(p) < SYNC_MIN * cost(base);
}

/* NAN where the guest does not say. */
static double huge_share(const json_t *facts)
{
    double huge = fact(facts, "huge_bytes");

    return huge >= 0 ? huge / fact(facts, "mapped_bytes") : NAN;
}

static bool huge_pages_differ(const json_t *facts, const json_t *base)
{
    return fabs(huge_share(facts) - huge_share(base)) > HUGE_DIFFERENCE;
}

static json_t *facts_of(const struct part *p)
{
    return p && p->facts ? json_loads(p->facts, 0, NULL) : NULL;
}

/* Of one CPU each, over the slices. */
static bool is_peer_limited(const json_t *facts)
{
    return fact(facts, "peer_busy") > BUSY && fact(facts, "client_busy") < BUSY;
}

unsigned semantics_of(const struct cell *cell, const struct part *p, const struct part *base)
{
    json_t *facts, *its;
    unsigned flags = 0;

    /* The others have no facts that say anything here: spare the parsing. */
    if (cell->place == PLACE_NONE && !cell->workload->network &&
        !str_eq(cell->workload->family, "mem"))
        return 0;
    facts = facts_of(p);
    its = facts_of(base);
    if (is_memory(cell, facts))
        flags |= CELL_FLAG_MEMORY_FS;
    if (is_warm(cell, facts))
        flags |= CELL_FLAG_NOT_COLD;
    if (syncs_are_cheap(cell, facts, p, base))
        flags |= CELL_FLAG_FSYNC;
    if (huge_pages_differ(facts, its))
        flags |= CELL_FLAG_HUGE_PAGES;
    if (is_peer_limited(facts))
        flags |= CELL_FLAG_PEER;
    json_decref(facts);
    json_decref(its);
    return flags;
}
