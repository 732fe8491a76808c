/* Devices that may not be there yet: the kernel tells of each that comes or changes. */
#include "guest/guest.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/time.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

int guest_devices_open(struct err *err)
{
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK, .nl_groups = 1};
    _cleanup_fd_ int fd =
        socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    if (fd < 0 || bind(fd, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
        return err_errno(err, errno, "listen for devices");
    return TAKE_FD(fd);
}

/* The name of the entry in dir whose file `attribute` has this line; false: none. */
static bool find_by_line(const char *dir, const char *attribute, const char *line, char *dst,
                         size_t size)
{
    char path[320], found[128];
    DIR *d = opendir(dir);
    bool there = false;
    for (struct dirent *e; d && !there && (e = readdir(d));) {
        str_format(path, sizeof(path), "%s/%s/%s", dir, e->d_name, attribute);
        there = e->d_name[0] != '.' && file_read_line(path, found, sizeof(found)) == 0 &&
                str_eq(found, line) && str_copy(dst, size, e->d_name);
    }
    if (d)
        closedir(d);
    return there;
}

/* Waits until find_by_line finds it. */
static int wait_for(int devices, const char *dir, const char *attribute, const char *line,
                    char *dst, size_t size, struct err *err)
{
    uint64_t deadline_ns = time_deadline(GUEST_DEVICE_S * NS_PER_S);
    while (!find_by_line(dir, attribute, line, dst, size)) {
        struct pollfd p = {.fd = devices, .events = POLLIN};
        char event[4096];
        int r = poll(&p, 1, time_left_ms(deadline_ns));
        if (r == 0)
            return err_set(err, ERR_TIMEOUT, ETIMEDOUT, "no device \"%s\" in %s for %d s", line,
                           dir, GUEST_DEVICE_S);
        /* What it says does not matter, nor that some were lost: it is looked at again. */
        while (r > 0 && (recv(devices, event, sizeof(event), 0) > 0 || errno == ENOBUFS))
            ;
    }
    return 0;
}

/* Until the host has opened its end of a port, poll says POLLHUP at once and for ever; an edge
 * comes when that changes. */
static int wait_for_host(int port, const char *name, struct err *err)
{
    uint64_t deadline_ns = time_deadline(GUEST_DEVICE_S * NS_PER_S);
    struct epoll_event e = {.events = EPOLLOUT | EPOLLET};
    _cleanup_fd_ int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, port, &e) < 0)
        return err_errno(err, errno, "wait for port \"%s\"", name);
    do {
        int r = epoll_wait(epoll, &e, 1, time_left_ms(deadline_ns));
        if (r == 0)
            return err_set(err, ERR_TIMEOUT, ETIMEDOUT,
                           "the host has not opened port \"%s\" for %d s", name, GUEST_DEVICE_S);
        if (r < 0)
            e.events = EPOLLHUP;
    } while (e.events & EPOLLHUP);
    return 0;
}

int guest_port_open(int devices, const char *name, struct err *err)
{
    char node[64], path[80];
    int r = wait_for(devices, "/sys/class/virtio-ports", "name", name, node, sizeof(node), err);
    if (r < 0)
        return r;
    str_format(path, sizeof(path), "/dev/%s", node);
    _cleanup_fd_ int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "open port \"%s\"", name);
    r = wait_for_host(fd, name, err);
    return r < 0 ? r : TAKE_FD(fd);
}

int guest_disk_find(int devices, const char *serial, char *dst, size_t size, struct err *err)
{
    char node[64];
    int r = wait_for(devices, "/sys/block", "serial", serial, node, sizeof(node), err);
    if (r == 0 && !str_format(dst, size, "/dev/%s", node))
        r = err_errno(err, ENAMETOOLONG, "name the disk \"%s\"", serial);
    return r;
}
