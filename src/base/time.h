/* Clocks in nanoseconds. Layer: base. No state. */
#ifndef CUPEL_BASE_TIME_H
#define CUPEL_BASE_TIME_H

#include <stdint.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

/* CLOCK_MONOTONIC: what every duration and deadline here is counted in. */
uint64_t time_mono_ns(void);
/* CLOCK_REALTIME: only for stamps people read. */
uint64_t time_real_ns(void);
/* now + ns, saturating; the form of every deadline. */
uint64_t time_deadline(uint64_t ns);
/* Milliseconds left until deadline for poll(), rounded up, 0 when past, at most INT_MAX. */
int time_left_ms(uint64_t deadline_ns);
/* "2026-01-31T12:00:00Z" from CLOCK_REALTIME ns. */
void time_iso(uint64_t real_ns, char dst[21]);

#endif
