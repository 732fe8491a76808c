/* Runtimes that a machine lacks, out of the archives of its distribution, by apt-get: only where
 * somebody asked for it (--install).
 *
 * Only packages that start no service and touch no boot directory (a list of its own, as quickstart
 * has it: no engine is in it), each only where nothing would have to be removed for it. What was
 * installed stays, and stands in the run.
 *
 * Layer: fleet. */
#ifndef CUPEL_FLEET_INSTALL_H
#define CUPEL_FLEET_INSTALL_H

#include "base/err.h"

#include <jansson.h>
#include <stddef.h>

/* The names that can be asked for, as targets begin: "runc", "bwrap", ...; NULL after the last. */
const char *install_runtime(size_t i);

/* names: such ones, with commas between. Those whose program is not on the PATH are installed, one
 * after the other, each told of by a line, and written down in dir, the brought directory. 0: what
 * can be had is there. ERR_ENVIRONMENT: not root, no apt-get, or apt's own words. Takes minutes. */
int install_run(const char *dir, const char *names, void (*say)(void *user, const char *line),
                void *user, struct err *err);

/* What was written down in the working directory: ["runc 1.1.5+ds1-1+deb12u1"], empty where nothing
 * was installed. The caller drops it. */
json_t *install_record(void);

#endif
