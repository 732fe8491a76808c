#include "model/params.h"

#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#define SHARE_PERCENT 10000 /* millionths */

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit size_units[] = {
    {"T", INT64_C(1) << 40}, {"G", 1 << 30}, {"M", 1 << 20}, {"k", 1 << 10}, {"", 1},
};
static const struct unit duration_units[] = {
    {"m", INT64_C(60000000000)}, {"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1},
};

static const struct unit rate_units[] = {
    {"gbit", 1000000000},
    {"mbit", 1000000},
    {"kbit", 1000},
    {"bit", 1},
};

/* The largest unit that divides num exactly, so that reading the text gives num again. */
static void format_units(int64_t num, const struct unit *units, size_t n, char *dst, size_t size)
{
    size_t i = 0;
    while (i + 1 < n && (num % units[i].factor != 0 || num == 0))
        i++;
    str_format(dst, size, "%" PRId64 "%s", num / units[i].factor, units[i].name);
}

static void format_num(enum param_kind kind, int64_t num, char *dst, size_t size)
{
    if (kind == PARAM_SIZE)
        format_units(num, size_units, ARRAY_SIZE(size_units), dst, size);
    else if (kind == PARAM_DURATION)
        format_units(num, duration_units, ARRAY_SIZE(duration_units), dst, size);
    else if (kind == PARAM_RATE)
        format_units(num, rate_units, ARRAY_SIZE(rate_units), dst, size);
    else if (kind == PARAM_SHARE)
        str_format(dst, size, "%g%%", (double)num / SHARE_PERCENT);
    else
        str_format(dst, size, "%" PRId64, num);
}

const char *param_kind_name(enum param_kind k)
{
    static const char *const names[] = {
        [PARAM_COUNT] = "count",   [PARAM_SIZE] = "size", [PARAM_DURATION] = "duration",
        [PARAM_CHOICE] = "choice", [PARAM_TEXT] = "text", [PARAM_RATE] = "rate",
        [PARAM_SHARE] = "share",
    };
    return (size_t)k < ARRAY_SIZE(names) ? names[k] : "count";
}

static bool allows_auto(const struct param_def *def)
{
    return str_eq(def->fallback, "auto");
}

void param_def_range(const struct param_def *def, char *dst, size_t size)
{
    if (def->kind == PARAM_CHOICE) {
        struct str text = STR_INIT;
        for (const char *p = def->choices; *p; p++)
            str_addn(&text, *p == '|' ? " or " : p, *p == '|' ? 4 : 1);
        str_copy(dst, size, text.buf);
        str_release(&text);
        return;
    }
    if (def->kind == PARAM_TEXT) {
        str_copy(dst, size, "any text");
        return;
    }
    char min[32], max[32];
    format_num(def->kind, def->min, min, sizeof(min));
    format_num(def->kind, def->max, max, sizeof(max));
    str_format(dst, size, "%s to %s%s", min, max, allows_auto(def) ? ", or auto" : "");
}

/* Is text one of "a|b|c"? */
static bool is_choice(const char *choices, const char *text)
{
    size_t n = strlen(text);
    for (const char *p = choices; n > 0;) {
        const char *end = strchrnul(p, '|');
        if ((size_t)(end - p) == n && memcmp(p, text, n) == 0)
            return true;
        if (!*end)
            break;
        p = end + 1;
    }
    return false;
}

/* "1gbit", "100mbit", "2.5gbit"; a bare number is an error except 0. */
static int parse_rate(const struct param_def *def, const char *text, int64_t *ret, struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(rate_units); i++) {
        double v;
        if (!str_ends(text, rate_units[i].name))
            continue;
        _cleanup_free_ char *number = xstrndup(text, strlen(text) - strlen(rate_units[i].name));
        int r = parse_double(number, 0, 1e15 / (double)rate_units[i].factor, def->name, &v, err);
        if (r == 0)
            *ret = llround(v * (double)rate_units[i].factor);
        return r;
    }
    if (str_eq(text, "0")) {
        *ret = 0;
        return 0;
    }
    return err_set(err, ERR_USAGE, EINVAL,
                   "%s: '%.60s' is no rate such as 1gbit, 100mbit or 500kbit", def->name, text);
}

static int parse_share(const struct param_def *def, const char *text, int64_t *ret, struct err *err)
{
    double v;
    int r = parse_fraction(text, def->name, &v, err);
    if (r == 0 && !(v >= 0 && v <= 1))
        return err_set(err, ERR_USAGE, ERANGE, "%s: '%.60s' is not within 0%% to 100%%", def->name,
                       text);
    if (r == 0)
        *ret = llround(v * 100 * SHARE_PERCENT);
    return r;
}

static int parse_num(const struct param_def *def, const char *text, int64_t *ret, struct err *err)
{
    uint64_t u = 0;
    int r;
    if (def->kind == PARAM_COUNT)
        return parse_i64(text, INT64_MIN, INT64_MAX, def->name, ret, err);
    if (def->kind == PARAM_RATE)
        return parse_rate(def, text, ret, err);
    if (def->kind == PARAM_SHARE)
        return parse_share(def, text, ret, err);
    if (def->kind == PARAM_SIZE)
        r = parse_size_bytes(text, def->name, &u, err);
    else
        r = parse_duration_ns(text, def->name, &u, err);
    if (r < 0)
        return r;
    if (u > INT64_MAX)
        return err_set(err, ERR_USAGE, ERANGE, "%s: '%.60s' is too large", def->name, text);
    *ret = (int64_t)u;
    return 0;
}

static struct param *find(struct params *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++)
        if (str_eq(p->v[i].name, name))
            return &p->v[i];
    return NULL;
}

/* Catalogues stay far below PARAMS_MAX (a unit test says so): running over is a bug of ours. */
static struct param *find_or_add(struct params *p, const char *name)
{
    struct param *v = find(p, name);
    if (v)
        return v;
    if (p->n >= PARAMS_MAX)
        abort();
    v = &p->v[p->n++];
    *v = (struct param){.num = 0};
    str_copy(v->name, sizeof(v->name), name);
    return v;
}

static bool is_printable(const char *text)
{
    for (const char *c = text; *c; c++)
        if (*c < 0x20 || *c > 0x7e)
            return false;
    return true;
}

int params_set(struct params *p, const struct param_def *def, const char *text, struct err *err)
{
    struct param v = {.num = 0};
    char range[160];
    param_def_range(def, range, sizeof(range));
    if (allows_auto(def) && str_eq(text, "auto")) {
        v.is_auto = true;
    } else if (def->kind == PARAM_CHOICE) {
        if (!is_choice(def->choices, text))
            return err_set(err, ERR_USAGE, EINVAL, "%s: '%.60s' is not one of %s", def->name, text,
                           range);
        v.is_text = true;
        str_copy(v.text, sizeof(v.text), text);
    } else if (def->kind == PARAM_TEXT) {
        v.is_text = true;
        if (!is_printable(text) || !str_copy(v.text, sizeof(v.text), text))
            return err_set(err, ERR_USAGE, EINVAL,
                           "%s: '%.60s' is longer than %d bytes, or not printable", def->name, text,
                           PARAM_TEXT_MAX - 1);
    } else {
        int r = parse_num(def, text, &v.num, err);
        if (r < 0)
            return r;
        if (v.num < def->min || v.num > def->max)
            return err_set(err, ERR_USAGE, ERANGE, "%s: %.60s is not within %s", def->name, text,
                           range);
        if (def->step > 0 && v.num % def->step != 0) {
            format_num(def->kind, def->step, range, sizeof(range));
            return err_set(err, ERR_USAGE, EINVAL, "%s: %.60s is not a multiple of %s", def->name,
                           text, range);
        }
    }
    str_copy(v.name, sizeof(v.name), def->name);
    *find_or_add(p, def->name) = v;
    return 0;
}

void params_set_num(struct params *p, const char *name, int64_t num)
{
    struct param *v = find_or_add(p, name);
    v->is_text = v->is_auto = false;
    v->text[0] = '\0';
    v->num = num;
}

const struct param *params_find(const struct params *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++)
        if (str_eq(p->v[i].name, name))
            return &p->v[i];
    return NULL;
}

int64_t params_num(const struct params *p, const char *name, int64_t fallback)
{
    const struct param *v = params_find(p, name);
    return v && !v->is_text && !v->is_auto ? v->num : fallback;
}

const char *params_text(const struct params *p, const char *name, const char *fallback)
{
    const struct param *v = params_find(p, name);
    return v && v->is_text ? v->text : fallback;
}

void param_value_text(const struct param_def *def, const struct param *v, char *dst, size_t size)
{
    if (v->is_auto)
        str_copy(dst, size, "auto");
    else if (v->is_text)
        str_copy(dst, size, v->text);
    else
        format_num(def ? def->kind : PARAM_COUNT, v->num, dst, size);
}

bool param_equal(const struct param *a, const struct param *b)
{
    return str_eq(a->name, b->name) && a->is_text == b->is_text && a->is_auto == b->is_auto &&
           a->num == b->num && str_eq(a->text, b->text);
}

bool params_equal(const struct params *a, const struct params *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!param_equal(&a->v[i], &b->v[i]))
            return false;
    return true;
}
