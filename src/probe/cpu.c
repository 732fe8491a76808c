/* cpu.prime: the event of `sysbench cpu`: how many of 3 .. limit-1 are prime, by trial division.
 *
 * Layer: probe. The arithmetic is that of sysbench's cpu_execute_event (64-bit modulo, divisors
 * from 2 while they are <= sqrt(c) as a double, stopping at the first one), so that rates compare
 * with `sysbench cpu --cpu-max-prime=LIMIT run`. This file is compiled by gcc with fixed flags. */
#include "probe/family.h"

#include <errno.h>
#include <math.h>

#define LIMIT_MAX 1000000

struct cpu_state {
    uint64_t limit;
    uint64_t primes; /* in [3, limit), by the sieve */
};

/* The answer by other means than the one that is measured. */
static uint64_t sieve_count(uint64_t limit)
{
    _cleanup_free_ unsigned char *composite = xcalloc(limit, 1);
    uint64_t n = 0;
    for (uint64_t i = 2; i < limit; i++) {
        if (composite[i])
            continue;
        n += i >= 3;
        for (uint64_t k = i * i; k < limit; k += i)
            composite[k] = 1;
    }
    return n;
}

static int cpu_prepare(struct job *job, struct err *err)
{
    int64_t limit;
    int r = job_num(job, "limit", 3, LIMIT_MAX, 10000, &limit, err);
    if (r < 0)
        return r;
    struct cpu_state *s = job->state;
    s->limit = (uint64_t)limit;
    s->primes = sieve_count(s->limit);
    return 0;
}

static int cpu_setup(struct job *job, struct err *err)
{
    job->state = xcalloc(1, sizeof(struct cpu_state));
    return 0;
}

static void cpu_teardown(struct job *job)
{
    free(job->state);
}

static uint64_t event(uint64_t limit)
{
    unsigned long long c, l, n = 0;
    double t;
    for (c = 3; c < limit; c++) {
        t = sqrt((double)c);
        for (l = 2; l <= t; l++)
            if (c % l == 0)
                break;
        if (l > t)
            n++;
    }
    return n;
}

static void prime_run(struct worker *w, uint64_t ops)
{
    const struct cpu_state *s = w->job->state;
    const volatile uint64_t *limit = &s->limit; /* read anew: events are not to be merged */
    uint64_t primes = 0;
    for (uint64_t i = 0; i < ops; i++)
        primes += event(*limit);
    w->tally[0] += primes;
}

static int prime_verify(struct job *job, struct frame_finished *fin, struct err *err)
{
    const struct cpu_state *s = job->state;
    uint64_t want = job_done(job) * s->primes, found = job_tally(job, 0);
    if (found != want)
        return err_set(err, ERR_MEASUREMENT, EPROTO, "%llu primes found, %llu expected",
                       (unsigned long long)found, (unsigned long long)want);
    str_format(fin->detail, sizeof(fin->detail), "%llu primes per event, as a sieve finds",
               (unsigned long long)s->primes);
    facts_add_num(&fin->facts, "primes_per_event", (int64_t)s->primes);
    return 0;
}

static const struct workload list[] = {
    {.name = "cpu.prime", .prepare = cpu_prepare, .run = prime_run, .verify = prime_verify},
};

const struct family family_cpu = {
    .name = "cpu",
    .list = list,
    .n = ARRAY_SIZE(list),
    .setup = cpu_setup,
    .teardown = cpu_teardown,
};
