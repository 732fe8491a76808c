/* The format: pax(1), "ustar Interchange Format". */
#include "fleet/tar.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#define TAR_BLOCK 512
/* What eleven octal digits hold. */
#define TAR_FILE_MAX (UINT64_C(8) << 30)

struct tar_header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
    char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct tar_header) == TAR_BLOCK, "one block");

static int put_header(int fd, const char *name, mode_t mode, uint64_t n, struct err *err)
{
    struct tar_header h = {.type = '0', .magic = "ustar", .version = {'0', '0'}};
    unsigned sum = 0;

    if (!str_copy(h.name, sizeof(h.name), name) || n >= TAR_FILE_MAX)
        return err_set(err, ERR_ENVIRONMENT, ENAMETOOLONG, "%s does not fit into an archive", name);
    str_format(h.mode, sizeof(h.mode), "%07o", (unsigned)mode & 0777);
    str_format(h.uid, sizeof(h.uid), "%07o", 0u);
    str_format(h.gid, sizeof(h.gid), "%07o", 0u);
    str_format(h.size, sizeof(h.size), "%011llo", (unsigned long long)n);
    str_format(h.mtime, sizeof(h.mtime), "%011o", 0u);
    memset(h.checksum, ' ', sizeof(h.checksum));
    for (size_t i = 0; i < sizeof(h); i++)
        sum += ((const unsigned char *)&h)[i];
    str_format(h.checksum, sizeof(h.checksum), "%06o", sum);
    return fd_write_full(fd, &h, sizeof(h), err);
}

static int put_zeros(int fd, uint64_t n, struct err *err)
{
    static const char zeros[2 * TAR_BLOCK];

    return fd_write_full(fd, zeros, (size_t)n, err);
}

static int pad(int fd, uint64_t n, struct err *err)
{
    return put_zeros(fd, (TAR_BLOCK - n % TAR_BLOCK) % TAR_BLOCK, err);
}

int tar_add_bytes(int fd, const char *name, mode_t mode, const void *bytes, size_t n,
                  struct err *err)
{
    int r = put_header(fd, name, mode, n, err);

    if (r >= 0)
        r = fd_write_full(fd, bytes, n, err);
    return r < 0 ? r : pad(fd, n, err);
}

int tar_add_file(int fd, const char *name, mode_t mode, const char *from, struct err *err)
{
    _cleanup_fd_ int in = open(from, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (in < 0 || fstat(in, &st) < 0)
        return err_errno(err, errno, "read %s", from);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_ENVIRONMENT, EINVAL, "%s is no regular file", from);
    int r = put_header(fd, name, mode, (uint64_t)st.st_size, err);
    for (off_t left = st.st_size; r >= 0 && left > 0;) {
        ssize_t n = sendfile(fd, in, NULL, (size_t)left);
        if (n <= 0)
            return err_errno(err, n < 0 ? errno : EIO, "copy %s", from);
        left -= n;
    }
    return r < 0 ? r : pad(fd, (uint64_t)st.st_size, err);
}

int tar_end(int fd, struct err *err)
{
    return put_zeros(fd, 2 * TAR_BLOCK, err);
}
