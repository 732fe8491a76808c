#include "driver/session.h"

#include "base/fd.h"
#include "base/rand.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* More standard error than this between two posts is a flood. What a probe has to say there is one
 * line before it dies. */
#define ERR_FLOOD_BYTES (1u << 20)

/* How long an end of output may precede the end of its process: a failure's path only. */
#define DEATH_MS 50

/* Wakes whoever waits: there is an answer or a failure. */
static void session_news(struct session *s)
{
    s->news = true;
    if (s->wake)
        *s->wake = true;
}

static void unwatch(struct session *s)
{
    loop_remove(s->loop, s->src_in);
    loop_remove(s->loop, s->src_out);
    loop_remove(s->loop, s->src_err);
    s->src_in = s->src_out = s->src_err = NULL;
}

void session_break(struct session *s, enum err_kind kind, int code, const char *fmt, ...)
{
    if (s->broken)
        return;
    char text[sizeof(s->failure.msg)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    err_set(&s->failure, kind, code, "%s", text);
    s->broken = true;
    /* Nothing it says from here on is worth a wake-up. */
    loop_remove(s->loop, s->src_in);
    loop_remove(s->loop, s->src_out);
    s->src_in = s->src_out = NULL;
    if (s->waiting) {
        s->waiting = false;
        session_news(s);
    }
}

/* ---- standard error ---- */

/* One read; true if there may be more. */
static bool err_read(struct session *s)
{
    char chunk[4096];
    ssize_t n = s->fd_err < 0 ? 0 : read(s->fd_err, chunk, sizeof(chunk));
    if (n > 0) {
        tail_add(&s->err_tail, chunk, (size_t)n);
        s->err_bytes += (uint64_t)n;
        return true;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        loop_remove(s->loop, s->src_err);
        s->src_err = NULL;
    }
    return false;
}

static void check_flood(struct session *s)
{
    if (s->err_bytes <= ERR_FLOOD_BYTES)
        return;
    session_break(s, ERR_MEASUREMENT, EOVERFLOW, "it floods its standard error");
    loop_remove(s->loop, s->src_err);
    s->src_err = NULL;
}

static void on_err(void *user, int fd, uint32_t events)
{
    err_read(user);
    check_flood(user);
}

static bool out_read(struct session *s);

const char *session_err_line(struct session *s, char *dst, size_t size)
{
    /* bounded: it may go on writing for ever */
    for (int i = 0; i < 16 && (s->muxed ? out_read(s) : err_read(s)); i++)
        ;
    return tail_line(&s->err_tail, dst, size);
}

/* ---- standard output ---- */

static const enum frame_type answer_to[FRAME_TYPE_COUNT] = {
    [FRAME_NONE] = FRAME_HELLO,   [FRAME_PING] = FRAME_PONG,       [FRAME_PREPARE] = FRAME_READY,
    [FRAME_SLICE] = FRAME_SLICED, [FRAME_FINISH] = FRAME_FINISHED, [FRAME_BYE] = FRAME_BYE,
};

static const char *asked_name(const struct session *s)
{
    return s->asked == FRAME_NONE ? "its start" : frame_type_name(s->asked);
}

/* What a probe says before it goes, not asked or not as an answer: the end, in its own words. */
static bool is_last_word(struct session *s, const struct frame *f)
{
    if (s->waiting && (f->seq == s->seq || s->asked == FRAME_NONE))
        return false;
    if (f->type == FRAME_ERROR)
        session_break(s, ERR_MEASUREMENT, f->error.code ? f->error.code : EIO, "it gave up: %s%s%s",
                      f->error.where, *f->error.where ? ": " : "", f->error.text);
    else if (f->type == FRAME_BYE)
        session_break(s, ERR_MEASUREMENT, EPIPE, "it left without being asked");
    return s->broken;
}

/* Is this the answer we wait for? Breaks the session if not. */
static bool frame_fits(struct session *s, const struct frame *f)
{
    if (memcmp(f->nonce, s->nonce, sizeof(s->nonce)) != 0)
        session_break(s, ERR_MEASUREMENT, EPROTO, "a frame with a nonce that is not its own");
    else if (is_last_word(s, f))
        return false;
    else if (!s->waiting)
        session_break(s, ERR_MEASUREMENT, EPROTO, "it spoke without being asked");
    else if (f->seq != s->seq)
        session_break(s, ERR_MEASUREMENT, EPROTO,
                      "it answered %s with sequence number %llu instead of %llu", asked_name(s),
                      (unsigned long long)f->seq, (unsigned long long)s->seq);
    else if (f->type != answer_to[s->asked] && (f->type != FRAME_ERROR || s->asked == FRAME_NONE))
        session_break(s, ERR_MEASUREMENT, EPROTO, "it answered %s with %s", asked_name(s),
                      frame_type_name(f->type));
    return !s->broken;
}

static void on_line(struct session *s, const char *line, size_t n)
{
    struct err err = ERR_INIT;
    struct frame f;
    if (frame_parse(line, n, &f, &err) < 0) {
        session_break(s, err.kind, EPROTO, "its answer to %s: %s", asked_name(s), err.msg);
        return;
    }
    if (!frame_fits(s, &f)) {
        frame_release(&f);
        return;
    }
    s->answer = f;
    s->waiting = false;
    s->answered = true;
    session_news(s);
}

/* Lines that are complete. now_ns: when the bytes were read. */
static void take_lines(struct session *s, uint64_t now_ns)
{
    const char *line;
    size_t n;
    int r;
    while (!s->broken && (r = line_reader_take(&s->lines, &line, &n)) != 0) {
        if (r < 0) {
            session_break(s, ERR_MEASUREMENT, EMSGSIZE, "its answer to %s is longer than a frame",
                          asked_name(s));
            return;
        }
        if (s->waiting)
            s->answered_ns = now_ns;
        on_line(s, line, n);
    }
}

/* A process closes its files a moment before it can be reaped. If the one the driver watches is at
 * its end, its exit status will say more than the end of its output does. */
bool session_is_dying(const struct session *s)
{
    pid_t pid = s->stream_pid > 0 ? s->stream_pid : s->caps.pid;
    _cleanup_fd_ int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    /* An engine's child, and gone already: the watch on it is about to tell. */
    if (pidfd < 0 && pid > 0 && errno == ESRCH)
        return true;
    return pidfd >= 0 && poll(&p, 1, s->death_ms ? s->death_ms : DEATH_MS) == 1;
}

static void on_end(struct session *s)
{
    loop_remove(s->loop, s->src_out);
    s->src_out = NULL;
    if ((s->leaving && !s->waiting) || session_is_dying(s))
        return;
    char line[200];
    session_err_line(s, line, sizeof(line));
    const char *why = s->why_end ? s->why_end(s) : NULL;
    if (why)
        str_copy(line, sizeof(line), why);
    session_break(s, why ? ERR_ENVIRONMENT : ERR_MEASUREMENT, EPIPE, "its output ended%s%s",
                  *line ? ": " : "", line);
    s->ended = true;
}

/* ---- both in one ---- */

struct piece {
    struct session *session;
    uint64_t now_ns;
};

static void on_piece(void *user, enum demux_stream stream, const char *bytes, size_t n)
{
    const struct piece *p = user;
    struct session *s = p->session;
    if (stream == DEMUX_ERR) {
        tail_add(&s->err_tail, bytes, n);
        s->err_bytes += n;
        check_flood(s);
        return;
    }
    while (n > 0 && !s->broken) { /* without room, a line is too long and breaks it */
        size_t taken = line_reader_push(&s->lines, bytes, n);
        bytes += taken;
        n -= taken;
        take_lines(s, p->now_ns);
    }
}

static ssize_t mux_fill(struct session *s)
{
    char chunk[16384];
    ssize_t n = read(s->fd_out, chunk, sizeof(chunk));
    if (n <= 0)
        return n < 0 ? -errno : 0;
    struct piece p = {.session = s, .now_ns = time_mono_ns()};
    if (demux_feed(&s->mux, chunk, (size_t)n, on_piece, &p) < 0)
        session_break(s, ERR_ENVIRONMENT, EPROTO,
                      "its engine sends what is neither standard output nor standard error");
    return n;
}

/* One read of standard output; true if there may be more. */
static bool out_read(struct session *s)
{
    if (s->broken || !s->src_out)
        return false;
    ssize_t n = s->muxed ? mux_fill(s) : line_reader_fill(&s->lines, s->fd_out);
    if (n > 0) {
        take_lines(s, time_mono_ns());
        return true;
    }
    if (n != -EAGAIN && n != -EINTR)
        on_end(s);
    return false;
}

static void on_out(void *user, int fd, uint32_t events)
{
    out_read(user);
}

static const char *exit_text(int wait_status, char *dst, size_t size)
{
    if (wait_status < 0)
        str_copy(dst, size, "with what status is not known");
    else if (WIFSIGNALED(wait_status))
        str_format(dst, size, "killed by signal %d", WTERMSIG(wait_status));
    else
        str_format(dst, size, "exit status %d", WEXITSTATUS(wait_status));
    return dst;
}

void session_exited(struct session *s, int wait_status, const char *why)
{
    for (int i = 0; i < 64 && out_read(s); i++)
        ;
    if (s->leaving && !s->waiting && !s->broken)
        return;
    if (s->broken && !s->ended)
        return;
    char how[40], line[200];
    exit_text(wait_status, how, sizeof(how));
    session_err_line(s, line, sizeof(line));
    s->ended = s->broken = false; /* the end of its output was the same event, told worse */
    session_break(s, ERR_MEASUREMENT, ECHILD, "it died: %s%s%s%s%s%s", how, why ? " (" : "",
                  why ? why : "", why ? ")" : "", *line ? ": " : "", line);
}

/* ---- life ---- */

void session_nonce(char dst[WIRE_NONCE_SIZE])
{
    str_format(dst, WIRE_NONCE_SIZE, "%016llx", (unsigned long long)rng_entropy());
}

int session_new(struct loop *l, const char *nonce, int fd_in, int fd_out, int fd_err,
                struct session **ret, struct err *err)
{
    struct session *s = xcalloc(1, sizeof(*s));
    s->loop = l;
    s->fd_in = fd_in;
    s->fd_out = fd_out;
    s->fd_err = fd_err;
    s->meter.fd = -1;
    str_init(&s->out);
    str_copy(s->nonce, sizeof(s->nonce), nonce);
    line_reader_init(&s->lines);
    /* A probe that died is seen as EPIPE. Children get the default back. */
    signal(SIGPIPE, SIG_IGN);
    s->waiting = true; /* for hello: sequence number 0 */
    int r = fd_set_nonblock(fd_in, true, err);
    if (r == 0)
        r = fd_set_nonblock(fd_out, true, err);
    if (r == 0 && fd_err >= 0)
        r = fd_set_nonblock(fd_err, true, err);
    if (r == 0)
        r = loop_add_fd(l, fd_out, EPOLLIN, on_out, s, &s->src_out, err);
    if (r == 0 && fd_err >= 0)
        r = loop_add_fd(l, fd_err, EPOLLIN, on_err, s, &s->src_err, err);
    if (r < 0) {
        session_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

int session_new_muxed(struct loop *l, const char *nonce, int fd, struct session **ret,
                      struct err *err)
{
    int in = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (in < 0) {
        int code = errno;
        fd_close(&fd);
        return err_errno(err, code, "copy a descriptor");
    }
    int r = session_new(l, nonce, in, fd, -1, ret, err);
    if (r == 0)
        (*ret)->muxed = true;
    return r;
}

void session_free(struct session *s)
{
    if (!s)
        return;
    unwatch(s);
    fd_close(&s->fd_in);
    fd_close(&s->fd_out);
    fd_close(&s->fd_err);
    if (s->meter.fd >= 0)
        cgroup_meter_close(&s->meter);
    if (s->answered)
        frame_release(&s->answer);
    line_reader_release(&s->lines);
    str_release(&s->out);
    free(s->proof);
    free(s);
}

int session_add_outside(struct session *s, pid_t pid, struct err *err)
{
    struct session_outside o = {.pid = pid};
    if (s->n_outside == ARRAY_SIZE(s->outside))
        return err_set(err, ERR_MEASUREMENT, E2BIG,
                       "more than %zu processes outside of its control group", s->n_outside);
    int r = clock_getcpuclockid(pid, &o.clock);
    if (r != 0)
        return r == ESRCH ? 0 : err_errno(err, r, "find the CPU clock of process %d", (int)pid);
    s->outside[s->n_outside++] = o;
    return 0;
}

int session_cpu_read(const struct session *s, uint64_t *ret_ns)
{
    uint64_t ns;
    int r = cgroup_meter_read(&s->meter, &ns);
    for (size_t i = 0; r == 0 && i < s->n_outside; i++) {
        struct timespec t;
        if (clock_gettime(s->outside[i].clock, &t) < 0)
            return -ESRCH;
        ns += (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
    }
    if (r == 0)
        *ret_ns = ns;
    return r;
}

int session_hello(struct session *s, uint64_t deadline_ns, struct err *err)
{
    struct session *who;
    struct session *const set[] = {s};
    int r = sessions_wait_any(s->loop, set, 1, deadline_ns, &who, err);
    if (r == -ETIMEDOUT) {
        char line[200];
        session_err_line(s, line, sizeof(line));
        session_break(s, ERR_TIMEOUT, ETIMEDOUT, "no hello came%s%s", *line ? ": " : "", line);
    }
    if (r < 0 && r != -ETIMEDOUT)
        return r;
    r = session_failure(s, err);
    if (r < 0)
        return r;
    s->hello = s->answer.hello;
    if (s->hello.version == WIRE_VERSION)
        return 0;
    session_break(s, ERR_UNSUPPORTED, EPROTO, "it speaks version %u of the protocol, not %d",
                  s->hello.version, WIRE_VERSION);
    return session_failure(s, err);
}

/* ---- asking ---- */

static void on_writable(void *user, int fd, uint32_t events);

/* Writes what is left of the frame; watches for room if the pipe is full. */
static int out_write(struct session *s, struct err *err)
{
    while (s->out_sent < s->out.len) {
        ssize_t n = write(s->fd_in, s->out.buf + s->out_sent, s->out.len - s->out_sent);
        if (n > 0) {
            s->out_sent += (size_t)n;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            if (s->src_in)
                return 0;
            return loop_add_fd(s->loop, s->fd_in, EPOLLOUT, on_writable, s, &s->src_in, err);
        }
        return err_errno(err, n < 0 ? errno : EIO, "write %s", asked_name(s));
    }
    loop_remove(s->loop, s->src_in);
    s->src_in = NULL;
    return 0;
}

/* A failed write says that the other end is closed; why, its exit status or its standard error says
 * better. One that is dying is still waited for: session_exited is about to tell. */
static void write_failed(struct session *s, const struct err *why)
{
    loop_remove(s->loop, s->src_in);
    s->src_in = NULL;
    for (int i = 0; i < 64 && out_read(s); i++)
        ;
    /* Of what starts a probe its end, which is still awaited, says all that there is to know. */
    if (session_is_dying(s) || s->asked == FRAME_NONE)
        return;
    session_break(s, ERR_MEASUREMENT, why->code, "%s", why->msg);
}

static void on_writable(void *user, int fd, uint32_t events)
{
    struct session *s = user;
    struct err err = ERR_INIT;
    if (out_write(s, &err) < 0)
        write_failed(s, &err);
}

/* Whatever it said since its last answer was not asked for: an answer prepared before the question
 * would look like a fast one. */
static bool spoke_early(struct session *s)
{
    while (out_read(s))
        ;
    if (!s->broken && s->lines.len > s->lines.start)
        session_break(s, ERR_MEASUREMENT, EPROTO, "it spoke without being asked");
    return s->broken;
}

int session_feed(struct session *s, const char *bytes, size_t n, struct err *err)
{
    struct err why = ERR_INIT;
    if (s->asked != FRAME_NONE || s->answered)
        return err_set(err, ERR_BUG, EBUSY, "bytes for what has a session already");
    str_clear(&s->out);
    str_addn(&s->out, bytes, n);
    s->out_sent = 0;
    if (out_write(s, &why) < 0)
        write_failed(s, &why);
    return 0;
}

int session_post(struct session *s, struct frame *f, struct err *err)
{
    if (s->waiting && !s->broken)
        return err_set(err, ERR_BUG, EBUSY, "a second request before the first was answered");
    if (s->broken || spoke_early(s))
        return session_failure(s, err);
    str_copy(f->nonce, sizeof(f->nonce), s->nonce);
    f->seq = s->seq + 1;
    str_clear(&s->out);
    s->out_sent = 0;
    int r = frame_encode(f, &s->out, err);
    if (r < 0)
        return r;
    if (s->answered)
        frame_release(&s->answer);
    s->seq++;
    s->asked = f->type;
    s->answered = s->news = false;
    s->waiting = true;
    s->leaving = f->type == FRAME_BYE;
    s->err_bytes = 0;
    struct err why = ERR_INIT;
    s->posted_ns = time_mono_ns();
    if (out_write(s, &why) == 0)
        return 0;
    write_failed(s, &why);
    s->news = false;
    return session_failure(s, err);
}

/* The session whose news is oldest; failures count as of now. */
static struct session *first_news(struct session *const *set, size_t n, size_t *ret_open)
{
    struct session *best = NULL;
    *ret_open = 0;
    for (size_t i = 0; i < n; i++) {
        struct session *s = set[i];
        if (!s)
            continue;
        *ret_open += s->waiting;
        if (!s->news)
            continue;
        if (!best || (!s->broken && (best->broken || s->answered_ns < best->answered_ns)))
            best = s;
    }
    return best;
}

static void set_wake(struct session *const *set, size_t n, bool *wake)
{
    for (size_t i = 0; i < n; i++)
        if (set[i])
            set[i]->wake = wake;
}

int sessions_wait_any(struct loop *l, struct session *const *set, size_t n, uint64_t deadline_ns,
                      struct session **ret, struct err *err)
{
    for (;;) {
        size_t open;
        struct session *s = first_news(set, n, &open);
        if (s) {
            s->news = false;
            *ret = s;
            return 0;
        }
        if (open == 0)
            return err_set(err, ERR_BUG, EINVAL, "a wait for sessions that were asked nothing");
        bool done = false;
        set_wake(set, n, &done);
        int r = loop_run_until(l, &done, deadline_ns, err);
        set_wake(set, n, NULL);
        if (r < 0)
            return r;
    }
}

const struct frame *session_answer(const struct session *s)
{
    return s->answered && !s->broken ? &s->answer : NULL;
}

uint64_t session_control_ns(const struct session *s)
{
    return session_answer(s) && s->answered_ns > s->posted_ns ? s->answered_ns - s->posted_ns : 0;
}

int session_failure(const struct session *s, struct err *err)
{
    if (!s->broken)
        return 0;
    if (err)
        *err = s->failure;
    return -s->failure.code;
}

static int error_frame(const struct frame_error *e, struct err *err)
{
    bool lacks = e->code == ENOSYS || e->code == EOPNOTSUPP || e->code == ENOTSUP;
    return err_set(err, lacks ? ERR_UNSUPPORTED : ERR_MEASUREMENT, e->code ? e->code : EIO,
                   "%s%s%s", e->where, *e->where ? ": " : "", e->text);
}

int session_await(struct session *s, enum frame_type expect, const char *doing,
                  uint64_t deadline_ns, const struct frame **ret, struct err *err)
{
    struct session *who;
    struct session *const set[] = {s};
    int r = session_answer(s) ? 0 : session_failure(s, err);
    if (r == 0 && !session_answer(s))
        r = sessions_wait_any(s->loop, set, 1, deadline_ns, &who, err);
    if (r == -ETIMEDOUT)
        session_break(s, ERR_TIMEOUT, ETIMEDOUT, "no answer to %s after %.3g s", doing,
                      (double)(time_mono_ns() - s->posted_ns) / NS_PER_S);
    else if (r < 0)
        return r;
    s->news = false;
    r = session_failure(s, err);
    if (r < 0)
        return r;
    if (s->answer.type == FRAME_ERROR)
        return error_frame(&s->answer.error, err);
    if (s->answer.type != expect)
        return err_set(err, ERR_BUG, EINVAL, "%s is answered by %s, not by %s", doing,
                       frame_type_name(s->answer.type), frame_type_name(expect));
    if (ret)
        *ret = &s->answer;
    return 0;
}

int session_call(struct session *s, struct frame *f, enum frame_type expect, uint64_t deadline_ns,
                 const struct frame **ret, struct err *err)
{
    int r = session_post(s, f, err);
    return r < 0 ? r : session_await(s, expect, frame_type_name(f->type), deadline_ns, ret, err);
}
