/* An archive of regular files with short names, owned by root, as any tar reads it: ustar, as POSIX
 * has it since 1988. By hand: libarchive would bring 41 MB of other libraries, ICU's tables among
 * them, to each machine that cupel is sent to.
 *
 *     tar_add_bytes(fd, "plan.yaml", 0600, text, n, &err);
 *     tar_end(fd, &err);
 *
 * Layer: fleet. fd is written from where it stands, and stays the caller's. */
#ifndef CUPEL_FLEET_TAR_H
#define CUPEL_FLEET_TAR_H

#include "base/err.h"

#include <stddef.h>
#include <sys/types.h>

#define TAR_NAME_MAX 100 /* the NUL not counted */

/* name: relative; ENAMETOOLONG beyond TAR_NAME_MAX. */
int tar_add_bytes(int fd, const char *name, mode_t mode, const void *bytes, size_t n,
                  struct err *err);
/* The regular file `from`, links followed. */
int tar_add_file(int fd, const char *name, mode_t mode, const char *from, struct err *err);
/* What tells a reader that nothing follows. */
int tar_end(int fd, struct err *err);

#endif
