#include "host/runtimeconf.h"

#include <ctype.h>
#include <jansson.h>

#define STRING_MAX 200
#define DEPTH_MAX  16

/* ---- what may be a secret ---- */

static bool is_secret_name(const char *name)
{
    static const char *const words[] = {"auth",   "pass",    "secret",  "token", "credential",
                                        "proxy",  "proxies", "private", "key",   "user",
                                        "cookie", "header",  "login",   "cert"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcasestr(name, words[i]))
            return true;
    return false;
}

/* "https://somebody:something@there", "HTTPS_PROXY=...": by its form, whatever it is called. */
static bool is_secret_value(const char *value)
{
    const char *address = strstr(value, "://");
    return strlen(value) > STRING_MAX || (address && strchr(address, '@')) ||
           (strchr(value, '=') && is_secret_name(value));
}

/* ---- JSON ---- */

/* A switch or a number tells nothing that has to be kept ("userland-proxy": false). */
static bool may_tell(const char *name, const json_t *v)
{
    if (json_is_boolean(v) || json_is_number(v) || json_is_null(v))
        return true;
    if (name && is_secret_name(name))
        return false;
    return !json_is_string(v) || !is_secret_value(json_string_value(v));
}

static json_t *keep_json(const json_t *v, unsigned depth, unsigned *left_out)
{
    const char *name;
    json_t *item;
    size_t i;

    if (!json_is_object(v) && !json_is_array(v))
        return json_deep_copy(v);
    json_t *to = json_is_object(v) ? json_object() : json_array();
    if (json_is_object(v)) {
        json_object_foreach ((json_t *)v, name, item) {
            if (depth < DEPTH_MAX && may_tell(name, item))
                json_object_set_new(to, name, keep_json(item, depth + 1, left_out));
            else
                ++*left_out;
        }
    }
    json_array_foreach (v, i, item) {
        if (depth < DEPTH_MAX && may_tell(NULL, item))
            json_array_append_new(to, keep_json(item, depth + 1, left_out));
        else
            ++*left_out;
    }
    return to;
}

static unsigned keep_of_json(const char *text, size_t n, struct str *out)
{
    json_t *o = json_loadb(text, n, 0, NULL);
    unsigned left_out = 0;

    if (!json_is_object(o)) {
        json_decref(o);
        return 1;
    }
    json_t *kept = keep_json(o, 0, &left_out);
    char *dumped = json_dumps(kept, JSON_COMPACT | JSON_SORT_KEYS);
    if (dumped && strlen(dumped) <= RUNTIMECONF_KEPT_MAX)
        str_add(out, dumped);
    else
        left_out++;
    free(dumped);
    json_decref(kept);
    json_decref(o);
    return left_out;
}

/* ---- TOML: line by line, and rather too little than too much ---- */

struct toml {
    bool table_out;    /* this table is left out */
    bool statement;    /* in one of several lines */
    bool out;          /* ... that is left out */
    int depth;         /* of its brackets */
    const char *quote; /* of a text of several lines: its end */
};

/* Brackets outside of quotes, up to a comment; cuts the comment. */
static int count_brackets(char *line)
{
    int depth = 0;
    char quote = '\0';

    for (char *p = line; *p; p++) {
        if (quote == '"' && *p == '\\' && p[1])
            p++;
        else if (quote)
            quote = *p == quote ? '\0' : quote;
        else if (*p == '"' || *p == '\'')
            quote = *p;
        else if (*p == '#')
            *p-- = '\0';
        else if (strchr("[{", *p))
            depth++;
        else if (strchr("]}", *p))
            depth--;
    }
    return depth;
}

/* true, false or a number: tells nothing. */
static bool is_plain(const char *value)
{
    while (isspace((unsigned char)*value))
        value++;
    return str_eq(value, "true") || str_eq(value, "false") ||
           (*value && strspn(value, "0123456789._+-") == strlen(value));
}

static bool is_table_secret(const char *header)
{
    return is_secret_name(header) || strcasestr(header, "registry") || strcasestr(header, "mirror");
}

static const char *opens_text(const char *line)
{
    static const char *const quotes[] = {"\"\"\"", "'''"};

    for (size_t i = 0; i < ARRAY_SIZE(quotes); i++) {
        const char *open = strstr(line, quotes[i]);
        if (open && !strstr(open + 3, quotes[i]))
            return quotes[i];
    }
    return NULL;
}

/* Is this line to be left out? */
static bool toml_line(struct toml *t, char *line)
{
    if (t->quote) {
        if (strstr(line, t->quote))
            t->quote = NULL;
        return true;
    }
    t->quote = opens_text(line);
    if (t->quote)
        return true;
    int change = count_brackets(line);
    if (!t->statement && line[0] == '[') {
        t->table_out = is_table_secret(line);
        return t->table_out;
    }
    const char *value = line;
    if (!t->statement) {
        char *eq = strchr(line, '=');
        value = eq ? eq + 1 : line;
        t->out = t->table_out || !eq || !(is_plain(eq + 1) || !is_secret_name(line));
    }
    bool out = t->out || is_secret_value(value);
    t->depth = (t->statement ? t->depth : 0) + change;
    t->statement = t->depth > 0;
    return out;
}

static unsigned keep_of_toml(const char *text, size_t n, struct str *out)
{
    _cleanup_free_ char *copy = xstrndup(text, n);
    struct toml t = {.depth = 0};
    unsigned left_out = 0;

    for (char *next = copy; next && *next;) {
        char *line = next, *end = strchr(line, '\n');
        next = end ? end + 1 : NULL;
        if (end)
            *end = '\0';
        line = str_strip(line);
        if (!t.quote && (!*line || *line == '#'))
            continue;
        bool secret = toml_line(&t, line);
        line = str_strip(line);
        str_printable(line);
        if (secret || out->len + strlen(line) + 1 > RUNTIMECONF_KEPT_MAX)
            left_out++;
        else
            str_addf(out, "%s\n", line);
    }
    return left_out;
}

unsigned runtimeconf_keep(const char *text, size_t n, bool json, struct str *out)
{
    return json ? keep_of_json(text, n, out) : keep_of_toml(text, n, out);
}
