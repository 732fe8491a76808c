/* A container's standard streams: an HTTP request whose connection then is the stream. curl would
 * keep it for itself, so it is a socket of our own. */
#include "engine/docker.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define HEAD_MAX 4096

static void on_readable(void *user, int fd, uint32_t events)
{
    *(bool *)user = true;
}

/* The head of the answer and not a byte more: what follows is the container's. 1: it is there. */
static int take_head(int fd, char head[HEAD_MAX], struct err *err)
{
    ssize_t n = recv(fd, head, HEAD_MAX - 1, MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return err_errno(err, n < 0 ? errno : ECONNRESET, "docker attach");
    head[n] = '\0';
    char *end = strstr(head, "\r\n\r\n");
    if (!end && n < HEAD_MAX - 1 && strlen(head) == (size_t)n)
        return 0;
    if (!end)
        return err_set(err, ERR_ENVIRONMENT, EPROTO, "docker attach: no answer of HTTP's");
    size_t len = (size_t)(end - head) + 4;
    if (recv(fd, head, len, 0) != (ssize_t)len)
        return err_errno(err, EIO, "docker attach");
    head[len] = '\0';
    return 1;
}

static int await_head(struct loop *l, int fd, char head[HEAD_MAX], uint64_t deadline_ns,
                      struct err *err)
{
    struct loop_source *src = NULL;
    bool readable = false;
    /* By edges: a head that comes in pieces is looked at once a piece. */
    int r = loop_add_fd(l, fd, EPOLLIN | EPOLLET, on_readable, &readable, &src, err);
    while (r == 0) {
        readable = false;
        r = take_head(fd, head, err);
        if (r != 0)
            break;
        r = loop_run_until(l, &readable, deadline_ns, err);
        if (r == -ETIMEDOUT)
            err_set(err, ERR_TIMEOUT, ETIMEDOUT, "docker attach: timed out");
    }
    loop_remove(l, src);
    return r;
}

int docker_attach(struct docker *d, const char *id, uint64_t deadline_ns, int *ret_fd,
                  struct err *err)
{
    char head[HEAD_MAX];
    str_format(head, sizeof(head),
               "POST /containers/%s/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\n"
               "Host: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n",
               id);
    _cleanup_fd_ int fd = fd_connect_unix(docker_socket(d));
    if (fd < 0)
        return err_errno(err, -fd, "docker at %s", docker_socket(d));
    int r = fd_write_full(fd, head, strlen(head), err);
    if (r == 0)
        r = await_head(docker_loop(d), fd, head, deadline_ns, err);
    if (r < 0)
        return r;
    /* Old daemons say 200 to the same effect. */
    if (!str_starts(head, "HTTP/1.1 101") && !str_starts(head, "HTTP/1.1 200"))
        return err_set(err, ERR_ENVIRONMENT, EPROTO, "docker attach: %.*s",
                       (int)strcspn(head, "\r\n"), head);
    *ret_fd = TAKE_FD(fd);
    return 0;
}
