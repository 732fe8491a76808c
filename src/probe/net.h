/* What the two ends of the network workloads share: the server (net-serve.c) and its clients
 * (net-client.c, net-stream.c, net-http.c).
 *
 * Layer: probe. Both ends are probes. The server is prepared in one session, its clients in others:
 *
 *     server  PREPARE net.serve {address, port, backlog, idle}
 *             ready: tcp_port, udp_port, http_port (chosen by the kernel where port is 0 or absent;
 *             else port, port over UDP, port + 1)
 *     client  PREPARE net.tcp_rr {address, port = tcp_port, timeout, ...}, SLICE ..., FINISH
 *     server  FINISH: connections, bytes_in, bytes_out, datagrams, bad_requests, cpu_ns, counted
 *             since its PREPARE. It serves on until it is prepared for something else or leaves.
 *
 * tcp_rr, tcp_crr, connect and tcp_stream all go to tcp_port, udp_rr to udp_port, http_* to
 * http_port. Parameters of time are in nanoseconds.
 *
 * On a TCP connection the client speaks first: a greeting, which says what is to be served.
 *   NET_ECHO    requests of `request` bytes, each answered by `response` bytes, the first of which
 *               is the request's first plus one
 *   NET_ONCE    the same, once; then the server closes
 *   NET_SINK    a struct net_run and its `total` bytes, which are answered by the same struct once
 *               all of them have arrived; again and again
 *   NET_SOURCE  a struct net_run is answered by `total` bytes
 * What is streamed is a pattern of its place in the run (net_pattern), so that either side sees at
 * once when something is missing. Numbers are in the byte order of the machine: both ends are this
 * program, and one that speaks otherwise has no magic number.
 *
 * A datagram is answered by one whose first byte is its own inverted: by as many bytes, or by as
 * many as the sender's last greeting asked for (NET_ECHO in a datagram, which is answered itself).
 */
#ifndef CUPEL_PROBE_NET_H
#define CUPEL_PROBE_NET_H

#include "probe/family.h"

#include <netinet/in.h>

#define NET_MAGIC          0x6c657075u
#define NET_MESSAGE_MAX    (4 << 20)   /* of a request, an answer, a body, a call of a stream */
#define NET_DATAGRAM_MAX   65507       /* of UDP over IPv4 */
#define NET_BUFFER_MAX     (1 << 30)   /* of a socket's buffers */
#define NET_CHUNK          (128 << 10) /* what the server reads or sends of a stream at a time */
#define NET_PATTERN_PERIOD 256

enum net_kind { NET_ECHO = 1, NET_ONCE, NET_SINK, NET_SOURCE };

struct net_greeting {
    uint32_t magic;
    uint32_t kind;     /* enum net_kind */
    uint32_t request;  /* bytes; 1 .. NET_MESSAGE_MAX for NET_ECHO and NET_ONCE */
    uint32_t response; /* likewise */
    uint32_t buffer;   /* of the server's socket, both ways; 0: the kernel's own choice */
    uint32_t zero;
};

struct net_run {
    uint32_t magic;
    uint32_t zero;
    uint64_t total; /* bytes of the run */
};

/* "10.1.2.3" and a port. ERR_USAGE. An empty address is any (0.0.0.0). */
int net_address(const char *address, uint16_t port, struct sockaddr_in *ret, struct err *err);
/* How long a receive, a send and a connect may wait. Quietly: a kernel that has no such option is
 * left to the controller's deadlines. */
void net_set_timeout(int fd, uint64_t ns);
void net_set_nodelay(int fd);
/* Both buffers of a socket; 0: nothing. */
void net_set_buffer(int fd, uint32_t bytes);

/* All n bytes, each wait bounded by the socket's time-out and the whole by timeout_ns (a peer may
 * dribble). 0, or the errno: ETIMEDOUT when time is over, EPIPE when the peer has closed. */
int net_send_all(int fd, const void *buf, size_t n, uint64_t timeout_ns);
int net_recv_all(int fd, void *buf, size_t n, uint64_t timeout_ns);
/* The errno of a call on a socket that returned n <= 0. */
int net_errno(ssize_t n);

/* Is it one whose numbers are within bounds? */
bool net_greeting_ok(const struct net_greeting *h);

static inline unsigned char net_pattern(uint64_t place)
{
    return (unsigned char)(place * 167 + 13);
}

/* Fills n bytes with the pattern of place 0 on. From place p on it is what begins at
 * p % NET_PATTERN_PERIOD of a buffer that is so much longer. */
void net_fill(unsigned char *buf, size_t n);

#endif
