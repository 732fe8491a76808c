/* Targets whose CPU is emulated in software: measured and shown like the others, and left out of
 * whatever says something of hardware. */
#include "made-run.h"

#include "analyse/advise.h"
#include "analyse/claims.h"
#include "analyse/compare.h"
#include "analyse/gate.h"
#include "analyse/trade.h"

enum { VM = GVISOR }; /* the third target, here */

static const char *const work[] = {"sys.getpid", "cpu.prime", NULL};
static const char *const targets[N] = {"host", "runc", "vm=runsc:kvm"};
static const struct target_row plain_rows[N] = {{true, NULL}, {true, NULL}, {true, NULL}};
static const struct target_row vm_rows[N] = {
    {true, (char *)"{\"emulated\": false}"}, {true, NULL}, {true, (char *)"{\"emulated\": true}"}};

/* runc takes 1.5 times the host's time, the third target ten times; a little about it, so that
 * there is an interval. */
static void fill(struct made *m, uint32_t blocks)
{
    for (uint32_t b = 0; b < blocks; b++) {
        double d = b % 2 ? .1 : -.1;
        const struct outcome_of v[N] = {{100, NULL}, {150 + d, NULL}, {1000 + d, NULL}};
        put(m, b, "sys.getpid", v);
        put(m, b, "cpu.prime", v);
    }
}

static void begin(struct fixture *f, const struct target_row *rows, struct made *m)
{
    made_open_rows(f, targets, rows, work, m);
    fill(m, 8);
}

static void nothing_is_said_of_hardware(void **state)
{
    struct analysis a, without;
    struct made m;

    begin(*state, plain_rows, &m);
    assert_ok(analyse_run(m.s, m.run, &without, err));
    made_close(&m);
    unlink(((struct fixture *)*state)->db);
    begin(*state, vm_rows, &m);
    assert_ok(analyse_run(m.s, m.run, &a, err));
    const struct cell_result *r = analysis_at(&a, 0, VM);
    assert_true(a.emulated[VM] && !a.emulated[HOST] && !a.emulated[RUNC]);
    assert_int_equal(r->verdict, VERDICT_EMULATED);
    assert_float_equal(r->ratio.value, 10, 1e-2);
    assert_true(isfinite(r->ratio.lo) && isfinite(r->ratio.hi));
    assert_true(r->flags & CELL_FLAG_EMULATED);
    assert_true(isnan(r->adjusted_p));
    assert_true(isnan(a.geomean[VM].value) && a.geomean[VM].n == 0);
    /* What the other target comes to does not depend on it; and pays for no comparison with it. */
    const struct cell_result *runc = analysis_at(&a, 0, RUNC),
                             *was = analysis_at(&without, 0, RUNC);
    assert_int_equal(runc->verdict, VERDICT_SLOWER);
    assert_false(runc->flags & CELL_FLAG_EMULATED);
    assert_float_equal(runc->ratio.lo, was->ratio.lo, 0);
    assert_float_equal(a.geomean[RUNC].value, without.geomean[RUNC].value, 0);
    assert_true(runc->adjusted_p < was->adjusted_p);
    assert_int_equal(analysis_at(&without, 0, VM)->verdict, VERDICT_SLOWER);
    assert_true(without.geomean[VM].n > 0);
    analysis_release(&a);
    analysis_release(&without);
    made_close(&m);
}

/* Asked for while showing, or by the run itself. */
static void verdicts_can_be_had_all_the_same(void **state)
{
    struct analysis a;
    struct made m;

    begin(*state, vm_rows, &m);
    assert_ok(analyse_run_with(m.s, m.run, true, &a, err));
    assert_int_equal(analysis_at(&a, 0, VM)->verdict, VERDICT_SLOWER);
    assert_true(analysis_at(&a, 0, VM)->flags & CELL_FLAG_EMULATED); /* it is known all the same */
    assert_true(isfinite(analysis_at(&a, 0, VM)->adjusted_p));
    assert_float_equal(a.geomean[VM].value, 10, 1e-2);
    analysis_release(&a);

    struct run_head again;
    run_head_init(&again);
    plan_copy(&again.plan, m.plan);
    again.plan.emulated_too = true;
    assert_ok(store_run_new(m.s, &again, vm_rows, err));
    m.run = again.id;
    fill(&m, 8);
    assert_ok(analyse_run(m.s, m.run, &a, err));
    assert_int_equal(analysis_at(&a, 0, VM)->verdict, VERDICT_SLOWER);
    analysis_release(&a);
    run_head_release(&again);
    made_close(&m);
}

static void nothing_is_compared_with_an_emulated_base(void **state)
{
    static const struct target_row rows[N] = {
        {true, (char *)"{\"emulated\": true}"}, {true, NULL}, {true, NULL}};
    struct analysis a;
    struct made m;

    begin(*state, rows, &m);
    assert_ok(analyse_run(m.s, m.run, &a, err));
    for (size_t t = RUNC; t < N; t++) {
        assert_int_equal(analysis_at(&a, 0, t)->verdict, VERDICT_EMULATED);
        assert_false(analysis_at(&a, 0, t)->flags &
                     CELL_FLAG_EMULATED); /* its own figure is none */
        assert_int_equal(a.geomean[t].n, 0);
    }
    analysis_release(&a);
    made_close(&m);
}

/* As wide as can be: others would go on for hundreds of blocks. */
static void no_run_goes_on_for_it(void **state)
{
    struct analysis a;
    struct made m;
    uint32_t b = 0;

    made_open_rows(*state, targets, vm_rows, work, &m);
    struct run_head open;
    run_head_init(&open);
    plan_copy(&open.plan, m.plan);
    open.plan.repeats = 0;
    assert_ok(store_run_new(m.s, &open, vm_rows, err));
    m.run = open.id;
    for (; b < 12; b++) {
        double d = b % 2 ? 2 : .5;
        const struct outcome_of v[N] = {{100, NULL}, {100 * d, NULL}, {1000 * d, NULL}};
        put(&m, b, "sys.getpid", v);
        put(&m, b, "cpu.prime", v);
        assert_ok(analyse_progress(m.s, m.run, &a, err));
        const struct cell_result *vm = analysis_at(&a, 0, VM);
        /* Not before there is an interval at all: it is to be shown. */
        assert_int_equal(vm->precise, isfinite(vm->ratio.lo));
        assert_false(analysis_at(&a, 0, RUNC)->precise);
        if (b < 11)
            analysis_release(&a);
    }
    assert_true(analysis_at(&a, 0, VM)->precise);
    analysis_release(&a);
    run_head_release(&open);
    made_close(&m);
}

static void a_gate_leaves_it_out(void **state)
{
    struct analysis a;
    struct gate g;
    struct made m;

    begin(*state, vm_rows, &m);
    assert_ok(analyse_run(m.s, m.run, &a, err));
    a.head.plan.gate = .6; /* runc is within, the third would fail it */
    assert_ok(analyse_gate(m.s, &a, &g, err));
    assert_int_equal(gate_verdict(&g), GATE_PASSED);
    assert_int_equal(g.count[GATE_EMULATED], 2);
    assert_int_equal(g.count[GATE_WITHIN], 2);
    gate_release(&g);
    a.emulated[RUNC] = true; /* nothing is left to compare: that is no pass */
    assert_ok(analyse_gate(m.s, &a, &g, err));
    assert_int_equal(gate_verdict(&g), GATE_UNDECIDED);
    assert_int_equal(g.count[GATE_EMULATED], 4);
    assert_true(isnan(g.provable));
    gate_release(&g);
    a.head.plan.emulated_too = true;
    assert_ok(analyse_gate(m.s, &a, &g, err));
    assert_int_equal(gate_verdict(&g), GATE_FAILED);
    gate_release(&g);
    analysis_release(&a);
    made_close(&m);
}

static void a_trade_has_no_means_of_it(void **state)
{
    struct analysis a;
    struct trade t;
    struct made m;

    begin(*state, vm_rows, &m);
    assert_ok(analyse_run(m.s, m.run, &a, err));
    assert_ok(analyse_trade(m.s, &a, &t, err));
    assert_float_equal(t.rows[TRADE_CALLS].values[RUNC].e.value, 1.5, 1e-2);
    assert_int_equal(t.rows[TRADE_ALL].cells, 2); /* it keeps no cell from the others */
    assert_false(t.rows[TRADE_CALLS].values[VM].has);
    assert_false(t.rows[TRADE_ALL].values[VM].has);
    trade_release(&t);
    analysis_release(&a);
    made_close(&m);
}

static void a_factor_of_itself_has_no_verdict_either(void **state)
{
    static const char *const cells[] = {"neighbour.slowdown", NULL};
    const struct outcome_of v[N] = {{1e9, NULL}, {3e9, NULL}, {3e9, NULL}};
    struct matrix_factor f;
    struct analysis a;
    struct made m;

    made_open_rows(*state, targets, vm_rows, cells, &m);
    same_in_blocks(&m, 8, "neighbour.slowdown", v);
    assert_ok(analyse_run(m.s, m.run, &a, err));
    matrix_factor_of(&a, analysis_at(&a, 0, RUNC), &f);
    assert_int_equal(f.verdict, VERDICT_SLOWER);
    matrix_factor_of(&a, analysis_at(&a, 0, VM), &f);
    assert_int_equal(f.verdict, VERDICT_EMULATED);
    assert_float_equal(f.e.value, 3, 1e-6);
    analysis_release(&a);
    made_close(&m);
}

static void it_meets_no_limit(void **state)
{
    static const struct advise_limit l[] = {{ADVISE_LOSS, "sys.getpid", 20}};
    struct analysis a;
    struct advise v = {0};
    struct made m;

    begin(*state, vm_rows, &m);
    assert_ok(analyse_run(m.s, m.run, &a, err));
    assert_ok(analyse_advise(m.s, &a, l, 1, NULL, &v, err));
    assert_int_equal(v.verdicts[RUNC], ADVISE_MEETS);
    assert_int_equal(v.verdicts[VM], ADVISE_NOT_MEASURED);
    assert_non_null(strstr(advise_at(&v, 0, VM)->findings.v[0].remark, "emulated"));
    assert_int_equal(v.meets.n, 1);
    advise_release(&v);
    analysis_release(&a);
    made_close(&m);
}

static void it_tests_no_claim(void **state)
{
    static const char text[] =
        "name: a\nsource: {title: t}\nbase: host\ntargets:\n  host: {is: [host]}\n"
        "  runc: {is: [runc]}\n  vm: {title: VM, is: [\"runsc:kvm\"]}\nclaims:\n"
        "  - {id: r, text: x, overhead: {cell: cpu.prime, of: runc}, is: '> 5 %'}\n"
        "  - {id: v, text: x, overhead: {cell: cpu.prime, of: vm}, is: '> 5 %'}\n";
    static const char *const drivers[] = {"host", "oci"};
    struct claims_judged j = {0};
    struct claims *c;
    struct analysis a;
    struct made m;

    begin(*state, vm_rows, &m);
    assert_ok(claims_parse(text, strlen(text), "a.yaml", drivers, 2, NULL, &c, err));
    assert_ok(analyse_run(m.s, m.run, &a, err));
    const struct claim_run run = {m.s, &a};
    assert_ok(claims_judge(c, &run, 1, &j, err));
    assert_int_equal(j.v[0].verdict, CLAIM_HOLDS);
    assert_int_equal(j.v[1].verdict, CLAIM_UNTESTED);
    assert_non_null(strstr(j.v[1].reason, "the CPU of vm is emulated"));
    claims_judged_release(&j);
    claims_free(c);
    analysis_release(&a);
    made_close(&m);
}

/* With a CPU on one side and an emulated one on the other, most of all. */
static void runs_are_not_compared_by_it(void **state)
{
    int64_t runs[6];
    struct compare c;
    struct made m;

    made_open_rows(*state, targets, plain_rows, work, &m);
    for (int i = 0; i < 6; i++) {
        struct run_head h;
        run_head_init(&h);
        plan_copy(&h.plan, m.plan);
        h.machine_id = xstrdup("m");
        assert_ok(store_run_new(m.s, &h, i < 3 ? plain_rows : vm_rows, err));
        runs[i] = m.run = h.id;
        fill(&m, 8);
        run_head_release(&h);
    }
    const struct compare_request q = {.runs = runs, .n = {3, 3}};
    assert_ok(compare_runs(m.s, &q, &c, err));
    const struct comparison *x = compare_at(&c, 0, VM), *runc = compare_at(&c, 0, RUNC);
    assert_string_equal(c.targets.v[x->target], "vm");
    assert_int_equal(x->verdict, VERDICT_EMULATED);
    assert_int_equal(x->hold, HOLD_NONE);
    assert_float_equal(x->ratio.value, 1, 1e-3);
    assert_true(isnan(x->adjusted_p));
    assert_int_equal(runc->verdict, VERDICT_EQUIVALENT);
    compare_release(&c);
    made_close(&m);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(nothing_is_said_of_hardware),
        T(verdicts_can_be_had_all_the_same),
        T(nothing_is_compared_with_an_emulated_base),
        T(no_run_goes_on_for_it),
        T(a_gate_leaves_it_out),
        T(a_trade_has_no_means_of_it),
        T(a_factor_of_itself_has_no_verdict_either),
        T(it_meets_no_limit),
        T(it_tests_no_claim),
        T(runs_are_not_compared_by_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
