/* bench-quiet PROBE: what the controller costs while slices run: its CPU time in percent of a core,
 * and its wake-ups a slice (one: the answer). */
#include "bench.h"

#include "base/time.h"

#include <stdio.h>
#include <sys/resource.h>

#define SLICES   200
#define SLICE_NS (20 * NS_PER_MS)
#define CPU_MAX  .01

static uint64_t own_cpu_ns(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * NS_PER_S +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * NS_PER_US;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct loop *loop;
    struct bench_probe probe = {.workload = "sys.getpid", .cpu = bench_cpu()};
    struct subject s = bench_probe_subject(&probe);
    uint64_t cpu, wall, wakeups;
    double y, share, per_slice;
    int r;

    if (argc != 2 || loop_new(&loop, &err) < 0) {
        fprintf(stderr, "usage: bench-quiet PROBE\n");
        return 2;
    }
    probe.loop = loop;
    probe.path = argv[1];
    r = s.open(s.user, &err);
    for (int i = 0; i < 3 && r == 0; i++)
        r = s.slice(s.user, SLICE_NS, &y, &err);
    cpu = own_cpu_ns();
    wakeups = loop_wakeups(loop);
    wall = time_mono_ns();
    for (int i = 0; i < SLICES && r == 0; i++)
        r = s.slice(s.user, SLICE_NS, &y, &err);
    cpu = own_cpu_ns() - cpu;
    wall = time_mono_ns() - wall;
    wakeups = loop_wakeups(loop) - wakeups;
    s.close(s.user);
    loop_free(loop);
    if (r < 0) {
        fprintf(stderr, "bench-quiet: %s\n", err.msg);
        return 2;
    }
    share = (double)cpu / (double)wall;
    per_slice = (double)wakeups / SLICES;
    printf("controller while slices run: %.3f %% of a core (under 1 %%), %.2f wake-ups a slice (1: "
           "the "
           "answer): %s\n",
           100 * share, per_slice, share < CPU_MAX && per_slice <= 1 ? "ok" : "MISSED");
    return share < CPU_MAX && per_slice <= 1 ? 0 : 1;
}
