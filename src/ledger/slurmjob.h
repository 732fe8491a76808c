/* Ending a job of ours that a killed controller left with Slurm.
 *
 * Layer: ledger, private to this folder. */
#ifndef CUPEL_LEDGER_SLURMJOB_H
#define CUPEL_LEDGER_SLURMJOB_H

#include "base/loop.h"
#include "ledger/ledger.h"

#include <stdint.h>

/* Cancels what is still in the queue, or runs, under the item's name, and waits until it has ended:
 * how many tasks that were. Where Slurm cannot be asked, or a task outlives the deadline: < 0. */
int slurmjob_remove(struct loop *l, const struct ledger_item *item, uint64_t deadline_ns,
                    struct err *err);

#endif
