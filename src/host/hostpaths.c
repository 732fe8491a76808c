#include "host/hostpaths.h"

#include "base/fd.h"
#include "host/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

/* Where the host keeps it; links on the way are not followed on either side, so none of these may
 * lead through one (/var/run). Numbers of inodes in /proc/sys differ from one instance to the
 * next: nothing from there. */
static const char *const paths[] = {
    "/etc/passwd",
    "/etc/shadow",
    "/etc/ssh",
    "/root",
    "/home",
    "/boot",
    "/var/lib",
    "/var/log",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/systemd",
    "/proc/kcore",
    "/proc/keys",
    "/proc/kmsg",
    "/proc/kallsyms",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
    "/sys/firmware",
    "/sys/kernel",
    "/sys/fs/cgroup",
    "/dev/mem",
    "/dev/kmsg",
    "/dev/kvm",
};
_Static_assert(ARRAY_SIZE(paths) <= 32, "struct hostpaths has 32 bits");

#define MOUNTS_MAX (4 << 20)

size_t hostpaths_count(void)
{
    return ARRAY_SIZE(paths);
}

/* Whose answers come from somebody who may take his time. */
static bool is_foreign(const char *fstype)
{
    static const char *const foreign[] = {"autofs", "fuse*", "nfs*", "cifs",  "smb*",
                                          "9p",     "ceph",  "afs",  "gfs2*", "virtiofs"};
    for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
        if (str_glob(foreign[i], fstype))
            return true;
    return false;
}

static bool lies_on(const char *path, const char *point)
{
    size_t n = strlen(point);
    return str_eq(point, "/") || (str_starts(path, point) && (path[n] == '/' || path[n] == '\0'));
}

/* Those that can be looked up without asking anybody but this kernel: no mount on the way to them
 * is foreign. */
static int mark_own(pid_t pid, bool own[ARRAY_SIZE(paths)])
{
    _cleanup_(str_release) struct str text = STR_INIT;
    char name[40];
    str_format(name, sizeof(name), "/proc/%d/mountinfo", (int)pid);
    int r = file_read(name, MOUNTS_MAX, &text, NULL);
    char *cursor = text.buf;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        own[i] = r >= 0;
    if (r < 0)
        return r;
    for (struct mountinfo m; mountinfo_next(&cursor, &m);)
        for (size_t i = 0; i < ARRAY_SIZE(paths) && is_foreign(m.fstype); i++)
            own[i] &= !lies_on(paths[i], m.point);
    return 0;
}

static int open_root(pid_t pid)
{
    char name[40];
    str_format(name, sizeof(name), "/proc/%d/root", (int)pid);
    int fd = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

struct thing {
    struct stat st;
    unsigned long fs; /* as in linux/magic.h */
    bool read_only;
};

/* Nothing of what is there is run, triggered or opened by O_PATH. */
static int find(int root, const char *path, struct thing *ret)
{
    const struct open_how how = {
        .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    struct statfs fs;
    _cleanup_fd_ int fd = (int)syscall(SYS_openat2, root, path + 1, &how, sizeof(how));
    if (fd < 0 || fstat(fd, &ret->st) < 0 || fstatfs(fd, &fs) < 0)
        return -errno;
    ret->fs = (unsigned long)fs.f_type;
    ret->read_only = fs.f_flags & ST_RDONLY;
    return 0;
}

static bool is_same(const struct thing *a, const struct thing *b)
{
    bool kernel = a->fs == b->fs && (a->fs == PROC_SUPER_MAGIC || a->fs == SYSFS_MAGIC ||
                                     a->fs == CGROUP2_SUPER_MAGIC);
    if ((a->st.st_mode & S_IFMT) != (b->st.st_mode & S_IFMT))
        return false;
    if (S_ISCHR(a->st.st_mode))
        return a->st.st_rdev == b->st.st_rdev;
    return a->st.st_ino == b->st.st_ino && (kernel || a->st.st_dev == b->st.st_dev);
}

int hostpaths_add(pid_t pid, struct hostpaths *ret)
{
    bool ours[ARRAY_SIZE(paths)], its[ARRAY_SIZE(paths)];
    struct hostpaths p = *ret;
    _cleanup_fd_ int our_root = open_root(getpid());
    _cleanup_fd_ int its_root = open_root(pid);
    if (our_root < 0 || its_root < 0)
        return our_root < 0 ? our_root : its_root;
    int r = mark_own(getpid(), ours);
    if (r == 0)
        r = mark_own(pid, its);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(paths); i++) {
        struct thing here, there;
        if (!ours[i] || !its[i] || find(our_root, paths[i], &here) < 0 ||
            find(its_root, paths[i], &there) < 0 || !is_same(&here, &there))
            continue;
        p.reached |= UINT32_C(1) << i;
        if (!there.read_only)
            p.writable |= UINT32_C(1) << i;
    }
    if (r == 0)
        *ret = p;
    return r;
}

void hostpaths_list(const struct hostpaths *p, struct str *out)
{
    const char *before = "";
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        uint32_t bit = UINT32_C(1) << i;
        if (!(p->reached & bit))
            continue;
        str_addf(out, "%s%s%s", before, paths[i], p->writable & bit ? "" : "(ro)");
        before = ",";
    }
}
