/* call.*: what one system call costs, for some 50 calls that stand for the classes a sandbox treats
 * differently. This header is what the call-*.c families share: the state of a worker, the loop,
 * the trial at prepare, the checks.
 *
 * Layer: probe. Ownership: struct call belongs to the worker (call_worker_setup to
 * call_worker_teardown); what start puts into it is closed, unmapped and removed by call_stop.
 *
 * Every workload tries its call once while preparing, so that a guest which lacks it answers
 * prepare with that errno ("unsupported") and never yields a number. In the loop each result is
 * compared with the only right one.
 *
 *     static void run_lseek(struct worker *w, uint64_t ops)
 *     {
 *         const struct call *c = w->state;
 *         CALL_LOOP(w, ops, "lseek", lseek(c->fd[0], 0, SEEK_SET) == 0);
 *     }
 *
 * Calls that take a path get one of one component, below a descriptor of the directory: fstatat for
 * stat, openat for open, renameat for rename (scratch.h says why). Calls go through syscall(2)
 * where libc would answer by itself (vDSO, caches, other calls). */
#ifndef CUPEL_PROBE_CALL_H
#define CUPEL_PROBE_CALL_H

#include "probe/family.h"
#include "probe/scratch.h"

#include <errno.h>

#define CALL_PAGE 4096
#define CALL_FDS  4

/* Names in the worker's directory. */
#define CALL_FILE  "file"
#define CALL_OTHER "other"

struct call {
    int fd[CALL_FDS];       /* -1: none */
    struct scratch_dir dir; /* of its own */
    struct self self;       /* call.exec */
    void *map;
    size_t map_bytes;
    uint64_t word; /* a value the call must carry through, or a count of what it did */
    long expect;   /* what the call must return */
    unsigned flip; /* which of two alternating states is due next */
    unsigned char buf[CALL_PAGE] __attribute__((aligned(64)));
};

/* ops times EXPR, true when the call did what it should. Counts into tally 0. errno is cleared
 * once, so that a wrong result without an errno is told as EIO. */
#define CALL_LOOP(w, ops, where, expr)                                                             \
    do {                                                                                           \
        uint64_t call_n_ = 0;                                                                      \
        errno = 0;                                                                                 \
        for (; call_n_ < (ops); call_n_++) {                                                       \
            if (__builtin_expect(!(expr), 0)) {                                                    \
                worker_fail((w), errno ? errno : EIO, (where));                                    \
                break;                                                                             \
            }                                                                                      \
        }                                                                                          \
        (w)->tally[0] += call_n_;                                                                  \
    } while (0)

/* A row of a table. Workers are processes: copies share no descriptor table and no memory map. */
#define CALL_ROW(tail, start_fn, run_fn)                                                           \
    {                                                                                              \
        .name = "call." tail, .processes = true, .start = (start_fn), .run = (run_fn),             \
        .check = call_check, .stop = call_stop                                                     \
    }
/* ... with evidence of its own; its check ends by calling call_check. */
#define CALL_ROW_CHECK(tail, start_fn, run_fn, check_fn)                                           \
    {                                                                                              \
        .name = "call." tail, .processes = true, .start = (start_fn), .run = (run_fn),             \
        .check = (check_fn), .stop = call_stop                                                     \
    }

/* Hooks that all the families share. */
bool call_keep(const struct frame_prepare *old, const struct frame_prepare *new);
int call_worker_setup(struct worker *w, struct err *err);
void call_worker_teardown(struct worker *w);
int call_check(struct worker *w, struct err *err);
void call_stop(struct worker *w);

/* The end of every start: one operation. An error with the call's errno if it fails. Also a start
 * of its own, for calls that need nothing. */
int call_try(struct worker *w, struct err *err);

/* Steps of starts. */
int call_scratch(struct worker *w, struct err *err);      /* dir */
int call_scratch_file(struct worker *w, struct err *err); /* ... with 4 KiB in CALL_FILE */
int call_pipe(struct worker *w, struct err *err);         /* fd[0] read end, fd[1] write end */
int call_event(struct worker *w, struct err *err);        /* fd[0]: eventfd, readable */
int call_map(struct worker *w, size_t bytes, struct err *err);

#endif
