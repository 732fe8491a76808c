#include "base/log.h"
#include "measure/course.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>

#define PINGS           7
#define PING_TIMEOUT_NS (5 * NS_PER_S)

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* The round trip of an empty frame: what lies between the probe's clock and ours on every slice. */
static int measure_ping(struct session *s, uint64_t *ret, struct err *err)
{
    uint64_t t[PINGS];

    for (size_t i = 0; i < PINGS; i++) {
        struct frame f;
        const struct frame *answer;
        int r;

        frame_init(&f, FRAME_PING, s->nonce, 0);
        r = session_call(s, &f, FRAME_PONG, time_deadline(PING_TIMEOUT_NS), &answer, err);
        if (r < 0)
            return err_wrap(err, "empty frame");
        t[i] = session_control_ns(s);
    }
    qsort(t, PINGS, sizeof(t[0]), compare_u64);
    *ret = t[PINGS / 2];
    return 0;
}

static char *hello_json(const struct frame_hello *h)
{
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "program",
                          h->program, "sysname", h->sysname, "release", h->release, "version",
                          h->kernel_version, "machine", h->machine, "boot_id", h->boot_id, "pid",
                          (json_int_t)h->pid, "cpus_online", (json_int_t)h->cpus_online,
                          "cpus_allowed", (json_int_t)h->cpus_allowed, "page_bytes",
                          (json_int_t)h->page_bytes, "clock_res_ns", (json_int_t)h->clock_res_ns);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

    json_decref(o);
    return text;
}

static void record_failure(struct session_record *rec, const struct err *why)
{
    rec->outcome = OUTCOME_FAILED;
    rec->fail_kind = why->kind;
    rec->fail_code = why->code;
    str_copy(rec->fail_text, sizeof(rec->fail_text), why->msg);
}

static int record_session(struct course *c, size_t target, unsigned block, struct err *err)
{
    struct slot *slot = &c->slots[target];
    struct session_record rec = {.block = block, .target = (uint32_t)target, .idle_cpu = NAN};
    int r;

    if (slot->session) {
        rec.outcome = OUTCOME_OK;
        rec.launch_ns = session_launch_ns(slot->session);
        rec.proof = xstrdup(slot->session->proof);
        rec.hello = hello_json(&slot->session->hello);
    } else {
        record_failure(&rec, &slot->start_failure);
    }
    r = store_session(c->o->store, c->head.id, &rec, err);
    session_record_release(&rec);
    return r;
}

/* The round trip of a session that has just been started, which ends if there is none. */
static int greet_session(struct course *c, struct slot *slot, struct err *err)
{
    int r;

    slot->started_ns = time_mono_ns();
    r = measure_ping(slot->session, &slot->ping_ns, err);
    if (r < 0) {
        session_stop(slot->session, ENDING_BYE, NULL, NULL);
        slot->session = NULL;
    }
    return r;
}

/* Starts the session and measures its round trip; on failure nothing runs and err says why. */
static int start_session(struct course *c, struct slot *slot, const struct launch *what,
                         struct err *err)
{
    int r = slot->driver->start(&c->site, slot->engine, what, &slot->session, err);

    if (r < 0) {
        slot->session = NULL;
        return r;
    }
    return greet_session(c, slot, err);
}

/* What came of a start, in r and slot->start_failure. */
static int started(struct course *c, size_t target, unsigned block, int r, struct err *err)
{
    struct slot *slot = &c->slots[target];

    if (r == -EINTR && loop_interrupted(c->o->loop))
        return err_set(err, ERR_ENVIRONMENT, EINTR, "interrupted");
    if (r < 0 && c->progress->failure)
        c->progress->failure(c->progress->user, slot->info.target.label, NULL,
                             &slot->start_failure);
    return record_session(c, target, block, err);
}

int target_start(struct course *c, size_t target, unsigned block, const struct launch *what,
                 struct err *err)
{
    struct slot *slot = &c->slots[target];

    err_clear(&slot->start_failure);
    return started(c, target, block, start_session(c, slot, what, &slot->start_failure), err);
}

int target_not_started(struct course *c, size_t target, unsigned block, const struct err *why,
                       struct err *err)
{
    c->slots[target].start_failure = *why;
    return started(c, target, block, why->code ? -why->code : -EIO, err);
}

int target_renew(struct course *c, size_t target, unsigned block, struct err *err)
{
    struct slot *slot = &c->slots[target];
    int r;

    err_clear(&slot->start_failure);
    r = slot->driver->renew(&c->site, slot->engine, &slot->session, &slot->start_failure);
    if (r == 0)
        r = greet_session(c, slot, &slot->start_failure);
    return started(c, target, block, r, err);
}

void target_stop(struct course *c, size_t target, unsigned block)
{
    struct slot *slot = &c->slots[target];
    struct err e = ERR_INIT;

    if (!slot->session)
        return;
    if (session_stop(slot->session, ENDING_BYE, NULL, &e) < 0)
        warn_add(c, WARN_LEFTOVERS, (int)block, (int)target, -1, NAN, "%s", e.msg);
    slot->session = NULL;
}

/* Marks a target that cannot take part; target_state says so. All its cells carry this one reason.
 */
static void slot_exclude(struct slot *slot, const struct err *why)
{
    slot->info.usable = false;
    slot->info.why = why->kind;
    str_copy(slot->info.reason, sizeof(slot->info.reason), why->msg);
}

static void slot_close_engine(struct course *c, struct slot *slot)
{
    if (slot->engine)
        slot->driver->close(&c->site, slot->engine);
    slot->engine = NULL;
}

/* Of a target of which one start in some fails, a failed one says nothing of the next: it is told,
 * and the blocks count how many fail. One that hung would hang again. */
static bool is_spared(const struct course *c, const struct slot *slot, const struct err *why)
{
    if (!slot->engine || !slot->info.start_may_fail || why->kind != ERR_ENVIRONMENT)
        return false;
    if (c->progress->failure)
        c->progress->failure(c->progress->user, slot->info.target.label, NULL, why);
    return true;
}

/* One real start of one target: what hangs or fails here is not tried again in each block. */
static int preflight_one(struct course *c, struct slot *slot, struct err *err)
{
    const struct launch probe = {.program = PROGRAM_PROBE};
    struct err why = ERR_INIT;
    int r;

    slot->driver = driver_find(slot->info.target.driver);
    if (!slot->driver)
        return err_set(err, ERR_BUG, EINVAL, "no driver \"%s\"", slot->info.target.driver);
    slot->driver->inspect(&c->site, &slot->info.target, &slot->info);
    if (!slot->info.usable)
        return 0;
    r = slot->driver->open(&c->site, &slot->info, &slot->engine, &why);
    uint64_t begin_ns = time_mono_ns();
    if (r == 0)
        r = start_session(c, slot, &probe, &why);
    if (r == 0) {
        slot->cycle_ns = slot->session->caps.warm_up_ns;
        slot->info.emulated = slot->info.emulated || slot->session->caps.emulated;
        slot->own_kernel = !str_eq(slot->session->hello.release, c->o->machine->kernel);
        r = session_stop(slot->session, ENDING_BYE, NULL, &why);
        slot->session = NULL;
        slot->cycle_ns += time_mono_ns() - begin_ns;
    }
    if (loop_interrupted(c->o->loop))
        return err_set(err, ERR_ENVIRONMENT, EINTR, "interrupted");
    if (r < 0 && !is_spared(c, slot, &why)) {
        slot_exclude(slot, &why);
        slot_close_engine(c, slot);
    }
    return 0;
}

int target_preflight(struct course *c, size_t slot, struct err *err)
{
    struct slot *s = &c->slots[slot];

    if (c->progress->starting)
        c->progress->starting(c->progress->user, &c->state, s->info.target.label);
    int r = preflight_one(c, s, err);
    if (r == 0 && c->progress->target_state)
        c->progress->target_state(c->progress->user, &s->info);
    return r;
}

int targets_preflight(struct course *c, struct err *err)
{
    int r = 0;

    for (size_t t = 0; r == 0 && t < c->n_targets; t++)
        r = target_preflight(c, t, err);
    return r;
}

void targets_close(struct course *c)
{
    for (size_t t = 0; t < c->n_slots; t++)
        slot_close_engine(c, &c->slots[t]);
}

char *target_info_json(const struct target_info *i)
{
    json_t *o = json_pack("{s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b}",
                          "label", i->target.label, "target", i->target.text, "driver",
                          i->target.driver, "usable", i->usable, "reason", i->reason, "why",
                          i->usable ? "" : err_kind_name(i->why), "version", i->version, "path",
                          i->path, "sha256", i->sha256, "platform", i->platform, "kind", i->kind,
                          "work_around", i->work_around, "emulated", i->emulated);
    if (o && i->machine[0])
        json_object_set_new(o, "machine", json_string(i->machine));
    if (o && i->runtime_class.handler[0])
        json_object_set_new(o, "runtime_class",
                            json_pack("{s:s, s:{s:s, s:s}}", "handler", i->runtime_class.handler,
                                      "pod_fixed", "cpu", i->runtime_class.fixed_cpu, "memory",
                                      i->runtime_class.fixed_memory));
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

    json_decref(o);
    return text ? text : xstrdup("{}");
}
