/* Growable strings, bounded copies, number parsing, name suggestions.
 *
 * Layer: base. Ownership: `struct str` owns its buffer; str_release frees it and makes it empty
 * again; str_take hands the buffer to the caller, who frees it. Allocation failure aborts the
 * process with a message (xmalloc family): there is nothing sensible to continue with, and sizes
 * are never taken from untrusted input.
 *
 *     _cleanup_(str_release) struct str s = STR_INIT;
 *     str_addf(&s, "%s-%04d", id, n);
 *     puts(s.buf);                                     // s.buf is never NULL */
#ifndef CUPEL_BASE_STR_H
#define CUPEL_BASE_STR_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern char str_empty[];

struct str {
    char *buf; /* NUL-terminated; points to str_empty while cap is 0 */
    size_t len;
    size_t cap;
};

#define STR_INIT                                                                                   \
    {                                                                                              \
        str_empty, 0, 0                                                                            \
    }

void str_init(struct str *s);
void str_release(struct str *s);
void str_clear(struct str *s); /* length 0, keeps the buffer */
char *str_take(struct str *s); /* never NULL */
void str_add(struct str *s, const char *text);
void str_addn(struct str *s, const char *bytes, size_t n);
void str_addc(struct str *s, char c);
void str_addf(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
void *xreallocarray(void *p, size_t n, size_t size);
char *xstrdup(const char *s); /* NULL gives NULL */
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Copies src into dst[size], always terminated. Returns false if it had to be cut. */
bool str_copy(char *dst, size_t size, const char *src);
/* snprintf into dst[size], always terminated. Returns false if it was cut. */
bool str_format(char *dst, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

bool str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* Cuts white space at both ends, in place; returns the new start. */
char *str_strip(char *s);
/* Replaces bytes outside printable ASCII by '?', in place. */
void str_printable(char *s);
/* True for 1..max characters out of [a-z0-9-], neither first nor last a dash. */
bool str_is_id(const char *s, size_t max);
/* Shell-style glob (*, ?, [..]), whole string. */
bool str_glob(const char *pattern, const char *s);

/* Whole-string parsing of decimal numbers within [min, max]. Errors: ERR_USAGE, "what: ...". */
int parse_u64(const char *s, uint64_t min, uint64_t max, const char *what, uint64_t *ret,
              struct err *err);
int parse_i64(const char *s, int64_t min, int64_t max, const char *what, int64_t *ret,
              struct err *err);
int parse_double(const char *s, double min, double max, const char *what, double *ret,
                 struct err *err);
/* "250ms", "4m", "1.5s", "20us", "100ns", "2h"; a bare number is an error except 0. */
int parse_duration_ns(const char *s, const char *what, uint64_t *ret_ns, struct err *err);
/* "64k", "16M", "1G", "512" (bytes); powers of 1024. */
int parse_size_bytes(const char *s, const char *what, uint64_t *ret_bytes, struct err *err);
/* "2%" or "0.02" as a fraction. */
int parse_fraction(const char *s, const char *what, double *ret, struct err *err);

/* The candidate nearest to word by Damerau-Levenshtein distance, or NULL when none is near enough
 * (distance above 1 + length/3). */
const char *str_nearest(const char *word, const char *const *candidates, size_t n);

#endif
