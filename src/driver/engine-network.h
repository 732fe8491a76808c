/* The network that an engine itself makes for its containers: docker's bridge, podman's default.
 *
 * Layer: driver. An engine of the run's own makes its network, with its bridge and its packet
 * filters, in a namespace of the run's (engine_network_place); a daemon of the user's has one in
 * the machine's, which is used as it is. Whether a session is on it is seen in the kernel: the
 * interface in its namespace is a veth whose other side is a port of that bridge, and has the
 * address and the gateway that the engine says.
 *
 *     engine_network_place(s, path, &err);            // before the engine is started there
 *     ... the driver fills live->net_place ...
 *     engine_network_prove(l, proof, &err);           // proof_make does
 *     engine_network_session_facts(session, facts, &err);
 *     engine_network_place_remove(s, path, &err);     // after its last process
 *
 * Errors: ERR_MEASUREMENT for a session that is somewhere else than its engine says. */
#ifndef CUPEL_DRIVER_ENGINE_NETWORK_H
#define CUPEL_DRIVER_ENGINE_NETWORK_H

#include "driver/ground.h"

#include <jansson.h>

/* A namespace held by a file, with nothing in it but a loopback that is up; in the ledger before it
 * is made. What is made in it goes with its last process and that file. */
int engine_network_place(struct site *s, const char *path, struct err *err);
/* One that is not there: success. */
int engine_network_place_remove(struct site *s, const char *path, struct err *err);

/* What the kernel says of it is the engine's word, and stands in the object then; address and
 * gateway go into the session's capabilities. A sandbox with a network stack of its own takes the
 * address away from the interface, and what the engine said stands alone. */
int engine_network_prove(const struct live *l, json_t *ret, struct err *err);

/* What results have to be read with (driver.network gives the rest): address, gateway, interface,
 * interface_driver, engine_port (texts), mtu, and what network_facts says of a namespace. */
int engine_network_session_facts(const struct session *s, json_t *facts, struct err *err);
/* Of the bridge in its namespace ("": the machine's own): engine_bridge_mtu, bridge_filtered (does
 * what crosses it pass the machine's packet filters?), and the bridge's own address, dotted, which
 * is the gateway. ENODEV: there is no such bridge. */
int engine_network_bridge_facts(const char *netns, const char *bridge, char ret_address[16],
                                json_t *facts, struct err *err);

/* "docker/runc has no network of its own: why". ERR_UNSUPPORTED. */
int engine_network_none(const struct target_info *info, const char *why, struct err *err);

#endif
