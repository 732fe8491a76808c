/* Removing an object of ours that a killed run left in a Kubernetes.
 *
 * Layer: ledger, private to this folder. */
#ifndef CUPEL_LEDGER_K8SOBJECT_H
#define CUPEL_LEDGER_K8SOBJECT_H

#include "base/loop.h"
#include "ledger/ledger.h"

#include <stdbool.h>
#include <stdint.h>

/* Are these an object's id ("pods/cupel-3fa9c2d1-0007") and place as LEDGER_K8S has them? */
bool k8sobject_is_ours(const char *id, const char *place);
/* Deletes the object if it bears our label, by the uid that was looked up, and waits until it is
 * gone, with what depends on it: 1; it is not there: 0. < 0: the cluster cannot be asked or
 * refuses, the context leads to another one by now, the object is not ours, or it outlasts the
 * deadline. */
int k8sobject_remove(struct loop *l, const struct ledger_item *item, uint64_t deadline_ns,
                     struct err *err);

#endif
