#include "base/fs.h"

#include "base/fd.h"
#include "base/rand.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sha2.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

int fs_mkdirs(const char *path, mode_t mode, struct err *err)
{
    _cleanup_free_ char *p = xstrdup(path);
    for (char *c = p + 1; *p; c++) {
        if (*c != '/' && *c)
            continue;
        char saved = *c;
        *c = '\0';
        if (mkdir(p, mode) < 0 && errno != EEXIST) {
            /* A read-only parent answers EROFS or EACCES even for a directory that is there. */
            int code = errno;
            struct stat st;
            if (stat(p, &st) < 0 || !S_ISDIR(st.st_mode))
                return err_errno(err, code, "make directory %s", p);
        }
        *c = saved;
        if (!saved)
            break;
    }
    struct stat st;
    if (stat(path, &st) < 0)
        return err_errno(err, errno, "make directory %s", path);
    return S_ISDIR(st.st_mode) ? 0 : err_errno(err, ENOTDIR, "make directory %s", path);
}

/* Opens a directory that is an entry of dirfd, on the same mount. openat2 makes the test and the
 * opening one step, so a tree that changes meanwhile cannot lead us elsewhere; it also sees bind
 * mounts of the same file system, which st_dev does not. Linux 5.6. */
static int open_subdir(int dirfd, const char *name)
{
    return fd_open_inside(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
                          RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH);
}

/* A hostile tree may be deeper than we may hold descriptors. What lies below this depth is moved up
 * to the root of the tree and removed from there. */
#define REMOVE_DEPTH 32

struct removal {
    int rootfd;
    const char *path; /* for messages */
    struct err *err;
};

static int remove_entry(struct removal *rm, int dirfd, const char *name, unsigned depth);

static int fail_at(const struct removal *rm, int code, const char *name)
{
    if (code == EXDEV || code == EBUSY)
        return err_set(rm->err, ERR_ENVIRONMENT, EXDEV,
                       "remove %s: something is mounted on '%.60s' inside", rm->path, name);
    return err_errno(rm->err, code, "remove %s: '%.60s'", rm->path, name);
}

/* One pass over a directory; returns the number of entries met, or an error. Takes fd. */
static int remove_entries(struct removal *rm, int fd, unsigned depth)
{
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int code = errno;
        close(fd);
        return err_errno(rm->err, code, "remove %s", rm->path);
    }
    int met = 0, r = 0;
    for (struct dirent *d; r == 0 && (d = readdir(dir));) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        met++;
        r = remove_entry(rm, dirfd(dir), d->d_name, depth);
    }
    closedir(dir);
    return r < 0 ? r : met;
}

/* Passes are repeated until one finds nothing: readdir may miss what is moved up meanwhile. */
static int empty_dir(struct removal *rm, int fd, unsigned depth)
{
    int met;
    do {
        int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (again < 0)
            return err_errno(rm->err, errno, "remove %s", rm->path);
        met = remove_entries(rm, again, depth);
    } while (met > 0);
    return met;
}

static int remove_entry(struct removal *rm, int dirfd, const char *name, unsigned depth)
{
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return fail_at(rm, errno, name);
    int unlink_code = errno; /* of a directory EISDIR on Linux, EPERM by POSIX and when immutable */
    if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    if (errno == ENOTDIR)
        return fail_at(rm, unlink_code, name);
    if (errno != ENOTEMPTY && errno != EEXIST)
        return fail_at(rm, errno, name);
    _cleanup_fd_ int fd = open_subdir(dirfd, name);
    if (fd < 0)
        return fail_at(rm, -fd, name);
    if (depth >= REMOVE_DEPTH) {
        char up[64]; /* a name that what made the tree cannot have put there in advance */
        str_format(up, sizeof(up), ".cupel-remove-%016jx", (uintmax_t)rng_entropy());
        return renameat(dirfd, name, rm->rootfd, up) == 0 ? 0 : fail_at(rm, errno, name);
    }
    int r = empty_dir(rm, fd, depth + 1);
    if (r < 0)
        return r;
    if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return fail_at(rm, errno, name);
    return 0;
}

int fs_remove_tree(const char *path, struct err *err)
{
    _cleanup_free_ char *p = xstrdup(path);
    for (size_t n = strlen(p); n > 1 && p[n - 1] == '/'; n--)
        p[n - 1] = '\0';
    char *slash = strrchr(p, '/');
    const char *name = slash ? slash + 1 : p;
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return err_set(err, ERR_BUG, EINVAL, "remove '%s': not a name inside a directory", path);
    const char *parent = slash == p ? "/" : slash ? p : ".";
    if (slash)
        *slash = '\0';
    _cleanup_fd_ int parentfd = open(slash == p ? "/" : parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parentfd < 0)
        return errno == ENOENT ? 0 : err_errno(err, errno, "remove %s", path);
    struct removal rm = {.rootfd = -1, .path = path, .err = err};
    _cleanup_fd_ int fd = open_subdir(parentfd, name);
    if (fd == -ENOTDIR || fd == -ELOOP) /* a file or a symbolic link: just that */
        return unlinkat(parentfd, name, 0) == 0 || errno == ENOENT ? 0 : fail_at(&rm, errno, name);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fail_at(&rm, -fd, name);
    rm.rootfd = fd;
    int r = empty_dir(&rm, fd, 1);
    if (r < 0)
        return r;
    if (unlinkat(parentfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return fail_at(&rm, errno, name);
    return 0;
}

static int copy_bytes(int in, int out)
{
    /* Reflink or in-kernel copy where the file systems can; then, from where that stopped, by hand
     * (another file system, an old kernel, a file whose size is not what it holds). */
    while (copy_file_range(in, NULL, out, NULL, 1 << 30, 0) > 0)
        ;
    char chunk[65536];
    for (;;) {
        ssize_t k = read(in, chunk, sizeof(chunk));
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return k < 0 ? -errno : 0;
        int r = fd_write_full(out, chunk, (size_t)k, NULL);
        if (r < 0)
            return r;
    }
}

/* Opens a regular file for reading; O_NONBLOCK so that a FIFO put in its place cannot hang us. */
static int open_regular(const char *path, struct err *err)
{
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(err, errno, "open %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_ENVIRONMENT, EINVAL, "open %s: not a regular file", path);
    return TAKE_FD(fd);
}

int fs_copy_file(const char *from, const char *to, mode_t mode, struct err *err)
{
    _cleanup_fd_ int in = open_regular(from, err);
    if (in < 0)
        return in;
    _cleanup_fd_ int out =
        open(to, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, mode);
    if (out < 0)
        return err_errno(err, errno, "create %s", to);
    int r = copy_bytes(in, out);
    if (r == 0 && fchmod(out, mode) < 0)
        r = -errno;
    if (r < 0) {
        unlink(to);
        return err_errno(err, -r, "copy %s to %s", from, to);
    }
    return 0;
}

static void to_hex(const uint8_t *digest, char ret_hex[FS_SHA256_HEX])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++) {
        ret_hex[2 * i] = digits[digest[i] >> 4];
        ret_hex[2 * i + 1] = digits[digest[i] & 15];
    }
    ret_hex[FS_SHA256_HEX - 1] = '\0';
}

int fs_sha256(const char *path, char ret_hex[FS_SHA256_HEX], struct err *err)
{
    _cleanup_fd_ int fd = open_regular(path, err);
    if (fd < 0)
        return fd;
    SHA2_CTX ctx;
    SHA256Init(&ctx);
    uint8_t chunk[65536], digest[SHA256_DIGEST_LENGTH];
    for (;;) {
        ssize_t k = read(fd, chunk, sizeof(chunk));
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return err_errno(err, errno, "read %s", path);
        if (k == 0)
            break;
        SHA256Update(&ctx, chunk, (size_t)k);
    }
    SHA256Final(digest, &ctx);
    to_hex(digest, ret_hex);
    return 0;
}

bool fs_unchanged(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool fs_is_same(const char *path, const struct stat *hashed, const char *sha256)
{
    struct stat st;
    char hex[FS_SHA256_HEX];
    if (stat(path, &st) < 0)
        return false;
    return fs_unchanged(&st, hashed) || (st.st_size == hashed->st_size &&
                                         fs_sha256(path, hex, NULL) == 0 && str_eq(hex, sha256));
}

void fs_sha256_bytes(const void *bytes, size_t n, char ret_hex[FS_SHA256_HEX])
{
    SHA2_CTX ctx;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256Init(&ctx);
    SHA256Update(&ctx, bytes, n);
    SHA256Final(digest, &ctx);
    to_hex(digest, ret_hex);
}

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static int make_absolute(const char *path, char *dst, size_t size)
{
    if (path[0] == '/')
        return str_copy(dst, size, path) ? 0 : -ENAMETOOLONG;
    _cleanup_free_ char *cwd = getcwd(NULL, 0);
    if (!cwd)
        return -errno;
    return str_format(dst, size, "%s/%s", cwd, path) ? 0 : -ENAMETOOLONG;
}

int fs_which(const char *name, char *dst, size_t size)
{
    if (!*name)
        return -ENOENT;
    if (strchr(name, '/'))
        return is_program(name) ? make_absolute(name, dst, size) : -ENOENT;
    const char *path = getenv("PATH");
    for (const char *p = path ? path : "/usr/bin:/bin"; p;) {
        size_t n = strcspn(p, ":");
        _cleanup_free_ char *full = xasprintf("%.*s%s%s", (int)n, p, n ? "/" : "", name);
        if (is_program(full))
            return make_absolute(full, dst, size);
        p = p[n] ? p + n + 1 : NULL;
    }
    return -ENOENT;
}

int fs_free_bytes(const char *path, uint64_t *ret, struct err *err)
{
    struct statvfs st;
    if (statvfs(path, &st) < 0)
        return err_errno(err, errno, "free space of %s", path);
    *ret = (uint64_t)st.f_bavail * st.f_frsize;
    return 0;
}
