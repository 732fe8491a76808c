/* Student's interval against R's t.test and against the table of t. */
#include "base/cleanup.h"
#include "base/rand.h"
#include "stats/dist.h"
#include "stats/student.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define near(a, b, eps) assert_float_equal((float)((a) - (b)), 0, (float)(eps))

/* R: with(sleep, t.test(extra[group == 1] - extra[group == 2])): t = -4.0621, df = 9, p =
 * .002833, interval [-2.4598858, -.7001142], mean -1.58. */
static void test_sleep(void **state)
{
    static const double d[] = {-1.2, -2.4, -1.3, -1.3, 0, -1, -1.8, -.8, -4.6, -1.4};
    struct student m;

    assert_int_equal(student_mean(d, 10, 0, .05, &m, NULL), 0);
    near(m.mean, -1.58, 1e-12);
    near(m.mean / m.se, -4.0621, 5e-5);
    near(m.p, .002833, 5e-7);
    near(m.lo, -2.4598858, 5e-7);
    near(m.hi, -.7001142, 5e-7);
    near(m.level, .95, 1e-12);
    assert_true(m.has_interval);
}

/* {1, 2, 3}: se = 1/sqrt 3, t.975 of 2 is 4.302653. */
static void test_least_spread(void **state)
{
    static const double y[] = {1, 2, 3};
    struct student m;

    assert_int_equal(student_mean(y, 3, NAN, .05, &m, NULL), 0);
    near(m.hi, 2 + 4.302653 / sqrt(3), 1e-6);
    assert_int_equal(student_mean(y, 3, .5, .05, &m, NULL), 0); /* less than there is */
    near(m.hi, 2 + 4.302653 / sqrt(3), 1e-6);
    assert_int_equal(student_mean(y, 3, 4, .05, &m, NULL), 0);
    near(m.lo, 2 - 4 * 4.302653 / sqrt(3), 1e-5);
}

static void test_too_little(void **state)
{
    static const double y[] = {7, 7, 0, NAN};
    struct student m;

    assert_int_equal(student_mean(y, 1, 1, .05, &m, NULL), 0);
    assert_false(m.has_interval);
    near(m.mean, 7, 1e-12);
    assert_true(isinf(m.lo) && isinf(m.hi) && isnan(m.p));
    /* What never varies is known. */
    assert_int_equal(student_mean(y, 2, 0, .05, &m, NULL), 0);
    near(m.lo, 7, 1e-12);
    near(m.p, 0, 1e-12);
    assert_int_equal(student_mean(y + 2, 1, 0, 0, &m, NULL), -EINVAL);
    assert_int_equal(student_mean(y, 4, 0, .05, &m, NULL), -EINVAL);
    assert_int_equal(student_mean(y, 0, 0, .05, &m, NULL), -EINVAL);
}

/* Of 4000 samples of five normal values with mean 0, 95 % of the intervals hold it, within three
 * standard errors of such a share. */
static void test_coverage(void **state)
{
    struct rng r;
    int held = 0;

    rng_seed(&r, 11);
    for (int i = 0; i < 4000; i++) {
        double y[5];
        struct student m;
        for (int k = 0; k < 5; k++)
            y[k] = dist_qnorm(((double)rng_below(&r, 1000000) + .5) / 1e6);
        assert_int_equal(student_mean(y, 5, 0, .05, &m, NULL), 0);
        held += m.lo <= 0 && m.hi >= 0;
    }
    near(held / 4000., .95, 3 * sqrt(.95 * .05 / 4000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sleep),
        cmocka_unit_test(test_least_spread),
        cmocka_unit_test(test_too_little),
        cmocka_unit_test(test_coverage),
    };
    stats_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
