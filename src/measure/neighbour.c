#include "measure/neighbour.h"

#include "host/pss.h"
#include "measure/company.h"
#include "stats/describe.h"
#include "stats/isolation.h"
#include "stats/score.h"

#include <errno.h>
#include <math.h>

/* One system made and solved; the load's takes minutes. */
#define ANSWER_NS (1800 * NS_PER_S)
/* Of the memory that both matrices take, what has to be there. */
#define MEMORY_SPARE 1.2
/* Points of a phase for each that counts. */
#define EDGES_MAX 20
/* The neighbour's system has to be so many times the order of the other's, to last longer. */
#define LOAD_LEAST 2
/* Below this the quotient of loss and shrinkage says nothing. */
#define SHRINKAGE_LEAST .01

enum phase { BEFORE, WITH, AFTER, PHASES };
static const char *const phase_names[PHASES] = {"before", "with", "after"};

struct point {
    uint64_t start_ns, ns; /* by the host's clock; since the run began */
    double gflops, cpus;
    enum phase phase;
    bool edge; /* the load began, or ended, while it ran: it is in no mean */
};

struct side {
    struct session *session;
    int64_t n;
    cpu_set_t cpus;
    bool solving;
    bool edge;       /* of the point at work */
    uint64_t cpu_ns; /* of its group, when the solving began */
    struct {
        struct point *v;
        size_t n, cap;
    } points;
};

struct pair_of {
    struct course *c;
    struct lane *l;
    struct company company;
    struct side victim, load;
    enum phase phase;
    double load_cpus; /* that it kept busy with the system it was at when it was removed */
};

static int check_memory(const struct pair_of *x, struct err *err)
{
    struct kernel_memory now;
    double needed =
        8 * ((double)x->victim.n * (double)x->victim.n + (double)x->load.n * (double)x->load.n) *
        MEMORY_SPARE;
    if (kernel_memory_read("/proc", &now, NULL) < 0 || now.available == KERNEL_MEMORY_UNKNOWN ||
        (double)now.available >= needed)
        return 0;
    return err_set(err, ERR_UNSUPPORTED, ENOMEM,
                   "systems of order %lld and %lld take %.1f GB, and %.1f GB are available",
                   (long long)x->victim.n, (long long)x->load.n, needed / 1e9,
                   (double)now.available / 1e9);
}

/* ---- one system after the other ---- */

static double flops(int64_t n)
{
    return score_linpack_flops((double)n);
}

static int ask_to_make(struct side *s, struct err *err)
{
    struct frame f;
    frame_init(&f, FRAME_PREPARE, s->session->nonce, 0);
    str_copy(f.prepare.workload, sizeof(f.prepare.workload), "linpack");
    f.prepare.workers = 1;
    prepare_cpus(&f, &s->cpus);
    facts_add_num(&f.prepare.params, "n", s->n);
    facts_add_num(&f.prepare.params, "threads", (int64_t)cpus_count(&s->cpus));
    int r = session_post(s->session, &f, err);
    frame_release(&f);
    return r;
}

/* A point is set apart if the load begins or ends to solve while it is at work, or is not solving
 * when it begins; and the first, which warms up library and memory, and beside which the other
 * session still settles. */
static int ask_to_solve(struct pair_of *x, struct side *s, struct err *err)
{
    bool is_load = s == &x->load;
    struct frame f;
    frame_init(&f, FRAME_SLICE, s->session->nonce, 0);
    f.slice.ops = (uint64_t)llround(flops(s->n));
    s->solving = true;
    s->edge = s->points.n == 0 || (!is_load && x->phase == WITH && !x->load.solving);
    x->victim.edge |= is_load;
    if (session_cpu_read(s->session, &s->cpu_ns) < 0)
        return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "no control group tells its CPU time");
    return session_post(s->session, &f, err);
}

static int take_point(struct pair_of *x, struct side *s, struct err *err)
{
    uint64_t cpu_ns, ns = s->session->answered_ns - s->session->posted_ns;
    if (session_cpu_read(s->session, &cpu_ns) < 0 || ns == 0)
        return err_set(err, ERR_MEASUREMENT, EIO, "its CPU time cannot be read any more");
    struct point p = {.start_ns = s->session->posted_ns - x->c->start_ns,
                      .ns = ns,
                      .gflops = flops(s->n) / (double)ns,
                      .cpus = (double)(cpu_ns - s->cpu_ns) / (double)ns,
                      .phase = x->phase,
                      .edge = s->edge};
    VEC_PUSH(&s->points, p);
    return 0;
}

static int ask_whether_right(struct side *s, struct err *err)
{
    struct frame f;
    frame_init(&f, FRAME_FINISH, s->session->nonce, 0);
    s->solving = false;
    return session_post(s->session, &f, err);
}

/* An answer of one of the two: the next thing is asked. */
static int go_on(struct pair_of *x, struct side *s, struct err *err)
{
    const struct frame *f = session_answer(s->session);
    int r = session_failure(s->session, err);
    if (r < 0)
        return r;
    switch (f ? f->type : FRAME_NONE) {
    case FRAME_READY:
        return ask_to_solve(x, s, err);
    case FRAME_SLICED:
        x->victim.edge |= s == &x->load;
        r = take_point(x, s, err);
        return r < 0 ? r : ask_whether_right(s, err);
    case FRAME_FINISHED:
        if (!f->finished.verified)
            return err_set(err, ERR_MEASUREMENT, EBADMSG, "a wrong solution: %s",
                           f->finished.detail);
        return ask_to_make(s, err);
    case FRAME_ERROR:
        return err_set(err, ERR_MEASUREMENT, f->error.code, "%s: %s", f->error.where,
                       f->error.text);
    default:
        return err_set(err, ERR_MEASUREMENT, EPROTO, "an answer that was not asked for");
    }
}

static size_t points_of(const struct side *s, enum phase phase)
{
    size_t n = 0;
    for (size_t i = 0; i < s->points.n; i++)
        n += s->points.v[i].phase == phase && !s->points.v[i].edge;
    return n;
}

/* At rest for good, or so small that no point is beside it from end to end. */
static int too_many(const struct side *s, size_t before, size_t wanted, struct err *err)
{
    if (s->points.n - before <= EDGES_MAX * wanted)
        return 0;
    return err_set(err, ERR_MEASUREMENT, ENODATA,
                   "of %zu samples only %zu were beside a neighbour that was at work from their "
                   "beginning to their end",
                   s->points.n - before, points_of(s, WITH));
}

/* Until the victim has so many points in this phase. */
static int run_phase(struct pair_of *x, enum phase phase, size_t wanted, struct err *err)
{
    struct session *both[2] = {x->victim.session, x->load.session};
    size_t before = x->victim.points.n;
    x->phase = phase;
    while (points_of(&x->victim, phase) < wanted) {
        struct session *who;
        int r = too_many(&x->victim, before, wanted, err);
        if (r < 0)
            return r;
        r = sessions_wait_any(x->c->o->loop, both, ARRAY_SIZE(both), time_deadline(ANSWER_NS), &who,
                              err);
        if (r == 0)
            r = go_on(x, who == x->victim.session ? &x->victim : &x->load, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static void note_load(struct pair_of *x)
{
    const struct side *s = &x->load;
    uint64_t cpu_ns, now_ns = time_mono_ns();
    if (s->session && s->solving && session_cpu_read(s->session, &cpu_ns) == 0 &&
        now_ns > s->session->posted_ns)
        x->load_cpus = (double)(cpu_ns - s->cpu_ns) / (double)(now_ns - s->session->posted_ns);
}

static int end_load(struct pair_of *x, struct err *err)
{
    note_load(x);
    x->load.session = NULL;
    x->victim.edge = true;
    return company_part(&x->company, err);
}

static int all_phases(struct pair_of *x, size_t samples, struct err *err)
{
    int r = ask_to_make(&x->victim, err);
    if (r == 0)
        r = run_phase(x, BEFORE, samples, err);
    if (r == 0)
        r = ask_to_make(&x->load, err);
    x->victim.edge = true; /* the point at work when the load comes */
    if (r == 0)
        r = run_phase(x, WITH, samples, err);
    if (r == 0)
        r = end_load(x, err);
    return r < 0 ? r : run_phase(x, AFTER, samples, err);
}

/* ---- what came of it ---- */

/* What counts of a phase. Returns how many. */
static size_t values_of(const struct side *s, enum phase phase, double *gflops, double *cpus)
{
    size_t n = 0;
    for (size_t i = 0; i < s->points.n; i++) {
        const struct point *p = &s->points.v[i];
        if (p->phase != phase || p->edge)
            continue;
        gflops[n] = p->gflops;
        cpus[n++] = p->cpus;
    }
    return n;
}

static void add_real(json_t *facts, const char *a, const char *b, double x)
{
    char key[48];
    str_format(key, sizeof(key), "%s%s", a, b);
    if (isfinite(x))
        json_object_set_new(facts, key, json_real(x));
}

/* [start in s, duration in s, GFlops, CPUs, phase, 1 if it is an edge] */
static json_t *series(const struct side *s)
{
    json_t *all = json_array();
    for (size_t i = 0; i < s->points.n; i++) {
        const struct point *p = &s->points.v[i];
        json_array_append_new(all, json_pack("[f, f, f, f, s, i]", (double)p->start_ns / 1e9,
                                             (double)p->ns / 1e9, p->gflops, p->cpus,
                                             phase_names[p->phase], p->edge));
    }
    return all;
}

static void add_cpus(json_t *facts, const char *key, const cpu_set_t *cpus)
{
    char text[256];
    cpus_format(cpus, text, sizeof(text));
    json_object_set_new(facts, key, json_string(text));
}

static void add_facts(const struct pair_of *x, json_t *facts)
{
    double gflops[PHASES], cpus[PHASES];
    _cleanup_free_ double *g = xcalloc(x->victim.points.n, sizeof(*g));
    _cleanup_free_ double *u = xcalloc(x->victim.points.n, sizeof(*u));
    for (enum phase p = 0; p < PHASES; p++) {
        size_t n = values_of(&x->victim, p, g, u);
        gflops[p] = describe_mean(g, n);
        cpus[p] = describe_mean(u, n);
        add_real(facts, phase_names[p], "_gflops", gflops[p]);
        add_real(facts, phase_names[p], "_gflops_variance", describe_variance(g, n));
        add_real(facts, phase_names[p], "_cpus", cpus[p]);
        add_real(facts, phase_names[p], "_cpus_variance", describe_variance(u, n));
    }
    double loss = isolation_loss(gflops[BEFORE], gflops[WITH]);
    double shrinkage = isolation_shrinkage(cpus[BEFORE], cpus[WITH]);
    add_cpus(facts, "on", &x->victim.cpus);
    add_cpus(facts, "load_on", &x->load.cpus);
    add_real(facts, "load", "_cpus", x->load_cpus);
    add_real(facts, "loss", "", loss);
    add_real(facts, "shrinkage", "", shrinkage);
    add_real(facts, "combined", "", isolation_combined(loss, shrinkage, SHRINKAGE_LEAST));
    json_object_set_new(facts, "slowdown",
                        json_integer(llround(1e6 * gflops[BEFORE] / gflops[WITH])));
    json_object_set_new(facts, "lasting",
                        json_integer(llround(1e6 * gflops[BEFORE] / gflops[AFTER])));
    json_object_set_new(facts, "series", series(&x->victim));
    json_object_set_new(facts, "load_series", series(&x->load));
}

static int begin(struct pair_of *x, struct err *err)
{
    const struct params *p = &x->c->head.plan.cells.v[x->l->cell].params;
    bool same = str_eq(params_text(p, "placement", "apart"), "same");
    int r = company_begin(&x->company, x->c, x->l, x->l->slot, same, err);
    x->load.session = x->company.other;
    x->victim.cpus = x->company.own_cpus;
    x->load.cpus = x->company.other_cpus;
    return r;
}

static int measure(struct pair_of *x, size_t samples, struct err *err)
{
    int r = check_memory(x, err);
    if (r == 0 && x->load.n < LOAD_LEAST * x->victim.n)
        r = err_set(err, ERR_USAGE, EINVAL, "-p load_n=%lld: at least %d times n, which is %lld",
                    (long long)x->load.n, LOAD_LEAST, (long long)x->victim.n);
    if (r == 0)
        r = begin(x, err);
    return r < 0 ? r : all_phases(x, samples, err);
}

int neighbour_measure(struct course *c, struct lane *l, json_t *facts, struct err *err)
{
    const struct params *p = &c->head.plan.cells.v[l->cell].params;
    struct pair_of x = {.c = c,
                        .l = l,
                        .company = {.c = c, .l = l},
                        .load_cpus = NAN,
                        .victim = {.session = l->slot->session, .n = params_num(p, "n", 5000)},
                        .load = {.n = params_num(p, "load_n", 20000)}};
    struct err why = ERR_INIT, late = ERR_INIT;
    int r = measure(&x, (size_t)params_num(p, "samples", 2), &why);

    if (end_load(&x, &late) < 0 && r == 0) {
        why = late;
        r = -EIO;
    }
    if (loop_interrupted(c->o->loop))
        r = err_set(err, ERR_ENVIRONMENT, EINTR, "interrupted");
    else if (r < 0)
        lane_fail(c, l, &why);
    else
        add_facts(&x, facts);
    VEC_RELEASE(&x.victim.points);
    VEC_RELEASE(&x.load.points);
    return r == -EINTR && loop_interrupted(c->o->loop) ? r : 0;
}
