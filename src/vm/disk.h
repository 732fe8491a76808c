/* Disks for guests that have no share: the root, read only, and a second one for all that is
 * written.
 *
 * Layer: vm. Made by mksquashfs and mke2fs, which have to be there (-ENOENT names the package);
 * they run before any clock does, in a control group of their own. */
#ifndef CUPEL_VM_DISK_H
#define CUPEL_VM_DISK_H

#include "vm/kernel.h"

#include <stdint.h>

/* A squashfs of rootfs, a session's whole root before it was started. It is kept under what it is
 * made of: the image it stands on (NULL: none) and the program in it, by its hash; so each is made
 * once. Until vm_guests_release. */
int vm_disk_root(struct vm_guests *g, const char *rootfs, const char *image, const char *program,
                 char ret_path[256], struct err *err);

/* A new ext4 of so many bytes, which it takes on this machine's disk as they are written. In it
 * data/, with the files of the directory data; the guest lays the writable layer of its root beside
 * that. stage: a directory for this function's use on the same file system, made and removed. */
int vm_disk_data(struct vm_guests *g, const char *data, const char *stage, const char *path,
                 uint64_t bytes, struct err *err);

#endif
