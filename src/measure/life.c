#include "measure/life.h"

#include "measure/beside.h"
#include "measure/density.h"
#include "measure/neighbour.h"
#include "measure/parallel.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>

/* An idle probe leaves after a minute without a frame. */
#define WORD_NS      (20 * NS_PER_S)
#define WORD_WAIT_NS (5 * NS_PER_S)
/* A crowd stops growing after this, or where less than this of the machine's memory is left. */
#define CROWD_NS     (600 * NS_PER_S)
#define MEMORY_LEAST .05

/* A step that this target does not have, or that was not seen, is not there. */
static void add_step(json_t *facts, const char *name, uint64_t from_ns, uint64_t to_ns, int count)
{
    char key[40];
    if (from_ns == 0 || to_ns <= from_ns)
        return;
    str_format(key, sizeof(key), "%s_ns", name);
    json_object_set_new(facts, name, json_integer(count));
    json_object_set_new(facts, key, json_integer((json_int_t)(to_ns - from_ns)));
}

static void keep_facts(struct lane *l, json_t *facts, uint64_t ns, uint32_t position, int previous,
                       uint64_t start_ns)
{
    struct sample s = {.position = position,
                       .previous = previous,
                       .start_ns = start_ns,
                       .ops = 1,
                       .ns = ns,
                       .control_ns = ns,
                       .cpu_ns = UINT64_MAX};
    free(l->part->facts);
    l->part->facts = json_dumps(facts, JSON_COMPACT);
    l->part->verified = true;
    VEC_PUSH(&l->part->samples, s);
}

/* ---- one start, one end ---- */

static int cycle(struct course *c, struct lane *l, enum ending how, uint32_t position, int previous)
{
    struct lifetimes t = {0};
    struct err why = ERR_INIT;
    int r = session_stop(l->slot->session, how, &t, &why);
    l->slot->session = NULL;
    if (r < 0) {
        lane_fail(c, l, &why);
        return 0;
    }
    json_t *facts = json_object();
    add_step(facts, "start", t.begin_ns, t.hello_ns, 1);
    if (t.created_ns) {
        add_step(facts, "create", t.begin_ns, t.created_ns, 1);
        add_step(facts, "run", t.created_ns, t.hello_ns, 1);
    }
    add_step(facts, "schedule", t.placed_ns ? t.created_ns : 0, t.placed_ns, 1);
    add_step(facts, "sandbox", t.placed_ns, t.placed_ns ? t.started_ns : 0, 1);
    add_step(facts, "attach", t.placed_ns ? t.started_ns : 0, t.hello_ns, 1);
    if (how == ENDING_FORCED) {
        add_step(facts, "destroy", t.end_ns, t.gone_ns, 1);
    } else {
        add_step(facts, "exit", t.end_ns, t.exited_ns, 1);
        add_step(facts, "delete", t.exited_ns, t.gone_ns, 1);
    }
    keep_facts(l, facts, t.gone_ns - t.begin_ns, position, previous, t.begin_ns - c->start_ns);
    str_copy(l->part->detail, sizeof(l->part->detail),
             "its first line came; nothing of it is left");
    json_decref(facts);
    return 0;
}

/* ---- a crowd ---- */

struct crowd {
    struct session **v;
    size_t n, max;
    uint64_t word_ns;              /* when all were last spoken to */
    uint64_t start_ns, destroy_ns; /* added up since the last multiple of CROWD_STEP */
    char why[240];                 /* it stopped growing below max */
};

/* The share of the machine's memory that is to be had. */
static double memory_left(const struct machine *m)
{
    struct kernel_memory now;
    if (m->memory_bytes == 0 || kernel_memory_read("/proc", &now, NULL) < 0 ||
        now.available == KERNEL_MEMORY_UNKNOWN)
        return 1;
    return (double)now.available / (double)m->memory_bytes;
}

/* An empty frame to each, outside of what is timed. One that does not answer is found out when it
 * is removed. */
static void speak_to_all(struct crowd *m)
{
    for (size_t i = 0; i < m->n; i++) {
        struct frame f;
        frame_init(&f, FRAME_PING, m->v[i]->nonce, 0);
        session_call(m->v[i], &f, FRAME_PONG, time_deadline(WORD_WAIT_NS), NULL, NULL);
    }
    m->word_ns = time_mono_ns();
}

static bool may_grow(const struct course *c, struct crowd *m, uint64_t deadline_ns)
{
    double left = memory_left(c->o->machine);
    if (m->n >= m->max)
        return false;
    if (time_mono_ns() > deadline_ns)
        str_format(m->why, sizeof(m->why), "the time for it was over");
    else if (left < MEMORY_LEAST)
        str_format(m->why, sizeof(m->why), "%.0f %% of the memory were left", 100 * left);
    return !m->why[0];
}

static void note_step(json_t *facts, const char *verb, size_t n, uint64_t *sum_ns)
{
    char name[24];
    if (n == 0 || n % CROWD_STEP != 0)
        return;
    str_format(name, sizeof(name), "%s_%zu", verb, n);
    add_step(facts, name, 1, 1 + *sum_ns, CROWD_STEP);
    *sum_ns = 0;
}

/* < 0: interrupted. Whatever else ends it is its result. */
static int grow(struct course *c, struct lane *l, struct crowd *m, json_t *facts, struct err *err)
{
    uint64_t deadline_ns = time_deadline(CROWD_NS);
    const struct launch *what = &c->launches[l->cell];
    while (may_grow(c, m, deadline_ns)) {
        struct err why = ERR_INIT;
        struct session *s = NULL;
        if (time_mono_ns() - m->word_ns > WORD_NS)
            speak_to_all(m);
        int r = l->slot->driver->start(&c->site, l->slot->engine, what, &s, &why);
        if (loop_interrupted(c->o->loop))
            r = err_set(err, ERR_ENVIRONMENT, EINTR, "interrupted");
        if (s)
            m->v[m->n++] = s;
        if (r == -EINTR)
            return r;
        if (r < 0) {
            str_copy(m->why, sizeof(m->why), why.msg);
            return 0;
        }
        m->start_ns += session_launch_ns(s);
        note_step(facts, "start", m->n, &m->start_ns);
    }
    return 0;
}

/* The youngest first: how long it takes with so many others, and what those weigh. */
static void shrink(struct course *c, struct lane *l, struct crowd *m, struct density *d,
                   json_t *facts)
{
    while (m->n > 0) {
        struct lifetimes t = {0};
        struct err why = ERR_INIT;
        int r = m->n % CROWD_STEP == 0 && l->alive ? density_point(d, m->v, m->n, &why) : 0;
        if (r < 0)
            lane_fail(c, l, &why);
        m->n--;
        r = session_stop(m->v[m->n], ENDING_FORCED, &t, &why);
        if (r < 0 && l->alive)
            lane_fail(c, l, &why);
        m->destroy_ns += t.gone_ns > t.end_ns ? t.gone_ns - t.end_ns : 0;
        if (m->n % CROWD_STEP == 0) /* the tens that were full when the first of them went */
            note_step(facts, "destroy", m->n + CROWD_STEP, &m->destroy_ns);
        if (time_mono_ns() - m->word_ns > WORD_NS)
            speak_to_all(m);
    }
}

static int crowd(struct course *c, struct lane *l, struct density *d, uint32_t position,
                 int previous, struct err *err)
{
    const struct cell *cell = &c->head.plan.cells.v[l->cell];
    size_t max = (size_t)params_num(&cell->params, "max", 50);
    struct crowd m = {.v = xcalloc(max + 1, sizeof(*m.v)), .max = max};
    json_t *facts = json_object();
    uint64_t begin_ns = time_mono_ns();
    struct err why = ERR_INIT;

    m.v[m.n++] = l->slot->session;
    m.start_ns = session_launch_ns(l->slot->session);
    m.word_ns = begin_ns;
    l->slot->session = NULL;
    int r = grow(c, l, &m, facts, err);
    size_t reached = m.n;
    if (r == 0 && density_settle(c, d, m.v, m.n, &why) < 0) {
        if (loop_interrupted(c->o->loop))
            r = err_set(err, ERR_ENVIRONMENT, EINTR, "interrupted");
        else
            lane_fail(c, l, &why);
    }
    /* A rest below a full ten says nothing of its own. */
    while (m.n % CROWD_STEP != 0) {
        if (session_stop(m.v[--m.n], ENDING_BYE, NULL, &why) < 0 && l->alive)
            lane_fail(c, l, &why);
    }
    shrink(c, l, &m, d, facts);
    density_facts(d, facts);
    json_object_set_new(facts, "running", json_integer((json_int_t)reached));
    if (m.why[0])
        json_object_set_new(facts, "stopped_because", json_string(m.why));
    if (r == 0 && l->alive) {
        keep_facts(l, facts, time_mono_ns() - begin_ns, position, previous, begin_ns - c->start_ns);
        str_format(l->part->detail, sizeof(l->part->detail), "%zu ran at once%s%.160s", reached,
                   m.why[0] ? "; no more, since " : "", m.why);
    }
    json_decref(facts);
    free(m.v);
    return r;
}

static int weighed_crowd(struct course *c, struct lane *l, uint32_t position, int previous,
                         struct err *err)
{
    struct density *d = xcalloc(1, sizeof(*d));
    struct err why = ERR_INIT;
    int r = 0;

    if (density_begin(d, &why) < 0)
        lane_fail(c, l, &why);
    else
        r = crowd(c, l, d, position, previous, err);
    density_release(d);
    free(d);
    return r;
}

/* ---- at once ---- */

static int at_once(struct course *c, struct lane *l, uint32_t position, int previous,
                   struct err *err)
{
    const struct cell *cell = &c->head.plan.cells.v[l->cell];
    uint64_t begin_ns = time_mono_ns();
    struct err why = ERR_INIT;
    json_t *facts = json_object();
    int r = session_stop(l->slot->session, ENDING_BYE, NULL, &why);
    l->slot->session = NULL;
    if (r < 0)
        lane_fail(c, l, &why);
    r = parallel_starts(c, l, (size_t)params_num(&cell->params, "at_once", 8), facts, err);
    if (r == 0 && l->alive) {
        keep_facts(l, facts, time_mono_ns() - begin_ns, position, previous, begin_ns - c->start_ns);
        str_copy(l->part->detail, sizeof(l->part->detail),
                 l->part->fail_kind == ERR_NONE
                     ? "the first line of each came; nothing of them is left"
                     : "as many as started were removed; nothing of them is left");
    }
    json_decref(facts);
    return r;
}

static int neighbours(struct course *c, struct lane *l, uint32_t position, int previous,
                      struct err *err)
{
    uint64_t begin_ns = time_mono_ns();
    json_t *facts = json_object();
    bool beside = c->head.plan.cells.v[l->cell].workload->experiment == EXPERIMENT_BESIDE;
    int r = beside ? beside_measure(c, l, facts, err) : neighbour_measure(c, l, facts, err);
    if (r == 0 && l->alive) {
        keep_facts(l, facts, time_mono_ns() - begin_ns, position, previous, begin_ns - c->start_ns);
        str_copy(l->part->detail, sizeof(l->part->detail),
                 beside ? "all of the work was done; the aggressor is gone"
                        : "every system was solved, and rightly");
    }
    json_decref(facts);
    return r;
}

int life_execute(struct course *c, struct lane *l, uint32_t position, int previous, struct err *err)
{
    enum experiment how = c->head.plan.cells.v[l->cell].workload->experiment;
    if (how == EXPERIMENT_CROWD)
        return weighed_crowd(c, l, position, previous, err);
    if (how == EXPERIMENT_NEIGHBOUR || how == EXPERIMENT_BESIDE)
        return neighbours(c, l, position, previous, err);
    if (how == EXPERIMENT_PARALLEL)
        return at_once(c, l, position, previous, err);
    return cycle(c, l, how == EXPERIMENT_DESTROY ? ENDING_FORCED : ENDING_BYE, position, previous);
}
