/* Writing a ustar archive: regular files with short names, owned by root.
 *
 * Layer: fleet. fd is written from where it stands. */
#ifndef CUPEL_FLEET_TAR_H
#define CUPEL_FLEET_TAR_H

#include "base/err.h"

#include <stddef.h>
#include <sys/types.h>

/* name: relative, at most 99 bytes. */
int tar_add_bytes(int fd, const char *name, mode_t mode, const void *bytes, size_t n,
                  struct err *err);
/* The regular file `from`, links followed. */
int tar_add_file(int fd, const char *name, mode_t mode, const char *from, struct err *err);
int tar_end(int fd, struct err *err);

#endif
