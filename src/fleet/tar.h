/* An archive of regular files with short names, owned by root, as any tar reads it (ustar). By
 * libarchive.
 *
 *     struct archive *t = tar_begin(fd, TAR_GZIP, &err);
 *     tar_add_bytes(t, "plan.yaml", 0600, text, n, &err);
 *     tar_end(t, &err);
 *
 * Layer: fleet. fd is written from where it stands, and stays the caller's. */
#ifndef CUPEL_FLEET_TAR_H
#define CUPEL_FLEET_TAR_H

#include "base/err.h"

#include <stddef.h>
#include <sys/types.h>

struct archive;

enum tar_packing { TAR_PLAIN, TAR_GZIP };

/* NULL and *err filled if it cannot be begun. */
struct archive *tar_begin(int fd, enum tar_packing packing, struct err *err);
/* name: relative. */
int tar_add_bytes(struct archive *t, const char *name, mode_t mode, const void *bytes, size_t n,
                  struct err *err);
/* An empty folder. */
int tar_add_dir(struct archive *t, const char *name, mode_t mode, struct err *err);
/* The regular file `from`, links followed. */
int tar_add_file(struct archive *t, const char *name, mode_t mode, const char *from,
                 struct err *err);
/* Writes what is left, and frees it. NULL is fine. */
int tar_end(struct archive *t, struct err *err);

#endif
