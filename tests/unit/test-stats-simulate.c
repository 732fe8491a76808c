/* The promises end to end, on simulated noise of known truth. Short form: fewer replicates, bounds
 * widened accordingly; CUPEL_TEST_FULL=1: 2000 replicates of everything at the bare bounds. */
#include "base/cleanup.h"
#include "base/str.h"
#include "stats/describe.h"
#include "stats/dist.h"
#include "stats/rank.h"
#include "stats/simulate.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static size_t replicates(size_t modest)
{
    return str_eq(getenv("CUPEL_TEST_FULL"), "1") ? 2000 : modest;
}

static void print_row(const struct sim_row *r)
{
    print_message("%-34s %-16s n %3zu  %.4f %s %.4f  mean %.1f blocks of %zu replicates%s\n",
                  r->what, r->noise, r->n, r->value, r->at_least ? ">=" : "<=", r->bound,
                  r->mean_blocks, r->replicates, r->pass ? "" : "  FAILED");
}

static void test_table(void **state)
{
    struct sim_table t;
    struct err err = ERR_INIT;
    size_t failed = 0;

    assert_int_equal(sim_table_run(replicates(400), 20261123, &t, &err), 0);
    assert_true(t.n >= 6 * 6 + 6 * 4 + 6 + 1 + 3 + 1);
    for (size_t i = 0; i < t.n; i++) {
        failed += t.row[i].pass ? 0 : 1;
        if (!t.row[i].pass || replicates(0) > 0)
            print_row(&t.row[i]);
    }
    assert_int_equal(t.pass, failed == 0);
    sim_table_release(&t);
    assert_int_equal(failed, 0);
    sim_table_release(&t);
    assert_int_equal(sim_table_run(10, 1, &t, &err), -EINVAL);
}

/* The whole "95 %" of the stopping rule, where each noise stops it at its most doubtful. */
static void test_stopping_worst(void **state)
{
    struct stop_rule rule = stop_rule_default(.02);
    size_t about = 24, most = 60;
    double mean_coverage = 0;

    for (int k = 0; k < SIM_NOISE_COUNT; k++) {
        struct sim_row row;
        assert_int_equal(sim_typical_half_width((enum sim_noise)k, about, rule.alpha_prime, 5,
                                                &rule.half_width, NULL),
                         0);
        assert_int_equal(
            sim_stopping(&rule, (enum sim_noise)k, most, replicates(500), 5, &row, NULL), 0);
        assert_true(row.pass);
        assert_true(row.mean_blocks > 15 && row.mean_blocks < 35);
        mean_coverage += row.value / SIM_NOISE_COUNT;
    }
    assert_true(mean_coverage >= .95);
}

/* The same looks with too lax a level: the simulation has to notice. */
static void test_stopping_control(void **state)
{
    struct stop_rule rule = stop_rule_default(.02), lax = rule;
    double strict = 0, loose = 0;

    lax.alpha_prime = .15;
    lax.alpha_reported = .15;
    for (int k = 0; k < SIM_NOISE_COUNT; k++) {
        struct sim_row row;
        sim_typical_half_width((enum sim_noise)k, 20, rule.alpha_prime, 5, &rule.half_width, NULL);
        sim_typical_half_width((enum sim_noise)k, 20, lax.alpha_prime, 5, &lax.half_width, NULL);
        assert_int_equal(sim_stopping(&rule, (enum sim_noise)k, 60, 400, 5, &row, NULL), 0);
        strict += row.value / SIM_NOISE_COUNT;
        assert_int_equal(sim_stopping(&lax, (enum sim_noise)k, 60, 400, 5, &row, NULL), 0);
        loose += row.value / SIM_NOISE_COUNT;
        assert_false(row.pass);
    }
    assert_true(loose < strict - .05);
}

/* A row that must fail fails: the bounds are not decoration. */
static void test_bounds_bite(void **state)
{
    struct sim_row row;

    assert_int_equal(sim_coverage(SIM_LOGNORMAL, 20, .2, 400, 1, &row, NULL), 0);
    assert_false(row.pass);
    assert_int_equal(sim_detection(SIM_LOGNORMAL, 15, .3, .05, 400, 1, &row, NULL), 0);
    assert_false(row.pass);
    assert_int_equal(sim_control_sequential(SIM_LOGNORMAL, 30, 400, 1, &row, NULL), 0);
    assert_false(row.pass); /* independent noise forgives any order */
    assert_int_equal(sim_coverage(SIM_LOGNORMAL, 5, .05, 400, 1, &row, NULL), -ERANGE);
}

/* The generators are what their names say. */
static void test_noise(void **state)
{
    enum { N = 20000 };
    static double y[N];
    struct sim_source s, twin;

    for (int k = 0; k < SIM_NOISE_COUNT; k++) {
        sim_source_init(&s, (enum sim_noise)k, 4, 2);
        sim_source_init(&twin, (enum sim_noise)k, 4, 2);
        for (size_t i = 0; i < N; i++) {
            y[i] = sim_slot(&s);
            assert_true(y[i] == sim_slot(&twin));
        }
        double sd = describe_sd(y, N), r1 = describe_lag1(y, N);
        switch (k) {
        case SIM_LOGNORMAL:
            assert_true(fabs(sd - 1) < .02 && fabs(r1) < .02);
            break;
        case SIM_AR: /* half the variance is AR, with .95 of it carried over */
            assert_true(fabs(sd - sqrt(2)) < .15 && fabs(r1 - .475) < .06);
            break;
        case SIM_BIMODAL: /* 1 + .3 * .7 * 25 */
            assert_true(fabs(sd - 2.5) < .05 && fabs(r1) < .02);
            break;
        case SIM_HEAVY:
            assert_true(describe_quantile(y, N, .99) > 6 && describe_median(y, N) < .15);
            break;
        case SIM_REGIME:
            assert_true(r1 > .7 && fabs(sd - sqrt(1 + 6.25)) < .1);
            break;
        case SIM_DRIFT:
            assert_true(fabs((y[N - 1] - y[0]) / (N - 1) - .05) < .001);
            break;
        }
        assert_string_not_equal(sim_noise_name((enum sim_noise)k), "unknown");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_stopping_worst),
        cmocka_unit_test(test_stopping_control),
        cmocka_unit_test(test_bounds_bite),
        cmocka_unit_test(test_noise),
    };

    stats_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
