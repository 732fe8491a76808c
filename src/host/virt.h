/* What this machine runs in.
 *
 * Layer: host, private to it: struct machine carries the answer. */
#ifndef CUPEL_HOST_VIRT_H
#define CUPEL_HOST_VIRT_H

#include <stdbool.h>
#include <stddef.h>

/* dst: the hypervisor ("kvm", "vmware", "xen", "hyperv", "wsl", ...; "vm" where there is one that
 * does not say which), else the container engine ("docker", "podman", "lxc", ...; "container"),
 * else "none". ret_container: are we in a container, in a virtual machine or not? */
void virt_detect(char *dst, size_t size, bool *ret_container);

#endif
