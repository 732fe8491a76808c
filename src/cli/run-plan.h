/* From run's options to a plan: names checked, nothing started.
 *
 * Layer: cli. */
#ifndef CUPEL_CLI_RUN_PLAN_H
#define CUPEL_CLI_RUN_PLAN_H

#include "cli/options.h"
#include "driver/driver.h"
#include "model/plan.h"

#define RUN_BUDGET_QUICK_NS (UINT64_C(240) * 1000000000)
#define RUN_BUDGET_MICRO_NS (UINT64_C(1800) * 1000000000)

#define N_RUN_OPTIONS 46
extern const struct option_def run_options[N_RUN_OPTIONS];

/* Reads the plan file named by --plan, if any, into p (initialised). */
int run_plan_read(const struct options *o, struct plan *p, struct err *err);
/* Puts the options into p: what an option says replaces what the plan file said. Suite, workloads,
 * parameters, limits, numbers; not the targets. Without any workload: the quick suite. */
int run_plan_apply(const struct options *o, struct plan *p, struct err *err);
/* Targets: those of --target, the one that --base defines, each twice with --aa; globs against the
 * usable ones of `known`; without --target and none in the plan: the usable ones that its suite
 * goes to. Unknown names are refused with the nearest.
 */
int run_plan_targets(const struct options *o, const struct target_infos *known, struct plan *p,
                     struct err *err);
/* Is `known` looked at at all? Not where every target is named: asking all runtimes of a machine
 * what they are takes most of a second, and those named are asked anyway. */
bool run_plan_looks_around(const struct options *o, const struct plan *p);
/* ERR_USAGE for a target that could not exist on any machine or names a program that is not there;
 * known ones that merely cannot run here pass and fail in their cells. */
int run_plan_refuse(const struct target_info *info, struct err *err);

#endif
