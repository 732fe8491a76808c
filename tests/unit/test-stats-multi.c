#include "base/cleanup.h"
#include "stats/binom.h"
#include "stats/dist.h"
#include "stats/multi.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define near(a, b, eps) assert_float_equal((float)((a) - (b)), 0, (float)(eps))

/* Benjamini, Hochberg 1995, section 4: thrombolysis, fifteen end points. */
static const double bh95[] = {.0001, .0004, .0019, .0095, .0201, .0278, .0298, .0344,
                              .0459, .3240, .4262, .5719, .6528, .7590, 1};

static size_t rejected(const double *p, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += p[i] <= .05 ? 1 : 0;
    return count;
}

static void test_bh(void **state)
{
    double adjusted[15], shuffled[15], back[15];

    multi_bh(bh95, 15, adjusted);
    assert_int_equal(rejected(adjusted, 15), 4);
    near(adjusted[3], .035625, 1e-12);
    near(adjusted[14], 1, 0);
    for (size_t i = 0; i < 15; i++)
        shuffled[i] = bh95[i * 7 % 15];
    multi_bh(shuffled, 15, back);
    for (size_t i = 0; i < 15; i++)
        near(back[i], adjusted[i * 7 % 15], 1e-15);
    /* Never falls while p rises. */
    for (size_t i = 1; i < 15; i++)
        assert_true(adjusted[i] >= adjusted[i - 1]);
}

static void test_holm(void **state)
{
    static const double p[] = {.01, .04, .03, .005}, expect[] = {.03, .06, .06, .02};
    double adjusted[15], in_place[4];

    multi_holm(p, 4, adjusted);
    memcpy(in_place, p, sizeof(in_place));
    multi_holm(in_place, 4, in_place);
    for (size_t i = 0; i < 4; i++) {
        near(adjusted[i], expect[i], 1e-12);
        near(in_place[i], expect[i], 1e-12);
    }
    multi_holm(bh95, 15, adjusted);
    assert_int_equal(rejected(adjusted, 15), 3);
    near(adjusted[2], .0247, 1e-12);
}

static void test_absent(void **state)
{
    static const double p[] = {.01, NAN, .04, .03, NAN, .005};
    double holm[6], bh[6];

    multi_holm(p, 6, holm);
    multi_bh(p, 6, bh);
    assert_true(isnan(holm[1]) && isnan(holm[4]) && isnan(bh[1]) && isnan(bh[4]));
    near(holm[0], .03, 1e-12); /* four tests, not six */
    near(holm[5], .02, 1e-12);
    near(bh[2], .04, 1e-12);
    near(bh[5], .02, 1e-12);
    multi_holm(p, 0, holm);
    multi_bh(p, 0, bh);
}

static void test_alarms_allowed(void **state)
{
    assert_int_equal(multi_alarms_allowed(40, .05), 6);
    assert_int_equal(multi_alarms_allowed(200, .05), 18);
    assert_int_equal(multi_alarms_allowed(400, .05), 31);
    assert_int_equal(multi_alarms_allowed(1000, .05), 67);
    assert_int_equal(multi_alarms_allowed(0, .05), 0);
}

static void test_clopper_pearson(void **state)
{
    struct binom_interval ci;
    struct err err = ERR_INIT;

    /* No hit in n: the upper end is 1 - (alpha/2)^(1/n). */
    assert_int_equal(binom_clopper_pearson(0, 20, .05, &ci, NULL), 0);
    near(ci.rate, 0, 0);
    near(ci.lo, 0, 0);
    near(ci.hi, 1 - pow(.025, 1. / 20), 1e-12);
    assert_int_equal(binom_clopper_pearson(20, 20, .05, &ci, NULL), 0);
    near(ci.lo, pow(.025, 1. / 20), 1e-12);
    near(ci.hi, 1, 0);
    /* By definition: each end is the rate at which the tail holds alpha/2. */
    assert_int_equal(binom_clopper_pearson(3, 17, .05, &ci, NULL), 0);
    near(dist_pbinom(2, 17, ci.lo, false), .025, 1e-9);
    near(dist_pbinom(3, 17, ci.hi, true), .025, 1e-9);
    assert_int_equal(binom_clopper_pearson(0, 0, .05, &ci, NULL), 0);
    assert_true(isnan(ci.rate) && ci.lo == 0 && ci.hi == 1);
    assert_int_equal(binom_clopper_pearson(3, 2, .05, &ci, &err), -EINVAL);
    assert_int_equal(binom_clopper_pearson(1, 2, 0, &ci, NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bh),
        cmocka_unit_test(test_holm),
        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_alarms_allowed),
        cmocka_unit_test(test_clopper_pearson),
    };

    stats_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
