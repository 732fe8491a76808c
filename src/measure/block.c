#include "measure/network.h"

#include <errno.h>
#include <math.h>

/* How long idle targets are watched for what they burn. */
#define IDLE_WATCH_NS (200 * NS_PER_MS)
#define IDLE_BUSY_MAX .01 /* CPUs */

/* What sliced cells run in. */
static const struct launch probe_alone = {.program = PROGRAM_PROBE};

static int start_one(struct course *c, size_t target, unsigned block, struct err *err)
{
    return c->net ? network_start(c, target, block, err)
                  : target_start(c, target, block, &probe_alone, err);
}

static void stop_one(struct course *c, size_t target, unsigned block)
{
    if (c->net)
        network_stop(c, target, block);
    else
        target_stop(c, target, block);
}

/* Targets that take part in the cell, into idx. The base goes on as long as anything is compared
 * with it, and where it is the only usable target, until it is precise itself; 0: nothing is left
 * to do. */
static size_t cell_targets(struct course *c, size_t cell, size_t *idx)
{
    size_t n = 0, open = 0;

    for (size_t t = 0; t < c->n_targets; t++) {
        const struct pair *p = course_pair(c, t, cell);

        if (!c->slots[t].info.usable || p->given_up)
            continue;
        if (p->closed && t != c->base)
            continue;
        idx[n++] = t;
        open += !p->closed && (t != c->base || c->usable_targets == 1);
    }
    return open ? n : 0;
}

/* Every target that takes part in any of these cells. */
static size_t block_targets(struct course *c, const size_t *cells, size_t n_cells, bool *in)
{
    _cleanup_free_ size_t *idx = xcalloc(c->n_targets, sizeof(*idx));
    size_t count = 0;

    for (size_t t = 0; t < c->n_targets; t++)
        in[t] = false;
    for (size_t k = 0; k < n_cells; k++) {
        size_t n = cell_targets(c, cells[k], idx);
        for (size_t i = 0; i < n; i++)
            in[idx[i]] = true;
    }
    for (size_t t = 0; t < c->n_targets; t++)
        count += in[t];
    return count;
}

/* CPU time each idle session burns, over a short while in which nothing is asked of any. */
static int watch_idle(struct course *c, unsigned block, struct err *err)
{
    _cleanup_free_ uint64_t *before = xcalloc(c->n_targets, sizeof(*before));
    uint64_t from = time_mono_ns();
    int r;

    for (size_t t = 0; t < c->n_targets; t++)
        if (!c->slots[t].session || session_cpu_read(c->slots[t].session, &before[t]) < 0)
            before[t] = UINT64_MAX;
    r = course_wait_until(c, time_deadline(IDLE_WATCH_NS), err);
    if (r < 0)
        return r;
    for (size_t t = 0; t < c->n_targets; t++) {
        struct session *s = c->slots[t].session;
        uint64_t after;
        double busy;

        if (!s || session_cpu_read(s, &after) < 0 || after < before[t])
            continue;
        busy = (double)(after - before[t]) / (double)(time_mono_ns() - from);
        r = store_session_idle(c->o->store, c->head.id, block, (uint32_t)t, busy, err);
        if (r < 0)
            return r;
        if (busy > IDLE_BUSY_MAX)
            warn_add(c, WARN_IDLE_BUSY, (int)block, (int)t, -1, busy,
                     "%s burns %.1f %% of a CPU while idle; --solo keeps it from the others",
                     c->slots[t].info.target.label, 100 * busy);
    }
    return 0;
}

static int watched_warm_up(struct course *c, unsigned block, struct err *err)
{
    int r = watch_idle(c, block, err);

    return r < 0 ? r : course_warm_up(c, err);
}

static int start_all(struct course *c, unsigned block, const bool *in, struct err *err)
{
    _cleanup_free_ size_t *order = xcalloc(c->n_targets, sizeof(*order));

    schedule_targets(c->head.plan.seed, block, order, c->n_targets);
    for (size_t i = 0; i < c->n_targets; i++) {
        int r;

        if (!in[order[i]])
            continue;
        if (c->progress->starting)
            c->progress->starting(c->progress->user, &c->state,
                                  c->slots[order[i]].info.target.label);
        r = start_one(c, order[i], block, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static void stop_all(struct course *c, unsigned block)
{
    for (size_t t = 0; t < c->n_targets; t++)
        stop_one(c, t, block);
}

/* A session that broke in one cell is replaced before the next, so that one cell's failure stays
 * one cell's. */
static int replace_broken(struct course *c, unsigned block, struct err *err)
{
    bool replaced = false;

    for (size_t t = 0; t < c->n_targets; t++) {
        struct slot *s = &c->slots[t];
        int r;

        if (!s->session || (session_failure(s->session, NULL) == 0 && !network_broken(c, t)))
            continue;
        stop_one(c, t, block);
        r = start_one(c, t, block, err);
        if (r < 0)
            return r;
        replaced = true;
    }
    return replaced ? watched_warm_up(c, block, err) : 0;
}

/* Targets side by side: the form of nearly every run. */
static int block_interleaved(struct course *c, unsigned block, const size_t *cells, size_t n_cells,
                             uint32_t position, struct err *err)
{
    _cleanup_free_ bool *in = xcalloc(c->n_targets, sizeof(*in));
    _cleanup_free_ size_t *idx = xcalloc(c->n_targets, sizeof(*idx));
    int r;

    if (n_cells == 0 || block_targets(c, cells, n_cells, in) == 0)
        return 0;
    r = start_all(c, block, in, err);
    if (r == 0)
        r = watched_warm_up(c, block, err);
    for (size_t i = 0; r == 0 && i < n_cells; i++) {
        size_t n = cell_targets(c, cells[i], idx);
        struct trial t;

        if (n == 0 || store_has_trial(c->o->store, c->head.id, block, (uint32_t)cells[i]))
            continue;
        if (i > 0 && course_budget_over(c)) {
            c->cut = true;
            break;
        }
        trial_init(&t);
        t.block = block;
        t.cell = (uint32_t)cells[i];
        t.position = position + (uint32_t)i;
        course_say_cell(c, cells[i]);
        r = trial_run(c, block, cells[i], idx, n, &t, err);
        if (r == 0)
            r = course_keep_trial(c, &t, err);
        trial_release(&t);
        if (r == 0)
            r = replace_broken(c, block, err);
    }
    stop_all(c, block);
    return r;
}

/* One target after the other, each alone on the machine: for targets that are not quiet while idle.
 */
static int block_alone(struct course *c, unsigned block, const size_t *cells, size_t n_cells,
                       uint32_t position, struct err *err)
{
    _cleanup_free_ size_t *order = xcalloc(c->n_targets, sizeof(*order));
    _cleanup_free_ size_t *idx = xcalloc(c->n_targets, sizeof(*idx));
    _cleanup_free_ bool *one = xcalloc(c->n_targets, sizeof(*one));
    _cleanup_free_ struct trial *trials = xcalloc(n_cells ? n_cells : 1, sizeof(*trials));
    int r = 0;

    for (size_t i = 0; i < n_cells; i++) {
        trial_init(&trials[i]);
        trials[i].block = block;
        trials[i].cell = (uint32_t)cells[i];
        trials[i].position = position + (uint32_t)i;
    }
    schedule_targets(c->head.plan.seed, block, order, c->n_targets);
    for (size_t k = 0; r == 0 && k < c->n_targets; k++) {
        size_t t = order[k];

        for (size_t i = 0; r == 0 && i < n_cells; i++) {
            size_t n = cell_targets(c, cells[i], idx);
            bool in = false;

            for (size_t j = 0; j < n; j++)
                in = in || idx[j] == t;
            if (!in || store_has_trial(c->o->store, c->head.id, block, (uint32_t)cells[i]))
                continue;
            if (!c->slots[t].session) {
                memset(one, 0, c->n_targets * sizeof(*one));
                one[t] = true;
                r = start_all(c, block, one, err);
                if (r == 0)
                    r = watched_warm_up(c, block, err);
            }
            course_say_cell(c, cells[i]);
            if (r == 0)
                r = trial_run(c, block, cells[i], &t, 1, &trials[i], err);
            if (r == 0)
                r = replace_broken(c, block, err);
        }
        stop_one(c, t, block);
    }
    for (size_t i = 0; i < n_cells; i++) {
        if (r == 0)
            r = course_keep_trial(c, &trials[i], err);
        trial_release(&trials[i]);
    }
    stop_all(c, block);
    return r;
}

static int sessions_block(struct course *c, unsigned block, const size_t *cells, size_t n,
                          uint32_t position, struct err *err)
{
    return c->head.plan.solo ? block_alone(c, block, cells, n, position, err)
                             : block_interleaved(c, block, cells, n, position, err);
}

/* Of the cells that are not done: those that run in the same sessions as the first of them. */
static size_t gather(struct course *c, const size_t *cells, size_t n, bool *done, size_t *ret)
{
    const struct cell *all = c->head.plan.cells.v, *first = NULL;
    size_t k = 0;

    for (size_t i = 0; i < n; i++) {
        const struct cell *cell = &all[cells[i]];
        bool fits = !first || (first->workload->network ? network_shared(first, cell)
                                                        : !cell->workload->network);
        if (done[i] || !fits)
            continue;
        first = first ? first : cell;
        done[i] = true;
        ret[k++] = cells[i];
    }
    return k;
}

static bool anybody_left(struct course *c, unsigned block, const size_t *cells, size_t n)
{
    _cleanup_free_ size_t *idx = xcalloc(c->n_targets, sizeof(*idx));

    for (size_t i = 0; i < n; i++)
        if (cell_targets(c, cells[i], idx) &&
            !store_has_trial(c->o->store, c->head.id, block, (uint32_t)cells[i]))
            return true;
    return false;
}

/* Sliced cells, in as many sets of sessions as they need: one for those without a network, and one
 * for each network. */
static int sliced_block(struct course *c, unsigned block, const size_t *cells, size_t n,
                        struct err *err)
{
    _cleanup_free_ bool *done = xcalloc(n + 1, sizeof(*done));
    _cleanup_free_ size_t *group = xcalloc(n + 1, sizeof(*group));
    uint32_t position = 0;
    size_t k;
    int r = 0;

    while (r == 0 && !c->cut && (k = gather(c, cells, n, done, group)) > 0) {
        bool network = c->head.plan.cells.v[group[0]].workload->network;

        if (!anybody_left(c, block, group, k))
            continue;
        if (position > 0 && course_budget_over(c)) {
            c->cut = true;
            break;
        }
        if (network)
            r = network_open(c, group[0], err);
        if (r == 0)
            r = sessions_block(c, block, group, k, position, err);
        network_close(c, block);
        position += (uint32_t)k;
    }
    return r;
}

/* A cell that this machine cannot measure at all stands in the results once, as what it is. */
static int record_impossible(struct course *c, size_t cell, uint32_t position, struct err *err)
{
    struct trial t;
    int r;

    if (!c->impossible[cell] || store_has_trial(c->o->store, c->head.id, 0, (uint32_t)cell))
        return 0;
    trial_init(&t);
    t.cell = (uint32_t)cell;
    t.position = position;
    t.start_ns = t.end_ns = course_now(c);
    t.covariates = (struct covariates){.steal = NAN,
                                       .psi_cpu = NAN,
                                       .loadavg = NAN,
                                       .swap_pages = UINT64_MAX,
                                       .throttled = UINT64_MAX,
                                       .others_cpu_ns = UINT64_MAX,
                                       .kernel_log_lines = UINT64_MAX};
    for (size_t k = 0; k < c->n_targets; k++) {
        const struct err *why = &course_pair(c, k, cell)->why;
        struct part p = {.role = "main",
                         .target = (uint32_t)k,
                         .outcome = OUTCOME_FAILED,
                         .fail_kind = why->kind,
                         .fail_code = why->code,
                         .clock_drift = NAN};
        str_copy(p.fail_text, sizeof(p.fail_text), why->msg);
        VEC_PUSH(&t.parts, p);
    }
    r = course_keep_trial(c, &t, err);
    trial_release(&t);
    return r;
}

int block_run(struct course *c, unsigned block, struct err *err)
{
    _cleanup_free_ size_t *order = xcalloc(c->n_cells, sizeof(*order));
    _cleanup_free_ size_t *sliced = xcalloc(c->n_cells, sizeof(*sliced));
    _cleanup_free_ size_t *whole = xcalloc(c->n_cells, sizeof(*whole));
    size_t n_sliced = 0, n_whole = 0;
    int r = 0;

    schedule_cells(c->head.plan.seed, block, c->head.plan.cells.v, c->n_cells, order);
    for (size_t i = 0; i < c->n_cells; i++) {
        if (c->head.plan.cells.v[order[i]].grain == GRAIN_WHOLE)
            whole[n_whole++] = order[i];
        else
            sliced[n_sliced++] = order[i];
    }
    for (size_t i = 0; r == 0 && block == 0 && i < c->n_cells; i++)
        r = record_impossible(c, order[i], (uint32_t)i, err);
    if (r < 0)
        return r;
    r = sliced_block(c, block, sliced, n_sliced, err);
    if (r == 0 && n_whole && !c->cut)
        r = whole_block(c, block, whole, n_whole, err);
    return r;
}
