/* The guest's interfaces, by the old ioctls: there are two of them and they change once. */
#include "guest/guest.h"

#include "base/cleanup.h"
#include "base/str.h"

#include <errno.h>
#include <net/if.h>
#include <net/route.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static struct sockaddr as_sockaddr(struct in_addr a)
{
    union {
        struct sockaddr_in in;
        struct sockaddr any;
    } u = {.in = {.sin_family = AF_INET, .sin_addr = a}};
    return u.any;
}

static int ask(int fd, unsigned long request, void *arg, const char *what, struct err *err)
{
    return ioctl(fd, request, arg) < 0 ? err_errno(err, errno, "%s", what) : 0;
}

static int raise(int fd, const char *name, struct err *err)
{
    struct ifreq q = {.ifr_flags = 0};
    str_copy(q.ifr_name, sizeof(q.ifr_name), name);
    int r = ask(fd, SIOCGIFFLAGS, &q, name, err);
    q.ifr_flags |= IFF_UP;
    return r == 0 ? ask(fd, SIOCSIFFLAGS, &q, name, err) : r;
}

static int set_up(int fd, const struct guest_net *net, struct err *err)
{
    struct ifreq q = {.ifr_addr = as_sockaddr(net->address)};
    struct rtentry route = {.rt_dst = as_sockaddr((struct in_addr){0}),
                            .rt_genmask = as_sockaddr((struct in_addr){0}),
                            .rt_gateway = as_sockaddr(net->gateway),
                            .rt_flags = RTF_UP | RTF_GATEWAY};
    str_copy(q.ifr_name, sizeof(q.ifr_name), "eth0");
    int r = ask(fd, SIOCSIFADDR, &q, "eth0: address", err);
    q.ifr_netmask = as_sockaddr(net->mask);
    if (r == 0)
        r = ask(fd, SIOCSIFNETMASK, &q, "eth0: prefix", err);
    q.ifr_mtu = (int)net->mtu;
    if (r == 0 && net->mtu)
        r = ask(fd, SIOCSIFMTU, &q, "eth0: mtu", err);
    if (r == 0)
        r = raise(fd, "eth0", err);
    if (r == 0 && net->gateway.s_addr)
        r = ask(fd, SIOCADDRT, &route, "default route", err);
    return r;
}

int guest_net_up(const struct guest_net *net, struct err *err)
{
    _cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_errno(err, errno, "network");
    int r = raise(fd, "lo", err);
    return r == 0 && net->on ? set_up(fd, net, err) : r;
}
