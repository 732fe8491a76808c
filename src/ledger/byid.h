/* What a container's identifier alone leads to: processes and state entries that neither its
 * runtime nor its control group tell of (a runtime killed inside `create` leaves such).
 *
 * Layer: ledger, private to this folder. */
#ifndef CUPEL_LEDGER_BYID_H
#define CUPEL_LEDGER_BYID_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does text hold id as a whole component of a path or a whole value of an argument ("/x/ID/y",
 * "--id=ID", "kata_ID"), and not merely as part of a longer word? */
bool byid_in_text(const char *text, size_t n, const char *id);
/* The same for a file name in a runtime's state directory ("ID", "runsc-ID.sock",
 * "ID_sandbox:ID.state"). */
bool byid_in_name(const char *name, const char *id);
/* Is argv0 (or a path of an executable) that of a runtime, of one of the helpers runtimes start, or
 * named as the runtime given? Only such processes are killed for their command line: an editor that
 * has the container's config.json open holds the identifier as well. */
bool byid_is_helper(const char *program, const char *runtime);

/* SIGKILLs every process in whose control group path, or as a runtime's helper in whose command
 * line, the identifier stands; never this process, its ancestors or process 1. Waits for their end
 * until the deadline. Returns how many were killed, or -ETIMEDOUT naming one that survives. */
int byid_kill(const char *id, const char *runtime, uint64_t deadline_ns, struct err *err);

/* Removes the entries of dir that bear the identifier, mounts in them first. Returns their number.
 */
int byid_remove_state(const char *dir, const char *id, struct err *err);
/* How many there are. */
int byid_count_state(const char *dir, const char *id);

#endif
