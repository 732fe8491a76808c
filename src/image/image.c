#include "image/image.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/rand.h"
#include "base/spawn.h"
#include "base/time.h"
#include "host/mounts.h"
#include "image/make.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>

#define BUILD_TIMEOUT_NS (900 * NS_PER_S)
#define ASK_TIMEOUT_NS   (60 * NS_PER_S)

/* ---- running tools ---- */

const char *const tool_env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                "LC_ALL=C.UTF-8", "HOME=/", "DEBIAN_FRONTEND=noninteractive", NULL};

int tool_find(const char *name, const char *package, char dst[256], struct err *err)
{
    if (fs_which(name, dst, 256) == 0)
        return 0;
    return err_set(err, ERR_ENVIRONMENT, ENOENT,
                   "making an image needs %s, which is not here: apt-get install %s", name,
                   package);
}

int tool_run(struct image_store *s, const char *const *argv, struct str *out, struct err *err)
{
    const struct spawn_spec spec = {.argv = argv,
                                    .env = tool_env,
                                    .cwd = "/",
                                    .fd_in = -1,
                                    .fd_out = -1,
                                    .fd_err = -1,
                                    .die_with_parent = true,
                                    .new_session = true};
    struct spawn_result res;
    uint64_t patience = out ? ASK_TIMEOUT_NS : BUILD_TIMEOUT_NS;
    int r = spawn_run(s->loop, &spec, time_deadline(patience), 1 << 20, &res, err);
    if (r == 0)
        r = spawn_check(&spec, &res, err);
    if (r == 0 && out)
        str_addn(out, res.out.buf, res.out.len);
    spawn_result_release(&res);
    return r;
}

void store_say(const struct image_store *s, const char *fmt, ...)
{
    va_list ap;
    char line[240];
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (s->say)
        s->say(s->user, line);
}

/* ---- the cache ---- */

bool store_has(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

int store_lock(const struct image_store *s, struct err *err)
{
    char path[256];
    int r = fs_mkdirs(s->dir, 0700, err);
    if (r < 0)
        return r;
    str_format(path, sizeof(path), "%s/lock", s->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, errno, "open %s", path);
    if (flock(fd, LOCK_EX) < 0) {
        r = err_errno(err, errno, "lock %s", path);
        fd_close(&fd);
        return r;
    }
    return fd;
}

int make_text(const char *dir, const char *name, const char *text, struct err *err)
{
    char path[288];
    str_format(path, sizeof(path), "%s/%s", dir, name);
    _cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_errno(err, errno, "write %s", path);
    return fd_write_full(fd, text, strlen(text), err);
}

/* A file of /etc that no package ships: Debian's own list where the image has it, else the least.
 */
static int furnish_etc(const char *rootfs, int etc, const char *name, const char *master,
                       const char *least, struct err *err)
{
    char from[288], to[64];
    struct stat st;
    if (faccessat(etc, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    str_format(to, sizeof(to), "/proc/self/fd/%d", etc);
    str_format(from, sizeof(from), "%s/usr/share/base-passwd/%s", rootfs, master);
    if (!*master || lstat(from, &st) < 0 || !S_ISREG(st.st_mode))
        return make_text(to, name, least, err);
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
    r = furnish_etc(rootfs, fd, "passwd", "passwd.master", "root:x:0:0:root:/:/bin/sh\n", err);
    if (r == 0)
        r = furnish_etc(rootfs, fd, "group", "group.master", "root:x:0:\n", err);
    if (r == 0)
        r = furnish_etc(rootfs, fd, "hosts", "", "127.0.0.1 localhost\n", err);
    fd_close(&fd);
    return r;
}

static int make_and_keep(struct image_store *s, const char *key, const char *what,
                         int (*make)(struct image_store *, void *, const char *, struct err *),
                         void *user, struct err *err)
{
    char tmp[224], rootfs[240], kept[224];
    str_format(tmp, sizeof(tmp), "%s/tmp-%016llx", s->dir, (unsigned long long)rng_entropy());
    str_format(rootfs, sizeof(rootfs), "%s/rootfs", tmp);
    str_format(kept, sizeof(kept), "%s/%s", s->dir, key);
    const struct ledger_item item = {.kind = LEDGER_DIR, .path = tmp};
    int r = ledger_intend(s->ledger, &item, 1, err);
    if (r < 0)
        return r;
    r = fs_mkdirs(rootfs, 0755, err);
    if (r == 0)
        r = make(s, user, rootfs, err);
    if (r == 0)
        r = furnish(rootfs, err);
    if (r == 0)
        r = make_text(tmp, "what", what, err);
    if (r == 0 && rename(tmp, kept) < 0)
        r = err_errno(err, errno, "keep the image %s", kept);
    if (r < 0)
        fs_remove_tree(tmp, NULL);
    if (!store_has(tmp))
        ledger_done(s->ledger, &item, NULL);
    return r;
}

int store_image(struct image_store *s, const char *key, const char *what,
                int (*make)(struct image_store *, void *, const char *, struct err *), void *user,
                struct image *ret, struct err *err)
{
    struct image image = {.rootfs = ""};
    str_copy(image.digest, sizeof(image.digest), key);
    str_copy(image.what, sizeof(image.what), what);
    if (!str_format(image.rootfs, sizeof(image.rootfs), "%s/%s/rootfs", s->dir, key))
        return err_errno(err, ENAMETOOLONG, "name an image below %s", s->dir);
    if (geteuid() != 0)
        return err_set(err, ERR_UNSUPPORTED, EPERM, "images need root: their layers are mounted");
    int r = 0;
    if (!store_has(image.rootfs)) {
        int lock = store_lock(s, err);
        if (lock < 0)
            return lock;
        if (!store_has(image.rootfs)) {
            store_say(s, "making an image: %s", what);
            r = make_and_keep(s, key, what, make, user, err);
        }
        fd_close(&lock);
    }
    if (r == 0)
        *ret = image;
    return r < 0 ? err_wrap(err, "image of %s", what) : 0;
}

/* ---- a directory of the user's ---- */

int image_from_dir(const char *path, struct image *ret, struct err *err)
{
    struct image image = {.rootfs = ""};
    struct stat st;
    char text[400];
    _cleanup_free_ char *full = realpath(path, NULL);
    if (!full || stat(full, &st) < 0)
        return err_errno(err, errno, "image %s", path);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_USAGE, ENOTDIR,
                       "image %s is no directory; archives are docker-archive:FILE or oci:DIR",
                       path);
    if (!str_copy(image.rootfs, sizeof(image.rootfs), full))
        return err_set(err, ERR_USAGE, ENAMETOOLONG, "image %s: its path is too long", path);
    str_format(text, sizeof(text), "%s %lld %ld", full, (long long)st.st_ctim.tv_sec,
               st.st_ctim.tv_nsec);
    fs_sha256_bytes(text, strlen(text), image.digest);
    str_copy(image.what, sizeof(image.what), full);
    *ret = image;
    return 0;
}
