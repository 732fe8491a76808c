#include "fleet/attach.h"

#include "base/fd.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

/* One piece of it. 0: the end. */
static ssize_t pass(int from, int to)
{
    char chunk[65536];
    ssize_t n = read(from, chunk, sizeof(chunk));

    if (n < 0 && errno == EINTR)
        return 1;
    return n > 0 && fd_write_full(to, chunk, (size_t)n, NULL) >= 0 ? n : 0;
}

/* What is written waits where the other side does: then the steward hears nothing more of us, and
 * that is what its lease is for. */
int attach(struct err *err)
{
    _cleanup_fd_ int s = fd_connect_unix(STEWARD_SOCKET);

    if (s < 0)
        return err_set(err, ERR_ENVIRONMENT, ECONNREFUSED, "no steward is at work there");
    int r = fd_set_nonblock(s, false, err);
    struct pollfd p[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = s, .events = POLLIN}};
    while (r == 0) {
        if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
            return err_errno(err, errno, "wait for the steward");
        if (p[1].revents && pass(s, STDOUT_FILENO) <= 0)
            break;
        if (p[0].revents && pass(STDIN_FILENO, s) <= 0)
            break;
    }
    return r;
}

int attach_listen(struct err *err)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = STEWARD_SOCKET};
    _cleanup_fd_ int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (s < 0)
        return err_errno(err, errno, "make a socket");
    unlink(STEWARD_SOCKET);
    if (bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 4) < 0)
        return err_errno(err, errno, "listen for later connections");
    return TAKE_FD(s);
}
