#include "unit.h"

#include "base/str.h"
#include "model/run.h"

#include <errno.h>

static void names(void **state)
{
    for (unsigned k = 0; k < WARN_KIND_COUNT; k++) {
        enum warning_kind back = WARN_KIND_COUNT;
        const char *name = warning_name((enum warning_kind)k);
        assert_non_null(name);
        assert_true(str_is_id(name, 32));
        assert_int_equal(warning_parse(name, &back), 0);
        assert_int_equal(back, k);
    }
    enum warning_kind kind = WARN_SMT;
    assert_int_equal(warning_parse("stael", &kind), -EINVAL);
    assert_int_equal(warning_parse(NULL, &kind), -EINVAL);
    assert_int_equal(kind, WARN_SMT);
    assert_string_equal(warning_name(WARN_KIND_COUNT), "unknown");

    enum outcome o = OUTCOME_OK;
    assert_int_equal(outcome_parse("failed", &o), 0);
    assert_int_equal(o, OUTCOME_FAILED);
    assert_int_equal(outcome_parse("ok", &o), 0);
    assert_int_equal(o, OUTCOME_OK);
    assert_int_equal(outcome_parse("OK", &o), -EINVAL);
    assert_string_equal(outcome_name(OUTCOME_FAILED), "failed");
}

/* Released things are empty again and can be released twice; NULL is fine. */
static void release(void **state)
{
    struct trial t;
    trial_init(&t);
    for (int i = 0; i < 20; i++) {
        struct part p = {.target = (uint32_t)i, .facts = xstrdup("{}"), .hist = xstrdup("1 0 1 1")};
        for (int j = 0; j < 20; j++)
            VEC_PUSH(&p.samples, (struct sample){.round = (uint32_t)j});
        VEC_PUSH(&t.parts, p);
    }
    assert_int_equal(t.parts.n, 20);
    assert_int_equal(t.parts.v[19].samples.v[19].round, 19);
    trial_release(&t);
    assert_int_equal(t.parts.n, 0);
    assert_null(t.parts.v);
    trial_release(&t);
    trial_release(NULL);
    part_release(NULL);
    struct session_record s = {.proof = xstrdup("{}"), .hello = NULL};
    session_record_release(&s);
    assert_null(s.proof);
    session_record_release(&s);
    session_record_release(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
