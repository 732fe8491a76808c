/* What a kernel's file says of itself.
 *
 * Layer: vm, internal. */
#ifndef CUPEL_VM_KERNELFILE_H
#define CUPEL_VM_KERNELFILE_H

#include "base/err.h"

#include <stddef.h>

struct kernel_file {
    char machine[16]; /* as uname(2) has it: "x86_64", "i686", "aarch64" */
    char release[96]; /* "6.1.0-57-cloud-amd64" */
};

/* ERR_USAGE: not a kernel that can be booted as it is. */
int kernel_file_read(const char *path, struct kernel_file *ret, struct err *err);
/* The same of its bytes. -EINVAL quietly. */
int kernel_bytes_read(const unsigned char *bytes, size_t n, struct kernel_file *ret);

#endif
