#include "store/exchange-read.h"

#include "base/str.h"
#include "store/plain.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>

#define JSON_DEPTH_MAX 8

void doc_at(struct doc *d, const char *fmt, ...)
{
    va_list ap;
    if (d->r < 0)
        return;
    va_start(ap, fmt);
    vsnprintf(d->where, sizeof(d->where), fmt, ap);
    va_end(ap);
}

void doc_fail(struct doc *d, const char *fmt, ...)
{
    char why[200];
    va_list ap;
    if (d->r < 0)
        return;
    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    d->r = err_set(d->err, ERR_USAGE, EINVAL, "%s: %s%s%s", d->name, d->where,
                   d->where[0] ? ": " : "", why);
}

/* NULL after a failure, or when the member is missing (which is one). */
static const json_t *member(struct doc *d, const json_t *o, const char *key)
{
    if (d->r < 0)
        return NULL;
    const json_t *v = json_object_get(o, key);
    if (!v)
        doc_fail(d, "\"%s\" is missing", key);
    return v;
}

const json_t *doc_object(struct doc *d, const json_t *o, const char *key)
{
    const json_t *v = member(d, o, key);
    if (v && !json_is_object(v))
        doc_fail(d, "%s: expected an object", key);
    return d->r < 0 ? NULL : v;
}

const json_t *doc_array(struct doc *d, const json_t *o, const char *key, size_t max)
{
    const json_t *v = member(d, o, key);
    if (v && (!json_is_array(v) || json_array_size(v) > max))
        doc_fail(d, "%s: expected an array of at most %zu items", key, max);
    return d->r < 0 ? NULL : v;
}

const json_t *doc_item(struct doc *d, const json_t *a, size_t i)
{
    const json_t *v = json_array_get(a, i);
    if (d->r == 0 && !json_is_object(v))
        doc_fail(d, "expected an object");
    return d->r < 0 ? NULL : v;
}

static int64_t integer(struct doc *d, const json_t *v, const char *key, int64_t min, int64_t max)
{
    if (!v)
        return 0;
    if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max) {
        doc_fail(d, "%s: expected an integer within %" PRId64 " and %" PRId64, key, min, max);
        return 0;
    }
    return json_integer_value(v);
}

int64_t doc_int(struct doc *d, const json_t *o, const char *key, int64_t min, int64_t max)
{
    return integer(d, member(d, o, key), key, min, max);
}

int64_t doc_int_at(struct doc *d, const json_t *a, size_t i, int64_t min, int64_t max, int64_t null)
{
    const json_t *v = json_array_get(a, i);
    if (d->r < 0)
        return 0;
    if (json_is_null(v) && null != INT64_MIN)
        return null;
    if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max) {
        doc_fail(d, "number %zu: expected an integer within %" PRId64 " and %" PRId64, i, min, max);
        return 0;
    }
    return json_integer_value(v);
}

uint64_t doc_count(struct doc *d, const json_t *o, const char *key)
{
    return (uint64_t)doc_int(d, o, key, 0, DOC_INT_MAX);
}

uint64_t doc_count_or_unknown(struct doc *d, const json_t *o, const char *key)
{
    const json_t *v = member(d, o, key);
    return json_is_null(v) ? UINT64_MAX : (uint64_t)integer(d, v, key, 0, DOC_INT_MAX);
}

int32_t doc_index_or_none(struct doc *d, const json_t *o, const char *key, int32_t max)
{
    const json_t *v = member(d, o, key);
    return json_is_null(v) ? -1 : (int32_t)integer(d, v, key, 0, max);
}

bool doc_bool(struct doc *d, const json_t *o, const char *key)
{
    const json_t *v = member(d, o, key);
    if (v && !json_is_boolean(v))
        doc_fail(d, "%s: expected true or false", key);
    return json_is_true(v);
}

static double real(struct doc *d, const json_t *v, const char *key, double min, double max)
{
    if (!v)
        return 0;
    double x = json_number_value(v);
    if (!json_is_number(v) || !(x >= min && x <= max)) {
        doc_fail(d, "%s: expected a number within %g and %g", key, min, max);
        return 0;
    }
    return x;
}

double doc_real(struct doc *d, const json_t *o, const char *key, double min, double max)
{
    return real(d, member(d, o, key), key, min, max);
}

double doc_real_or_nan(struct doc *d, const json_t *o, const char *key, double min, double max)
{
    const json_t *v = member(d, o, key);
    return json_is_null(v) ? (double)NAN : real(d, v, key, min, max);
}

uint64_t doc_big(struct doc *d, const json_t *o, const char *key, uint64_t max)
{
    const json_t *v = member(d, o, key);
    uint64_t n = 0;
    if (!v || json_is_null(v))
        return 0;
    if (!json_is_string(v) || parse_u64(json_string_value(v), 0, max, key, &n, NULL) < 0)
        doc_fail(d, "%s: expected a string of decimal digits, at most %" PRIu64, key, max);
    return n;
}

void doc_text(struct doc *d, const json_t *o, const char *key, char *dst, size_t size)
{
    const json_t *v = member(d, o, key);
    dst[0] = '\0';
    if (!v)
        return;
    if (!json_is_string(v) || json_string_length(v) >= size) {
        doc_fail(d, "%s: expected a string of at most %zu bytes", key, size - 1);
        return;
    }
    str_copy(dst, size, json_string_value(v));
    text_clean(dst);
}

char *doc_text_dup(struct doc *d, const json_t *o, const char *key, size_t max)
{
    const json_t *v = member(d, o, key);
    if (!v || json_is_null(v))
        return NULL;
    if (!json_is_string(v) || json_string_length(v) > max) {
        doc_fail(d, "%s: expected null or a string of at most %zu bytes", key, max);
        return NULL;
    }
    char *text = xstrdup(json_string_value(v));
    text_clean(text);
    return text;
}

void doc_word(struct doc *d, const json_t *o, const char *key, int (*parse)(const char *, void *),
              void *ret)
{
    const json_t *v = member(d, o, key);
    const char *text = json_string_value(v);
    if (v && (!text || parse(text, ret) < 0))
        doc_fail(d, "%s: \"%.40s\" is not one of the known values", key, text ? text : "");
}

/* A copy of v whose strings and keys are printable; NULL if it is nested too deeply. */
static json_t *printable(const json_t *v, unsigned depth)
{
    if (depth > JSON_DEPTH_MAX)
        return NULL;
    if (json_is_string(v)) {
        _cleanup_free_ char *text = xstrdup(json_string_value(v));
        text_clean(text);
        return json_string(text);
    }
    if (json_is_array(v)) {
        json_t *copy = json_array();
        for (size_t i = 0; i < json_array_size(v); i++) {
            json_t *item = printable(json_array_get(v, i), depth + 1);
            if (!item || json_array_append_new(copy, item) < 0) {
                json_decref(copy);
                return NULL;
            }
        }
        return copy;
    }
    if (json_is_object(v)) {
        json_t *copy = json_object(), *value;
        const char *key;
        json_object_foreach ((json_t *)v, key, value) {
            _cleanup_free_ char *name = xstrdup(key);
            text_clean(name);
            json_t *item = printable(value, depth + 1);
            if (!item || json_object_set_new(copy, name, item) < 0) {
                json_decref(copy);
                return NULL;
            }
        }
        return copy;
    }
    return json_deep_copy(v);
}

char *doc_json(struct doc *d, const json_t *o, const char *key, size_t max)
{
    const json_t *v = member(d, o, key);
    if (!v || json_is_null(v))
        return NULL;
    json_t *copy = json_is_object(v) ? printable(v, 1) : NULL;
    char *text = copy ? json_dumps(copy, JSON_COMPACT) : NULL;
    json_decref(copy);
    if (!text || strlen(text) > max) {
        doc_fail(d, "%s: expected null or an object, at most %d levels deep and %zu bytes long",
                 key, JSON_DEPTH_MAX, max);
        free(TAKE_PTR(text));
    }
    return text;
}
