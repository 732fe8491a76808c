/* A set of system calls by their numbers, and the text it travels as between guest, store and
 * report: CALLSET_MAX / 4 hexadecimal digits, of which the first bit of the first (8) is number 0.
 *
 * Layer: wire. Plain data, 0 is empty. */
#ifndef CUPEL_WIRE_CALLSET_H
#define CUPEL_WIRE_CALLSET_H

#include <stdbool.h>
#include <stddef.h>

#define CALLSET_MAX  512 /* numbers below it; no kernel has as many */
#define CALLSET_TEXT (CALLSET_MAX / 4 + 1)

struct callset {
    bool has[CALLSET_MAX];
};

size_t callset_count(const struct callset *s);
void callset_format(const struct callset *s, char dst[CALLSET_TEXT]);
/* -EINVAL for what is not of that form, NULL included. */
int callset_parse(const char *text, struct callset *ret);

#endif
