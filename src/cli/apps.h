/* Applications that a plan may name: those that came with cupel, the user's own files, and a
 * program given on the command line.
 *
 * Layer: cli. */
#ifndef CUPEL_CLI_APPS_H
#define CUPEL_CLI_APPS_H

#include "model/plan.h"

/* Those that came with cupel: $CUPEL_WORKLOADS, else the build tree's, else the installed ones. A
 * folder that is not there is no error. */
int apps_know_all(struct plan *p, struct err *err);
/* A file of the user's, named as a workload by its path: adds its cells. */
bool apps_is_file(const char *workload);
int apps_add_file(struct plan *p, const char *path, struct err *err);
/* A description given as text; `name` for messages. Adds its cells. */
int apps_add_text(struct plan *p, const char *text, const char *name, struct err *err);

#endif
