/* What processes weigh: proportional set size, and what the kernel holds besides.
 *
 * Layer: host. PSS is the kernel's: a page that n processes map counts one n-th in each, so a sum
 * over processes counts nothing twice, neither a library, nor a memfd that several processes of a
 * sandbox map. A memfd that is held and not mapped is in nobody's PSS; it is charged to the control
 * group of whoever touched it first (cgroup_shmem, host/cgroup.h).
 *
 * Ownership: a reader is a descriptor and a buffer, used again for each process; nothing is
 * allocated. `proc` is "/proc", or a tree of the same form in tests.
 *
 *     struct pss_reader r;
 *     pss_reader_open(&r, "/proc", &err);
 *     struct pss p;
 *     if (pss_read(&r, pid, &p) == 0) ...
 *     pss_reader_close(&r); */
#ifndef CUPEL_HOST_PSS_H
#define CUPEL_HOST_PSS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pss {
    uint64_t pss_bytes;
    uint64_t shmem_bytes; /* the part of it that is shared memory: memfds, tmpfs, shm; 0 where the
                             kernel does not say (before Linux 5.4, and in sums of smaps) */
    uint64_t swap_bytes;  /* proportional as well; not in pss_bytes */
    uint64_t rss_bytes;
};

struct pss_reader {
    int dir;
    bool rollup; /* smaps_rollup is there (Linux 4.14); else smaps is summed, rounded down to a
                    kilobyte at each mapping */
    char buf[16384];
};

int pss_reader_open(struct pss_reader *r, const char *proc, struct err *err);
void pss_reader_close(struct pss_reader *r);
/* 0; -ESRCH: it has ended, or is a kernel thread or a zombie; -EACCES: not ours to read; -EBADMSG:
 * not a text we know. Quiet: what is gone is the normal case. */
int pss_read(struct pss_reader *r, pid_t pid, struct pss *ret);

#define KERNEL_MEMORY_UNKNOWN UINT64_MAX

/* From /proc/meminfo, in bytes; KERNEL_MEMORY_UNKNOWN: this kernel does not say. */
struct kernel_memory {
    uint64_t available, free;
    uint64_t slab, slab_unreclaimable;
    uint64_t page_tables; /* of second stages (SecPageTables) too */
    uint64_t kernel_stacks, percpu;
    uint64_t shmem; /* all of it, on the machine */
};

int kernel_memory_read(const char *proc, struct kernel_memory *ret, struct err *err);
/* What is the kernel's own and cannot be given back: unreclaimable slab, page tables, stacks,
 * per-CPU memory; unknown ones are left out. */
uint64_t kernel_memory_pinned(const struct kernel_memory *m);

#endif
