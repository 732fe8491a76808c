#include "unit.h"

#include "wire/callset.h"

#include <errno.h>
#include <string.h>

static void there_and_back(void **state)
{
    struct callset s = {{false}}, back;
    char text[CALLSET_TEXT];
    s.has[0] = s.has[5] = s.has[CALLSET_MAX - 1] = true;
    callset_format(&s, text);
    assert_int_equal(strlen(text), CALLSET_TEXT - 1);
    assert_memory_equal(text, "840", 3); /* the first bit of the first digit is number 0 */
    assert_int_equal(text[CALLSET_TEXT - 2], '1');
    assert_int_equal(callset_parse(text, &back), 0);
    assert_memory_equal(&back, &s, sizeof(s));
    assert_int_equal(callset_count(&back), 3);
}

static void other_forms_are_refused(void **state)
{
    struct callset s = {{false}};
    char text[CALLSET_TEXT + 1] = "";
    callset_format(&s, text);
    text[7] = 'A';
    assert_int_equal(callset_parse(text, &s), -EINVAL);
    text[7] = '0';
    text[CALLSET_TEXT - 1] = '0'; /* a digit too many */
    assert_int_equal(callset_parse(text, &s), -EINVAL);
    assert_int_equal(callset_parse("", &s), -EINVAL);
    assert_int_equal(callset_parse(NULL, &s), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(other_forms_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
