#include "host/elf.h"

#include "base/cleanup.h"
#include "base/str.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>

int elf_interpreter(const char *program, char dst[ELF_LOADER_MAX], struct err *err)
{
    _cleanup_fd_ int fd = open(program, O_RDONLY | O_CLOEXEC);
    Elf64_Ehdr h;
    dst[0] = '\0';
    if (fd < 0)
        return err_errno(err, errno, "read %s", program);
    if (pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h) ||
        memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 || h.e_ident[EI_CLASS] != ELFCLASS64)
        return err_set(err, ERR_UNSUPPORTED, ENOEXEC,
                       "%s is no 64-bit program (a script needs an image that has its interpreter)",
                       program);
    for (unsigned i = 0; i < h.e_phnum; i++) {
        Elf64_Phdr p;
        if (pread(fd, &p, sizeof(p), (off_t)(h.e_phoff + i * sizeof(p))) != (ssize_t)sizeof(p))
            break;
        if (p.p_type != PT_INTERP || p.p_filesz < 2 || p.p_filesz >= ELF_LOADER_MAX)
            continue;
        if (pread(fd, dst, p.p_filesz, (off_t)p.p_offset) != (ssize_t)p.p_filesz)
            dst[0] = '\0';
        dst[ELF_LOADER_MAX - 1] = '\0';
    }
    return 0;
}

/* Lines are "  libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)" or "  /lib64/ld... (0x...)".
 */
bool elf_next_library(char **at, struct elf_library *ret)
{
    while (*at && **at) {
        char *line = *at, *end = strchrnul(line, '\n');
        *at = *end ? end + 1 : end;
        *end = '\0';
        char *arrow = strstr(line, " => "), *path = arrow ? arrow + 4 : line + strspn(line, " \t");
        char *address = strstr(path, " (0x");
        if (address)
            *address = '\0';
        *ret = (struct elf_library){.path = path,
                                    .by_name = arrow != NULL,
                                    .line = line,
                                    .missing = arrow && str_starts(path, "not")};
        if (path[0] == '/' || ret->missing)
            return true;
    }
    return false;
}
