/* cupel compare: several runs against several others. */
#include "cli/commands.h"
#include "cli/run-list.h"

#include "report/compare.h"

#include <errno.h>

static int find_side(struct store *s, const struct options *o, enum compare_side_name side,
                     struct run_list *inout, struct err *err)
{
    int r = run_list_add(s, o->operands.v[side], inout->n + COMPARE_RUNS_MAX, inout, err);

    return r < 0 ? err_wrap(err, "%s", side == SIDE_A ? "A" : "B") : 0;
}

static int compare_read(struct store *s, const struct options *o, struct compare *ret,
                        struct err *err)
{
    const char *primary[64];
    struct compare_request q = {.theta = options_fraction(o, "theta", 0),
                                .primary = primary,
                                .absolute = options_flag(o, "absolute"),
                                .force = options_flag(o, "force")};

    if (q.theta > PLAN_FRACTION_MAX)
        return err_set(err, ERR_USAGE, ERANGE, "--theta: \"%s\" is more than %g%%",
                       options_text(o, "theta", ""), 100 * PLAN_FRACTION_MAX);
    for (const char *p; (p = options_nth(o, "primary", q.n_primary));) {
        if (q.n_primary == ARRAY_SIZE(primary))
            return err_set(err, ERR_USAGE, E2BIG, "--primary: more than %zu", ARRAY_SIZE(primary));
        primary[q.n_primary++] = p;
    }
    struct run_list runs = VEC_INIT;
    int r = find_side(s, o, SIDE_A, &runs, err);
    q.n[SIDE_A] = runs.n;
    if (r == 0)
        r = find_side(s, o, SIDE_B, &runs, err);
    q.n[SIDE_B] = runs.n - q.n[SIDE_A];
    q.runs = runs.v;
    if (r == 0)
        r = compare_runs(s, &q, ret, err);
    VEC_RELEASE(&runs);
    return r;
}

static int compare_run(struct cli *cli, const struct options *o, struct err *err)
{
    _cleanup_(store_closep) struct store *s = NULL;
    _cleanup_(compare_release) struct compare c = {.n_runs = 0};
    _cleanup_(str_release) struct str out = STR_INIT;
    const struct report_options ro = {.style = cli->out, .db = cli_db_hint(o)};
    const char *format = options_text(o, "format", "term"), *file = options_text(o, "output", NULL);
    int r = file ? cli_check_writable(file, err) : 0;

    if (r >= 0)
        r = cli_open_read(o, &s, err);
    if (r >= 0)
        r = compare_read(s, o, &c, err);
    if (r < 0)
        return r;
    if (options_flag(o, "json") || str_eq(format, "json"))
        report_json_text(report_compare_json(&c), &out);
    else if (str_eq(format, "csv"))
        report_compare_csv(&c, &out);
    else if (str_eq(format, "md"))
        report_compare_markdown(&c, &out);
    else
        report_compare(&c, &ro, &out);
    return cli_output(file, &out, err);
}

static const struct option_def compare_options[] = {
    {.name = "primary",
     .arg = "CELL",
     .kind = OPTION_TEXT,
     .repeatable = true,
     .help = "what it is about, declared before looking: a cell, a workload, a family or a glob; "
             "these are held to Holm's procedure, all others to Benjamini and Hochberg's"},
    {.name = "theta",
     .arg = "FRACTION",
     .kind = OPTION_FRACTION,
     .help = "differences up to this much are alike; default: the runs' own"},
    {.name = "absolute",
     .kind = OPTION_FLAG,
     .help = "the values themselves, where there is no base to take a ratio to (pods that measured "
             "their own sandbox): whatever else the machines did is in them"},
    {.name = "force",
     .kind = OPTION_FLAG,
     .help = "also where base, architecture, limits or probe differ, so that ratios do not mean "
             "the same"},
    {.name = "format",
     .letter = 'f',
     .arg = "FORMAT",
     .kind = OPTION_CHOICE,
     .choices = "term|md|csv|json",
     .help = "term (default); md, for a pull request; csv, json: every figure"},
    {.name = "json", .kind = OPTION_FLAG, .help = "the same as --format json"},
    OPTION_OUTPUT,
    OPTION_DB,
};

static const struct example compare_examples[] = {
    {"cupel compare r1,r2,r3 r4,r5,r6", "three runs before an upgrade, three after it"},
    {"cupel compare r1,r3,r5 r2,r4,r6 --primary sys.getpid", "made in turns, with one question"},
    {"cupel compare r1,r2,r3 r4,r5,r6 --format md > upgrade.md", "for a pull request"},
    {"cupel compare r1..r5 r6..r10 --absolute", "pods of one RuntimeClass, pods of another"},
};

const struct command cmd_compare = {
    .name = "compare",
    .summary = "several runs against several others: what has become dearer",
    .description =
        "Compares what each target costs against the base of its own run, in the runs A and in "
        "the runs B, each a list of runs as show names them, with commas between. The run is what "
        "is repeated: intervals are over runs, and fewer than 3 a side give no verdict. What "
        "differs between the runs' environments is listed field by field. Runs of another machine "
        "come in by import. Where both variants can be had on one machine, one run that measures "
        "both in turns tells more, and sooner.",
    .operands = "A B",
    .min_operands = 2,
    .max_operands = 2,
    .options = compare_options,
    .n_options = ARRAY_SIZE(compare_options),
    .examples = compare_examples,
    .n_examples = ARRAY_SIZE(compare_examples),
    .run = compare_run,
};
