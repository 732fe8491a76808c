/* Whole workloads: each is executed once a block on every target, in a fresh session, alone on the
 * machine. One execution may serve several cells (the reads and the writes of one blogbench). */
#include "measure/cold.h"
#include "measure/hostcalls.h"
#include "measure/lane.h"
#include "measure/life.h"
#include "measure/network.h"

#include "base/cleanup.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <unistd.h>

/* The longest that one execution may take beyond the time it was given. */
#define WHOLE_TIMEOUT_NS (1800 * NS_PER_S)
/* Removing what a workload made, or checking a large solution. */
#define WHOLE_FINISH_NS (300 * NS_PER_S)
/* The guest keeps the time-outs of an application's programs; this is beyond them. */
#define APP_GRACE_NS (30 * NS_PER_S)
/* Where operations are done for a time, the clock is looked at about so often. */
#define PIECE_NS (1 * NS_PER_MS)

/* The cells of one execution, and their trials in this block. */
struct execution {
    size_t n;
    size_t *cells;
    struct trial *trials;
};

static struct cell *cell_of(struct course *c, size_t cell)
{
    return &c->head.plan.cells.v[cell];
}

/* ---- one execution on one target ---- */

static int whole_length(struct course *c, struct lane *l, struct err *err)
{
    const struct cell *cell = cell_of(c, l->cell);
    const struct workload *w = cell->workload;
    int r = 0;

    if (w->time_param)
        r = lane_calibrate(c, l, PIECE_NS, err);
    else
        l->ops = w->whole_ops ? w->whole_ops(&cell->params) : 1;
    l->lead = 0;
    if (w->time_param)
        l->for_ns = (uint64_t)params_num(&cell->params, w->time_param, (int64_t)NS_PER_S);
    l->slice_timeout_ns = WHOLE_TIMEOUT_NS + 2 * l->for_ns;
    if (cell->app)
        l->slice_timeout_ns = app_command_timeout_ns(cell) + APP_GRACE_NS;
    return r;
}

/* The slice, while somebody counts where that is what it is for; *ret: what was counted. */
static int counted_slice(struct course *c, struct lane *l, uint32_t position, int previous,
                         json_t **ret, struct err *err)
{
    struct hostcalls h = {.count = NULL};

    if (cell_of(c, l->cell)->workload->host_calls)
        hostcalls_begin(c, l, &h);
    int r = l->alive ? lane_slice(c, l, 0, position, previous, err) : 0;
    if (r == 0 && h.count && l->alive)
        *ret = hostcalls_end(c, l, &h);
    else
        (void)hostcalls_drop(c, &h, NULL);
    return r;
}

static int whole_slice(struct course *c, struct lane *l, uint32_t position, int previous,
                       struct err *err)
{
    json_t *seen = NULL;

    const struct cell *cell = cell_of(c, l->cell);
    int r = 0;

    l->finish_timeout_ns = WHOLE_FINISH_NS;
    if (cell->app)
        l->prepare_timeout_ns = app_prepare_timeout_ns(cell) + APP_GRACE_NS;
    lane_post_prepare(c, l);
    if (l->alive)
        r = lane_wait_prepared(c, l, err);
    if (r == 0 && l->alive)
        r = whole_length(c, l, err);
    if (r == 0 && l->alive)
        r = counted_slice(c, l, position, previous, &seen, err);
    if (r == 0 && l->alive)
        lane_post_finish(c, l);
    if (r == 0 && l->alive)
        r = lane_wait_finished(c, l, err);
    if (r == 0 && l->alive && seen)
        part_add_facts(l->part, seen);
    json_decref(seen);
    return r;
}

/* ---- in two halves, the second in another session ---- */

/* What the first half found out and took, kept while the second overwrites it. */
struct first_half {
    char *facts;
    struct sample sample;
};

static struct first_half half_take(struct lane *l)
{
    struct part *p = l->part;
    struct first_half h = {.facts = p->facts, .sample = p->samples.v[0]};

    p->facts = NULL;
    p->samples.n = 0;
    return h;
}

/* One execution out of two: facts side by side, times added. resident_mib: how much of the file
 * this host had in memory before the reading; -1: it saw no such file. */
static void half_join(struct lane *l, struct first_half *h, int64_t resident_mib)
{
    struct part *p = l->part;
    json_t *all = p->facts ? json_loads(p->facts, 0, NULL) : json_object();
    json_t *first = h->facts ? json_loads(h->facts, 0, NULL) : json_object();

    json_object_update_missing(all, first);
    if (resident_mib >= 0)
        json_object_set_new(all, "read_resident_mib", json_integer(resident_mib));
    json_object_set_new(all, "on_host", json_boolean(resident_mib >= 0));
    free(h->facts);
    h->facts = NULL;
    free(p->facts);
    p->facts = json_dumps(all, JSON_COMPACT);
    json_decref(all);
    json_decref(first);
    if (p->samples.n == 0)
        return;
    struct sample *s = &p->samples.v[0];
    s->start_ns = h->sample.start_ns;
    s->ns += h->sample.ns;
    s->control_ns += h->sample.control_ns;
    s->cpu_ns = s->cpu_ns == UINT64_MAX || h->sample.cpu_ns == UINT64_MAX
                    ? UINT64_MAX
                    : s->cpu_ns + h->sample.cpu_ns;
}

/* Another session on the same files. One that cannot be started fails the lane. */
static int renew(struct course *c, struct lane *l, unsigned block, struct err *err)
{
    int r = target_renew(c, l->target, block, err);

    if (r == 0 && !l->slot->session)
        lane_fail(c, l, &l->slot->start_failure);
    return r == 0 && l->alive ? course_warm_up(c, err) : r;
}

/* Writes in one session and reads in the next. A file that only the guest has, in a layer of memory
 * that ends with it (gVisor's overlay), is read where it is, and its cell says so. */
static int whole_halves(struct course *c, struct lane *l, unsigned block, uint32_t position,
                        int previous, struct err *err)
{
    const struct cell *cell = cell_of(c, l->cell);
    struct err why = ERR_INIT;
    int64_t resident = -1;

    l->half = "write";
    int r = whole_slice(c, l, position, previous, err);
    if (r < 0 || !l->alive)
        return r;
    struct first_half first = half_take(l);
    int dropped = cold_drop(l->slot->session, cell->place, &resident, &why);
    if (dropped < 0 && dropped != -ENOENT)
        lane_fail(c, l, &why);
    if (dropped == 0)
        r = renew(c, l, block, err);
    l->half = "read";
    if (r == 0 && l->alive)
        r = whole_slice(c, l, position, previous, err);
    half_join(l, &first, resident);
    return r;
}

/* ---- from the execution to each cell's sample ---- */

static struct part part_copy(const struct part *p)
{
    struct part copy = *p;

    copy.facts = p->facts ? xstrdup(p->facts) : NULL;
    copy.hist = NULL;
    memset(&copy.samples, 0, sizeof(copy.samples));
    VEC_FOREACH (&p->samples, struct sample, s)
        VEC_PUSH(&copy.samples, *s);
    return copy;
}

static int fact_count(const struct part *p, const char *name, const char *suffix, uint64_t *ret)
{
    json_t *all = p->facts ? json_loads(p->facts, 0, NULL) : NULL;
    _cleanup_free_ char *key = xasprintf("%s%s", name, suffix);
    json_int_t v = json_integer_value(json_object_get(all, key));

    json_decref(all);
    if (v <= 0)
        return -ENOENT;
    *ret = (uint64_t)v;
    return 0;
}

/* Why an execution that did not fail has nothing for this cell. */
static int nothing_counted(const struct workload *w, const struct part *p, struct err *err)
{
    if (p->fail_kind != ERR_NONE) /* it went on without what failed */
        return err_set(err, p->fail_kind, p->fail_code, "%s", p->fail_text);
    if (w->experiment == EXPERIMENT_PARALLEL)
        return err_set(err, ERR_UNSUPPORTED, ENODATA, "not so many at once: -p at_once=64 does");
    if (w->experiment == EXPERIMENT_BESIDE)
        return err_set(err, ERR_MEASUREMENT, ENODATA, "too few operations were timed");
    if (w->unit)
        return err_set(err, ERR_MEASUREMENT, ENODATA, "nothing was weighed: %s", p->detail);
    if (w->experiment == EXPERIMENT_CROWD)
        return err_set(err, ERR_UNSUPPORTED, ENODATA, "not so many: %s", p->detail);
    if (w->experiment)
        return err_set(err, ERR_UNSUPPORTED, ENODATA, "this target has no such step");
    return err_set(err, ERR_MEASUREMENT, EPROTO, "the work was not done: no %s was counted",
                   w->metric);
}

static int encode(const struct cell *cell, double value, struct sample *s, struct err *err)
{
    if (value_encode(value, cell->better, &s->ops, &s->ns) < 0)
        return err_set(err, ERR_MEASUREMENT, ERANGE, "%s: %g %s cannot be kept%s", cell->name,
                       value, cell->unit, cell->app ? "; give its metric a scale" : "");
    return 0;
}

/* The workload's own count, and its own clock where it has one. */
static int metric_sample(const struct cell *cell, const struct part *p, struct sample *s,
                         struct err *err)
{
    const struct workload *w = cell->workload;

    if (fact_count(p, w->metric, "", &s->ops) < 0)
        return nothing_counted(w, p, err);
    bool timed = fact_count(p, w->metric, "_ns", &s->ns) == 0;
    if (!w->unit || timed)
        return 0;
    return encode(cell, (double)s->ops / (w->unit_size > 0 ? w->unit_size : 1), s, err);
}

/* The value that an application printed. */
static int app_sample(const struct cell *cell, const char *output, struct sample *s,
                      struct err *err)
{
    double value;
    int r = app_value(cell, output ? output : "", s->ns, &value, err);

    if (r == 0)
        r = encode(cell, value, s, err);
    return r;
}

static void fill_cell(struct course *c, size_t cell, const char *output, struct part *p)
{
    const struct cell *x = cell_of(c, cell);
    struct err why = ERR_INIT;
    int r = 0;

    if (p->outcome != OUTCOME_OK || p->samples.n == 0)
        return;
    if (x->app)
        r = app_sample(x, output, &p->samples.v[0], &why);
    else if (x->workload->metric)
        r = metric_sample(x, p, &p->samples.v[0], &why);
    if (r == 0) {
        p->fail_kind = ERR_NONE;
        p->fail_text[0] = '\0';
        return;
    }
    p->outcome = OUTCOME_FAILED;
    p->fail_kind = why.kind;
    p->fail_code = why.code;
    str_copy(p->fail_text, sizeof(p->fail_text), why.msg);
}

/* What it ran in, beside what the guest says. */
static void note_files(const struct cell_files *f, struct part *p)
{
    json_t *all = p->facts ? json_loads(p->facts, 0, NULL) : NULL;

    if (!all || !f->image.rootfs[0]) {
        json_decref(all);
        return;
    }
    json_object_set_new(all, "image", json_string(f->image.what));
    json_object_set_new(all, "image_sha256", json_string(f->image.digest));
    for (size_t i = 0; i < f->n_inputs; i++)
        json_object_set_new(all, f->inputs[i].name, json_string(f->sha256[i]));
    free(p->facts);
    p->facts = json_dumps(all, JSON_COMPACT);
    json_decref(all);
}

/* The first cell's part becomes every cell's, each with its own figure. */
static void share_out(struct course *c, struct execution *x, const char *output)
{
    note_files(&c->files[x->cells[0]], &x->trials[0].parts.v[x->trials[0].parts.n - 1]);
    for (size_t i = 1; i < x->n; i++) {
        const struct trial *first = &x->trials[0];
        struct part copy = part_copy(&first->parts.v[first->parts.n - 1]);

        VEC_PUSH(&x->trials[i].parts, copy);
    }
    for (size_t i = 0; i < x->n; i++) {
        struct trial *t = &x->trials[i];
        fill_cell(c, x->cells[i], output, &t->parts.v[t->parts.n - 1]);
    }
}

static int execute(struct course *c, unsigned block, struct execution *x, size_t target,
                   uint32_t position, int previous, struct err *err)
{
    struct lane l;
    int r = 0;

    lane_open(c, &l, x->cells[0], target, &x->trials[0]);
    if (!l.slot->session)
        lane_fail(c, &l, &l.slot->start_failure);
    else if (cell_of(c, l.cell)->workload->experiment)
        r = life_execute(c, &l, position, previous, err);
    else if (cold_needs_renewal(cell_of(c, l.cell), l.slot))
        r = whole_halves(c, &l, block, position, previous, err);
    else
        r = whole_slice(c, &l, position, previous, err);
    if (r == 0)
        share_out(c, x, l.output);
    lane_close(&l);
    return r;
}

/* ---- a block of it ---- */

static bool takes_part(struct course *c, const struct execution *x, size_t target)
{
    for (size_t i = 0; i < x->n; i++) {
        const struct pair *p = course_pair(c, target, x->cells[i]);

        if (!p->given_up && (!p->closed || target == c->base))
            return c->slots[target].info.usable;
    }
    return false;
}

/* The whole machine's: only on request, and the paper suite's own way. */
static int drop_caches(struct err *err)
{
    _cleanup_fd_ int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return err_errno(err, errno, "drop the machine's caches");
    sync();
    return fd_write_full(fd, "3\n", 2, err);
}

/* Where the plan asks for it, before what works on files of the disk, as an application may: to all
 * else it does nothing but make its target load its programs anew. */
static bool wants_cold_machine(const struct course *c, const struct cell *cell)
{
    bool on_disk = cell->app || cell->place == PLACE_ROOTFS || cell->place == PLACE_BIND;
    bool cold_start =
        cell->workload->experiment && str_eq(params_text(&cell->params, "cold", "no"), "yes");

    return (c->head.plan.drop_caches && on_disk) || cold_start;
}

static int run_on(struct course *c, unsigned block, struct execution *x, size_t target,
                  uint32_t position, int previous, struct err *err)
{
    const struct cell *cell = cell_of(c, x->cells[0]);
    int r = 0;

    if (c->progress->starting)
        c->progress->starting(c->progress->user, &c->state, c->slots[target].info.target.label);
    if (wants_cold_machine(c, cell))
        r = drop_caches(err);
    if (r == 0 && cell->workload->network)
        r = network_open(c, x->cells[0], err);
    if (r == 0)
        r = c->net ? network_start(c, target, block, err)
                   : target_start(c, target, block, &c->launches[x->cells[0]], err);
    if (r == 0 && !cell->workload->experiment)
        r = course_warm_up(c, err);
    if (r == 0)
        course_say_cell(c, x->cells[0]);
    if (r == 0 && cell->workload->grain == GRAIN_WHOLE)
        r = execute(c, block, x, target, position, previous, err);
    else if (r == 0)
        r = trial_run(c, block, x->cells[0], &target, 1, &x->trials[0], err);
    target_stop(c, target, block);
    network_close(c, block);
    return r;
}

static int run_all(struct course *c, unsigned block, struct execution *x, struct err *err)
{
    _cleanup_free_ size_t *order = xcalloc(c->n_targets, sizeof(*order));
    struct reading before, after;
    struct rng rng;
    int previous = -1, r = 0;

    for (size_t i = 0; i < c->n_targets; i++)
        order[i] = i;
    schedule_rounds_rng(c->head.plan.seed, block, (unsigned)x->cells[0], &rng);
    rng_shuffle(&rng, order, c->n_targets);
    uint64_t start_ns = course_now(c);
    monitor_read(c->monitor, &before);
    for (size_t i = 0; r == 0 && i < c->n_targets; i++) {
        if (!takes_part(c, x, order[i]))
            continue;
        r = run_on(c, block, x, order[i], (uint32_t)i, previous, err);
        previous = (int)order[i];
    }
    monitor_read(c->monitor, &after);
    uint64_t end_ns = course_now(c);
    for (size_t i = 0; i < x->n; i++) {
        x->trials[i].start_ns = start_ns;
        x->trials[i].end_ns = end_ns;
        covariates_between(c, &before, &after, &x->trials[i].covariates);
    }
    return r;
}

static bool measured_already(struct course *c, unsigned block, size_t cell)
{
    return store_has_trial(c->o->store, c->head.id, block, (uint32_t)cell);
}

static int execution_block(struct course *c, unsigned block, struct execution *x, uint32_t position,
                           struct err *err)
{
    int r;

    for (size_t i = 0; i < x->n; i++) {
        trial_init(&x->trials[i]);
        x->trials[i].block = block;
        x->trials[i].cell = (uint32_t)x->cells[i];
        x->trials[i].position = position + (uint32_t)i;
    }
    r = run_all(c, block, x, err);
    for (size_t i = 0; i < x->n; i++) {
        if (r == 0 && !measured_already(c, block, x->cells[i]))
            r = course_keep_trial(c, &x->trials[i], err);
        trial_release(&x->trials[i]);
    }
    return r;
}

/* Of the cells from `from` on that are not done: those that share an execution with the first. */
static void gather(struct course *c, const size_t *cells, size_t n, size_t from, bool *done,
                   struct execution *x)
{
    x->n = 0;
    for (size_t i = from; i < n; i++) {
        if (done[i] ||
            (i > from && !cell_shares_execution(cell_of(c, cells[from]), cell_of(c, cells[i]))))
            continue;
        done[i] = true;
        x->cells[x->n++] = cells[i];
    }
}

int whole_block(struct course *c, unsigned block, const size_t *cells, size_t n, struct err *err)
{
    _cleanup_free_ bool *done = xcalloc(n, sizeof(*done));
    struct execution x = {.cells = xcalloc(n, sizeof(*x.cells)),
                          .trials = xcalloc(n, sizeof(*x.trials))};
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++) {
        if (done[i])
            continue;
        gather(c, cells, n, i, done, &x);
        if (measured_already(c, block, x.cells[0]))
            continue;
        if (i > 0 && course_budget_over(c)) {
            c->cut = true;
            break;
        }
        r = execution_block(c, block, &x, (uint32_t)i, err);
    }
    free(x.cells);
    free(x.trials);
    return r;
}
