/* Which disk lies under a directory: what an I/O limit is set on.
 *
 * Layer: host. No state. */
#ifndef CUPEL_HOST_DISK_H
#define CUPEL_HOST_DISK_H

#include "base/err.h"

#include <sys/types.h>

/* The whole disk (of a partition: the disk it is a part of) whose file system dir lies in.
 * ERR_UNSUPPORTED where no one block device lies under it: tmpfs, overlay, btrfs, a network. */
int disk_under(const char *dir, dev_t *ret, struct err *err);
/* The same for the number of a block device, as sys ("/sys") tells. */
int disk_whole(const char *sys, dev_t device, dev_t *ret, struct err *err);

#endif
