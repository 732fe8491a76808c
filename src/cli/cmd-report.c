/* cupel report: a whole run to look at and to hand on. */
#include "cli/commands.h"

#include "report/report.h"

#include <errno.h>
#include <unistd.h>

static int write_report(struct store *s, int64_t run, const char *format, bool emulated_too,
                        struct str *out, struct err *err)
{
    _cleanup_(analysis_release) struct analysis a = {0};
    _cleanup_(report_more_release) struct report_more more = {.has_trade = false};
    int r = analyse_run_with(s, run, emulated_too, &a, err);

    if (r == 0)
        r = report_more_read(s, &a, false, &more, err);
    if (r < 0)
        return r;
    if (str_eq(format, "html"))
        return report_html(s, &a, &more, out, err);
    if (str_eq(format, "md"))
        report_markdown_full(&a, &more, out);
    else if (str_eq(format, "csv"))
        report_summary_csv(&a, out);
    else
        report_json_text(report_whole_json(&a, &more), out);
    return 0;
}

static int report_run(struct cli *cli, const struct options *o, struct err *err)
{
    _cleanup_(store_closep) struct store *s = NULL;
    _cleanup_(str_release) struct str out = STR_INIT;
    const char *format = options_text(o, "format", "html"), *file = options_text(o, "output", NULL);
    int64_t run;
    int r;

    if (!file && str_eq(format, "html") && isatty(STDOUT_FILENO))
        return err_set(err, ERR_USAGE, EINVAL,
                       "a page is for a browser, not for a terminal: give --output report.html");
    r = file ? cli_check_writable(file, err) : 0;
    if (r >= 0)
        r = cli_open_read(o, &s, err);
    if (r >= 0)
        r = store_run_find(s, o->operands.n ? o->operands.v[0] : NULL, &run, err);
    if (r >= 0)
        r = write_report(s, run, format, options_flag(o, "emulated-too"), &out, err);
    return r < 0 ? r : cli_output(file, &out, err);
}

static const struct option_def report_options[] = {
    OPTION_OUTPUT,
    {.name = "format",
     .letter = 'f',
     .arg = "FORMAT",
     .kind = OPTION_CHOICE,
     .choices = "html|md|csv|json",
     .help = "html (default): one page with everything in it, which loads nothing from anywhere; "
             "md: the same in words and tables, for a pull request or an appendix; csv, json: the "
             "estimates and verdicts"},
    OPTION_EMULATED_TOO,
    OPTION_DB,
};

static const struct example report_examples[] = {
    {"cupel report --output report.html", "the latest run as a page"},
    {"cupel report r7 --format md > r7.md", "for a pull request"},
};

const struct command cmd_report = {
    .name = "report",
    .summary = "a whole run as a page to look at and to hand on, or as Markdown",
    .description =
        "Writes a stored run as one HTML file: the answers in plain words, a table of all "
        "workloads and targets, behind every cell its samples, its proof and the command "
        "that measures it again, and a chapter of charts for each experiment. It needs no "
        "network and no other file. RUN is r7, 7 or the beginning of a run's uuid; the "
        "latest one if it is left out.",
    .operands = "[RUN]",
    .max_operands = 1,
    .options = report_options,
    .n_options = ARRAY_SIZE(report_options),
    .examples = report_examples,
    .n_examples = ARRAY_SIZE(report_examples),
    .run = report_run,
};
