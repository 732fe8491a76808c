#include "fleet/tar.h"

#include "base/fd.h"

#include <errno.h>
#include <stdint.h>
#include <sys/stat.h>
#include <tar.h>

#define BLOCK    512
#define FILE_MAX (UINT64_C(512) << 20) /* the size has eleven octal digits: 8 GiB */

/* Numbers are octal, as text; all that is left zero is empty. */
struct head {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100];
    char magic[TMAGLEN], version[TVERSLEN], uname[32], gname[32], devmajor[8], devminor[8];
    char prefix[155], pad[12];
};
_Static_assert(sizeof(struct head) == BLOCK, "a head is one block");

static void put_octal(char *dst, size_t size, uint64_t n)
{
    str_format(dst, size, "%0*llo", (int)size - 1, (unsigned long long)n);
}

/* The sum counts its own field as blanks. */
static void put_sum(struct head *h)
{
    const unsigned char *p = (const unsigned char *)h;
    unsigned sum = 0;

    memset(h->sum, ' ', sizeof(h->sum));
    for (size_t i = 0; i < sizeof(*h); i++)
        sum += p[i];
    put_octal(h->sum, sizeof(h->sum) - 1, sum);
}

static int put_head(int fd, const char *name, mode_t mode, size_t n, struct err *err)
{
    struct head h = {.type = REGTYPE};
    size_t length = strlen(name);

    if (length > TAR_NAME_MAX)
        return err_set(err, ERR_ENVIRONMENT, ENAMETOOLONG, "%s: too long a name", name);
    memcpy(h.name, name, length);
    put_octal(h.mode, sizeof(h.mode), mode & 0777);
    put_octal(h.uid, sizeof(h.uid), 0);
    put_octal(h.gid, sizeof(h.gid), 0);
    put_octal(h.size, sizeof(h.size), n);
    put_octal(h.mtime, sizeof(h.mtime), 0);
    memcpy(h.magic, TMAGIC, TMAGLEN);
    memcpy(h.version, TVERSION, TVERSLEN);
    put_sum(&h);
    return fd_write_full(fd, &h, sizeof(h), err);
}

int tar_add_bytes(int fd, const char *name, mode_t mode, const void *bytes, size_t n,
                  struct err *err)
{
    static const char zeros[BLOCK];
    int r = put_head(fd, name, mode, n, err);

    if (r >= 0)
        r = fd_write_full(fd, bytes, n, err);
    if (r >= 0)
        r = fd_write_full(fd, zeros, (BLOCK - n % BLOCK) % BLOCK, err);
    return r < 0 ? err_wrap(err, "put %s into what goes out", name) : 0;
}

int tar_add_file(int fd, const char *name, mode_t mode, const char *from, struct err *err)
{
    _cleanup_(str_release) struct str bytes = STR_INIT;
    struct stat st;

    if (stat(from, &st) < 0)
        return err_errno(err, errno, "read %s", from);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_ENVIRONMENT, EINVAL, "%s is no regular file", from);
    int r = file_read(from, FILE_MAX, &bytes, err);
    return r < 0 ? r : tar_add_bytes(fd, name, mode, bytes.buf, bytes.len, err);
}

int tar_end(int fd, struct err *err)
{
    static const char zeros[2 * BLOCK];

    return fd_write_full(fd, zeros, sizeof(zeros), err);
}
