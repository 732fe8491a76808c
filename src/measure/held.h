/* The limits on an aggressor's control group: are they in force, and did they hold?
 *
 *     held_begin(&h, c, session, true, &err);   // refuses where one is missing
 *     held_read(&h, &from); ... held_look(&h); ... held_read(&h, &to);
 *     held_add(&h, &from, &to);                 // a phase in which it worked
 *     held_end(&h);                             // while the group is still there
 *     held_facts(&h, load_cpus, facts);
 *
 * Layer: measure, internal. Everything is read from the kernel's files on this host; no guest's
 * word counts. */
#ifndef CUPEL_MEASURE_HELD_H
#define CUPEL_MEASURE_HELD_H

#include "measure/course.h"

#include <jansson.h>

struct held {
    const struct cgroups *groups;
    const char *group; /* the session's, which has to last as long */
    dev_t disk;
    struct cgroup_limits limits;
    uint64_t io_bps;     /* 0: none */
    uint64_t peak_bytes; /* 0: the kernel keeps none */
    uint64_t peak_tasks;
    bool peak_kept; /* of tasks, by the kernel; else it is the most that was seen */
    bool refused_known, io_known;
    uint64_t refused_tasks;
    struct cgroup_io io; /* while it worked */
    uint64_t wall_ns;    /* for so long */
    unsigned phases;
};

struct held_point {
    uint64_t ns;
    bool known;
    struct cgroup_io io;
};

/* ERR_UNSUPPORTED names a limit of the plan that is not in force on the session's group; of I/O
 * only if `writes`. */
int held_begin(struct held *h, const struct course *c, const struct session *s, bool writes,
               struct err *err);
/* It works, and is looked at: counts its processes where the kernel keeps no peak. */
void held_look(struct held *h);
void held_read(const struct held *h, struct held_point *ret);
void held_add(struct held *h, const struct held_point *from, const struct held_point *to);
void held_end(struct held *h);
/* cpus: how many it kept busy, NAN if that is not known. */
void held_facts(const struct held *h, double cpus, json_t *facts);

#endif
