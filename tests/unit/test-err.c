#include "unit.h"

#include <errno.h>

static void fills_and_returns(void **state)
{
    struct err err = ERR_INIT;
    assert_int_equal(err_set(&err, ERR_USAGE, ERANGE, "%s %d", "x", 3), -ERANGE);
    assert_int_equal(err.kind, ERR_USAGE);
    assert_int_equal(err.code, ERANGE);
    assert_string_equal(err.msg, "x 3");
    assert_int_equal(err_set(&err, ERR_BUG, 0, "zero"), -EINVAL);
    assert_int_equal(err_set(NULL, ERR_BUG, EIO, "nobody listens"), -EIO);
    assert_int_equal(err_errno(NULL, ENOENT, "nobody listens"), -ENOENT);
    assert_int_equal(err_wrap(NULL, "nobody listens"), -EINVAL);
}

static void errno_and_wrap_add_text(void **state)
{
    struct err err = ERR_INIT;
    assert_int_equal(err_errno(&err, ENOENT, "read %s", "/x"), -ENOENT);
    assert_int_equal(err.kind, ERR_ENVIRONMENT);
    assert_string_equal(err.msg, "read /x: No such file or directory");
    assert_int_equal(err_wrap(&err, "start %s", "runc"), -ENOENT);
    assert_string_equal(err.msg, "start runc: read /x: No such file or directory");
    assert_int_equal(err.kind, ERR_ENVIRONMENT);
    err_clear(&err);
    assert_int_equal(err_wrap(&err, "alone"), -EINVAL);
    assert_string_equal(err.msg, "alone");
}

static void text_is_one_clean_line(void **state)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_BUG, EIO,
            "a\nb\033[31mc\x7f\xc2\x9b"
            "d\xff"
            "e");
    assert_string_equal(err.msg, "a b?[31mc???d?e");
    err_set(&err, ERR_BUG, EIO, "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"); /* well-formed UTF-8 */
    assert_string_equal(err.msg, "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    err_set(&err, ERR_BUG, EIO, "\xe0\x80\x80|\xed\xa0\x80|\xf4\x90\x80\x80|\xc3");
    assert_string_equal(err.msg, "???|???|????|?");
}

static void long_text_is_cut(void **state)
{
    char big[2000];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    struct err err = ERR_INIT;
    err_set(&err, ERR_BUG, EIO, "%s", big);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    err_wrap(&err, "head");
    assert_int_equal(strncmp(err.msg, "head: xxx", 9), 0);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

static void own_text_may_be_an_argument(void **state)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_BUG, EIO, "inner");
    err_set(&err, ERR_TIMEOUT, EIO, "outer (%s)", err.msg);
    assert_string_equal(err.msg, "outer (inner)");
}

static void kinds_have_names(void **state)
{
    for (unsigned k = ERR_NONE + 1; k < ERR_KIND_COUNT; k++)
        assert_int_equal(err_kind_parse(err_kind_name((enum err_kind)k)), k);
    assert_string_equal(err_kind_name(ERR_TIMEOUT), "timeout");
    assert_int_equal(err_kind_parse("none"), ERR_NONE);
    assert_int_equal(err_kind_parse("Timeout"), ERR_NONE);
    assert_int_equal(err_kind_parse(NULL), ERR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_and_returns),           cmocka_unit_test(errno_and_wrap_add_text),
        cmocka_unit_test(text_is_one_clean_line),      cmocka_unit_test(long_text_is_cut),
        cmocka_unit_test(own_text_may_be_an_argument), cmocka_unit_test(kinds_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
