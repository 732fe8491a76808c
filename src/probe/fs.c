/* fs.*: small files, in a directory of the worker's own inside the parameter `dir`, which the
 * controller sets to a place on the root file system, a tmpfs or a bound directory; the fact
 * `fs_magic` says what it really was. Nothing is synced: these cells measure the file system's code
 * and the sandbox's way to it, not the disk. Files are named by one component, below a descriptor
 * of their directory, which may lie deep on one target and at the root on another. */
#include "probe/family.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "probe/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#define FILES_MAX     4096
#define FILES         64
#define FILE_BYTES    4096
#define BYTES_MAX     (1 << 20)
#define FILE_NAME_MAX 8

/* fs.create: the name under which a file is made, and the one it gets. */
#define NAME_NEW   "new"
#define NAME_FINAL "named"

struct fs {
    struct scratch_dir dir;
    char (*names)[FILE_NAME_MAX]; /* fs.open: [files] */
    unsigned files, next;
    size_t bytes;
    unsigned char *buf; /* [bytes] */
};

static void fs_stop(struct worker *w)
{
    struct fs *s = w->state;
    if (!s)
        return;
    scratch_remove(&s->dir);
    free(s->names);
    free(s->buf);
    free(s);
    w->state = NULL;
}

static int fs_params(const struct job *job, int64_t *ret_files, int64_t *ret_bytes, struct err *err)
{
    int r = job_num(job, "files", 1, FILES_MAX, FILES, ret_files, err);
    return r < 0 ? r : job_num(job, "bytes", 0, BYTES_MAX, FILE_BYTES, ret_bytes, err);
}

static int fs_prepare(struct job *job, struct err *err)
{
    int64_t files = 0, bytes = 0;
    const char *dir;
    int r = fs_params(job, &files, &bytes, err);
    if (r == 0)
        r = scratch_param(job, &dir, err);
    if (r < 0)
        return r;
    scratch_facts(dir, &job->facts);
    facts_add_num(&job->facts, "bytes", bytes);
    return 0;
}

static int fs_start(struct worker *w, struct err *err)
{
    struct fs *s = w->state = xcalloc(1, sizeof(*s));
    int64_t files = 0, bytes = 0;
    int r = fs_params(w->job, &files, &bytes, err);
    if (r < 0)
        return r;
    s->files = (unsigned)files;
    s->bytes = (size_t)bytes;
    s->buf = xmalloc(s->bytes + 1);
    for (size_t i = 0; i < s->bytes; i++)
        s->buf[i] = scratch_byte(0, i);
    return scratch_make(w->job, &s->dir, err);
}

/* ---- fs.open ---- */

static int open_start(struct worker *w, struct err *err)
{
    int r = fs_start(w, err);
    if (r < 0)
        return r;
    struct fs *s = w->state;
    s->names = xcalloc(s->files, sizeof(*s->names));
    for (unsigned i = 0; r == 0 && i < s->files; i++) {
        str_format(s->names[i], FILE_NAME_MAX, "f%04u", i);
        r = scratch_fill(&s->dir, s->names[i], i, s->bytes, err);
    }
    return r;
}

static bool open_read_close(struct fs *s, unsigned i)
{
    int fd = openat(s->dir.fd, s->names[i], O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, s->buf, s->bytes);
    if (close(fd) < 0 || n < 0)
        return false;
    if ((size_t)n == s->bytes && (n == 0 || (s->buf[0] == scratch_byte(i, 0) &&
                                             s->buf[n - 1] == scratch_byte(i, s->bytes - 1))))
        return true;
    errno = EIO;
    return false;
}

/* open, read of the whole, close, one file after the other. */
static void run_open(struct worker *w, uint64_t ops)
{
    struct fs *s = w->state;
    uint64_t i = 0;
    for (; i < ops; i++) {
        if (!open_read_close(s, s->next)) {
            worker_fail(w, errno, "open, read, close");
            break;
        }
        s->next = s->next + 1 < s->files ? s->next + 1 : 0;
    }
    w->tally[0] += i;
}

/* The last file read, byte for byte: the loop looked at its ends only. */
static int open_check(struct worker *w, struct err *err)
{
    const struct fs *s = w->state;
    if (w->done == 0)
        return 0;
    unsigned last = (s->next ? s->next : s->files) - 1;
    for (size_t i = 0; i < s->bytes; i++) {
        if (s->buf[i] != scratch_byte(last, i))
            return err_set(err, ERR_MEASUREMENT, EIO, "byte %zu of the file read last is wrong", i);
    }
    return 0;
}

/* ---- fs.create ---- */

static bool create_file(struct fs *s)
{
    int fd = openat(s->dir.fd, NAME_NEW, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    ssize_t n = write(fd, s->buf, s->bytes);
    if (close(fd) < 0 || n < 0)
        return false;
    if ((size_t)n != s->bytes) {
        errno = ENOSPC;
        return false;
    }
    return renameat(s->dir.fd, NAME_NEW, s->dir.fd, NAME_FINAL) == 0;
}

/* open with O_EXCL, write, close, rename, unlink. */
static void run_create(struct worker *w, uint64_t ops)
{
    struct fs *s = w->state;
    uint64_t i = 0;
    for (; i < ops; i++) {
        if (!create_file(s) || unlinkat(s->dir.fd, NAME_FINAL, 0) < 0) {
            worker_fail(w, errno, "create, write, rename, unlink");
            break;
        }
    }
    w->tally[0] += i;
}

static int dir_entries(const char *path, unsigned *ret, struct err *err)
{
    DIR *d = opendir(path);
    if (!d)
        return err_errno(err, errno, "open %s", path);
    *ret = 0;
    for (struct dirent *e; (e = readdir(d));)
        *ret += !str_eq(e->d_name, ".") && !str_eq(e->d_name, "..");
    closedir(d);
    return 0;
}

/* Nothing is left; and one file more, kept long enough to be read, has its name and content. */
static int create_check(struct worker *w, struct err *err)
{
    struct fs *s = w->state;
    unsigned n = 0;
    int r = dir_entries(s->dir.path, &n, err);
    if (r < 0)
        return r;
    if (n != 0)
        return err_set(err, ERR_MEASUREMENT, EIO, "%u files were not removed", n);
    if (!create_file(s))
        return err_errno(err, errno, "create %s/" NAME_FINAL, s->dir.path);

    _cleanup_free_ unsigned char *back = xmalloc(s->bytes + 1);
    _cleanup_fd_ int fd = openat(s->dir.fd, NAME_FINAL, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, back, s->bytes) != (ssize_t)s->bytes ||
        memcmp(back, s->buf, s->bytes) != 0)
        return err_set(err, ERR_MEASUREMENT, EIO, "the file does not hold what was written");
    if (unlinkat(s->dir.fd, NAME_FINAL, 0) < 0)
        return err_errno(err, errno, "unlink %s/" NAME_FINAL, s->dir.path);
    return 0;
}

static const struct workload list[] = {
    {.name = "fs.open",
     .processes = true,
     .prepare = fs_prepare,
     .start = open_start,
     .run = run_open,
     .check = open_check,
     .stop = fs_stop},
    {.name = "fs.create",
     .processes = true,
     .prepare = fs_prepare,
     .start = fs_start,
     .run = run_create,
     .check = create_check,
     .stop = fs_stop},
};

const struct family family_fs = {
    .name = "fs",
    .list = list,
    .n = ARRAY_SIZE(list),
};
