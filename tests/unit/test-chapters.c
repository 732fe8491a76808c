/* Which chapter of a report a cell is in, and the figures beside samples that chapters are drawn
 * from. */
#include "unit.h"

#include "analyse/facts.h"
#include "analyse/chapter.h"

#include <math.h>

/* A family that nobody told chapter.c of would stand among the unknown. */
static void test_every_family_has_a_chapter(void **state)
{
    for (size_t i = 0; i < cell_def_count(); i++) {
        struct cell c;
        cell_from_def(cell_def_at(i), &c);
        assert_true(chapter_of(&c) < CHAPTER_OTHER);
    }
    struct cell unknown = {.workload = workload_unknown()};
    assert_int_equal(chapter_of(&unknown), CHAPTER_OTHER);
}

static void test_names(void **state)
{
    for (enum chapter c = 0; c < CHAPTER_COUNT; c++) {
        assert_true(str_is_id(chapter_name(c), 16));
        assert_true(chapter_title(c)[0]);
    }
}

static void test_facts(void **state)
{
    struct fact_table t = {0};

    for (int i = 0; i < 9; i++) {
        _cleanup_free_ char *json =
            xasprintf("{\"sentry_bytes\": %d, \"word\": \"x\", \"deep\": {\"n\": 1}%s}", 100 + i,
                      i == 4 ? ", \"late\": 2.5" : "");
        fact_table_add(&t, json);
    }
    assert_int_equal(t.names.n, 2);
    assert_string_equal(t.names.v[0].name, "sentry_bytes");
    struct estimate e = fact_estimate(&t.names.v[0]);
    assert_int_equal(e.n, 9);
    assert_true(e.value == 104 && e.lo == 101 && e.hi == 107); /* 2nd and 8th: 96.1 % */
    e = fact_estimate(&t.names.v[1]);
    assert_true(e.n == 1 && e.value == 2.5 && isnan(e.lo) && isnan(e.hi));
    fact_table_release(&t);
}

/* Facts come from a guest or a file: what is of another form says nothing, names are bounded. */
static void test_facts_of_any_form(void **state)
{
    static const char *const texts[] = {NULL,           "", "{", "[1, 2]", "7", "{\"a\": \"b\"}",
                                        "{\"a\": null}"};
    struct fact_table t = {0};
    struct str many = STR_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        fact_table_add(&t, texts[i]);
    assert_int_equal(t.names.n, 0);
    for (int i = 0; i < 1000; i++)
        str_addf(&many, "%s\"n%d\": %d", i ? ", " : "{", i, i);
    str_addc(&many, '}');
    fact_table_add(&t, many.buf);
    assert_int_equal(t.names.n, FACT_NAMES_MAX);
    str_clear(&many);
    str_add(&many, "{\"");
    for (int i = 0; i < 100; i++)
        str_addc(&many, 'x');
    str_add(&many, "\": 1}");
    fact_table_add(&t, many.buf);
    assert_int_equal(t.names.n, FACT_NAMES_MAX);
    str_release(&many);
    fact_table_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_family_has_a_chapter),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_facts_of_any_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
