/* How a plan gets to a machine, and a run back: the seam between fleets and ssh, schedulers,
 * clusters.
 *
 * Layer: fleet.
 *
 * Adding one: <name>.c with `const struct carrier carrier_<name>`, its line in CARRIERS, its file
 * in meson.build. It is called within a task of base/together: it waits in the loop as if it were
 * alone. */
#ifndef CUPEL_FLEET_CARRIER_H
#define CUPEL_FLEET_CARRIER_H

#include "fleet/fleet.h"

#define CARRIERS(X) X(ssh) X(slurm) X(k8s)

/* What all machines of a fleet share while it is carried out. */
struct voyage {
    struct fleet *fleet;
    const struct fleet_options *o;
    struct bundle bundle;
};

/* Machines that an element turned out to stand for. */
struct found {
    struct found_machine {
        char name[FLEET_ON_MAX];
        char id[65]; /* as that machine's own cupel would say; "": not known */
    } * v;
    size_t n, cap;
};

struct carrier {
    const char *scheme;  /* "ssh": what stands before the colon */
    const char *machine; /* "user@machine": what stands after it, for messages */
    /* Can this be one? ERR_USAGE. Nothing is started. */
    int (*check)(const char *spec, struct err *err);
    /* How many machines such an element stands for; NULL: one. Of a spec that was checked. */
    size_t (*machines)(const char *spec);
    /* Where that can be told there alone; NULL: it need not be. Before all else: 0 and their names,
     * without the scheme; or m, which stood for all of them, is at its end. */
    int (*find)(struct loop *l, struct fleet_machine *m, struct found *ret, struct err *err);
    bool brings_nothing; /* no bundle is needed */
    /* Takes the bundle there, has the plan run, brings the run back into the store, removes what
     * was brought; sets m's outcome, place and facts, and calls roll_write when its place is known.
     * < 0: -EINTR, left to its lease, or a failure on this machine (disk, store); else 0.
     * Called once an element, with the first of its machines that is not at its end;
     * machine_next has the others. */
    int (*carry)(struct voyage *v, struct fleet_machine *m, struct err *err);
    /* The same for what is at m->place already. */
    int (*resume)(struct voyage *v, struct fleet_machine *m, struct err *err);
};

#define CARRIER_DECLARE(name) extern const struct carrier carrier_##name;
CARRIERS(CARRIER_DECLARE)
#undef CARRIER_DECLARE

size_t carrier_count(void);
const struct carrier *carrier_at(size_t i);
/* That of "ssh:root@a"; *ret_spec: what stands after the colon. ERR_USAGE with the nearest name. */
int carrier_of(const char *on, const struct carrier **ret, const char **ret_spec, struct err *err);

/* The next machine of the same element that is not at its end; NULL: none. */
struct fleet_machine *machine_next(const struct voyage *v, const struct fleet_machine *m);

/* Ends m so. fmt NULL: the outcome's words alone. */
void machine_ends(struct fleet_machine *m, enum fleet_outcome outcome, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
