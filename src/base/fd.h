/* Descriptors: whole reads and writes, small files, non-blocking mode.
 *
 * Layer: base. Everything opened here is O_CLOEXEC. */
#ifndef CUPEL_BASE_FD_H
#define CUPEL_BASE_FD_H

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <sys/types.h>

void fd_close(int *fd); /* closes if >= 0, sets -1, keeps errno */
int fd_set_nonblock(int fd, bool on, struct err *err);
int fd_pipe(int ret_fds[2], struct err *err); /* O_CLOEXEC; [0] read, [1] write */
int fd_write_full(int fd, const void *buf, size_t n, struct err *err);
/* openat2(2) by these flags (O_CLOEXEC is added) and RESOLVE_ bits, Linux 5.6. -errno quietly. */
int fd_open_inside(int dirfd, const char *path, uint64_t flags, uint64_t resolve);
/* Connects to a stream socket in the file system, without waiting; the descriptor is non-blocking.
 * -errno quietly: -ECONNREFUSED where nobody listens, -ENOENT where nothing is. */
int fd_connect_unix(const char *path);
/* Reads at most max bytes to end of file into s (appended). -EFBIG if there is more. */
int fd_read_all(int fd, size_t max, struct str *s, struct err *err);

/* Whole small files. dirfd may be AT_FDCWD. Reading: at most max bytes, -EFBIG if longer. */
int file_read_at(int dirfd, const char *path, size_t max, struct str *s, struct err *err);
int file_read(const char *path, size_t max, struct str *s, struct err *err);
/* At most size-1 bytes, terminated; returns how many, or -errno quietly. whole: until the end or
 * the buffer is full; else what one read(2) gives, which of a small file in /proc is all. */
ssize_t fd_read_some(int fd, bool whole, char *dst, size_t size);
/* First line without its newline into dst[size]; -errno quietly (no err): for /proc and /sys. */
int file_read_line(const char *path, char *dst, size_t size);
int file_read_u64(const char *path, uint64_t *ret);
/* Writes an existing file (no O_CREAT): for /proc, /sys, cgroups. One write(2). */
int file_write_at(int dirfd, const char *path, const char *text, struct err *err);
int file_write(const char *path, const char *text, struct err *err);
/* Creates or replaces path atomically (temporary beside it, fsync, rename). */
int file_replace(const char *path, const char *bytes, size_t n, mode_t mode, struct err *err);

#endif
