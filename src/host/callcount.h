/* Which system calls of this kernel the processes of a control group make, and how often. Nobody is
 * stopped, and none is lost without a word. Two ways, of which callcount_open takes the first that
 * the kernel allows:
 *
 *   bpf      a program of two dozen instructions on the raw tracepoint sys_enter adds up in the
 *            kernel. While it is open every system call on the machine takes some 50 ns longer.
 *            Needs CONFIG_BPF_SYSCALL and the unified control groups, in which on a hybrid machine
 *            the group's processes are put into one of the same name.
 *   tracefs  the event raw_syscalls:sys_enter writes each call into a tracing instance of its own,
 *            which is read afterwards. Needs CONFIG_FTRACE_SYSCALLS, tracefs, and the first process
 *            namespace, by whose numbers the kernel tells processes apart there.
 *
 * What they see is the same tracepoint: a call is known by its number, also the 32-bit ones of an
 * x86 kernel, which have numbers of their own; and what a tracer keeps from the kernel
 * (PTRACE_SYSEMU, as gVisor's ptrace platform does with its guest's calls) is not counted, and
 * should not be: it never reaches the kernel. Whom they see is not: bpf asks with each call whether
 * its process lies in the group or below; tracefs counts the threads that are there when it is
 * opened, and what they and their children start. A process that is put into the group from outside
 * later is only seen by bpf, one that leaves it only by tracefs. And tracefs has room for so many
 * calls: more are a failure (ERR_MEASUREMENT, ENOBUFS), never a smaller count.
 *
 * Layer: host. Needs root; ERR_UNSUPPORTED says what it was that is missing. A tracing instance
 * outlives who made it: its path goes into the ledger before (host/tracing.h).
 *
 *     r = callcount_open(&cgroups, "/cupel-3fa9c2d1/s0007", path, &k, &err);
 *     ... the job ...
 *     r = callcount_read(k, &tallies, &err);
 *     callcount_close(k); */
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

/* Counts from now on what the group and all below it call; instance: the path of the tracing
 * instance that may be made for it, "" for none. */
int callcount_open(const struct cgroups *c, const char *group, const char *instance,
                   struct callcount **ret, struct err *err);
/* Each way alone. buffer_kib: per CPU, 0 as is fitting. */
int callcount_open_bpf(const struct cgroups *c, const char *group, struct callcount **ret,
                       struct err *err);
int callcount_open_tracefs(const struct cgroups *c, const char *group, const char *instance,
                           unsigned buffer_kib, struct callcount **ret, struct err *err);
/* "bpf" or "tracefs". */
const char *callcount_by(const struct callcount *k);
/* What was counted so far (appended); to be called once, since with tracefs it ends the counting.
 */
int callcount_read(struct callcount *k, struct call_tallies *ret, struct err *err);
/* NULL is fine. The tracing instance goes, too: whether it did, tracing_remove says. */
void callcount_close(struct callcount *k);
void call_tallies_release(struct call_tallies *t);

#endif
