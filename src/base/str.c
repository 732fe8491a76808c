#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdarg.h>

char str_empty[1] = "";

void str_init(struct str *s)
{
    *s = (struct str)STR_INIT;
}

void str_release(struct str *s)
{
    if (s->cap > 0)
        free(s->buf);
    str_init(s);
}

void str_clear(struct str *s)
{
    s->len = 0;
    if (s->cap > 0)
        s->buf[0] = '\0';
    else
        s->buf = str_empty;
}

char *str_take(struct str *s)
{
    char *buf = s->cap > 0 ? s->buf : xstrdup("");
    str_init(s);
    return buf;
}

static void str_reserve(struct str *s, size_t extra)
{
    if (extra >= SIZE_MAX / 2 - s->len)
        abort();
    size_t want = s->len + extra + 1;
    if (want <= s->cap)
        return;
    size_t cap = s->cap ? s->cap : 64;
    while (cap < want)
        cap *= 2;
    s->buf = xrealloc(s->cap ? s->buf : NULL, cap);
    s->cap = cap;
}

void str_add(struct str *s, const char *text)
{
    str_addn(s, text, strlen(text));
}

void str_addn(struct str *s, const char *bytes, size_t n)
{
    str_reserve(s, n);
    if (n > 0)
        memcpy(s->buf + s->len, bytes, n);
    s->len += n;
    s->buf[s->len] = '\0';
}

void str_addc(struct str *s, char c)
{
    str_addn(s, &c, 1);
}

void str_addf(struct str *s, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n > 0) {
        str_reserve(s, (size_t)n);
        vsnprintf(s->buf + s->len, (size_t)n + 1, fmt, again);
        s->len += (size_t)n;
    }
    va_end(again);
}

static void *or_die(void *p)
{
    if (!p) {
        static const char text[] = "cupel: out of memory\n";
        ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);
        (void)n;
        abort();
    }
    return p;
}

void *xmalloc(size_t n)
{
    return or_die(malloc(n ? n : 1));
}

void *xcalloc(size_t n, size_t size)
{
    return or_die(n && size ? calloc(n, size) : calloc(1, 1));
}

void *xrealloc(void *p, size_t n)
{
    return or_die(realloc(p, n ? n : 1));
}

void *xreallocarray(void *p, size_t n, size_t size)
{
    return or_die(n && size ? reallocarray(p, n, size) : realloc(p, 1));
}

char *xstrdup(const char *s)
{
    return s ? xstrndup(s, strlen(s)) : NULL;
}

char *xstrndup(const char *s, size_t n)
{
    return or_die(strndup(s, n));
}

char *xasprintf(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    return or_die(n < 0 ? NULL : text);
}

bool str_copy(char *dst, size_t size, const char *src)
{
    size_t n = strnlen(src, size);
    bool fits = n < size;
    if (!fits)
        n = size - 1;
    memmove(dst, src, n);
    dst[n] = '\0';
    return fits;
}

bool str_format(char *dst, size_t size, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(dst, size, fmt, ap);
    va_end(ap);
    if (n < 0)
        dst[0] = '\0';
    return n >= 0 && (size_t)n < size;
}

bool str_eq(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

char *str_strip(char *s)
{
    while (is_space(*s))
        s++;
    size_t n = strlen(s);
    while (n > 0 && is_space(s[n - 1]))
        n--;
    s[n] = '\0';
    return s;
}

void str_printable(char *s)
{
    for (; *s; s++)
        if (*s < 0x20 || *s > 0x7e)
            *s = '?';
}

bool str_is_id(const char *s, size_t max)
{
    size_t n = 0;
    for (; s[n]; n++) {
        bool ok = (s[n] >= 'a' && s[n] <= 'z') || (s[n] >= '0' && s[n] <= '9') || s[n] == '-';
        if (!ok || n >= max)
            return false;
    }
    return n > 0 && s[0] != '-' && s[n - 1] != '-';
}

bool str_glob(const char *pattern, const char *s)
{
    return fnmatch(pattern, s, 0) == 0;
}

static int bad_number(const char *s, const char *what, const char *why, struct err *err)
{
    return err_set(err, ERR_USAGE, EINVAL, "%s: '%.60s' %s", what, s, why);
}

/* Digits only: no sign, no white space, no base prefix. */
static bool digits_u64(const char *s, uint64_t *ret, bool *overflow)
{
    uint64_t v = 0;
    *overflow = false;
    if (!*s)
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return false;
        if (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
            __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
            *overflow = true;
    }
    *ret = v;
    return true;
}

int parse_u64(const char *s, uint64_t min, uint64_t max, const char *what, uint64_t *ret,
              struct err *err)
{
    uint64_t v = 0;
    bool overflow;
    if (!digits_u64(s, &v, &overflow))
        return bad_number(s, what, "is not a whole number", err);
    if (overflow || v < min || v > max)
        return err_set(err, ERR_USAGE, ERANGE, "%s: %.60s is not within %ju and %ju", what, s,
                       (uintmax_t)min, (uintmax_t)max);
    *ret = v;
    return 0;
}

int parse_i64(const char *s, int64_t min, int64_t max, const char *what, int64_t *ret,
              struct err *err)
{
    uint64_t v = 0;
    bool minus = *s == '-', overflow;
    if (!digits_u64(s + minus, &v, &overflow))
        return bad_number(s, what, "is not a whole number", err);
    overflow = overflow || v > (uint64_t)INT64_MAX + minus;
    int64_t n = minus ? (int64_t)(0 - v) : (int64_t)v;
    if (overflow || n < min || n > max)
        return err_set(err, ERR_USAGE, ERANGE, "%s: %.60s is not within %jd and %jd", what, s,
                       (intmax_t)min, (intmax_t)max);
    *ret = n;
    return 0;
}

/* A decimal number at the start of s; *ret_end is what follows. strtold alone would also take white
 * space, hexadecimal, "inf" and "nan". */
static bool decimal_prefix(const char *s, long double *ret, const char **ret_end)
{
    const char *p = s + (*s == '-');
    if (!(*p >= '0' && *p <= '9') && !(*p == '.' && p[1] >= '0' && p[1] <= '9'))
        return false;
    if (*p == '0' && (p[1] == 'x' || p[1] == 'X'))
        return false;
    char *end;
    long double v = strtold(s, &end);
    if (!isfinite(v))
        return false;
    *ret = v;
    *ret_end = end;
    return true;
}

int parse_double(const char *s, double min, double max, const char *what, double *ret,
                 struct err *err)
{
    long double v;
    const char *end;
    if (!decimal_prefix(s, &v, &end) || *end)
        return bad_number(s, what, "is not a number", err);
    double d = strtod(s, NULL); /* rounded once, unlike (double)v */
    if (!isfinite(d))
        return bad_number(s, what, "is too large", err);
    if (!(d >= min && d <= max))
        return err_set(err, ERR_USAGE, ERANGE, "%s: %.60s is not within %g and %g", what, s, min,
                       max);
    *ret = d;
    return 0;
}

struct unit {
    const char *name;
    uint64_t factor;
};

/* number x unit as uint64_t, rounded to the nearest. */
static int scale(long double v, uint64_t factor, const char *s, const char *what, uint64_t *ret,
                 struct err *err)
{
    v *= (long double)factor;
    if (v < 0)
        return bad_number(s, what, "is negative", err);
    if (v >= 18446744073709551615.0L)
        return err_set(err, ERR_USAGE, ERANGE, "%s: '%.60s' is too large", what, s);
    *ret = (uint64_t)(v + 0.5L);
    return 0;
}

int parse_duration_ns(const char *s, const char *what, uint64_t *ret_ns, struct err *err)
{
    static const struct unit units[] = {
        {"ns", 1},
        {"us", 1000},
        {"ms", 1000000},
        {"s", 1000000000u},
        {"m", 60 * 1000000000ull},
        {"h", 3600 * 1000000000ull},
    };
    long double v;
    const char *end;
    if (!decimal_prefix(s, &v, &end))
        return bad_number(s, what, "is not a duration such as 250ms, 1.5s or 4m", err);
    if (!*end && v == 0) {
        *ret_ns = 0;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (strcmp(end, units[i].name) == 0)
            return scale(v, units[i].factor, s, what, ret_ns, err);
    return bad_number(s, what,
                      *end ? "has an unknown unit (ns, us, ms, s, m, h)"
                           : "needs a unit (ns, us, ms, s, m, h)",
                      err);
}

int parse_size_bytes(const char *s, const char *what, uint64_t *ret_bytes, struct err *err)
{
    long double v;
    const char *end;
    if (!decimal_prefix(s, &v, &end))
        return bad_number(s, what, "is not a size such as 512, 64k, 16M or 1G", err);
    static const char letters[] = "kmgt";
    uint64_t factor = 1;
    if (*end) {
        const char *hit = strchr(letters, tolower((unsigned char)*end));
        if (!hit || end[1])
            return bad_number(s, what, "has an unknown unit (k, M, G, T)", err);
        factor = UINT64_C(1) << (10 * (hit - letters + 1));
    }
    return scale(v, factor, s, what, ret_bytes, err);
}

int parse_fraction(const char *s, const char *what, double *ret, struct err *err)
{
    long double v;
    const char *end;
    if (!decimal_prefix(s, &v, &end) || (*end && strcmp(end, "%") != 0))
        return bad_number(s, what, "is not a fraction such as 2% or 0.02", err);
    if (*end)
        v /= 100;
    if (v < 0 || v > 1)
        return err_set(err, ERR_USAGE, ERANGE, "%s: %.60s is not within 0%% and 100%%", what, s);
    *ret = (double)v;
    return 0;
}

#define NEAREST_MAX 64

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Damerau-Levenshtein distance in its restricted form (optimal string alignment). */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][NEAREST_MAX + 1];
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && above2[j - 2] + 1 < row[j])
                row[j] = above2[j - 2] + 1;
        }
    }
    return rows[n % 3][m];
}

const char *str_nearest(const char *word, const char *const *candidates, size_t n)
{
    size_t len = strlen(word);
    if (len > NEAREST_MAX)
        return NULL;
    const char *best = NULL;
    size_t best_d = 1 + len / 3 + 1;
    for (size_t i = 0; i < n; i++) {
        size_t m = strlen(candidates[i]);
        if (m > NEAREST_MAX)
            continue;
        size_t d = distance(word, len, candidates[i], m);
        if (d < best_d) {
            best_d = d;
            best = candidates[i];
        }
    }
    return best;
}
