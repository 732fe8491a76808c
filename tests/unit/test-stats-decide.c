#include "base/cleanup.h"
#include "base/rand.h"
#include "base/str.h"
#include "stats/dist.h"
#include "stats/paired.h"
#include "stats/rank.h"
#include "stats/sequential.h"
#include "stats/verdict.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define near(a, b, eps) assert_float_equal((float)((a) - (b)), 0, (float)(eps))

static void test_verdict(void **state)
{
    const double edge = log1p(.02);
    static const struct {
        double lo, hi; /* in edges */
        enum verdict cost, rate;
    } cases[] = {
        {1.1, 3, VERDICT_SLOWER, VERDICT_FASTER},
        {-3, -1.1, VERDICT_FASTER, VERDICT_SLOWER},
        {-.5, .5, VERDICT_EQUIVALENT, VERDICT_EQUIVALENT},
        {-1, 1, VERDICT_EQUIVALENT, VERDICT_EQUIVALENT},
        {0, .9, VERDICT_EQUIVALENT, VERDICT_EQUIVALENT},
        {.1, .9, VERDICT_SMALL, VERDICT_SMALL},
        {-.9, -.1, VERDICT_SMALL, VERDICT_SMALL},
        {.5, 1.5, VERDICT_INCONCLUSIVE, VERDICT_INCONCLUSIVE},
        {-1.5, .5, VERDICT_INCONCLUSIVE, VERDICT_INCONCLUSIVE},
        {-4, 4, VERDICT_INCONCLUSIVE, VERDICT_INCONCLUSIVE},
        {-INFINITY, INFINITY, VERDICT_INCONCLUSIVE, VERDICT_INCONCLUSIVE},
        {NAN, NAN, VERDICT_INCONCLUSIVE, VERDICT_INCONCLUSIVE},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        double lo = cases[i].lo * edge, hi = cases[i].hi * edge;
        assert_int_equal(verdict_of(lo, hi, .02, false), cases[i].cost);
        assert_int_equal(verdict_of(lo, hi, .02, true), cases[i].rate);
    }
    assert_int_equal(verdict_direction(.001, .5, false), 1);
    assert_int_equal(verdict_direction(.001, .5, true), -1);
    assert_int_equal(verdict_direction(-.5, -.001, false), -1);
    assert_int_equal(verdict_direction(-.5, .001, false), 0);
    assert_int_equal(verdict_direction(NAN, NAN, false), 0);
}

static void test_verdict_names(void **state)
{
    for (int v = 0; v < VERDICT_COUNT; v++)
        assert_int_equal(verdict_parse(verdict_name((enum verdict)v)), v);
    assert_int_equal(verdict_parse("no difference"), VERDICT_COUNT);
    assert_int_equal(verdict_parse(NULL), VERDICT_COUNT);
}

static void test_power(void **state)
{
    /* Least n that found 2 % in 80 and 90 % of 4000 simulated runs of normal differences; for
     * the two wide ones, and with slack, the numbers published with the procedure. */
    static const struct {
        double sd;
        size_t n80, n90;
        double slack;
    } known[] = {
        {.01, 6, 7, 0}, {.02, 11, 14, 0}, {.03, 21, 28, 0}, {.05, 55, 72, 1}, {.10, 210, 280, 3}};

    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        double n80 = (double)known[i].n80, n90 = (double)known[i].n90;
        double got80 = (double)verdict_power_blocks(known[i].sd, .02, .8);
        double got90 = (double)verdict_power_blocks(known[i].sd, .02, .9);
        assert_true(fabs(got80 - n80) <= known[i].slack);
        assert_true(fabs(got90 - n90) <= known[i].slack);
    }
    assert_int_equal(verdict_power_blocks(1e-6, .02, .8), 6);
    near(verdict_power_formula(.1, .02, .8), 209.6, .05);
    near(verdict_power_formula(.1, .02, .9), 280.6, .05);
    /* The smallest detectable effect at the N for an effect is that effect. */
    double n = verdict_power_formula(.05, .02, .8);
    near(verdict_mde(.05, 55), log(1.02) * sqrt(n / 55), 1e-9);
}

/* d with exactly symmetric spread around centre: half-width is proportional to scale. */
static void fill(double *d, size_t n, double centre, double scale)
{
    for (size_t i = 0; i < n; i++)
        d[i] = centre + scale * ((double)((i * 7 + 3) % n) - (double)(n - 1) / 2) / (double)n;
}

static void test_stop_rule(void **state)
{
    struct stop_rule rule = stop_rule_default(.02);
    struct stop_state s;
    struct err err = ERR_INIT;
    double d[400];
    size_t first = rule.looks[0], last = rule.looks[rule.n_looks - 1];

    assert_int_equal(stop_rule_check(&rule, &err), 0);
    near(rule.half_width, log(1.02) / 2, 1e-15);
    assert_true(rule.looks[0] >= 7 && rule.looks[0] <= 10); /* within a four-minute run */
    assert_true(stop_rule_is_look(&rule, first) && !stop_rule_is_look(&rule, first - 1));
    assert_int_equal(stop_rule_next(&rule, 0), first);
    assert_int_equal(stop_rule_next(&rule, first), rule.looks[1]);
    assert_int_equal(stop_rule_next(&rule, last), 0);

    fill(d, 400, .5, .001);
    assert_int_equal(stop_rule_decide(&rule, d, first, &s, &err), 0);
    assert_int_equal(s.decision, STOP_PRECISE); /* far from 0 or not, the width decides */
    near(s.estimate, .5, 1e-3);
    assert_true(s.level >= 1 - rule.alpha_prime);
    assert_int_equal(stop_rule_decide(&rule, d, first - 1, &s, &err), 0);
    assert_int_equal(s.decision, STOP_CONTINUE); /* precise, but between looks */
    assert_int_equal(s.next_look, first);
    fill(d, 400, .5, 5);
    assert_int_equal(stop_rule_decide(&rule, d, first, &s, &err), 0);
    assert_int_equal(s.decision, STOP_CONTINUE); /* significant, but wide */
    assert_int_equal(stop_rule_decide(&rule, d, last, &s, &err), 0);
    assert_int_equal(s.decision, STOP_EXHAUSTED);
    assert_int_equal(stop_rule_decide(&rule, d, 3, &s, &err), 0);
    assert_true(isinf(s.half_width) && isfinite(s.estimate) && s.level == 0);
    assert_int_equal(stop_rule_decide(&rule, d, 0, &s, &err), 0);
    assert_true(isnan(s.estimate));
    d[1] = NAN;
    assert_int_equal(stop_rule_decide(&rule, d, 3, &s, &err), -EINVAL);
}

static void test_adjust_p(void **state)
{
    struct stop_rule rule = stop_rule_default(.02);

    near(stop_rule_adjust_p(&rule, rule.alpha_prime), .05, 1e-12);
    near(stop_rule_adjust_p(&rule, .9), 1, 0);
    near(stop_rule_adjust_p(&rule, 0), 0, 0);
    assert_true(isnan(stop_rule_adjust_p(&rule, NAN)));
}

static void test_stop_rule_check(void **state)
{
    struct stop_rule rule = stop_rule_default(.02);
    struct err err = ERR_INIT;

    rule.looks[0] = 6; /* at alpha' = .03 no interval exists for 6 */
    assert_int_equal(stop_rule_check(&rule, &err), -EINVAL);
    assert_int_equal(err.kind, ERR_USAGE);
    rule = stop_rule_default(.02);
    rule.looks[2] = rule.looks[1];
    assert_int_equal(stop_rule_check(&rule, NULL), -EINVAL);
    rule = stop_rule_default(.02);
    rule.half_width = 0;
    assert_int_equal(stop_rule_check(&rule, NULL), -EINVAL);
    rule = stop_rule_default(.02);
    rule.alpha_prime = .06; /* laxer than what is reported */
    assert_int_equal(stop_rule_check(&rule, NULL), -EINVAL);
    rule = stop_rule_default(.02);
    rule.n_looks = STOP_LOOKS_MAX + 1;
    assert_int_equal(stop_rule_check(&rule, NULL), -EINVAL);
}

static void test_paired(void **state)
{
    static const double darwin[] = {6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75};
    struct paired p;

    assert_int_equal(paired_summary(darwin, 15, .05, &p, NULL), 0);
    assert_int_equal(p.n, 15);
    near(p.estimate, 25, 1e-9);
    near(p.lo, 4, 1e-9);
    near(p.hi, 41.5, 1e-9);
    near(p.half_width, 18.75, 1e-9);
    near(p.level, .9521, 5e-5);
    near(p.median, 24, 0);
    near(p.mean, 20.9333333, 1e-6);
    near(p.p, .041259765625, 1e-12);
    near(p.median_lo, 8, 0); /* ranks 4 and 12 of 15 */
    near(p.median_hi, 49, 0);
    assert_int_equal(p.flags, 0);
}

static void test_paired_small(void **state)
{
    static const double d[] = {.1, .2, .3};
    struct paired p;
    struct err err = ERR_INIT;

    assert_int_equal(paired_summary(d, 0, .05, &p, &err), 0);
    assert_true(isnan(p.estimate) && isnan(p.median) && isnan(p.p));
    assert_int_equal(p.flags, PAIRED_NO_INTERVAL);
    assert_int_equal(paired_summary(d, 1, .05, &p, &err), 0);
    near(p.estimate, .1, 1e-15);
    assert_true(isinf(p.lo) && isinf(p.hi) && p.lo < p.hi && isinf(p.half_width));
    near(p.p, 1, 0);
    assert_int_equal(p.flags, PAIRED_NO_INTERVAL);
    assert_int_equal(paired_summary(d, 3, .05, &p, &err), 0);
    near(p.estimate, .2, 1e-15);
    near(p.level, 0, 0);
    near(p.p, .25, 1e-15);
    assert_int_equal(err.kind, ERR_NONE);
    assert_int_equal(paired_summary(d, 3, 0, &p, &err), -EINVAL);
}

static void test_paired_flags(void **state)
{
    double d[40];
    struct paired p;
    struct rng rng;

    for (size_t i = 0; i < 40; i++)
        d[i] = .1;
    assert_int_equal(paired_summary(d, 40, .05, &p, NULL), 0);
    assert_int_equal(p.flags, 0); /* width 0, and rounding is no asymmetry */
    near(p.half_width, 0, 1e-15);

    /* One far mode in three: the mean leaves the median behind. */
    rng_seed(&rng, 11);
    for (size_t i = 0; i < 40; i++)
        d[i] = .01 * (double)rng_below(&rng, 100) / 100 + (i % 5 >= 3 ? .5 : 0);
    assert_int_equal(paired_summary(d, 40, .05, &p, NULL), 0);
    assert_true(p.flags & PAIRED_ASYMMETRIC);
    assert_false(p.flags & PAIRED_AUTOCORRELATED);

    for (size_t i = 0; i < 40; i++)
        d[i] = sin((double)i / 4) + .01 * (double)rng_below(&rng, 100) / 100;
    assert_int_equal(paired_summary(d, 40, .05, &p, NULL), 0);
    assert_true(p.flags & PAIRED_AUTOCORRELATED);
    assert_true(p.r1 > .8);

    for (size_t i = 0; i < 40; i++)
        d[i] = (i < 13 ? 1 : 0) + (double)rng_below(&rng, 100) / 100;
    assert_int_equal(paired_summary(d, 40, .05, &p, NULL), 0);
    assert_true(p.flags & PAIRED_NOT_STEADY);
    near(p.first_third - p.the_rest, 1, .3);
}

static void test_flag_names(void **state)
{
    unsigned flag = 1;

    for (; paired_flag_name(flag); flag <<= 1)
        assert_true(str_is_id(paired_flag_name(flag), 32));
    assert_int_equal(flag, PAIRED_NOT_STEADY << 1);
}

static void test_single(void **state)
{
    static const double y[] = {5, 3, 9, 1, 7, 2, 8, 4, 10, 6}, bad[] = {1, NAN};
    struct single s;
    struct err err = ERR_INIT;

    assert_int_equal(single_summary(y, 10, .05, &s, &err), 0);
    near(s.median, 5.5, 0);
    near(s.lo, 2, 0);
    near(s.hi, 9, 0);
    near(s.level, .978516, 5e-7);
    near(s.mean, 5.5, 1e-15);
    near(s.variance, 82.5 / 9, 1e-12);
    near(s.min, 1, 0);
    near(s.max, 10, 0);
    assert_true(s.has_interval && s.steady);
    assert_int_equal(single_summary(y, 5, .05, &s, &err), 0);
    assert_true(!s.has_interval && isinf(s.lo) && s.level == 0);
    near(s.median, 5, 0);
    assert_int_equal(err.kind, ERR_NONE);
    assert_int_equal(single_summary(y, 0, .05, &s, &err), 0);
    assert_true(isnan(s.median));
    assert_int_equal(single_summary(bad, 2, .05, &s, &err), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdict),         cmocka_unit_test(test_verdict_names),
        cmocka_unit_test(test_power),           cmocka_unit_test(test_stop_rule),
        cmocka_unit_test(test_stop_rule_check), cmocka_unit_test(test_adjust_p),
        cmocka_unit_test(test_paired),          cmocka_unit_test(test_paired_small),
        cmocka_unit_test(test_paired_flags),    cmocka_unit_test(test_flag_names),
        cmocka_unit_test(test_single),
    };

    stats_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
