#include "analyse/machines-judge.h"

#include "base/cleanup.h"
#include "stats/describe.h"
#include "stats/multi.h"
#include "stats/student.h"

#include <math.h>
#include <stdlib.h>

static bool in_group(const struct machines *m, size_t machine, size_t group)
{
    return group == 0 || m->rows[machine].group == group;
}

/* The logs of a group's machines in y (room for all), and who they are in who. */
static void gather(const struct machines *m, size_t group, size_t cell, size_t target, double *y,
                   size_t *who, struct machines_result *ret)
{
    double squares = 0;
    size_t with_se = 0;

    *ret = (struct machines_result){.between = NAN, .within = NAN, .p = NAN, .adjusted_p = NAN};
    ret->ratio = (struct estimate){NAN, NAN, NAN, 0, 0};
    for (size_t i = 0; i < m->n; i++) {
        const struct machine_figure *f = machines_figure(m, i, cell, target);
        if (!in_group(m, i, group) || f->runs == 0)
            continue;
        ret->machines++;
        if (f->failed && ret->failed++ == 0)
            ret->first_failed = i;
        ret->withheld += f->withheld;
        if (f->n == 0 || f->withheld)
            continue;
        y[ret->n] = f->log;
        who[ret->n++] = i;
        if (isfinite(f->se)) {
            squares += f->se * f->se;
            with_se++;
        }
    }
    if (with_se)
        ret->within = sqrt(squares / (double)with_se);
}

static void see_extremes(const double *y, const size_t *who, struct machines_result *x)
{
    size_t least = 0, most = 0;

    for (size_t i = 1; i < x->n; i++) {
        least = y[i] < y[least] ? i : least;
        most = y[i] > y[most] ? i : most;
    }
    x->least = who[least];
    x->most = who[most];
}

static void add_apart(struct machines *m, size_t cell, size_t target, const double *y,
                      const size_t *who, size_t n)
{
    double median = describe_median(y, n), mad = describe_mad(y, n);

    for (size_t i = 0; n >= MACHINES_APART_MIN && i < n; i++) {
        double off = fabs(y[i] - median), score = mad > 0 ? .6745 * off / mad : INFINITY;
        struct machine_apart a = {who[i], cell, target, exp(y[i]), exp(median), score};
        if (!(off > log1p(m->theta)) || !(score > MACHINES_APART) ||
            off <= MACHINES_APART_SE * machines_figure(m, who[i], cell, target)->se)
            continue;
        m->rows[who[i]].apart++;
        VEC_PUSH(&m->apart, a);
    }
}

static int judge_one(struct machines *m, size_t group, size_t cell, size_t target, double *y,
                     size_t *who, struct err *err)
{
    struct machines_result *x = &m->groups.v[group].results[cell * m->targets.n + target];
    struct student t;

    gather(m, group, cell, target, y, who, x);
    if (x->n == 0)
        return 0;
    int r = student_mean(y, x->n, x->within, MACHINES_ALPHA, &t, err);
    if (r < 0)
        return r;
    see_extremes(y, who, x);
    x->between = describe_sd(y, x->n);
    x->ratio = (struct estimate){exp(t.mean), NAN, NAN, 0, x->n};
    if (x->n < MACHINES_MIN)
        return 0;
    x->ratio.lo = exp(t.lo);
    x->ratio.hi = exp(t.hi);
    x->ratio.level = t.level;
    if (!m->absolute) { /* no value is 1 */
        x->p = t.p;
        x->verdict = verdict_of(t.lo, t.hi, m->theta, false);
    }
    /* Within its own kind where there are several. */
    if ((m->groups.n > 1) == (group > 0))
        add_apart(m, cell, target, y, who, x->n);
    return 0;
}

static void adjust(const struct machines *m, struct machines_group *g)
{
    size_t n = m->cells.n * m->targets.n;
    _cleanup_free_ double *p = xcalloc(n + 1, sizeof(*p));

    for (size_t i = 0; i < n; i++) {
        p[i] = g->results[i].p;
        g->tested += !isnan(p[i]);
    }
    multi_bh(p, n, p);
    for (size_t i = 0; i < n; i++)
        g->results[i].adjusted_p = p[i];
}

static bool is_difference(enum verdict v)
{
    return v == VERDICT_SLOWER || v == VERDICT_FASTER || v == VERDICT_SMALL;
}

static void hold_back(struct machines_result *x)
{
    if (is_difference(x->verdict) && !(x->adjusted_p <= MACHINES_ALPHA))
        x->hold = HOLD_MANY;
    else if (x->verdict == VERDICT_FASTER && x->failed)
        x->hold = HOLD_FAILED;
    if (x->hold != HOLD_NONE)
        x->verdict = VERDICT_INCONCLUSIVE;
}

static int judge_group(struct machines *m, size_t group, struct err *err)
{
    struct machines_group *g = &m->groups.v[group];
    size_t n = m->cells.n * m->targets.n;
    _cleanup_free_ double *y = xcalloc(m->n + 1, sizeof(*y));
    _cleanup_free_ size_t *who = xcalloc(m->n + 1, sizeof(*who));

    g->results = xcalloc(n + 1, sizeof(*g->results));
    for (size_t i = 0; i < n; i++) {
        int r = judge_one(m, group, i / m->targets.n, i % m->targets.n, y, who, err);
        if (r < 0)
            return r;
    }
    adjust(m, g);
    for (size_t i = 0; i < n; i++)
        hold_back(&g->results[i]);
    return 0;
}

static int farthest_first(const void *a, const void *b)
{
    const struct machine_apart *x = a, *y = b;
    double dx = fabs(log(x->ratio / x->median)), dy = fabs(log(y->ratio / y->median));

    return dx < dy ? 1 : dx > dy ? -1 : 0;
}

int machines_judge(struct machines *m, struct err *err)
{
    int r = 0;

    if (m->groups.n == 2) {
        m->groups.n = 1;
        for (size_t i = 0; i < m->n; i++)
            m->rows[i].group = 0;
    }
    for (size_t i = 0; r == 0 && i < m->groups.n; i++)
        r = judge_group(m, i, err);
    if (m->apart.n)
        qsort(m->apart.v, m->apart.n, sizeof(*m->apart.v), farthest_first);
    return r;
}
