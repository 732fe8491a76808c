/* The last of what somebody said on a stream: bounded, and printable, since it is from outside.
 *
 * Layer: base. A value: zero it once.
 *
 *     tail_add(&t, chunk, n);
 *     tail_line(&t, dst, sizeof(dst));   // the last words, for a message */
#ifndef CUPEL_BASE_TAIL_H
#define CUPEL_BASE_TAIL_H

#include <stddef.h>

struct tail {
    char text[2048]; /* terminated; bytes outside printable ASCII are '?', but for newlines */
    size_t n;
};

void tail_add(struct tail *t, const char *bytes, size_t n);
/* The last line that is not blank; "" if there is none. Returns dst. */
const char *tail_line(const struct tail *t, char *dst, size_t size);

#endif
