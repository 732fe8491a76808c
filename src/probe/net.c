/* Sockets as both ends of the network workloads use them: see net.h. */
#include "probe/net.h"

#include "base/str.h"
#include "base/time.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

int net_address(const char *address, uint16_t port, struct sockaddr_in *ret, struct err *err)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (address[0] && inet_pton(AF_INET, address, &at.sin_addr) != 1)
        return err_set(err, ERR_USAGE, EINVAL, "parameter address: '%s' is no IPv4 address",
                       address);
    *ret = at;
    return 0;
}

void net_set_timeout(int fd, uint64_t ns)
{
    struct timeval tv = {.tv_sec = (time_t)(ns / NS_PER_S),
                         .tv_usec = (suseconds_t)(ns % NS_PER_S / NS_PER_US)};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

void net_set_nodelay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void net_set_buffer(int fd, uint32_t bytes)
{
    int n = bytes < NET_BUFFER_MAX ? (int)bytes : NET_BUFFER_MAX;
    if (n == 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &n, sizeof(n));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, sizeof(n));
}

int net_errno(ssize_t n)
{
    if (n >= 0)
        return EPIPE;
    return errno == EAGAIN || errno == EINPROGRESS ? ETIMEDOUT : errno;
}

int net_send_all(int fd, const void *buf, size_t n, uint64_t timeout_ns)
{
    ssize_t sent = send(fd, buf, n, MSG_NOSIGNAL);
    if (sent == (ssize_t)n)
        return 0;
    uint64_t deadline = time_deadline(timeout_ns);
    for (size_t done = 0;;) {
        if (sent <= 0 && !(sent < 0 && errno == EINTR))
            return net_errno(sent);
        done += sent > 0 ? (size_t)sent : 0;
        if (done == n)
            return 0;
        if (time_mono_ns() > deadline)
            return ETIMEDOUT;
        sent = send(fd, (const char *)buf + done, n - done, MSG_NOSIGNAL);
    }
}

int net_recv_all(int fd, void *buf, size_t n, uint64_t timeout_ns)
{
    ssize_t got = recv(fd, buf, n, 0);
    if (got == (ssize_t)n)
        return 0;
    uint64_t deadline = time_deadline(timeout_ns);
    for (size_t done = 0;;) {
        if (got <= 0 && !(got < 0 && errno == EINTR))
            return net_errno(got);
        done += got > 0 ? (size_t)got : 0;
        if (done == n)
            return 0;
        if (time_mono_ns() > deadline)
            return ETIMEDOUT;
        got = recv(fd, (char *)buf + done, n - done, 0);
    }
}

void net_fill(unsigned char *buf, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf[i] = net_pattern(i);
}

bool net_greeting_ok(const struct net_greeting *h)
{
    return h->magic == NET_MAGIC && h->zero == 0 && h->kind >= NET_ECHO && h->kind <= NET_SOURCE &&
           h->request >= 1 && h->request <= NET_MESSAGE_MAX && h->response >= 1 &&
           h->response <= NET_MESSAGE_MAX;
}
