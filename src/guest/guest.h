/* The init of a virtual machine: process 1 of a guest whose kernel and initrd cupel chose. It loads
 * modules, mounts what the kernel's command line names, starts one program and switches the machine
 * off when that ends.
 *
 * Layer: guest (base and libc alone; one static program). Ownership: a `struct guest_plan` points
 * into the text that it was read from.
 *
 * Words of the command line (others are left to the kernel):
 *     cupel.root=virtiofs|9p|block   what / is: the share tagged "root", or the disk of that serial
 *                                    number, read only, under a layer that is written
 *     cupel.options=WORDS            options of the share's mounts, as mount(2) has them
 *     cupel.data=1                   /data too: the share tagged "data", or data/ of a disk "data",
 *                                    on which the layer is then (else it is in memory)
 *     cupel.tmpfs=BYTES              size of /tmp
 *     cupel.net=ADDRESS/PREFIX[,GATEWAY[,MTU]]   eth0
 *     cupel.prog=PATH                what is started, in the new root; absolute
 *     cupel.arg=WORD                 and its arguments, in this order
 *
 * Its standard input and output are the virtio-serial port "cupel.frames", standard error is
 * "cupel.errors". What the init has to say goes to the console, one line that begins with
 * "cupel-guest: ": the failure, or how the program ended ("exit 0", "signal 9"). */
#ifndef CUPEL_GUEST_GUEST_H
#define CUPEL_GUEST_GUEST_H

#include "base/err.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_ARGS_MAX 16
/* How long a device may take to appear once its driver is there: slow where the CPU is emulated. */
#define GUEST_DEVICE_S 20

#define GUEST_PORT_FRAMES "cupel.frames"
#define GUEST_PORT_ERRORS "cupel.errors"

enum guest_root { GUEST_ROOT_VIRTIOFS, GUEST_ROOT_9P, GUEST_ROOT_BLOCK, GUEST_ROOT_COUNT };

struct guest_net {
    bool on;
    struct in_addr address, mask, gateway; /* gateway 0: none */
    unsigned mtu;                          /* 0: the driver's */
};

struct guest_plan {
    enum guest_root root;
    const char *options; /* "" none */
    bool data;
    uint64_t tmpfs_bytes;
    struct guest_net net;
    const char *argv[GUEST_ARGS_MAX + 2]; /* [0] the program; NULL-terminated */
};

/* Reads the words, taking text apart in place. ERR_USAGE names the word. */
int guest_plan_read(char *text, struct guest_plan *ret, struct err *err);

/* Loads what is listed in `list`, one path a line, in that order, and removes each file. What is
 * built into the kernel or there already is no failure. */
int guest_load_modules(const char *list, struct err *err);

/* proc, sysfs and devtmpfs of the initrd; and away with them before its root is left. */
int guest_mount_early(struct err *err);
/* Mounts the root, makes it / and furnishes it as a container is: /proc /sys /dev /tmp /data. */
int guest_enter_root(const struct guest_plan *p, struct err *err);

/* lo, and eth0 if it is wanted. */
int guest_net_up(const struct guest_net *net, struct err *err);

/* Events of devices, listened to from now on. */
int guest_devices_open(struct err *err);
/* Opens the virtio-serial port of this name when it is there and the host has opened its end. */
int guest_port_open(int devices, const char *name, struct err *err);
/* The device node of the virtio disk with this serial number, when it is there. */
int guest_disk_find(int devices, const char *serial, char *dst, size_t size, struct err *err);

#endif
