/* call.*, fourth part: pipes, sockets, events and the calls that wait for them. Nothing here ever
 * blocks: both ends are in one process. */
#include "probe/call.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

static int start_pipe(struct worker *w, struct err *err)
{
    int r = call_pipe(w, err);
    if (r < 0)
        return r;
    return call_try(w, err);
}

static int start_pipe_filled(struct worker *w, struct err *err)
{
    struct call *c = w->state;
    int r = call_pipe(w, err);
    if (r < 0)
        return r;
    if (write(c->fd[1], "x", 1) != 1)
        return err_errno(err, errno, "write to a pipe");
    return call_try(w, err);
}

static bool byte_through(int from, int to, unsigned char value)
{
    unsigned char got = (unsigned char)~value;
    return write(to, &value, 1) == 1 && read(from, &got, 1) == 1 && got == value;
}

/* A byte in and out: two calls. */
static void run_pipe(struct worker *w, uint64_t ops)
{
    struct call *c = w->state;
    CALL_LOOP(w, ops, "pipe", byte_through(c->fd[0], c->fd[1], (unsigned char)++c->word));
}

static bool pipe_once(void)
{
    int fd[2];
    return pipe2(fd, O_CLOEXEC) == 0 && close(fd[0]) == 0 && close(fd[1]) == 0;
}

/* pipe2 and two closes. */
static void run_pipe_new(struct worker *w, uint64_t ops)
{
    CALL_LOOP(w, ops, "pipe2", pipe_once());
}

static int start_socket(struct worker *w, struct err *err)
{
    struct call *c = w->state;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, c->fd) < 0)
        return err_errno(err, errno, "socketpair");
    return call_try(w, err);
}

static bool byte_over(int from, int to, unsigned char value)
{
    unsigned char got = (unsigned char)~value;
    return send(to, &value, 1, MSG_NOSIGNAL) == 1 && recv(from, &got, 1, 0) == 1 && got == value;
}

/* A byte over a Unix socket: send and recv. */
static void run_socket(struct worker *w, uint64_t ops)
{
    struct call *c = w->state;
    CALL_LOOP(w, ops, "socket", byte_over(c->fd[0], c->fd[1], (unsigned char)++c->word));
}

static bool socketpair_once(void)
{
    int fd[2];
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0 && close(fd[0]) == 0 &&
           close(fd[1]) == 0;
}

/* socketpair and two closes. */
static void run_socketpair(struct worker *w, uint64_t ops)
{
    CALL_LOOP(w, ops, "socketpair", socketpair_once());
}

static bool pass_fd(int from, int to, int fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    char byte = 'x';
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
    if (sendmsg(to, &msg, MSG_NOSIGNAL) != 1)
        return false;

    msg.msg_controllen = sizeof(control);
    if (recvmsg(from, &msg, MSG_CMSG_CLOEXEC) != 1)
        return false;
    cmsg = CMSG_FIRSTHDR(&msg);
    if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS || cmsg->cmsg_len != CMSG_LEN(sizeof(int)))
        return false;
    memcpy(&fd, CMSG_DATA(cmsg), sizeof(int));
    return close(fd) == 0;
}

/* A descriptor over a Unix socket: sendmsg, recvmsg, close of the copy. */
static void run_sendmsg(struct worker *w, uint64_t ops)
{
    const struct call *c = w->state;
    CALL_LOOP(w, ops, "sendmsg", pass_fd(c->fd[0], c->fd[1], c->fd[0]));
}

static int start_event(struct worker *w, struct err *err)
{
    int r = call_event(w, err);
    if (r < 0)
        return r;
    return call_try(w, err);
}

static bool count_through(int fd, uint64_t value)
{
    uint64_t got = 0;
    return write(fd, &value, sizeof(value)) == sizeof(value) &&
           read(fd, &got, sizeof(got)) == sizeof(got) && got == value;
}

static int start_eventfd(struct worker *w, struct err *err)
{
    struct call *c = w->state;
    uint64_t got;
    int r = call_event(w, err);
    if (r < 0)
        return r;
    if (read(c->fd[0], &got, sizeof(got)) != sizeof(got))
        return err_errno(err, errno, "read of an eventfd");
    return call_try(w, err);
}

/* A count in and out of an eventfd: two calls. */
static void run_eventfd(struct worker *w, uint64_t ops)
{
    struct call *c = w->state;
    CALL_LOOP(w, ops, "eventfd", count_through(c->fd[0], ++c->word));
}

static int start_epoll(struct worker *w, struct err *err)
{
    struct call *c = w->state;
    int r = call_event(w, err);
    if (r < 0)
        return r;
    c->fd[1] = epoll_create1(EPOLL_CLOEXEC);
    if (c->fd[1] < 0)
        return err_errno(err, errno, "epoll_create1");
    return 0;
}

static int start_epoll_wait(struct worker *w, struct err *err)
{
    struct call *c = w->state;
    int r = start_epoll(w, err);
    if (r < 0)
        return r;
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 42};
    if (epoll_ctl(c->fd[1], EPOLL_CTL_ADD, c->fd[0], &ev) < 0)
        return err_errno(err, errno, "epoll_ctl");
    return call_try(w, err);
}

/* One descriptor, which is ready. */
static void run_epoll_wait(struct worker *w, uint64_t ops)
{
    const struct call *c = w->state;
    struct epoll_event ev = {0};
    CALL_LOOP(w, ops, "epoll_wait", epoll_wait(c->fd[1], &ev, 1, 0) == 1 && ev.data.u64 == 42);
}

static int start_epoll_ctl(struct worker *w, struct err *err)
{
    int r = start_epoll(w, err);
    if (r < 0)
        return r;
    return call_try(w, err);
}

/* Added and deleted: two calls. */
static void run_epoll_ctl(struct worker *w, uint64_t ops)
{
    const struct call *c = w->state;
    struct epoll_event ev = {.events = EPOLLIN};
    CALL_LOOP(w, ops, "epoll_ctl",
              epoll_ctl(c->fd[1], EPOLL_CTL_ADD, c->fd[0], &ev) == 0 &&
                  epoll_ctl(c->fd[1], EPOLL_CTL_DEL, c->fd[0], &ev) == 0);
}

/* One descriptor, which is ready. */
static void run_poll(struct worker *w, uint64_t ops)
{
    const struct call *c = w->state;
    struct pollfd p = {.fd = c->fd[0], .events = POLLIN};
    CALL_LOOP(w, ops, "poll", poll(&p, 1, 0) == 1);
}

static void run_fcntl(struct worker *w, uint64_t ops)
{
    const struct call *c = w->state;
    CALL_LOOP(w, ops, "fcntl", fcntl(c->fd[0], F_GETFD) == FD_CLOEXEC);
}

/* FIONREAD of a pipe that holds one byte. */
static void run_ioctl(struct worker *w, uint64_t ops)
{
    const struct call *c = w->state;
    int n = 0;
    CALL_LOOP(w, ops, "ioctl", ioctl(c->fd[0], FIONREAD, &n) == 0 && n == 1);
}

static int start_timer(struct worker *w, struct err *err)
{
    struct call *c = w->state;
    c->fd[0] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (c->fd[0] < 0)
        return err_errno(err, errno, "timerfd_create");
    return call_try(w, err);
}

/* Armed anew for an hour ahead. */
static void run_timer(struct worker *w, uint64_t ops)
{
    const struct call *c = w->state;
    const struct itimerspec hour = {.it_value.tv_sec = 3600};
    CALL_LOOP(w, ops, "timerfd_settime", timerfd_settime(c->fd[0], 0, &hour, NULL) == 0);
}

static const struct workload list[] = {
    CALL_ROW("pipe", start_pipe, run_pipe),
    CALL_ROW("pipe_new", call_try, run_pipe_new),
    CALL_ROW("socket", start_socket, run_socket),
    CALL_ROW("socketpair", call_try, run_socketpair),
    CALL_ROW("sendmsg", start_socket, run_sendmsg),
    CALL_ROW("eventfd", start_eventfd, run_eventfd),
    CALL_ROW("epoll_wait", start_epoll_wait, run_epoll_wait),
    CALL_ROW("epoll_ctl", start_epoll_ctl, run_epoll_ctl),
    CALL_ROW("poll", start_event, run_poll),
    CALL_ROW("fcntl", start_event, run_fcntl),
    CALL_ROW("ioctl", start_pipe_filled, run_ioctl),
    CALL_ROW("timer", start_timer, run_timer),
};

const struct family family_call_event = {
    .name = "call-event",
    .list = list,
    .n = ARRAY_SIZE(list),
    .keep = call_keep,
    .worker_setup = call_worker_setup,
    .worker_teardown = call_worker_teardown,
};
