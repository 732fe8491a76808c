#include "unit.h"

#include "base/cleanup.h"
#include "model/params.h"

#include <errno.h>

static const struct param_def size_def = {"bytes", PARAM_SIZE, "auto", 1024, 1 << 30, NULL, "x", 0};
static const struct param_def count_def = {"files", PARAM_COUNT, "64", 1, 100, NULL, "x", 0};
static const struct param_def time_def = {"lag",         PARAM_DURATION, "1ms", 0,
                                          3600000000000, NULL,           "x",   0};
static const struct param_def choice_def = {"stores", PARAM_CHOICE, "plain", 0,
                                            0,        "plain|nt",   "x",     0};

static const struct param_def step_def = {"region", PARAM_SIZE, "8k", 4096,
                                          1 << 20,  NULL,       "x",  4096};

static const struct param_def rate_def = {"wire", PARAM_RATE, "0", 0, 1000000000000, NULL, "x", 0};
static const struct param_def share_def = {"loss", PARAM_SHARE, "0%", 0, 900000, NULL, "x", 0};

static void set_and_get(void **state)
{
    struct params p = {.n = 0};
    assert_ok(params_set(&p, &size_def, "64M", err));
    assert_ok(params_set(&p, &count_def, "7", err));
    assert_ok(params_set(&p, &time_def, "20ms", err));
    assert_ok(params_set(&p, &choice_def, "nt", err));
    assert_int_equal(p.n, 4);
    struct params net = {.n = 0};
    assert_ok(params_set(&net, &rate_def, "2.5gbit", err));
    assert_ok(params_set(&net, &share_def, "0.1%", err));
    assert_int_equal(params_num(&net, "wire", -1), 2500000000);
    assert_int_equal(params_num(&net, "loss", -1), 1000);
    assert_int_equal(params_num(&p, "bytes", -1), 64 << 20);
    assert_int_equal(params_num(&p, "files", -1), 7);
    assert_int_equal(params_num(&p, "lag", -1), 20000000);
    assert_string_equal(params_text(&p, "stores", "?"), "nt");
    assert_int_equal(params_num(&p, "stores", -1), -1);
    assert_string_equal(params_text(&p, "files", "?"), "?");
    assert_ok(params_set(&p, &count_def, "8", err));
    assert_int_equal(p.n, 4);
    assert_int_equal(params_num(&p, "files", -1), 8);
    params_set_num(&p, "stores", 5);
    assert_int_equal(params_num(&p, "stores", -1), 5);
}

static void automatic(void **state)
{
    struct params p = {.n = 0};
    assert_ok(params_set(&p, &size_def, "auto", err));
    assert_true(params_find(&p, "bytes")->is_auto);
    assert_int_equal(params_num(&p, "bytes", -1), -1);
    params_set_num(&p, "bytes", 4096);
    assert_false(params_find(&p, "bytes")->is_auto);
    assert_int_equal(params_num(&p, "bytes", -1), 4096);
    assert_fails(params_set(&p, &count_def, "auto", err), EINVAL, "files: 'auto'");
}

static void refused(void **state)
{
    struct params p = {.n = 0};
    assert_fails(params_set(&p, &size_def, "12q", err), EINVAL, "bytes: '12q'");
    assert_fails(params_set(&p, &size_def, "1", err), ERANGE,
                 "bytes: 1 is not within 1k to 1G, or auto");
    assert_fails(params_set(&p, &size_def, "9e18", err), ERANGE, "bytes");
    assert_fails(params_set(&p, &size_def, "17000000T", err), ERANGE, "too large");
    assert_fails(params_set(&p, &count_def, "101", err), ERANGE,
                 "files: 101 is not within 1 to 100");
    assert_fails(params_set(&p, &count_def, "-1", err), ERANGE, "files");
    assert_fails(params_set(&p, &count_def, "", err), EINVAL, "files");
    assert_fails(params_set(&p, &time_def, "20", err), EINVAL, "lag");
    assert_fails(params_set(&p, &choice_def, "nontemporal", err), EINVAL,
                 "stores: 'nontemporal' is not one of plain or nt");
    assert_fails(params_set(&p, &choice_def, "plain|nt", err), EINVAL, "stores");
    assert_fails(params_set(&p, &choice_def, "", err), EINVAL, "stores");
    assert_fails(params_set(&p, &step_def, "5000", err), EINVAL, "5000 is not a multiple of 4k");
    assert_fails(params_set(&p, &rate_def, "1000", err), EINVAL, "no rate such as 1gbit");
    assert_fails(params_set(&p, &rate_def, "fastgbit", err), EINVAL, "wire");
    assert_fails(params_set(&p, &rate_def, "gbit", err), EINVAL, "wire");
    assert_fails(params_set(&p, &rate_def, "2000gbit", err), ERANGE,
                 "wire: 2000gbit is not within 0bit to 1000gbit");
    assert_fails(params_set(&p, &rate_def, "-1gbit", err), ERANGE, "wire");
    assert_fails(params_set(&p, &share_def, "95%", err), ERANGE, "not within 0% to 90%");
    assert_fails(params_set(&p, &share_def, "some", err), EINVAL, "loss");
    assert_int_equal(p.n, 0);
    assert_ok(params_set(&p, &step_def, "12k", err));
}

/* Whatever is formatted reads back to the same value. */
static void round_trip(void **state)
{
    static const char *const sizes[] = {"1k", "1025", "1M", "1500k", "1G", "auto"};
    static const char *const times[] = {"0", "1ns", "1500us", "20ms", "90s", "2m", "1h"};
    struct params p = {.n = 0}, q = {.n = 0};
    char text[PARAM_TEXT_MAX];
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        assert_ok(params_set(&p, &size_def, sizes[i], err));
        param_value_text(&size_def, &p.v[0], text, sizeof(text));
        assert_ok(params_set(&q, &size_def, text, err));
        assert_true(params_equal(&p, &q));
    }
    p.n = q.n = 0;
    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        assert_ok(params_set(&p, &time_def, times[i], err));
        param_value_text(&time_def, &p.v[0], text, sizeof(text));
        assert_ok(params_set(&q, &time_def, text, err));
        assert_true(params_equal(&p, &q));
    }
    static const char *const rates[] = {"0", "1bit", "1500kbit", "1gbit", "2.5gbit", "12345bit"};
    p.n = q.n = 0;
    for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
        assert_ok(params_set(&p, &rate_def, rates[i], err));
        param_value_text(&rate_def, &p.v[0], text, sizeof(text));
        assert_ok(params_set(&q, &rate_def, text, err));
        assert_true(params_equal(&p, &q));
    }
    p.n = q.n = 0;
    for (int64_t share = 0; share <= 900000; share += 1237) {
        params_set_num(&p, "loss", share);
        param_value_text(&share_def, &p.v[0], text, sizeof(text));
        assert_ok(params_set(&q, &share_def, text, err));
        assert_true(params_equal(&p, &q));
    }
    p.n = q.n = 0;
    assert_ok(params_set(&p, &size_def, "64M", err));
    param_value_text(&size_def, &p.v[0], text, sizeof(text));
    assert_string_equal(text, "64M");
    param_value_text(NULL, &p.v[0], text, sizeof(text));
    assert_string_equal(text, "67108864");
    assert_false(params_equal(&p, &q));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_and_get),
        cmocka_unit_test(automatic),
        cmocka_unit_test(refused),
        cmocka_unit_test(round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
