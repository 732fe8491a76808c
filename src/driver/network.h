/* The run's own network: a switch, and ends that sessions plug into.
 *
 * The switch is a bridge in a network namespace of its own; each end is another namespace, with an
 * `eth0` that is one side of a veth pair whose other side is a port of the bridge. The topology is
 * the same for every target, the host's too. Addresses lie in 10.231.0.0/16, in these namespaces
 * alone: nothing in the namespace of the machine is changed, and no link of its own leads in.
 *
 *     network_make(s, &(struct net_shape){0}, &err);
 *     struct net_end a;
 *     network_end_make(s, &a, &err);
 *     driver->start(s, e, &(struct launch){.program = PROGRAM_PROBE, .net = &a}, &sess, &err);
 *     ... session_stop(...);
 *     network_end_remove(s, &a, &err);
 *     network_remove(s, &err);
 *
 * Namespaces are held by mounts below the run's directory, which stand in the ledger before they
 * are made. With the last process and the mount a namespace goes, and with it its links: clean-up
 * needs to know of nothing else.
 *
 * Layer: driver. Ownership: the network is the site's; a net_end is a value. */
#ifndef CUPEL_DRIVER_NETWORK_H
#define CUPEL_DRIVER_NETWORK_H

#include "driver/driver.h"

#define NETWORK_ENDS_MAX 1000 /* at once: a bridge has 1024 ports */

/* The wire of every end, in both directions. Two ends are two wires apart, as two machines at a
 * switch are. */
struct net_shape {
    uint64_t rate_bps; /* bits a second, by a token bucket on both sides of the veth; 0: no limit */
    uint64_t delay_ns; /* one way between two ends: half of it on each wire */
    double loss;       /* share of packets lost one way between two ends */
    unsigned mtu;      /* bytes; 0: the kernel's */
};

/* Where a session plugs in. */
struct net_end {
    unsigned number;
    char netns[192];  /* the namespace, bound to this path: eth0 up with its address, lo up, default
                         route by the switch */
    char address[16]; /* dotted IPv4 */
    unsigned prefix;
};

/* Makes the switch. ERR_UNSUPPORTED without root, and where the kernel has no veth, no bridge, or
 * not what the shape needs (TBF for a rate, netem for delay and loss); ERR_USAGE for a shape that
 * no kernel has. On failure nothing is left. */
int network_make(struct site *s, const struct net_shape *shape, struct err *err);
/* In its place the network that this machine has: nothing is made but a file that holds the
 * namespace we are in, which network_switch gives; it has no ends. For peers on other machines.
 * ERR_UNSUPPORTED without root. */
int network_make_own(struct site *s, struct err *err);
/* With the ends that are plugged in yet; no session runs there any more. Without a network:
 * success. What cannot be removed stays in the ledger. */
int network_remove(struct site *s, struct err *err);
/* The switch itself as a place for a session (the host driver's): what is there is one wire away
 * from every end, and belongs to no container. Not to be given to network_end_remove. */
void network_switch(const struct site *s, struct net_end *ret);

/* Is it network_make_own's? */
bool network_is_own(const struct site *s);

/* A fresh namespace with a fresh veth: one for each start of a session (gVisor takes the interface
 * over, Kata leaves things behind in the namespace). ERR_ENVIRONMENT, EADDRNOTAVAIL, when
 * NETWORK_ENDS_MAX are plugged in. On failure nothing is left. */
int network_end_make(struct site *s, struct net_end *ret, struct err *err);
/* After its session was stopped. */
int network_end_remove(struct site *s, const struct net_end *e, struct err *err);
/* For drivers. Its interface as it was made, in the same namespace: address, route and shape anew,
 * for a second start. */
int network_end_restore(struct site *s, const struct net_end *e, struct err *err);
/* For drivers. Moves its interface into the network namespace of process pid, as it was. */
int network_end_move(struct site *s, const struct net_end *e, pid_t pid, struct err *err);

/* What results have to be read with, put into the object: topology (text), mtu (bytes), rate_bps,
 * delay_ns, loss, offload_* (booleans, as ethtool has them), congestion_control (text), tcp_rmem
 * and tcp_wmem (texts: least, default, most), rmem_default, rmem_max, wmem_default, wmem_max
 * (bytes). They are the namespace's: a stack of a sandbox's own has others, which its probe tells.
 * Before a session is started there: gVisor takes the address away, docker the interface. */
int network_facts(struct site *s, const struct net_end *e, json_t *facts, struct err *err);
/* Of a link in a namespace (a descriptor): all of that but topology and shape. */
int network_link_facts(int netns, const char *link, json_t *facts, struct err *err);
/* Of the loopback of this machine's own network; its topology too. */
int network_loopback_facts(json_t *facts, struct err *err);
/* The same of the way from this machine's own network to an address (dotted IPv4): interface (text)
 * and what is known of it; no topology, and no shape. ret_own: the address that it is sent from. */
int network_way_facts(const char *address, char ret_own[16], json_t *facts, struct err *err);

#endif
