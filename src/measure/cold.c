#include "measure/cold.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/pagecache.h"
#include "host/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define MIB (INT64_C(1) << 20)

bool cold_needs_renewal(const struct cell *cell, const struct slot *slot)
{
    return cell->workload->cold_reads && slot->session->caps.own_cache && slot->driver->renew &&
           (cell->place == PLACE_ROOTFS || cell->place == PLACE_BIND) &&
           str_eq(params_text(&cell->params, "cold", "no"), "yes");
}

/* The directory `dir_rootfs` or `dir_bind` of the guest, opened here. */
static int open_place(const struct session *s, enum place place, struct err *err)
{
    if (place == PLACE_ROOTFS && s->caps.host_rootfs[0])
        return root_open_dir(s->caps.host_rootfs, s->caps.dir_rootfs + 1, err);
    if (place != PLACE_BIND || !s->caps.host_bind[0])
        return err_errno(err, ENOENT, "find the guest's files");
    int fd = open(s->caps.host_bind, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? err_errno(err, errno, "open %s", s->caps.host_bind) : fd;
}

/* No links and no special files: what lies there was put there by a guest. */
static int open_left(int place, struct stat *ret, struct err *err)
{
    static const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    _cleanup_fd_ int dir = openat(place, WIRE_COLD_DIR, flags | O_DIRECTORY);
    int fd = dir < 0 ? -1 : openat(dir, WIRE_COLD_FILE, flags);
    if (fd < 0)
        return err_errno(err, errno, "open the file that the guest left");
    if (fstat(fd, ret) == 0 && S_ISREG(ret->st_mode))
        return fd;
    fd_close(&fd);
    return err_set(err, ERR_MEASUREMENT, EINVAL, "the guest left something else than a file");
}

/* What this kernel may hold of the guest's file: itself, or the disk that it lies on. */
static int open_cached(const struct session *s, enum place place, struct stat *ret, struct err *err)
{
    _cleanup_fd_ int fd = -1;

    if (!s->caps.host_disk[0]) {
        _cleanup_fd_ int dir = open_place(s, place, err);
        return dir < 0 ? dir : open_left(dir, ret, err);
    }
    fd = open(s->caps.host_disk, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, ret) < 0)
        return err_errno(err, errno, "open the guest's disk %s", s->caps.host_disk);
    return TAKE_FD(fd);
}

int cold_drop(const struct session *s, enum place place, int64_t *ret_resident_mib, struct err *err)
{
    struct stat st;
    int64_t resident = 0;
    _cleanup_fd_ int fd = open_cached(s, place, &st, err);
    if (fd < 0)
        return fd;
    int r = pagecache_drop(fd);
    if (r == 0)
        r = pagecache_resident(fd, st.st_size, &resident);
    if (r < 0)
        return err_errno(err, -r, "drop the file that the guest left");
    *ret_resident_mib = resident / MIB;
    return 0;
}
