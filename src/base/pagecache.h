/* A file's pages in this kernel's page cache.
 *
 * Layer: base. In a guest with a kernel of its own this is the guest's cache and says nothing of
 * the host's.
 *
 *     pagecache_drop(fd, &err);
 *     pagecache_resident(fd, size, &bytes);   // 0 if it worked: mincore(2) is what one can believe
 */
#ifndef CUPEL_BASE_PAGECACHE_H
#define CUPEL_BASE_PAGECACHE_H

#include "base/err.h"

#include <stdint.h>

/* Writes the file back and lets go of its pages (fsync, posix_fadvise). Others who have it mapped
 * keep theirs. 0 or -errno. */
int pagecache_drop(int fd);
/* How many of the file's first `size` bytes are in memory, to the page. 0 or -errno. */
int pagecache_resident(int fd, int64_t size, int64_t *ret_bytes);

#endif
