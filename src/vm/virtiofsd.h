/* virtiofsd, the file server of a share: QEMU's own in C (up to QEMU 7) or the one in Rust.
 *
 * Layer: vm. */
#ifndef CUPEL_VM_VIRTIOFSD_H
#define CUPEL_VM_VIRTIOFSD_H

#include "vm/vmm.h"

struct virtiofsd {
    char path[256];
    char version[96];
    char cache[8]; /* "auto", "always", "none" */
    bool rust;
};

/* Looks on the PATH and where distributions put it, and asks what it is. ERR_UNSUPPORTED: none. */
int virtiofsd_find(struct loop *l, struct virtiofsd *ret, struct err *err);
/* Serves the directory (absolute) to the first that connects to the socket that listens on its
 * standard input; ends with that connection. */
void virtiofsd_command(const struct virtiofsd *v, const char *dir, struct vm_command *ret);

#endif
