/* What this machine is: the metadata stored with every run and printed by doctor.
 *
 * Layer: host. machine_read never fails as a whole: what cannot be read is "" or 0 and said so.
 * Ownership: plain data; `json` forms are strings the caller frees. */
#ifndef CUPEL_HOST_MACHINE_H
#define CUPEL_HOST_MACHINE_H

#include "base/str.h"
#include "host/cgroup.h"

#include <stdbool.h>
#include <stdint.h>

struct machine {
    char id[65]; /* SHA-256 of /etc/machine-id salted with "cupel" (never the id itself); or
                    of host name and boot-stable hardware ids where there is none */
    char hostname[65];
    char os[96];     /* PRETTY_NAME */
    char kernel[96]; /* release */
    char kernel_version[160];
    char arch[16];
    char cmdline[512];
    char cpu_model[96];
    char microcode[24];
    unsigned cpus_online, cpus_usable, threads_per_core;
    uint64_t memory_bytes, available_bytes, swap_bytes;
    uint64_t llc_bytes; /* last-level cache, 0 unknown */
    uint64_t page_bytes, huge_page_bytes;
    char thp[16], ksm[8], governor[24], clocksource[24], mitigations[64];
    char virtualisation[24]; /* "none", "kvm", "docker", "wsl", ... */
    bool in_container;
    bool kvm_device; /* /dev/kvm can be opened */
    bool psi;        /* /proc/pressure is there */
    bool is_root;
    uint64_t clock_ns; /* cost of one clock_gettime(CLOCK_MONOTONIC), median of many */
    uint64_t uptime_s;
    struct cgroups cgroups;
};

void machine_read(struct machine *m);
/* How many times as long as elsewhere others may take to start and to end here: 1, and 4 where the
 * CPU is emulated (QEMU without a hypervisor), which is some twenty times as slow. */
unsigned machine_patience(const struct machine *m);
/* JSON object text (malloced). */
char *machine_json(const struct machine *m);

/* Containers on this machine that are not ours: counted by shims and runtimes' state, never
 * touched. Appends a short description of each ("docker: 3f2a…", "runc: web") to names when not
 * NULL, newline separated; returns the count. */
int machine_foreign_containers(struct str *names);

/* Fraction of short probes in which two CPUs ran as if on one physical core (both slowed by more
 * than 1.4 against alone); NAN with one CPU. The two last CPUs of the set are tried, where measured
 * work is put; SMT siblings among them give 1. Takes about `budget_ns`. Used by doctor and before a
 * run. */
double machine_shared_core(const cpu_set_t *cpus, uint64_t budget_ns);

#endif
