#include "host/proctext.h"

#include "base/str.h"

#define PF_KTHREAD 0x00200000

/* "pid (comm) state ppid pgrp session tty tpgid flags ...": the name may hold anything, parentheses
 * and line ends too, so fields are counted behind the last ')'. */
bool proc_stat_parse(char *text, struct proc_entry *ret)
{
    char *open = strchr(text, '('), *close = strrchr(text, ')');
    if (!open || !close || close < open || close[1] != ' ')
        return false;
    struct proc_entry e = {.pid = (pid_t)strtol(text, NULL, 10)};
    char state = close[2];
    *close = '\0';
    str_copy(e.comm, sizeof(e.comm), open + 1);
    str_printable(e.comm);
    if (e.pid < 1 || !state || state == 'Z' || state == 'X')
        return false;
    char *p = close + 3;
    for (unsigned field = 4; field <= 22; field++) {
        char *end;
        /* Some are signed; read so, every one of them fits. */
        uint64_t value = strtoull(p, &end, 10);
        if (end == p)
            return false;
        p = end;
        if (field == 4)
            e.parent = (pid_t)value;
        else if (field == 6)
            e.session = (pid_t)value;
        else if (field == 9)
            e.kernel_thread = value & PF_KTHREAD;
        else if (field == 22)
            e.start_ticks = value;
    }
    *ret = e;
    return true;
}

size_t proc_groups_cut(char *text)
{
    size_t n = 0, last = 0, last_n = 0;
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        char *path = memchr(line, ':', (size_t)(end - line));
        path = path ? memchr(path + 1, ':', (size_t)(end - path - 1)) : NULL;
        if (!path)
            continue;
        path++;
        size_t path_n = (size_t)(end - path);
        if (n > 0 && path_n == last_n && memcmp(text + last, path, path_n) == 0)
            continue;
        memmove(text + n, path, path_n);
        last = n;
        last_n = path_n;
        n += path_n;
        text[n++] = '\n';
    }
    text[n] = '\0';
    return n;
}
