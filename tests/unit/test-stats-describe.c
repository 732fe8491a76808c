#include "base/cleanup.h"
#include "stats/describe.h"
#include "stats/dist.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define near(a, b, eps) assert_float_equal((float)((a) - (b)), 0, (float)(eps))

/* NIST Statistical Reference Datasets, univariate: Michelson's speed of light (Mm/s), 1879, and
 * Mavrodineanu's filter transmittance. The certified values are NIST's. */
static const double michelso[] = {
    299.85, 299.74, 299.90, 300.07, 299.93, 299.85, 299.95, 299.98, 299.98, 299.88, 300.00, 299.98,
    299.93, 299.65, 299.76, 299.81, 300.00, 300.00, 299.96, 299.96, 299.96, 299.94, 299.96, 299.94,
    299.88, 299.80, 299.85, 299.88, 299.90, 299.84, 299.83, 299.79, 299.81, 299.88, 299.88, 299.83,
    299.80, 299.79, 299.76, 299.80, 299.88, 299.88, 299.88, 299.86, 299.72, 299.72, 299.62, 299.86,
    299.97, 299.95, 299.88, 299.91, 299.85, 299.87, 299.84, 299.84, 299.85, 299.84, 299.84, 299.84,
    299.89, 299.81, 299.81, 299.82, 299.80, 299.77, 299.76, 299.74, 299.75, 299.76, 299.91, 299.92,
    299.89, 299.86, 299.88, 299.72, 299.84, 299.85, 299.85, 299.78, 299.89, 299.84, 299.78, 299.81,
    299.76, 299.81, 299.79, 299.81, 299.82, 299.85, 299.87, 299.87, 299.81, 299.74, 299.81, 299.94,
    299.95, 299.80, 299.81, 299.87};
static const double mavro[] = {
    2.00180, 2.00170, 2.00180, 2.00190, 2.00180, 2.00170, 2.00150, 2.00140, 2.00150, 2.00150,
    2.00170, 2.00180, 2.00180, 2.00190, 2.00190, 2.00210, 2.00200, 2.00160, 2.00140, 2.00130,
    2.00130, 2.00150, 2.00150, 2.00160, 2.00150, 2.00140, 2.00130, 2.00140, 2.00150, 2.00140,
    2.00150, 2.00160, 2.00150, 2.00160, 2.00190, 2.00200, 2.00200, 2.00210, 2.00220, 2.00230,
    2.00240, 2.00250, 2.00270, 2.00260, 2.00260, 2.00260, 2.00270, 2.00260, 2.00250, 2.00240};

static void test_nist(void **state)
{
    size_t n = ARRAY_SIZE(michelso);

    near(describe_mean(michelso, n), 299.8524, 1e-10);
    near(describe_sd(michelso, n), .0790105478190518, 1e-13);
    near(describe_lag1(michelso, n), .535199668621283, 1e-10);
    n = ARRAY_SIZE(mavro);
    near(describe_mean(mavro, n), 2.001856, 1e-13);
    near(describe_variance(mavro, n), .000429123454003053 * .000429123454003053, 1e-17);
    near(describe_lag1(mavro, n), .937989183438248, 1e-9);
}

static void test_order(void **state)
{
    static const double y[] = {4, 1, 3, 2}, odd[] = {5, 100, 1, 2, 3};

    near(describe_median(y, 4), 2.5, 0);
    near(describe_median(odd, 5), 3, 0);
    near(describe_quantile(y, 4, .25), 1.75, 1e-15); /* type 7: 1 + .75 */
    near(describe_quantile(y, 4, .9), 3.7, 1e-12);
    near(describe_quantile(y, 4, 0), 1, 0);
    near(describe_quantile(y, 4, 1), 4, 0);
    near(describe_mad(odd, 5), 2, 0); /* distances 2, 97, 2, 1, 0 */
    near(describe_min(odd, 5), 1, 0);
    near(describe_max(odd, 5), 100, 0);
    near(y[0], 4, 0); /* the input keeps its order */
}

static void test_absent(void **state)
{
    static const double one[] = {7}, bad[] = {1, NAN, 3}, equal[] = {2, 2, 2, 2};

    assert_true(isnan(describe_mean(one, 0)));
    assert_true(isnan(describe_median(one, 0)));
    assert_true(isnan(describe_variance(one, 1)));
    near(describe_median(one, 1), 7, 0);
    assert_true(isnan(describe_median(bad, 3)));
    assert_true(isnan(describe_mean(bad, 3)));
    assert_true(isnan(describe_lag1(one, 1)));
    near(describe_lag1(equal, 4), 0, 0);
    assert_true(isnan(describe_quantile(equal, 4, 1.5)));
}

static void test_geomean(void **state)
{
    static const double y[] = {1, 2, 4, 8}, zero[] = {1, 0};

    near(describe_geomean(y, 4), 2 * sqrt(2), 1e-12);
    near(describe_harmonic(y, 4), 4 / 1.875, 1e-12);
    assert_true(isnan(describe_harmonic(zero, 2)));
    assert_true(isnan(describe_harmonic(y, 0)));
    assert_true(isnan(describe_geomean(zero, 2)));
    assert_true(isnan(describe_geomean(y, 0)));
}

static void test_ranks(void **state)
{
    static const double y[] = {30, 10, 20, 20, 10, 10};
    double ranks[6], ties;

    describe_ranks(y, 6, ranks, &ties);
    near(ranks[0], 6, 0);
    near(ranks[1], 2, 0);
    near(ranks[2], 4.5, 0);
    near(ranks[3], 4.5, 0);
    near(ties, 24 + 6, 0);
}

static void test_steadiness(void **state)
{
    double y[24];

    for (size_t i = 0; i < 24; i++)
        y[i] = 10 + .1 * (double)((i * 7) % 5);
    struct steadiness s = describe_steadiness(y, 24, .05);
    assert_true(s.steady);
    for (size_t i = 0; i < 8; i++)
        y[i] += 1;
    s = describe_steadiness(y, 24, .05);
    assert_false(s.steady);
    near(s.shift, 1, .11);
    assert_true(s.p < .001);
    /* Sure, but too small to matter. */
    s = describe_steadiness(y, 24, 2);
    assert_true(s.steady);
    /* The least that can be told at all: all of three beyond all of seven. */
    static const double ten[] = {20, 21, 22, 1, 2, 3, 4, 5, 6, 7};
    assert_false(describe_steadiness(ten, 10, 0).steady);
    assert_true(describe_steadiness(ten, 9, 0).steady);
    assert_true(isnan(describe_steadiness(ten, 9, 0).p));
}

static void test_overhead(void **state)
{
    near(overhead(12, 10), .2, 1e-15);
    near(overhead(8, 10), .2, 1e-15);
    near(degradation(12, 10, false), .2, 1e-15);
    near(degradation(8, 10, false), -.2, 1e-15);
    near(degradation(8, 10, true), .2, 1e-15);
    near(degradation(12, 10, true), -.2, 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nist),     cmocka_unit_test(test_order),
        cmocka_unit_test(test_absent),   cmocka_unit_test(test_geomean),
        cmocka_unit_test(test_ranks),    cmocka_unit_test(test_steadiness),
        cmocka_unit_test(test_overhead),
    };

    stats_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
