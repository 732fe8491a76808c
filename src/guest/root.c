/* The guest's file systems. */
#include "guest/guest.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

struct mounting {
    const char *source, *at, *type, *options;
    unsigned long flags;
};

static int make_dir(const char *path, struct err *err)
{
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return err_errno(err, errno, "make %s", path);
    return 0;
}

static int put(const struct mounting *m, struct err *err)
{
    int r = make_dir(m->at, err);
    if (r == 0 && mount(m->source, m->at, m->type, m->flags, m->options) < 0)
        r = err_errno(err, errno, "mount %s (%s) at %s", m->source, m->type, m->at);
    return r;
}

static const struct mounting early[] = {
    {"proc", "/proc", "proc", "", 0},
    {"sysfs", "/sys", "sysfs", "", 0},
    {"devtmpfs", "/dev", "devtmpfs", "mode=755", 0},
};

int guest_mount_early(struct err *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(early); i++)
        r = put(&early[i], err);
    return r;
}

/* As a container has them (driver/oci-config.c). */
#define SAFE (MS_NOSUID | MS_NODEV | MS_NOEXEC)
static const struct mounting places[] = {
    {"proc", "/proc", "proc", "", SAFE},
    {"devtmpfs", "/dev", "devtmpfs", "mode=755", MS_NOSUID},
    {"devpts", "/dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=0620", MS_NOSUID | MS_NOEXEC},
    {"shm", "/dev/shm", "tmpfs", "mode=1777,size=65536k", SAFE},
    {"mqueue", "/dev/mqueue", "mqueue", "", SAFE},
    {"sysfs", "/sys", "sysfs", "", SAFE | MS_RDONLY},
};

static int furnish(const struct guest_plan *p, struct err *err)
{
    char options[64];
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(places); i++)
        r = put(&places[i], err);
    str_format(options, sizeof(options), "mode=1777,size=%lluk",
               (unsigned long long)(p->tmpfs_bytes >> 10));
    const struct mounting tmp = {"tmpfs", "/tmp", "tmpfs", options, MS_NOSUID | MS_NODEV};
    if (r == 0)
        r = put(&tmp, err);
    return r == 0 ? make_dir("/work", err) : r;
}

static int put_share(const struct guest_plan *p, const char *tag, const char *at, struct err *err)
{
    const struct mounting m = {tag, at, p->root == GUEST_ROOT_9P ? "9p" : "virtiofs", p->options,
                               MS_NODEV};
    return put(&m, err);
}

/* A disk whichever of the two file systems is on it. */
static int put_disk(int devices, const char *serial, const char *at, unsigned long flags,
                    struct err *err)
{
    static const char *const types[][2] = {{"squashfs", ""}, {"ext4", "noinit_itable"}};
    char disk[64];
    int r = guest_disk_find(devices, serial, disk, sizeof(disk), err);
    if (r == 0)
        r = make_dir(at, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (mount(disk, at, types[i][0], flags, types[i][1]) == 0)
            return 0;
    return err_errno(err, errno, "mount the disk \"%s\" at %s", serial, at);
}

/* The disk below; above it what is written, on the other disk or else in memory. */
static int put_layers(const struct guest_plan *p, int devices, struct err *err)
{
    static const char *const dirs[] = {"/above/files", "/above/work", "/above/data"};
    const struct mounting memory = {"tmpfs", "/above", "tmpfs", "mode=755", 0};
    const struct mounting both = {"overlay", "/root", "overlay",
                                  "lowerdir=/below,upperdir=/above/files,workdir=/above/work", 0};
    int r = put_disk(devices, "root", "/below", MS_RDONLY, err);
    if (r == 0)
        r = p->data ? put_disk(devices, "data", "/above", 0, err) : put(&memory, err);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(dirs); i++)
        r = make_dir(dirs[i], err);
    return r == 0 ? put(&both, err) : r;
}

static int put_all(const struct guest_plan *p, struct err *err)
{
    if (p->root != GUEST_ROOT_BLOCK) {
        int r = put_share(p, "root", "/root", err);
        return r == 0 && p->data ? put_share(p, "data", "/root/data", err) : r;
    }
    const struct mounting data = {"/above/data", "/root/data", "", "", MS_BIND};
    _cleanup_fd_ int devices = guest_devices_open(err);
    int r = devices < 0 ? devices : put_layers(p, devices, err);
    return r == 0 && p->data ? put(&data, err) : r;
}

int guest_enter_root(const struct guest_plan *p, struct err *err)
{
    int r = put_all(p, err);
    if (r < 0)
        return r;
    for (size_t i = ARRAY_SIZE(early); i-- > 0;)
        umount2(early[i].at, MNT_DETACH);
    /* The initrd's own root cannot be left by pivot_root(2). */
    if (chdir("/root") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
        chdir("/") < 0)
        return err_errno(err, errno, "enter the root");
    return furnish(p, err);
}
