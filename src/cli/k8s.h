/* What `cupel k8s` is asked to do, a function a verb.
 *
 * Layer: cli. Each returns the exit status, or a negative errno with err. */
#ifndef CUPEL_CLI_K8S_H
#define CUPEL_CLI_K8S_H

#include "cli/cli.h"

/* The image that pods of ours run. */
int k8s_image(struct cli *cli, const struct options *o, struct err *err);

#endif
