/* A line of talk between a controller and a steward: lines of text one way and the other, and now
 * and then so and so many bytes as they are. What comes is bounded, what goes never blocks.
 *
 * Layer: fleet. Ownership: the descriptors belong to the link, made non-blocking; link_free closes
 * them. Works within tasks of base/together, too.
 *
 *     link_send(l, "{\"e\":\"beat\"}");
 *     r = link_wait_line(l, time_deadline(5 * NS_PER_S), &text, &err); // 1, 0 at the end, < 0 */
#ifndef CUPEL_FLEET_LINK_H
#define CUPEL_FLEET_LINK_H

#include "base/err.h"
#include "base/loop.h"
#include "base/str.h"

#include <jansson.h>
#include <stdbool.h>

/* A doctor's report is the longest. */
#define LINK_LINE_MAX (512u << 10)

struct link;

/* wake: set to true when something came, went or ended; NULL: none. */
int link_new(struct loop *loop, int fd_in, int fd_out, bool *wake, struct link **ret,
             struct err *err);
void link_free(struct link *l);

/* Puts text and a newline into the queue, and sends what goes at once. What does not fit into a
 * queue of 4 MiB, since nobody reads, breaks the link. */
void link_send(struct link *l, const char *text);
/* An object as such a line; takes the reference. NULL: nothing. */
void link_tell(struct link *l, json_t *event);
/* n bytes of the file fd from its start, after what is queued; fd has to live as long. One file at
 * a time. */
void link_send_file(struct link *l, int fd, uint64_t n);
/* Is all of it gone? */
bool link_sent(const struct link *l);
/* Waits until it is, or the link has ended (-EPIPE). */
int link_flush(struct link *l, uint64_t deadline_ns, struct err *err);
uint64_t link_unsent(const struct link *l);

/* Nothing will come any more, or what came was no line (too long). What came before is still to be
 * had. */
bool link_ended(const struct link *l);

/* 1 and a line without its end, which lives until the loop turns or the next call; 0: none yet. */
int link_line(struct link *l, char **ret);
/* 1; 0: the end; -ETIMEDOUT, -EINTR. */
int link_wait_line(struct link *l, uint64_t deadline_ns, char **ret, struct err *err);
/* Takes exactly n bytes, appended to `to`. The deadline is for each piece of it, idle_ns long.
 * -ECONNRESET where the link ends before. */
int link_wait_bytes(struct link *l, size_t n, uint64_t idle_ns, struct str *to, struct err *err);

#endif
