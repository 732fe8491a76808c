/* What a crowd weighs: memory of each container by three measures, and how many would fit.
 *
 * Layer: measure, internal. One struct density a crowd; density_begin before the first start,
 * density_settle when all run, density_point as they become fewer, density_facts at the end. */
#ifndef CUPEL_MEASURE_DENSITY_H
#define CUPEL_MEASURE_DENSITY_H

#include "driver/weight.h"
#include "measure/course.h"

#include <jansson.h>

#define DENSITY_POINTS_MAX 512

struct density {
    struct attribution look;
    struct pss_reader reader;
    struct kernel_memory before, after; /* without any, with all */
    struct weight sum;                  /* of all, when all ran */
    uint64_t cpu_ns, cpu_over_ns;       /* burned by all while they idled, and for how long */
    size_t running;                     /* all */
    struct {
        double n, container, all; /* sessions, bytes without and with what is above the container */
    } points[DENSITY_POINTS_MAX];
    size_t n_points;
};

int density_begin(struct density *d, struct err *err);
void density_release(struct density *d);
/* Waits until what they weigh together is steady (two looks half a second apart within 1 %, at most
 * ten seconds; at least the plan's settle time), then weighs. */
int density_settle(struct course *c, struct density *d, struct session *const *v, size_t n,
                   struct err *err);
/* One point of bytes against number. */
int density_point(struct density *d, struct session *const *v, size_t n, struct err *err);
/* Adds in bytes, of one container more (the slope of the points; the mean of one point): container,
 * all (PSS without and with what is above it). For comparison, of one of all that ran: what the
 * kernel pinned, what MemAvailable lost, what of that neither explains; and each component's PSS.
 * At last how many would fit, by PSS and the kernel's part. */
void density_facts(const struct density *d, json_t *facts);

#endif
