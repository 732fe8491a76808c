#include "base/cleanup.h"
#include "base/rand.h"
#include "stats/boot.h"
#include "stats/describe.h"
#include "stats/dist.h"
#include "stats/rank.h"
#include "stats/signflip.h"
#include "stats/simulate.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define near(a, b, eps) assert_float_equal((float)((a) - (b)), 0, (float)(eps))

static const double darwin[] = {6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75};

static void test_mean_flip_darwin(void **state)
{
    struct signflip f;

    assert_int_equal(signflip_test(darwin, 15, SIGNFLIP_MEAN, 1, &f, NULL), 0);
    assert_true(f.exact);
    assert_int_equal(f.flips, 32768);
    near(f.p, 1726. / 32768, 1e-15);
    assert_int_equal(signflip_test(darwin, 15, SIGNFLIP_SIGNED_RANK, 1, &f, NULL), 0);
    near(f.p, .041259765625, 1e-15);
    near(f.p_greater, .041259765625 / 2, 1e-15);
}

/* Every flip, spelled out, with ties and zeros in the data; those as far up as the data only, or as
 * far out. */
static double brute_force(const double *d, size_t n, bool above)
{
    double ranks[16], abs_d[16] = {0}, sign[16], observed = 0;
    size_t used = 0, hits = 0;

    for (size_t i = 0; i < n; i++)
        if (d[i] != 0) {
            sign[used] = d[i] > 0 ? 1 : -1;
            abs_d[used++] = fabs(d[i]);
        }
    describe_ranks(abs_d, used, ranks, NULL);
    for (size_t i = 0; i < used; i++)
        observed += sign[i] * ranks[i];
    for (size_t mask = 0; mask < (size_t)1 << used; mask++) {
        double sum = 0;
        for (size_t i = 0; i < used; i++)
            sum += mask >> i & 1 ? ranks[i] : -ranks[i];
        hits += (above ? sum >= observed - 1e-9 : fabs(sum) >= fabs(observed) - 1e-9) ? 1 : 0;
    }
    return (double)hits / (double)((size_t)1 << used);
}

static void test_rank_flip_ties(void **state)
{
    static const double d[] = {.3, -.1, .1, 0, .2, .2, -.3, 0, .4, .1};
    double random[14];
    struct signflip f;
    struct rng rng;

    assert_int_equal(signflip_test(d, 10, SIGNFLIP_SIGNED_RANK, 1, &f, NULL), 0);
    assert_true(f.exact);
    assert_int_equal(f.flips, 256);
    near(f.p, brute_force(d, 10, false), 1e-15);
    near(f.p_greater, brute_force(d, 10, true), 1e-15);
    rng_seed(&rng, 7);
    for (size_t k = 0; k < 50; k++) {
        size_t n = 1 + rng_below(&rng, 12);
        for (size_t i = 0; i < n; i++)
            random[i] = (double)rng_below(&rng, 9) - 3;
        assert_int_equal(signflip_test(random, n, SIGNFLIP_SIGNED_RANK, 1, &f, NULL), 0);
        near(f.p, brute_force(random, n, false), 1e-14);
        near(f.p_greater, brute_force(random, n, true), 1e-14);
    }
}

static void test_flip_large(void **state)
{
    double d[300];
    struct signflip f, again;
    struct rank_test t;
    struct rng rng;

    rng_seed(&rng, 3);
    for (size_t i = 0; i < 300; i++)
        d[i] = (double)rng_below(&rng, 1000003) - 470000;
    /* Without ties it is the signed-rank test. */
    assert_int_equal(signflip_test(d, 120, SIGNFLIP_SIGNED_RANK, 1, &f, NULL), 0);
    assert_int_equal(rank_signed_test(d, 120, RANK_EXACT, &t, NULL), 0);
    assert_true(f.exact);
    near(f.p, t.p_two, 1e-10);
    near(f.p_greater, t.p_greater, 1e-10);
    /* Beyond the counting limit it is drawn: close, seeded, never 0. */
    assert_int_equal(signflip_test(d, 300, SIGNFLIP_SIGNED_RANK, 1, &f, NULL), 0);
    assert_int_equal(rank_signed_test(d, 300, RANK_AUTO, &t, NULL), 0);
    assert_false(f.exact);
    assert_int_equal(f.flips, SIGNFLIP_DRAWS);
    near(f.p, t.p_two, 4 * sqrt(t.p_two / SIGNFLIP_DRAWS) + 1e-4);
    near(f.p_greater, t.p_greater, 4 * sqrt(t.p_greater / SIGNFLIP_DRAWS) + 1e-4);
    assert_int_equal(signflip_test(d, 300, SIGNFLIP_SIGNED_RANK, 1, &again, NULL), 0);
    near(f.p, again.p, 0);
    for (size_t i = 0; i < 300; i++)
        d[i] = 1 + (double)i;
    assert_int_equal(signflip_test(d, 300, SIGNFLIP_MEAN, 1, &f, NULL), 0);
    near(f.p_greater, 1e-5, 1e-12);
    near(f.p, 1e-5, 1e-12); /* (0 + 1)/(99 999 + 1) */
}

static void test_flip_edges(void **state)
{
    static const double zeros[] = {0, 0, 0}, one[] = {5}, bad[] = {1, INFINITY};
    struct signflip f;
    struct err err = ERR_INIT;

    assert_int_equal(signflip_test(zeros, 3, SIGNFLIP_SIGNED_RANK, 1, &f, NULL), 0);
    near(f.p, 1, 0);
    assert_int_equal(signflip_test(zeros, 0, SIGNFLIP_MEAN, 1, &f, NULL), 0);
    near(f.p, 1, 0);
    near(f.p_greater, 1, 0);
    assert_int_equal(signflip_test(one, 1, SIGNFLIP_SIGNED_RANK, 1, &f, NULL), 0);
    near(f.p, 1, 0);
    near(f.p_greater, .5, 0);
    assert_int_equal(signflip_test(bad, 2, SIGNFLIP_MEAN, 1, &f, &err), -EINVAL);
    assert_int_equal(err.kind, ERR_USAGE);
}

/* Efron's and Davison's kind of sample: sixteen, skewed. Reference from 10^6 draws. */
static void test_boot_reference(void **state)
{
    static const double y[] = {10, 12, 12.5, 12.5, 13.9, 15,  21,  22,
                               23, 34, 50,   81,   89,   121, 134, 213};
    struct boot b, again;

    assert_int_equal(boot_interval(y, 16, describe_mean, 1000000, .05, 1, &b, NULL), 0);
    near(b.basic_lo, 23.77, .005 * 23.77);
    near(b.basic_hi, 79.12, .005 * 79.12);
    near(b.percentile_lo, 28.86, .005 * 28.86);
    near(b.percentile_hi, 84.21, .005 * 84.21);
    near(b.bca_lo, 32.31, .005 * 32.31);
    near(b.bca_hi, 91.43, .005 * 91.43);
    assert_int_equal(boot_interval(y, 16, describe_mean, 2000, .05, 9, &b, NULL), 0);
    assert_int_equal(boot_interval(y, 16, describe_mean, 2000, .05, 9, &again, NULL), 0);
    near(b.bca_hi, again.bca_hi, 0);
}

static void test_boot_edges(void **state)
{
    static const double equal[] = {3, 3, 3, 3}, bad[] = {1, 2, NAN};
    struct boot b;
    struct err err = ERR_INIT;

    assert_int_equal(boot_interval(equal, 4, describe_mean, 1000, .05, 1, &b, NULL), 0);
    near(b.bca_lo, 3, 0);
    near(b.bca_hi, 3, 0);
    assert_int_equal(boot_interval(equal, 2, describe_mean, 1000, .05, 1, &b, &err), -ERANGE);
    assert_int_equal(boot_interval(bad, 3, describe_mean, 1000, .05, 1, &b, &err), -EINVAL);
    assert_int_equal(boot_interval(equal, 4, describe_mean, 10, .05, 1, &b, &err), -EINVAL);
    assert_int_equal(boot_interval(equal, 4, describe_mean, 1000, 2, 1, &b, &err), -EINVAL);
}

static void test_boot_geomean(void **state)
{
    enum { BLOCKS = 20, WORKLOADS = 3 };
    double d[BLOCKS * WORKLOADS];
    struct boot_geomean g;
    struct err err = ERR_INIT;
    struct rng rng;

    rng_seed(&rng, 5);
    for (size_t b = 0; b < BLOCKS; b++)
        for (size_t w = 0; w < WORKLOADS; w++)
            d[b * WORKLOADS + w] =
                .1 * (double)(w + 1) + .01 * ((double)rng_below(&rng, 201) / 100 - 1);
    for (size_t b = 8; b < BLOCKS; b++)
        d[b * WORKLOADS] = NAN; /* precise after eight blocks */
    assert_int_equal(boot_geomean(d, BLOCKS, WORKLOADS, 2000, .05, 1, &g, NULL), 0);
    near(g.estimate, .2, .003);
    assert_true(g.lo < .2 && .2 < g.hi);
    /* sd of a block .0058: three workloads, 8, 20 and 20 blocks. */
    assert_true(g.hi - g.lo > .002 && g.hi - g.lo < .006);
    for (size_t b = 0; b < 8; b++)
        d[b * WORKLOADS] = NAN;
    assert_int_equal(boot_geomean(d, BLOCKS, WORKLOADS, 2000, .05, 1, &g, &err), -ERANGE);
    assert_int_equal(boot_geomean(d, 5, WORKLOADS, 2000, .05, 1, &g, &err), -ERANGE);
    d[1] = INFINITY;
    d[0] = 0;
    assert_int_equal(boot_geomean(d, BLOCKS, WORKLOADS, 2000, .05, 1, &g, &err), -EINVAL);
}

/* Coverage at eight blocks, where a plain percentile interval has .91: four workloads that share
 * half of their variance through the launch, one of which dropped out early. */
static void test_boot_geomean_coverage(void **state)
{
    enum { BLOCKS = 9, WORKLOADS = 4, REPLICATES = 300 };
    size_t hits = 0;

    for (size_t k = 0; k < REPLICATES; k++) {
        double d[BLOCKS * WORKLOADS];
        struct boot_geomean g;
        struct sim_source s;
        sim_source_init(&s, SIM_LOGNORMAL, 8, k);
        for (size_t b = 0; b < BLOCKS; b++) {
            double launch = sim_pair(&s, .5);
            for (size_t w = 0; w < WORKLOADS; w++)
                d[b * WORKLOADS + w] = w == 0 && b >= 7 ? NAN : launch + sim_pair(&s, 0);
        }
        assert_int_equal(boot_geomean(d, BLOCKS, WORKLOADS, 1000, .05, k, &g, NULL), 0);
        hits += g.lo <= .5 && .5 <= g.hi ? 1 : 0;
    }
    assert_true((double)hits / REPLICATES >= .93);
    assert_true((double)hits / REPLICATES < .995);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mean_flip_darwin), cmocka_unit_test(test_rank_flip_ties),
        cmocka_unit_test(test_flip_large),       cmocka_unit_test(test_flip_edges),
        cmocka_unit_test(test_boot_reference),   cmocka_unit_test(test_boot_edges),
        cmocka_unit_test(test_boot_geomean),     cmocka_unit_test(test_boot_geomean_coverage),
    };

    stats_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
