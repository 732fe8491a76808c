#include "base/pagecache.h"

#include "base/cleanup.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define ASK_BYTES (INT64_C(256) << 20) /* mapped at once */

int pagecache_drop(int fd)
{
    if (fsync(fd) < 0)
        return -errno;
    return -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static int resident_part(int fd, int64_t from, int64_t bytes, int64_t *sum)
{
    int64_t page = sysconf(_SC_PAGESIZE);
    unsigned char *map = mmap(NULL, (size_t)bytes, PROT_READ, MAP_SHARED, fd, from);
    if (map == MAP_FAILED)
        return -errno;
    size_t pages = (size_t)((bytes + page - 1) / page);
    _cleanup_free_ unsigned char *in = xcalloc(pages, 1);
    int r = mincore(map, (size_t)bytes, in) == 0 ? 0 : -errno;
    for (size_t i = 0; r == 0 && i < pages; i++)
        *sum += in[i] & 1 ? page : 0;
    munmap(map, (size_t)bytes);
    return r;
}

int pagecache_resident(int fd, int64_t size, int64_t *ret_bytes)
{
    int64_t sum = 0;
    int r = 0;
    for (int64_t at = 0; r == 0 && at < size; at += ASK_BYTES) {
        int64_t left = size - at;
        r = resident_part(fd, at, left < ASK_BYTES ? left : ASK_BYTES, &sum);
    }
    if (r == 0)
        *ret_bytes = sum;
    return r;
}
