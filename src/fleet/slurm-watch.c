/* From sbatch to the outcome of every task. What a task left in the folder counts first; what Slurm
 * says of it, only where there is nothing.
 *
 * There is nothing to wait on: neither a shared file system nor slurmctld tells of a change. So
 * both are looked at, the folder each second, Slurm less and less often while nothing changes. */
#include "fleet/slurm.h"

#include "base/fd.h"
#include "base/time.h"
#include "fleet/courier.h"
#include "fleet/roll.h"
#include "fleet/talk.h"
#include "store/exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define LOOK_NS    NS_PER_S
#define ASK_MIN_NS (2 * NS_PER_S)
#define ASK_MAX_NS (15 * NS_PER_S)
/* What a task wrote last may be seen after Slurm tells of its end: on NFS as late as the attributes
 * that are kept of a folder are renewed (acdirmax, 60 s). */
#define GRACE_NS     (3 * NS_PER_S)
#define GRACE_NFS_NS (65 * NS_PER_S)
#define NFS_MAGIC    0x6969
/* Slurm does not answer: it may be restarted. */
#define UNANSWERED_NS (600 * NS_PER_S)
#define HOPELESS_NS   (10 * NS_PER_S)
#define SAID_MAX      (4u << 20)

static const struct fleet_options *options_of(const struct shipment *s)
{
    return s->v->o;
}

static void say(struct shipment *s, const struct seat *seat, const char *line)
{
    if (options_of(s)->say)
        options_of(s)->say(options_of(s)->user, seat->m, line);
}

static void tell(struct shipment *s, const struct seat *seat, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void tell(struct shipment *s, const struct seat *seat, const char *fmt, ...)
{
    char line[300];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    say(s, seat, line);
}

/* ---- its log ---- */

/* Whole lines; the rest is read again later. A line that does not fit is cut. */
static void say_lines(struct shipment *s, struct seat *seat, char *chunk, size_t n, bool full)
{
    char *from = chunk;

    for (char *end; (end = memchr(from, '\n', n - (size_t)(from - chunk))); from = end + 1) {
        *end = '\0';
        str_printable(from);
        if (!from[0])
            continue;
        str_copy(seat->last, sizeof(seat->last), from);
        seat->said += strlen(from) + 1;
        if (seat->said < SAID_MAX)
            say(s, seat, seat->last);
    }
    seat->read += from == chunk && full ? (off_t)n : from - chunk;
}

static void read_log(struct shipment *s, struct seat *seat)
{
    _cleanup_free_ char *path = xasprintf("%s/%u.log", s->place, seat->number);
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char chunk[4096];

    for (int i = 0; fd >= 0 && i < 256; i++) {
        off_t before = seat->read;
        ssize_t n = pread(fd, chunk, sizeof(chunk), before);
        if (n <= 0)
            break;
        say_lines(s, seat, chunk, (size_t)n, (size_t)n == sizeof(chunk));
        if (seat->read == before)
            break;
    }
}

/* ---- what it left ---- */

static int take_run(struct shipment *s, struct seat *seat, const struct courier_result *res,
                    struct err *err)
{
    _cleanup_free_ char *path = xasprintf("%s/%u.run", s->place, seat->number);
    _cleanup_(str_release) struct str text = STR_INIT;
    struct talk t = {.v = s->v, .m = seat->m};
    char hex[FS_SHA256_HEX];
    int r = file_read(path, EXCHANGE_MAX_BYTES, &text, err);

    if (r < 0)
        return r;
    fs_sha256_bytes(text.buf, text.len, hex);
    if (text.len != res->bytes || !str_eq(hex, res->sha256))
        return err_set(err, ERR_MEASUREMENT, EPROTO, "%s is not what was to come", path);
    return talk_import(&t, &text, err);
}

static void settle(struct shipment *s, struct seat *seat, const struct courier_result *res)
{
    struct err err = ERR_INIT;
    struct fleet_machine *m = seat->m;
    enum fleet_outcome outcome = m->outcome;
    char why[sizeof(m->why)];

    str_copy(why, sizeof(why), m->why);
    if (outcome == FLEET_PART && !s->stopping && !why[0])
        str_copy(why, sizeof(why), "it was told to end, by its time limit or by scancel");
    /* One that had just begun dies of the signal. */
    if (!res->run && s->stopping)
        machine_ends(m, FLEET_LOST, "interrupted before anything was measured");
    else if (res->run && take_run(s, seat, res, &err) < 0)
        machine_ends(m, FLEET_FAILED, "%s", err.msg);
    else
        machine_ends(m, outcome, "%s", why);
}

/* Tasks that were to be alone on their node met on one: Slurm had it free again. */
static bool goes_elsewhere(struct shipment *s, struct seat *seat)
{
    _cleanup_free_ char *path = xasprintf("%s/%u.again", s->place, seat->number);
    struct err err = ERR_INIT;

    if (unlink(path) < 0)
        return false;
    seat->ordered_away = true;
    if (slurm_ship(s, seat, &err) < 0)
        machine_ends(seat->m, FLEET_NOT_TAKEN, "no further node for it: %s", err.msg);
    else
        tell(s, seat, "came to a node that is one of the machines already; waits for another");
    return true;
}

static bool look_at(struct shipment *s, struct seat *seat)
{
    struct courier_result res;
    struct err err = ERR_INIT;
    int r;

    read_log(s, seat);
    r = courier_read(s->place, seat->number, seat->m, &res, &err);
    if (r == 0)
        return goes_elsewhere(s, seat);
    if (r < 0)
        machine_ends(seat->m, FLEET_FAILED, "%s", err.msg);
    else
        settle(s, seat, &res);
    return true;
}

/* ---- what Slurm says ---- */

static void take_state(struct shipment *s, struct seat *seat, const struct slurm_job *job)
{
    bool waits = str_eq(job->state, "PENDING"), runs = str_eq(job->state, "RUNNING");
    bool same = seat->known && seat->job.array == job->array &&
                str_eq(seat->job.state, job->state) && str_eq(seat->job.reason, job->reason);

    if (seat->known && job->array < seat->job.array)
        return; /* the one before */
    if (same)
        return;
    if (!seat->known || !str_eq(seat->job.state, job->state) || job->array != seat->job.array)
        seat->since_ns = time_mono_ns();
    if (job->array != seat->job.array)
        seat->ordered_away = false;
    seat->job = *job;
    seat->known = true;
    seat->over = slurm_is_over(job->state);
    s->ask_every_ns = ASK_MIN_NS;
    if (waits)
        tell(s, seat, "waits as job %llu_%u: %s", (unsigned long long)job->array, job->task,
             str_eq(job->reason, "None") ? "not looked at yet" : job->reason);
    else if (runs)
        tell(s, seat, "is job %llu_%u on %s", (unsigned long long)job->array, job->task, job->node);
}

/* Slurm forgets ended jobs after some minutes. */
static void take_absence(struct seat *seat)
{
    if (seat->over)
        return;
    seat->over = true;
    seat->since_ns = time_mono_ns();
}

static int take_states(struct shipment *s, const struct slurm_jobs *jobs)
{
    VEC_FOREACH (&s->seats, struct seat, seat) {
        bool there = false;
        for (size_t i = 0; i < jobs->n; i++) {
            if (jobs->v[i].task != seat->number)
                continue;
            there = true;
            take_state(s, seat, &jobs->v[i]);
        }
        if (!there)
            take_absence(seat);
    }
    return 0;
}

static int keep_all(struct shipment *s, const char *why)
{
    VEC_FOREACH (&s->seats, struct seat, seat)
        if (!seat->m->ended)
            machine_ends(seat->m, FLEET_KEPT, "%s", why);
    return -EINTR;
}

static int ask(struct shipment *s, struct err *err)
{
    _cleanup_(slurm_jobs_release) struct slurm_jobs jobs = VEC_INIT;
    struct err why = ERR_INIT;

    if (time_mono_ns() < s->asked_ns + s->ask_every_ns)
        return 0;
    s->ask_every_ns = s->ask_every_ns * 3 / 2 < ASK_MAX_NS ? s->ask_every_ns * 3 / 2 : ASK_MAX_NS;
    int r = slurm_list(options_of(s)->loop, &s->slurm, s->name, &jobs, &why);
    s->asked_ns = time_mono_ns();
    if (r == 0) {
        s->answered_ns = s->asked_ns;
        return take_states(s, &jobs);
    }
    if (r == -EINTR)
        return r;
    if (s->asked_ns > s->answered_ns + UNANSWERED_NS) {
        err_set(err, ERR_ENVIRONMENT, EINTR, "%s", why.msg);
        return keep_all(s, why.msg);
    }
    return 0;
}

static enum fleet_outcome outcome_of(const char *state)
{
    static const struct {
        const char *state;
        enum fleet_outcome outcome;
    } outcomes[] = {{"CANCELLED", FLEET_CANCELLED},  {"PREEMPTED", FLEET_CANCELLED},
                    {"REVOKED", FLEET_CANCELLED},    {"TIMEOUT", FLEET_TIME_LIMIT},
                    {"DEADLINE", FLEET_TIME_LIMIT},  {"NODE_FAIL", FLEET_NODE_FAILED},
                    {"BOOT_FAIL", FLEET_NODE_FAILED}};

    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
        if (str_starts(state, outcomes[i].state))
            return outcomes[i].outcome;
    return FLEET_FAILED;
}

static uint64_t grace_ns(const struct shipment *s)
{
    struct statfs fs;

    return statfs(s->place, &fs) == 0 && fs.f_type == NFS_MAGIC ? GRACE_NFS_NS : GRACE_NS;
}

/* Over, and it left nothing. */
static void end_without_word(struct shipment *s, struct seat *seat)
{
    const char *node = seat->job.node;
    enum fleet_outcome outcome = outcome_of(seat->job.state);

    if (s->stopping && outcome == FLEET_CANCELLED)
        machine_ends(seat->m, FLEET_LOST, "interrupted before anything was measured");
    else if (outcome != FLEET_FAILED)
        machine_ends(seat->m, outcome, "%s%s%s", node, node[0] && seat->last[0] ? ": " : "",
                     seat->last);
    else if (seat->last[0])
        machine_ends(seat->m, strcasestr(seat->last, "No space left") ? FLEET_DISK_FULL : outcome,
                     "%s", seat->last);
    else
        machine_ends(seat->m, outcome,
                     "%s%sits job ended without a word (%s): is %s on a file system that the nodes "
                     "share? dir= names another",
                     node, node[0] ? ": " : "", seat->job.state[0] ? seat->job.state : "unknown",
                     s->place);
}

static void one_job(struct shipment *s, struct seat *seat, const char *signal)
{
    struct err err = ERR_INIT;

    if (slurm_cancel(options_of(s)->loop, &s->slurm, signal, &seat->job, 1, &err) < 0)
        tell(s, seat, "%s", err.msg);
}

/* Waiting changes nothing about these; somebody else could. */
static bool is_hopeless(const char *reason)
{
    static const char *const hopeless[] = {"PartitionTimeLimit",
                                           "PartitionNodeLimit",
                                           "BadConstraints",
                                           "InvalidAccount",
                                           "InvalidQOS",
                                           "JobHeldAdmin",
                                           "JobHeldUser",
                                           "AssocMaxWallDurationPerJobLimit",
                                           "QOSMaxWallDurationPerJobLimit"};

    for (size_t i = 0; i < ARRAY_SIZE(hopeless); i++)
        if (str_eq(reason, hopeless[i]))
            return true;
    return false;
}

static bool judge(struct shipment *s, struct seat *seat)
{
    uint64_t patience_ns = is_hopeless(seat->job.reason) && s->spec.wait_ns > HOPELESS_NS
                               ? HOPELESS_NS
                               : s->spec.wait_ns;
    uint64_t for_ns = time_mono_ns() - seat->since_ns;
    bool waits = seat->known && str_eq(seat->job.state, "PENDING");

    if (seat->over && !seat->ordered_away && for_ns > grace_ns(s)) {
        end_without_word(s, seat);
        return true;
    }
    if (!waits || for_ns < patience_ns)
        return false;
    one_job(s, seat, NULL);
    machine_ends(seat->m, FLEET_QUEUED, "it waited for %llu s: %s",
                 (unsigned long long)(for_ns / NS_PER_S), seat->job.reason);
    return true;
}

/* ---- the interrupt ---- */

/* The first ends what runs in order, and takes the others out of the queue. */
static int on_interrupt(struct shipment *s, struct err *err)
{
    bool again = s->stopping;

    loop_clear_interrupt(options_of(s)->loop);
    s->stopping = true;
    s->asked_ns = 0;
    if (!again)
        (void)ask(s, NULL);
    VEC_FOREACH (&s->seats, struct seat, seat)
        if (!seat->m->ended && seat->known && !seat->over)
            one_job(s, seat, again || !str_eq(seat->job.state, "RUNNING") ? NULL : "TERM");
    s->ask_every_ns = ASK_MIN_NS;
    if (!again)
        return 0;
    err_set(err, ERR_ENVIRONMENT, EINTR, "interrupted");
    return keep_all(s, "interrupted; its job is cancelled, and leaves what it has");
}

/* ---- all of it ---- */

static size_t left_of(const struct shipment *s)
{
    size_t n = 0;

    VEC_FOREACH (&s->seats, const struct seat, seat)
        n += !seat->m->ended;
    return n;
}

static int look(struct shipment *s, struct err *err)
{
    bool news = false;

    VEC_FOREACH (&s->seats, struct seat, seat)
        if (!seat->m->ended)
            news |= look_at(s, seat);
    int r = left_of(s) > 0 ? ask(s, err) : 0;
    VEC_FOREACH (&s->seats, struct seat, seat)
        if (r == 0 && !seat->m->ended)
            news |= judge(s, seat);
    if (r == 0 && news)
        r = roll_write(s->v->fleet, options_of(s)->state_dir, err);
    return r;
}

int slurm_watch(struct shipment *s, struct err *err)
{
    int r = 0;

    s->ask_every_ns = ASK_MIN_NS;
    s->answered_ns = time_mono_ns();
    while (r == 0) {
        r = look(s, err);
        if (r == 0 && left_of(s) == 0)
            return 0;
        if (r == 0)
            r = loop_run_until(options_of(s)->loop, NULL, time_deadline(LOOK_NS), NULL);
        if (r == -ETIMEDOUT)
            r = 0;
        if (r == -EINTR && loop_interrupted(options_of(s)->loop))
            r = on_interrupt(s, err);
    }
    return r;
}
