/* cupel runs: what is stored. */
#include "cli/commands.h"

#include "base/time.h"
#include "report/report.h"
#include "report/units.h"

#include <jansson.h>

struct listing {
    struct str lines;
    json_t *array;
    const struct style *style;
};

static void put_text(struct listing *l, const struct run_head *h, size_t n_trials)
{
    char host[80], when[21], took[UNIT_TEXT] = "", id[RUN_ID_MAX];

    report_hostname(h, host, sizeof(host));
    time_iso(h->started_real_ns, when);
    if (h->ended_real_ns > h->started_real_ns)
        unit_elapsed(h->ended_real_ns - h->started_real_ns, took);
    str_format(id, sizeof(id), "r%lld", (long long)h->id);
    text_pad(&l->lines, id, 6, false);
    str_addf(&l->lines, "%s  ", when);
    text_pad(&l->lines, took, 8, true);
    str_add(&l->lines, "  ");
    text_pad(&l->lines, h->status, 12, false);
    str_add(&l->lines, "  ");
    text_pad(&l->lines, host, 16, false);
    str_addf(&l->lines, "  %s%s%zu targets %s %zu cells, %zu trials\n", h->plan.suite,
             h->plan.suite[0] ? ": " : "", h->plan.targets.n, style_glyph(l->style, GLYPH_TIMES),
             h->plan.cells.n, n_trials);
}

static int add_run(void *user, const struct run_head *h, size_t n_trials)
{
    struct listing *l = user;
    char host[80], when[21], id[RUN_ID_MAX];

    if (!l->array) {
        put_text(l, h, n_trials);
        return 0;
    }
    report_hostname(h, host, sizeof(host));
    time_iso(h->started_real_ns, when);
    str_format(id, sizeof(id), "r%lld", (long long)h->id);
    json_t *targets = json_array();
    VEC_FOREACH (&h->plan.targets, const struct target, t)
        json_array_append_new(targets, json_string(t->label));
    json_array_append_new(l->array,
                          json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:I, s:I}", "run", id,
                                    "uuid", h->uuid, "started", when, "status", h->status, "host",
                                    host, "suite", h->plan.suite, "targets", targets, "cells",
                                    (json_int_t)h->plan.cells.n, "trials", (json_int_t)n_trials));
    return 0;
}

static int runs_run(struct cli *cli, const struct options *o, struct err *err)
{
    _cleanup_(store_closep) struct store *s = NULL;
    struct listing l = {.lines = STR_INIT, .style = &cli->out};
    bool json = options_flag(o, "json");
    int r = cli_open_read(o, &s, err);

    if (r < 0)
        return r;
    if (json)
        l.array = json_array();
    r = store_runs(s, add_run, &l, err);
    if (r >= 0 && json) {
        char *text = json_dumps(l.array, JSON_INDENT(1));
        str_addf(&l.lines, "%s\n", text);
        free(text);
    } else if (r >= 0 && l.lines.len == 0) {
        str_add(&l.lines, "no runs yet\n");
    }
    json_decref(l.array);
    if (r >= 0)
        r = cli_print(&l.lines, err);
    str_release(&l.lines);
    return r;
}

static const struct option_def runs_options[] = {
    {.name = "json", .kind = OPTION_FLAG, .help = "as JSON"},
    OPTION_DB,
};

static const struct example runs_examples[] = {
    {"cupel runs", "all stored runs, with when, where and how they ended"},
};

const struct command cmd_runs = {
    .name = "runs",
    .summary = "list the stored runs",
    .description =
        "Lists the runs in the results file: when, how long, how they ended, where, what.",
    .operands = "",
    .options = runs_options,
    .n_options = ARRAY_SIZE(runs_options),
    .examples = runs_examples,
    .n_examples = ARRAY_SIZE(runs_examples),
    .run = runs_run,
};
