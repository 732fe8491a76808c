#include "driver/weight.h"

#include <errno.h>

static void add_process(struct weight *w, enum component what, struct pss_reader *r, pid_t pid)
{
    struct pss p;
    int rc = pss_read(r, pid, &p);
    if (rc == -ESRCH) {
        w->gone++;
    } else if (rc < 0) {
        w->unreadable++;
    } else {
        struct weight_part *part = &w->part[what];
        part->pss_bytes += p.pss_bytes;
        part->swap_bytes += p.swap_bytes;
        part->shmem_bytes += p.shmem_bytes;
        part->processes++;
    }
}

void weights_read(const struct attribution *a, struct pss_reader *r, struct weight *ret, size_t n,
                  struct weight *ret_daemons)
{
    memset(ret, 0, n * sizeof(*ret));
    if (ret_daemons)
        *ret_daemons = (struct weight){0};
    for (size_t i = 0; i < a->table.n; i++) {
        const struct attributed *x = &a->v[i];
        struct weight *w = x->owner == ATTRIBUTED_TO_ALL ? ret_daemons
                           : x->owner < n                ? &ret[x->owner]
                                                         : NULL;
        if (w)
            add_process(w, x->what, r, a->table.v[i].pid);
    }
}

static bool counts(enum component what, enum weight_sum which)
{
    if (what == COMPONENT_DAEMON)
        return false;
    return which == WEIGHT_ALL || (what != COMPONENT_SHIM && what != COMPONENT_CONMON &&
                                   what != COMPONENT_TOOL && what != COMPONENT_PAUSE);
}

uint64_t weight_pss(const struct weight *w, enum weight_sum which)
{
    uint64_t sum = 0;
    for (enum component what = 0; what < COMPONENT_COUNT; what++)
        if (counts(what, which))
            sum += w->part[what].pss_bytes;
    return sum;
}

unsigned weight_processes(const struct weight *w, enum weight_sum which)
{
    unsigned sum = 0;
    for (enum component what = 0; what < COMPONENT_COUNT; what++)
        if (counts(what, which))
            sum += w->part[what].processes;
    return sum;
}
