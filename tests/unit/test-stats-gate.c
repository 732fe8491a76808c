#include "base/cleanup.h"
#include "base/str.h"
#include "stats/gate.h"
#include "stats/simulate.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define near(a, b, eps) assert_float_equal((float)((a) - (b)), 0, (float)(eps))

static double p_of(const double *d, size_t n, double gate, const struct stop_rule *rule)
{
    double p;
    assert_int_equal(gate_ratio_p(d, n, gate, rule, &p, NULL), 0);
    return p;
}

/* Hollander and Wolfe's depression scores, as distances from the gate: V = 40, one-sided 10/512. */
static void test_hollander_wolfe(void **state)
{
    static const double x[] = {1.83, .50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30};
    static const double y[] = {.878, .647, .598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29};
    const struct stop_rule rule = stop_rule_default(.05);
    double over[9], under[9];

    for (size_t i = 0; i < 9; i++) {
        over[i] = log(1.05) + x[i] - y[i];
        under[i] = log(1.05) - x[i] + y[i];
    }
    near(p_of(over, 9, .05, NULL), 10. / 512, 1e-12);
    near(p_of(over, 9, .05, &rule), 10. / 512 * .05 / .03, 1e-12);
    /* The other way round V = 5: all subsets of 1 .. 9 but the seven whose sum is 4 or less. */
    near(p_of(under, 9, .05, NULL), 505. / 512, 1e-12);
    near(p_of(under, 9, .05, &rule), 1, 0);
}

static void test_it_is_the_gate_that_is_tested(void **state)
{
    /* 4 to 5 % slower, beyond doubt. */
    static const double d[] = {.0398, .0411, .0423, .0435, .0447, .0458, .0469, .0481};

    near(p_of(d, 8, .02, NULL), 1. / 256, 1e-12);
    near(p_of(d, 8, .06, NULL), 1, 1e-12);
    /* Seven blocks over the gate of 4 %, one under it, the nearest: V = 35 of 36. */
    near(p_of(d, 8, .0407, NULL), 2. / 256, 1e-12);
}

static void test_too_few_blocks_are_no_test(void **state)
{
    static const double d[] = {.1, .11, .12, .13, .14, .15};
    static const double at[] = {0, 0, 0, 0, 0, 0, 0};
    static const double bad[] = {.1, INFINITY};
    const struct stop_rule rule = stop_rule_default(.02);
    struct err err = ERR_INIT;
    double p;

    assert_true(isnan(p_of(d, 0, .02, NULL)));
    assert_true(isnan(p_of(d, 4, .02, NULL)));
    near(p_of(d, 5, .02, NULL), 1. / 32, 1e-12);
    assert_true(isnan(p_of(d, 5, .02, &rule)));
    near(p_of(d, 6, .02, &rule), 1. / 64 * 5 / 3, 1e-12);
    near(p_of(at, 7, 0, NULL), 1, 0); /* all alike, at the very gate */
    assert_int_equal(gate_ratio_p(bad, 2, .02, NULL, &p, &err), -EINVAL);
}

static void test_failures(void **state)
{
    near(gate_failure_p(7, 0), 1. / 128, 1e-12);
    near(gate_failure_p(5, 0), 1. / 32, 1e-12);
    near(gate_failure_p(6, 1), 8. / 128, 1e-12);
    near(gate_failure_p(4, 4), (256 + 70) / 512., 1e-12);
    near(gate_failure_p(0, 9), 1, 0);
    assert_true(isnan(gate_failure_p(4, 0)));
    assert_true(isnan(gate_failure_p(0, 0)));
}

static void test_least_blocks(void **state)
{
    const struct stop_rule rule = stop_rule_default(.02);

    assert_int_equal(gate_min_blocks(1, NULL), 5);  /* 1/32 */
    assert_int_equal(gate_min_blocks(12, NULL), 8); /* 12/256 */
    assert_int_equal(gate_min_blocks(1, &rule), 6); /* 5/3 of 1/64 */
    assert_int_equal(gate_min_blocks(12, &rule), 9);
    assert_int_equal(gate_min_blocks(100, &rule), 12);
    assert_int_equal(gate_min_blocks(0, NULL), 5);
}

static void test_looks_begin_where_a_test_can_decide(void **state)
{
    struct stop_rule rule = stop_rule_default(.02);
    size_t all = rule.n_looks;

    stop_rule_start(&rule, 7);
    assert_int_equal(rule.n_looks, all);
    stop_rule_start(&rule, 9);
    assert_int_equal(rule.n_looks, all - 2);
    assert_int_equal(rule.looks[0], 9);
    assert_false(stop_rule_is_look(&rule, 8));
    stop_rule_start(&rule, 17);
    assert_int_equal(rule.looks[0], 18);
    assert_int_equal(stop_rule_check(&rule, NULL), 0);
}

/* (z.95 + z.8) .01 sqrt(pi/36) = .00734524, above ln 1.02. */
static void test_what_would_have_been_found(void **state)
{
    const struct stop_rule rule = stop_rule_default(.02);

    near(gate_provable(.01, 12, .02, 1, NULL), .0275198, 1e-6);
    /* One of twelve, early looks: z of 1 - .03/12 is 2.807034. */
    near(gate_provable(.01, 12, .02, 12, &rule), 1.02 * exp(.0107785) - 1, 1e-6);
    assert_true(isinf(gate_provable(.01, 8, .02, 12, &rule)));
    assert_true(gate_provable(.02, 40, .02, 12, &rule) < gate_provable(.02, 20, .02, 12, &rule));
}

/* The rule end to end, on simulated noise. */
static void test_simulated(void **state)
{
    struct sim_gate g = {.cells = 4, .gate = .02, .unit = .01, .max_blocks = 20};
    struct sim_row row;

    assert_int_equal(sim_gate(&g, SIM_HEAVY, 300, 3, &row, NULL), 0);
    assert_true(row.pass);
    assert_true(row.mean_blocks <= 20);
    g.planted = .05;
    assert_int_equal(sim_gate(&g, SIM_LOGNORMAL, 300, 3, &row, NULL), 0);
    assert_true(row.pass);
    g.planted = .02; /* at the gate: hardly ever found */
    assert_int_equal(sim_gate(&g, SIM_LOGNORMAL, 300, 3, &row, NULL), 0);
    assert_false(row.pass);
    assert_true(row.value <= .05);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hollander_wolfe),
        cmocka_unit_test(test_it_is_the_gate_that_is_tested),
        cmocka_unit_test(test_too_few_blocks_are_no_test),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_least_blocks),
        cmocka_unit_test(test_looks_begin_where_a_test_can_decide),
        cmocka_unit_test(test_what_would_have_been_found),
        cmocka_unit_test(test_simulated),
    };

    return cmocka_run_group_tests_name("stats-gate", tests, NULL, NULL);
}
