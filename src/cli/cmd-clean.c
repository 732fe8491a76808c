/* cupel clean: everything cupel ever left on this machine, and nothing else. */
#include "cli/commands.h"

#include "base/log.h"
#include "ledger/ledger.h"
#include "measure/images.h"
#include "report/units.h"

static void tell(void *user, const char *line)
{
    struct str *out = user;

    text_inert(out, line);
    str_addc(out, '\n');
}

static void put_runs(const struct clean_result *res, struct str *out)
{
    if (res->runs == 0 && res->unknown == 0 && res->live == 0)
        str_add(out, "nothing to clean\n");
    else
        str_addf(out,
                 "%u thing%s of %u run%s removed, %u failed, %u run%s alive and left alone, %u "
                 "not in any ledger and left alone\n",
                 res->removed, res->removed == 1 ? "" : "s", res->runs, res->runs == 1 ? "" : "s",
                 res->failed, res->live, res->live == 1 ? "" : "s", res->unknown);
}

/* One line. What fails is said in it: the runs were cleaned all the same. */
static bool remove_images(const char *state, struct str *out)
{
    struct images_removed n = {0};
    struct err why = ERR_INIT;
    char space[UNIT_TEXT];
    int r = images_remove(state, &n, &why);

    unit_bytes(n.bytes, space);
    str_addf(out, "%u image%s and %u input%s", n.images, n.images == 1 ? "" : "s", n.inputs,
             n.inputs == 1 ? "" : "s");
    if (n.guests)
        str_addf(out, ", and %u file%s for guests", n.guests, n.guests == 1 ? "" : "s");
    str_addf(out, " removed, %s; %u in use and left alone", space, n.in_use);
    if (r < 0) {
        str_add(out, "; failed: ");
        text_inert(out, why.msg);
    }
    str_addc(out, '\n');
    return r >= 0;
}

static int clean_run(struct cli *cli, const struct options *o, struct err *err)
{
    _cleanup_(str_release) struct str state = STR_INIT, out = STR_INIT;
    struct clean_result res = {0};
    struct loop *loop;
    bool fine = true;
    int r = ledger_state_dir(&state, err);

    if (r >= 0)
        r = loop_new(&loop, err);
    if (r < 0)
        return r;
    r = ledger_clean(state.buf, loop, tell, &out, &res, err);
    if (r >= 0)
        r = ledger_clean_fleets(state.buf, loop, tell, &out, &res, err);
    loop_free(loop);
    if (r < 0)
        return r;
    put_runs(&res, &out);
    if (options_flag(o, "images"))
        fine = remove_images(state.buf, &out);
    r = cli_print(&out, err);
    if (r < 0)
        return r;
    return res.failed || !fine ? EXIT_ENVIRONMENT : 0;
}

static const struct option_def clean_options[] = {
    {.name = "images",
     .kind = OPTION_FLAG,
     .help = "remove the images and inputs of applications and the kernels of guests, too, that no "
             "run uses"},
};

static const struct example clean_examples[] = {
    {"cupel clean", "after a crash: remove what is left; a run that is alive is not touched"},
    {"cupel clean --images", "the same, and the space that images take"},
};

const struct command cmd_clean = {
    .name = "clean",
    .summary = "remove everything cupel ever left here, and nothing else",
    .description =
        "Works off the ledgers of runs that died: kills their processes, deletes their "
        "containers, unmounts, removes tracing instances, control groups and directories, a line "
        "each. Runs that are alive are left alone, and so is what bears cupel's name but stands "
        "in no ledger. The next run does the same by itself, but for fleets: jobs that a killed "
        "run --on left with Slurm or in a cluster are ended and removed, and their folder is, by "
        "this command alone, since run --resume can go on with them. Results are never removed. "
        "Images of applications and kernels of guests are kept for later runs; --images removes "
        "those that no run uses.",
    .operands = "",
    .options = clean_options,
    .n_options = ARRAY_SIZE(clean_options),
    .examples = clean_examples,
    .n_examples = ARRAY_SIZE(clean_examples),
    .run = clean_run,
};
