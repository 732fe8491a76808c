/* Processes as /proc shows them. Everything read here may belong to a hostile process: bounded.
 *
 * Layer: host. */
#ifndef CUPEL_HOST_PROC_H
#define CUPEL_HOST_PROC_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Inode of /proc/PID/ns/NAME ("mnt", "pid", "net", "ipc", "uts", "user", "cgroup"); 0 if unreadable. */
uint64_t proc_ns_inode(pid_t pid, const char *name);
/* Command line with blanks between the arguments, printable, at most size-1 bytes. */
int proc_cmdline(pid_t pid, char *dst, size_t size);
int proc_comm(pid_t pid, char *dst, size_t size);
int proc_exe(pid_t pid, char *dst, size_t size);
pid_t proc_parent(pid_t pid);
uint64_t proc_start_ticks(pid_t pid); /* field 22 of stat: with the pid, a process's identity */
bool proc_alive(pid_t pid);           /* exists and is no zombie */

#endif
