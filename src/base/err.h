/* Errors as values: a kind, an errno and one line of text in a fixed buffer.
 *
 * Layer: base. Ownership: `struct err` lives in the caller, never allocates, needs no release.
 *
 *     int engine_start(struct engine *e, struct err *err)
 *     {
 *         int r = file_read(e->path, ...,  err);
 *         if (r < 0)
 *             return err_wrap(err, "start %s", e->name);   // "start runc: read /x: No such file"
 *         if (e->broken)
 *             return err_set(err, ERR_ENVIRONMENT, EINVAL, "%s has no version", e->name);
 *         return 0;
 *     }
 *
 * Every function that can fail returns 0 (or a count) or a negative errno, takes `struct err *`
 * last and accepts NULL there. Outputs are called ret_x and stay untouched on failure. */
#ifndef CUPEL_BASE_ERR_H
#define CUPEL_BASE_ERR_H

#include "base/banned.h"

enum err_kind {
    ERR_NONE = 0,
    ERR_UNSUPPORTED, /* this machine, kernel or runtime cannot do it */
    ERR_MEASUREMENT, /* it ran, and what came back is not a measurement */
    ERR_TIMEOUT,     /* a deadline passed */
    ERR_ENVIRONMENT, /* something on the machine is in the way: permission, disk, missing file */
    ERR_USAGE,       /* what the user typed or wrote in a file */
    ERR_BUG,         /* cupel itself */
    ERR_KIND_COUNT
};

struct err {
    enum err_kind kind;
    int code; /* errno value, positive */
    char msg[480];
};

#define ERR_INIT                                                                                   \
    {                                                                                              \
        ERR_NONE, 0, ""                                                                            \
    }

/* Fills err (if not NULL) and returns -code; a code of 0 becomes EINVAL. The text is one line:
 * control characters are replaced, so text from outside can be passed through %s. */
int err_set(struct err *err, enum err_kind kind, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* As err_set with ERR_ENVIRONMENT, and ": " strerror(code) appended. */
int err_errno(struct err *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "text: " before what err says; kind and code stay. Returns -err->code (-EINVAL if unset). */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void err_clear(struct err *err);

/* Stable lower-case names ("unsupported", "measurement", "timeout", "environment", "usage", "bug"),
 * as stored and exported. err_kind_parse returns ERR_NONE for an unknown name. */
const char *err_kind_name(enum err_kind kind);
enum err_kind err_kind_parse(const char *name);

#endif
