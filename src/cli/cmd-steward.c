/* cupel steward: the far side of run --on. */
#include "cli/commands.h"

#include "base/log.h"
#include "fleet/courier.h"
#include "fleet/install.h"
#include "fleet/podside.h"
#include "fleet/steward.h"

#include <signal.h>

/* The log has the run, or says why there is none; so does the Job, by this status. */
static int in_pod(const struct options *o, struct err *err)
{
    bool measured = false;
    int r =
        pod_run(o->operands.v[0], options_text(o, "order", ""),
                (unsigned)options_u64(o, "number", 1), options_u64(o, "in-pod", 0), &measured, err);

    return r < 0 ? r : measured ? 0 : EXIT_NOTHING;
}

static void say(void *user, const char *line)
{
    log_notice("%s", line);
}

static int steward(struct cli *cli, const struct options *o, struct err *err)
{
    signal(SIGPIPE, SIG_IGN);
    if (options_given(o, "in-pod"))
        return in_pod(o, err);
    if (options_given(o, "order"))
        return courier_run(o->operands.v[0], options_text(o, "order", ""),
                           (unsigned)options_u64(o, "number", 1), err);
    if (options_given(o, "install"))
        return install_run(o->operands.v[0], options_text(o, "install", ""), say, NULL, err);
    return steward_run(o->operands.v[0], err);
}

static const struct option_def steward_options[] = {
    {.name = "order",
     .arg = "FILE",
     .kind = OPTION_TEXT,
     .help = "in a batch job, with nobody to speak to: does as this fleet's order says, and leaves "
             "the run beside it"},
    {.name = "in-pod",
     .arg = "TIME",
     .kind = OPTION_DURATION,
     .help =
         "with --order: in a pod, for at most so long; DIRECTORY is one to work in, and the run "
         "goes into the pod's log"},
    {.name = "number",
     .arg = "N",
     .kind = OPTION_COUNT,
     .min = 1,
     .max = FLEET_MACHINES_MAX,
     .help = "with --order: which machine of the fleet this is"},
    {.name = "install",
     .arg = "RUNTIME[,...]",
     .kind = OPTION_TEXT,
     .help = "nothing but this: installs those of them that are missing here, by apt-get"},
};

static const struct example steward_examples[] = {
    {"cupel steward /var/tmp/cupel-fleet-aZ09bcdefg", "as run --on has it typed over ssh"},
};

const struct command cmd_steward = {
    .name = "steward",
    .summary = "what run --on starts on another machine; nothing to be typed",
    .description =
        "Works in a directory that a cupel on another machine brought here, and speaks with that "
        "one over standard input and output. It has the plan measured, hands the run over, and "
        "removes the directory; without a word from the other side it does so by itself after "
        "some time. cupel clean removes what was left by one that was killed.",
    .operands = "DIRECTORY",
    .min_operands = 1,
    .max_operands = 1,
    .options = steward_options,
    .n_options = ARRAY_SIZE(steward_options),
    .examples = steward_examples,
    .n_examples = ARRAY_SIZE(steward_examples),
    .run = steward,
};
