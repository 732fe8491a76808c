/* cupel show: a stored run as a table, or one of its cells in detail. */
#include "cli/commands.h"

#include "report/report.h"

#include <errno.h>

static int find_cell(const struct analysis *a, const char *name, uint32_t *ret, struct err *err)
{
    _cleanup_free_ const char **names = xcalloc(a->n_cells + 1, sizeof(*names));

    for (uint32_t i = 0; i < a->n_cells; i++) {
        names[i] = a->head.plan.cells.v[i].name;
        if (str_eq(names[i], name)) {
            *ret = i;
            return 0;
        }
    }
    const char *near = str_nearest(name, names, a->n_cells);
    return err_set(err, ERR_USAGE, EINVAL, "r%lld has no cell \"%s\"%s%s%s", (long long)a->head.id,
                   name, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static int find_target(const struct analysis *a, const char *name, uint32_t *ret, struct err *err)
{
    _cleanup_free_ const char **names = xcalloc(a->n_targets + 1, sizeof(*names));

    for (uint32_t i = 0; i < a->n_targets; i++) {
        names[i] = a->head.plan.targets.v[i].label;
        if (str_eq(names[i], name)) {
            *ret = i;
            return 0;
        }
    }
    const char *near = str_nearest(name, names, a->n_targets);
    return err_set(err, ERR_USAGE, EINVAL, "r%lld has no target \"%s\"%s%s%s",
                   (long long)a->head.id, name, near ? "; did you mean " : "", near ? near : "",
                   near ? "?" : "");
}

static int show_cell(struct store *s, const struct analysis *a, const char *spec,
                     const struct report_options *ro, bool json, struct str *out, struct err *err)
{
    const char *comma = strchr(spec, ',');
    uint32_t cell = 0, target = a->head.base;
    json_t *o;
    int r;

    if (!comma && a->n_targets > 2)
        return err_set(err, ERR_USAGE, EINVAL, "--cell wants CELL,TARGET, e.g. --cell %s,%s",
                       a->n_cells ? a->head.plan.cells.v[0].name : "sys.getpid",
                       a->head.plan.targets.v[a->n_targets - 1].label);
    _cleanup_free_ char *name = xstrndup(spec, comma ? (size_t)(comma - spec) : strlen(spec));
    r = find_cell(a, name, &cell, err);
    if (r >= 0 && comma)
        r = find_target(a, comma + 1, &target, err);
    else if (a->n_targets == 2)
        target = 1 - a->head.base;
    if (r < 0)
        return r;
    if (!json)
        return report_cell(s, a, cell, target, ro, out, err);
    r = report_cell_json(s, a, cell, target, &o, err);
    if (r >= 0)
        report_json_text(o, out);
    return r;
}

/* Cost, reach and loss alone. */
static void show_trade(const struct analysis *a, const struct trade *t,
                       const struct report_options *ro, const char *format, struct str *out)
{
    if (str_eq(format, "json"))
        report_json_text(report_trade_json(a, t), out);
    else if (str_eq(format, "csv"))
        report_trade_csv(a, t, out);
    else if (str_eq(format, "md"))
        report_trade_markdown(a, t, out);
    else
        report_trade(a, t, ro, out);
}

static int show_whole(struct store *s, const struct analysis *a, const struct report_options *ro,
                      const char *format, bool trade, struct str *out, struct err *err)
{
    _cleanup_(report_more_release) struct report_more more = {.has_trade = false};

    if (str_eq(format, "runtimeclass"))
        return report_runtimeclass(s, a, out, err);
    if (str_eq(format, "csv") && !trade) {
        report_summary_csv(a, out);
        return 0;
    }
    int r = report_more_read(s, a, trade, &more, err);
    if (r < 0)
        return r;
    if (trade)
        show_trade(a, &more.trade, ro, format, out);
    else if (str_eq(format, "json"))
        report_json_text(report_whole_json(a, &more), out);
    else if (str_eq(format, "md"))
        report_markdown(a, &more, ro, out);
    else
        report_table(a, &more, ro, out);
    return 0;
}

static int show_run(struct cli *cli, const struct options *o, struct err *err)
{
    _cleanup_(store_closep) struct store *s = NULL;
    _cleanup_(analysis_release) struct analysis a = {0};
    _cleanup_(str_release) struct str out = STR_INIT;
    const struct report_options ro = {
        .style = cli->out,
        .absolute = options_flag(o, "absolute"),
        .db = cli_db_hint(o),
    };
    const char *format = options_text(o, "format", "term"), *cell = options_text(o, "cell", NULL);
    bool json = options_flag(o, "json") || str_eq(format, "json");
    int64_t run;
    int r = cli_open_read(o, &s, err);

    if (r >= 0)
        r = store_run_find(s, o->operands.n ? o->operands.v[0] : NULL, &run, err);
    if (r >= 0)
        r = analyse_run_with(s, run, options_flag(o, "emulated-too"), &a, err);
    if (r < 0)
        return r;
    if (cell && options_flag(o, "trade"))
        return err_set(err, ERR_USAGE, EINVAL,
                       "--trade is of all cells together: leave out --cell, or --trade");
    if (cell)
        r = show_cell(s, &a, cell, &ro, json, &out, err);
    else
        r = show_whole(s, &a, &ro, json ? "json" : format, options_flag(o, "trade"), &out, err);
    return r < 0 ? r : cli_print(&out, err);
}

static const struct option_def show_options[] = {
    {.name = "absolute",
     .letter = 'a',
     .kind = OPTION_FLAG,
     .help = "values with units and intervals instead of ratios"},
    {.name = "cell",
     .letter = 'c',
     .arg = "CELL,TARGET",
     .kind = OPTION_TEXT,
     .help = "one cell: its values, host CPU, the proof that it was this target, how to repeat it"},
    {.name = "format",
     .letter = 'f',
     .arg = "FORMAT",
     .kind = OPTION_CHOICE,
     .choices = "term|md|csv|json|runtimeclass",
     .help = "term (default), md, csv, json; runtimeclass: the overhead of pods as YAML for a "
             "cluster, from a run of the density suite"},
    {.name = "json", .kind = OPTION_FLAG, .help = "the same as --format json"},
    {.name = "trade",
     .kind = OPTION_FLAG,
     .help = "only what each target costs, reaches of the host and loses to a neighbour, beside "
             "each other; without this it ends the table of a run that has two of the three"},
    OPTION_EMULATED_TOO,
    OPTION_DB,
};

static const struct example show_examples[] = {
    {"cupel show", "the latest run"},
    {"cupel show r7 --absolute", "in ns and bytes/s"},
    {"cupel show r7 --cell sys.getpid,runsc:ptrace", "one cell, with its proof"},
    {"cupel show r7 --trade", "cost, reach and loss beside each other"},
    {"cupel show r7 --format md > table.md", "for an issue or a README"},
    {"cupel show r7 --format runtimeclass > overhead.yaml", "to be looked at and applied"},
};

const struct command cmd_show = {
    .name = "show",
    .summary = "a stored run as a table, or one of its cells in detail",
    .description =
        "Recomputes every estimate and verdict from the stored samples and shows them. RUN "
        "is r7, 7 or the beginning of a run's uuid; the latest one if it is left out.",
    .operands = "[RUN]",
    .max_operands = 1,
    .options = show_options,
    .n_options = ARRAY_SIZE(show_options),
    .examples = show_examples,
    .n_examples = ARRAY_SIZE(show_examples),
    .run = show_run,
};
