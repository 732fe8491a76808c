/* See net-client.h. */
#include "probe/net-client.h"

#include "base/str.h"
#include "base/time.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define TIMEOUT_NS (5 * NS_PER_S)
#define RATE_MAX   10000000

static int common_params(struct worker *w, struct client *c, struct err *err)
{
    const struct job *job = w->job;
    const struct fact *address = facts_find(&job->prepare.params, "address");
    int64_t port = 0, timeout = 0, buffer = 0;
    int r = job_num(job, "port", 1, 65535, 0, &port, err);
    if (r == 0 && port == 0)
        r = err_set(err, ERR_USAGE, EINVAL, "parameter port is needed: where the peer serves");
    if (r == 0)
        r = job_num(job, "timeout", (int64_t)NS_PER_MS, (int64_t)(600 * NS_PER_S),
                    (int64_t)TIMEOUT_NS, &timeout, err);
    if (r == 0)
        r = job_num(job, "buffer", 0, NET_BUFFER_MAX, 0, &buffer, err);
    if (r < 0)
        return r;
    c->timeout_ns = (uint64_t)timeout;
    c->buffer = (uint32_t)buffer;
    return net_address(address && address->is_text && address->text[0] ? address->text
                                                                       : "127.0.0.1",
                       (uint16_t)port, &c->peer, err);
}

int client_new(struct worker *w, size_t out_n, size_t in_n, struct err *err)
{
    struct client *c = w->state = xcalloc(1, sizeof(*c));
    c->fd = -1;
    c->sndbuf = c->rcvbuf = c->mss = -1;
    c->out_n = out_n;
    c->in_n = in_n;
    c->out = xcalloc(1, out_n);
    c->in = xcalloc(1, in_n);
    return common_params(w, c, err);
}

int client_messages(struct worker *w, int64_t max, struct err *err)
{
    struct client *c = w->state;
    int64_t request = 0, response = 0;
    int r = job_num(w->job, "request", 1, max, 1, &request, err);
    if (r == 0)
        r = job_num(w->job, "response", 1, max, 1, &response, err);
    c->request = (uint32_t)request;
    c->response = (uint32_t)response;
    return r;
}

int client_rate(struct worker *w, struct err *err)
{
    struct client *c = w->state;
    int64_t rate = 0;
    int r = job_num(w->job, "rate", 0, RATE_MAX, 0, &rate, err);
    if (r < 0 || rate == 0)
        return r;
    c->interval_ns = w->job->prepare.workers * NS_PER_S / (uint64_t)rate;
    c->offset_ns = w->index * NS_PER_S / (uint64_t)rate;
    prctl(PR_SET_TIMERSLACK, 1); /* else 50 us; not every guest has it */
    return 0;
}

void client_hang_up(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

void client_stop(struct worker *w)
{
    struct client *c = w->state;
    if (!c)
        return;
    client_hang_up(c);
    for (unsigned i = 0; i < c->n_streams; i++)
        close(c->streams[i].fd);
    free(c->streams);
    free(c->out);
    free(c->in);
    free(c);
    w->state = NULL;
}

/* As the connection is to be, not yet connected. -1, errno. */
static int client_socket(const struct client *c)
{
    const struct linger reset = {.l_onoff = 1};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    net_set_timeout(fd, c->timeout_ns);
    net_set_buffer(fd, c->buffer);
    if (c->linger)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    return fd;
}

int client_dial(struct client *c)
{
    c->fd = client_socket(c);
    if (c->fd < 0)
        return errno;
    if (connect(c->fd, (struct sockaddr *)&c->peer, sizeof(c->peer)) == 0)
        return 0;
    return net_errno(-1);
}

/* As client_dial, where the clock does not run: gVisor's blocking connect knows no time-out.
 * There the controller's deadline is what ends one in a slice. */
static int dial_patiently(struct client *c)
{
    struct pollfd p = {.events = POLLOUT};
    int on = 1, off = 0, code = 0;
    socklen_t n = sizeof(code);
    c->fd = p.fd = client_socket(c);
    if (c->fd < 0)
        return errno;
    ioctl(c->fd, FIONBIO, &on);
    if (connect(c->fd, (struct sockaddr *)&c->peer, sizeof(c->peer)) < 0) {
        if (errno != EINPROGRESS)
            return errno;
        if (poll(&p, 1, time_left_ms(time_deadline(c->timeout_ns))) != 1)
            return ETIMEDOUT;
        if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &code, &n) < 0 || code)
            return code ? code : errno;
    }
    return ioctl(c->fd, FIONBIO, &off) < 0 ? errno : 0;
}

static int64_t socket_int(int fd, int level, int option)
{
    int n = -1;
    socklen_t size = sizeof(n);
    return getsockopt(fd, level, option, &n, &size) == 0 ? n : -1;
}

void client_look(struct client *c)
{
    socklen_t n = sizeof(c->congestion) - 1;
    c->sndbuf = socket_int(c->fd, SOL_SOCKET, SO_SNDBUF);
    c->rcvbuf = socket_int(c->fd, SOL_SOCKET, SO_RCVBUF);
    c->mss = socket_int(c->fd, IPPROTO_TCP, TCP_MAXSEG);
    if (getsockopt(c->fd, IPPROTO_TCP, TCP_CONGESTION, c->congestion, &n) != 0)
        c->congestion[0] = '\0';
}

struct net_greeting client_greeting(const struct client *c, enum net_kind kind)
{
    return (struct net_greeting){.magic = NET_MAGIC,
                                 .kind = kind,
                                 .request = c->request,
                                 .response = c->response,
                                 .buffer = c->buffer};
}

static int connect_error(const struct client *c, int code, struct err *err)
{
    char address[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &c->peer.sin_addr, address, sizeof(address));
    if (code == ENETUNREACH)
        return err_set(err, ERR_UNSUPPORTED, code, "there is no network here that leads to %s",
                       address);
    return err_errno(err, code, "connect to the peer at %s port %u", address,
                     ntohs(c->peer.sin_port));
}

int client_connect(struct worker *w, enum net_kind kind, struct err *err)
{
    struct client *c = w->state;
    int code = dial_patiently(c);
    if (code)
        return connect_error(c, code, err);
    net_set_nodelay(c->fd);
    client_look(c);
    if (!kind)
        return 0;
    struct net_greeting hello = client_greeting(c, kind);
    code = net_send_all(c->fd, &hello, sizeof(hello), c->timeout_ns);
    return code ? err_errno(err, code, "greet the peer") : 0;
}

void client_fail(struct worker *w, int code, const char *where)
{
    if (code == EADDRNOTAVAIL)
        worker_fail_text(w, code,
                         "no local port is free for another connection: those of closed ones wait "
                         "(TIME_WAIT); close=rst leaves none behind");
    else
        worker_fail(w, code, where);
}

int client_try(struct worker *w, struct err *err)
{
    w->job->workload->run(w, 1);
    memset(w->tally, 0, sizeof(w->tally));
    if (w->fail_text[0])
        return err_set(err, ERR_MEASUREMENT, w->fail_code, "%s", w->fail_text);
    return w->fail_code ? err_errno(err, w->fail_code, "%s", w->fail_where) : 0;
}

void client_await_turn(struct worker *w)
{
    struct client *c = w->state;
    uint64_t now = time_mono_ns();
    if (c->slice != w->slices || c->next_ns == 0) {
        c->slice = w->slices;
        c->next_ns = now + c->offset_ns;
    }
    if (w->intended_ns == 0)
        w->intended_ns = c->next_ns;
    if (c->next_ns > now) {
        struct timespec at = {.tv_sec = (time_t)(c->next_ns / NS_PER_S),
                              .tv_nsec = (long)(c->next_ns % NS_PER_S)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    }
    c->next_ns += c->interval_ns;
}

/* ---- facts ---- */

static void add_known(struct facts *f, const char *name, int64_t num)
{
    if (num >= 0)
        facts_add_num(f, name, num);
}

int client_ready(struct job *job, struct err *err)
{
    const struct client *c = job->workers[0].state;
    add_known(&job->facts, "sndbuf", c->sndbuf);
    add_known(&job->facts, "rcvbuf", c->rcvbuf);
    add_known(&job->facts, "mss", c->mss);
    if (c->congestion[0])
        facts_add_text(&job->facts, "congestion", c->congestion);
    if (c->interval_ns)
        facts_add_num(&job->facts, "interval_ns", (int64_t)c->interval_ns);
    return 0;
}

/* -1 where the guest does not say, or there is no connection any more. */
static int64_t retransmits(int fd)
{
    struct tcp_info info;
    socklen_t n = sizeof(info);
    memset(&info, 0, sizeof(info));
    if (fd < 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0 ||
        n < offsetof(struct tcp_info, tcpi_total_retrans) + sizeof(info.tcpi_total_retrans))
        return -1;
    return info.tcpi_total_retrans;
}

static void add_retransmits(const struct client *c, int64_t *sum)
{
    for (unsigned i = 0; i < (c->n_streams ? c->n_streams : 1) && *sum >= 0; i++) {
        int64_t one = retransmits(c->n_streams ? c->streams[i].fd : c->fd);
        *sum = one < 0 ? -1 : *sum + one;
    }
}

int client_verify(struct job *job, struct frame_finished *fin, struct err *err)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < job->prepare.workers; i++)
        add_retransmits(job->workers[i].state, &sum);
    add_known(&fin->facts, "retransmits", sum);
    return job_verify_count(job, 1, fin, err);
}
