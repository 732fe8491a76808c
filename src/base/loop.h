/* The event loop: epoll over descriptors, plus the child reaper.
 *
 * Layer: base. One loop a process; it is a value the caller owns and passes on. Sources are removed
 * by their handle; a handle is invalid afterwards. Callbacks may add and remove any source,
 * themselves included. Nothing here polls: with no event and no deadline the loop sleeps in
 * epoll_wait, so a controller that waits costs nothing.
 *
 *     struct loop *l;
 *     loop_new(&l, &err);
 *     loop_add_fd(l, fd, EPOLLIN, on_line, session, &src, &err);
 *     loop_run_until(l, &done, deadline_ns, &err);      // -ETIMEDOUT when the deadline passes
 *
 * Children: loop_new makes the process a child subreaper, sets SIGCHLD to its default and takes it
 * through a signalfd (the signal is blocked; spawn unblocks it in children). The loop is the only
 * caller of waitpid: it reaps every child, adopted ones too, whenever the loop runs. The status of
 * a watched pid goes to its callback; statuses nobody watched are kept in a ring of the last
 * LOOP_RING, so that a watch set after the child was reaped still learns of it.
 *
 * Nesting: a callback may call loop_run_until again (spawn_run does). Events already fetched by the
 * outer call are delivered after the inner one returns and may then be stale: descriptors are
 * non-blocking and callbacks take EAGAIN for "nothing". */
#ifndef CUPEL_BASE_LOOP_H
#define CUPEL_BASE_LOOP_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#define LOOP_RING 256

struct loop;
struct loop_source;

typedef void loop_fd_cb(void *user, int fd, uint32_t events);
/* wait_status as from waitpid; usage of that child. */
typedef void loop_child_cb(void *user, pid_t pid, int wait_status, const struct rusage *usage);

int loop_new(struct loop **ret, struct err *err);
void loop_free(struct loop *l);

int loop_add_fd(struct loop *l, int fd, uint32_t events, loop_fd_cb *cb, void *user,
                struct loop_source **ret, struct err *err);
int loop_mod_fd(struct loop *l, struct loop_source *s, uint32_t events, struct err *err);
/* NULL is fine. Does not close the descriptor; remove the source before closing it, since the
 * number may be another's by then. */
void loop_remove(struct loop *l, struct loop_source *s);

/* Calls cb once when pid (a child, or one adopted later) has been reaped. If it was reaped before
 * the watch and is still in the ring, cb is called from the next turn of the loop, never from
 * within this call. -ESRCH if the pid is neither in the ring nor a process. The handle stays the
 * caller's after the callback, until loop_remove or loop_free; with a ret of NULL the watch removes
 * itself. */
int loop_watch_child(struct loop *l, pid_t pid, loop_child_cb *cb, void *user,
                     struct loop_source **ret, struct err *err);

/* Calls cb once, with a descriptor of no further use and no status, when a process that need not be
 * ours has ended: a container's, whose parent is its engine's monitor. The caller makes sure that
 * the number still means that process (look at it after the watch is set). -ESRCH if it is gone. */
int loop_watch_pid(struct loop *l, pid_t pid, loop_fd_cb *cb, void *user, struct loop_source **ret,
                   struct err *err);

/* Runs until *done becomes true (checked before all else and after every callback), the deadline
 * (CLOCK_MONOTONIC ns; UINT64_MAX: none) passes: -ETIMEDOUT with ERR_TIMEOUT, or an interrupt was
 * requested: -EINTR. Unless *done is true at once, it dispatches at least once, even when the
 * deadline is already past or the interrupt older than the call. done may be NULL: never. */
int loop_run_until(struct loop *l, const bool *done, uint64_t deadline_ns, struct err *err);
/* Handles what is ready now, without waiting. */
void loop_run_ready(struct loop *l);

/* SIGINT/SIGTERM/SIGHUP through the signalfd: after loop_catch_interrupts, each sets a flag that
 * makes loop_run_until return -EINTR until loop_clear_interrupt. Signals that were ignored when the
 * program started (nohup) stay ignored. */
int loop_catch_interrupts(struct loop *l, struct err *err);
int loop_interrupted(const struct loop *l);          /* 0, or the signal number (of the first) */
unsigned loop_interrupt_count(const struct loop *l); /* since the last clear */
void loop_clear_interrupt(struct loop *l);
/* As if the signal came now: for those who had put it aside. 0: nothing. */
void loop_set_interrupt(struct loop *l, int signal);

/* For base/together.h alone. While a yield is set, loop_run_until calls it where it would turn the
 * loop, since another stack does that; loop_turn is one turn, with a wait of at most the deadline.
 */
typedef void loop_yield_fn(void *user, const bool *done, uint64_t deadline_ns);
void loop_set_yield(struct loop *l, loop_yield_fn *fn, void *user);
void *loop_yield_user(const struct loop *l); /* NULL: none is set */
void loop_turn(struct loop *l, uint64_t deadline_ns);

/* Returns from a sleep in epoll_wait so far: what the benchmark of the controller's quietness
 * reads. */
uint64_t loop_wakeups(const struct loop *l);

#endif
