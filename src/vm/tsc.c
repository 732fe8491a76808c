#include "vm/tsc.h"

#include "base/time.h"

#include <time.h>

#if defined(__x86_64__)
#include <stdint.h>
#include <x86intrin.h>

#define OVER_NS (20 * NS_PER_MS)
#define TRIES   5

/* Both clocks at once: of a few readings the one between whose two TSCs the least time passed,
 * since we may have been off the CPU in the others. */
static void read_both(uint64_t *tsc, uint64_t *ns)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < TRIES; i++) {
        uint64_t before = __rdtsc(), now = time_mono_ns(), after = __rdtsc();
        if (after - before < least) {
            least = after - before;
            *tsc = before + (after - before) / 2;
            *ns = now;
        }
    }
}

unsigned vm_tsc_khz(void)
{
    uint64_t tsc[2] = {0, 0}, ns[2] = {0, 0};
    struct timespec wait = {.tv_nsec = OVER_NS};
    read_both(&tsc[0], &ns[0]);
    clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, NULL);
    read_both(&tsc[1], &ns[1]);
    return (unsigned)((double)(tsc[1] - tsc[0]) * 1e6 / (double)(ns[1] - ns[0]) + 0.5);
}
#else
unsigned vm_tsc_khz(void)
{
    return 0;
}
#endif
