/* Work in the lane's session of which one sample is taken after the other, while something else
 * goes on: a cell's slices, a small file written, a start of one container more, or an
 * application's command against its server.
 *
 * Layer: measure, internal. Times are this host's. */
#ifndef CUPEL_MEASURE_VICTIM_H
#define CUPEL_MEASURE_VICTIM_H

#include "measure/lane.h"

struct victim_kind;

struct victim {
    struct course *c;
    struct lane *l;
    struct session *session;
    const struct victim_kind *kind;
    struct cell cell; /* what it works at */
    cpu_set_t cpus;
    uint64_t ops;   /* of one sample */
    double planted; /* more work by this share than is counted (test aid) */
};

struct victim_sample {
    uint64_t start_ns, end_ns; /* CLOCK_MONOTONIC */
    double ops, ns;
    char *hist; /* text of the times of single operations, or NULL; the caller's to free */
};

/* name: of the parameter `victim`. Prepares the work and finds how much of it lasts about a slice.
 */
int victim_begin(struct victim *v, struct course *c, struct lane *l, const char *name,
                 const cpu_set_t *cpus, struct err *err);
/* Can its operations be timed one by one? */
bool victim_has_tail(const struct victim *v);
/* tail: every operation is timed into ret->hist; else the plain way. The two do not compare. */
int victim_sample(struct victim *v, bool tail, struct victim_sample *ret, struct err *err);
/* All of it was done, and rightly. */
int victim_end(struct victim *v, struct err *err);

#endif
