/* Reference values from the books and the papers that introduced the methods. */
#include "base/cleanup.h"
#include "stats/dist.h"
#include "stats/rank.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define near(a, b, eps) assert_float_equal((float)((a) - (b)), 0, (float)(eps))

/* Hollander, Wolfe: depression scale factor, first and second visit of nine patients. */
static const double hw_x[] = {1.83, .50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30};
static const double hw_y[] = {.878, .647, .598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29};

/* Darwin's maize: height differences in eighths of an inch, cross- less self-fertilised. */
static const double darwin[] = {6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75};

static void hollander_wolfe(double *ret)
{
    for (size_t i = 0; i < 9; i++)
        ret[i] = hw_x[i] - hw_y[i];
}

static void test_hollander_wolfe(void **state)
{
    double d[9], reversed[9];
    struct rank_test t;
    struct rank_interval ci;

    hollander_wolfe(d);
    assert_int_equal(rank_signed_test(d, 9, RANK_AUTO, &t, NULL), 0);
    assert_true(t.exact);
    near(t.statistic, 40, 1e-12);
    near(t.p_greater, 10. / 512, 1e-12);
    near(t.p_two, .0390625, 1e-12);
    assert_int_equal(rank_signed_test(d, 9, RANK_NORMAL, &t, NULL), 0);
    assert_false(t.exact);
    near(t.p_greater, .01908, 5e-6);
    for (size_t i = 0; i < 9; i++)
        reversed[i] = -d[i];
    assert_int_equal(rank_signed_test(reversed, 9, RANK_AUTO, &t, NULL), 0);
    near(t.statistic, 5, 1e-12);
    near(t.p_less, 10. / 512, 1e-12);

    assert_int_equal(rank_hl(d, 9, .05, &ci, NULL), 0);
    near(ci.estimate, .46, 1e-9);
    near(ci.lo, .01, 1e-9);
    near(ci.hi, .786, 1e-9);
    near(ci.level, .9609375, 1e-12);
    assert_int_equal(ci.lo_rank, 6);
    assert_int_equal(ci.hi_rank, 40);
    near(rank_hl_estimate(d, 9), .46, 1e-9);
}

static void test_darwin(void **state)
{
    struct rank_test t;
    struct rank_interval ci;

    assert_int_equal(rank_signed_test(darwin, 15, RANK_EXACT, &t, NULL), 0);
    near(120 - t.statistic, 24, 1e-12);
    near(t.p_two, .041259765625, 1e-12);
    assert_int_equal(rank_hl(darwin, 15, .05, &ci, NULL), 0);
    near(ci.estimate, 25, 1e-9);
    near(ci.lo, 4, 1e-9);
    near(ci.hi, 41.5, 1e-9);
    near(ci.level, .9521, 5e-5);
}

static void test_iowa_state(void **state)
{
    static const double y[] = {31, 32, 20, 36, 23, 24, 27, 28, 30};
    double d[9];
    struct rank_test t;
    struct rank_interval ci;

    for (size_t i = 0; i < 9; i++)
        d[i] = y[i] - 27;
    /* One zero and ties: eight values remain, and the corrected normal serves. */
    assert_int_equal(rank_signed_test(d, 9, RANK_AUTO, &t, NULL), 0);
    assert_false(t.exact);
    assert_int_equal(t.n, 8);
    near(t.statistic, 22, 1e-12);
    /* The book looks T+ up in the table for eight values without ties. */
    near(dist_psignrank(t.statistic - 1, 8, false), .320, 5e-4);
    /* At 94.6 % the interval starts at the 7th Walsh average. */
    rank_hl_at(y, 9, 7, 1 - 2 * dist_psignrank(6, 9, true), &ci);
    near(ci.estimate, 28, 1e-9);
    near(ci.lo, 24, 1e-9);
    near(ci.hi, 31.5, 1e-9);
    near(ci.level, .946, 1e-3);
}

static void test_ties(void **state)
{
    static const double d[] = {.3, -.1, .1, 0, .2, .2, -.3, 0, .4, .1};
    static const double zeros[] = {0, 0, 0};
    struct rank_test t;
    struct err err = ERR_INIT;

    assert_int_equal(rank_signed_test(d, 10, RANK_AUTO, &t, NULL), 0);
    assert_false(t.exact);
    assert_int_equal(t.n, 8);
    near(t.statistic, 27.5, 1e-12);
    near(t.p_two, .20421927, 5e-8);
    assert_int_equal(rank_signed_test(d, 10, RANK_EXACT, &t, &err), -EINVAL);
    assert_int_equal(err.kind, ERR_USAGE);
    assert_int_equal(rank_signed_test(zeros, 3, RANK_AUTO, &t, NULL), 0);
    near(t.p_two, 1, 0);
}

static void test_rank_sum(void **state)
{
    static const double x[] = {.80, .83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, .73, 1.46};
    static const double y[] = {1.15, .88, .90, .74, 1.21};
    struct rank_test t, back;

    assert_int_equal(rank_sum_test(x, 10, y, 5, RANK_AUTO, &t, NULL), 0);
    assert_true(t.exact);
    near(t.statistic, 35, 1e-12);
    near(t.p_greater, .1272061, 5e-8);
    assert_int_equal(rank_sum_test(y, 5, x, 10, RANK_AUTO, &back, NULL), 0);
    near(back.statistic, 15, 1e-12);
    near(back.p_less, t.p_greater, 1e-12);
    assert_int_equal(rank_sum_test(x, 10, y, 0, RANK_AUTO, &t, NULL), -ERANGE);
}

static void test_qsignrank(void **state)
{
    static const struct {
        size_t n;
        double q;
    } known[] = {{6, 1},   {8, 4},    {9, 6},    {10, 9},     {15, 26},   {20, 53},
                 {25, 90}, {30, 138}, {50, 435}, {100, 1956}, {200, 8445}};

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        assert_int_equal((int)dist_qsignrank(.025, known[i].n), (int)known[i].q);
    /* The normal approximation takes over without a step. */
    near(dist_psignrank(dist_qsignrank(.025, 501), 501, true), .025, 1e-4);
    near(dist_qsignrank(.025, 501) / dist_qsignrank(.025, 500), 501. * 502 / (500. * 501), 1e-3);
}

static void test_median_ranks(void **state)
{
    static const struct {
        size_t n, lo, hi;
        double level;
    } known[] = {{6, 1, 6, .96875},     {10, 2, 9, .978516},   {20, 6, 15, .958611},
                 {30, 10, 21, .957226}, {50, 18, 33, .967161}, {100, 40, 61, .9648}};
    double y[100];
    struct rank_interval ci;
    struct err err = ERR_INIT;

    for (size_t i = 0; i < 100; i++)
        y[i] = (double)((i * 37) % 100); /* not in order */
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        assert_int_equal(rank_median(y, known[i].n, .05, &ci, NULL), 0);
        assert_int_equal(ci.lo_rank, known[i].lo);
        assert_int_equal(ci.hi_rank, known[i].hi);
        near(ci.level, known[i].level, 5e-6 + (known[i].n == 100 ? 4e-5 : 0));
    }
    near(ci.lo, 39, 0);
    near(ci.hi, 60, 0);
    near(ci.estimate, 49.5, 0);
    assert_int_equal(rank_median(y, 5, .05, &ci, &err), -ERANGE);
    assert_int_equal(err.kind, ERR_MEASUREMENT);
}

static void test_quantile_least_n(void **state)
{
    double y[400];
    struct rank_interval ci;

    assert_int_equal(rank_quantile_min_n(.9, .05), 36);
    assert_int_equal(rank_quantile_min_n(.99, .05), 368);
    assert_int_equal(rank_quantile_min_n(.999, .05), 3688);
    assert_int_equal(rank_quantile_min_n(.5, .05), 6);
    for (size_t i = 0; i < 400; i++)
        y[i] = (double)i;
    assert_int_equal(rank_quantile(y, 35, .9, .05, &ci, NULL), -ERANGE);
    assert_int_equal(rank_quantile(y, 36, .9, .05, &ci, NULL), 0);
    assert_int_equal(ci.hi_rank, 36);
    assert_true(ci.level >= .95);
    assert_int_equal(rank_quantile(y, 367, .99, .05, &ci, NULL), -ERANGE);
    assert_int_equal(rank_quantile(y, 368, .99, .05, &ci, NULL), 0);
    assert_true(ci.level >= .95 && ci.lo_rank < ci.hi_rank);
    /* p and 1 - p mirror each other. */
    struct rank_interval low;
    assert_int_equal(rank_quantile(y, 368, .01, .05, &low, NULL), 0);
    assert_int_equal(low.lo_rank, 369 - ci.hi_rank);
    assert_int_equal(low.hi_rank, 369 - ci.lo_rank);
    near(low.level, ci.level, 1e-12);
}

static void test_too_few(void **state)
{
    static const double d[] = {1, 2, 3, 4, 5, 6, 7};
    struct rank_interval ci = {.n = 99};
    struct err err = ERR_INIT;

    assert_int_equal(rank_hl_min_n(.05), 6);
    assert_int_equal(rank_hl_min_n(.03), 7);
    assert_int_equal(rank_hl_min_n(.01), 8);
    assert_int_equal(rank_hl(d, 5, .05, &ci, &err), -ERANGE);
    assert_int_equal(err.kind, ERR_MEASUREMENT);
    assert_non_null(strstr(err.msg, "at least 6"));
    assert_int_equal(ci.n, 99); /* untouched */
    assert_int_equal(rank_hl(d, 6, .05, &ci, NULL), 0);
    assert_int_equal(rank_hl(d, 6, .03, &ci, NULL), -ERANGE);
    assert_int_equal(rank_hl(d, 7, .03, &ci, NULL), 0);
    near(ci.lo, 1, 0);
    near(ci.hi, 7, 0);
    assert_int_equal(rank_hl(d, 0, .05, &ci, NULL), -ERANGE);
    assert_true(isnan(rank_hl_estimate(d, 0)));
    near(rank_hl_estimate(d, 1), 1, 0);
    near(rank_hl_estimate(d, 2), 1.5, 0);
}

static void test_bad_values(void **state)
{
    double d[] = {1, 2, NAN, 4, 5, 6, INFINITY};
    struct rank_interval ci;
    struct rank_test t;
    struct err err = ERR_INIT;

    assert_int_equal(rank_hl(d, 7, .05, &ci, &err), -EINVAL);
    assert_int_equal(err.kind, ERR_USAGE);
    assert_non_null(strstr(err.msg, "value 3"));
    assert_int_equal(rank_median(d, 7, .05, &ci, NULL), -EINVAL);
    assert_int_equal(rank_signed_test(d, 7, RANK_AUTO, &t, NULL), -EINVAL);
    assert_int_equal(rank_sum_test(d, 7, d, 2, RANK_AUTO, &t, NULL), -EINVAL);
    d[2] = 3, d[6] = 7;
    assert_int_equal(rank_hl(d, 7, 0, &ci, NULL), -EINVAL);
    assert_int_equal(rank_hl(d, 7, 1, &ci, NULL), -EINVAL);
    assert_int_equal(rank_quantile(d, 7, 1, .05, &ci, NULL), -EINVAL);
}

/* The interval is the set of shifts that the exact test does not reject: try shifts just inside
 * and outside both ends. */
static void test_interval_inverts_test(void **state)
{
    double d[12], shifted[12];
    struct rank_interval ci;

    for (size_t i = 0; i < 12; i++)
        d[i] = fmod((double)i * 0.6180339887, 1) * fmod((double)i * 0.7548776662, 1);
    d[0] = .003; /* 0 * 0 would tie with nothing, but is not what the loop means */
    assert_int_equal(rank_hl(d, 12, .05, &ci, NULL), 0);
    const struct {
        double shift;
        bool inside;
    } tries[] = {
        {ci.lo - 1e-7, false}, {ci.lo + 1e-7, true}, {ci.hi - 1e-7, true}, {ci.hi + 1e-7, false}};
    for (size_t k = 0; k < ARRAY_SIZE(tries); k++) {
        struct rank_test t;
        for (size_t i = 0; i < 12; i++)
            shifted[i] = d[i] - tries[k].shift;
        assert_int_equal(rank_signed_test(shifted, 12, RANK_EXACT, &t, NULL), 0);
        assert_int_equal(t.p_two > 1 - ci.level + 1e-12, tries[k].inside);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hollander_wolfe),
        cmocka_unit_test(test_darwin),
        cmocka_unit_test(test_iowa_state),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_rank_sum),
        cmocka_unit_test(test_qsignrank),
        cmocka_unit_test(test_median_ranks),
        cmocka_unit_test(test_quantile_least_n),
        cmocka_unit_test(test_too_few),
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_interval_inverts_test),
    };

    stats_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
