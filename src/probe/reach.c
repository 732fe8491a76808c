/* reach.answered: which of the kernel's system calls are answered here at all; reach.job: something
 * to do while somebody counts what the host's kernel is asked for.
 *
 * Layer: probe.
 *
 * answered: one operation calls each number up to CALLSET_MAX once, in a child of its own, with
 * arguments that no call can do anything with (all of them -1): EINVAL, EFAULT or EBADF is an
 * answer, ENOSYS is none. The few calls to which -1 means something, or that say ENOSYS of an
 * argument, get others (`call_special`). A call from which the child does not come back, since it
 * exits, waits or is killed, was answered; one that a filter kills it for (SIGSYS) was not. Facts:
 * `answered`, how many; `answered_bits`, which (wire/callset.h).
 *
 * job: one operation is a round of what programs do all day: a file made, written, synced, read,
 * renamed, looked at and removed; a directory made, listed and removed; a child that is sent bytes
 * through a pipe; a program started; memory mapped, touched, protected and given back; a message
 * over a Unix socket. Parameter: dir. */
#include "probe/family.h"

#include "base/str.h"
#include "base/time.h"
#include "probe/scratch.h"
#include "wire/callset.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* For those that wait for ever. */
#define PATIENCE_US 50000

/* ---- answered ---- */

enum answer { NOT_ASKED, ANSWERED, NO_SUCH_CALL, AWAY };

struct answers {
    unsigned char *of; /* shared with the children */
    int futex;
};

static void on_signal(int number)
{
}

/* The return from a handler. Called out of the blue it takes whatever lies on the stack for
 * registers to restore, and that gVisor's sandbox can die of. */
static long return_from_signal(void)
{
    const struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    return raise(SIGUSR1);
}

/* msgget would make a queue that stays, kill would reach all; futex, modify_ldt and their like have
 * an ENOSYS for what they are asked and not for themselves. */
static long call_special(struct answers *r, long nr, bool *ret_special)
{
    *ret_special = true;
    switch (nr) {
#ifdef SYS_msgget
    case SYS_msgget:
        return syscall(nr, -1, 0);
#endif
    case SYS_rt_sigreturn:
        return return_from_signal();
    case SYS_kill:
        return syscall(nr, getpid(), 0);
#ifdef SYS_vfork
    case SYS_vfork: { /* the library's, whose stack both can return to */
        pid_t pid = vfork();
        if (pid == 0)
            _exit(0);
        return pid;
    }
#endif
#ifdef SYS_futex
    case SYS_futex:
        return syscall(nr, &r->futex, FUTEX_WAKE, 0, 0, 0, 0);
#endif
#ifdef SYS_modify_ldt
    case SYS_modify_ldt:
        return syscall(nr, 0, 0, 0);
#endif
    default:
        *ret_special = false;
        return 0;
    }
}

static void ask(struct answers *r, long nr)
{
    const struct itimerval patience = {.it_value = {.tv_usec = PATIENCE_US}};
    const struct rlimit no_core = {0, 0};
    bool special;

    setsid();
    setrlimit(RLIMIT_CORE, &no_core);
    setitimer(ITIMER_REAL, &patience, NULL);
    r->of[nr] = AWAY;
    long answer = call_special(r, nr, &special);
    if (!special)
        answer = syscall(nr, -1, -1, -1, -1, -1, -1);
    r->of[nr] = answer == -1 && errno == ENOSYS ? NO_SUCH_CALL : ANSWERED;
    _exit(0);
}

static void answered_run(struct worker *w, uint64_t ops)
{
    struct answers *r = w->state;
    for (uint64_t i = 0; i < ops; i++) {
        for (long nr = 0; nr < CALLSET_MAX; nr++) {
            pid_t pid = fork();
            int status = 0;
            if (pid == 0)
                ask(r, nr);
            if (pid < 0) {
                worker_fail(w, errno, "fork");
                return;
            }
            while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
            if (r->of[nr] == AWAY)
                r->of[nr] =
                    WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? NO_SUCH_CALL : ANSWERED;
        }
        w->tally[0]++;
    }
    while (waitpid(-1, NULL, WNOHANG) > 0) /* children of children: fork's */
        ;
}

static int answered_start(struct worker *w, struct err *err)
{
    struct answers *r = w->state = xcalloc(1, sizeof(*r));
    r->of = mmap(NULL, CALLSET_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (r->of == MAP_FAILED) {
        r->of = NULL;
        return err_errno(err, errno, "share memory with children");
    }
    return 0;
}

static void answered_stop(struct worker *w)
{
    struct answers *r = w->state;
    if (!r)
        return;
    if (r->of)
        munmap(r->of, CALLSET_MAX);
    free(r);
    w->state = NULL;
}

/* getpid is there on every kernel, and the last number on none. */
static int answered_verify(struct job *job, struct frame_finished *fin, struct err *err)
{
    const struct answers *r = job->workers[0].state;
    struct callset answered;
    char bits[CALLSET_TEXT];
    int rc = job_verify_count(job, 1, fin, err);

    if (rc < 0)
        return rc;
    if (r->of[SYS_getpid] != ANSWERED || r->of[CALLSET_MAX - 1] != NO_SUCH_CALL)
        return err_set(err, ERR_MEASUREMENT, EPROTO, "its answers to system calls make no sense");
    for (size_t i = 0; i < CALLSET_MAX; i++)
        answered.has[i] = r->of[i] == ANSWERED;
    callset_format(&answered, bits);
    facts_add_num(&fin->facts, "answered", (int64_t)callset_count(&answered));
    facts_add_text(&fin->facts, "answered_bits", bits);
    str_format(fin->detail, sizeof(fin->detail), "each of %d numbers was called in a child",
               CALLSET_MAX);
    return 0;
}

/* ---- job ---- */

#define JOB_PIECE  4096
#define JOB_PIECES 16
#define JOB_MEMORY ((size_t)1 << 20)

struct job_state {
    struct scratch_dir dir;
    struct self self;
    char buf[JOB_PIECE];
};

static bool whole(ssize_t n)
{
    return n == JOB_PIECE;
}

static bool file_round(struct job_state *s)
{
    struct stat st;
    int fd = openat(s->dir.fd, "a", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = fd >= 0;
    for (int i = 0; i < JOB_PIECES && ok; i++)
        ok = whole(write(fd, s->buf, JOB_PIECE));
    ok = ok && fsync(fd) == 0 && lseek(fd, 0, SEEK_SET) == 0;
    for (int i = 0; i < JOB_PIECES && ok; i++)
        ok = whole(read(fd, s->buf, JOB_PIECE));
    ok = ok && fstat(fd, &st) == 0 && st.st_size == JOB_PIECE * JOB_PIECES;
    if (fd >= 0)
        close(fd);
    return ok && renameat(s->dir.fd, "a", s->dir.fd, "b") == 0 &&
           fstatat(s->dir.fd, "b", &st, 0) == 0 && unlinkat(s->dir.fd, "b", 0) == 0;
}

static bool directory_round(struct job_state *s)
{
    if (mkdirat(s->dir.fd, "d", 0700) < 0)
        return false;
    int fd = openat(s->dir.fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC), entries = 0;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    while (d && readdir(d))
        entries++;
    if (d)
        closedir(d);
    else if (fd >= 0)
        close(fd);
    return unlinkat(s->dir.fd, "d", AT_REMOVEDIR) == 0 && entries == 2;
}

static bool pipe_round(struct job_state *s)
{
    int fds[2], status = 1;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        ssize_t n = read(fds[0], s->buf, JOB_PIECE);
        _exit(n == JOB_PIECE ? 0 : 1);
    }
    bool ok = pid > 0 && whole(write(fds[1], s->buf, JOB_PIECE));
    close(fds[0]);
    close(fds[1]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return ok && status == 0;
}

static bool memory_round(void)
{
    char *m = mmap(NULL, JOB_MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED)
        return false;
    for (size_t at = 0; at < JOB_MEMORY; at += JOB_PIECE)
        m[at] = 1;
    return mprotect(m, JOB_MEMORY, PROT_READ) == 0 && munmap(m, JOB_MEMORY) == 0;
}

static bool socket_round(struct job_state *s)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return false;
    struct pollfd p = {.fd = fds[1], .events = POLLIN};
    bool ok = send(fds[0], s->buf, 64, 0) == 64 && poll(&p, 1, 1000) == 1 &&
              recv(fds[1], s->buf, 64, 0) == 64;
    close(fds[0]);
    close(fds[1]);
    return ok;
}

static void job_run(struct worker *w, uint64_t ops)
{
    struct job_state *s = w->state;
    for (uint64_t i = 0; i < ops; i++) {
        const char *failed = !file_round(s)             ? "a file"
                             : !directory_round(s)      ? "a directory"
                             : !pipe_round(s)           ? "a child and a pipe"
                             : !self_run_true(&s->self) ? "a program"
                             : !memory_round()          ? "memory"
                             : !socket_round(s)         ? "a socket"
                                                        : NULL;
        if (failed) {
            worker_fail(w, errno, failed);
            return;
        }
        w->tally[0]++;
    }
}

static int job_start(struct worker *w, struct err *err)
{
    struct job_state *s = w->state = xcalloc(1, sizeof(*s));
    int r = scratch_make(w->job, &s->dir, err);
    return r < 0 ? r : self_open(&s->self, err);
}

static void job_stop(struct worker *w)
{
    struct job_state *s = w->state;
    if (!s)
        return;
    self_close(&s->self);
    scratch_remove(&s->dir);
    free(s);
    w->state = NULL;
}

static const struct workload list[] = {
    {.name = "reach.answered",
     .no_hist = true,
     .start = answered_start,
     .run = answered_run,
     .verify = answered_verify,
     .stop = answered_stop},
    {.name = "reach.job", .no_hist = true, .start = job_start, .run = job_run, .stop = job_stop},
};

const struct family family_reach = {.name = "reach", .list = list, .n = ARRAY_SIZE(list)};
