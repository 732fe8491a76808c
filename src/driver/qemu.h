/* The pieces of the driver qemu: a machine of its own for each session, whose init starts the
 * probe.
 *
 * Layer: driver, internal. qemu.c starts and stops, qemu-inspect.c finds out what can be started
 * and with which options, qemu-guest.c runs the processes of one machine and listens to its
 * console, qemu-disk.c makes its disks, qemu-kvm.c knows whether KVM boots here, qemu-proof.c holds
 * the evidence. */
#ifndef CUPEL_DRIVER_QEMU_H
#define CUPEL_DRIVER_QEMU_H

#include "base/tail.h"
#include "driver/attribution.h"
#include "driver/ground.h"
#include "driver/tap.h"
#include "vm/kernel.h"
#include "vm/virtiofsd.h"
#include "vm/vmm.h"

#include <jansson.h>

/* Of a guest's memory. */
#define GUEST_MEMORY_LEAST (UINT64_C(96) << 20)
#define GUEST_MEMORY_MOST  (UINT64_C(1) << 40)

/* What the flags of a target say. */
struct qemu_options {
    enum vm_root root;     /* its platform */
    char kernel[256];      /* kernel=PATH; "": Debian's */
    char machine[16];      /* machine=NAME; "": the leanest */
    char cache[8];         /* cache=auto|always|none, of virtiofsd */
    uint64_t memory_bytes; /* memory=SIZE; 0: by default */
    bool accel_given;      /* accel=kvm|tcg */
    enum vm_accel accel;
};
int qemu_options_read(const struct target *t, struct qemu_options *ret, struct err *err);

/* driver.inspect. */
void qemu_inspect(struct site *s, const struct target *t, struct target_info *ret);
/* The init of a guest: beside the probe where that is installed, or in the folder of the build tree
 * next to its own. */
int qemu_find_init(const struct site *s, char *dst, size_t size, struct err *err);

/* A target made ready for a run: engine->own. */
struct qemu {
    struct qemu_options options;
    struct vm_guests guests;
    struct vm_kernel kernel;
    char machine[16];
    enum vm_accel accel;
    unsigned tsc_khz;
    struct virtiofsd server; /* of a root on virtiofs */
    char server_sha256[65];
    struct stat server_stat; /* when it was hashed */
};

/* A process beside QEMU. */
struct helper {
    struct live *live;
    pid_t pid; /* 0: none */
    struct loop_source *watch;
    bool exited;
};

/* What a machine says to us. */
struct voice {
    struct live *live;
    int fd; /* -1: none */
    struct loop_source *src;
    struct tail said;
    uint64_t bytes;
};

/* One machine: live->own. */
struct guest {
    struct helper servers[2]; /* of the root and of /data */
    struct voice console, servers_err;
    uint64_t memory_bytes;
    struct tap tap;      /* where it has a network */
    char image[256];     /* that its root stands on; "" none */
    char root_disk[256]; /* block: disk images; "" not made yet */
    char data_disk[200];
    char why[300]; /* scratch of live->why_ended */
};

/* l->own, of which nothing runs yet; freed by the caller after guest_forget. */
int guest_new(struct live *l, uint64_t memory_bytes, const char *image, struct err *err);
/* Makes what no clock has to see: disks, the way into the network, and the console, which is heard
 * from now on. */
int guest_prepare(struct live *l, struct err *err);
/* The part of it that makes disks, where its files are on some. */
int guest_make_disks(struct live *l, struct err *err);
/* Starts QEMU, and the file servers first, and follows all of them. Takes io's child ends as they
 * are; the caller closes them. */
int guest_boot(struct live *l, const struct stdio *io, const char *nonce, struct err *err);
/* The last that was heard from the machine, in words: its kernel's panic, its init's complaint, or
 * the last line of its console; "" nothing. */
const char *guest_words(const struct live *l, char *dst, size_t size);
/* Nothing of it runs any more: lets go of watches and descriptors, and removes sockets and console,
 * so that another can be prepared on the same ground. */
int guest_forget(struct live *l, struct err *err);
/* Does this kernel boot under KVM here? Asked once in each boot of the machine, by a real start;
 * remembered in <state>/guests/kvm. */
enum kvm_says { KVM_UNKNOWN, KVM_BOOTS, KVM_FAILS };
/* What is remembered; why (of KVM_FAILS) may be NULL. */
enum kvm_says qemu_kvm_recall(const struct site *s, const char *program_sha256,
                              const char *kernel_sha256, char *why, size_t size);
void qemu_kvm_remember(const struct site *s, const char *program_sha256, const char *kernel_sha256,
                       bool boots, const char *why);
/* 0 if /dev/kvm can be opened, else -errno quietly. */
int qemu_kvm_open(void);

/* Adds what is known of the machine to the evidence and compares. */
int qemu_prove(const struct live *l, const struct component_list *parts, json_t *evidence,
               bool exe_is_runtime, struct err *err);

#endif
