#include "model/target.h"

#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>

/* Reading position in a target's text. */
struct cursor {
    const char *all;
    const char *at;
    struct err *err;
};

__attribute__((format(printf, 3, 4))) static int complain(const struct cursor *c, const char *where,
                                                          const char *fmt, ...)
{
    char why[240];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    return err_set(c->err, ERR_USAGE, EINVAL, "target \"%.120s\", character %zu: %s", c->all,
                   (size_t)(where - c->all) + 1, why);
}

static bool label_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("._:/#-", c));
}

static bool word_char(char c)
{
    return (label_char(c) && !strchr(":/#", c)) || c == '+' || c == '_';
}

bool target_label_ok(const char *label)
{
    size_t n = 0;
    while (label[n] && label_char(label[n]))
        n++;
    return n > 0 && n < TARGET_LABEL_MAX && label[n] == '\0';
}

/* Bytes up to the first of stops that no backslash precedes. */
static size_t span(const char *s, const char *stops)
{
    size_t n = 0;
    while (s[n] && !strchr(stops, s[n]))
        n += s[n] == '\\' && s[n + 1] ? 2 : 1;
    return n;
}

/* Copies n bytes without their backslashes. False: does not fit. */
static bool unescape(const char *s, size_t n, char *dst, size_t size)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\\' && i + 1 < n)
            i++;
        if (k + 1 >= size)
            return false;
        dst[k++] = s[i];
    }
    dst[k] = '\0';
    return true;
}

/* A name of word characters into dst. */
static int take_word(struct cursor *c, size_t n, const char *what, char *dst, size_t size)
{
    if (n == 0)
        return complain(c, c->at, "expected a %s", what);
    if (n >= size)
        return complain(c, c->at, "%s longer than %zu characters", what, size - 1);
    for (size_t i = 0; i < n; i++)
        if (!word_char(c->at[i]))
            return complain(c, c->at + i, "'%c' in the %s", c->at[i], what);
    memcpy(dst, c->at, n);
    dst[n] = '\0';
    c->at += n;
    return 0;
}

/* Where in s[0..n) the platform's ':' is: the last ':' without a '/' behind it; n if there is none.
 */
static size_t platform_colon(const char *s, size_t n)
{
    size_t colon = n;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\\')
            i++;
        else if (s[i] == ':')
            colon = i;
        else if (s[i] == '/')
            colon = n;
    }
    return colon;
}

/* [:platform], then the end of the head. */
static int take_platform(struct cursor *c, const char *end, struct target *t)
{
    if (c->at == end)
        return 0;
    if (*c->at != ':')
        return complain(c, c->at, "unexpected '%c'", *c->at);
    c->at++;
    return take_word(c, (size_t)(end - c->at), "platform", t->platform, sizeof(t->platform));
}

/* An absolute path up to the platform. */
static int take_path(struct cursor *c, const char *end, struct target *t)
{
    size_t n = platform_colon(c->at, (size_t)(end - c->at));
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)c->at[i] < 0x20 || c->at[i] == 0x7f)
            return complain(c, c->at + i, "control character in the path");
    if (!unescape(c->at, n, t->runtime, sizeof(t->runtime)))
        return complain(c, c->at, "path longer than %zu bytes", sizeof(t->runtime) - 1);
    if (str_ends(t->runtime, "/"))
        return complain(c, c->at, "a path of a program is expected, this is a directory");
    c->at += n;
    return take_platform(c, end, t);
}

static bool is_driver(const char *name, const char *const *drivers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(name, drivers[i]))
            return true;
    return false;
}

static int unknown_driver(struct cursor *c, const char *word, const char *const *drivers, size_t n)
{
    const char *best = str_nearest(word, drivers, n);
    if (best)
        return complain(c, c->at, "no driver \"%s\"; did you mean %s?", word, best);
    return complain(c, c->at, "no driver \"%s\"; a path has to be absolute", word);
}

/* What follows "driver/" or "driver:". */
static int take_after_driver(struct cursor *c, const char *end, struct target *t)
{
    if (c->at == end)
        return 0;
    if (*c->at == '/') {
        c->at++;
        size_t n = (size_t)(end - c->at);
        size_t colon = platform_colon(c->at, n);
        int r = take_word(c, colon, "runtime", t->runtime, sizeof(t->runtime));
        return r < 0 ? r : take_platform(c, end, t);
    }
    if (c->at[1] == '/') {
        c->at++;
        return take_path(c, end, t);
    }
    if (str_eq(t->driver, "oci")) {
        c->at++;
        size_t n = platform_colon(c->at, (size_t)(end - c->at));
        int r = take_word(c, n, "runtime", t->runtime, sizeof(t->runtime));
        return r < 0 ? r : take_platform(c, end, t);
    }
    return take_platform(c, end, t);
}

/* driver-or-runtime[/runtime][:platform], which ends at `end`. */
static int take_head(struct cursor *c, const char *end, const char *const *drivers,
                     size_t n_drivers, struct target *t)
{
    if (c->at == end)
        return complain(c, c->at, "expected a driver or a runtime");
    if (*c->at == '/') {
        str_copy(t->driver, sizeof(t->driver), "oci");
        return take_path(c, end, t);
    }
    char word[sizeof(t->runtime)];
    const char *start = c->at;
    size_t n = 0;
    while (start + n < end && start[n] != '/' && start[n] != ':')
        n++;
    int r = take_word(c, n, "driver or runtime", word, sizeof(word));
    if (r < 0)
        return r;
    if (is_driver(word, drivers, n_drivers) && strlen(word) < sizeof(t->driver)) {
        memcpy(t->driver, word, n + 1);
        r = take_after_driver(c, end, t);
        if (r == 0 && str_eq(word, "oci") && !t->runtime[0])
            return complain(c, start, "oci needs a runtime, as in oci:/opt/runsc or oci/runc");
        if (r == 0 && str_eq(word, "host") && (t->runtime[0] || t->platform[0]))
            return complain(c, start, "host takes neither runtime nor platform");
        return r;
    }
    if (*c->at == '/') {
        c->at = start;
        return unknown_driver(c, word, drivers, n_drivers);
    }
    str_copy(t->driver, sizeof(t->driver), "oci");
    memcpy(t->runtime, word, n + 1);
    return take_platform(c, end, t);
}

/* inject=cpu:1% */
static int check_inject(struct cursor *c, const char *value)
{
    double fraction;
    struct err err = ERR_INIT;
    if (!str_starts(value, "cpu:"))
        return complain(c, c->at, "inject: expected cpu:<fraction>, as in cpu:1%%");
    if (parse_fraction(value + strlen("cpu:"), "inject", &fraction, &err) < 0)
        return complain(c, c->at, "%s", err.msg);
    return 0;
}

/* name=value up to the next ','. */
static int take_flag(struct cursor *c, struct target *t)
{
    struct target_flag f = {.name = ""};
    size_t n = strcspn(c->at, "=,");
    const char *start = c->at;
    if (*start == '-')
        return complain(c, c->at, "flags are written without dashes");
    int r = take_word(c, n, "flag", f.name, sizeof(f.name));
    if (r < 0)
        return r;
    if (*c->at != '=')
        return complain(c, c->at, "flag \"%s\" needs a value: %s=...", f.name, f.name);
    c->at++;
    n = span(c->at, ",");
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)c->at[i] < 0x20 || c->at[i] == 0x7f)
            return complain(c, c->at + i, "control character in the value");
    if (!unescape(c->at, n, f.value, sizeof(f.value)))
        return complain(c, c->at, "value longer than %zu characters", sizeof(f.value) - 1);
    bool inject = str_eq(f.name, "inject");
    bool twice = inject && t->inject[0];
    for (size_t i = 0; i < t->n_flags; i++)
        twice = twice || str_eq(t->flags[i].name, f.name);
    if (twice)
        return complain(c, start, "flag \"%s\" is given twice", f.name);
    if (inject) {
        r = check_inject(c, f.value);
        if (r == 0 && !str_copy(t->inject, sizeof(t->inject), f.value))
            r = complain(c, c->at, "value longer than %zu characters", sizeof(t->inject) - 1);
        if (r < 0)
            return r;
    } else {
        if (t->n_flags == TARGET_FLAGS_MAX)
            return complain(c, start, "more than %d flags", TARGET_FLAGS_MAX);
        t->flags[t->n_flags++] = f;
    }
    c->at += n;
    return 0;
}

/* [label=], present when a '=' comes before the first ','. */
static int take_label(struct cursor *c, struct target *t)
{
    size_t n = span(c->at, "=,");
    if (c->at[n] != '=')
        return 0;
    if (n == 0)
        return complain(c, c->at, "expected a label before '='");
    if (n >= sizeof(t->label))
        return complain(c, c->at, "label longer than %zu characters", sizeof(t->label) - 1);
    for (size_t i = 0; i < n; i++)
        if (!label_char(c->at[i]))
            return complain(c, c->at + i, "'%c' in a label (letters, digits and ._:/#- only)",
                            c->at[i]);
    memcpy(t->label, c->at, n);
    t->label[n] = '\0';
    c->at += n + 1;
    return 0;
}

/* The label of a target that was given none. */
static void default_label(const char *text, char dst[TARGET_LABEL_MAX])
{
    size_t n = span(text, ",");
    size_t skip = n >= TARGET_LABEL_MAX ? n - (TARGET_LABEL_MAX - 1) : 0;
    size_t k = 0;
    for (size_t i = skip; i < n; i++)
        dst[k++] = label_char(text[i]) ? text[i] : '-';
    dst[k] = '\0';
}

int target_parse(const char *text, const char *const *drivers, size_t n_drivers, struct target *ret,
                 struct err *err)
{
    struct target t = {.label = ""};
    struct cursor c = {.all = text, .at = text, .err = err};
    int r = take_label(&c, &t);
    if (r < 0)
        return r;
    const char *start = c.at;
    if (!str_copy(t.text, sizeof(t.text), start))
        return complain(&c, start, "longer than %zu characters", sizeof(t.text) - 1);
    r = take_head(&c, start + span(start, ","), drivers, n_drivers, &t);
    if (r < 0)
        return r;
    while (*c.at == ',') {
        c.at++;
        r = take_flag(&c, &t);
        if (r < 0)
            return r;
    }
    if (!t.label[0])
        default_label(t.text, t.label);
    *ret = t;
    return 0;
}

void target_format(const struct target *t, char *dst, size_t size)
{
    str_format(dst, size, "%s=%s", t->label, t->text);
}

bool target_equal(const struct target *a, const struct target *b)
{
    bool same = str_eq(a->label, b->label) && str_eq(a->text, b->text) &&
                str_eq(a->driver, b->driver) && str_eq(a->runtime, b->runtime) &&
                str_eq(a->platform, b->platform) && str_eq(a->inject, b->inject) &&
                a->n_flags == b->n_flags;
    for (size_t i = 0; same && i < a->n_flags; i++)
        same = str_eq(a->flags[i].name, b->flags[i].name) &&
               str_eq(a->flags[i].value, b->flags[i].value);
    return same;
}

static bool label_taken(const struct target *t, size_t n, size_t except, const char *label)
{
    for (size_t i = 0; i < n; i++)
        if (i != except && str_eq(t[i].label, label))
            return true;
    return false;
}

/* "host" -> "host#2", "host#3", ...: the first that is free. */
static void number_label(struct target *t, size_t n, size_t i)
{
    char label[TARGET_LABEL_MAX], tail[16];
    for (size_t k = 2;; k++) {
        str_format(tail, sizeof(tail), "#%zu", k);
        str_copy(label, sizeof(label), t[i].label);
        size_t room = sizeof(label) - 1 - strlen(tail);
        if (strlen(label) > room)
            label[room] = '\0';
        str_copy(label + strlen(label), sizeof(label) - strlen(label), tail);
        if (!label_taken(t, n, i, label))
            break;
    }
    str_copy(t[i].label, sizeof(t[i].label), label);
}

int targets_make_unique(struct target *t, size_t n, struct err *err)
{
    for (size_t i = 1; i < n; i++) {
        char own[TARGET_LABEL_MAX];
        if (!label_taken(t, i, i, t[i].label))
            continue;
        default_label(t[i].text, own);
        if (!str_eq(own, t[i].label))
            return err_set(err, ERR_USAGE, EEXIST, "label \"%s\" is given to two targets",
                           t[i].label);
    }
    for (size_t i = 1; i < n; i++)
        if (label_taken(t, i, i, t[i].label))
            number_label(t, n, i);
    return 0;
}

void targets_double(struct target *t, size_t n)
{
    for (size_t i = n; i-- > 0;) {
        struct target one = t[i];
        t[2 * i] = one;
        t[2 * i + 1] = one;
    }
    for (size_t i = 1; i < 2 * n; i += 2)
        number_label(t, 2 * n, i);
}
