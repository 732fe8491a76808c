/* Application files: app.h has the form. Parameters are read before what refers to them is checked,
 * whatever the order of the keys. */
#include "model/app-parse.h"

#include "base/cleanup.h"

#include <errno.h>

#define PORT_MAX 65535

/* ---- texts and lists ---- */

/* As long as a file's text may be; printable but for line ends and tabs. */
int app_take_text(struct app_reader *r, const char *key, const yaml_node_t *v, size_t max,
                  char **ret)
{
    if (v->type != YAML_SCALAR_NODE)
        return yaml_complain(&r->y, v, "%s: expected a text", key);
    const char *text = (const char *)v->data.scalar.value;
    if (strlen(text) != v->data.scalar.length || v->data.scalar.length > max)
        return yaml_complain(&r->y, v, "%s: longer than %zu bytes, or with a zero byte", key, max);
    for (const char *p = text; *p; p++)
        if (((unsigned char)*p < 0x20 && *p != '\n' && *p != '\t') || (unsigned char)*p > 0x7e)
            return yaml_complain(&r->y, v, "%s: only printable ASCII can be in it", key);
    free(*ret);
    *ret = xstrdup(text);
    return 0;
}

int app_take_name(struct app_reader *r, const char *key, const yaml_node_t *v, char *dst,
                  size_t size)
{
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e < 0)
        return e;
    if (!str_is_id(text, size - 1))
        return yaml_complain(&r->y, v,
                             "%s: \"%.40s\" is no name (small letters, digits and -, at most %zu)",
                             key, text, size - 1);
    str_copy(dst, size, text);
    return 0;
}

static int take_path(struct app_reader *r, const char *key, const yaml_node_t *v, char **ret)
{
    int e = app_take_text(r, key, v, 255, ret);
    if (e < 0)
        return e;
    const char *p = *ret;
    if (p[0] != '/' || strstr(p, "/../") || str_ends(p, "/..") || strchr(p, '\n'))
        return yaml_complain(&r->y, v, "%s: \"%.60s\" is no absolute path inside the image", key,
                             p);
    return 0;
}

/* Names of parameters in a text are looked up when all parameters are known. */
static void note_refs(struct app_reader *r, const yaml_node_t *v, const char *text)
{
    if (strstr(text, "${"))
        VEC_PUSH(&r->refs, v);
}

int app_take_words(struct app_reader *r, const char *key, const yaml_node_t *v,
                   const char *expected, struct app_words *ret)
{
    int e = yaml_need(&r->y, key, v, YAML_SEQUENCE_NODE, expected);
    if (e < 0)
        return e;
    size_t n = yaml_item_count(v);
    if (n == 0 || n > APP_WORDS_MAX)
        return yaml_complain(&r->y, v, "%s: expected %s, of 1 to %d", key, expected, APP_WORDS_MAX);
    ret->v = xcalloc(n + 1, sizeof(*ret->v));
    for (size_t i = 0; e == 0 && i < n; i++) {
        const yaml_node_t *item = yaml_item(&r->y, v, i);
        e = app_take_text(r, key, item, YAML_SCALAR_MAX, &ret->v[i]);
        ret->n += e == 0;
        if (e == 0)
            note_refs(r, item, ret->v[i]);
    }
    return e;
}

/* ---- commands ---- */

static int set_command_argv(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return app_take_words(r, key, v, "a list of words", &r->command->argv);
}

static int set_command_timeout(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return yaml_duration(&r->y, key, v, 1, APP_TIMEOUT_MAX_NS, &r->command->timeout_ns);
}

/* Each of a list of {command, timeout}. */
int app_take_setup(struct app_reader *r, const char *key, const yaml_node_t *v,
                   struct app_execution *x)
{
    static const struct yaml_key keys[] = {{"command", set_command_argv},
                                           {"timeout", set_command_timeout}};
    int e = yaml_need(&r->y, key, v, YAML_SEQUENCE_NODE, "a list of commands");
    for (size_t i = 0; e == 0 && i < yaml_item_count(v); i++) {
        const yaml_node_t *item = yaml_item(&r->y, v, i);
        if (x->n_setup == APP_LIST_MAX)
            return yaml_complain(&r->y, item, "%s: more than %d commands", key, APP_LIST_MAX);
        e = yaml_need(&r->y, key, item, YAML_MAPPING_NODE, "{command: [...], timeout: 10s}");
        r->command = &x->setup[x->n_setup++];
        if (e == 0)
            e = yaml_mapping(&r->y, item, keys, ARRAY_SIZE(keys), r);
        if (e == 0 && !r->command->argv.n)
            e = yaml_complain(&r->y, item, "%s: no command", key);
    }
    return e;
}

static int set_command(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return app_take_words(r, key, v, "a list of words", &r->app->executions[0].command.argv);
}

static int set_timeout(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return yaml_duration(&r->y, key, v, 1, APP_TIMEOUT_MAX_NS,
                         &r->app->executions[0].command.timeout_ns);
}

static int set_setup(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return app_take_setup(r, key, v, &r->app->executions[0]);
}

/* ---- server ---- */

static int set_ready_port(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    const char *text;
    uint64_t port;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e == 0 && parse_u64(text, 1, PORT_MAX, key, &port, r->y.err) < 0)
        return yaml_at(&r->y, v);
    if (e < 0)
        return e;
    r->app->ready = APP_READY_PORT;
    r->app->port = (unsigned)port;
    return 0;
}

static int set_ready_output(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    r->app->ready = APP_READY_OUTPUT;
    int e = app_take_text(r, key, v, 255, &r->app->ready_output);
    if (e == 0 && !r->app->ready_output[0])
        e = yaml_complain(&r->y, v, "%s: expected a text to wait for", key);
    return e;
}

static int set_ready_command(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    r->app->ready = APP_READY_COMMAND;
    return app_take_words(r, key, v, "a list of words", &r->app->ready_command.argv);
}

static int set_server_command(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return app_take_words(r, key, v, "a list of words", &r->app->server.argv);
}

static int set_server_timeout(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return yaml_duration(&r->y, key, v, 1, APP_TIMEOUT_MAX_NS, &r->app->server.timeout_ns);
}

static int set_ready(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    static const struct yaml_key keys[] = {
        {"port", set_ready_port}, {"output", set_ready_output}, {"command", set_ready_command}};
    int e = yaml_need(&r->y, key, v, YAML_MAPPING_NODE,
                      "{port: N}, {output: text} or {command: [...]}");
    if (e == 0 && v->data.mapping.pairs.top - v->data.mapping.pairs.start != 1)
        e = yaml_complain(&r->y, v, "%s: expected one of port, output, command", key);
    return e == 0 ? yaml_mapping(&r->y, v, keys, ARRAY_SIZE(keys), r) : e;
}

static int set_server(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    static const struct yaml_key keys[] = {
        {"command", set_server_command}, {"ready", set_ready}, {"timeout", set_server_timeout}};
    int e = yaml_need(&r->y, key, v, YAML_MAPPING_NODE, "a mapping with a command");
    if (e == 0)
        e = yaml_mapping(&r->y, v, keys, ARRAY_SIZE(keys), r);
    if (e == 0 && !r->app->server.argv.n)
        e = yaml_complain(&r->y, v, "%s: no command", key);
    return e;
}

/* ---- image, files, inputs ---- */

static int set_image_kind(struct app_reader *r, const char *key, const yaml_node_t *v,
                          enum app_image kind)
{
    struct app_words *w = &r->app->image_words;
    if (w->n)
        return yaml_complain(&r->y, v,
                             "image: one of packages, programs, dir, archive, not several");
    r->app->image = kind;
    if (kind == APP_IMAGE_PACKAGES || kind == APP_IMAGE_PROGRAMS)
        return app_take_words(r, key, v, "a list of names", w);
    w->v = xcalloc(2, sizeof(*w->v));
    int e = app_take_text(r, key, v, 255, &w->v[0]);
    w->n = w->v[0] ? 1 : 0;
    if (e == 0 && kind == APP_IMAGE_ARCHIVE && !str_starts(w->v[0], "docker-archive:") &&
        !str_starts(w->v[0], "oci:") && !str_starts(w->v[0], "docker://"))
        e = yaml_complain(&r->y, v, "%s: expected docker-archive:FILE, oci:DIR or docker://NAME",
                          key);
    return e;
}

static int set_image_packages(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return set_image_kind(r, key, v, APP_IMAGE_PACKAGES);
}

static int set_image_programs(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return set_image_kind(r, key, v, APP_IMAGE_PROGRAMS);
}

static int set_image_dir(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return set_image_kind(r, key, v, APP_IMAGE_DIR);
}

static int set_image_archive(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return set_image_kind(r, key, v, APP_IMAGE_ARCHIVE);
}

static int set_image(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    static const struct yaml_key keys[] = {{"packages", set_image_packages},
                                           {"programs", set_image_programs},
                                           {"dir", set_image_dir},
                                           {"archive", set_image_archive}};
    int e = yaml_need(&r->y, key, v, YAML_MAPPING_NODE,
                      "one of {packages: [...]}, {programs: [...]}, {dir: ...}, {archive: ...}");
    return e == 0 ? yaml_mapping(&r->y, v, keys, ARRAY_SIZE(keys), r) : e;
}

static int set_file_path(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return take_path(r, key, v, &r->file->path);
}

static int set_file_text(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    int e = app_take_text(r, key, v, APP_TEXT_MAX, &r->file->text);
    if (e == 0)
        note_refs(r, v, r->file->text);
    return e;
}

static int set_file_mode(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e < 0)
        return e;
    if (strlen(text) < 3 || strlen(text) > 4 || strspn(text, "01234567") != strlen(text) ||
        (strlen(text) == 4 && text[0] != '0'))
        return yaml_complain(&r->y, v, "%s: expected octal digits such as \"0644\"", key);
    r->file->mode = (unsigned)strtoul(text, NULL, 8);
    return 0;
}

static int set_files(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    static const struct yaml_key keys[] = {
        {"path", set_file_path}, {"text", set_file_text}, {"mode", set_file_mode}};
    int e = yaml_need(&r->y, key, v, YAML_SEQUENCE_NODE, "a list of files");
    for (size_t i = 0; e == 0 && i < yaml_item_count(v); i++) {
        const yaml_node_t *item = yaml_item(&r->y, v, i);
        if (r->app->n_files == APP_LIST_MAX)
            return yaml_complain(&r->y, item, "%s: more than %d", key, APP_LIST_MAX);
        e = yaml_need(&r->y, key, item, YAML_MAPPING_NODE, "{path: ..., text: ...}");
        r->file = &r->app->files[r->app->n_files++];
        r->file->mode = 0644;
        if (e == 0)
            e = yaml_mapping(&r->y, item, keys, ARRAY_SIZE(keys), r);
        if (e == 0 && (!r->file->path || !r->file->text))
            e = yaml_complain(&r->y, item, "%s: each needs a path and a text", key);
    }
    return e;
}

static int set_input_name(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    int e = app_take_text(r, key, v, 63, &r->input->name);
    if (e == 0 && (strchr(r->input->name, '/') || r->input->name[0] == '.' || !r->input->name[0]))
        e = yaml_complain(&r->y, v, "%s: \"%.60s\" is no name of a file", key, r->input->name);
    return e;
}

static int set_input_param(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return app_take_text(r, key, v, PARAM_NAME_MAX - 1, &r->input->param);
}

static int set_input_packages(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return app_take_words(r, key, v, "a list of packages", &r->input->packages);
}

static int set_input_command(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return app_take_words(r, key, v, "a list of words", &r->input->command);
}

static int set_input_output(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return take_path(r, key, v, &r->input->output);
}

static int set_inputs(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    static const struct yaml_key keys[] = {{"name", set_input_name},
                                           {"param", set_input_param},
                                           {"packages", set_input_packages},
                                           {"command", set_input_command},
                                           {"output", set_input_output}};
    int e = yaml_need(&r->y, key, v, YAML_SEQUENCE_NODE, "a list of inputs");
    for (size_t i = 0; e == 0 && i < yaml_item_count(v); i++) {
        const yaml_node_t *item = yaml_item(&r->y, v, i);
        struct app_input *in = r->input = &r->app->inputs[r->app->n_inputs];
        if (++r->app->n_inputs > APP_LIST_MAX) {
            r->app->n_inputs = APP_LIST_MAX;
            return yaml_complain(&r->y, item, "%s: more than %d", key, APP_LIST_MAX);
        }
        e = yaml_need(&r->y, key, item, YAML_MAPPING_NODE, "{name: ..., param: ..., ...}");
        if (e == 0)
            e = yaml_mapping(&r->y, item, keys, ARRAY_SIZE(keys), r);
        bool made = in->packages.n && in->command.n && in->output;
        if (e == 0 && (!in->name || (!in->param && !made)))
            e = yaml_complain(&r->y, item,
                              "%s: each needs a name, and a param or packages, command "
                              "and output",
                              key);
    }
    return e;
}

/* ---- parameters ---- */

static int set_param_kind(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e < 0)
        return e;
    static const enum param_kind kinds[] = {PARAM_COUNT, PARAM_SIZE, PARAM_DURATION, PARAM_TEXT};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (str_eq(text, param_kind_name(kinds[i]))) {
            r->param->kind = kinds[i];
            return 0;
        }
    return yaml_complain(&r->y, v, "%s: expected count, size, duration or text", key);
}

static int set_param_default(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    r->param_default = v;
    return 0;
}

static int set_param_help(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    char *help = NULL;
    int e = app_take_text(r, key, v, 200, &help);
    free((char *)(uintptr_t)r->param->help);
    r->param->help = help;
    return e;
}

/* In the kind's own form; the kind comes first. */
static int param_number(struct app_reader *r, const char *key, const yaml_node_t *v, int64_t *ret)
{
    const struct param_def any = {
        .name = key, .kind = r->param->kind, .fallback = "", .min = INT64_MIN, .max = INT64_MAX};
    struct params p = {.n = 0};
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e < 0)
        return e;
    if (any.kind == PARAM_TEXT)
        return yaml_complain(&r->y, v, "%s: not for texts", key);
    if (params_set(&p, &any, text, r->y.err) < 0)
        return yaml_at(&r->y, v);
    *ret = p.v[0].num;
    return 0;
}

static int set_param_min(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return param_number(r, key, v, &r->param->min);
}

static int set_param_max(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return param_number(r, key, v, &r->param->max);
}

static int set_param_scale(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return yaml_yes_no(&r->y, key, v, &r->param_scales);
}

static int set_param_floor(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return param_number(r, key, v, &r->param_floor);
}

static int param_finish(struct app_reader *r, const yaml_node_t *at)
{
    struct app *a = r->app;
    struct params p = {.n = 0};
    const char *text = r->param_default ? yaml_scalar(r->param_default) : NULL;
    if (!text)
        return yaml_complain(&r->y, at, "parameter %s: no default", r->param->name);
    if (params_set(&p, r->param, text, r->y.err) < 0)
        return yaml_at(&r->y, r->param_default);
    free((char *)(uintptr_t)r->param->fallback);
    r->param->fallback = xstrdup(text);
    if (!r->param->help)
        r->param->help = xstrdup("");
    if (!r->param_scales)
        return 0;
    if (a->scaled || r->param->kind == PARAM_TEXT)
        return yaml_complain(&r->y, at, "one parameter can be scaled, and no text");
    a->scaled = r->param->name;
    a->scaled_floor = r->param_floor;
    return 0;
}

static int set_params(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    /* kind first: the others are read by it */
    static const struct yaml_key kind[] = {{"kind", set_param_kind}};
    static const struct yaml_key keys[] = {
        {"kind", set_param_kind},  {"default", set_param_default}, {"help", set_param_help},
        {"min", set_param_min},    {"max", set_param_max},         {"scale", set_param_scale},
        {"floor", set_param_floor}};
    int e = yaml_need(&r->y, key, v, YAML_MAPPING_NODE, "a mapping of names to {default: ...}");
    for (yaml_node_pair_t *p = v->data.mapping.pairs.start; e == 0 && p < v->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *name = yaml_child(&r->y, p->key), *value = yaml_child(&r->y, p->value);
        char id[PARAM_NAME_MAX];
        if (r->app->n_params == APP_PARAMS_MAX)
            return yaml_complain(&r->y, name, "%s: more than %d", key, APP_PARAMS_MAX);
        e = app_take_name(r, key, name, id, sizeof(id));
        for (size_t i = 0; e == 0 && i < r->app->n_params; i++)
            if (str_eq(r->app->params[i].name, id))
                e = yaml_complain(&r->y, name, "parameter %s is given twice", id);
        if (e == 0)
            e = yaml_need(&r->y, id, value, YAML_MAPPING_NODE, "{default: ..., kind: ...}");
        if (e < 0)
            return e;
        r->param = &r->app->params[r->app->n_params++];
        *r->param = (struct param_def){
            .name = xstrdup(id), .kind = PARAM_COUNT, .min = INT64_MIN, .max = INT64_MAX};
        r->param->fallback = xstrdup("");
        r->param_scales = false;
        r->param_floor = 1;
        r->param_default = NULL;
        for (yaml_node_pair_t *q = value->data.mapping.pairs.start;
             e == 0 && q < value->data.mapping.pairs.top; q++) {
            const char *what = yaml_scalar(yaml_child(&r->y, q->key));
            if (what && str_eq(what, kind[0].name))
                e = set_param_kind(r, "kind", yaml_child(&r->y, q->value));
        }
        if (e == 0)
            e = yaml_mapping(&r->y, value, keys, ARRAY_SIZE(keys), r);
        if (e == 0)
            e = param_finish(r, name);
    }
    return e;
}

/* ---- the whole ---- */

static int set_name(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return app_take_name(r, key, v, r->app->name, sizeof(r->app->name));
}

static int set_title(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return app_take_text(r, key, v, 200, &r->app->title);
}

static int set_aliases(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return app_take_words(r, key, v, "a list of names", &r->app->aliases);
}

static int set_optional(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return yaml_yes_no(&r->y, key, v, &r->app->optional);
}

static int set_cwd(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return take_path(r, key, v, &r->app->cwd);
}

static int set_cpus(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e == 0 && (cpus_kind_parse(text, &r->app->cpus) < 0 || r->app->cpus == CPUS_TWO))
        e = yaml_complain(&r->y, v, "%s: expected one or all", key);
    return e;
}

static int set_expected(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return yaml_duration(&r->y, key, v, 1, APP_TIMEOUT_MAX_NS, &r->app->expected_ns);
}

static int set_suites(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    int e = yaml_need(&r->y, key, v, YAML_SEQUENCE_NODE, "a list of suites");
    for (size_t i = 0; e == 0 && i < yaml_item_count(v); i++) {
        const yaml_node_t *item = yaml_item(&r->y, v, i);
        const char *name = yaml_scalar(item);
        const struct suite *suite = name ? suite_find(name) : NULL;
        if (!suite)
            return yaml_complain(&r->y, item, "%s: no suite \"%.40s\"", key, name ? name : "");
        r->app->suites |= suite->bit;
    }
    return e;
}

static int set_metrics(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    r->metrics = v;
    return 0;
}

static int set_env(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    struct app_words *w = &r->app->env;
    int e = yaml_need(&r->y, key, v, YAML_MAPPING_NODE, "a mapping of names to texts");
    if (e < 0)
        return e;
    size_t n = (size_t)(v->data.mapping.pairs.top - v->data.mapping.pairs.start);
    if (n > APP_WORDS_MAX)
        return yaml_complain(&r->y, v, "%s: more than %d", key, APP_WORDS_MAX);
    w->v = xcalloc(n + 1, sizeof(*w->v));
    for (yaml_node_pair_t *p = v->data.mapping.pairs.start; p < v->data.mapping.pairs.top; p++) {
        const char *name = yaml_scalar(yaml_child(&r->y, p->key));
        const char *value = yaml_scalar(yaml_child(&r->y, p->value));
        if (!name || !name[0] || strchr(name, '=') || !value)
            return yaml_complain(&r->y, yaml_child(&r->y, p->key), "%s: expected NAME: text", key);
        w->v[w->n++] = xasprintf("%s=%s", name, value);
        note_refs(r, yaml_child(&r->y, p->value), value);
    }
    return 0;
}

/* ---- what refers to parameters ---- */

static bool names_param(const struct param_def *d, const char *name, size_t n)
{
    size_t k = strlen(d->name);
    if (n < k || memcmp(name, d->name, k) != 0)
        return false;
    return n == k || (d->kind == PARAM_DURATION && n == k + 3 && memcmp(name + k, ".ms", 3) == 0);
}

static int unknown_ref(struct app_reader *r, const yaml_node_t *v, const char *at)
{
    struct str known = STR_INIT;
    for (size_t i = 0; i < r->app->n_params; i++)
        str_addf(&known, "%s%s", i ? ", " : "; there are: ", r->app->params[i].name);
    int e = yaml_complain(&r->y, v, "\"%.*s\" names no parameter of this application%s",
                          (int)strcspn(at, "}") + (strchr(at, '}') != NULL), at,
                          known.len ? known.buf : ", which has none");
    str_release(&known);
    return e;
}

static int check_text(struct app_reader *r, const yaml_node_t *v)
{
    const char *text = (const char *)v->data.scalar.value;
    for (const char *p = text; (p = strstr(p, "${")); p += 2) {
        const char *end = strchr(p, '}');
        bool known = false;
        for (size_t i = 0; end && i < r->app->n_params; i++)
            known = known || names_param(&r->app->params[i], p + 2, (size_t)(end - p - 2));
        if (!known)
            return unknown_ref(r, v, p);
    }
    return 0;
}

static int check_references(struct app_reader *r, const yaml_node_t *root)
{
    const struct app *a = r->app;
    int e = 0;
    for (size_t i = 0; e == 0 && i < r->refs.n; i++)
        e = check_text(r, r->refs.v[i]);
    for (size_t i = 0; e == 0 && i < a->n_inputs; i++) {
        bool known = !a->inputs[i].param;
        for (size_t k = 0; !known && k < a->n_params; k++)
            known =
                str_eq(a->params[k].name, a->inputs[i].param) && a->params[k].kind == PARAM_TEXT;
        if (!known)
            e = yaml_complain(&r->y, root, "input %s: \"%.40s\" is no text parameter",
                              a->inputs[i].name, a->inputs[i].param);
    }
    return e;
}

/* What says nothing of its own may take as long as the application says. */
static void inherit_timeouts(struct app *a)
{
    uint64_t all = a->executions[0].command.timeout_ns;
    for (size_t i = 0; i < a->n_executions; i++) {
        struct app_execution *x = &a->executions[i];
        if (!x->command.timeout_ns)
            x->command.timeout_ns = all;
        for (size_t k = 0; k < x->n_setup; k++)
            if (!x->setup[k].timeout_ns)
                x->setup[k].timeout_ns = all;
    }
}

/* The workload of every metric, which the catalogue's are like. */
static void make_workloads(struct app *a)
{
    for (size_t i = 0; i < a->n_executions; i++)
        str_format(a->executions[i].name, sizeof(a->executions[i].name), "%s#%zu", a->name, i);
    for (size_t i = 0; i < a->n_metrics; i++) {
        struct app_metric *m = &a->metrics[i];
        bool plain = a->n_metrics == 1 && str_eq(m->name, a->name);
        str_format(m->cell, sizeof(m->cell), plain ? "%s" : "%s.%s", a->name, m->name);
        m->workload = (struct workload){.name = m->cell,
                                        .family = a->name,
                                        .title = m->title ? m->title : a->title,
                                        .op = "execution",
                                        .grain = GRAIN_WHOLE,
                                        .params = a->params,
                                        .n_params = a->n_params,
                                        .exec = a->executions[m->execution].name,
                                        .scaled = a->scaled,
                                        .scaled_floor = a->scaled_floor};
    }
}

static int take_app(void *user, const yaml_node_t *root)
{
    static const struct yaml_key keys[] = {
        {"name", set_name},         {"title", set_title},       {"aliases", set_aliases},
        {"optional", set_optional}, {"image", set_image},       {"files", set_files},
        {"inputs", set_inputs},     {"params", set_params},     {"server", set_server},
        {"setup", set_setup},       {"command", set_command},   {"env", set_env},
        {"suites", set_suites},     {"cwd", set_cwd},           {"timeout", set_timeout},
        {"cpus", set_cpus},         {"expected", set_expected}, {"metrics", set_metrics}};
    struct app_reader *r = user;
    struct app *a = r->app;
    int e = yaml_mapping(&r->y, root, keys, ARRAY_SIZE(keys), r);
    if (e == 0 && !a->name[0])
        e = yaml_complain(&r->y, root, "no name");
    if (e == 0 && !a->image_words.n)
        e = yaml_complain(&r->y, root, "no image");
    if (e == 0 && !r->metrics)
        e = yaml_complain(&r->y, root, "no metrics");
    if (e == 0)
        e = app_take_metrics(r, r->metrics);
    if (e == 0 && a->n_metrics == 0)
        e = yaml_complain(&r->y, root, "no metrics");
    if (e == 0)
        e = check_references(r, root);
    if (e == 0 && !a->title)
        a->title = xstrdup(a->name);
    if (e == 0) {
        inherit_timeouts(a);
        make_workloads(a);
    }
    return e;
}

int app_parse(const char *text, size_t n, const char *file, struct app **ret, struct err *err)
{
    struct err own = ERR_INIT; /* err may be NULL, and yaml_at builds on what is there */
    struct app *a = xcalloc(1, sizeof(*a));
    struct app_reader r = {.y = {.name = file, .err = err ? err : &own}, .app = a};
    a->refs = 1;
    a->cpus = CPUS_ALL;
    a->n_executions = 1;
    a->source = xstrndup(text, n);
    int e = yaml_read(&r.y, text, n, take_app, &r);
    VEC_RELEASE(&r.refs);
    if (e < 0)
        app_unref(a);
    else
        *ret = a;
    return e;
}
