#include "base/rand.h"

#include "base/banned.h"

#include <sys/random.h>

#define GOLDEN_GAMMA UINT64_C(0x9e3779b97f4a7c15)

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void rng_seed(struct rng *r, uint64_t seed)
{
    r->state = seed;
}

void rng_stream(struct rng *r, uint64_t seed, uint64_t a, uint64_t b)
{
    /* Each word passes the mixer before the next is added: (1, 2) and (2, 1) are far apart. */
    uint64_t s = mix(seed + GOLDEN_GAMMA);
    s = mix(s + a + GOLDEN_GAMMA);
    r->state = mix(s + b + GOLDEN_GAMMA);
}

uint64_t rng_u64(struct rng *r)
{
    r->state += GOLDEN_GAMMA;
    return mix(r->state);
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
    if (n <= 1)
        return 0;
    uint64_t reject_below = -n % n; /* 2^64 mod n: what would make small results likelier */
    uint64_t x;
    do
        x = rng_u64(r);
    while (x < reject_below);
    return x % n;
}

void rng_shuffle(struct rng *r, size_t *idx, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)rng_below(r, i), t = idx[i - 1];
        idx[i - 1] = idx[j];
        idx[j] = t;
    }
}

uint64_t rng_entropy(void)
{
    uint64_t x = 0;
    if (getrandom(&x, sizeof(x), 0) == (ssize_t)sizeof(x))
        return x;
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return mix((uint64_t)ts.tv_nsec ^ ((uint64_t)ts.tv_sec << 30) ^ (uint64_t)getpid());
}
