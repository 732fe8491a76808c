/* load.*, those that run into a limit, and go on:
 *
 *   forks        a fork bomb: a child whose every descendant goes on forking, for 20 ms; then all
 *                are killed and reaped. `most` are alive at once, whatever the limit. Facts: made,
 *                refused (by the kernel), capped (at `most`)
 *   oom          a child that maps and touches memory until it is killed for it, and then another.
 *                Never more than `bytes`. Facts: killed; reached, how often one had all and was
 *                killed here; refused (a mapping, or the child itself); touched_bytes, the most
 * that one of them had descriptors  open files, pipes and eventfds until no more can be had or
 * there are `most`, then all closed. Facts: opened, refused
 *
 * Layer: probe. What all of load.* have in common is said in load.c. These three change what the
 * whole process has (children, the limit of descriptors): one worker only.
 *
 * Signals go to a process that was forked here and is not reaped yet, or to the group it leads:
 * until it is reaped its number is nobody else's. Descendants are killed with the group, they leave
 * by themselves when their time is over, and the kernel kills each when its parent is gone. They
 * are the first the kernel chooses when memory runs out (oom_score_adj). */
#include "probe/family.h"

#include "base/fd.h"
#include "base/str.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define MIB      (INT64_C(1) << 20)
#define ROUND_NS (20 * NS_PER_MS) /* after which an operation has done enough */
#define STEP_NS  NS_PER_MS        /* of waiting for what happens by itself */

static int one_worker(const struct job *job, struct err *err)
{
    if (job->prepare.workers == 1)
        return 0;
    return err_set(err, ERR_USAGE, EINVAL, "%s: one worker, not %u", job->workload->name,
                   job->prepare.workers);
}

static int limit_prepare(struct job *job, const char *name, int64_t min, int64_t max,
                         int64_t fallback, struct err *err)
{
    int64_t value = 0;
    int r = one_worker(job, err);
    if (r == 0)
        r = job_num(job, name, min, max, fallback, &value, err);
    if (r == 0)
        facts_add_num(&job->facts, name, value);
    return r;
}

static void sleep_ns(uint64_t ns)
{
    const struct timespec ts = {.tv_nsec = (long)ns};
    nanosleep(&ts, NULL);
}

static void *share(size_t bytes, struct err *err)
{
    void *m = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (m != MAP_FAILED)
        return m;
    err_errno(err, errno, "share memory with children");
    return NULL;
}

/* In a child: it goes with its parent, which may be gone already. */
static void die_with(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
}

/* In a child of the worker: the frames' descriptors would keep the controller from seeing the
 * probe's end. */
static void child_begin(pid_t parent)
{
    die_with(parent);
    setpgid(0, 0);
    file_write("/proc/self/oom_score_adj", "1000", NULL);
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
}

/* ---- forks ---- */

#define FORKS_MOST   4096
#define FORKS_MAX    32768
#define SPINS        2000 /* between two attempts */
#define REAP_STEP_NS (NS_PER_MS / 5)
#define REAP_MAX_NS  (5 * NS_PER_S)

/* Shared by all of a bomb. */
struct bomb {
    uint32_t most;
    uint64_t end_ns;
    _Atomic uint32_t alive, stop;
    _Atomic int strange; /* errno of a fork that is not for want of anything */
    _Atomic uint64_t made, refused, capped;
};

struct forks {
    struct bomb *bomb;
    pid_t group;        /* with its leader; 0: none */
    bool leader_reaped; /* its number may be another's */
    int was_reaper;     /* PR_GET_CHILD_SUBREAPER before; -1: the kernel has none */
};

static void pause_shortly(void)
{
    for (volatile unsigned i = 0; i < SPINS; i++)
        ;
}

/* One fork, or none. */
static void breed(struct bomb *b)
{
    pid_t self = getpid();
    if (atomic_fetch_add(&b->alive, 1) >= b->most) {
        atomic_fetch_sub(&b->alive, 1);
        atomic_fetch_add(&b->capped, 1);
        pause_shortly();
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        die_with(self);
        return;
    }
    if (pid > 0) {
        atomic_fetch_add(&b->made, 1);
        return;
    }
    atomic_fetch_sub(&b->alive, 1);
    atomic_fetch_add(&b->refused, 1);
    if (errno != EAGAIN && errno != ENOMEM)
        atomic_store(&b->strange, errno);
    pause_shortly();
}

static _Noreturn void bomb_main(struct bomb *b, pid_t parent)
{
    child_begin(parent);
    while (!atomic_load(&b->stop) && time_mono_ns() < b->end_ns)
        breed(b);
    _exit(0);
}

/* Reaps what has ended of the group. True when nobody of it is our child any more. */
static bool reap_group(struct forks *s)
{
    pid_t pid;
    while ((pid = waitpid(-s->group, NULL, WNOHANG)) > 0)
        s->leader_reaped |= pid == s->group;
    if (pid == 0 || errno != ECHILD)
        return false;
    /* One that died before it led anybody. */
    s->leader_reaped |= waitpid(s->group, NULL, WNOHANG) != 0;
    return s->leader_reaped;
}

/* Is there nobody else in the group, such as one that fell to the guest's first process, where we
 * cannot be the one that orphans fall to? Signal 0 does nothing to whoever it may be. */
static bool group_gone(const struct forks *s)
{
    return kill(-s->group, 0) < 0 && errno == ESRCH;
}

/* Kills and reaps all; true when nobody is left. */
static bool bomb_end(struct forks *s)
{
    uint64_t deadline = time_deadline(REAP_MAX_NS);
    atomic_store(&s->bomb->stop, 1);
    for (;;) {
        if (!s->leader_reaped)
            kill(-s->group, SIGKILL);
        if (reap_group(s) && group_gone(s)) {
            s->group = 0;
            return true;
        }
        if (time_mono_ns() > deadline)
            return false;
        sleep_ns(REAP_STEP_NS);
    }
}

/* False: not even the first one could be had. */
static bool bomb_start(struct forks *s)
{
    struct bomb *b = s->bomb;
    pid_t self = getpid();
    b->end_ns = time_deadline(ROUND_NS);
    atomic_store(&b->stop, 0);
    atomic_store(&b->alive, 1);
    pid_t pid = fork();
    if (pid == 0)
        bomb_main(b, self);
    atomic_fetch_add(pid < 0 ? &b->refused : &b->made, 1);
    if (pid < 0) {
        if (errno != EAGAIN && errno != ENOMEM)
            atomic_store(&b->strange, errno);
        return false;
    }
    setpgid(pid, pid); /* whoever of both is first */
    s->group = pid;
    s->leader_reaped = false;
    return true;
}

static void forks_run(struct worker *w, uint64_t ops)
{
    struct forks *s = w->state;
    for (uint64_t i = 0; i < ops; i++) {
        bool started = bomb_start(s);
        sleep_ns(started ? ROUND_NS : STEP_NS);
        if (started && !bomb_end(s)) {
            worker_fail(w, ETIMEDOUT, "end what was forked");
            return;
        }
        int strange = atomic_load(&s->bomb->strange);
        if (strange) {
            worker_fail(w, strange, "fork");
            return;
        }
        w->tally[0]++;
    }
}

static int forks_prepare(struct job *job, struct err *err)
{
    return limit_prepare(job, "most", 1, FORKS_MAX, FORKS_MOST, err);
}

static int forks_start(struct worker *w, struct err *err)
{
    struct forks *s = w->state = xcalloc(1, sizeof(*s));
    int64_t most = 0;
    int r = job_num(w->job, "most", 1, FORKS_MAX, FORKS_MOST, &most, err);
    if (r < 0)
        return r;
    s->bomb = share(sizeof(*s->bomb), err);
    if (!s->bomb)
        return -ENOMEM;
    s->bomb->most = (uint32_t)most;
    if (prctl(PR_GET_CHILD_SUBREAPER, &s->was_reaper) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        s->was_reaper = -1;
    return 0;
}

static void forks_stop(struct worker *w)
{
    struct forks *s = w->state;
    if (!s)
        return;
    if (s->group)
        bomb_end(s);
    if (s->bomb) {
        if (s->was_reaper == 0)
            prctl(PR_SET_CHILD_SUBREAPER, 0);
        munmap(s->bomb, sizeof(*s->bomb));
    }
    free(s);
    w->state = NULL;
}

static int forks_verify(struct job *job, struct frame_finished *fin, struct err *err)
{
    const struct forks *s = job->workers[0].state;
    facts_add_num(&fin->facts, "made", (int64_t)atomic_load(&s->bomb->made));
    facts_add_num(&fin->facts, "refused", (int64_t)atomic_load(&s->bomb->refused));
    facts_add_num(&fin->facts, "capped", (int64_t)atomic_load(&s->bomb->capped));
    return job_verify_count(job, 1, fin, err);
}

/* ---- oom ---- */

#define OOM_BYTES   (4096 * MIB)
#define OOM_MAX     (INT64_C(1) << 40)
#define OOM_PIECE   (16 * MIB) /* mapped at once */
#define OOM_PAGE    4096
#define OOM_REFUSED 3 /* how a child ends that got no mapping */

enum oom_tally { OOM_KILLED = 1, OOM_REACHED, OOM_NOT_GIVEN, OOM_TOUCHED };

/* Shared with the child. */
struct hunger {
    int64_t bytes;
    _Atomic int64_t touched;
};

struct oom {
    struct hunger *hunger;
    pid_t pid; /* 0: none */
    bool told; /* it had all, and was killed here */
};

static _Noreturn void oom_main(struct hunger *h, pid_t parent)
{
    child_begin(parent);
    for (int64_t had = 0; had < h->bytes;) {
        int64_t n = h->bytes - had < OOM_PIECE ? h->bytes - had : OOM_PIECE;
        char *m = mmap(NULL, (size_t)n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (m == MAP_FAILED)
            _exit(OOM_REFUSED);
        madvise(m, (size_t)n, MADV_HUGEPAGE); /* the faster */
        for (int64_t at = 0; at < n; at += OOM_PAGE) {
            m[at] = 1;
            atomic_store_explicit(&h->touched, had + at + OOM_PAGE, memory_order_relaxed);
        }
        had += n;
        atomic_store(&h->touched, had);
    }
    for (;;)
        pause();
}

static bool oom_start_child(struct worker *w, struct oom *s)
{
    pid_t self = getpid();
    atomic_store(&s->hunger->touched, 0);
    pid_t pid = fork();
    if (pid == 0)
        oom_main(s->hunger, self);
    if (pid > 0) {
        s->pid = pid;
        s->told = false;
        return true;
    }
    if (errno == EAGAIN || errno == ENOMEM)
        w->tally[OOM_NOT_GIVEN]++;
    else
        worker_fail(w, errno, "fork");
    return false;
}

/* How it ended by itself. A sandbox that has no memory left may say so by SIGBUS. */
static void oom_ended(struct worker *w, int status)
{
    if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGBUS)) {
        w->tally[OOM_KILLED]++;
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == OOM_REFUSED) {
        w->tally[OOM_NOT_GIVEN]++;
    } else {
        char text[64];
        str_format(text, sizeof(text), "the child that eats memory ended with status 0x%x",
                   (unsigned)status);
        worker_fail_text(w, ECHILD, text);
    }
}

/* Waits for the child for so long, or until it has all; *ret_status if it ended. */
static bool oom_wait(struct oom *s, uint64_t deadline, int *ret_status)
{
    for (;;) {
        pid_t r = waitpid(s->pid, ret_status, WNOHANG);
        if (r == s->pid) {
            s->pid = 0;
            return true;
        }
        if (time_mono_ns() >= deadline ||
            (!s->told && atomic_load(&s->hunger->touched) >= s->hunger->bytes))
            return false;
        sleep_ns(STEP_NS);
    }
}

/* 20 ms in the life of a child, or less if it is its end. */
static void oom_round(struct worker *w, struct oom *s)
{
    uint64_t deadline = time_deadline(ROUND_NS);
    int status = 0;
    if (s->pid == 0 && !oom_start_child(w, s)) {
        sleep_ns(STEP_NS);
        return;
    }
    bool ended = oom_wait(s, deadline, &status);
    uint64_t touched = (uint64_t)atomic_load(&s->hunger->touched);
    if (touched > w->tally[OOM_TOUCHED])
        w->tally[OOM_TOUCHED] = touched;
    if (ended && !s->told) {
        oom_ended(w, status);
    } else if (!ended && !s->told && touched >= (uint64_t)s->hunger->bytes) {
        kill(s->pid, SIGKILL); /* giving all of it back may outlast this round */
        s->told = true;
        w->tally[OOM_REACHED]++;
    }
}

static void oom_run(struct worker *w, uint64_t ops)
{
    for (uint64_t i = 0; i < ops && !w->fail_code; i++) {
        oom_round(w, w->state);
        w->tally[0] += !w->fail_code;
    }
}

static int oom_prepare(struct job *job, struct err *err)
{
    return limit_prepare(job, "bytes", MIB, OOM_MAX, OOM_BYTES, err);
}

static int oom_start(struct worker *w, struct err *err)
{
    struct oom *s = w->state = xcalloc(1, sizeof(*s));
    int64_t bytes = 0;
    int r = job_num(w->job, "bytes", MIB, OOM_MAX, OOM_BYTES, &bytes, err);
    if (r < 0)
        return r;
    s->hunger = share(sizeof(*s->hunger), err);
    if (!s->hunger)
        return -ENOMEM;
    s->hunger->bytes = bytes;
    return 0;
}

static void oom_stop(struct worker *w)
{
    struct oom *s = w->state;
    if (!s)
        return;
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (s->hunger)
        munmap(s->hunger, sizeof(*s->hunger));
    free(s);
    w->state = NULL;
}

static int oom_verify(struct job *job, struct frame_finished *fin, struct err *err)
{
    facts_add_num(&fin->facts, "killed", (int64_t)job_tally(job, OOM_KILLED));
    facts_add_num(&fin->facts, "reached", (int64_t)job_tally(job, OOM_REACHED));
    facts_add_num(&fin->facts, "refused", (int64_t)job_tally(job, OOM_NOT_GIVEN));
    facts_add_num(&fin->facts, "touched_bytes", (int64_t)job_tally(job, OOM_TOUCHED));
    return job_verify_count(job, 1, fin, err);
}

/* ---- descriptors ---- */

#define DESCRIPTORS      65536
#define DESCRIPTORS_MAX  4194304
#define DESCRIPTOR_BATCH 512

enum descriptor_tally { DESCRIPTORS_OPENED = 1, DESCRIPTORS_REFUSED };

struct descriptors {
    int *fds; /* [most + 1]: a pipe has two */
    size_t most, n;
    bool closing;
    struct rlimit limit; /* as it was */
    bool limit_known;
};

/* One or two more, in turn: kernel memory of several kinds. */
static bool descriptor_open(struct descriptors *s)
{
    int *at = &s->fds[s->n];
    if (s->n % 4 < 2) {
        if (pipe2(at, O_CLOEXEC) < 0)
            return false;
        s->n += 2;
        return true;
    }
    *at = s->n % 4 == 2 ? eventfd(0, EFD_CLOEXEC) : open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    s->n += *at >= 0;
    return *at >= 0;
}

static bool descriptors_more(struct worker *w, struct descriptors *s)
{
    size_t before = s->n;
    if (descriptor_open(s)) {
        w->tally[DESCRIPTORS_OPENED] += s->n - before;
        s->closing = s->n >= s->most;
        return true;
    }
    s->closing = true;
    w->tally[DESCRIPTORS_REFUSED]++;
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
        return true;
    worker_fail(w, errno, "open a descriptor");
    return false;
}

static void descriptors_less(struct descriptors *s)
{
    if (s->n > 0)
        close(s->fds[--s->n]);
    s->closing = s->n > 0;
}

/* Closing goes by batches, too: all at once would outlast the time it is given. */
static void descriptors_run(struct worker *w, uint64_t ops)
{
    struct descriptors *s = w->state;
    for (uint64_t i = 0; i < ops; i++) {
        uint64_t deadline = time_deadline(ROUND_NS);
        for (unsigned k = 0; k < DESCRIPTOR_BATCH && time_mono_ns() < deadline; k++) {
            if (s->closing)
                descriptors_less(s);
            else if (!descriptors_more(w, s))
                return;
        }
        w->tally[0]++;
    }
}

static int descriptors_prepare(struct job *job, struct err *err)
{
    return limit_prepare(job, "most", 1, DESCRIPTORS_MAX, DESCRIPTORS, err);
}

static int descriptors_start(struct worker *w, struct err *err)
{
    struct descriptors *s = w->state = xcalloc(1, sizeof(*s));
    int64_t most = 0;
    int r = job_num(w->job, "most", 1, DESCRIPTORS_MAX, DESCRIPTORS, &most, err);
    if (r < 0)
        return r;
    s->most = (size_t)most;
    s->fds = xcalloc(s->most + 1, sizeof(*s->fds));
    s->limit_known = getrlimit(RLIMIT_NOFILE, &s->limit) == 0;
    if (s->limit_known) {
        const struct rlimit all = {s->limit.rlim_max, s->limit.rlim_max};
        setrlimit(RLIMIT_NOFILE, &all);
    }
    return 0;
}

static void descriptors_stop(struct worker *w)
{
    struct descriptors *s = w->state;
    if (!s)
        return;
    while (s->n > 0)
        descriptors_less(s);
    if (s->limit_known)
        setrlimit(RLIMIT_NOFILE, &s->limit);
    free(s->fds);
    free(s);
    w->state = NULL;
}

static int descriptors_verify(struct job *job, struct frame_finished *fin, struct err *err)
{
    facts_add_num(&fin->facts, "opened", (int64_t)job_tally(job, DESCRIPTORS_OPENED));
    facts_add_num(&fin->facts, "refused", (int64_t)job_tally(job, DESCRIPTORS_REFUSED));
    return job_verify_count(job, 1, fin, err);
}

static const struct workload list[] = {
    {.name = "load.forks",
     .prepare = forks_prepare,
     .start = forks_start,
     .run = forks_run,
     .verify = forks_verify,
     .stop = forks_stop},
    {.name = "load.oom",
     .prepare = oom_prepare,
     .start = oom_start,
     .run = oom_run,
     .verify = oom_verify,
     .stop = oom_stop},
    {.name = "load.descriptors",
     .prepare = descriptors_prepare,
     .start = descriptors_start,
     .run = descriptors_run,
     .verify = descriptors_verify,
     .stop = descriptors_stop},
};

const struct family family_load_limit = {.name = "load", .list = list, .n = ARRAY_SIZE(list)};
