#include "unit.h"

#include "measure/course.h"

#include <math.h>

#define SEED UINT64_C(20261123)

static void assert_permutation(const size_t *idx, size_t n)
{
    unsigned seen = 0;

    for (size_t i = 0; i < n; i++) {
        assert_true(idx[i] < n);
        seen |= 1u << idx[i];
    }
    assert_int_equal(seen, (1u << n) - 1);
}

/* Which of the n! orders this is. */
static size_t permutation_number(const size_t *idx, size_t n)
{
    size_t number = 0;

    for (size_t i = 0; i < n; i++) {
        size_t smaller = 0;
        for (size_t j = i + 1; j < n; j++)
            smaller += idx[j] < idx[i];
        number = number * (n - i) + smaller;
    }
    return number;
}

static double chi_square(const unsigned *counts, size_t k, unsigned total)
{
    double expected = (double)total / (double)k, sum = 0;

    for (size_t i = 0; i < k; i++)
        sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    return sum;
}

/* .999 point of chi-square with 23 degrees of freedom: four targets have 24 orders. */
#define CHI_24_ORDERS 49.728
#define DRAWS         4800

static void the_same_seed_gives_the_same_orders(void **state)
{
    size_t a[6], b[6];
    bool differs = false;

    (void)state;
    for (unsigned block = 0; block < 50; block++) {
        schedule_targets(SEED, block, a, 6);
        schedule_targets(SEED, block, b, 6);
        assert_permutation(a, 6);
        assert_memory_equal(a, b, sizeof(a));
        schedule_targets(SEED + 1, block, b, 6);
        differs = differs || memcmp(a, b, sizeof(a)) != 0;
    }
    assert_true(differs);
}

static void blocks_have_orders_of_their_own(void **state)
{
    size_t first[8], idx[8];
    unsigned same = 0;

    (void)state;
    schedule_targets(SEED, 0, first, 8);
    for (unsigned block = 1; block <= 100; block++) {
        schedule_targets(SEED, block, idx, 8);
        same += memcmp(first, idx, sizeof(idx)) == 0;
    }
    assert_true(same <= 1); /* of 8! orders */
}

static void starts_take_every_order_alike(void **state)
{
    unsigned counts[24] = {0};

    (void)state;
    for (unsigned block = 0; block < DRAWS; block++) {
        size_t idx[4];
        schedule_targets(SEED, block, idx, 4);
        counts[permutation_number(idx, 4)]++;
    }
    assert_true(chi_square(counts, 24, DRAWS) < CHI_24_ORDERS);
}

static void rounds_take_every_order_alike(void **state)
{
    unsigned counts[24] = {0}, follows[4][4] = {{0}}, pairs[12], k = 0;

    (void)state;
    for (unsigned block = 0; block < DRAWS / 10; block++) {
        size_t idx[4] = {0, 1, 2, 3};
        struct rng r;
        schedule_rounds_rng(SEED, block, block % 7, &r);
        for (int round = 0; round < 10; round++) {
            rng_shuffle(&r, idx, 4);
            counts[permutation_number(idx, 4)]++;
            for (int i = 1; i < 4; i++)
                follows[idx[i - 1]][idx[i]]++;
        }
    }
    assert_true(chi_square(counts, 24, DRAWS) < CHI_24_ORDERS);
    /* Nobody runs more often after one neighbour than after another. */
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            if (i != j)
                pairs[k++] = follows[i][j];
    for (int i = 0; i < 12; i++)
        assert_true(fabs(pairs[i] - DRAWS / 4.0) < 5 * sqrt(DRAWS / 4.0));
}

static void cells_and_blocks_have_rounds_of_their_own(void **state)
{
    struct rng a, b;

    (void)state;
    schedule_rounds_rng(SEED, 3, 1, &a);
    schedule_rounds_rng(SEED, 3, 1, &b);
    assert_true(rng_u64(&a) == rng_u64(&b));
    schedule_rounds_rng(SEED, 3, 2, &b);
    assert_true(rng_u64(&a) != rng_u64(&b));
    schedule_rounds_rng(SEED, 4, 1, &b);
    assert_true(rng_u64(&a) != rng_u64(&b));
}

static void families_stay_together(void **state)
{
    struct plan p;
    unsigned first_family[3] = {0}, swapped = 0;

    (void)state;
    plan_init(&p);
    assert_ok(plan_add_cells(&p, "mem.copy", err));
    assert_ok(plan_add_cells(&p, "sys.getpid", err));
    assert_ok(plan_add_cells(&p, "mem.triad", err));
    assert_ok(plan_add_cells(&p, "fs.open@tmpfs", err));
    assert_ok(plan_add_cells(&p, "sys.close", err));
    assert_ok(plan_add_cells(&p, "mem.add", err));
    const size_t n = p.cells.n;
    assert_int_equal(n, 6);
    for (unsigned block = 0; block < 3000; block++) {
        size_t idx[6], again[6], place[6];
        unsigned runs = 1;

        schedule_cells(SEED, block, p.cells.v, n, idx);
        schedule_cells(SEED, block, p.cells.v, n, again);
        assert_memory_equal(idx, again, sizeof(idx));
        assert_permutation(idx, n);
        for (size_t i = 0; i < n; i++)
            place[idx[i]] = i;
        for (size_t i = 1; i < n; i++)
            runs +=
                !str_eq(p.cells.v[idx[i]].workload->family, p.cells.v[idx[i - 1]].workload->family);
        assert_int_equal(runs, 3);
        const char *family = p.cells.v[idx[0]].workload->family;
        first_family[str_eq(family, "mem") ? 0 : str_eq(family, "sys") ? 1 : 2]++;
        swapped += place[0] > place[2];
    }
    /* Each family comes first at times, and within a family either cell does. A family's chance is
     * its share of the cells: 3, 2 and 1 of 6. */
    for (int i = 0; i < 3; i++)
        assert_true(fabs(first_family[i] - 500.0 * (3 - i)) < 5 * sqrt(500.0 * (3 - i)));
    assert_true(swapped > 1350 && swapped < 1650);
    plan_release(&p);
}

/* A resumed run goes on with block k as the interrupted one would have: no order depends on what
 * was drawn before. */
static void any_block_can_be_the_first(void **state)
{
    size_t straight[40][5], idx[5];

    (void)state;
    for (unsigned block = 0; block < 40; block++)
        schedule_targets(SEED, block, straight[block], 5);
    for (unsigned block = 40; block-- > 0;) {
        schedule_targets(SEED, block, idx, 5);
        assert_memory_equal(idx, straight[block], sizeof(idx));
    }
}

static void starts_and_cells_do_not_follow_one_another(void **state)
{
    struct plan p;
    unsigned same = 0;

    (void)state;
    plan_init(&p);
    assert_ok(plan_add_cells(&p, "mem.copy", err));
    assert_ok(plan_add_cells(&p, "mem.triad", err));
    assert_ok(plan_add_cells(&p, "mem.add", err));
    for (unsigned block = 0; block < 600; block++) {
        size_t a[3], b[3];
        schedule_targets(SEED, block, a, 3);
        schedule_cells(SEED, block, p.cells.v, 3, b);
        same += memcmp(a, b, sizeof(a)) == 0;
    }
    assert_true(same > 50 && same < 150); /* a sixth */
    plan_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_orders),
        cmocka_unit_test(blocks_have_orders_of_their_own),
        cmocka_unit_test(starts_take_every_order_alike),
        cmocka_unit_test(rounds_take_every_order_alike),
        cmocka_unit_test(cells_and_blocks_have_rounds_of_their_own),
        cmocka_unit_test(families_stay_together),
        cmocka_unit_test(any_block_can_be_the_first),
        cmocka_unit_test(starts_and_cells_do_not_follow_one_another),
    };

    return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
