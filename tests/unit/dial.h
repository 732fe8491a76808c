/* Connections from inside a network namespace, for tests. */
#ifndef CUPEL_TESTS_DIAL_H
#define CUPEL_TESTS_DIAL_H

#include "unit.h"

#include "host/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#define DIAL_PORT 5001

static inline struct sockaddr_in dial_address(const char *address)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(DIAL_PORT)};
    inet_pton(AF_INET, address, &a.sin_addr);
    return a;
}

static inline int dial_new_socket(void *user, struct err *err)
{
    int *fd = user;
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return *fd < 0 ? err_errno(err, errno, "make a socket") : 0;
}

/* A TCP socket there, none of whose calls takes more than five seconds. */
static inline int dial_socket(int netns)
{
    int fd = -1;
    const struct timeval limit = {.tv_sec = 5};
    assert_ok(netns_run(netns, dial_new_socket, &fd, err));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    return fd;
}

/* Errno of a connect to an address, where somebody listens or ECONNREFUSED comes from whoever has
 * it; ret_fd, unless NULL, is the connection. */
static inline int dial(int netns, const char *address, int *ret_fd)
{
    struct sockaddr_in a = dial_address(address);
    int fd = dial_socket(netns);
    int r = connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? errno : 0;
    if (ret_fd && r == 0)
        *ret_fd = fd;
    else
        close(fd);
    return r;
}

#endif
