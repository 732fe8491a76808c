/* The frequency of this machine's time-stamp counter. A guest whose CPU QEMU emulates reads the
 * same counter, has nothing to calibrate it by, and hangs at its boot or counts in ticks of 4 ms
 * unless it is told.
 *
 * Layer: vm. */
#ifndef CUPEL_VM_TSC_H
#define CUPEL_VM_TSC_H

/* In kHz, measured against CLOCK_MONOTONIC over some 20 ms, in which the caller waits; 0: this kind
 * of machine has none. */
unsigned vm_tsc_khz(void);

#endif
