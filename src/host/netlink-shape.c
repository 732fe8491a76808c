#include "host/netlink-shape.h"

#include "base/time.h"

#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/netem.h>
#include <netlink/route/qdisc/tbf.h>

/* Handles of the disciplines on a link. */
#define NETEM_HANDLE 1
#define TBF_HANDLE   2

/* Packets that netem may hold back: 100 ms of full packets at 10 Gbit/s are some 80,000. */
#define NETEM_PACKETS 100000

static struct rtnl_qdisc *discipline(struct rtnl_link *link, uint32_t parent, uint32_t handle,
                                     const char *kind)
{
    struct rtnl_qdisc *q = rtnl_qdisc_alloc();
    if (!q)
        return NULL;
    rtnl_tc_set_link(TC_CAST(q), link);
    rtnl_tc_set_parent(TC_CAST(q), parent);
    rtnl_tc_set_handle(TC_CAST(q), TC_HANDLE(handle, 0));
    if (rtnl_tc_set_kind(TC_CAST(q), kind) < 0) {
        rtnl_qdisc_put(q);
        return NULL;
    }
    return q;
}

static struct nl_msg *request(struct rtnl_qdisc *q)
{
    struct nl_msg *msg = NULL;
    if (q && rtnl_qdisc_build_add_request(q, NLM_F_CREATE | NLM_F_REPLACE, &msg) < 0)
        msg = NULL;
    rtnl_qdisc_put(q);
    return msg;
}

struct nl_msg *shape_netem_request(struct rtnl_link *link, const struct netlink_shape *shape)
{
    struct rtnl_qdisc *q = discipline(link, TC_H_ROOT, NETEM_HANDLE, "netem");
    if (q) {
        rtnl_netem_set_limit(q, NETEM_PACKETS);
        /* The library makes the scheduler's ticks of it. */
        rtnl_netem_set_delay(q, (int)(shape->delay_ns / NS_PER_US));
        /* A share of 2^32 - 1, in a signed parameter. */
        rtnl_netem_set_loss(q, (int)(uint32_t)(shape->loss * UINT32_MAX));
    }
    return request(q);
}

struct nl_msg *shape_tbf_request(struct rtnl_link *link, const struct netlink_shape *shape,
                                 bool below_netem)
{
    struct rtnl_qdisc *q =
        discipline(link, below_netem ? TC_HANDLE(NETEM_HANDLE, 1) : TC_H_ROOT, TBF_HANDLE, "tbf");
    if (q) {
        rtnl_qdisc_tbf_set_rate(q, (int)(shape->rate_bps / 8), (int)shape->burst, 0);
        rtnl_qdisc_tbf_set_limit(q, (int)(shape->burst + shape->queue));
    }
    return request(q);
}
