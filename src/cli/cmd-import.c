/* cupel import: a run that was exported, here or elsewhere. */
#include "cli/commands.h"

#include "base/fd.h"
#include "store/exchange.h"

static int import_run(struct cli *cli, const struct options *o, struct err *err)
{
    _cleanup_(store_closep) struct store *s = NULL;
    _cleanup_(str_release) struct str text = STR_INIT, out = STR_INIT;
    const char *file = o->operands.v[0];
    int64_t run;
    int r = str_eq(file, "-") ? fd_read_all(STDIN_FILENO, EXCHANGE_MAX_BYTES, &text, err)
                              : file_read(file, EXCHANGE_MAX_BYTES, &text, err);

    if (r >= 0)
        r = cli_open_write(o, &s, err);
    if (r >= 0)
        r = exchange_import(s, text.buf, text.len, str_eq(file, "-") ? "standard input" : file,
                            &run, err);
    if (r < 0)
        return r;
    str_addf(&out, "imported as r%lld\n", (long long)run);
    return cli_print(&out, err);
}

static const struct option_def import_options[] = {OPTION_DB};

static const struct example import_examples[] = {
    {"cupel import r7.json", "a run from another machine, to be shown here"},
};

const struct command cmd_import = {
    .name = "import",
    .summary = "read a run that export wrote",
    .description =
        "Adds an exported run to the results. The file is checked as a whole first: either "
        "all of it is stored or nothing. A run that is there already is refused. - reads "
        "standard input.",
    .operands = "FILE",
    .min_operands = 1,
    .max_operands = 1,
    .options = import_options,
    .n_options = ARRAY_SIZE(import_options),
    .examples = import_examples,
    .n_examples = ARRAY_SIZE(import_examples),
    .run = import_run,
};
