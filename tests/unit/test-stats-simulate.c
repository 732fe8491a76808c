/* The promises end to end, on simulated noise of known truth. Short form: fewer replicates, bounds
 * widened accordingly; CUPEL_TEST_FULL=1: 5000 replicates at
 * the bare bounds, and the stopping rule over a grid of where it may stop. */
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

static bool full(void)
{
    return str_eq(getenv("CUPEL_TEST_FULL"), "1");
}

static size_t replicates(size_t modest)
{
    return full() ? 5000 : modest;
}

static void print_row(const struct sim_row *r)
{
    print_message("# %-34s %-16s n %3zu  %.4f %s %.4f  mean %.1f blocks of %zu replicates%s\n",
                  r->what, r->noise, r->n, r->value, r->at_least ? ">=" : "<=", r->bound,
                  r->mean_blocks, r->replicates, r->pass ? "" : "  FAILED");
}

static void count_row(void *user, const struct sim_row *row, size_t done)
{
    size_t *rows = user;

    assert_int_equal(done, ++*rows);
    assert_true(row->replicates > 0);
}

static void test_table(void **state)
{
    struct sim_table t;
    size_t rows = 0;
    struct err err = ERR_INIT;
    size_t failed = 0;

    assert_int_equal(sim_table_run(replicates(400), 20261123, count_row, &rows, &t, &err), 0);
    assert_int_equal(t.n, SIM_TABLE_ROWS);
    assert_int_equal(rows, SIM_TABLE_ROWS);
    for (size_t i = 0; i < t.n; i++) {
        failed += t.row[i].pass ? 0 : 1;
        if (!t.row[i].pass || full())
            print_row(&t.row[i]);
    }
    assert_int_equal(t.pass, failed == 0);
    sim_table_release(&t);
    assert_int_equal(failed, 0);
    sim_table_release(&t);
    assert_int_equal(sim_table_run(10, 1, NULL, NULL, &t, &err), -EINVAL);
}

/* The whole "95 %" of the stopping rule: every noise, cells that would stop about here, under that
 * budget. The short form takes the cell that the full grid shows to be the most doubtful. */
static void test_stopping_grid(void **state)
{
    static const size_t about[] = {24, 8, 12, 18, 32}, most[] = {48, 10, 16, 24, 60};
    size_t n = full() ? ARRAY_SIZE(about) : 1;
    double worst = 1;

    for (int k = 0; k < SIM_NOISE_COUNT; k++)
        for (size_t i = 0; i < n * n; i++) {
            struct stop_rule rule = stop_rule_default(.02);
            struct sim_row row;
            assert_int_equal(sim_typical_half_width((enum sim_noise)k, about[i / n],
                                                    rule.alpha_prime, 5, &rule.half_width, NULL),
                             0);
            assert_int_equal(
                sim_stopping(&rule, (enum sim_noise)k, most[i % n], replicates(500), 5, &row, NULL),
                0);
            if (full())
                print_row(&row);
            assert_true(row.pass);
            worst = fmin(worst, row.value);
        }
    print_message("# worst coverage of the stopping rule: %.4f\n", worst);
    /* What is printed as 95 %, less three standard errors. */
    assert_true(worst >= .95 - 3 * sqrt(.95 * .05 / (double)replicates(500)));
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

static void test_recorded(void **state)
{
    enum { SLOTS = 2000 };
    static double y[SLOTS];
    struct sim_source s;
    struct sim_row row;
    struct err err = ERR_INIT;

    /* Noise in which every second slot is slower, as when a subject warms the cache for the next.
     */
    sim_source_init(&s, SIM_AR, 3, 3);
    for (size_t i = 0; i < SLOTS; i++)
        y[i] = sim_slot(&s) + (i % 2 ? 1 : 0);
    for (size_t i = 0; i < 2; i++) {
        size_t n = i ? 30 : 12;
        assert_int_equal(sim_recorded(y, SLOTS, n, true, replicates(1000), 1, &row, &err), 0);
        assert_true(row.pass);
        assert_true(row.value > .01); /* an alarm is possible at all */
    }
    /* Windows start anywhere, so A is the slow one in half of them and the fast one in half. */
    assert_int_equal(sim_recorded(y, SLOTS, 30, false, replicates(1000), 1, &row, &err), 0);
    assert_true(row.pass && row.value > .5);
    assert_int_equal(sim_recorded(y, 40, 15, true, 1000, 1, &row, &err), -EINVAL);
    assert_int_equal(err.kind, ERR_USAGE);
    for (size_t i = 0; i < SLOTS; i++)
        y[i] = NAN;
    assert_int_equal(sim_recorded(y, SLOTS, 15, true, 1000, 1, &row, &err), -EINVAL);
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
        cmocka_unit_test(test_stopping_grid),
        cmocka_unit_test(test_stopping_control),
        cmocka_unit_test(test_bounds_bite),
        cmocka_unit_test(test_recorded),
        cmocka_unit_test(test_noise),
    };

    stats_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
