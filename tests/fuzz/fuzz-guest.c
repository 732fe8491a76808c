/* What stands on both sides of a guest's boot: the head of a kernel's file, and the command line
 * that its init reads. Any bytes for both. */
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "guest/guest.h"
#include "vm/kernelfile.h"

#include <stdint.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* It becomes part of a path below /lib/modules. */
static void check_release(const struct kernel_file *f)
{
    if (!f->release[0] || f->release[0] == '.' || strchr(f->release, '/') || !f->machine[0])
        abort();
}

/* From a file that ends where the bytes do. */
static void read_kernel(const uint8_t *data, size_t size)
{
    struct kernel_file f;
    char path[64];
    _cleanup_fd_ int fd = memfd_create("kernel", MFD_CLOEXEC);
    if (fd < 0 || fd_write_full(fd, data, size, NULL) < 0)
        abort();
    str_format(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (kernel_file_read(path, &f, NULL) == 0)
        check_release(&f);
    /* In memory of exactly that size, so that a byte behind it is seen. */
    uint8_t *copy = xmalloc(size + 1); /* never of size 0 */
    memcpy(copy + 1, data, size);
    if (kernel_bytes_read(copy + 1, size, &f) == 0)
        check_release(&f);
    free(copy);
}

static void read_plan(const uint8_t *data, size_t size)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    struct guest_plan p;
    str_addn(&text, (const char *)data, size);
    if (size == 0 || guest_plan_read(text.buf, &p, NULL) < 0)
        return;
    size_t n = 0;
    while (p.argv[n])
        n++;
    if (n == 0 || n > GUEST_ARGS_MAX + 1 || p.argv[0][0] != '/')
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_kernel(data, size);
    read_plan(data, size);
    return 0;
}
