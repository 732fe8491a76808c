#include "base/loop.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/time.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define BATCH 64

enum source_kind { SOURCE_FD, SOURCE_CHILD };

struct loop_source {
    enum source_kind kind;
    bool dead;        /* removed, but perhaps still named by an event already fetched */
    bool self_remove; /* a watch whose handle nobody took */
    bool fired;       /* a child whose callback was called */
    bool due;         /* a child found in the ring: callback at the next turn */
    bool own_fd;      /* a pidfd of loop_watch_pid */
    int fd;
    loop_fd_cb *fd_cb;
    loop_child_cb *child_cb;
    void *user;
    pid_t pid;
    int wait_status;
    struct rusage usage;
    struct loop_source *prev, *next; /* in l->sources, or l->graves once dead */
};

struct reaped {
    pid_t pid; /* 0: empty */
    int wait_status;
    struct rusage usage;
};

#define REAP_MOST 256

struct loop {
    int epfd, sigfd;
    sigset_t caught, mask_before;
    int subreaper_before;
    struct loop_source *sources, *graves, *signals;
    unsigned depth; /* of nested turns: graves are freed at 0 */
    unsigned n_due;
    bool reap_first; /* children have ended of whom no signal will tell */
    int interrupt;
    unsigned interrupts;
    uint64_t wakeups;
    loop_yield_fn *yield;
    void *yield_user;
    size_t ring_next;
    struct reaped ring[LOOP_RING];
};

static void list_add(struct loop_source **head, struct loop_source *s)
{
    s->prev = NULL;
    s->next = *head;
    if (*head)
        (*head)->prev = s;
    *head = s;
}

static void list_remove(struct loop_source **head, struct loop_source *s)
{
    if (s->prev)
        s->prev->next = s->next;
    else
        *head = s->next;
    if (s->next)
        s->next->prev = s->prev;
}

static void bury(struct loop *l)
{
    while (l->depth == 0 && l->graves) {
        struct loop_source *s = l->graves;
        l->graves = s->next;
        free(s);
    }
}

static void on_signal(void *user, int fd, uint32_t events);

int loop_new(struct loop **ret, struct err *err)
{
    struct loop *l = xcalloc(1, sizeof(*l));
    l->epfd = l->sigfd = -1;
    l->reap_first = true;
    sigemptyset(&l->caught);
    sigaddset(&l->caught, SIGCHLD);
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    int code = 0;
    if (prctl(PR_GET_CHILD_SUBREAPER, &l->subreaper_before) < 0 ||
        prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || sigaction(SIGCHLD, &dfl, NULL) < 0 ||
        sigprocmask(SIG_BLOCK, &l->caught, &l->mask_before) < 0)
        code = errno;
    if (code) {
        free(l);
        return err_errno(err, code, "take charge of children");
    }
    l->epfd = epoll_create1(EPOLL_CLOEXEC);
    l->sigfd = l->epfd < 0 ? -1 : signalfd(-1, &l->caught, SFD_CLOEXEC | SFD_NONBLOCK);
    int r = l->sigfd < 0 ? err_errno(err, errno, "make an event loop")
                         : loop_add_fd(l, l->sigfd, EPOLLIN, on_signal, l, &l->signals, err);
    if (r < 0) {
        loop_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    while (l->sources)
        loop_remove(l, l->sources);
    l->depth = 0;
    bury(l);
    /* What is pending must not strike when it is unblocked. */
    struct signalfd_siginfo si;
    while (l->sigfd >= 0 && read(l->sigfd, &si, sizeof(si)) == (ssize_t)sizeof(si))
        ;
    fd_close(&l->sigfd);
    fd_close(&l->epfd);
    sigprocmask(SIG_SETMASK, &l->mask_before, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, l->subreaper_before);
    free(l);
}

int loop_add_fd(struct loop *l, int fd, uint32_t events, loop_fd_cb *cb, void *user,
                struct loop_source **ret, struct err *err)
{
    struct loop_source *s = xcalloc(1, sizeof(*s));
    *s = (struct loop_source){.kind = SOURCE_FD, .fd = fd, .fd_cb = cb, .user = user};
    struct epoll_event ev = {.events = events, .data.ptr = s};
    if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ev) < 0) {
        int code = errno;
        free(s);
        return err_errno(err, code, "watch descriptor %d", fd);
    }
    list_add(&l->sources, s);
    if (ret)
        *ret = s;
    return 0;
}

int loop_mod_fd(struct loop *l, struct loop_source *s, uint32_t events, struct err *err)
{
    struct epoll_event ev = {.events = events, .data.ptr = s};
    if (s->dead || s->kind != SOURCE_FD)
        return err_set(err, ERR_BUG, EINVAL, "change a source that watches no descriptor");
    if (epoll_ctl(l->epfd, EPOLL_CTL_MOD, s->fd, &ev) < 0)
        return err_errno(err, errno, "watch descriptor %d", s->fd);
    return 0;
}

void loop_remove(struct loop *l, struct loop_source *s)
{
    if (!s || s->dead)
        return;
    if (s->kind == SOURCE_FD)
        epoll_ctl(l->epfd, EPOLL_CTL_DEL, s->fd, NULL); /* EBADF when closed already: fine */
    if (s->own_fd)
        fd_close(&s->fd);
    if (s->due)
        l->n_due--;
    s->dead = true;
    list_remove(&l->sources, s);
    list_add(&l->graves, s);
    bury(l);
}

static struct reaped *ring_find(struct loop *l, pid_t pid)
{
    /* Newest first: a pid may come round again. */
    for (size_t i = 1; i <= LOOP_RING; i++) {
        struct reaped *e = &l->ring[(l->ring_next + LOOP_RING - i) % LOOP_RING];
        if (e->pid == pid)
            return e;
    }
    return NULL;
}

static bool is_our_child(pid_t pid)
{
    siginfo_t si;
    return waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0;
}

int loop_watch_child(struct loop *l, pid_t pid, loop_child_cb *cb, void *user,
                     struct loop_source **ret, struct err *err)
{
    if (pid <= 0)
        return err_set(err, ERR_BUG, EINVAL, "watch process %d", (int)pid);
    /* The ring speaks of the past: while the pid is a process now, that one is meant. */
    bool alive = is_our_child(pid) || kill(pid, 0) == 0 || errno == EPERM;
    struct reaped *past = alive ? NULL : ring_find(l, pid);
    if (!alive && !past)
        return err_set(err, ERR_ENVIRONMENT, ESRCH, "watch process %d: it is gone", (int)pid);
    struct loop_source *s = xcalloc(1, sizeof(*s));
    *s = (struct loop_source){.kind = SOURCE_CHILD,
                              .fd = -1,
                              .pid = pid,
                              .child_cb = cb,
                              .user = user,
                              .self_remove = !ret};
    if (past) {
        s->wait_status = past->wait_status;
        s->usage = past->usage;
        s->due = true;
        l->n_due++;
        past->pid = 0;
    }
    list_add(&l->sources, s);
    if (ret)
        *ret = s;
    return 0;
}

int loop_watch_pid(struct loop *l, pid_t pid, loop_fd_cb *cb, void *user, struct loop_source **ret,
                   struct err *err)
{
    _cleanup_fd_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return err_errno(err, errno, "watch process %d", (int)pid);
    int r = loop_add_fd(l, fd, EPOLLIN | EPOLLONESHOT, cb, user, ret, err);
    if (r < 0)
        return r;
    (*ret)->own_fd = true;
    (void)TAKE_FD(fd);
    return 0;
}

static void fire_child(struct loop *l, struct loop_source *s)
{
    if (s->due)
        l->n_due--;
    s->due = false;
    s->fired = true;
    s->child_cb(s->user, s->pid, s->wait_status, &s->usage);
    if (s->self_remove)
        loop_remove(l, s);
}

/* The callbacks of watches set too late. Each may change the list, so the search starts anew. */
static void fire_due(struct loop *l)
{
    while (l->n_due > 0) {
        struct loop_source *s = l->sources;
        while (s && !s->due)
            s = s->next;
        if (!s)
            return;
        fire_child(l, s);
    }
}

/* The last pid reaped has no process any more, so at most the watches set for it so far are meant.
 * All of them are marked before the first callback runs. */
static void deliver_child(struct loop *l, pid_t pid, int wait_status, const struct rusage *usage)
{
    bool watched = false;
    for (struct loop_source *s = l->sources; s; s = s->next) {
        if (s->kind != SOURCE_CHILD || s->pid != pid || s->fired || s->due)
            continue;
        s->wait_status = wait_status;
        s->usage = *usage;
        s->due = true;
        l->n_due++;
        watched = true;
    }
    if (watched) {
        fire_due(l);
        return;
    }
    l->ring[l->ring_next] =
        (struct reaped){.pid = pid, .wait_status = wait_status, .usage = *usage};
    l->ring_next = (l->ring_next + 1) % LOOP_RING;
}

/* At most REAP_MOST a turn: as the one that orphans fall to, we could be kept at it for ever by a
 * process that forks and ends, forks and ends, and never come to killing it. */
static void reap(struct loop *l)
{
    for (unsigned i = 0; i < REAP_MOST; i++) {
        int wait_status;
        struct rusage usage;
        pid_t pid = wait4(-1, &wait_status, WNOHANG, &usage);
        if (pid < 0 && errno == EINTR)
            continue;
        if (pid <= 0)
            return;
        deliver_child(l, pid, wait_status, &usage);
    }
    l->reap_first = true; /* the rest in the next turn */
}

static void on_signal(void *user, int fd, uint32_t events)
{
    struct loop *l = user;
    struct signalfd_siginfo si;
    bool child = false;
    while (read(fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
        if (si.ssi_signo == SIGCHLD) {
            child = true;
            continue;
        }
        loop_set_interrupt(l, (int)si.ssi_signo);
    }
    if (child)
        reap(l);
}

/* One turn: what is due, then one batch of events. Stops early when *done turns true: the events
 * left are level-triggered and come back. Returns the number of events fetched. */
static int turn(struct loop *l, int timeout_ms, const bool *done)
{
    struct epoll_event ev[BATCH];
    l->depth++;
    if (l->reap_first) {
        l->reap_first = false;
        reap(l);
    }
    fire_due(l);
    int n = 0;
    if (!done || !*done) {
        n = epoll_wait(l->epfd, ev, BATCH, timeout_ms);
        l->wakeups += timeout_ms != 0;
    }
    for (int i = 0; i < n && !(done && *done); i++) {
        struct loop_source *s = ev[i].data.ptr;
        if (!s->dead)
            s->fd_cb(s->user, s->fd, ev[i].events);
    }
    l->depth--;
    bury(l);
    return n;
}

/* One turn that waits for the deadline at most, and not at all where there is something to do. */
static void turn_by(struct loop *l, const bool *done, uint64_t deadline_ns)
{
    bool never = deadline_ns == UINT64_MAX;
    bool late = !never && time_mono_ns() >= deadline_ns;
    bool due = late || l->interrupt || l->n_due > 0 || l->reap_first;
    turn(l, due ? 0 : never ? -1 : time_left_ms(deadline_ns), done);
}

int loop_run_until(struct loop *l, const bool *done, uint64_t deadline_ns, struct err *err)
{
    for (bool first = true;; first = false) {
        if (done && *done)
            return 0;
        bool late = deadline_ns != UINT64_MAX && time_mono_ns() >= deadline_ns;
        if (!first && l->interrupt)
            return err_set(err, ERR_ENVIRONMENT, EINTR, "interrupted by %s",
                           sigabbrev_np(l->interrupt) ? sigabbrev_np(l->interrupt) : "a signal");
        if (!first && late)
            return err_set(err, ERR_TIMEOUT, ETIMEDOUT, "timed out");
        if (l->yield)
            l->yield(l->yield_user, done, deadline_ns);
        else
            turn_by(l, done, deadline_ns);
    }
}

void loop_set_yield(struct loop *l, loop_yield_fn *fn, void *user)
{
    l->yield = fn;
    l->yield_user = user;
}

void *loop_yield_user(const struct loop *l)
{
    return l->yield ? l->yield_user : NULL;
}

void loop_turn(struct loop *l, uint64_t deadline_ns)
{
    turn_by(l, NULL, deadline_ns);
}

void loop_run_ready(struct loop *l)
{
    loop_yield_fn *yield = l->yield;
    l->yield = NULL; /* what callbacks wait for they wait for here */
    while (turn(l, 0, NULL) == BATCH)
        ;
    l->yield = yield;
}

int loop_catch_interrupts(struct loop *l, struct err *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        struct sigaction now;
        if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaddset(&l->caught, signals[i]);
    }
    if (sigprocmask(SIG_BLOCK, &l->caught, NULL) < 0 || signalfd(l->sigfd, &l->caught, 0) < 0)
        return err_errno(err, errno, "catch interrupts");
    return 0;
}

int loop_interrupted(const struct loop *l)
{
    return l->interrupt;
}

unsigned loop_interrupt_count(const struct loop *l)
{
    return l->interrupts;
}

void loop_set_interrupt(struct loop *l, int signal)
{
    if (signal == 0)
        return;
    l->interrupts++;
    if (l->interrupt == 0)
        l->interrupt = signal;
}

void loop_clear_interrupt(struct loop *l)
{
    l->interrupt = 0;
    l->interrupts = 0;
}

uint64_t loop_wakeups(const struct loop *l)
{
    return l->wakeups;
}
