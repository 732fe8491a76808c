/* cupel workloads: the catalogue. */
#include "cli/apps.h"
#include "cli/commands.h"

#include "model/workload.h"

#include <errno.h>
#include <jansson.h>

#define NAME_WIDTH 20

static void suites_of(const struct cell_def *d, struct str *out)
{
    for (size_t i = 0; i < suite_count(); i++)
        if (d->suites & suite_at(i)->bit)
            str_addf(out, "%s%s", out->len ? ", " : "", suite_at(i)->name);
}

static const char *unit_of(const struct workload *w)
{
    return w->bytes_per_op > 0 ? "bytes/s, and ns" : "ns";
}

static void cell_text(const struct cell_def *d, struct str *out)
{
    char name[CELL_NAME_MAX];
    _cleanup_(str_release) struct str suites = STR_INIT;

    cell_def_name(d, name);
    suites_of(d, &suites);
    str_add(out, "      ");
    text_pad(out, name, 22, false);
    if (d->copies > 1)
        str_addf(out, " %u workers on %s CPU%s", d->copies, cpus_kind_name(d->cpus),
                 d->cpus == CPUS_ONE ? "" : "s");
    else
        str_addf(out, " %s on %s CPU%s", d->worker_per_cpu ? "one worker per CPU" : "one worker",
                 cpus_kind_name(d->cpus), d->cpus == CPUS_ONE ? "" : "s");
    if (d->place != PLACE_NONE)
        str_addf(out, ", %s", place_name(d->place));
    if (d->presets[0])
        str_addf(out, ", %s", d->presets);
    if (suites.len)
        str_addf(out, "  (%s)", suites.buf);
    str_addc(out, '\n');
}

static void params_text_of(const struct workload *w, const struct style *s, struct str *out)
{
    for (size_t i = 0; i < w->n_params; i++) {
        const struct param_def *p = &w->params[i];
        _cleanup_(str_release) struct str usage = STR_INIT, help = STR_INIT;
        str_addf(&usage, "      -p %s=%s ", p->name, p->choices ? p->choices : p->fallback);
        text_pad(&help, usage.buf, 29, false);
        text_wrap(out, s, help.buf, 29, p->help);
    }
}

static void workload_text(const struct workload *w, const struct style *s, struct str *out)
{
    _cleanup_(str_release) struct str lead = STR_INIT, title = STR_INIT;

    text_pad(&lead, w->name, NAME_WIDTH, false);
    str_addf(&title, "%s; %s per %s, less is better%s", w->title, unit_of(w), w->op,
             w->grain == GRAIN_WHOLE ? "; runs whole, once a block" : "");
    text_wrap(out, s, lead.buf, NAME_WIDTH, title.buf);
    for (size_t i = 0; i < cell_def_count(); i++)
        if (str_eq(cell_def_at(i)->workload, w->name))
            cell_text(cell_def_at(i), out);
    params_text_of(w, s, out);
}

static json_t *params_json(const struct workload *w)
{
    static const char *const kinds[] = {
        [PARAM_COUNT] = "count",      [PARAM_SIZE] = "bytes", [PARAM_DURATION] = "duration",
        [PARAM_CHOICE] = "choice",    [PARAM_TEXT] = "text",  [PARAM_RATE] = "bits/s",
        [PARAM_SHARE] = "millionths",
    };
    json_t *a = json_array();

    for (size_t i = 0; i < w->n_params; i++) {
        const struct param_def *p = &w->params[i];
        json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "name", p->name, "kind", kinds[p->kind],
                              "default", p->fallback, "help", p->help);
        if (p->choices)
            json_object_set_new(o, "choices", json_string(p->choices));
        else if (p->kind != PARAM_TEXT)
            json_object_update_new(
                o, json_pack("{s:I, s:I}", "min", (json_int_t)p->min, "max", (json_int_t)p->max));
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *cells_json(const struct workload *w)
{
    json_t *a = json_array();

    for (size_t i = 0; i < cell_def_count(); i++) {
        const struct cell_def *d = cell_def_at(i);
        json_t *suites = json_array();
        char name[CELL_NAME_MAX];
        if (!str_eq(d->workload, w->name)) {
            json_decref(suites);
            continue;
        }
        cell_def_name(d, name);
        for (size_t j = 0; j < suite_count(); j++)
            if (d->suites & suite_at(j)->bit)
                json_array_append_new(suites, json_string(suite_at(j)->name));
        json_array_append_new(
            a, json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "name", name, "cpus",
                         cpus_kind_name(d->cpus), "workers", d->worker_per_cpu ? "per-cpu" : "one",
                         "place", place_name(d->place), "presets", d->presets, "suites", suites));
    }
    return a;
}

static void apps_json(const struct plan *known, json_t *all);

static void workloads_json(const struct plan *known, struct str *out)
{
    json_t *a = json_array();

    for (size_t i = 0; i < workload_count(); i++) {
        const struct workload *w = workload_at(i);
        json_array_append_new(a, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:o, s:o}",
                                           "name", w->name, "family", w->family, "measures",
                                           w->title, "operation", w->op, "unit", "ns/op", "better",
                                           better_name(BETTER_LOWER), "grain", grain_name(w->grain),
                                           "latency", w->latency, "parameters", params_json(w),
                                           "cells", cells_json(w)));
    }
    apps_json(known, a);
    char *text = json_dumps(a, JSON_INDENT(1));
    str_add(out, text);
    str_addc(out, '\n');
    free(text);
    json_decref(a);
}

/* ---- applications ---- */

static void app_text(const struct app *a, const struct style *s, struct str *out)
{
    _cleanup_(str_release) struct str lead = STR_INIT, title = STR_INIT;

    text_pad(&lead, a->name, NAME_WIDTH, false);
    str_addf(&title, "%s; an application, runs whole, once a block", a->title);
    for (size_t i = 0; i < a->aliases.n; i++)
        str_addf(&title, "%s%s", i ? ", " : "; also: ", a->aliases.v[i]);
    text_wrap(out, s, lead.buf, NAME_WIDTH, title.buf);
    for (size_t i = 0; i < a->n_metrics; i++) {
        const struct app_metric *m = &a->metrics[i];
        str_add(out, "      ");
        text_pad(out, m->cell, 22, false);
        str_addf(out, " %s, %s is better\n", m->unit, better_name(m->better));
    }
    params_text_of(&a->metrics[0].workload, s, out);
}

static bool app_matches(const struct app *a, const char *pattern)
{
    bool yes = str_glob(pattern, a->name) || app_answers_to(a, pattern);
    for (size_t i = 0; i < a->n_metrics; i++)
        yes = yes || str_glob(pattern, a->metrics[i].cell);
    return yes;
}

static void apps_json(const struct plan *known, json_t *all)
{
    for (size_t k = 0; k < known->apps.n; k++)
        for (size_t i = 0; i < known->apps.v[k]->n_metrics; i++) {
            const struct app_metric *m = &known->apps.v[k]->metrics[i];
            json_array_append_new(
                all, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:o, s:[s]}", "name",
                               m->cell, "family", m->workload.family, "measures", m->workload.title,
                               "operation", m->workload.op, "unit", m->unit, "better",
                               better_name(m->better), "grain", grain_name(GRAIN_WHOLE), "latency",
                               0, "parameters", params_json(&m->workload), "cells", m->cell));
        }
}

static int workloads_run(struct cli *cli, const struct options *o, struct err *err)
{
    _cleanup_(str_release) struct str out = STR_INIT;
    _cleanup_(plan_release) struct plan known;
    bool shown = false;

    plan_init(&known);
    int r = apps_know_all(&known, err);
    if (r < 0)
        return r;
    if (options_flag(o, "json")) {
        workloads_json(&known, &out);
        return cli_print(&out, err);
    }
    const char *pattern = o->operands.n ? o->operands.v[0] : "*";
    for (size_t i = 0; i < workload_count(); i++) {
        const struct workload *w = workload_at(i);
        if (!str_glob(pattern, w->name) && !str_eq(pattern, w->family))
            continue;
        workload_text(w, &cli->out, &out);
        shown = true;
    }
    for (size_t k = 0; k < known.apps.n; k++) {
        if (!app_matches(known.apps.v[k], pattern))
            continue;
        app_text(known.apps.v[k], &cli->out, &out);
        shown = true;
    }
    if (!shown) {
        const char *names[256];
        size_t n = 0;
        for (size_t i = 0; i < workload_count() && n < ARRAY_SIZE(names); i++)
            names[n++] = workload_at(i)->name;
        const char *near = str_nearest(pattern, names, n);
        return err_set(err, ERR_USAGE, EINVAL, "no workload \"%s\"%s%s%s", pattern,
                       near ? "; did you mean " : " (cupel workloads lists all)", near ? near : "",
                       near ? "?" : "");
    }
    return cli_print(&out, err);
}

static const struct option_def workloads_options[] = {
    {.name = "json", .kind = OPTION_FLAG, .help = "the whole catalogue as JSON"},
};

static const struct example workloads_examples[] = {
    {"cupel workloads", "all of them, with their cells and parameters"},
    {"cupel workloads 'mem.*'", "one family"},
};

const struct command cmd_workloads = {
    .name = "workloads",
    .summary = "what can be measured: workloads, their cells and parameters",
    .description =
        "Lists every workload: what it measures, the unit, which way is better, the cells "
        "it is measured in (CPU set, workers and place are part of a cell's name, since "
        "they decide verdicts) with the suites they belong to, and its parameters.",
    .operands = "[PATTERN]",
    .max_operands = 1,
    .options = workloads_options,
    .n_options = ARRAY_SIZE(workloads_options),
    .examples = workloads_examples,
    .n_examples = ARRAY_SIZE(workloads_examples),
    .run = workloads_run,
};
