/* Which system calls of this kernel the processes of a control group make, and how often: counted
 * in the kernel by a BPF program of two dozen instructions on the raw tracepoint sys_enter, so that
 * nobody is stopped and nothing is lost. While it is open every system call on the machine takes
 * some 50 ns longer.
 *
 * What a tracer keeps from the kernel (PTRACE_SYSEMU, as gVisor's ptrace platform does with its
 * guest's calls) is not counted, and should not be: it never reaches the kernel.
 *
 * Layer: host. Needs root, CONFIG_BPF_SYSCALL and the unified control groups, in which on a hybrid
 * machine the group's processes are put into one of the same name; ERR_UNSUPPORTED says which it
 * was that is missing. */
#ifndef CUPEL_HOST_CALLCOUNT_H
#define CUPEL_HOST_CALLCOUNT_H

#include "host/cgroup.h"

struct callcount;

/* So many of one call by one process. Processes that have ended are still there. */
struct call_tally {
    pid_t pid;
    unsigned number; /* of the call, for this machine's own programs */
    uint64_t times;
};
struct call_tallies {
    struct call_tally *v;
    size_t n, cap;
};

/* Counts from now on what the group and all below it call. */
int callcount_open(const struct cgroups *c, const char *group, struct callcount **ret,
                   struct err *err);
/* What was counted so far. */
int callcount_read(const struct callcount *k, struct call_tallies *ret, struct err *err);
void callcount_close(struct callcount *k); /* NULL is fine */
void call_tallies_release(struct call_tallies *t);

#endif
