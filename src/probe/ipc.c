/* ipc.*: what it costs to hand control to somebody else and get it back.
 *
 * ipc.pipe    a byte to another process and its answer, over two pipes; one operation: a round trip
 * ipc.futex   the same between two threads, over a futex word, without any spinning
 * ipc.switch  lmbench's lat_ctx: a token goes round a ring of `procs` processes over pipes, and
 * each reads `work_bytes` of its own memory before it passes the token on; one operation: a hop.
 * The two switches into and out of the ring are in every slice, not every hop.
 *
 * The worker is pinned to the first CPU of the cell and its peers to the following ones, so a cell
 * of one CPU measures the same core and one of two CPUs the way across. Facts say what took effect,
 * as far as the guest knows. A peer that dies ends the slice with an error: its pipe gives end of
 * file, and who waits for the ring looks after its members. */
#include "probe/family.h"

#include "base/cleanup.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PROCS_MAX     64
#define PROCS         8
#define WORK_MAX      (1 << 20)
#define WORK_BYTES    16384
#define LOOK_AFTER_MS 500
#define LINE          64

/* Tallies: 0 operations; then what the facts are made of. */
enum { TALLY_OPS, TALLY_PEERS, TALLY_PINNED, TALLY_PEER_CPU };

/* What a peer shares with its worker. */
struct peer {
    uint64_t count; /* answers given, hops made */
    int cpu;        /* pinned to, -1 not */
} __attribute__((aligned(LINE)));

struct ipc {
    unsigned n_peers;
    pid_t pids[PROCS_MAX]; /* 0: none */
    struct peer *peers;    /* [n_peers], shared mapping */
    int in, out;           /* the worker's ends */
    int (*ring)[2];        /* ipc.switch: [n_peers] pipes, while starting */
    unsigned char *work;   /* ipc.switch: [work_bytes], each member's own after the fork */
    size_t work_bytes;
    unsigned char next; /* ipc.pipe: the byte to send next */
    /* ipc.futex */
    _Atomic uint32_t turn __attribute__((aligned(LINE)));
    pthread_t thread;
    bool has_thread;
    const struct worker *worker;
};

/* ---- peers that are processes ---- */

static void close_span(unsigned from, unsigned to)
{
    if (from > to || syscall(SYS_close_range, from, to, 0) == 0)
        return;
    for (unsigned fd = from; fd <= to && fd < 1024; fd++)
        close((int)fd);
}

/* Closes everything but three descriptors: a peer that held a copy of somebody's pipe end, or of
 * the frames', would keep end of file from being seen. */
static void close_others(int a, int b, int c)
{
    int keep[3] = {a, b, c};
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 2; k++) {
            int x = keep[k], y = keep[k + 1];
            keep[k] = x < y ? x : y;
            keep[k + 1] = x < y ? y : x;
        }
    }
    unsigned from = 0;
    for (int i = 0; i < 3; i++) {
        if (keep[i] > 0)
            close_span(from, (unsigned)keep[i] - 1);
        from = (unsigned)keep[i] + 1;
    }
    close_span(from, ~0u);
}

/* First steps of a peer process, number i: it dies with its worker and sits on its CPU. */
static void peer_begin(const struct worker *w, unsigned i, pid_t parent, int a, int b, int c)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    close_others(a, b, c);
    const struct ipc *s = w->state;
    s->peers[i].cpu = job_pin(w->job, w->index + 1 + i);
}

static int ipc_new(struct worker *w, unsigned n_peers, struct err *err)
{
    struct ipc *s = NULL;
    if (posix_memalign((void **)&s, LINE, sizeof(*s)) != 0)
        return err_set(err, ERR_ENVIRONMENT, ENOMEM, "no memory for the worker's state");
    memset(s, 0, sizeof(*s));
    s->in = s->out = -1;
    s->n_peers = n_peers;
    s->worker = w;
    w->state = s;
    void *p = mmap(NULL, n_peers * sizeof(struct peer), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return err_errno(err, errno, "map memory shared with peers");
    s->peers = p;
    return 0;
}

static void close_pair(int fd[2])
{
    for (int i = 0; i < 2; i++) {
        if (fd[i] >= 0)
            close(fd[i]);
        fd[i] = -1;
    }
}

static void ipc_stop(struct worker *w)
{
    struct ipc *s = w->state;
    if (!s)
        return;
    for (unsigned i = 0; i < s->n_peers; i++) {
        if (s->pids[i] > 0)
            kill(s->pids[i], SIGKILL);
    }
    for (unsigned i = 0; i < s->n_peers; i++) {
        while (s->pids[i] > 0 && waitpid(s->pids[i], NULL, 0) < 0 && errno == EINTR)
            ;
    }
    int ends[2] = {s->in, s->out};
    close_pair(ends);
    for (unsigned i = 0; s->ring && i < s->n_peers; i++)
        close_pair(s->ring[i]);
    if (s->peers)
        munmap(s->peers, s->n_peers * sizeof(struct peer));
    free(s->ring);
    free(s->work);
    free(s);
    w->state = NULL;
}

/* After the first exchange every peer has said where it is; what it counted is forgotten. */
static void peers_met(struct worker *w)
{
    struct ipc *s = w->state;
    w->tally[TALLY_OPS] = 0;
    w->tally[TALLY_PEERS] = s->n_peers;
    w->tally[TALLY_PINNED] = 0;
    for (unsigned i = 0; i < s->n_peers; i++) {
        s->peers[i].count = 0;
        w->tally[TALLY_PINNED] += s->peers[i].cpu >= 0;
    }
    w->tally[TALLY_PEER_CPU] = (uint64_t)(int64_t)s->peers[0].cpu;
}

/* The end of every start: a first exchange, with its failure as the error. */
static int ipc_try(struct worker *w, uint64_t ops, struct err *err)
{
    w->job->workload->run(w, ops);
    if (w->fail_code)
        return err_errno(err, w->fail_code, "%s", w->fail_where);
    peers_met(w);
    return 0;
}

static int ipc_ready(struct job *job, struct err *err)
{
    const struct worker *w = &job->workers[0];
    facts_add_num(&job->facts, "peers", (int64_t)w->tally[TALLY_PEERS]);
    facts_add_num(&job->facts, "peers_pinned", (int64_t)w->tally[TALLY_PINNED]);
    facts_add_num(&job->facts, "cpu_worker", w->cpu);
    facts_add_num(&job->facts, "cpu_peer", (int64_t)w->tally[TALLY_PEER_CPU]);
    return 0;
}

/* The peers' own count is the evidence. */
static int ipc_check(struct worker *w, struct err *err)
{
    const struct ipc *s = w->state;
    uint64_t sum = 0;
    for (unsigned i = 0; i < s->n_peers; i++)
        sum += s->peers[i].count;
    if (sum != w->done)
        return err_set(err, ERR_MEASUREMENT, EIO, "the peers counted %" PRIu64 " of %" PRIu64, sum,
                       w->done);
    return 0;
}

/* ---- ipc.pipe ---- */

static _Noreturn void pipe_peer(struct peer *me, int in, int out)
{
    unsigned char byte;
    while (read(in, &byte, 1) == 1) {
        byte++;
        me->count++;
        if (write(out, &byte, 1) != 1)
            break;
    }
    _exit(0);
}

static int pipe_start(struct worker *w, struct err *err)
{
    int r = ipc_new(w, 1, err);
    if (r < 0)
        return r;
    struct ipc *s = w->state;
    int there[2], back[2];
    if (pipe2(there, O_CLOEXEC) < 0)
        return err_errno(err, errno, "pipe");
    if (pipe2(back, O_CLOEXEC) < 0) {
        r = err_errno(err, errno, "pipe");
        close_pair(there);
        return r;
    }
    s->in = back[0];
    s->out = there[1];
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        peer_begin(w, 0, parent, there[0], back[1], back[1]);
        pipe_peer(&s->peers[0], there[0], back[1]);
    }
    r = pid < 0 ? err_errno(err, errno, "fork") : 0;
    s->pids[0] = pid > 0 ? pid : 0;
    close(there[0]);
    close(back[1]);
    return r < 0 ? r : ipc_try(w, 1, err);
}

static void run_pipe(struct worker *w, uint64_t ops)
{
    struct ipc *s = w->state;
    uint64_t i = 0;
    for (; i < ops; i++) {
        unsigned char byte = s->next++;
        if (write(s->out, &byte, 1) != 1) {
            worker_fail(w, errno, "write to the peer");
            break;
        }
        ssize_t n = read(s->in, &byte, 1);
        if (n != 1 || byte != s->next) {
            worker_fail(w, n < 0 ? errno : n == 0 ? EPIPE : EPROTO, "answer of the peer");
            break;
        }
    }
    w->tally[TALLY_OPS] += i;
}

/* ---- ipc.futex ---- */

enum { TURN_WORKER, TURN_PEER, TURN_LEAVE };

static long turn_wait(_Atomic uint32_t *turn, uint32_t seen)
{
    return syscall(SYS_futex, turn, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static long turn_pass(_Atomic uint32_t *turn, uint32_t to)
{
    atomic_store(turn, to);
    return syscall(SYS_futex, turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *futex_peer(void *user)
{
    struct ipc *s = user;
    s->peers[0].cpu = job_pin(s->worker->job, s->worker->index + 1);
    for (;;) {
        uint32_t turn;
        while ((turn = atomic_load(&s->turn)) == TURN_WORKER)
            turn_wait(&s->turn, TURN_WORKER);
        if (turn == TURN_LEAVE)
            return NULL;
        s->peers[0].count++;
        turn_pass(&s->turn, TURN_WORKER);
    }
}

static int futex_start(struct worker *w, struct err *err)
{
    int r = ipc_new(w, 1, err);
    if (r < 0)
        return r;
    struct ipc *s = w->state;
    r = pthread_create(&s->thread, NULL, futex_peer, s);
    if (r != 0)
        return err_errno(err, r, "start a thread");
    s->has_thread = true;
    return ipc_try(w, 1, err);
}

static void futex_stop(struct worker *w)
{
    struct ipc *s = w->state;
    if (s && s->has_thread) {
        turn_pass(&s->turn, TURN_LEAVE);
        pthread_join(s->thread, NULL);
    }
    ipc_stop(w);
}

static void run_futex(struct worker *w, uint64_t ops)
{
    struct ipc *s = w->state;
    uint64_t i = 0;
    for (; i < ops; i++) {
        if (turn_pass(&s->turn, TURN_PEER) < 0) {
            worker_fail(w, errno, "futex wake");
            break;
        }
        while (atomic_load(&s->turn) == TURN_PEER) {
            if (turn_wait(&s->turn, TURN_PEER) < 0 && errno != EAGAIN && errno != EINTR) {
                worker_fail(w, errno, "futex wait");
                w->tally[TALLY_OPS] += i;
                return;
            }
        }
    }
    w->tally[TALLY_OPS] += i;
}

/* ---- ipc.switch ---- */

static int switch_params(const struct job *job, int64_t *ret_procs, int64_t *ret_work,
                         struct err *err)
{
    int r = job_num(job, "procs", 2, PROCS_MAX, PROCS, ret_procs, err);
    return r < 0 ? r : job_num(job, "work_bytes", 0, WORK_MAX, WORK_BYTES, ret_work, err);
}

static int switch_prepare(struct job *job, struct err *err)
{
    int64_t procs = 0, work = 0;
    int r = switch_params(job, &procs, &work, err);
    if (r < 0)
        return r;
    facts_add_num(&job->facts, "procs", procs);
    facts_add_num(&job->facts, "work_bytes", work);
    return 0;
}

/* The token is the number of hops still to make; who makes the last one says so. */
static _Noreturn void ring_member(struct ipc *s, unsigned i, int in, int out, int done)
{
    memset(s->work, (int)i, s->work_bytes); /* from here on it is this process's own */
    uint64_t hops;
    while (read(in, &hops, sizeof(hops)) == sizeof(hops)) {
        for (size_t k = 0; k < s->work_bytes; k += LINE)
            (void)*(volatile unsigned char *)&s->work[k];
        s->peers[i].count++;
        hops--;
        if (write(hops ? out : done, &hops, sizeof(hops)) != sizeof(hops))
            break;
    }
    _exit(0);
}

static int ring_fork(struct worker *w, int done, struct err *err)
{
    struct ipc *s = w->state;
    pid_t parent = getpid();
    for (unsigned i = 0; i < s->n_peers; i++) {
        int in = s->ring[i][0], out = s->ring[(i + 1) % s->n_peers][1];
        pid_t pid = fork();
        if (pid == 0) {
            peer_begin(w, i, parent, in, out, done);
            ring_member(s, i, in, out, done);
        }
        if (pid < 0)
            return err_errno(err, errno, "fork member %u", i);
        s->pids[i] = pid;
    }
    return 0;
}

/* Of the ring the worker keeps the way in, of `done` the reading end. */
static int ring_open(struct worker *w, struct err *err)
{
    struct ipc *s = w->state;
    int done[2];
    s->ring = xcalloc(s->n_peers, sizeof(*s->ring));
    memset(s->ring, 0xff, s->n_peers * sizeof(*s->ring)); /* -1 each */
    for (unsigned i = 0; i < s->n_peers; i++) {
        if (pipe2(s->ring[i], O_CLOEXEC) < 0)
            return err_errno(err, errno, "pipe %u of the ring", i);
    }
    if (pipe2(done, O_CLOEXEC) < 0)
        return err_errno(err, errno, "pipe");
    s->in = done[0];
    int r = ring_fork(w, done[1], err);
    close(done[1]);
    s->out = s->ring[0][1];
    s->ring[0][1] = -1;
    for (unsigned i = 0; i < s->n_peers; i++)
        close_pair(s->ring[i]);
    return r;
}

static int switch_start(struct worker *w, struct err *err)
{
    int64_t procs = 0, work = 0;
    int r = switch_params(w->job, &procs, &work, err);
    if (r == 0)
        r = ipc_new(w, (unsigned)procs, err);
    if (r < 0)
        return r;
    struct ipc *s = w->state;
    s->work_bytes = (size_t)work;
    s->work = xmalloc(s->work_bytes + 1);
    r = ring_open(w, err);
    return r < 0 ? r : ipc_try(w, s->n_peers, err);
}

static bool ring_whole(struct ipc *s)
{
    for (unsigned i = 0; i < s->n_peers; i++) {
        if (s->pids[i] > 0 && waitpid(s->pids[i], NULL, WNOHANG) != 0)
            s->pids[i] = 0;
        if (s->pids[i] == 0)
            return false;
    }
    return true;
}

static void run_switch(struct worker *w, uint64_t ops)
{
    struct ipc *s = w->state;
    uint64_t left = ops;
    if (write(s->out, &left, sizeof(left)) != sizeof(left)) {
        worker_fail(w, errno, "token into the ring");
        return;
    }
    struct pollfd p = {.fd = s->in, .events = POLLIN};
    int r;
    while ((r = poll(&p, 1, LOOK_AFTER_MS)) == 0 || (r < 0 && errno == EINTR)) {
        if (!ring_whole(s)) {
            worker_fail(w, EPIPE, "a member of the ring died");
            return;
        }
    }
    if (read(s->in, &left, sizeof(left)) != sizeof(left) || left != 0) {
        worker_fail(w, EPIPE, "token out of the ring");
        return;
    }
    w->tally[TALLY_OPS] += ops;
}

static const struct workload list[] = {
    {.name = "ipc.pipe",
     .processes = true,
     .start = pipe_start,
     .ready = ipc_ready,
     .run = run_pipe,
     .check = ipc_check,
     .stop = ipc_stop},
    {.name = "ipc.futex",
     .processes = true,
     .start = futex_start,
     .ready = ipc_ready,
     .run = run_futex,
     .check = ipc_check,
     .stop = futex_stop},
    {.name = "ipc.switch",
     .processes = true,
     .no_hist = true,
     .prepare = switch_prepare,
     .start = switch_start,
     .ready = ipc_ready,
     .run = run_switch,
     .check = ipc_check,
     .stop = ipc_stop},
};

const struct family family_ipc = {
    .name = "ipc",
    .list = list,
    .n = ARRAY_SIZE(list),
};
