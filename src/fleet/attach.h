/* A connection that came later: it is passed on to the steward that is at work.
 *
 * Layer: fleet, internal. The working directory is the brought one: names of sockets are short. */
#ifndef CUPEL_FLEET_ATTACH_H
#define CUPEL_FLEET_ATTACH_H

#include "base/err.h"

#define STEWARD_SOCKET "socket"

/* Passes on what comes, both ways, until either side ends: 0. -ECONNREFUSED: nobody is there. */
int attach(struct err *err);
/* A socket that listens there. */
int attach_listen(struct err *err);

#endif
