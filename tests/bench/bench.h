/* Two subjects, one after the other in random order, many times: the interleaving of a run, for
 * benchmarks that compare cupel's own parts with a reference.
 *
 * A subject is opened afresh every block and asked for slices; the blocks are the replicates. */
#ifndef CUPEL_TESTS_BENCH_H
#define CUPEL_TESTS_BENCH_H

#include "base/loop.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct subject {
    const char *name;
    void *user;
    int (*open)(void *user, struct err *err);
    /* Does about want_ns of work and gives the time per operation. */
    int (*slice)(void *user, uint64_t want_ns, double *ret_ns_per_op, struct err *err);
    void (*close)(void *user);
};

struct bench_plan {
    const char *what; /* "sys.getpid rate, probe / bare loop" */
    unsigned blocks, rounds;
    uint64_t slice_ns;
    double least, most;   /* bounds of the ratio; 0: none */
    bool interval_within; /* the whole interval has to lie within the bounds; else it has to reach
                             them */
};

/* Prints "what: ratio 1.002 [0.998, 1.006], 95 %, 10 blocks (bound >= 0.99): ok". The ratio is rate
 * of a / rate of b, hence time of b / time of a; with cost true it is time of a / time of b.
 * Returns 0, 1 when the bound is missed, or negative on an error. */
int bench_compare(const struct bench_plan *p, struct subject *a, struct subject *b, bool cost,
                  struct err *err);

/* The probe, or another program with its frames, bare on the host on the given CPU, with one
 * workload prepared. */
struct bench_probe {
    struct loop *loop;
    const char *path, *workload;
    const char *const *params; /* "name=number" ..., NULL-terminated; may be NULL */
    int cpu;
    uint64_t whole_ops; /* > 0: a slice is a whole piece of so many operations, prepared anew and
                           verified, and is what an operation means in the results */
    struct session *session;
    int pid;
    uint64_t ops;
};
struct subject bench_probe_subject(struct bench_probe *p);

/* A reference program: a number of operations a line in, their nanoseconds out. */
struct bench_reference {
    struct loop *loop;
    const char *path;
    const char *args[8];
    int cpu; /* -1: not pinned */
    int in, out, pid;
    uint64_t ops;
};
struct subject bench_reference_subject(struct bench_reference *r);

/* The CPU that benchmarks pin to: the last this process may use. */
int bench_cpu(void);

#endif
