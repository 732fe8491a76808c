#include "synth.h"

#include "analyse/gate.h"

/* The verdict of a gate on runs made by hand: two targets, two cells, seven blocks, which are
 * enough to prove a regression of one of two comparisons (2/128). */

#define BLOCKS 7

static const struct setup fixed = {.targets = {"old=host", "new=host"},
                                   .cells = {"sys.getpid", "cpu.prime"},
                                   .repeats = BLOCKS,
                                   .gate = .05};

static const double same[BLOCKS] = {.001, -.002, .003, -.001, .002, -.003, 0};
static const double slow[BLOCKS] = {.095, .096, .097, .098, .099, .1, .101};
static const double loud[BLOCKS] = {.2, -.19, .18, -.17, .16, -.15, .14};
static const double near_it[BLOCKS] = {.04, .06, .041, .059, .042, .058, .05};

struct judged {
    struct analysis a;
    struct gate g;
};

static void conclude(struct fixture *f, struct synth *y, struct judged *j)
{
    *j = (struct judged){0};
    assert_ok(analyse_run(y->s, y->run, &j->a, err));
    assert_ok(analyse_gate(y->s, &j->a, &j->g, err));
    store_close(y->s);
    unlink(f->db);
}

static void judged_release(struct judged *j)
{
    gate_release(&j->g);
    analysis_release(&j->a);
}

static const struct gate_entry *entry(const struct judged *j, uint32_t cell)
{
    for (size_t i = 0; i < j->g.n; i++)
        if (j->g.entries[i].result->cell == cell)
            return &j->g.entries[i];
    fail_msg("no entry of cell %u", cell);
    return NULL;
}

static void judge(struct fixture *f, const struct setup *u, const double *x, const double *y,
                  struct judged *j)
{
    struct synth run;

    synth_open(f, u, &run);
    put_series(&run, 0, x, BLOCKS);
    put_series(&run, 1, y, BLOCKS);
    conclude(f, &run, j);
}

/* Cell 0 with failures of old and new in the first blocks, cell 1 without. */
static void judge_failing(struct fixture *f, const struct setup *u, uint32_t old, uint32_t new,
                          struct judged *j)
{
    struct synth run;

    synth_open(f, u, &run);
    for (uint32_t b = 0; b < BLOCKS; b++) {
        struct trial t;
        trial_begin(&t, b, 0);
        if (b < old)
            part_fail(&t, 0, ERR_TIMEOUT, "late");
        else
            part_ok(&t, 0, 100);
        if (b < new)
            part_fail(&t, 1, ERR_MEASUREMENT, "it fell over");
        else
            part_ok(&t, 1, 100 * exp(same[b]));
        trial_keep(&run, &t);
    }
    put_series(&run, 1, same, BLOCKS);
    conclude(f, &run, j);
}

static void a_regression_is_proven(void **state)
{
    struct judged j;

    judge(*state, &fixed, same, slow, &j);
    assert_int_equal(gate_verdict(&j.g), GATE_FAILED);
    assert_int_equal(j.g.n, 2);
    assert_int_equal(j.g.entries[0].result->cell, 1); /* what matters comes first */
    assert_int_equal(entry(&j, 1)->state, GATE_REGRESSED);
    assert_near(entry(&j, 1)->p, 2. / 128, 1e-12);
    assert_int_equal(entry(&j, 0)->state, GATE_WITHIN);
    assert_near(entry(&j, 0)->p, 1, 1e-12);
    assert_int_equal(j.g.min_blocks, 6); /* 2/64 */
    assert_int_equal(j.g.count[GATE_REGRESSED], 1);
    assert_int_equal(j.g.count[GATE_WITHIN], 1);
    judged_release(&j);
}

/* With looks p is multiplied by .05/.03, and then by the two comparisons: 2 x 5/3 / 128. */
static void early_looks_are_paid_for(void **state)
{
    struct setup u = fixed;
    struct judged j;

    u.repeats = 0;
    judge(*state, &u, same, slow, &j);
    assert_int_equal(entry(&j, 1)->state, GATE_REGRESSED);
    assert_near(entry(&j, 1)->p, 2. / 128 * 5 / 3, 1e-12);
    assert_int_equal(j.g.min_blocks, 7);
    judged_release(&j);
}

/* Slower beyond doubt, but by less than the gate allows. */
static void a_gate_is_not_1(void **state)
{
    struct setup u = fixed;
    struct judged j;

    u.gate = .12;
    judge(*state, &u, same, slow, &j);
    assert_true(entry(&j, 1)->result->ratio.lo > 1.09);
    assert_int_equal(entry(&j, 1)->state, GATE_WITHIN);
    assert_int_equal(gate_verdict(&j.g), GATE_PASSED);
    judged_release(&j);
}

static void noise_and_nearness_are_undecided(void **state)
{
    struct judged j;
    double mean = 0, square = 0;

    judge(*state, &fixed, loud, same, &j);
    assert_int_equal(gate_verdict(&j.g), GATE_UNDECIDED);
    assert_int_equal(entry(&j, 0)->state, GATE_UNSURE);
    for (size_t i = 0; i < BLOCKS; i++) {
        mean += loud[i] / BLOCKS;
        square += loud[i] * loud[i];
    }
    /* (z.975 + z.8) sd sqrt(pi/21) over the gate: the first of two comparisons has .025. */
    double sd = sqrt((square - BLOCKS * mean * mean) / (BLOCKS - 1));
    double least = 1.05 * exp((1.959963985 + .841621234) * sd * sqrt(M_PI / (3 * BLOCKS))) - 1;
    assert_near(entry(&j, 0)->provable, least, 1e-6);
    assert_near(j.g.provable, least, 1e-6); /* the largest */
    judged_release(&j);
    judge(*state, &fixed, near_it, same, &j);
    assert_int_equal(entry(&j, 0)->state, GATE_UNSURE);
    judged_release(&j);
}

static void what_never_works_is_a_regression(void **state)
{
    struct judged j;

    judge_failing(*state, &fixed, 0, BLOCKS, &j);
    assert_int_equal(gate_verdict(&j.g), GATE_FAILED);
    assert_int_equal(entry(&j, 0)->state, GATE_BROKE);
    assert_int_equal(entry(&j, 0)->only_target, BLOCKS);
    assert_int_equal(entry(&j, 1)->state, GATE_WITHIN);
    judged_release(&j);
}

/* Failures in some blocks: a toss of a coin each, and three hypotheses with the two ratios; of six
 * failures the ratio has one block and is no test. */
static void failing_more_often_has_to_be_proven(void **state)
{
    struct judged j;

    judge_failing(*state, &fixed, 0, 6, &j);
    assert_int_equal(entry(&j, 0)->state, GATE_BROKE);
    assert_near(entry(&j, 0)->failure_p, 2. / 64, 1e-12);
    assert_true(isnan(entry(&j, 0)->p));
    judged_release(&j);
    judge_failing(*state, &fixed, 0, 2, &j);
    assert_int_equal(entry(&j, 0)->state, GATE_UNSURE);
    assert_true(isnan(entry(&j, 0)->failure_p));
    assert_int_equal(gate_verdict(&j.g), GATE_UNDECIDED);
    judged_release(&j);
}

static void failures_of_the_base_too_are_none_of_the_target(void **state)
{
    struct judged j;

    judge_failing(*state, &fixed, BLOCKS, BLOCKS, &j);
    assert_int_equal(entry(&j, 0)->state, GATE_UNCOMPARED);
    assert_int_equal(gate_verdict(&j.g), GATE_PASSED); /* of the other cell */
    judged_release(&j);
    judge_failing(*state, &fixed, BLOCKS, 0, &j);
    assert_int_equal(entry(&j, 0)->state, GATE_UNCOMPARED);
    assert_int_equal(entry(&j, 0)->only_base, BLOCKS);
    judged_release(&j);
}

static void a_target_that_cannot_start_is_a_regression(void **state)
{
    struct setup u = fixed;
    struct judged j;
    struct synth run;

    u.unusable[1] = true;
    u.info[1] = "{\"reason\": \"it hung\"}";
    synth_open(*state, &u, &run);
    for (uint32_t c = 0; c < 2; c++)
        for (uint32_t b = 0; b < 2; b++) {
            struct trial t;
            trial_begin(&t, b, c);
            part_ok(&t, 0, 100);
            trial_keep(&run, &t);
        }
    conclude(*state, &run, &j);
    assert_int_equal(j.g.count[GATE_BROKE], 2);
    assert_int_equal(gate_verdict(&j.g), GATE_FAILED);
    judged_release(&j);
}

static void nothing_measured_is_undecided(void **state)
{
    struct judged j;
    struct synth run;

    synth_open(*state, &fixed, &run);
    conclude(*state, &run, &j);
    assert_int_equal(j.g.count[GATE_UNCOMPARED], 2);
    assert_int_equal(gate_verdict(&j.g), GATE_UNDECIDED);
    assert_true(isnan(j.g.provable));
    judged_release(&j);
}

/* A cell that is precise at seven blocks goes on where seven could not prove anything. */
static void cells_go_on_until_they_can_be_decided(void **state)
{
    struct setup u = {.targets = {"old=host", "new=host"}, .cells = {"sys.getpid"}, .gate = .05};
    struct judged j;
    struct synth run;

    for (int many = 0; many < 2; many++) {
        u.cells[1] = many ? "cpu.prime" : NULL;
        u.cells[2] = many ? "mm.fault" : NULL;
        synth_open(*state, &u, &run);
        put_series(&run, 0, same, BLOCKS);
        conclude(*state, &run, &j);
        assert_int_equal(j.g.min_blocks, many ? 7 : 6);
        assert_true(entry(&j, 0)->result->precise);
        judged_release(&j);
    }
    u.cells[3] = "clock.gettime"; /* four: 5/3 of 4/128 is above .05 */
    synth_open(*state, &u, &run);
    put_series(&run, 0, same, BLOCKS);
    conclude(*state, &run, &j);
    assert_int_equal(j.g.min_blocks, 8);
    assert_false(entry(&j, 0)->result->precise);
    judged_release(&j);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_regression_is_proven),
        T(early_looks_are_paid_for),
        T(a_gate_is_not_1),
        T(noise_and_nearness_are_undecided),
        T(what_never_works_is_a_regression),
        T(failing_more_often_has_to_be_proven),
        T(failures_of_the_base_too_are_none_of_the_target),
        T(a_target_that_cannot_start_is_a_regression),
        T(nothing_measured_is_undecided),
        T(cells_go_on_until_they_can_be_decided),
    };

    return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
