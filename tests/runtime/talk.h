/* Sessions that talk to one another by a network, for the tests of networks. */
#ifndef CUPEL_TESTS_TALK_H
#define CUPEL_TESTS_TALK_H

#include "rig.h"

#include "driver/network.h"

/* A session of the host's in an end of its own, or where `end` is the switch, there; where it has
 * no namespace, in the machine's own. */
struct talk_peer {
    const struct driver *driver;
    struct engine *engine;
    struct session *session;
};

void talk_peer_start(struct rig *r, const struct net_end *end, struct talk_peer *ret);
void talk_peer_stop(struct rig *r, struct talk_peer *p);

/* `to` serves at its address `at` alone; exchanges and a stream from `from`, counted at both ends.
 * rate_bps: of the wire, which is never faster than it is; 0: none. */
void talk_converse(struct session *from, struct session *to, const char *at, uint64_t rate_bps);

#endif
