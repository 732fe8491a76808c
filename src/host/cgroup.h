/* Control groups: version 1, version 2 and the hybrid of both, behind one interface.
 *
 * Layer: host. A group is named by its path below every hierarchy's root, e.g.
 * "/cupel-3fa9c2d1/s0007"; on v1 and hybrid it is made in cpu, cpuacct, cpuset, memory, pids,
 * freezer (those that are mounted; combined mounts once) and, on hybrid, in the unified tree too
 * when that tree carries controllers we need; on v2 once, with the controllers enabled in the
 * parents' cgroup.subtree_control. Runtimes make groups of our names in the other hierarchies too
 * (devices, blkio, ...): those are looked through when processes are counted, killed, and groups
 * removed. In blkio (or io, on v2) ours are made too, but only where that is asked for:
 * cgroup_make_with_io, cgroup_limit_io. "The root" is what /proc/self/mountinfo shows mounted:
 * inside a container that may be a group of the machine's.
 *
 * On v2 a group that has children must not hold processes: put processes into leaves.
 *
 * Ownership: `struct cgroups` is what cgroups_detect found, read-only afterwards. Nothing is made
 * that the caller did not name, and nothing that changes or removes a group accepts a path that
 * does not begin with "/cupel-" (ERR_BUG). */
#ifndef CUPEL_HOST_CGROUP_H
#define CUPEL_HOST_CGROUP_H

#include "base/err.h"
#include "base/vec.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum cgroup_mode { CGROUP_NONE, CGROUP_V1, CGROUP_HYBRID, CGROUP_V2 };

#define CGROUP_PATH_MAX 200
#define CGROUP_TREES    8
#define CGROUP_OTHERS   12

struct cgroup_tree {
    char mount[128];      /* "/sys/fs/cgroup/cpu,cpuacct" */
    char controllers[64]; /* those we know of it: "cpu,cpuacct"; "name=systemd" and the like: "" */
    bool unified;
    bool io; /* blkio (v1) or io (v2) is among its controllers */
};

struct cgroups {
    enum cgroup_mode mode;
    size_t n_trees;
    struct cgroup_tree trees[CGROUP_TREES]; /* the ones we make groups in */
    size_t n_others;
    struct cgroup_tree others[CGROUP_OTHERS]; /* mounted too; only looked through and cleaned */
    bool unified_has_controllers; /* hybrid whose unified tree still carries some: crun 1.8 refuses
                                     it */
    char unified_mount[128];      /* "" when there is none */
};

struct cgroup_limits {
    double cpus;           /* CFS quota in CPUs, 0: none */
    uint64_t memory_bytes; /* 0: none */
    uint64_t pids;         /* 0: none */
};

/* What is mounted here. No cgroups at all is CGROUP_NONE and success. */
int cgroups_detect(struct cgroups *ret, struct err *err);
/* The same from the text of a mountinfo file (cut up in place): the mount points it names are
 * looked into for cgroup.controllers. */
void cgroups_from_mountinfo(char *text, struct cgroups *ret);
const char *cgroup_mode_name(enum cgroup_mode m); /* "none", "v1", "hybrid", "v2" */

/* Makes the group in every tree (its parent must exist or be the root). On v1 the new cpuset gets
 * the parent's CPUs and memory nodes. An existing group is an error (-EEXIST). On v2 a controller
 * that the parent cannot hand down is left out: what needs it says so later (ERR_UNSUPPORTED). */
int cgroup_make(const struct cgroups *c, const char *path, struct err *err);
/* The same, and in the tree of I/O limits where that is another one, with its parents: what joins
 * the group can then be limited there. Without such a tree it is cgroup_make. */
int cgroup_make_with_io(const struct cgroups *c, const char *path, struct err *err);
/* Opens cgroup.procs of every tree for spawn_spec.join_fds, that of I/O limits included where the
 * group is there (max: CGROUP_TREES + 1 is always enough); returns how many, or -errno. */
int cgroup_open_join(const struct cgroups *c, const char *path, int *ret_fds, size_t max,
                     struct err *err);
/* A limit of 0 lifts one set before. Memory limits include swap. */
int cgroup_set_limits(const struct cgroups *c, const char *path, const struct cgroup_limits *l,
                      struct err *err);
/* The limits in force: of each the least over the group and all above it, as the kernel's files say
 * now; 0 for none. The quota in thousandths of a CPU. Nothing is said of swap, which a limit of
 * cgroup_set_limits includes only where the kernel counts it. -ENOENT if there is no such group. */
int cgroup_read_limits(const struct cgroups *c, const char *path, struct cgroup_limits *ret,
                       struct err *err);
/* How many processes and threads are in the group and below it, as its limit counts them (zombies
 * too); -ENOTSUP quietly where nobody counts. */
int cgroup_tasks(const struct cgroups *c, const char *path, uint64_t *ret);
/* The most of them at once so far, and how many more were refused by a limit of the group or below
 * it; -ENOTSUP quietly where the kernel keeps no such count (the first before Linux 6.1). */
int cgroup_peak_tasks(const struct cgroups *c, const char *path, uint64_t *ret);
int cgroup_refused_tasks(const struct cgroups *c, const char *path, uint64_t *ret);
/* Limits what the group and all below it read from the disk (a whole one: disk_under) and write to
 * it, to so many bytes a second each; 0 lifts that. Makes the group in the tree of I/O limits,
 * where there is none yet, with its parents. ERR_UNSUPPORTED without such a controller.
 *
 * v1 throttles each group for itself and none for those below it: the limit is written to every
 * group that is there now, each of which may then use it up. Call it again when a runtime has made
 * its own below. Also on v1, what is written through the page cache goes to the disk by threads of
 * the kernel, outside of any group: only direct and synchronous input and output is held, which
 * includes what fsync waits for only as far as the caller writes it out itself. v2 holds a group
 * with all below it, and what the page cache writes for it where the file system takes part (ext4,
 * btrfs, xfs). Nowhere is another disk than this one held: an engine's images may lie on one. */
int cgroup_limit_io(const struct cgroups *c, const char *path, dev_t disk, uint64_t bps,
                    struct err *err);
/* 0 if every process in the group or below it, in whatever tree, is so in the tree of I/O limits
 * too; else ERR_UNSUPPORTED names one that is not. */
int cgroup_io_covers(const struct cgroups *c, const char *path, struct err *err);
/* The I/O limit in force on processes of this very group (v1: its own; v2: the least of it and
 * those above), the larger of reading and writing; 0 unless both have one. */
int cgroup_read_io(const struct cgroups *c, const char *path, dev_t disk, uint64_t *ret_bps,
                   struct err *err);
/* What the group with all below it has read from the disk and written to it so far, in bytes, as
 * what limits it counts: on v1 from when that was asked for, without what the page cache wrote
 * later. -ENOTSUP quietly where nobody counts. */
struct cgroup_io {
    uint64_t read_bytes, written_bytes;
};
int cgroup_io_done(const struct cgroups *c, const char *path, dev_t disk, struct cgroup_io *ret);
/* Confines the group and everything below it to the set: on v1 the tree is first widened from the
 * top down to the union of old and new, then narrowed from the bottom up. */
int cgroup_set_cpus(const struct cgroups *c, const char *path, const cpu_set_t *cpus,
                    struct err *err);
/* The CPUs the calling process may use and that our groups can be given. */
int cgroup_usable_cpus(const struct cgroups *c, cpu_set_t *ret, struct err *err);

/* CPU time in ns of the group with all below it. Opened once, read by pread: a few µs. */
struct cgroup_meter {
    int fd;
    bool v2;
};
int cgroup_meter_open(const struct cgroups *c, const char *path, struct cgroup_meter *ret,
                      struct err *err);
int cgroup_meter_read(const struct cgroup_meter *m, uint64_t *ret_ns);
void cgroup_meter_close(struct cgroup_meter *m);

/* Highest memory use so far, with reset where the kernel can (v1); -ENOTSUP quietly where not. */
int cgroup_peak_memory(const struct cgroups *c, const char *path, uint64_t *ret_bytes);
int cgroup_reset_peak(const struct cgroups *c, const char *path);
/* What the memory limit of the root itself leaves, where that is a group: in a container, in a job.
 * UINT64_MAX: nothing limits it. */
uint64_t cgroup_memory_room(const struct cgroups *c);
/* Times the group and those below it ran out of CPU quota; processes killed by their memory limits.
 * -ENOTSUP quietly where the kernel does not count. */
int cgroup_throttled(const struct cgroups *c, const char *path, uint64_t *ret);
int cgroup_oom_kills(const struct cgroups *c, const char *path, uint64_t *ret);
/* Shared memory charged to the group with all below it: memfds, tmpfs, shm, mapped or not; -ENOTSUP
 * quietly where the kernel does not count. */
int cgroup_shmem(const struct cgroups *c, const char *path, uint64_t *ret_bytes);

struct pid_list {
    pid_t *v;
    size_t n, cap;
};
/* Every process in the group or below it, in any tree, without duplicates (appended). A group that
 * is not there has none. */
int cgroup_pids(const struct cgroups *c, const char *path, struct pid_list *ret, struct err *err);
void pid_list_release(struct pid_list *l);
/* SIGKILLs everything in and below the group until it is empty (cgroup.kill where there is one,
 * else repeated rounds, freezing first on v1 where the freezer is mounted); -ETIMEDOUT naming a
 * survivor. The caller's loop must reap: pass it as a callback that is run between rounds (may be
 * NULL). A fork bomb cannot outrun it where there is a freezer or cgroup.kill. The caller itself is
 * never killed. */
int cgroup_kill(const struct cgroups *c, const char *path, uint64_t deadline_ns,
                void (*between)(void *user), void *user, struct err *err);
/* Removes the group and all below it, deepest first, in every tree; a group not there is success.
 */
int cgroup_remove(const struct cgroups *c, const char *path, struct err *err);
/* Is there such a group in any tree? */
bool cgroup_exists(const struct cgroups *c, const char *path);
/* Calls cb with the path of every group directly below the roots whose name begins with prefix. */
int cgroup_list(const struct cgroups *c, const char *prefix,
                void (*cb)(void *user, const char *path), void *user, struct err *err);

#endif
