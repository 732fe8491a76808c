/* All processes of this machine in one look, for many questions: who is whose child, who lies in
 * which control group.
 *
 * Layer: host. One pass reads two small files a process; what is asked of few (the command line) is
 * read when asked. The pass is no snapshot: what ends meanwhile is left out, and a number that was
 * given to somebody else shows in the start time. Everything read may belong to a hostile process:
 * reads are bounded, names come back as printable ASCII.
 *
 * Ownership: the table owns its arrays and keeps them from one reading to the next;
 * proc_table_release frees them. `proc` is "/proc", or a tree of the same form in tests.
 *
 *     struct proc_table t = {0};
 *     proc_table_read(&t, "/proc", &err);
 *     ... proc_table_find(&t, pid) ...
 *     proc_table_release(&t); */
#ifndef CUPEL_HOST_PROCTABLE_H
#define CUPEL_HOST_PROCTABLE_H

#include "base/err.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROC_NO_INDEX ((size_t)-1)

struct proc_entry {
    pid_t pid, parent, session;
    uint64_t start_ticks; /* with the pid, a process's identity */
    uint32_t groups;      /* where in the table its control groups stand; 0: not read */
    bool kernel_thread;
    char comm[16]; /* printable */
};

struct proc_table {
    struct proc_entry *v; /* by pid, ascending; neither zombies nor what is gone */
    size_t n, cap;
    struct {
        char *v;
        size_t n, cap;
    } text;
    char proc[128];
};

/* Every process. */
int proc_table_read(struct proc_table *t, const char *proc, struct err *err);
/* The given ones and their ancestors, without control groups. */
int proc_table_read_pids(struct proc_table *t, const char *proc, const pid_t *pids, size_t n,
                         struct err *err);
void proc_table_release(struct proc_table *t);

/* Index of the process, or PROC_NO_INDEX. */
size_t proc_table_index(const struct proc_table *t, pid_t pid);
const struct proc_entry *proc_table_find(const struct proc_table *t, pid_t pid);
/* Index of its parent; PROC_NO_INDEX where there is none, or where the number has passed to a
 * process younger than the child. */
size_t proc_table_parent(const struct proc_table *t, size_t i);
/* Paths of its control groups in all hierarchies, one a line, repetitions in sequence left out; ""
 * if they were not read. */
const char *proc_table_groups(const struct proc_table *t, const struct proc_entry *e);
/* As proc_cmdline. */
int proc_table_cmdline(const struct proc_table *t, pid_t pid, char *dst, size_t size);

#endif
