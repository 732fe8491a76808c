/* Cells that need a network: which of them share one, the servers at the other ends, and what both
 * ends took.
 *
 * Layer: measure, internal. Cells of one network (its peer, stack, wire) are measured as a group:
 * sessions started for them alone, each in a fresh namespace of the run's network
 * (driver/network.h), and for each session a peer, a session of its own in another such namespace.
 * The peer is started, confined and fed in the same way for every target, and it is the only one
 * that talks to its client, so that a client which kills its server harms no other cell.
 *
 *     network_open(c, cell, err);               // course->net is there
 *     network_start(c, target, block, err);     // in the place of target_start
 *     ... trial_run, which calls the network_ functions of a lane ...
 *     network_stop(c, target, block);
 *     network_close(c, block);                  // and gone again
 *
 * Where course->net is NULL the functions of a lane do nothing. */
#ifndef CUPEL_MEASURE_NETWORK_H
#define CUPEL_MEASURE_NETWORK_H

#include "measure/lane.h"

/* Do the two cells share a network? A cell without one shares none. */
bool network_shared(const struct cell *a, const struct cell *b);
/* Is the parameter one of the cell's network, and so none of its guest's? */
bool network_owns_param(const struct cell *cell, const char *param);
/* Does one of the cells go by the networks that engines make? */
bool network_asks_engines(const struct plan *p);
/* Tries every network that the cells ask for; what this machine does not have makes its cells
 * impossible. < 0 only for what ends the run. */
int network_preflight(struct course *c, struct err *err);
/* Makes the network of the cell. One that cannot be made fails the starts in it, with the reason.
 */
int network_open(struct course *c, size_t cell, struct err *err);
void network_close(struct course *c, unsigned block);
/* The peer, then the target; records the target's session as target_start does. */
int network_start(struct course *c, size_t target, unsigned block, struct err *err);
void network_stop(struct course *c, size_t target, unsigned block);
/* Is the target's peer of no more use? */
bool network_broken(const struct course *c, size_t target);

/* ---- of a lane ---- */

/* Confines the peer and has it serve anew: before the client's PREPARE. A failure is the lane's. */
int network_serve(struct course *c, const struct lane *l, struct err *err);
/* Where the server is, for the client. -E2BIG. */
int network_address(const struct course *c, const struct lane *l, struct facts *params);
/* Around each slice. */
void network_slice_begins(struct course *c, const struct lane *l);
void network_slice_ended(struct course *c, const struct lane *l);
/* Ends the serving, checks that the server saw the work, and puts what it found into the part's
 * facts. *err: why the lane fails. */
int network_finish(struct course *c, struct lane *l, struct err *err);
/* What failed may have failed because the peer did: then *why says so. */
void network_blame(struct course *c, const struct lane *l, struct err *why);

#endif
