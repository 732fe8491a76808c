/* The user's own program as a workload: `cupel run --image ... --metric ... -- command`, with no
 * file to write. The options become the description of an application (model/app.h), which is
 * stored with the run like any other.
 *
 * Layer: cli. */
#ifndef CUPEL_CLI_OWN_H
#define CUPEL_CLI_OWN_H

#include "cli/options.h"

#include "base/str.h"
#include "model/plan.h"

/* True where a command was given after `--`. */
bool own_given(const struct options *o);
/* Adds its cells to the plan. */
int own_add(const struct options *o, struct plan *p, struct err *err);
/* Without a command, none of the options that describe one. */
int own_check_none(const struct options *o, struct err *err);
/* Appends the application as YAML (in its JSON form). ERR_USAGE for what cannot be: an image
 * without a command, a server command with an open quote, an unknown kind of image. */
int own_app(const struct options *o, struct str *ret, struct err *err);
/* Its name, made of the command's: "wrk" of /usr/bin/wrk. */
void own_name(const struct options *o, char *dst, size_t size);

#endif
