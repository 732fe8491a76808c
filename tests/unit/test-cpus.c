#include "host/cpus.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static void round_trip(const char *text, const char *expect, size_t count)
{
    cpu_set_t set;
    char back[256];
    assert_int_equal(cpus_parse(text, &set, NULL), 0);
    cpus_format(&set, back, sizeof(back));
    assert_string_equal(back, expect);
    assert_int_equal(cpus_count(&set), count);
}

static void test_round_trips(void **state)
{
    round_trip("0-2,5", "0-2,5", 4);
    round_trip("5,0,1,2\n", "0-2,5", 4);
    round_trip("3-3", "3", 1);
    round_trip("", "", 0);
    round_trip("\n", "", 0);
    round_trip("0,2,4-7,6-9", "0,2,4-9", 8);
    round_trip("1023", "1023", 1);
    round_trip("0-1023", "0-1023", 1024);
}

static void test_refuses(void **state)
{
    static const char *const bad[] = {"a",    "1-",  "-1",   "2-1",     "1,",       ",1",
                                      "1,,2", "1 2", "1024", "0-99999", "99999999", "1-2-3"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(7, &set);
        struct err err = ERR_INIT;
        assert_true(cpus_parse(bad[i], &set, &err) < 0);
        assert_int_equal(err.kind, ERR_USAGE);
        assert_int_equal(cpus_count(&set), 1); /* untouched on failure */
        assert_true(CPU_ISSET(7, &set));
    }
}

static void test_from_end(void **state)
{
    cpu_set_t set;
    assert_int_equal(cpus_parse("1,4-5", &set, NULL), 0);
    assert_int_equal(cpus_from_end(&set, 0), 5);
    assert_int_equal(cpus_from_end(&set, 1), 4);
    assert_int_equal(cpus_from_end(&set, 2), 1);
    assert_int_equal(cpus_from_end(&set, 3), -1);
}

static void test_format_is_cut(void **state)
{
    cpu_set_t set;
    char tiny[4];
    assert_int_equal(cpus_parse("0,2,4", &set, NULL), 0);
    cpus_format(&set, tiny, sizeof(tiny));
    assert_string_equal(tiny, "0,2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_from_end),
        cmocka_unit_test(test_format_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
