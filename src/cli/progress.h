/* What a run shows while it goes, on standard error: a few lines rewritten in place on a terminal,
 * a line a block when piped. Called between slices only; everything is one write(2) a call, so that
 * it costs the measurement as little as it can.
 *
 * Layer: cli. */
#ifndef CUPEL_CLI_PROGRESS_H
#define CUPEL_CLI_PROGRESS_H

#include "cli/cli.h"
#include "measure/measure.h"

struct progress_view;

struct progress_view *progress_new(const struct cli *cli);
void progress_free(struct progress_view **v); /* for _cleanup_ */
/* Fills p with callbacks into v. */
void progress_bind(struct progress_view *v, struct progress *p);
/* Takes the live lines away, before something else is printed. */
void progress_finish(struct progress_view *v);

#endif
