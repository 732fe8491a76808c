#include "fleet/k8s.h"

#include "base/time.h"

#include <ctype.h>
#include <errno.h>

#define WAIT_NS     (600 * NS_PER_S)
#define TIME_NS     (3600 * NS_PER_S)
#define TIME_MIN_NS NS_PER_S
#define TIME_MAX_NS (7 * 24 * 3600 * NS_PER_S)

/* Letters, digits and what `more` has; none of that begins an option. */
static bool is_plain(const char *text, const char *more)
{
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr(more, *p))
            return false;
    return text[0] && text[0] != '-';
}

static int refuse(const char *key, const char *value, const char *what, struct err *err)
{
    return err_set(err, ERR_USAGE, EINVAL, "--on k8s: %s=%.60s: %s", key, value, what);
}

/* One more of a list. */
static int add(char *list, size_t size, const char *key, const char *value, struct err *err)
{
    size_t n = strlen(list);

    if (!str_format(list + n, size - n, "%s%s", n ? "," : "", value))
        return refuse(key, value, "that makes too long a list", err);
    return 0;
}

static int take_list(const char *key, const char *value, const char *more, char *list, size_t size,
                     struct err *err)
{
    return is_plain(value, more) ? add(list, size, key, value, err)
                                 : refuse(key, value, "that cannot be", err);
}

static int take_word(const char *key, const char *value, const char *more, char *dst, size_t size,
                     struct err *err)
{
    if (!is_plain(value, more) || !str_copy(dst, size, value))
        return refuse(key, value, "that cannot be", err);
    return 0;
}

static int take_pull(struct k8s_spec *s, const char *value, struct err *err)
{
    static const char *const names[][2] = {
        {"missing", "IfNotPresent"}, {"never", "Never"}, {"always", "Always"}};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (str_eq(value, names[i][0])) {
            str_copy(s->pull, sizeof(s->pull), names[i][1]);
            return 0;
        }
    return refuse("pull", value, "it is missing, never or always", err);
}

static int take_time(const char *key, const char *value, uint64_t *ret, struct err *err)
{
    uint64_t ns;
    int r = parse_duration_ns(value, "--on k8s: a time", &ns, err);

    if (r < 0)
        return r;
    if (ns < TIME_MIN_NS || ns > TIME_MAX_NS)
        return refuse(key, value, "from 1s to 7 days", err);
    *ret = ns;
    return 0;
}

static int take_option(struct k8s_spec *s, const char *key, const char *value, struct err *err)
{
    static const char *const names[] = {"selector",  "node",     "per",  "image", "pull", "class",
                                        "namespace", "tolerate", "wait", "time",  "cpu",  "memory"};

    if (str_eq(key, "selector"))
        return str_eq(value, "*")
                   ? 0
                   : take_list(key, value, "._-/=!", s->selector, sizeof(s->selector), err);
    if (str_eq(key, "node"))
        return take_list(key, value, ".-", s->nodes, sizeof(s->nodes), err);
    if (str_eq(key, "per"))
        return str_eq(value, "node") ? 0 : refuse(key, value, "there is per=node alone", err);
    if (str_eq(key, "image"))
        return take_word(key, value, "._-/:@", s->image, sizeof(s->image), err);
    if (str_eq(key, "pull"))
        return take_pull(s, value, err);
    if (str_eq(key, "class"))
        return take_word(key, value, ".-", s->class, sizeof(s->class), err);
    if (str_eq(key, "namespace"))
        return take_word(key, value, "-", s->namespace, sizeof(s->namespace), err);
    if (str_eq(key, "tolerate"))
        return take_list(key, value, "._-/", s->tolerate, sizeof(s->tolerate), err);
    if (str_eq(key, "wait"))
        return take_time(key, value, &s->wait_ns, err);
    if (str_eq(key, "time"))
        return take_time(key, value, &s->time_ns, err);
    if (str_eq(key, "cpu"))
        return take_word(key, value, ".", s->cpu, sizeof(s->cpu), err);
    if (str_eq(key, "memory"))
        return take_word(key, value, ".", s->memory, sizeof(s->memory), err);
    const char *near = str_nearest(key, names, ARRAY_SIZE(names));
    return err_set(err, ERR_USAGE, EINVAL, "--on k8s: no option \"%.40s\"%s%s%s", key,
                   near ? "; did you mean " : "", near ? near : "", near ? "=?" : "");
}

static int check_whole(const struct k8s_spec *s, bool selected, struct err *err)
{
    if (selected == (s->nodes[0] != '\0'))
        return err_set(err, ERR_USAGE, EINVAL,
                       "--on k8s: which nodes? write k8s:selector=LABEL=VALUE,image=NAME, where "
                       "selector=* are all, or node=NAME instead of a selector");
    if (!s->image[0])
        return err_set(err, ERR_USAGE, EINVAL,
                       "--on k8s: image=NAME is missing: of an image that `cupel k8s image` made "
                       "and that the nodes can get");
    return 0;
}

int k8s_spec_parse(const char *spec, struct k8s_spec *ret, struct err *err)
{
    struct k8s_spec s = {.pull = "IfNotPresent", .wait_ns = WAIT_NS, .time_ns = TIME_NS};
    _cleanup_free_ char *copy = xstrdup(spec);
    bool selected = false;
    char *rest = copy;

    while (rest) {
        char *value = strsep(&rest, ",");
        const char *key = strsep(&value, "=");
        int r = take_option(&s, key, value ? value : "", err);
        if (r < 0)
            return r;
        selected |= str_eq(key, "selector");
    }
    int r = check_whole(&s, selected, err);
    if (r == 0)
        *ret = s;
    return r;
}
