/* Which system calls the seccomp filters of a process let through.
 *
 * A filter is a program of classic BPF that looks at the number and the arguments of a call. Here
 * it is not run but followed along all its ways at once, with the number known and the arguments
 * not: some calls pass whatever their arguments, some with certain ones. Filters come out of
 * sandboxes: nothing in them is believed, and none takes longer than its length.
 *
 * Reading them stops the thread for some 100 us by ptrace: a call that it waits in is begun again
 * by the kernel, or comes back with EINTR where there is no beginning it again (epoll_wait).
 *
 * Layer: host. Reading needs CAP_SYS_ADMIN in the first user namespace, no filter on the caller,
 * and a kernel with CONFIG_CHECKPOINT_RESTORE.
 *
 *     struct seccomp_set could = {0};
 *     seccomp_read(pid, time_deadline(NS_PER_S), &could, &err);
 *     could.some[SYS_ptrace] */
#ifndef CUPEL_HOST_SECCOMP_H
#define CUPEL_HOST_SECCOMP_H

#include "base/err.h"

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SECCOMP_NUMBERS 512 /* calls are asked for below it; no kernel has as many */

/* Allowed, logged, or left to a tracer or a supervisor is let through; an errno, a signal and a
 * kill are not. */
enum seccomp_passage {
    SECCOMP_NEVER,
    SECCOMP_SOMETIMES, /* for some arguments, as far as can be seen */
    SECCOMP_ALWAYS
};

/* For a call of this machine's own programs. What the kernel would not take for a filter lets
 * nothing through where it leads astray. */
enum seccomp_passage seccomp_follow(const struct sock_filter *program, size_t n, uint32_t number);

struct seccomp_set {
    bool some[SECCOMP_NUMBERS];   /* passes for some arguments, or for all */
    bool always[SECCOMP_NUMBERS]; /* passes whatever they are */
};

/* Adds what the process could call, as the sum of its threads: the leader is looked at, and each
 * thread that has another number of filters. ret stays as it is on failure: EBUSY if another
 * process traces it, ETIMEDOUT, ERR_UNSUPPORTED where the kernel does not tell. The process goes on
 * in any case. */
int seccomp_read(pid_t pid, uint64_t deadline_ns, struct seccomp_set *ret, struct err *err);

#endif
