/* Tracing instances: buffers and settings of one's own in the kernel's tracing file system.
 *
 * Layer: host. An instance outlives who made it, with its buffers and whatever it has switched on:
 * it goes into the ledger before it is made, and its path is all that removing it takes. */
#ifndef CUPEL_HOST_TRACING_H
#define CUPEL_HOST_TRACING_H

#include "base/err.h"

#include <stddef.h>

/* Where it is mounted, alone or as part of debugfs. */
#define TRACING_DIR       "/sys/kernel/tracing"
#define TRACING_DIR_DEBUG "/sys/kernel/debug/tracing"

/* One of these where instances can be made; NULL where none is mounted. Mounts nothing. */
const char *tracing_dir(void);
/* The path of the instance "name"; "" where none can be made. */
void tracing_instance_path(const char *name, char *dst, size_t size);
/* Stops what the instance records and removes it. Returns 1 if it was there, 0 if not. */
int tracing_remove(const char *path, struct err *err);

#endif
