/* Namespaces and links that are really made, in a mount namespace of the test's own; what they are
 * good for is seen by connections through them. Needs root. */
#include "dial.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/time.h"
#include "host/mounts.h"
#include "host/netlink-shape.h"
#include "host/netns.h"
#include "host/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/virtio_net.h>
#include <math.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/route/link.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

static char base[64];

static bool can(void)
{
    if (geteuid() != 0) {
        print_message("# skipped: network namespaces need root\n");
        return false;
    }
    return true;
}

static void sub(char dst[128], const char *name)
{
    str_format(dst, 128, "%s/%s", base, name);
}

static size_t open_files(void)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static size_t links_here(void)
{
    size_t n = 0;
    struct if_nameindex *all = if_nameindex();
    while (all && all[n].if_index)
        n++;
    if_freenameindex(all);
    return n;
}

/* ---- namespaces ---- */

static int read_inode(void *user, struct err *err)
{
    struct stat st;
    if (stat("/proc/thread-self/ns/net", &st) < 0)
        return err_errno(err, errno, "look");
    *(uint64_t *)user = st.st_ino;
    return 0;
}

static int fail_with_7(void *user, struct err *err)
{
    return err_set(err, ERR_MEASUREMENT, 7, "seven");
}

static void test_netns(void **state)
{
    char path[128];
    struct stat st;
    uint64_t inside = 0, ours = proc_ns_inode(getpid(), "net");
    if (!can())
        return;
    size_t files = open_files();
    sub(path, "a");
    assert_ok(netns_make(path, err));
    assert_true(mount_is_point(path));
    assert_fails(netns_make(path, err), EEXIST, path);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_ino != ours);
    int fd = netns_open(path, NULL);
    assert_true(fd >= 0);
    assert_ok(netns_run(fd, read_inode, &inside, err));
    assert_int_equal(inside, st.st_ino);
    assert_int_equal(proc_ns_inode(getpid(), "net"), ours);
    assert_fails(netns_run(fd, fail_with_7, NULL, err), 7, "seven");
    assert_fails(netns_run(STDIN_FILENO, read_inode, &inside, err), EINVAL, "enter");
    assert_true(netns_sees(fd, "/proc/sys/net/ipv4"));
    assert_false(netns_sees(fd, "/proc/sys/net/ipv4/no-such"));
    close(fd);
    assert_ok(netns_remove(path, err));
    assert_int_equal(stat(path, &st), -1);
    assert_ok(netns_remove(path, err));
    assert_fails(netns_open(path, err), ENOENT, path);
    assert_fails(netns_make("/no/such/dir/a", err), ENOENT, "/no/such/dir/a");
    assert_int_equal(open_files(), files);
}

/* ---- two namespaces and a bridge ---- */

struct pair {
    int hub, end;
    struct netlink *in_hub, *in_end;
};

static const uint8_t hub_mac[NETLINK_MAC] = {2, 0, 0, 0, 0, 1};
static const uint8_t end_mac[NETLINK_MAC] = {2, 0, 0, 0, 0, 2};

static int make(const char *name)
{
    char path[128];
    sub(path, name);
    assert_ok(netns_make(path, err));
    int fd = netns_open(path, NULL);
    assert_true(fd >= 0);
    return fd;
}

/* A new namespace forwards if the machine does, as one with docker on it: the hub would answer that
 * it knows no way, either. */
static int forward_nothing(void *user, struct err *err)
{
    return file_write("/proc/sys/net/ipv4/ip_forward", "0", err);
}

static void pair_make(struct pair *p, unsigned mtu)
{
    *p = (struct pair){.hub = make("hub"), .end = make("end")};
    assert_ok(netns_run(p->hub, forward_nothing, NULL, err));
    assert_ok(netlink_open(p->hub, &p->in_hub, err));
    assert_ok(netlink_open(p->end, &p->in_end, err));
    assert_ok(netlink_add_bridge(p->in_hub, "switch", hub_mac, err));
    assert_ok(netlink_add_address(p->in_hub, "switch", "10.1.0.1", 24, err));
    struct netlink_veth v = {
        .port = "p2", .bridge = "switch", .name = "eth0", .netns = p->end, .mtu = mtu};
    memcpy(v.mac, end_mac, sizeof(v.mac));
    assert_ok(netlink_add_veth(p->in_hub, &v, err));
    assert_ok(netlink_up(p->in_end, "eth0", err));
    assert_ok(netlink_add_address(p->in_end, "eth0", "10.1.0.2", 24, err));
}

static void pair_release(struct pair *p)
{
    char path[128];
    netlink_close(p->in_hub);
    netlink_close(p->in_end);
    close(p->hub);
    close(p->end);
    sub(path, "hub");
    assert_ok(netns_remove(path, err));
    sub(path, "end");
    assert_ok(netns_remove(path, err));
}

static int listen_in(int netns)
{
    struct sockaddr_in any = dial_address("0.0.0.0");
    int fd = dial_socket(netns);
    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
    assert_int_equal(listen(fd, 4), 0);
    return fd;
}

static void test_connection(void **state)
{
    struct pair p;
    int there = -1, here;
    char got[4] = "";
    unsigned mtu = 0;
    if (!can())
        return;
    size_t files = open_files(), links = links_here();
    pair_make(&p, 1400);
    assert_int_equal(links_here(), links); /* none of it is where we are */
    int listener = listen_in(p.hub);
    assert_int_equal(dial(p.end, "10.1.0.1", &there), 0);
    here = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_int_equal(write(there, "abc", 4), 4);
    assert_int_equal(read(here, got, 4), 4);
    assert_string_equal(got, "abc");
    close(there);
    close(here);
    /* The other way nobody listens, and says so. */
    assert_int_equal(dial(p.hub, "10.1.0.2", NULL), ECONNREFUSED);
    /* Elsewhere there is no way before a gateway is set, and then none behind it. */
    assert_int_equal(dial(p.end, "10.9.0.1", NULL), ENETUNREACH);
    assert_ok(netlink_add_gateway(p.in_end, "eth0", "10.1.0.1", err));
    assert_ok(netlink_add_gateway(p.in_end, "eth0", "10.1.0.1", err));
    assert_ok(netlink_add_address(p.in_end, "eth0", "10.1.0.2", 24, err));
    assert_int_not_equal(dial(p.end, "10.9.0.1", NULL), ENETUNREACH);
    assert_ok(netlink_mtu(p.in_end, "eth0", &mtu, err));
    assert_int_equal(mtu, 1400);
    assert_ok(netlink_mtu(p.in_hub, "p2", &mtu, err));
    assert_int_equal(mtu, 1400);
    close(listener);
    pair_release(&p);
    assert_int_equal(open_files(), files);
}

static void test_links_go(void **state)
{
    struct pair p;
    unsigned mtu;
    if (!can())
        return;
    pair_make(&p, 0);
    /* Moved: it is elsewhere, under its name, without its address. */
    int third = make("third");
    struct netlink *n;
    assert_ok(netlink_open(third, &n, err));
    assert_ok(netlink_move(p.in_end, "eth0", third, err));
    assert_fails(netlink_mtu(p.in_end, "eth0", &mtu, err), ENODEV, "eth0");
    assert_ok(netlink_up(n, "eth0", err));
    assert_int_equal(dial(third, "10.1.0.1", NULL), ENETUNREACH);
    assert_ok(netlink_add_address(n, "eth0", "10.1.0.3", 24, err));
    assert_int_equal(dial(third, "10.1.0.1", NULL), ECONNREFUSED);
    /* Both sides go at once. */
    assert_ok(netlink_delete(p.in_hub, "p2", err));
    assert_fails(netlink_mtu(n, "eth0", &mtu, err), ENODEV, "eth0");
    netlink_close(n);
    close(third);
    char path[128];
    sub(path, "third");
    assert_ok(netns_remove(path, err));
    pair_release(&p);
}

/* ---- a tap ---- */

static const uint8_t guest_mac[NETLINK_MAC] = {2, 0, 0, 0, 0, 9};

struct arp_frame {
    struct virtio_net_hdr before;
    struct ether_header eth;
    struct ether_arp arp;
} __attribute__((packed));

static int open_tap(void *user, struct err *err)
{
    struct ifreq q = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, .ifr_name = "tap0"};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &q) < 0)
        return err_errno(err, errno, "open tap0");
    *(int *)user = fd;
    return 0;
}

/* Who has 10.1.0.1? asks 10.1.0.2. */
static void ask_for_hub(int tap)
{
    struct arp_frame f = {.eth = {.ether_type = htons(ETHERTYPE_ARP)},
                          .arp = {.arp_hrd = htons(ARPHRD_ETHER),
                                  .arp_pro = htons(ETHERTYPE_IP),
                                  .arp_hln = 6,
                                  .arp_pln = 4,
                                  .arp_op = htons(ARPOP_REQUEST),
                                  .arp_spa = {10, 1, 0, 2},
                                  .arp_tpa = {10, 1, 0, 1}}};
    memset(f.eth.ether_dhost, 0xff, 6);
    memcpy(f.eth.ether_shost, guest_mac, 6);
    memcpy(f.arp.arp_sha, guest_mac, 6);
    assert_int_equal(write(tap, &f, sizeof(f)), sizeof(f));
}

static bool is_answer(const struct arp_frame *f)
{
    static const uint8_t hub[4] = {10, 1, 0, 1};
    return f->eth.ether_type == htons(ETHERTYPE_ARP) && f->arp.arp_op == htons(ARPOP_REPLY) &&
           memcmp(f->arp.arp_spa, hub, 4) == 0 && memcmp(f->arp.arp_sha, hub_mac, 6) == 0;
}

/* Whoever has the tap open is where eth0 was: the hub answers it. */
static void test_tap(void **state)
{
    struct pair p;
    struct arp_frame f = {.eth = {.ether_type = 0}};
    int tap = -1;
    unsigned mtu = 0;
    if (!can())
        return;
    pair_make(&p, 1400);
    struct err lacks = ERR_INIT;
    if (netlink_make_tap(p.end, "tap0", &lacks) < 0 && lacks.kind == ERR_UNSUPPORTED) {
        print_message("# no tap here: %s\n", lacks.msg);
        pair_release(&p);
        return;
    }
    assert_ok(netlink_make_tap(p.end, "tap0", err)); /* there already */
    assert_ok(netlink_add_bridge(p.in_end, "bridge", end_mac, err));
    assert_ok(netlink_add_port(p.in_end, "tap0", "bridge", 1400, err));
    assert_ok(netlink_remove_address(p.in_end, "eth0", "10.1.0.2", 24, err));
    assert_ok(netlink_remove_address(p.in_end, "eth0", "10.1.0.2", 24, err));
    assert_ok(netlink_add_port(p.in_end, "eth0", "bridge", 0, err));
    assert_fails(netlink_add_port(p.in_end, "eth0", "none", 0, err), ENODEV, "none");
    assert_ok(netlink_mtu(p.in_end, "tap0", &mtu, err));
    assert_int_equal(mtu, 1400);
    assert_int_equal(dial(p.end, "10.1.0.1", NULL), ENETUNREACH); /* its address is the guest's */
    assert_ok(netns_run(p.end, open_tap, &tap, err));
    /* Asked again as everybody does: a bridge sees some time after the kernel does that a port's
     * other side is there. */
    uint64_t deadline_ns = time_deadline(5 * NS_PER_S);
    struct pollfd poll_tap = {.fd = tap, .events = POLLIN};
    ask_for_hub(tap);
    while (!is_answer(&f)) {
        assert_true(time_mono_ns() < deadline_ns);
        if (poll(&poll_tap, 1, 200) == 0)
            ask_for_hub(tap);
        else
            assert_true(read(tap, &f, sizeof(f)) > 0);
    }
    close(tap);
    pair_release(&p);
}

/* What there is, as it is seen from both sides. */
static void test_looks(void **state)
{
    struct pair p;
    struct netlink_link own, port, bridge;
    char text[NETLINK_IPV4] = "x";
    if (!can())
        return;
    pair_make(&p, 1400);
    assert_ok(netlink_look(p.in_end, "eth0", 0, &own, err));
    assert_string_equal(own.kind, "veth");
    assert_int_equal(own.mtu, 1400);
    assert_int_equal(own.bridge, 0);
    assert_ok(netlink_look(p.in_hub, NULL, own.other, &port, err));
    assert_string_equal(port.name, "p2");
    assert_int_equal(port.other, own.index);
    assert_ok(netlink_look(p.in_hub, NULL, port.bridge, &bridge, err));
    assert_string_equal(bridge.name, "switch");
    assert_string_equal(bridge.kind, "bridge");
    assert_int_equal(bridge.other, 0);
    assert_fails(netlink_look(p.in_end, "eth7", 0, &own, err), ENODEV, "eth7");
    assert_fails(netlink_look(p.in_end, NULL, 4711, &own, err), ENODEV, "number");
    assert_ok(netlink_gateway(p.in_end, text, err));
    assert_string_equal(text, "");
    assert_ok(netlink_add_gateway(p.in_end, "eth0", "10.1.0.1", err));
    assert_ok(netlink_gateway(p.in_end, text, err));
    assert_string_equal(text, "10.1.0.1");
    assert_ok(netlink_address_of(p.in_end, own.index, text, err));
    assert_string_equal(text, "10.1.0.2");
    assert_ok(netlink_address_of(p.in_end, 4711, text, err));
    assert_string_equal(text, "");
    pair_release(&p);
}

static void test_errors(void **state)
{
    struct pair p;
    if (!can())
        return;
    pair_make(&p, 0);
    const struct netlink_veth twice = {.port = "p2",
                                       .bridge = "switch",
                                       .name = "eth1",
                                       .netns = p.end,
                                       .mac = {2, 0, 0, 0, 0, 3}};
    const struct netlink_veth nowhere = {
        .port = "p3", .bridge = "none", .name = "eth1", .netns = p.end, .mac = {2, 0, 0, 0, 0, 3}};
    const struct netlink_veth small = {.port = "p3",
                                       .bridge = "switch",
                                       .name = "eth1",
                                       .netns = p.end,
                                       .mac = {2, 0, 0, 0, 0, 3},
                                       .mtu = 10};
    assert_fails(netlink_add_veth(p.in_hub, &twice, err), EEXIST, "veth");
    assert_fails(netlink_add_veth(p.in_hub, &nowhere, err), ENODEV, "none");
    assert_true(netlink_add_veth(p.in_hub, &small, NULL) < 0);
    assert_fails(netlink_add_bridge(p.in_hub, "switch", hub_mac, err), EEXIST, "bridge");
    assert_fails(netlink_up(p.in_end, "eth1", err), ENODEV, "find link eth1");
    assert_fails(netlink_delete(p.in_end, "eth1", err), ENODEV, "eth1");
    assert_true(netlink_add_address(p.in_end, "eth0", "10.1.0", 24, NULL) < 0);
    assert_true(netlink_add_gateway(p.in_end, "eth0", "10.7.0.1", NULL) < 0); /* not in reach */
    assert_fails(netlink_shape(p.in_end, "eth0",
                               &(struct netlink_shape){.rate_bps = NETLINK_RATE_MAX + 1}, err),
                 ERANGE, "eth0");
    /* The namespace went on without them. */
    assert_int_equal(dial(p.end, "10.1.0.1", NULL), ECONNREFUSED);
    pair_release(&p);
}

/* ---- the wire ---- */

#define TRANSFER (1 << 20)

static void *take_all(void *user)
{
    char buf[65536];
    size_t got = 0;
    for (ssize_t n; got < TRANSFER && (n = read(*(int *)user, buf, sizeof(buf))) > 0;)
        got += (size_t)n;
    return got == TRANSFER ? user : NULL;
}

/* Seconds that so many bytes take from one end to the other. */
static double transfer_s(int from, const char *to, int listener)
{
    static const char block[65536];
    int fds[2];
    pthread_t thread;
    void *all = NULL;
    assert_int_equal(dial(from, to, &fds[0]), 0);
    fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    uint64_t begin = time_mono_ns();
    assert_int_equal(pthread_create(&thread, NULL, take_all, &fds[1]), 0);
    for (size_t sent = 0; sent < TRANSFER; sent += sizeof(block))
        assert_ok(fd_write_full(fds[0], block, sizeof(block), err));
    pthread_join(thread, &all);
    assert_non_null(all);
    close(fds[0]);
    close(fds[1]);
    return (double)(time_mono_ns() - begin) / NS_PER_S;
}

/* A lower bound alone: a wire is never faster than it is. What may pass at once is little. */
static void test_rate(void **state)
{
    struct pair p;
    if (!can())
        return;
    pair_make(&p, 0);
    int listener = listen_in(p.hub);
    const struct netlink_shape wire = {
        .rate_bps = 80 * 1000 * 1000, .burst = 8000, .queue = 200000};
    double least = (double)(TRANSFER - wire.burst) * 8 / (double)wire.rate_bps;
    double free_s = transfer_s(p.end, "10.1.0.1", listener);
    struct err why = ERR_INIT;
    int r = netlink_shape(p.in_end, "eth0", &wire, &why);
    if (r < 0) {
        assert_int_equal(why.kind, ERR_UNSUPPORTED);
        print_message("# skipped: %s\n", why.msg);
    } else {
        double s = transfer_s(p.end, "10.1.0.1", listener);
        print_message("# 1 MiB: %.1f ms, over 80 Mbit/s %.1f ms\n", free_s * 1e3, s * 1e3);
        assert_true(s >= least);
        /* Twice as wide: what was there is replaced. */
        struct netlink_shape wider = wire;
        wider.rate_bps *= 2;
        assert_ok(netlink_shape(p.in_end, "eth0", &wider, err));
        assert_true(transfer_s(p.end, "10.1.0.1", listener) >= least / 2);
    }
    close(listener);
    pair_release(&p);
}

static void test_delay(void **state)
{
    struct pair p;
    if (!can())
        return;
    pair_make(&p, 0);
    const struct netlink_shape wire = {.delay_ns = 20 * NS_PER_MS};
    struct err err = ERR_INIT;
    if (netlink_shape(p.in_end, "eth0", &wire, &err) < 0) {
        assert_int_equal(err.kind, ERR_UNSUPPORTED);
        assert_non_null(strstr(err.msg, "netem"));
        print_message("# no delay here: %s\n", err.msg);
    } else {
        uint64_t begin = time_mono_ns();
        assert_int_equal(dial(p.end, "10.1.0.1", NULL), ECONNREFUSED);
        assert_true(time_mono_ns() - begin >= wire.delay_ns);
    }
    pair_release(&p);
}

/* ---- what a kernel is told of it, whether or not this one would take it ---- */

#define IFINDEX 7

/* Of a request, checked for what every one has: the fixed part of TCA_OPTIONS, by its kind. */
static const struct tcmsg *open_request(struct nl_msg *msg, const char *kind, uint32_t parent,
                                        uint32_t handle, struct nlattr *options[], int max)
{
    struct nlattr *tb[TCA_MAX + 1];
    struct nlmsghdr *h = nlmsg_hdr(msg);
    const struct tcmsg *tc = nlmsg_data(h);
    assert_int_equal(h->nlmsg_type, RTM_NEWQDISC);
    assert_int_equal(h->nlmsg_flags & (NLM_F_CREATE | NLM_F_REPLACE), NLM_F_CREATE | NLM_F_REPLACE);
    assert_int_equal(tc->tcm_ifindex, IFINDEX);
    assert_int_equal(tc->tcm_parent, parent);
    assert_int_equal(tc->tcm_handle, handle);
    assert_int_equal(nlmsg_parse(h, sizeof(*tc), tb, TCA_MAX, NULL), 0);
    assert_string_equal(nla_get_string(tb[TCA_KIND]), kind);
    assert_non_null(tb[TCA_OPTIONS]);
    if (options)
        assert_int_equal(nla_parse_nested(options, max, tb[TCA_OPTIONS], NULL), 0);
    else
        assert_true(nla_len(tb[TCA_OPTIONS]) >= (int)sizeof(struct tc_netem_qopt));
    return options ? tc : nla_data(tb[TCA_OPTIONS]);
}

static struct rtnl_link *some_link(void)
{
    struct rtnl_link *link = rtnl_link_alloc();
    assert_non_null(link);
    rtnl_link_set_ifindex(link, IFINDEX);
    rtnl_link_set_mtu(link, 1500);
    return link;
}

/* The scheduler's ticks in a second, as the kernel has them: "ticks per 1000, ns per tick" are
 * the first two of /proc/net/psched (net/sched/sch_api.c: NSEC_PER_USEC, PSCHED_TICKS2NS(1)).
 */
static double ticks_per_s(void)
{
    unsigned per_us = 0, ns = 0;
    _cleanup_(str_release) struct str text = STR_INIT;
    assert_ok(file_read("/proc/net/psched", 256, &text, err));
    assert_int_equal(sscanf(text.buf, "%x %x", &per_us, &ns), 2);
    assert_int_equal(per_us, 1000);
    assert_true(ns > 0);
    return 1e9 / ns;
}

static void check_netem(uint64_t delay_ns, double loss)
{
    struct rtnl_link *link = some_link();
    const struct netlink_shape shape = {.delay_ns = delay_ns, .loss = loss};
    struct nl_msg *msg = shape_netem_request(link, &shape);
    struct tc_netem_qopt q;
    assert_non_null(msg);
    memcpy(&q, open_request(msg, "netem", TC_H_ROOT, 1 << 16, NULL, 0), sizeof(q));
    double ticks = (double)delay_ns / NS_PER_S * ticks_per_s();
    /* Whole microseconds, 15.6 ticks each. */
    if (q.latency > ticks + 1 || q.latency < ticks - 16)
        fail_msg("%.0f ns are %u ticks and not %.1f", (double)delay_ns, q.latency, ticks);
    assert_true(fabs(q.loss / 4294967295.0 - loss) < 1e-9);
    assert_true(q.limit >= 80000);
    assert_int_equal(q.gap, 0);
    assert_int_equal(q.duplicate, 0);
    assert_int_equal(q.jitter, 0);
    nlmsg_free(msg);
    rtnl_link_put(link);
}

static void test_netem_request(void **state)
{
    static const uint64_t delays_ns[] = {1000, 500 * NS_PER_US, NS_PER_MS, 5 * NS_PER_S};
    static const double losses[] = {0, 1e-6, .001, .4999, .5001, .9, 1};
    for (size_t i = 0; i < ARRAY_SIZE(delays_ns); i++)
        for (size_t k = 0; k < ARRAY_SIZE(losses); k++)
            check_netem(delays_ns[i], losses[k]);
    check_netem(0, .1);
}

static void test_tbf_request(void **state)
{
    struct rtnl_link *link = some_link();
    const struct netlink_shape shape = {
        .rate_bps = 1000000000, .burst = 75000, .queue = 2500000, .delay_ns = NS_PER_MS};
    for (int below = 0; below < 2; below++) {
        struct nlattr *options[TCA_TBF_MAX + 1];
        struct tc_tbf_qopt q;
        struct nl_msg *msg = shape_tbf_request(link, &shape, below);
        assert_non_null(msg);
        open_request(msg, "tbf", below ? (1 << 16) + 1 : TC_H_ROOT, 2 << 16, options, TCA_TBF_MAX);
        assert_non_null(options[TCA_TBF_PARMS]);
        memcpy(&q, nla_data(options[TCA_TBF_PARMS]), sizeof(q));
        assert_int_equal(q.rate.rate, shape.rate_bps / 8);
        assert_int_equal(q.limit, shape.burst + shape.queue);
        /* What the bucket holds is told as the time that it takes. */
        double ticks = (double)shape.burst / (double)q.rate.rate * ticks_per_s();
        assert_true(fabs(q.buffer - ticks) <= 16);
        nlmsg_free(msg);
    }
    rtnl_link_put(link);
}

static int set_up(void **state)
{
    str_copy(base, sizeof(base), "/tmp/cupel-test-netlink-XXXXXX");
    if (!mkdtemp(base))
        return -1;
    if (geteuid() == 0 &&
        (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
        return -1;
    return 0;
}

static int tear_down(void **state)
{
    return fs_remove_tree(base, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tap),         cmocka_unit_test(test_netns),
        cmocka_unit_test(test_connection),  cmocka_unit_test(test_links_go),
        cmocka_unit_test(test_errors),      cmocka_unit_test(test_rate),
        cmocka_unit_test(test_delay),       cmocka_unit_test(test_netem_request),
        cmocka_unit_test(test_tbf_request), cmocka_unit_test(test_looks),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
