/* The parts of net.serve: connections as its two kinds of them are served.
 *
 * Layer: probe. All of it runs in the server's own process (net-serve.c), a thread a connection. */
#ifndef CUPEL_PROBE_NET_SERVE_H
#define CUPEL_PROBE_NET_SERVE_H

#include "probe/net.h"

/* What a thread has counted; only it writes, the probe reads. In memory that both share. */
struct serve_count {
    _Atomic uint64_t connections, bytes_in, bytes_out, datagrams, bad_requests;
    _Atomic uint64_t client; /* the last one's IPv4 address, as in struct in_addr; 0: none yet */
} __attribute__((aligned(64)));

/* One thread's, for all the connections it serves one after the other. */
struct serve_room {
    struct serve_count *count;
    uint64_t idle_ns;             /* a connection on which nothing happens for so long is closed */
    unsigned char *in;            /* [NET_CHUNK] */
    const unsigned char *pattern; /* [NET_CHUNK + NET_PATTERN_PERIOD] */
};

/* Cheaper than an atomic sum, and enough for one writer. */
static inline void count_add(_Atomic uint64_t *to, uint64_t n)
{
    atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* They return when the connection is over, for whatever reason; the caller closes it. */
void serve_plain(int fd, const struct serve_room *room); /* what a net_greeting begins */
void serve_http(int fd, const struct serve_room *room);

#endif
