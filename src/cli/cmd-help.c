/* cupel help: the overview, one command's help, or the manual page and the completion to be stored.
 */
#include "cli/help.h"

static int help_run(struct cli *cli, const struct options *o, struct err *err)
{
    _cleanup_(str_release) struct str out = STR_INIT;
    const struct command *c;
    int r;

    if (options_flag(o, "man")) {
        help_mdoc(&out);
    } else if (options_flag(o, "bash")) {
        help_bash(&out);
    } else if (o->operands.n) {
        r = command_find(o->operands.v[0], &c, err);
        if (r < 0)
            return r;
        help_command(c, &cli->out, &out);
    } else {
        help_overview(&cli->out, &out);
    }
    return cli_print(&out, err);
}

static const struct option_def help_options[] = {
    {.name = "man", .kind = OPTION_FLAG, .help = "print the manual page (mdoc)"},
    {.name = "bash", .kind = OPTION_FLAG, .help = "print a completion script for bash"},
};

static const struct example help_examples[] = {
    {"cupel help run", "what run can do"},
    {"cupel help --man | man -l -", "the manual, without installing it"},
};

const struct command cmd_help = {
    .name = "help",
    .summary = "what cupel can do, or what COMMAND takes",
    .description = "Prints an overview of the commands, or the options of one of them.",
    .operands = "[COMMAND]",
    .max_operands = 1,
    .options = help_options,
    .n_options = ARRAY_SIZE(help_options),
    .examples = help_examples,
    .n_examples = ARRAY_SIZE(help_examples),
    .run = help_run,
};
