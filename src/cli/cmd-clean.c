/* cupel clean: everything cupel ever left on this machine, and nothing else. */
#include "cli/commands.h"

#include "base/log.h"
#include "ledger/ledger.h"

static void tell(void *user, const char *line)
{
    struct str *out = user;

    text_inert(out, line);
    str_addc(out, '\n');
}

static int clean_run(struct cli *cli, const struct options *o, struct err *err)
{
    _cleanup_(str_release) struct str state = STR_INIT, out = STR_INIT;
    struct clean_result res = {0};
    struct loop *loop;
    int r = ledger_state_dir(&state, err);

    if (r >= 0)
        r = loop_new(&loop, err);
    if (r < 0)
        return r;
    r = ledger_clean(state.buf, loop, tell, &out, &res, err);
    loop_free(loop);
    if (r < 0)
        return r;
    if (res.runs == 0 && res.unknown == 0 && res.live == 0)
        str_add(&out, "nothing to clean\n");
    else
        str_addf(&out,
                 "%u thing%s of %u run%s removed, %u failed, %u run%s alive and left alone, %u "
                 "not in any ledger and left alone\n",
                 res.removed, res.removed == 1 ? "" : "s", res.runs, res.runs == 1 ? "" : "s",
                 res.failed, res.live, res.live == 1 ? "" : "s", res.unknown);
    r = cli_print(&out, err);
    if (r < 0)
        return r;
    return res.failed ? EXIT_ENVIRONMENT : 0;
}

static const struct example clean_examples[] = {
    {"cupel clean", "after a crash: remove what is left; a run that is alive is not touched"},
};

const struct command cmd_clean = {
    .name = "clean",
    .summary = "remove everything cupel ever left here, and nothing else",
    .description =
        "Works off the ledgers of runs that died: kills their processes, deletes their "
        "containers, unmounts, removes control groups and directories, a line each. Runs "
        "that are alive are left alone, and so is what bears cupel's name but stands in "
        "no ledger. The next run does the same by itself. Results are never removed.",
    .operands = "",
    .examples = clean_examples,
    .n_examples = ARRAY_SIZE(clean_examples),
    .run = clean_run,
};
