/* The matrix and the trade of runs made by hand: factors of whole numbers, so that every mean is
 * one that can be worked out on paper. */
#include "made-run.h"

#include "analyse/matrix.h"
#include "analyse/trade.h"
#include "wire/callset.h"

static void trade_read(struct made *m, struct analysis *a, struct trade *t)
{
    assert_ok(analyse_run(m->s, m->run, a, err));
    assert_ok(analyse_trade(m->s, a, t, err));
    made_close(m);
}

#define assert_near(a, b) assert_float_equal(a, b, 1e-6)

/* Twice and eight times the host's are four times in the geometric mean; the third cell failed once
 * on one target, and is out for all. */
static void cost_is_the_mean_of_what_all_have(void **state)
{
    static const char *const cells[] = {"sys.getpid", "sys.close",        "sys.exec",
                                        "mem.triad",  "reach.host-times", NULL};
    const struct outcome_of plain[N] = {{100, NULL}, {200, NULL}, {300, NULL}},
                            more[N] = {{100, NULL}, {800, NULL}, {300, NULL}},
                            dear[N] = {{100, NULL}, {6400, NULL}, {1, NULL}},
                            failed[N] = {{100, NULL}, {6400, NULL}, {0, NULL}};
    struct analysis a;
    struct trade t;
    struct made m;

    made_open(*state, cells, &m);
    same_in_blocks(&m, 8, "sys.getpid", plain);
    same_in_blocks(&m, 8, "sys.close", more);
    same_in_blocks(&m, 7, "sys.exec", dear);
    put(&m, 7, "sys.exec", failed);
    same_in_blocks(&m, 8, "mem.triad", more);
    same_in_blocks(&m, 8, "reach.host-times", dear);
    trade_read(&m, &a, &t);
    const struct trade_row *calls = &t.rows[TRADE_CALLS];
    assert_int_equal(calls->cells, 2);
    assert_int_equal(calls->left_out, 1);
    assert_near(calls->values[RUNC].e.value, 4);
    assert_near(calls->values[RUNC].e.lo, 4); /* the same in all blocks, so in all draws */
    assert_near(calls->values[RUNC].e.hi, 4);
    assert_int_equal(calls->values[RUNC].e.n, 8);
    assert_int_equal(calls->values[RUNC].verdict, VERDICT_SLOWER);
    assert_near(calls->values[GVISOR].e.value, 3);
    assert_false(calls->values[HOST].has); /* the base is what the others are against */
    /* 2 x 8 x 8 = 128, to the power of a third; the counts of reach have no part in it. */
    assert_int_equal(t.rows[TRADE_ALL].cells, 3);
    assert_near(t.rows[TRADE_ALL].values[RUNC].e.value, cbrt(128));
    assert_near(t.rows[TRADE_MEMORY].values[RUNC].e.value, 8);
    assert_ptr_equal(t.rows[TRADE_MEMORY].values[RUNC].alone, analysis_at(&a, 3, RUNC));
    assert_int_equal(t.rows[TRADE_CPU].cells + t.rows[TRADE_CPU].left_out, 0);
    assert_true(t.has[TRADE_COST] && t.has[TRADE_REACH] && !t.has[TRADE_LOSS]);
    assert_true(trade_has_several(&a));
    trade_release(&t);
    analysis_release(&a);
}

/* Log ratios of two cells over 6 blocks; both resampled together. The mean of both is ln 2 in every
 * block, so the interval has no width, wide as each cell's own is. */
static void blocks_are_drawn_whole(void **state)
{
    static const char *const cells[] = {"sys.getpid", "sys.close", NULL};
    static const double d[] = {-.3, .2, .1, -.1, .3, -.2};
    struct analysis a;
    struct trade t;
    struct made m;

    made_open(*state, cells, &m);
    for (uint32_t b = 0; b < 6; b++) {
        const struct outcome_of up[N] = {{1e6, NULL}, {1e6 * 2 * exp(d[b]), NULL}, {1e6, NULL}},
                                down[N] = {{1e6, NULL}, {1e6 * 2 * exp(-d[b]), NULL}, {1e6, NULL}};
        put(&m, b, "sys.getpid", up);
        put(&m, b, "sys.close", down);
    }
    trade_read(&m, &a, &t);
    const struct trade_value *v = &t.rows[TRADE_CALLS].values[RUNC];
    assert_near(v->e.value, 2);
    assert_float_equal(v->e.lo, 2, 1e-4);
    assert_float_equal(v->e.hi, 2, 1e-4);
    assert_true(analysis_at(&a, 0, RUNC)->ratio.hi > 2.4);
    trade_release(&t);
    analysis_release(&a);
}

static void few_blocks_have_no_interval(void **state)
{
    static const char *const cells[] = {"sys.getpid", "sys.close", NULL};
    const struct outcome_of v[N] = {{100, NULL}, {200, NULL}, {0, NULL}};
    struct analysis a;
    struct trade t;
    struct made m;

    made_open(*state, cells, &m);
    same_in_blocks(&m, 5, "sys.getpid", v);
    same_in_blocks(&m, 5, "sys.close", v);
    trade_read(&m, &a, &t);
    assert_near(t.rows[TRADE_CALLS].values[RUNC].e.value, 2);
    assert_true(isnan(t.rows[TRADE_CALLS].values[RUNC].e.lo));
    assert_int_equal(t.rows[TRADE_CALLS].values[RUNC].verdict, VERDICT_INCONCLUSIVE);
    /* One that failed at everything takes no part, and takes nothing from the others. */
    assert_false(t.rows[TRADE_CALLS].values[GVISOR].has);
    assert_int_equal(t.rows[TRADE_CALLS].cells, 2);
    assert_false(trade_has_several(&a));
    trade_release(&t);
    analysis_release(&a);
}

/* 1.25 and 1.8 are 1.5 in the geometric mean; what sleeps beside it does not count, nor does the
 * host's own loss divide anything. */
static void loss_is_the_targets_own(void **state)
{
    static const char *const cells[] = {"beside.idle@prime",   "beside.cpu@prime",
                                        "beside.fsync@create", "tail.cpu@prime",
                                        "neighbour.slowdown",  NULL};
    const struct outcome_of idle[N] = {{5e9, NULL}, {5e9, NULL}, {5e9, NULL}},
                            cpu[N] = {{0, NULL}, {1.25e9, NULL}, {2e9, NULL}},
                            fsync_[N] = {{0, NULL}, {1.8e9, NULL}, {.5e9, NULL}},
                            linpack[N] = {{1.1e9, NULL}, {1.3e9, NULL}, {0, NULL}};
    struct analysis a;
    struct trade t;
    struct made m;

    made_open(*state, cells, &m);
    same_in_blocks(&m, 7, "beside.idle@prime", idle);
    same_in_blocks(&m, 7, "beside.cpu@prime", cpu);
    same_in_blocks(&m, 7, "tail.cpu@prime", idle);
    same_in_blocks(&m, 7, "beside.fsync@create", fsync_);
    same_in_blocks(&m, 7, "neighbour.slowdown", linpack);
    trade_read(&m, &a, &t);
    assert_int_equal(t.rows[TRADE_BESIDE].cells, 2);
    assert_int_equal(t.rows[TRADE_BESIDE].left_out, 0);
    assert_near(t.rows[TRADE_BESIDE].values[RUNC].e.value, 1.5);
    assert_near(t.rows[TRADE_BESIDE].values[RUNC].e.lo, 1.5);
    assert_near(t.rows[TRADE_BESIDE].values[GVISOR].e.value, 1);
    assert_false(t.rows[TRADE_BESIDE].values[HOST].has);
    assert_near(t.rows[TRADE_WORST].values[RUNC].e.value, 1.8);
    assert_string_equal(t.rows[TRADE_WORST].values[RUNC].which, "beside.fsync@create");
    assert_string_equal(t.rows[TRADE_WORST].values[GVISOR].which, "beside.cpu@prime");
    assert_near(t.rows[TRADE_LINPACK].values[HOST].e.value, 1.1);
    assert_near(t.rows[TRADE_LINPACK].values[RUNC].e.value, 1.3);
    assert_false(t.rows[TRADE_LINPACK].values[GVISOR].has);
    assert_int_equal(t.rows[TRADE_LINPACK].values[GVISOR].alone->status, CELL_FAILED);
    assert_true(t.has[TRADE_LOSS] && !t.has[TRADE_COST]);
    trade_release(&t);
    analysis_release(&a);
}

/* Calls 0 and 4 are let through to the payload, 4 and 9 to the sandbox; the host does not answer 9.
 */
static void reach_is_of_both_sides(void **state)
{
    static const char *const cells[] = {"reach.answered", "reach.host", NULL};
    struct callset answered = {{false}}, payload = {{false}}, sandbox = {{false}};
    char answered_bits[CALLSET_TEXT], payload_bits[CALLSET_TEXT], sandbox_bits[CALLSET_TEXT];
    struct analysis a;
    struct trade t;
    struct made m;

    for (size_t i = 0; i < 8; i++)
        answered.has[i] = true;
    payload.has[0] = payload.has[4] = sandbox.has[4] = sandbox.has[9] = true;
    callset_format(&answered, answered_bits);
    callset_format(&payload, payload_bits);
    callset_format(&sandbox, sandbox_bits);
    _cleanup_free_ char *host = xasprintf("{\"answered_bits\": \"%s\"}", answered_bits);
    _cleanup_free_ char *facts = xasprintf(
        "{\"could_payload_bits\": \"%s\", \"could_sandbox_bits\": \"%s\", "
        "\"could_sandbox_unknown\": 2, \"host_capabilities\": 6, \"host_paths_asked\": 23, "
        "\"shares_payload\": \"user,time\", \"shares_sandbox\": \"pid,user\", "
        "\"host_paths_payload\": \"/proc/kmsg,/sys/kernel(ro)\", "
        "\"host_paths_sandbox\": \"/sys/kernel,/root(ro),/proc/kms\"}",
        payload_bits, sandbox_bits);
    /* Answered: a rate, in calls. */
    const struct outcome_of answers[N] = {{1e9 / 8, host}, {1e9 / 8, NULL}, {1e9 / 5, NULL}},
                            made[N] = {{34e9, "{}"},
                                       {34e9, "{\"could_payload_unknown\": 1}"},
                                       {39e9, facts}};
    made_open(*state, cells, &m);
    same_in_blocks(&m, 6, "reach.answered", answers);
    same_in_blocks(&m, 6, "reach.host", made);
    trade_read(&m, &a, &t);
    assert_near(t.rows[TRADE_ANSWERED].values[HOST].e.value, 8);
    assert_near(t.rows[TRADE_ANSWERED].values[GVISOR].e.value, 5);
    assert_near(t.rows[TRADE_MADE].values[GVISOR].e.value, 39);
    assert_near(t.rows[TRADE_COULD].values[GVISOR].e.value, 2);
    assert_true(t.rows[TRADE_COULD].values[GVISOR].at_least);
    assert_int_equal(t.rows[TRADE_COULD].of, 8);
    assert_false(t.rows[TRADE_COULD].values[RUNC].has);
    assert_true(t.rows[TRADE_COULD].values[RUNC].at_least);
    assert_near(t.rows[TRADE_CAPS].values[GVISOR].e.value, 6);
    assert_near(t.rows[TRADE_NAMESPACES].values[GVISOR].e.value, 3);
    assert_near(t.rows[TRADE_PATHS].values[GVISOR].e.value, 4);
    assert_int_equal(t.rows[TRADE_PATHS].of, 23);
    assert_false(t.rows[TRADE_PATHS].values[HOST].has);
    trade_release(&t);
    analysis_release(&a);
}

static void matrix_has_every_pair(void **state)
{
    static const char *const cells[] = {"sys.getpid",       "beside.idle@prime", "tail.idle@prime",
                                        "beside.oom@prime", "beside.oom@start",  NULL};
    static const char back[] = "{\"with_ns\": 1, \"held\": true, \"recovery_s\": 0.25}",
                      soon[] = "{\"with_ns\": 1, \"held\": true, \"recovery_s\": 0}",
                      never[] = "{\"with_ns\": 1, \"held\": false}";
    struct analysis a;
    struct matrix x;
    struct made m;

    made_open(*state, cells, &m);
    for (uint32_t b = 0; b < 6; b++) {
        /* On runc: at once, at once, .25, .25, .25, never; on gVisor never in 4 of 6. */
        const struct outcome_of v[N] = {
            {0, NULL},
            {1.5e9, b < 2   ? soon
                    : b < 5 ? back
                            : never},
            {1e9, b < 4 ? never : back},
        };
        put(&m, b, "beside.oom@prime", v);
        put(&m, b, "tail.idle@prime", v);
    }
    assert_ok(analyse_run(m.s, m.run, &a, err));
    assert_ok(analyse_matrix(m.s, &a, &x, err));
    made_close(&m);
    assert_int_equal(x.n_loads, 2);
    assert_int_equal(x.n_victims, 2);
    assert_string_equal(x.loads[1], "oom");
    assert_string_equal(x.victims[1], "start");
    const struct matrix_entry *e = matrix_at(&x, RUNC, 1, 0);
    assert_near(e->beside.e.value, 1.5);
    assert_int_equal(e->beside.verdict, VERDICT_SLOWER);
    assert_null(e->tail.result);
    assert_int_equal(e->limits, 6);
    assert_int_equal(e->broken, 1);
    assert_near(e->recovery_s, .25);
    e = matrix_at(&x, GVISOR, 1, 0);
    assert_int_equal(e->beside.verdict, VERDICT_EQUIVALENT);
    assert_int_equal(e->broken, 4);
    assert_true(isinf(e->recovery_s));
    assert_int_equal(matrix_at(&x, HOST, 1, 0)->beside.result->status, CELL_FAILED);
    assert_true(isnan(matrix_at(&x, HOST, 1, 0)->recovery_s));
    assert_near(matrix_at(&x, RUNC, 0, 0)->tail.e.value, 1.5);
    assert_int_equal(matrix_at(&x, RUNC, 1, 1)->beside.result->status, CELL_NOT_MEASURED);
    assert_null(matrix_at(&x, RUNC, 0, 1)->beside.result);
    assert_true(matrix_has(&a, 1) && !matrix_has(&a, 0));
    matrix_release(&x);
    analysis_release(&a);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(cost_is_the_mean_of_what_all_have),
        TEST(blocks_are_drawn_whole),
        TEST(few_blocks_have_no_interval),
        TEST(loss_is_the_targets_own),
        TEST(reach_is_of_both_sides),
        TEST(matrix_has_every_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
