/* The command lines of runtimes and engines: built from an argument vector, run in the session's
 * own leaf `tool`, where what they cost is counted and one that hangs is killed with all it
 * started.
 *
 * Layer: driver, internal. A struct command is a value; texts made by command_addf live in it.
 *
 *     struct command c;
 *     command_init(&c, "/usr/bin/runc", "delete");
 *     command_add(&c, "delete");
 *     command_addf(&c, "--force=%s", "true");
 *     command_run(l, &c, NULL, deadline, &res, &err); */
#ifndef CUPEL_DRIVER_COMMAND_H
#define CUPEL_DRIVER_COMMAND_H

#include "base/spawn.h"
#include "driver/ground.h"

#define COMMAND_MAX_ARGS 176

struct command {
    const char *argv[COMMAND_MAX_ARGS];
    size_t n;
    const char *const *env; /* NULL: ours */
    char what[64];          /* "runc create" */
    char text[4096];        /* of command_addf */
    size_t used;
    bool too_long;
};

/* path: absolute; verb: for messages alone. */
void command_init(struct command *c, const char *path, const char *verb);
void command_add(struct command *c, const char *arg); /* not copied */
void command_addf(struct command *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Several at once, NULL-terminated. */
void command_add_all(struct command *c, const char *const *args);
/* The flags of the target and what its kind needs, one --name=value each, or, with option, after
 * that word and without the dashes ("--runtime-flag" "platform=ptrace"). network: runsc's, as
 * driver/plug.h has it. */
void command_add_runtime_flags(struct command *c, const struct engine *e, const char *network,
                               const char *option);

/* Runs it to its end in the session's tool leaf and where l->cover_fd says. io NULL: its output is
 * captured in ret, and an exit other than 0 is an error; else the output is the session's and
 * ret->wait_status is to be looked at. ret is to be released in every case. */
int command_run(struct live *l, const struct command *c, const struct stdio *io,
                uint64_t deadline_ns, struct spawn_result *ret, struct err *err);
/* The same, its output captured and added to out (may be NULL). */
int command_run_text(struct live *l, const struct command *c, uint64_t deadline_ns, struct str *out,
                     struct err *err);
/* Starts it there and does not wait. */
int command_spawn(struct live *l, const struct command *c, const struct stdio *io, pid_t *ret,
                  struct err *err);
/* The error for a command that ended so while its standard error was the session's: with the last
 * line of that. */
int command_failed(struct live *l, const struct command *c, int wait_status, struct err *err);

/* A directory tree of ours with whatever is mounted in it: written to the ledger, made; unmounted,
 * removed and crossed off. */
int owned_dir_make(struct site *s, const char *path, struct err *err);
int owned_dir_remove(struct site *s, const char *path, struct err *err);
/* A directory <run>/state-<label> for what a target's runtime or engine keeps: written to the
 * ledger with the mounts below it, made, and its name put into e->state_dir. */
int state_dir_make(struct site *s, struct engine *e, struct err *err);
int state_dir_remove(struct site *s, struct engine *e, struct err *err);
/* The same for /run/cupel-<run>-<n>: sockets, and what else must have a short name (podman refuses
 * a runroot of more than 50 characters). */
int run_dir_make(struct site *s, struct engine *e, struct err *err);
int run_dir_remove(struct site *s, struct engine *e, struct err *err);

#endif
