/* disk.iozone: IOzone's sequential tests of one file: write, rewrite, read, reread.
 *
 * Layer: probe. One operation is all four phases, each over the whole file, one record a call. A
 * phase's clock starts after create or open, an fsync and one touch of the record buffer, and stops
 * after the last record: with sync=in after an fsync (IOzone's -e), with sync=out before it. Each
 * phase opens and closes the file. Source: iozone.c and docs/iozone.1 of IOzone 3.
 *
 * What is read has to be what rewrite wrote: every 4 KiB of a record begin with a number that
 * depends on phase and place, and so does its last word. The rest of the buffer is random. So
 * nothing can be deduplicated, at the price of one store per 4 KiB. Reading looks at the first and
 * the last word of each record.
 *
 * Parameters: dir, size (of the file, MiBs), record (4 KiBs), direct (O_DIRECT), sync, cold (yes:
 * the file is dropped from the page cache before read; reread is warm by definition). How much of
 * it stayed is a fact: not every file system and not every guest lets go.
 *
 * So phases=write and phases=read do half of an operation each: the first leaves the file where the
 * second finds it, in another guest that has not seen it yet. Without: all. */
#include "probe/family.h"

#include "base/cleanup.h"
#include "base/pagecache.h"
#include "base/rand.h"
#include "base/str.h"
#include "base/time.h"
#include "probe/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>

#define MIB        (INT64_C(1) << 20)
#define SIZE_MAX_  (INT64_C(1) << 44)
#define RECORD_MAX (16 * MIB)
#define STEP       4096 /* O_DIRECT's alignment, and what carries a stamp of its own */
#define FILE_NAME  WIRE_COLD_FILE
#define FILL_SEED  UINT64_C(0x696f7a6f6e65)

enum phase { PHASE_WRITE, PHASE_REWRITE, PHASE_READ, PHASE_REREAD, PHASES };

static const char *const phase_names[PHASES] = {"write", "rewrite", "read", "reread"};
static const char *const no_yes[] = {"no", "yes", NULL};
static const char *const in_out[] = {"in", "out", NULL};
static const char *const yes_no[] = {"yes", "no", NULL};
static const char *const halves[] = {"all", "write", "read", NULL};
enum half { HALF_ALL, HALF_WRITE, HALF_READ };

struct disk {
    struct scratch_dir dir;
    int64_t size, record;
    bool direct, sync_in, cold;
    unsigned half;      /* enum half */
    unsigned char *buf; /* [record], aligned to STEP */
    uint64_t ns[PHASES];
    int64_t written_mib, resident_mib; /* in the page cache after write; after eviction; -1 ? */
    bool direct_seen;                  /* every descriptor had the flag */
};

/* ---- parameters ---- */

static int whole_steps(const char *name, int64_t value, int64_t step, struct err *err)
{
    if (value % step == 0)
        return 0;
    return err_set(err, ERR_USAGE, EINVAL, "parameter %s: %lld is not a multiple of %lld", name,
                   (long long)value, (long long)step);
}

static int disk_sizes(const struct job *job, struct disk *s, struct err *err)
{
    int r = job_num(job, "size", MIB, SIZE_MAX_, 64 * MIB, &s->size, err);
    if (r == 0)
        r = job_num(job, "record", STEP, RECORD_MAX, 64 << 10, &s->record, err);
    if (r == 0)
        r = whole_steps("size", s->size, MIB, err);
    if (r == 0)
        r = whole_steps("record", s->record, STEP, err);
    return r < 0 ? r : whole_steps("size", s->size, s->record, err);
}

static int disk_params(const struct job *job, struct disk *s, struct err *err)
{
    unsigned direct = 0, sync = 0, cold = 0;
    int r = disk_sizes(job, s, err);
    if (r == 0)
        r = job_choice(job, "direct", no_yes, &direct, err);
    if (r == 0)
        r = job_choice(job, "sync", in_out, &sync, err);
    if (r == 0)
        r = job_choice(job, "cold", yes_no, &cold, err);
    if (r == 0)
        r = job_choice(job, "phases", halves, &s->half, err);
    s->direct = direct == 1;
    s->sync_in = sync == 0;
    s->cold = cold == 0;
    return r;
}

/* A file system without a size of its own (some guests' tmpfs) says 0 blocks: then nothing is known
 * beforehand, and *ret_free is -1. */
static int disk_room(const char *dir, int64_t size, int64_t *ret_free, struct err *err)
{
    struct statvfs st;
    if (statvfs(dir, &st) < 0)
        return err_errno(err, errno, "free space of %s", dir);
    *ret_free = st.f_blocks ? (int64_t)(st.f_bavail * st.f_frsize / (uint64_t)MIB) : -1;
    if (*ret_free >= 0 && *ret_free < size / MIB)
        return err_set(err, ERR_ENVIRONMENT, ENOSPC,
                       "a file of %lld MiB does not fit into %s: %lld MiB are free",
                       (long long)(size / MIB), dir, (long long)*ret_free);
    return 0;
}

static int disk_prepare(struct job *job, struct err *err)
{
    struct disk s = {.size = 0};
    const char *dir;
    int64_t room = 0;
    int r = disk_params(job, &s, err);
    if (r == 0 && job->prepare.workers != 1)
        r = err_set(err, ERR_USAGE, EINVAL, "one worker writes the file, not %u",
                    job->prepare.workers);
    if (r == 0)
        r = scratch_param(job, &dir, err);
    if (r == 0 && s.half != HALF_READ)
        r = disk_room(dir, s.size, &room, err);
    if (r < 0)
        return r;
    scratch_facts(dir, &job->facts);
    if (s.half != HALF_READ)
        facts_add_num(&job->facts, "free_mib", room);
    return 0;
}

/* ---- the file ---- */

static int file_open(const struct disk *s, int flags)
{
    return openat(s->dir.fd, FILE_NAME, flags | O_CLOEXEC | (s->direct ? O_DIRECT : 0), 0600);
}

static void disk_stop(struct worker *w)
{
    struct disk *s = w->state;
    if (!s)
        return;
    if (s->half == HALF_WRITE)
        scratch_leave(&s->dir);
    else
        scratch_remove(&s->dir);
    free(s->buf);
    free(s);
    w->state = NULL;
}

/* Some file systems refuse O_DIRECT: known before anything is measured. */
static int direct_try(const struct disk *s, struct err *err)
{
    int fd = file_open(s, O_RDWR | O_CREAT | O_EXCL);
    if (fd < 0 && s->direct && errno == EINVAL) {
        unlinkat(s->dir.fd, FILE_NAME, 0);
        return err_set(err, ERR_UNSUPPORTED, EINVAL, "direct=yes: no O_DIRECT in %s", s->dir.path);
    }
    if (fd < 0)
        return err_errno(err, errno, "create %s/" FILE_NAME, s->dir.path);
    close(fd);
    if (unlinkat(s->dir.fd, FILE_NAME, 0) < 0)
        return err_errno(err, errno, "unlink %s/" FILE_NAME, s->dir.path);
    return 0;
}

static int disk_start(struct worker *w, struct err *err)
{
    struct disk *s = w->state = xcalloc(1, sizeof(*s));
    void *buf = NULL;
    int r = disk_params(w->job, s, err);
    if (r < 0)
        return r;
    r = posix_memalign(&buf, STEP, (size_t)s->record);
    if (r != 0)
        return err_errno(err, r, "a record of %lld bytes", (long long)s->record);
    s->buf = buf;
    struct rng rng;
    rng_seed(&rng, FILL_SEED);
    for (int64_t i = 0; i < s->record; i += 8) {
        uint64_t word = rng_u64(&rng);
        memcpy(s->buf + i, &word, sizeof(word));
    }
    if (s->half == HALF_ALL)
        r = scratch_make(w->job, &s->dir, err);
    else
        r = scratch_named(w->job, WIRE_COLD_DIR, s->half == HALF_WRITE, &s->dir, err);
    return r < 0 || s->half == HALF_READ ? r : direct_try(s, err);
}

/* In this kernel's page cache, or -1. */
static int64_t resident_mib(const struct disk *s)
{
    _cleanup_fd_ int fd = openat(s->dir.fd, FILE_NAME, O_RDONLY | O_CLOEXEC);
    int64_t bytes = 0;
    if (fd < 0 || pagecache_resident(fd, s->size, &bytes) < 0)
        return -1;
    return bytes / MIB;
}

static bool evict(const struct disk *s)
{
    _cleanup_fd_ int fd = openat(s->dir.fd, FILE_NAME, O_RDWR | O_CLOEXEC);
    int r = fd < 0 ? -errno : pagecache_drop(fd);
    errno = -r;
    return r == 0;
}

/* ---- the phases ---- */

/* What stands at a place of the file after a phase wrote it; never what another place holds. */
static uint64_t stamp(unsigned writer, int64_t at)
{
    return ((uint64_t)at + writer + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static void word_put(unsigned char *to, uint64_t word)
{
    memcpy(to, &word, sizeof(word));
}

static bool word_is(const unsigned char *from, uint64_t word)
{
    return memcmp(from, &word, sizeof(word)) == 0;
}

static bool write_records(const struct disk *s, int fd, unsigned writer)
{
    unsigned char *last = s->buf + s->record - sizeof(uint64_t);
    for (int64_t at = 0; at < s->size; at += s->record) {
        for (int64_t k = 0; k < s->record; k += STEP)
            word_put(s->buf + k, stamp(writer, at + k));
        word_put(last, stamp(writer, at + s->record - 8));
        ssize_t n = write(fd, s->buf, (size_t)s->record);
        if (n != s->record) {
            errno = n < 0 ? errno : ENOSPC;
            return false;
        }
    }
    return true;
}

static bool read_records(const struct disk *s, int fd, unsigned writer)
{
    const unsigned char *last = s->buf + s->record - sizeof(uint64_t);
    for (int64_t at = 0; at < s->size; at += s->record) {
        ssize_t n = read(fd, s->buf, (size_t)s->record);
        if (n != s->record) {
            errno = n < 0 ? errno : EIO;
            return false;
        }
        if (!word_is(s->buf, stamp(writer, at)) ||
            !word_is(last, stamp(writer, at + s->record - 8))) {
            errno = EILSEQ;
            return false;
        }
    }
    return true;
}

static void touch(const struct disk *s)
{
    volatile unsigned char *p = s->buf;
    for (int64_t i = 0; i < s->record; i += STEP)
        p[i] = p[i];
}

static bool phase_timed(struct disk *s, int fd, enum phase phase)
{
    touch(s);
    uint64_t from = time_mono_ns();
    bool ok =
        phase <= PHASE_REWRITE ? write_records(s, fd, phase) : read_records(s, fd, PHASE_REWRITE);
    ok = ok && (!s->sync_in || fsync(fd) == 0);
    s->ns[phase] = time_mono_ns() - from;
    return ok && (s->sync_in || fsync(fd) == 0);
}

static bool phase_run(struct disk *s, enum phase phase)
{
    static const int flags[PHASES] = {O_RDWR | O_CREAT | O_EXCL, O_RDWR, O_RDONLY, O_RDONLY};
    int fd = file_open(s, flags[phase]);
    if (fd < 0)
        return false;
    int got = fcntl(fd, F_GETFL);
    s->direct_seen = s->direct_seen && got >= 0 && (got & O_DIRECT) != 0;
    bool ok = fsync(fd) == 0 && phase_timed(s, fd, phase);
    int code = errno;
    ok = close(fd) == 0 && ok;
    errno = code;
    return ok;
}

static unsigned phase_first(const struct disk *s)
{
    return s->half == HALF_READ ? PHASE_READ : PHASE_WRITE;
}

static unsigned phase_end(const struct disk *s)
{
    return s->half == HALF_WRITE ? PHASE_READ : PHASES;
}

static bool phases_run(struct worker *w, struct disk *s)
{
    for (unsigned p = phase_first(s); p < phase_end(s); p++) {
        if (p == PHASE_READ && s->cold && !evict(s)) {
            worker_fail(w, errno, "evict the file");
            return false;
        }
        if (p == PHASE_READ)
            s->resident_mib = resident_mib(s);
        if (!phase_run(s, p)) {
            worker_fail(w, errno, phase_names[p]);
            return false;
        }
        if (p == PHASE_WRITE)
            s->written_mib = resident_mib(s);
    }
    return true;
}

static void disk_run(struct worker *w, uint64_t ops)
{
    struct disk *s = w->state;
    uint64_t i = 0;
    for (bool ok = true; ok && i < ops; i += ok) {
        s->direct_seen = true;
        ok = phases_run(w, s);
        if (s->half != HALF_WRITE)
            unlinkat(s->dir.fd, FILE_NAME, 0);
    }
    w->tally[0] += i;
}

static int disk_verify(struct job *job, struct frame_finished *fin, struct err *err)
{
    const struct disk *s = job->workers[0].state;
    int r = job_verify_count(job, 1, fin, err);
    if (r < 0)
        return r;
    for (unsigned p = phase_first(s); p < phase_end(s) && job->workers[0].done > 0; p++) {
        char name[WIRE_NAME_MAX];
        str_format(name, sizeof(name), "%s_ns", phase_names[p]);
        facts_add_num(&fin->facts, phase_names[p], s->size / MIB);
        facts_add_num(&fin->facts, name, (int64_t)s->ns[p]);
    }
    facts_add_num(&fin->facts, "fs_magic", facts_num(&job->facts, "fs_magic", -1));
    if (s->half != HALF_READ) {
        facts_add_num(&fin->facts, "write_resident_mib", s->written_mib);
        /* A tmpfs takes the flag and keeps everything in the page cache all the same. */
        facts_add_num(&fin->facts, "direct", s->direct_seen && s->written_mib <= 0);
    }
    if (s->half != HALF_WRITE)
        facts_add_num(&fin->facts, "read_resident_mib", s->resident_mib);
    str_format(fin->detail, sizeof(fin->detail),
               s->half == HALF_WRITE
                   ? "each of %lld records was written twice"
                   : "each of %lld records was read back twice as rewrite left it",
               (long long)(s->size / s->record));
    return 0;
}

static const struct workload list[] = {
    {.name = "disk.iozone",
     .no_hist = true,
     .prepare = disk_prepare,
     .start = disk_start,
     .run = disk_run,
     .verify = disk_verify,
     .stop = disk_stop},
};

const struct family family_disk = {
    .name = "disk",
    .list = list,
    .n = ARRAY_SIZE(list),
};
