/* A script in the place of a runtime, for an engine that gives runtimes no flags of ours, or that
 * calls them where they see too much.
 *
 * Layer: driver, internal. The proof sees through it, since it looks at what runs. */
#ifndef CUPEL_DRIVER_WRAPPER_H
#define CUPEL_DRIVER_WRAPPER_H

#include "driver/ground.h"

#define WRAPPER_PATH_MAX 256

/* Writes `dir`/`name`: the runtime with the flags that it needs and those of its target; network is
 * runsc's, as driver/plug.h has it. cover: what it is to find empty; NULL: nothing. Where nothing
 * of that is to be done ret_path is the runtime itself. */
int wrapper_write(const struct engine *e, const char *dir, const char *name, const char *network,
                  const char *cover, char ret_path[WRAPPER_PATH_MAX], struct err *err);

#endif
