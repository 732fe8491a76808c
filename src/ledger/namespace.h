/* What a killed run left in the user's containerd: tasks and containers in a namespace of the
 * run's, and the sockets of shims.
 *
 * Layer: ledger, private to this folder. */
#ifndef CUPEL_LEDGER_NAMESPACE_H
#define CUPEL_LEDGER_NAMESPACE_H

#include "ledger/ledger.h"

/* Empties and removes the namespace `it` (LEDGER_NAMESPACE) by asking the daemon through
 * it->runtime, where one answers and `ask` allows it; kills shims that bear its name; removes the
 * sockets that shims of the run's containers left. Every step has its deadline. Returns how many
 * things were removed, or the negative errno of the first failure. run: 8 hexadecimal digits. */
int namespace_remove(struct loop *l, const struct ledger_item *it, const char *run, bool ask,
                     struct err *err);

#endif
