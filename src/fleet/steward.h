/* The far side of a fleet: what runs on the other machine, out of the directory that was brought
 * there. It has the plan measured by a `cupel run` of its own, tells of it, hands the run over, and
 * removes the directory.
 *
 * Nothing of it stays for ever, whatever becomes of the controller and of the connection:
 * - without a word from the controller for a lease (60 s), the run ends in order;
 * - what was measured is kept so long (24 h) for somebody to fetch it, then it goes;
 * - what was not begun goes at once;
 * - a steward that was killed is followed by one that cleans up after its run: the one that the
 *   script there starts, that of the next `--resume`, or else `cupel clean` on the machine does it,
 *   since the directory stands in the machine's ledger. That ledger is locked while the run is
 *   measured, so that no two cupels measure at once.
 *
 * In the directory, beside what fleet/bundle.h lists:
 *
 *     order.json     what was ordered; not there: nothing was begun
 *     state/         the state directory of the run
 *     results.db     its results
 *     run.json       the run, as it is handed over
 *     socket         where a later connection finds the steward
 *
 * Layer: fleet. */
#ifndef CUPEL_FLEET_STEWARD_H
#define CUPEL_FLEET_STEWARD_H

#include "base/err.h"

/* Speaks over standard input and output until the directory is gone: 0. Where a steward is at work
 * in it already, passes on what is said to that one. dir: absolute, LEDGER_BROUGHT_NAME. */
int steward_run(const char *dir, struct err *err);

#endif
