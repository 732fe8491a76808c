/* One connection of the server: see net.h for what is said on it, net-serve.h for the rest. */
#include "probe/http.h"
#include "probe/net-serve.h"

#include "base/str.h"

#include <errno.h>
#include <sys/socket.h>

static bool receive(int fd, const struct serve_room *room, void *buf, size_t n)
{
    if (net_recv_all(fd, buf, n, room->idle_ns) != 0)
        return false;
    count_add(&room->count->bytes_in, n);
    return true;
}

/* Counted beforehand: who has the last of the bytes may ask for the count at once. */
static bool answer(int fd, const struct serve_room *room, const void *buf, size_t n)
{
    count_add(&room->count->bytes_out, n);
    if (net_send_all(fd, buf, n, room->idle_ns) == 0)
        return true;
    count_add(&room->count->bytes_out, -(uint64_t)n);
    return false;
}

static void bad_request(const struct serve_room *room)
{
    count_add(&room->count->bad_requests, 1);
}

/* ---- echo ---- */

/* A message may be longer than the buffer, of which only its first byte matters. */
static bool receive_request(int fd, const struct serve_room *room, size_t n, unsigned char *ret)
{
    for (size_t left = n; left > 0;) {
        size_t some = left < NET_CHUNK ? left : NET_CHUNK;
        if (!receive(fd, room, room->in, some))
            return false;
        if (left == n)
            *ret = room->in[0];
        left -= some;
    }
    return true;
}

static bool send_answer(int fd, const struct serve_room *room, size_t n, unsigned char first)
{
    room->in[0] = first;
    for (size_t left = n; left > 0;) {
        size_t some = left < NET_CHUNK ? left : NET_CHUNK;
        if (!answer(fd, room, left == n ? room->in : room->pattern, some))
            return false;
        left -= some;
    }
    return true;
}

static void serve_echo(int fd, const struct serve_room *room, const struct net_greeting *hello)
{
    unsigned char first = 0;
    while (receive_request(fd, room, hello->request, &first) &&
           send_answer(fd, room, hello->response, (unsigned char)(first + 1)) &&
           hello->kind == NET_ECHO)
        ;
}

/* ---- streams ---- */

static bool is_run(const struct net_run *run)
{
    return run->magic == NET_MAGIC && run->zero == 0 && run->total > 0;
}

static bool sink_run(int fd, const struct serve_room *room, uint64_t total)
{
    for (uint64_t place = 0; place < total;) {
        size_t most = total - place < NET_CHUNK ? (size_t)(total - place) : NET_CHUNK;
        ssize_t n = recv(fd, room->in, most, 0);
        if (n <= 0)
            return false;
        if (room->in[0] != net_pattern(place) ||
            room->in[n - 1] != net_pattern(place + (uint64_t)n - 1)) {
            bad_request(room);
            return false;
        }
        place += (uint64_t)n;
        count_add(&room->count->bytes_in, (uint64_t)n);
    }
    return true;
}

static bool source_run(int fd, const struct serve_room *room, uint64_t total)
{
    for (uint64_t place = 0; place < total;) {
        size_t n = total - place < NET_CHUNK ? (size_t)(total - place) : NET_CHUNK;
        if (!answer(fd, room, room->pattern + place % NET_PATTERN_PERIOD, n))
            return false;
        place += n;
    }
    return true;
}

static void serve_stream(int fd, const struct serve_room *room, bool sink)
{
    struct net_run run;
    while (receive(fd, room, &run, sizeof(run))) {
        if (!is_run(&run)) {
            bad_request(room);
            return;
        }
        if (sink ? !sink_run(fd, room, run.total) || !answer(fd, room, &run, sizeof(run))
                 : !source_run(fd, room, run.total))
            return;
    }
}

/* ---- what a greeting begins ---- */

void serve_plain(int fd, const struct serve_room *room)
{
    struct net_greeting hello;
    net_set_timeout(fd, room->idle_ns);
    if (!receive(fd, room, &hello, sizeof(hello)))
        return; /* net.connect says nothing */
    if (!net_greeting_ok(&hello)) {
        bad_request(room);
        return;
    }
    if (hello.kind != NET_ONCE) {
        net_set_nodelay(fd);
        net_set_buffer(fd, hello.buffer);
    }
    if (hello.kind == NET_ECHO || hello.kind == NET_ONCE)
        serve_echo(fd, room, &hello);
    else
        serve_stream(fd, room, hello.kind == NET_SINK);
}

/* ---- HTTP ---- */

#define RESPONSE(status, connection, body)                                                         \
    "HTTP/1.1 " status "\r\n" connection                                                           \
    "Content-Type: text/plain\r\nContent-Length: 3\r\n\r\n" body

static const char response_ok[] = RESPONSE("200 OK", "", "OK.");
static const char response_last[] = RESPONSE("200 OK", "Connection: close\r\n", "OK.");
static const char response_bad[] = RESPONSE("400 Bad Request", "Connection: close\r\n", "No.");
static const char response_go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

/* Bytes that were read beyond what was asked for stay in room->in for the next request. */
struct inbox {
    size_t have;
};

static bool inbox_fill(int fd, const struct serve_room *room, struct inbox *box)
{
    ssize_t n = recv(fd, room->in + box->have, NET_CHUNK - box->have, 0);
    if (n <= 0)
        return false;
    box->have += (size_t)n;
    count_add(&room->count->bytes_in, (uint64_t)n);
    return true;
}

static void inbox_drop(const struct serve_room *room, struct inbox *box, size_t n)
{
    box->have -= n;
    if (box->have > 0)
        memmove(room->in, room->in + n, box->have);
}

/* The body is counted, not kept. */
static bool take_body(int fd, const struct serve_room *room, struct inbox *box, uint64_t body)
{
    for (;;) {
        size_t some = body < box->have ? (size_t)body : box->have;
        inbox_drop(room, box, some);
        body -= some;
        if (body == 0)
            return true;
        if (!inbox_fill(fd, room, box))
            return false;
    }
}

/* One request and its answer. False: the connection is over. */
static bool http_exchange(int fd, const struct serve_room *room, struct inbox *box)
{
    struct http_head head;
    int n = 0;
    while (box->have == 0 || (n = http_request((char *)room->in, box->have, &head, NULL)) == 0)
        if (!inbox_fill(fd, room, box))
            return false;
    if (n < 0) {
        bad_request(room);
        answer(fd, room, response_bad, sizeof(response_bad) - 1);
        return false;
    }
    inbox_drop(room, box, (size_t)n);
    if (head.expects && !answer(fd, room, response_go_on, sizeof(response_go_on) - 1))
        return false;
    if (!take_body(fd, room, box, head.body))
        return false;
    return head.keep ? answer(fd, room, response_ok, sizeof(response_ok) - 1)
                     : (answer(fd, room, response_last, sizeof(response_last) - 1), false);
}

void serve_http(int fd, const struct serve_room *room)
{
    struct inbox box = {.have = 0};
    net_set_timeout(fd, room->idle_ns);
    net_set_nodelay(fd);
    while (http_exchange(fd, room, &box))
        ;
}
