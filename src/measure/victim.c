#include "measure/victim.h"

#include <errno.h>
#include <math.h>

#define ANSWER_NS (60 * NS_PER_S)
/* Growth of a slice until it lasts long enough to tell how many operations fit. */
#define GROWTH      8
#define GROWTH_MOST 24
#define ENOUGH_NS   (2 * NS_PER_MS)
/* A file small enough that several are written in a phase, and read again, which is not counted. */
#define FILE_BYTES (4 << 20)

/* So long lasts a command of an application: some hundred of the milliseconds it counts in. */
#define COMMAND_NS (100 * NS_PER_MS)
#define FIRST_OPS  10000

enum way { SLICES, FILES, STARTS, COMMANDS };

struct victim_kind {
    const char *name, *cell;
    enum way way;
    bool tail;
    const char *count; /* COMMANDS: the application's parameter that says how many operations */
};

static const struct victim_kind kinds[] = {
    {"cpu.prime", "cpu.prime", SLICES, true, NULL},
    {"mem.triad", "mem.triad", SLICES, false, NULL},
    {"fs.create", "fs.create@rootfs", SLICES, true, NULL},
    {"disk.write", "disk.write@rootfs-64k", FILES, false, NULL},
    {"life.start", "life.start", STARTS, false, NULL},
    {"redis", "redis.set", COMMANDS, false, "requests"},
};

bool victim_has_tail(const struct victim *v)
{
    return v->kind->tail;
}

/* ---- frames ---- */

static int ask(struct victim *v, struct frame *f, enum frame_type expect, const struct frame **ret,
               struct err *err)
{
    int r = session_call(v->session, f, expect, time_deadline(ANSWER_NS), ret, err);
    frame_release(f);
    return r;
}

static int prepare(struct victim *v, struct err *err)
{
    struct frame f;
    int r = prepare_fill(&v->cell, v->session, &v->cpus, &f, err);
    if (r < 0) {
        frame_release(&f);
        return r;
    }
    return ask(v, &f, FRAME_READY, NULL, err);
}

static int slice(struct victim *v, uint64_t ops, bool hist, const struct frame **ret,
                 struct err *err)
{
    struct frame f;
    frame_init(&f, FRAME_SLICE, v->session->nonce, 0);
    f.slice.ops = ops;
    f.slice.hist = hist;
    return ask(v, &f, FRAME_SLICED, ret, err);
}

static int finish(struct victim *v, const struct frame **ret, struct err *err)
{
    struct frame f;
    frame_init(&f, FRAME_FINISH, v->session->nonce, 0);
    int r = ask(v, &f, FRAME_FINISHED, ret, err);
    if (r == 0 && !(*ret)->finished.verified)
        r = err_set(err, ERR_MEASUREMENT, EBADMSG, "the work was not done: %s",
                    (*ret)->finished.detail);
    return r;
}

/* ---- the ways ---- */

static int sample_slice(struct victim *v, bool tail, struct victim_sample *ret, struct err *err)
{
    const struct frame *f;
    uint64_t more = (uint64_t)llround((double)v->ops * v->planted);
    int r = slice(v, v->ops + more, tail, &f, err);
    if (r < 0)
        return r;
    ret->start_ns = v->session->posted_ns;
    ret->end_ns = v->session->answered_ns;
    ret->ops = (double)v->ops;
    ret->ns = (double)f->sliced.ns;
    if (tail && !f->sliced.hist)
        return err_set(err, ERR_MEASUREMENT, EPROTO, "no histogram came");
    if (tail)
        ret->hist = xstrdup(f->sliced.hist);
    return 0;
}

static int sample_file(struct victim *v, struct victim_sample *ret, struct err *err)
{
    const struct frame *f;
    int r = prepare(v, err);
    ret->start_ns = time_mono_ns();
    if (r == 0)
        r = slice(v, 1, false, &f, err);
    ret->end_ns = time_mono_ns();
    if (r == 0)
        r = finish(v, &f, err);
    if (r < 0)
        return r;
    ret->ops = (double)facts_num(&f->finished.facts, "write", 0);
    ret->ns = (double)facts_num(&f->finished.facts, "write_ns", 0);
    return ret->ops > 0 && ret->ns > 0
               ? 0
               : err_set(err, ERR_MEASUREMENT, EPROTO, "no written file was counted");
}

static int sample_start(struct victim *v, struct victim_sample *ret, struct err *err)
{
    struct slot *slot = v->l->slot;
    struct session *s = NULL;
    const struct launch *what = &v->c->launches[v->l->cell];
    ret->start_ns = time_mono_ns();
    int r = slot->driver->start(&v->c->site, slot->engine, what, &s, err);
    if (r < 0)
        return r;
    ret->end_ns = time_mono_ns();
    ret->ops = 1;
    ret->ns = (double)session_launch_ns(s);
    return session_stop(s, ENDING_BYE, NULL, err);
}

/* Its own figure, a rate: what starting the program takes is not in it. */
static int sample_command(struct victim *v, struct victim_sample *ret, struct err *err)
{
    const struct frame *f;
    double value = 0;
    int r = slice(v, 1, false, &f, err);
    if (r < 0)
        return r;
    ret->start_ns = v->session->posted_ns;
    ret->end_ns = v->session->answered_ns;
    const char *output = f->sliced.output ? f->sliced.output : "";
    r = app_value(&v->cell, output, f->sliced.ns, &value, err);
    ret->ops = (double)v->ops;
    ret->ns = ret->ops * 1e9 / value;
    return r;
}

int victim_sample(struct victim *v, bool tail, struct victim_sample *ret, struct err *err)
{
    switch (v->kind->way) {
    case FILES:
        return sample_file(v, ret, err);
    case STARTS:
        return sample_start(v, ret, err);
    case COMMANDS:
        return sample_command(v, ret, err);
    case SLICES:
        break;
    }
    return sample_slice(v, tail, ret, err);
}

/* ---- begin and end ---- */

static int calibrate(struct victim *v, struct err *err)
{
    uint64_t ops = 1;
    for (int i = 0; i < GROWTH_MOST; i++) {
        const struct frame *f;
        int r = slice(v, ops, false, &f, err);
        if (r < 0)
            return r;
        if (f->sliced.ns >= ENOUGH_NS) {
            double want = (double)v->c->head.plan.slice_ns * (double)ops / (double)f->sliced.ns;
            v->ops = want < 1 ? 1 : (uint64_t)want;
            return 0;
        }
        ops *= GROWTH;
    }
    return err_set(err, ERR_MEASUREMENT, ERANGE, "no number of operations lasts a slice");
}

static int take_app_cell(struct victim *v, struct err *err)
{
    const struct app *a = plan_app(&v->c->head.plan, v->kind->name);
    for (size_t i = 0; a && i < a->n_metrics; i++) {
        app_cell(a, i, &v->cell);
        if (str_eq(v->cell.name, v->kind->cell) && params_find(&v->cell.params, v->kind->count))
            return 0;
    }
    if (!a)
        return err_set(err, ERR_UNSUPPORTED, ENOENT,
                       "no application %s is known here (cupel workloads lists them)",
                       v->kind->name);
    return err_set(err, ERR_UNSUPPORTED, ENOENT, "the application %s has no %s with a parameter %s",
                   v->kind->name, v->kind->cell, v->kind->count);
}

static int prepare_command(struct victim *v, uint64_t ops, struct err *err)
{
    v->ops = ops;
    params_set_num(&v->cell.params, v->kind->count, (int64_t)ops);
    return prepare(v, err);
}

/* Server and number are parts of one preparation: the first one is there to find the number. */
static int begin_command(struct victim *v, struct err *err)
{
    const struct frame *f;
    struct victim_sample s;
    int r = take_app_cell(v, err);
    if (r == 0)
        r = prepare_command(v, FIRST_OPS, err);
    if (r == 0)
        r = sample_command(v, &s, err);
    if (r == 0)
        r = finish(v, &f, err);
    if (r < 0)
        return r;
    uint64_t ops = (uint64_t)(s.ops * COMMAND_NS / s.ns);
    return prepare_command(v, ops > FIRST_OPS ? ops : FIRST_OPS, err);
}

static int take_cell(struct victim *v, struct err *err)
{
    const struct cell_def *def = cell_def_find(v->kind->cell);
    if (!def)
        return err_set(err, ERR_BUG, EINVAL, "no cell %s in the catalogue", v->kind->cell);
    cell_from_def(def, &v->cell);
    if (v->cell.workers == 0)
        v->cell.workers = 1;
    if (v->kind->way == FILES)
        params_set_num(&v->cell.params, "size", FILE_BYTES);
    return resolve_params(v->c, &v->cell, err);
}

int victim_begin(struct victim *v, struct course *c, struct lane *l, const char *name,
                 const cpu_set_t *cpus, struct err *err)
{
    *v = (struct victim){.c = c, .l = l, .session = l->slot->session, .cpus = *cpus, .ops = 1};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (str_eq(kinds[i].name, name))
            v->kind = &kinds[i];
    if (!v->kind)
        return err_set(err, ERR_BUG, EINVAL, "nobody can suffer %s", name);
    if (v->kind->way == STARTS)
        return 0;
    if (v->kind->way == COMMANDS)
        return begin_command(v, err);
    int r = take_cell(v, err);
    if (r == 0 && v->kind->way == SLICES)
        r = prepare(v, err);
    return r == 0 && v->kind->way == SLICES ? calibrate(v, err) : r;
}

int victim_end(struct victim *v, struct err *err)
{
    const struct frame *f;
    return v->kind->way == SLICES || v->kind->way == COMMANDS ? finish(v, &f, err) : 0;
}
