/* What Kata's programs say of themselves, and the names things have. Texts of other programs: taken
 * apart with care, bounded, no size taken from them.
 *
 * Layer: driver, internal to the drivers. */
#ifndef CUPEL_DRIVER_KATA_WORDS_H
#define CUPEL_DRIVER_KATA_WORDS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* A configuration file, in the words of `kata-env --json`. */
struct kata_config {
    char path[256];
    char hypervisor[256];         /* its program, or a script that calls one */
    char virtiofsd[256];          /* "" none */
    char kernel[256], image[256]; /* the guest's; image: or initrd */
    char vmm[16];                 /* "qemu", "clh", "fc", or what its program is called */
    char shared_fs[16];           /* "9p", "virtiofs", "none", or as Kata says it */
    bool sandbox_cgroup_only;
};

/* Reads what `kata-env --json` printed: another program's text. ERR_ENVIRONMENT names what is
 * missing in it. */
int kata_config_parse(const char *text, size_t n, struct kata_config *ret, struct err *err);
/* "qemu-9p": what a target calls it. */
void kata_platform(const struct kata_config *c, char *dst, size_t size);
/* The number in "kata-runtime  : 1.13.0"; 0: it is no Kata's. */
unsigned kata_major_version(const char *version_line);
#define KATA_SHIM "io.containerd.kata.v2"
/* "io.containerd.kata.v2", "io.containerd.kata-qemu.v2" */
bool kata_is_shim(const char *type);
/* The type of shim that a runtime's name means: its own, of "kata" the usual one; NULL: none of
 * Kata's. */
const char *kata_shim_type(const char *runtime);

#endif
