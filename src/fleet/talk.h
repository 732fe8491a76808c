/* The controller's side of what it and a steward say to one another: an event a line, as JSON.
 *
 *     steward                                       controller
 *     hello  place, machine, boot, stage            order  fleet, lease, keep, args
 *     doctor report                                 run | install | bye
 *     say    text                                   beat, four a lease; stop
 *     end    status, stored, interrupted, bytes,    fetch | again | bye
 *            sha256, why
 *     file   and then the bytes                     bye
 *     failed kind, why                              (bye)
 *     gone                                          -
 *
 * Each beat is answered by one. What a steward says is not to be trusted: bounded, and checked
 * before it is used.
 *
 * Layer: fleet, internal. */
#ifndef CUPEL_FLEET_TALK_H
#define CUPEL_FLEET_TALK_H

#include "fleet/carrier.h"
#include "fleet/link.h"

struct talk {
    struct voyage *v;
    struct fleet_machine *m;
    struct link *link;
    bool resume;
    bool hello;    /* there was one */
    bool ordered;  /* something may be measured there */
    bool stopping; /* we were asked to end */
    bool again;
    bool installing; /* what is missing there was asked for, once */
    char why[400];   /* that its run is a part only, where it was not told to end */
    /* What is done with the run; NULL: talk_import. */
    int (*take)(struct talk *t, const struct str *text, struct err *err);
    void *user;
    uint64_t heard_ns, beat_ns, unsent, said;
};

/* Until the machine has its outcome and what was brought is gone: 0. -ECONNRESET, -ETIMEDOUT: the
 * link ended, or nothing was heard for long; t tells how far it was. -EINTR: interrupted twice, or
 * before anything was there. Else a failure of this machine. */
int talk_through(struct talk *t, struct err *err);

/* The run, in its exchange form, into the store: sets the machine's run and uuid. */
int talk_import(struct talk *t, const struct str *text, struct err *err);

/* From a doctor's report: does the plan have something to measure there? FLEET_MEASURED, or why
 * not. wanted: texts of targets or globs; n 0: what works there. */
enum fleet_outcome talk_judge(const json_t *report, char *const *wanted, size_t n);

#endif
