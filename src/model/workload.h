/* The catalogue: what can be measured.
 *
 * Layer: model. Constant data.
 *
 * A *workload* is what the probe runs (`mem.triad`). A *cell definition* is one way of running it
 * that is measured and shown under a name of its own: workload, variant, CPU set, number of
 * workers, file system, preset parameters. `cpu.prime` is one worker on one CPU, `cpu.prime@all` a
 * worker per CPU on all of them, `sys.getpid@wide` one worker that may use all CPUs,
 * `fs.open@tmpfs` works on a tmpfs, `mem.triad@nt` stores past the cache, `ipc.pipe@cross` has its
 * ends on two CPUs. CPU set, workers and place are part of a cell's identity: they decide verdicts.
 *
 * Adding a workload, as a checklist:
 *   1. one file-local function in src/probe/<family>.c and its row in that family's table;
 *   2. one row in workloads[] of catalogue.c, its parameters in a PARAMS table above;
 *   3. one row per cell in cell_defs[] of catalogue-cells.c; a system call is one line of CALLS
 *      (catalogue-calls.h) instead of 2 and 3;
 *   4. the unit test of the catalogue compares both with the probe's own list, and with those of
 *      the payload programs. */
#ifndef CUPEL_MODEL_WORKLOAD_H
#define CUPEL_MODEL_WORKLOAD_H

#include "model/params.h"
#include "model/target.h"

#include <stdbool.h>
#include <stddef.h>

enum better { BETTER_LOWER, BETTER_HIGHER };

/* SLICE: cut into pieces of some 20 ms, untimed lead included, interleaved with the other targets.
 * WHOLE: one long piece a block in a fresh session, the other targets stopped. */
enum grain { GRAIN_SLICE, GRAIN_WHOLE };

enum cpus_kind {
    CPUS_ONE, /* one CPU, the same for every target */
    CPUS_TWO, /* two CPUs: partners apart */
    CPUS_ALL  /* all CPUs of the run */
};

enum place { PLACE_NONE, PLACE_ROOTFS, PLACE_TMPFS, PLACE_BIND };

/* Which static program serves the workload. What is too heavy for the probe (src/payload) is a
 * program of its own that speaks the same frames. */
enum program { PROGRAM_PROBE, PROGRAM_LINPACK, PROGRAM_SQLITE, PROGRAM_COUNT };

/* How a whole workload is measured: by what a guest does, or by what it takes to have one. */
enum experiment {
    EXPERIMENT_WORK,
    EXPERIMENT_CYCLE,     /* one start, one end */
    EXPERIMENT_DESTROY,   /* one start, one forced removal */
    EXPERIMENT_CROWD,     /* many started one after the other, all kept, then removed */
    EXPERIMENT_PARALLEL,  /* 1, 2, 4, ... started at once */
    EXPERIMENT_NEIGHBOUR, /* two side by side, one of which begins to work later */
    EXPERIMENT_BESIDE     /* samples of a victim's work without and with an aggressor beside it */
};

/* A crowd's starts and removals are added up by so many. */
#define CROWD_STEP   10
#define PARALLEL_MAX 64

struct app;
struct cell;

/* How fast a target on this machine is, roughly: what an estimate is made of. */
struct pace {
    double disk_ns;   /* a byte written to the disk, fsync included */
    double sync_ns;   /* one fsync after a small write */
    double memory_ns; /* a byte copied, as a file in memory is written */
    double call_ns;  /* what a file operation costs beyond the host's; 0 without a kernel between */
    double cycle_ns; /* one start and one end */
    double flop_ns;  /* one of LINPACK's operations, on all CPUs of the run */
};

struct workload {
    const char *name;   /* "family.verb", or the family alone */
    const char *family; /* "cpu", "mem", "sys", "call", "ipc", "fs", "net", "linpack", ... */
    const char *title;  /* what it measures, one line */
    const char *op;     /* what one operation is: "event", "call", "MiB", "round trip" */
    enum grain grain;
    bool latency;            /* one slice a block times every operation into a histogram */
    bool processes;          /* workers are processes, not threads */
    double bytes_per_op;     /* > 0: absolute values are shown as bytes/s too */
    const char *bytes_param; /* the parameter that says how many they are; NULL: those above */
    /* Needs a network, and a server in it: the sessions of its cells are started for them alone
     * (measure/network.h). */
    bool network;
    const struct param_def *params;
    size_t n_params;
    /* Not a time: its metric is a value of this unit, stored as an application's is. The fact
     * counts in units, or in parts of which unit_size make one; beside a time (<metric>_ns) it
     * makes a rate. */
    const char *unit;
    double unit_size;   /* 0: 1 */
    enum better better; /* of that value */
    /* Below: for workloads that run whole. */
    enum experiment experiment;
    enum program program;
    /* What is really executed, where one execution serves several workloads (blogbench.read and
     * blogbench.write both are "blogbench"). NULL: name. */
    const char *exec;
    /* The fact of the finished execution that counts this workload's operations. NULL: those of the
     * slice. */
    const char *metric;
    /* The parameter (ns) that says how long it runs; operations are counted. NULL: it does a number
     * of operations, and the time is taken. */
    const char *time_param;
    /* Operations of each worker in one execution. NULL: 1. */
    uint64_t (*whole_ops)(const struct params *p);
    /* How long an execution will take, about, for the estimate at the start of a run. NULL: what
     * time_param says, else 5 s. */
    uint64_t (*expected_ns)(const struct cell *cell, const struct pace *pace);
    /* The parameter that --scale shortens, and to what at the least. NULL: nothing. */
    const char *scaled;
    int64_t scaled_floor;
    /* With cold=yes its first reading is to come from the device: it takes `phases` (write, read),
     * so that another session can do the reading. */
    bool cold_reads;
    /* What the host's kernel is asked for meanwhile is counted; its facts are the controller's. */
    bool host_calls;
};

#define SUITE_QUICK     1u
#define SUITE_MICRO     2u
#define SUITE_PAPER     4u
#define SUITE_STORAGE   8u
#define SUITE_UNIXBENCH 16u
#define SUITE_LIFECYCLE 32u
#define SUITE_DENSITY   64u
#define SUITE_REACH     128u
#define SUITE_ISOLATION 256u
#define SUITE_MATRIX    512u
#define SUITE_NETWORK   1024u

struct cell_def {
    const char *workload;
    const char *variant; /* "" for the plain cell */
    enum cpus_kind cpus;
    bool worker_per_cpu; /* workers = CPUs of the set; else 1 */
    enum place place;
    const char *presets; /* "stores=nt,pages=huge" or "" */
    unsigned suites;
    unsigned copies; /* so many workers, literally, however many CPUs there are; 0: as above */
};

#define CELL_NAME_MAX 64
#define CELL_UNIT_MAX 24

/* A cell of a run: a definition with its parameters resolved. */
struct cell {
    char name[CELL_NAME_MAX]; /* "fs.open@tmpfs" */
    const struct workload *workload;
    enum cpus_kind cpus;
    unsigned workers; /* 0: one per CPU, resolved when the CPUs are known */
    enum place place;
    enum grain grain;
    struct params params;
    /* Of an application's metric: unit is not empty. A sample then holds the value as a cost: rates
     * (BETTER_HIGHER) as ops in ns such that 1e9 ops / ns is the value; others such that ns / ops /
     * 1e9 is. */
    char unit[CELL_UNIT_MAX];
    enum better better;
    const struct app *app; /* NULL: the workload is one of the catalogue */
};

/* Parameters of a workload that needs a network which are not the guest's: where its peer is, which
 * stack it has, what lies between. */
#define NET_PEER        "peer"
#define NET_PEER_BARE   "bare"
#define NET_PEER_TARGET "target"
#define NET_PEER_HOST   "host"
#define NET_PEER_REMOTE "remote"
#define NET_MACHINE     "machine" /* of a remote one, as ssh takes it */
#define NET_PORT        "port"    /* the first that a remote one binds; 0: the kernel's choice */
#define NET_STACK       "stack"
#define NET_PATH        "path"
#define NET_PATH_SWITCH "switch" /* the run's own network */
#define NET_PATH_ENGINE "engine" /* the one that the target's engine makes */
#define NET_WIRE        "wire"
#define NET_DELAY       "delay"
#define NET_LOSS        "loss"
#define NET_MTU         "mtu"
/* What its peer executes. */
#define NET_SERVE "net.serve"

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
    unsigned repeats; /* > 0: exactly so many blocks unless said otherwise, no early looks */
    bool drop_caches; /* as plan.drop_caches */
    bool docker; /* its targets are docker's, unless told otherwise and where it is to be had */
    /* Limits on every target unless any is given; 0: none. */
    uint64_t memory_bytes, pids, io_bps;
    bool half_cpus; /* and half of the CPUs */
};
size_t suite_count(void);
const struct suite *suite_at(size_t i);
const struct suite *suite_find(const char *name);

/* Fills ret from def: defaults, then presets. */
void cell_from_def(const struct cell_def *def, struct cell *ret);
/* NULL if there is no cell of that name. */
const struct cell_def *cell_def_find(const char *name);
/* Does the definition itself fix this parameter (stores of "mem.triad@nt")? */
bool cell_def_presets(const struct cell_def *d, const char *param);
/* Calls cb, in catalogue order, for every definition that pattern selects:
 *     the name of a cell ("cpu.prime", "fs.open@tmpfs")      that cell
 *     a workload without a plain cell ("fs.open")            all its cells
 *     a family ("fs")                                        all its cells
 *     a glob over cell names ("mem.*", "*@all", "cpu.*")     what it matches
 * Returns how many matched; none is ERR_USAGE with the nearest name:
 * `no workload "sys.getpit"; did you mean sys.getpid?`. */
int cells_select(const char *pattern, void (*cb)(void *user, const struct cell_def *d), void *user,
                 struct err *err);
/* Applies "name=value" to every cell of the array that has that parameter and whose definition does
 * not fix it; ERR_USAGE if there is none. All cells are set or none. `grain=slice|whole` fits every
 * cell. */
int cells_apply_param(struct cell *cells, size_t n, const char *assignment, struct err *err);
/* Do the parameters of each cell's network fit together? ERR_USAGE: a peer on another machine
 * without one, or with a wire; a machine for another peer. */
int cells_check_network(const struct cell *cells, size_t n, struct err *err);

/* Bytes of an operation, for rates; 0: it moves none worth counting. */
double cell_bytes_per_op(const struct cell *c);
/* The name under which the program that serves it knows the workload. */
const char *cell_exec(const struct cell *c);
/* The parameter of a cell with an aggressor that names the target it runs in, and its word for the
 * victim's own. cell_aggressor parses what it says: 1 and *ret, or 0 for the victim's own and for
 * other cells; ERR_USAGE. drivers as in target_parse. */
#define CELL_AGGRESSOR      "aggressor"
#define CELL_AGGRESSOR_SAME "same"
int cell_aggressor(const struct cell *c, const char *const *drivers, size_t n_drivers,
                   struct target *ret, struct err *err);
/* Do two cells read their figures from one and the same execution? Only whole workloads do. */
bool cell_shares_execution(const struct cell *a, const struct cell *b);

/* An application's value as a sample's ops and ns (see struct cell), to a dozen digits. -ERANGE:
 * not above 0, or beyond what the two can hold: costs up to 9e6 units (another unit would do),
 * rates from 1.2e-7. */
int value_encode(double value, enum better better, uint64_t *ret_ops, uint64_t *ret_ns);

const struct param_def *workload_param(const struct workload *w, const char *name); /* or NULL */
/* Stands for the workload of a stored run that this version does not know, so that the run can
 * still be shown: cell.workload is never NULL. */
const struct workload *workload_unknown(void);

/* Stable names, as stored and exported; the _parse functions return -EINVAL for unknown ones. */
const char *better_name(enum better b);       /* "lower", "higher" */
const char *grain_name(enum grain g);         /* "slice", "whole" */
const char *cpus_kind_name(enum cpus_kind c); /* "one", "two", "all" */
const char *place_name(enum place p);         /* "none", "rootfs", "tmpfs", "bind" */
int better_parse(const char *name, enum better *ret);
int grain_parse(const char *name, enum grain *ret);
int cpus_kind_parse(const char *name, enum cpus_kind *ret);
int place_parse(const char *name, enum place *ret);

#endif
