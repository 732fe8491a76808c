/* Reading what the OpenSSH client ends with. Layer: fleet, internal. */
#ifndef CUPEL_FLEET_SSH_H
#define CUPEL_FLEET_SSH_H

#include "fleet/fleet.h"

/* Exit statuses of our script there. */
#define SSH_EXIT_GONE         94 /* what was kept there is there no more */
#define SSH_EXIT_ARCHITECTURE 96
#define SSH_EXIT_NO_PLACE     97 /* no directory of our own could be made */
#define SSH_EXIT_NOT_ARRIVED  98

/* Why a connection ended without a word from a steward: wait_status of ssh (exited: did it end by
 * itself), and what stands on its standard error, which may hold the other machine's words. */
enum fleet_outcome ssh_why(bool exited, int wait_status, const char *text);

#endif
