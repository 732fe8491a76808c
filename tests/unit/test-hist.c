#include "unit.h"

#include "base/rand.h"
#include "wire/hist.h"

#include <errno.h>

#define within(v, want, share)                                                                     \
    assert_in_range(v, (uint64_t)((want) * (1 - (share))), (uint64_t)((want) * (1 + (share))))

static struct hist *fresh(void)
{
    return xcalloc(1, sizeof(struct hist));
}

static void buckets_tile_the_range(void **state)
{
    assert_int_equal(hist_lowest(0), 0);
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        assert_int_equal(hist_index(hist_lowest(i)), i);
        assert_int_equal(hist_index(hist_highest(i)), i);
        if (i > 0)
            assert_true(hist_lowest(i) == hist_highest(i - 1) + 1);
        /* At most 0.1 % wide: three significant digits. */
        assert_true(hist_highest(i) - hist_lowest(i) <= hist_lowest(i) / 1000);
    }
    assert_true(hist_highest(HIST_BUCKETS - 1) == (UINT64_C(1) << HIST_MAX_BITS) - 1);
    assert_int_equal(hist_index(UINT64_MAX), HIST_BUCKETS - 1);
}

/* The data of HdrHistogram's own tests: 10 000 times 1000 and one stall of 10^8, one request
 * expected every 10^4. */
static void hdr_reference_values(void **state)
{
    _cleanup_free_ struct hist *raw = fresh(), *cor = fresh();
    for (int i = 0; i < 10000; i++) {
        hist_record(raw, 1000);
        hist_record_corrected(cor, 1000, 10000);
    }
    hist_record(raw, 100000000);
    hist_record_corrected(cor, 100000000, 10000);
    assert_int_equal(raw->total, 10001);
    assert_int_equal(cor->total, 20000);
    assert_int_equal(hist_quantile(raw, 0.30), 1000);
    assert_int_equal(hist_quantile(raw, 0.99), 1000);
    assert_int_equal(hist_quantile(raw, 0.9999), 1000);
    within(hist_quantile(raw, 0.99999), 1e8, 0.001);
    assert_int_equal(hist_quantile(raw, 1), 100000000);
    assert_int_equal(hist_quantile(cor, 0.30), 1000);
    assert_int_equal(hist_quantile(cor, 0.50), 1000);
    within(hist_quantile(cor, 0.75), 5e7, 0.001);
    within(hist_quantile(cor, 0.90), 8e7, 0.001);
    within(hist_quantile(cor, 0.99), 9.8e7, 0.001);
    within(hist_quantile(cor, 0.99999), 1e8, 0.001);
    assert_int_equal(hist_quantile(cor, 1), 100000000);
    assert_int_equal(cor->min_ns, 1000);
    /* Means of the data: (10^4 * 1000 + 10^8) / 10001, and with the stall's shadow added. */
    within((uint64_t)hist_mean(raw), 10998.9, 0.001);
    within((uint64_t)hist_mean(cor), (1000.0 * 10000 + 50005000.0 * 10000) / 20000, 0.001);
}

/* The jumping form against the definition, value by value. */
static void correction_as_defined(void **state)
{
    static const uint64_t values[] = {0, 1, 999, 1000, 1001, 1999, 2000, 2001, 123456789};
    static const uint64_t intervals[] = {0, 1, 7, 1000, 99999, UINT64_C(1) << 43};
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(intervals); j++) {
            uint64_t step = intervals[j];
            if (step > 0 && values[i] / step > 1000000)
                continue;
            _cleanup_free_ struct hist *got = fresh(), *want = fresh();
            hist_record_corrected(got, values[i], step);
            hist_record(want, values[i]);
            for (uint64_t v = values[i]; step > 0 && v >= 2 * step; v -= step)
                hist_record(want, v - step);
            assert_memory_equal(got, want, sizeof(*got));
        }
    }
    _cleanup_free_ struct hist *far = fresh();
    hist_record_corrected(far, UINT64_C(1) << 50, 1); /* ends soon all the same */
    assert_true(far->total == UINT64_C(1) << 50);
    assert_int_equal(far->min_ns, 1);
    assert_true(far->clamped == (UINT64_C(1) << 50) - (UINT64_C(1) << 42) + 1);
}

static void quantiles_of_small_sets(void **state)
{
    _cleanup_free_ struct hist *h = fresh();
    assert_int_equal(hist_quantile(h, 0.5), 0);
    assert_true(hist_mean(h) == 0);
    for (uint64_t v = 1; v <= 100; v++)
        hist_record(h, v);
    assert_int_equal(hist_quantile(h, 0), 1);
    assert_int_equal(hist_quantile(h, 0.07), 7);
    assert_int_equal(hist_quantile(h, 0.5), 50);
    assert_int_equal(hist_quantile(h, 0.501), 51);
    assert_int_equal(hist_quantile(h, 0.99), 99);
    assert_int_equal(hist_quantile(h, 1), 100);
    assert_true(hist_mean(h) == 50.5);
    hist_clear(h);
    hist_record(h, 1000001); /* never above what was seen */
    assert_int_equal(hist_quantile(h, 0.5), 1000001);
}

static void clamps_and_adds(void **state)
{
    _cleanup_free_ struct hist *a = fresh(), *b = fresh();
    hist_record(a, UINT64_C(1) << 42);
    hist_record_n(a, 5, 3);
    hist_record_n(a, 9, 0);
    assert_int_equal(a->total, 4);
    assert_int_equal(a->clamped, 1);
    hist_add(b, a);
    assert_memory_equal(a, b, sizeof(*a));
    hist_record(b, 2);
    hist_add(a, b);
    assert_int_equal(a->total, 9);
    assert_int_equal(a->min_ns, 2);
    assert_int_equal(a->counts[5], 6);
    assert_int_equal(a->clamped, 2);
    hist_clear(b);
    hist_add(a, b);
    assert_int_equal(a->min_ns, 2);
}

static void round_trip(void **state)
{
    struct rng r;
    rng_seed(&r, 9);
    for (int k = 0; k < 40; k++) {
        _cleanup_free_ struct hist *h = fresh(), *back = fresh();
        _cleanup_(str_release) struct str s = STR_INIT, again = STR_INIT;
        for (int i = 0; i < k * 50; i++)
            hist_record_n(h, rng_u64(&r) >> (16 + rng_below(&r, 48)), 1 + rng_below(&r, 3));
        str_add(&s, "before ");
        assert_ok(hist_encode(h, &s, err));
        assert_ok(hist_decode(s.buf + 7, back, err));
        assert_memory_equal(h, back, sizeof(*h));
        assert_ok(hist_encode(back, &again, err));
        assert_string_equal(s.buf + 7, again.buf);
    }
}

static void known_texts(void **state)
{
    _cleanup_free_ struct hist *h = fresh();
    _cleanup_(str_release) struct str s = STR_INIT;
    assert_ok(hist_encode(h, &s, err));
    assert_string_equal(s.buf, "0 0 0 0");
    hist_record(h, 0);
    hist_record_n(h, 2, 7);
    hist_record(h, 5000000000000);
    str_clear(&s);
    assert_ok(hist_encode(h, &s, err));
    assert_string_equal(s.buf, "9 1 0 5000000000000 1 2:7 33789");
}

static void hostile_texts(void **state)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "x",
                                      "0",
                                      "0 0 0",
                                      "0 0 0 0 ",
                                      "0 0 0 0 1",
                                      "0 0 0 1",
                                      "0 0 1 1",
                                      "1 0 5 5",
                                      "1 0 5 5 5",
                                      "1 0 5 5 7",
                                      "1 0 5 5 6:1",
                                      "1 0 5 5 6:0",
                                      "1 0 5 5 6:2",
                                      "1 0 5 5 0",
                                      "1 0 5 5  6",
                                      "1 0 5 5 6 ",
                                      "1 0 5 5 6:",
                                      "1 0 5 5 06",
                                      "01 0 5 5 6",
                                      "1 0 5 5 6x",
                                      "-1 0 5 5 6",
                                      "1 1 5 5 6",
                                      "2 1 5 5 6:2",
                                      "2 0 5 6 6:2",
                                      "2 0 6 5 6 1",
                                      "2 0 5 9 6 1",
                                      "3 0 5 6 6 1",
                                      "1 0 5 5 33793",
                                      "1 0 5 5 99999999999999999999",
                                      "1 2 5 5 6",
                                      "99999999999999999999 0 5 5 6",
                                      "1125899906842625 0 5 5 6:1125899906842625",
                                      "2 2 5 5000000000000 6 33787",
                                      "3 2 5 5000000000000 6 33787",
                                      "1 1 5000000000000 9999999999999999999 33792",
                                      "1 0 5000000000000 5000000000000 33792"};
    _cleanup_free_ struct hist *h = fresh(), *untouched = fresh();
    hist_record(h, 77);
    memcpy(untouched, h, sizeof(*h));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        if (hist_decode(bad[i], h, NULL) != -EBADMSG)
            fail_msg("accepted '%s'", bad[i]);
        assert_memory_equal(h, untouched, sizeof(*h));
    }
    assert_ok(hist_decode("1 0 5 5 6", h, err));
    assert_ok(hist_decode("2 1 5 5000000000000 6 33786", h, err));
    assert_ok(hist_decode("1 1 5000000000000 5000000000000 33792", h, err));
}

static void too_many_buckets(void **state)
{
    _cleanup_free_ struct hist *h = fresh();
    _cleanup_(str_release) struct str s = STR_INIT;
    for (unsigned i = 0; i < 10000; i++)
        hist_record_n(h, hist_lowest(i * 3), 1 + i % 2);
    assert_ok(hist_encode(h, &s, err)); /* ten thousand fit */
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        hist_record_n(h, hist_lowest(i), 1000);
    str_clear(&s);
    str_add(&s, "kept");
    assert_fails(hist_encode(h, &s, err), EMSGSIZE, "longer than");
    assert_string_equal(s.buf, "kept");
    _cleanup_free_ char *big = xmalloc(HIST_TEXT_MAX + 2);
    memset(big, ' ', HIST_TEXT_MAX + 1);
    big[HIST_TEXT_MAX + 1] = '\0';
    assert_fails(hist_decode(big, h, err), EBADMSG, "too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_tile_the_range),
        cmocka_unit_test(hdr_reference_values),
        cmocka_unit_test(correction_as_defined),
        cmocka_unit_test(quantiles_of_small_sets),
        cmocka_unit_test(clamps_and_adds),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(known_texts),
        cmocka_unit_test(hostile_texts),
        cmocka_unit_test(too_many_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
