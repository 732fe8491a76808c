/* What is kept, and who uses it. One lock for all is held by whoever makes or removes. Beside it
 * every directory that is kept is locked (shared) by those that use it, so that it is not removed
 * under them. A killed run loses both locks with its descriptors. */
#include "image/make.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/rand.h"
#include "base/vec.h"
#include "host/mounts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <sys/file.h>
#include <sys/stat.h>

#define LOCK_STEP_NS    (100 * NS_PER_MS)
#define LOCK_TIMEOUT_NS (3 * IMAGE_BUILD_TIMEOUT_NS) /* an image takes several tools */

bool store_has(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static int open_lock(const struct image_store *s, struct err *err)
{
    char path[256];
    str_format(path, sizeof(path), "%s/lock", s->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? err_errno(err, errno, "open %s", path) : fd;
}

/* The kernel tells nobody that a lock is free, so it is asked now and then; from the loop, which
 * ends the waiting at ^C. */
static int take_lock(struct image_store *s, struct err *err)
{
    uint64_t deadline_ns = time_deadline(LOCK_TIMEOUT_NS);
    int r = fs_mkdirs(s->dir, 0700, err);
    _cleanup_fd_ int fd = r == 0 ? open_lock(s, err) : r;
    if (fd < 0)
        return fd;
    for (bool first = true; flock(fd, LOCK_EX | LOCK_NB) < 0; first = false) {
        struct err why = ERR_INIT;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return err_errno(err, errno, "lock %s", s->dir);
        if (first && s->say)
            s->say(s->user, "waiting for another run that makes an image");
        if (time_mono_ns() > deadline_ns)
            return err_set(err, ERR_TIMEOUT, ETIMEDOUT, "another run is making an image");
        r = loop_run_until(s->loop, NULL, time_deadline(LOCK_STEP_NS), &why);
        if (r < 0 && r != -ETIMEDOUT) {
            if (err)
                *err = why;
            return r;
        }
    }
    return TAKE_FD(fd);
}

/* -EBUSY quietly where another run has it, -ENOENT where nothing was ever kept. */
static int try_lock(const struct image_store *s)
{
    _cleanup_fd_ int fd = store_has(s->dir) ? open_lock(s, NULL) : -ENOENT;
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    return TAKE_FD(fd);
}

/* Has another run removed or replaced what is open here? */
static bool is_still(int fd, const char *path)
{
    struct stat opened, there;
    return fstat(fd, &opened) == 0 && lstat(path, &there) == 0 && opened.st_ino == there.st_ino &&
           opened.st_dev == there.st_dev;
}

/* 1 if it is there and held from now on, 0 if it is not there or about to be removed. */
static int hold(struct image_store *s, const char *kept, struct err *err)
{
    for (size_t i = 0; i < s->n_held; i++)
        if (is_still(s->held[i], kept))
            return 1;
    _cleanup_fd_ int fd = open(kept, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_errno(err, errno, "open %s", kept);
    if (flock(fd, LOCK_SH | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? 0 : err_errno(err, errno, "lock %s", kept);
    if (!is_still(fd, kept))
        return 0;
    if (s->n_held == ARRAY_SIZE(s->held))
        return err_set(err, ERR_UNSUPPORTED, E2BIG, "a run uses at most %zu images and inputs",
                       ARRAY_SIZE(s->held));
    s->held[s->n_held++] = TAKE_FD(fd);
    return 1;
}

void image_store_release(struct image_store *s)
{
    while (s->n_held > 0)
        fd_close(&s->held[--s->n_held]);
}

int store_once(struct image_store *s, const char *kept, const char *saying,
               int (*make)(struct image_store *, void *, const char *, struct err *), void *user,
               struct err *err)
{
    int r = hold(s, kept, err);
    if (r != 0)
        return r < 0 ? r : 0;
    _cleanup_fd_ int lock = take_lock(s, err);
    if (lock < 0)
        return lock;
    r = hold(s, kept, err);
    if (r != 0)
        return r < 0 ? r : 0;
    if (s->say)
        s->say(s->user, saying);
    r = make(s, user, kept, err);
    if (r == 0)
        r = hold(s, kept, err);
    if (r == 0)
        r = err_errno(err, ENOENT, "keep %s", kept);
    return r < 0 ? r : 0;
}

void store_tmp(const struct image_store *s, char dst[224])
{
    str_format(dst, 224, "%s/tmp-%016llx", s->dir, (unsigned long long)rng_entropy());
}

int store_keep(const char *made, const char *kept, struct err *err)
{
    _cleanup_fd_ int fd = open(made, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Else a power cut could leave the name without the files. */
    if (fd < 0 || syncfs(fd) < 0)
        return err_errno(err, errno, "write %s", made);
    if (rename(made, kept) < 0)
        return err_errno(err, errno, "keep %s", kept);
    return 0;
}

struct making {
    int (*make)(struct image_store *, void *, const char *, struct err *);
    void *user;
};

static int make_and_keep(struct image_store *s, void *user, const char *kept, struct err *err)
{
    const struct making *m = user;
    char tmp[224];
    store_tmp(s, tmp);
    const struct ledger_item item = {.kind = LEDGER_DIR, .path = tmp};
    int r = ledger_intend(s->ledger, &item, 1, err);
    if (r < 0)
        return r;
    r = fs_mkdirs(tmp, 0755, err);
    if (r == 0)
        r = m->make(s, m->user, tmp, err);
    if (r == 0)
        r = store_keep(tmp, kept, err);
    if (r < 0)
        fs_remove_tree(tmp, NULL);
    if (!store_has(tmp))
        ledger_done(s->ledger, &item, NULL);
    return r;
}

int store_dir(struct image_store *s, const char *kept, const char *saying,
              int (*make)(struct image_store *, void *, const char *, struct err *), void *user,
              struct err *err)
{
    struct making m = {.make = make, .user = user};
    return store_once(s, kept, saying, make_and_keep, &m, err);
}

/* ---- removing ---- */

static bool is_key(const char *name)
{
    return strlen(name) == FS_SHA256_HEX - 1 &&
           strspn(name, "0123456789abcdef") == FS_SHA256_HEX - 1;
}

/* On the disk; a file of several names is shared out among them. */
static uint64_t bytes_of(const char *path)
{
    char *const roots[] = {(char *)path, NULL};
    FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    uint64_t sum = 0;
    for (FTSENT *e; fts && (e = fts_read(fts));)
        if (e->fts_info != FTS_DP && e->fts_info != FTS_NS && e->fts_info != FTS_ERR)
            sum += (uint64_t)e->fts_statp->st_blocks * 512 /
                   (S_ISDIR(e->fts_statp->st_mode) ? 1 : e->fts_statp->st_nlink);
    if (fts)
        fts_close(fts);
    return sum;
}

/* Under a name of what is half made first: what is interrupted here is never taken for whole. */
static int remove_kept(const struct image_store *s, const char *name, struct image_removed *n,
                       struct err *err)
{
    char path[300], image[320], tmp[224];
    str_format(path, sizeof(path), "%s/%s", s->dir, name);
    str_format(image, sizeof(image), "%s/rootfs", path);
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "open %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return err_errno(err, errno, "lock %s", path);
        n->in_use++;
        return 0;
    }
    bool is_image = store_has(image);
    uint64_t bytes = bytes_of(path);
    store_tmp(s, tmp);
    if (rename(path, tmp) < 0)
        return err_errno(err, errno, "remove %s", path);
    int r = fs_remove_tree(tmp, err);
    if (r < 0)
        return r;
    *(is_image ? &n->images : &n->inputs) += 1;
    n->bytes += bytes;
    return 0;
}

static int remove_half(const struct image_store *s, const char *name, struct err *err)
{
    char path[300];
    str_format(path, sizeof(path), "%s/%s", s->dir, name);
    int r = mount_remove_below(path, err);
    return r == 0 ? fs_remove_tree(path, err) : r;
}

/* The lock is held. What cannot be removed does not keep the rest; the first error is told. */
static int sweep(const struct image_store *s, bool kept_too, struct image_removed *n,
                 struct err *err)
{
    struct {
        char **v;
        size_t n, cap;
    } names = VEC_INIT;
    int r = 0;
    DIR *dir = opendir(s->dir);
    if (!dir)
        return err_errno(err, errno, "open %s", s->dir);
    for (struct dirent *d; (d = readdir(dir));)
        if (str_starts(d->d_name, "tmp-") || (kept_too && is_key(d->d_name)))
            VEC_PUSH(&names, xstrdup(d->d_name));
    closedir(dir);
    VEC_FOREACH (&names, char *, name) {
        struct err why = ERR_INIT;
        int e = is_key(*name) ? remove_kept(s, *name, n, &why) : remove_half(s, *name, &why);
        if (e < 0 && r == 0) {
            r = e;
            if (err)
                *err = why;
        }
        free(*name);
    }
    VEC_RELEASE(&names);
    return r;
}

int image_prune(struct image_store *s, struct err *err)
{
    struct image_removed none = {0};
    _cleanup_fd_ int lock = try_lock(s);
    if (lock == -EBUSY || lock == -ENOENT)
        return 0;
    if (lock < 0)
        return err_errno(err, -lock, "lock %s", s->dir);
    return sweep(s, false, &none, err);
}

int image_remove_unused(struct image_store *s, struct image_removed *ret, struct err *err)
{
    struct image_removed n = {0};
    int r = 0;
    _cleanup_fd_ int lock = try_lock(s);
    if (lock == -EBUSY)
        return err_set(err, ERR_ENVIRONMENT, EBUSY,
                       "a run is making an image right now: no image was removed");
    if (lock < 0 && lock != -ENOENT)
        return err_errno(err, -lock, "lock %s", s->dir);
    if (lock >= 0)
        r = sweep(s, true, &n, err);
    *ret = n;
    return r;
}
