/* The network workloads over loopback: a real probe serves, others are its clients. What is done is
 * counted at both ends; peers that die, hang, dribble, lie or never close are typed failures and no
 * hangs; datagrams that get lost are counted; an offered load is timed from when it was due. */
#include "probe-talk.h"

#include "probe/net.h"
#include "wire/hist.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define MS        1000000
#define TIMEOUT   300 /* ms, of clients whose peer fails */
#define FAIL_SOON 5000

/* ---- two probes that talk to each other ---- */

struct ends {
    struct talk server, client;
    struct facts ports;
};

static void prepare_frame(struct frame *f, const char *workload)
{
    frame_init(f, FRAME_PREPARE, TALK_NONCE, 0);
    str_copy(f->prepare.workload, sizeof(f->prepare.workload), workload);
    f->prepare.workers = 1;
}

static void add(struct frame *f, const char *name, int64_t num)
{
    assert_true(facts_add_num(&f->prepare.params, name, num));
}

static void add_text(struct frame *f, const char *name, const char *text)
{
    assert_true(facts_add_text(&f->prepare.params, name, text));
}

static void prepared(struct talk *t, struct frame *f, struct facts *ret)
{
    struct frame a;
    talk_ask(t, f, &a);
    if (a.type != FRAME_READY)
        fail_msg("%s: %s", f->prepare.workload, a.error.text);
    *ret = a.ready;
    frame_release(&a);
}

static void refused(struct talk *t, struct frame *f, int code, const char *text)
{
    struct frame a;
    talk_ask(t, f, &a);
    if (a.type != FRAME_ERROR || a.error.code != code || !strstr(a.error.text, text))
        fail_msg("%s: %s %d %s, not %s", f->prepare.workload, frame_type_name(a.type),
                 a.type == FRAME_ERROR ? a.error.code : 0,
                 a.type == FRAME_ERROR ? a.error.text : "", text);
    frame_release(&a);
}

static void slice(struct talk *t, uint64_t ops, uint64_t lead, bool hist, struct frame *ret)
{
    struct frame f;
    frame_init(&f, FRAME_SLICE, TALK_NONCE, 0);
    f.slice.ops = ops;
    f.slice.lead = lead;
    f.slice.hist = hist;
    talk_ask(t, &f, ret);
}

/* code 0: any */
static void slice_fails(struct talk *t, int code, const char *text)
{
    struct frame a;
    slice(t, 100, 0, false, &a);
    if (a.type != FRAME_ERROR || (code && a.error.code != code) || !strstr(a.error.text, text))
        fail_msg("%s: %s", text, a.type == FRAME_ERROR ? a.error.text : "the slice succeeded");
    frame_release(&a);
}

static void sliced(struct talk *t, uint64_t ops, uint64_t lead, bool hist, struct frame *ret)
{
    slice(t, ops, lead, hist, ret);
    if (ret->type != FRAME_SLICED)
        fail_msg("%s", ret->error.text);
    assert_int_equal(ret->sliced.ops, ops);
}

static void finished(struct talk *t, bool verified, const char *text, struct facts *ret)
{
    struct frame f, a;
    frame_init(&f, FRAME_FINISH, TALK_NONCE, 0);
    talk_ask(t, &f, &a);
    assert_int_equal(a.type, FRAME_FINISHED);
    if (a.finished.verified != verified || !strstr(a.finished.detail, text))
        fail_msg("%s, not %s", a.finished.detail, text);
    *ret = a.finished.facts;
    frame_release(&a);
}

static void serve(struct ends *e)
{
    struct frame f;
    prepare_frame(&f, "net.serve");
    prepared(&e->server, &f, &e->ports);
}

static int ends_make(void **state)
{
    struct ends *e = xcalloc(1, sizeof(*e));
    talk_open(&e->server, NULL);
    talk_open(&e->client, NULL);
    *state = e;
    return 0;
}

static int ends_remove(void **state)
{
    struct ends *e = *state;
    talk_close(&e->client);
    talk_close(&e->server);
    free(e);
    return 0;
}

static const char *port_of(const char *workload)
{
    if (str_starts(workload, "net.http"))
        return "http_port";
    return str_eq(workload, "net.udp_rr") ? "udp_port" : "tcp_port";
}

static void client_frame(const struct ends *e, const char *workload, struct frame *f)
{
    prepare_frame(f, workload);
    add_text(f, "address", "127.0.0.1");
    add(f, "port", facts_num(&e->ports, port_of(workload), 0));
}

/* ---- what works, and what both ends count ---- */

#define OPS  50
#define LEAD 7
/* Besides: one to try, and a second slice in which each is timed. */
#define ALL (1 + LEAD + OPS + OPS)

struct expect {
    const char *workload, *name, *text; /* a parameter that is a text, or NULL */
    const char *names[2];               /* and two that are numbers */
    int64_t nums[2];
    int64_t connections, in_per_op, out_per_op, in_extra, out_extra, datagrams;
    bool no_hist;
};

#define HELLO ((int64_t)sizeof(struct net_greeting))
#define RUN   ((int64_t)sizeof(struct net_run))

/* One connection to look at and one at the end, which asks for one byte. */
static const struct expect expects[] = {
    {"net.tcp_rr", NULL, NULL, {"request", "response"}, {1, 1}, 1, 1, 1, HELLO, 0, 0, false},
    {"net.tcp_rr", NULL, NULL, {"request", "response"}, {3, 300000}, 1, 3, 300000, HELLO, 0, 0, 0},
    {"net.tcp_rr", NULL, NULL, {"request", "response"}, {300000, 5}, 1, 300000, 5, HELLO, 0, 0, 0},
    {"net.tcp_crr",
     "close",
     "fin",
     {"request", "response"},
     {7, 9},
     ALL + 2,
     HELLO + 7,
     9,
     HELLO + 1,
     1,
     0,
     false},
    {"net.tcp_crr",
     "close",
     "rst",
     {"request", "response"},
     {1, 1},
     ALL + 2,
     HELLO + 1,
     1,
     HELLO + 1,
     1,
     0,
     false},
    {"net.connect", NULL, NULL, {NULL}, {0}, ALL + 2, 0, 0, HELLO + 1, 1, 0, false},
    {"net.udp_rr", NULL, NULL, {NULL}, {0}, 0, 1, 1, 0, 0, ALL, false},
    {"net.udp_rr",
     NULL,
     NULL,
     {"request", "response"},
     {1, 1400},
     0,
     1,
     1400,
     HELLO,
     HELLO,
     ALL + 1,
     false},
    {"net.udp_rr",
     NULL,
     NULL,
     {"request", "response"},
     {65507, 1},
     0,
     65507,
     1,
     HELLO,
     HELLO,
     ALL + 1,
     false},
    {"net.tcp_stream",
     "direction",
     "up",
     {"bytes", "streams"},
     {16384, 1},
     1,
     16384,
     0,
     HELLO + 3 * RUN,
     3 * RUN,
     0,
     true},
    {"net.tcp_stream",
     "direction",
     "up",
     {"bytes", "streams"},
     {1001, 3},
     3,
     1001,
     0,
     3 * HELLO + 7 * RUN,
     7 * RUN,
     0,
     true},
    {"net.tcp_stream",
     "direction",
     "up",
     {"bytes", "streams"},
     {1, 1},
     1,
     1,
     0,
     HELLO + 3 * RUN,
     3 * RUN,
     0,
     true},
    {"net.tcp_stream",
     "direction",
     "down",
     {"bytes", "streams"},
     {300001, 2},
     2,
     0,
     300001,
     2 * HELLO + 5 * RUN,
     0,
     0,
     true},
};

static void converse(struct ends *e, const struct expect *x)
{
    struct frame f, a;
    struct facts facts;
    client_frame(e, x->workload, &f);
    if (x->name)
        add_text(&f, x->name, x->text);
    for (int i = 0; i < 2 && x->names[i]; i++)
        add(&f, x->names[i], x->nums[i]);
    prepared(&e->client, &f, &facts);
    assert_true(facts_num(&facts, "sndbuf", 0) > 0);
    assert_true(facts_num(&facts, "rcvbuf", 0) > 0);
    sliced(&e->client, OPS, LEAD, false, &a);
    assert_true(a.sliced.ns > 0);
    frame_release(&a);
    if (!x->no_hist) {
        struct hist *h = xmalloc(sizeof(*h));
        struct err err = ERR_INIT;
        sliced(&e->client, OPS, 0, true, &a);
        assert_int_equal(hist_decode(a.sliced.hist, h, &err), 0);
        assert_int_equal(h->total, OPS);
        free(h);
        frame_release(&a);
    }
    finished(&e->client, true, "each seen to succeed", &facts);
    if (str_eq(x->workload, "net.udp_rr"))
        assert_int_equal(facts_num(&facts, "lost", -1), 0);
    else if (x->connections < ALL)
        assert_true(facts_num(&facts, "retransmits", -1) >= 0);
}

static void assert_counted(const struct expect *x, const struct facts *f)
{
    int64_t all = x->no_hist ? ALL - OPS : ALL;
    assert_int_equal(facts_num(f, "connections", -1), x->connections);
    assert_int_equal(facts_num(f, "bytes_in", -1), all * x->in_per_op + x->in_extra);
    assert_int_equal(facts_num(f, "bytes_out", -1), all * x->out_per_op + x->out_extra);
    assert_int_equal(facts_num(f, "datagrams", -1), x->datagrams);
    assert_int_equal(facts_num(f, "bad_requests", -1), 0);
    assert_true(facts_num(f, "cpu_ns", 0) > 0);
}

static void test_both_ends_count_the_same(void **state)
{
    struct ends *e = *state;
    for (size_t i = 0; i < ARRAY_SIZE(expects); i++) {
        struct facts facts;
        print_message("# %s %s %lld\n", expects[i].workload, expects[i].text ? expects[i].text : "",
                      (long long)expects[i].nums[0]);
        serve(e);
        converse(e, &expects[i]);
        finished(&e->server, true, "served", &facts);
        assert_counted(&expects[i], &facts);
    }
}

static void test_http(void **state)
{
    static const struct {
        const char *workload;
        int64_t body; /* -1: as it comes */
        int64_t bytes;
    } cases[] = {{"net.http_lat", -1, 1},
                 {"net.http_bw", -1, 16000},
                 {"net.http_lat", 0, 0},
                 {"net.http_bw", 1 << 20, 1 << 20}};
    struct ends *e = *state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct frame f, a;
        struct facts facts;
        serve(e);
        client_frame(e, cases[i].workload, &f);
        if (cases[i].body >= 0)
            add(&f, "body", cases[i].body);
        prepared(&e->client, &f, &facts);
        sliced(&e->client, OPS, LEAD, false, &a);
        frame_release(&a);
        finished(&e->client, true, "each seen to succeed", &facts);
        finished(&e->server, true, "1 connections served", &facts);
        int64_t n = ALL - OPS, heads = facts_num(&facts, "bytes_in", 0) - n * cases[i].bytes;
        assert_in_range(heads, n * 80, n * 200);
        assert_int_equal(heads % n, 0);
    }
}

/* Several clients at one server, several workers of one client. */
static void test_workers(void **state)
{
    struct ends *e = *state;
    struct frame f, a;
    struct facts facts;
    serve(e);
    client_frame(e, "net.tcp_rr", &f);
    f.prepare.workers = 5;
    prepared(&e->client, &f, &facts);
    slice(&e->client, OPS, 0, false, &a);
    assert_int_equal(a.type, FRAME_SLICED);
    assert_int_equal(a.sliced.ops, 5 * OPS);
    frame_release(&a);
    finished(&e->client, true, "250 operations", &facts);
    finished(&e->server, true, "5 connections served", &facts);
    assert_int_equal(facts_num(&facts, "bytes_out", -1), 5 * (OPS + 1));
}

static void test_buffer(void **state)
{
    struct ends *e = *state;
    struct frame f, a;
    struct facts facts;
    serve(e);
    client_frame(e, "net.tcp_stream", &f);
    add(&f, "buffer", 16384);
    prepared(&e->client, &f, &facts);
    assert_int_equal(facts_num(&facts, "sndbuf", -1), 32768); /* socket(7): doubled */
    assert_int_equal(facts_num(&facts, "rcvbuf", -1), 32768);
    assert_true(facts_num(&facts, "mss", -1) > 500);
    assert_string_not_equal(facts_text(&facts, "congestion", ""), "");
    sliced(&e->client, OPS, 0, false, &a);
    frame_release(&a);
    finished(&e->client, true, "", &facts);
}

/* ---- peers that fail ---- */

enum evil { CLOSES, HANGS, LIES, DRIBBLES, STAYS, TALKS, REFUSES, RESETS, DIES };

struct peer {
    pid_t pid;
    int64_t port;
};

static void answer_badly(int fd, enum evil how, unsigned count)
{
    static const char http[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nNO.";
    static const char junk[4096] = "HTTP/1.1 2000 OK";
    const struct linger reset = {.l_onoff = 1};
    struct timespec pause = {.tv_nsec = 20 * MS};
    switch (how) {
    case HANGS:
        return;
    case LIES:
        send(fd, http, sizeof(http) - 1, MSG_NOSIGNAL);
        return;
    case DRIBBLES: /* never so slow that one receive would give up */
        while (send(fd, "H", 1, MSG_NOSIGNAL) == 1)
            nanosleep(&pause, NULL);
        return;
    case TALKS:
        while (send(fd, junk, sizeof(junk), MSG_NOSIGNAL) > 0)
            ;
        return;
    case RESETS:
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(fd);
        return;
    default:
        shutdown(fd, SHUT_RDWR);
    }
}

static _Noreturn void evil_serve(int listener, enum evil how)
{
    unsigned char buf[65536];
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (how == STAYS) { /* a right answer, and then no end */
            ssize_t n = recv(fd, buf, sizeof(buf), 0);
            unsigned char first = n > HELLO ? (unsigned char)(buf[HELLO] + 1) : 0;
            send(fd, &first, 1, MSG_NOSIGNAL);
            continue; /* and never closes */
        }
        while (recv(fd, buf, sizeof(buf), 0) > 0)
            answer_badly(fd, how, 0);
    }
}

static void peer_start(enum evil how, struct peer *ret)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    assert_int_equal(how == REFUSES ? 0 : listen(fd, 16), 0);
    ret->port = ntohs(at.sin_port);
    ret->pid = fork();
    if (ret->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGPIPE, SIG_IGN);
        if (how == REFUSES)
            for (;;)
                pause();
        evil_serve(fd, how);
    }
    close(fd);
}

static void peer_end(struct peer *p)
{
    kill(p->pid, SIGKILL);
    assert_int_equal(waitpid(p->pid, NULL, 0), p->pid);
}

static const struct {
    enum evil how;
    const char *workload;
    int code;
    const char *text;
} failures[] = {
    {REFUSES, "net.tcp_rr", ECONNREFUSED, "connect to the peer at 127.0.0.1 port"},
    {REFUSES, "net.connect", ECONNREFUSED, "connect to the peer"},
    {REFUSES, "net.http_bw", ECONNREFUSED, "connect to the peer"},
    {CLOSES, "net.tcp_rr", EPIPE, "answer of the peer"},
    {CLOSES, "net.tcp_crr", EPIPE, "answer of the peer"},
    {CLOSES, "net.tcp_stream", EPIPE, "the peer's word that all has arrived"},
    {CLOSES, "net.http_lat", EPIPE, "answer of the peer"},
    {RESETS, "net.tcp_rr", ECONNRESET, "the peer"},
    {RESETS, "net.http_bw", ECONNRESET, "the peer"},
    {HANGS, "net.tcp_rr", ETIMEDOUT, "answer of the peer"},
    {HANGS, "net.tcp_crr", ETIMEDOUT, "answer of the peer"},
    {HANGS, "net.http_lat", ETIMEDOUT, "answer of the peer"},
    {HANGS, "net.tcp_stream", ETIMEDOUT, "the peer's word that all has arrived"},
    {LIES, "net.tcp_rr", EPROTO, "answer of the peer"},
    {LIES, "net.tcp_crr", EPROTO, "answer of the peer"},
    {LIES, "net.tcp_stream", EPROTO, "the peer's word that all has arrived"},
    {LIES, "net.http_lat", EPROTO, "answer of the peer"},
    {STAYS, "net.tcp_crr", ETIMEDOUT, "the peer's end of the connection"},
    {DRIBBLES, "net.http_lat", ETIMEDOUT, "answer of the peer"},
    {TALKS, "net.http_lat", EMSGSIZE, "answer of the peer"},
    {TALKS, "net.tcp_crr", EPROTO, "answer of the peer"},
};

static void test_peers_that_fail(void **state)
{
    struct ends *e = *state;
    for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
        struct peer p;
        struct frame f;
        uint64_t from = time_mono_ns();
        peer_start(failures[i].how, &p);
        prepare_frame(&f, failures[i].workload);
        add(&f, "port", p.port);
        add(&f, "timeout", (int64_t)TIMEOUT * MS);
        refused(&e->client, &f, failures[i].code, failures[i].text);
        peer_end(&p);
        assert_in_range(time_mono_ns() - from, 0, (uint64_t)FAIL_SOON * MS);
    }
}

/* A source that sends something else, and one that dribbles so that no receive ever times out. */
static void test_sources_that_fail(void **state)
{
    static const struct {
        enum evil how;
        int code;
    } cases[] = {{TALKS, EPROTO}, {DRIBBLES, ETIMEDOUT}, {HANGS, ETIMEDOUT}, {CLOSES, EPIPE}};
    struct ends *e = *state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct peer p;
        struct frame f;
        peer_start(cases[i].how, &p);
        prepare_frame(&f, "net.tcp_stream");
        add(&f, "port", p.port);
        add(&f, "timeout", (int64_t)TIMEOUT * MS);
        add_text(&f, "direction", "down");
        refused(&e->client, &f, cases[i].code, "receive from the peer");
        peer_end(&p);
    }
}

/* ---- a server that dies, in the middle of it ---- */

static pid_t child_of(pid_t pid)
{
    char path[64], line[64];
    uint64_t child = 0;
    str_format(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
    assert_true(file_read_line(path, line, sizeof(line)) >= 0);
    assert_int_equal(parse_u64(str_strip(line), 1, INT32_MAX, "child", &child, NULL), 0);
    return (pid_t)child;
}

static void assert_gone(pid_t pid)
{
    uint64_t deadline = time_deadline(5 * NS_PER_S);
    struct timespec pause = {.tv_nsec = MS};
    while (kill(pid, 0) == 0 && time_mono_ns() < deadline)
        nanosleep(&pause, NULL);
    assert_int_equal(kill(pid, 0), -1);
}

/* Its last thread may take a moment. */
static void finds_it_dead(struct talk *t)
{
    uint64_t deadline = time_deadline(5 * NS_PER_S);
    struct timespec pause = {.tv_nsec = MS};
    struct frame f, a;
    do {
        nanosleep(&pause, NULL);
        frame_init(&f, FRAME_FINISH, TALK_NONCE, 0);
        talk_ask(t, &f, &a);
        assert_int_equal(a.type, FRAME_FINISHED);
    } while (a.finished.verified && time_mono_ns() < deadline);
    assert_false(a.finished.verified);
    assert_string_equal(a.finished.detail, "the server died of signal 9");
}

static void test_server_dies(void **state)
{
    static const char *const workloads[] = {"net.tcp_rr",     "net.tcp_crr", "net.connect",
                                            "net.tcp_stream", "net.http_bw", "net.udp_rr"};
    struct ends *e = *state;
    for (size_t i = 0; i < ARRAY_SIZE(workloads); i++) {
        struct frame f, a;
        struct facts facts;
        serve(e);
        client_frame(e, workloads[i], &f);
        prepared(&e->client, &f, &facts);
        sliced(&e->client, 10, 0, false, &a);
        frame_release(&a);
        pid_t server = child_of(e->server.pid);
        kill(server, SIGKILL);
        finds_it_dead(&e->server);
        slice_fails(&e->client, 0, "the peer"); /* reset, closed or refused */
        slice_fails(&e->client, 0, "the peer"); /* and stays failed */
        finished(&e->client, false, "the peer", &facts);
        finished(&e->server, false, "the server has died", &facts);
    }
}

/* Whether it is prepared for something else, asked to leave or killed. */
static void test_server_leaves_nothing(void **state)
{
    struct ends *e = *state;
    struct frame f, a;
    struct facts facts, again;
    serve(e);
    pid_t server = child_of(e->server.pid);
    client_frame(e, "net.tcp_crr", &f); /* whose ends wait in TIME_WAIT */
    prepared(&e->client, &f, &facts);
    sliced(&e->client, 10, 0, false, &a);
    frame_release(&a);
    prepare_frame(&f, "sys.getpid");
    prepared(&e->server, &f, &facts);
    assert_gone(server);
    prepare_frame(&f, "net.serve"); /* the same ports again, at once */
    int64_t port = facts_num(&e->ports, "tcp_port", 0);
    add(&f, "port", port);
    prepared(&e->server, &f, &again);
    assert_int_equal(facts_num(&again, "tcp_port", 0), port);
    assert_int_equal(facts_num(&again, "udp_port", 0), port);
    assert_int_equal(facts_num(&again, "http_port", 0), port + 1);
    server = child_of(e->server.pid);
    kill(e->server.pid, SIGKILL);
    talk_hang_up(&e->server);
    assert_gone(server);
    talk_open(&e->server, NULL);
}

/* ---- bad clients ---- */

static int raw(int64_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)},
                             .sin_port = htons((uint16_t)port)};
    const struct timeval tv = {.tv_sec = 5};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    return fd;
}

/* The server's answer begins with text, and then it closes. */
static void answered(int64_t port, const void *bytes, size_t n, const char *text)
{
    char buf[512];
    size_t have = 0;
    ssize_t got;
    int fd = raw(port);
    assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
    while ((got = recv(fd, buf + have, sizeof(buf) - 1 - have, 0)) > 0)
        have += (size_t)got;
    assert_true(got == 0 || errno == ECONNRESET);
    buf[have] = '\0';
    if (strncmp(buf, text, strlen(text)) != 0)
        fail_msg("'%s' instead of '%s'", buf, text);
    close(fd);
}

static void test_clients_that_lie(void **state)
{
    static const char *const http[][2] = {
        {"GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n"},
        {"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n"},
        {"POST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: "
         "close\r\n\r\nabc",
         "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"},
        {"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\nrubbish\r\n\r\n",
         "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nOK.HTTP/1.1 200 "
         "OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nOK.HTTP/1.1 400 Bad"},
        {"\r\n\r\n", "HTTP/1.1 400"},
        {"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 400"},
        {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 400"},
        {"GET / HTTP/2.0\r\n\r\n", "HTTP/1.1 400"},
    };
    struct net_greeting hello = {
        .magic = NET_MAGIC, .kind = NET_SINK, .request = 1, .response = 1, .zero = 0};
    struct ends *e = *state;
    struct facts facts;
    serve(e);
    int64_t port = facts_num(&e->ports, "http_port", 0);
    for (size_t i = 0; i < ARRAY_SIZE(http); i++)
        answered(port, http[i][0], strlen(http[i][0]), http[i][1]);
    port = facts_num(&e->ports, "tcp_port", 0);
    answered(port, "GET / HTTP/1.1\r\nHost: here\r\n\r\n", 30, "");
    unsigned char bytes[sizeof(hello) + sizeof(struct net_run) + 4] = {0};
    memcpy(bytes, &hello, sizeof(hello));
    answered(port, bytes, sizeof(hello) + sizeof(struct net_run), ""); /* a run without a magic */
    struct net_run run = {.magic = NET_MAGIC, .total = 4};
    memcpy(bytes + sizeof(hello), &run, sizeof(run));
    answered(port, bytes, sizeof(bytes), ""); /* whose bytes are others */
    hello.request = NET_MESSAGE_MAX + 1;
    answered(port, &hello, sizeof(hello), "");
    finished(&e->server, true, "12 connections", &facts);
    assert_int_equal(facts_num(&facts, "bad_requests", -1), 5 + 4);
}

/* More silent connections than it serves at a time: they are closed when their time is over, and
 * who waited behind them is served. */
static void test_idle_connections(void **state)
{
    enum { N = 300 };
    struct ends *e = *state;
    struct frame f, a;
    struct facts facts;
    int fds[N];
    char byte;
    prepare_frame(&f, "net.serve");
    add(&f, "idle", 200 * MS);
    prepared(&e->server, &f, &e->ports);
    for (int i = 0; i < N; i++)
        fds[i] = raw(facts_num(&e->ports, "tcp_port", 0));
    client_frame(e, "net.tcp_rr", &f);
    prepared(&e->client, &f, &facts);
    sliced(&e->client, OPS, 0, false, &a);
    frame_release(&a);
    finished(&e->client, true, "", &facts);
    for (int i = 0; i < N; i++) {
        assert_int_equal(recv(fds[i], &byte, 1, 0), 0);
        close(fds[i]);
    }
}

/* ---- datagrams that get lost, loads that are offered ---- */

static void udp_peer_start(void (*how)(int fd), struct peer *ret)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof(at);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    ret->port = ntohs(at.sin_port);
    ret->pid = fork();
    if (ret->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        how(fd);
        _exit(0);
    }
    close(fd);
}

static bool udp_take(int fd, unsigned char *ret, struct sockaddr_in *from)
{
    socklen_t n = sizeof(*from);
    return recvfrom(fd, ret, 1, 0, (struct sockaddr *)from, &n) == 1;
}

static void udp_give(int fd, unsigned char byte, const struct sockaddr_in *to)
{
    byte = (unsigned char)~byte;
    sendto(fd, &byte, 1, 0, (const struct sockaddr *)to, sizeof(*to));
}

/* The first is answered, then every fourth gets none, and every fifth only after the next. */
static void loses_some(int fd)
{
    struct sockaddr_in from;
    unsigned char byte, kept = 0;
    bool keeps = false;
    for (unsigned i = 0; udp_take(fd, &byte, &from); i++) {
        if (keeps)
            udp_give(fd, kept, &from);
        keeps = i % 10 == 5;
        kept = byte;
        if (!keeps && i % 10 != 9)
            udp_give(fd, byte, &from);
    }
}

static void loses_all_but_one(int fd)
{
    struct sockaddr_in from;
    unsigned char byte;
    for (unsigned i = 0; udp_take(fd, &byte, &from); i++)
        if (i == 0)
            udp_give(fd, byte, &from);
}

static void test_lost_datagrams(void **state)
{
    struct ends *e = *state;
    struct frame f, a;
    struct facts facts;
    struct peer p;
    udp_peer_start(loses_some, &p);
    prepare_frame(&f, "net.udp_rr");
    add(&f, "port", p.port);
    add(&f, "lost", 30 * MS);
    prepared(&e->client, &f, &facts);
    sliced(&e->client, 63, 0, false, &a); /* with the first: 64 answers of 80 datagrams */
    assert_in_range(a.sliced.ns, 14 * 30 * MS, 3000 * (uint64_t)MS);
    frame_release(&a);
    finished(&e->client, true, "each seen to succeed", &facts);
    assert_in_range(facts_num(&facts, "lost", -1), 15, 16);
    assert_in_range(facts_num(&facts, "late", -1), 7, 8);
    peer_end(&p);
}

static void test_all_datagrams_lost(void **state)
{
    struct ends *e = *state;
    struct frame f;
    struct facts facts;
    struct peer p;
    udp_peer_start(loses_all_but_one, &p);
    prepare_frame(&f, "net.udp_rr");
    add(&f, "port", p.port);
    add(&f, "lost", 20 * MS);
    add(&f, "timeout", (int64_t)TIMEOUT * MS);
    prepared(&e->client, &f, &facts);
    uint64_t from = time_mono_ns();
    slice_fails(&e->client, ETIMEDOUT, "answer of the peer");
    assert_in_range(time_mono_ns() - from, (TIMEOUT - 1) * (uint64_t)MS, (uint64_t)FAIL_SOON * MS);
    peer_end(&p);
}

#define STALL_MS 200
#define STALL_AT 10

static void stalls_once(int fd)
{
    struct timespec pause = {.tv_nsec = STALL_MS * MS};
    struct sockaddr_in from;
    unsigned char byte;
    for (unsigned i = 0; udp_take(fd, &byte, &from); i++) {
        if (i == STALL_AT)
            nanosleep(&pause, NULL);
        udp_give(fd, byte, &from);
    }
}

/* How many of 100 took longer than half of the stall. */
static uint64_t slow_ones(struct ends *e, int64_t rate, uint64_t *ret_ns)
{
    struct err err = ERR_INIT;
    struct hist *h = xmalloc(sizeof(*h));
    struct frame f, a;
    struct facts facts;
    struct peer p;
    uint64_t slow = 0;
    udp_peer_start(stalls_once, &p);
    prepare_frame(&f, "net.udp_rr");
    add(&f, "port", p.port);
    add(&f, "lost", 10 * STALL_MS * (int64_t)MS);
    add(&f, "rate", rate);
    prepared(&e->client, &f, &facts);
    sliced(&e->client, 100, 0, true, &a);
    assert_int_equal(hist_decode(a.sliced.hist, h, &err), 0);
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        slow += hist_lowest(i) >= (uint64_t)STALL_MS * MS / 2 ? h->counts[i] : 0;
    *ret_ns = a.sliced.ns;
    frame_release(&a);
    free(h);
    peer_end(&p);
    return slow;
}

/* 100 operations at 200 a second take half a second, whatever happens to one of them; and the
 * stall is seen by all that were due in it, not by one. */
static void test_offered_load(void **state)
{
    struct ends *e = *state;
    uint64_t closed_ns, open_ns;
    assert_int_equal(slow_ones(e, 0, &closed_ns), 1);
    assert_in_range(slow_ones(e, 200, &open_ns), 15, 60);
    assert_in_range(open_ns, 490 * (uint64_t)MS, 5000 * (uint64_t)MS);
}

/* ---- what is refused ---- */

static void test_server_is_refused(void **state)
{
    struct ends *e = *state;
    struct frame f;
    struct facts facts;
    struct talk other;
    serve(e);
    talk_open(&other, NULL);
    prepare_frame(&f, "net.serve");
    add(&f, "port", facts_num(&e->ports, "tcp_port", 0));
    refused(&other, &f, EADDRINUSE, "is in use: choose another, or 0");
    prepare_frame(&f, "net.serve");
    add_text(&f, "address", "192.0.2.1");
    refused(&other, &f, EADDRNOTAVAIL, "serve on TCP port 0");
    prepare_frame(&f, "net.serve");
    add_text(&f, "address", "here");
    refused(&other, &f, EINVAL, "'here' is no IPv4 address");
    prepare_frame(&f, "net.serve");
    add(&f, "port", 65535);
    refused(&other, &f, EINVAL, "parameter port");
    prepare_frame(&f, "net.serve");
    f.prepare.workers = 2;
    refused(&other, &f, EINVAL, "one worker");
    prepare_frame(&f, "net.serve");
    prepared(&other, &f, &facts);
    slice_fails(&other, ENOTSUP, "net.serve serves by itself");
    talk_close(&other);
}

static void test_clients_are_refused(void **state)
{
    static const struct {
        const char *workload, *name;
        int64_t num;
    } cases[] = {{"net.tcp_rr", "request", 0},       {"net.tcp_rr", "response", 5 << 20},
                 {"net.udp_rr", "request", 65508},   {"net.udp_rr", "lost", 0},
                 {"net.tcp_stream", "bytes", 0},     {"net.tcp_stream", "streams", 65},
                 {"net.tcp_stream", "direction", 1}, {"net.tcp_crr", "close", 1},
                 {"net.http_lat", "body", -1},       {"net.connect", "rate", -1},
                 {"net.http_bw", "timeout", 10},     {"net.tcp_rr", "buffer", INT64_C(1) << 40}};
    struct ends *e = *state;
    struct frame f;
    serve(e);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        client_frame(e, cases[i].workload, &f);
        add(&f, cases[i].name, cases[i].num);
        refused(&e->client, &f, EINVAL, cases[i].name);
    }
    prepare_frame(&f, "net.tcp_rr");
    refused(&e->client, &f, EINVAL, "parameter port is needed");
    prepare_frame(&f, "net.tcp_rr");
    add(&f, "port", 1);
    add_text(&f, "address", "fe80::1");
    refused(&e->client, &f, EINVAL, "no IPv4 address");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both_ends_count_the_same, ends_make, ends_remove),
        cmocka_unit_test_setup_teardown(test_http, ends_make, ends_remove),
        cmocka_unit_test_setup_teardown(test_workers, ends_make, ends_remove),
        cmocka_unit_test_setup_teardown(test_buffer, ends_make, ends_remove),
        cmocka_unit_test_setup_teardown(test_peers_that_fail, ends_make, ends_remove),
        cmocka_unit_test_setup_teardown(test_sources_that_fail, ends_make, ends_remove),
        cmocka_unit_test_setup_teardown(test_server_dies, ends_make, ends_remove),
        cmocka_unit_test_setup_teardown(test_server_leaves_nothing, ends_make, ends_remove),
        cmocka_unit_test_setup_teardown(test_clients_that_lie, ends_make, ends_remove),
        cmocka_unit_test_setup_teardown(test_idle_connections, ends_make, ends_remove),
        cmocka_unit_test_setup_teardown(test_lost_datagrams, ends_make, ends_remove),
        cmocka_unit_test_setup_teardown(test_all_datagrams_lost, ends_make, ends_remove),
        cmocka_unit_test_setup_teardown(test_offered_load, ends_make, ends_remove),
        cmocka_unit_test_setup_teardown(test_server_is_refused, ends_make, ends_remove),
        cmocka_unit_test_setup_teardown(test_clients_are_refused, ends_make, ends_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
