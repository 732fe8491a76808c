#include "analyse/advise.h"

#include "analyse/advise-parts.h"
#include "stats/describe.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#define POWER     .8
#define NEVER     1000000000 /* blocks, as verdict_power_blocks has it */
#define TOLERANCE 1e-9       /* a cell's value has a dozen digits: 34 calls are not more than 34 */

static const struct {
    const char *name;
    bool at_least;
    enum trade_measure measure; /* of the trade; TRADE_MEASURES: from elsewhere */
} kinds[ADVISE_KINDS] = {
    [ADVISE_LOSS] = {"loss", false, TRADE_MEASURES},
    [ADVISE_START] = {"start", false, TRADE_MEASURES},
    [ADVISE_MEMORY] = {"memory", false, TRADE_MEASURES},
    [ADVISE_FIT] = {"per-machine", true, TRADE_MEASURES},
    [ADVISE_BESIDE] = {"beside", false, TRADE_MEASURES},
    [ADVISE_CALLS] = {"calls", false, TRADE_COULD},
    [ADVISE_MADE] = {"calls-made", false, TRADE_MADE},
    [ADVISE_CAPS] = {"capabilities", false, TRADE_CAPS},
    [ADVISE_NAMESPACES] = {"namespaces", false, TRADE_NAMESPACES},
    [ADVISE_PATHS] = {"paths", false, TRADE_PATHS},
    [ADVISE_ANSWERED] = {"answered", true, TRADE_ANSWERED},
    [ADVISE_KERNEL] = {"separate-kernel", true, TRADE_MEASURES},
};

struct asking {
    struct store *s;
    const struct analysis *a;
    struct advise *v;
    struct advise_facts *facts; /* n_targets */
};

const char *advise_kind_name(enum advise_kind k)
{
    return kinds[k].name;
}

bool advise_kind_at_least(enum advise_kind k)
{
    return kinds[k].at_least;
}

const char *advise_verdict_name(enum advise_verdict v)
{
    static const char *const names[] = {[ADVISE_MEETS] = "meets",
                                        [ADVISE_UNDECIDED] = "undecided",
                                        [ADVISE_NOT_MEASURED] = "not-measured",
                                        [ADVISE_FAILS] = "fails"};
    return names[v];
}

const struct advise_answer *advise_at(const struct advise *v, size_t limit, size_t target)
{
    return &v->answers[limit * v->n_targets + target];
}

/* ---- one figure against one limit ---- */

static enum advise_verdict compare(double lo, double hi, double bound, bool at_least)
{
    double slack = fabs(bound) * TOLERANCE;

    if (!isfinite(lo) || !isfinite(hi))
        return ADVISE_UNDECIDED;
    if (at_least)
        return lo >= bound - slack  ? ADVISE_MEETS
               : hi < bound - slack ? ADVISE_FAILS
                                    : ADVISE_UNDECIDED;
    return hi <= bound + slack  ? ADVISE_MEETS
           : lo > bound + slack ? ADVISE_FAILS
                                : ADVISE_UNDECIDED;
}

/* Did the target not do its work? One that hung, or cannot, or never did, did not. Of others it is
 * not shown: what came back in some blocks was no measurement, for which there are many reasons. */
static bool target_failed(const struct cell_result *r)
{
    return r->status == CELL_FAILED || r->fail_kind == ERR_TIMEOUT ||
           r->fail_kind == ERR_UNSUPPORTED;
}

static void judge(const struct advise_limit *l, struct advise_finding *f)
{
    bool counted = f->e.n == 0; /* and not estimated */

    if (f->failed && target_failed(f->cell))
        f->verdict = ADVISE_FAILS;
    else if (f->failed && !isfinite(f->e.value))
        f->verdict = ADVISE_UNDECIDED;
    else if (!isfinite(f->e.value))
        f->verdict = ADVISE_NOT_MEASURED;
    else if (isnan(l->bound))
        f->verdict = ADVISE_MEETS;
    else
        f->verdict = compare(counted ? f->e.value : f->e.lo,
                             f->at_least ? INFINITY
                             : counted   ? f->e.value
                                         : f->e.hi,
                             l->bound, kinds[l->kind].at_least);
    /* With a failure in it nothing is shown to meet a limit. */
    if (f->failed && f->verdict == ADVISE_MEETS)
        f->verdict = ADVISE_UNDECIDED;
    /* Of what may be more, so much alone may be too much. */
    if (f->at_least && f->verdict == ADVISE_UNDECIDED && f->e.value > l->bound)
        f->verdict = ADVISE_FAILS;
}

/* So many blocks would tell an estimate like this one from the bound. Taken for all statistics from
 * the spread of the blocks' logs, as docs/statistics.md plans runs. */
static size_t blocks_wanted(const double *log_x, size_t n, const struct estimate *e, double bound)
{
    double sd = describe_sd(log_x, n), apart = fabs(log(bound / e->value));

    if (!isfinite(sd) || sd <= 0 || !isfinite(apart))
        return 0;
    if (apart <= 0)
        return NEVER;
    size_t blocks = verdict_power_blocks(sd, expm1(apart), POWER);
    return blocks > n ? blocks : n + 1;
}

static int wish(const struct asking *k, const struct advise_limit *l, uint32_t target,
                struct advise_finding *f, struct err *err)
{
    _cleanup_(cell_series_release) struct cell_series c = {0};
    size_t n = 0;
    int r;

    if (f->verdict != ADVISE_UNDECIDED || !f->cell || f->e.n == 0)
        return 0;
    r = analyse_series(k->s, k->a->head.id, f->cell->cell, target, &c, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < c.n; i++) {
        double x = l->kind == ADVISE_LOSS ? c.log_ratio[i] : log(c.ns_per_op[i]);
        if (isfinite(x))
            c.log_ratio[n++] = x;
    }
    f->blocks = blocks_wanted(c.log_ratio, n, &f->e, l->bound);
    return 0;
}

static void wish_fact(const struct advise_limit *l, const struct fact_values *x,
                      struct advise_finding *f)
{
    _cleanup_free_ double *logs = xcalloc(x->x.n + 1, sizeof(*logs));

    for (size_t i = 0; i < x->x.n; i++)
        logs[i] = log(x->x.v[i]);
    if (f->verdict == ADVISE_UNDECIDED)
        f->blocks = blocks_wanted(logs, x->x.n, &f->e, l->bound);
}

/* ---- where figures come from ---- */

static const struct estimate nothing = {NAN, NAN, NAN, 0, 0};

static struct advise_finding blank(const struct cell_result *r)
{
    struct advise_finding f = {.cell = r, .e = nothing};
    f.failed = r && r->failed > 0;
    return f;
}

/* The ratio to the base; the base's own is 1. */
static struct estimate ratio_of(const struct cell_result *r, char remark[240])
{
    if (r->is_base && r->absolute.n)
        return (struct estimate){1, 1, 1, 1, r->absolute.n};
    if (!r->ratio.n && r->absolute.n)
        str_copy(remark, 240, "measured, but there is nothing on the base to compare it with");
    return r->ratio.n ? r->ratio : nothing;
}

/* Did the aggressor stay within its limits? */
static void take_held(const struct matrix *m, const struct cell_result *r, uint32_t target,
                      struct advise_finding *f)
{
    for (size_t i = 0; i < m->n_loads; i++)
        for (size_t j = 0; j < m->n_victims; j++) {
            const struct matrix_entry *e = matrix_at(m, target, i, j);
            if (e->beside.result == r || e->tail.result == r) {
                f->limits = e->limits;
                f->broken = e->broken;
            }
        }
}

static struct estimate figure_of(const struct asking *k, enum advise_kind kind,
                                 const struct cell_result *r, struct advise_finding *f)
{
    struct matrix_factor factor;

    if (kind == ADVISE_LOSS)
        return ratio_of(r, f->remark);
    if (kind == ADVISE_START)
        return r->absolute.n ? r->absolute : nothing;
    matrix_factor_of(k->a, r, &factor);
    take_held(&k->v->matrix, r, r->target, f);
    return factor.e.n ? factor.e : nothing;
}

static int ask_cells(const struct asking *k, const struct advise_limit *l, const bool *take,
                     uint32_t target, struct advise_answer *ret, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < k->a->n_cells; i++) {
        const struct cell_result *x = analysis_at(k->a, i, target);
        if (!take[i])
            continue;
        struct advise_finding f = blank(x);
        f.e = figure_of(k, l->kind, x, &f);
        judge(l, &f);
        r = wish(k, l, target, &f, err);
        VEC_PUSH(&ret->findings, f);
    }
    return r;
}

/* All work: its mean, and whatever of it failed, which no mean shows. */
static void ask_mean(const struct asking *k, const struct advise_limit *l, const bool *take,
                     uint32_t target, struct advise_answer *ret)
{
    const struct trade_row *row = &k->v->trade.rows[TRADE_ALL];
    const struct trade_value *v = &row->values[target];
    struct advise_finding f = blank(NULL);

    if (target == k->a->head.base && row->cells)
        f.e = (struct estimate){1, 1, 1, 1, k->a->n_blocks};
    else if (v->has)
        f.e = v->e;
    f.cells = row->cells;
    f.cell = row->cells == 1 ? v->alone : NULL;
    if (row->left_out)
        str_format(f.remark, sizeof(f.remark),
                   "%zu of %zu cells failed or were not measured on a target, and are in no mean",
                   row->left_out, row->cells + row->left_out);
    judge(l, &f);
    VEC_PUSH(&ret->findings, f);
    for (size_t i = 0; i < k->a->n_cells; i++) {
        struct advise_finding failed = blank(analysis_at(k->a, i, target));
        judge(l, &failed);
        if (take[i] && failed.failed)
            VEC_PUSH(&ret->findings, failed);
    }
}

static void ask_count(const struct asking *k, const struct advise_limit *l, uint32_t target,
                      struct advise_answer *ret)
{
    const struct trade_value *v = &k->v->trade.rows[kinds[l->kind].measure].values[target];
    struct advise_finding f = blank(v->alone);

    if (v->has)
        f.e = v->e;
    else if (v->at_least)
        str_copy(f.remark, sizeof(f.remark),
                 "not known: the filters of its processes could not be read");
    f.at_least = v->at_least;
    judge(l, &f);
    VEC_PUSH(&ret->findings, f);
}

static void weight_remark(enum advise_kind kind, const struct advise_facts *facts, char *dst,
                          size_t size)
{
    size_t lost = facts->memory.x.n > facts->fit.x.n ? facts->memory.x.n - facts->fit.x.n : 0;

    if (kind == ADVISE_MEMORY)
        str_format(dst, size, "of %.0f that idle; proportional set size and the kernel's part",
                   facts->running);
    else if (lost == 0)
        str_format(dst, size,
                   "what was available before, divided by what one more took; %.0f were running",
                   facts->running);
    else
        str_format(dst, size,
                   "what was available before, divided by what one more took; %.0f were running; "
                   "in %zu more block%s the kernel's part shrank, and one took less than nothing",
                   facts->running, lost, lost == 1 ? "" : "s");
}

static void ask_weight(const struct asking *k, const struct advise_limit *l, uint32_t target,
                       struct advise_answer *ret)
{
    const struct advise_facts *facts = &k->facts[target];
    const struct fact_values *x = l->kind == ADVISE_FIT ? &facts->fit : &facts->memory;
    struct advise_finding f = blank(facts->weighed);

    f.e = fact_estimate(x);
    if (x->x.n && facts->running > 0)
        weight_remark(l->kind, facts, f.remark, sizeof(f.remark));
    judge(l, &f);
    if (x->x.n == facts->memory.x.n) /* else it is not for want of blocks */
        wish_fact(l, x, &f);
    VEC_PUSH(&ret->findings, f);
}

static void ask_kernel(const struct asking *k, const struct advise_limit *l, uint32_t target,
                       struct advise_answer *ret)
{
    const struct advise_facts *facts = &k->facts[target];
    struct advise_finding f = blank(NULL);
    char host[96];

    if (facts->starts) {
        bool own = facts->own == facts->starts, shared = facts->shared > 0;
        f.e = own      ? (struct estimate){1, NAN, NAN, 0, 0}
              : shared ? (struct estimate){0, NAN, NAN, 0, 0}
                       : (struct estimate){0, NAN, NAN, 0, facts->starts}; /* nobody knows */
        advise_host_kernel(k->a, host, sizeof(host));
        str_format(f.remark, sizeof(f.remark),
                   "its guest says kernel %.60s, the host runs %.60s (%zu start%s)%s",
                   facts->guest_kernel, host, facts->starts, facts->starts == 1 ? "" : "s",
                   own || shared ? "" : "; only a run with host can tell both apart");
    }
    judge(l, &f);
    VEC_PUSH(&ret->findings, f);
}

static int ask(const struct asking *k, const struct advise_limit *l, const bool *take,
               uint32_t target, struct advise_answer *ret, struct err *err)
{
    if (!k->a->targets[target].usable) {
        struct advise_finding f = blank(NULL);
        str_copy(f.remark, sizeof(f.remark), k->a->target_reason[target]);
        f.verdict = ADVISE_NOT_MEASURED;
        VEC_PUSH(&ret->findings, f);
        return 0;
    }
    if (analysis_withholds(k->a, target)) {
        struct advise_finding f = blank(NULL);
        str_copy(f.remark, sizeof(f.remark),
                 k->a->emulated[target] ? "its CPU is emulated in software: no figure of it says "
                                          "anything of the hardware"
                                        : "the base's CPU is emulated in software");
        f.verdict = ADVISE_NOT_MEASURED;
        VEC_PUSH(&ret->findings, f);
        return 0;
    }
    if (kinds[l->kind].measure != TRADE_MEASURES)
        ask_count(k, l, target, ret);
    else if (l->kind == ADVISE_KERNEL)
        ask_kernel(k, l, target, ret);
    else if (l->kind == ADVISE_MEMORY || l->kind == ADVISE_FIT)
        ask_weight(k, l, target, ret);
    else if (l->kind == ADVISE_LOSS && !l->pattern[0])
        ask_mean(k, l, take, target, ret);
    else
        return ask_cells(k, l, take, target, ret, err);
    return 0;
}

/* ---- all of them ---- */

/* Positive: a comes after b, that is worse first. */
static int milder(const struct advise_finding *a, const struct advise_finding *b, bool at_least)
{
    double x = at_least ? -a->e.value : a->e.value, y = at_least ? -b->e.value : b->e.value;

    if (a->verdict != b->verdict)
        return a->verdict < b->verdict ? 1 : -1;
    if (a->failed != b->failed)
        return a->failed ? -1 : 1;
    return isnan(x) || isnan(y) ? 0 : (x < y) - (x > y);
}

/* By insertion, which keeps the run's order among equals; there are some dozens at most. */
static void worst_first(struct advise_answer *v, bool at_least)
{
    for (size_t i = 1; i < v->findings.n; i++)
        for (size_t j = i; j > 0; j--) {
            struct advise_finding *x = &v->findings.v[j - 1], keep = *x;
            if (milder(x, x + 1, at_least) <= 0)
                break;
            x[0] = x[1];
            x[1] = keep;
        }
    if (v->findings.n == 0) {
        struct advise_finding none = blank(NULL);
        none.verdict = ADVISE_NOT_MEASURED;
        VEC_PUSH(&v->findings, none);
    }
    v->verdict = v->findings.v[0].verdict;
}

static int ask_all(const struct asking *k, const struct plan *known, struct err *err)
{
    struct advise *v = k->v;
    _cleanup_free_ bool *take = xcalloc(k->a->n_cells + 1, sizeof(*take));
    int r = 0;

    for (size_t i = 0; r >= 0 && i < v->n_limits; i++) {
        const struct advise_limit *l = &v->limits[i];
        memset(take, 0, k->a->n_cells * sizeof(*take));
        r = advise_cells(k->a, l, known, take, &v->rows[i], err);
        if (kinds[l->kind].measure != TRADE_MEASURES)
            v->rows[i].cells = v->trade.rows[kinds[l->kind].measure].cells;
        else if (l->kind == ADVISE_MEMORY || l->kind == ADVISE_FIT)
            v->rows[i].cells = k->facts[0].weighed != NULL;
        for (uint32_t t = 0; r >= 0 && t < v->n_targets; t++) {
            struct advise_answer *answer = &v->answers[i * v->n_targets + t];
            r = ask(k, l, take, t, answer, err);
            worst_first(answer, kinds[l->kind].at_least);
            if (answer->verdict > v->verdicts[t])
                v->verdicts[t] = answer->verdict;
        }
    }
    return r;
}

/* ---- their order ---- */

/* All limits of work there are, else the first whose figures are no counts of reach. */
static void choose_order(struct advise *v)
{
    for (size_t i = 0; i < v->n_limits; i++)
        if (v->limits[i].kind == ADVISE_LOSS)
            VEC_PUSH(&v->order_by, i);
    for (size_t i = 0; !v->order_by.n && i < v->n_limits; i++)
        if (v->limits[i].kind != ADVISE_KERNEL)
            VEC_PUSH(&v->order_by, i);
}

static struct estimate key_of(const struct advise *v, size_t target)
{
    struct estimate key = nothing;

    VEC_FOREACH (&v->order_by, size_t, i) {
        const struct estimate *e = &advise_at(v, *i, target)->findings.v[0].e;
        if (isnan(key.value) || e->value > key.value)
            key = *e;
    }
    return key;
}

static bool comes_after(const struct advise *v, uint32_t a, uint32_t b)
{
    bool at_least = v->order_by.n && kinds[v->limits[v->order_by.v[0]].kind].at_least;
    double x = v->key[a].value, y = v->key[b].value;

    return at_least ? x < y : x > y;
}

static void put_in_order(struct advise *v)
{
    choose_order(v);
    for (uint32_t t = 0; t < v->n_targets; t++) {
        v->key[t] = key_of(v, t);
        if (!v->candidate[t] || v->verdicts[t] != ADVISE_MEETS || v->n_limits == 0)
            continue;
        VEC_PUSH(&v->meets, t);
        for (size_t j = v->meets.n - 1; j > 0; j--) {
            uint32_t last = v->meets.v[j - 1];
            if (!comes_after(v, last, v->meets.v[j]))
                break;
            v->meets.v[j - 1] = v->meets.v[j];
            v->meets.v[j] = last;
        }
    }
}

static int find_candidates(const struct analysis *a, struct advise *v, struct err *err)
{
    bool any = false;

    for (size_t t = 0; t < a->n_targets; t++) {
        v->candidate[t] = !str_eq(a->head.plan.targets.v[t].driver, "host");
        any |= v->candidate[t];
    }
    return any ? 0
               : err_set(err, ERR_USAGE, ENODATA,
                         "r%" PRId64
                         " measured the bare host alone: there is nothing to choose from",
                         a->head.id);
}

int analyse_advise(struct store *s, const struct analysis *a, const struct advise_limit *limits,
                   size_t n, const struct plan *known, struct advise *ret, struct err *err)
{
    struct advise v = {.n_targets = a->n_targets, .n_limits = n, .limits = limits};
    struct asking k = {.s = s, .a = a, .v = &v};
    int r;

    v.rows = xcalloc(n + 1, sizeof(*v.rows));
    for (size_t i = 0; i < n; i++)
        str_init(&v.rows[i].missing);
    v.answers = xcalloc(n * a->n_targets + 1, sizeof(*v.answers));
    v.candidate = xcalloc(a->n_targets + 1, sizeof(*v.candidate));
    v.verdicts = xcalloc(a->n_targets + 1, sizeof(*v.verdicts));
    v.key = xcalloc(a->n_targets + 1, sizeof(*v.key));
    k.facts = xcalloc(a->n_targets + 1, sizeof(*k.facts));
    r = find_candidates(a, &v, err);
    if (r >= 0)
        r = analyse_trade(s, a, &v.trade, err);
    if (r >= 0)
        r = analyse_matrix(s, a, &v.matrix, err);
    if (r >= 0)
        r = advise_facts_read(s, a, k.facts, err);
    if (r >= 0)
        r = ask_all(&k, known, err);
    if (r >= 0)
        put_in_order(&v);
    advise_facts_release(k.facts, a->n_targets);
    free(k.facts);
    if (r < 0)
        advise_release(&v);
    else
        *ret = v;
    return r < 0 ? r : 0;
}

void advise_release(struct advise *v)
{
    for (size_t i = 0; i < v->n_limits; i++)
        str_release(&v->rows[i].missing);
    for (size_t i = 0; i < v->n_limits * v->n_targets; i++)
        VEC_RELEASE(&v->answers[i].findings);
    free(v->rows);
    free(v->answers);
    free(v->candidate);
    free(v->verdicts);
    free(v->key);
    VEC_RELEASE(&v->meets);
    VEC_RELEASE(&v->order_by);
    trade_release(&v->trade);
    matrix_release(&v->matrix);
    *v = (struct advise){0};
}
