/* Kernels for guests, each with the initrd that it boots: out of the machine's own Debian archive,
 * unpacked and never installed, or one that the user names. They are made once and kept, in the
 * form of image/image.h:
 *
 *     <state>/guests/<key>/vmlinuz        a kernel
 *     <state>/guests/<key>/modules/       those of its modules that a guest may need
 *     <state>/guests/<key>/initrd         an initrd, under what is in it
 *     <state>/guests/<key>/what           one line for people
 *
 * Layer: vm (above image and ledger, below driver). Ownership: a `struct vm_kernel` is a plain
 * value; its files are there until vm_guests_release, which is the only thing that needs doing.
 *
 *     struct vm_guests g;
 *     struct vm_kernel k;
 *     vm_guests_init(&g, loop, ledger, state_dir, NULL, NULL);
 *     vm_kernel_get(&g, &(struct vm_wanted){.root = VM_ROOT_VIRTIOFS, .init = init}, &k, &err);
 *     ... boots k.image with k.initrd ...
 *     vm_guests_release(&g); */
#ifndef CUPEL_VM_KERNEL_H
#define CUPEL_VM_KERNEL_H

#include "base/err.h"
#include "base/fs.h"
#include "image/image.h"

#include <stdbool.h>

/* What the guest's root is on: which modules, and which of Debian's kernels. */
enum vm_root { VM_ROOT_VIRTIOFS, VM_ROOT_9P, VM_ROOT_BLOCK, VM_ROOT_COUNT };
/* "virtiofs", "9p", "block": the init's words for them, too. */
const char *vm_root_name(enum vm_root root);

struct vm_guests {
    struct image_store store;
    char dir[160];
};

/* say (may be NULL) hears of what takes long. Strings are copied. */
int vm_guests_init(struct vm_guests *g, struct loop *l, struct ledger *ledger,
                   const char *state_dir, void (*say)(void *user, const char *line), void *user,
                   struct err *err);
void vm_guests_release(struct vm_guests *g);

struct vm_wanted {
    enum vm_root root;
    const char *path; /* a kernel of the user's; its modules are in /lib/modules; NULL: Debian's */
    const char *init; /* the static program that becomes process 1: cupel-guest */
};

struct vm_kernel {
    char image[256];   /* what is booted */
    char initrd[256];  /* "" when asked of vm_kernel_have */
    char version[96];  /* "6.1.0-57-cloud-amd64" */
    char package[160]; /* "linux-image-6.1.0-57-cloud-amd64 6.1.192-3"; "": the user's own */
    char sha256[FS_SHA256_HEX]; /* of image */
    char key[FS_SHA256_HEX];    /* of both files: what boots with one boots with all of this key */
};

/* Fetches what is not there yet. ERR_USAGE: path is no kernel, or one of another architecture.
 * ERR_ENVIRONMENT: no kernel to be had here, with what can be done. ERR_UNSUPPORTED: the kernel
 * lacks a module that this root needs. */
int vm_kernel_get(struct vm_guests *g, const struct vm_wanted *w, struct vm_kernel *ret,
                  struct err *err);
/* Is one there without fetching or making anything? -ENOENT quietly. A path is looked at. */
int vm_kernel_have(const char *state_dir, const struct vm_wanted *w, struct vm_kernel *ret,
                   struct err *err);
/* The package whose newest version is fetched. */
int vm_kernel_package(enum vm_root root, char dst[64], struct err *err);

#endif
