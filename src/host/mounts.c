#include "host/mounts.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/vec.h"
#include "host/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

int mount_tmpfs(const char *path, uint64_t size_bytes, struct err *err)
{
    char options[64];
    str_format(options, sizeof(options), "mode=755,size=%llu", (unsigned long long)size_bytes);
    if (mount("cupel", path, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
        return err_errno(err, errno, "mount a tmpfs at %s", path);
    return 0;
}

int mount_overlay(const char *lower, const char *upper, const char *work, const char *path,
                  struct err *err)
{
    if (strpbrk(lower, ",:\\") || strpbrk(upper, ",:\\") || strpbrk(work, ",:\\"))
        return err_set(err, ERR_ENVIRONMENT, EINVAL,
                       "mount an overlay of %s: ',', ':' and '\\' "
                       "cannot be in its paths",
                       lower);
    _cleanup_free_ char *options =
        xasprintf("lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work);
    if (mount("cupel", path, "overlay", MS_NOSUID | MS_NODEV, options) < 0)
        return err_errno(err, errno, "mount an overlay of %s at %s", lower, path);
    return 0;
}

int root_open_dir(const char *root, const char *name, struct err *err)
{
    _cleanup_fd_ int at = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return err_errno(err, errno, "open %s", root);
    if (mkdirat(at, name, 0755) < 0 && errno != EEXIST)
        return err_errno(err, errno, "make %s/%s", root, name);
    int fd =
        fd_open_inside(at, name, O_RDONLY | O_DIRECTORY, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    if (fd < 0)
        return err_errno(err, -fd, "open %s/%s", root, name);
    return fd;
}

/* Mounts on a directory that is held open, so that nothing can be put in its place meanwhile. */
static int mount_in_root(const char *root, const char *name, const char *source, const char *type,
                         unsigned long flags, const char *options, struct err *err)
{
    char at[64];
    _cleanup_fd_ int fd = root_open_dir(root, name, err);
    if (fd < 0)
        return fd;
    str_format(at, sizeof(at), "/proc/self/fd/%d", fd);
    if (mount(source, at, type, flags, options) < 0)
        return err_errno(err, errno, "mount %s at %s/%s", type ? type : source, root, name);
    return 0;
}

int mount_root_tmpfs(const char *root, const char *name, uint64_t size_bytes, struct err *err)
{
    char options[64];
    str_format(options, sizeof(options), "mode=1777,size=%llu", (unsigned long long)size_bytes);
    return mount_in_root(root, name, "cupel", "tmpfs", MS_NOSUID | MS_NODEV, options, err);
}

int mount_root_bind(const char *root, const char *name, const char *source, struct err *err)
{
    return mount_in_root(root, name, source, NULL, MS_BIND, NULL, err);
}

static int make_devices(const char *root, struct err *err)
{
    static const struct {
        const char *name;
        unsigned minor;
    } devices[] = {{"null", 3}, {"zero", 5}, {"full", 7}, {"random", 8}, {"urandom", 9}};
    static const char *const links[][2] = {{"/proc/self/fd", "fd"},
                                           {"/proc/self/fd/0", "stdin"},
                                           {"/proc/self/fd/1", "stdout"},
                                           {"/proc/self/fd/2", "stderr"}};
    _cleanup_fd_ int fd = root_open_dir(root, "dev", err);
    if (fd < 0)
        return fd;
    for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
        if (mknodat(fd, devices[i].name, S_IFCHR | 0666, makedev(1, devices[i].minor)) < 0 ||
            fchmodat(fd, devices[i].name, 0666, 0) < 0)
            return err_errno(err, errno, "make /dev/%s in %s", devices[i].name, root);
    for (size_t i = 0; i < ARRAY_SIZE(links); i++)
        if (symlinkat(links[i][0], fd, links[i][1]) < 0)
            return err_errno(err, errno, "make /dev/%s in %s", links[i][1], root);
    if (mkdirat(fd, "shm", 01777) < 0 || fchmodat(fd, "shm", 01777, 0) < 0)
        return err_errno(err, errno, "make /dev/shm in %s", root);
    return 0;
}

int mount_root_basics(const char *root, struct err *err)
{
    const unsigned long quiet = MS_NOSUID | MS_NOEXEC | MS_NODEV;
    int r = mount_in_root(root, "proc", "proc", "proc", quiet, NULL, err);
    if (r == 0)
        r = mount_in_root(root, "sys", "sysfs", "sysfs", quiet | MS_RDONLY, NULL, err);
    if (r == 0)
        r = mount_in_root(root, "dev", "cupel", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64m",
                          err);
    return r == 0 ? make_devices(root, err) : r;
}

/* The path as mountinfo shows it. Its directory is resolved, its last name is not: a symbolic link
 * put in the place of a directory of ours must not lead the unmounting somewhere else. */
static int mount_path(const char *path, char dst[PATH_MAX], struct err *err)
{
    _cleanup_free_ char *dir = xstrdup(path);
    for (size_t n = strlen(dir); n > 1 && dir[n - 1] == '/'; n--)
        dir[n - 1] = '\0';
    char *slash = strrchr(dir, '/');
    if (dir[0] != '/' || !slash[1] || strcmp(slash, "/.") == 0 || strcmp(slash, "/..") == 0)
        return err_set(err, ERR_BUG, EINVAL, "'%s' is no absolute path of a mount point", path);
    _cleanup_free_ char *name = xstrdup(slash + 1);
    *slash = '\0';
    char parent[PATH_MAX];
    if (!realpath(*dir ? dir : "/", parent))
        return err_errno(err, errno, "find %s", path);
    if (!str_format(dst, PATH_MAX, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, name))
        return err_errno(err, ENAMETOOLONG, "find %s", path);
    return 0;
}

static bool is_at_or_below(const char *point, const char *path)
{
    size_t n = strlen(path);
    return strncmp(point, path, n) == 0 && (point[n] == '\0' || point[n] == '/');
}

static unsigned depth_of(const char *path)
{
    unsigned depth = 0;
    for (; *path; path++)
        depth += *path == '/';
    return depth;
}

/* The deepest mount point at or below path, of equally deep ones the one that mountinfo names last
 * (what lies on top of a stack of mounts is named last); or, with newest, simply the last. "" if
 * there is none. */
static int find_below(const char *path, bool newest, char ret[PATH_MAX], struct err *err)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    int r = mountinfo_read(&text, err);
    if (r < 0)
        return r;
    ret[0] = '\0';
    char *cursor = text.buf;
    for (struct mountinfo m; mountinfo_next(&cursor, &m);)
        if (is_at_or_below(m.point, path) && (newest || depth_of(m.point) >= depth_of(ret)))
            if (!str_copy(ret, PATH_MAX, m.point))
                return err_errno(err, ENAMETOOLONG, "unmount below %s", path);
    return 0;
}

static bool unmount(const char *point)
{
    return umount2(point, UMOUNT_NOFOLLOW) == 0 ||
           umount2(point, UMOUNT_NOFOLLOW | MNT_DETACH) == 0;
}

int mount_remove_below(const char *path, struct err *err)
{
    char full[PATH_MAX], point[PATH_MAX];
    int r = mount_path(path, full, err);
    if (r == -ENOENT || r == -ENOTDIR) {
        err_clear(err);
        return 0;
    }
    /* The bound is against a mount table that somebody refills as fast as it is emptied. */
    for (unsigned round = 0; r == 0 && round < 4096; round++) {
        r = find_below(full, false, point, err);
        if (r < 0 || !point[0])
            return r;
        if (unmount(point))
            continue;
        /* The deepest may be hidden: something was mounted over one of its parents later. */
        r = find_below(full, true, point, err);
        if (r == 0 && point[0] && !unmount(point))
            r = err_errno(err, errno, "unmount %s", point);
    }
    return r < 0 ? r : err_errno(err, EBUSY, "unmount everything below %s", path);
}

bool mount_is_point(const char *path)
{
    char full[PATH_MAX];
    _cleanup_(str_release) struct str text = STR_INIT;
    if (mount_path(path, full, NULL) < 0 || mountinfo_read(&text, NULL) < 0)
        return false;
    char *cursor = text.buf;
    for (struct mountinfo m; mountinfo_next(&cursor, &m);)
        if (strcmp(m.point, full) == 0)
            return true;
    return false;
}

bool mount_is_shared(const char *path)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    if (mountinfo_read(&text, NULL) < 0)
        return false;
    char *cursor = text.buf;
    size_t best = 0;
    bool shared = false;
    for (struct mountinfo m; mountinfo_next(&cursor, &m);) {
        size_t n = strlen(m.point);
        bool holds = str_eq(m.point, "/") ||
                     (strncmp(path, m.point, n) == 0 && (path[n] == '/' || path[n] == '\0'));
        if (!holds || n < best) /* of several in one place the last is seen */
            continue;
        best = n;
        shared = m.shared;
    }
    return shared;
}

int mount_read_only(const char *source, const char *path, struct err *err)
{
    if (mount(source, path, NULL, MS_BIND, NULL) < 0)
        return err_errno(err, errno, "bind %s at %s", source, path);
    if (mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0)
        return 0;
    int r = err_errno(err, errno, "make %s read-only", path);
    (void)umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
    return r;
}

struct cover_job {
    const char *cover;
    int fd;
    int code;
    const char *step;
};

/* A thread can have a mount namespace of its own (unshare gives it its own root and working
 * directory first), so no child is needed, and nothing is left when it ends but the descriptor. */
static void *make_covered(void *user)
{
    struct cover_job *job = user;
    job->step = "make a mount namespace";
    if (unshare(CLONE_NEWNS) < 0)
        goto fail;
    job->step = "stop mounts from spreading";
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        goto fail;
    job->step = "mount a tmpfs over";
    if (mount("cupel", job->cover, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64k") <
        0)
        goto fail;
    job->step = "open the mount namespace";
    job->fd = open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (job->fd < 0)
        goto fail;
    return NULL;
fail:
    job->code = errno;
    return NULL;
}

int mountns_with_cover(struct loop *l, const char *cover, int *ret_fd, struct err *err)
{
    struct cover_job job = {.cover = cover, .fd = -1, .step = ""};
    pthread_t thread;
    int code = pthread_create(&thread, NULL, make_covered, &job);
    if (code != 0)
        return err_errno(err, code, "cover %s: start a thread", cover);
    pthread_join(thread, NULL);
    if (job.code != 0)
        return err_errno(err, job.code, "cover %s: %s", cover, job.step);
    *ret_fd = job.fd;
    return 0;
}
