/* What every unit test includes: cmocka with the headers it wants before it, and a check that
 * prints the error it met. */
#ifndef CUPEL_TESTS_UNIT_H
#define CUPEL_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/err.h"

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        struct err ok_err_ = ERR_INIT;                                                             \
        struct err *err = &ok_err_;                                                                \
        int ok_r_ = (call);                                                                        \
        if (ok_r_ < 0)                                                                             \
            fail_msg("%s: %d %s", #call, ok_r_, ok_err_.msg);                                      \
    } while (0)

/* The call, which names `err`, fails with -code and a message that holds text. */
#define assert_fails(call, want_code, text)                                                        \
    do {                                                                                           \
        struct err bad_err_ = ERR_INIT;                                                            \
        struct err *err = &bad_err_;                                                               \
        assert_int_equal(call, -(want_code));                                                      \
        if (!strstr(bad_err_.msg, text))                                                           \
            fail_msg("%s: says '%s', not '%s'", #call, bad_err_.msg, text);                        \
    } while (0)

#endif
