/* Reads that come from the device, although the guest has a kernel that keeps files in memory.
 *
 * Layer: measure, internal. What such a guest has read or written it has; dropping pages there is
 * up to it, and what it says of them proves nothing. So one session writes, the host drops the file
 * from its own cache and looks (mincore), and another session, on the same files, reads. */
#ifndef CUPEL_MEASURE_COLD_H
#define CUPEL_MEASURE_COLD_H

#include "measure/course.h"

/* Does the cell, on the session that runs there, need that? */
bool cold_needs_renewal(const struct cell *cell, const struct slot *slot);
/* Drops the file that the guest left at `place`, and says how much of it is still in memory.
 * ENOENT: the guest keeps it where this host does not see it, and would take it along. */
int cold_drop(const struct session *s, enum place place, int64_t *ret_resident_mib,
              struct err *err);

#endif
