/* What `cupel run` lends to commands that measure and then say something else of it.
 *
 * Layer: cli. */
#ifndef CUPEL_CLI_CMD_RUN_H
#define CUPEL_CLI_CMD_RUN_H

#include "cli/cli.h"

/* 0; an exit status that is the answer, before that of a run with failures; or a negative errno. */
typedef int run_shown(struct cli *cli, struct store *s, const struct options *o, int64_t run,
                      void *user, struct err *err);

/* All of `cupel run` with the options of o (of a command that is like it), but that `show` tells of
 * the run at the end. suite: what is measured where neither options nor a plan say; NULL: the quick
 * one. Returns the exit status, or a negative errno with err. */
int run_measured(struct cli *cli, const struct options *o, const char *suite, run_shown *show,
                 void *user, struct err *err);

#endif
