#include "host/netlink.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "base/time.h"
#include "host/netlink-shape.h"
#include "host/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/route.h>
#include <sys/ioctl.h>

struct netlink {
    struct nl_sock *sock;
    int kernel_errno; /* of the last refusal: the library keeps a rougher code */
};

static int on_refusal(struct sockaddr_nl *from, struct nlmsgerr *e, void *user)
{
    struct netlink *n = user;
    n->kernel_errno = -e->error;
    return NL_STOP;
}

/* Look-ups do not call on_refusal. */
static int errno_of(int r)
{
    return r == -NLE_NODEV ? ENODEV : r == -NLE_NOMEM ? ENOMEM : r == -NLE_PERM ? EPERM : 0;
}

/* The error for what a call of the library returned; `where` may be "". */
static int refused(struct netlink *n, int r, struct err *err, const char *doing, const char *where)
{
    int code = n->kernel_errno ? n->kernel_errno : errno_of(r);
    n->kernel_errno = 0;
    if (code > 0)
        return err_errno(err, code, "%s%s%s", doing, *where ? " " : "", where);
    return err_set(err, ERR_ENVIRONMENT, EIO, "%s%s%s: %s", doing, *where ? " " : "", where,
                   nl_geterror(r));
}

/* The same for something of a kind that the kernel may not have, which it tells by `lacking`. */
static int refused_kind(struct netlink *n, int r, struct err *err, int lacking, const char *kind)
{
    if (n->kernel_errno != lacking)
        return refused(n, r, err, "make", kind);
    n->kernel_errno = 0;
    return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "this kernel has no %s", kind);
}

static int no_memory(struct err *err)
{
    return err_set(err, ERR_ENVIRONMENT, ENOMEM, "speak to the kernel's network: no memory");
}

static int connect_here(void *user, struct err *err)
{
    struct netlink *n = user;
    int r = nl_connect(n->sock, NETLINK_ROUTE);
    return r < 0 ? refused(n, r, err, "speak to the kernel's network", "") : 0;
}

int netlink_open(int netns, struct netlink **ret, struct err *err)
{
    struct netlink *n = xcalloc(1, sizeof(*n));
    n->sock = nl_socket_alloc();
    int r = n->sock ? netns_run(netns, connect_here, n, err) : no_memory(err);
    if (r < 0) {
        netlink_close(n);
        return r;
    }
    nl_socket_modify_err_cb(n->sock, NL_CB_CUSTOM, on_refusal, n);
    *ret = n;
    return 0;
}

void netlink_close(struct netlink *n)
{
    if (!n)
        return;
    nl_socket_free(n->sock);
    free(n);
}

/* ---- links ---- */

static int find(struct netlink *n, const char *name, struct rtnl_link **ret, struct err *err)
{
    int r = rtnl_link_get_kernel(n->sock, 0, name, ret);
    return r < 0 ? refused(n, r, err, "find link", name) : 0;
}

static int set_mac(struct rtnl_link *link, const uint8_t mac[NETLINK_MAC])
{
    struct nl_addr *addr = nl_addr_build(AF_LLC, mac, NETLINK_MAC);
    if (!addr)
        return -NLE_NOMEM;
    rtnl_link_set_addr(link, addr);
    nl_addr_put(addr);
    return 0;
}

int netlink_add_bridge(struct netlink *n, const char *name, const uint8_t mac[NETLINK_MAC],
                       struct err *err)
{
    struct rtnl_link *link = rtnl_link_alloc();
    if (!link)
        return no_memory(err);
    rtnl_link_set_name(link, name);
    rtnl_link_set_flags(link, IFF_UP);
    int r = rtnl_link_set_type(link, "bridge");
    if (r == 0)
        r = set_mac(link, mac);
    if (r == 0)
        r = rtnl_link_add(n->sock, link, NLM_F_CREATE | NLM_F_EXCL);
    rtnl_link_put(link);
    return r < 0 ? refused_kind(n, r, err, EOPNOTSUPP, "bridge") : 0;
}

static int describe_veth(const struct netlink_veth *v, struct rtnl_link *port,
                         struct rtnl_link *peer, int bridge)
{
    rtnl_link_set_name(port, v->port);
    rtnl_link_set_flags(port, IFF_UP);
    rtnl_link_set_master(port, bridge);
    rtnl_link_set_name(peer, v->name);
    rtnl_link_set_ns_fd(peer, v->netns);
    if (v->mtu) {
        rtnl_link_set_mtu(port, v->mtu);
        rtnl_link_set_mtu(peer, v->mtu);
    }
    return set_mac(peer, v->mac);
}

int netlink_add_veth(struct netlink *n, const struct netlink_veth *v, struct err *err)
{
    struct rtnl_link *bridge = NULL;
    int r = find(n, v->bridge, &bridge, err);
    if (r < 0)
        return r;
    struct rtnl_link *port = rtnl_link_veth_alloc();
    struct rtnl_link *peer = port ? rtnl_link_veth_get_peer(port) : NULL;
    r = peer ? describe_veth(v, port, peer, rtnl_link_get_ifindex(bridge)) : -NLE_NOMEM;
    if (r == 0)
        r = rtnl_link_add(n->sock, port, NLM_F_CREATE | NLM_F_EXCL);
    rtnl_link_put(peer);
    rtnl_link_put(port);
    rtnl_link_put(bridge);
    return r < 0 ? refused_kind(n, r, err, EOPNOTSUPP, "veth") : 0;
}

static int change(struct netlink *n, const char *name, struct rtnl_link *how, const char *doing,
                  struct err *err)
{
    struct rtnl_link *link = NULL;
    int r = find(n, name, &link, err);
    if (r < 0)
        return r;
    r = rtnl_link_change(n->sock, link, how, 0);
    rtnl_link_put(link);
    return r < 0 ? refused(n, r, err, doing, name) : 0;
}

int netlink_add_port(struct netlink *n, const char *name, const char *bridge, unsigned mtu,
                     struct err *err)
{
    struct rtnl_link *link = NULL;
    int r = find(n, bridge, &link, err);
    if (r < 0)
        return r;
    struct rtnl_link *how = rtnl_link_alloc();
    if (how) {
        rtnl_link_set_master(how, rtnl_link_get_ifindex(link));
        rtnl_link_set_flags(how, IFF_UP);
        if (mtu)
            rtnl_link_set_mtu(how, mtu);
    }
    r = how ? change(n, name, how, "make a port of", err) : no_memory(err);
    rtnl_link_put(how);
    rtnl_link_put(link);
    return r;
}

static int make_tap_here(void *user, struct err *err)
{
    const char *name = user;
    struct ifreq q = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    str_copy(q.ifr_name, sizeof(q.ifr_name), name);
    if (if_nametoindex(name) > 0)
        return 0;
    _cleanup_fd_ int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "this kernel has no tap (/dev/net/tun)");
    if (fd < 0 || ioctl(fd, TUNSETIFF, &q) < 0 || ioctl(fd, TUNSETPERSIST, 1) < 0)
        return err_errno(err, errno, "make tap %s", name);
    return 0;
}

int netlink_make_tap(int netns, const char *name, struct err *err)
{
    return netns_run(netns, make_tap_here, (void *)name, err);
}

int netlink_up(struct netlink *n, const char *name, struct err *err)
{
    struct rtnl_link *how = rtnl_link_alloc();
    if (!how)
        return no_memory(err);
    rtnl_link_set_flags(how, IFF_UP);
    int r = change(n, name, how, "bring up", err);
    rtnl_link_put(how);
    return r;
}

int netlink_move(struct netlink *n, const char *name, int netns, struct err *err)
{
    struct rtnl_link *how = rtnl_link_alloc();
    if (!how)
        return no_memory(err);
    rtnl_link_set_ns_fd(how, netns);
    int r = change(n, name, how, "move", err);
    rtnl_link_put(how);
    return r;
}

int netlink_delete(struct netlink *n, const char *name, struct err *err)
{
    struct rtnl_link *link = NULL;
    int r = find(n, name, &link, err);
    if (r < 0)
        return r;
    r = rtnl_link_delete(n->sock, link);
    rtnl_link_put(link);
    return r < 0 ? refused(n, r, err, "remove", name) : 0;
}

int netlink_mtu(struct netlink *n, const char *name, unsigned *ret, struct err *err)
{
    struct rtnl_link *link = NULL;
    int r = find(n, name, &link, err);
    if (r < 0)
        return r;
    *ret = rtnl_link_get_mtu(link);
    rtnl_link_put(link);
    return 0;
}

int netlink_look(struct netlink *n, const char *name, int index, struct netlink_link *ret,
                 struct err *err)
{
    struct rtnl_link *link = NULL;
    int r = rtnl_link_get_kernel(n->sock, name ? 0 : index, name, &link);
    if (r < 0)
        return refused(n, r, err, "find link", name ? name : "by its number");
    const char *kind = rtnl_link_get_type(link), *called = rtnl_link_get_name(link);
    *ret = (struct netlink_link){.index = rtnl_link_get_ifindex(link),
                                 .bridge = rtnl_link_get_master(link),
                                 .mtu = rtnl_link_get_mtu(link)};
    str_copy(ret->name, sizeof(ret->name), called ? called : "");
    str_copy(ret->kind, sizeof(ret->kind), kind ? kind : "");
    if (str_eq(ret->kind, "veth"))
        ret->other = rtnl_link_get_link(link);
    rtnl_link_put(link);
    return 0;
}

/* ---- addresses and routes ---- */

static struct nl_addr *ipv4(const char *dotted)
{
    struct in_addr in;
    return inet_pton(AF_INET, dotted, &in) == 1 ? nl_addr_build(AF_INET, &in, sizeof(in)) : NULL;
}

/* An address of a link, to be added or removed; *ret is the caller's. */
static int describe_address(struct netlink *n, const char *name, const char *address,
                            unsigned prefix, struct rtnl_addr **ret, struct err *err)
{
    struct rtnl_link *link = NULL;
    int r = find(n, name, &link, err);
    if (r < 0)
        return r;
    struct nl_addr *local = ipv4(address);
    struct rtnl_addr *addr = rtnl_addr_alloc();
    r = local && addr ? rtnl_addr_set_local(addr, local) : -NLE_NOMEM;
    if (r == 0) {
        rtnl_addr_set_ifindex(addr, rtnl_link_get_ifindex(link));
        rtnl_addr_set_prefixlen(addr, (int)prefix);
        *ret = addr;
    } else {
        rtnl_addr_put(addr);
        r = no_memory(err);
    }
    nl_addr_put(local);
    rtnl_link_put(link);
    return r;
}

int netlink_add_address(struct netlink *n, const char *name, const char *address, unsigned prefix,
                        struct err *err)
{
    struct rtnl_addr *addr = NULL;
    int r = describe_address(n, name, address, prefix, &addr, err);
    if (r < 0)
        return r;
    r = rtnl_addr_add(n->sock, addr, NLM_F_REPLACE);
    rtnl_addr_put(addr);
    return r < 0 ? refused(n, r, err, "give an address to", name) : 0;
}

int netlink_remove_address(struct netlink *n, const char *name, const char *address,
                           unsigned prefix, struct err *err)
{
    struct rtnl_addr *addr = NULL;
    int r = describe_address(n, name, address, prefix, &addr, err);
    if (r < 0)
        return r;
    r = rtnl_addr_delete(n->sock, addr, 0);
    rtnl_addr_put(addr);
    if (r < 0 && n->kernel_errno == EADDRNOTAVAIL)
        r = n->kernel_errno = 0;
    return r < 0 ? refused(n, r, err, "take an address from", name) : 0;
}

static bool dotted(struct nl_addr *addr, char dst[NETLINK_IPV4])
{
    return addr && nl_addr_get_family(addr) == AF_INET &&
           nl_addr_get_len(addr) == sizeof(struct in_addr) &&
           inet_ntop(AF_INET, nl_addr_get_binary_addr(addr), dst, NETLINK_IPV4);
}

int netlink_address_of(struct netlink *n, int index, char ret[NETLINK_IPV4], struct err *err)
{
    struct nl_cache *all = NULL;
    int r = rtnl_addr_alloc_cache(n->sock, &all);
    if (r < 0)
        return refused(n, r, err, "read addresses", "");
    ret[0] = '\0';
    for (struct nl_object *o = nl_cache_get_first(all); o && !ret[0]; o = nl_cache_get_next(o)) {
        struct rtnl_addr *addr = (struct rtnl_addr *)o;
        if (rtnl_addr_get_ifindex(addr) == index && !dotted(rtnl_addr_get_local(addr), ret))
            ret[0] = '\0';
    }
    nl_cache_free(all);
    return 0;
}

int netlink_gateway(struct netlink *n, char ret[NETLINK_IPV4], struct err *err)
{
    struct nl_cache *all = NULL;
    int r = rtnl_route_alloc_cache(n->sock, AF_INET, 0, &all);
    if (r < 0)
        return refused(n, r, err, "read routes", "");
    ret[0] = '\0';
    for (struct nl_object *o = nl_cache_get_first(all); o && !ret[0]; o = nl_cache_get_next(o)) {
        struct rtnl_route *route = (struct rtnl_route *)o;
        struct nl_addr *to = rtnl_route_get_dst(route);
        struct rtnl_nexthop *hop = rtnl_route_nexthop_n(route, 0);
        bool whole = to && nl_addr_get_prefixlen(to) == 0;
        if (whole && hop && !dotted(rtnl_route_nh_get_gateway(hop), ret))
            ret[0] = '\0';
    }
    nl_cache_free(all);
    return 0;
}

static struct rtnl_route *default_route(int ifindex, struct nl_addr *gateway)
{
    struct rtnl_route *route = rtnl_route_alloc();
    struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
    struct nl_addr *all = nl_addr_build(AF_INET, NULL, 0);
    bool whole = route && hop && all && rtnl_route_set_dst(route, all) == 0;
    nl_addr_put(all);
    if (!whole) {
        rtnl_route_put(route);
        if (hop)
            rtnl_route_nh_free(hop);
        return NULL;
    }
    rtnl_route_nh_set_ifindex(hop, ifindex);
    rtnl_route_nh_set_gateway(hop, gateway);
    rtnl_route_add_nexthop(route, hop); /* it is the route's now */
    return route;
}

int netlink_add_gateway(struct netlink *n, const char *name, const char *gateway, struct err *err)
{
    struct rtnl_link *link = NULL;
    int r = find(n, name, &link, err);
    if (r < 0)
        return r;
    struct nl_addr *via = ipv4(gateway);
    struct rtnl_route *route = via ? default_route(rtnl_link_get_ifindex(link), via) : NULL;
    r = route ? rtnl_route_add(n->sock, route, NLM_F_REPLACE) : -NLE_NOMEM;
    rtnl_route_put(route);
    nl_addr_put(via);
    rtnl_link_put(link);
    return r < 0 ? refused(n, r, err, "set the route by", gateway) : 0;
}

/* ---- queueing disciplines ---- */

/* what: its kind, and what for. */
static int add(struct netlink *n, struct nl_msg *request, const char *what, struct err *err)
{
    int r = request ? nl_send_sync(n->sock, request) : -NLE_NOMEM;
    return r < 0 ? refused_kind(n, r, err, ENOENT, what) : 0;
}

int netlink_shape(struct netlink *n, const char *name, const struct netlink_shape *shape,
                  struct err *err)
{
    bool netem = shape->delay_ns > 0 || shape->loss > 0;
    struct rtnl_link *link = NULL;
    if (!netem && !shape->rate_bps)
        return 0;
    if (shape->rate_bps > NETLINK_RATE_MAX || shape->loss > 1 ||
        shape->delay_ns / NS_PER_US > INT32_MAX || shape->burst > INT32_MAX - shape->queue)
        return err_set(err, ERR_BUG, ERANGE, "shape %s: no such shape", name);
    int r = find(n, name, &link, err);
    if (r == 0 && netem)
        r = add(n, shape_netem_request(link, shape), "netem, which a delay or a loss needs", err);
    if (r == 0 && shape->rate_bps)
        r = add(n, shape_tbf_request(link, shape, netem), "tbf, which a rate needs", err);
    rtnl_link_put(link);
    return r;
}
