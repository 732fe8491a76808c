/* call.*, first part: the process and its surroundings. Nothing here touches a file or memory. */
#include "probe/call.h"

#include "base/cleanup.h"
#include "base/str.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

static int start_null(struct worker *w, struct err *err)
{
    struct call *c = w->state;
    c->expect = syscall(SYS_getppid);
    return call_try(w, err);
}

static void run_null(struct worker *w, uint64_t ops)
{
    const struct call *c = w->state;
    const long expect = c->expect;
    CALL_LOOP(w, ops, "getppid", syscall(SYS_getppid) == expect);
}

/* The call itself, which programs hardly ever make: clock.gettime is the vDSO's. */
static void run_clock(struct worker *w, uint64_t ops)
{
    struct timespec ts = {0, 0};
    CALL_LOOP(w, ops, "clock_gettime",
              syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts) == 0 && ts.tv_nsec >= 0);
}

static void run_uname(struct worker *w, uint64_t ops)
{
    struct utsname u;
    CALL_LOOP(w, ops, "uname", uname(&u) == 0);
}

static void run_sysinfo(struct worker *w, uint64_t ops)
{
    struct sysinfo si;
    CALL_LOOP(w, ops, "sysinfo", sysinfo(&si) == 0);
}

static void run_getrandom(struct worker *w, uint64_t ops)
{
    struct call *c = w->state;
    CALL_LOOP(w, ops, "getrandom", syscall(SYS_getrandom, c->buf, 16, 0) == 16);
}

static void run_prctl(struct worker *w, uint64_t ops)
{
    char name[16];
    CALL_LOOP(w, ops, "prctl", prctl(PR_GET_NAME, name, 0, 0, 0) == 0);
}

static void run_yield(struct worker *w, uint64_t ops)
{
    CALL_LOOP(w, ops, "sched_yield", sched_yield() == 0);
}

static void run_affinity(struct worker *w, uint64_t ops)
{
    struct call *c = w->state;
    CALL_LOOP(w, ops, "sched_getaffinity",
              syscall(SYS_sched_getaffinity, 0, sizeof(c->buf), c->buf) > 0);
}

static void run_rusage(struct worker *w, uint64_t ops)
{
    struct rusage ru;
    CALL_LOOP(w, ops, "getrusage", getrusage(RUSAGE_SELF, &ru) == 0);
}

static void run_rlimit(struct worker *w, uint64_t ops)
{
    struct rlimit rl;
    CALL_LOOP(w, ops, "prlimit", syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &rl) == 0);
}

/* Blocks and unblocks SIGUSR2 in turns: one call an operation. */
static void run_sigmask(struct worker *w, uint64_t ops)
{
    struct call *c = w->state;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    CALL_LOOP(
        w, ops, "rt_sigprocmask",
        syscall(SYS_rt_sigprocmask, (c->flip ^= 1) ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL, 8) == 0);
}

static void stop_sigmask(struct worker *w)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    call_stop(w);
}

/* The count the handler raises travels with the signal, so no global is needed. */
static void on_signal(int sig, siginfo_t *info, void *context)
{
    if (info->si_code == SI_QUEUE && info->si_value.sival_ptr)
        ++*(volatile uint64_t *)info->si_value.sival_ptr;
}

static int start_signal(struct worker *w, struct err *err)
{
    struct call *c = w->state;
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigemptyset(&sa.sa_mask);
    if (sigaction(SIGUSR1, &sa, NULL) < 0)
        return err_errno(err, errno, "sigaction");
    int r = call_try(w, err);
    c->word = 0;
    return r;
}

/* A signal to the calling thread: it is handled before the call returns. */
static void run_signal(struct worker *w, uint64_t ops)
{
    struct call *c = w->state;
    const pid_t pid = getpid();
    const long tid = syscall(SYS_gettid);
    siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
    info.si_pid = pid;
    info.si_value.sival_ptr = &c->word;
    CALL_LOOP(w, ops, "rt_tgsigqueueinfo",
              syscall(SYS_rt_tgsigqueueinfo, pid, tid, SIGUSR1, &info) == 0);
}

static int check_signal(struct worker *w, struct err *err)
{
    const struct call *c = w->state;
    if (c->word != w->tally[0])
        return err_set(err, ERR_MEASUREMENT, EIO, "signals were sent that no handler saw");
    return call_check(w, err);
}

static void stop_signal(struct worker *w)
{
    signal(SIGUSR1, SIG_DFL);
    call_stop(w);
}

static void *thread_main(void *arg)
{
    ++*(uint64_t *)arg;
    return arg;
}

static bool thread_once(uint64_t *count)
{
    pthread_t t;
    void *got = NULL;
    errno = pthread_create(&t, NULL, thread_main, count);
    return errno == 0 && pthread_join(t, &got) == 0 && got == count;
}

static int start_thread(struct worker *w, struct err *err)
{
    struct call *c = w->state;
    int r = call_try(w, err);
    c->word = 0;
    return r;
}

/* Create and join; libc keeps the stack of the last one for the next. */
static void run_thread(struct worker *w, uint64_t ops)
{
    struct call *c = w->state;
    CALL_LOOP(w, ops, "pthread_create", thread_once(&c->word));
}

static int check_thread(struct worker *w, struct err *err)
{
    const struct call *c = w->state;
    if (c->word != w->tally[0])
        return err_set(err, ERR_MEASUREMENT, EIO, "threads were joined that did not run");
    return call_check(w, err);
}

static bool fork_once(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(7);
    int status;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 7;
}

/* fork, _exit in the child, wait4. */
static void run_fork(struct worker *w, uint64_t ops)
{
    CALL_LOOP(w, ops, "fork", fork_once());
}

static int start_exec(struct worker *w, struct err *err)
{
    struct call *c = w->state;
    int r = self_open(&c->self, err);
    if (r < 0)
        return r;
    return call_try(w, err);
}

/* As sys.exec: fork, execveat of the probe's `--true`, wait4. The difference to call.fork is the
 * execve. */
static void run_exec(struct worker *w, uint64_t ops)
{
    const struct call *c = w->state;
    CALL_LOOP(w, ops, "exec", self_run_true(&c->self));
}

/* Nobody is one's own child: ECHILD at once, and no real child of the probe can be reaped by it. */
static void run_wait(struct worker *w, uint64_t ops)
{
    const long pid = syscall(SYS_getpid);
    CALL_LOOP(w, ops, "wait4",
              syscall(SYS_wait4, pid, NULL, WNOHANG, NULL) == -1 && errno == ECHILD);
}

static void run_futex(struct worker *w, uint64_t ops)
{
    struct call *c = w->state;
    CALL_LOOP(w, ops, "futex",
              syscall(SYS_futex, (uint32_t *)&c->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 0);
}

static const struct workload list[] = {
    CALL_ROW("null", start_null, run_null),
    CALL_ROW("clock", call_try, run_clock),
    CALL_ROW("uname", call_try, run_uname),
    CALL_ROW("sysinfo", call_try, run_sysinfo),
    CALL_ROW("getrandom", call_try, run_getrandom),
    CALL_ROW("prctl", call_try, run_prctl),
    CALL_ROW("yield", call_try, run_yield),
    CALL_ROW("affinity", call_try, run_affinity),
    CALL_ROW("rusage", call_try, run_rusage),
    CALL_ROW("rlimit", call_try, run_rlimit),
    {.name = "call.sigmask",
     .processes = true,
     .start = call_try,
     .run = run_sigmask,
     .check = call_check,
     .stop = stop_sigmask},
    {.name = "call.signal",
     .processes = true,
     .start = start_signal,
     .run = run_signal,
     .check = check_signal,
     .stop = stop_signal},
    CALL_ROW_CHECK("thread", start_thread, run_thread, check_thread),
    CALL_ROW("fork", call_try, run_fork),
    CALL_ROW("exec", start_exec, run_exec),
    CALL_ROW("wait", call_try, run_wait),
    CALL_ROW("futex", call_try, run_futex),
};

const struct family family_call_proc = {
    .name = "call-proc",
    .list = list,
    .n = ARRAY_SIZE(list),
    .keep = call_keep,
    .worker_setup = call_worker_setup,
    .worker_teardown = call_worker_teardown,
};
