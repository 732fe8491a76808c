/* Processes as /proc shows them. Everything read here may belong to a hostile process: reads are
 * bounded, and texts come back as printable ASCII.
 *
 * Layer: host. All int functions return 0 or a negative errno, quietly: a process that is gone by
 * the time it is looked at is the normal case. */
#ifndef CUPEL_HOST_PROC_H
#define CUPEL_HOST_PROC_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Inode of /proc/PID/ns/NAME ("mnt", "pid", "net", "ipc", "uts", "user", "cgroup"); 0 if
 * unreadable. */
uint64_t proc_ns_inode(pid_t pid, const char *name);
/* Command line with blanks between the arguments, printable, at most size-1 bytes; "" of a kernel
 * thread or zombie. */
int proc_cmdline(pid_t pid, char *dst, size_t size);
int proc_comm(pid_t pid, char *dst, size_t size);
int proc_exe(pid_t pid, char *dst, size_t size);
pid_t proc_parent(pid_t pid); /* 0: none or gone */
uint64_t
proc_start_ticks(pid_t pid); /* field 22 of stat: with the pid, a process's identity; 0: gone */
bool proc_alive(pid_t pid);  /* exists and is no zombie */
/* Is it in the group (a path as in host/cgroup.h) or below it, in any hierarchy? The group may lie
 * below another one: where cupel runs inside a container, /proc may show the path from outside. */
bool proc_in_cgroup(pid_t pid, const char *group);

/* The same in the hierarchy of that controller alone; "": the unified one. */
bool proc_in_cgroup_of(pid_t pid, const char *group, const char *controller);

/* What the kernel still lets it do. */
struct proc_powers {
    uint64_t capabilities; /* effective ones, bit by bit */
    bool filtered;         /* its system calls go through a seccomp filter */
    bool no_new_privs;
};
int proc_powers(pid_t pid, struct proc_powers *ret);

/* What stands before the system calls of one of its threads. */
struct proc_filtering {
    unsigned mode;    /* SECCOMP_MODE_DISABLED, _STRICT or _FILTER */
    uint64_t filters; /* how many; 0 before Linux 5.9, too */
    pid_t tracer;     /* who ptraces it, 0: nobody */
};
int proc_filtering(pid_t pid, pid_t thread, struct proc_filtering *ret);

#endif
