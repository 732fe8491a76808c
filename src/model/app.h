/* An application as a workload: declared in YAML, run whole inside an image.
 *
 * Layer: model. Ownership: refcounted; a cell points to its application without a count of its own,
 * whoever keeps the cell (a plan) keeps the application too. Plain data after app_parse.
 *
 *     name: redis
 *     title: Redis under redis-benchmark
 *     aliases: [redis-benchmark]
 *     suites: [paper]
 *     optional: no                # yes: a program that is measured where this machine has it
 *     image: {packages: [redis-server, redis-tools]}
 *                                 # or programs: [iozone], dir: /path,
 *                                 # archive: docker-archive:FILE | oci:DIR | docker://NAME
 *     files:
 *       - {path: /etc/app.conf, text: "...", mode: "0644"}
 *     inputs:                     # found as /data/NAME: a file of the user's, or made once
 *       - name: clip.ivf
 *         param: clip             # a text parameter with its path; empty: made by
 *         packages: [ffmpeg]
 *         command: [ffmpeg, ..., /work/clip.ivf]
 *         output: /work/clip.ivf
 *     params:
 *       requests: {default: 1000000, kind: count, help: "...", min: 1, max: 100000000,
 *                  scale: yes, floor: 100000}
 *     server:
 *       command: [redis-server, --save, ""]
 *       ready: {port: 6379}       # or output: "text", or command: [...]; none: at once
 *       timeout: 10s
 *     setup:
 *       - {command: [...], timeout: 10s}
 *     command: [redis-benchmark, -n, "${requests}"]
 *     env: {NAME: value}
 *     cwd: /
 *     timeout: 60s
 *     cpus: all                   # or one
 *     expected: 5s                # for the estimate at the start of a run
 *     metrics:
 *       - {name: set, regex: 'SET: ([0-9.]+)', unit: requests/s, better: higher}
 *       - {name: iops, json: "jobs[0].write.iops", unit: 1/s, better: higher, scale: 1}
 *       - {name: time, wall: yes, unit: s, better: lower}
 *
 * A metric with a `command` (and `setup`) of its own is an execution of its own. ${name} in
 * commands, env and texts is a parameter: counts as they are, sizes in bytes, durations in seconds.
 * Regular expressions are POSIX extended ones; the first group is the value. JSON is YAML, too. */
#ifndef CUPEL_MODEL_APP_H
#define CUPEL_MODEL_APP_H

#include "base/str.h"
#include "model/workload.h"

#include <regex.h>

#define APP_NAME_MAX       24
#define APP_METRICS_MAX    16
#define APP_PARAMS_MAX     8
#define APP_WORDS_MAX      64
#define APP_LIST_MAX       16
#define APP_TEXT_MAX       8192
#define APP_EXECUTIONS_MAX (APP_METRICS_MAX + 1)
#define APP_SPEC_MAX       24576 /* what a frame takes */

struct app_words {
    char **v; /* NULL-terminated; NULL: none */
    size_t n;
};

struct app_command {
    struct app_words argv; /* none: no command */
    uint64_t timeout_ns;   /* 0: not said */
};

enum app_image { APP_IMAGE_PACKAGES, APP_IMAGE_PROGRAMS, APP_IMAGE_DIR, APP_IMAGE_ARCHIVE };

struct app_file {
    char *path, *text;
    unsigned mode;
};

struct app_input {
    char *name, *param; /* param NULL: always made */
    struct app_words packages, command;
    char *output;
};

enum app_ready { APP_READY_NONE, APP_READY_PORT, APP_READY_OUTPUT, APP_READY_COMMAND };

/* What is run once for all metrics that it serves. */
struct app_execution {
    char name[APP_NAME_MAX + 8]; /* unique in the application */
    struct app_command command;
    struct app_command setup[APP_LIST_MAX];
    size_t n_setup;
};

enum app_metric_kind { APP_METRIC_REGEX, APP_METRIC_JSON, APP_METRIC_WALL };

struct app_metric {
    char name[APP_NAME_MAX];
    char cell[2 * APP_NAME_MAX];
    char *title, *pattern; /* regular expression or JSON path */
    enum app_metric_kind kind;
    regex_t regex;
    bool compiled;
    char unit[CELL_UNIT_MAX];
    enum better better;
    double scale;
    size_t execution;
    struct workload workload;
};

struct app {
    unsigned refs;
    char *source; /* the YAML as read */
    char name[APP_NAME_MAX];
    char *title;
    struct app_words aliases;
    bool optional;
    unsigned suites; /* SUITE_ bits */
    enum app_image image;
    struct app_words image_words;
    struct app_file files[APP_LIST_MAX];
    size_t n_files;
    struct app_input inputs[APP_LIST_MAX];
    size_t n_inputs;
    struct param_def params[APP_PARAMS_MAX];
    size_t n_params;
    const char *scaled; /* a parameter's name, or NULL */
    int64_t scaled_floor;
    struct app_command server, ready_command;
    enum app_ready ready;
    unsigned port;
    char *ready_output;
    struct app_words env; /* "NAME=value" */
    char *cwd;
    enum cpus_kind cpus;
    uint64_t expected_ns;
    struct app_execution executions[APP_EXECUTIONS_MAX]; /* 0: of the application itself */
    size_t n_executions;
    struct app_metric metrics[APP_METRICS_MAX];
    size_t n_metrics;
};

/* ERR_USAGE `my.yaml:7:3: unknown key "metrik"; expected one of ...`. */
int app_parse(const char *text, size_t n, const char *file, struct app **ret, struct err *err);
struct app *app_ref(struct app *a);
void app_unref(struct app *a); /* NULL is fine */

/* ERR_USAGE for patterns that would take a machine's memory to compile, and for back-references. */
int app_pattern_check(const char *pattern, struct err *err);
/* By its name or an alias. */
bool app_answers_to(const struct app *a, const char *name);
/* Cell i of n_metrics, with the parameters at their defaults. */
void app_cell(const struct app *a, size_t i, struct cell *ret);
/* The description for the guest (wire/appspec.h), parameters put in. */
int app_spec(const struct cell *cell, struct str *ret, struct err *err);
/* The cell's value out of what the command wrote and how long it took. ERR_MEASUREMENT with the end
 * of the output where there is none, or one that is no positive number. */
int app_value(const struct cell *cell, const char *output, uint64_t wall_ns, double *ret,
              struct err *err);
/* The longest that server and setup, and the command, may take. */
uint64_t app_prepare_timeout_ns(const struct cell *cell);
uint64_t app_command_timeout_ns(const struct cell *cell);

#endif
