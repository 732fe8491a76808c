/* Results: one SQLite file holding any number of runs.
 *
 * Layer: store. Format STORE_FORMAT in PRAGMA user_version; an older file is brought up to date
 * inside one transaction, a newer one is refused untouched. WAL mode, synchronous NORMAL, foreign
 * keys on. Default file: <state>/results.db.
 *
 * One transaction a trial: a kill loses at most the trial in flight.
 *
 * What is stored of a run (tables run, target, cell, block, session, trial, part, sample, warning)
 * is all that a verdict needs; nothing is summarised here. docs/results.md describes the tables. */
#ifndef CUPEL_STORE_STORE_H
#define CUPEL_STORE_STORE_H

#include "base/err.h"
#include "base/str.h"
#include "model/plan.h"
#include "model/run.h"

#include <stdbool.h>
#include <stdint.h>

#define STORE_FORMAT 5

struct store;

/* A run's head. Strings are owned by the struct. */
struct run_head {
    int64_t id; /* r<id> */
    char uuid[37];
    char *machine_id;
    char *machine;                           /* machine_json text */
    char *version;                           /* cupel's */
    char *command;                           /* command line as typed, for "again:" */
    uint64_t started_real_ns, ended_real_ns; /* 0: not ended */
    char status[16];  /* "running", "complete", "interrupted", "failed", "imported" */
    uint32_t base;    /* target index */
    struct plan plan; /* with seed drawn and cells resolved */
};
void run_head_init(struct run_head *h);
void run_head_release(struct run_head *h);

/* What was found out about a target: JSON object text, see driver.h target_info. */
struct target_row {
    bool usable;
    char *info; /* JSON object text */
};

/* path may be ":memory:" (create only). What is wrong with a file is found before anything is
 * written: of a newer format, of another program, damaged, cut short, not writable: ERR_ENVIRONMENT
 * with a remedy. A missing file is -ENOENT unless create; the directory has to be there. */
int store_open(const char *path, bool create, struct store **ret, struct err *err);
/* For a file or directory that cannot be written, too. One of an older format that can be written
 * is brought up to date first. */
int store_open_readonly(const char *path, struct store **ret, struct err *err);
void store_close(struct store *s);

/* Writing. run_new inserts head, targets and cells; sets head->id, and draws a uuid where there is
 * none. targets: one row each of head->plan.targets, or NULL: all usable. A second trial of one
 * cell in one block is -EEXIST; a block may be stored again (at its end). */
int store_run_new(struct store *s, struct run_head *head, const struct target_row *targets,
                  struct err *err);
/* "running" again, when a run is resumed. */
int store_run_status(struct store *s, int64_t run, const char *status, struct err *err);
int store_run_end(struct store *s, int64_t run, const char *status, struct err *err);
int store_block(struct store *s, int64_t run, const struct block_record *b, struct err *err);
int store_session(struct store *s, int64_t run, const struct session_record *r, struct err *err);
/* CPUs burned while idle, of the latest session of that target in that block. */
int store_session_idle(struct store *s, int64_t run, uint32_t block, uint32_t target,
                       double idle_cpu, struct err *err);
int store_trial(struct store *s, int64_t run, const struct trial *t, struct err *err);
int store_warning(struct store *s, int64_t run, const struct warning *w, struct err *err);

/* Reading. A callback that returns non-zero ends the walk, which returns the same; it may use the
 * store for other things. A cell whose workload this version does not know has workload_unknown().
 * spec: NULL or "" for the latest, "r7", "7", or a uuid (prefix of at least 4). */
int store_run_find(struct store *s, const char *spec, int64_t *ret, struct err *err);
int store_run_head(struct store *s, int64_t run, struct run_head *ret, struct err *err);
int store_runs(struct store *s, int (*cb)(void *user, const struct run_head *h, size_t n_trials),
               void *user, struct err *err);
int store_targets(struct store *s, int64_t run,
                  int (*cb)(void *user, uint32_t idx, const struct target_row *t), void *user,
                  struct err *err);
int store_blocks(struct store *s, int64_t run, int (*cb)(void *user, const struct block_record *b),
                 void *user, struct err *err);
int store_sessions(struct store *s, int64_t run,
                   int (*cb)(void *user, const struct session_record *r), void *user,
                   struct err *err);
/* Trials in schedule order with their parts and samples. cell -1: all. */
int store_trials(struct store *s, int64_t run, int32_t cell,
                 int (*cb)(void *user, const struct trial *t), void *user, struct err *err);
int store_warnings(struct store *s, int64_t run, int (*cb)(void *user, const struct warning *w),
                   void *user, struct err *err);
bool store_has_trial(struct store *s, int64_t run, uint32_t block, uint32_t cell);

#endif
