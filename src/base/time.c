#include "base/time.h"

#include "base/banned.h"

#include <limits.h>

static uint64_t clock_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t time_mono_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t time_real_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

uint64_t time_deadline(uint64_t ns)
{
    uint64_t sum;
    return __builtin_add_overflow(time_mono_ns(), ns, &sum) ? UINT64_MAX : sum;
}

int time_left_ms(uint64_t deadline_ns)
{
    uint64_t now = time_mono_ns();
    if (deadline_ns <= now)
        return 0;
    uint64_t ms = (deadline_ns - now - 1) / NS_PER_MS + 1;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

void time_iso(uint64_t real_ns, char dst[21])
{
    time_t s = (time_t)(real_ns / NS_PER_S);
    struct tm tm;
    /* The largest uint64_t of nanoseconds is the year 2554, so this always fits and never fails. */
    gmtime_r(&s, &tm);
    strftime(dst, 21, "%Y-%m-%dT%H:%M:%SZ", &tm);
}
