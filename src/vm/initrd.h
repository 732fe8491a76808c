/* The initrd of a guest: the init, the modules it loads, and their list.
 *
 *     /init  /modules  /modules.net  /m/<name>.ko
 *
 * Layer: vm, internal. */
#ifndef CUPEL_VM_INITRD_H
#define CUPEL_VM_INITRD_H

#include "vm/kernel.h"
#include "vm/module.h"

/* What a guest loads: for every machine and this root; and where it has a network. NULL-terminated,
 * as modules_pick takes them. */
const char *const *initrd_modules(enum vm_root root);
const char *const *initrd_net_modules(void);

/* The initrd of this init and the modules that it needs out of dir (/lib/modules/<release>, or a
 * kept kernel's), made if it is not kept yet. what: for people. ret_key: the hash of what is in it.
 */
int initrd_get(struct vm_guests *g, enum vm_root root, const char *init, const char *dir,
               const char *what, char ret_path[256], char ret_key[FS_SHA256_HEX], struct err *err);

#endif
