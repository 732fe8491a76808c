/* What a pod's sandbox costs its node beside the payload, by the figures of the density experiment,
 * and what its RuntimeClass counts for it (overhead.podFixed).
 *
 * Memory: the upper end of the interval of what one container more weighs with all that stands
 * above it (PSS), less the payload, which the pod's own requests are for, and less command lines
 * such as `ctr run`, which a node's kubelet does not use, plus the most that the kernel pinned for
 * one. CPU: the most that one burned while idle.
 *
 * Layer: analyse. Plain data. */
#ifndef CUPEL_ANALYSE_OVERHEAD_H
#define CUPEL_ANALYSE_OVERHEAD_H

#include "analyse/analyse.h"

#define OVERHEAD_CELL "density.all"

struct overhead {
    uint32_t target;
    double memory_bytes; /* pss_bytes - without_bytes + kernel_bytes, at least 0 */
    double pss_bytes, without_bytes, kernel_bytes;
    double cpus;
    size_t blocks;
    double running;   /* at once, at the most */
    char handler[64]; /* of its class; "": it has none */
    /* What that counts; NAN: nothing. */
    double counted_bytes, counted_cpus;
};

struct overheads {
    VEC(struct overhead) list; /* one for every target that was weighed, in their order */
};

/* The host is none. Without OVERHEAD_CELL in the run: an empty list. */
int analyse_overheads(struct store *s, const struct analysis *a, struct overheads *ret,
                      struct err *err);
void overheads_release(struct overheads *o);

/* Does it take more than its class counts? Then the nodes are promised away more than once. */
bool overhead_is_more(const struct overhead *o);

#endif
