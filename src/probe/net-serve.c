/* net.serve: the peer of the network workloads. What is said is in net.h.
 *
 * A process of its own below the probe, so that whatever its connections do, it can be ended for
 * certain: killed and reaped when the probe is prepared for something else, and by the kernel when
 * the probe dies. In it a thread a connection, blocking, which is the least there is between a
 * request and its answer; they are kept and take the next connection, one always waits in accept.
 * Nothing waits for a peer for longer than `idle`, and of each kind there are at most
 * CONNECTIONS_MAX connections at a time; more wait in the queue until one ends.
 *
 * It is not sliced: it serves by itself, on all CPUs of its cell. */
#include "probe/net-serve.h"

#include "base/str.h"
#include "base/time.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define CONNECTIONS_MAX 256
#define ROOMS           (2 * CONNECTIONS_MAX + 1)
#define IDLE_NS         (60 * NS_PER_S)
#define BACKLOG         4096
#define STACK_BYTES     (64 << 10)
#define PAUSE_NS        (10 * NS_PER_MS) /* before accept is tried again where there is no room */
#define DATAGRAM_ROOM   65536
#define ASKERS_MAX      64

enum { LISTEN_PLAIN, LISTEN_HTTP, LISTENERS };

/* What the probe and the server's process share. */
struct serve_shared {
    struct serve_count counts[ROOMS]; /* [0]: datagrams */
};

struct listener {
    struct server *server;
    void (*serve)(int fd, const struct serve_room *room);
    int fd;
    _Atomic unsigned waiting; /* threads in accept */
    _Atomic unsigned threads;
    _Atomic unsigned rooms; /* taken, of those from first_room on; a thread keeps its own */
    unsigned first_room;
};

struct server {
    pid_t pid; /* 0: none */
    struct serve_shared *shared;
    struct listener listeners[LISTENERS];
    int udp;
    uint64_t idle_ns;
    unsigned char *pattern;
};

/* ---- in the server's process ---- */

static void *connection_thread(void *user);

/* One more for l, if there may be. */
static void add_thread(struct listener *l)
{
    pthread_attr_t attr;
    pthread_t thread;
    if (atomic_fetch_add(&l->threads, 1) >= CONNECTIONS_MAX) {
        atomic_fetch_sub(&l->threads, 1);
        return;
    }
    atomic_fetch_add(&l->waiting, 1);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attr, connection_thread, l) != 0) {
        atomic_fetch_sub(&l->waiting, 1);
        atomic_fetch_sub(&l->threads, 1);
    }
    pthread_attr_destroy(&attr);
}

static void note_client(struct serve_count *count, const struct sockaddr_in *from)
{
    atomic_store_explicit(&count->client, from->sin_addr.s_addr, memory_order_relaxed);
}

/* A connection, or -1 when there was none. */
static int take_connection(struct listener *l, struct serve_count *count)
{
    static const struct timespec pause = {.tv_nsec = (long)PAUSE_NS};
    struct sockaddr_in from;
    socklen_t size = sizeof(from);
    int fd = accept4(l->fd, (struct sockaddr *)&from, &size, SOCK_CLOEXEC);
    if (fd >= 0 && size == sizeof(from))
        note_client(count, &from);
    if (fd < 0 && errno != ECONNABORTED && errno != EINTR)
        nanosleep(&pause, NULL); /* no descriptor, no memory */
    return fd;
}

static _Noreturn void serve_connections(struct listener *l, const struct serve_room *room)
{
    for (;;) {
        int fd = take_connection(l, room->count);
        if (fd < 0)
            continue;
        if (atomic_fetch_sub(&l->waiting, 1) == 1)
            add_thread(l);
        count_add(&room->count->connections, 1);
        l->serve(fd, room);
        close(fd);
        atomic_fetch_add(&l->waiting, 1);
    }
}

static void *connection_thread(void *user)
{
    struct listener *l = user;
    struct server *s = l->server;
    unsigned number = l->first_room + atomic_fetch_add(&l->rooms, 1);
    const struct serve_room room = {.count = &s->shared->counts[number],
                                    .idle_ns = s->idle_ns,
                                    .in = xmalloc(NET_CHUNK),
                                    .pattern = s->pattern};
    serve_connections(l, &room);
}

/* Who asked for answers of another length than its requests. */
struct asker {
    struct sockaddr_in from;
    uint32_t response; /* 0: nobody */
};

struct datagrams {
    struct asker askers[ASKERS_MAX];
    unsigned next; /* to be forgotten */
    unsigned n;    /* known so far */
    unsigned char buf[DATAGRAM_ROOM];
};

static bool same_address(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
    return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
}

static struct asker *find_asker(struct datagrams *d, const struct sockaddr_in *from)
{
    for (unsigned i = 0; i < d->n; i++)
        if (same_address(&d->askers[i].from, from))
            return &d->askers[i];
    return NULL;
}

/* True if it was a greeting; it is answered as it came. */
static bool take_asker(struct datagrams *d, const struct sockaddr_in *from, size_t n)
{
    struct net_greeting hello;
    if (n != sizeof(hello))
        return false;
    memcpy(&hello, d->buf, sizeof(hello));
    if (!net_greeting_ok(&hello) || hello.kind != NET_ECHO || hello.response > NET_DATAGRAM_MAX)
        return false;
    struct asker *a = find_asker(d, from);
    if (!a) {
        a = &d->askers[d->next];
        d->next = (d->next + 1) % ASKERS_MAX;
        d->n += d->n < ASKERS_MAX;
    }
    *a = (struct asker){.from = *from, .response = hello.response};
    return true;
}

/* Makes the answer of n bytes in d->buf; how long it is. */
static size_t make_answer(struct datagrams *d, const struct sockaddr_in *from, size_t n)
{
    if (take_asker(d, from, n))
        return n;
    const struct asker *a = find_asker(d, from);
    d->buf[0] = (unsigned char)~d->buf[0];
    return a ? a->response : n;
}

static _Noreturn void serve_datagrams(struct server *s)
{
    static const struct timespec pause = {.tv_nsec = (long)PAUSE_NS};
    struct serve_count *count = &s->shared->counts[0];
    struct datagrams *d = xcalloc(1, sizeof(*d));
    for (;;) {
        struct sockaddr_in from;
        socklen_t size = sizeof(from);
        ssize_t n = recvfrom(s->udp, d->buf, sizeof(d->buf), 0, (struct sockaddr *)&from, &size);
        if (n < 0 && errno != EINTR && errno != ECONNREFUSED)
            nanosleep(&pause, NULL);
        if (n <= 0)
            continue;
        note_client(count, &from);
        count_add(&count->datagrams, 1);
        count_add(&count->bytes_in, (uint64_t)n);
        size_t out = make_answer(d, &from, (size_t)n);
        count_add(&count->bytes_out, out); /* before who gets it can ask for it */
        if (sendto(s->udp, d->buf, out, MSG_NOSIGNAL, (struct sockaddr *)&from, size) !=
            (ssize_t)out)
            count_add(&count->bytes_out, -(uint64_t)out);
    }
}

static _Noreturn void server_process(struct server *s, const struct job *job, pid_t probe)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != probe)
        _exit(1);
    job_hide_frames();
    job_spread(job);
    for (unsigned i = 0; i < LISTENERS; i++)
        add_thread(&s->listeners[i]);
    serve_datagrams(s);
}

/* ---- in the probe ---- */

static int listen_error(int code, const char *protocol, uint16_t port, struct err *err)
{
    if (code == EAFNOSUPPORT)
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "there is no network here");
    if (code == EADDRINUSE)
        return err_set(err, ERR_ENVIRONMENT, code, "%s port %u is in use: choose another, or 0",
                       protocol, port);
    return err_errno(err, code, "serve on %s port %u", protocol, port);
}

/* Binds a socket; *ret_port is its port in the end. */
static int open_socket(int type, const struct sockaddr_in *at, int *ret_fd, uint16_t *ret_port,
                       struct err *err)
{
    const char *protocol = type == SOCK_STREAM ? "TCP" : "UDP";
    uint16_t port = ntohs(at->sin_port);
    struct sockaddr_in bound = *at;
    socklen_t size = sizeof(bound);
    int on = 1, fd = *ret_fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return listen_error(errno, protocol, port, err);
    if (type == SOCK_STREAM)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&bound, sizeof(bound)) < 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &size) < 0)
        return listen_error(errno, protocol, port, err);
    *ret_port = ntohs(bound.sin_port);
    return 0;
}

static int open_listener(struct server *s, unsigned i, const struct sockaddr_in *at, int backlog,
                         uint16_t *ret_port, struct err *err)
{
    struct listener *l = &s->listeners[i];
    int r = open_socket(SOCK_STREAM, at, &l->fd, ret_port, err);
    if (r == 0 && listen(l->fd, backlog) < 0)
        r = listen_error(errno, "TCP", *ret_port, err);
    return r;
}

static int open_all(struct job *job, struct server *s, struct err *err)
{
    const struct fact *address = facts_find(&job->prepare.params, "address");
    int64_t port = 0, backlog = 0, idle = 0;
    uint16_t tcp = 0, udp = 0, http = 0;
    struct sockaddr_in at, next;
    int r = job_num(job, "port", 0, 65534, 0, &port, err);
    if (r == 0)
        r = job_num(job, "backlog", 1, 65535, BACKLOG, &backlog, err);
    if (r == 0)
        r = job_num(job, "idle", (int64_t)NS_PER_MS, (int64_t)(3600 * NS_PER_S), (int64_t)IDLE_NS,
                    &idle, err);
    if (r == 0)
        r = net_address(address && address->is_text ? address->text : "", (uint16_t)port, &at, err);
    if (r < 0)
        return r;
    s->idle_ns = (uint64_t)idle;
    next = at;
    next.sin_port = htons(port ? (uint16_t)(port + 1) : 0);
    r = open_listener(s, LISTEN_PLAIN, &at, (int)backlog, &tcp, err);
    if (r == 0)
        r = open_listener(s, LISTEN_HTTP, &next, (int)backlog, &http, err);
    if (r == 0)
        r = open_socket(SOCK_DGRAM, &at, &s->udp, &udp, err);
    if (r < 0)
        return r;
    facts_add_num(&job->facts, "tcp_port", tcp);
    facts_add_num(&job->facts, "udp_port", udp);
    facts_add_num(&job->facts, "http_port", http);
    return 0;
}

static void close_all(struct server *s)
{
    int *const fds[] = {&s->listeners[0].fd, &s->listeners[1].fd, &s->udp};
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

static struct server *server_new(void)
{
    struct server *s = xcalloc(1, sizeof(*s));
    s->udp = -1;
    for (unsigned i = 0; i < LISTENERS; i++)
        s->listeners[i] = (struct listener){.server = s,
                                            .serve = i == LISTEN_PLAIN ? serve_plain : serve_http,
                                            .fd = -1,
                                            .first_room = 1 + i * CONNECTIONS_MAX};
    s->pattern = xmalloc(NET_CHUNK + NET_PATTERN_PERIOD);
    net_fill(s->pattern, NET_CHUNK + NET_PATTERN_PERIOD);
    return s;
}

static int serve_setup(struct job *job, struct err *err)
{
    if (job->prepare.workers != 1)
        return err_set(err, ERR_USAGE, EINVAL, "net.serve has one worker");
    struct server *s = job->state = server_new();
    void *map =
        mmap(NULL, sizeof(*s->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return err_errno(err, errno, "map memory shared with the server");
    s->shared = map;
    int r = open_all(job, s, err);
    if (r < 0)
        return r;
    pid_t probe = getpid(), pid = fork();
    if (pid == 0)
        server_process(s, job, probe);
    if (pid < 0)
        return err_errno(err, errno, "fork the server");
    s->pid = pid;
    close_all(s);
    return 0;
}

static void serve_teardown(struct job *job)
{
    struct server *s = job->state;
    if (!s)
        return;
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    close_all(s);
    if (s->shared)
        munmap(s->shared, sizeof(*s->shared));
    free(s->pattern);
    free(s);
    job->state = NULL;
}

static void serve_run(struct worker *w, uint64_t ops)
{
    worker_fail_text(w, ENOTSUP, "net.serve serves by itself: it has no slices");
}

static void add_counts(const struct server *s, struct facts *f)
{
    uint64_t connections = 0, in = 0, out = 0, datagrams = 0, bad = 0;
    for (unsigned i = 0; i < ROOMS; i++) {
        const struct serve_count *c = &s->shared->counts[i];
        connections += atomic_load(&c->connections);
        in += atomic_load(&c->bytes_in);
        out += atomic_load(&c->bytes_out);
        datagrams += atomic_load(&c->datagrams);
        bad += atomic_load(&c->bad_requests);
    }
    facts_add_num(f, "connections", (int64_t)connections);
    facts_add_num(f, "bytes_in", (int64_t)in);
    facts_add_num(f, "bytes_out", (int64_t)out);
    facts_add_num(f, "datagrams", (int64_t)datagrams);
    facts_add_num(f, "bad_requests", (int64_t)bad);
}

/* What may have come by an address translation shows its own. */
static void add_client(const struct server *s, struct facts *f)
{
    char text[INET_ADDRSTRLEN];
    for (unsigned i = 0; i < ROOMS; i++) {
        const struct in_addr in = {.s_addr = (uint32_t)atomic_load(&s->shared->counts[i].client)};
        if (in.s_addr && inet_ntop(AF_INET, &in, text, sizeof(text))) {
            facts_add_text(f, "client", text);
            return;
        }
    }
}

/* Of the server's process, as the guest says. */
static void add_cpu(const struct server *s, struct facts *f)
{
    struct timespec ts;
    clockid_t clock;
    if (clock_getcpuclockid(s->pid, &clock) == 0 && clock_gettime(clock, &ts) == 0)
        facts_add_num(f, "cpu_ns", (int64_t)ts.tv_sec * (int64_t)NS_PER_S + ts.tv_nsec);
}

static int serve_verify(struct job *job, struct frame_finished *fin, struct err *err)
{
    struct server *s = job->state;
    int status;
    if (s->pid > 0 && waitpid(s->pid, &status, WNOHANG) == s->pid) {
        s->pid = 0;
        if (WIFSIGNALED(status))
            return err_set(err, ERR_MEASUREMENT, ECHILD, "the server died of signal %d",
                           WTERMSIG(status));
    }
    if (s->pid == 0)
        return err_set(err, ERR_MEASUREMENT, ECHILD, "the server has died");
    add_counts(s, &fin->facts);
    add_client(s, &fin->facts);
    add_cpu(s, &fin->facts);
    str_format(fin->detail, sizeof(fin->detail), "%" PRId64 " connections served",
               facts_num(&fin->facts, "connections", 0));
    return 0;
}

static const struct workload list[] = {
    {.name = "net.serve", .no_hist = true, .run = serve_run, .verify = serve_verify},
};

const struct family family_net_serve = {
    .name = "net_serve",
    .list = list,
    .n = ARRAY_SIZE(list),
    .setup = serve_setup,
    .teardown = serve_teardown,
};
