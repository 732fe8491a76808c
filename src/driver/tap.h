/* How a virtual machine is plugged into the run's network: a tap, which is a bridge away from the
 * interface of the session's namespace and takes its place; the guest has the address.
 *
 *     guest eth0 = tap0 -- bridge -- eth0 = (veth) = the switch
 *
 * Layer: driver, internal to the drivers of virtual machines. All of it goes with the namespace. */
#ifndef CUPEL_DRIVER_TAP_H
#define CUPEL_DRIVER_TAP_H

#include "driver/ground.h"

#define TAP_NAME "tap0"

struct tap {
    char mac[18];   /* the guest's: "02:76:0a:e7:00:05" */
    char guest[80]; /* what its init is told: "10.231.0.5/16,10.231.0.1,1500" */
};

/* For l->net, whose namespace the machine has to be started in, where it opens TAP_NAME by that
 * name. Called anew for another start in the same namespace it changes nothing. ERR_UNSUPPORTED:
 * the kernel has no tap, or the network is this machine's own, in which nothing is changed. */
int tap_plug(struct live *l, struct tap *ret, struct err *err);

#endif
