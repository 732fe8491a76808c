/* The modules of a kernel: which there are, and which others each needs.
 *
 * Layer: vm, internal. Ownership: both lists own their strings. Neither depmod's files nor modprobe
 * is needed: an unpacked package has none, and each module says itself what it depends on. */
#ifndef CUPEL_VM_MODULE_H
#define CUPEL_VM_MODULE_H

#include "base/err.h"
#include "base/vec.h"

struct module {
    char name[64]; /* as the kernel has it: with '_', without ".ko" */
    char *path;    /* NULL: built into the kernel */
};

struct modules {
    struct module *v;
    size_t n, cap;
};

/* All below a directory, and those of its list modules.builtin. */
int modules_scan(const char *dir, struct modules *ret, struct err *err);
void modules_release(struct modules *m);

/* Appends to picked what these need and they themselves, in the order of loading; what is built in
 * needs none. A name that begins with '?' may be missing; else ERR_UNSUPPORTED. */
int modules_pick(const struct modules *all, const char *const *names, struct modules *picked,
                 struct err *err);

/* A module's bytes, whichever way its file is compressed. */
int module_read(const char *path, struct str *ret, struct err *err);

#endif
