#include "host/disk.h"

#include "base/fd.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#define ZFS_MAGIC 0x2fc12fc1

static const struct {
    unsigned magic;
    const char *name;
} file_systems[] = {
    {TMPFS_MAGIC, "a tmpfs"},     {RAMFS_MAGIC, "a ramfs"}, {OVERLAYFS_SUPER_MAGIC, "an overlay"},
    {BTRFS_SUPER_MAGIC, "btrfs"}, {ZFS_MAGIC, "ZFS"},       {NFS_SUPER_MAGIC, "NFS"},
    {FUSE_SUPER_MAGIC, "FUSE"},   {V9FS_MAGIC, "9p"},
};

static const char *file_system_of(const char *dir)
{
    struct statfs fs;
    if (statfs(dir, &fs) == 0)
        for (size_t i = 0; i < ARRAY_SIZE(file_systems); i++)
            if ((unsigned)fs.f_type == file_systems[i].magic)
                return file_systems[i].name;
    return "a file system without a device of its own";
}

int disk_whole(const char *sys, dev_t device, dev_t *ret, struct err *err)
{
    char path[256], text[32];
    char *rest = text;
    uint64_t number[2];
    struct stat st;
    str_format(path, sizeof(path), "%s/dev/block/%u:%u", sys, major(device), minor(device));
    if (stat(path, &st) < 0)
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "%u:%u is no block device here",
                       major(device), minor(device));
    str_format(path, sizeof(path), "%s/dev/block/%u:%u/partition", sys, major(device),
               minor(device));
    if (stat(path, &st) < 0) {
        *ret = device;
        return 0;
    }
    str_format(path, sizeof(path), "%s/dev/block/%u:%u/../dev", sys, major(device), minor(device));
    int r = file_read_line(path, text, sizeof(text));
    for (size_t i = 0; r == 0 && i < 2; i++) {
        const char *part = strsep(&rest, ":");
        r = part ? parse_u64(part, 0, UINT32_MAX, "device", &number[i], NULL) : -EINVAL;
    }
    if (r < 0)
        return err_errno(err, -r, "find the disk of partition %u:%u", major(device), minor(device));
    *ret = makedev((unsigned)number[0], (unsigned)number[1]);
    return 0;
}

int disk_under(const char *dir, dev_t *ret, struct err *err)
{
    struct stat st;
    if (stat(dir, &st) < 0)
        return err_errno(err, errno, "find the disk under %s", dir);
    if (major(st.st_dev) == 0)
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "no disk of its own lies under %s: it is %s",
                       dir, file_system_of(dir));
    int r = disk_whole("/sys", st.st_dev, ret, err);
    return r < 0 ? err_wrap(err, "find the disk under %s", dir) : 0;
}
