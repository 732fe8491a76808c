#include "cli/own.h"

#include "cli/apps.h"

#include "base/fd.h"
#include "base/vec.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>

#define OWN_NAME_MAX 24

bool own_given(const struct options *o)
{
    return o->operands.n > 0;
}

void own_name(const struct options *o, char *dst, size_t size)
{
    const char *command = o->operands.v[0], *slash = strrchr(command, '/');
    size_t n = 0;

    if (slash && slash[1])
        command = slash + 1;
    for (; *command && n + 1 < size && n < OWN_NAME_MAX - 1; command++) {
        unsigned char c = (unsigned char)tolower((unsigned char)*command);
        if (c < 0x80 && isalnum(c))
            dst[n++] = (char)c;
        else if (n > 0 && dst[n - 1] != '-')
            dst[n++] = '-';
    }
    while (n > 0 && dst[n - 1] == '-')
        n--;
    dst[n] = '\0';
    if (n == 0 || !isalpha((unsigned char)dst[0]))
        str_copy(dst, size, "own");
}

/* Without an image the program is this machine's, and a path from here means nothing inside. */
static char *own_program(const struct options *o)
{
    const char *program = o->operands.v[0];
    char *full = NULL;

    if (!options_given(o, "image") && strchr(program, '/'))
        full = realpath(program, NULL);
    return full ? full : xstrdup(program);
}

static json_t *command_json(const struct options *o)
{
    _cleanup_free_ char *program = own_program(o);
    json_t *a = json_array();

    const char *slash = options_given(o, "image") ? NULL : strrchr(program, '/');
    json_array_append_new(a, json_string(slash ? slash + 1 : program));
    for (size_t i = 1; i < o->operands.n; i++)
        json_array_append_new(a, json_string(o->operands.v[i]));
    return a;
}

/* Takes one word off *at, quotes as in a shell but nothing else of one; NULL at the end, or with
 * *open where a quote is not closed. */
static char *next_word(const char **at, bool *open)
{
    const char *p = *at;
    struct str word = STR_INIT;
    char quote = '\0';

    while (isspace((unsigned char)*p))
        p++;
    if (!*p)
        return NULL;
    for (; *p && (quote || !isspace((unsigned char)*p)); p++) {
        if (!quote && (*p == '\'' || *p == '"'))
            quote = *p;
        else if (*p == quote)
            quote = '\0';
        else if (*p == '\\' && quote != '\'' && p[1])
            str_addc(&word, *++p);
        else
            str_addc(&word, *p);
    }
    *at = p;
    *open = quote != '\0';
    return str_take(&word);
}

static int words_json(const char *option, const char *text, json_t **ret, struct err *err)
{
    json_t *a = json_array();
    const char *at = text;
    bool open = false;
    char *word;

    while (!open && (word = next_word(&at, &open))) {
        json_array_append_new(a, json_string(word));
        free(word);
    }
    if (open || json_array_size(a) == 0) {
        json_decref(a);
        return err_set(err, ERR_USAGE, EINVAL,
                       open ? "--%s: a quote is not closed: %s" : "--%s: no command in \"%s\"",
                       option, text);
    }
    *ret = a;
    return 0;
}

/* ---- image ---- */

static json_t *split_list(const char *list)
{
    json_t *a = json_array();

    while (*list) {
        size_t n = strcspn(list, ",");
        if (n)
            json_array_append_new(a, json_stringn(list, n));
        list += n + (list[n] == ',');
    }
    return a;
}

static bool is_archive(const char *image)
{
    return str_starts(image, "docker-archive:") || str_starts(image, "oci:") ||
           str_starts(image, "docker://");
}

/* Without an image: the program as this machine has it, with its libraries. */
static int image_json(const struct options *o, json_t **ret, struct err *err)
{
    const char *image = options_text(o, "image", NULL);

    _cleanup_free_ char *program = own_program(o);

    if (!image)
        *ret = json_pack("{s:[s]}", "programs", program);
    else if (str_starts(image, "packages:"))
        *ret = json_pack("{s:o}", "packages", split_list(image + strlen("packages:")));
    else if (is_archive(image))
        *ret = json_pack("{s:s}", "archive", image);
    else if (image[0] == '/' || image[0] == '.')
        *ret = json_pack("{s:s}", "dir", image);
    else
        return err_set(err, ERR_USAGE, EINVAL,
                       "--image: \"%s\" is no image; give a directory (/..., ./...), packages:NAME,"
                       "..., docker-archive:FILE, oci:DIR or docker://NAME",
                       image);
    return 0;
}

/* ---- metrics ---- */

/* Where nobody says which way is better: times and sizes are to be small, all else is to be large.
 */
static const char *better_of(const struct options *o, const char *unit)
{
    static const char *const small[] = {"s", "ms", "us", "ns", "J", "B", "kB", "MB", "KiB", "MiB"};
    const char *said = options_text(o, "better", NULL);

    for (size_t i = 0; !said && i < ARRAY_SIZE(small); i++)
        if (str_eq(unit, small[i]))
            said = "lower";
    return said ? said : "higher";
}

static json_t *metrics_json(const struct options *o, const char *name)
{
    json_t *a = json_array();
    const char *regex;

    for (size_t i = 0; (regex = options_nth(o, "metric", i)); i++) {
        const char *unit = options_nth(o, "unit", i);
        char own[OWN_NAME_MAX + 8];
        if (!unit)
            unit = options_text(o, "unit", "units");
        str_format(own, sizeof(own), "metric-%zu", i + 1);
        json_array_append_new(a, json_pack("{s:s, s:s, s:s, s:s}", "name", i ? own : name, "regex",
                                           regex, "unit", unit, "better", better_of(o, unit)));
    }
    if (json_array_size(a) == 0)
        json_array_append_new(a, json_pack("{s:s, s:b, s:s, s:s}", "name", name, "wall", 1, "unit",
                                           "s", "better", "lower"));
    return a;
}

/* ---- server ---- */

static int server_json(const struct options *o, json_t *app, struct err *err)
{
    const char *command = options_text(o, "server", NULL), *ready = options_text(o, "ready", NULL);
    json_t *server = json_object(), *words = NULL, *how = NULL;
    uint64_t port;
    int r = command ? words_json("server", command, &words, err) : 0;

    if (!command && ready)
        r = err_set(err, ERR_USAGE, EINVAL, "--ready goes with --server");
    if (r < 0 || !command) {
        json_decref(server);
        return r;
    }
    json_object_set_new(server, "command", words);
    if (ready && parse_u64(ready, 1, 65535, "--ready", &port, NULL) == 0)
        how = json_pack("{s:I}", "port", (json_int_t)port);
    else if (ready)
        how = json_pack("{s:s}", "output", ready);
    if (how)
        json_object_set_new(server, "ready", how);
    json_object_set_new(app, "server", server);
    return 0;
}

/* The text goes into the description, and so into the stored run. */
static int files_json(const struct options *o, json_t *app, struct err *err)
{
    json_t *files = json_array();
    const char *item;
    int r = 0;

    for (size_t i = 0; r == 0 && (item = options_nth(o, "file", i)); i++) {
        _cleanup_(str_release) struct str text = STR_INIT;
        const char *eq = strchr(item, '=');
        if (!eq || eq == item || !eq[1])
            r = err_set(err, ERR_USAGE, EINVAL, "--file: \"%s\": expected PATH=FILE", item);
        else
            r = file_read(eq + 1, APP_TEXT_MAX, &text, err);
        if (r < 0)
            break;
        json_array_append_new(files, json_pack("{s:s%, s:s}", "path", item, (size_t)(eq - item),
                                               "text", text.buf ? text.buf : ""));
    }
    if (json_array_size(files))
        json_object_set(app, "files", files);
    json_decref(files);
    return r < 0 ? r : 0;
}

int own_app(const struct options *o, struct str *ret, struct err *err)
{
    char name[OWN_NAME_MAX];
    json_t *app = json_object(), *image = NULL;
    int r;

    own_name(o, name, sizeof(name));
    json_object_set_new(app, "name", json_string(name));
    json_object_set_new(app, "title", json_string("a program of the user's own"));
    r = image_json(o, &image, err);
    if (r == 0) {
        json_object_set_new(app, "image", image);
        json_object_set_new(app, "command", command_json(o));
        json_object_set_new(app, "metrics", metrics_json(o, name));
        if (options_given(o, "timeout"))
            json_object_set_new(app, "timeout", json_string(options_text(o, "timeout", "")));
        r = server_json(o, app, err);
        if (r == 0)
            r = files_json(o, app, err);
    }
    if (r == 0) {
        _cleanup_free_ char *text = json_dumps(app, JSON_INDENT(1));
        str_add(ret, text);
        str_addc(ret, '\n');
    }
    json_decref(app);
    return r;
}

int own_add(const struct options *o, struct plan *p, struct err *err)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    int r = own_app(o, &text, err);

    return r < 0 ? r : apps_add_text(p, text.buf, "the command", err);
}

int own_check_none(const struct options *o, struct err *err)
{
    static const char *const own[] = {"image",  "metric", "unit", "better",
                                      "server", "ready",  "file", "timeout"};

    for (size_t i = 0; i < ARRAY_SIZE(own); i++)
        if (options_given(o, own[i]))
            return err_set(err, ERR_USAGE, EINVAL,
                           "--%s describes a command of yours; give it at the end, after --",
                           own[i]);
    return 0;
}
