/* What every way of measuring does: wait until targets are warm, say where it is, keep a trial, see
 * whether the budget is spent. */
#include "measure/course.h"

#include <errno.h>

/* Waits without a glance at anything else until the time has come; an interrupt ends it. */
int course_wait_until(struct course *c, uint64_t deadline_ns, struct err *err)
{
    const bool never = false;
    int r = loop_run_until(c->o->loop, &never, deadline_ns, NULL);

    if (r == -EINTR)
        return err_set(err, ERR_ENVIRONMENT, EINTR, "interrupted");
    return 0;
}

/* The same rule for every target: nothing is recorded before the slowest of them is warm. */
int course_warm_up(struct course *c, struct err *err)
{
    uint64_t ready = time_mono_ns();

    for (size_t t = 0; t < c->n_targets; t++) {
        const struct slot *s = &c->slots[t];
        uint64_t need;

        if (!s->session)
            continue;
        need = s->session->caps.warm_up_ns;
        if (c->head.plan.settle_ns > need)
            need = c->head.plan.settle_ns;
        if (s->started_ns + need > ready)
            ready = s->started_ns + need;
    }
    return course_wait_until(c, ready, err);
}

void course_say_cell(struct course *c, size_t cell)
{
    c->state.elapsed_ns = course_now(c);
    if (c->progress->cell)
        c->progress->cell(c->progress->user, &c->state, c->head.plan.cells.v[cell].name);
}

int course_keep_trial(struct course *c, struct trial *t, struct err *err)
{
    int r;

    if (t->parts.n == 0)
        return 0;
    r = store_trial(c->o->store, c->head.id, t, err);
    if (r == 0)
        warn_trial(c, t);
    return r;
}

/* Between cells, so that a budget below the length of a block is kept too. */
bool course_budget_over(const struct course *c)
{
    return c->head.plan.budget_ns && course_now(c) > c->head.plan.budget_ns;
}

void course_impossible(struct course *c, size_t cell, const struct err *why)
{
    c->impossible[cell] = true;
    for (size_t t = 0; t < c->n_targets; t++) {
        c->slots[t].pairs[cell].given_up = true;
        c->slots[t].pairs[cell].why = *why;
    }
}
