/* cupel selftest: does it keep what it promises, on this machine as built here? */
#include "cli/commands.h"

#include "base/log.h"
#include "report/report.h"

#include <unistd.h>

#define REPLICATES       2000
#define REPLICATES_LEAST 100
#define REPLICATES_MOST  100000

/* One line that is written over on a terminal; else one for each kind of figure. */
struct told {
    const struct cli *cli;
    char what[64];
};

static void tell(void *user, const struct sim_row *row, size_t rows)
{
    struct told *t = user;

    if (t->cli->chatter_live) {
        _cleanup_(str_release) struct str line = STR_INIT;
        str_addf(&line, "\r\033[K%zu of %d: %s, %s", rows, SIM_TABLE_ROWS, row->what, row->noise);
        if (rows == SIM_TABLE_ROWS)
            str_add(&line, "\r\033[K");
        (void)!write(STDERR_FILENO, line.buf, line.len);
    } else if (!str_eq(t->what, row->what)) {
        log_notice("%zu of %d: %s", rows, SIM_TABLE_ROWS, row->what);
    }
    str_copy(t->what, sizeof(t->what), row->what);
}

static int statistics(struct cli *cli, const struct options *o, bool *ret_pass, struct err *err)
{
    const char *format = options_text(o, "format", "term");
    _cleanup_(sim_table_release) struct sim_table table = {NULL, 0, false};
    _cleanup_(str_release) struct str out = STR_INIT;
    struct told told = {.cli = cli};
    int r = sim_table_run(options_u64(o, "replicates", REPLICATES), options_u64(o, "seed", 1), tell,
                          &told, &table, err);

    if (r < 0)
        return r;
    if (str_eq(format, "json"))
        report_json_text(report_selftest_json(&table), &out);
    else if (str_eq(format, "md"))
        report_selftest_markdown(&table, &out);
    else
        report_selftest(&table, &cli->out, &out);
    *ret_pass = table.pass;
    return cli_print(&out, err);
}

/* Another test is a flag of its own beside --stats, and a call here. */
static int selftest_run(struct cli *cli, const struct options *o, struct err *err)
{
    bool pass = false;
    int r = statistics(cli, o, &pass, err);

    return r < 0 ? r : pass ? 0 : EXIT_OUT_OF_BOUNDS;
}

static const struct option_def selftest_options[] = {
    {.name = "stats",
     .kind = OPTION_FLAG,
     .help = "coverage, false alarms and power of intervals, stopping rule, tests and gate on "
             "simulated noise of known truth (the default: there is no other test yet)"},
    {.name = "replicates",
     .arg = "N",
     .kind = OPTION_COUNT,
     .min = REPLICATES_LEAST,
     .max = REPLICATES_MOST,
     .help = "simulated runs for each figure, default 2000; with fewer the bounds are wider"},
    {.name = "seed",
     .arg = "N",
     .kind = OPTION_COUNT,
     .min = 0,
     .max = INT64_MAX,
     .help = "of the simulated noise, default 1: the same seed gives the same figures"},
    {.name = "format",
     .letter = 'f',
     .arg = "FORMAT",
     .kind = OPTION_CHOICE,
     .choices = "term|md|json",
     .help = "term (default), md, json"},
};

static const struct example selftest_examples[] = {
    {"cupel selftest --stats", "does the arithmetic keep its promises?"},
    {"cupel selftest --stats --replicates 20000 --seed 7", "the same, to a third of the error"},
};

const struct command cmd_selftest = {
    .name = "selftest",
    .summary = "does cupel's arithmetic keep what it promises?",
    .description =
        "Sends simulated noise of known truth through the functions that judge real runs, and "
        "counts: "
        "how often an interval holds the truth, how often there is an alarm about nothing, how "
        "often "
        "what is there is found; and that what the procedure forbids does go wrong. Nothing is "
        "measured. Exit status 1 if a figure leaves its bound.",
    .operands = "",
    .options = selftest_options,
    .n_options = ARRAY_SIZE(selftest_options),
    .examples = selftest_examples,
    .n_examples = ARRAY_SIZE(selftest_examples),
    .run = selftest_run,
};
