#include "host/pss.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int pss_reader_open(struct pss_reader *r, const char *proc, struct err *err)
{
    r->rollup = true;
    r->dir = open(proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return r->dir < 0 ? err_errno(err, errno, "open %s", proc) : 0;
}

void pss_reader_close(struct pss_reader *r)
{
    fd_close(&r->dir);
}

/* The kilobytes behind key, which a line of n bytes begins with, in bytes. */
static bool take(const char *line, size_t n, const char *key, uint64_t *sum)
{
    size_t key_n = strlen(key);
    if (n <= key_n || memcmp(line, key, key_n) != 0)
        return false;
    const char *p = line + key_n;
    while (*p == ' ')
        p++;
    if (*p < '0' || *p > '9')
        return false;
    uint64_t kb = 0;
    for (; *p >= '0' && *p <= '9'; p++)
        kb = kb * 10 + (uint64_t)(*p - '0');
    *sum += kb << 10;
    return true;
}

/* One line; a '\n' or '\0' ends it. A mapping's own line begins with an address, and a line end in
 * a file's name is written as \012: names cannot pass for numbers. */
static void take_line(const char *line, size_t n, struct pss *sum, bool *seen)
{
    if (line[0] == 'P' && take(line, n, "Pss:", &sum->pss_bytes))
        *seen = true;
    else if (line[0] == 'P')
        take(line, n, "Pss_Shmem:", &sum->shmem_bytes);
    else if (line[0] == 'R')
        take(line, n, "Rss:", &sum->rss_bytes);
    else if (line[0] == 'S')
        take(line, n, "SwapPss:", &sum->swap_bytes);
}

/* Sums a text of any length through the one buffer; a line that does not fit into it (a mapping's
 * own, with a long name) is passed over. */
static int sum_text(struct pss_reader *r, int fd, struct pss *ret)
{
    struct pss sum = {0};
    bool any = false, seen = false, skipping = false;
    size_t held = 0;
    for (;;) {
        ssize_t k = read(fd, r->buf + held, sizeof(r->buf) - 1 - held);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return -errno;
        if (k == 0)
            break;
        any = true;
        size_t n = held + (size_t)k, at = 0;
        r->buf[n] = '\0';
        for (char *end; (end = memchr(r->buf + at, '\n', n - at));) {
            size_t len = (size_t)(end - r->buf) - at;
            if (!skipping)
                take_line(r->buf + at, len, &sum, &seen);
            skipping = false;
            at += len + 1;
        }
        held = n - at;
        if (held == sizeof(r->buf) - 1) {
            skipping = true;
            held = 0;
        } else if (at > 0) {
            memmove(r->buf, r->buf + at, held);
        }
    }
    if (!seen)
        return any ? -EBADMSG : -ESRCH;
    *ret = sum;
    return 0;
}

static int open_file(const struct pss_reader *r, pid_t pid, const char *name)
{
    char path[48];
    str_format(path, sizeof(path), "%d/%s", (int)pid, name);
    int fd = openat(r->dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return fd < 0 ? -errno : fd;
}

int pss_read(struct pss_reader *r, pid_t pid, struct pss *ret)
{
    _cleanup_fd_ int fd = r->rollup ? open_file(r, pid, "smaps_rollup") : -ENOENT;
    if (fd == -ENOENT) {
        fd = open_file(r, pid, "smaps");
        if (fd >= 0) /* the process is there, the file is not */
            r->rollup = false;
    }
    if (fd < 0)
        return fd == -ENOENT ? -ESRCH : fd == -EPERM ? -EACCES : fd;
    return sum_text(r, fd, ret);
}

/* ---- the kernel's ---- */

static uint64_t value_of(const char *text, const char *key)
{
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        uint64_t bytes = 0;
        if (take(line, n, key, &bytes))
            return bytes;
        line += n + (line[n] == '\n');
    }
    return KERNEL_MEMORY_UNKNOWN;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    if (a == KERNEL_MEMORY_UNKNOWN || b == KERNEL_MEMORY_UNKNOWN)
        return a == KERNEL_MEMORY_UNKNOWN ? b : a;
    return a + b;
}

int kernel_memory_read(const char *proc, struct kernel_memory *ret, struct err *err)
{
    char path[160];
    _cleanup_(str_release) struct str text = STR_INIT;
    str_format(path, sizeof(path), "%s/meminfo", proc);
    int r = file_read(path, 65536, &text, err);
    if (r < 0)
        return r;
    const char *t = text.buf;
    *ret = (struct kernel_memory){
        .available = value_of(t, "MemAvailable:"),
        .free = value_of(t, "MemFree:"),
        .slab = value_of(t, "Slab:"),
        .slab_unreclaimable = value_of(t, "SUnreclaim:"),
        .page_tables = plus(value_of(t, "PageTables:"), value_of(t, "SecPageTables:")),
        .kernel_stacks = value_of(t, "KernelStack:"),
        .percpu = value_of(t, "Percpu:"),
        .shmem = value_of(t, "Shmem:"),
    };
    return 0;
}

uint64_t kernel_memory_pinned(const struct kernel_memory *m)
{
    return plus(plus(plus(plus(0, m->slab_unreclaimable), m->page_tables), m->kernel_stacks),
                m->percpu);
}
