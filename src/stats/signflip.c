#include "stats/signflip.h"

#include "base/cleanup.h"
#include "base/rand.h"
#include "base/str.h"
#include "stats/describe.h"

#include <errno.h>
#include <math.h>

/* Every flip turns sum s = sum of +-w_i; the statistic is |s|, for ranks as for the mean: the rank
 * sum of the positives is (s + total)/2, so its distance from the centre is |s|/2. Sums that differ
 * only by rounding count as equal, else a flip could fail to match the data it equals. */
static double at_least(const double *w, size_t n, double observed)
{
    double total = 0;

    for (size_t i = 0; i < n; i++)
        total += w[i];
    return fabs(observed) - 1e-12 * total;
}

/* Where the flips that are as far up as what was observed begin: with the slack that bound has. */
static double from_above(double observed, double bound)
{
    return observed - fabs(observed) + bound;
}

/* Gray code: successive subsets differ in one sign. */
static struct signflip enumerate(const double *w, size_t n, double observed)
{
    uint64_t flips = UINT64_C(1) << n, hits = 0, above = 0, bits = 0;
    double sum = 0, bound = at_least(w, n, observed), from = from_above(observed, bound);

    for (size_t i = 0; i < n; i++)
        sum -= w[i];
    for (uint64_t k = 1;; k++) {
        hits += fabs(sum) >= bound;
        above += sum >= from;
        if (k == flips)
            break;
        unsigned i = (unsigned)__builtin_ctzll(k);
        sum += (bits >> i & 1) ? -2 * w[i] : 2 * w[i];
        bits ^= UINT64_C(1) << i;
    }
    return (struct signflip){(double)hits / (double)flips, (double)above / (double)flips, true,
                             flips};
}

/* Doubled midranks are whole numbers: the distribution of their signed-rank sum is built up one
 * rank at a time, as probabilities over 0 .. sum of doubled ranks. */
static struct signflip count_ranks(const double *ranks, size_t n, double observed)
{
    size_t total = n * (n + 1), reach = 0;
    _cleanup_free_ double *prob = xcalloc(total + 1, sizeof(*prob));
    double tail = 0, above = 0, bound = fabs(observed) - 1e-6, from = from_above(observed, bound);

    prob[0] = 1;
    for (size_t i = 0; i < n; i++) {
        size_t w = (size_t)lrint(2 * ranks[i]);
        for (size_t s = reach + w + 1; s-- > 0;) {
            double stay = s <= reach ? prob[s] : 0;
            prob[s] = (stay + (s >= w ? prob[s - w] : 0)) / 2;
        }
        reach += w;
    }
    for (size_t s = 0; s <= reach; s++) {
        double sum = (double)s - (double)reach / 2;
        if (fabs(sum) >= bound)
            tail += prob[s];
        if (sum >= from)
            above += prob[s];
    }
    return (struct signflip){fmin(1, tail), fmin(1, above), true, n < 64 ? UINT64_C(1) << n : 0};
}

static struct signflip draw(const double *w, size_t n, double observed, uint64_t seed)
{
    double bound = at_least(w, n, observed), from = from_above(observed, bound);
    uint64_t hits = 0, above = 0;
    struct rng rng;

    rng_seed(&rng, seed);
    for (size_t b = 0; b < SIGNFLIP_DRAWS; b++) {
        double sum = 0;
        for (size_t i = 0; i < n;) {
            uint64_t bits = rng_u64(&rng);
            for (size_t k = 0; k < 64 && i < n; k++, i++, bits >>= 1)
                sum += bits & 1 ? w[i] : -w[i];
        }
        hits += fabs(sum) >= bound;
        above += sum >= from;
    }
    return (struct signflip){(double)(hits + 1) / (SIGNFLIP_DRAWS + 1),
                             (double)(above + 1) / (SIGNFLIP_DRAWS + 1), false, SIGNFLIP_DRAWS};
}

int signflip_test(const double *d, size_t n, enum signflip_statistic statistic, uint64_t seed,
                  struct signflip *ret, struct err *err)
{
    _cleanup_free_ double *size = xmalloc((2 * n + 1) * sizeof(*size));
    double *weight = size + n, observed = 0;
    size_t used = 0;

    for (size_t i = 0; i < n; i++) {
        if (!isfinite(d[i]))
            return err_set(err, ERR_USAGE, EINVAL, "value %zu of %zu is not finite", i + 1, n);
        if (d[i] != 0) /* flipping a zero changes nothing */
            size[used++] = fabs(d[i]);
    }
    if (statistic == SIGNFLIP_SIGNED_RANK)
        describe_ranks(size, used, weight, NULL);
    else
        memcpy(weight, size, used * sizeof(*weight));
    for (size_t i = 0, k = 0; i < n; i++)
        if (d[i] != 0) {
            observed += d[i] > 0 ? weight[k] : -weight[k];
            k++;
        }

    if (used == 0)
        *ret = (struct signflip){1, 1, true, 1};
    else if (statistic == SIGNFLIP_SIGNED_RANK && used <= SIGNFLIP_COUNT_MAX)
        *ret = count_ranks(weight, used, observed);
    else if (used <= SIGNFLIP_ENUMERATE_MAX)
        *ret = enumerate(weight, used, observed);
    else
        *ret = draw(weight, used, observed, seed);
    return 0;
}
