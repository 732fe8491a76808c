/* Reading the filters. Who traces is a thread that ends here: the kernel lets go of what it traced
 * even where it was never seen to stop, which an unfinished trace in the controller would not be.
 * It looks at the stop without taking it (WNOWAIT), so that the loop's reaper misses nothing. */
#include "host/seccomp.h"

#include "base/fd.h"
#include "base/str.h"
#include "base/time.h"
#include "base/vec.h"
#include "host/proc.h"

#include <dirent.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef PTRACE_SECCOMP_GET_FILTER
#define PTRACE_SECCOMP_GET_FILTER 0x420c
#endif

/* How long a thread may take to stop. One that sleeps where no signal reaches it does not. */
#define STOP_NS (100 * NS_PER_MS)
/* A process may add filters until they are 32768 instructions together. */
#define FILTERS_MAX 256
/* Threads with another number of filters than those before them. */
#define KINDS_MAX 16

struct filter {
    struct sock_filter *v;
    size_t n;
};

struct look {
    pid_t thread;
    VEC(struct filter) filters;
    struct err why;
};

static void filters_release(struct look *l)
{
    VEC_FOREACH (&l->filters, struct filter, f)
        free(f->v);
    VEC_RELEASE(&l->filters);
}

/* ---- by the thread that traces ---- */

static void says_errno(struct look *l, const char *what)
{
    int code = errno;
    bool never = code == EIO || code == EACCES || code == EPERM || code == EMEDIUMTYPE;
    if (code == EIO) /* what ptrace answers to a request it does not know */
        err_set(&l->why, ERR_UNSUPPORTED, ENOTSUP,
                "the kernel does not show filters (CONFIG_CHECKPOINT_RESTORE)");
    else
        err_set(&l->why, never ? ERR_UNSUPPORTED : ERR_ENVIRONMENT, code, "%s: %s", what,
                strerror(code));
}

/* The one place where the thread may be ended by others. Returns the status, < 0: it has ended. */
static int await_stop(pid_t thread)
{
    siginfo_t seen = {.si_code = 0};
    int r;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    do
        r = waitid(P_PID, (id_t)thread, &seen, WSTOPPED | WEXITED | WNOWAIT | __WALL);
    while (r < 0 && errno == EINTR);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    return r < 0 || seen.si_code != CLD_TRAPPED ? -1 : seen.si_status;
}

static long get_filter(pid_t thread, size_t index, struct sock_filter *to)
{
    return ptrace((enum __ptrace_request)PTRACE_SECCOMP_GET_FILTER, thread, index, to);
}

static void copy_filters(struct look *l)
{
    for (size_t i = 0;; i++) {
        long n = get_filter(l->thread, i, NULL);
        if (n < 0 && errno == ENOENT && i > 0)
            return;
        if (n < 0) {
            says_errno(l, "read its filter");
            return;
        }
        if (n == 0 || n > BPF_MAXINSNS || i == FILTERS_MAX) {
            err_set(&l->why, ERR_UNSUPPORTED, E2BIG, "it has more filters than are looked at");
            return;
        }
        struct filter f = {.v = xcalloc((size_t)n, sizeof(*f.v)), .n = (size_t)n};
        VEC_PUSH(&l->filters, f);
        if (get_filter(l->thread, i, f.v) != n) { /* stopped, it does not change them */
            says_errno(l, "read its filter");
            return;
        }
    }
}

static void *trace(void *user)
{
    struct look *l = user;
    if (ptrace(PTRACE_SEIZE, l->thread, NULL, NULL) < 0) {
        says_errno(l, "stop it");
        return NULL;
    }
    int status = ptrace(PTRACE_INTERRUPT, l->thread, NULL, NULL) < 0 ? -1 : await_stop(l->thread);
    if (status < 0) {
        err_set(&l->why, ERR_ENVIRONMENT, ESRCH, "it has ended");
        return NULL;
    }
    copy_filters(l);
    /* A signal that stopped it first is delivered as it would have been. */
    long signal = status >> 8 ? 0 : status & 0x7f;
    ptrace(PTRACE_DETACH, l->thread, NULL, signal);
    return NULL;
}

static void *trace_uninterrupted(void *user)
{
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    return trace(user);
}

/* ---- by the caller ---- */

static int look_at(struct look *l, uint64_t deadline_ns, struct err *err)
{
    pthread_t tracer;
    uint64_t soon = time_deadline(STOP_NS), until = soon < deadline_ns ? soon : deadline_ns;
    const struct timespec t = {.tv_sec = (time_t)(until / NS_PER_S),
                               .tv_nsec = (long)(until % NS_PER_S)};
    int code = pthread_create(&tracer, NULL, trace_uninterrupted, l);
    if (code != 0)
        return err_errno(err, code, "start a thread");
    if (pthread_clockjoin_np(tracer, NULL, CLOCK_MONOTONIC, &t) != 0) {
        void *end;
        pthread_cancel(tracer);
        pthread_join(tracer, &end);
        if (end == PTHREAD_CANCELED)
            return err_set(err, ERR_TIMEOUT, ETIMEDOUT, "it did not stop to be looked at");
    }
    return l->why.kind ? err_set(err, l->why.kind, l->why.code, "%s", l->why.msg) : 0;
}

static void add(struct seccomp_set *s, size_t number, enum seccomp_passage p)
{
    s->some[number] |= p >= SECCOMP_SOMETIMES;
    s->always[number] |= p == SECCOMP_ALWAYS;
}

/* Of several filters the least permissive answer holds, and what passes has a more permissive one
 * than what does not (seccomp(2)): it passes those that all let it through. */
static void add_filtered(const struct look *l, struct seccomp_set *ret)
{
    for (uint32_t number = 0; number < SECCOMP_NUMBERS; number++) {
        enum seccomp_passage least = SECCOMP_ALWAYS;
        VEC_FOREACH (&l->filters, struct filter, f) {
            enum seccomp_passage p =
                least == SECCOMP_NEVER ? least : seccomp_follow(f->v, f->n, number);
            least = p < least ? p : least;
        }
        add(ret, number, least);
    }
}

/* prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) */
static void add_strict(struct seccomp_set *ret)
{
    static const size_t calls[] = {SYS_read, SYS_write, SYS_exit, SYS_rt_sigreturn};
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
        add(ret, calls[i], SECCOMP_ALWAYS);
}

static int add_thread(pid_t thread, const struct proc_filtering *f, uint64_t deadline_ns,
                      struct seccomp_set *ret, struct err *err)
{
    _cleanup_(filters_release) struct look l = {.thread = thread};
    if (f->tracer)
        return err_set(err, ERR_ENVIRONMENT, EBUSY, "another process traces it");
    if (f->mode == SECCOMP_MODE_DISABLED) {
        for (size_t i = 0; i < SECCOMP_NUMBERS; i++)
            add(ret, i, SECCOMP_ALWAYS);
        return 0;
    }
    if (f->mode == SECCOMP_MODE_STRICT) {
        add_strict(ret);
        return 0;
    }
    int r = look_at(&l, deadline_ns, err);
    if (r == 0)
        add_filtered(&l, ret);
    return r;
}

struct kinds {
    struct proc_filtering v[KINDS_MAX];
    size_t n;
};

static bool is_new(const struct kinds *k, const struct proc_filtering *f)
{
    for (size_t i = 0; i < k->n; i++)
        if (k->v[i].mode == f->mode && k->v[i].filters == f->filters)
            return false;
    return true;
}

static int add_if_new(pid_t pid, pid_t thread, struct kinds *k, uint64_t deadline_ns,
                      struct seccomp_set *ret, struct err *err)
{
    struct proc_filtering f;
    int r = proc_filtering(pid, thread, &f);
    if (r < 0)
        return err_set(err, ERR_ENVIRONMENT, ESRCH, "it has ended");
    if (!is_new(k, &f))
        return 0;
    if (k->n == KINDS_MAX)
        return err_set(err, ERR_UNSUPPORTED, E2BIG, "its threads have too many sets of filters");
    k->v[k->n++] = f;
    return add_thread(thread, &f, deadline_ns, ret, err);
}

int seccomp_read(pid_t pid, uint64_t deadline_ns, struct seccomp_set *ret, struct err *err)
{
    struct seccomp_set could = *ret;
    struct kinds kinds = {.n = 0};
    char path[40];
    str_format(path, sizeof(path), "/proc/%d/task", (int)pid);
    int r = add_if_new(pid, pid, &kinds, deadline_ns, &could, err);
    DIR *threads = r < 0 ? NULL : opendir(path);
    if (r == 0 && !threads)
        return err_set(err, ERR_ENVIRONMENT, ESRCH, "it has ended");
    for (struct dirent *e; r == 0 && (e = readdir(threads));) {
        uint64_t thread;
        if (parse_u64(e->d_name, 1, INT32_MAX, "", &thread, NULL) < 0)
            continue;
        r = add_if_new(pid, (pid_t)thread, &kinds, deadline_ns, &could, err);
        r = r == -ESRCH ? 0 : r; /* a thread that ended */
    }
    if (threads)
        closedir(threads);
    if (r == 0)
        *ret = could;
    return r;
}
