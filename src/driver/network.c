#include "driver/network.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/time.h"
#include "host/mounts.h"
#include "host/netlink.h"
#include "host/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <math.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define BRIDGE "switch"
#define LINK   "eth0"
#define PREFIX 16

/* Numbers of ends, and so their addresses, are not used again before all others were: what a peer
 * remembers of an address is then long forgotten. 10.231.0.1 is the switch. */
#define NUMBER_FIRST 2
#define NUMBER_LAST  65000

/* Of a rate: what the bucket holds, so that a segmentation offload of 64 KiB passes whole from
 * 1 Gbit/s on; and what may wait for it. */
#define BURST_NS (600 * NS_PER_US)
#define QUEUE_NS (20 * NS_PER_MS)

#define MTU_LEAST   576
#define MTU_MOST    65535
#define MTU_DEFAULT 1500
#define DELAY_MOST  (10 * NS_PER_S)

struct network {
    struct net_shape shape;
    char dir[160];
    struct net_end hub;
    bool intended, hub_made;
    bool own;             /* no switch: the machine's own network */
    struct netlink *link; /* in the switch's namespace; NULL until there is one */
    unsigned next;        /* number to try first */
    VEC(unsigned) used;   /* numbers of ends that are plugged in */
};

/* ---- shape ---- */

static int check_shape(const struct net_shape *shape, struct err *err)
{
    if (shape->rate_bps && (shape->rate_bps < 8000 || shape->rate_bps > NETLINK_RATE_MAX))
        return err_set(err, ERR_USAGE, ERANGE, "the wire's rate: from 8 kbit/s to 16 Gbit/s");
    if (shape->delay_ns > DELAY_MOST || (shape->delay_ns && shape->delay_ns < 2 * NS_PER_US))
        return err_set(err, ERR_USAGE, ERANGE, "the wire's delay: from 2 us to 10 s");
    if (!(shape->loss >= 0 && shape->loss < 1))
        return err_set(err, ERR_USAGE, ERANGE, "the wire's loss: from 0 to less than 100%%");
    if (shape->mtu && (shape->mtu < MTU_LEAST || shape->mtu > MTU_MOST))
        return err_set(err, ERR_USAGE, ERANGE, "the wire's MTU: from %d to %d bytes", MTU_LEAST,
                       MTU_MOST);
    return 0;
}

/* For what is lost on two wires in a row to be `loss`. */
static double loss_of_one_wire(double loss)
{
    return 1 - sqrt(1 - loss);
}

static unsigned bytes_in(uint64_t rate_bps, uint64_t ns)
{
    return (unsigned)((double)rate_bps / 8 * (double)ns / NS_PER_S);
}

/* What one side of a wire does to what it sends. */
static int shape_link(struct netlink *n, const char *name, const struct net_shape *shape,
                      struct err *err)
{
    unsigned mtu = shape->mtu ? shape->mtu : MTU_DEFAULT, least = 2 * (mtu + 32);
    unsigned burst = bytes_in(shape->rate_bps, BURST_NS),
             queue = bytes_in(shape->rate_bps, QUEUE_NS);
    const struct netlink_shape one = {.rate_bps = shape->rate_bps,
                                      .burst = burst > least ? burst : least,
                                      .queue = queue > 64 * least ? queue : 64 * least,
                                      .delay_ns = shape->delay_ns / 2,
                                      .loss = loss_of_one_wire(shape->loss)};
    return netlink_shape(n, name, &one, err);
}

/* ---- a namespace of the network ---- */

static void name_end(const struct network *net, unsigned number, struct net_end *ret)
{
    ret->number = number;
    str_format(ret->netns, sizeof(ret->netns), "%s/%u", net->dir, number);
    str_format(ret->address, sizeof(ret->address), "10.231.%u.%u", number >> 8, number & 0xff);
    ret->prefix = PREFIX;
}

/* Derived from the address, so that an address seen again still has the hardware address that
 * others may remember. */
static void mac_of(unsigned number, uint8_t mac[NETLINK_MAC])
{
    const uint8_t text[NETLINK_MAC] = {
        0x02, 'c', 10, 231, (uint8_t)(number >> 8), (uint8_t)(number & 0xff)};
    memcpy(mac, text, sizeof(text));
}

/* These are the namespace's own. No address but ours is given out or asked for, and what passes the
 * bridge goes round the machine's packet filters. A kernel without one of them has nothing to turn
 * off. */
static int be_quiet(void *user, struct err *err)
{
    static const char *const settings[][2] = {
        {"/proc/sys/net/ipv6/conf/all/disable_ipv6", "1"},
        {"/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"},
        {"/proc/sys/net/bridge/bridge-nf-call-iptables", "0"},
        {"/proc/sys/net/bridge/bridge-nf-call-ip6tables", "0"},
        {"/proc/sys/net/bridge/bridge-nf-call-arptables", "0"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
        (void)file_write(settings[i][0], settings[i][1], NULL);
    return 0;
}

static struct ledger_item mount_item(const struct net_end *e)
{
    return (struct ledger_item){.kind = LEDGER_MOUNT, .path = e->netns};
}

static int place_make(struct site *s, const struct net_end *e, int *ret_fd, struct err *err)
{
    struct ledger_item item = mount_item(e);
    int r = ledger_intend(s->ledger, &item, 1, err);
    if (r == 0)
        r = netns_make(e->netns, err);
    int fd = r == 0 ? netns_open(e->netns, err) : r;
    if (fd < 0)
        return fd;
    r = netns_run(fd, be_quiet, NULL, err);
    if (r < 0)
        fd_close(&fd);
    else
        *ret_fd = fd;
    return r;
}

static int place_remove(struct site *s, const struct net_end *e, struct err *err)
{
    struct ledger_item item = mount_item(e);
    int r = netns_remove(e->netns, err);
    return r == 0 ? ledger_done(s->ledger, &item, err) : r;
}

/* ---- the switch ---- */

static struct ledger_item dir_item(const struct network *net)
{
    return (struct ledger_item){.kind = LEDGER_DIR, .path = net->dir};
}

static int build_switch(struct network *net, int fd, struct err *err)
{
    uint8_t mac[NETLINK_MAC];
    mac_of(1, mac);
    int r = netlink_open(fd, &net->link, err);
    if (r == 0)
        r = netlink_up(net->link, "lo", err);
    if (r == 0)
        r = netlink_add_bridge(net->link, BRIDGE, mac, err);
    return r == 0 ? netlink_add_address(net->link, BRIDGE, net->hub.address, PREFIX, err) : r;
}

/* One end, to see whether the kernel has all that one takes. */
static int try_end(struct site *s, struct err *err)
{
    struct net_end e;
    int r = network_end_make(s, &e, err);
    return r == 0 ? network_end_remove(s, &e, err) : r;
}

static int make_place(struct site *s, struct network *net, struct err *err)
{
    struct ledger_item item = dir_item(net);
    int r = ledger_intend(s->ledger, &item, 1, err);
    if (r < 0)
        return r;
    net->intended = true;
    r = fs_mkdirs(net->dir, 0711, err);
    if (r < 0)
        return r;
    net->hub_made = true;
    return 0;
}

static int make_switch(struct site *s, struct network *net, struct err *err)
{
    _cleanup_fd_ int fd = -1;
    int r = make_place(s, net, err);
    if (r == 0)
        r = place_make(s, &net->hub, &fd, err);
    if (r == 0)
        r = build_switch(net, fd, err);
    return r == 0 ? try_end(s, err) : r;
}

static int hold_own(struct site *s, struct network *net, struct err *err)
{
    struct ledger_item item = mount_item(&net->hub);
    int r = make_place(s, net, err);
    if (r == 0)
        r = ledger_intend(s->ledger, &item, 1, err);
    return r == 0 ? netns_hold_own(net->hub.netns, err) : r;
}

static int make(struct site *s, const struct net_shape *shape, bool own, struct err *err)
{
    if (s->network)
        return err_set(err, ERR_BUG, EEXIST, "the run has a network already");
    if (!s->machine->is_root)
        return err_set(err, ERR_UNSUPPORTED, EPERM, "a network of the run's own needs root");
    int r = check_shape(shape, err);
    if (r < 0)
        return r;
    struct network *net = s->network = xcalloc(1, sizeof(*net));
    net->shape = *shape;
    net->next = NUMBER_FIRST;
    net->own = own;
    if (str_format(net->dir, sizeof(net->dir), "%s/net", s->dir)) {
        name_end(net, 1, &net->hub);
        r = own ? hold_own(s, net, err) : make_switch(s, net, err);
    } else {
        r = err_errno(err, ENAMETOOLONG, "name the network below %s", s->dir);
    }
    if (r == 0)
        return 0;
    struct err left = ERR_INIT;
    const struct err first = err ? *err : (struct err)ERR_INIT;
    if (network_remove(s, &left) < 0)
        return err_set(err, first.kind, first.code, "%s; %s", first.msg, left.msg);
    return err_wrap(err, "make the run's network");
}

int network_make(struct site *s, const struct net_shape *shape, struct err *err)
{
    return make(s, shape, false, err);
}

int network_make_own(struct site *s, struct err *err)
{
    return make(s, &(struct net_shape){0}, true, err);
}

static void network_free(struct site *s)
{
    netlink_close(s->network->link);
    VEC_RELEASE(&s->network->used);
    free(s->network);
    s->network = NULL;
}

int network_remove(struct site *s, struct err *err)
{
    struct network *net = s->network;
    struct net_end e;
    if (!net)
        return 0;
    struct ledger_item item = dir_item(net);
    int r = 0;
    while (r == 0 && net->used.n > 0) {
        name_end(net, net->used.v[net->used.n - 1], &e);
        r = network_end_remove(s, &e, err);
    }
    if (r == 0 && net->hub_made)
        r = place_remove(s, &net->hub, err);
    if (r == 0 && net->intended)
        r = fs_remove_tree(net->dir, err);
    if (r == 0 && net->intended)
        r = ledger_done(s->ledger, &item, err);
    network_free(s);
    return r < 0 ? err_wrap(err, "remove the run's network") : 0;
}

void network_switch(const struct site *s, struct net_end *ret)
{
    *ret = s->network->hub;
}

bool network_is_own(const struct site *s)
{
    return s->network && s->network->own;
}

/* ---- ends ---- */

static size_t find_used(const struct network *net, unsigned number)
{
    size_t i = 0;
    while (i < net->used.n && net->used.v[i] != number)
        i++;
    return i;
}

static int take_number(struct network *net, unsigned *ret, struct err *err)
{
    if (net->used.n >= NETWORK_ENDS_MAX)
        return err_set(err, ERR_ENVIRONMENT, EADDRNOTAVAIL,
                       "the run's network is full: %d ends are plugged in", NETWORK_ENDS_MAX);
    unsigned number = net->next;
    for (;; number++) {
        if (number > NUMBER_LAST)
            number = NUMBER_FIRST;
        if (find_used(net, number) == net->used.n)
            break;
    }
    net->next = number + 1;
    VEC_PUSH(&net->used, number);
    *ret = number;
    return 0;
}

static void give_number_back(struct network *net, unsigned number)
{
    size_t i = find_used(net, number);
    if (i < net->used.n)
        net->used.v[i] = net->used.v[--net->used.n];
}

static void port_name(unsigned number, char dst[IFNAMSIZ])
{
    str_format(dst, IFNAMSIZ, "p%u", number);
}

/* What a namespace needs for its interface to be of use, which lies there. */
static int dress(struct site *s, const struct net_end *e, int fd, struct err *err)
{
    struct netlink *n = NULL;
    int r = netlink_open(fd, &n, err);
    if (r == 0)
        r = netlink_up(n, "lo", err);
    if (r == 0)
        r = netlink_up(n, LINK, err);
    if (r == 0)
        r = netlink_add_address(n, LINK, e->address, e->prefix, err);
    if (r == 0)
        r = netlink_add_gateway(n, LINK, s->network->hub.address, err);
    if (r == 0)
        r = shape_link(n, LINK, &s->network->shape, err);
    netlink_close(n);
    return r;
}

static int plug_in(struct site *s, const struct net_end *e, int fd, struct err *err)
{
    struct network *net = s->network;
    char port[IFNAMSIZ];
    struct netlink_veth veth = {
        .port = port, .bridge = BRIDGE, .name = LINK, .netns = fd, .mtu = net->shape.mtu};
    port_name(e->number, port);
    mac_of(e->number, veth.mac);
    int r = netlink_add_veth(net->link, &veth, err);
    if (r == 0)
        r = shape_link(net->link, port, &net->shape, err);
    return r == 0 ? dress(s, e, fd, err) : r;
}

int network_end_make(struct site *s, struct net_end *ret, struct err *err)
{
    _cleanup_fd_ int fd = -1;
    struct network *net = s->network;
    struct net_end e = {0};
    unsigned number = 0;
    int r = net && !net->own ? take_number(net, &number, err)
                             : err_set(err, ERR_BUG, ENOTCONN, "the run has no network");
    if (r < 0)
        return r;
    name_end(net, number, &e);
    r = place_make(s, &e, &fd, err);
    if (r == 0)
        r = plug_in(s, &e, fd, err);
    if (r == 0) {
        *ret = e;
        return 0;
    }
    struct err left = ERR_INIT;
    const struct err first = err ? *err : (struct err)ERR_INIT;
    if (network_end_remove(s, &e, &left) < 0)
        return err_set(err, first.kind, first.code, "%s; %s", first.msg, left.msg);
    return err_wrap(err, "plug into the run's network");
}

int network_end_remove(struct site *s, const struct net_end *e, struct err *err)
{
    char port[IFNAMSIZ];
    struct err port_err = ERR_INIT;
    port_name(e->number, port);
    /* First, since it takes the interface away wherever that is, also from a container that was not
     * ended. One that went with its namespace is gone already. */
    int gone = netlink_delete(s->network->link, port, &port_err);
    int r = place_remove(s, e, err);
    if (r == 0 && gone < 0 && gone != -ENODEV)
        r = err_set(err, port_err.kind, port_err.code, "%s", port_err.msg);
    if (r < 0)
        return err_wrap(err, "unplug from the run's network");
    give_number_back(s->network, e->number);
    return 0;
}

int network_end_restore(struct site *s, const struct net_end *e, struct err *err)
{
    if (s->network->own)
        return 0; /* nobody has taken it over */
    _cleanup_fd_ int fd = netns_open(e->netns, err);
    int r = fd < 0 ? fd : dress(s, e, fd, err);
    return r < 0 ? err_wrap(err, "restore %s of %s", LINK, e->address) : 0;
}

int network_end_move(struct site *s, const struct net_end *e, pid_t pid, struct err *err)
{
    char path[64];
    struct netlink *n = NULL;
    if (s->network->own)
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
                       "its engine makes a network namespace for it, into which this machine's own "
                       "interface cannot be moved");
    str_format(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    _cleanup_fd_ int from = netns_open(e->netns, err);
    if (from < 0)
        return from;
    _cleanup_fd_ int to = open(path, O_RDONLY | O_CLOEXEC);
    if (to < 0)
        return err_errno(err, errno, "open %s", path);
    int r = netns_run(to, be_quiet, NULL, err);
    if (r == 0)
        r = netlink_open(from, &n, err);
    if (r == 0)
        r = netlink_move(n, LINK, to, err);
    netlink_close(n);
    if (r == 0)
        r = dress(s, e, to, err);
    return r < 0 ? err_wrap(err, "move %s of %s into the container", LINK, e->address) : 0;
}

/* ---- facts ---- */

struct reading {
    json_t *to;
    const char *link;
};

static void add_offloads(json_t *to, const char *link)
{
    static const struct {
        const char *fact;
        uint32_t command;
    } offloads[] = {
        {"offload_tx_checksum", ETHTOOL_GTXCSUM},
        {"offload_rx_checksum", ETHTOOL_GRXCSUM},
        {"offload_scatter_gather", ETHTOOL_GSG},
        {"offload_tso", ETHTOOL_GTSO},
        {"offload_gso", ETHTOOL_GGSO},
        {"offload_gro", ETHTOOL_GGRO},
    };
    _cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (size_t i = 0; fd >= 0 && i < ARRAY_SIZE(offloads); i++) {
        struct ethtool_value value = {.cmd = offloads[i].command};
        struct ifreq request = {.ifr_data = (void *)&value};
        str_copy(request.ifr_name, sizeof(request.ifr_name), link);
        if (ioctl(fd, SIOCETHTOOL, &request) == 0)
            json_object_set_new(to, offloads[i].fact, json_boolean(value.data != 0));
    }
}

/* Three numbers with blanks between them, in /proc with tabs. */
static void add_sysctl_text(json_t *to, const char *fact, const char *path)
{
    char text[96];
    if (file_read_line(path, text, sizeof(text)) < 0)
        return;
    for (char *p = text; *p; p++)
        if (*p == '\t')
            *p = ' ';
    str_printable(text);
    json_object_set_new(to, fact, json_string(text));
}

static int read_facts(void *user, struct err *err)
{
    const struct reading *f = user;
    add_offloads(f->to, f->link);
    add_sysctl_text(f->to, "congestion_control", "/proc/sys/net/ipv4/tcp_congestion_control");
    add_sysctl_text(f->to, "tcp_rmem", "/proc/sys/net/ipv4/tcp_rmem");
    add_sysctl_text(f->to, "tcp_wmem", "/proc/sys/net/ipv4/tcp_wmem");
    return 0;
}

/* The machine's, where they are no namespace's own. */
static void add_core(json_t *to)
{
    static const char *const names[] = {"rmem_default", "rmem_max", "wmem_default", "wmem_max"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char path[64];
        uint64_t value;
        str_format(path, sizeof(path), "/proc/sys/net/core/%s", names[i]);
        if (file_read_u64(path, &value) == 0 && value <= INT64_MAX)
            json_object_set_new(to, names[i], json_integer((json_int_t)value));
    }
}

int network_link_facts(int netns, const char *link, json_t *facts, struct err *err)
{
    struct reading f = {.to = facts, .link = link};
    struct netlink *n = NULL;
    unsigned mtu = 0;
    int r = netlink_open(netns, &n, err);
    if (r == 0)
        r = netlink_mtu(n, link, &mtu, err);
    netlink_close(n);
    if (r == 0)
        r = netns_run(netns, read_facts, &f, err);
    if (r < 0)
        return err_wrap(err, "read the network's facts");
    add_core(facts);
    json_object_set_new(facts, "mtu", json_integer((json_int_t)mtu));
    return 0;
}

int network_loopback_facts(json_t *facts, struct err *err)
{
    json_object_set_new(facts, "topology",
                        json_string("same host: loopback of this machine's own network"));
    _cleanup_fd_ int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? err_errno(err, errno, "open the network namespace")
                  : network_link_facts(fd, "lo", facts, err);
}

int network_facts(struct site *s, const struct net_end *e, json_t *facts, struct err *err)
{
    const struct net_shape *shape = &s->network->shape;
    bool hub = str_eq(e->netns, s->network->hub.netns);
    _cleanup_fd_ int fd = netns_open(e->netns, err);
    int r = fd < 0 ? fd : network_link_facts(fd, hub ? BRIDGE : LINK, facts, err);
    if (r < 0)
        return r;
    json_object_set_new(facts, "topology", json_string("same host: namespaces, veth, a bridge"));
    json_object_set_new(facts, "rate_bps", json_integer((json_int_t)shape->rate_bps));
    json_object_set_new(facts, "delay_ns", json_integer((json_int_t)shape->delay_ns));
    json_object_set_new(facts, "loss", json_real(shape->loss));
    return 0;
}

/* Which of this machine's addresses the kernel would send from. */
static int source_of(const char *address, struct in_addr *ret, struct err *err)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(9)}, own;
    socklen_t n = sizeof(own);
    _cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (inet_pton(AF_INET, address, &at.sin_addr) != 1)
        return err_errno(err, EINVAL, "read the address %s", address);
    /* Of datagrams this sends none. */
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
        getsockname(fd, (struct sockaddr *)&own, &n) < 0)
        return err_errno(err, errno, "find the way to %s", address);
    *ret = own.sin_addr;
    return 0;
}

static int interface_with(struct in_addr own, char dst[IFNAMSIZ], struct err *err)
{
    struct ifaddrs *all, *i;
    if (getifaddrs(&all) < 0)
        return err_errno(err, errno, "read this machine's addresses");
    dst[0] = '\0';
    for (i = all; i && !dst[0]; i = i->ifa_next) {
        const struct sockaddr_in *at = (const void *)i->ifa_addr;
        if (at && at->sin_family == AF_INET && at->sin_addr.s_addr == own.s_addr)
            str_copy(dst, IFNAMSIZ, i->ifa_name);
    }
    freeifaddrs(all);
    return dst[0] ? 0 : err_errno(err, ENODEV, "find the interface of an address");
}

int network_way_facts(const char *address, char ret_own[16], json_t *facts, struct err *err)
{
    struct ifreq request = {.ifr_mtu = 0};
    struct reading f = {.to = facts, .link = request.ifr_name};
    struct in_addr own = {0};
    int r = source_of(address, &own, err);
    if (r == 0)
        r = interface_with(own, request.ifr_name, err);
    if (r < 0)
        return r;
    inet_ntop(AF_INET, &own, ret_own, INET_ADDRSTRLEN);
    json_object_set_new(facts, "interface", json_string(request.ifr_name));
    _cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && ioctl(fd, SIOCGIFMTU, &request) == 0)
        json_object_set_new(facts, "mtu", json_integer(request.ifr_mtu));
    r = read_facts(&f, err);
    add_core(facts);
    return r;
}
