/* Claims files: what is refused and where, the arithmetic of the paper, and every kind of verdict
 * on runs made by hand. */
#include "made-run.h"

#include "analyse/claims.h"
#include "base/fd.h"

#include <errno.h>
#include <jansson.h>

static const char *const drivers[] = {"host", "oci", "docker", "podman", "containerd"};

static int parse(const char *text, struct claims **ret, struct err *err)
{
    return claims_parse(text, strlen(text), "c.yaml", drivers, 5, NULL, ret, err);
}

/* ---- reading ---- */

#define HEAD                                                                                       \
    "name: c\nsource: {title: t}\nbase: host\nplanned: [net.quic_rr]\ntargets:\n"                  \
    "  host: {is: [host]}\n  runc: {is: [docker/runc, runc]}\n"                                    \
    "  gvisor: {title: gVisor, is: [docker/runsc:ptrace, \"runsc:ptrace\"]}\n"                     \
    "  kata: {title: Kata, is: [\"kata:qemu-9p\"]}\nclaims:\n"
#define CLAIM(body) HEAD "  - {id: a, text: x, " body "}\n"

static void wrong_files_are_refused_at_the_place(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"name: c\n", "c.yaml:1:1: name and source"},
        {"name: c\nsource: {title: t}\n", "there are no claims"},
        {"name: C!\n", "c.yaml:1:7: name: \"C!\" is no name"},
        {"nam: c\n", "c.yaml:1:1: unknown key \"nam\""},
        {"conditions: {a: [1]}\n", "a: expected a single value"},
        {"tolerance: {relative: 300%}\n", "relative: 300% is not within"},
        {"targets: {a: {title: x}}\n", "a: no target that it is"},
        {"targets: {a: {is: [\"\"]}}\n", "c.yaml:1:20: "},
        {"targets: {a: {is: [runc]}, a: {is: [runc]}}\n", "\"a\" is given twice"},
        {"steps: [{place: x}]\n", "each needs a place and says what"},
        {CLAIM("overhead: {cell: cpu.prime, of: runk}, is: 1 %"), "did you mean runc?"},
        {CLAIM("overhead: {cell: cpu.pime, of: runc}, is: 1 %"), "did you mean cpu.prime?"},
        {CLAIM("overhead: {cell: net.tcp_r, of: runc}, is: 1 %"), "no cell \"net.tcp_r\""},
        {CLAIM("overhead: {cell: cpu.prime}, is: 1 %"), "of which target?"},
        {CLAIM("overhead: {of: runc}, is: 1 %"), "no cell"},
        {CLAIM("overhead: {cell: cpu.prime, of: runc}"), "is: is missing"},
        {CLAIM("overhead: {cell: cpu.prime, of: runc}, is: 1.6 s"), "expected per cent"},
        {CLAIM("overhead: {cell: cpu.prime, of: runc}, is: lots"), "c.yaml:11:65: \"lots\""},
        {CLAIM("better: higher, overhead: {cell: cpu.prime, of: runc}, is: 120 %"), "100 %"},
        {CLAIM("value: {cell: cpu.prime, of: runc}, is: alike"), "expected a figure, not a word"},
        {CLAIM("growth: {cell: cpu.prime, of: runc}, is: more"), "from which cell?"},
        {CLAIM("difference: {cell: cpu.prime, of: runc}, is: 1 s"), "over which target?"},
        {CLAIM("fact: {cell: cpu.prime, of: runc}, is: 1 %"), "which fact?"},
        {CLAIM("order: {cell: cpu.prime, of: [runc]}"), "takes two targets"},
        {CLAIM("order: {cell: cpu.prime, of: [runc, host]}, is: more"), "an order says all"},
        {CLAIM("order: {cell: cpu.prime, of: [runc, host]}, value: {cell: cpu.prime, of: runc}"),
         "a claim has one test"},
        {CLAIM("is: 1 %"), "neither a test nor printed"},
        {CLAIM("is: 1 %, printed: {overhead: [1]}"), "expected two figures"},
        {CLAIM("is: 1 %, printed: {overhead: [1, 0]}"), "above 0"},
        {CLAIM("is: 1 %, printed: {}"), "no formula"},
        {HEAD "  - {id: a, text: x, printed: {sum: [1, 2]}, is: '3'}\n"
              "  - {id: a, text: x, printed: {sum: [1, 2]}, is: '3'}\n",
         "c.yaml:12:10: id: a is given twice"},
        {HEAD "  - {id: 'a b', text: x}\n", "is no id"},
        {HEAD "  - {id: a}\n", "each needs an id and a text"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct err err = ERR_INIT;
        struct claims *c = NULL;
        if (parse(cases[i].text, &c, &err) == 0)
            fail_msg("accepted: %s", cases[i].text);
        if (!strstr(err.msg, cases[i].want))
            fail_msg("says \"%s\", not \"%s\"", err.msg, cases[i].want);
        assert_int_equal(err.kind, ERR_USAGE);
    }
}

static void figures_as_people_write_them(void **state)
{
    static const struct {
        const char *text;
        enum claim_is is;
        enum claim_scale scale;
        double value;
        unsigned decimals;
        const char *unit;
    } cases[] = {
        {"4.67 %", IS_ABOUT, SCALE_PERCENT, .0467, 2, "%"},
        {"< 1 %", IS_BELOW, SCALE_PERCENT, .01, 0, "%"},
        {"<= 10%", IS_AT_MOST, SCALE_PERCENT, .1, 0, "%"},
        {"> 2 times", IS_ABOVE, SCALE_TIMES, 2, 0, "times"},
        {">= -3", IS_AT_LEAST, SCALE_PLAIN, -3, 0, ""},
        {"1.62 s", IS_ABOUT, SCALE_PLAIN, 1.62, 2, "s"},
        {"much more", IS_MUCH_MORE, SCALE_PLAIN, 0, 0, ""},
        {"alike", IS_ALIKE, SCALE_PLAIN, 0, 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct claim_figure f;
        assert_ok(claim_figure_parse(cases[i].text, &f, err));
        assert_int_equal(f.is, cases[i].is);
        assert_int_equal(f.scale, cases[i].scale);
        assert_float_equal(f.value, cases[i].value, 1e-12);
        assert_int_equal(f.decimals, cases[i].decimals);
        assert_string_equal(f.unit, cases[i].unit);
    }
    struct claim_figure f;
    assert_fails(claim_figure_parse("%", &f, err), EINVAL, "is no figure");
    assert_fails(claim_figure_parse("1e999 s", &f, err), EINVAL, "is no figure");
}

/* ---- the data that come with cupel ---- */

static struct claims *builtin(const char *name)
{
    static const char *const apps[] = {"sysbench", "dav1d", "redis"};
    const char *root = getenv("CUPEL_SOURCE_ROOT");
    struct claims *c = NULL;
    struct plan known;
    char path[400];

    if (!root)
        return NULL;
    plan_init(&known);
    for (size_t i = 0; i <= ARRAY_SIZE(apps); i++) {
        struct str text = STR_INIT;
        bool app = i < ARRAY_SIZE(apps);
        str_format(path, sizeof(path), "%s/%s/%s.yaml", root, app ? "workloads" : "claims",
                   app ? apps[i] : name);
        assert_ok(file_read(path, 1 << 20, &text, err));
        if (app) {
            struct app *a;
            assert_ok(app_parse(text.buf, text.len, path, &a, err));
            plan_know_app(&known, a);
            app_unref(a);
        } else {
            assert_ok(claims_parse(text.buf, text.len, name, drivers, 5, &known, &c, err));
        }
        str_release(&text);
    }
    plan_release(&known);
    return c;
}

static const struct claim_item *claim_of(const struct claims *c, const char *id)
{
    VEC_FOREACH (&c->all, const struct claim_item, claim)
        if (str_eq(claim->id, id))
            return claim;
    fail_msg("there is no claim %s", id);
    return NULL;
}

static void check_record(const struct claims *c, const json_t *r)
{
    const struct claim_item *claim = claim_of(c, json_string_value(json_object_get(r, "id")));
    const char *unit = json_string_value(json_object_get(r, "overhead_unit"));
    const json_t *stated = json_object_get(r, "stated_overhead"),
                 *computed = json_object_get(r, "computed_overhead"),
                 *agrees = json_object_get(r, "agrees"),
                 *rounding = json_object_get(r, "agrees_within_input_rounding");
    double scale = unit && str_eq(unit, "fraction") ? 100 : 1;
    struct claim_own own;

    assert_string_equal(claim->section, json_string_value(json_object_get(r, "section")));
    if (json_is_number(stated)) {
        double as_written = claim->figure.value * (claim->figure.scale == SCALE_PERCENT ? 100 : 1);
        assert_float_equal(as_written, scale * json_number_value(stated), 1e-9);
    }
    claim_own_check(claim, &own);
    if (!json_is_number(computed) || claim->printed.formula == FORMULA_NONE)
        return;
    assert_float_equal(claim->recomputed, scale * json_number_value(computed), 1e-9);
    assert_float_equal(own.value, scale * json_number_value(computed), 1e-4);
    enum claim_agrees want = json_is_null(agrees) && json_is_null(rounding) ? AGREES_UNSAID
                             : json_is_true(agrees)                         ? AGREES_YES
                             : json_is_true(rounding)                       ? AGREES_ROUNDING
                                                                            : AGREES_NO;
    if (claim->agrees != want || own.agrees != want)
        fail_msg("%s: the file says %s, arithmetic %s, the data %s", claim->id,
                 claim_agrees_name(claim->agrees), claim_agrees_name(own.agrees),
                 claim_agrees_name(want));
}

/* Of 107 records, 55 have figures to recompute them from: all but bare metal against itself. */
static void the_papers_arithmetic(void **state)
{
    struct claims *c = builtin("paper");
    char path[400];
    size_t printed = 0, contradictions = 0;

    (void)state;
    if (!c)
        skip();
    str_format(path, sizeof(path), "%s/tests/unit/paper-results.json", getenv("CUPEL_SOURCE_ROOT"));
    json_t *data = json_load_file(path, 0, NULL);
    assert_int_equal(json_array_size(data), 107);
    for (size_t i = 0; i < json_array_size(data); i++)
        check_record(c, json_array_get(data, i));
    VEC_FOREACH (&c->all, const struct claim_item, claim) {
        printed += claim->printed.formula != FORMULA_NONE;
        contradictions += claim->agrees == AGREES_NO;
    }
    assert_int_equal(printed, 49);
    assert_int_equal(contradictions, 10);
    json_decref(data);
    claims_free(c);
}

static void all_that_came_with_cupel_can_be_judged(void **state)
{
    static const char *const names[] = {"paper", "crun", "gvisor"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct claims *c = builtin(names[i]);
        struct claims_judged j;
        size_t n = 0;
        if (!c)
            skip();
        assert_ok(claims_judge(c, NULL, 0, &j, err));
        for (enum claim_verdict v = 0; v < CLAIM_VERDICTS; v++)
            n += j.count[v];
        assert_int_equal(n, c->all.n);
        VEC_FOREACH (&c->all, const struct claim_item, claim) {
            struct claim_own own;
            claim_own_check(claim, &own);
            assert_int_equal(own.agrees, claim->agrees);
        }
        claims_judged_release(&j);
        claims_free(c);
    }
}

/* ---- verdicts ---- */

struct judged {
    struct analysis a;
    struct claims *c;
    struct claims_judged j;
};

static void judge(struct made *m, const char *text, struct judged *ret)
{
    assert_ok(parse(text, &ret->c, err));
    assert_ok(analyse_run(m->s, m->run, &ret->a, err));
    const struct claim_run run = {m->s, &ret->a};
    assert_ok(claims_judge(ret->c, &run, 1, &ret->j, err));
}

static void judged_release(struct judged *x)
{
    claims_judged_release(&x->j);
    claims_free(x->c);
    analysis_release(&x->a);
}

static void expect_verdict(const struct judged *x, const char *id, enum claim_verdict want)
{
    const struct claim_item *c = claim_of(x->c, id);
    const struct claim_result *r = &x->j.v[c - x->c->all.v];
    if (r->verdict != want)
        fail_msg("%s: %s (%g [%g, %g], %s), not %s", id, claim_verdict_name(r->verdict), r->e.value,
                 r->e.lo, r->e.hi, r->reason, claim_verdict_name(want));
}

static const struct claim_result *result_of(const struct judged *x, const char *id)
{
    return &x->j.v[claim_of(x->c, id) - x->c->all.v];
}

#define near_to(a, b) assert_float_equal(a, b, 1e-4)

/* runc takes 1.1 times the host's time, gVisor 4 times. */
static void losses_of_times_and_of_rates(void **state)
{
    static const char *const cells[] = {"cpu.prime", NULL};
    const struct outcome_of v[N] = {{1000, NULL}, {1100, NULL}, {4000, NULL}};
    struct judged x;
    struct made m;

    made_open(*state, cells, &m);
    same_in_blocks(&m, 8, "cpu.prime", v);
    judge(&m,
          HEAD "  - {id: time, text: x, overhead: {cell: cpu.prime, of: runc}, is: 11 %}\n"
               "  - {id: rate, text: x, better: higher, overhead: {cell: cpu.prime, of: runc}, is: "
               "9 %}\n"
               "  - {id: far, text: x, overhead: {cell: cpu.prime, of: runc}, is: 40 %}\n"
               "  - {id: sign, text: x, overhead: {cell: cpu.prime, of: runc}, is: -10 %}\n"
               "  - {id: large, text: x, better: higher, overhead: {cell: cpu.prime, of: gvisor}, "
               "is: 75 %}\n"
               "  - {id: larger, text: x, better: higher, overhead: {cell: cpu.prime, of: gvisor}, "
               "is: 95 %}\n"
               "  - {id: below, text: x, overhead: {cell: cpu.prime, of: runc}, is: < 5 %}\n"
               "  - {id: above, text: x, overhead: {cell: cpu.prime, of: runc}, is: '> 5 %'}\n"
               "  - {id: times, text: x, overhead: {cell: cpu.prime, of: gvisor, over: runc}, is: "
               "3.6 times}\n"
               "  - {id: more, text: x, overhead: {cell: cpu.prime, of: runc}, is: more}\n"
               "  - {id: less, text: x, overhead: {cell: cpu.prime, of: runc}, is: less}\n"
               "  - {id: much, text: x, overhead: {cell: cpu.prime, of: gvisor}, is: much more}\n"
               "  - {id: alike, text: x, overhead: {cell: cpu.prime, of: gvisor}, is: alike}\n",
          &x);
    expect_verdict(&x, "time", CLAIM_HOLDS);
    near_to(result_of(&x, "time")->e.value, .1);
    assert_int_equal(result_of(&x, "time")->direction, ANSWER_YES);
    expect_verdict(&x, "rate", CLAIM_HOLDS);
    near_to(result_of(&x, "rate")->e.value, 1 - 1 / 1.1);
    expect_verdict(&x, "far", CLAIM_DOES_NOT_HOLD);
    assert_int_equal(result_of(&x, "far")->direction, ANSWER_YES);
    assert_int_equal(result_of(&x, "far")->size, ANSWER_NO);
    expect_verdict(&x, "sign", CLAIM_DOES_NOT_HOLD);
    assert_int_equal(result_of(&x, "sign")->direction, ANSWER_NO);
    expect_verdict(&x, "large", CLAIM_HOLDS);
    expect_verdict(&x, "larger", CLAIM_DOES_NOT_HOLD);
    expect_verdict(&x, "below", CLAIM_DOES_NOT_HOLD);
    expect_verdict(&x, "above", CLAIM_HOLDS);
    expect_verdict(&x, "times", CLAIM_HOLDS);
    near_to(result_of(&x, "times")->e.value, 4 / 1.1);
    expect_verdict(&x, "more", CLAIM_HOLDS);
    expect_verdict(&x, "less", CLAIM_DOES_NOT_HOLD);
    expect_verdict(&x, "much", CLAIM_HOLDS);
    expect_verdict(&x, "alike", CLAIM_DOES_NOT_HOLD);
    judged_release(&x);
    made_close(&m);
}

/* Blocks that say 0.8 to 1.6: no claim holds by their middle alone; three blocks say nothing. */
static void what_is_not_known_is_undecided(void **state)
{
    static const char *const cells[] = {"cpu.prime", "sys.getpid", NULL};
    struct judged x;
    struct made m;

    made_open(*state, cells, &m);
    for (uint32_t b = 0; b < 8; b++) {
        const struct outcome_of wide[N] = {{1000, NULL}, {800 + 100 * (b % 8), NULL}, {1000, NULL}};
        const struct outcome_of few[N] = {{1000, NULL}, {2000, NULL}, {1000, NULL}};
        put(&m, b, "cpu.prime", wide);
        if (b < 3)
            put(&m, b, "sys.getpid", few);
    }
    judge(&m,
          HEAD "  - {id: about, text: x, overhead: {cell: cpu.prime, of: runc}, is: 15 %}\n"
               "  - {id: more, text: x, overhead: {cell: cpu.prime, of: runc}, is: more}\n"
               "  - {id: alike, text: x, overhead: {cell: cpu.prime, of: runc}, is: alike}\n"
               "  - {id: order, text: x, order: {cell: cpu.prime, of: [host, runc]}}\n"
               "  - {id: below, text: x, overhead: {cell: cpu.prime, of: runc}, is: < 20 %}\n"
               "  - {id: few, text: x, overhead: {cell: sys.getpid, of: runc}, is: 100 %}\n"
               "  - {id: same, text: x, overhead: {cell: cpu.prime, of: gvisor}, is: more}\n",
          &x);
    expect_verdict(&x, "about", CLAIM_UNDECIDED);
    expect_verdict(&x, "more", CLAIM_UNDECIDED);
    expect_verdict(&x, "alike", CLAIM_UNDECIDED);
    expect_verdict(&x, "order", CLAIM_UNDECIDED);
    expect_verdict(&x, "below", CLAIM_UNDECIDED);
    expect_verdict(&x, "few", CLAIM_UNDECIDED);
    assert_string_equal(result_of(&x, "few")->reason, "3 blocks give no interval");
    expect_verdict(&x, "same", CLAIM_DOES_NOT_HOLD); /* known to be no difference that matters */
    judged_release(&x);
    made_close(&m);
}

static void what_is_not_there_cannot_be_tested(void **state)
{
    static const char *const cells[] = {"cpu.prime", "sys.getpid", NULL};
    const struct outcome_of v[N] = {{1000, NULL}, {1100, NULL}, {4000, NULL}},
                            hung[N] = {{1000, NULL}, {1000, NULL}, {0, NULL}};
    struct judged x;
    struct made m;

    made_open(*state, cells, &m);
    same_in_blocks(&m, 8, "cpu.prime", v);
    same_in_blocks(&m, 8, "sys.getpid", hung);
    judge(&m,
          HEAD "  - {id: cell, text: x, overhead: {cell: mem.triad, of: runc}, is: alike}\n"
               "  - {id: planned, text: x, overhead: {cell: net.quic_rr, of: runc}, is: alike}\n"
               "  - {id: target, text: x, overhead: {cell: cpu.prime, of: kata}, is: alike}\n"
               "  - {id: failed, text: x, overhead: {cell: sys.getpid, of: gvisor}, is: alike}\n"
               "  - {id: partly, text: x, order: {cell: cpu.prime, of: [runc, gvisor, kata]}}\n"
               "  - {id: refuted, text: x, order: {cell: cpu.prime, of: [gvisor, runc, kata]}}\n"
               "  - {id: fact, text: x, fact: {cell: cpu.prime, fact: f, of: runc}, is: '1'}\n",
          &x);
    expect_verdict(&x, "cell", CLAIM_UNTESTED);
    assert_string_equal(result_of(&x, "cell")->reason, "r1 has no mem.triad");
    assert_string_equal(result_of(&x, "cell")->lacks, "mem.triad");
    expect_verdict(&x, "planned", CLAIM_UNTESTED);
    assert_string_equal(result_of(&x, "planned")->reason, "cupel does not measure net.quic_rr yet");
    expect_verdict(&x, "target", CLAIM_UNTESTED);
    assert_string_equal(result_of(&x, "target")->reason, "r1 has no Kata (kata:qemu-9p)");
    expect_verdict(&x, "failed", CLAIM_UNTESTED);
    assert_string_equal(result_of(&x, "failed")->reason,
                        "sys.getpid failed on runsc:ptrace: it hung");
    expect_verdict(&x, "partly", CLAIM_UNTESTED);
    assert_int_equal(result_of(&x, "partly")->pairs.n, 1);
    assert_int_equal(result_of(&x, "partly")->pairs.v[0].holds, ANSWER_YES);
    expect_verdict(&x, "refuted", CLAIM_DOES_NOT_HOLD); /* whatever Kata would have shown */
    expect_verdict(&x, "fact", CLAIM_UNTESTED);
    judged_release(&x);
    made_close(&m);
}

/* Starts: 10 and 20 ms alone, 15 and 60 in a crowd; facts, of which one is another's share. */
static void values_growth_facts_and_orders(void **state)
{
    static const char *const cells[] = {"life.start", "life.destroy", "reach.answered", NULL};
    const char *runc = "{\"loss\": 0.3, \"a\": 30, \"b\": 70}",
               *gvisor = "{\"loss\": 0.1, \"a\": 50, \"b\": 50}";
    const struct outcome_of start[N] = {{1e6, NULL}, {10e6, runc}, {20e6, gvisor}},
                            end[N] = {{1e6, NULL}, {15e6, NULL}, {60e6, NULL}};
    struct judged x;
    struct made m;

    made_open(*state, cells, &m);
    same_in_blocks(&m, 8, "life.start", start);
    same_in_blocks(&m, 8, "life.destroy", end);
    judge(
        &m,
        HEAD
        "  - {id: value, text: x, value: {cell: life.start, of: runc, times: 1000}, is: 11 ms}\n"
        "  - {id: rate, text: x, value: {cell: life.start, of: runc, as: rate}, is: 100 /s}\n"
        "  - {id: later, text: x, difference: {cell: life.start, of: gvisor, over: runc}, is: "
        "0.01 s}\n"
        "  - {id: sooner, text: x, difference: {cell: life.start, of: runc, over: gvisor}, is: "
        "0.01 s}\n"
        "  - {id: grows, text: x, growth: {cell: life.destroy, from: life.start, of: gvisor}, "
        "is: 200 %}\n"
        "  - {id: most, text: x, growth: {cell: life.destroy, from: life.start, of: gvisor, "
        "over: runc}, is: 2 times}\n"
        "  - {id: than, text: x, overhead: {cell: life.destroy, than: life.start, of: gvisor, "
        "over: runc}, is: 2 times}\n"
        "  - {id: mean, text: x, overhead: {cells: [life.start, life.destroy], of: gvisor, over: "
        "runc}, is: 2.83 times}\n"
        "  - {id: loss, text: x, fact: {cell: life.start, fact: loss, of: runc}, is: 31 %}\n"
        "  - {id: share, text: x, fact: {cell: life.start, fact: a, share: [a, b], of: runc}, is: "
        "30 %}\n"
        "  - {id: rest, text: x, fact: {cell: life.start, fact: [a, b], less: a, of: runc}, is: "
        "'70'}\n"
        "  - {id: over, text: x, fact: {cell: life.start, fact: loss, of: runc, over: gvisor}, "
        "is: 3 times}\n"
        "  - {id: above, text: x, fact: {cell: life.start, fact: loss, of: runc, over: gvisor}, "
        "is: 200 %}\n"
        "  - {id: order, text: x, order: {cell: life.start, of: [host, [runc, gvisor]]}}\n"
        "  - {id: chain, text: x, order: {cell: life.start, of: [host, runc, gvisor]}}\n"
        "  - {id: facts, text: x, order: {cell: life.start, fact: loss, of: [gvisor, runc]}}\n"
        "  - {id: wrong, text: x, order: {cell: life.start, fact: loss, of: [runc, gvisor]}}\n"
        "  - {id: drop, text: x, better: higher, fact: {cell: life.start, fact: loss, of: gvisor}, "
        "printed: {overhead: [90, 100]}}\n"
        "  - {id: own, text: x, printed: {sum: [40, 60]}, is: 100 %}\n"
        "  - {id: bad, text: x, printed: {ratio: [4, 2]}, is: 9 times}\n",
        &x);
    static const char *const hold[] = {"value", "rate",  "later", "grows", "most", "than",
                                       "mean",  "loss",  "share", "rest",  "over", "above",
                                       "order", "chain", "facts", "own",   "drop"};
    for (size_t i = 0; i < ARRAY_SIZE(hold); i++)
        expect_verdict(&x, hold[i], CLAIM_HOLDS);
    near_to(result_of(&x, "value")->e.value, 10);
    near_to(result_of(&x, "mean")->e.value, sqrt(8));
    near_to(result_of(&x, "share")->e.value, .3);
    near_to(result_of(&x, "over")->e.value, 3);
    near_to(result_of(&x, "above")->e.value, 2);
    near_to(result_of(&x, "drop")->stated, .1);
    assert_int_equal(result_of(&x, "drop")->measure, MEASURE_FRACTION);
    assert_int_equal(result_of(&x, "chain")->pairs.n, 2);
    expect_verdict(&x, "sooner", CLAIM_DOES_NOT_HOLD);
    assert_int_equal(result_of(&x, "sooner")->direction, ANSWER_NO);
    expect_verdict(&x, "wrong", CLAIM_DOES_NOT_HOLD);
    expect_verdict(&x, "bad", CLAIM_DOES_NOT_HOLD);
    judged_release(&x);
    made_close(&m);
}

/* runc is there by itself and through docker, gVisor by itself: an order takes both without docker,
 * a claim of runc alone the one named first. */
static void targets_of_one_engine_are_compared(void **state)
{
    static const char *const cells[] = {"cpu.prime", NULL};
    static const char *const targets[N] = {"docker/runc", "runc", "runsc:ptrace"};
    const struct outcome_of v[N] = {{5000, NULL}, {1000, NULL}, {2000, NULL}};
    struct judged x;
    struct made m;

    made_open_on(*state, targets, cells, &m);
    same_in_blocks(&m, 8, "cpu.prime", v);
    judge(&m,
          HEAD
          "  - {id: order, text: x, order: {cell: cpu.prime, of: [runc, gvisor]}}\n"
          "  - {id: alone, text: x, value: {cell: cpu.prime, of: runc, times: 1e6}, is: 5 us}\n",
          &x);
    expect_verdict(&x, "order", CLAIM_HOLDS);
    assert_int_equal(result_of(&x, "order")->pairs.v[0].less, 1);
    expect_verdict(&x, "alone", CLAIM_HOLDS);
    assert_int_equal(result_of(&x, "alone")->of, 0);
    judged_release(&x);
    made_close(&m);
}

/* The second run has what the first has not. */
static void each_claim_by_the_run_that_can(void **state)
{
    static const char *const first[] = {"cpu.prime", NULL}, *const second[] = {"sys.getpid", NULL};
    const struct outcome_of v[N] = {{1000, NULL}, {2000, NULL}, {4000, NULL}};
    struct fixture *f = *state;
    struct made m[2];
    struct analysis a[2];
    struct claim_run runs[2];
    struct claims_judged j;
    struct claims *c;

    made_open(f, first, &m[0]);
    same_in_blocks(&m[0], 8, "cpu.prime", v);
    str_format(f->db, sizeof(f->db), "%s/second.db", f->dir);
    made_open(f, second, &m[1]);
    same_in_blocks(&m[1], 8, "sys.getpid", v);
    assert_ok(parse(HEAD "  - {id: a, text: x, overhead: {cell: sys.getpid, of: runc}, is: more}\n"
                         "  - {id: b, text: x, overhead: {cell: cpu.prime, of: runc}, is: more}\n"
                         "  - {id: c, text: x, overhead: {cell: mem.triad, of: runc}, is: more}\n",
                    &c, err));
    for (size_t i = 0; i < 2; i++) {
        assert_ok(analyse_run(m[i].s, m[i].run, &a[i], err));
        runs[i] = (struct claim_run){m[i].s, &a[i]};
    }
    assert_ok(claims_judge(c, runs, 2, &j, err));
    assert_int_equal(j.v[0].verdict, CLAIM_HOLDS);
    assert_int_equal(j.v[0].run, 1);
    assert_int_equal(j.v[1].run, 0);
    assert_int_equal(j.v[2].verdict, CLAIM_UNTESTED);
    assert_int_equal(j.count[CLAIM_HOLDS], 2);
    claims_judged_release(&j);
    claims_free(c);
    for (size_t i = 0; i < 2; i++) {
        analysis_release(&a[i]);
        made_close(&m[i]);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_files_are_refused_at_the_place),
        cmocka_unit_test(figures_as_people_write_them),
        cmocka_unit_test(the_papers_arithmetic),
        cmocka_unit_test(all_that_came_with_cupel_can_be_judged),
        TEST(losses_of_times_and_of_rates),
        TEST(what_is_not_known_is_undecided),
        TEST(what_is_not_there_cannot_be_tested),
        TEST(values_growth_facts_and_orders),
        TEST(targets_of_one_engine_are_compared),
        TEST(each_claim_by_the_run_that_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
