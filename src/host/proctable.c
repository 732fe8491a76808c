#include "host/proctable.h"

#include "base/fd.h"
#include "host/proctext.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A file of the process, at most size-1 bytes, terminated; dir is /proc's. whole: the file may be
 * longer than the kernel gives at once. */
static ssize_t read_file(int dir, pid_t pid, const char *name, bool whole, char *dst, size_t size)
{
    char path[48];
    str_format(path, sizeof(path), "%d/%s", (int)pid, name);
    _cleanup_fd_ int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    return fd_read_some(fd, whole, dst, size);
}

static int open_dir(const char *proc, struct err *err)
{
    int fd = open(proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? err_errno(err, errno, "open %s", proc) : fd;
}

static void add_groups(struct proc_table *t, int dir, struct proc_entry *e)
{
    char text[8192];
    if (read_file(dir, e->pid, "cgroup", false, text, sizeof(text)) <= 0)
        return;
    size_t n = proc_groups_cut(text) + 1;
    if (t->text.n + n > UINT32_MAX)
        return;
    VEC_RESERVE(&t->text, t->text.n + n);
    e->groups = (uint32_t)t->text.n;
    memcpy(t->text.v + t->text.n, text, n);
    t->text.n += n;
}

static void table_begin(struct proc_table *t, const char *proc)
{
    t->n = t->text.n = 0;
    VEC_PUSH(&t->text, '\0'); /* what groups 0 points to */
    str_copy(t->proc, sizeof(t->proc), proc);
}

static bool add_process(struct proc_table *t, int dir, pid_t pid, bool groups)
{
    char text[1024];
    struct proc_entry e;
    if (read_file(dir, pid, "stat", false, text, sizeof(text)) <= 0 || !proc_stat_parse(text, &e))
        return false;
    e.pid = pid;
    if (groups && !e.kernel_thread)
        add_groups(t, dir, &e);
    VEC_PUSH(t, e);
    return true;
}

static int compare(const void *a, const void *b)
{
    pid_t x = ((const struct proc_entry *)a)->pid, y = ((const struct proc_entry *)b)->pid;
    return (x > y) - (x < y);
}

static void table_sort(struct proc_table *t)
{
    size_t i = 1;
    while (i < t->n && t->v[i - 1].pid < t->v[i].pid)
        i++;
    if (i < t->n) /* /proc gives them in order */
        qsort(t->v, t->n, sizeof(*t->v), compare);
}

int proc_table_read(struct proc_table *t, const char *proc, struct err *err)
{
    int dir = open_dir(proc, err);
    if (dir < 0)
        return dir;
    DIR *d = fdopendir(dir);
    if (!d) {
        int r = err_errno(err, errno, "read %s", proc);
        close(dir);
        return r;
    }
    table_begin(t, proc);
    for (struct dirent *de; (de = readdir(d));) {
        char *end;
        long pid = strtol(de->d_name, &end, 10);
        if (pid > 0 && pid <= INT32_MAX && !*end)
            add_process(t, dir, (pid_t)pid, true);
    }
    closedir(d);
    table_sort(t);
    return 0;
}

int proc_table_read_pids(struct proc_table *t, const char *proc, const pid_t *pids, size_t n,
                         struct err *err)
{
    _cleanup_fd_ int dir = open_dir(proc, err);
    if (dir < 0)
        return dir;
    table_begin(t, proc);
    for (size_t i = 0; i < n; i++) {
        pid_t pid = pids[i];
        for (;;) { /* it, and upwards to somebody who is there already */
            size_t at = 0;
            while (at < t->n && t->v[at].pid != pid)
                at++;
            if (pid <= 0 || at < t->n || !add_process(t, dir, pid, false))
                break;
            pid = t->v[t->n - 1].parent;
        }
    }
    table_sort(t);
    return 0;
}

void proc_table_release(struct proc_table *t)
{
    VEC_RELEASE(&t->text);
    VEC_RELEASE(t);
}

size_t proc_table_index(const struct proc_table *t, pid_t pid)
{
    struct proc_entry key = {.pid = pid};
    const struct proc_entry *e = t->n ? bsearch(&key, t->v, t->n, sizeof(key), compare) : NULL;
    return e ? (size_t)(e - t->v) : PROC_NO_INDEX;
}

const struct proc_entry *proc_table_find(const struct proc_table *t, pid_t pid)
{
    size_t i = proc_table_index(t, pid);
    return i == PROC_NO_INDEX ? NULL : &t->v[i];
}

size_t proc_table_parent(const struct proc_table *t, size_t i)
{
    size_t p = proc_table_index(t, t->v[i].parent);
    return p != PROC_NO_INDEX && t->v[p].start_ticks > t->v[i].start_ticks ? PROC_NO_INDEX : p;
}

const char *proc_table_groups(const struct proc_table *t, const struct proc_entry *e)
{
    return t->text.v ? t->text.v + e->groups : "";
}

int proc_table_cmdline(const struct proc_table *t, pid_t pid, char *dst, size_t size)
{
    _cleanup_fd_ int dir = open_dir(t->proc, NULL);
    ssize_t n = dir < 0 ? dir : read_file(dir, pid, "cmdline", true, dst, size);
    if (n < 0)
        return (int)n;
    while (n > 0 && dst[n - 1] == '\0')
        n--;
    for (ssize_t i = 0; i < n; i++)
        if (dst[i] == '\0')
            dst[i] = ' ';
    str_printable(dst);
    return 0;
}
