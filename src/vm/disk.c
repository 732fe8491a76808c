#include "vm/disk.h"

#include "base/cleanup.h"
#include "image/make.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

struct root_disk {
    const char *rootfs;
};

/* Not compressed: a guest whose CPU is emulated would take long to unpack it, and what is measured
 * is a disk. */
static int make_root(struct image_store *s, void *user, const char *dir, struct err *err)
{
    const struct root_disk *d = user;
    char mksquashfs[256], disk[256];
    str_format(disk, sizeof(disk), "%s/disk", dir);
    int r = tool_find("mksquashfs", "squashfs-tools", mksquashfs, err);
    const char *const argv[] = {mksquashfs,     d->rootfs, disk,         "-noappend",
                                "-no-progress", "-quiet",  "-noI",       "-noD",
                                "-noF",         "-noX",    "-no-xattrs", NULL};
    if (r == 0)
        r = tool_run(s, argv, NULL, err);
    return r == 0 ? make_text(dir, "what", "the root disk of a guest", err) : r;
}

int vm_disk_root(struct vm_guests *g, const char *rootfs, const char *image, const char *program,
                 char ret_path[256], struct err *err)
{
    struct root_disk d = {.rootfs = rootfs};
    struct image of = {.digest = "none"};
    char words[200], key[FS_SHA256_HEX], kept[224];
    int r = image ? image_from_dir(image, &of, err) : 0;
    if (r < 0)
        return r;
    str_format(words, sizeof(words), "disk 1 %s %s", of.digest, program);
    fs_sha256_bytes(words, strlen(words), key);
    if (!str_format(kept, sizeof(kept), "%s/%s", g->dir, key))
        return err_errno(err, ENAMETOOLONG, "name a disk below %s", g->dir);
    r = store_dir(&g->store, kept, "making the root disk of a guest, once", make_root, &d, err);
    if (r < 0)
        return err_wrap(err, "root disk of a guest");
    str_format(ret_path, 256, "%s/disk", kept);
    return 0;
}

/* ---- the other ---- */

/* The files of data, which are an application's inputs, by other names: nothing is copied twice. */
static int stage_files(const char *data, const char *stage, struct err *err)
{
    char to[300];
    str_format(to, sizeof(to), "%s/data", stage);
    int r = fs_mkdirs(to, 0755, err);
    if (r < 0)
        return r;
    DIR *d = opendir(data);
    if (!d)
        return err_errno(err, errno, "open %s", data);
    for (struct dirent *e; r == 0 && (e = readdir(d));) {
        str_format(to, sizeof(to), "%s/data/%s", stage, e->d_name);
        if (e->d_type == DT_REG && linkat(dirfd(d), e->d_name, AT_FDCWD, to, 0) < 0)
            r = err_errno(err, errno, "link %s", to);
    }
    closedir(d);
    return r;
}

static int make_sparse(const char *path, uint64_t bytes, struct err *err)
{
    _cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
        return err_errno(err, errno, "make the disk %s", path);
    return 0;
}

int vm_disk_data(struct vm_guests *g, const char *data, const char *stage, const char *path,
                 uint64_t bytes, struct err *err)
{
    char mke2fs[256];
    int r = tool_find("mke2fs", "e2fsprogs", mke2fs, err);
    /* No reserve for root. Its tables are never written before they are needed: the guest mounts
     * it so that its kernel does not either, while something is measured. */
    const char *const argv[] = {
        mke2fs, "-q",  "-t", "ext4",
        "-m",   "0",   "-E", "lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0",
        "-d",   stage, path, NULL};
    if (r == 0)
        r = stage_files(data, stage, err);
    if (r == 0)
        r = make_sparse(path, bytes, err);
    if (r == 0)
        r = tool_run(&g->store, argv, NULL, err);
    int left = fs_remove_tree(stage, r == 0 ? err : NULL);
    if (r == 0)
        r = left;
    return r < 0 ? err_wrap(err, "disk of a guest") : 0;
}
