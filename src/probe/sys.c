/* sys.*: UnixBench's system-call test, as of 2023: raw calls, every copy its own process, which
 * dups an end of its own pipe (one shared file would make the copies fight for its reference
 * count). mix is dup, close, getpid, getuid, umask: five calls an operation.
 * Source: kdlucas/byte-unixbench UnixBench/src/syscall.c. exec there starts /bin/true; here the
 * only program is the probe itself, whose `--true` leaves at once. */
#include "probe/family.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "probe/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

struct sys {
    int pipe[2];
    int dup; /* the number dup gives: the lowest free one, so always the same unless one leaks */
    long pid, uid;
    mode_t umask;
    struct self self; /* sys.exec */
};

#define SYS_UMASK 022

static void sys_worker_teardown(struct worker *w)
{
    struct sys *s = w->state;
    if (!s)
        return;
    for (int i = 0; i < 2; i++) {
        if (s->pipe[i] >= 0)
            close(s->pipe[i]);
    }
    umask(s->umask);
    free(s);
    w->state = NULL;
}

static int sys_worker_setup(struct worker *w, struct err *err)
{
    struct sys *s = xcalloc(1, sizeof(*s));
    w->state = s;
    s->pipe[0] = s->pipe[1] = -1;
    s->umask = umask(SYS_UMASK);
    s->pid = syscall(SYS_getpid);
    s->uid = syscall(SYS_getuid);
    if (pipe2(s->pipe, O_CLOEXEC) < 0)
        return err_errno(err, errno, "pipe");
    return 0;
}

/* What every slice must find and leave: the descriptor dup gives. */
static int sys_start(struct worker *w, struct err *err)
{
    struct sys *s = w->state;
    s->dup = dup(s->pipe[0]);
    if (s->dup < 0)
        return err_errno(err, errno, "dup");
    close(s->dup);
    return 0;
}

static int exec_start(struct worker *w, struct err *err)
{
    struct sys *s = w->state;
    int r = self_open(&s->self, err);
    if (r < 0)
        return r;
    if (!self_run_true(&s->self))
        return err_errno(err, errno, "execute %s", s->self.name);
    return 0;
}

static void exec_stop(struct worker *w)
{
    struct sys *s = w->state;
    if (s)
        self_close(&s->self);
}

static int sys_check(struct worker *w, struct err *err)
{
    struct sys *s = w->state;
    int fd = dup(s->pipe[0]);
    if (fd >= 0)
        close(fd);
    if (fd != s->dup)
        return err_set(err, ERR_MEASUREMENT, EBADF, "dup gave descriptor %d before, %d after",
                       s->dup, fd);
    if (syscall(SYS_umask, SYS_UMASK) != SYS_UMASK)
        return err_set(err, ERR_MEASUREMENT, EINVAL, "umask is not what was set");
    return 0;
}

static int verify_two(struct job *job, struct frame_finished *fin, struct err *err)
{
    return job_verify_count(job, 2, fin, err);
}

static int verify_five(struct job *job, struct frame_finished *fin, struct err *err)
{
    return job_verify_count(job, 5, fin, err);
}

static void run_mix(struct worker *w, uint64_t ops)
{
    const struct sys *s = w->state;
    const long own = s->pipe[0], pid = s->pid, uid = s->uid;
    uint64_t i = 0;
    for (; i < ops; i++) {
        long fd = syscall(SYS_dup, own);
        if (fd < 0 || syscall(SYS_close, fd) != 0 || syscall(SYS_getpid) != pid ||
            syscall(SYS_getuid) != uid || syscall(SYS_umask, SYS_UMASK) != SYS_UMASK) {
            worker_fail(w, errno ? errno : EIO, "mix");
            break;
        }
    }
    w->tally[0] += 5 * i;
}

static void run_close(struct worker *w, uint64_t ops)
{
    const struct sys *s = w->state;
    uint64_t i = 0;
    for (; i < ops; i++) {
        long fd = syscall(SYS_dup, s->pipe[0]);
        if (fd < 0 || syscall(SYS_close, fd) != 0) {
            worker_fail(w, errno ? errno : EIO, "close");
            break;
        }
    }
    w->tally[0] += 2 * i;
}

static void run_getpid(struct worker *w, uint64_t ops)
{
    const struct sys *s = w->state;
    const long pid = s->pid;
    uint64_t i = 0;
    for (; i < ops; i++) {
        if (syscall(SYS_getpid) != pid) {
            worker_fail(w, EIO, "getpid");
            break;
        }
    }
    w->tally[0] += i;
}

static void run_exec(struct worker *w, uint64_t ops)
{
    const struct sys *s = w->state;
    uint64_t i = 0;
    for (; i < ops; i++) {
        if (!self_run_true(&s->self)) {
            worker_fail(w, errno ? errno : EIO, "exec");
            break;
        }
    }
    w->tally[0] += i;
}

static bool sys_keep(const struct frame_prepare *old, const struct frame_prepare *new)
{
    return true; /* a pipe and two numbers serve all of them */
}

static const struct workload list[] = {
    {.name = "sys.mix",
     .processes = true,
     .start = sys_start,
     .run = run_mix,
     .check = sys_check,
     .verify = verify_five},
    {.name = "sys.close",
     .processes = true,
     .start = sys_start,
     .run = run_close,
     .check = sys_check,
     .verify = verify_two},
    {.name = "sys.getpid", .processes = true, .run = run_getpid},
    {.name = "sys.exec",
     .processes = true,
     .start = exec_start,
     .run = run_exec,
     .stop = exec_stop},
};

const struct family family_sys = {
    .name = "sys",
    .list = list,
    .n = ARRAY_SIZE(list),
    .keep = sys_keep,
    .worker_setup = sys_worker_setup,
    .worker_teardown = sys_worker_teardown,
};
