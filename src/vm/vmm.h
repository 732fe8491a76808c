/* What a virtual machine monitor has to be able to do for cupel, and the machine it is asked for.
 *
 * A VMM is a const table: what its program says of itself, and the command line that starts a
 * machine of a given shape in the foreground. Whoever runs that command line (driver/) gives it the
 * session's directory as its working directory, so that sockets and disks have short names, and
 *
 *     standard input and output     the guest's port "cupel.frames"
 *     standard error                the guest's port "cupel.errors", and the VMM's own words
 *     the FIFO "console"            the guest's console
 *
 * Layer: vm. Ownership: a `struct vm_command` owns its words.
 *
 *     struct vm_command c = {0};
 *     vmm_qemu.command(&shape, &c);
 *     ... executes c.argv ...
 *     vm_command_release(&c); */
#ifndef CUPEL_VM_VMM_H
#define CUPEL_VM_VMM_H

#include "base/loop.h"
#include "vm/kernel.h"

enum vm_accel { VM_ACCEL_TCG, VM_ACCEL_KVM, VM_ACCEL_COUNT };
/* "tcg", "kvm". */
const char *vm_accel_name(enum vm_accel a);

/* Names below the working directory. */
#define VM_CONSOLE "console"

struct vm_shape {
    const char *name;    /* on its command line, for people and clean-up: the session's id */
    const char *program; /* absolute path of the VMM */
    const char *machine; /* "microvm", ...: one of those its program has */
    enum vm_accel accel;
    unsigned cpus;
    uint64_t memory_bytes;
    const char *kernel, *initrd;
    const char *words; /* for the guest's init: "cupel.root=..." */
    unsigned tsc_khz;  /* this machine's; 0: nothing to tell the guest */
    enum vm_root root;
    /* virtiofs: sockets of the file servers; 9p: directories; block: disk images, the first only
     * read. data NULL: none. */
    const char *root_source, *data_source;
    const char *tap, *mac; /* of its eth0; NULL: no network */
};

#define VM_ARGS_MAX 96

struct vm_command {
    const char *argv[VM_ARGS_MAX + 1]; /* owned, NULL-terminated */
    size_t n;
};
void vm_command_add(struct vm_command *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void vm_command_release(struct vm_command *c);

struct vmm_facts {
    char version[96]; /* first line of --version, printable */
    char machine[16]; /* the leanest that it has of those we can use */
    bool accel[VM_ACCEL_COUNT];
};

struct vmm {
    const char *name;
    const char *package; /* Debian's, on this kind of machine; NULL: none */
    const char *program; /* looked for on the PATH */
    /* Asks the program at path. machine: the one the user wants, "" any; one that it lacks is
     * ERR_UNSUPPORTED. */
    int (*ask)(struct loop *l, const char *path, const char *machine, struct vmm_facts *ret,
               struct err *err);
    void (*command)(const struct vm_shape *s, struct vm_command *ret);
    /* The options of the guest's mounts of its shares, as mount(2) has them; "" none. */
    const char *(*mount_options)(enum vm_root root);
};

extern const struct vmm vmm_qemu;

#endif
