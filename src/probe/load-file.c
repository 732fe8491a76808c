/* load.*, those that work on files, in a directory of their own inside the parameter `dir`:
 *
 *   pagecache  writes a file round and round and reads it back half a file behind, never synced:
 *              fills the page cache. Parameter: bytes
 *   fsync      4 KiB after another into a file of 4 MiB, each one synced
 *   files      small files made, written (1 byte to 4 KiB) and removed
 *   inodes     empty files until no more can be made or there are `most`, then away with them all
 *
 * Layer: probe. What all of load.* have in common is said in load.c. No space is nothing that
 * fails: it is counted (`refused`). Facts: written_bytes, read_bytes; made. */
#include "probe/family.h"

#include "base/str.h"
#include "base/time.h"
#include "probe/scratch.h"

#include <errno.h>
#include <fcntl.h>

#define MIB           (INT64_C(1) << 20)
#define PIECE         ((size_t)64 << 10)
#define PIECES        32 /* written and read by one operation of pagecache, each */
#define SYNC_BYTES    4096
#define SYNC_FILE     (4 * MIB)
#define SMALL_FILES   16
#define SMALL_MAX     4096
#define INODE_BATCH   128
#define LONG_NS       (20 * NS_PER_MS) /* after which an operation has done enough */
#define INODES        20000
#define INODES_MAX    INT64_C(10000000)
#define FILE_NAME     "file"
#define FILE_NAME_MAX 16

enum tally { DONE, MADE, REFUSED, WRITTEN, READ };

struct files {
    struct scratch_dir dir;
    int fd;               /* of the one file; -1 */
    int64_t bytes;        /* it may have */
    int64_t at, end;      /* in it: where to write next; what has been written */
    uint64_t most, there; /* inodes */
    bool removing;
    unsigned char *buf; /* [PIECE] */
};

static bool no_room(int code)
{
    return code == ENOSPC || code == EDQUOT || code == ENOMEM;
}

/* Counts what it was meant to run into; false and a failure if it was something else. */
static bool refused(struct worker *w, int code, const char *where)
{
    if (no_room(code)) {
        w->tally[REFUSED]++;
        return true;
    }
    worker_fail(w, code, where);
    return false;
}

static int cache_bytes(const struct job *job, int64_t *ret, struct err *err)
{
    return job_num(job, "bytes", MIB, 65536 * MIB, 64 * MIB, ret, err);
}

static int inodes_most(const struct job *job, int64_t *ret, struct err *err)
{
    return job_num(job, "most", 1, INODES_MAX, INODES, ret, err);
}

static int files_prepare(struct job *job, struct err *err)
{
    const char *dir;
    int r = scratch_param(job, &dir, err);
    if (r == 0)
        scratch_facts(dir, &job->facts);
    return r;
}

static int pagecache_prepare(struct job *job, struct err *err)
{
    int64_t bytes = 0;
    int r = cache_bytes(job, &bytes, err);
    if (r == 0)
        facts_add_num(&job->facts, "bytes", bytes);
    return r < 0 ? r : files_prepare(job, err);
}

static int inodes_prepare(struct job *job, struct err *err)
{
    int64_t most = 0;
    int r = inodes_most(job, &most, err);
    if (r == 0)
        facts_add_num(&job->facts, "most", most);
    return r < 0 ? r : files_prepare(job, err);
}

static int files_start(struct worker *w, struct err *err)
{
    struct files *s = w->state = xcalloc(1, sizeof(*s));
    s->fd = -1;
    s->buf = xmalloc(PIECE);
    for (size_t i = 0; i < PIECE; i++)
        s->buf[i] = scratch_byte(w->index, i);
    return scratch_make(w->job, &s->dir, err);
}

static int file_start(struct worker *w, int64_t bytes, struct err *err)
{
    int r = files_start(w, err);
    if (r < 0)
        return r;
    struct files *s = w->state;
    s->bytes = bytes;
    s->fd = openat(s->dir.fd, FILE_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return s->fd < 0 ? err_errno(err, errno, "create %s/" FILE_NAME, s->dir.path) : 0;
}

static int pagecache_start(struct worker *w, struct err *err)
{
    int64_t bytes = 0;
    int r = cache_bytes(w->job, &bytes, err);
    return r < 0 ? r : file_start(w, bytes / (int64_t)PIECE * (int64_t)PIECE, err);
}

static int fsync_start(struct worker *w, struct err *err)
{
    return file_start(w, SYNC_FILE, err);
}

static int inodes_start(struct worker *w, struct err *err)
{
    int64_t most = 0;
    int r = inodes_most(w->job, &most, err);
    if (r == 0)
        r = files_start(w, err);
    if (r == 0)
        ((struct files *)w->state)->most = (uint64_t)most;
    return r;
}

static void files_stop(struct worker *w)
{
    struct files *s = w->state;
    if (!s)
        return;
    if (s->fd >= 0)
        close(s->fd);
    scratch_remove(&s->dir);
    free(s->buf);
    free(s);
    w->state = NULL;
}

/* ---- pagecache and fsync ---- */

/* The next n bytes of the file, whose first eight are the place itself; at its end, or where no
 * more of it fits, again from the start. */
static bool write_next(struct worker *w, struct files *s, size_t n)
{
    memcpy(s->buf, &s->at, sizeof(s->at));
    ssize_t done = pwrite(s->fd, s->buf, n, s->at);
    if (done != (ssize_t)n) { /* less than all: there was no room for the rest */
        s->at = 0;
        return refused(w, done < 0 ? errno : ENOSPC, "write");
    }
    w->tally[WRITTEN] += n;
    s->at += (int64_t)n;
    s->end = s->at > s->end ? s->at : s->end;
    if (s->at + (int64_t)n > s->bytes)
        s->at = 0;
    return true;
}

/* A piece that was written, half of them away from the next to be. */
static bool read_behind(struct worker *w, struct files *s)
{
    int64_t pieces = s->end / (int64_t)PIECE, place = 0;
    if (pieces == 0)
        return true;
    int64_t at = (s->at / (int64_t)PIECE + pieces / 2) % pieces * (int64_t)PIECE;
    ssize_t n = pread(s->fd, s->buf, PIECE, at);
    memcpy(&place, s->buf, sizeof(place));
    if (n == (ssize_t)PIECE && place == at) {
        w->tally[READ] += PIECE;
        return true;
    }
    worker_fail(w, n < 0 ? errno : EIO, "read back");
    return false;
}

static void pagecache_run(struct worker *w, uint64_t ops)
{
    struct files *s = w->state;
    for (uint64_t i = 0; i < ops; i++) {
        uint64_t deadline = time_deadline(LONG_NS);
        for (unsigned k = 0; k < PIECES && time_mono_ns() < deadline; k++)
            if (!write_next(w, s, PIECE) || !read_behind(w, s))
                return;
        w->tally[DONE]++;
    }
}

static int pagecache_verify(struct job *job, struct frame_finished *fin, struct err *err)
{
    facts_add_num(&fin->facts, "written_bytes", (int64_t)job_tally(job, WRITTEN));
    facts_add_num(&fin->facts, "read_bytes", (int64_t)job_tally(job, READ));
    facts_add_num(&fin->facts, "refused", (int64_t)job_tally(job, REFUSED));
    return job_verify_count(job, 1, fin, err);
}

static void fsync_run(struct worker *w, uint64_t ops)
{
    struct files *s = w->state;
    for (uint64_t i = 0; i < ops; i++) {
        if (!write_next(w, s, SYNC_BYTES))
            return;
        if (fsync(s->fd) < 0 && !refused(w, errno, "fsync"))
            return;
        w->tally[DONE]++;
    }
}

static int fsync_verify(struct job *job, struct frame_finished *fin, struct err *err)
{
    facts_add_num(&fin->facts, "written_bytes", (int64_t)job_tally(job, WRITTEN));
    facts_add_num(&fin->facts, "refused", (int64_t)job_tally(job, REFUSED));
    return job_verify_count(job, 1, fin, err);
}

/* ---- files ---- */

static bool small_file(struct worker *w, struct files *s, unsigned k)
{
    /* 1 byte, then a page, and what is between. */
    size_t n = 1 + k * (SMALL_MAX - 1) / (SMALL_FILES - 1);
    int fd = openat(s->dir.fd, FILE_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return refused(w, errno, "create");
    ssize_t done = write(fd, s->buf, n);
    int code = done < 0 ? errno : done < (ssize_t)n ? ENOSPC : 0;
    if (close(fd) < 0 && code == 0)
        code = errno;
    if (unlinkat(s->dir.fd, FILE_NAME, 0) < 0) {
        worker_fail(w, errno, "unlink");
        return false;
    }
    if (code)
        return refused(w, code, "write");
    w->tally[MADE]++;
    return true;
}

static void files_run(struct worker *w, uint64_t ops)
{
    struct files *s = w->state;
    for (uint64_t i = 0; i < ops; i++) {
        uint64_t deadline = time_deadline(LONG_NS);
        for (unsigned k = 0; k < SMALL_FILES && time_mono_ns() < deadline; k++)
            if (!small_file(w, s, k))
                return;
        w->tally[DONE]++;
    }
}

static int files_verify(struct job *job, struct frame_finished *fin, struct err *err)
{
    facts_add_num(&fin->facts, "made", (int64_t)job_tally(job, MADE));
    facts_add_num(&fin->facts, "refused", (int64_t)job_tally(job, REFUSED));
    return job_verify_count(job, 1, fin, err);
}

/* ---- inodes ---- */

static void inode_name(uint64_t i, char dst[FILE_NAME_MAX])
{
    str_format(dst, FILE_NAME_MAX, "i%07u", (unsigned)i);
}

static bool inode_make(struct worker *w, struct files *s)
{
    char name[FILE_NAME_MAX];
    inode_name(s->there, name);
    int fd = openat(s->dir.fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        s->removing = true;
        return refused(w, errno, "create");
    }
    close(fd);
    w->tally[MADE]++;
    s->removing = ++s->there == s->most;
    return true;
}

static bool inode_remove(struct worker *w, struct files *s)
{
    char name[FILE_NAME_MAX];
    if (s->there == 0) {
        s->removing = false;
        return true;
    }
    inode_name(s->there - 1, name);
    if (unlinkat(s->dir.fd, name, 0) < 0) {
        worker_fail(w, errno, "unlink");
        return false;
    }
    s->removing = --s->there > 0;
    return true;
}

/* Removing goes by batches, too: all at once would outlast the time it is given. A file may take
 * 10 us or, on an ext4 that has just removed as many, 1 ms. */
static void inodes_run(struct worker *w, uint64_t ops)
{
    struct files *s = w->state;
    for (uint64_t i = 0; i < ops; i++) {
        uint64_t deadline = time_deadline(LONG_NS);
        for (unsigned k = 0; k < INODE_BATCH && time_mono_ns() < deadline; k++)
            if (!(s->removing ? inode_remove(w, s) : inode_make(w, s)))
                return;
        w->tally[DONE]++;
    }
}

static const struct workload list[] = {
    {.name = "load.pagecache",
     .prepare = pagecache_prepare,
     .start = pagecache_start,
     .run = pagecache_run,
     .verify = pagecache_verify,
     .stop = files_stop},
    {.name = "load.fsync",
     .prepare = files_prepare,
     .start = fsync_start,
     .run = fsync_run,
     .verify = fsync_verify,
     .stop = files_stop},
    {.name = "load.files",
     .prepare = files_prepare,
     .start = files_start,
     .run = files_run,
     .verify = files_verify,
     .stop = files_stop},
    {.name = "load.inodes",
     .prepare = inodes_prepare,
     .start = inodes_start,
     .run = inodes_run,
     .verify = files_verify,
     .stop = files_stop},
};

const struct family family_load_file = {.name = "load", .list = list, .n = ARRAY_SIZE(list)};
