/* CPU sets as text and as sets.
 *
 * Layer: host. Pure functions; CPU numbers are those of the kernel, below CPU_SETSIZE (1024). */
#ifndef CUPEL_HOST_CPUS_H
#define CUPEL_HOST_CPUS_H

#include "base/err.h"

#include <sched.h>
#include <stddef.h>

/* "0-2,5" -> set; and back, ranges joined. Parsing stops at a newline, so a line of /sys can be
 * passed as it is; an empty text is the empty set. Errors: ERR_USAGE. A text that does not fit is
 * cut. */
int cpus_parse(const char *text, cpu_set_t *ret, struct err *err);
void cpus_format(const cpu_set_t *set, char *dst, size_t size);
size_t cpus_count(const cpu_set_t *set);
/* The k-th CPU of the set counted from its end (0: the highest number); -1 if there is none.
 * Measured work is put at the end: interrupts and daemons tend to live at the start. */
int cpus_from_end(const cpu_set_t *set, size_t k);

#endif
