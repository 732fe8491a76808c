/* A probe on another machine, by the OpenSSH client: a peer for networks, and no target.
 *
 * One connection carries everything: a fixed script there takes the probe from its standard input,
 * opens it, removes its directory again and runs what it has open on the rest of the stream, as a
 * session. Nothing is on disk there while the probe runs, so nothing can be left: the probe goes
 * with its standard input, which ends with the connection, however that ends, or after its lease.
 * ssh follows its own configuration, agent, jump hosts and known hosts; it is never asked for a
 * password (BatchMode).
 *
 *     remote_open(s, "user@machine", &e, &err);
 *     driver_remote.start(s, e, &(struct launch){.program = PROGRAM_PROBE}, &sess, &err);
 *     ... clients connect to remote_address(e) ...
 *     driver_remote.stop(s, e, sess, ENDING_BYE, NULL, &err);
 *     driver_remote.close(s, e);
 *
 * Layer: driver. Errors: ERR_UNSUPPORTED without ssh, or for a machine of another kind;
 * ERR_ENVIRONMENT for what ssh or the machine says no to, in their words; ERR_TIMEOUT. */
#ifndef CUPEL_DRIVER_REMOTE_H
#define CUPEL_DRIVER_REMOTE_H

#include "driver/driver.h"

#include <jansson.h>

/* Not in the registry, and without `inspect` and `open`: remote_open is that. No group on this
 * machine is its session's, so its CPU time is not known here and it cannot be confined. */
extern const struct driver driver_remote;

/* Finds ssh, and the machine's IPv4 address by ssh's configuration and this machine's resolver.
 * Nothing is connected yet. */
int remote_open(struct site *s, const char *machine, struct engine **ret, struct err *err);
const char *remote_address(const struct engine *e); /* dotted IPv4 */
/* Puts into the object: topology ("another machine", or "same machine" where its boot says so),
 * peer_machine, peer_address, peer_kernel, peer_boot_id. */
void remote_facts(const struct engine *e, const struct session *sess, json_t *facts);

#endif
