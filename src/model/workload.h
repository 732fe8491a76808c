/* The catalogue: what can be measured.
 *
 * Layer: model. Constant data.
 *
 * A *workload* is what the probe runs (`mem.triad`). A *cell definition* is one way of running it
 * that is measured and shown under a name of its own: workload, variant, CPU set, number of workers,
 * file system, preset parameters. `cpu.prime` is one worker on one CPU, `cpu.prime@all` a worker per
 * CPU on all of them, `sys.getpid@wide` one worker that may use all CPUs, `fs.open@tmpfs` works on a
 * tmpfs, `mem.triad@nt` stores past the cache, `ipc.pipe@cross` has its ends on two CPUs. CPU set,
 * workers and place are part of a cell's identity: they decide verdicts.
 *
 * Adding a workload: one file-local function in src/probe/<family>.c and its row in that family's
 * table; one row in the WORKLOADS list and one per cell in the CELLS list of catalogue.c; the unit
 * test of the catalogue compares both with the probe's own list. */
#ifndef CUPEL_MODEL_WORKLOAD_H
#define CUPEL_MODEL_WORKLOAD_H

#include "model/params.h"

#include <stdbool.h>
#include <stddef.h>

enum better { BETTER_LOWER, BETTER_HIGHER };

/* SLICE: cut into 20-50 ms pieces, interleaved with the other targets.
 * WHOLE: one long piece a block in a fresh session, the other targets stopped. */
enum grain { GRAIN_SLICE, GRAIN_WHOLE };

enum cpus_kind {
    CPUS_ONE, /* one CPU, the same for every target */
    CPUS_TWO, /* two CPUs: partners apart */
    CPUS_ALL  /* all CPUs of the run */
};

enum place { PLACE_NONE, PLACE_ROOTFS, PLACE_TMPFS, PLACE_BIND };

struct workload {
    const char *name;   /* "family.verb" */
    const char *family; /* "cpu", "mem", "sys", "call", "mm", "ipc", "fs", "clock" */
    const char *title;  /* what it measures, one line */
    const char *op;     /* what one operation is: "event", "call", "MiB", "round trip" */
    enum grain grain;
    bool latency;       /* one slice a block times every operation into a histogram */
    bool processes;     /* workers are processes, not threads */
    double bytes_per_op; /* > 0: absolute values are shown as bytes/s too */
    const struct param_def *params;
    size_t n_params;
};

#define SUITE_QUICK 1u
#define SUITE_MICRO 2u

struct cell_def {
    const char *workload;
    const char *variant;   /* "" for the plain cell */
    enum cpus_kind cpus;
    bool worker_per_cpu;   /* workers = CPUs of the set; else 1 */
    enum place place;
    const char *presets;   /* "stores=nt,pages=huge" or "" */
    unsigned suites;
};

#define CELL_NAME_MAX 64

/* A cell of a run: a definition with its parameters resolved. */
struct cell {
    char name[CELL_NAME_MAX]; /* "fs.open@tmpfs" */
    const struct workload *workload;
    enum cpus_kind cpus;
    unsigned workers;         /* 0: one per CPU, resolved when the CPUs are known */
    enum place place;
    enum grain grain;
    struct params params;
};

size_t workload_count(void);
const struct workload *workload_at(size_t i);
const struct workload *workload_find(const char *name); /* NULL if none */
size_t cell_def_count(void);
const struct cell_def *cell_def_at(size_t i);
void cell_def_name(const struct cell_def *d, char dst[CELL_NAME_MAX]);

struct suite {
    const char *name; /* "quick", "micro" */
    unsigned bit;
    const char *title;
};
size_t suite_count(void);
const struct suite *suite_at(size_t i);
const struct suite *suite_find(const char *name);

/* Fills ret from def: defaults, then presets. */
void cell_from_def(const struct cell_def *def, struct cell *ret);
/* Calls cb for every definition whose name, workload name or "workload@*" matches the glob pattern
 * (a bare workload name selects all its cells; "fs.*" a family). Returns how many matched; 0 sets
 * ERR_USAGE with the nearest name: `no workload "sys.getpit"; did you mean sys.getpid?`. */
int cells_select(const char *pattern, void (*cb)(void *user, const struct cell_def *d), void *user,
                 struct err *err);
/* Applies "name=value" to every cell of the array that has that parameter; ERR_USAGE if none has. */
int cells_apply_param(struct cell *cells, size_t n, const char *assignment, struct err *err);

const char *better_name(enum better b);
const char *grain_name(enum grain g);
const char *cpus_kind_name(enum cpus_kind c); /* "one", "two", "all" */
const char *place_name(enum place p);         /* "none", "rootfs", "tmpfs", "bind" */

#endif
