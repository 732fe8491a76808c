#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>

/* Length of the well-formed UTF-8 sequence at s, or 0. Overlong forms, surrogates and the C1
 * control characters (U+0080..U+009F, which some terminals obey) count as malformed. */
static size_t utf8_length(const unsigned char *s)
{
    if (s[0] >= 0xc2 && s[0] <= 0xdf && (s[1] & 0xc0) == 0x80)
        return s[0] == 0xc2 && s[1] < 0xa0 ? 0 : 2;
    if ((s[0] & 0xf0) == 0xe0 && (s[1] & 0xc0) == 0x80 && (s[2] & 0xc0) == 0x80) {
        bool overlong = s[0] == 0xe0 && s[1] < 0xa0, surrogate = s[0] == 0xed && s[1] > 0x9f;
        return overlong || surrogate ? 0 : 3;
    }
    if (s[0] >= 0xf0 && s[0] <= 0xf4 && (s[1] & 0xc0) == 0x80 && (s[2] & 0xc0) == 0x80 &&
        (s[3] & 0xc0) == 0x80) {
        bool outside = (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f);
        return outside ? 0 : 4;
    }
    return 0;
}

/* One line without anything a terminal would act on. User paths in UTF-8 stay readable. */
static void one_line(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p;) {
        if (*p == '\n' || *p == '\t' || *p == '\r') {
            *p++ = ' ';
        } else if (*p < 0x20 || *p == 0x7f) {
            *p++ = '?';
        } else if (*p < 0x80) {
            p++;
        } else {
            size_t n = utf8_length(p);
            if (n == 0)
                *p = '?';
            p += n ? n : 1;
        }
    }
}

/* Puts head and tail together; err->msg may be part of either, hence the buffer in between. */
static void compose(struct err *err, const char *head, const char *sep, const char *tail)
{
    char both[sizeof(err->msg)];
    snprintf(both, sizeof(both), "%s%s%s", head, sep, tail);
    one_line(both);
    memcpy(err->msg, both, sizeof(both));
}

int err_set(struct err *err, enum err_kind kind, int code, const char *fmt, ...)
{
    if (code <= 0)
        code = EINVAL;
    if (!err)
        return -code;
    char text[sizeof(err->msg)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    err->kind = kind;
    err->code = code;
    compose(err, text, "", "");
    return -code;
}

int err_errno(struct err *err, int code, const char *fmt, ...)
{
    if (code <= 0)
        code = EINVAL;
    if (!err)
        return -code;
    char text[sizeof(err->msg)], reason[128];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    err->kind = ERR_ENVIRONMENT;
    err->code = code;
    compose(err, text, ": ", strerror_r(code, reason, sizeof(reason)));
    return -code;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    if (!err)
        return -EINVAL;
    char text[sizeof(err->msg)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    compose(err, text, err->msg[0] ? ": " : "", err->msg);
    return err->code > 0 ? -err->code : -EINVAL;
}

void err_clear(struct err *err)
{
    if (err)
        *err = (struct err)ERR_INIT;
}

static const char *const kind_names[ERR_KIND_COUNT] = {
    [ERR_NONE] = "none",       [ERR_UNSUPPORTED] = "unsupported", [ERR_MEASUREMENT] = "measurement",
    [ERR_TIMEOUT] = "timeout", [ERR_ENVIRONMENT] = "environment", [ERR_USAGE] = "usage",
    [ERR_BUG] = "bug",
};

const char *err_kind_name(enum err_kind kind)
{
    return (unsigned)kind < ERR_KIND_COUNT ? kind_names[kind] : "bug";
}

enum err_kind err_kind_parse(const char *name)
{
    for (unsigned k = ERR_NONE + 1; name && k < ERR_KIND_COUNT; k++)
        if (strcmp(name, kind_names[k]) == 0)
            return (enum err_kind)k;
    return ERR_NONE;
}
