/* net.tcp_stream: netperf's TCP_STREAM (direction=up) and TCP_MAERTS (down). One operation is a
 * send, or a receive, of `bytes`. With several streams it is done on each in turn.
 *
 * What only lies in a socket's buffer is not done: at the end of a slice the server says that all
 * of it has arrived, and the wait for that is in the time. The server reads and sends NET_CHUNK at
 * a time, whatever `bytes` is, so that it is not what limits.
 *
 * Parameters: direction, bytes (16384), streams (1), those of net-client.h but rate.
 * Verified: the server's word for each slice; the pattern, at both ends of every receive. */
#include "probe/net-client.h"

#include "base/str.h"

#include <errno.h>
#include <sys/socket.h>

#define BYTES       16384
#define STREAMS_MAX 64
#define OPS_LIMIT   (UINT64_C(1) << 36) /* of a slice, so that its bytes can be counted */

static int stream_kind(const struct job *job, enum net_kind *ret, struct err *err)
{
    static const char *const directions[] = {"up", "down", NULL};
    unsigned i = 0;
    int r = job_choice(job, "direction", directions, &i, err);
    *ret = i == 0 ? NET_SINK : NET_SOURCE;
    return r;
}

/* Every one with a greeting of its own. */
static int open_streams(struct worker *w, unsigned n, struct err *err)
{
    struct client *c = w->state;
    enum net_kind kind = NET_SINK;
    int r = stream_kind(w->job, &kind, err);
    c->streams = xcalloc(n, sizeof(*c->streams));
    while (r == 0 && c->n_streams < n) {
        r = client_connect(w, kind, err);
        if (r == 0)
            c->streams[c->n_streams++].fd = TAKE_FD(c->fd);
    }
    return r;
}

static int stream_start(struct worker *w, struct err *err)
{
    int64_t bytes = 0, streams = 0;
    int r = job_num(w->job, "bytes", 1, NET_MESSAGE_MAX, BYTES, &bytes, err);
    if (r == 0)
        r = job_num(w->job, "streams", 1, STREAMS_MAX, 1, &streams, err);
    if (r == 0)
        r = client_new(w, (size_t)bytes + NET_PATTERN_PERIOD, (size_t)bytes, err);
    if (r < 0)
        return r;
    struct client *c = w->state;
    c->request = c->response = (uint32_t)bytes;
    net_fill(c->out, c->out_n);
    r = open_streams(w, (unsigned)streams, err);
    return r < 0 ? r : client_try(w, err);
}

/* Says on every stream how much of the slice is its own. more: MSG_MORE if that is to go with what
 * follows. */
static int begin_slice(struct client *c, uint64_t ops, int more)
{
    int code = 0;
    for (unsigned i = 0; code == 0 && i < c->n_streams; i++) {
        struct stream *s = &c->streams[i];
        s->place = 0;
        s->total = (ops / c->n_streams + (i < ops % c->n_streams)) * c->request;
        const struct net_run run = {.magic = NET_MAGIC, .total = s->total};
        if (s->total && send(s->fd, &run, sizeof(run), MSG_NOSIGNAL | more) != sizeof(run))
            code = net_errno(-1);
    }
    return code;
}

static int await_arrival(const struct client *c, const struct stream *s)
{
    struct net_run run;
    int code = net_recv_all(s->fd, &run, sizeof(run), c->timeout_ns);
    if (code == 0 && (run.magic != NET_MAGIC || run.total != s->total))
        code = EPROTO;
    return code;
}

static void send_slice(struct worker *w, uint64_t ops)
{
    struct client *c = w->state;
    int code = begin_slice(c, ops, MSG_MORE);
    for (uint64_t i = 0, k = 0; code == 0 && i < ops; i++, k = k + 1 < c->n_streams ? k + 1 : 0) {
        struct stream *s = &c->streams[k];
        code =
            net_send_all(s->fd, c->out + s->place % NET_PATTERN_PERIOD, c->request, c->timeout_ns);
        s->place += c->request;
    }
    if (code) {
        client_fail(w, code, "send to the peer");
        return;
    }
    for (unsigned i = 0; code == 0 && i < c->n_streams; i++)
        if (c->streams[i].total)
            code = await_arrival(c, &c->streams[i]);
    if (code)
        client_fail(w, code, "the peer's word that all has arrived");
    else
        w->tally[TALLY_OPS] += ops;
}

static inline int receive_one(struct client *c, struct stream *s)
{
    uint32_t n = c->response;
    int code = net_recv_all(s->fd, c->in, n, c->timeout_ns);
    if (code == 0 &&
        (c->in[0] != net_pattern(s->place) || c->in[n - 1] != net_pattern(s->place + n - 1)))
        code = EPROTO;
    s->place += n;
    return code;
}

static void receive_slice(struct worker *w, uint64_t ops)
{
    struct client *c = w->state;
    int code = begin_slice(c, ops, 0);
    for (uint64_t i = 0, k = 0; code == 0 && i < ops; i++, k = k + 1 < c->n_streams ? k + 1 : 0)
        code = receive_one(c, &c->streams[k]);
    if (code)
        client_fail(w, code, "receive from the peer");
    else
        w->tally[TALLY_OPS] += ops;
}

static void run_stream(struct worker *w, uint64_t ops)
{
    enum net_kind kind = NET_SINK;
    if (ops > OPS_LIMIT)
        worker_fail(w, EOVERFLOW, "a slice of so many sends");
    else if (stream_kind(w->job, &kind, NULL) == 0 && kind == NET_SINK)
        send_slice(w, ops);
    else
        receive_slice(w, ops);
}

static const struct workload list[] = {
    {.name = "net.tcp_stream",
     .no_hist = true,
     .start = stream_start,
     .ready = client_ready,
     .run = run_stream,
     .verify = client_verify,
     .stop = client_stop},
};

const struct family family_net_stream = {.name = "net_stream", .list = list, .n = ARRAY_SIZE(list)};
