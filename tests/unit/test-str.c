#include "unit.h"

#include "base/str.h"
#include "base/time.h"
#include "base/vec.h"

#include <errno.h>
#include <math.h>

static void strings_grow(void **state)
{
    _cleanup_(str_release) struct str s = STR_INIT;
    assert_string_equal(s.buf, "");
    for (int i = 0; i < 1000; i++)
        str_addf(&s, "%d,", i);
    assert_int_equal(s.len, 10 * 2 + 90 * 3 + 900 * 4);
    assert_int_equal(strlen(s.buf), s.len);
    str_clear(&s);
    assert_string_equal(s.buf, "");
    str_addn(&s, "a\0b", 3);
    str_addc(&s, 'c');
    assert_int_equal(s.len, 4);
    assert_memory_equal(s.buf, "a\0bc", 5);
    char *taken = str_take(&s);
    assert_memory_equal(taken, "a\0bc", 5);
    free(taken);
    assert_string_equal(s.buf, "");
    taken = str_take(&s); /* of an empty one */
    assert_string_equal(taken, "");
    free(taken);
    str_release(&s);
    str_release(&s);
}

static void copies_are_bounded(void **state)
{
    char d[4] = "zzz";
    assert_true(str_copy(d, sizeof(d), "abc"));
    assert_string_equal(d, "abc");
    assert_false(str_copy(d, sizeof(d), "abcd"));
    assert_string_equal(d, "abc");
    assert_false(str_format(d, sizeof(d), "%d", 12345));
    assert_string_equal(d, "123");
    assert_true(str_format(d, sizeof(d), "%d", 123));
}

static void small_tests_of_text(void **state)
{
    assert_true(str_eq(NULL, NULL));
    assert_false(str_eq(NULL, ""));
    assert_true(str_eq("a", "a"));
    assert_true(str_starts("abc", "ab"));
    assert_false(str_starts("a", "ab"));
    assert_true(str_ends("abc", "bc"));
    assert_false(str_ends("c", "bc"));
    char padded[] = " \t x y\r\n";
    assert_string_equal(str_strip(padded), "x y");
    char blank[] = "  ";
    assert_string_equal(str_strip(blank), "");
    char odd[] = "a\x01\x7f\xc3\xa9z";
    str_printable(odd);
    assert_string_equal(odd, "a????z");
}

static void identifiers(void **state)
{
    assert_true(str_is_id("a", 1));
    assert_true(str_is_id("a-1", 8));
    const char *const bad[] = {"", "-a", "a-", "A", "a_b", "a/b", "..", "a b", "abcdefghi", "\xc3"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(str_is_id(bad[i], 8));
}

static void globs(void **state)
{
    assert_true(str_glob("sys.*", "sys.getpid"));
    assert_true(str_glob("*", ""));
    assert_true(str_glob("mem.[ct]*", "mem.triad"));
    assert_false(str_glob("mem.[!ct]*", "mem.triad"));
    assert_true(str_glob("fs.ope?", "fs.open"));
    assert_false(str_glob("sys", "sys.getpid"));
}

static void whole_numbers(void **state)
{
    uint64_t u = 7;
    assert_ok(parse_u64("18446744073709551615", 0, UINT64_MAX, "n", &u, err));
    assert_true(u == UINT64_MAX);
    u = 7;
    assert_fails(parse_u64("18446744073709551616", 0, UINT64_MAX, "n", &u, err), ERANGE, "n: ");
    assert_fails(parse_u64("5", 6, 9, "--blocks", &u, err), ERANGE,
                 "--blocks: 5 is not within 6 and 9");
    const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "1x", "0x1", "1e3", "1.0"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_fails(parse_u64(bad[i], 0, 9, "n", &u, err), EINVAL, "not a whole number");
    assert_int_equal(u, 7);
    int64_t n = 7;
    assert_ok(parse_i64("-9223372036854775808", INT64_MIN, INT64_MAX, "n", &n, err));
    assert_true(n == INT64_MIN);
    assert_fails(parse_i64("-9223372036854775809", INT64_MIN, INT64_MAX, "n", &n, err), ERANGE,
                 "n");
    assert_fails(parse_i64("9223372036854775808", INT64_MIN, INT64_MAX, "n", &n, err), ERANGE, "n");
    assert_fails(parse_i64("--1", INT64_MIN, INT64_MAX, "n", &n, err), EINVAL, "n");
    assert_fails(parse_i64("-", INT64_MIN, INT64_MAX, "n", &n, err), EINVAL, "n");
}

static void real_numbers(void **state)
{
    double d = 7;
    assert_ok(parse_double("-1.5e-1", -1, 1, "x", &d, err));
    assert_true(d == -0.15);
    assert_ok(parse_double(".5", 0, 1, "x", &d, err));
    assert_true(d == 0.5);
    const char *const bad[] = {"",     "nan", "inf",   "-inf", " 1", "1 ",
                               "0x10", "1,5", "1e999", "e1",   "."};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_fails(parse_double(bad[i], -INFINITY, INFINITY, "x", &d, err), EINVAL, "x: ");
    assert_fails(parse_double("2", 0, 1, "x", &d, err), ERANGE, "x: 2 is not within 0 and 1");
    assert_true(d == 0.5);
}

static void durations(void **state)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {{"0", 0},
                {"0s", 0},
                {"100ns", 100},
                {"20us", 20000},
                {"250ms", 250000000},
                {"1.5s", 1500000000},
                {"0.1s", 100000000},
                {"4m", 240000000000},
                {"2h", 7200000000000}};
    uint64_t ns;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_ok(parse_duration_ns(good[i].text, "t", &ns, err));
        assert_true(ns == good[i].ns);
    }
    assert_fails(parse_duration_ns("5", "--budget", &ns, err), EINVAL,
                 "--budget: '5' needs a unit");
    assert_fails(parse_duration_ns("5d", "t", &ns, err), EINVAL, "unknown unit");
    assert_fails(parse_duration_ns("-5s", "t", &ns, err), EINVAL, "negative");
    assert_fails(parse_duration_ns("s", "t", &ns, err), EINVAL, "not a duration");
    assert_fails(parse_duration_ns("1e30s", "t", &ns, err), ERANGE, "too large");
    assert_fails(parse_duration_ns("", "t", &ns, err), EINVAL, "not a duration");
}

static void sizes_and_fractions(void **state)
{
    uint64_t n;
    assert_ok(parse_size_bytes("512", "s", &n, err));
    assert_int_equal(n, 512);
    assert_ok(parse_size_bytes("64k", "s", &n, err));
    assert_int_equal(n, 65536);
    assert_ok(parse_size_bytes("1.5G", "s", &n, err));
    assert_int_equal(n, 1610612736);
    assert_ok(parse_size_bytes("16M", "s", &n, err));
    assert_int_equal(n, 16 << 20);
    assert_fails(parse_size_bytes("16MB", "s", &n, err), EINVAL, "unknown unit");
    assert_fails(parse_size_bytes("99999999999T", "s", &n, err), ERANGE, "too large");
    assert_fails(parse_size_bytes("-1", "s", &n, err), EINVAL, "negative");
    double f;
    assert_ok(parse_fraction("2%", "p", &f, err));
    assert_true(f == 0.02);
    assert_ok(parse_fraction("0.02", "p", &f, err));
    assert_true(f == 0.02);
    assert_fails(parse_fraction("2", "--precision", &f, err), ERANGE,
                 "--precision: 2 is not within");
    assert_fails(parse_fraction("2%%", "p", &f, err), EINVAL, "not a fraction");
}

static void nearest_word(void **state)
{
    const char *const names[] = {"runc", "crun", "runsc", "sys.getpid", "host"};
    assert_string_equal(str_nearest("rnuc", names, 5), "runc");
    assert_string_equal(str_nearest("sys.gtepid", names, 5), "sys.getpid");
    assert_string_equal(str_nearest("hots", names, 5), "host");
    assert_null(str_nearest("kubernetes", names, 5));
    assert_null(str_nearest("x", names, 0));
    char longest[300];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_null(str_nearest(longest, names, 5));
}

static void clocks(void **state)
{
    char iso[21];
    time_iso(0, iso);
    assert_string_equal(iso, "1970-01-01T00:00:00Z");
    time_iso(UINT64_C(1769860800) * NS_PER_S + 999999999, iso);
    assert_string_equal(iso, "2026-01-31T12:00:00Z");
    time_iso(UINT64_MAX, iso);
    assert_int_equal(strlen(iso), 20);
    assert_int_equal(time_left_ms(0), 0);
    assert_int_equal(time_left_ms(UINT64_MAX), INT32_MAX);
    assert_true(time_deadline(UINT64_MAX) == UINT64_MAX);
    int left = time_left_ms(time_deadline(NS_PER_S));
    assert_in_range(left, 900, 1000);
    assert_int_equal(time_left_ms(time_mono_ns() + 900000) <= 1, 1); /* rounded up, never 0 early */
    uint64_t a = time_mono_ns();
    assert_true(time_mono_ns() >= a && time_real_ns() > UINT64_C(1577836800) * NS_PER_S);
}

static void vectors(void **state)
{
    VEC(int) v = VEC_INIT;
    long sum = 0;
    VEC_FOREACH (&v, int, none)
        sum += *none;
    for (int i = 0; i < 1000; i++)
        VEC_PUSH(&v, i);
    VEC_FOREACH (&v, int, each)
        sum += *each;
    assert_int_equal(sum, 499500);
    assert_int_equal(v.n, 1000);
    VEC_RELEASE(&v);
    assert_int_equal(v.n, 0);
    assert_null(v.v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_grow),
        cmocka_unit_test(copies_are_bounded),
        cmocka_unit_test(small_tests_of_text),
        cmocka_unit_test(identifiers),
        cmocka_unit_test(globs),
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(real_numbers),
        cmocka_unit_test(durations),
        cmocka_unit_test(sizes_and_fractions),
        cmocka_unit_test(nearest_word),
        cmocka_unit_test(clocks),
        cmocka_unit_test(vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
