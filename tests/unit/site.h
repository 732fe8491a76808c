/* A directory for each test, as a fixture: cmocka_unit_test_setup_teardown(x, site_make,
 * site_remove). */
#ifndef CUPEL_TESTS_SITE_H
#define CUPEL_TESTS_SITE_H

#include "base/fs.h"
#include "base/str.h"

#include <stdlib.h>

struct site {
    char dir[64];
};

static inline int site_make(void **state)
{
    struct site *s = xcalloc(1, sizeof(*s));
    str_copy(s->dir, sizeof(s->dir), "/tmp/cupel-test-XXXXXX");
    *state = s;
    return mkdtemp(s->dir) ? 0 : -1;
}

static inline int site_remove(void **state)
{
    struct site *s = *state;
    struct err err = ERR_INIT;
    int r = fs_remove_tree(s->dir, &err);
    free(s);
    return r;
}

#endif
