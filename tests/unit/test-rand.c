#include "unit.h"

#include "base/cleanup.h"
#include "base/rand.h"

#include <stdbool.h>

/* The first outputs of SplitMix64 from seed 1234567, as in the reference code's own test. */
static void reference_values(void **state)
{
    static const uint64_t want[] = {UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
                                    UINT64_C(9817491932198370423), UINT64_C(4593380528125082431),
                                    UINT64_C(16408922859458223821)};
    struct rng r;
    rng_seed(&r, 1234567);
    for (size_t i = 0; i < ARRAY_SIZE(want); i++)
        assert_true(rng_u64(&r) == want[i]);
}

static void below_is_in_range_and_even(void **state)
{
    struct rng r;
    rng_seed(&r, 1);
    unsigned seen[7] = {0};
    for (int i = 0; i < 70000; i++)
        seen[rng_below(&r, 7)]++;
    double chi2 = 0;
    for (int i = 0; i < 7; i++)
        chi2 += (seen[i] - 10000.0) * (seen[i] - 10000.0) / 10000.0;
    assert_true(chi2 < 22.5); /* 99.9 % point of 6 degrees of freedom; the seed is fixed */
    assert_int_equal(rng_below(&r, 1), 0);
    uint64_t half = (UINT64_C(1) << 63) + 1, above = 0; /* where a plain modulo would be 2 to 1 */
    for (int i = 0; i < 1000; i++)
        above += rng_below(&r, half) >= half / 2;
    assert_in_range(above, 430, 570);
}

static void shuffle_is_a_permutation(void **state)
{
    size_t a[50], b[50];
    for (size_t i = 0; i < 50; i++)
        a[i] = b[i] = i;
    struct rng r, s;
    rng_seed(&r, 5);
    rng_seed(&s, 5);
    rng_shuffle(&r, a, 50);
    rng_shuffle(&s, b, 50);
    assert_memory_equal(a, b, sizeof(a));
    bool seen[50] = {false};
    unsigned home = 0;
    for (size_t i = 0; i < 50; i++) {
        assert_in_range(a[i], 0, 49);
        assert_false(seen[a[i]]);
        seen[a[i]] = true;
        home += a[i] == i;
    }
    assert_true(home < 10);
    unsigned first[3] = {0};
    for (int i = 0; i < 3000; i++) {
        size_t c[3] = {0, 1, 2};
        rng_shuffle(&r, c, 3);
        first[c[0]]++;
    }
    for (int i = 0; i < 3; i++)
        assert_in_range(first[i], 900, 1100);
    rng_shuffle(&r, a, 0);
}

static void streams_differ(void **state)
{
    struct rng a, b, c, again;
    rng_stream(&a, 1, 1, 2);
    rng_stream(&b, 1, 2, 1);
    rng_stream(&c, 2, 1, 2);
    rng_stream(&again, 1, 1, 2);
    uint64_t x = rng_u64(&a), y = rng_u64(&b), z = rng_u64(&c);
    assert_true(x != y && y != z && x != z && rng_u64(&again) == x);
    assert_true(rng_entropy() != rng_entropy());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_values),
        cmocka_unit_test(below_is_in_range_and_even),
        cmocka_unit_test(shuffle_is_a_permutation),
        cmocka_unit_test(streams_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
