/* call.*, second part: files, in a directory of one's own inside the parameter `dir`. */
#include "probe/call.h"

#include "base/cleanup.h"
#include "base/str.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#define DIR_ENTRIES 32

static int start_file(struct worker *w, struct err *err)
{
    int r = call_scratch_file(w, err);
    if (r < 0)
        return r;
    return call_try(w, err);
}

static int start_dir(struct worker *w, struct err *err)
{
    int r = call_scratch(w, err);
    if (r < 0)
        return r;
    return call_try(w, err);
}

static int start_open_file(struct worker *w, struct err *err)
{
    struct call *c = w->state;
    int r = call_scratch_file(w, err);
    if (r < 0)
        return r;
    c->fd[0] = openat(c->dir.fd, CALL_FILE, O_RDWR | O_CLOEXEC);
    if (c->fd[0] < 0)
        return err_errno(err, errno, "open %s/" CALL_FILE, c->dir.path);
    return call_try(w, err);
}

static void run_stat(struct worker *w, uint64_t ops)
{
    const struct call *c = w->state;
    struct stat st;
    CALL_LOOP(w, ops, "stat",
              fstatat(c->dir.fd, CALL_FILE, &st, 0) == 0 && st.st_size == CALL_PAGE);
}

/* libc's own fstat looks up an empty path instead. */
static void run_fstat(struct worker *w, uint64_t ops)
{
    const struct call *c = w->state;
    struct stat st;
    CALL_LOOP(w, ops, "fstat", syscall(SYS_fstat, c->fd[0], &st) == 0 && st.st_size == CALL_PAGE);
}

/* statfs has no form that takes a directory's descriptor: the directory becomes the current one. */
static int start_statfs(struct worker *w, struct err *err)
{
    const struct call *c = w->state;
    int r = call_scratch_file(w, err);
    if (r < 0)
        return r;
    if (fchdir(c->dir.fd) < 0)
        return err_errno(err, errno, "enter %s", c->dir.path);
    return call_try(w, err);
}

static void run_statfs(struct worker *w, uint64_t ops)
{
    struct statfs fs;
    CALL_LOOP(w, ops, "statfs", statfs(CALL_FILE, &fs) == 0);
}

/* The root, so that the directory can be removed. Nothing in the probe goes by the current one. */
static void stop_statfs(struct worker *w)
{
    if (chdir("/") < 0)
        perror("cupel-probe: chdir to /");
    call_stop(w);
}

static void run_access(struct worker *w, uint64_t ops)
{
    const struct call *c = w->state;
    CALL_LOOP(w, ops, "access", faccessat(c->dir.fd, CALL_FILE, R_OK, 0) == 0);
}

/* getcwd puts the path together from its components, and only the root has the same number of them
 * everywhere. Nothing in the probe goes by the current directory, so it stays there. */
static int start_getcwd(struct worker *w, struct err *err)
{
    if (chdir("/") < 0)
        return err_errno(err, errno, "chdir to /");
    return call_try(w, err);
}

static void run_getcwd(struct worker *w, uint64_t ops)
{
    struct call *c = w->state;
    CALL_LOOP(w, ops, "getcwd", syscall(SYS_getcwd, c->buf, sizeof(c->buf)) > 0);
}

static bool open_once(int dir_fd)
{
    int fd = openat(dir_fd, CALL_FILE, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && close(fd) == 0;
}

/* openat and close. */
static void run_open(struct worker *w, uint64_t ops)
{
    const struct call *c = w->state;
    CALL_LOOP(w, ops, "open", open_once(c->dir.fd));
}

static void run_open_missing(struct worker *w, uint64_t ops)
{
    const struct call *c = w->state;
    CALL_LOOP(w, ops, "open",
              openat(c->dir.fd, CALL_OTHER, O_RDONLY | O_CLOEXEC) == -1 && errno == ENOENT);
}

static void run_lseek(struct worker *w, uint64_t ops)
{
    const struct call *c = w->state;
    CALL_LOOP(w, ops, "lseek", lseek(c->fd[0], 128, SEEK_SET) == 128);
}

/* 4 KiB that are in the page cache. */
static void run_read(struct worker *w, uint64_t ops)
{
    struct call *c = w->state;
    const unsigned char last = scratch_byte(1, CALL_PAGE - 1);
    CALL_LOOP(w, ops, "pread",
              pread(c->fd[0], c->buf, CALL_PAGE, 0) == CALL_PAGE && c->buf[CALL_PAGE - 1] == last);
}

/* 4 KiB over and over the same page; each carries its number. */
static void run_write(struct worker *w, uint64_t ops)
{
    struct call *c = w->state;
    uint64_t *number = (uint64_t *)c->buf;
    CALL_LOOP(w, ops, "pwrite", (++*number, pwrite(c->fd[0], c->buf, CALL_PAGE, 0) == CALL_PAGE));
}

static int check_write(struct worker *w, struct err *err)
{
    const struct call *c = w->state;
    uint64_t last = 0;
    struct stat st;
    if (pread(c->fd[0], &last, sizeof(last), 0) != sizeof(last) || fstat(c->fd[0], &st) < 0 ||
        st.st_size != CALL_PAGE || last != *(const uint64_t *)c->buf)
        return err_set(err, ERR_MEASUREMENT, EIO, "the file does not hold what was written last");
    return call_check(w, err);
}

static int start_read_dev(struct worker *w, struct err *err)
{
    struct call *c = w->state;
    c->fd[0] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    if (c->fd[0] < 0)
        return err_errno(err, errno, "open /dev/zero");
    return call_try(w, err);
}

/* One byte of /dev/zero: the cheapest read there is. */
static void run_read_dev(struct worker *w, uint64_t ops)
{
    struct call *c = w->state;
    CALL_LOOP(w, ops, "read /dev/zero",
              (c->buf[0] = 1, read(c->fd[0], c->buf, 1) == 1 && c->buf[0] == 0));
}

static int start_getdents(struct worker *w, struct err *err)
{
    struct call *c = w->state;
    int r = call_scratch(w, err);
    for (unsigned i = 0; r == 0 && i < DIR_ENTRIES; i++) {
        char name[8];
        str_format(name, sizeof(name), "f%02u", i);
        r = scratch_fill(&c->dir, name, i, 0, err);
    }
    if (r < 0)
        return r;
    c->fd[0] = openat(c->dir.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (c->fd[0] < 0)
        return err_errno(err, errno, "open %s", c->dir.path);

    /* Bytes of a whole listing: the same every time, and at least a record for each entry. */
    long got;
    while ((got = syscall(SYS_getdents64, c->fd[0], c->buf, sizeof(c->buf))) > 0)
        c->expect += got;
    if (got < 0)
        return err_errno(err, errno, "getdents64");
    if (c->expect < DIR_ENTRIES * 24 || c->expect > CALL_PAGE)
        return err_set(err, ERR_MEASUREMENT, EIO, "a directory of %d entries lists in %ld bytes",
                       DIR_ENTRIES, c->expect);
    return call_try(w, err);
}

/* lseek to the start, getdents64 of all 32 entries, and of the end. */
static void run_getdents(struct worker *w, uint64_t ops)
{
    struct call *c = w->state;
    CALL_LOOP(w, ops, "getdents64",
              lseek(c->fd[0], 0, SEEK_SET) == 0 &&
                  syscall(SYS_getdents64, c->fd[0], c->buf, sizeof(c->buf)) == c->expect &&
                  syscall(SYS_getdents64, c->fd[0], c->buf, sizeof(c->buf)) == 0);
}

static const char *const names[2] = {CALL_FILE, CALL_OTHER};

/* There and back in turns: one call an operation. */
static void run_rename(struct worker *w, uint64_t ops)
{
    struct call *c = w->state;
    CALL_LOOP(
        w, ops, "rename",
        (c->flip ^= 1, renameat(c->dir.fd, names[c->flip ^ 1], c->dir.fd, names[c->flip]) == 0));
}

static bool exists(const struct call *c, const char *name)
{
    return faccessat(c->dir.fd, name, F_OK, 0) == 0;
}

static int check_rename(struct worker *w, struct err *err)
{
    const struct call *c = w->state;
    if (!exists(c, names[c->flip]) || exists(c, names[c->flip ^ 1]))
        return err_set(err, ERR_MEASUREMENT, EIO, "the file is not where it was moved last");
    return call_check(w, err);
}

/* link and unlink. */
static void run_link(struct worker *w, uint64_t ops)
{
    const struct call *c = w->state;
    CALL_LOOP(w, ops, "link",
              linkat(c->dir.fd, CALL_FILE, c->dir.fd, CALL_OTHER, 0) == 0 &&
                  unlinkat(c->dir.fd, CALL_OTHER, 0) == 0);
}

/* The second name is gone; and one made now leads to the same bytes. st_nlink is no evidence: some
 * guests keep an old one. */
static int check_link(struct worker *w, struct err *err)
{
    const struct call *c = w->state;
    if (exists(c, CALL_OTHER))
        return err_set(err, ERR_MEASUREMENT, EIO, "a link was left behind");
    if (linkat(c->dir.fd, CALL_FILE, c->dir.fd, CALL_OTHER, 0) < 0)
        return err_errno(err, errno, "link");
    unsigned char last = 0;
    int fd = openat(c->dir.fd, CALL_OTHER, O_RDONLY | O_CLOEXEC);
    bool same = fd >= 0 && pread(fd, &last, 1, CALL_PAGE - 1) == 1 &&
                last == scratch_byte(1, CALL_PAGE - 1);
    if (fd >= 0)
        close(fd);
    if (unlinkat(c->dir.fd, CALL_OTHER, 0) < 0 || !same)
        return err_set(err, ERR_MEASUREMENT, EIO, "a link does not lead to its file");
    return call_check(w, err);
}

/* mkdir and rmdir. */
static void run_mkdir(struct worker *w, uint64_t ops)
{
    const struct call *c = w->state;
    CALL_LOOP(w, ops, "mkdir",
              mkdirat(c->dir.fd, CALL_OTHER, 0700) == 0 &&
                  unlinkat(c->dir.fd, CALL_OTHER, AT_REMOVEDIR) == 0);
}

static int start_readlink(struct worker *w, struct err *err)
{
    struct call *c = w->state;
    int r = call_scratch(w, err);
    if (r < 0)
        return r;
    if (symlinkat(CALL_FILE, c->dir.fd, CALL_OTHER) < 0)
        return err_errno(err, errno, "symlink");
    return call_try(w, err);
}

static void run_readlink(struct worker *w, uint64_t ops)
{
    struct call *c = w->state;
    CALL_LOOP(w, ops, "readlink",
              readlinkat(c->dir.fd, CALL_OTHER, (char *)c->buf, sizeof(c->buf)) ==
                  sizeof(CALL_FILE) - 1);
}

/* To nothing and back to 4 KiB in turns: one call an operation. */
static void run_truncate(struct worker *w, uint64_t ops)
{
    struct call *c = w->state;
    CALL_LOOP(w, ops, "ftruncate", ftruncate(c->fd[0], (c->flip ^= 1) ? 0 : CALL_PAGE) == 0);
}

static int check_truncate(struct worker *w, struct err *err)
{
    const struct call *c = w->state;
    struct stat st;
    if (fstat(c->fd[0], &st) < 0 || st.st_size != (c->flip ? 0 : CALL_PAGE))
        return err_set(err, ERR_MEASUREMENT, EIO, "the file has not the length set last");
    return call_check(w, err);
}

static const struct workload list[] = {
    CALL_ROW("stat", start_file, run_stat),
    CALL_ROW("fstat", start_open_file, run_fstat),
    {.name = "call.statfs",
     .processes = true,
     .start = start_statfs,
     .run = run_statfs,
     .check = call_check,
     .stop = stop_statfs},
    CALL_ROW("access", start_file, run_access),
    CALL_ROW("getcwd", start_getcwd, run_getcwd),
    CALL_ROW("open", start_file, run_open),
    CALL_ROW("open_missing", start_dir, run_open_missing),
    CALL_ROW("lseek", start_open_file, run_lseek),
    CALL_ROW("read", start_open_file, run_read),
    CALL_ROW_CHECK("write", start_open_file, run_write, check_write),
    CALL_ROW("read_dev", start_read_dev, run_read_dev),
    CALL_ROW("getdents", start_getdents, run_getdents),
    CALL_ROW_CHECK("rename", start_file, run_rename, check_rename),
    CALL_ROW_CHECK("link", start_file, run_link, check_link),
    CALL_ROW("mkdir", start_dir, run_mkdir),
    CALL_ROW("readlink", start_readlink, run_readlink),
    CALL_ROW_CHECK("truncate", start_open_file, run_truncate, check_truncate),
};

const struct family family_call_file = {
    .name = "call-file",
    .list = list,
    .n = ARRAY_SIZE(list),
    .keep = call_keep,
    .worker_setup = call_worker_setup,
    .worker_teardown = call_worker_teardown,
};
