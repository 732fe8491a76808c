/* The mount namespace of mountns_for_daemon. As in mounts.c it is made by a thread that ends here.
 */
#include "host/mounts.h"

#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define KEEP_MAX 4

struct job {
    const struct mountns_daemon *what;
    int fd;
    int code;
    char step[200];
};

static int step(struct job *j, int r, const char *what, const char *where)
{
    if (r >= 0)
        return r;
    j->code = errno;
    str_format(j->step, sizeof(j->step), "%s %s", what, where);
    return -1;
}

static int cover(struct job *j, const char *path)
{
    return step(
        j, mount("cupel", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=16m"),
        "mount a tmpfs over", path);
}

static int bind(struct job *j, const char *from, const char *over)
{
    return step(j, mount(from, over, NULL, MS_BIND, NULL), "bind over", over);
}

/* Makes the directories on the way, in a /run of ours. */
static int make_way(struct job *j, const char *path)
{
    char part[256];
    for (const char *p = path + 1; p; p = *p ? p + 1 : NULL) {
        p = strchrnul(p, '/');
        str_format(part, sizeof(part), "%.*s", (int)(p - path), path);
        if (step(j, mkdir(part, 0711) < 0 && errno != EEXIST ? -1 : 0, "make", part) < 0)
            return -1;
    }
    return 0;
}

static int replace_run(struct job *j)
{
    int fds[KEEP_MAX] = {-1, -1, -1, -1}, r = 0;
    /* Looked up before they are hidden, bound after. */
    for (size_t i = 0; r >= 0 && i < j->what->n_keep; i++)
        r = fds[i] = step(j, open(j->what->keep[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                          "open", j->what->keep[i]);
    if (r >= 0)
        r = *j->what->run ? bind(j, j->what->run, "/run") : cover(j, "/run");
    for (size_t i = 0; r >= 0 && i < j->what->n_keep; i++) {
        char from[64];
        str_format(from, sizeof(from), "/proc/thread-self/fd/%d", fds[i]);
        r = make_way(j, j->what->keep[i]);
        if (r >= 0)
            r = step(j, mount(from, j->what->keep[i], NULL, MS_BIND | MS_REC, NULL), "bind",
                     j->what->keep[i]);
    }
    for (size_t i = 0; i < KEEP_MAX; i++)
        fd_close(&fds[i]);
    return r;
}

/* What changes there lies on the tmpfs that is /run. */
static int layer_etc(struct job *j)
{
    if (*j->what->run)
        return 0;
    if (step(j, mkdir("/run/etc", 0700), "make", "/run/etc") < 0 ||
        step(j, mkdir("/run/etc/upper", 0755), "make", "/run/etc/upper") < 0 ||
        step(j, mkdir("/run/etc/work", 0700), "make", "/run/etc/work") < 0)
        return -1;
    return step(j,
                mount("cupel", "/etc", "overlay", 0,
                      "lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work"),
                "mount an overlay over", "/etc");
}

static int cover_others(struct job *j)
{
    const struct mountns_daemon *w = j->what;
    if (*w->cover && cover(j, w->cover) < 0)
        return -1;
    return *w->bind ? bind(j, w->bind, w->over) : 0;
}

static void *make(void *user)
{
    struct job *j = user;
    if (step(j, unshare(CLONE_NEWNS), "make", "a mount namespace") < 0 ||
        step(j, mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL), "stop mounts from", "spreading") <
            0 ||
        replace_run(j) < 0 || layer_etc(j) < 0 || cover_others(j) < 0)
        return NULL;
    j->fd = step(j, open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC), "open",
                 "the mount namespace");
    return NULL;
}

int mountns_for_daemon(const struct mountns_daemon *what, int *ret_fd, struct err *err)
{
    struct job j = {.what = what, .fd = -1};
    pthread_t thread;
    if (what->n_keep > KEEP_MAX)
        return err_set(err, ERR_BUG, E2BIG, "too many directories to keep");
    int code = pthread_create(&thread, NULL, make, &j);
    if (code != 0)
        return err_errno(err, code, "start a thread");
    pthread_join(thread, NULL);
    if (j.fd < 0)
        return err_errno(err, j.code, "%s", j.step);
    *ret_fd = j.fd;
    return 0;
}
