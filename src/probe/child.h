/* Programs that the probe starts in its target: an application's server and commands.
 *
 * Layer: probe. One child_* at a time waits; a server runs beside. The end of a child is seen by
 * SIGCHLD during ppoll, since not every sandbox has pidfd_open; nothing is polled in between, as
 * the wait is part of what is timed. */
#ifndef CUPEL_PROBE_CHILD_H
#define CUPEL_PROBE_CHILD_H

#include "probe/family.h"
#include "wire/appspec.h"

#include <sys/resource.h>

#define CAPTURE_HEAD 8192
#define CAPTURE_TAIL 15360

/* What a program wrote: its beginning and its end. */
struct capture {
    char head[CAPTURE_HEAD];
    char tail[CAPTURE_TAIL]; /* a ring once it is full */
    size_t head_n, tail_n, tail_at;
    uint64_t total;
};

void capture_clear(struct capture *c);
void capture_add(struct capture *c, const char *bytes, size_t n);
/* All that was kept, with a line in between that says how much was left out. */
char *capture_text(const struct capture *c);
/* The last of it on one line of at most size bytes, for a message. */
void capture_last(const struct capture *c, char *dst, size_t size);

struct child {
    pid_t pid; /* its process group too; 0: none, or over and reaped */
    int fd;    /* its output, both streams; -1 */
    int status;
    struct rusage usage;
    struct capture *out; /* the caller's */
};

/* Blocks SIGCHLD and makes this process the one that orphans fall to. Once. */
void child_setup(void);
/* Starts it in a process group of its own, on all CPUs of the job, its output into `out`.
 * -ENOENT "NAME: not found" where there is no such program. */
int child_start(const struct job *job, const struct appspec_command *c, struct capture *out,
                struct child *ret, struct err *err);
/* Until it ends, or until the deadline: -ETIMEDOUT, it still runs then. Reads its output and that
 * of `beside` (may be NULL). */
int child_wait(struct child *c, struct child *beside, uint64_t deadline_ns);
/* Reads what there is to read, and whether it has ended, for up to timeout_ns. */
void child_watch(struct child *c, uint64_t timeout_ns);
/* SIGTERM, patience, SIGKILL, for its whole group; reaped afterwards. */
void child_end(struct child *c, uint64_t patience_ns);
/* Kills and reaps whatever else fell to this process, all but one. Returns how many still ran. */
unsigned child_sweep(const struct child *but);
/* "ended with status 1", "was killed by signal 9". */
void child_fate(const struct child *c, char *dst, size_t size);

#endif
