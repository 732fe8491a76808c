/* What a way of counting system calls is to callcount.c.
 *
 * Layer: host, internal. `own` belongs to the way, which frees it in close. */
#ifndef CUPEL_HOST_CALLCOUNT_WAY_H
#define CUPEL_HOST_CALLCOUNT_WAY_H

#include "host/callcount.h"

struct callcount_way {
    const char *name;
    int (*read)(void *own, struct call_tallies *ret, struct err *err);
    void (*close)(void *own);
};

struct callcount *callcount_new(const struct callcount_way *way, void *own);

#endif
