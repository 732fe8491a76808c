#include "host/proc.h"

#include "base/fd.h"
#include "host/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* Reads at most size-1 bytes of a /proc file, terminated. One read is enough for the small ones;
 * the loop is for command lines, which the kernel gives out in pages. */
static ssize_t read_proc(pid_t pid, const char *name, char *dst, size_t size)
{
    char path[64];
    str_format(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    return fd_read_some(fd, true, dst, size);
}

uint64_t proc_ns_inode(pid_t pid, const char *name)
{
    char path[80];
    struct stat st;
    if (!str_format(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name) || stat(path, &st) < 0)
        return 0;
    return st.st_ino;
}

int proc_cmdline(pid_t pid, char *dst, size_t size)
{
    ssize_t n = read_proc(pid, "cmdline", dst, size);
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

int proc_comm(pid_t pid, char *dst, size_t size)
{
    ssize_t n = read_proc(pid, "comm", dst, size);
    if (n < 0)
        return (int)n;
    if (n > 0 && dst[n - 1] == '\n')
        dst[n - 1] = '\0';
    str_printable(dst);
    return 0;
}

int proc_exe(pid_t pid, char *dst, size_t size)
{
    char path[64];
    str_format(path, sizeof(path), "/proc/%d/exe", (int)pid);
    ssize_t n = readlink(path, dst, size - 1);
    if (n < 0)
        return -errno;
    dst[n] = '\0';
    str_printable(dst);
    return 0;
}

/* Field number `wanted` (3: state) of /proc/PID/stat, copied. The name in field 2 may hold
 * anything, parentheses and blanks too, so counting starts behind the last ')'. */
static bool stat_field(pid_t pid, unsigned wanted, char *dst, size_t size)
{
    char text[1024];
    if (read_proc(pid, "stat", text, sizeof(text)) < 0)
        return false;
    char *p = strrchr(text, ')');
    if (!p)
        return false;
    p++;
    for (unsigned field = 3;; field++) {
        p += strspn(p, " ");
        size_t n = strcspn(p, " \n");
        if (n == 0)
            return false;
        if (field == wanted) {
            p[n] = '\0';
            return str_copy(dst, size, p);
        }
        p += n;
    }
}

pid_t proc_parent(pid_t pid)
{
    char text[24];
    uint64_t parent;
    if (!stat_field(pid, 4, text, sizeof(text)) || parse_u64(text, 0, INT32_MAX, "", &parent, NULL))
        return 0;
    return (pid_t)parent;
}

uint64_t proc_start_ticks(pid_t pid)
{
    char text[24];
    uint64_t ticks;
    if (!stat_field(pid, 22, text, sizeof(text)) ||
        parse_u64(text, 0, UINT64_MAX, "", &ticks, NULL))
        return 0;
    return ticks;
}

bool proc_alive(pid_t pid)
{
    char state[8];
    return stat_field(pid, 3, state, sizeof(state)) && state[0] != 'Z' && state[0] != 'X';
}

/* Does line (one of /proc/PID/cgroup, "id:controllers:path") lie at or below group? */
static bool line_in_group(const char *line, size_t n, const char *group, size_t group_n)
{
    for (const char *p = line; (p = memmem(p, (size_t)(line + n - p), group, group_n)); p++)
        if (p + group_n == line + n || p[group_n] == '/')
            return true;
    return false;
}

/* "12:blkio:/x"; the unified hierarchy's line names none. */
static bool line_of_controller(const char *line, size_t n, const char *controller)
{
    const char *names = memchr(line, ':', n);
    const char *end = names ? memchr(names + 1, ':', (size_t)(line + n - names - 1)) : NULL;
    if (!end)
        return false;
    _cleanup_free_ char *list = xstrndup(names + 1, (size_t)(end - names - 1));
    return *controller ? mountinfo_has_option(list, controller) : !*list;
}

static bool in_cgroup(pid_t pid, const char *group, const char *controller)
{
    char text[8192];
    size_t group_n = strlen(group);
    if (group_n == 0 || read_proc(pid, "cgroup", text, sizeof(text)) < 0)
        return false;
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        if ((!controller || line_of_controller(line, n, controller)) &&
            line_in_group(line, n, group, group_n))
            return true;
        line += n + (line[n] == '\n');
    }
    return false;
}

bool proc_in_cgroup(pid_t pid, const char *group)
{
    return in_cgroup(pid, group, NULL);
}

bool proc_in_cgroup_of(pid_t pid, const char *group, const char *controller)
{
    return in_cgroup(pid, group, controller);
}

/* The number after "Name:\t" at the beginning of a line; 0 if there is none. */
static uint64_t status_field(const char *text, const char *name, int base)
{
    const char *at = strstr(text, name);
    return at ? strtoull(at + strlen(name), NULL, base) : 0;
}

int proc_powers(pid_t pid, struct proc_powers *ret)
{
    char text[8192];
    ssize_t n = read_proc(pid, "status", text, sizeof(text));
    if (n < 0)
        return (int)n;
    /* Names of processes have their line feeds escaped there: no line of theirs begins so. */
    *ret = (struct proc_powers){
        .capabilities = status_field(text, "\nCapEff:\t", 16),
        .filtered = status_field(text, "\nSeccomp:\t", 10) == 2,
        .no_new_privs = status_field(text, "\nNoNewPrivs:\t", 10) == 1,
    };
    return 0;
}

int proc_filtering(pid_t pid, pid_t thread, struct proc_filtering *ret)
{
    char name[40], text[8192];
    str_format(name, sizeof(name), "task/%d/status", (int)thread);
    ssize_t n = read_proc(pid, name, text, sizeof(text));
    if (n < 0)
        return (int)n;
    *ret = (struct proc_filtering){
        .mode = (unsigned)status_field(text, "\nSeccomp:\t", 10),
        .filters = status_field(text, "\nSeccomp_filters:\t", 10),
        .tracer = (pid_t)status_field(text, "\nTracerPid:\t", 10),
    };
    return 0;
}
