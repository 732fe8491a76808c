/* The system calls of the catalogue: workloads and cells are made of one list.
 *
 * Layer: model, private to catalogue.c and catalogue-cells.c. */
#ifndef CUPEL_MODEL_CATALOGUE_CALLS_H
#define CUPEL_MODEL_CATALOGUE_CALLS_H

#include "model/workload.h"

/* The table of system-call costs: name (the probe's row is "call.<name>"), where the files lie that
 * it needs, whether one call natively takes long enough (about a microsecond) to be timed singly,
 * what is done. */
#define CALLS(X)                                                                                   \
    X("null", NONE, false, "getppid, which does next to nothing")                                  \
    X("clock", NONE, false, "clock_gettime as a real call, not through the vDSO")                  \
    X("uname", NONE, false, "uname")                                                               \
    X("sysinfo", NONE, false, "sysinfo")                                                           \
    X("getrandom", NONE, false, "getrandom of a few bytes")                                        \
    X("prctl", NONE, false, "prctl")                                                               \
    X("yield", NONE, false, "sched_yield with nobody else to run")                                 \
    X("affinity", NONE, false, "sched_getaffinity")                                                \
    X("rusage", NONE, false, "getrusage")                                                          \
    X("rlimit", NONE, false, "prlimit64")                                                          \
    X("sigmask", NONE, false, "rt_sigprocmask: block and unblock in turns")                        \
    X("signal", NONE, true, "a signal to the calling thread, and its handler")                     \
    X("thread", NONE, true, "create and join a thread")                                            \
    X("fork", NONE, true, "fork a child that exits, wait for it")                                  \
    X("exec", NONE, true, "fork, execve, wait; less call.fork: execve")                            \
    X("wait", NONE, false, "wait4 when there is nobody to wait for")                               \
    X("futex", NONE, false, "futex wake-up of nobody")                                             \
    X("mmap", NONE, true, "mmap and munmap of 64 KiB that nobody touches")                         \
    X("mprotect", NONE, true, "one page read-only and writable in turns")                          \
    X("fault", NONE, true, "give a page back and fault it in again")                               \
    X("brk", NONE, true, "move the program break a page up and down")                              \
    X("stat", ROOTFS, true, "stat of a file by a path of one component")                           \
    X("fstat", ROOTFS, false, "fstat of an open file")                                             \
    X("statfs", ROOTFS, true, "statfs of a path of one component")                                 \
    X("access", ROOTFS, true, "access of a path of one component")                                 \
    X("getcwd", NONE, false, "getcwd at the root")                                                 \
    X("open", ROOTFS, true, "open and close of a file by a path of one component")                 \
    X("open_missing", ROOTFS, true, "open of a name that is not there")                            \
    X("lseek", ROOTFS, false, "lseek")                                                             \
    X("read", ROOTFS, false, "read 4 KiB that are in the page cache")                              \
    X("write", ROOTFS, true, "write 4 KiB over a page that is in the page cache")                  \
    X("read_dev", NONE, false, "read one byte of /dev/zero")                                       \
    X("getdents", ROOTFS, true, "list a directory of 32 entries")                                  \
    X("rename", ROOTFS, true, "rename a file there and back in turns")                             \
    X("link", ROOTFS, true, "link and unlink")                                                     \
    X("mkdir", ROOTFS, true, "mkdir and rmdir")                                                    \
    X("readlink", ROOTFS, true, "readlink")                                                        \
    X("truncate", ROOTFS, true, "ftruncate to nothing and back to 4 KiB in turns")                 \
    X("pipe", NONE, false, "a byte into a pipe and out of it")                                     \
    X("pipe_new", NONE, true, "make a pipe and close it")                                          \
    X("socket", NONE, true, "a byte over a Unix socket")                                           \
    X("socketpair", NONE, true, "make a pair of Unix sockets and close it")                        \
    X("sendmsg", NONE, true, "pass a descriptor over a Unix socket")                               \
    X("eventfd", NONE, false, "a count into an eventfd and out of it")                             \
    X("epoll_wait", NONE, false, "epoll_wait with one descriptor ready")                           \
    X("epoll_ctl", NONE, false, "add a descriptor to an epoll set and delete it")                  \
    X("poll", NONE, false, "poll of one descriptor that is ready")                                 \
    X("fcntl", NONE, false, "fcntl F_GETFD")                                                       \
    X("ioctl", NONE, false, "ioctl FIONREAD of a pipe")                                            \
    X("timer", NONE, false, "arm a timerfd anew")

#endif
