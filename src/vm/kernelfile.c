/* Formats: Documentation/arch/x86/boot.rst ("HdrS"), Documentation/arch/arm64/booting.rst, ELF. */
#include "vm/kernelfile.h"

#include "base/cleanup.h"
#include "base/str.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define FILE_MAX (512u << 20)

static unsigned at16(const unsigned char *p)
{
    return p[0] | (unsigned)p[1] << 8;
}

/* The first word of a text that need not end. */
static void first_word(const unsigned char *at, const unsigned char *end, char *dst, size_t size)
{
    size_t n = 0;
    while (at + n < end && at[n] > ' ' && at[n] < 0x7f && n < size - 1)
        n++;
    str_format(dst, size, "%.*s", (int)n, (const char *)at);
}

static void find_release(const unsigned char *bytes, size_t n, struct kernel_file *f)
{
    static const char banner[] = "Linux version ";
    const unsigned char *end = bytes + n;
    const unsigned char *at = memmem(bytes, n, banner, sizeof(banner) - 1);
    if (at)
        first_word(at + sizeof(banner) - 1, end, f->release, sizeof(f->release));
}

static bool read_x86(const unsigned char *b, size_t n, struct kernel_file *f)
{
    if (n < 0x238 || memcmp(b + 0x202, "HdrS", 4) != 0)
        return false;
    size_t version = at16(b + 0x20e) + 0x200u;
    str_copy(f->machine, sizeof(f->machine), at16(b + 0x236) & 1 ? "x86_64" : "i686");
    if (version < n)
        first_word(b + version, b + n, f->release, sizeof(f->release));
    return true;
}

static bool read_arm64(const unsigned char *b, size_t n, struct kernel_file *f)
{
    if (n < 64 || memcmp(b + 0x38, "ARM\x64", 4) != 0)
        return false;
    str_copy(f->machine, sizeof(f->machine), "aarch64");
    find_release(b, n, f);
    return true;
}

static bool read_elf(const unsigned char *b, size_t n, struct kernel_file *f)
{
    if (n < sizeof(Elf64_Ehdr) || memcmp(b, ELFMAG, SELFMAG) != 0)
        return false;
    switch (at16(b + offsetof(Elf64_Ehdr, e_machine))) {
    case EM_X86_64:
        str_copy(f->machine, sizeof(f->machine), "x86_64");
        break;
    case EM_AARCH64:
        str_copy(f->machine, sizeof(f->machine), "aarch64");
        break;
    default:
        str_format(f->machine, sizeof(f->machine), "ELF machine %u",
                   at16(b + offsetof(Elf64_Ehdr, e_machine)) % 1000);
    }
    find_release(b, n, f);
    return true;
}

int kernel_bytes_read(const unsigned char *bytes, size_t n, struct kernel_file *ret)
{
    struct kernel_file f = {.machine = ""};
    if (!read_x86(bytes, n, &f) && !read_arm64(bytes, n, &f) && !read_elf(bytes, n, &f))
        return -EINVAL;
    /* It becomes part of a path. */
    if (!f.release[0] || f.release[0] == '.' || strchr(f.release, '/'))
        return -EINVAL;
    *ret = f;
    return 0;
}

int kernel_file_read(const char *path, struct kernel_file *ret, struct err *err)
{
    struct stat st;
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(err, errno, "open the kernel %s", path);
    if (!S_ISREG(st.st_mode) || st.st_size == 0 || st.st_size > FILE_MAX)
        return err_set(err, ERR_USAGE, EINVAL, "%s is no Linux kernel", path);
    size_t n = (size_t)st.st_size;
    unsigned char *bytes = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return err_errno(err, errno, "read the kernel %s", path);
    int r = kernel_bytes_read(bytes, n, ret);
    munmap(bytes, n);
    if (r < 0)
        return err_set(err, ERR_USAGE, EINVAL,
                       "%s is no Linux kernel that can be booted as it is (bzImage, Image or ELF)",
                       path);
    return 0;
}
