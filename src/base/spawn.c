#include "base/spawn.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum step {
    STEP_NONE,
    STEP_JOIN,
    STEP_CPUS,
    STEP_SETNS,
    STEP_ROOT,
    STEP_CWD,
    STEP_SESSION,
    STEP_FDS,
    STEP_EXEC
};

static const char *const step_names[] = {
    [STEP_NONE] = "start",           [STEP_JOIN] = "join cgroup",
    [STEP_CPUS] = "set CPUs",        [STEP_SETNS] = "enter namespace",
    [STEP_ROOT] = "change root",     [STEP_CWD] = "enter folder",
    [STEP_SESSION] = "make session", [STEP_FDS] = "redirect",
    [STEP_EXEC] = "execute",
};

/* What parent and child share across vfork: the child writes failed and code, nothing else. */
struct child {
    const struct spawn_spec *spec;
    char *const *env;
    int fds[3];
    pid_t parent;
    volatile enum step failed;
    volatile int code;
};

/* From here to child_main: in the child, on the parent's memory and stack, with all signals
 * blocked. Only system calls; no allocation, no stdio, no library state but errno. */

static bool child_fail(struct child *c, enum step step)
{
    c->failed = step;
    c->code = errno;
    return false;
}

static bool child_place(struct child *c)
{
    const struct spawn_spec *s = c->spec;
    for (size_t i = 0; i < s->n_join; i++)
        if (write(s->join_fds[i], "0", 1) != 1)
            return child_fail(c, STEP_JOIN);
    if (s->cpus && sched_setaffinity(0, sizeof(*s->cpus), s->cpus) < 0)
        return child_fail(c, STEP_CPUS);
    for (size_t i = 0; i < s->n_ns; i++)
        if (setns(s->ns_fds[i], 0) < 0)
            return child_fail(c, STEP_SETNS);
    if (s->root && (chroot(s->root) < 0 || chdir("/") < 0))
        return child_fail(c, STEP_ROOT);
    if (s->cwd && chdir(s->cwd) < 0)
        return child_fail(c, STEP_CWD);
    if (s->new_session && setsid() < 0)
        return child_fail(c, STEP_SESSION);
    return true;
}

/* Puts the three descriptors in place. Sources among 0..2 are first moved out of the way, since
 * placing one could close another. */
static bool child_fds(struct child *c)
{
    int fds[3] = {c->fds[0], c->fds[1], c->fds[2]};
    for (int i = 0; i < 3; i++)
        if (fds[i] <= 2 && (fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3)) < 0)
            return child_fail(c, STEP_FDS);
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0)
            return child_fail(c, STEP_FDS);
    /* Whatever the program that started us left open; before Linux 5.11 that is passed on. */
    syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
    return true;
}

static struct rlimit files_before;
static bool files_raised;

void spawn_raise_file_limit(void)
{
    if (files_raised || getrlimit(RLIMIT_NOFILE, &files_before) < 0)
        return;
    const struct rlimit most = {files_before.rlim_max, files_before.rlim_max};
    files_raised = setrlimit(RLIMIT_NOFILE, &most) == 0;
}

void spawn_file_limit(struct rlimit *ret)
{
    if (files_raised)
        *ret = files_before;
    else if (getrlimit(RLIMIT_NOFILE, ret) < 0)
        *ret = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
}

static void child_signals(void)
{
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    for (int sig = 1; sig < NSIG; sig++)
        sigaction(sig, &dfl, NULL); /* KILL, STOP and libc's own refuse: fine */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

__attribute__((noinline, noreturn)) static void child_main(struct child *c)
{
    if (child_place(c) && child_fds(c)) {
        if (c->spec->die_with_parent) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != c->parent) /* it died before the line above */
                _exit(127);
        }
        child_signals();
        if (files_raised)
            setrlimit(RLIMIT_NOFILE, &files_before);
        execve(c->spec->argv[0], (char *const *)c->spec->argv, c->env);
        child_fail(c, STEP_EXEC);
    }
    _exit(127);
}

static pid_t start(struct child *c)
{
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before); /* no handler may run in the child: it has our memory */
    pid_t pid = vfork();
    if (pid == 0)
        child_main(c);
    int code = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = code;
    return pid;
}

int spawn(const struct spawn_spec *spec, pid_t *ret_pid, struct err *err)
{
    if (spec->n_join > SPAWN_MAX_JOIN || spec->n_ns > SPAWN_MAX_NS)
        return err_set(err, ERR_BUG, E2BIG, "start %s: too many cgroups or namespaces",
                       spec->argv[0]);
    _cleanup_fd_ int null = -1;
    if (spec->fd_in < 0 || spec->fd_out < 0 || spec->fd_err < 0) {
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0)
            return err_errno(err, errno, "open /dev/null");
    }
    struct child c = {
        .spec = spec,
        .env = spec->env ? (char *const *)spec->env : environ,
        .fds = {spec->fd_in < 0 ? null : spec->fd_in, spec->fd_out < 0 ? null : spec->fd_out,
                spec->fd_err < 0 ? null : spec->fd_err},
        .parent = getpid(),
        .failed = STEP_NONE,
    };
    pid_t pid = start(&c);
    if (pid < 0)
        return err_errno(err, errno, "start %s", spec->argv[0]);
    if (c.failed == STEP_EXEC)
        return err_errno(err, c.code, "execute %s", spec->argv[0]);
    if (c.failed != STEP_NONE)
        return err_errno(err, c.code, "start %s: %s", spec->argv[0], step_names[c.failed]);
    *ret_pid = pid;
    return 0;
}

/* ---- running to the end ---- */

#define ERR_TAIL 4096

struct capture {
    struct loop *loop;
    struct loop_source *src;
    int fd;
    size_t max;
    bool keep_tail; /* keep the last max bytes instead of the first */
    bool cut;
    struct str *to;
};

struct running {
    struct capture out, err;
    struct loop_source *watch;
    pid_t pid;
    bool exited;
    int wait_status;
    struct rusage usage;
};

static void capture_bytes(struct capture *c, const char *bytes, size_t n)
{
    if (!c->keep_tail) {
        size_t room = c->max - c->to->len;
        c->cut = c->cut || n > room;
        str_addn(c->to, bytes, n < room ? n : room);
        return;
    }
    str_addn(c->to, bytes, n);
    if (c->to->len > c->max) {
        size_t drop = c->to->len - c->max;
        memmove(c->to->buf, c->to->buf + drop, c->max + 1);
        c->to->len = c->max;
    }
}

static void capture_end(struct capture *c)
{
    loop_remove(c->loop, c->src);
    c->src = NULL;
    fd_close(&c->fd);
}

/* One read; returns whether there may be more. */
static bool capture_read(struct capture *c)
{
    char chunk[16384];
    ssize_t n = read(c->fd, chunk, sizeof(chunk));
    if (n > 0)
        capture_bytes(c, chunk, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        capture_end(c);
    return n > 0;
}

static void on_readable(void *user, int fd, uint32_t events)
{
    capture_read(user);
}

static void on_exit_of(void *user, pid_t pid, int wait_status, const struct rusage *usage)
{
    struct running *run = user;
    run->wait_status = wait_status;
    run->usage = *usage;
    run->exited = true;
}

/* What the child left in the pipe. Bounded: a grandchild may go on writing for ever. */
static void capture_drain(struct capture *c)
{
    for (int i = 0; i < 64 && c->fd >= 0 && capture_read(c); i++)
        ;
}

static int capture_begin(struct capture *c, struct loop *l, int *child_fd, struct err *err)
{
    int fds[2];
    int r = fd_pipe(fds, err);
    if (r < 0)
        return r;
    c->loop = l;
    c->fd = fds[0];
    *child_fd = fds[1];
    r = fd_set_nonblock(c->fd, true, err);
    return r < 0 ? r : loop_add_fd(l, c->fd, EPOLLIN, on_readable, c, &c->src, err);
}

static void spec_what(const struct spawn_spec *spec, char *dst, size_t size)
{
    const char *slash = strrchr(spec->argv[0], '/');
    const char *verb = spec->argv[1];
    if (spec->what)
        str_copy(dst, size, spec->what);
    else
        str_format(dst, size, "%s%s%s", slash ? slash + 1 : spec->argv[0], verb ? " " : "",
                   verb ? verb : "");
}

static void last_line(const struct str *s, char *dst, size_t size)
{
    size_t end = s->len;
    while (end > 0 && (unsigned char)s->buf[end - 1] <= ' ')
        end--;
    size_t from = end;
    while (from > 0 && s->buf[from - 1] != '\n')
        from--;
    str_format(dst, size, "%.*s", (int)(end - from), s->buf + from);
}

/* SIGKILL, and wait for its effect. Not through the loop, which an interrupt would end at once; two
 * seconds, since a process in uninterruptible sleep dies when the kernel lets it. */
static void kill_and_settle(struct running *run, struct loop *l)
{
    _cleanup_fd_ int pidfd = (int)syscall(SYS_pidfd_open, run->pid, 0);
    kill(run->pid, SIGKILL);
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    uint64_t deadline = time_deadline(2 * NS_PER_S);
    while (pidfd >= 0 && poll(&p, 1, time_left_ms(deadline)) < 0 && errno == EINTR)
        ;
    loop_run_ready(l);
}

static int run_child(struct loop *l, struct spawn_spec *spec, struct running *run,
                     uint64_t deadline_ns, struct err *err)
{
    int r = loop_watch_child(l, run->pid, on_exit_of, run, &run->watch, err);
    if (r < 0)
        return r;
    r = loop_run_until(l, &run->exited, deadline_ns, err);
    if (r < 0)
        kill_and_settle(run, l);
    capture_drain(&run->out);
    capture_drain(&run->err);
    if (r == -ETIMEDOUT) {
        char what[128], line[200];
        spec_what(spec, what, sizeof(what));
        last_line(run->err.to, line, sizeof(line));
        err_set(err, ERR_TIMEOUT, ETIMEDOUT, "%s: timed out%s%s", what, *line ? ": " : "", line);
    }
    return r;
}

int spawn_run(struct loop *l, const struct spawn_spec *spec, uint64_t deadline_ns, size_t max_out,
              struct spawn_result *ret, struct err *err)
{
    *ret = (struct spawn_result){.out = STR_INIT, .err = STR_INIT};
    struct spawn_spec s = *spec;
    struct running run = {
        .out = {.fd = -1, .max = max_out, .to = &ret->out},
        .err = {.fd = -1, .max = ERR_TAIL, .keep_tail = true, .to = &ret->err},
    };
    _cleanup_fd_ int out_end = -1;
    _cleanup_fd_ int err_end = -1;
    int r = spec->fd_out < 0 ? capture_begin(&run.out, l, &out_end, err) : 0;
    if (r == 0 && spec->fd_err < 0)
        r = capture_begin(&run.err, l, &err_end, err);
    s.fd_out = out_end >= 0 ? out_end : spec->fd_out;
    s.fd_err = err_end >= 0 ? err_end : spec->fd_err;
    if (r == 0)
        r = spawn(&s, &run.pid, err);
    fd_close(&out_end);
    fd_close(&err_end);
    if (r == 0)
        r = run_child(l, &s, &run, deadline_ns, err);
    if (run.out.loop)
        capture_end(&run.out);
    if (run.err.loop)
        capture_end(&run.err);
    loop_remove(l, run.watch);
    ret->wait_status = run.wait_status;
    ret->usage = run.usage;
    ret->out_cut = run.out.cut;
    return r;
}

void spawn_result_release(struct spawn_result *r)
{
    str_release(&r->out);
    str_release(&r->err);
}

int spawn_check(const struct spawn_spec *spec, const struct spawn_result *r, struct err *err)
{
    if (WIFEXITED(r->wait_status) && WEXITSTATUS(r->wait_status) == 0)
        return 0;
    char what[128], line[300], how[40];
    spec_what(spec, what, sizeof(what));
    last_line(&r->err, line, sizeof(line));
    if (WIFSIGNALED(r->wait_status))
        str_format(how, sizeof(how), "killed by signal %d", WTERMSIG(r->wait_status));
    else
        str_format(how, sizeof(how), "exit %d", WEXITSTATUS(r->wait_status));
    return err_set(err, ERR_ENVIRONMENT, EIO, "%s: %s%s%s", what, how, *line ? ": " : "", line);
}

int spawn_simple(struct loop *l, const char *const *argv, uint64_t deadline_ns, struct str *out,
                 struct err *err)
{
    struct spawn_spec spec = {.argv = argv, .fd_in = -1, .fd_out = -1, .fd_err = -1};
    struct spawn_result res;
    int r = spawn_run(l, &spec, deadline_ns, 1 << 20, &res, err);
    if (r == 0)
        r = spawn_check(&spec, &res, err);
    if (r == 0 && out)
        str_addn(out, res.out.buf, res.out.len);
    spawn_result_release(&res);
    return r;
}
