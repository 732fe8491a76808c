/* A tree of the form of /proc, made of what a test says: for what reads processes. */
#ifndef CUPEL_TESTS_FAKE_PROC_H
#define CUPEL_TESTS_FAKE_PROC_H

#include "unit.h"

#include "base/fs.h"
#include "base/str.h"

#include <stdlib.h>
#include <sys/stat.h>

struct fake_process {
    int pid, parent;
    const char *comm;
    const char *group;   /* of the one hierarchy that counts; NULL: "/" */
    const char *cmdline; /* with blanks for the zeros; NULL: none */
    unsigned start;      /* 0: as pid */
    unsigned pss_kb;     /* 0: no smaps_rollup */
    char state;          /* 0: 'S' */
};

static inline void fake_write(const char *dir, const char *name, const char *text, size_t n)
{
    char path[256];
    str_format(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static inline void fake_add(const char *proc, const struct fake_process *p)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    char dir[200];
    str_format(dir, sizeof(dir), "%s/%d", proc, p->pid);
    assert_ok(fs_mkdirs(dir, 0755, err));
    str_addf(&text, "%d (%s) %c %d %d 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 %u 4096 1\n", p->pid,
             p->comm, p->state ? p->state : 'S', p->parent, p->pid,
             p->start ? p->start : (unsigned)p->pid);
    fake_write(dir, "stat", text.buf, text.len);
    str_clear(&text);
    str_addf(&text, "9:name=systemd:/\n4:memory:%s\n3:cpuset:%s\n0::/\n", p->group ? p->group : "/",
             p->group ? p->group : "/");
    fake_write(dir, "cgroup", text.buf, text.len);
    str_clear(&text);
    if (p->cmdline)
        str_addn(&text, p->cmdline, strlen(p->cmdline) + 1);
    for (size_t i = 0; i < text.len; i++)
        text.buf[i] = text.buf[i] == ' ' ? '\0' : text.buf[i];
    fake_write(dir, "cmdline", text.buf, text.len);
    str_clear(&text);
    if (!p->pss_kb)
        return;
    str_addf(&text,
             "00400000-7ffe ---p 00000000 00:00 0    [rollup]\nRss:    %8u kB\nPss:    %8u kB\n"
             "Pss_Dirty:     1 kB\nPss_Shmem:     4 kB\nSwap:     9 kB\nSwapPss:     2 kB\n",
             2 * p->pss_kb, p->pss_kb);
    fake_write(dir, "smaps_rollup", text.buf, text.len);
}

#endif
