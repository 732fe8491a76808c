/* Evidence that the named target is what runs.
 *
 * Layer: driver, internal. proof_make reads, for a session whose hello has come,
 *   from the host: the session's processes and their parts, the namespaces of the root process, the
 *   identity of the programs that run (device and inode, hash), gVisor's command line and platform;
 *   from the runtime: its own `state`, and the form of what it keeps in its state directory;
 *   from the guest: its kernel's name and version;
 * puts it into session->proof as JSON, and compares: what contradicts the target's name is
 * ERR_MEASUREMENT, e.g. "this is not runsc: the guest's kernel is the host's". */
#ifndef CUPEL_DRIVER_PROOF_H
#define CUPEL_DRIVER_PROOF_H

#include "driver/ground.h"

/* state_text: what the runtime's `state` printed, NULL for host. */
int proof_make(const struct live *l, const char *state_text, struct err *err);

#endif
