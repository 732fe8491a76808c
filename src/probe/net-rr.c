/* Exchanges of small messages with a peer, one at a time: see net.h for what is said, net-client.h
 * for the parameters that all have.
 *
 * net.tcp_rr   netperf's TCP_RR: a request and its answer on one open connection
 * net.udp_rr   UDP_RR, but a lost datagram is counted after `lost` and the exchange resumed
 *              (netperf's ends there in silence); the wait is in the time
 * net.tcp_crr  TCP_CRR: connect, a request, its answer, close. close=fin: the server closes first,
 *              so that the minute in TIME_WAIT is its own and no local port is used up; close=rst:
 *              the client resets, and nothing stays. The request is led by the greeting's 24 bytes
 * net.connect  ethr's connections: connect, and an end by reset, no data
 *
 * Parameters: request, response (bytes, 1), lost (udp: 200 ms), close (crr), rate. Facts of udp:
 * lost (no answer), late (answers that came after their time). Verified: every answer is that of
 * its request; at the end a connection more is served, since what only waits in the server's queue
 * has not been. */
#include "probe/net-client.h"

#include "base/str.h"
#include "base/time.h"

#include <errno.h>
#include <sys/socket.h>

#define LOST_NS (200 * NS_PER_MS)

/* ---- tcp_rr ---- */

static inline bool tcp_exchange(struct worker *w, struct client *c)
{
    c->out[0] = c->next++;
    int code = net_send_all(c->fd, c->out, c->request, c->timeout_ns);
    if (code) {
        client_fail(w, code, "request to the peer");
        return false;
    }
    code = net_recv_all(c->fd, c->in, c->response, c->timeout_ns);
    if (code == 0 && c->in[0] != c->next)
        code = EPROTO;
    if (code)
        client_fail(w, code, "answer of the peer");
    return code == 0;
}

static void run_tcp_rr(struct worker *w, uint64_t ops)
{
    client_run(w, ops, tcp_exchange);
}

static int tcp_start(struct worker *w, struct err *err)
{
    int r = client_new(w, sizeof(struct net_greeting) + NET_MESSAGE_MAX, NET_MESSAGE_MAX, err);
    if (r == 0)
        r = client_messages(w, NET_MESSAGE_MAX, err);
    return r < 0 ? r : client_rate(w, err);
}

static int tcp_rr_start(struct worker *w, struct err *err)
{
    int r = tcp_start(w, err);
    if (r == 0)
        r = client_connect(w, NET_ECHO, err);
    return r < 0 ? r : client_try(w, err);
}

/* ---- udp_rr ---- */

/* The answer to what was sent last, or whatever comes instead. 0, or an errno; ETIMEDOUT: lost. */
static inline int udp_answer(struct worker *w, struct client *c)
{
    unsigned char expect = (unsigned char)~c->out[0];
    uint64_t deadline = 0;
    for (;;) {
        ssize_t n = recv(c->fd, c->in, c->in_n, 0);
        if (n == (ssize_t)c->response && c->in[0] == expect)
            return 0;
        if (n < 0 && errno != EINTR)
            return net_errno(n);
        if (n >= 0)
            w->tally[TALLY_LATE]++;
        if (deadline == 0)
            deadline = time_deadline(c->lost_ns);
        else if (time_mono_ns() > deadline)
            return ETIMEDOUT;
    }
}

static bool udp_exchange(struct worker *w, struct client *c)
{
    uint64_t given_up = 0;
    for (;;) {
        c->out[0] = c->next++;
        if (send(c->fd, c->out, c->request, MSG_NOSIGNAL) < 0 && errno != ENOBUFS) {
            client_fail(w, net_errno(-1), "datagram to the peer");
            return false;
        }
        int code = udp_answer(w, c);
        if (code == 0)
            return true;
        if (code == ETIMEDOUT) {
            uint64_t now = time_mono_ns();
            w->tally[TALLY_LOST]++;
            if (given_up == 0)
                given_up = now - c->lost_ns + c->timeout_ns;
            if (now < given_up)
                continue;
        }
        client_fail(w, code, "answer of the peer");
        return false;
    }
}

static void run_udp_rr(struct worker *w, uint64_t ops)
{
    client_run(w, ops, udp_exchange);
}

static int udp_connect(struct client *c, struct err *err)
{
    c->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return err_errno(err, errno, "make a socket");
    net_set_timeout(c->fd, c->lost_ns);
    net_set_buffer(c->fd, c->buffer);
    if (connect(c->fd, (struct sockaddr *)&c->peer, sizeof(c->peer)) < 0)
        return errno == ENETUNREACH ? err_set(err, ERR_UNSUPPORTED, ENETUNREACH,
                                              "there is no network here that leads to the peer")
                                    : err_errno(err, errno, "connect to the peer's UDP port");
    return 0;
}

/* Tells the server how long answers are to be, where they are not as long as requests. */
static int udp_greet(struct worker *w, struct err *err)
{
    struct client *c = w->state;
    struct net_greeting hello = client_greeting(c, NET_ECHO), answer;
    uint64_t deadline = time_deadline(c->timeout_ns);
    if (c->request == c->response)
        return 0;
    for (;;) {
        if (send(c->fd, &hello, sizeof(hello), MSG_NOSIGNAL) < 0)
            return err_errno(err, errno, "greet the peer");
        ssize_t n = recv(c->fd, &answer, sizeof(answer), 0);
        if (n == sizeof(answer) && memcmp(&answer, &hello, sizeof(answer)) == 0)
            return 0;
        if ((n < 0 && net_errno(n) != ETIMEDOUT) || time_mono_ns() > deadline)
            return err_errno(err, n < 0 ? net_errno(n) : EPROTO, "the peer's answer to a greeting");
    }
}

static int udp_rr_start(struct worker *w, struct err *err)
{
    int64_t lost = 0;
    int r = client_new(w, NET_DATAGRAM_MAX, NET_DATAGRAM_MAX, err);
    if (r == 0)
        r = client_messages(w, NET_DATAGRAM_MAX, err);
    if (r == 0)
        r = job_num(w->job, "lost", (int64_t)NS_PER_MS, (int64_t)(60 * NS_PER_S), (int64_t)LOST_NS,
                    &lost, err);
    if (r == 0)
        r = client_rate(w, err);
    if (r < 0)
        return r;
    struct client *c = w->state;
    c->lost_ns = (uint64_t)lost;
    r = udp_connect(c, err);
    if (r == 0)
        r = udp_greet(w, err);
    if (r < 0)
        return r;
    client_look(c);
    return client_try(w, err);
}

static int udp_rr_verify(struct job *job, struct frame_finished *fin, struct err *err)
{
    facts_add_num(&fin->facts, "lost", (int64_t)job_tally(job, TALLY_LOST));
    facts_add_num(&fin->facts, "late", (int64_t)job_tally(job, TALLY_LATE));
    return job_verify_count(job, 1, fin, err);
}

/* ---- tcp_crr ---- */

/* A connection that the server ends: nothing more may come. */
static inline int await_end(const struct client *c)
{
    ssize_t n = recv(c->fd, c->in, 1, 0);
    return n == 0 ? 0 : n > 0 ? EPROTO : net_errno(n);
}

static bool crr_converse(struct worker *w, struct client *c)
{
    c->out[sizeof(struct net_greeting)] = c->next++;
    int code = net_send_all(c->fd, c->out, sizeof(struct net_greeting) + c->request, c->timeout_ns);
    if (code) {
        client_fail(w, code, "request to the peer");
        return false;
    }
    code = net_recv_all(c->fd, c->in, c->response, c->timeout_ns);
    if (code == 0 && c->in[0] != c->next)
        code = EPROTO;
    if (code) {
        client_fail(w, code, "answer of the peer");
        return false;
    }
    code = c->linger ? 0 : await_end(c);
    if (code)
        client_fail(w, code, "the peer's end of the connection");
    return code == 0;
}

/* Connections are taken in the order in which they were made: once this one is served, so are the
 * others. */
static int crr_check(struct worker *w, struct err *err)
{
    struct client one = *(const struct client *)w->state;
    unsigned char ask[sizeof(struct net_greeting) + 1] = {0}, answer = 0;
    one.fd = -1;
    one.request = one.response = 1;
    struct net_greeting hello = client_greeting(&one, NET_ONCE);
    memcpy(ask, &hello, sizeof(hello));
    int code = client_dial(&one);
    if (code == 0)
        code = net_send_all(one.fd, ask, sizeof(ask), one.timeout_ns);
    if (code == 0)
        code = net_recv_all(one.fd, &answer, 1, one.timeout_ns);
    client_hang_up(&one);
    return code ? err_errno(err, code, "a last connection to the peer") : 0;
}

static bool crr_one(struct worker *w, struct client *c)
{
    int code = client_dial(c);
    bool done = code == 0 && crr_converse(w, c);
    if (code)
        client_fail(w, code, "connect to the peer");
    client_hang_up(c);
    return done;
}

static void run_tcp_crr(struct worker *w, uint64_t ops)
{
    client_run(w, ops, crr_one);
}

/* What is known of a connection is asked of one that does no work. */
static int look_at_one(struct worker *w, struct err *err)
{
    struct client *c = w->state;
    int r = client_connect(w, 0, err);
    client_hang_up(c);
    return r;
}

static int tcp_crr_start(struct worker *w, struct err *err)
{
    static const char *const closes[] = {"fin", "rst", NULL};
    unsigned how = 0;
    int r = tcp_start(w, err);
    if (r == 0)
        r = job_choice(w->job, "close", closes, &how, err);
    if (r < 0)
        return r;
    struct client *c = w->state;
    c->linger = true;
    r = look_at_one(w, err);
    if (r < 0)
        return r;
    c->linger = how == 1;
    struct net_greeting hello = client_greeting(c, c->linger ? NET_ECHO : NET_ONCE);
    memcpy(c->out, &hello, sizeof(hello));
    return client_try(w, err);
}

/* ---- connect ---- */

static bool connect_one(struct worker *w, struct client *c)
{
    int code = client_dial(c);
    if (code)
        client_fail(w, code, "connect to the peer");
    client_hang_up(c);
    return code == 0;
}

static void run_connect(struct worker *w, uint64_t ops)
{
    client_run(w, ops, connect_one);
}

static int connect_start(struct worker *w, struct err *err)
{
    int r = client_new(w, 1, 1, err);
    if (r == 0)
        r = client_rate(w, err);
    if (r < 0)
        return r;
    ((struct client *)w->state)->linger = true;
    r = look_at_one(w, err);
    return r < 0 ? r : client_try(w, err);
}

static const struct workload list[] = {
    {.name = "net.tcp_rr",
     .start = tcp_rr_start,
     .ready = client_ready,
     .run = run_tcp_rr,
     .verify = client_verify,
     .stop = client_stop},
    {.name = "net.udp_rr",
     .start = udp_rr_start,
     .ready = client_ready,
     .run = run_udp_rr,
     .verify = udp_rr_verify,
     .stop = client_stop},
    {.name = "net.tcp_crr",
     .start = tcp_crr_start,
     .ready = client_ready,
     .run = run_tcp_crr,
     .check = crr_check,
     .verify = client_verify,
     .stop = client_stop},
    {.name = "net.connect",
     .start = connect_start,
     .ready = client_ready,
     .run = run_connect,
     .check = crr_check,
     .verify = client_verify,
     .stop = client_stop},
};

const struct family family_net = {.name = "net", .list = list, .n = ARRAY_SIZE(list)};
