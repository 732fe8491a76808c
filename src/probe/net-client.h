/* What the clients of net.* have in common: their parameters, a connection, the open loop, facts.
 *
 * Layer: probe. Ownership: the client is its worker's state, made by client_new at the beginning of
 * a workload's start and freed by client_stop, half built or not.
 *
 * Parameters of all: address (127.0.0.1), port, timeout (5 s; of every connect, send and receive),
 * buffer (both of the socket's buffers at both ends; 0: the kernel's choice). Of those that
 * exchange something: rate, operations a second over all workers (0: the next one begins when the
 * last one has ended). With a rate each operation has a time at which it is meant to begin, counted
 * from the beginning of its slice; one that is late because others took long counts, in the
 * histogram, from when it should have begun (Gil Tene, "How NOT to measure latency": coordinated
 * omission).
 *
 * Facts: sndbuf, rcvbuf, mss, congestion (of worker 0's connection), retransmits (of all). */
#ifndef CUPEL_PROBE_NET_CLIENT_H
#define CUPEL_PROBE_NET_CLIENT_H

#include "probe/net.h"

/* Tallies: 0 operations; then what the facts of `finished` are made of. */
enum { TALLY_OPS, TALLY_LOST, TALLY_LATE };

/* One of several connections that stay open. */
struct stream {
    int fd;
    uint64_t place, total; /* bytes of the slice, done and to do */
};

struct client {
    int fd; /* -1: none */
    struct sockaddr_in peer;
    uint64_t timeout_ns;
    uint32_t buffer;
    uint32_t request, response; /* bytes of a message each way; of a call of a stream */
    unsigned char *out, *in;    /* what is sent, what came */
    size_t out_n, in_n;
    unsigned char next;     /* first byte of the next request */
    bool linger;            /* the connection ends with a reset */
    uint64_t lost_ns;       /* a datagram that has no answer after so long is lost */
    struct stream *streams; /* net.tcp_stream's, in the place of fd */
    unsigned n_streams;
    /* The open loop. */
    uint64_t interval_ns; /* 0: there is none */
    uint64_t offset_ns;   /* of this worker's operations to the first one's */
    uint64_t next_ns;     /* when the next operation is to begin */
    uint64_t slice;       /* that it belongs to */
    /* Facts of the connection; -1: not known. */
    int64_t sndbuf, rcvbuf, mss;
    char congestion[16];
};

/* out and in: room for so many bytes each. */
int client_new(struct worker *w, size_t out_n, size_t in_n, struct err *err);
/* The parameters request and response, 1 .. max bytes, and their facts. */
int client_messages(struct worker *w, int64_t max, struct err *err);
/* The parameter rate. */
int client_rate(struct worker *w, struct err *err);
void client_stop(struct worker *w);

/* A connection of the worker's own, with its time-outs, as client->fd. 0 or an errno. */
int client_dial(struct client *c);
/* Closes it, by a reset where linger is set. */
void client_hang_up(struct client *c);
/* A connection too, outside the clock: with words for what goes wrong, TCP_NODELAY, a look at it,
 * and the greeting unless kind is 0. */
int client_connect(struct worker *w, enum net_kind kind, struct err *err);
struct net_greeting client_greeting(const struct client *c, enum net_kind kind);
void client_look(struct client *c);

/* Marks the worker as failed: what was done when it went wrong. */
void client_fail(struct worker *w, int code, const char *where);
/* The end of every start: one operation, with its failure as the error. */
int client_try(struct worker *w, struct err *err);
/* Waits until the next operation is to begin. */
void client_await_turn(struct worker *w);

/* workload.ready and workload.verify. */
int client_ready(struct job *job, struct err *err);
int client_verify(struct job *job, struct frame_finished *fin, struct err *err);

/* workload.run out of one operation, which returns whether it was done. */
__attribute__((always_inline)) static inline void
client_run(struct worker *w, uint64_t ops, bool (*one)(struct worker *w, struct client *c))
{
    struct client *c = w->state;
    uint64_t i = 0;
    if (c->interval_ns) {
        for (; i < ops; i++) {
            client_await_turn(w);
            if (!one(w, c))
                break;
        }
    } else {
        for (; i < ops && one(w, c); i++)
            ;
    }
    w->tally[TALLY_OPS] += i;
}

#endif
