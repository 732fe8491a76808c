/* What a steward has others do, and what it reads of their work.
 *
 * Layer: fleet, internal. The working directory is the brought one. */
#ifndef CUPEL_FLEET_STEWARD_WORK_H
#define CUPEL_FLEET_STEWARD_WORK_H

#include "base/fs.h"
#include "base/loop.h"
#include "base/str.h"

#include <jansson.h>
#include <stdbool.h>

/* The run that is measured. */
struct work {
    struct loop *loop;
    bool *wake;
    pid_t pid;
    bool running;
    int wait_status;
    struct loop_source *watch, *src_err;
    int fd_err;
    struct str line; /* of its standard error, not at its end yet */
    char last[400];  /* the last whole one */
    void *user;
    void (*say)(void *user, const char *line);
};

/* For what is started from here on: its own state, the files that were brought, plain text. */
void work_environment(const char *dir);
/* `cupel doctor --json`, parsed; the caller drops it. Of the targets that the run's args name,
 * where they name each. */
int work_doctor(struct loop *l, const char *dir, const json_t *args, json_t **ret, struct err *err);
/* `cupel steward --install` of names (fleet/install.h). */
int work_install(struct work *w, const char *dir, const char *names, struct err *err);
/* `cupel run` of the plan with args (an array of texts), or on with the run that is there. */
int work_start(struct work *w, const char *dir, const json_t *args, bool resume, struct err *err);
/* Takes up what it said last, and forgets it. */
void work_finish(struct work *w);

/* How the stored run stands. */
struct standing {
    bool stored, part;
};
void work_standing(struct standing *ret);
/* The run in its exchange form, in memory: a descriptor, its length and hash. */
int work_export(uint64_t *ret_bytes, char ret_sha256[FS_SHA256_HEX], struct err *err);

#endif
