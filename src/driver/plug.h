/* How a session is plugged into the run's network: what the drivers share of it.
 *
 * Layer: driver, internal to the drivers. A session without a network (net.netns is "") passes
 * through all of these unchanged. */
#ifndef CUPEL_DRIVER_PLUG_H
#define CUPEL_DRIVER_PLUG_H

#include "driver/ground.h"

/* What runsc's --network is called with: "none", "sandbox" (a stack of its own on the interface of
 * its namespace) or "host" (the namespace's stack). */
const char *plug_runsc_network(const struct live *l);
/* Before its runtime is called: for a sandbox with a stack of its own l->cover_fd becomes a mount
 * namespace in which it does not take the session's network namespace for the machine's. */
int plug_cover(struct live *l, struct err *err);
/* Whether plug_cover does anything: for a runtime that is not called by us. */
bool plug_needs_cover(const struct live *l);
/* Would gVisor, called without a cover, take such a namespace for the machine's? */
bool plug_namespace_needs_cover(const char *netns);
/* Why a target cannot have a network. */
int plug_unsupported(const struct live *l, const char *why, struct err *err);

/* gVisor takes a namespace in which it sees PLUG_COVER_FILE for the machine's own and refuses it;
 * later kernels show it in every one. */
#define PLUG_COVER      "/proc/sys/net"
#define PLUG_COVER_FILE "/proc/sys/net/core/rmem_default"

#endif
