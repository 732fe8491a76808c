/* Trees of files: making, copying, removing, hashing. Nothing here follows symbolic links inside a
 * tree or crosses into another mount.
 *
 * Layer: base. */
#ifndef CUPEL_BASE_FS_H
#define CUPEL_BASE_FS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define FS_SHA256_HEX 65 /* 64 hexadecimal digits and a NUL */

/* mkdir -p; existing directories are fine. */
int fs_mkdirs(const char *path, mode_t mode, struct err *err);
/* Removes the tree at path: openat-based, no symbolic link followed, stops with -EXDEV at another
 * mount (st_dev or mount id differs). A path that is not there is success. */
int fs_remove_tree(const char *path, struct err *err);
/* Copies one regular file (copy_file_range, falling back to read/write), fsync not included. */
int fs_copy_file(const char *from, const char *to, mode_t mode, struct err *err);
/* SHA-256 of a regular file, lower-case hexadecimal. */
int fs_sha256(const char *path, char ret_hex[FS_SHA256_HEX], struct err *err);
/* Is what lies there the file that was hashed, by what the kernel says of it and not by its path;
 * or one of the same hash? */
bool fs_is_same(const char *path, const struct stat *hashed, const char *sha256);
/* Two looks at a file: the same one, with the same bytes as far as that shows? */
bool fs_unchanged(const struct stat *a, const struct stat *b);
void fs_sha256_bytes(const void *bytes, size_t n, char ret_hex[FS_SHA256_HEX]);
/* Absolute path of a program found on $PATH (or name itself if it holds a slash), executable.
 * -ENOENT quietly. */
int fs_which(const char *name, char *dst, size_t size);
/* Bytes available to the caller on the file system of path. */
int fs_free_bytes(const char *path, uint64_t *ret, struct err *err);

#endif
