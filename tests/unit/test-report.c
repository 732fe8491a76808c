/* The small parts reports are made of: numbers as text, padding, breaking, what a cell says. */
#include "unit.h"

#include "report/units.h"
#include "report/figure.h"
#include "report/words.h"

#include "base/time.h"

#include <math.h>

static const struct style utf8 = {.utf8 = true}, ascii = {.utf8 = false}, narrow = {.width = 20};

static void test_ns(void **state)
{
    static const struct {
        double ns;
        const char *text;
    } cases[] = {
        {0, "0.00 ns"},     {1.234, "1.23 ns"}, {9.994, "9.99 ns"}, {9.996, "10.0 ns"},
        {99.94, "99.9 ns"}, {99.96, "100 ns"},  {121, "121 ns"},    {999.4, "999 ns"},
        {999.6, "1.00 µs"}, {14600, "14.6 µs"}, {3.2e6, "3.20 ms"}, {1.25e9, "1.25 s"},
        {7.5e12, "7500 s"}, {NAN, "?"},         {INFINITY, "?"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[UNIT_TEXT];
        unit_ns(&utf8, cases[i].ns, text);
        assert_string_equal(text, cases[i].text);
    }
    char text[UNIT_TEXT];
    unit_ns(&ascii, 14600, text);
    assert_string_equal(text, "14.6 us");
}

static void test_rates_and_sizes(void **state)
{
    char num[UNIT_TEXT], unit[UNIT_TEXT];

    unit_rate_parts(18.24e9, num, unit);
    assert_string_equal(num, "18.2");
    assert_string_equal(unit, "GB/s");
    unit_rate_parts(NAN, num, unit);
    assert_string_equal(num, "?");
    unit_bytes(0, num);
    assert_string_equal(num, "0 B");
    unit_bytes(UINT64_C(25276514304), num);
    assert_string_equal(num, "23.5 GiB");
    unit_bytes(UINT64_MAX, num);
    assert_string_equal(num, "16777216 TiB");
}

static void test_percents_and_ratios(void **state)
{
    char text[UNIT_TEXT];

    unit_percent(.0042, text);
    assert_string_equal(text, "0.4 %");
    unit_percent(.0002, text);
    assert_string_equal(text, "0.02 %");
    unit_percent(.25, text);
    assert_string_equal(text, "25 %");
    unit_percent(NAN, text);
    assert_string_equal(text, "?");
    unit_ratio(1.0034, .002, text); /* the third digit is worth something */
    assert_string_equal(text, "1.003");
    unit_ratio(1.0034, .02, text);
    assert_string_equal(text, "1.00");
    unit_ratio(34.21, .002, text);
    assert_string_equal(text, "34.2");
    unit_ratio(120.7, .04, text);
    assert_string_equal(text, "121");
    unit_ratio(NAN, NAN, text);
    assert_string_equal(text, "?");
}

static void test_elapsed(void **state)
{
    char text[UNIT_TEXT];

    unit_elapsed(0, text);
    assert_string_equal(text, "0:00");
    unit_elapsed(192 * NS_PER_S, text);
    assert_string_equal(text, "3:12");
    unit_elapsed(3723 * NS_PER_S, text);
    assert_string_equal(text, "1:02:03");
}

static void test_half(void **state)
{
    assert_float_equal(interval_half(1 / 1.02, 1.02), .02, 1e-12);
    assert_true(isnan(interval_half(NAN, 1)));
    assert_true(isnan(interval_half(0, 1)));
    assert_true(isnan(interval_half(2, 1)));
    assert_true(isnan(interval_half(1, INFINITY)));
}

static void test_width_and_padding(void **state)
{
    struct str s = STR_INIT;

    assert_int_equal(text_width("±0.2 µs ▲"), 9);
    text_pad(&s, "±1", 4, false);
    assert_string_equal(s.buf, "±1  ");
    str_clear(&s);
    text_pad(&s, "▲", 3, true);
    assert_string_equal(s.buf, "  ▲");
    str_clear(&s);
    text_pad(&s, "longer", 3, true); /* never cut */
    assert_string_equal(s.buf, "longer");
    str_release(&s);
}

static void test_inert(void **state)
{
    struct str s = STR_INIT;

    str_add(&s, "±");
    text_inert(&s, "a\033[2J\n\007\x7f\x9b");
    text_inert(&s, NULL);
    assert_string_equal(s.buf, "±a?[2J????"); /* what was there before is left alone */
    str_release(&s);
}

static void test_breaking(void **state)
{
    struct str s = STR_INIT;
    struct flow f;

    text_wrap(&s, &narrow, "- ", 2, "one two three four five six");
    assert_string_equal(s.buf, "- one two three four\n  five six\n");
    str_clear(&s);
    text_wrap(&s, &narrow, "", 0, "awordmuchlongerthanthewholeline x");
    assert_string_equal(s.buf, "awordmuchlongerthanthewholeline\nx\n");
    str_clear(&s);
    flow_begin(&f, &s, &narrow, "", 2);
    flow_add(&f, "%s", "one two");
    flow_add(&f, "%s", "three four");
    flow_add(&f, "%s", "five");
    flow_end(&f);
    assert_string_equal(s.buf, "one two | three four\n  five\n");
    str_release(&s);
}

static void test_every_sign_has_two_forms(void **state)
{
    for (enum glyph g = 0; g < GLYPH_COUNT; g++) {
        assert_int_equal(text_width(style_glyph(&utf8, g)), 1);
        for (const char *p = style_glyph(&ascii, g); *p; p++)
            assert_in_range(*p, '!', '~');
    }
    for (unsigned h = 0; h < 10; h++) {
        assert_int_equal(text_width(style_spark(&utf8, h)), 1);
        assert_int_equal(strlen(style_spark(&ascii, h)), 1);
    }
    assert_string_equal(tone_on(&utf8, TONE_LOUD), ""); /* no colour asked for */
}

static struct cell_result measured(double ratio, double half, enum verdict v)
{
    return (struct cell_result){
        .status = CELL_OK,
        .verdict = v,
        .ratio = {ratio, ratio / (1 + half), ratio * (1 + half), .95, 12},
        .absolute = {1000, 990, 1010, .95, 12},
    };
}

static void check_words(const struct cell_result *r, const char *sign, const char *number,
                        const char *half, const char *word)
{
    const struct cell cell = {.workload = workload_find("sys.getpid")};
    struct cell_words w;

    cell_words_ratio(&utf8, r, &cell, &w);
    assert_string_equal(w.sign, sign);
    assert_string_equal(w.number, number);
    assert_string_equal(w.half, half);
    assert_string_equal(w.word, word);
}

static void test_words(void **state)
{
    struct cell_result r = measured(1.001, .002, VERDICT_EQUIVALENT);

    check_words(&r, "=", "1.001", "±0.2 %", "alike");
    r = measured(1.08, .009, VERDICT_SLOWER);
    check_words(&r, "▲", "1.08", "±0.9 %", "slower");
    r = measured(2, .01, VERDICT_SLOWER);
    check_words(&r, "▲▲", "2.00", "±1.0 %", "slower");
    r = measured(121, .04, VERDICT_SLOWER);
    check_words(&r, "▲▲▲", "121", "±4.0 %", "slower");
    r = measured(.5, .01, VERDICT_FASTER);
    check_words(&r, "▼▼", "0.50", "±1.0 %", "faster");
    r = measured(1.01, .003, VERDICT_SMALL);
    check_words(&r, "≈", "1.010", "±0.3 %", "slight");
    r = measured(1.01, .04, VERDICT_INCONCLUSIVE);
    check_words(&r, "?", "1.01", "±4.0 %", "unsure");
    r.ratio.lo = r.ratio.hi = NAN;
    r.ratio.n = 3;
    check_words(&r, "?", "1.01", "n=3", "unsure");
    r.ratio.value = NAN; /* the base has no such figure: its own */
    check_words(&r, "", "1.00", "±1.0 %", "no base");
}

static void test_failures_are_never_numbers(void **state)
{
    struct cell_result r = measured(.9, .01, VERDICT_FASTER);
    struct str s = STR_INIT;
    struct cell_words w;

    r.status = CELL_SOME_FAILED;
    r.fail_kind = ERR_TIMEOUT;
    r.tried = 11;
    r.failed = 2;
    r.failure_lo = .02;
    r.failure_hi = .52;
    check_words(&r, "✘", "", "", "timed out 2 of 11");
    failure_sentence(&r, &s);
    assert_string_equal(s.buf, "timed out in 2 of 11 blocks (rate 2.0 % to 52 %)");
    str_release(&s);
    const struct cell cell = {.workload = workload_find("sys.getpid")};
    cell_words_absolute(&utf8, &r, &cell, &w);
    assert_string_equal(w.number, "");
    for (enum err_kind k = ERR_UNSUPPORTED; k < ERR_KIND_COUNT; k++) {
        r.status = CELL_FAILED;
        r.fail_kind = k;
        cell_words_ratio(&utf8, &r, &cell, &w);
        assert_string_equal(w.number, "");
        assert_string_equal(w.sign, k == ERR_UNSUPPORTED ? "–" : "✘");
        assert_string_not_equal(w.word, "");
    }
    r.status = CELL_NOT_MEASURED;
    check_words(&r, "–", "", "", "not measured");
}

static void test_absolute(void **state)
{
    struct cell_result r = measured(1, .01, VERDICT_EQUIVALENT);
    struct cell_words w;

    struct cell cell = {.workload = workload_find("sys.getpid")};
    cell_words_absolute(&utf8, &r, &cell, &w);
    assert_string_equal(w.number, "1.00");
    assert_string_equal(w.unit, "µs");
    cell.workload = workload_find("mem.copy"); /* 2 MiB an operation, which takes 1 µs here */
    cell_words_absolute(&utf8, &r, &cell, &w);
    assert_string_equal(w.number, "2.10");
    assert_string_equal(w.unit, "TB/s");
    assert_string_equal(w.half, "±1.0 %");
}

/* A cost of 1000 ns is a rate of a million, whose larger bound belongs to the smaller cost. */
static void test_metrics(void **state)
{
    struct cell_result r = measured(1, .01, VERDICT_EQUIVALENT);
    struct cell cell = {.workload = workload_unknown(), .better = BETTER_HIGHER};
    struct cell_words w;
    struct str s = STR_INIT;

    str_copy(cell.unit, sizeof(cell.unit), "requests/s");
    cell_words_absolute(&utf8, &r, &cell, &w);
    assert_string_equal(w.number, "1000000");
    assert_string_equal(w.unit, "requests/s");
    r.absolute = (struct estimate){.value = 1000, .lo = 500, .hi = 2000, .level = .95, .n = 10};
    figure_text(&utf8, &cell, &r.absolute, &s);
    assert_string_equal(s.buf, "1000000 requests/s [500000 requests/s, 2000000 requests/s]");
    str_release(&s);
    cell.better = BETTER_LOWER;
    str_copy(cell.unit, sizeof(cell.unit), "J");
    struct estimate e = {.value = 3.2e9, .lo = 3e9, .hi = 4e9, .level = .95, .n = 10};
    e = figure_estimate(&cell, &e);
    assert_true(e.value > 3.19999 && e.value < 3.20001 && e.lo < e.value && e.hi > e.value);
    char num[UNIT_TEXT];
    unit_value(.00132, num);
    assert_string_equal(num, "0.00132");
    unit_value(93142.7, num);
    assert_string_equal(num, "93100");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ns),
        cmocka_unit_test(test_rates_and_sizes),
        cmocka_unit_test(test_percents_and_ratios),
        cmocka_unit_test(test_elapsed),
        cmocka_unit_test(test_half),
        cmocka_unit_test(test_width_and_padding),
        cmocka_unit_test(test_inert),
        cmocka_unit_test(test_breaking),
        cmocka_unit_test(test_every_sign_has_two_forms),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_failures_are_never_numbers),
        cmocka_unit_test(test_absolute),
        cmocka_unit_test(test_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
