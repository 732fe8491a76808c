#include "image/image.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "host/mounts.h"
#include "image/make.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>

int make_text(const char *dir, const char *name, const char *text, struct err *err)
{
    char path[288];
    str_format(path, sizeof(path), "%s/%s", dir, name);
    _cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_errno(err, errno, "write %s", path);
    return fd_write_full(fd, text, strlen(text), err);
}

int inside_open(const char *root, const char *path)
{
    _cleanup_fd_ int at = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return -errno;
    return fd_open_inside(at, path, O_PATH | O_NOFOLLOW,
                          RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
}

/* A file of /etc that no package ships: Debian's own list where the image has it, else the least.
 */
static int furnish_etc(const char *rootfs, int etc, const char *name, const char *master,
                       const char *least, struct err *err)
{
    char from[64], to[64];
    struct stat st;
    if (faccessat(etc, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    str_format(to, sizeof(to), "/proc/self/fd/%d", etc);
    _cleanup_fd_ int fd = *master ? inside_open(rootfs, master) : -1;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return make_text(to, name, least, err);
    str_format(from, sizeof(from), "/proc/self/fd/%d", fd);
    str_format(to + strlen(to), sizeof(to) - strlen(to), "/%s", name);
    return fs_copy_file(from, to, 0644, err);
}

/* What a program looks for and a bare unpacking does not bring. */
static int furnish(const char *rootfs, struct err *err)
{
    static const char *const dirs[] = {"tmp", "proc", "sys", "dev", "run", "var", "etc"};
    int fd = -1, r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) { /* etc stays open */
        fd_close(&fd);
        fd = root_open_dir(rootfs, dirs[i], err);
        if (fd < 0)
            return fd;
        if (str_eq(dirs[i], "tmp"))
            fchmod(fd, 01777);
    }
    r = furnish_etc(rootfs, fd, "passwd", "usr/share/base-passwd/passwd.master",
                    "root:x:0:0:root:/:/bin/sh\n", err);
    if (r == 0)
        r = furnish_etc(rootfs, fd, "group", "usr/share/base-passwd/group.master", "root:x:0:\n",
                        err);
    if (r == 0)
        r = furnish_etc(rootfs, fd, "hosts", "", "127.0.0.1 localhost\n", err);
    if (r == 0)
        r = furnish_etc(rootfs, fd, "nsswitch.conf", "",
                        "passwd: files\ngroup: files\nhosts: files\n", err);
    fd_close(&fd);
    return r;
}

struct making {
    const char *what;
    int (*make)(struct image_store *, void *, const char *, struct err *);
    void *user;
};

static int make_in_dir(struct image_store *s, void *user, const char *dir, struct err *err)
{
    const struct making *m = user;
    char rootfs[240];
    str_format(rootfs, sizeof(rootfs), "%s/rootfs", dir);
    int r = fs_mkdirs(rootfs, 0755, err);
    if (r == 0)
        r = m->make(s, m->user, rootfs, err);
    if (r == 0)
        r = furnish(rootfs, err);
    return r == 0 ? make_text(dir, "what", m->what, err) : r;
}

int store_image(struct image_store *s, const char *key, const char *what,
                int (*make)(struct image_store *, void *, const char *, struct err *), void *user,
                struct image *ret, struct err *err)
{
    struct image image = {.rootfs = ""};
    struct making m = {.what = what, .make = make, .user = user};
    char kept[224], saying[240];
    str_copy(image.digest, sizeof(image.digest), key);
    str_copy(image.what, sizeof(image.what), what);
    if (!str_format(kept, sizeof(kept), "%s/%s", s->dir, key) ||
        !str_format(image.rootfs, sizeof(image.rootfs), "%s/rootfs", kept))
        return err_errno(err, ENAMETOOLONG, "name an image below %s", s->dir);
    if (geteuid() != 0)
        return err_set(err, ERR_UNSUPPORTED, EPERM, "images need root: their layers are mounted");
    str_format(saying, sizeof(saying), "making an image: %s", what);
    int r = store_dir(s, kept, saying, make_in_dir, &m, err);
    if (r < 0)
        return err_wrap(err, "image of %s", what);
    *ret = image;
    return 0;
}
