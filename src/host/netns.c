#include "host/netns.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "host/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>

struct visit {
    int fd; /* -1: a namespace that is new */
    int (*fn)(void *user, struct err *err);
    void *user;
    struct err *err;
    int r;
};

static int cannot(struct err *err, int code, const char *step)
{
    if (code == EINVAL || code == EPERM || code == ENOSYS)
        return err_set(err, ERR_UNSUPPORTED, code, "%s a network namespace: %s", step,
                       code == EPERM ? "not permitted" : "this kernel has none");
    return err_errno(err, code, "%s a network namespace", step);
}

static void *visit(void *user)
{
    struct visit *v = user;
    int r = v->fd < 0 ? unshare(CLONE_NEWNET) : setns(v->fd, CLONE_NEWNET);
    if (r < 0)
        v->r = cannot(v->err, errno, v->fd < 0 ? "make" : "enter");
    else
        v->r = v->fn(v->user, v->err);
    return NULL;
}

int netns_run(int fd, int (*fn)(void *user, struct err *err), void *user, struct err *err)
{
    struct visit v = {.fd = fd, .fn = fn, .user = user, .err = err};
    pthread_t thread;
    int code = pthread_create(&thread, NULL, visit, &v);
    if (code != 0)
        return err_errno(err, code, "start a thread");
    pthread_join(thread, NULL);
    return v.r;
}

static int bind_own(void *user, struct err *err)
{
    const char *path = user;
    if (mount("/proc/thread-self/ns/net", path, NULL, MS_BIND, NULL) < 0)
        return err_errno(err, errno, "bind a network namespace to %s", path);
    return 0;
}

static int hold(const char *path, bool own, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0444);
    if (fd < 0)
        return err_errno(err, errno, "make %s", path);
    fd_close(&fd);
    int r = own ? bind_own((void *)path, err) : netns_run(-1, bind_own, (void *)path, err);
    if (r < 0)
        unlink(path);
    return r;
}

int netns_make(const char *path, struct err *err)
{
    return hold(path, false, err);
}

int netns_hold_own(const char *path, struct err *err)
{
    return hold(path, true, err);
}

int netns_remove(const char *path, struct err *err)
{
    int r = mount_remove_below(path, err);
    if (r == 0 && unlink(path) < 0 && errno != ENOENT)
        r = err_errno(err, errno, "remove %s", path);
    return r;
}

int netns_open(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? err_errno(err, errno, "open %s", path) : fd;
}

static int look(void *user, struct err *err)
{
    return access(user, F_OK) == 0 ? 0 : -errno;
}

bool netns_sees(int fd, const char *path)
{
    return netns_run(fd, look, (void *)path, NULL) == 0;
}
