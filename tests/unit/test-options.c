/* The tables of the commands, and what the parser makes of a command line. */
#include "unit.h"

#include "base/cleanup.h"
#include "cli/commands.h"
#include "cli/run-plan.h"

#include <errno.h>

#define PARSE(c, ret, ...)                                                                         \
    options_parse(c, (int)ARRAY_SIZE(((const char *[]){__VA_ARGS__})),                             \
                  (char **)(const char *[]){__VA_ARGS__, NULL}, ret, err)

/* What the declarations promise to those that read them. */
static void check_command(const struct command *c)
{
    bool letters[128] = {false};

    assert_true(str_is_id(c->name, 16));
    assert_true(strlen(c->summary) < 70);
    assert_int_equal(c->description[strlen(c->description) - 1], '.');
    assert_true(c->n_examples > 0 && c->run);
    assert_true((c->max_operands > 0) == (c->operands[0] != '\0'));
    for (size_t i = 0; i < command_option_count(c); i++) {
        const struct option_def *d = command_option(c, i);
        assert_true(str_is_id(d->name, 24));
        assert_string_not_equal(d->name, "help");
        assert_true((d->kind == OPTION_FLAG) == (d->arg == NULL));
        assert_true((d->kind == OPTION_CHOICE) == (d->choices != NULL));
        assert_true(d->help[0] && d->help[strlen(d->help) - 1] != '.');
        if (d->letter) {
            assert_true(d->letter != 'h' && !letters[(int)d->letter]);
            letters[(int)d->letter] = true;
        }
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(d->name, command_option(c, j)->name);
    }
    for (size_t i = 0; i < c->n_examples; i++) {
        char start[40];
        str_format(start, sizeof(start), "cupel %s", c->name);
        assert_true(str_starts(c->examples[i].command, start));
    }
}

static void test_tables(void **state)
{
    assert_int_equal(command_count(), 17);
    for (size_t i = 0; i < command_count(); i++)
        check_command(command_at(i));
}

static void test_values(void **state)
{
    struct options o;

    assert_ok(PARSE(&cmd_run, &o, "run", "--blocks", "12", "-t", "runc", "--target=crun",
                    "--budget", "4m", "--precision", "2%", "-q"));
    assert_int_equal(options_u64(&o, "blocks", 0), 12);
    assert_string_equal(options_nth(&o, "target", 0), "runc");
    assert_string_equal(options_nth(&o, "target", 1), "crun");
    assert_null(options_nth(&o, "target", 2));
    assert_true(options_u64(&o, "budget", 0) == UINT64_C(240000000000));
    assert_float_equal(options_fraction(&o, "precision", 0), .02, 1e-12);
    assert_true(options_flag(&o, "quiet"));
    assert_false(options_flag(&o, "solo"));
    assert_int_equal(options_u64(&o, "rounds", 77), 77);
    assert_null(options_text(&o, "db", NULL));
    options_release(&o);
}

static void test_operands_and_the_double_dash(void **state)
{
    struct options o;

    assert_ok(PARSE(&cmd_show, &o, "show", "r7", "--absolute"));
    assert_int_equal(o.operands.n, 1);
    assert_true(options_flag(&o, "absolute"));
    options_release(&o);
    assert_ok(PARSE(&cmd_import, &o, "import", "--", "--odd-name"));
    assert_string_equal(o.operands.v[0], "--odd-name");
    options_release(&o);
}

static void test_help_counts_no_operands(void **state)
{
    struct options o;

    assert_ok(PARSE(&cmd_import, &o, "import", "--help"));
    assert_true(o.help);
    options_release(&o);
}

static void test_abbreviations(void **state)
{
    struct options o;

    assert_ok(PARSE(&cmd_run, &o, "run", "--blo", "3"));
    assert_int_equal(options_u64(&o, "blocks", 0), 3);
    options_release(&o);
    assert_fails(PARSE(&cmd_run, &o, "run", "--b", "3"), EINVAL, "several");
}

static void test_refusals(void **state)
{
    struct options o;

    assert_fails(PARSE(&cmd_run, &o, "run", "--taget", "x"), EINVAL, "did you mean --target?");
    assert_fails(PARSE(&cmd_run, &o, "run", "--blocks"), EINVAL, "--blocks wants N");
    assert_fails(PARSE(&cmd_run, &o, "run", "--blocks", "1", "--blocks", "2"), EINVAL, "twice");
    assert_fails(PARSE(&cmd_run, &o, "run", "--quiet=1"), EINVAL, "takes no value");
    assert_fails(PARSE(&cmd_run, &o, "run", "-qZ"), EINVAL, "\"-Z\"");
    assert_fails(PARSE(&cmd_run, &o, "run", "-\x93"), EINVAL, "no option");
    assert_fails(PARSE(&cmd_run, &o, "run", "--precision", "0"), EINVAL, "--precision");
    assert_fails(PARSE(&cmd_run, &o, "run", "--base", "a\033b"), EINVAL, "control characters");
    assert_fails(PARSE(&cmd_run, &o, "run", "--base", "a\xed\xa0\x80"), EINVAL, "UTF-8");
    assert_fails(PARSE(&cmd_run, &o, "run", "x"), EINVAL, "\"x\" is too much");
    assert_fails(PARSE(&cmd_run, &o, "run", "x", "--", "y"), EINVAL, "\"x\" is too much");
    assert_ok(PARSE(&cmd_run, &o, "run", "--quiet", "--", "x", "--blocks"));
    assert_int_equal(o.operands.n, 2);
    options_release(&o);
    assert_fails(PARSE(&cmd_import, &o, "import"), EINVAL, "FILE... is missing");
    assert_fails(PARSE(&cmd_show, &o, "show", "--format", "xml"), EINVAL, "term|md|csv|json");
}

static void test_plan_of_options(void **state)
{
    struct options o;
    struct plan p;

    assert_ok(PARSE(&cmd_run, &o, "run", "--limit", "cpus=1.5,memory=512M", "--limit",
                    "pids=9,io=50M", "--workload", "cpu.prime", "--solo"));
    plan_init(&p);
    assert_ok(run_plan_apply(&o, &p, err));
    assert_float_equal(p.limits.cpus, 1.5, 0);
    assert_true(p.limits.memory_bytes == UINT64_C(512) << 20 && p.limits.pids == 9);
    assert_true(p.limits.io_bps == 50 << 20);
    assert_int_equal(p.cells.n, 1);
    assert_string_equal(p.suite, "");
    assert_true(p.solo && p.budget_ns == RUN_BUDGET_QUICK_NS);
    plan_release(&p);
    options_release(&o);
}

/* Without a word it is the quick suite in four minutes; a number of blocks is an end by itself. */
static void test_plan_defaults(void **state)
{
    struct options o;
    struct plan p;

    assert_ok(PARSE(&cmd_run, &o, "run"));
    plan_init(&p);
    assert_ok(run_plan_apply(&o, &p, err));
    assert_string_equal(p.suite, "quick");
    assert_true(p.cells.n >= 10 && p.budget_ns == RUN_BUDGET_QUICK_NS);
    plan_release(&p);
    options_release(&o);
    assert_ok(PARSE(&cmd_run, &o, "run", "--suite", "micro", "--repeats", "3"));
    plan_init(&p);
    assert_ok(run_plan_apply(&o, &p, err));
    assert_true(p.cells.n > 20 && p.budget_ns == 0 && p.repeats == 3);
    plan_release(&p);
    options_release(&o);
}

/* ---- which targets it is where none are given ---- */

static struct target_info here(const char *driver, const char *runtime, bool usable,
                               bool starts_daemon)
{
    struct target_info i = {.usable = usable, .starts_daemon = starts_daemon};
    str_copy(i.target.driver, sizeof(i.target.driver), driver);
    str_copy(i.target.runtime, sizeof(i.target.runtime), runtime);
    str_format(i.target.label, sizeof(i.target.label), "%s%s%s", driver, *runtime ? "/" : "",
               runtime);
    str_copy(i.target.text, sizeof(i.target.text), i.target.label);
    return i;
}

static void expect_targets(const char *suite, const char *option, struct target_infos *known,
                           const char *want)
{
    _cleanup_(str_release) struct str got = STR_INIT;
    struct options o;
    struct plan p;

    assert_ok(PARSE(&cmd_run, &o, "run", "--suite", suite, option));
    plan_init(&p);
    assert_ok(run_plan_apply(&o, &p, err));
    assert_ok(run_plan_targets(&o, known, &p, err));
    for (size_t i = 0; i < p.targets.n; i++)
        str_addf(&got, "%s%s", i ? " " : "", p.targets.v[i].label);
    assert_string_equal(got.buf, want);
    plan_release(&p);
    options_release(&o);
}

/* The paper's containers were docker's: its suite goes there where a docker runs, or may be
 * started; every other goes to the runtimes themselves. */
static void test_default_targets(void **state)
{
    for (int own = 0; own < 2; own++) {
        struct target_info v[] = {
            here("host", "", true, false),        here("oci", "runc", true, false),
            here("oci", "crun", false, false),    here("docker", "runc", true, own),
            here("docker", "crun", false, false), here("podman", "crun", true, false)};
        struct target_infos known = {.v = v, .n = ARRAY_SIZE(v)};
        const char *above = "host docker/runc", *plain = "host oci/runc";
        expect_targets("quick", "--share", &known, plain);
        expect_targets("quick", "--start-engines", &known, plain);
        expect_targets("paper", "--share", &known, own ? plain : above);
        expect_targets("paper", "--start-engines", &known, above);
        expect_targets("paper", "--no-engines", &known, plain);
    }
}

static bool looks_around(const char *plan_target, const char *a, const char *b)
{
    struct options o;
    struct plan p;
    struct target_info known = here("oci", plan_target ? plan_target : "", true, false);

    assert_ok(a ? PARSE(&cmd_run, &o, "run", "--target", a, "--target", b)
                : PARSE(&cmd_run, &o, "run", "--share"));
    plan_init(&p);
    if (plan_target)
        VEC_PUSH(&p.targets, known.target);
    bool looks = run_plan_looks_around(&o, &p);
    plan_release(&p);
    options_release(&o);
    return looks;
}

/* Only where the machine has a say in which they are. */
static void test_named_targets_need_no_look_around(void **state)
{
    assert_true(looks_around(NULL, NULL, NULL));
    assert_false(looks_around("runc", NULL, NULL));
    assert_false(looks_around(NULL, "runc", "a=host,inject=cpu:1%"));
    assert_true(looks_around(NULL, "runc", "runsc:*"));
    assert_true(looks_around("runc", "runc", "*"));
}

/* The base that is defined on the spot is one more target; the gate is theta, too. */
static void test_gate_and_base(void **state)
{
    const struct target_infos none = {.n = 0};
    struct options o;
    struct plan p;
    size_t base;

    assert_ok(PARSE(&cmd_run, &o, "run", "--base", "old=runc,x=y", "--target", "crun", "--gate",
                    "4%", "--aa", "--workload", "cpu.prime"));
    plan_init(&p);
    assert_ok(run_plan_apply(&o, &p, err));
    assert_ok(run_plan_targets(&o, &none, &p, err));
    assert_true(p.gate == .04 && p.theta == .04 && p.precision == 0);
    assert_int_equal(p.targets.n, 4);
    assert_string_equal(p.targets.v[0].label, "crun");
    assert_string_equal(p.targets.v[1].label, "crun#2");
    assert_ok(plan_base_index(&p, &base, err));
    assert_int_equal(base, 2);
    assert_string_equal(p.targets.v[2].text, "runc,x=y");
    plan_release(&p);
    options_release(&o);
    /* Three comparisons of one workload need 7 blocks: 5/3 of 3/128. */
    assert_ok(PARSE(&cmd_run, &o, "run", "--target", "a=host", "--target", "b=host", "--aa",
                    "--gate", "4%", "--workload", "cpu.prime", "--blocks", "6"));
    plan_init(&p);
    assert_ok(run_plan_apply(&o, &p, err));
    assert_fails(run_plan_targets(&o, &none, &p, err), EINVAL,
                 "with 3 comparisons no regression can be proven from fewer than 7 blocks");
    plan_release(&p);
    options_release(&o);
}

static uint64_t memory_limit(const char *one, const char *two, const char *three)
{
    struct options o;
    struct plan p;

    assert_ok(PARSE(&cmd_run, &o, "run", "--suite", one, two, three));
    plan_init(&p);
    assert_ok(run_plan_apply(&o, &p, err));
    uint64_t bytes = p.limits.memory_bytes;
    plan_release(&p);
    options_release(&o);
    return bytes;
}

/* The paper's, where the suite is all there is and nothing else is said. */
static void test_limit_of_a_suite(void **state)
{
    assert_true(memory_limit("density", "--repeats", "3") == UINT64_C(200) << 20);
    assert_true(memory_limit("density", "--limit", "memory=1G") == UINT64_C(1) << 30);
    assert_true(memory_limit("density", "--limit", "pids=100") == 0);
    assert_true(memory_limit("density", "--suite", "lifecycle") == 0);
    assert_true(memory_limit("lifecycle", "--repeats", "3") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_operands_and_the_double_dash),
        cmocka_unit_test(test_help_counts_no_operands),
        cmocka_unit_test(test_abbreviations),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_plan_of_options),
        cmocka_unit_test(test_plan_defaults),
        cmocka_unit_test(test_default_targets),
        cmocka_unit_test(test_named_targets_need_no_look_around),
        cmocka_unit_test(test_gate_and_base),
        cmocka_unit_test(test_limit_of_a_suite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
