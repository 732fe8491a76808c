/* The log of a pod, by `kubectl logs --follow`, from its beginning each time: what was said before
 * is passed over, and pieces of the run that are there already do no harm. */
#include "fleet/k8s.h"

#include "base/fd.h"
#include "base/time.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>

/* A piece of the run, its key, and what may stand before it. */
#define LINE_MAX_ (RUNLOG_PIECE / 3 * 4 + 512)
#define SAID_MAX  (4u << 20)
#define TURN_MAX  64

static void say(struct k8s_seat *s, char *line)
{
    const struct fleet_options *o = s->freight->v->o;

    str_printable(line);
    if (!line[0])
        return;
    str_copy(s->last, sizeof(s->last), line);
    s->said += strlen(line) + 1;
    if (s->said < SAID_MAX && o->say)
        o->say(o->user, s->m, s->last);
}

static void whole_line(struct k8s_seat *s)
{
    struct k8s_tail *t = &s->tail;
    int r = s->bad.code ? 0 : runlog_take(&s->log, t->line.buf, &s->bad);

    t->lines++;
    if (r == 0 && t->lines > s->lines) {
        s->lines = t->lines;
        if (!strstr(t->line.buf, s->log.key))
            say(s, t->line.buf);
    }
    str_clear(&t->line);
}

static bool read_some(struct k8s_seat *s)
{
    struct k8s_tail *t = &s->tail;
    char chunk[16384];
    ssize_t n = read(t->fd, chunk, sizeof(chunk));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        loop_remove(s->freight->v->o->loop, t->src);
        t->src = NULL;
        return false;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (chunk[i] == '\n')
            whole_line(s);
        else if (t->line.len < LINE_MAX_ && chunk[i])
            str_addc(&t->line, chunk[i]);
    }
    return true;
}

static void on_log(void *user, int fd, uint32_t events)
{
    (void)read_some(user);
}

static void on_exit_of_kubectl(void *user, pid_t pid, int wait_status, const struct rusage *usage)
{
    struct k8s_seat *s = user;

    s->tail.running = false;
    s->freight->news = true;
}

int k8s_tail_start(struct k8s_seat *s, struct err *err)
{
    const char *const args[] = {"logs", "--follow", s->pod.name, NULL};
    struct spawn_spec base = {
        .fd_in = -1, .fd_out = -1, .fd_err = -1, .die_with_parent = true, .new_session = true};
    struct k8s_tail *t = &s->tail;
    struct loop *l = s->freight->v->o->loop;
    int p[2];

    k8s_tail_stop(s);
    int r = fd_pipe(p, err);
    if (r < 0)
        return r;
    base.fd_out = p[1];
    r = kubectl_spawn(&s->freight->kubectl, args, &base, &t->pid, err);
    fd_close(&p[1]);
    t->fd = p[0];
    t->lines = 0;
    str_clear(&t->line);
    if (r == 0)
        r = loop_watch_child(l, t->pid, on_exit_of_kubectl, s, &t->watch, err);
    t->running = r == 0;
    if (r == 0)
        r = fd_set_nonblock(t->fd, true, err);
    if (r == 0)
        r = loop_add_fd(l, t->fd, EPOLLIN, on_log, s, &t->src, err);
    return r;
}

/* What it still had to give is taken. */
void k8s_tail_stop(struct k8s_seat *s)
{
    struct k8s_tail *t = &s->tail;
    struct loop *l = s->freight->v->o->loop;

    for (int i = 0; i < TURN_MAX && t->src && read_some(s); i++)
        ;
    if (t->running)
        kill(t->pid, SIGKILL);
    t->running = false;
    loop_remove(l, t->watch);
    loop_remove(l, t->src);
    t->watch = t->src = NULL;
    fd_close(&t->fd);
}
