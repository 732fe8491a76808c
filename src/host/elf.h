/* What a program of this machine needs to run: its loader, and its libraries as the loader lists
 * them.
 *
 * Layer: host. No state.
 *
 *     elf_interpreter("/usr/bin/x", loader, &err);           // "" for a static one
 *     // run `loader --list /usr/bin/x`, then
 *     while (elf_next_library(&at, &lib)) ... */
#ifndef CUPEL_HOST_ELF_H
#define CUPEL_HOST_ELF_H

#include "base/err.h"

#include <stdbool.h>

#define ELF_LOADER_MAX 256

/* The loader that a 64-bit ELF program names, "" for a static one. ERR_UNSUPPORTED for what is no
 * such program. */
int elf_interpreter(const char *program, char dst[ELF_LOADER_MAX], struct err *err);

struct elf_library {
    char *path;   /* absolute; in the text read */
    bool by_name; /* found by its name; else asked for by this path */
    char *line;   /* missing: what the loader says of it */
    bool missing;
};
/* The next one of what `loader --list` prints, which is cut up; false at the end. */
bool elf_next_library(char **at, struct elf_library *ret);

#endif
