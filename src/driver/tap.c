#include "driver/tap.h"

#include "base/cleanup.h"
#include "driver/plug.h"
#include "host/netlink.h"
#include "host/netns.h"

#define BRIDGE "bridge"
#define LINK   "eth0"

/* Of the guest and of the bridge, which has no address but sends now and then. */
static void mac_of(char kind, unsigned number, uint8_t mac[NETLINK_MAC])
{
    const uint8_t bytes[NETLINK_MAC] = {0x02, (uint8_t)kind,          10,
                                        231,  (uint8_t)(number >> 8), (uint8_t)(number & 0xff)};
    memcpy(mac, bytes, sizeof(bytes));
}

/* Names everything that the guest has to have of its interface. */
static void describe(const struct live *l, unsigned mtu, struct tap *ret)
{
    struct net_end hub;
    uint8_t m[NETLINK_MAC];
    network_switch(l->site, &hub);
    mac_of('v', l->net.number, m);
    str_format(ret->mac, sizeof(ret->mac), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3],
               m[4], m[5]);
    str_format(ret->guest, sizeof(ret->guest), "%s/%u,%s,%u", l->net.address, l->net.prefix,
               hub.address, mtu);
}

/* The bridge first, so that the address is nowhere for as short as can be. */
static int build(struct netlink *n, const struct net_end *e, unsigned mtu, struct err *err)
{
    uint8_t mac[NETLINK_MAC];
    mac_of('b', e->number, mac);
    int r = netlink_add_bridge(n, BRIDGE, mac, err);
    if (r == 0)
        r = netlink_add_port(n, TAP_NAME, BRIDGE, mtu, err);
    if (r == 0)
        r = netlink_remove_address(n, LINK, e->address, e->prefix, err);
    return r == 0 ? netlink_add_port(n, LINK, BRIDGE, 0, err) : r;
}

static int plug(struct live *l, int netns, struct tap *ret, struct err *err)
{
    struct netlink *n = NULL;
    unsigned mtu = 0, old;
    int r = netlink_open(netns, &n, err);
    if (r < 0)
        return r;
    r = netlink_mtu(n, LINK, &mtu, err);
    bool there = r == 0 && netlink_mtu(n, BRIDGE, &old, NULL) == 0;
    if (r == 0 && !there)
        r = netlink_make_tap(netns, TAP_NAME, err);
    if (r == 0 && !there)
        r = build(n, &l->net, mtu, err);
    netlink_close(n);
    if (r == 0)
        describe(l, mtu, ret);
    return r;
}

int tap_plug(struct live *l, struct tap *ret, struct err *err)
{
    if (network_is_own(l->site))
        return plug_unsupported(l, "a guest would have to become a part of this machine's own",
                                err);
    _cleanup_fd_ int fd = netns_open(l->net.netns, err);
    int r = fd < 0 ? fd : plug(l, fd, ret, err);
    return r < 0 ? err_wrap(err, "plug a guest into the run's network") : 0;
}
