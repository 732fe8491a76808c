/* Queueing disciplines as the requests that make them: netem for delay and loss, tbf for a rate.
 *
 * Layer: host, internal to netlink.c and its test: a kernel without netem takes none of these, so
 * what it would be told has to be seen before it is sent.
 * Ownership: the request is the caller's (nlmsg_free). NULL: no memory. */
#ifndef CUPEL_HOST_NETLINK_SHAPE_H
#define CUPEL_HOST_NETLINK_SHAPE_H

#include "host/netlink.h"

#include <stdbool.h>

struct nl_msg;
struct rtnl_link;

/* At the root of the link. A kernel without it answers ENOENT. */
struct nl_msg *shape_netem_request(struct rtnl_link *link, const struct netlink_shape *shape);
/* At the root, or below_netem as netem's one child. */
struct nl_msg *shape_tbf_request(struct rtnl_link *link, const struct netlink_shape *shape,
                                 bool below_netem);

#endif
