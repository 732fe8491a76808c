#include "base/log.h"
#include "host/runtimeconf.h"
#include "measure/aggressor.h"
#include "measure/network.h"

#include <errno.h>
#include <math.h>

/* A block is not begun unless this much of the budget beyond its expected length is left. */
#define BUDGET_MARGIN 1.05

static int course_new_run(struct course *c, struct err *err)
{
    int r;

    plan_copy(&c->head.plan, c->o->plan);
    if (c->head.plan.seed == 0)
        c->head.plan.seed = rng_entropy() >> 11; /* 53 bits: survives any JSON reader */
    r = targets_make_unique(c->head.plan.targets.v, c->head.plan.targets.n, err);
    if (r < 0)
        return r;
    return plan_base_index(&c->head.plan, &c->base, err);
}

struct last_block {
    unsigned next; /* first block that is not complete */
    uint64_t end_ns;
};

static int see_block(void *user, const struct block_record *b)
{
    struct last_block *l = user;

    if (b->complete && b->block >= l->next)
        l->next = b->block + 1;
    if (b->end_ns > l->end_ns)
        l->end_ns = b->end_ns;
    return 0;
}

static int check_resumable(const struct course *c, struct err *err)
{
    const struct run_head *h = &c->head;

    if (str_eq(h->status, "complete") || str_eq(h->status, "imported"))
        return err_set(err, ERR_USAGE, EALREADY, "run r%lld is %s: there is nothing to go on with",
                       (long long)h->id, h->status);
    /* Which run a live one is, the ledger does not say; two must not write to one. */
    if (str_eq(h->status, "running") && c->shared)
        return err_set(err, ERR_ENVIRONMENT, EBUSY,
                       "run r%lld may be the one that is measuring now; wait for that to end",
                       (long long)h->id);
    if (!str_eq(h->machine_id, c->o->machine->id))
        return err_set(err, ERR_USAGE, EXDEV, "run r%lld was made on another machine",
                       (long long)h->id);
    return 0;
}

static int course_resume(struct course *c, struct err *err)
{
    struct last_block last = {0};
    int r = store_run_head(c->o->store, c->o->resume, &c->head, err);

    if (r == 0)
        r = check_resumable(c, err);
    if (r < 0) {
        c->head.id = 0; /* not ours to write to */
        return r;
    }
    r = store_blocks(c->o->store, c->head.id, see_block, &last, err);
    if (r < 0)
        return r;
    c->base = c->head.base;
    c->first_block = last.next;
    c->start_ns -= last.end_ns;
    return 0;
}

static void course_rule(struct course *c)
{
    const struct plan *p = &c->head.plan;

    c->rule = stop_rule_default(p->theta);
    if (p->precision > 0)
        c->rule.half_width = log1p(p->precision);
    c->max_blocks = p->repeats ? p->repeats : p->blocks;
    if (!c->max_blocks)
        c->max_blocks = (unsigned)c->rule.looks[c->rule.n_looks - 1];
}

static int course_slots(struct course *c, struct err *err)
{
    c->n_targets = c->n_slots = c->head.plan.targets.n;
    c->n_cells = c->head.plan.cells.n;
    c->slots = xcalloc(c->n_targets, sizeof(*c->slots));
    c->cell_cpus = xcalloc(c->n_cells, sizeof(*c->cell_cpus));
    c->peer_cpus = xcalloc(c->n_cells, sizeof(*c->peer_cpus));
    c->files = xcalloc(c->n_cells, sizeof(*c->files));
    c->impossible = xcalloc(c->n_cells, sizeof(*c->impossible));
    c->launches = xcalloc(c->n_cells, sizeof(*c->launches));
    c->aggressors = xcalloc(c->n_cells, sizeof(*c->aggressors));
    for (size_t t = 0; t < c->n_targets; t++) {
        c->slots[t].info.target = c->head.plan.targets.v[t];
        c->slots[t].pairs = xcalloc(c->n_cells, sizeof(struct pair));
    }
    return aggressors_find(c, err);
}

static void say_removed(void *user, const char *line)
{
    log_debug("clean: %s", line);
}

/* What a killed run left is removed before the next begins: it would disturb what is measured, and
 * nobody else will. Failing at it does not stop the run. */
static void clean_earlier(struct course *c)
{
    struct clean_result done = {0};
    struct err why = ERR_INIT;

    if (ledger_clean(c->o->state_dir, c->o->loop, say_removed, NULL, &done, &why) < 0)
        log_notice("cannot clean up after earlier runs: %s", why.msg);
    else if (done.removed || done.failed)
        log_notice("removed %u things that %u earlier run%s left%s", done.removed, done.runs,
                   done.runs == 1 ? "" : "s",
                   done.failed ? "; some could not be removed, see cupel clean" : "");
}

static int course_open(struct course *c, struct err *err)
{
    int r = c->o->resume ? course_resume(c, err) : course_new_run(c, err);

    if (r < 0)
        return r;
    if (c->head.plan.targets.n == 0 || c->head.plan.cells.n == 0)
        return err_set(err, ERR_USAGE, EINVAL, "nothing to measure: no %s given",
                       c->head.plan.targets.n ? "workload" : "target");
    course_rule(c);
    r = course_slots(c, err);
    if (r < 0)
        return r;
    r = loop_catch_interrupts(c->o->loop, err);
    if (r < 0)
        return r;
    clean_earlier(c);
    return site_open(c, err);
}

static void course_release(struct course *c)
{
    for (size_t t = 0; c->slots && t < c->n_targets; t++)
        free(c->slots[t].pairs);
    free(c->slots);
    free(c->cell_cpus);
    free(c->peer_cpus);
    free(c->launches);
    free(c->aggressors);
    free(c->files);
    free(c->impossible);
    run_head_release(&c->head);
}

static int check_alone(struct course *c, struct err *err)
{
    char run[16];
    pid_t pid;
    int r = ledger_live(c->o->state_dir, run, &pid, err);

    c->shared = r > 0;
    if (r <= 0)
        return r;
    if (c->o->plan && c->o->plan->share)
        return 0;
    return err_set(
        err, ERR_ENVIRONMENT, EBUSY,
        "another run (%s, pid %d) is measuring on this machine; wait for it or give --share", run,
        (int)pid);
}

/* The run's row, once it is known what the targets are. */
static int course_record(struct course *c, struct err *err)
{
    _cleanup_free_ struct target_row *rows = xcalloc(c->n_targets, sizeof(*rows));
    int r;

    if (c->o->resume)
        return store_run_status(c->o->store, c->head.id, "running", err);
    c->head.base = (uint32_t)c->base;
    c->head.machine_id = xstrdup(c->o->machine->id);
    c->head.machine = runtimeconf_add(machine_json(c->o->machine));
    c->head.version = xstrdup(CUPEL_VERSION);
    c->head.command = xstrdup(c->o->command ? c->o->command : "");
    c->head.started_real_ns = time_real_ns();
    str_copy(c->head.status, sizeof(c->head.status), "running");
    for (size_t t = 0; t < c->n_targets; t++) {
        rows[t].usable = c->slots[t].info.usable;
        rows[t].info = target_info_json(&c->slots[t].info);
    }
    r = store_run_new(c->o->store, &c->head, rows, err);
    for (size_t t = 0; t < c->n_targets; t++)
        free(rows[t].info);
    return r;
}

static int check_base(struct course *c, struct err *err)
{
    const struct target_info *base = &c->slots[c->base].info;

    for (size_t t = 0; t < c->n_targets; t++)
        c->usable_targets += c->slots[t].info.usable;
    if (c->usable_targets == 0)
        return err_set(err, ERR_ENVIRONMENT, ENODEV, "no target can be used here: %s: %s",
                       base->target.label, base->reason);
    if (!base->usable)
        return err_set(err, ERR_ENVIRONMENT, ENXIO,
                       "the base %s cannot be used here: %s; name another with --base",
                       base->target.label, base->reason);
    return 0;
}

/* Twins of an A/A run drop out together, so that they have their blocks in common. */
static bool twin_ready(struct course *c, const struct analysis *a, size_t t, size_t cell)
{
    size_t twin = t ^ 1;

    if (!c->head.plan.aa || twin == c->base || twin >= c->n_targets)
        return true;
    return analysis_at(a, cell, twin)->precise || course_pair(c, twin, cell)->given_up ||
           !c->slots[twin].info.usable;
}

/* What is precise enough drops out of later blocks. Only at the looks of the stopping rule, so that
 * looking often does not narrow intervals by luck; never with a fixed number of repeats. */
static void close_precise(struct course *c, const struct analysis *a)
{
    c->state.cells_open = c->state.cells_total = 0;
    for (size_t t = 0; t < c->n_targets; t++) {
        if (!c->slots[t].info.usable || (t == c->base && c->usable_targets > 1))
            continue;
        for (size_t k = 0; k < c->n_cells; k++) {
            struct pair *p = course_pair(c, t, k);

            if (analysis_at(a, k, t)->precise && c->head.plan.repeats == 0 &&
                twin_ready(c, a, t, k))
                p->closed = true;
            c->state.cells_total++;
            c->state.cells_open += !p->closed && !p->given_up;
        }
    }
}

static void estimate_left(struct course *c, unsigned done)
{
    struct progress_state *s = &c->state;
    uint64_t blocks = done < c->max_blocks ? c->max_blocks - done : 0;

    s->elapsed_ns = course_now(c);
    s->left_ns = c->block_ns ? blocks * c->block_ns : UINT64_MAX;
    if (s->budget_ns) {
        uint64_t rest = s->budget_ns > s->elapsed_ns ? s->budget_ns - s->elapsed_ns : 0;
        if (rest < s->left_ns)
            s->left_ns = rest;
    }
    if (s->cells_open == 0)
        s->left_ns = 0;
}

static int look(struct course *c, unsigned done, struct err *err)
{
    struct analysis a;
    int r = analyse_progress(c->o->store, c->head.id, &a, err);

    if (r < 0)
        return err_wrap(err, "analyse the run so far");
    close_precise(c, &a);
    estimate_left(c, done);
    if (c->progress->block)
        c->progress->block(c->progress->user, &c->state, &a);
    analysis_release(&a);
    return 0;
}

static bool budget_spent(struct course *c, unsigned block)
{
    const struct plan *p = &c->head.plan;
    double need = (double)c->block_ns * BUDGET_MARGIN;

    if (!p->budget_ns || block == c->first_block)
        return false;
    return (double)course_now(c) + need > (double)p->budget_ns;
}

static int one_block(struct course *c, unsigned block, struct err *err)
{
    struct block_record rec = {.block = block, .start_ns = course_now(c)};
    int r;

    c->state.block = block + 1;
    rec.end_ns = rec.start_ns;
    r = store_block(c->o->store, c->head.id, &rec, err);
    if (r == 0)
        r = block_run(c, block, err);
    rec.end_ns = course_now(c);
    rec.complete = r == 0 && !c->cut;
    c->block_ns = rec.end_ns - rec.start_ns;
    if (r == 0)
        r = store_block(c->o->store, c->head.id, &rec, err);
    return r;
}

static int pause_between(struct course *c, struct err *err)
{
    const bool never = false;

    if (!c->head.plan.interval_ns)
        return 0;
    if (loop_run_until(c->o->loop, &never, time_deadline(c->head.plan.interval_ns), NULL) == -EINTR)
        return err_set(err, ERR_ENVIRONMENT, EINTR, "interrupted");
    return 0;
}

/* done: complete blocks. */
static void warn_budget(struct course *c, unsigned done)
{
    const struct progress_state *s = &c->state;

    if (done >= c->max_blocks || s->cells_open == 0)
        return;
    if (done == c->first_block && c->cut)
        warn_add(c, WARN_BUDGET, -1, -1, -1, (double)done,
                 "the budget ended before every cell had been measured once");
    else if (c->head.plan.repeats)
        warn_add(c, WARN_BUDGET, -1, -1, -1, (double)done, "the budget ended after %u of %u blocks",
                 done, c->max_blocks);
    else
        warn_add(c, WARN_BUDGET, -1, -1, -1, (double)s->cells_open,
                 "the budget ended before %zu of %zu cells were as precise as wanted",
                 s->cells_open, s->cells_total);
}

static int blocks_run(struct course *c, struct err *err)
{
    unsigned block = c->first_block;
    int r;

    c->state.block = block;
    r = block ? look(c, block, err) : 0;

    for (; r == 0 && block < c->max_blocks; block++) {
        if (block > 0 && c->state.cells_open == 0)
            break;
        if (budget_spent(c, block))
            break;
        if (block > c->first_block)
            r = pause_between(c, err);
        if (r == 0)
            r = one_block(c, block, err);
        if (r == 0)
            r = look(c, block + 1, err);
        if (c->cut)
            break;
    }
    if (r == 0)
        warn_budget(c, block);
    return r;
}

static int course_run(struct course *c, struct err *err)
{
    int r;

    if (c->progress->begin)
        c->progress->begin(c->progress->user, &c->head.plan, NULL, 0);
    r = targets_preflight(c, err);
    if (r == 0)
        r = check_base(c, err);
    if (r == 0)
        r = aggressors_preflight(c, err);
    if (r == 0)
        r = resolve_cells(c, err);
    if (r == 0)
        r = network_preflight(c, err);
    if (r == 0)
        r = images_prepare(c, err);
    if (r == 0)
        r = course_record(c, err);
    if (r < 0)
        return r;
    c->state.run = c->head.id;
    if (c->shared)
        warn_add(c, WARN_SHARED, -1, -1, -1, NAN, "another run measured at the same time");
    warn_machine(c);
    if (c->head.plan.repeats)
        c->state.left_ns = (c->max_blocks - c->first_block) * estimate_block_ns(c);
    if (c->progress->planned)
        c->progress->planned(c->progress->user, &c->state);
    r = blocks_run(c, err);
    if (r == 0)
        warn_machine_end(c);
    return r;
}

static void count_cells(const struct course *c, struct measure_result *ret)
{
    struct analysis a;

    if (analyse_progress(c->o->store, c->head.id, &a, NULL) < 0)
        return;
    for (size_t t = 0; t < a.n_targets; t++) {
        for (size_t k = 0; k < a.n_cells; k++) {
            const struct cell_result *x = analysis_at(&a, k, t);

            ret->cells_measured += x->status == CELL_OK || x->status == CELL_SOME_FAILED;
            ret->cells_failed += x->status != CELL_OK;
        }
    }
    analysis_release(&a);
}

/* Ends in order whatever happened: sessions, engines, ground, the run's row. */
static int course_close(struct course *c, int r, struct measure_result *ret, struct err *err)
{
    struct err late = ERR_INIT;

    ret->interrupted = loop_interrupted(c->o->loop) != 0;
    loop_clear_interrupt(c->o->loop);
    for (size_t t = 0; c->slots && t < c->n_targets; t++)
        target_stop(c, t, c->state.block ? c->state.block - 1 : 0);
    if (c->slots)
        targets_close(c);
    image_store_release(&c->images);
    ret->run = c->head.id;
    if (site_close(c, &late) < 0 && c->head.id)
        warn_add(c, WARN_LEFTOVERS, -1, -1, -1, NAN, "%s; cupel clean removes it", late.msg);
    if (!c->head.id)
        return r;
    if (r == 0 || ret->interrupted)
        r = store_run_end(c->o->store, c->head.id, ret->interrupted ? "interrupted" : "complete",
                          err);
    else
        store_run_end(c->o->store, c->head.id, "failed", NULL);
    count_cells(c, ret);
    if (c->progress->end)
        c->progress->end(c->progress->user, &c->state);
    return r;
}

int measure_run(const struct measure_options *o, const struct progress *progress,
                struct measure_result *ret, struct err *err)
{
    static const struct progress silent;
    struct course c = {.o = o, .progress = progress ? progress : &silent};
    int r;

    *ret = (struct measure_result){0};
    run_head_init(&c.head);
    c.start_ns = time_mono_ns();
    r = check_alone(&c, err);
    if (r == 0)
        r = course_open(&c, err);
    if (r == 0) {
        c.state = (struct progress_state){.n_targets = c.n_targets,
                                          .n_cells = c.n_cells,
                                          .max_blocks = c.max_blocks,
                                          .budget_ns = c.head.plan.budget_ns,
                                          .left_ns = UINT64_MAX};
        r = course_run(&c, err);
    }
    r = course_close(&c, r, ret, err);
    course_release(&c);
    return r;
}
