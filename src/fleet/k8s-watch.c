/* From the Jobs to the outcome of every machine. What is in a pod's log counts first; what the API
 * server says of it, only where there is nothing.
 *
 * One list of Jobs and pods serves all machines of an element, each second while something changes
 * and less often while nothing does; logs are followed. A server that does not answer is asked
 * again for some minutes: what runs does not need it. */
#include "fleet/k8s.h"

#include "base/time.h"
#include "fleet/roll.h"
#include "fleet/talk.h"

#include <errno.h>
#include <stdarg.h>

#define ASK_MIN_NS    NS_PER_S
#define ASK_MAX_NS    (10 * NS_PER_S)
#define UNANSWERED_NS (600 * NS_PER_S)
/* So long what may still change is given, within the time to wait. */
#define PATIENCE_NS (60 * NS_PER_S)
#define HOPELESS_NS (5 * NS_PER_S)
/* A node controller gives a node 40 s, and a pod on it five minutes more, or less: then it evicts
 * the pod, which nobody there hears of. */
#define DEAF_NS    (90 * NS_PER_S)
#define EVICTED_NS (10 * NS_PER_S)
#define OVER_NS    (10 * NS_PER_S)
#define READINGS   4
#define FOLLOWED   64
#define EVENTS_NS  (NS_PER_S / 2)

static const struct fleet_options *options_of(const struct freight *f)
{
    return f->v->o;
}

static void tell(struct k8s_seat *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void tell(struct k8s_seat *s, const char *fmt, ...)
{
    const struct fleet_options *o = options_of(s->freight);
    char line[480];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (o->say)
        o->say(o->user, s->m, line);
}

/* ---- asking ---- */

static int list(struct freight *f, const char *const *args, json_t **ret, struct err *err)
{
    _cleanup_(str_release) struct str out = STR_INIT;
    int r = k8s_call(f, args, NULL, &out, err);

    if (r < 0)
        return r;
    *ret = json_loadb(out.buf, out.len, 0, NULL);
    return *ret ? 0 : err_set(err, ERR_ENVIRONMENT, EPROTO, "what kubectl says is no JSON");
}

/* The same kind of waiting goes on, or another begins. */
static void set_hindrance(struct k8s_seat *s, enum fleet_outcome now, const struct k8s_said *why)
{
    if (s->hindrance == now)
        return;
    s->hindrance = now;
    s->since_ns = time_mono_ns();
    if (why->reason[0])
        tell(s, "waits: %s: %s", why->reason, why->message);
}

static void take_pod(struct k8s_seat *s, const struct k8s_pod *pod)
{
    enum k8s_phase before = s->pod.phase;

    if (pod->phase == K8S_NONE && before != K8S_NONE) {
        s->gone = true; /* what was known of it stays */
        return;
    }
    s->gone = false;
    s->pod = *pod;
    if (pod->phase == before)
        return;
    s->freight->ask_every_ns = ASK_MIN_NS;
    if (pod->phase == K8S_RUNNING)
        tell(s, "is pod %s", pod->name);
}

static void take_list(struct freight *f, const json_t *objects)
{
    VEC_FOREACH (&f->seats, struct k8s_seat, s) {
        struct k8s_pod pod;
        if (s->m->ended)
            continue;
        k8s_job_find(objects, s->job, &s->state);
        k8s_pod_find(objects, s->job, &pod);
        take_pod(s, &pod);
        s->known = true;
        bool deaf = s->pod.phase == K8S_RUNNING && !s->pod.ready;
        s->deaf_ns = !deaf ? 0 : s->deaf_ns ? s->deaf_ns : time_mono_ns();
        bool over = s->pod.phase == K8S_DONE || s->gone ||
                    (s->pod.phase == K8S_NONE && (!s->state.there || s->state.failed));
        s->over_ns = !over ? 0 : s->over_ns ? s->over_ns : time_mono_ns();
    }
}

static bool is_stuck(const struct k8s_seat *s)
{
    return !s->m->ended && s->known && s->pod.phase <= K8S_PENDING && !s->over_ns &&
           time_mono_ns() > s->since_ns + EVENTS_NS;
}

/* Only where somebody waits: who may not read events goes without their words. */
static int ask_events(struct freight *f)
{
    static const char *const of_job[] = {"FailedCreate", NULL};
    static const char *const of_pod[] = {"FailedCreatePodSandBox", "FailedMount",
                                         "FailedCreatePodContainer", NULL};
    const char *const args[] = {"get",  "events", "--field-selector", "type=Warning", "--output",
                                "json", NULL};
    json_t *events = NULL;
    bool stuck = false;

    VEC_FOREACH (&f->seats, struct k8s_seat, s)
        stuck |= is_stuck(s);
    int r = stuck ? list(f, args, &events, NULL) : 0;
    VEC_FOREACH (&f->seats, struct k8s_seat, s) {
        if (!is_stuck(s))
            continue;
        s->heard = true;
        if (!events)
            continue;
        (void)k8s_event_find(events, "Job", s->job, of_job, &s->of_job);
        (void)k8s_event_find(events, "Pod", s->pod.name, of_pod, &s->of_pod);
    }
    json_decref(events);
    return r == -EINTR ? r : 0;
}

static int keep_all(struct freight *f, const char *why)
{
    VEC_FOREACH (&f->seats, struct k8s_seat, s)
        if (!s->m->ended)
            machine_ends(s->m, FLEET_KEPT, "%s", why);
    return -EINTR;
}

static int ask(struct freight *f, struct err *err)
{
    _cleanup_free_ char *labels = xasprintf(
        KUBECTL_MANAGED_KEY "=" KUBECTL_MANAGED_VALUE "," KUBECTL_RUN_KEY "=%s", f->label);
    const char *const args[] = {"get", "jobs,pods", "--selector", labels, "--output", "json", NULL};
    struct err why = ERR_INIT;
    json_t *objects = NULL;

    if (time_mono_ns() < f->asked_ns + f->ask_every_ns)
        return 0;
    f->ask_every_ns = f->ask_every_ns * 3 / 2 < ASK_MAX_NS ? f->ask_every_ns * 3 / 2 : ASK_MAX_NS;
    int r = list(f, args, &objects, &why);
    f->asked_ns = time_mono_ns();
    if (r == 0) {
        f->answered_ns = f->asked_ns;
        take_list(f, objects);
        json_decref(objects);
        return ask_events(f);
    }
    if (r == -EINTR)
        return r;
    if (f->asked_ns > f->answered_ns + UNANSWERED_NS) {
        err_set(err, ERR_ENVIRONMENT, EINTR, "%s", why.msg);
        return keep_all(f, why.msg);
    }
    return 0;
}

/* ---- what is in its log ---- */

static int import(struct k8s_seat *s, struct err *err)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    struct talk t = {.v = s->freight->v, .m = s->m};
    int r = runlog_unpack(&s->log, &text, err);

    return r < 0 || text.len == 0 ? r : talk_import(&t, &text, err);
}

static void settle(struct k8s_seat *s)
{
    struct fleet_machine *m = s->m, told = *m;
    struct err err = ERR_INIT;
    char why[sizeof(m->why)];
    bool run = json_integer_value(json_object_get(s->log.head, "bytes")) > 0;

    int r = runlog_outcome(&s->log, &told, &err);
    if (r == 0 && run)
        r = import(s, &err);
    if (r < 0) {
        machine_ends(m, FLEET_FAILED, "%s", err.msg);
        return;
    }
    str_copy(m->hostname, sizeof(m->hostname), told.hostname);
    str_copy(m->boot, sizeof(m->boot), told.boot);
    m->status = told.status;
    str_copy(why, sizeof(why), told.why);
    if (!run && (told.outcome == FLEET_MEASURED || told.outcome == FLEET_PART))
        machine_ends(m, FLEET_FAILED, "its log has no run");
    else if (!run && s->freight->stopping)
        machine_ends(m, FLEET_LOST, "interrupted before anything was measured");
    else if (told.outcome == FLEET_PART && s->freight->stopping)
        machine_ends(m, FLEET_PART, NULL);
    else if (told.outcome == FLEET_PART && s->pod.disruption.reason[0])
        machine_ends(m, FLEET_PART, "%s: %s", s->pod.disruption.reason, s->pod.disruption.message);
    else
        machine_ends(m, told.outcome, "%s", why);
}

static size_t followed(const struct freight *f)
{
    size_t n = 0;

    VEC_FOREACH (&f->seats, const struct k8s_seat, s)
        n += s->tail.running;
    return n;
}

/* From the beginning again. */
static void forget(struct k8s_seat *s)
{
    struct runlog fresh = RUNLOG_INIT;

    str_copy(fresh.key, sizeof(fresh.key), s->log.key);
    runlog_release(&s->log);
    s->log = fresh;
    err_clear(&s->bad);
}

/* The log of a pod that is there is followed; of one that is done it is read to its end, some times
 * over if need be. */
static void follow(struct k8s_seat *s)
{
    bool done = s->pod.phase == K8S_DONE;
    struct err err = ERR_INIT;

    if (s->tail.running || s->gone || s->pod.phase < K8S_RUNNING ||
        followed(s->freight) >= FOLLOWED)
        return;
    k8s_tail_stop(s); /* takes what one that has ended left */
    if (s->log.ended || (done && s->readings == READINGS))
        return;
    if (s->bad.code)
        forget(s);
    s->readings += done;
    if (k8s_tail_start(s, &err) < 0)
        tell(s, "%s", err.msg);
}

/* ---- judging ---- */

/* Its Job goes now, so that it does not begin later. */
static void withdraw(struct k8s_seat *s)
{
    const char *const args[] = {
        "delete", "job", s->job, "--cascade=foreground", "--wait=false", "--ignore-not-found",
        NULL};

    (void)k8s_call(s->freight, args, NULL, NULL, NULL);
}

static void end_without_word(struct k8s_seat *s)
{
    struct k8s_said why;
    enum fleet_outcome outcome = k8s_end_of(&s->pod, &s->state, &why);

    if (s->freight->stopping && (outcome == FLEET_CANCELLED || outcome == FLEET_FAILED))
        machine_ends(s->m, FLEET_LOST, "interrupted before anything was measured");
    else if (s->bad.code)
        machine_ends(s->m, FLEET_FAILED, "%s", s->bad.msg);
    else if (outcome == FLEET_FAILED && s->pod.ended.reason[0])
        machine_ends(s->m, strcasestr(s->last, "No space left") ? FLEET_DISK_FULL : outcome,
                     "%s (exit status %d)%s%s", why.reason, s->pod.exit_code,
                     s->last[0] || why.message[0] ? ": " : "", s->last[0] ? s->last : why.message);
    else
        machine_ends(s->m, outcome, "%s%s%s", why.reason,
                     why.reason[0] && why.message[0] ? ": " : "", why.message);
}

static uint64_t patience_ns(const struct k8s_seat *s, bool hopeless)
{
    uint64_t most = s->freight->spec.wait_ns;
    uint64_t ns = hopeless                                 ? HOPELESS_NS
                  : s->hindrance == FLEET_QUEUED           ? most
                  : strcasestr(s->of_job.message, "quota") ? most
                                                           : PATIENCE_NS;
    return ns < most ? ns : most;
}

/* Of one that does not run yet. */
static bool judge_waiting(struct k8s_seat *s)
{
    struct k8s_said why;
    bool hopeless;
    enum fleet_outcome now = k8s_hindrance(&s->pod, &s->of_job, &s->of_pod, &why, &hopeless);

    set_hindrance(s, now, &why);
    uint64_t at_ns = time_mono_ns();
    if (at_ns < s->since_ns + patience_ns(s, hopeless) &&
        at_ns < s->begun_ns + s->freight->spec.wait_ns)
        return false;
    if (!s->heard && at_ns < s->begun_ns + s->freight->spec.wait_ns + ASK_MAX_NS)
        return false;
    withdraw(s);
    /* Scheduled, and nobody says what it waits for. */
    if (now == FLEET_QUEUED && s->pod.waiting.reason[0])
        now = FLEET_NO_SANDBOX;
    machine_ends(s->m, now, "%s%s%s%s", why.reason[0] ? why.reason : "nobody says why",
                 why.message[0] ? ": " : "", why.message,
                 now == FLEET_NO_SANDBOX && s->freight->spec.class[0]
                     ? " (does the node have a handler for that class?)"
                     : "");
    return true;
}

static bool judge(struct k8s_seat *s)
{
    uint64_t now = time_mono_ns();

    follow(s);
    if (s->log.ended) {
        k8s_tail_stop(s);
        settle(s);
        return true;
    }
    if (s->over_ns) {
        bool read =
            !s->tail.running && (s->gone || s->pod.phase != K8S_DONE || s->readings == READINGS);
        if (!read && now < s->over_ns + 6 * OVER_NS)
            return false;
        if (s->pod.phase != K8S_DONE && now < s->over_ns + OVER_NS / 4)
            return false;
        end_without_word(s);
        return true;
    }
    bool evicted = str_eq(s->pod.disruption.reason, "DeletionByTaintManager");
    if (s->deaf_ns && now > s->deaf_ns + (evicted ? EVICTED_NS : DEAF_NS)) {
        machine_ends(s->m, FLEET_NODE_FAILED, "nobody hears of node %s any more",
                     k8s_node_of(s->m));
        return true;
    }
    return s->known && s->pod.phase <= K8S_PENDING && judge_waiting(s);
}

/* ---- the interrupt ---- */

static void end_pod(struct k8s_seat *s)
{
    const char *const args[] = {"delete", "pod", s->pod.name, "--wait=false", "--ignore-not-found",
                                NULL};
    struct err err = ERR_INIT;

    if (k8s_call(s->freight, args, NULL, NULL, &err) < 0)
        tell(s, "%s", err.msg);
}

/* The first ends what runs in order, and takes back the others. */
static int on_interrupt(struct freight *f, struct err *err)
{
    bool again = f->stopping;

    loop_clear_interrupt(options_of(f)->loop);
    f->stopping = true;
    VEC_FOREACH (&f->seats, struct k8s_seat, s) {
        if (s->m->ended)
            continue;
        if (!again && s->pod.phase == K8S_RUNNING && s->tail.running)
            end_pod(s);
        else if (s->pod.phase < K8S_DONE)
            machine_ends(s->m, FLEET_LOST, "interrupted");
    }
    f->ask_every_ns = ASK_MIN_NS;
    f->asked_ns = 0;
    return 0;
}

/* ---- all of it ---- */

static size_t left_of(const struct freight *f)
{
    size_t n = 0;

    VEC_FOREACH (&f->seats, const struct k8s_seat, s)
        n += !s->m->ended;
    return n;
}

static int look(struct freight *f, struct err *err)
{
    bool news = false;
    int r = left_of(f) > 0 ? ask(f, err) : 0;

    VEC_FOREACH (&f->seats, struct k8s_seat, s)
        if (r == 0 && !s->m->ended)
            news |= judge(s);
    if (r == 0 && news)
        r = roll_write(f->v->fleet, options_of(f)->state_dir, err);
    return r;
}

int k8s_watch(struct freight *f, struct err *err)
{
    struct loop *l = options_of(f)->loop;
    int r = 0;

    f->ask_every_ns = ASK_MIN_NS;
    f->answered_ns = time_mono_ns();
    while (r == 0) {
        f->news = false;
        r = look(f, err);
        if (r == 0 && left_of(f) == 0)
            return 0;
        if (r == 0)
            r = loop_run_until(l, &f->news, time_deadline(ASK_MIN_NS), NULL);
        if (r == -ETIMEDOUT)
            r = 0;
        if (r == -EINTR && loop_interrupted(l))
            r = on_interrupt(f, err);
    }
    return r;
}
