/* Links, addresses, routes and queueing disciplines of one network namespace, by rtnetlink.
 *
 * Layer: host. Each call is one request to the kernel, or a look-up and one, and waits for its
 * acknowledgement. Errors: the errno that the kernel answered, ERR_ENVIRONMENT; ERR_UNSUPPORTED for
 * a kind of link or of queueing discipline that this kernel does not have.
 *
 *     struct netlink *n;
 *     netlink_open(fd, &n, &err);
 *     netlink_up(n, "lo", &err);
 *     netlink_close(n); */
#ifndef CUPEL_HOST_NETLINK_H
#define CUPEL_HOST_NETLINK_H

#include "base/err.h"

#include <stdint.h>

#define NETLINK_MAC  6
#define NETLINK_NAME 16
#define NETLINK_IPV4 16

struct netlink;

/* netns: descriptor of the namespace it speaks to from then on; it need not stay open. */
int netlink_open(int netns, struct netlink **ret, struct err *err);
void netlink_close(struct netlink *n);

/* A bridge that is up and keeps this hardware address, whichever ports come and go. */
int netlink_add_bridge(struct netlink *n, const char *name, const uint8_t mac[NETLINK_MAC],
                       struct err *err);

struct netlink_veth {
    const char *port;         /* this side's name */
    const char *bridge;       /* that it is a port of */
    const char *name;         /* the other side's, */
    int netns;                /* and the namespace it is made in */
    uint8_t mac[NETLINK_MAC]; /* of the other side */
    unsigned mtu;             /* of both; 0: the kernel's */
};
/* This side is up; the other one, which the kernel makes before it knows of this one, is not yet.
 */
int netlink_add_veth(struct netlink *n, const struct netlink_veth *v, struct err *err);

/* A tap that lasts without anybody who has it open; down. /dev/net/tun makes it, so it is for the
 * namespace that is given. What is there already is no error. ERR_UNSUPPORTED: no such file. */
int netlink_make_tap(int netns, const char *name, struct err *err);
/* A link that is there becomes a port of the bridge, and is up; mtu 0: as it was. */
int netlink_add_port(struct netlink *n, const char *name, const char *bridge, unsigned mtu,
                     struct err *err);

int netlink_up(struct netlink *n, const char *name, struct err *err);
/* With the other side, if it is a veth. */
int netlink_delete(struct netlink *n, const char *name, struct err *err);
/* Into another namespace, under the same name. What it had of addresses, routes and queueing
 * disciplines is lost, and it is down. */
int netlink_move(struct netlink *n, const char *name, int netns, struct err *err);
int netlink_mtu(struct netlink *n, const char *name, unsigned *ret, struct err *err);

struct netlink_link {
    char name[NETLINK_NAME];
    char kind[16]; /* "veth", "bridge"; "" a device */
    int index;     /* in its namespace */
    int other;     /* of a veth: index of the other side, where that is; 0: none */
    int bridge;    /* that it is a port of; 0: none */
    unsigned mtu;
};
/* What there is: by its name, or where that is NULL by its index. ENODEV. */
int netlink_look(struct netlink *n, const char *name, int index, struct netlink_link *ret,
                 struct err *err);
/* The first IPv4 address of a link, dotted; "" it has none. */
int netlink_address_of(struct netlink *n, int index, char ret[NETLINK_IPV4], struct err *err);
/* The gateway of the default route over IPv4, dotted; "" there is none. */
int netlink_gateway(struct netlink *n, char ret[NETLINK_IPV4], struct err *err);

/* address and gateway: dotted IPv4. What is there already is no error. */
int netlink_add_address(struct netlink *n, const char *name, const char *address, unsigned prefix,
                        struct err *err);
/* With the routes by it. What is not there is no error. */
int netlink_remove_address(struct netlink *n, const char *name, const char *address,
                           unsigned prefix, struct err *err);
int netlink_add_gateway(struct netlink *n, const char *name, const char *gateway, struct err *err);

/* Of what leaves by a link. */
struct netlink_shape {
    uint64_t rate_bps; /* bits a second, at most NETLINK_RATE_MAX; 0: no limit */
    unsigned burst;    /* bytes that may pass at once */
    unsigned queue;    /* bytes that may wait, above burst */
    uint64_t delay_ns;
    double loss;
};
#define NETLINK_RATE_MAX (UINT64_C(16) * 1000 * 1000 * 1000)
/* Replaces what the link has: a token bucket (tbf) for a rate, below a netem for delay and loss. A
 * shape without any of them changes nothing. */
int netlink_shape(struct netlink *n, const char *name, const struct netlink_shape *shape,
                  struct err *err);

#endif
