/* Several machines: what each says, and what can be said beyond them. */
#include "unit.h"

#include "analyse/across.h"

#include <math.h>

static void near(double a, double b)
{
    if (fabs(a - b) > 1e-6 * fabs(b))
        fail_msg("%.9g is not %.9g", a, b);
}

/* Python: x = [log(v) for v in ...]; exp(statistics.mean(x)), statistics.stdev(x); t of 4 degrees
 * by table. */
static void test_estimate(void **state)
{
    const double v[] = {1.10, 1.20, 1.05, 1.30, 1.15};
    struct estimate all;
    double spread;

    across_estimate(v, 5, &all, &spread);
    near(all.value, 1.15686021);
    near(spread, 0.0820329192);
    near(all.lo, 1.15686021 * exp(-2.77644511 * 0.0820329192 / sqrt(5)));
    near(all.hi, 1.15686021 * exp(2.77644511 * 0.0820329192 / sqrt(5)));
    assert_int_equal(all.n, 5);
}

static void test_few_claim_nothing(void **state)
{
    const double v[] = {1.1, 1.2, NAN, 1.3, 1.4, -1, 0, INFINITY};
    struct estimate all;
    double spread;

    across_estimate(v, 8, &all, &spread);
    assert_true(isnan(all.value) && isnan(all.lo) && isnan(all.hi));
    assert_true(spread > 0);
    across_estimate(v, 1, &all, &spread);
    assert_true(isnan(all.value) && isnan(spread));
    across_estimate(NULL, 0, &all, &spread);
    assert_true(isnan(all.value) && isnan(spread));
}

/* Two targets in one cell; ratio 0: none. */
static struct analysis *machine(const char *base, const char *other, double ratio, size_t failed)
{
    struct analysis *a = xcalloc(1, sizeof(*a));
    struct target b = {.driver = "host"}, t = {.driver = "oci"};
    struct cell c = {.workload = NULL};

    run_head_init(&a->head);
    str_copy(b.label, sizeof(b.label), base);
    str_copy(t.label, sizeof(t.label), other);
    str_copy(c.name, sizeof(c.name), "sys.getpid");
    VEC_PUSH(&a->head.plan.targets, b);
    VEC_PUSH(&a->head.plan.targets, t);
    VEC_PUSH(&a->head.plan.cells, c);
    a->n_targets = 2;
    a->n_cells = 1;
    a->results = xcalloc(2, sizeof(*a->results));
    a->results[0].is_base = true;
    a->results[1].failed = failed;
    a->results[1].ratio = ratio > 0 ? (struct estimate){ratio, ratio / 1.01, ratio * 1.01, .95, 7}
                                    : (struct estimate){NAN, NAN, NAN, NAN, 0};
    return a;
}

static void free_machine(struct analysis *a)
{
    a->head.plan.cells.n = 0;
    free(a->results);
    run_head_release(&a->head);
    free(a);
}

static void test_table(void **state)
{
    struct analysis *m[] = {machine("host", "runc", 1.10, 0), machine("host", "runc", 1.20, 2),
                            machine("host", "runc", 0, 7), machine("bare", "runc", 9, 0),
                            machine("host", "crun", 1.05, 0)};
    struct across t;

    across_make((const struct analysis *const *)m, 5, &t);
    assert_string_equal(t.base, "host");
    assert_int_equal(t.rows.n, 2);
    const struct across_row *r = &t.rows.v[0];
    assert_string_equal(r->target, "runc");
    near(r->ratio[0].value, 1.10);
    near(r->ratio[1].value, 1.20);
    assert_true(r->failed[1] && r->failed[2] && !r->failed[0]);
    assert_true(isnan(r->ratio[2].value));
    assert_true(isnan(r->ratio[3].value)); /* against another base */
    assert_int_equal(r->n, 2);
    assert_true(isnan(r->all.value)); /* two of five machines are two */
    assert_string_equal(t.rows.v[1].target, "crun");
    assert_int_equal(t.rows.v[1].n, 1);
    across_release(&t);
    for (size_t i = 0; i < ARRAY_SIZE(m); i++)
        free_machine(m[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_estimate),
        cmocka_unit_test(test_few_claim_nothing),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
