#include "synth.h"

#include "analyse/aa.h"

#define BLOCKS 8

static const struct setup pairs = {
    .targets = {"a=host", "b=host", "c=oci:/opt/x", "d=oci:/opt/x"},
    .cells = {"sys.getpid"},
    .repeats = BLOCKS,
    .aa = true,
};

/* Twins c and d take three times what a does, and are alike; b is off by 1 % from a. */
static const double off[BLOCKS] = {.0098, .0102, .0099, .0101, .01, .0097, .0103, .0096};
static const double alike[BLOCKS] = {.004, -.0035, .003, -.0045, .005, -.0055, .002, -.0025};

static void put(struct synth *y, uint32_t blocks)
{
    for (uint32_t b = 0; b < blocks; b++) {
        struct trial t;
        trial_begin(&t, b, 0);
        part_ok(&t, 0, 100);
        part_ok(&t, 1, 100 * exp(off[b]));
        part_ok(&t, 2, 300);
        part_ok(&t, 3, 300 * exp(alike[b]));
        trial_keep(y, &t);
    }
}

static void judge_as(struct fixture *f, const struct setup *u, uint32_t blocks, struct aa *ret)
{
    struct analysis a;
    struct synth y;

    synth_open(f, u, &y);
    put(&y, blocks);
    assert_ok(analyse_run(y.s, y.run, &a, err));
    assert_ok(analyse_aa(y.s, &a, ret, err));
    analysis_release(&a);
    store_close(y.s);
    unlink(f->db);
}

static void judge(struct fixture *f, uint32_t blocks, struct aa *ret)
{
    judge_as(f, &pairs, blocks, ret);
}

/* Mean square about the mean. */
static double spread(const double *x)
{
    double mean = 0, sum = 0;

    for (size_t i = 0; i < BLOCKS; i++)
        mean += x[i] / BLOCKS;
    for (size_t i = 0; i < BLOCKS; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return sqrt(sum / (BLOCKS - 1));
}

static void twins_are_compared_with_one_another(void **state)
{
    struct aa x;

    judge(*state, BLOCKS, &x);
    assert_int_equal(x.n_cells, 1);
    assert_int_equal(x.n_pairs, 2);
    const struct aa_entry *host = aa_at(&x, 0, 0), *other = aa_at(&x, 0, 1);
    assert_true(host->alarm);
    assert_near(host->ratio.value, exp(.00995), 1e-5);
    assert_false(other->alarm);
    assert_near(other->ratio.value, 1, .002);
    assert_true(other->ratio.lo < 1 && other->ratio.hi > 1);
    assert_int_equal(other->ratio.n, BLOCKS);
    double mde = (1.959963985 + .841621234) * sqrt(M_PI / (3 * BLOCKS));
    assert_near(host->resolvable, exp(mde * spread(off)) - 1, 1e-6);
    assert_near(other->resolvable, exp(mde * spread(alike)) - 1, 1e-6);
    assert_int_equal(x.intervals, 2);
    assert_int_equal(x.alarms, 1);
    assert_int_equal(x.allowed, 1); /* P(2 of 2) = 1/400 */
    /* Clopper-Pearson of 1 in 2: 1 - sqrt(.975) and sqrt(.975). */
    assert_near(x.rate_lo, 1 - sqrt(.975), 1e-9);
    assert_near(x.rate_hi, sqrt(.975), 1e-9);
    /* Type 7 of two values: nineteen twentieths of the way from the smaller to the larger. */
    double small = fabs(log(other->ratio.value)), large = log(host->ratio.value);
    assert_near(x.floor, exp(small + .95 * (large - small)) - 1, 1e-9);
    aa_release(&x);
}

static void without_blocks_nothing_is_said(void **state)
{
    struct aa x;

    judge(*state, 0, &x);
    assert_int_equal(x.intervals, 0);
    assert_int_equal(aa_at(&x, 0, 1)->ratio.n, 0);
    assert_true(isnan(x.floor));
    assert_near(x.rate_lo, 0, 0);
    assert_near(x.rate_hi, 1, 0);
    aa_release(&x);
    judge(*state, 2, &x); /* an estimate, but no interval */
    assert_int_equal(x.intervals, 0);
    assert_false(aa_at(&x, 0, 0)->alarm);
    assert_true(isfinite(x.floor));
    aa_release(&x);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static void an_emulated_cpu_is_no_part_of_the_noise_here(void **state)
{
    struct setup u = pairs;
    struct aa x;

    u.info[2] = u.info[3] = "{\"emulated\": true}";
    judge_as(*state, &u, BLOCKS, &x);
    assert_int_equal(aa_at(&x, 0, 0)->ratio.n, BLOCKS);
    assert_int_equal(aa_at(&x, 0, 1)->ratio.n, 0);
    assert_int_equal(x.intervals, 1);
    assert_near(x.floor, exp(.00995) - 1, 1e-5);
    aa_release(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(twins_are_compared_with_one_another),
        T(without_blocks_nothing_is_said),
        T(an_emulated_cpu_is_no_part_of_the_noise_here),
    };

    return cmocka_run_group_tests_name("aa", tests, NULL, NULL);
}
