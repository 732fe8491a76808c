/* cupel run --on: the plan goes to other machines, and their runs come here.
 *
 * Layer: cli. */
#ifndef CUPEL_CLI_RUN_ON_H
#define CUPEL_CLI_RUN_ON_H

#include "cli/cli.h"

/* Is it about other machines: --on, or --resume of a fleet? */
bool run_on_given(const struct options *o);
/* All of it, up to the table of machines. Returns the exit status, or a negative errno. */
int run_on(struct cli *cli, const struct options *o, struct err *err);
/* What run_on would create in a cluster, on standard output. 0. */
int run_on_manifest(const struct options *o, struct err *err);

#endif
