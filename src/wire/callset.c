#include "wire/callset.h"

#include "base/str.h"

#include <errno.h>

static const char digits[] = "0123456789abcdef";

size_t callset_count(const struct callset *s)
{
    size_t n = 0;
    for (size_t i = 0; i < CALLSET_MAX; i++)
        n += s->has[i];
    return n;
}

void callset_format(const struct callset *s, char dst[CALLSET_TEXT])
{
    for (size_t i = 0; i < CALLSET_MAX; i += 4) {
        const bool *four = s->has + i;
        dst[i / 4] = digits[four[0] << 3 | four[1] << 2 | four[2] << 1 | four[3]];
    }
    dst[CALLSET_TEXT - 1] = '\0';
}

int callset_parse(const char *text, struct callset *ret)
{
    if (!text || strlen(text) != CALLSET_TEXT - 1 || strspn(text, digits) != CALLSET_TEXT - 1)
        return -EINVAL;
    for (size_t i = 0; i < CALLSET_MAX; i++) {
        size_t digit = (size_t)(strchr(digits, text[i / 4]) - digits);
        ret->has[i] = digit >> (3 - i % 4) & 1;
    }
    return 0;
}
