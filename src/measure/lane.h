/* One target's way through one trial: its session, its part, what fits into a slice.
 *
 * Layer: measure, internal. Every function returns 0 when the trial can go on, also when this lane
 * failed: lane->alive is then false and its part says why. A negative return ends the run
 * (interrupt, or a bug). */
#ifndef CUPEL_MEASURE_LANE_H
#define CUPEL_MEASURE_LANE_H

#include "measure/course.h"

#include <jansson.h>

/* What people ask of a network is its slowest answers: the operations of so many slices are timed
 * one by one; of half a slice for all else. */
#define LATENCY_SLICES 4

struct lane {
    size_t target, cell;
    struct slot *slot;
    struct pair *pair;
    struct part *part; /* in the trial's array, which does not grow any more */
    bool alive;
    uint64_t ops;    /* per worker and slice */
    uint64_t lead;   /* and before it, untimed */
    uint64_t for_ns; /* whole workloads that go on for a time; 0: ops it is */
    uint64_t prepare_timeout_ns, slice_timeout_ns, finish_timeout_ns;
    const char *half; /* of the work, a workload's parameter `phases`; NULL: all of it */
    char *output;     /* of the last slice, or NULL; freed by lane_close */
    uint64_t ping_ns; /* empty frame, confined as the slices are */
    /* When the first and the last slice ended, by the guest's clock and by ours. */
    struct {
        uint64_t guest_ns, host_ns;
    } first_end, last_end;
};

/* The PREPARE of a cell's work for a session, on these CPUs. f is to be released, also on failure.
 */
int prepare_fill(const struct cell *cell, const struct session *s, const cpu_set_t *cpus,
                 struct frame *f, struct err *err);

void prepare_cpus(struct frame *f, const cpu_set_t *cpus);
/* Facts of a frame as an object of their own. */
json_t *facts_object(const struct facts *f);

/* Adds facts that the controller saw to those of the guest. */
void part_add_facts(struct part *p, json_t *seen);

/* A lane whose part is appended to t; the part moves when another is. It is not alive where the
 * target could not be started, or without a session. */
void lane_open(struct course *c, struct lane *l, size_t cell, size_t target, struct trial *t);
void lane_close(struct lane *l);
void lane_fail(struct course *c, struct lane *l, const struct err *why);
/* PREPARE, in two halves so that the lanes of a trial prepare side by side. */
void lane_post_prepare(struct course *c, struct lane *l);
int lane_wait_prepared(struct course *c, struct lane *l, struct err *err);
/* Finds how many operations last about want_ns; the slices it takes are the warm-up. */
int lane_calibrate(struct course *c, struct lane *l, uint64_t want_ns, struct err *err);
/* One slice into the part's samples. */
int lane_slice(struct course *c, struct lane *l, uint32_t round, uint32_t position, int previous,
               struct err *err);
/* One slice in which every operation is timed; its histogram goes into the part. */
int lane_latency(struct course *c, struct lane *l, struct err *err);
void lane_post_finish(struct course *c, struct lane *l);
int lane_wait_finished(struct course *c, struct lane *l, struct err *err);

#endif
