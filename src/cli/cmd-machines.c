/* cupel machines: runs of many machines in one table. */
#include "cli/commands.h"
#include "cli/run-list.h"

#include "report/machines.h"

#include <errno.h>

static int find_runs(struct store *s, const struct options *o, struct run_list *ret,
                     struct err *err)
{
    int r = 0;

    if (o->operands.n == 0) {
        r = machines_latest(s, &ret->v, &ret->n, err);
        ret->cap = ret->n;
    }
    for (size_t i = 0; r == 0 && i < o->operands.n; i++)
        r = run_list_add(s, o->operands.v[i], 0, ret, err);
    return r;
}

static int read_machines(struct store *s, const struct options *o, struct machines *ret,
                         struct err *err)
{
    struct run_list runs = VEC_INIT;
    struct machines_request q = {.theta = options_fraction(o, "theta", 0),
                                 .absolute = options_flag(o, "absolute"),
                                 .force = options_flag(o, "force")};
    int r = 0;

    if (q.theta > PLAN_FRACTION_MAX)
        return err_set(err, ERR_USAGE, ERANGE, "--theta: \"%s\" is more than %g%%",
                       options_text(o, "theta", ""), 100 * PLAN_FRACTION_MAX);
    r = find_runs(s, o, &runs, err);
    q.runs = runs.v;
    q.n = runs.n;
    if (r == 0)
        r = machines_read(s, &q, ret, err);
    VEC_RELEASE(&runs);
    return r;
}

static enum machines_by wanted_rows(const struct options *o)
{
    const char *by = options_text(o, "by", "");

    return str_eq(by, "all")       ? MACHINES_BY_ALL
           : str_eq(by, "kind")    ? MACHINES_BY_KIND
           : str_eq(by, "machine") ? MACHINES_BY_MACHINE
                                   : MACHINES_BY_DEFAULT;
}

static int machines_run(struct cli *cli, const struct options *o, struct err *err)
{
    _cleanup_(store_closep) struct store *s = NULL;
    _cleanup_(machines_release) struct machines m = {.n = 0};
    _cleanup_(str_release) struct str out = STR_INIT;
    const struct report_options ro = {.style = cli->out, .db = cli_db_hint(o)};
    const char *format = options_text(o, "format", "term"), *file = options_text(o, "output", NULL);
    int r = file ? cli_check_writable(file, err) : 0;

    if (r >= 0)
        r = cli_open_read(o, &s, err);
    if (r >= 0)
        r = read_machines(s, o, &m, err);
    if (r < 0)
        return r;
    if (options_flag(o, "json") || str_eq(format, "json"))
        report_json_text(report_machines_json(&m), &out);
    else if (str_eq(format, "csv"))
        report_machines_csv(&m, &out);
    else if (str_eq(format, "md"))
        report_machines_markdown(&m, wanted_rows(o), &out);
    else
        report_machines(&m, wanted_rows(o), &ro, &out);
    return cli_output(file, &out, err);
}

static const struct option_def machines_options[] = {
    {.name = "by",
     .arg = "ROWS",
     .kind = OPTION_CHOICE,
     .choices = "all|kind|machine",
     .help = "rows: all machines together, each kind of them (processor, CPUs, memory, "
             "architecture), or each machine; default: machine for fewer than 5, kind where there "
             "are several, else all"},
    {.name = "theta",
     .arg = "FRACTION",
     .kind = OPTION_FRACTION,
     .help = "differences up to this much are alike; default: the runs' own"},
    {.name = "absolute",
     .kind = OPTION_FLAG,
     .help = "the values themselves instead of ratios to a base; so it is where no run has another "
             "target than its base (pods that measured their own sandbox)"},
    {.name = "force",
     .kind = OPTION_FLAG,
     .help = "also where base, limits or probe differ, so that ratios do not mean the same"},
    {.name = "format",
     .letter = 'f',
     .arg = "FORMAT",
     .kind = OPTION_CHOICE,
     .choices = "term|md|csv|json",
     .help = "term (default), md; csv: a line a machine, cell and target; json: every figure"},
    {.name = "json", .kind = OPTION_FLAG, .help = "the same as --format json"},
    OPTION_OUTPUT,
    OPTION_DB,
};

static const struct example machines_examples[] = {
    {"cupel machines", "the latest run of every machine, as import brought them"},
    {"cupel machines r4..r9 --by machine", "six runs, each by itself"},
    {"cupel machines --format csv > figures.csv", "for a warehouse"},
};

const struct command cmd_machines = {
    .name = "machines",
    .summary = "runs of many machines: what holds of them, which are unlike",
    .description =
        "Puts runs of many machines into one table: the mean over machines of what each target "
        "costs against the base of its own run, with intervals over machines, for all of them and "
        "for each kind. Fewer than 5 are shown one by one, and nothing is claimed beyond them. "
        "Machines that failed, whose runs are partial, that stand apart or are set up otherwise "
        "are named. RUN is as in compare, r4..r9 a range; without any, the latest run of every "
        "machine in the results.",
    .operands = "[RUN...]",
    .max_operands = SIZE_MAX,
    .options = machines_options,
    .n_options = ARRAY_SIZE(machines_options),
    .examples = machines_examples,
    .n_examples = ARRAY_SIZE(machines_examples),
    .run = machines_run,
};
