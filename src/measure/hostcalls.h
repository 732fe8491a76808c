/* What a target asks of the host's kernel while its guest does something: how many different system
 * calls, how often, and by whom: the payload itself, or the sandbox around it.
 *
 * Layer: measure, internal. */
#ifndef CUPEL_MEASURE_HOSTCALLS_H
#define CUPEL_MEASURE_HOSTCALLS_H

#include "host/callcount.h"
#include "measure/lane.h"

#include <jansson.h>

/* Counts from now on, for the lane's session. Where that cannot be had the lane fails. */
void hostcalls_begin(struct course *c, struct lane *l, struct callcount **ret);
/* Ends it; the facts, to be put beside the guest's:
 *   host_distinct, host_total, host_a_round     of all; the last for each operation of the slice
 *   payload_distinct, payload_total, payload_bits   of the payload's processes
 *   sandbox_distinct, sandbox_total, sandbox_bits   of all others of the session
 * and those of measure/powers.h.
 * _bits as in wire/callset.h. NULL: the lane failed. */
json_t *hostcalls_end(struct course *c, struct lane *l, struct callcount *k);

#endif
