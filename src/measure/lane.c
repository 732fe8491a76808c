#include "driver/confine.h"
#include "measure/network.h"
#include "wire/hist.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>

#define PREPARE_TIMEOUT_NS (60 * NS_PER_S)
#define SLICE_TIMEOUT_NS   (20 * NS_PER_S)
#define FINISH_TIMEOUT_NS  (60 * NS_PER_S)
#define TIMEOUTS_MAX       2 /* in a row, then the cell is given up on this target */
#define CALIBRATE_STEPS    48
#define CALIBRATE_GROWTH   16
#define PINGS              5
/* Of a slice's operations, done untimed before it. gVisor on one CPU is busy with itself for some 2
 * ms after a frame has woken it: without a lead cpu.prime seems 30 % slower there in slices of 5
 * ms, 12 % in 20 ms, 3 % in 100 ms. The same for every target. */
#define LEAD_DIVISOR 2
/* More than this of the wall time of every slice unaccounted for: the probe tells tales. Far above
 * what a machine with four times as much to do as it has CPUs shows (.75). */
#define GAP_MAX      .9
#define GAP_SLICE_NS (5 * NS_PER_MS)
/* Over a shorter time the jitter of a frame's way, up to 2 ms, looks like drift. */
#define DRIFT_SPAN_NS (300 * (double)NS_PER_MS)
/* The guest's clock may run this much ahead of ours before its time is called impossible. */
#define CLOCK_AHEAD    .001
#define CLOCK_AHEAD_NS 2000

void lane_open(struct course *c, struct lane *l, size_t cell, size_t target, struct trial *t)
{
    struct part p = {
        .role = "main", .target = (uint32_t)target, .outcome = OUTCOME_OK, .clock_drift = NAN};

    VEC_PUSH(&t->parts, p);
    *l = (struct lane){.target = target,
                       .cell = cell,
                       .slot = &c->slots[target],
                       .pair = course_pair(c, target, cell),
                       .part = &t->parts.v[t->parts.n - 1],
                       .alive = true,
                       .prepare_timeout_ns = PREPARE_TIMEOUT_NS,
                       .slice_timeout_ns = SLICE_TIMEOUT_NS + 20 * c->head.plan.slice_ns,
                       .finish_timeout_ns = FINISH_TIMEOUT_NS};
}

void lane_close(struct lane *l)
{
    free(l->output);
    l->output = NULL;
}

static bool is_final(const struct err *why)
{
    return why->kind == ERR_UNSUPPORTED || why->kind == ERR_USAGE || why->kind == ERR_BUG;
}

void lane_fail(struct course *c, struct lane *l, const struct err *seen)
{
    struct part *p = l->part;
    struct err its = *seen;
    const struct err *why = &its;

    l->alive = false;
    network_blame(c, l, &its);
    p->outcome = OUTCOME_FAILED;
    p->fail_kind = why->kind;
    p->fail_code = why->code;
    str_copy(p->fail_text, sizeof(p->fail_text), why->msg);
    l->pair->timeouts = why->kind == ERR_TIMEOUT ? l->pair->timeouts + 1 : 0;
    if (is_final(why) || l->pair->timeouts >= TIMEOUTS_MAX) {
        l->pair->given_up = true;
        l->pair->why = *why;
    }
    if (c->progress->failure)
        c->progress->failure(c->progress->user, l->slot->info.target.label,
                             c->head.plan.cells.v[l->cell].name, why);
}

/* Ends the run on an interrupt, fails the lane on anything else. */
static int lane_error(struct course *c, struct lane *l, const struct err *why, struct err *err)
{
    if (loop_interrupted(c->o->loop))
        return err_set(err, ERR_ENVIRONMENT, EINTR, "interrupted");
    lane_fail(c, l, why);
    return 0;
}

static const char *place_dir(const struct session *s, enum place p)
{
    switch (p) {
    case PLACE_ROOTFS:
        return s->caps.dir_rootfs;
    case PLACE_TMPFS:
        return s->caps.dir_tmpfs;
    case PLACE_BIND:
        return s->caps.dir_bind;
    case PLACE_NONE:
        break;
    }
    return NULL;
}

static int fill_params(const struct cell *cell, struct facts *ret, struct err *err)
{
    for (size_t i = 0; i < cell->params.n; i++) {
        const struct param *p = &cell->params.v[i];
        if (network_owns_param(cell, p->name))
            continue;
        bool fits = p->is_text ? facts_add_text(ret, p->name, p->text)
                               : facts_add_num(ret, p->name, p->num);
        if (!fits)
            return err_set(err, ERR_BUG, E2BIG, "%s has too many parameters", cell->name);
    }
    return 0;
}

/* Its parameters are in its description. */
static int fill_spec(const struct cell *cell, struct frame *f, struct err *err)
{
    struct str spec = STR_INIT;
    int r = app_spec(cell, &spec, err);

    if (r == 0)
        f->prepare.spec = str_take(&spec);
    str_release(&spec);
    return r;
}

void prepare_cpus(struct frame *f, const cpu_set_t *cpus)
{
    for (size_t cpu = 0; cpu < CPU_SETSIZE && f->prepare.n_cpus < WIRE_CPUS_MAX; cpu++)
        if (CPU_ISSET(cpu, cpus))
            f->prepare.cpus[f->prepare.n_cpus++] = (uint16_t)cpu;
}

int prepare_fill(const struct cell *cell, const struct session *s, const cpu_set_t *cpus,
                 struct frame *f, struct err *err)
{
    const char *dir = place_dir(s, cell->place);

    frame_init(f, FRAME_PREPARE, s->nonce, 0);
    str_copy(f->prepare.workload, sizeof(f->prepare.workload),
             cell->app ? "app.run" : cell_exec(cell));
    f->prepare.workers = cell->workers;
    prepare_cpus(f, cpus);
    if (cell->app)
        return fill_spec(cell, f, err);
    int r = fill_params(cell, &f->prepare.params, err);
    if (r < 0 || !dir)
        return r;
    if (!dir[0])
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "this target has no %s directory",
                       place_name(cell->place));
    facts_add_text(&f->prepare.params, "dir", dir);
    return 0;
}

void lane_post_prepare(struct course *c, struct lane *l)
{
    struct session *s = l->slot->session;
    struct frame f;
    struct err why = ERR_INIT;
    int r = network_serve(c, l, &why);

    frame_init(&f, FRAME_NONE, "", 0);
    if (r == 0 && (r = session_confine(&c->site, s, &c->cell_cpus[l->cell], &why)) < 0)
        err_wrap(&why, "confine to the cell's CPUs");
    if (r == 0)
        r = prepare_fill(&c->head.plan.cells.v[l->cell], s, &c->cell_cpus[l->cell], &f, &why);
    if (r == 0 && network_address(c, l, &f.prepare.params) < 0)
        r = err_set(&why, ERR_BUG, E2BIG, "too many parameters");
    if (r == 0 && l->half)
        facts_add_text(&f.prepare.params, "phases", l->half);
    if (r == 0) {
        cgroup_reset_peak(&c->site.machine->cgroups, s->caps.cgroup);
        r = session_post(s, &f, &why);
    }
    if (r < 0)
        lane_fail(c, l, &why);
    frame_release(&f);
}

/* Waits for the answer of this lane's session. NULL: the lane failed. */
static int lane_wait(struct course *c, struct lane *l, enum frame_type expect, uint64_t timeout_ns,
                     const char *doing, const struct frame **ret, struct err *err)
{
    struct err why = ERR_INIT;

    *ret = NULL;
    if (session_await(l->slot->session, expect, doing, time_deadline(timeout_ns), ret, &why) == 0)
        return 0;
    return lane_error(c, l, &why, err);
}

json_t *facts_object(const struct facts *f)
{
    json_t *o = json_object();

    for (unsigned i = 0; i < f->n; i++)
        json_object_set_new(o, f->v[i].name,
                            f->v[i].is_text ? json_string(f->v[i].text)
                                            : json_integer(f->v[i].num));
    return o;
}

static char *facts_json(const struct facts *f)
{
    json_t *o = facts_object(f);
    char *text = json_dumps(o, JSON_COMPACT);

    json_decref(o);
    return text;
}

static int lane_ping(struct course *c, struct lane *l, struct err *err)
{
    struct session *s = l->slot->session;

    /* The least of a few: what every slice has to pay, not what a busy moment adds. */
    l->ping_ns = UINT64_MAX;
    for (int i = 0; i < PINGS && l->alive; i++) {
        const struct frame *answer;
        struct err why = ERR_INIT;
        struct frame f;
        int r;

        frame_init(&f, FRAME_PING, s->nonce, 0);
        r = session_post(s, &f, &why);
        if (r < 0)
            return lane_error(c, l, &why, err);
        r = lane_wait(c, l, FRAME_PONG, SLICE_TIMEOUT_NS, "an empty frame", &answer, err);
        if (r < 0)
            return r;
        if (session_control_ns(s) < l->ping_ns)
            l->ping_ns = session_control_ns(s);
    }
    return 0;
}

int lane_wait_prepared(struct course *c, struct lane *l, struct err *err)
{
    const struct frame *answer;
    int r = lane_wait(c, l, FRAME_READY, l->prepare_timeout_ns, "prepare", &answer, err);

    if (r < 0 || !l->alive)
        return r;
    l->part->facts = facts_json(&answer->ready);
    return lane_ping(c, l, err);
}

static int check_sliced(const struct course *c, const struct lane *l, const struct frame_sliced *d,
                        uint64_t control_ns, struct err *err)
{
    uint64_t want = l->ops * c->head.plan.cells.v[l->cell].workers;

    if (l->for_ns ? d->ops == 0 : d->ops != want)
        return err_set(err, ERR_MEASUREMENT, EPROTO, "did %llu of %llu operations",
                       (unsigned long long)d->ops, (unsigned long long)want);
    if (d->ns == 0)
        return err_set(err, ERR_MEASUREMENT, EPROTO, "%llu operations in no time",
                       (unsigned long long)d->ops);
    if ((double)d->ns > (double)control_ns * (1 + CLOCK_AHEAD) + CLOCK_AHEAD_NS)
        return err_set(err, ERR_MEASUREMENT, EPROTO,
                       "says %.3f ms for a slice that took %.3f ms here: its clock is wrong",
                       (double)d->ns / 1e6, (double)control_ns / 1e6);
    return 0;
}

/* Posts one slice of l->ops operations, waits, checks. *ret is NULL when the lane failed; otherwise
 * it is valid until the next post. cpu_ns may be NULL. */
static int lane_run_slice(struct course *c, struct lane *l, bool hist, uint64_t *cpu_ns,
                          const struct frame_sliced **ret, struct err *err)
{
    struct session *s = l->slot->session;
    uint64_t cpu_before = 0, cpu_after = 0;
    bool metered = cpu_ns && s->meter.fd >= 0;
    const struct frame *answer;
    struct err why = ERR_INIT;
    struct frame f;
    int r;

    *ret = NULL;
    frame_init(&f, FRAME_SLICE, s->nonce, 0);
    f.slice.ops = l->ops;
    f.slice.lead = l->lead;
    f.slice.hist = hist;
    f.slice.for_ns = l->for_ns;
    if (metered)
        metered = session_cpu_read(s, &cpu_before) == 0;
    r = session_post(s, &f, &why);
    if (r < 0)
        return lane_error(c, l, &why, err);
    r = lane_wait(c, l, FRAME_SLICED, l->slice_timeout_ns, "a slice", &answer, err);
    if (r < 0 || !l->alive)
        return r;
    if (metered)
        metered = session_cpu_read(s, &cpu_after) == 0 && cpu_after >= cpu_before;
    if (cpu_ns)
        *cpu_ns = metered ? cpu_after - cpu_before : UINT64_MAX;
    if (check_sliced(c, l, &answer->sliced, session_control_ns(s), &why) < 0) {
        lane_fail(c, l, &why);
        return 0;
    }
    *ret = &answer->sliced;
    return 0;
}

static void set_ops(struct lane *l, uint64_t ops)
{
    l->ops = ops;
    l->lead = (ops + LEAD_DIVISOR - 1) / LEAD_DIVISOR;
}

/* The next number of operations to try after `ops` took `ns`. */
static uint64_t next_ops(uint64_t ops, uint64_t ns, uint64_t want_ns)
{
    double grow = ns ? (double)want_ns / (double)ns : CALIBRATE_GROWTH;
    double next;

    if (grow > CALIBRATE_GROWTH)
        grow = CALIBRATE_GROWTH;
    next = floor((double)ops * grow + .5);
    if (next < 1)
        return 1;
    return next > 1e15 ? (uint64_t)1e15 : (uint64_t)next;
}

int lane_calibrate(struct course *c, struct lane *l, uint64_t want_ns, struct err *err)
{
    set_ops(l, l->pair->ops_hint ? l->pair->ops_hint : 1);
    for (int step = 0; step < CALIBRATE_STEPS && l->alive; step++) {
        const struct frame_sliced *d;
        uint64_t ops = l->ops;
        bool close;
        int r = lane_run_slice(c, l, false, NULL, &d, err);

        if (r < 0 || !d)
            return r;
        close = d->ns >= want_ns / 2 && d->ns <= want_ns * 2;
        set_ops(l, next_ops(ops, d->ns, want_ns));
        if (close || (l->ops == 1 && ops == 1 && d->ns > want_ns))
            break;
    }
    l->pair->ops_hint = l->ops;
    return 0;
}

int lane_slice(struct course *c, struct lane *l, uint32_t round, uint32_t position, int previous,
               struct err *err)
{
    struct sample s = {.round = round, .position = position, .previous = previous};
    const struct frame_sliced *d;
    int r;

    network_slice_begins(c, l);
    s.start_ns = course_now(c);
    r = lane_run_slice(c, l, false, &s.cpu_ns, &d, err);
    if (r < 0 || !d)
        return r;
    s.ops = d->ops;
    s.ns = d->ns;
    free(l->output);
    l->output = d->output ? xstrdup(d->output) : NULL;
    s.control_ns = session_control_ns(l->slot->session);
    /* The CPU time is that of lead and slice together. */
    if (s.cpu_ns != UINT64_MAX)
        s.cpu_ns = (uint64_t)((double)s.cpu_ns * (double)l->ops / (double)(l->ops + l->lead));
    l->last_end.guest_ns = d->start_ns + d->ns;
    l->last_end.host_ns = l->slot->session->answered_ns;
    if (l->part->samples.n == 0)
        l->first_end = l->last_end;
    VEC_PUSH(&l->part->samples, s);
    network_slice_ended(c, l);
    return 0;
}

/* A histogram is as hostile as all the rest: it has to hold each operation once. */
static int check_hist(const struct frame_sliced *d, struct err *err)
{
    _cleanup_free_ struct hist *h = xmalloc(sizeof(*h));
    int r = d->hist ? hist_decode(d->hist, h, err) : 0;

    if (!d->hist)
        return err_set(err, ERR_MEASUREMENT, EPROTO, "no histogram came with the slice");
    if (r == 0 && h->total != d->ops)
        return err_set(err, ERR_MEASUREMENT, EPROTO, "a histogram of %llu of %llu operations",
                       (unsigned long long)h->total, (unsigned long long)d->ops);
    return r;
}

int lane_latency(struct course *c, struct lane *l, struct err *err)
{
    const struct frame_sliced *d;
    struct err why = ERR_INIT;
    uint64_t ops = l->ops;
    int r;

    if (c->net)
        set_ops(l, ops * LATENCY_SLICES);
    else
        set_ops(l, ops > 1 ? ops / 2 : 1);
    r = lane_run_slice(c, l, true, NULL, &d, err);
    set_ops(l, ops);
    if (r < 0 || !d)
        return r;
    if (check_hist(d, &why) < 0)
        lane_fail(c, l, &why);
    else
        l->part->hist = xstrdup(d->hist);
    return 0;
}

void lane_post_finish(struct course *c, struct lane *l)
{
    struct err why = ERR_INIT;
    struct frame f;

    frame_init(&f, FRAME_FINISH, l->slot->session->nonce, 0);
    if (session_post(l->slot->session, &f, &why) < 0)
        lane_fail(c, l, &why);
}

/* How much faster (slower: negative) the guest's clock ran than ours between the ends of the first
 * and the last slice; NAN where these are too close together. What a frame needs to get here falls
 * out of the difference, but for its jitter. */
static double lane_drift(const struct lane *l)
{
    double host = (double)(l->last_end.host_ns - l->first_end.host_ns);
    double guest = (double)(l->last_end.guest_ns - l->first_end.guest_ns);

    return host >= DRIFT_SPAN_NS ? guest / host - 1 : NAN;
}

/* The least share of a slice's wall time that neither slice, lead nor an empty frame account for.
 * The least: a busy machine is late in some slices, a probe that tells tales in all. One slice so
 * short that nothing of note can be missing in it clears all of them. */
static double lane_gap(const struct lane *l)
{
    double lead = 1 + (double)l->lead / (double)(l->ops ? l->ops : 1);
    double least = l->part->samples.n ? 1 : 0;

    VEC_FOREACH (&l->part->samples, struct sample, s) {
        if (s->control_ns < GAP_SLICE_NS)
            return 0;
        least =
            fmin(least, 1 - ((double)s->ns * lead + (double)l->ping_ns) / (double)s->control_ns);
    }
    return least;
}

static void lane_sum_up(struct course *c, struct lane *l)
{
    struct part *p = l->part;

    p->clock_drift = lane_drift(l);
    if (cgroup_peak_memory(&c->site.machine->cgroups, l->slot->session->caps.cgroup,
                           &p->peak_memory_bytes) < 0)
        p->peak_memory_bytes = 0;
}

void part_add_facts(struct part *p, json_t *seen)
{
    json_t *all = p->facts ? json_loads(p->facts, 0, NULL) : json_object();

    json_object_update(all, seen);
    free(p->facts);
    p->facts = json_dumps(all, JSON_COMPACT);
    json_decref(all);
}

/* What the probe says on finishing goes beside what it said when ready. */
static void merge_facts(struct part *p, uint64_t lead, const struct facts *more)
{
    json_t *all = p->facts ? json_loads(p->facts, 0, NULL) : json_object();

    json_object_set_new(all, "lead_ops", json_integer((json_int_t)lead));
    for (unsigned i = 0; i < more->n && all; i++)
        json_object_set_new(all, more->v[i].name,
                            more->v[i].is_text ? json_string(more->v[i].text)
                                               : json_integer(more->v[i].num));
    free(p->facts);
    p->facts = all ? json_dumps(all, JSON_COMPACT) : NULL;
    json_decref(all);
}

static int check_finished(const struct lane *l, const struct frame_finished *f, struct err *err)
{
    double gap = lane_gap(l);

    if (!f->verified)
        return err_set(err, ERR_MEASUREMENT, EPROTO, "the work was not done: %s", f->detail);
    if (gap > GAP_MAX)
        return err_set(err, ERR_MEASUREMENT, EPROTO,
                       "%.0f %% of the time is missing from what its slices say they took",
                       100 * gap);
    return 0;
}

int lane_wait_finished(struct course *c, struct lane *l, struct err *err)
{
    const struct frame *answer;
    struct err why = ERR_INIT;
    int r = lane_wait(c, l, FRAME_FINISHED, l->finish_timeout_ns, "finish", &answer, err);

    if (r < 0 || !l->alive)
        return r;
    l->part->verified = answer->finished.verified;
    str_copy(l->part->detail, sizeof(l->part->detail), answer->finished.detail);
    merge_facts(l->part, l->lead, &answer->finished.facts);
    lane_sum_up(c, l);
    if (check_finished(l, &answer->finished, &why) < 0 || network_finish(c, l, &why) < 0) {
        lane_fail(c, l, &why);
        return 0;
    }
    l->pair->timeouts = 0;
    return 0;
}
