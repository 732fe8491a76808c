/* Limits against runs made by hand: each verdict by figures that can be worked out on paper. */
#include "made-run.h"

#include "analyse/advise.h"
#include "stats/describe.h"
#include "wire/callset.h"

struct advised {
    struct analysis a;
    struct advise v;
};

static void advise_read(struct made *m, const struct advise_limit *l, size_t n, struct advised *ret)
{
    assert_ok(analyse_run(m->s, m->run, &ret->a, err));
    assert_ok(analyse_advise(m->s, &ret->a, l, n, NULL, &ret->v, err));
    made_close(m);
}

static void advised_release(struct advised *d)
{
    advise_release(&d->v);
    analysis_release(&d->a);
}

static enum advise_verdict verdict(const struct advised *d, size_t limit, size_t target)
{
    return advise_at(&d->v, limit, target)->verdict;
}

static const struct advise_finding *worst(const struct advised *d, size_t limit, size_t target)
{
    return &advise_at(&d->v, limit, target)->findings.v[0];
}

#define assert_near(a, b) assert_float_equal(a, b, 1e-6)

/* 1.05 in every block: an interval without width, that a limit of 1.05 itself includes. */
static void an_interval_lies_within_or_beyond(void **state)
{
    static const char *const cells[] = {"sys.getpid", NULL};
    static const struct advise_limit l[] = {{ADVISE_LOSS, "sys.getpid", 1.1},
                                            {ADVISE_LOSS, "sys.getpid", 1.05},
                                            {ADVISE_LOSS, "sys.getpid", 1.04},
                                            {ADVISE_LOSS, "", 1.05}};
    const struct outcome_of x[N] = {{100, NULL}, {105, NULL}, {5000, NULL}};
    struct advised d;
    struct made m;

    made_open(*state, cells, &m);
    same_in_blocks(&m, 8, "sys.getpid", x);
    advise_read(&m, l, 4, &d);
    assert_int_equal(verdict(&d, 0, RUNC), ADVISE_MEETS);
    assert_int_equal(verdict(&d, 1, RUNC), ADVISE_MEETS);
    assert_int_equal(verdict(&d, 2, RUNC), ADVISE_FAILS);
    assert_int_equal(verdict(&d, 3, RUNC), ADVISE_MEETS);
    assert_int_equal(verdict(&d, 0, GVISOR), ADVISE_FAILS);
    assert_near(worst(&d, 0, GVISOR)->e.value, 50);
    assert_int_equal(worst(&d, 0, GVISOR)->e.n, 8);
    /* The base is what the others are against. */
    assert_int_equal(verdict(&d, 2, HOST), ADVISE_MEETS);
    assert_false(d.v.candidate[HOST]);
    assert_int_equal(d.v.verdicts[RUNC], ADVISE_FAILS);
    assert_int_equal(d.v.meets.n, 0);
    advised_release(&d);
}

/* Blocks from .9 to 1.3 around a limit of 1.15. */
static void an_interval_that_spans_the_limit_asks_for_blocks(void **state)
{
    static const char *const cells[] = {"sys.getpid", NULL};
    static const double ratio[] = {.9, 1.3, 1.0, 1.2, .95, 1.25, 1.05, 1.15};
    static const struct advise_limit l[] = {{ADVISE_LOSS, "sys.getpid", 1.15}};
    double logs[8];
    struct advised d;
    struct made m;

    made_open(*state, cells, &m);
    for (uint32_t b = 0; b < 8; b++) {
        const struct outcome_of x[N] = {{1e6, NULL}, {1e6 * ratio[b], NULL}, {3e6, NULL}};
        put(&m, b, "sys.getpid", x);
        logs[b] = log(ratio[b]);
    }
    advise_read(&m, l, 1, &d);
    const struct advise_finding *f = worst(&d, 0, RUNC);
    assert_int_equal(f->verdict, ADVISE_UNDECIDED);
    assert_true(f->e.lo < 1.15 && f->e.hi > 1.15);
    size_t wanted =
        verdict_power_blocks(describe_sd(logs, 8), expm1(fabs(log(1.15 / f->e.value))), .8);
    assert_true(wanted > 8);
    assert_int_equal(f->blocks, wanted);
    assert_int_equal(worst(&d, 0, GVISOR)->blocks, 0); /* decided */
    advised_release(&d);
}

static void few_blocks_decide_nothing(void **state)
{
    static const char *const cells[] = {"sys.getpid", "sys.close", NULL};
    static const struct advise_limit l[] = {{ADVISE_LOSS, "sys.getpid", 2}, {ADVISE_LOSS, "", 2}};
    const struct outcome_of x[N] = {{100, NULL}, {101, NULL}, {900, NULL}};
    struct advised d;
    struct made m;

    made_open(*state, cells, &m);
    same_in_blocks(&m, 4, "sys.getpid", x);
    same_in_blocks(&m, 4, "sys.close", x);
    advise_read(&m, l, 2, &d);
    assert_int_equal(verdict(&d, 0, RUNC), ADVISE_UNDECIDED);
    assert_int_equal(verdict(&d, 1, RUNC), ADVISE_UNDECIDED);
    assert_int_equal(verdict(&d, 0, GVISOR), ADVISE_UNDECIDED);
    advised_release(&d);
}

/* sys.exec failed once on gVisor, which is far within the limit otherwise, also in the mean. */
static void what_failed_once_does_not_meet(void **state)
{
    static const char *const cells[] = {"sys.getpid", "sys.exec", NULL};
    static const struct advise_limit l[] = {{ADVISE_LOSS, "sys.*", 2}, {ADVISE_LOSS, "", 2}};
    const struct outcome_of x[N] = {{100, NULL}, {100, NULL}, {110, NULL}},
                            failed[N] = {{100, NULL}, {100, NULL}, {0, NULL}};
    struct advised d;
    struct made m;

    made_open(*state, cells, &m);
    same_in_blocks(&m, 8, "sys.getpid", x);
    same_in_blocks(&m, 7, "sys.exec", x);
    put(&m, 7, "sys.exec", failed);
    advise_read(&m, l, 2, &d);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(verdict(&d, i, RUNC), ADVISE_MEETS);
        assert_int_equal(verdict(&d, i, GVISOR), ADVISE_FAILS);
        assert_true(worst(&d, i, GVISOR)->failed);
        assert_int_equal(worst(&d, i, GVISOR)->cell->cell, 1);
        assert_int_equal(advise_at(&d.v, i, GVISOR)->findings.n, 2);
    }
    assert_int_equal(d.v.meets.n, 1);
    assert_int_equal(d.v.meets.v[0], RUNC);
    advised_release(&d);
}

/* No measurement in one block: not shown to miss the limit, nor to meet it, unless the others are
 * beyond; in all of them, it is a miss. */
static void what_is_no_measurement_shows_nothing(void **state)
{
    static const char *const cells[] = {"sys.getpid", "sys.close", NULL};
    static const struct advise_limit l[] = {{ADVISE_LOSS, "sys.getpid", 2},
                                            {ADVISE_LOSS, "sys.getpid", 1.05},
                                            {ADVISE_LOSS, "sys.close", 2}};
    const struct outcome_of x[N] = {{100, NULL}, {100, NULL}, {110, NULL}},
                            bad[N] = {{100, NULL}, {100, NULL}, {-1, NULL}};
    struct advised d;
    struct made m;

    made_open(*state, cells, &m);
    same_in_blocks(&m, 8, "sys.getpid", x);
    put(&m, 8, "sys.getpid", bad);
    same_in_blocks(&m, 9, "sys.close", bad);
    advise_read(&m, l, 3, &d);
    assert_int_equal(verdict(&d, 0, GVISOR), ADVISE_UNDECIDED);
    assert_true(worst(&d, 0, GVISOR)->failed);
    assert_int_equal(verdict(&d, 1, GVISOR), ADVISE_FAILS);
    assert_int_equal(verdict(&d, 2, GVISOR), ADVISE_FAILS);
    assert_int_equal(verdict(&d, 0, RUNC), ADVISE_MEETS);
    advised_release(&d);
}

static void what_the_run_has_not_is_not_measured(void **state)
{
    static const char *const cells[] = {"fs.open@rootfs", NULL};
    static const struct advise_limit l[] = {
        {ADVISE_LOSS, "mem.triad", 2}, {ADVISE_LOSS, "fs.open", 2}, {ADVISE_START, "", 1e9},
        {ADVISE_MEMORY, "", 1e9},      {ADVISE_BESIDE, "", 2},      {ADVISE_CALLS, "", 100},
        {ADVISE_KERNEL, "", 1}};
    const struct outcome_of x[N] = {{100, NULL}, {100, NULL}, {110, NULL}};
    struct advised d;
    struct made m;

    made_open(*state, cells, &m);
    same_in_blocks(&m, 8, "fs.open@rootfs", x);
    advise_read(&m, l, 7, &d);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(verdict(&d, i, RUNC), i == 1 ? ADVISE_MEETS : ADVISE_NOT_MEASURED);
    assert_int_equal(d.v.rows[0].cells, 0);
    assert_string_equal(d.v.rows[0].missing.buf, "mem.triad");
    assert_int_equal(d.v.rows[1].cells, 1);
    assert_string_equal(d.v.rows[1].missing.buf, "fs.open@tmpfs, fs.open@bind");
    assert_int_equal(d.v.verdicts[RUNC], ADVISE_NOT_MEASURED);
    advised_release(&d);
}

static void patterns_are_checked(void **state)
{
    static const char *const cells[] = {"sys.getpid", "reach.host", "beside.cpu@prime", NULL};
    const struct outcome_of x[N] = {{100, NULL}, {100, NULL}, {110, NULL}};
    struct advise_limit l = {ADVISE_LOSS, "sys.getpit", 2};
    struct analysis a;
    struct advise v;
    struct err e = ERR_INIT;
    struct made m;

    made_open(*state, cells, &m);
    same_in_blocks(&m, 8, "sys.getpid", x);
    assert_ok(analyse_run(m.s, m.run, &a, err));
    assert_true(analyse_advise(m.s, &a, &l, 1, NULL, &v, &e) < 0);
    assert_int_equal(e.kind, ERR_USAGE);
    assert_non_null(strstr(e.msg, "did you mean sys.getpid?"));
    str_copy(l.pattern, sizeof(l.pattern), "reach.host");
    assert_true(analyse_advise(m.s, &a, &l, 1, NULL, &v, &e) < 0);
    assert_non_null(strstr(e.msg, "no work"));
    l.kind = ADVISE_BESIDE;
    str_copy(l.pattern, sizeof(l.pattern), "sys.getpid");
    assert_true(analyse_advise(m.s, &a, &l, 1, NULL, &v, &e) < 0);
    assert_non_null(strstr(e.msg, "no neighbour"));
    /* Of all that a glob is about, what such a limit is not about has no part. */
    l.kind = ADVISE_LOSS;
    str_copy(l.pattern, sizeof(l.pattern), "*");
    assert_ok(analyse_advise(m.s, &a, &l, 1, NULL, &v, err));
    assert_int_equal(v.rows[0].cells, 1);
    advise_release(&v);
    analysis_release(&a);
    made_close(&m);
}

/* A start is hundreds of bare processes: what is named with work beside it is not meant. */
static void starts_count_if_they_alone_are_named(void **state)
{
    static const char *const cells[] = {"sys.getpid", "life.start", NULL};
    static const struct advise_limit l[] = {{ADVISE_LOSS, "*", 2}, {ADVISE_LOSS, "life.*", 2}};
    const struct outcome_of x[N] = {{1e6, NULL}, {1.1e6, NULL}, {1.1e6, NULL}},
                            start[N] = {{1e6, NULL}, {30e6, NULL}, {300e6, NULL}};
    struct advised d;
    struct made m;

    made_open(*state, cells, &m);
    same_in_blocks(&m, 7, "sys.getpid", x);
    same_in_blocks(&m, 7, "life.start", start);
    advise_read(&m, l, 2, &d);
    assert_int_equal(d.v.rows[0].cells, 1);
    assert_int_equal(verdict(&d, 0, RUNC), ADVISE_MEETS);
    assert_int_equal(d.v.rows[1].cells, 1);
    assert_near(worst(&d, 1, RUNC)->e.value, 30);
    assert_int_equal(verdict(&d, 1, RUNC), ADVISE_FAILS);
    advised_release(&d);
}

/* 30 ms and 300 ms; 4 MiB of PSS and 1 MiB of the kernel's. */
static void starts_and_memory(void **state)
{
    static const char *const cells[] = {"life.start", "life.start@cold", "density.all", NULL};
    static const char small[] = "{\"all\": 4194304, \"kernel_bytes\": 1048576, \"fit\": 4000, "
                                "\"running\": 50}",
                      large[] = "{\"all\": 41943040, \"kernel_bytes\": -1048576, \"fit\": 400, "
                                "\"running\": 50}";
    static const struct advise_limit l[] = {
        {ADVISE_START, "", 100e6},        {ADVISE_START, "", 30e6},
        {ADVISE_MEMORY, "", 5 * 1048576}, {ADVISE_MEMORY, "", 5 * 1048576 - 1},
        {ADVISE_FIT, "", 1000},           {ADVISE_FIT, "", 400}};
    const struct outcome_of warm[N] = {{1e6, NULL}, {30e6, NULL}, {300e6, NULL}},
                            cold[N] = {{1e6, NULL}, {50e6, NULL}, {400e6, NULL}},
                            kib[N] = {{1e9, "{}"}, {4096e9, small}, {40960e9, large}};
    struct advised d;
    struct made m;

    made_open(*state, cells, &m);
    same_in_blocks(&m, 7, "life.start", warm);
    same_in_blocks(&m, 7, "life.start@cold", cold);
    same_in_blocks(&m, 7, "density.all", kib);
    advise_read(&m, l, 6, &d);
    assert_int_equal(verdict(&d, 0, RUNC), ADVISE_MEETS);
    assert_near(worst(&d, 0, RUNC)->e.value, 50e6); /* the slower one decides */
    assert_int_equal(verdict(&d, 1, RUNC), ADVISE_FAILS);
    assert_int_equal(verdict(&d, 0, GVISOR), ADVISE_FAILS);
    assert_int_equal(verdict(&d, 2, RUNC), ADVISE_MEETS);
    assert_near(worst(&d, 2, RUNC)->e.value, 5 * 1048576);
    assert_int_equal(worst(&d, 2, RUNC)->e.n, 7);
    assert_int_equal(verdict(&d, 3, RUNC), ADVISE_FAILS);
    assert_near(worst(&d, 2, GVISOR)->e.value, 41943040); /* less than none is none */
    assert_int_equal(verdict(&d, 4, RUNC), ADVISE_MEETS);
    assert_int_equal(verdict(&d, 4, GVISOR), ADVISE_FAILS);
    assert_int_equal(verdict(&d, 5, GVISOR), ADVISE_MEETS);
    assert_non_null(strstr(worst(&d, 4, RUNC)->remark, "50 were running"));
    assert_int_equal(verdict(&d, 4, HOST), ADVISE_NOT_MEASURED);
    advised_release(&d);
}

/* What sleeps does not count, nor does a neighbour on the same CPUs, unless it is named. */
static void beside_is_any_neighbour_but_those_that_share(void **state)
{
    static const char *const cells[] = {"beside.idle@prime",       "beside.cpu@prime",
                                        "beside.fsync@create",     "neighbour.slowdown",
                                        "neighbour.slowdown@same", NULL};
    static const char passed[] = "{\"with_ns\": 1, \"held\": false}";
    static const struct advise_limit l[] = {{ADVISE_BESIDE, "", 1.5},
                                            {ADVISE_BESIDE, "neighbour.slowdown@same", 1.5},
                                            {ADVISE_BESIDE, "beside.cpu@prime", 1.3}};
    const struct outcome_of nine[N] = {{0, NULL}, {9e9, NULL}, {9e9, NULL}},
                            cpu[N] = {{0, NULL}, {1.2e9, NULL}, {1.2e9, NULL}},
                            disk[N] = {{0, NULL}, {1.4e9, passed}, {3e9, NULL}};
    struct advised d;
    struct made m;

    made_open(*state, cells, &m);
    same_in_blocks(&m, 7, "beside.idle@prime", nine);
    same_in_blocks(&m, 7, "beside.cpu@prime", cpu);
    same_in_blocks(&m, 7, "beside.fsync@create", disk);
    same_in_blocks(&m, 7, "neighbour.slowdown", cpu);
    same_in_blocks(&m, 7, "neighbour.slowdown@same", nine);
    advise_read(&m, l, 3, &d);
    assert_int_equal(d.v.rows[0].cells, 3);
    assert_int_equal(verdict(&d, 0, RUNC), ADVISE_MEETS);
    assert_near(worst(&d, 0, RUNC)->e.value, 1.4);
    assert_int_equal(worst(&d, 0, RUNC)->broken, 7);
    assert_int_equal(verdict(&d, 0, GVISOR), ADVISE_FAILS);
    assert_near(worst(&d, 0, GVISOR)->e.value, 3);
    assert_int_equal(worst(&d, 0, GVISOR)->limits, 0);
    assert_int_equal(verdict(&d, 1, RUNC), ADVISE_FAILS);
    assert_int_equal(d.v.rows[2].cells, 1);
    assert_int_equal(verdict(&d, 2, GVISOR), ADVISE_MEETS);
    advised_release(&d);
}

/* gVisor: two calls let through and perhaps more; runc: it is known of none. */
static void counts_that_may_be_more(void **state)
{
    static const char *const cells[] = {"reach.answered", "reach.host", NULL};
    static const struct advise_limit l[] = {{ADVISE_CALLS, "", 1},   {ADVISE_CALLS, "", 10},
                                            {ADVISE_MADE, "", 34},   {ADVISE_PATHS, "", 0},
                                            {ADVISE_PATHS, "", 1},   {ADVISE_ANSWERED, "", 8},
                                            {ADVISE_ANSWERED, "", 5}};
    struct callset through = {{false}};
    char bits[CALLSET_TEXT];
    struct advised d;
    struct made m;

    through.has[0] = through.has[4] = true;
    callset_format(&through, bits);
    _cleanup_free_ char *facts =
        xasprintf("{\"could_payload_bits\": \"%s\", \"could_sandbox_unknown\": 2, "
                  "\"host_paths_payload\": \"/proc/kmsg\", \"host_paths_sandbox\": \"\"}",
                  bits);
    const struct outcome_of answers[N] = {{1e9 / 8, NULL}, {1e9 / 8, NULL}, {1e9 / 5, NULL}},
                            made[N] = {{34e9, NULL},
                                       {34e9, "{\"could_payload_unknown\": 1}"},
                                       {39e9, facts}};
    made_open(*state, cells, &m);
    same_in_blocks(&m, 6, "reach.answered", answers);
    same_in_blocks(&m, 6, "reach.host", made);
    advise_read(&m, l, 7, &d);
    assert_int_equal(verdict(&d, 0, GVISOR), ADVISE_FAILS);
    assert_int_equal(verdict(&d, 1, GVISOR), ADVISE_UNDECIDED);
    assert_true(worst(&d, 1, GVISOR)->at_least);
    assert_int_equal(verdict(&d, 1, RUNC), ADVISE_NOT_MEASURED);
    assert_non_null(strstr(worst(&d, 1, RUNC)->remark, "not known"));
    assert_int_equal(verdict(&d, 2, RUNC), ADVISE_MEETS);
    assert_int_equal(verdict(&d, 2, GVISOR), ADVISE_FAILS);
    assert_int_equal(verdict(&d, 3, GVISOR), ADVISE_FAILS);
    assert_int_equal(verdict(&d, 4, GVISOR), ADVISE_MEETS);
    assert_int_equal(verdict(&d, 5, RUNC), ADVISE_MEETS);
    assert_int_equal(verdict(&d, 5, GVISOR), ADVISE_FAILS);
    assert_int_equal(verdict(&d, 6, GVISOR), ADVISE_MEETS);
    advised_release(&d);
}

static void put_session(struct made *m, uint32_t target, uint32_t block, const char *hello)
{
    struct session_record r = {.block = block, .target = target, .idle_cpu = NAN};

    r.hello = xstrdup(hello);
    assert_ok(store_session(m->s, m->run, &r, err));
    session_record_release(&r);
}

/* The machine's is 6.1.0; what cannot be told from it is not called another, nor the same. */
static void whose_kernel_it_is(void **state)
{
    static const char *const cells[] = {"sys.getpid", NULL};
    static const struct advise_limit l[] = {{ADVISE_KERNEL, "", 1}};
    static const struct {
        const char *host, *runc, *gvisor;
        enum advise_verdict is, other;
    } tries[] = {
        {"{\"release\": \"6.1.0\", \"boot_id\": \"a\"}",
         "{\"release\": \"6.1.0\", \"boot_id\": \"a\"}",
         "{\"release\": \"4.4.0\", \"boot_id\": \"a\"}", ADVISE_FAILS, ADVISE_MEETS},
        {"{\"release\": \"6.1.0\", \"boot_id\": \"a\"}",
         "{\"release\": \"6.1.0\", \"boot_id\": \"\"}",
         "{\"release\": \"6.1.0\", \"boot_id\": \"b\"}", ADVISE_UNDECIDED, ADVISE_MEETS},
        {"{\"release\": \"6.1.0\"}", "{\"release\": 7}", "not json", ADVISE_NOT_MEASURED,
         ADVISE_NOT_MEASURED},
    };

    for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
        struct fixture *f = *state;
        struct advised d;
        struct made m;
        made_open(f, cells, &m);
        put_session(&m, HOST, 0, tries[i].host);
        put_session(&m, RUNC, 0, tries[i].runc);
        put_session(&m, GVISOR, 0, tries[i].gvisor);
        advise_read(&m, l, 1, &d);
        assert_int_equal(verdict(&d, 0, RUNC), tries[i].is);
        assert_int_equal(verdict(&d, 0, GVISOR), tries[i].other);
        advised_release(&d);
    }
}

/* The mean is the same, but what is dearest on runc is dearer than what is on gVisor. */
static void those_that_meet_all_are_in_the_order_of_what_was_asked(void **state)
{
    static const char *const cells[] = {"sys.getpid", "sys.close", "reach.host", NULL};
    static const struct advise_limit named[] = {{ADVISE_LOSS, "sys.*", 10}, {ADVISE_MADE, "", 99}},
                                     other[] = {{ADVISE_MADE, "", 99}};
    const struct outcome_of a[N] = {{100, NULL}, {400, NULL}, {200, NULL}},
                            b[N] = {{100, NULL}, {100, NULL}, {200, NULL}},
                            made[N] = {{34e9, NULL}, {34e9, NULL}, {39e9, NULL}};
    struct advised d;
    struct made m;

    for (size_t i = 0; i < 2; i++) {
        made_open(*state, cells, &m);
        same_in_blocks(&m, 7, "sys.getpid", a);
        same_in_blocks(&m, 7, "sys.close", b);
        same_in_blocks(&m, 7, "reach.host", made);
        advise_read(&m, i ? other : named, i ? 1 : 2, &d);
        assert_int_equal(d.v.meets.n, 2);
        assert_int_equal(d.v.meets.v[0], i ? RUNC : GVISOR);
        assert_int_equal(d.v.order_by.n, 1);
        assert_near(d.v.key[RUNC].value, i ? 34 : 4);
        advised_release(&d);
    }
}

/* Without bounds all are figures, and none is a verdict. */
static void without_bounds_there_are_figures(void **state)
{
    static const char *const cells[] = {"sys.getpid", NULL};
    static const struct advise_limit l[] = {{ADVISE_LOSS, "", NAN}, {ADVISE_START, "", NAN}};
    const struct outcome_of x[N] = {{100, NULL}, {105, NULL}, {5000, NULL}};
    struct advised d;
    struct made m;

    made_open(*state, cells, &m);
    same_in_blocks(&m, 8, "sys.getpid", x);
    advise_read(&m, l, 2, &d);
    assert_int_equal(verdict(&d, 0, GVISOR), ADVISE_MEETS);
    assert_near(worst(&d, 0, GVISOR)->e.value, 50);
    assert_int_equal(verdict(&d, 1, GVISOR), ADVISE_NOT_MEASURED);
    advised_release(&d);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_interval_lies_within_or_beyond),
        TEST(an_interval_that_spans_the_limit_asks_for_blocks),
        TEST(few_blocks_decide_nothing),
        TEST(what_failed_once_does_not_meet),
        TEST(what_is_no_measurement_shows_nothing),
        TEST(what_the_run_has_not_is_not_measured),
        TEST(patterns_are_checked),
        TEST(starts_count_if_they_alone_are_named),
        TEST(starts_and_memory),
        TEST(beside_is_any_neighbour_but_those_that_share),
        TEST(counts_that_may_be_more),
        TEST(whose_kernel_it_is),
        TEST(those_that_meet_all_are_in_the_order_of_what_was_asked),
        TEST(without_bounds_there_are_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
