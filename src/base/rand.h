/* A small seeded generator (SplitMix64) for schedules and identifiers: the same seed gives the same
 * schedule on every machine and in every version, which a library's generator does not promise.
 * The simulations and bootstraps of stats use it for the same reason.
 *
 * Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
 * Layer: base. */
#ifndef CUPEL_BASE_RAND_H
#define CUPEL_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t state;
};

void rng_seed(struct rng *r, uint64_t seed);
/* An independent stream for (seed, a, b): e.g. run seed, block, workload. */
void rng_stream(struct rng *r, uint64_t seed, uint64_t a, uint64_t b);
uint64_t rng_u64(struct rng *r);
/* Uniform in [0, n), without modulo bias; n >= 1. */
uint64_t rng_below(struct rng *r, uint64_t n);
/* Fisher-Yates over indices. */
void rng_shuffle(struct rng *r, size_t *idx, size_t n);
/* A seed from getrandom(2). */
uint64_t rng_entropy(void);

#endif
