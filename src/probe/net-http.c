/* net.http_lat and net.http_bw: ethr's HTTP tests. POST of `body` bytes (1; 16000) on a connection
 * that stays open, answered by 200 and "OK."; one at a time.
 *
 * Parameters: body, those of net-client.h. Verified: status and body of every answer. */
#include "probe/http.h"
#include "probe/net-client.h"

#include "base/str.h"
#include "base/time.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#define HEAD_ROOM 256
#define ANSWER    "OK."
#define ANSWER_N  (sizeof(ANSWER) - 1)

static int http_start(struct worker *w, int64_t body_default, struct err *err)
{
    int64_t body = 0;
    int r = job_num(w->job, "body", 0, NET_MESSAGE_MAX, body_default, &body, err);
    if (r == 0)
        r = client_new(w, HEAD_ROOM + NET_MESSAGE_MAX, HTTP_HEAD_MAX + ANSWER_N, err);
    if (r == 0)
        r = client_rate(w, err);
    if (r < 0)
        return r;
    struct client *c = w->state;
    char address[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &c->peer.sin_addr, address, sizeof(address));
    str_format((char *)c->out, HEAD_ROOM,
               "POST / HTTP/1.1\r\nHost: %s:%u\r\nUser-Agent: cupel\r\nContent-Type: text/plain\r\n"
               "Content-Length: %lld\r\n\r\n",
               address, ntohs(c->peer.sin_port), (long long)body);
    size_t head = strlen((char *)c->out);
    memset(c->out + head, 'x', (size_t)body);
    c->request = (uint32_t)(head + (size_t)body);
    r = client_connect(w, 0, err);
    return r < 0 ? r : client_try(w, err);
}

static int http_lat_start(struct worker *w, struct err *err)
{
    return http_start(w, 1, err);
}

static int http_bw_start(struct worker *w, struct err *err)
{
    return http_start(w, 16000, err);
}

/* 1: the answer is whole, and right; 0: more is to come; or a negative errno. */
static int look_at_answer(const struct client *c, size_t have)
{
    struct http_head head;
    int n = http_response((char *)c->in, have, &head, NULL);
    if (n <= 0)
        return n;
    if (head.status != 200 || head.body != ANSWER_N || !head.keep || have > (size_t)n + ANSWER_N)
        return -EPROTO;
    if (have < (size_t)n + ANSWER_N)
        return 0;
    return memcmp(c->in + n, ANSWER, ANSWER_N) == 0 ? 1 : -EPROTO;
}

static int http_answer(const struct client *c)
{
    uint64_t deadline = 0;
    for (size_t have = 0;;) {
        ssize_t n = recv(c->fd, c->in + have, c->in_n - have, 0);
        if (n <= 0 && !(n < 0 && errno == EINTR))
            return net_errno(n);
        have += n > 0 ? (size_t)n : 0;
        int r = look_at_answer(c, have);
        if (r != 0)
            return r < 0 ? -r : 0;
        if (have == c->in_n)
            return EMSGSIZE;
        if (deadline == 0)
            deadline = time_deadline(c->timeout_ns);
        else if (time_mono_ns() > deadline)
            return ETIMEDOUT;
    }
}

static inline bool http_exchange(struct worker *w, struct client *c)
{
    int code = net_send_all(c->fd, c->out, c->request, c->timeout_ns);
    if (code) {
        client_fail(w, code, "request to the peer");
        return false;
    }
    code = http_answer(c);
    if (code)
        client_fail(w, code, "answer of the peer");
    return code == 0;
}

static void run_http(struct worker *w, uint64_t ops)
{
    client_run(w, ops, http_exchange);
}

#define HTTP_WORKLOAD(verb)                                                                        \
    {                                                                                              \
        .name = "net.http_" #verb, .start = http_##verb##_start, .ready = client_ready,            \
        .run = run_http, .verify = client_verify, .stop = client_stop                              \
    }

static const struct workload list[] = {HTTP_WORKLOAD(lat), HTTP_WORKLOAD(bw)};

const struct family family_net_http = {.name = "net_http", .list = list, .n = ARRAY_SIZE(list)};
