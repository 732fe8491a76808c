/* Workers and slices: see team.h.
 *
 * Everything that workers and the main thread both look at lives in one shared anonymous mapping:
 * the team, its job, the workers and, behind them, one histogram a worker (untouched, hence free,
 * until the first slice that wants them). A worker's round: wait until `gen` moves, do `command`,
 * count `pending` down; the last one wakes the main thread. */
#include "probe/team.h"

#include "base/time.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define THREAD_STACK (512 * 1024)
#define MEET_MAX_NS  (2 * NS_PER_MS) /* then start without the missing ones */
/* Leads of the same length end apart where something else had a CPU meanwhile. */
#define MEET_AFTER_LEAD_NS (20 * NS_PER_MS)
#define DEATH_CHECK_NS     (200 * NS_PER_MS) /* how often a waiting team looks for dead workers */
#define ORPHAN_CHECK_NS    (60 * NS_PER_S)   /* how often an idle worker looks for its probe */
#define END_MAX_NS         (5 * NS_PER_S)    /* then worker processes are killed */
#define OPS_MAX            (UINT64_MAX / (UINT64_C(4) * WIRE_WORKERS_MAX))

enum command { CMD_SETUP, CMD_START, CMD_RUN, CMD_CHECK, CMD_STOP, CMD_TEARDOWN };

struct helper {
    pthread_t thread;
    pid_t pid; /* 0: a thread, or already reaped */
};

struct team {
    struct job job; /* first: a worker finds its team through worker->job */
    /* Written by the main thread before gen moves, read by workers after. */
    enum command command;
    uint64_t ops, lead, for_ns;
    bool hist;
    bool leave; /* end after this command */
    _Atomic uint32_t gen __attribute__((aligned(64)));
    _Atomic uint32_t pending __attribute__((aligned(64)));
    _Atomic uint32_t arrived __attribute__((aligned(64)));

    /* The main thread's own. */
    struct facts setup_facts;
    uint64_t counted;
    size_t map_bytes;
    struct hist *hists;     /* [workers] in the mapping */
    struct helper *helpers; /* [workers]; 0 is unused; private memory */
    unsigned n_helpers;     /* workers 1..n_helpers exist */
    bool spin;              /* each worker has a CPU of its own */
    bool set_up;            /* CMD_SETUP was issued */
    bool broken;            /* a worker process died */
    pid_t pid;              /* of the probe */
    cpu_set_t home;         /* affinity of the main thread before */
    bool home_known;
};

/* ---- futex and clock ---- */

static void futex_wait(_Atomic uint32_t *word, uint32_t seen, uint64_t timeout_ns)
{
    struct timespec ts = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
                          .tv_nsec = (long)(timeout_ns % NS_PER_S)};
    syscall(SYS_futex, word, FUTEX_WAIT, seen, &ts, NULL, 0);
}

static void futex_wake_all(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

/* This worker's CPU time; children it waited for count where it is a process of its own. */
static uint64_t cpu_time_ns(const struct worker *w)
{
    struct timespec ts;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) != 0)
        return 0;
    uint64_t ns = (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
    struct rusage ru;
    bool own_children = w->job->workload->processes || w->job->prepare.workers == 1;
    if (own_children && getrusage(RUSAGE_CHILDREN, &ru) == 0)
        ns += ((uint64_t)ru.ru_utime.tv_sec + (uint64_t)ru.ru_stime.tv_sec) * NS_PER_S +
              ((uint64_t)ru.ru_utime.tv_usec + (uint64_t)ru.ru_stime.tv_usec) * NS_PER_US;
    return ns;
}

/* ---- what a worker does ---- */

/* The undeclared surplus of --inject: whole operations of it, the fraction carried on. */
static uint64_t injected(struct worker *w, uint64_t ops)
{
    if (w->job->inject <= 0)
        return 0;
    w->inject_carry += (double)ops * w->job->inject;
    uint64_t extra = (uint64_t)w->inject_carry;
    w->inject_carry -= (double)extra;
    return extra;
}

/* Waits until all workers are awake, so that none runs alone at first. */
static void meet(struct team *t)
{
    uint32_t n = t->job.prepare.workers;
    if (n == 1)
        return;
    atomic_fetch_add(&t->arrived, 1);
    if (!t->spin)
        return;
    uint64_t deadline = time_deadline(t->lead ? MEET_AFTER_LEAD_NS : MEET_MAX_NS);
    for (unsigned i = 1; atomic_load(&t->arrived) < n; i++) {
        relax();
        if (i % 256 == 0 && time_mono_ns() > deadline)
            return;
    }
}

static void run_timed_each(struct worker *w, uint64_t ops, struct hist *h)
{
    void (*run)(struct worker *, uint64_t) = w->job->workload->run;
    for (uint64_t i = 0; i < ops && !w->fail_code; i++) {
        uint64_t n = 1 + injected(w, 1);
        w->intended_ns = 0;
        uint64_t from = time_mono_ns();
        run(w, n);
        uint64_t to = time_mono_ns();
        hist_record(h, to - (w->intended_ns ? w->intended_ns : from));
        w->done += n;
    }
}

/* Pieces of t->ops operations until the time is over; what was begun is finished and counted. */
static void run_for(struct team *t, struct worker *w)
{
    uint64_t end = w->start_ns + t->for_ns;
    w->ops = 0;
    do {
        uint64_t n = t->ops + injected(w, t->ops);
        t->job.workload->run(w, n);
        w->done += n;
        w->ops += t->ops;
    } while (!w->fail_code && time_mono_ns() < end);
}

static void worker_run(struct team *t, struct worker *w)
{
    uint64_t ops = t->ops;
    uint64_t n = t->hist || t->for_ns ? 0 : ops + injected(w, ops);
    void (*run)(struct worker *, uint64_t) = t->job.workload->run;
    w->slices++;
    if (t->lead) {
        run(w, t->lead);
        w->done += t->lead;
    }
    meet(t);
    uint64_t cpu = cpu_time_ns(w);
    w->ops = ops;
    w->start_ns = time_mono_ns();
    if (t->for_ns)
        run_for(t, w);
    else if (t->hist)
        run_timed_each(w, ops, &t->hists[w->index]);
    else
        run(w, n);
    w->end_ns = time_mono_ns();
    w->cpu_ns = cpu_time_ns(w) - cpu;
    w->done += n;
}

static int worker_do(struct team *t, struct worker *w)
{
    const struct workload *wl = t->job.workload;
    const struct family *fam = t->job.family;
    switch (t->command) {
    case CMD_SETUP:
        w->cpu = job_pin(&t->job, w->index);
        return fam->worker_setup ? fam->worker_setup(w, &w->err) : 0;
    case CMD_START:
        return wl->start ? wl->start(w, &w->err) : 0;
    case CMD_RUN:
        worker_run(t, w);
        return 0;
    case CMD_CHECK:
        return wl->check ? wl->check(w, &w->err) : 0;
    case CMD_STOP:
        if (wl->stop)
            wl->stop(w);
        return 0;
    case CMD_TEARDOWN:
        if (fam->worker_teardown)
            fam->worker_teardown(w);
        return 0;
    }
    return 0;
}

static void worker_command(struct team *t, struct worker *w)
{
    int r = worker_do(t, w);
    w->check_failed = r < 0;
    if (r < 0 && w->err.kind == ERR_NONE)
        err_errno(&w->err, -r, "worker %u", w->index);
}

static void worker_loop(struct team *t, struct worker *w, uint32_t seen)
{
    for (bool leave = false; !leave; seen++) {
        while (atomic_load_explicit(&t->gen, memory_order_acquire) == seen) {
            futex_wait(&t->gen, seen, ORPHAN_CHECK_NS);
            if (t->job.workload->processes && getppid() != t->pid)
                return;
        }
        leave = t->leave;
        worker_command(t, w);
        if (atomic_fetch_sub_explicit(&t->pending, 1, memory_order_acq_rel) == 1)
            futex_wake_all(&t->pending);
    }
}

static void *worker_thread(void *user)
{
    struct worker *w = user;
    worker_loop((struct team *)w->job, w, 0);
    return NULL;
}

static _Noreturn void worker_process(struct team *t, struct worker *w)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != t->pid)
        _exit(1);
    job_hide_frames();
    worker_loop(t, w, 0);
    _exit(0);
}

/* ---- the main thread's side ---- */

/* A worker process that ended on its own breaks the team. */
static int look_for_dead(struct team *t, struct err *err)
{
    for (unsigned i = 1; i <= t->n_helpers; i++) {
        int status;
        pid_t pid = t->helpers[i].pid;
        if (pid <= 0 || waitpid(pid, &status, WNOHANG) != pid)
            continue;
        t->helpers[i].pid = 0;
        t->broken = true;
        if (WIFSIGNALED(status))
            return err_set(err, ERR_MEASUREMENT, ECHILD, "worker process %u died of signal %d", i,
                           WTERMSIG(status));
        return err_set(err, ERR_MEASUREMENT, ECHILD, "worker process %u left with status %d", i,
                       WEXITSTATUS(status));
    }
    return 0;
}

static int wait_pending(struct team *t, uint64_t deadline, struct err *err)
{
    for (;;) {
        uint32_t p = atomic_load_explicit(&t->pending, memory_order_acquire);
        if (p == 0)
            return 0;
        futex_wait(&t->pending, p, DEATH_CHECK_NS);
        if (atomic_load_explicit(&t->pending, memory_order_acquire) == 0)
            return 0;
        int r = t->job.workload->processes ? look_for_dead(t, err) : 0;
        if (r < 0)
            return r;
        if (time_mono_ns() > deadline)
            return err_set(err, ERR_TIMEOUT, ETIMEDOUT, "workers do not end");
    }
}

/* Lets every worker, the calling thread included, do one command. 0 when all came back, whatever
 * they found. */
static int team_do(struct team *t, enum command command, uint64_t deadline, struct err *err)
{
    if (t->broken)
        return err_set(err, ERR_MEASUREMENT, ECHILD, "a worker process has died");
    t->command = command;
    if (t->n_helpers > 0) {
        atomic_store(&t->arrived, 0);
        atomic_store(&t->pending, t->n_helpers);
        atomic_fetch_add_explicit(&t->gen, 1, memory_order_release);
        futex_wake_all(&t->gen);
    }
    worker_command(t, &t->job.workers[0]);
    return t->n_helpers > 0 ? wait_pending(t, deadline, err) : 0;
}

/* team_do, and the first worker's failure as the error. */
static int team_do_checked(struct team *t, enum command command, struct err *err)
{
    int r = team_do(t, command, UINT64_MAX, err);
    for (unsigned i = 0; r == 0 && i < t->job.prepare.workers; i++) {
        struct worker *w = &t->job.workers[i];
        if (!w->check_failed)
            continue;
        if (err)
            *err = w->err;
        r = w->err.code > 0 ? -w->err.code : -EINVAL;
        err_clear(&w->err);
    }
    return r;
}

static int helper_start(struct team *t, unsigned i, struct err *err)
{
    struct worker *w = &t->job.workers[i];
    if (t->job.workload->processes) {
        pid_t pid = fork();
        if (pid < 0)
            return err_errno(err, errno, "fork worker %u", i);
        if (pid == 0)
            worker_process(t, w);
        t->helpers[i].pid = pid;
    } else {
        pthread_attr_t attr;
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, THREAD_STACK);
        int r = pthread_create(&t->helpers[i].thread, &attr, worker_thread, w);
        pthread_attr_destroy(&attr);
        if (r != 0)
            return err_errno(err, r, "start thread of worker %u", i);
    }
    t->n_helpers = i;
    return 0;
}

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static int team_map(const struct frame_prepare *prepare, struct team **ret, struct err *err)
{
    size_t n = prepare->workers;
    size_t workers_at = round_up(sizeof(struct team), 4096);
    size_t hists_at = round_up(workers_at + n * sizeof(struct worker), 4096);
    size_t bytes = round_up(hists_at + n * sizeof(struct hist), 4096);
    char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return err_errno(err, errno, "map %zu bytes for %zu workers", bytes, n);
    struct team *t = (struct team *)map; /* zero, which is what every field starts with */
    t->map_bytes = bytes;
    t->job.workers = (struct worker *)(map + workers_at);
    t->hists = (struct hist *)(map + hists_at);
    *ret = t;
    return 0;
}

static void worker_reset(struct job *job, unsigned i)
{
    struct worker *w = &job->workers[i];
    w->job = job;
    w->index = i;
    w->done = 0;
    w->slices = 0;
    w->fail_code = 0;
    w->fail_text[0] = '\0';
    w->inject_carry = 0;
    memset(w->tally, 0, sizeof(w->tally));
    err_clear(&w->err);
}

static void team_adopt(struct team *t, const struct workload *workload,
                       const struct frame_prepare *prepare)
{
    t->job.workload = workload;
    t->job.prepare = *prepare;
    t->counted = 0;
    for (unsigned i = 0; i < prepare->workers; i++)
        worker_reset(&t->job, i);
}

static void harness_facts(struct team *t, bool reused)
{
    struct job *job = &t->job;
    int64_t pinned = 0;
    for (unsigned i = 0; i < job->prepare.workers; i++)
        pinned += job->workers[i].cpu >= 0;
    facts_add_text(&job->facts, "workers_are", job->workload->processes ? "processes" : "threads");
    facts_add_num(&job->facts, "workers_pinned", pinned);
    facts_add_num(&job->facts, "state_reused", reused);
}

static int team_begin(struct team *t, bool reused, struct err *err)
{
    int r = team_do_checked(t, CMD_START, err);
    if (r < 0)
        return err_wrap(err, "start %s", t->job.workload->name);
    harness_facts(t, reused);
    if (t->job.workload->ready)
        r = t->job.workload->ready(&t->job, err);
    return r;
}

static int team_build(struct team *t, struct err *err)
{
    struct job *job = &t->job;
    int r = job->family->setup ? job->family->setup(job, err) : 0;
    if (r < 0)
        return err_wrap(err, "set %s up", job->family->name);
    t->setup_facts = job->facts;
    r = job->workload->prepare ? job->workload->prepare(job, err) : 0;
    if (r < 0)
        return err_wrap(err, "prepare %s", job->workload->name);
    for (unsigned i = 1; i < job->prepare.workers; i++) {
        r = helper_start(t, i, err);
        if (r < 0)
            return r;
    }
    t->set_up = true;
    r = team_do_checked(t, CMD_SETUP, err);
    if (r < 0)
        return err_wrap(err, "set %s up", job->family->name);
    return team_begin(t, false, err);
}

int team_new(const struct family *family, const struct workload *workload,
             const struct frame_prepare *prepare, double inject, struct team **ret, struct err *err)
{
    struct team *t = NULL;
    int r = team_map(prepare, &t, err);
    if (r < 0)
        return r;
    t->pid = getpid();
    t->home_known = sched_getaffinity(0, sizeof(t->home), &t->home) == 0;
    t->helpers = xcalloc(prepare->workers, sizeof(*t->helpers));
    t->spin = prepare->n_cpus >= prepare->workers;
    t->job.family = family;
    t->job.inject = inject;
    team_adopt(t, workload, prepare);
    job_pin(&t->job, 0); /* so that what setup touches is near worker 0 */
    r = team_build(t, err);
    t->job.prepare.spec = NULL; /* its owner is the frame */
    if (r < 0) {
        team_free(t);
        return r;
    }
    *ret = t;
    return 0;
}

bool team_fits(const struct team *t, const struct family *family, const struct workload *workload,
               const struct frame_prepare *prepare)
{
    const struct frame_prepare *old = &t->job.prepare;
    return !t->broken && t->job.family == family && family->keep &&
           t->job.workload->processes == workload->processes && old->workers == prepare->workers &&
           old->n_cpus == prepare->n_cpus &&
           memcmp(old->cpus, prepare->cpus, prepare->n_cpus * sizeof(old->cpus[0])) == 0 &&
           family->keep(old, prepare);
}

int team_reuse(struct team *t, const struct workload *workload, const struct frame_prepare *prepare,
               struct err *err)
{
    int r = team_do(t, CMD_STOP, UINT64_MAX, err);
    if (r < 0)
        return r;
    team_adopt(t, workload, prepare);
    t->job.facts = t->setup_facts;
    r = workload->prepare ? workload->prepare(&t->job, err) : 0;
    t->job.prepare.spec = NULL; /* its owner is the frame */
    if (r < 0)
        return err_wrap(err, "prepare %s", workload->name);
    return team_begin(t, true, err);
}

static void helpers_end(struct team *t, bool asked)
{
    for (unsigned i = 1; i <= t->n_helpers; i++) {
        struct helper *h = &t->helpers[i];
        if (!t->job.workload->processes) {
            pthread_join(h->thread, NULL);
        } else if (h->pid > 0) {
            if (!asked)
                kill(h->pid, SIGKILL);
            while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        }
    }
    t->n_helpers = 0;
}

/* As team_do, but a broken team still cleans up what worker 0 made. */
static bool team_end(struct team *t, enum command command, uint64_t deadline)
{
    if (!t->broken)
        return team_do(t, command, deadline, NULL) == 0;
    t->command = command;
    worker_command(t, &t->job.workers[0]);
    return false;
}

void team_free(struct team *t)
{
    if (!t)
        return;
    bool threads = !t->job.workload->processes;
    uint64_t deadline = threads ? UINT64_MAX : time_deadline(END_MAX_NS);
    bool asked = false;
    if (t->set_up)
        team_end(t, CMD_STOP, deadline);
    t->leave = true;
    if (t->set_up || t->n_helpers > 0)
        asked = team_end(t, CMD_TEARDOWN, deadline);
    helpers_end(t, asked);
    if (t->job.family->teardown)
        t->job.family->teardown(&t->job);
    if (t->home_known)
        sched_setaffinity(0, sizeof(t->home), &t->home);
    free(t->helpers);
    munmap(t, t->map_bytes);
}

const struct job *team_job(const struct team *t)
{
    return &t->job;
}

uint64_t team_ops(const struct team *t)
{
    return t->counted;
}

/* The first worker whose work failed, as an error. */
static int team_failure(const struct team *t, struct err *err)
{
    for (unsigned i = 0; i < t->job.prepare.workers; i++) {
        const struct worker *w = &t->job.workers[i];
        if (w->fail_text[0])
            return err_set(err, ERR_MEASUREMENT, w->fail_code, "%s", w->fail_text);
        if (w->fail_code)
            return err_errno(err, w->fail_code, "%s, worker %u: %s", t->job.workload->name, i,
                             w->fail_where);
    }
    return 0;
}

static void slice_sum(const struct team *t, struct team_slice *ret)
{
    uint64_t start = UINT64_MAX, end = 0, cpu = 0, ops = 0;
    for (unsigned i = 0; i < t->job.prepare.workers; i++) {
        const struct worker *w = &t->job.workers[i];
        start = w->start_ns < start ? w->start_ns : start;
        end = w->end_ns > end ? w->end_ns : end;
        cpu += w->cpu_ns;
        ops += w->ops;
    }
    *ret = (struct team_slice){
        .ops = ops, .ns = end > start ? end - start : 0, .start_ns = start, .cpu_ns = cpu};
}

/* Lets the workers do the slice that t describes. */
static int team_slice_run(struct team *t, struct team_slice *ret, struct err *err)
{
    int r = team_do(t, CMD_RUN, UINT64_MAX, err);
    if (r == 0)
        r = team_failure(t, err);
    if (r < 0)
        return r;
    slice_sum(t, ret);
    t->counted += ret->ops;
    return 0;
}

int team_slice(struct team *t, uint64_t ops, uint64_t lead, struct hist *hist,
               struct team_slice *ret, struct err *err)
{
    unsigned n = t->job.prepare.workers;
    if (ops == 0 || ops > OPS_MAX || lead > OPS_MAX)
        return err_set(err, ERR_USAGE, EINVAL, "a slice of %llu operations",
                       (unsigned long long)ops);
    if (hist && t->job.workload->no_hist)
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "single operations of %s cannot be timed",
                       t->job.workload->name);
    int r = team_failure(t, err);
    if (r < 0)
        return r;
    t->ops = ops;
    t->lead = lead;
    t->for_ns = 0;
    t->hist = hist != NULL;
    for (unsigned i = 0; hist && i < n; i++)
        hist_clear(&t->hists[i]); /* also their first touch */
    r = team_slice_run(t, ret, err);
    if (r == 0 && hist) {
        hist_clear(hist);
        for (unsigned i = 0; i < n; i++)
            hist_add(hist, &t->hists[i]);
    }
    return r;
}

int team_slice_for(struct team *t, uint64_t ops, uint64_t for_ns, struct team_slice *ret,
                   struct err *err)
{
    if (ops == 0 || ops > OPS_MAX || for_ns == 0)
        return err_set(err, ERR_USAGE, EINVAL, "a slice of no length");
    int r = team_failure(t, err);
    if (r < 0)
        return r;
    t->ops = ops;
    t->lead = 0;
    t->for_ns = for_ns;
    t->hist = false;
    return team_slice_run(t, ret, err);
}

char *team_output(struct team *t)
{
    return t->job.workload->output ? t->job.workload->output(&t->job) : NULL;
}

int team_finish(struct team *t, struct frame_finished *ret, struct err *err)
{
    struct err found = ERR_INIT;
    int r = team_failure(t, &found);
    if (r == 0) {
        r = team_do_checked(t, CMD_CHECK, &found);
        if (t->broken) {
            if (err)
                *err = found;
            return r;
        }
    }
    memset(ret, 0, sizeof(*ret));
    if (r == 0)
        r = t->job.workload->verify ? t->job.workload->verify(&t->job, ret, &found)
                                    : job_verify_count(&t->job, 1, ret, &found);
    ret->ops = t->counted;
    ret->verified = r == 0;
    if (r < 0)
        str_copy(ret->detail, sizeof(ret->detail), found.msg);
    return 0;
}
