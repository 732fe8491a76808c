/* What a target asks of the host's kernel while its guest does something: how many different system
 * calls, how often, and by whom: the payload itself, or the sandbox around it.
 *
 * Layer: measure, internal. */
#ifndef CUPEL_MEASURE_HOSTCALLS_H
#define CUPEL_MEASURE_HOSTCALLS_H

#include "host/callcount.h"
#include "measure/lane.h"

#include <jansson.h>

/* While somebody counts. All zero: nobody does. */
struct hostcalls {
    struct callcount *count;
    char instance[80]; /* the tracing instance that stands in the ledger for it; "" none */
};

/* Counts from now on, for the lane's session. Where that cannot be had the lane fails. To be ended
 * by one of the other two. */
void hostcalls_begin(struct course *c, struct lane *l, struct hostcalls *ret);
/* Lets go of it. What could not be removed stays in the ledger. */
int hostcalls_drop(struct course *c, struct hostcalls *h, struct err *err);
/* Ends it; the facts, to be put beside the guest's:
 *   counted_by                                  "bpf" or "tracefs", see host/callcount.h
 *   host_distinct, host_total, host_a_round     of all; the last for each operation of the slice
 *   payload_distinct, payload_total, payload_bits   of the payload's processes
 *   sandbox_distinct, sandbox_total, sandbox_bits   of all others of the session
 * and those of measure/powers.h.
 * _bits as in wire/callset.h. NULL: the lane failed. */
json_t *hostcalls_end(struct course *c, struct lane *l, struct hostcalls *h);

#endif
