/* load.*: the aggressors of a noisy-neighbour matrix. Each does one thing to what guests share, for
 * as long as it is asked to, and says with `finish` how much. Here those that only work:
 *
 *   idle     sleeps: an aggressor that does nothing, to compare with
 *   cpu      integers and floating point, from registers
 *   memory   streams through a buffer larger than any cache: writes a MiB, reads another one back
 *   cache    reads and writes the lines of a buffer as large as the last-level cache in an order
 *            no prefetcher follows, so that others' lines have to leave
 *   network  datagrams over loopback to a socket that reads only every second one
 *
 * Those that work on files are in load-file.c, those that run into limits in load-limit.c.
 *
 * Layer: probe. An aggressor is no measurement: its operations are short (well below 30 ms on the
 * slowest guest) so that the end of its time is kept, and their number means little. What one is
 * meant to run into (no process, no memory, no descriptor, no space) is counted and becomes a fact
 * of `finished`; anything else is a failure. None touches what it has not made, and none leaves
 * anything behind, however it ends.
 *
 * Parameters: bytes (memory, cache). Facts of network: datagrams, refused (by a full queue). */
#include "probe/family.h"

#include "base/str.h"
#include "base/time.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define MIB        (INT64_C(1) << 20)
#define IDLE_NS    (10 * NS_PER_MS)
#define CPU_ROUNDS 1500000 /* 5 ms at 3 GHz */
#define LINE_BYTES 64

/* ---- idle ---- */

static void idle_run(struct worker *w, uint64_t ops)
{
    const struct timespec ts = {.tv_nsec = (long)IDLE_NS};
    for (uint64_t i = 0; i < ops; i++)
        nanosleep(&ts, NULL);
    w->tally[0] += ops;
}

/* ---- cpu ---- */

/* A chain of each kind, side by side: neither waits for memory. */
static uint64_t spin(void)
{
    uint64_t x = UINT64_C(0x9e3779b97f4a7c15);
    double y = 1.0;
    for (unsigned i = 0; i < CPU_ROUNDS; i++) {
        x = (x ^ (x >> 29)) * UINT64_C(0xbf58476d1ce4e5b9) + i;
        y = y * 0.999999 + 0.5;
    }
    return x ^ (uint64_t)y;
}

static void cpu_run(struct worker *w, uint64_t ops)
{
    for (uint64_t i = 0; i < ops; i++) {
        uint64_t found = spin();
        __asm__ volatile("" ::: "memory"); /* or one call would do for all */
        if (w->tally[1] == 0)
            w->tally[1] = found;
        if (w->tally[1] != found) {
            worker_fail(w, EIO, "the same sum twice");
            return;
        }
        w->tally[0]++;
    }
}

/* ---- memory and cache ---- */

#define STREAM_UNIT   ((size_t)1 << 20)
#define STREAM_UNITS  8 /* written and read by one operation, each */
#define CACHE_TOUCHES 65536

struct buffer {
    uint64_t *words;
    size_t bytes;
    size_t at; /* next unit; the line before the next one */
};

static int memory_bytes(const struct job *job, int64_t *ret, struct err *err)
{
    return job_num(job, "bytes", MIB, 4096 * MIB, 64 * MIB, ret, err);
}

static int cache_bytes(const struct job *job, int64_t *ret, struct err *err)
{
    return job_num(job, "bytes", MIB / 16, 1024 * MIB, 32 * MIB, ret, err);
}

static int buffer_prepare(struct job *job,
                          int (*bytes_of)(const struct job *, int64_t *, struct err *),
                          struct err *err)
{
    int64_t bytes = 0;
    int r = bytes_of(job, &bytes, err);
    if (r == 0)
        facts_add_num(&job->facts, "bytes", bytes);
    return r;
}

/* Zero, and touched as a whole: what is not meant is the first touch. */
static int buffer_start(struct worker *w, int64_t bytes, struct err *err)
{
    struct buffer *b = w->state = xcalloc(1, sizeof(*b));
    void *map =
        mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return err_errno(err, errno, "map %lld bytes", (long long)bytes);
    b->words = map;
    b->bytes = (size_t)bytes;
    madvise(map, b->bytes, MADV_HUGEPAGE); /* where there is such a thing */
    memset(map, 0, b->bytes);
    return 0;
}

static void buffer_stop(struct worker *w)
{
    struct buffer *b = w->state;
    if (!b)
        return;
    if (b->words)
        munmap(b->words, b->bytes);
    free(b);
    w->state = NULL;
}

static int memory_prepare(struct job *job, struct err *err)
{
    return buffer_prepare(job, memory_bytes, err);
}

static int memory_start(struct worker *w, struct err *err)
{
    int64_t bytes = 0;
    int r = memory_bytes(w->job, &bytes, err);
    if (r == 0)
        r = buffer_start(w, bytes, err);
    if (r < 0)
        return r;
    struct buffer *b = w->state;
    for (size_t i = 0; i < b->bytes / sizeof(*b->words); i++)
        b->words[i] = i;
    return 0;
}

/* Every word holds its index, so the sum of a unit is known. */
static bool stream(uint64_t *words, size_t n, size_t write_at, size_t read_at)
{
    uint64_t sum = 0, first = read_at * n;
    for (size_t i = 0; i < n; i++)
        words[write_at * n + i] = write_at * n + i;
    for (size_t i = 0; i < n; i++)
        sum += words[read_at * n + i];
    return sum == n * first + n * (n - 1) / 2;
}

static void memory_run(struct worker *w, uint64_t ops)
{
    struct buffer *b = w->state;
    size_t units = b->bytes / STREAM_UNIT, n = STREAM_UNIT / sizeof(*b->words);
    for (uint64_t i = 0; i < ops; i++) {
        for (unsigned k = 0; k < STREAM_UNITS; k++) {
            if (!stream(b->words, n, b->at, (b->at + units / 2) % units)) {
                worker_fail(w, EIO, "read what was written");
                return;
            }
            b->at = (b->at + 1) % units;
        }
        w->tally[0]++;
    }
}

static int cache_prepare(struct job *job, struct err *err)
{
    return buffer_prepare(job, cache_bytes, err);
}

static int cache_start(struct worker *w, struct err *err)
{
    int64_t bytes = 0;
    int r = cache_bytes(w->job, &bytes, err);
    return r < 0 ? r : buffer_start(w, bytes, err);
}

/* A generator whose period is the next power of two goes through all lines, each once a round. */
static size_t next_line(size_t at, size_t mask, size_t lines)
{
    do
        at = (at * 1664525 + 1013904223) & mask;
    while (at >= lines);
    return at;
}

static void cache_run(struct worker *w, uint64_t ops)
{
    struct buffer *b = w->state;
    size_t lines = b->bytes / LINE_BYTES, at = b->at, mask = 1;
    while (mask < lines)
        mask <<= 1;
    mask--;
    for (uint64_t i = 0; i < ops * CACHE_TOUCHES; i++) {
        at = next_line(at, mask, lines);
        b->words[at * (LINE_BYTES / sizeof(*b->words))]++;
    }
    b->at = at;
    w->tally[0] += ops;
}

/* What every line has counted, and that none was left out once all have had their turn. */
static int cache_check(struct worker *w, struct err *err)
{
    const struct buffer *b = w->state;
    size_t lines = b->bytes / LINE_BYTES;
    uint64_t touches = w->done * CACHE_TOUCHES, sum = 0, least = UINT64_MAX;
    for (size_t i = 0; i < lines; i++) {
        uint64_t n = b->words[i * (LINE_BYTES / sizeof(*b->words))];
        sum += n;
        least = n < least ? n : least;
    }
    if (sum == touches && least == touches / lines)
        return 0;
    return err_set(err, ERR_MEASUREMENT, EIO, "%llu touches of lines are %llu",
                   (unsigned long long)touches, (unsigned long long)sum);
}

/* ---- network ---- */

#define DATAGRAM_BYTES 1400
#define DATAGRAMS      64 /* an operation; half of them are read */
#define ARRIVAL_MS     1000

enum network_tally { NETWORK_SENT = 1, NETWORK_REFUSED };

struct network {
    int to, from;
    char buf[DATAGRAM_BYTES];
};

static bool no_network(int code)
{
    return code == ENETUNREACH || code == EADDRNOTAVAIL || code == EHOSTUNREACH ||
           code == ENETDOWN || code == EAFNOSUPPORT;
}

static int network_error(int code, const char *what, struct err *err)
{
    if (no_network(code))
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "no loopback network here");
    return err_errno(err, code, "%s", what);
}

static int udp_socket(int *ret, struct err *err)
{
    *ret = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return *ret < 0 ? network_error(errno, "make a socket", err) : 0;
}

/* One datagram has to arrive. */
static int network_try(struct network *s, struct err *err)
{
    struct pollfd p = {.fd = s->from, .events = POLLIN};
    if (send(s->to, s->buf, sizeof(s->buf), 0) < 0)
        return network_error(errno, "send a datagram", err);
    if (poll(&p, 1, ARRIVAL_MS) != 1 || recv(s->from, s->buf, sizeof(s->buf), 0) < 0)
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
                       "no loopback network here: nothing arrives that was sent");
    return 0;
}

static int network_start(struct worker *w, struct err *err)
{
    struct network *s = w->state = xcalloc(1, sizeof(*s));
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof(at);
    s->to = s->from = -1;
    int r = udp_socket(&s->from, err);
    if (r == 0)
        r = udp_socket(&s->to, err);
    if (r < 0)
        return r;
    if (bind(s->from, (struct sockaddr *)&at, sizeof(at)) < 0 ||
        getsockname(s->from, (struct sockaddr *)&at, &n) < 0)
        return network_error(errno, "bind a socket to 127.0.0.1", err);
    if (connect(s->to, (struct sockaddr *)&at, sizeof(at)) < 0)
        return network_error(errno, "connect to 127.0.0.1", err);
    return network_try(s, err);
}

static void network_stop(struct worker *w)
{
    struct network *s = w->state;
    if (!s)
        return;
    if (s->to >= 0)
        close(s->to);
    if (s->from >= 0)
        close(s->from);
    free(s);
    w->state = NULL;
}

/* A full queue, on either side, is what a flood runs into. */
static bool network_send(struct worker *w, struct network *s)
{
    bool sent = send(s->to, s->buf, sizeof(s->buf), 0) == (ssize_t)sizeof(s->buf);
    w->tally[sent ? NETWORK_SENT : NETWORK_REFUSED]++;
    if (sent || errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM || errno == ECONNREFUSED)
        return true;
    worker_fail(w, errno, "send");
    return false;
}

static void network_run(struct worker *w, uint64_t ops)
{
    struct network *s = w->state;
    for (uint64_t i = 0; i < ops; i++) {
        for (unsigned k = 0; k < DATAGRAMS; k++) {
            if (!network_send(w, s))
                return;
            if (k % 2 == 0 && recv(s->from, s->buf, sizeof(s->buf), 0) < 0 && errno != EAGAIN) {
                worker_fail(w, errno, "recv");
                return;
            }
        }
        w->tally[0]++;
    }
}

static int network_verify(struct job *job, struct frame_finished *fin, struct err *err)
{
    facts_add_num(&fin->facts, "datagrams", (int64_t)job_tally(job, NETWORK_SENT));
    facts_add_num(&fin->facts, "refused", (int64_t)job_tally(job, NETWORK_REFUSED));
    return job_verify_count(job, 1, fin, err);
}

static const struct workload list[] = {
    {.name = "load.idle", .run = idle_run},
    {.name = "load.cpu", .run = cpu_run},
    {.name = "load.memory",
     .prepare = memory_prepare,
     .start = memory_start,
     .run = memory_run,
     .stop = buffer_stop},
    {.name = "load.cache",
     .prepare = cache_prepare,
     .start = cache_start,
     .run = cache_run,
     .check = cache_check,
     .stop = buffer_stop},
    {.name = "load.network",
     .start = network_start,
     .run = network_run,
     .verify = network_verify,
     .stop = network_stop},
};

const struct family family_load = {.name = "load", .list = list, .n = ARRAY_SIZE(list)};
