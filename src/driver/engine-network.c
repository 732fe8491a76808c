#include "driver/engine-network.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "host/netlink.h"
#include "host/netns.h"
#include "host/proc.h"

#include <errno.h>
#include <fcntl.h>

int engine_network_none(const struct target_info *info, const char *why, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "%s has no network of its own: %s",
                   info->target.label, why);
}

/* ---- a namespace for it ---- */

static struct ledger_item mount_item(const char *path)
{
    return (struct ledger_item){.kind = LEDGER_MOUNT, .path = path};
}

static int loopback_up(const char *path, struct err *err)
{
    struct netlink *n = NULL;
    _cleanup_fd_ int fd = netns_open(path, err);
    int r = fd < 0 ? fd : netlink_open(fd, &n, err);
    if (r == 0)
        r = netlink_up(n, "lo", err);
    netlink_close(n);
    return r;
}

int engine_network_place(struct site *s, const char *path, struct err *err)
{
    struct ledger_item item = mount_item(path);
    int r = ledger_intend(s->ledger, &item, 1, err);
    if (r == 0)
        r = netns_make(path, err);
    if (r == 0)
        r = loopback_up(path, err);
    return r < 0 ? err_wrap(err, "make a namespace for its network") : 0;
}

int engine_network_place_remove(struct site *s, const char *path, struct err *err)
{
    struct ledger_item item = mount_item(path);
    int r = netns_remove(path, err);
    return r == 0 ? ledger_done(s->ledger, &item, err) : r;
}

/* ---- where a session is ---- */

/* Of a process; negative errno. */
static int netns_of(pid_t pid, struct err *err)
{
    char path[64];
    str_format(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? err_errno(err, errno, "open %s", path) : fd;
}

/* What the kernel shows in the session's namespace, and at the other side of its interface. */
struct sight {
    struct netlink_link own, port, bridge;
    char address[NETLINK_IPV4], gateway[NETLINK_IPV4];
};

static int look_inside(const struct live *l, struct sight *ret, struct err *err)
{
    struct netlink *n = NULL;
    _cleanup_fd_ int fd = netns_of(l->pid, err);
    int r = fd < 0 ? fd : netlink_open(fd, &n, err);
    if (r == 0)
        r = netlink_look(n, l->net_place.interface, 0, &ret->own, err);
    if (r == 0)
        r = netlink_address_of(n, ret->own.index, ret->address, err);
    if (r == 0)
        r = netlink_gateway(n, ret->gateway, err);
    netlink_close(n);
    return r;
}

/* netns "": the machine's own. */
static int place_open(const char *netns, struct err *err)
{
    return *netns ? netns_open(netns, err) : netns_of(getpid(), err);
}

static int look_outside(const struct live *l, struct sight *ret, struct err *err)
{
    struct netlink *n = NULL;
    _cleanup_fd_ int fd = place_open(l->net_place.netns, err);
    int r = fd < 0 ? fd : netlink_open(fd, &n, err);
    if (r == 0)
        r = netlink_look(n, NULL, ret->own.other, &ret->port, err);
    if (r == 0 && ret->port.bridge)
        r = netlink_look(n, NULL, ret->port.bridge, &ret->bridge, err);
    netlink_close(n);
    return r;
}

static int elsewhere(const struct live *l, struct err *err, const char *what)
{
    return err_set(err, ERR_MEASUREMENT, EBADE, "this is not %s's network %s: %s",
                   l->engine->info.target.driver, l->net_place.network, what);
}

static int check(const struct live *l, const struct sight *s, struct err *err)
{
    const struct engine_place *said = &l->net_place;
    bool own_stack = str_eq(l->engine->info.kind, "runsc") && !s->address[0];
    if (!str_eq(s->own.kind, "veth") || s->own.other <= 0)
        return elsewhere(l, err, "the interface in its namespace is no veth");
    /* Both know the other side by its number. */
    if (s->port.other != s->own.index)
        return elsewhere(l, err, "its interface leads to another place than this machine's side");
    if (!str_eq(s->bridge.kind, "bridge") ||
        (said->bridge[0] && !str_eq(s->bridge.name, said->bridge)))
        return elsewhere(l, err, "its interface is no port of that bridge");
    if (!own_stack && !str_eq(s->address, said->address))
        return elsewhere(l, err, "its interface has another address than the engine says");
    if (!own_stack && !str_eq(s->gateway, said->gateway))
        return elsewhere(l, err, "its route leads by another gateway than the engine says");
    return 0;
}

int engine_network_prove(const struct live *l, json_t *ret, struct err *err)
{
    const struct engine_place *said = &l->net_place;
    struct session_caps *caps = &l->session->caps;
    struct sight s = {.address = ""};
    int r = look_inside(l, &s, err);
    if (r == 0 && s.own.other > 0)
        r = look_outside(l, &s, err);
    if (r == -ENODEV && s.own.index > 0) /* what is not there is no port of its bridge */
        r = 0;
    if (r < 0)
        return err_wrap(err, "look at the network %s", said->network);
    r = check(l, &s, err);
    if (r < 0)
        return r;
    str_copy(caps->net_address, sizeof(caps->net_address), said->address);
    str_copy(caps->net_gateway, sizeof(caps->net_gateway), said->gateway);
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "network", said->network, "address",
                  said->address, "gateway", said->gateway, "interface", s.own.name,
                  "interface_driver", s.own.kind, "engine_port", s.port.name, "engine_bridge",
                  s.bridge.name, "address_in_namespace", s.address[0] != '\0');
    if (!o)
        return err_set(err, ERR_MEASUREMENT, EILSEQ, "what the engine says of it is no text");
    json_object_update(ret, o);
    json_decref(o);
    return 0;
}

/* ---- facts ---- */

int engine_network_session_facts(const struct session *s, json_t *facts, struct err *err)
{
    static const char *const keys[] = {"address",          "gateway",     "interface",
                                       "interface_driver", "engine_port", "engine_bridge"};
    json_t *proof = json_loads(s->proof ? s->proof : "", 0, NULL);
    json_t *network = json_object_get(proof, "network");
    const char *interface = json_string_value(json_object_get(network, "interface"));
    int r = interface ? 0 : err_set(err, ERR_BUG, ENODATA, "the session has no network");
    _cleanup_fd_ int fd = r < 0 ? -1 : netns_of(s->caps.pid, err);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (json_object_get(network, keys[i]))
            json_object_set(facts, keys[i], json_object_get(network, keys[i]));
    if (r == 0)
        r = fd < 0 ? fd : network_link_facts(fd, interface, facts, err);
    json_decref(proof);
    return r;
}

/* In a namespace, of which /proc/sys/net shows the settings. */
static int read_filtered(void *user, struct err *err)
{
    uint64_t on = 0;
    (void)file_read_u64("/proc/sys/net/bridge/bridge-nf-call-iptables", &on);
    *(bool *)user = on != 0;
    return 0;
}

int engine_network_bridge_facts(const char *netns, const char *bridge, char ret_address[16],
                                json_t *facts, struct err *err)
{
    struct netlink *n = NULL;
    struct netlink_link link;
    bool filtered = false;
    _cleanup_fd_ int fd = place_open(netns, err);
    int r = fd < 0 ? fd : netlink_open(fd, &n, err);
    if (r == 0)
        r = netlink_look(n, bridge, 0, &link, err);
    if (r == 0)
        r = netlink_address_of(n, link.index, ret_address, err);
    netlink_close(n);
    if (r == 0)
        r = netns_run(fd, read_filtered, &filtered, err);
    if (r < 0)
        return r;
    json_object_set_new(facts, "engine_bridge_mtu", json_integer((json_int_t)link.mtu));
    json_object_set_new(facts, "bridge_filtered", json_boolean(filtered));
    return 0;
}
