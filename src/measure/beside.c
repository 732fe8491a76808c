#include "measure/beside.h"

#include "host/guard.h"
#include "host/pss.h"
#include "measure/aggressor.h"
#include "measure/company.h"
#include "measure/held.h"
#include "measure/victim.h"
#include "wire/hist.h"

#include <errno.h>
#include <math.h>

/* An aggressor is at work for so much longer than a phase; in it, it gets going. */
#define RAMP_NS (100 * NS_PER_MS)
/* It may end so much later than it was told to, and is killed then. */
#define LATE_NS (20 * NS_PER_S)
/* The guard's deadline, for each round: far beyond what one takes. */
#define ROUND_NS (120 * NS_PER_S)
/* Every so many samples of a victim that has a tail are histograms. */
#define TAIL_EVERY 3
/* Samples in a row that are as fast as before: it is over. */
#define RECOVERED 3
#define LEAST     3 /* samples of a phase */
/* An aggressor works for so many of the victim's samples at least, as long as they were without it:
 * beside it they take longer, and the first and the last lie across its edges. */
#define LEAST_BESIDE 8
/* What the machine has to have left beyond both limits. */
#define MEMORY_SPARE_BYTES (UINT64_C(512) << 20)

enum load_flags { WRITES = 1, MAY_DIE = 2, HARMLESS = 4 };

static const struct {
    const char *name;
    unsigned flags;
} loads[] = {
    {"load.idle", HARMLESS}, {"load.pagecache", WRITES}, {"load.fsync", WRITES},
    {"load.files", WRITES},  {"load.inodes", WRITES},    {"load.oom", MAY_DIE},
    {"load.forks", MAY_DIE},
};

struct point {
    struct victim_sample s;
    bool loaded;
    bool edge; /* the load began or ended meanwhile, or it had not recovered yet: in no mean */
    bool tail; /* its operations were timed one by one: compares with its like alone */
};

/* CPU time over phases, in ns. */
struct burnt {
    double wall, load, outside;
};

struct beside {
    struct course *c;
    struct lane *l;
    struct company company;
    struct victim victim;
    const char *load;
    unsigned flags;
    struct guard *guard;
    struct held held;
    uint64_t phase_ns;
    uint64_t load_ns; /* that the aggressor is told to work, its ramp not counted */
    unsigned round, rounds;
    VEC(struct point) points;
    struct hist *hist[2]; /* without, with */
    size_t hists[2];      /* so many are in it */
    struct burnt burnt[2];
    double recovery_ns; /* sum over rounds; NAN: not in every one of them */
    uint64_t over_ns;   /* the load's end; of one that died, the last time it was seen alive */
    bool died;
    struct err death;
    json_t *account; /* what it ran into, in its own words; or NULL */
};

/* ---- may it run at all ---- */

static int check_host(const struct beside *x, struct err *err)
{
    bool host = str_eq(aggressor_slot(x->c, x->l)->driver->name, "host");
    if (!host || x->c->o->understood || (x->flags & HARMLESS))
        return 0;
    return err_set(err, ERR_UNSUPPORTED, EPERM,
                   "an aggressor on the host itself, with no sandbox but its limits: only with "
                   "--i-understand");
}

static int check_memory(const struct beside *x, struct err *err)
{
    struct kernel_memory now;
    uint64_t needed = 2 * x->c->head.plan.limits.memory_bytes + MEMORY_SPARE_BYTES;
    if (kernel_memory_read("/proc", &now, NULL) < 0 || now.available == KERNEL_MEMORY_UNKNOWN ||
        now.available >= needed)
        return 0;
    return err_set(err, ERR_UNSUPPORTED, ENOMEM,
                   "two sessions at their memory limits and some to spare take %.1f GB, and %.1f "
                   "GB are available",
                   (double)needed / 1e9, (double)now.available / 1e9);
}

/* ---- the aggressor ---- */

static int load_prepare(struct beside *x, struct err *err)
{
    struct session *s = x->company.other;
    struct frame f;
    frame_init(&f, FRAME_PREPARE, s->nonce, 0);
    str_copy(f.prepare.workload, sizeof(f.prepare.workload), x->load);
    f.prepare.workers = 1;
    prepare_cpus(&f, &x->company.other_cpus);
    facts_add_text(&f.prepare.params, "dir", s->caps.dir_rootfs);
    int r = session_call(s, &f, FRAME_READY, time_deadline(LATE_NS), NULL, err);
    frame_release(&f);
    return r < 0 ? err_wrap(err, "%s", x->load) : 0;
}

static int load_go(struct beside *x, struct err *err)
{
    struct session *s = x->company.other;
    struct frame f;
    frame_init(&f, FRAME_SLICE, s->nonce, 0);
    f.slice.ops = 1;
    f.slice.for_ns = x->load_ns + RAMP_NS;
    return session_post(s, &f, err);
}

static bool load_works(const struct beside *x)
{
    const struct session *s = x->company.other;
    return s && !session_answer(s) && session_failure(s, NULL) == 0;
}

/* Its answer, or its death, which some of them bring about. */
static int load_over(struct beside *x, struct err *err)
{
    const struct frame *f;
    struct err why = ERR_INIT;
    int r =
        session_await(x->company.other, FRAME_SLICED, x->load, time_deadline(LATE_NS), &f, &why);
    if (r == 0)
        return 0;
    if (!(x->flags & MAY_DIE) || why.kind != ERR_MEASUREMENT) {
        *err = why;
        return err_wrap(err, "%s", x->load);
    }
    x->died = true;
    x->death = why;
    return 0;
}

/* What it ran into, by its own account. */
static void load_account(struct beside *x)
{
    struct session *s = x->company.other;
    struct frame f;
    const struct frame *answer;
    if (x->died || !s)
        return;
    frame_init(&f, FRAME_FINISH, s->nonce, 0);
    if (session_call(s, &f, FRAME_FINISHED, time_deadline(LATE_NS), &answer, NULL) == 0)
        x->account = facts_object(&answer->finished.facts);
    frame_release(&f);
}

/* ---- phases ---- */

struct mark {
    uint64_t ns, load_ns;
    bool load_known;
    struct held_point used;
    struct reading host;
};

static void mark(struct beside *x, struct mark *m)
{
    m->ns = time_mono_ns();
    m->load_known =
        x->company.other && session_cpu_read(x->company.other, &m->load_ns) == 0 && !x->died;
    held_read(&x->held, &m->used);
    monitor_read(x->c->monitor, &m->host);
}

static void add_burnt(struct burnt *b, const struct mark *from, const struct mark *to)
{
    double busy =
        (double)(to->host.busy_ticks - from->host.busy_ticks) * 1e9 / (double)sysconf(_SC_CLK_TCK);
    double own = to->host.own_cpu_ns == UINT64_MAX
                     ? NAN
                     : (double)(to->host.own_cpu_ns - from->host.own_cpu_ns);
    b->wall += (double)(to->ns - from->ns);
    b->outside += busy - own;
    b->load +=
        from->load_known && to->load_known ? (double)(to->load_ns - from->load_ns) : (double)NAN;
}

static int sample(struct beside *x, bool loaded, size_t i, struct err *err)
{
    struct point p = {.loaded = loaded};
    p.tail = victim_has_tail(&x->victim) && i % TAIL_EVERY == TAIL_EVERY - 1;
    int r = victim_sample(&x->victim, p.tail, &p.s, err);
    if (r == 0)
        VEC_PUSH(&x->points, p);
    return r;
}

/* The histograms of those that count, once it is known which do. */
static int add_hists(struct beside *x, size_t first, struct err *err)
{
    _cleanup_free_ struct hist *one = xmalloc(sizeof(*one));
    int r = 0;
    for (size_t i = first; r == 0 && i < x->points.n; i++) {
        struct point *p = &x->points.v[i];
        if (p->tail && !p->edge)
            r = hist_decode(p->s.hist, one, err);
        if (r == 0 && p->tail && !p->edge) {
            hist_add(x->hist[p->loaded], one);
            x->hists[p->loaded]++;
        }
        free(p->s.hist);
        p->s.hist = NULL;
    }
    return r;
}

/* A phase, or longer where the victim's samples (from `first`) are long. */
static uint64_t load_ns(const struct beside *x, size_t first)
{
    size_t last = x->points.n - 1;
    uint64_t all_ns = x->points.v[last].s.end_ns - x->points.v[first].s.start_ns;
    uint64_t least_ns = LEAST_BESIDE * all_ns / (last - first + 1);
    if (least_ns > ROUND_NS / 2)
        least_ns = ROUND_NS / 2;
    return least_ns < x->phase_ns ? x->phase_ns : least_ns;
}

static int quiet_phase(struct beside *x, struct err *err)
{
    uint64_t until_ns = time_deadline(x->phase_ns);
    size_t first = x->points.n;
    struct mark from, to;
    int r = 0;
    mark(x, &from);
    for (size_t i = 0; r == 0 && (i < LEAST || time_mono_ns() < until_ns); i++)
        r = sample(x, false, i, err);
    mark(x, &to);
    if (r < 0)
        return r;
    add_burnt(&x->burnt[0], &from, &to);
    x->load_ns = load_ns(x, first);
    return 0;
}

/* Samples that lie in the time in which it worked at full strength count. */
static void set_edges(struct beside *x, size_t first, uint64_t from_ns, uint64_t to_ns)
{
    for (size_t i = first; i < x->points.n; i++) {
        struct point *p = &x->points.v[i];
        p->edge = p->s.start_ns < from_ns || p->s.end_ns > to_ns;
    }
}

static int loaded_phase(struct beside *x, struct err *err)
{
    struct session *load = x->company.other;
    size_t first = x->points.n, i = 0;
    struct mark from, to;
    mark(x, &from);
    int r = load_go(x, err);
    for (; r == 0 && load_works(x); i++) {
        x->over_ns = time_mono_ns();
        held_look(&x->held);
        r = sample(x, true, i, err);
    }
    if (r == 0)
        r = load_over(x, err);
    mark(x, &to);
    if (r < 0)
        return r;
    add_burnt(&x->burnt[1], &from, &to);
    held_add(&x->held, &from.used, &to.used);
    if (!x->died)
        x->over_ns = load->answered_ns;
    set_edges(x, first, load->posted_ns + (x->died ? 0 : RAMP_NS), x->over_ns);
    return 0;
}

static double cost_of_point(const struct point *p)
{
    return p->s.ns / p->s.ops;
}

/* How long until samples are as fast as the slowest before the load; what came until then is in no
 * mean. */
static void recover(struct beside *x, size_t before, size_t loaded, size_t after)
{
    double slowest = 0;
    size_t row = 0, from = after;
    bool at_once = true;
    for (size_t i = before; i < loaded; i++) {
        const struct point *p = &x->points.v[i];
        if (!p->edge && !p->tail)
            slowest = fmax(slowest, cost_of_point(p));
    }
    for (size_t i = after; i < x->points.n; i++) {
        struct point *p = &x->points.v[i];
        p->edge = true;
        if (p->tail)
            continue;
        at_once = at_once && cost_of_point(p) <= slowest;
        row = cost_of_point(p) <= slowest ? row + 1 : 0;
        if (row == 1 && !at_once)
            from = i;
        if (row < RECOVERED)
            continue;
        for (size_t k = from; k <= i; k++)
            x->points.v[k].edge = false;
        x->recovery_ns += at_once ? 0 : (double)(x->points.v[from].s.start_ns - x->over_ns);
        return;
    }
    x->recovery_ns = NAN;
}

static int all_rounds(struct beside *x, struct err *err)
{
    size_t before = 0;
    int r = quiet_phase(x, err);
    if (x->points.n) /* the first warms up */
        x->points.v[0].edge = true;
    if (r == 0)
        r = add_hists(x, 0, err);
    for (; r == 0 && x->round < x->rounds && !x->died; x->round++) {
        size_t loaded = x->points.n;
        x->victim.planted =
            (double)params_num(&x->c->head.plan.cells.v[x->l->cell].params, "planted", 0) / 1000;
        r = loaded_phase(x, err);
        x->victim.planted = 0;
        size_t after = x->points.n;
        if (r == 0)
            r = quiet_phase(x, err);
        if (r == 0)
            recover(x, before, loaded, after);
        if (r == 0)
            r = add_hists(x, loaded, err);
        before = after;
    }
    return r;
}

/* ---- what came of it ---- */

static double cost_of(const struct beside *x, bool loaded, size_t *ret_n)
{
    double ops = 0, ns = 0;
    *ret_n = 0;
    for (size_t i = 0; i < x->points.n; i++) {
        const struct point *p = &x->points.v[i];
        if (p->loaded != loaded || p->edge || p->tail)
            continue;
        ops += p->s.ops;
        ns += p->s.ns;
        ++*ret_n;
    }
    return ns / ops;
}

static void add_real(json_t *facts, const char *key, double v)
{
    if (isfinite(v))
        json_object_set_new(facts, key, json_real(v));
}

static void add_ratio(json_t *facts, const char *key, double with, double without)
{
    double v = 1e6 * with / without;
    if (isfinite(v) && v > 0)
        json_object_set_new(facts, key, json_integer(llround(v)));
}

/* [start in s, duration in s, ns an operation, 1 with the load, 1 if in no mean] */
static json_t *series(const struct beside *x, bool tail)
{
    json_t *all = json_array();
    for (size_t i = 0; i < x->points.n; i++) {
        const struct point *p = &x->points.v[i];
        if (p->tail != tail)
            continue;
        json_array_append_new(all, json_pack("[f, f, f, i, i]",
                                             (double)(p->s.start_ns - x->c->start_ns) / 1e9,
                                             (double)(p->s.end_ns - p->s.start_ns) / 1e9,
                                             cost_of_point(p), p->loaded, p->edge));
    }
    return all;
}

static void add_tail(const struct beside *x, json_t *facts)
{
    uint64_t without = hist_quantile(x->hist[0], .99), with = hist_quantile(x->hist[1], .99);
    if (without == 0 || with == 0)
        return;
    add_ratio(facts, "tail", (double)with, (double)without);
    json_object_set_new(facts, "tail_series", series(x, true));
    json_object_set_new(facts, "p99_without_ns", json_integer((json_int_t)without));
    json_object_set_new(facts, "p99_with_ns", json_integer((json_int_t)with));
    json_object_set_new(facts, "tails_without", json_integer((json_int_t)x->hists[0]));
    json_object_set_new(facts, "tails_with", json_integer((json_int_t)x->hists[1]));
}

/* What its limits allowed, what it took, and what the host did beyond it. */
static void add_limits(const struct beside *x, json_t *facts)
{
    const struct burnt *quiet = &x->burnt[0], *loaded = &x->burnt[1];
    held_facts(&x->held, loaded->load / loaded->wall, facts);
    add_real(facts, "outside_cpus", loaded->outside / loaded->wall - quiet->outside / quiet->wall);
}

static int add_facts(const struct beside *x, json_t *facts, struct err *err)
{
    size_t n_without, n_with;
    double without = cost_of(x, false, &n_without), with = cost_of(x, true, &n_with);
    if (n_without == 0 || n_with == 0)
        return err_set(err, ERR_MEASUREMENT, ENODATA, "no sample lies within the time that %s %s",
                       x->load, x->died ? "lived" : "worked");
    add_ratio(facts, "slowdown", with, without);
    add_real(facts, "without_ns", without);
    add_real(facts, "with_ns", with);
    json_object_set_new(facts, "samples_without", json_integer((json_int_t)n_without));
    json_object_set_new(facts, "samples_with", json_integer((json_int_t)n_with));
    if (victim_has_tail(&x->victim))
        add_tail(x, facts);
    json_object_set_new(facts, "load_target", json_string(x->company.slot->info.target.label));
    add_limits(x, facts);
    add_real(facts, "recovery_s", x->recovery_ns / 1e9 / (x->round ? x->round : 1));
    if (x->died)
        json_object_set_new(facts, "load_died", json_string(x->death.msg));
    if (x->account)
        json_object_set(facts, "load_did", x->account);
    json_object_set_new(facts, "series", series(x, false));
    return 0;
}

/* ---- from end to end ---- */

static int begin(struct beside *x, struct err *err)
{
    const struct params *p = &x->c->head.plan.cells.v[x->l->cell].params;
    bool same = str_eq(params_text(p, "placement", "apart"), "same");
    int r = check_host(x, err);
    if (r == 0)
        r = check_memory(x, err);
    if (r == 0)
        r = company_begin(&x->company, x->c, x->l, aggressor_slot(x->c, x->l), same, err);
    if (r == 0)
        r = held_begin(&x->held, x->c, x->company.other, x->flags & WRITES, err);
    if (r == 0)
        r = guard_new(&x->c->site.machine->cgroups, x->company.other->caps.cgroup,
                      time_deadline((x->rounds + 1) * ROUND_NS), &x->guard, err);
    if (r == 0)
        r = victim_begin(&x->victim, x->c, x->l, params_text(p, "victim", "cpu.prime"),
                         &x->company.own_cpus, err);
    return r < 0 ? r : load_prepare(x, err);
}

/* The aggressor first, whatever came of it. */
static int end(struct beside *x, struct err *err)
{
    struct err late = ERR_INIT;
    bool killed = false;
    load_account(x);
    held_end(&x->held);
    int r = company_part(&x->company, err);
    if (guard_end(x->guard, &killed, &late) < 0 && r == 0) {
        *err = late;
        r = -EIO;
    }
    x->guard = NULL;
    if (killed && r == 0)
        r = err_set(err, ERR_TIMEOUT, ETIMEDOUT, "%s was killed at its deadline", x->load);
    return r;
}

static int measure(struct beside *x, json_t *facts, struct err *err)
{
    struct err late = ERR_INIT;
    int r = begin(x, err);
    if (r == 0)
        r = all_rounds(x, err);
    if (r == 0)
        r = victim_end(&x->victim, err);
    int ended = end(x, &late);
    if (ended < 0 && r == 0) {
        *err = late;
        r = ended;
    }
    return r < 0 ? r : add_facts(x, facts, err);
}

static unsigned flags_of(const char *load)
{
    for (size_t i = 0; i < ARRAY_SIZE(loads); i++)
        if (str_eq(loads[i].name, load))
            return loads[i].flags;
    return 0;
}

int beside_measure(struct course *c, struct lane *l, json_t *facts, struct err *err)
{
    const struct cell *cell = &c->head.plan.cells.v[l->cell];
    struct err why = ERR_INIT;
    struct beside x = {.c = c,
                       .l = l,
                       .company = {.c = c, .l = l},
                       .load = cell_exec(cell),
                       .flags = flags_of(cell_exec(cell)),
                       .phase_ns = (uint64_t)params_num(&cell->params, "phase", 0),
                       .rounds = (unsigned)params_num(&cell->params, "rounds", 1)};

    for (size_t i = 0; i < ARRAY_SIZE(x.hist); i++) {
        x.hist[i] = xmalloc(sizeof(*x.hist[i]));
        hist_clear(x.hist[i]);
    }
    int r = measure(&x, facts, &why);
    if (loop_interrupted(c->o->loop))
        r = err_set(err, ERR_ENVIRONMENT, EINTR, "interrupted");
    else if (r < 0)
        lane_fail(c, l, &why);
    for (size_t i = 0; i < ARRAY_SIZE(x.hist); i++)
        free(x.hist[i]);
    VEC_FOREACH (&x.points, struct point, p)
        free(p->s.hist);
    VEC_RELEASE(&x.points);
    json_decref(x.account);
    return loop_interrupted(c->o->loop) ? r : 0;
}
