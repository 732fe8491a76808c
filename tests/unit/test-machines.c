/* Runs of many machines, of ratios that can be worked out on paper. */
#include "simple-run.h"

#include "analyse/machines.h"

#include <errno.h>

#define near(a, b) assert_float_equal(a, b, 1e-6)

#define EPYC                                                                                       \
    "{\"cpu_model\": \"EPYC\", \"cpus_online\": 2, \"cpus_usable\": 2, \"arch\": \"x86_64\", "     \
    "\"memory_bytes\": 8589934592, \"hostname\": \"a\"}"
#define XEON                                                                                       \
    "{\"cpu_model\": \"Xeon\", \"cpus_online\": 4, \"cpus_usable\": 2, \"arch\": \"x86_64\", "     \
    "\"memory_bytes\": 8589934592, \"hostname\": \"b\"}"

/* n machines, whose logs of ratios are steps about that of `like`: -1, 0, 1, -1, ... */
static void make_machines(struct store *s, const struct made *like, size_t n, double step,
                          int64_t *runs)
{
    for (size_t i = 0; i < n; i++) {
        struct made m = *like;
        char id[32];
        str_format(id, sizeof(id), "%s%zu", like->machine_id ? like->machine_id : "m", i);
        m.machine_id = id;
        for (int c = 0; c < LISTED; c++)
            m.ratio[c] = (m.ratio[c] > 0 ? m.ratio[c] : 1) * exp(step * ((double)(i % 3) - 1));
        runs[i] = make(s, &m);
    }
}

static void the_machine_is_what_is_repeated(void **state)
{
    struct store *s = opened(state);
    const struct made like = {.ratio = {1.2}, .machine = EPYC};
    int64_t runs[6];
    struct machines m;

    make_machines(s, &like, 6, .01, runs);
    assert_ok(machines_read(s, &(struct machines_request){.runs = runs, .n = 6}, &m, err));
    assert_int_equal(m.n, 6);
    assert_int_equal(m.groups.n, 1);
    const struct machines_result *x = machines_at(&m, 0, 0, 1);
    assert_int_equal(x->n, 6);
    near(x->ratio.value, 1.2);
    /* -1 0 1 -1 0 1: sd = .01 sqrt(4/5), t.975 of 5 is 2.570582. */
    near(x->between, .01 * sqrt(.8));
    near(log(x->ratio.hi), log(1.2) + 2.570582 * .01 * sqrt(.8 / 6));
    near(log(x->ratio.lo), log(1.2) - 2.570582 * .01 * sqrt(.8 / 6));
    assert_int_equal(x->verdict, VERDICT_SLOWER);
    assert_int_equal(m.groups.v[0].tested, 1);
    assert_false(machines_has(&m, 0, 0)); /* the base */
    assert_true(machines_has(&m, 0, 1));
    /* Of one host name: told apart. */
    assert_string_equal(m.rows[0].name, "a (m0)");
    assert_int_equal(x->least % 3, 0);
    assert_int_equal(x->most % 3, 2);
    machines_release(&m);
    store_close(s);
}

static void fewer_than_five_claim_nothing(void **state)
{
    struct store *s = opened(state);
    const struct made like = {.ratio = {2}, .machine = EPYC};
    int64_t runs[4];
    struct machines m;

    make_machines(s, &like, 4, .001, runs);
    assert_ok(machines_read(s, &(struct machines_request){.runs = runs, .n = 4}, &m, err));
    const struct machines_result *x = machines_at(&m, 0, 0, 1);
    near(x->ratio.value, 2 * exp(-.001 / 4));
    assert_true(isnan(x->ratio.lo) && isnan(x->p));
    assert_int_equal(x->verdict, VERDICT_INCONCLUSIVE);
    /* Each by itself is as its run has it. */
    assert_int_equal(machines_figure(&m, 1, 0, 1)->verdict, VERDICT_SLOWER);
    machines_release(&m);
    store_close(s);
}

static void runs_of_a_machine_count_once(void **state)
{
    struct store *s = opened(state);
    struct made like = {.ratio = {1}, .machine = EPYC};
    int64_t runs[7];
    struct machines m;

    make_machines(s, &like, 5, 0, runs);
    /* Two more of the first: its figure is the mean of three, 1.5. */
    like.machine_id = "m0";
    like.ratio[0] = 1.5;
    runs[5] = make(s, &like);
    like.ratio[0] = 2.25;
    runs[6] = make(s, &like);
    assert_ok(machines_read(s, &(struct machines_request){.runs = runs, .n = 7}, &m, err));
    assert_int_equal(m.n, 5);
    assert_int_equal(m.n_runs, 7);
    const struct machine_figure *f = machines_figure(&m, 0, 0, 1);
    assert_int_equal(f->n, 3);
    near(exp(f->log), 1.5);
    assert_true(isnan(f->lo));
    near(machines_at(&m, 0, 0, 1)->ratio.value, pow(1.5, .2));
    assert_int_equal(m.rows[0].last_run, runs[6]);
    machines_release(&m);
    int64_t *latest;
    size_t n;
    assert_ok(machines_latest(s, &latest, &n, err));
    assert_int_equal(n, 5);
    assert_int_equal(latest[0], runs[6]);
    assert_int_equal(latest[1], runs[1]);
    free(latest);
    store_close(s);
}

static void kinds_are_shown_apart(void **state)
{
    struct store *s = opened(state);
    const struct made epyc = {.ratio = {1.1}, .machine = EPYC, .machine_id = "e"},
                      xeon = {.ratio = {1.3}, .machine = XEON, .machine_id = "x"};
    int64_t runs[11];
    struct machines m;

    make_machines(s, &epyc, 6, .001, runs);
    make_machines(s, &xeon, 5, .001, runs + 6);
    assert_ok(machines_read(s, &(struct machines_request){.runs = runs, .n = 11}, &m, err));
    assert_int_equal(m.groups.n, 3);
    assert_string_equal(m.groups.v[1].name, "EPYC, 2 CPUs, 8 GiB, x86_64");
    assert_int_equal(m.groups.v[1].n, 6);
    assert_int_equal(m.groups.v[2].n, 5);
    near(machines_at(&m, 1, 0, 1)->ratio.value, 1.1);
    near(machines_at(&m, 2, 0, 1)->ratio.value, 1.3 * exp(-.001 / 5));
    assert_int_equal(machines_at(&m, 0, 0, 1)->n, 11);
    machines_release(&m);
    store_close(s);
}

static void who_stands_apart_is_named(void **state)
{
    struct store *s = opened(state);
    struct made like = {.ratio = {1.1}, .machine = EPYC};
    int64_t runs[10];
    struct machines m;

    make_machines(s, &like, 9, .01, runs);
    like.machine_id = "odd";
    like.ratio[0] = 1.4;
    runs[9] = make(s, &like);
    assert_ok(machines_read(s, &(struct machines_request){.runs = runs, .n = 10}, &m, err));
    assert_int_equal(m.apart.n, 1);
    assert_string_equal(m.rows[m.apart.v[0].machine].id, "odd");
    near(m.apart.v[0].ratio, 1.4);
    near(m.apart.v[0].median, 1.1);
    assert_int_equal(m.rows[9].apart, 1);
    machines_release(&m);
    /* Within what is alike anyway, nobody does. */
    assert_ok(
        machines_read(s, &(struct machines_request){.runs = runs, .n = 10, .theta = .5}, &m, err));
    assert_int_equal(m.apart.n, 0);
    machines_release(&m);
    store_close(s);
}

static void failures_and_parts_are_seen(void **state)
{
    struct store *s = opened(state);
    struct made like = {.ratio = {.5}, .machine = EPYC};
    int64_t runs[7];
    struct machines m;

    make_machines(s, &like, 5, .001, runs);
    like.machine_id = "dead";
    like.failed = BLOCKS;
    runs[5] = make(s, &like);
    like.machine_id = "cut";
    like.failed = 0;
    like.status = "interrupted";
    runs[6] = make(s, &like);
    assert_ok(machines_read(s, &(struct machines_request){.runs = runs, .n = 7}, &m, err));
    const struct machines_result *x = machines_at(&m, 0, 0, 1);
    assert_int_equal(x->machines, 7);
    assert_int_equal(x->n, 6);
    assert_int_equal(x->failed, 1);
    /* It failed on one: never called the faster side. */
    assert_int_equal(x->verdict, VERDICT_INCONCLUSIVE);
    assert_int_equal(x->hold, HOLD_FAILED);
    assert_int_equal(m.rows[5].failed, 1);
    assert_string_equal(machines_figure(&m, 5, 0, 1)->fail_text, "it hung");
    assert_int_equal(machines_figure(&m, 5, 0, 1)->fail_kind, ERR_TIMEOUT);
    assert_string_equal(m.rows[6].status, "interrupted");
    assert_string_equal(m.rows[0].status, "");
    machines_release(&m);
    store_close(s);
}

static void emulated_cpus_say_nothing_of_machines(void **state)
{
    struct store *s = opened(state);
    struct made like = {
        .ratio = {9}, .machine = EPYC, .info = "{\"version\": \"1\", \"emulated\": true}"};
    int64_t runs[6];
    struct machines m;

    make_machines(s, &like, 6, .001, runs);
    assert_ok(machines_read(s, &(struct machines_request){.runs = runs, .n = 6}, &m, err));
    const struct machines_result *x = machines_at(&m, 0, 0, 1);
    assert_int_equal(x->machines, 6);
    assert_int_equal(x->withheld, 6);
    assert_int_equal(x->n, 0);
    assert_int_equal(m.groups.v[0].tested, 0);
    /* Each by itself is shown, labelled. */
    assert_int_equal(machines_figure(&m, 0, 0, 1)->verdict, VERDICT_EMULATED);
    machines_release(&m);
    store_close(s);
}

static void machines_may_be_named(void **state)
{
    struct store *s = opened(state);
    const struct made a = {.ratio = {1.1}, .machine = EPYC}, b = {.ratio = {1.3}, .machine = EPYC};
    static const char *const names[] = {"ssh:one", "ssh:two", "ssh:one"};
    int64_t runs[3] = {make(s, &a), make(s, &b), make(s, &a)};
    struct machines m;

    assert_ok(machines_read(s, &(struct machines_request){.runs = runs, .names = names, .n = 3}, &m,
                            err));
    assert_int_equal(m.n, 2); /* of one record */
    assert_string_equal(m.rows[1].name, "ssh:two");
    assert_int_equal(m.rows[0].runs, 2);
    near(exp(machines_figure(&m, 1, 0, 1)->log), 1.3);
    machines_release(&m);
    store_close(s);
}

/* A millisecond on every base; nothing is slower or faster than a value. */
static void values_have_no_verdict(void **state)
{
    struct store *s = opened(state);
    const struct made like = {.ratio = {1.2}, .machine = EPYC},
                      alone = {.targets = {"sandbox=host"}, .machine = EPYC, .machine_id = "p"};
    int64_t runs[6];
    struct machines m;

    make_machines(s, &like, 6, .01, runs);
    assert_ok(machines_read(s, &(struct machines_request){.runs = runs, .n = 6, .absolute = true},
                            &m, err));
    assert_true(m.absolute && machines_has(&m, 0, 0));
    const struct machines_result *x = machines_at(&m, 0, 0, 1);
    assert_float_equal(x->ratio.value, 1.2e6, 1);
    near(x->between, .01 * sqrt(.8));
    near(log(x->ratio.hi), log(1.2e6) + 2.570582 * .01 * sqrt(.8 / 6));
    assert_int_equal(x->verdict, VERDICT_INCONCLUSIVE);
    assert_true(isnan(x->p));
    assert_int_equal(m.groups.v[0].tested, 0);
    machines_release(&m);

    /* By itself, where there is nothing else. */
    make_machines(s, &alone, 6, 0, runs);
    assert_ok(machines_read(s, &(struct machines_request){.runs = runs, .n = 6}, &m, err));
    assert_true(m.absolute && machines_has(&m, 0, 0));
    assert_float_equal(machines_at(&m, 0, 0, 0)->ratio.value, 1e6, 1);
    machines_release(&m);
    store_close(s);
}

static void other_cells_and_targets(void **state)
{
    struct store *s = opened(state);
    const struct made a = {.targets = {"host", "runc"}, .ratio = {1.1}, .machine = EPYC},
                      b = {.targets = {"host", "crun", "runc"},
                           .cells = {"cpu.prime", "sys.getpid"},
                           .ratio = {1.2, 1.3},
                           .machine = XEON,
                           .machine_id = "n"};
    int64_t runs[2];
    struct machines m;

    runs[0] = make(s, &a);
    runs[1] = make(s, &b);
    assert_ok(machines_read(s, &(struct machines_request){.runs = runs, .n = 2}, &m, err));
    assert_int_equal(m.cells.n, 2);
    assert_int_equal(m.targets.n, 3);
    near(exp(machines_figure(&m, 0, 0, 1)->log), 1.1); /* sys.getpid on runc */
    near(exp(machines_figure(&m, 1, 0, 1)->log), 1.3);
    near(exp(machines_figure(&m, 1, 1, 2)->log), 1.2); /* cpu.prime on crun */
    assert_int_equal(machines_figure(&m, 0, 1, 2)->runs, 0);
    assert_int_equal(machines_at(&m, 0, 1, 2)->machines, 1);
    machines_release(&m);
    store_close(s);
}

static void what_does_not_go_together(void **state)
{
    struct store *s = opened(state);
    struct made m0 = {.machine_id = "a"}, m1 = {.machine_id = "b", .limit_cpus = 1},
                m2 = {.machine_id = "c", .theta = .1};
    struct err why = ERR_INIT;
    struct machines m;
    int64_t runs[3] = {make(s, &m0), make(s, &m1), make(s, &m2)}, twice[2] = {runs[0], runs[0]};

    assert_int_equal(machines_read(s, &(struct machines_request){.runs = runs, .n = 2}, &m, &why),
                     -EXDEV);
    assert_non_null(strstr(why.msg, "r1 has limits none and r2 cpus=1"));
    assert_ok(
        machines_read(s, &(struct machines_request){.runs = runs, .n = 2, .force = true}, &m, err));
    machines_release(&m);
    runs[1] = runs[2];
    assert_int_equal(machines_read(s, &(struct machines_request){.runs = runs, .n = 2}, &m, &why),
                     -EINVAL);
    assert_non_null(strstr(why.msg, "--theta"));
    assert_int_equal(machines_read(s, &(struct machines_request){.runs = twice, .n = 2}, &m, &why),
                     -EINVAL);
    assert_int_equal(machines_read(s, &(struct machines_request){.n = 0}, &m, &why), -ENOENT);
    store_close(s);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_machine_is_what_is_repeated),
        TEST(fewer_than_five_claim_nothing),
        TEST(runs_of_a_machine_count_once),
        TEST(kinds_are_shown_apart),
        TEST(who_stands_apart_is_named),
        TEST(failures_and_parts_are_seen),
        TEST(emulated_cpus_say_nothing_of_machines),
        TEST(machines_may_be_named),
        TEST(values_have_no_verdict),
        TEST(other_cells_and_targets),
        TEST(what_does_not_go_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
