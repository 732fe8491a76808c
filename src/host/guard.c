#include "host/guard.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/time.h"
#include "host/cgroup-tree.h"
#include "host/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* How long the guard tries to end the group, and how long we wait for the guard. */
#define KILL_NS  (10 * NS_PER_S)
#define READY_NS (10 * NS_PER_S)
#define END_NS   (KILL_NS + 5 * NS_PER_S)

/* What the guard says, a byte each. */
#define SAYS_READY      'r'
#define SAYS_STOOD_DOWN 's'
#define SAYS_KILLED     'k'
#define SAYS_SURVIVED   'f'

struct guard {
    pid_t pid;
    int pidfd;
    int end; /* our end of the socket */
    char group[CGROUP_PATH_MAX];
};

/* ---- the guard's own life ---- */

/* Nobody but SIGKILL ends it before its time, least of all a ^C that is meant for the run. */
static void heed_no_signal(void)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2};
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
        sigaction(ignored[i], &ignore, NULL);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
}

/* Leaves open /dev/null as 0 to 2 and the socket, whose new number it returns. */
static int keep_only(int fd)
{
    int end = fcntl(fd, F_DUPFD_CLOEXEC, 4);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (end < 0 || null < 0)
        return -1;
    for (int i = 0; i < 3; i++)
        if (null != i && dup2(null, i) < 0)
            return -1;
    if (syscall(SYS_close_range, 3U, (unsigned)end - 1, 0) < 0 ||
        syscall(SYS_close_range, (unsigned)end + 1, ~0U, 0) < 0)
        return -1;
    return end;
}

static bool say(int end, char what)
{
    return send(end, &what, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

/* True: told to stand down. False: the other end is gone, or the deadline is over. */
static bool keep_watch(int end, uint64_t deadline_ns)
{
    for (;;) {
        struct pollfd p = {.fd = end, .events = POLLIN};
        int n = poll(&p, 1, deadline_ns == UINT64_MAX ? -1 : time_left_ms(deadline_ns));
        char told;
        if (n > 0 && recv(end, &told, 1, MSG_DONTWAIT) == 1)
            return true;
        if (n > 0)
            return false;
        if (n == 0 && time_mono_ns() >= deadline_ns)
            return false;
    }
}

__attribute__((noreturn)) static void guard_main(const struct cgroups *c, const char *group,
                                                 uint64_t deadline_ns, int fd)
{
    heed_no_signal();
    setsid();
    prctl(PR_SET_NAME, GUARD_NAME);
    int end = keep_only(fd);
    if (end < 0 || chdir("/") < 0)
        _exit(1);
    /* A machine that is out of memory takes those first that it guards against. */
    (void)file_write("/proc/self/oom_score_adj", "-1000", NULL);
    if (!say(end, SAYS_READY))
        _exit(1);
    if (keep_watch(end, deadline_ns)) {
        say(end, SAYS_STOOD_DOWN);
        _exit(0);
    }
    int r = cgroup_kill(c, group, time_deadline(KILL_NS), NULL, NULL, NULL);
    say(end, r == 0 ? SAYS_KILLED : SAYS_SURVIVED);
    _exit(r == 0 ? 0 : 1);
}

/* ---- the caller's side ---- */

/* One byte of the guard's: 1; its end: 0; -ETIMEDOUT. */
static int hear(const struct guard *g, uint64_t deadline_ns, char *ret)
{
    for (;;) {
        struct pollfd p = {.fd = g->end, .events = POLLIN};
        int n = poll(&p, 1, time_left_ms(deadline_ns));
        if (n == 0)
            return -ETIMEDOUT;
        if (n < 0)
            continue; /* a signal */
        ssize_t got = recv(g->end, ret, 1, MSG_DONTWAIT);
        if (got >= 0)
            return (int)got;
        if (errno != EINTR && errno != EAGAIN)
            return 0; /* reset: it left without having read what we said */
    }
}

/* By the descriptor of the process: if the loop has reaped it, its number may be another's now. */
static void bury(struct guard *g)
{
    siginfo_t si;
    while (g->pidfd >= 0 && waitid(P_PIDFD, (id_t)g->pidfd, &si, WEXITED) < 0 && errno == EINTR)
        ;
    fd_close(&g->pidfd);
    fd_close(&g->end);
    free(g);
}

static void put_down(struct guard *g)
{
    if (g->pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, g->pidfd, SIGKILL, NULL, 0);
    bury(g);
}

static int start(const struct cgroups *c, uint64_t deadline_ns, struct guard *g, struct err *err)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return err_errno(err, errno, "make a socket");
    g->end = ends[0];
    g->pid = fork();
    if (g->pid == 0)
        guard_main(c, g->group, deadline_ns, ends[1]);
    int code = errno;
    close(ends[1]);
    if (g->pid < 0)
        return err_errno(err, code, "fork");
    g->pidfd = (int)syscall(SYS_pidfd_open, g->pid, 0);
    if (g->pidfd < 0) {
        code = errno;
        kill(g->pid, SIGKILL); /* nobody has reaped it yet */
        waitpid(g->pid, NULL, 0);
        return err_errno(err, code, "open process %d", (int)g->pid);
    }
    char said = 0;
    int r = hear(g, time_deadline(READY_NS), &said);
    if (r < 0)
        return err_set(err, ERR_TIMEOUT, ETIMEDOUT, "it is not ready after %d s",
                       (int)(READY_NS / NS_PER_S));
    if (r == 0 || said != SAYS_READY)
        return err_set(err, ERR_ENVIRONMENT, ECHILD, "it left at once");
    return 0;
}

int guard_new(const struct cgroups *c, const char *group, uint64_t deadline_ns, struct guard **ret,
              struct err *err)
{
    int r = cgroup_check_path(group, err);
    if (r < 0)
        return r;
    if (!cgroup_exists(c, group))
        return err_set(err, ERR_BUG, ENOENT, "guard control group %s: there is none", group);
    if (proc_in_cgroup(getpid(), group))
        return err_set(err, ERR_BUG, EDEADLK, "guard control group %s: we are in it", group);
    struct guard *g = xcalloc(1, sizeof(*g));
    *g = (struct guard){.pidfd = -1, .end = -1};
    str_copy(g->group, sizeof(g->group), group);
    r = start(c, deadline_ns, g, err);
    if (r < 0) {
        put_down(g);
        return err_wrap(err, "start the guard of control group %s", group);
    }
    *ret = g;
    return 0;
}

pid_t guard_pid(const struct guard *g)
{
    return g->pid;
}

int guard_end(struct guard *g, bool *ret_killed, struct err *err)
{
    char said = 0;
    if (!g) {
        *ret_killed = false;
        return 0;
    }
    say(g->end, SAYS_STOOD_DOWN); /* any byte will do; it may be gone already */
    int heard = hear(g, time_deadline(END_NS), &said), r = 0;
    if (heard < 0)
        r = err_set(err, ERR_TIMEOUT, ETIMEDOUT, "the guard of control group %s does not end",
                    g->group);
    else if (heard == 0)
        r = err_set(err, ERR_ENVIRONMENT, ESRCH,
                    "the guard of control group %s was gone before its time", g->group);
    else if (said == SAYS_SURVIVED)
        r = err_set(err, ERR_TIMEOUT, ETIMEDOUT,
                    "the guard of control group %s could not kill all that is in it", g->group);
    *ret_killed = heard > 0 && said != SAYS_STOOD_DOWN;
    if (heard < 0)
        put_down(g);
    else
        bury(g);
    return r;
}
