#include "wire/appspec.h"

#include "base/str.h"

#include <errno.h>
#include <jansson.h>

#define TIMEOUT_MAX_NS (INT64_C(86400) * 1000000000)

static int bad(struct err *err, const char *what, const char *why)
{
    return err_set(err, ERR_USAGE, EINVAL, "application: %s %s", what, why);
}

static void words_free(char **words)
{
    for (char **w = words; w && *w; w++)
        free(*w);
    free(words);
}

static int get_words(const json_t *a, const char *what, bool empty_ok, char ***ret, struct err *err)
{
    size_t n = json_array_size(a);
    if (!json_is_array(a) || n > APPSPEC_WORDS_MAX || (n == 0 && !empty_ok))
        return bad(err, what, "is no list of words");
    for (size_t i = 0; i < n; i++)
        if (!json_is_string(json_array_get(a, i)))
            return bad(err, what, "holds something that is no text");
    char **words = xcalloc(n + 1, sizeof(*words));
    for (size_t i = 0; i < n; i++)
        words[i] = xstrdup(json_string_value(json_array_get(a, i)));
    *ret = words;
    return 0;
}

static int get_timeout(const json_t *o, const char *what, uint64_t *ret, struct err *err)
{
    const json_t *v = json_object_get(o, "timeout_ns");
    *ret = APPSPEC_TIMEOUT_NS;
    if (!v)
        return 0;
    if (!json_is_integer(v) || json_integer_value(v) < 1 || json_integer_value(v) > TIMEOUT_MAX_NS)
        return bad(err, what, "has a timeout that is none");
    *ret = (uint64_t)json_integer_value(v);
    return 0;
}

static bool path_ok(const char *path)
{
    return path && path[0] == '/' && path[1] && !strstr(path, "/../") && !str_ends(path, "/..");
}

/* On failure what was filled in stays in ret, for appspec_release. */
static int get_command(const json_t *o, const char *what, struct appspec_command *ret,
                       struct err *err)
{
    const json_t *env = json_object_get(o, "env"), *cwd = json_object_get(o, "cwd");
    if (!json_is_object(o))
        return bad(err, what, "is no object");
    int r = get_words(json_object_get(o, "argv"), what, false, &ret->argv, err);
    if (r == 0 && env)
        r = get_words(env, what, true, &ret->env, err);
    if (r == 0 && cwd) {
        const char *path = json_string_value(cwd);
        if (!path || (!path_ok(path) && !str_eq(path, "/")))
            return bad(err, what, "has a folder that is no absolute path");
        ret->cwd = xstrdup(path);
    }
    return r == 0 ? get_timeout(o, what, &ret->timeout_ns, err) : r;
}

static int get_ready(const json_t *o, struct appspec *a, struct err *err)
{
    const json_t *tcp = json_object_get(o, "tcp"), *output = json_object_get(o, "output");
    if (!o)
        return 0;
    if (!json_is_object(o))
        return bad(err, "ready", "is no object");
    if (tcp) {
        int64_t port = json_integer_value(tcp);
        if (port < 1 || port > 65535)
            return bad(err, "ready", "names no port");
        a->ready = READY_TCP;
        a->port = (uint16_t)port;
        return 0;
    }
    if (output) {
        if (!json_is_string(output) || json_string_length(output) == 0)
            return bad(err, "ready", "waits for no text");
        a->ready = READY_OUTPUT;
        a->ready_output = xstrdup(json_string_value(output));
        return 0;
    }
    a->ready = READY_COMMAND;
    return get_command(o, "ready", &a->ready_command, err);
}

static int get_files(const json_t *list, struct appspec *a, struct err *err)
{
    size_t i;
    json_t *o;
    if (!list)
        return 0;
    if (!json_is_array(list) || json_array_size(list) > APPSPEC_FILES_MAX)
        return bad(err, "files", "are no list, or too many");
    json_array_foreach ((json_t *)list, i, o) {
        const char *path = json_string_value(json_object_get(o, "path"));
        const char *text = json_string_value(json_object_get(o, "text"));
        const json_t *mode = json_object_get(o, "mode");
        int64_t bits = mode ? json_integer_value(mode) : 0644;
        if (!path_ok(path))
            return bad(err, "files", "hold a path that is not absolute, or climbs");
        if (!text)
            return bad(err, "files", "hold one without text");
        if (bits < 0 || bits > 0777)
            return bad(err, "files", "hold a mode that is none");
        a->files[a->n_files++] = (struct appspec_file){
            .path = xstrdup(path), .text = xstrdup(text), .mode = (unsigned)bits};
    }
    return 0;
}

static int get_setup(const json_t *list, struct appspec *a, struct err *err)
{
    size_t i;
    json_t *o;
    if (!list)
        return 0;
    if (!json_is_array(list) || json_array_size(list) > APPSPEC_SETUP_MAX)
        return bad(err, "setup", "is no list, or too long");
    json_array_foreach ((json_t *)list, i, o) {
        int r = get_command(o, "setup", &a->setup[a->n_setup++], err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int get_all(const json_t *root, struct appspec *a, struct err *err)
{
    const json_t *server = json_object_get(root, "server");
    if (!json_is_object(root))
        return bad(err, "description", "is no object");
    int r = get_files(json_object_get(root, "files"), a, err);
    if (r == 0 && server)
        r = get_command(server, "server", &a->server, err);
    if (r == 0 && server)
        r = get_ready(json_object_get(server, "ready"), a, err);
    if (r == 0)
        r = get_setup(json_object_get(root, "setup"), a, err);
    return r == 0 ? get_command(json_object_get(root, "command"), "command", &a->command, err) : r;
}

int appspec_parse(const char *text, struct appspec *ret, struct err *err)
{
    json_error_t at;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &at);
    if (!root)
        return err_set(err, ERR_USAGE, EINVAL, "application: not JSON at byte %d: %s", at.position,
                       at.text);
    struct appspec *a = xcalloc(1, sizeof(*a));
    int r = get_all(root, a, err);
    json_decref(root);
    if (r == 0)
        *ret = *a;
    else
        appspec_release(a);
    free(a);
    return r;
}

static void command_release(struct appspec_command *c)
{
    words_free(c->argv);
    words_free(c->env);
    free(c->cwd);
    *c = (struct appspec_command){.argv = NULL};
}

void appspec_release(struct appspec *a)
{
    for (size_t i = 0; i < a->n_files; i++) {
        free(a->files[i].path);
        free(a->files[i].text);
    }
    a->n_files = 0;
    command_release(&a->server);
    command_release(&a->ready_command);
    for (size_t i = 0; i < a->n_setup; i++)
        command_release(&a->setup[i]);
    a->n_setup = 0;
    command_release(&a->command);
    free(a->ready_output);
    a->ready_output = NULL;
}
