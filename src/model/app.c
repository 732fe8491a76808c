#include "model/app.h"

#include "base/cleanup.h"
#include "base/vec.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>

#define TIMEOUT_NS   (UINT64_C(60) * 1000000000)
#define LAST_OF_TEXT 160

/* ---- life ---- */

static void words_release(struct app_words *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->v[i]);
    free(w->v);
    *w = (struct app_words){.v = NULL};
}

struct app *app_ref(struct app *a)
{
    a->refs++;
    return a;
}

static void executions_release(struct app *a)
{
    for (size_t i = 0; i < a->n_executions; i++) {
        words_release(&a->executions[i].command.argv);
        for (size_t k = 0; k < a->executions[i].n_setup; k++)
            words_release(&a->executions[i].setup[k].argv);
    }
    for (size_t i = 0; i < a->n_metrics; i++) {
        struct app_metric *m = &a->metrics[i];
        free(m->title);
        free(m->pattern);
        if (m->compiled)
            regfree(&m->regex);
    }
}

static void inputs_release(struct app *a)
{
    for (size_t i = 0; i < a->n_inputs; i++) {
        struct app_input *in = &a->inputs[i];
        free(in->name);
        free(in->param);
        free(in->output);
        words_release(&in->packages);
        words_release(&in->command);
    }
    for (size_t i = 0; i < a->n_files; i++) {
        free(a->files[i].path);
        free(a->files[i].text);
    }
    for (size_t i = 0; i < a->n_params; i++) {
        free((char *)(uintptr_t)a->params[i].name);
        free((char *)(uintptr_t)a->params[i].fallback);
        free((char *)(uintptr_t)a->params[i].help);
    }
}

void app_unref(struct app *a)
{
    if (!a || --a->refs > 0)
        return;
    executions_release(a);
    inputs_release(a);
    words_release(&a->aliases);
    words_release(&a->image_words);
    words_release(&a->server.argv);
    words_release(&a->ready_command.argv);
    words_release(&a->env);
    free(a->ready_output);
    free(a->cwd);
    free(a->title);
    free(a->source);
    free(a);
}

/* ---- cells ---- */

bool app_answers_to(const struct app *a, const char *name)
{
    bool yes = str_eq(a->name, name);
    for (size_t i = 0; i < a->aliases.n; i++)
        yes = yes || str_eq(a->aliases.v[i], name);
    return yes;
}

void app_cell(const struct app *a, size_t i, struct cell *ret)
{
    const struct app_metric *m = &a->metrics[i];
    *ret = (struct cell){.workload = &m->workload,
                         .cpus = a->cpus,
                         .workers = 1,
                         .grain = GRAIN_WHOLE,
                         .better = m->better,
                         .app = a};
    str_copy(ret->name, sizeof(ret->name), m->cell);
    str_copy(ret->unit, sizeof(ret->unit), m->unit);
    for (size_t k = 0; k < a->n_params; k++)
        params_set(&ret->params, &a->params[k], a->params[k].fallback, NULL);
}

static const struct app_metric *metric_of(const struct cell *cell)
{
    for (size_t i = 0; i < cell->app->n_metrics; i++)
        if (cell->workload == &cell->app->metrics[i].workload)
            return &cell->app->metrics[i];
    abort(); /* app_cell made it */
}

static const struct app_execution *execution_of(const struct cell *cell)
{
    return &cell->app->executions[metric_of(cell)->execution];
}

/* ---- the description for the guest ---- */

/* Durations as most tools want them, in whole seconds, rounded up: never shorter than asked for. */
static void add_param(const struct cell *cell, const char *name, size_t n, struct str *out)
{
    char key[PARAM_NAME_MAX];
    bool ms = n > 3 && memcmp(name + n - 3, ".ms", 3) == 0;
    str_format(key, sizeof(key), "%.*s", (int)(ms ? n - 3 : n), name);
    const struct param *p = params_find(&cell->params, key);
    const struct param_def *def = workload_param(cell->workload, key);
    if (!p || !def)
        return; /* app_parse refuses unknown ones */
    if (p->is_text)
        str_add(out, p->text);
    else if (def->kind == PARAM_DURATION)
        str_addf(out, "%lld",
                 (long long)(ms ? (p->num + 999999) / 1000000 : (p->num + 999999999) / 1000000000));
    else
        str_addf(out, "%lld", (long long)p->num);
}

/* The text with every ${name} replaced. */
static json_t *filled(const struct cell *cell, const char *text)
{
    _cleanup_(str_release) struct str s = STR_INIT;
    for (const char *p = text; *p;) {
        const char *end = p[0] == '$' && p[1] == '{' ? strchr(p, '}') : NULL;
        if (end) {
            add_param(cell, p + 2, (size_t)(end - p - 2), &s);
            p = end + 1;
        } else {
            str_addc(&s, *p++);
        }
    }
    return json_string(s.buf ? s.buf : "");
}

static json_t *filled_words(const struct cell *cell, const struct app_words *w)
{
    json_t *a = json_array();
    for (size_t i = 0; i < w->n; i++)
        json_array_append_new(a, filled(cell, w->v[i]));
    return a;
}

static uint64_t timeout_of(const struct app_command *c)
{
    return c->timeout_ns ? c->timeout_ns : TIMEOUT_NS;
}

static json_t *command_json(const struct cell *cell, const struct app_command *c)
{
    const struct app *a = cell->app;
    return json_pack("{s:o, s:o, s:s, s:I}", "argv", filled_words(cell, &c->argv), "env",
                     filled_words(cell, &a->env), "cwd", a->cwd ? a->cwd : "/", "timeout_ns",
                     (json_int_t)timeout_of(c));
}

static json_t *server_json(const struct cell *cell)
{
    const struct app *a = cell->app;
    json_t *o = command_json(cell, &a->server);
    if (a->ready == APP_READY_PORT)
        json_object_set_new(o, "ready", json_pack("{s:i}", "tcp", (int)a->port));
    else if (a->ready == APP_READY_OUTPUT)
        json_object_set_new(o, "ready", json_pack("{s:s}", "output", a->ready_output));
    else if (a->ready == APP_READY_COMMAND)
        json_object_set_new(o, "ready", command_json(cell, &a->ready_command));
    return o;
}

static json_t *spec_json(const struct cell *cell)
{
    const struct app *a = cell->app;
    const struct app_execution *x = execution_of(cell);
    json_t *o = json_object(), *files = json_array(), *setup = json_array();
    for (size_t i = 0; i < a->n_files; i++)
        json_array_append_new(files, json_pack("{s:s, s:o, s:i}", "path", a->files[i].path, "text",
                                               filled(cell, a->files[i].text), "mode",
                                               (int)a->files[i].mode));
    for (size_t i = 0; i < x->n_setup; i++)
        json_array_append_new(setup, command_json(cell, &x->setup[i]));
    json_object_set_new(o, "files", files);
    if (a->server.argv.n)
        json_object_set_new(o, "server", server_json(cell));
    json_object_set_new(o, "setup", setup);
    json_object_set_new(o, "command", command_json(cell, &x->command));
    return o;
}

int app_spec(const struct cell *cell, struct str *ret, struct err *err)
{
    json_t *o = spec_json(cell);
    _cleanup_free_ char *text = o ? json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    json_decref(o);
    if (!text)
        return err_set(err, ERR_BUG, EINVAL, "%s: cannot be described", cell->name);
    if (strlen(text) > APP_SPEC_MAX)
        return err_set(err, ERR_USAGE, E2BIG,
                       "%s: its files and commands are longer than %d bytes in all", cell->name,
                       APP_SPEC_MAX);
    str_add(ret, text);
    return 0;
}

uint64_t app_prepare_timeout_ns(const struct cell *cell)
{
    const struct app_execution *x = execution_of(cell);
    uint64_t sum = TIMEOUT_NS + timeout_of(&cell->app->server);
    for (size_t i = 0; i < x->n_setup; i++)
        sum += timeout_of(&x->setup[i]);
    return sum;
}

uint64_t app_command_timeout_ns(const struct cell *cell)
{
    return timeout_of(&execution_of(cell)->command);
}

/* ---- values ---- */

static void last_lines(const char *output, char dst[LAST_OF_TEXT])
{
    size_t n = strlen(output);
    while (n > 0 && (output[n - 1] == '\n' || output[n - 1] == ' '))
        n--;
    size_t from = n >= LAST_OF_TEXT ? n - LAST_OF_TEXT + 1 : 0;
    str_format(dst, LAST_OF_TEXT, "%.*s", (int)(n - from), output + from);
    for (char *p = dst; *p; p++)
        if (*p == '\n')
            *p = '|';
    str_printable(dst);
}

static int no_value(const struct cell *cell, const struct app_metric *m, const char *why,
                    const char *output, struct err *err)
{
    char last[LAST_OF_TEXT];
    last_lines(output, last);
    return err_set(err, ERR_MEASUREMENT, ENODATA, "%s: %s '%.60s'%s%s", cell->name, why,
                   m->pattern ? m->pattern : "", last[0] ? "; it ends: " : "; there is no output",
                   last);
}

static int regex_value(const struct cell *cell, const struct app_metric *m, const char *output,
                       double *ret, struct err *err)
{
    regmatch_t found[2];
    char number[64];
    char *end;
    if (regexec(&m->regex, output, 2, found, 0) != 0 || found[1].rm_so < 0)
        return no_value(cell, m, "nothing in the output matches", output, err);
    str_format(number, sizeof(number), "%.*s", (int)(found[1].rm_eo - found[1].rm_so),
               output + found[1].rm_so);
    *ret = strtod(number, &end);
    if (end == number || *end)
        return no_value(cell, m, "no number is what matches", output, err);
    return 0;
}

/* "jobs[0].write.iops" */
static const json_t *json_at(const json_t *root, const char *path)
{
    const json_t *v = root;
    while (*path && v) {
        size_t n = strcspn(path, ".[");
        if (n > 0) {
            _cleanup_free_ char *key = xstrndup(path, n);
            v = json_object_get(v, key);
            path += n;
        } else if (*path == '[') {
            char *end;
            v = json_array_get(v, strtoul(path + 1, &end, 10));
            path = *end == ']' ? end + 1 : "";
        } else {
            path++;
        }
    }
    return v;
}

static int json_value(const struct cell *cell, const struct app_metric *m, const char *output,
                      double *ret, struct err *err)
{
    const char *begin = strpbrk(output, "{["); /* behind what a tool says first */
    json_t *root = begin ? json_loads(begin, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    const json_t *v = json_at(root, m->pattern);
    bool has = json_is_number(v);
    *ret = has ? json_number_value(v) : 0;
    json_decref(root);
    return has ? 0 : no_value(cell, m, "no number in the output is at", output, err);
}

int app_value(const struct cell *cell, const char *output, uint64_t wall_ns, double *ret,
              struct err *err)
{
    const struct app_metric *m = metric_of(cell);
    double v = (double)wall_ns / 1e9;
    int r = 0;
    if (m->kind == APP_METRIC_REGEX)
        r = regex_value(cell, m, output, &v, err);
    else if (m->kind == APP_METRIC_JSON)
        r = json_value(cell, m, output, &v, err);
    if (r < 0)
        return r;
    v *= m->scale;
    if (!(v > 0) || !isfinite(v))
        return no_value(cell, m, "no positive number is", output, err);
    *ret = v;
    return 0;
}
