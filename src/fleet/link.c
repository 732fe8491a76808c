#include "fleet/link.h"

#include "base/fd.h"
#include "base/time.h"

#include <errno.h>
#include <sys/epoll.h>

#define QUEUE_MAX (4u << 20)
#define CHUNK     (128u << 10)
/* No more is read while nobody takes it. */
#define HELD_MAX (LINK_LINE_MAX + CHUNK)

struct link {
    struct loop *loop;
    int in, out;
    struct loop_source *src_in, *src_out;
    bool *wake;
    bool news, ended;
    struct str came;
    size_t taken; /* of `came` */
    struct str queue;
    size_t gone; /* of `queue` */
    int file;
    uint64_t file_at, file_end;
    size_t before; /* of the queue, what goes before the file */
};

static void tell(struct link *l)
{
    l->news = true;
    if (l->wake)
        *l->wake = true;
}

static void unwatch_in(struct link *l)
{
    loop_remove(l->loop, l->src_in);
    l->src_in = NULL;
}

static void unwatch_out(struct link *l)
{
    loop_remove(l->loop, l->src_out);
    l->src_out = NULL;
}

static void end(struct link *l)
{
    unwatch_in(l);
    unwatch_out(l);
    l->ended = true;
    str_clear(&l->queue);
    l->gone = 0;
    l->file_at = l->file_end;
    l->before = 0;
    tell(l);
}

static size_t held(const struct link *l)
{
    return l->came.len - l->taken;
}

static void compact(struct link *l)
{
    if (l->taken == 0)
        return;
    memmove(l->came.buf, l->came.buf + l->taken, held(l));
    l->came.len -= l->taken;
    l->came.buf[l->came.len] = '\0';
    l->taken = 0;
}

static void on_in(void *user, int fd, uint32_t events)
{
    struct link *l = user;
    char chunk[16384];
    ssize_t n = read(l->in, chunk, sizeof(chunk));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        end(l);
        return;
    }
    str_addn(&l->came, chunk, (size_t)n);
    if (held(l) >= HELD_MAX)
        unwatch_in(l);
    tell(l);
}

static int watch_in(struct link *l, struct err *err)
{
    if (l->src_in || l->ended)
        return 0;
    return loop_add_fd(l->loop, l->in, EPOLLIN, on_in, l, &l->src_in, err);
}

uint64_t link_unsent(const struct link *l)
{
    return l->queue.len - l->gone + (l->file_end - l->file_at);
}

bool link_sent(const struct link *l)
{
    return link_unsent(l) == 0;
}

static bool is_files_turn(const struct link *l)
{
    return l->file_at < l->file_end && l->before == 0;
}

static size_t next_of_file(struct link *l, char *chunk)
{
    uint64_t left = l->file_end - l->file_at;
    ssize_t n = pread(l->file, chunk, left < CHUNK ? (size_t)left : CHUNK, (off_t)l->file_at);

    if (n <= 0)
        end(l); /* cut under our hands: the other side must not take what follows for it */
    return n > 0 ? (size_t)n : 0;
}

static size_t next_of_queue(struct link *l, char *chunk)
{
    size_t n = l->before ? l->before : l->queue.len - l->gone;

    n = n < CHUNK ? n : CHUNK;
    memcpy(chunk, l->queue.buf + l->gone, n);
    return n;
}

static void went(struct link *l, bool file, size_t n)
{
    if (file) {
        l->file_at += n;
        return;
    }
    l->gone += n;
    l->before -= n < l->before ? n : l->before;
    if (l->gone == l->queue.len) {
        str_clear(&l->queue);
        l->gone = 0;
    }
}

/* As much as goes. */
static void push(struct link *l)
{
    static _Thread_local char chunk[CHUNK]; /* stacks of tasks are small */

    while (!l->ended && !link_sent(l)) {
        bool file = is_files_turn(l);
        size_t n = file ? next_of_file(l, chunk) : next_of_queue(l, chunk);
        ssize_t w = n ? write(l->out, chunk, n) : 0;
        if (w < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (w < 0)
            end(l);
        else
            went(l, file, (size_t)w);
    }
}

static void on_out(void *user, int fd, uint32_t events)
{
    struct link *l = user;

    push(l);
    if (link_sent(l)) {
        unwatch_out(l);
        tell(l);
    }
}

static void start_sending(struct link *l)
{
    push(l);
    if (!l->ended && !link_sent(l) && !l->src_out &&
        loop_add_fd(l->loop, l->out, EPOLLOUT, on_out, l, &l->src_out, NULL) < 0)
        end(l);
}

int link_new(struct loop *loop, int fd_in, int fd_out, bool *wake, struct link **ret,
             struct err *err)
{
    struct link *l = xcalloc(1, sizeof(*l));

    *l = (struct link){.loop = loop, .in = fd_in, .out = fd_out, .wake = wake, .file = -1};
    str_init(&l->came);
    str_init(&l->queue);
    int r = fd_set_nonblock(fd_in, true, err);
    if (r == 0)
        r = fd_set_nonblock(fd_out, true, err);
    if (r == 0)
        r = watch_in(l, err);
    if (r < 0) {
        link_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

void link_free(struct link *l)
{
    if (!l)
        return;
    unwatch_in(l);
    unwatch_out(l);
    if (l->out != l->in)
        fd_close(&l->out);
    fd_close(&l->in);
    str_release(&l->came);
    str_release(&l->queue);
    free(l);
}

void link_send(struct link *l, const char *text)
{
    if (l->ended)
        return;
    if (l->queue.len - l->gone > QUEUE_MAX) {
        end(l);
        return;
    }
    str_addf(&l->queue, "%s\n", text);
    start_sending(l);
}

void link_tell(struct link *l, json_t *event)
{
    char *text = event ? json_dumps(event, JSON_COMPACT) : NULL;

    if (text)
        link_send(l, text);
    free(text);
    json_decref(event);
}

void link_send_file(struct link *l, int fd, uint64_t n)
{
    if (l->ended)
        return;
    l->file = fd;
    l->file_at = 0;
    l->file_end = n;
    l->before = l->queue.len - l->gone;
    start_sending(l);
}

int link_flush(struct link *l, uint64_t deadline_ns, struct err *err)
{
    while (!link_sent(l)) {
        l->news = false;
        int r = loop_run_until(l->loop, &l->news, deadline_ns, err);
        if (r < 0)
            return r;
    }
    return l->ended ? err_set(err, ERR_ENVIRONMENT, EPIPE, "the connection ended") : 0;
}

bool link_ended(const struct link *l)
{
    return l->ended;
}

int link_line(struct link *l, char **ret)
{
    char *from = l->came.buf + l->taken;
    char *newline = held(l) ? memchr(from, '\n', held(l)) : NULL;

    if (newline) {
        *newline = '\0';
        l->taken = (size_t)(newline + 1 - l->came.buf);
        *ret = from;
        return 1;
    }
    compact(l);
    if (held(l) > LINK_LINE_MAX)
        end(l);
    else
        (void)watch_in(l, NULL);
    return 0;
}

int link_wait_line(struct link *l, uint64_t deadline_ns, char **ret, struct err *err)
{
    for (;;) {
        l->news = false;
        if (link_line(l, ret) > 0)
            return 1;
        if (l->ended)
            return 0;
        int r = loop_run_until(l->loop, &l->news, deadline_ns, err);
        if (r < 0)
            return r;
    }
}

int link_wait_bytes(struct link *l, size_t n, uint64_t idle_ns, struct str *to, struct err *err)
{
    while (n > 0) {
        size_t some = held(l) < n ? held(l) : n;
        l->news = false;
        str_addn(to, l->came.buf + l->taken, some);
        l->taken += some;
        n -= some;
        compact(l);
        if (n == 0)
            break;
        if (l->ended)
            return err_set(err, ERR_ENVIRONMENT, ECONNRESET, "the connection ended");
        int r = watch_in(l, err);
        if (r == 0)
            r = loop_run_until(l->loop, &l->news, time_deadline(idle_ns), err);
        if (r < 0)
            return r;
    }
    return 0;
}
