/* The metrics of an application file: what is read out of what it prints, and which execution
 * prints it. */
#include "model/app-parse.h"

#include <errno.h>

static int set_metric_name(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return app_take_name(r, key, v, r->metric->name, sizeof(r->metric->name));
}

static int set_metric_title(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return app_take_text(r, key, v, 200, &r->metric->title);
}

static int only_one(struct app_reader *r, const yaml_node_t *v)
{
    if (r->metric_pattern)
        return yaml_complain(&r->y, v, "metrics: one of regex, json, wall, not several");
    r->metric_pattern = v;
    return 0;
}

static int set_metric_regex(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    r->metric->kind = APP_METRIC_REGEX;
    int e = only_one(r, v);
    return e < 0 ? e : app_take_text(r, key, v, 255, &r->metric->pattern);
}

static int set_metric_json(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    r->metric->kind = APP_METRIC_JSON;
    int e = only_one(r, v);
    return e < 0 ? e : app_take_text(r, key, v, 255, &r->metric->pattern);
}

static int set_metric_wall(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    bool yes = false;
    int e = yaml_yes_no(&r->y, key, v, &yes);
    if (e == 0 && yes)
        e = only_one(r, v);
    if (e == 0 && yes) {
        r->metric->kind = APP_METRIC_WALL;
        if (!r->metric_says_better)
            r->metric->better = BETTER_LOWER;
        if (!r->metric->unit[0])
            str_copy(r->metric->unit, sizeof(r->metric->unit), "s");
    }
    return e;
}

static int set_metric_unit(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e == 0 && (!text[0] || !str_copy(r->metric->unit, sizeof(r->metric->unit), text)))
        e = yaml_complain(&r->y, v, "%s: 1 to %zu bytes", key, sizeof(r->metric->unit) - 1);
    return e;
}

static int set_metric_better(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    r->metric_says_better = true;
    if (e == 0 && better_parse(text, &r->metric->better) < 0)
        e = yaml_complain(&r->y, v, "%s: expected higher or lower", key);
    return e;
}

static int set_metric_scale(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    const char *text;
    int e = yaml_need_scalar(&r->y, key, v, &text);
    if (e == 0 && parse_double(text, 1e-12, 1e12, key, &r->metric->scale, r->y.err) < 0)
        e = yaml_at(&r->y, v);
    return e;
}

/* An execution of the metric's own, made when the first of command and setup comes. */
static struct app_execution *own_execution(struct app_reader *r)
{
    if (!r->execution) {
        r->execution = &r->app->executions[r->app->n_executions];
        r->metric->execution = r->app->n_executions++;
    }
    return r->execution;
}

static int set_metric_command(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    r->metric_command = v;
    return app_take_words(r, key, v, "a list of words", &own_execution(r)->command.argv);
}

static int set_metric_setup(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return app_take_setup(r, key, v, own_execution(r));
}

static int set_metric_timeout(void *user, const char *key, const yaml_node_t *v)
{
    struct app_reader *r = user;
    return yaml_duration(&r->y, key, v, 1, APP_TIMEOUT_MAX_NS,
                         &own_execution(r)->command.timeout_ns);
}

static int compile(struct app_reader *r, struct app_metric *m)
{
    char why[160];
    if (app_pattern_check(m->pattern, r->y.err) < 0)
        return yaml_at(&r->y, r->metric_pattern);
    int c = regcomp(&m->regex, m->pattern, REG_EXTENDED | REG_NEWLINE);
    if (c != 0) {
        regerror(c, &m->regex, why, sizeof(why));
        return yaml_complain(&r->y, r->metric_pattern, "regex: %s", why);
    }
    m->compiled = true;
    if (m->regex.re_nsub < 1)
        return yaml_complain(&r->y, r->metric_pattern,
                             "regex: no group; put what is the value into (...)");
    return 0;
}

/* One with a setup or a time-out of its own runs the application's command all the same. */
static void inherit_command(struct app *a, struct app_execution *x)
{
    const struct app_words *all = &a->executions[0].command.argv;
    struct app_words *own = &x->command.argv;
    if (own->n || !all->n)
        return;
    own->v = xcalloc(all->n + 1, sizeof(*own->v));
    for (own->n = 0; own->n < all->n; own->n++)
        own->v[own->n] = xstrdup(all->v[own->n]);
}

static int metric_finish(struct app_reader *r, const yaml_node_t *at)
{
    struct app_metric *m = r->metric;
    if (!m->name[0])
        return yaml_complain(&r->y, at, "metrics: one without a name");
    for (const struct app_metric *o = r->app->metrics; o < m; o++)
        if (str_eq(o->name, m->name))
            return yaml_complain(&r->y, at, "metric %s is there twice", m->name);
    if (!r->metric_pattern)
        return yaml_complain(&r->y, at, "metric %s: expected one of regex, json, wall: yes",
                             m->name);
    if (!m->unit[0])
        return yaml_complain(&r->y, at, "metric %s: no unit", m->name);
    inherit_command(r->app, &r->app->executions[m->execution]);
    if (!r->app->executions[m->execution].command.argv.n)
        return yaml_complain(&r->y, at, "metric %s: neither it nor the application has a command",
                             m->name);
    return m->kind == APP_METRIC_REGEX ? compile(r, m) : 0;
}

int app_take_metrics(struct app_reader *r, const yaml_node_t *list)
{
    static const struct yaml_key keys[] = {
        {"name", set_metric_name},       {"title", set_metric_title},
        {"regex", set_metric_regex},     {"json", set_metric_json},
        {"wall", set_metric_wall},       {"unit", set_metric_unit},
        {"better", set_metric_better},   {"scale", set_metric_scale},
        {"command", set_metric_command}, {"setup", set_metric_setup},
        {"timeout", set_metric_timeout}};
    int e = yaml_need(&r->y, "metrics", list, YAML_SEQUENCE_NODE, "a list of metrics");
    for (size_t i = 0; e == 0 && i < yaml_item_count(list); i++) {
        const yaml_node_t *item = yaml_item(&r->y, list, i);
        if (r->app->n_metrics == APP_METRICS_MAX)
            return yaml_complain(&r->y, item, "metrics: more than %d", APP_METRICS_MAX);
        e = yaml_need(&r->y, "metrics", item, YAML_MAPPING_NODE,
                      "{name: ..., regex: ..., unit: ...}");
        r->metric = &r->app->metrics[r->app->n_metrics++];
        r->metric->scale = 1;
        r->metric->better = BETTER_HIGHER;
        r->execution = NULL;
        r->metric_pattern = NULL;
        r->metric_says_better = false;
        if (e == 0)
            e = yaml_mapping(&r->y, item, keys, ARRAY_SIZE(keys), r);
        if (e == 0)
            e = metric_finish(r, item);
    }
    return e;
}
