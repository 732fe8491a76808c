/* Runs made by hand, of ratios that can be worked out on paper, compared side against side. */
#include "simple-run.h"

#include "analyse/compare.h"

#include <errno.h>

/* Three runs of a and three of b, in turns, each with its ratios shifted by a step. */
static void make_six(struct store *s, const struct made *a, const struct made *b, double step,
                     int64_t runs[6])
{
    for (int i = 0; i < 6; i++) {
        struct made m = i % 2 ? *b : *a;
        for (int c = 0; c < LISTED; c++)
            m.ratio[c] = (m.ratio[c] > 0 ? m.ratio[c] : 1) * exp(step * (i / 2 - 1));
        m.started_s += (uint64_t)(10 * i);
        runs[i % 2 * 3 + i / 2] = make(s, &m);
    }
}

#define near(a, b) assert_float_equal(a, b, 1e-6)

static void the_run_is_what_is_repeated(void **state)
{
    struct store *s = opened(state);
    const struct made a = {.ratio = {1.5}}, b = {.ratio = {1.8}};
    struct compare_request q = {.n = {3, 3}};
    struct compare c;
    int64_t runs[6];

    make_six(s, &a, &b, .01, runs);
    q.runs = runs;
    assert_ok(compare_runs(s, &q, &c, err));
    assert_int_equal(c.cells.n, 1);
    assert_int_equal(c.targets.n, 2);
    assert_int_equal(compare_at(&c, 0, 0)->status, COMPARISON_ABSENT); /* the base itself */
    const struct comparison *x = compare_at(&c, 0, 1);
    assert_int_equal(x->status, COMPARISON_OK);
    near(exp(x->side[SIDE_A].mean), 1.5);
    near(exp(x->side[SIDE_B].mean), 1.8);
    near(x->ratio.value, 1.2);
    near(x->side[SIDE_A].sd, .01);
    near(x->between, .01);
    /* se = .01 sqrt(2/3), df = 4, t.975 = 2.776445. */
    near(x->w.df, 4);
    near(log(x->ratio.hi), log(1.2) + 2.776445 * .01 * sqrt(2. / 3));
    near(log(x->ratio.lo), log(1.2) - 2.776445 * .01 * sqrt(2. / 3));
    assert_int_equal(x->ratio.n, 6);
    assert_true(x->within > .0002 && x->within < .002);
    assert_int_equal(x->verdict, VERDICT_SLOWER);
    assert_int_equal(c.n_rest, 1);
    near(x->adjusted_p, x->w.p);
    assert_int_equal(c.order, ORDER_MIXED);
    assert_int_equal(c.machines, 1);
    near(c.theta, .02);
    compare_release(&c);
    /* The same three of A against themselves but one: nothing is found. */
    q = (struct compare_request){.runs = runs, .n = {1, 2}, .theta = .1};
    assert_ok(compare_runs(s, &q, &c, err));
    x = compare_at(&c, 0, 1);
    assert_int_equal(x->status, COMPARISON_FEW);
    assert_int_equal(x->verdict, VERDICT_INCONCLUSIVE);
    near(x->ratio.value, exp(.015));
    assert_true(isnan(x->adjusted_p) && isnan(x->ratio.lo));
    near(c.theta, .1);
    compare_release(&c);
    store_close(s);
}

/* 100 ns on the base, in every run; and where there is nothing but a base. */
static void values_by_themselves(void **state)
{
    struct store *s = opened(state);
    const struct made a = {.ratio = {1.5}, .targets = {"host", "runc"}},
                      b = {.ratio = {1.8}, .targets = {"host", "runc"}},
                      alone = {.ratio = {1}, .targets = {"sandbox=host"}};
    struct compare_request q = {.n = {3, 3}, .absolute = true};
    struct compare c;
    struct err why = ERR_INIT;
    int64_t runs[6];

    make_six(s, &a, &b, .01, runs);
    q.runs = runs;
    assert_ok(compare_runs(s, &q, &c, err));
    assert_true(c.absolute);
    near(compare_at(&c, 0, 1)->ratio.value, 1.2);
    assert_int_equal(compare_at(&c, 0, 0)->status, COMPARISON_OK); /* the base has values, too */
    near(compare_at(&c, 0, 0)->ratio.value, 1);
    assert_int_equal(compare_at(&c, 0, 0)->verdict, VERDICT_EQUIVALENT);
    near(exp(compare_at(&c, 0, 1)->side[SIDE_B].mean) /
             exp(compare_at(&c, 0, 0)->side[SIDE_B].mean),
         1.8);
    compare_release(&c);

    make_six(s, &alone, &alone, 0, runs);
    assert_ok(compare_runs(s, &q, &c, err));
    assert_int_equal(compare_at(&c, 0, 0)->status, COMPARISON_OK);
    compare_release(&c);
    q.absolute = false;
    assert_int_equal(compare_runs(s, &q, &c, &why), -EINVAL);
    assert_non_null(strstr(why.msg, "--absolute"));
    store_close(s);
}

/* Against another base: ratios do not mean the same, values do. */
static void a_base_is_nothing_to_values(void **state)
{
    struct store *s = opened(state);
    const struct made a = {.ratio = {1.5}, .targets = {"host", "runc"}},
                      b = {.ratio = {1.5}, .targets = {"other=host", "runc"}};
    struct compare_request q = {.n = {3, 3}, .absolute = true};
    struct compare c;
    struct err why = ERR_INIT;
    int64_t runs[6];

    make_six(s, &a, &b, .01, runs);
    q.runs = runs;
    assert_ok(compare_runs(s, &q, &c, err));
    compare_release(&c);
    q.absolute = false;
    assert_int_equal(compare_runs(s, &q, &c, &why), -EXDEV);
    store_close(s);
}

static size_t cell_named(const struct compare *c, const char *name)
{
    for (size_t i = 0; i < c->cells.n; i++)
        if (str_eq(c->cells.v[i].name, name))
            return i;
    fail_msg("no cell %s", name);
    return 0;
}

/* Two array sizes, a cell and a target that one side alone has, all CPUs of two and of four. */
static void only_the_same_is_compared(void **state)
{
    struct store *s = opened(state);
    const struct made a = {.cells = {"mem.triad", "sys.getpid", "cpu.prime@all"},
                           .array_bytes = 64 << 20},
                      b = {.cells = {"mem.triad", "sys.getpid", "cpu.prime@all", "sys.close"},
                           .array_bytes = 128 << 20,
                           .targets = {"host", "runc", "crun"},
                           .machine = "{\"kernel\": \"6.1\", \"cpus_usable\": 4}"};
    struct compare_request q = {.n = {3, 3}};
    struct compare c;
    int64_t runs[6];

    make_six(s, &a, &b, .001, runs);
    q.runs = runs;
    assert_ok(compare_runs(s, &q, &c, err));
    assert_int_equal(c.cells.n, 6);
    assert_int_equal(c.targets.n, 3);
    assert_int_equal(c.n_rest, 1);
    assert_int_equal(compare_at(&c, cell_named(&c, "sys.getpid"), 1)->status, COMPARISON_OK);
    assert_int_equal(compare_at(&c, cell_named(&c, "sys.getpid"), 2)->status, COMPARISON_ONE_SIDE);
    static const char *const alone[] = {"mem.triad {array_bytes=64M}",
                                        "mem.triad {array_bytes=128M}", "cpu.prime@all {cpus=2}",
                                        "cpu.prime@all {cpus=4}", "sys.close"};
    for (size_t i = 0; i < ARRAY_SIZE(alone); i++) {
        const struct comparison *x = compare_at(&c, cell_named(&c, alone[i]), 1);
        assert_int_equal(x->status, COMPARISON_ONE_SIDE);
        assert_int_equal(x->side[SIDE_A].runs + x->side[SIDE_B].runs, 3);
    }
    compare_release(&c);
    store_close(s);
}

/* What fails is never called the faster, on whichever side. */
static void failures_are_outcomes(void **state)
{
    struct store *s = opened(state);
    const struct made fine = {.ratio = {2}}, quick = {.ratio = {1}, .failed = 2},
                      never = {.failed = BLOCKS};
    struct compare_request q = {.n = {3, 3}};
    struct compare c;
    int64_t runs[6], turned[6], none[6];

    make_six(s, &fine, &quick, .001, runs);
    q.runs = runs;
    assert_ok(compare_runs(s, &q, &c, err));
    const struct comparison *x = compare_at(&c, 0, 1);
    assert_int_equal(x->side[SIDE_B].failed, 6);
    assert_int_equal(x->side[SIDE_B].tried, 24);
    assert_string_equal(x->side[SIDE_B].fail_text, "it hung");
    near(x->ratio.value, .5);
    assert_int_equal(x->hold, HOLD_FAILED);
    assert_int_equal(x->verdict, VERDICT_INCONCLUSIVE);
    compare_release(&c);
    for (int i = 0; i < 6; i++)
        turned[i] = runs[(i + 3) % 6];
    q.runs = turned;
    assert_ok(compare_runs(s, &q, &c, err));
    near(compare_at(&c, 0, 1)->ratio.value, 2);
    assert_int_equal(compare_at(&c, 0, 1)->hold, HOLD_FAILED);
    compare_release(&c);
    /* What failed and is slower too, is slower. */
    const struct made slow = {.ratio = {4}, .failed = 2};
    make_six(s, &fine, &slow, .001, runs);
    q.runs = runs;
    assert_ok(compare_runs(s, &q, &c, err));
    assert_int_equal(compare_at(&c, 0, 1)->verdict, VERDICT_SLOWER);
    compare_release(&c);
    make_six(s, &fine, &never, .001, none);
    q.runs = none;
    assert_ok(compare_runs(s, &q, &c, err));
    assert_int_equal(compare_at(&c, 0, 1)->status, COMPARISON_NONE);
    assert_int_equal(c.n_rest, 0);
    compare_release(&c);
    store_close(s);
}

/* Five comparisons, of which one has p near .03: it stands alone and as the one primary, and not
 * among five. */
static void many_comparisons(void **state)
{
    static const char *const one[] = {"sys.getpid"}, *const two[] = {"sys.*"},
                             *const wrong[] = {"sys.getpit"};
    struct store *s = opened(state);
    const struct made a = {.cells = {"cpu.prime", "sys.getpid", "sys.close", "mm.fault",
                                     "ipc.pipe@same"},
                           .ratio = {1, 1, 1, 1, 1}},
                      b = {.cells = {"cpu.prime", "sys.getpid", "sys.close", "mm.fault",
                                     "ipc.pipe@same"},
                           .ratio = {1, 1.088, 1, 1, 1}};
    struct compare_request q = {.n = {3, 3}};
    struct compare c;
    int64_t runs[6];

    /* t = ln 1.088 / (.03 sqrt(2/3)) = 3.443 with 4 degrees of freedom. */
    make_six(s, &a, &b, .03, runs);
    q.runs = runs;
    q.theta = .001;
    assert_ok(compare_runs(s, &q, &c, err));
    const struct comparison *x = compare_at(&c, 1, 1);
    assert_true(x->w.p > .02 && x->w.p < .03);
    near(x->adjusted_p, 5 * x->w.p);
    assert_int_equal(x->hold, HOLD_MANY);
    assert_int_equal(x->verdict, VERDICT_INCONCLUSIVE);
    assert_int_equal(c.n_rest, 5);
    compare_release(&c);
    q.primary = one;
    q.n_primary = 1;
    assert_ok(compare_runs(s, &q, &c, err));
    x = compare_at(&c, 1, 1);
    near(x->adjusted_p, x->w.p);
    assert_true(x->primary && x->verdict == VERDICT_SLOWER);
    assert_int_equal(c.n_primary, 1);
    assert_int_equal(c.n_rest, 4);
    compare_release(&c);
    q.primary = two;
    assert_ok(compare_runs(s, &q, &c, err));
    assert_int_equal(c.n_primary, 2);
    near(compare_at(&c, 1, 1)->adjusted_p, 2 * compare_at(&c, 1, 1)->w.p);
    compare_release(&c);
    q.primary = wrong;
    assert_fails(compare_runs(s, &q, &c, err), EINVAL, "did you mean sys.getpid?");
    store_close(s);
}

static const struct environ_field *field(const struct compare *c, const char *name)
{
    VEC_FOREACH (&c->environ.fields, const struct environ_field, f)
        if (str_eq(f->name, name))
            return f;
    fail_msg("no field %s", name);
    return NULL;
}

static void environments_are_compared(void **state)
{
    static const char *const same[] = {"base",    "limits",           "probe",     "probe's sha256",
                                       "machine", "runc: definition", "slice (ns)"};
    struct store *s = opened(state);
    const struct made a = {.info = "{\"version\": \"1\", \"sha256\": \"aa\"}"},
                      b = {.info = "{\"version\": \"2\", \"sha256\": \"bb\"}",
                           .machine = "{\"kernel\": \"6.8\", \"governor\": \"performance\"}"},
                      odd = {.machine = "{\"kernel\": \"6.9\"}",
                             .machine_id = "n",
                             .info = "{\"version\": \"1\"}"};
    struct compare_request q = {.n = {3, 3}};
    struct compare c;
    int64_t runs[6];

    make_six(s, &a, &b, .001, runs);
    runs[2] = make(s, &odd);
    q.runs = runs;
    assert_ok(compare_runs(s, &q, &c, err));
    for (size_t i = 0; i < ARRAY_SIZE(same) - 3; i++)
        assert_false(environ_differs(field(&c, same[i]), 0, 6));
    const struct environ_field *kernel = field(&c, "kernel"), *version = field(&c, "runc: version");
    assert_true(environ_differs(kernel, 0, 3) && !environ_differs(kernel, 3, 6));
    assert_true(environ_differs_between(kernel, 3, 6));
    assert_string_equal(kernel->values[2], "6.9");
    assert_true(!environ_differs(version, 0, 3) && environ_differs_between(version, 3, 6));
    /* What is not recorded differs from nothing. */
    assert_false(environ_differs_between(field(&c, "governor"), 3, 6));
    assert_false(environ_differs(field(&c, "runc: program's sha256"), 0, 3));
    assert_true(environ_differs(field(&c, "machine"), 0, 3));
    assert_int_equal(c.order, ORDER_MACHINES);
    assert_int_equal(c.machines, 2);
    compare_release(&c);
    store_close(s);
}

/* Runs whose ratios do not mean the same, one reason each, and that force goes on. */
static void ratios_that_mean_another_thing(void **state)
{
    static const struct {
        struct made b;
        const char *text;
    } cases[] = {
        {{.base = "runc", .targets = {"host", "runc", "crun"}},
         "r1 has base host and r4 runc (and 1 more field)"},
        {{.limit_cpus = 1.5}, "r1 has limits none and r4 cpus=1.5: their ratios"},
        {{.machine = "{\"arch\": \"aarch64\"}"}, "r1 has architecture x86_64 and r4 aarch64"},
        {{.hello = "{\"program\": \"cupel-probe 9\"}"}, "r1 has probe cupel-probe 0 and r4 cupel"},
        {{.targets = {"host,inject=cpu:5%", "runc"}}, "r1 has base's definition host and r4"},
    };
    const struct made a = {.machine = "{\"arch\": \"x86_64\"}",
                           .targets = {"host", "runc", "crun"}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct compare_request q = {.n = {3, 3}};
        struct compare c;
        int64_t runs[6];
        void *fresh = NULL;
        assert_int_equal(fixture_setup(&fresh), 0);
        struct store *s = opened(&fresh);
        for (int k = 0; k < 6; k++)
            runs[k] = make(s, k < 3 ? &a : &cases[i].b);
        q.runs = runs;
        assert_fails(compare_runs(s, &q, &c, err), EXDEV, cases[i].text);
        q.force = true;
        assert_ok(compare_runs(s, &q, &c, err));
        compare_release(&c);
        store_close(s);
        fixture_teardown(&fresh);
    }
    (void)state;
}

static void what_cannot_be_compared(void **state)
{
    struct store *s = opened(state);
    const struct made a = {.started_s = 10}, b = {.started_s = 20},
                      loose = {.theta = .1, .started_s = 5}, other = {.cells = {"cpu.prime"}};
    int64_t runs[4];
    struct compare_request q = {.runs = runs, .n = {1, 1}};
    struct compare c;

    runs[0] = make(s, &a);
    runs[1] = runs[0];
    assert_fails(compare_runs(s, &q, &c, err), EINVAL, "r1 is there twice");
    runs[1] = make(s, &other);
    assert_fails(compare_runs(s, &q, &c, err), EINVAL, "no cell in common");
    runs[1] = make(s, &loose);
    assert_fails(compare_runs(s, &q, &c, err), EINVAL,
                 "r1 takes differences up to 2 % to be alike "
                 "and r3 up to 10 %");
    q.theta = .05;
    assert_ok(compare_runs(s, &q, &c, err));
    assert_int_equal(c.order, ORDER_B_FIRST);
    compare_release(&c);
    runs[1] = make(s, &b);
    assert_ok(compare_runs(s, &q, &c, err));
    assert_int_equal(c.order, ORDER_A_FIRST);
    compare_release(&c);
    runs[1] = 99;
    assert_fails(compare_runs(s, &q, &c, err), ENOENT, "r99");
    store_close(s);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_run_is_what_is_repeated), TEST(values_by_themselves),
        TEST(a_base_is_nothing_to_values), TEST(only_the_same_is_compared),
        TEST(failures_are_outcomes),       TEST(many_comparisons),
        TEST(environments_are_compared),   TEST(ratios_that_mean_another_thing),
        TEST(what_cannot_be_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
