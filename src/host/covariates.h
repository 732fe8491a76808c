/* Readings of the machine's state, for differences over a trial. Files are opened once; a reading
 * takes some tens of µs, so it is taken between trials, never inside a slice.
 *
 * Layer: host. */
#ifndef CUPEL_HOST_COVARIATES_H
#define CUPEL_HOST_COVARIATES_H

#include "base/err.h"
#include "host/cgroup.h"

#include <stdbool.h>
#include <stdint.h>

struct monitor; /* open files of /proc/stat, /proc/pressure/cpu, /proc/vmstat, /dev/kmsg, cgroup */

struct reading {
    uint64_t mono_ns;
    uint64_t steal_ticks, busy_ticks, total_ticks; /* all CPUs, USER_HZ */
    uint64_t psi_cpu_us;                           /* UINT64_MAX: none */
    uint64_t swap_pages;
    uint64_t runnable;
    double loadavg;
    uint64_t own_cpu_ns;       /* of the run's cgroup; UINT64_MAX unknown */
    uint64_t kernel_log_lines; /* seen so far, but those of links; UINT64_MAX unknown */
};

/* Does a record of /dev/kmsg say no more than that a network link came, went or was renamed? Every
 * container with a network makes ten of them, and nothing is remarkable about that. */
bool kernel_log_is_of_links(const char *record);

/* path: the run's cgroup. Never fails for lack of one source. */
int monitor_open(const struct cgroups *c, const char *path, struct monitor **ret, struct err *err);
void monitor_read(struct monitor *m, struct reading *ret);
void monitor_close(struct monitor *m);

#endif
