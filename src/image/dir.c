/* A directory of the user's as an image, where it lies. */
#include "image/make.h"

#include "base/cleanup.h"
#include "base/fs.h"

#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <sys/stat.h>

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* What a file is, by all that is known without reading it. A directory's size and times say nothing
 * that the names in it do not. */
static int describe(const FTSENT *e, const char *name, struct str *to, struct err *err)
{
    const struct stat *st = e->fts_statp;
    char target[PATH_MAX];
    str_addf(to, "%zu %s %o %u %u ", strlen(name), name, (unsigned)st->st_mode,
             (unsigned)st->st_uid, (unsigned)st->st_gid);
    if (S_ISREG(st->st_mode)) {
        str_addf(to, "%lld %lld.%09ld", (long long)st->st_size, (long long)st->st_mtim.tv_sec,
                 st->st_mtim.tv_nsec);
    } else if (S_ISLNK(st->st_mode)) {
        ssize_t n = readlink(e->fts_accpath, target, sizeof(target));
        if (n < 0)
            return err_errno(err, errno, "read the link %s", e->fts_path);
        str_addn(to, target, (size_t)n);
    } else if (S_ISBLK(st->st_mode) || S_ISCHR(st->st_mode)) {
        str_addf(to, "%llx", (unsigned long long)st->st_rdev);
    }
    return 0;
}

/* The hash of each entry takes in that of those before it, so a tree of any size is hashed in
 * little memory. */
static int read_manifest(const char *path, char digest[FS_SHA256_HEX], struct err *err)
{
    char *const roots[] = {(char *)path, NULL};
    _cleanup_(str_release) struct str line = STR_INIT;
    FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, by_name);
    size_t skip = strlen(path);
    int r = fts ? 0 : err_errno(err, errno, "open %s", path);
    str_copy(digest, FS_SHA256_HEX, "directory 2");
    for (FTSENT *e = NULL; r == 0;) {
        errno = 0;
        e = fts_read(fts);
        if (!e) {
            r = errno ? err_errno(err, errno, "read %s", path) : 0;
            break;
        }
        if (e->fts_info == FTS_DP)
            continue;
        if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS) {
            r = err_errno(err, e->fts_errno, "read %s", e->fts_path);
            break;
        }
        str_clear(&line);
        str_addf(&line, "%s ", digest);
        r = describe(e, e->fts_path + skip, &line, err);
        fs_sha256_bytes(line.buf, line.len, digest);
    }
    if (fts)
        fts_close(fts);
    return r;
}

int image_from_dir(const char *path, struct image *ret, struct err *err)
{
    struct image image = {.rootfs = ""};
    struct stat st;
    _cleanup_free_ char *full = realpath(path, NULL);
    if (!full || stat(full, &st) < 0)
        return err_errno(err, errno, "image %s", path);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_USAGE, ENOTDIR,
                       "image %s is no directory; archives are docker-archive:FILE or oci:DIR",
                       path);
    if (!str_copy(image.rootfs, sizeof(image.rootfs), full))
        return err_set(err, ERR_USAGE, ENAMETOOLONG, "image %s: its path is too long", path);
    int r = read_manifest(full, image.digest, err);
    if (r < 0)
        return err_wrap(err, "image %s", path);
    str_copy(image.what, sizeof(image.what), full);
    *ret = image;
    return 0;
}
