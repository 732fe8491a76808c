/* Scores on inputs small enough to be computed by hand, and on one published log. */
#include "unit.h"

#include "stats/score.h"

#include <math.h>

#define near(a, b, eps) assert_true(fabs((a) - (b)) <= (eps))

static void blogbench(void **state)
{
    static const double ticks[] = {120, 80, 0, 40};
    near(score_blogbench(ticks, 4), 240, 0);
    near(score_blogbench_per_second(ticks, 4, 10), 6, 1e-12);
    assert_true(isnan(score_blogbench(ticks, 0)));
    assert_true(isnan(score_blogbench_per_second(ticks, 0, 10)));
    assert_true(isnan(score_blogbench_per_second(ticks, 4, 0)));
}

static void unixbench(void **state)
{
    /* Of ten the three lowest go, wherever they stand: 2^7 to 2^13 are left, their mean 2^10. */
    static const double ten[] = {8192, 1, 4096, 128, 2, 256, 512, 3, 1024, 2048};
    static const double two[] = {10, 1000};
    near(score_unixbench_rate(ten, 10), 1024, 1e-9);
    near(score_unixbench_rate(two, 2), 100, 1e-9); /* a third of two is none */
    near(score_unixbench_rate(two, 1), 10, 1e-12);
    assert_true(isnan(score_unixbench_rate(two, 0)));
    static const double dead[] = {10, 0, 12};
    assert_true(isnan(score_unixbench_rate(dead, 3)));
    near(score_unixbench_index(1500000), 1000, 1e-9);
    near(score_unixbench_index(15000), 10, 1e-12);
    assert_true(isnan(score_unixbench_index(0)));
}

static void ramspeed(void **state)
{
    /* Two processes, 8 GiB each, copied: 34359738368 bytes; 3 s and 5 s, so 4 s. */
    static const double times[] = {3e9, 5e9};
    near(score_ramspeed(4.0 * 8589934592.0, times, 2), 8589.934592, 1e-9);
    assert_true(isnan(score_ramspeed(1, times, 0)));
    static const double none[] = {0};
    assert_true(isnan(score_ramspeed(1, none, 1)));
}

static void linpack(void **state)
{
    near(score_linpack_flops(3), 36, 1e-12); /* 18 + 18 */
    near(score_linpack_flops(300), 18180000, 1e-6);
    /* A published log: N = 25000 in 27.327 s, 381.2373 GFlop/s; the time has five digits. */
    near(score_linpack_gflops(25000, 27.327), 381.2373, 0.007);
    assert_true(isnan(score_linpack_flops(0)));
    assert_true(isnan(score_linpack_gflops(25000, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blogbench),
        cmocka_unit_test(unixbench),
        cmocka_unit_test(ramspeed),
        cmocka_unit_test(linpack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
