/* cupel export: a run for other programs, or its plan for another machine. */
#include "cli/commands.h"

#include "report/report.h"
#include "store/exchange.h"

#include <errno.h>

static int export_json(struct store *s, int64_t run, struct str *out, struct err *err)
{
    _cleanup_(analysis_release) struct analysis a = {0};
    _cleanup_(report_more_release) struct report_more more = {.has_trade = false};
    json_t *document;
    int r = analyse_run(s, run, &a, err);

    if (r >= 0)
        r = report_more_read(s, &a, false, &more, err);
    if (r >= 0)
        r = exchange_export(s, run, report_whole_json(&a, &more), &document, err);
    if (r < 0)
        return r;
    report_json_text(document, out);
    return 0;
}

static int export_csv(struct store *s, int64_t run, bool summary, struct str *out, struct err *err)
{
    _cleanup_(analysis_release) struct analysis a = {0};
    int r;

    if (!summary)
        return report_samples_csv(s, run, out, err);
    r = analyse_run(s, run, &a, err);
    if (r >= 0)
        report_summary_csv(&a, out);
    return r;
}

static int export_plan(struct store *s, int64_t run, struct str *out, struct err *err)
{
    _cleanup_(run_head_release) struct run_head head;
    int r;

    run_head_init(&head);
    r = store_run_head(s, run, &head, err);
    return r < 0 ? r : plan_format(&head.plan, out, err);
}

static int export_run(struct cli *cli, const struct options *o, struct err *err)
{
    _cleanup_(store_closep) struct store *s = NULL;
    _cleanup_(str_release) struct str out = STR_INIT;
    const char *format = options_text(o, "format", "json"), *file = options_text(o, "output", NULL);
    bool summary = options_flag(o, "summary");
    int64_t run;
    int r;

    if (summary && !str_eq(format, "csv"))
        return err_set(err, ERR_USAGE, EINVAL,
                       "--summary goes with --format csv; json has its summary anyway");
    r = file ? cli_check_writable(file, err) : 0;
    if (r >= 0)
        r = cli_open_read(o, &s, err);
    if (r >= 0)
        r = store_run_find(s, o->operands.n ? o->operands.v[0] : NULL, &run, err);
    if (r < 0)
        return r;
    if (str_eq(format, "csv"))
        r = export_csv(s, run, summary, &out, err);
    else if (str_eq(format, "plan"))
        r = export_plan(s, run, &out, err);
    else
        r = export_json(s, run, &out, err);
    return r < 0 ? r : cli_output(file, &out, err);
}

static const struct option_def export_options[] = {
    {.name = "format",
     .letter = 'f',
     .arg = "FORMAT",
     .kind = OPTION_CHOICE,
     .choices = "json|csv|plan",
     .help = "json (default): the exchange form, which import reads; csv: a line per sample; plan: "
             "the run written down, for run --plan"},
    {.name = "summary",
     .kind = OPTION_FLAG,
     .help = "with csv: a line per cell and target, with estimates and verdicts"},
    OPTION_OUTPUT,
    OPTION_DB,
};

static const struct example export_examples[] = {
    {"cupel export r7 --output r7.json", "everything about a run, to keep or to carry elsewhere"},
    {"cupel export r7 --format csv --summary", "one line per cell and target"},
    {"cupel export r7 --format plan > nightly.yaml", "the plan, to measure the same again"},
};

const struct command cmd_export = {
    .name = "export",
    .summary = "write a run as JSON, CSV or a plan",
    .description =
        "Writes a run for other programs. The JSON form has every sample and all metadata, "
        "and under \"summary\" the estimates: ratio and interval, mean, sample variance, "
        "n, the overhead |virt - native| / native and its signed form.",
    .operands = "[RUN]",
    .max_operands = 1,
    .options = export_options,
    .n_options = ARRAY_SIZE(export_options),
    .examples = export_examples,
    .n_examples = ARRAY_SIZE(export_examples),
    .run = export_run,
};
