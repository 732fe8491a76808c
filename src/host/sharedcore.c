/* Do two CPUs at times run on one physical core? A hypervisor may put two virtual CPUs there, and
 * says nothing of it: steal stays 0 while both run at about half speed. */
#include "base/time.h"
#include "host/cpus.h"
#include "host/machine.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define PROBE_NS   (500 * NS_PER_US)
#define MAX_ROUNDS 2000
#define SLOWED     1.4
#define N_SIDES    2

struct shared {
    pthread_barrier_t phase;
    atomic_int arrived; /* for the common start: nobody sleeps there, so both start within a µs */
    uint64_t steps;
    uint64_t deadline_ns;
    unsigned rounds;
    bool stop;
    uint64_t *alone[N_SIDES], *together[N_SIDES];
};

struct side {
    struct shared *s;
    int index, cpu;
};

static uint64_t thread_cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Chains of multiplications that do not wait for one another: one thread keeps its core's
 * multiplier busy all the time, so two threads on one core take twice as long (a mix of
 * instructions that leaves units idle shows 1.2 there). The time is the thread's CPU time: being
 * preempted by another process of this machine does not count. */
static uint64_t probe(uint64_t steps)
{
    uint64_t a = 1, b = 3, c = 5, d = 7, e = 9, f = 11, g = 13, h = 15;
    const uint64_t by = 0x9E3779B97F4A7C15u;
    uint64_t start = thread_cpu_ns();
    for (uint64_t i = 0; i < steps; i++) {
        a *= by;
        b *= by;
        c *= by;
        d *= by;
        e *= by;
        f *= by;
        g *= by;
        h *= by;
        __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
        __asm__ volatile("" : "+r"(e), "+r"(f), "+r"(g), "+r"(h));
    }
    return thread_cpu_ns() - start;
}

static void start_together(struct shared *s, unsigned round)
{
    int all = (int)(round + 1) * N_SIDES;
    atomic_fetch_add(&s->arrived, 1);
    /* The other may have been preempted: then this round starts late, or apart, which only ever
     * hides a sharing. */
    for (uint64_t spins = 0; atomic_load(&s->arrived) < all && spins < 5000000; spins++)
        ;
}

static void *run_side(void *user)
{
    struct side *side = user;
    struct shared *s = side->s;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(side->cpu, &one);
    (void)pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
    for (unsigned round = 0; round < MAX_ROUNDS; round++) {
        for (int turn = 0; turn < N_SIDES; turn++) {
            pthread_barrier_wait(&s->phase); /* who waits here sleeps */
            if (turn == side->index)
                s->alone[side->index][round] = probe(s->steps);
        }
        pthread_barrier_wait(&s->phase);
        start_together(s, round);
        s->together[side->index][round] = probe(s->steps);
        if (side->index == 0) {
            s->rounds = round + 1;
            s->stop = time_mono_ns() >= s->deadline_ns;
        }
        pthread_barrier_wait(&s->phase); /* makes rounds and stop known to both */
        if (s->stop)
            break;
    }
    return NULL;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The lower quartile: alone, a probe may still share a core with what else the hypervisor runs. */
static double usual(const uint64_t *v, unsigned n)
{
    _cleanup_free_ uint64_t *sorted = xreallocarray(NULL, n, sizeof(*sorted));
    memcpy(sorted, v, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), compare_u64);
    return (double)sorted[n / 4];
}

static double fraction(const struct shared *s)
{
    double limit[N_SIDES];
    unsigned slowed = 0;
    if (s->rounds == 0)
        return NAN;
    for (int i = 0; i < N_SIDES; i++)
        limit[i] = SLOWED * usual(s->alone[i], s->rounds);
    for (unsigned k = 0; k < s->rounds; k++)
        slowed += (double)s->together[0][k] > limit[0] && (double)s->together[1][k] > limit[1];
    return (double)slowed / s->rounds;
}

/* Steps of a probe of PROBE_NS; the first measurement warms up. */
static uint64_t calibrate(void)
{
    uint64_t steps = 20000, ns = 1;
    for (int i = 0; i < 3; i++)
        ns = probe(steps);
    return ns ? steps * PROBE_NS / ns + 1 : steps;
}

double machine_shared_core(const cpu_set_t *cpus, uint64_t budget_ns)
{
    struct shared s = {.deadline_ns = time_deadline(budget_ns), .steps = calibrate()};
    struct side sides[N_SIDES];
    pthread_t other;
    if (cpus_count(cpus) < N_SIDES || pthread_barrier_init(&s.phase, NULL, N_SIDES) != 0)
        return NAN;
    cpu_set_t before;
    bool restore = sched_getaffinity(0, sizeof(before), &before) == 0;
    for (int i = 0; i < N_SIDES; i++) {
        s.alone[i] = xcalloc(MAX_ROUNDS, sizeof(uint64_t));
        s.together[i] = xcalloc(MAX_ROUNDS, sizeof(uint64_t));
        sides[i] = (struct side){.s = &s, .index = i, .cpu = cpus_from_end(cpus, (size_t)i)};
    }
    double result = NAN;
    if (pthread_create(&other, NULL, run_side, &sides[1]) == 0) {
        run_side(&sides[0]);
        pthread_join(other, NULL);
        result = fraction(&s);
    }
    if (restore)
        (void)sched_setaffinity(0, sizeof(before), &before);
    for (int i = 0; i < N_SIDES; i++) {
        free(s.alone[i]);
        free(s.together[i]);
    }
    pthread_barrier_destroy(&s.phase);
    return result;
}
