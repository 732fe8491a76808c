/* The far side where nobody waits at the other end of a line: in a batch job. A controller in small
 * that stands beside the steward on the machine (fleet/steward.h, which knows nothing of it), and
 * leaves in a folder that both machines see what a controller would have got:
 *
 *     N.json   how it ended: outcome, why, host name, machine, boot, status, bytes and sha256 of
 *     N.run    the run, in its exchange form, where there is one; it is there before N.json is
 *
 * What is said while it measures goes to standard output, which is the job's log. SIGTERM (a time
 * limit, scancel) ends the run in order; what was measured until then is handed over.
 *
 * Layer: fleet. */
#ifndef CUPEL_FLEET_COURIER_H
#define CUPEL_FLEET_COURIER_H

#include "fleet/fleet.h"

/* How it ended there, beside what stands in a machine. */
struct courier_result {
    bool run;
    uint64_t bytes;
    char sha256[FS_SHA256_HEX];
};

/* dir: the brought one, as for steward_run. order: <folder>/fleet/<id>.json, as roll_write wrote it
 * there. number: of the machine in it, from 1. 0 once N.json is there. */
int courier_run(const char *dir, const char *order, unsigned number, struct err *err);

/* On the controller: reads N.json of `folder` into m and *ret. 1; 0: not there yet; < 0 what is
 * there is not to be taken. */
int courier_read(const char *folder, unsigned number, struct fleet_machine *m,
                 struct courier_result *ret, struct err *err);

#endif
