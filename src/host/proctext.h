/* The texts of /proc/PID/stat and /proc/PID/cgroup: a process chooses its name, and whoever makes
 * control groups chooses theirs.
 *
 * Layer: host, for proctable.c; apart, so that a fuzzer reaches it. */
#ifndef CUPEL_HOST_PROCTEXT_H
#define CUPEL_HOST_PROCTEXT_H

#include "host/proctable.h"

/* Fills all but `groups` from the text of stat, which it cuts up. False, and *ret untouched, if it
 * is none, or of a zombie. */
bool proc_stat_parse(char *text, struct proc_entry *ret);

/* Cuts "id:controllers:path" lines down to paths, in place, repetitions in sequence left out. A
 * line without its end is left out too, since half a path names another group. Returns the new
 * length. */
size_t proc_groups_cut(char *text);

#endif
