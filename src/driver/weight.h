/* What sessions weigh: proportional set size by component, sums with and without what stands above
 * the container, daemons apart.
 *
 * Layer: driver. PSS is a sum in which shared pages count once (host/pss.h); it falls with the
 * number of sandboxes that share a binary, so the number belongs beside it. What the kernel holds
 * for a container is in no PSS: kernel_memory_read before and after is the cross-check, and
 * cgroup_shmem against shmem_bytes shows memory files that nobody maps.
 *
 *     attribution_read(&a, &in, &err);
 *     weights_read(&a, &reader, weights, n_claims, &daemons);
 *     weight_pss(&weights[0], WEIGHT_CONTAINER) */
#ifndef CUPEL_DRIVER_WEIGHT_H
#define CUPEL_DRIVER_WEIGHT_H

#include "driver/attribution.h"
#include "host/pss.h"

struct weight_part {
    uint64_t pss_bytes, swap_bytes, shmem_bytes; /* shmem is in pss, swap is not */
    unsigned processes;
};

struct weight {
    struct weight_part part[COMPONENT_COUNT];
    unsigned gone;       /* processes that ended between the look and the reading: in no part */
    unsigned unreadable; /* others that could not be read: the sums are too small */
};

enum weight_sum {
    WEIGHT_CONTAINER, /* without what stands above or beside it: shim, conmon, command lines, a
                         pod's pause */
    WEIGHT_ALL,       /* everything that exists because of the session; no daemon */
};

/* ret: one for each claim of the attribution, ret_daemons may be NULL. */
void weights_read(const struct attribution *a, struct pss_reader *r, struct weight *ret, size_t n,
                  struct weight *ret_daemons);
uint64_t weight_pss(const struct weight *w, enum weight_sum which);
unsigned weight_processes(const struct weight *w, enum weight_sum which);

#endif
