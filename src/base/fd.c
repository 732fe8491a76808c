#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

void fd_close(int *fd)
{
    if (*fd >= 0) {
        int saved = errno;
        close(*fd);
        errno = saved;
    }
    *fd = -1;
}

int fd_set_nonblock(int fd, bool on, struct err *err)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return err_errno(err, errno, "read the flags of descriptor %d", fd);
    int want = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (want != flags && fcntl(fd, F_SETFL, want) < 0)
        return err_errno(err, errno, "set the flags of descriptor %d", fd);
    return 0;
}

int fd_pipe(int ret_fds[2], struct err *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_errno(err, errno, "make a pipe");
    ret_fds[0] = fds[0];
    ret_fds[1] = fds[1];
    return 0;
}

/* On a way with ".." in it the kernel answers EAGAIN whenever anything on this machine was renamed
 * or mounted meanwhile. Who does that on purpose keeps us from opening, not from going on. */
#define INSIDE_TRIES 256

int fd_open_inside(int dirfd, const char *path, uint64_t flags, uint64_t resolve)
{
    const struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve};
    int fd = -1;
    for (int i = 0; i < INSIDE_TRIES; i++) {
        fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    return fd < 0 ? -errno : fd;
}

int fd_connect_unix(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (!str_copy(to.sun_path, sizeof(to.sun_path), path))
        return -ENAMETOOLONG;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    int code = errno;
    fd_close(&fd);
    return -code;
}

int fd_write_full(int fd, const void *buf, size_t n, struct err *err)
{
    const char *p = buf;
    while (n > 0) {
        ssize_t k = write(fd, p, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return err_errno(err, errno, "write %zu bytes", n);
        p += k;
        n -= (size_t)k;
    }
    return 0;
}

int fd_read_all(int fd, size_t max, struct str *s, struct err *err)
{
    char chunk[8192];
    size_t before = s->len;
    int r = 0;
    for (;;) {
        ssize_t k = read(fd, chunk, sizeof(chunk));
        if (k < 0 && errno == EINTR)
            continue;
        if (k == 0)
            return 0;
        if (k < 0)
            r = err_errno(err, errno, "read");
        else if ((size_t)k > max - (s->len - before))
            r = err_set(err, ERR_ENVIRONMENT, EFBIG, "read: more than %zu bytes", max);
        if (r < 0)
            break;
        str_addn(s, chunk, (size_t)k);
    }
    if (s->len > before) {
        s->len = before;
        s->buf[before] = '\0';
    }
    return r;
}

int file_read_at(int dirfd, const char *path, size_t max, struct str *s, struct err *err)
{
    _cleanup_fd_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_errno(err, errno, "read %s", path);
    int r = fd_read_all(fd, max, s, err);
    return r < 0 && err ? err_wrap(err, "%s", path) : r;
}

int file_read(const char *path, size_t max, struct str *s, struct err *err)
{
    return file_read_at(AT_FDCWD, path, max, s, err);
}

ssize_t fd_read_some(int fd, bool whole, char *dst, size_t size)
{
    size_t n = 0;
    while (n < size - 1) {
        ssize_t k = read(fd, dst + n, size - 1 - n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return -errno;
        n += (size_t)k;
        if (k == 0 || !whole)
            break;
    }
    dst[n] = '\0';
    return (ssize_t)n;
}

int file_read_line(const char *path, char *dst, size_t size)
{
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    char line[4096];
    ssize_t k;
    do
        k = read(fd, line, sizeof(line) - 1);
    while (k < 0 && errno == EINTR);
    if (k < 0)
        return -errno;
    line[k] = '\0';
    line[strcspn(line, "\n")] = '\0';
    return str_copy(dst, size, line) ? 0 : -ENAMETOOLONG;
}

int file_read_u64(const char *path, uint64_t *ret)
{
    char line[64];
    int r = file_read_line(path, line, sizeof(line));
    if (r < 0)
        return r;
    return parse_u64(str_strip(line), 0, UINT64_MAX, "", ret, NULL);
}

int file_write_at(int dirfd, const char *path, const char *text, struct err *err)
{
    _cleanup_fd_ int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_errno(err, errno, "open %s for writing", path);
    size_t n = strlen(text);
    ssize_t k;
    do
        k = write(fd, text, n);
    while (k < 0 && errno == EINTR);
    if (k < 0)
        return err_errno(err, errno, "write '%.60s' to %s", text, path);
    if ((size_t)k != n)
        return err_errno(err, EIO, "write '%.60s' to %s", text, path);
    return 0;
}

int file_write(const char *path, const char *text, struct err *err)
{
    return file_write_at(AT_FDCWD, path, text, err);
}

/* So that the new name survives a power cut too. Not every file system can sync a directory. */
static void sync_parent(const char *path)
{
    _cleanup_free_ char *dir = xstrdup(path);
    char *slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir] = '\0';
    _cleanup_fd_ int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        fsync(fd);
}

int file_replace(const char *path, const char *bytes, size_t n, mode_t mode, struct err *err)
{
    _cleanup_free_ char *temp = xasprintf("%s.XXXXXX", path);
    _cleanup_fd_ int fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "write %s", path);
    int r = fd_write_full(fd, bytes, n, err);
    if (r == 0 && fchmod(fd, mode) < 0)
        r = err_errno(err, errno, "set mode");
    if (r == 0 && fsync(fd) < 0)
        r = err_errno(err, errno, "sync");
    if (r == 0 && rename(temp, path) < 0)
        r = err_errno(err, errno, "rename");
    if (r < 0) {
        unlink(temp);
        if (err)
            err_wrap(err, "write %s", path);
        return r;
    }
    sync_parent(path);
    return 0;
}
