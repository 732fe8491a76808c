/* Tasks that take turns on one thread: what is written to wait can be done several times at once.
 *
 * Layer: base. Each task has a stack of its own. Where one waits in loop_run_until, as everything
 * here does that waits (spawn_run, sessions, calls of an engine's interface), the others go on;
 * nothing else interrupts a task, so that between two waits it has all data to itself. The loop
 * turns on the caller's stack, and its callbacks run there.
 *
 *     static void one_start(void *user) { struct start *s = user; s->r = driver->start(...); }
 *     together_run(loop, one_start, starts, n, sizeof(starts[0]), &err);
 *
 * An interrupt reaches every task, as -EINTR of its next wait, whatever the others make of it: each
 * can put it aside for itself. It is there again afterwards if one still had it at its end. Not to
 * be nested. */
#ifndef CUPEL_BASE_TOGETHER_H
#define CUPEL_BASE_TOGETHER_H

#include "base/err.h"
#include "base/loop.h"

#include <stddef.h>

typedef void together_task(void *user);

/* Runs task on each of the n elements of the array, and returns when all have returned. < 0: no
 * room for a stack, and none was begun. */
int together_run(struct loop *l, together_task *task, void *array, size_t n, size_t size,
                 struct err *err);

/* In a task: waits until every other one has called it as often, or has returned. Elsewhere:
 * nothing. */
void together_meet(struct loop *l);

#endif
