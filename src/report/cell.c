/* One cell on one target: what was measured, why it can be believed, how to repeat it. */
#include "report/cell-view.h"
#include "report/figure.h"
#include "report/words.h"

#include "base/time.h"
#include "stats/rank.h"
#include "stats/score.h"

#include <inttypes.h>
#include <math.h>

#define PERCENTILE_ALPHA .05

static void label(const struct view *v, uint32_t target, struct str *out)
{
    text_inert(out, v->a->head.plan.targets.v[target].label);
}

/* "121 ns [120, 123]" */
static void estimate_text(const struct style *s, const struct estimate *e, struct str *out)
{
    char value[UNIT_TEXT], lo[UNIT_TEXT], hi[UNIT_TEXT];

    unit_ns(s, e->value, value);
    str_add(out, value);
    if (isfinite(e->lo) && isfinite(e->hi)) {
        unit_ns(s, e->lo, lo);
        unit_ns(s, e->hi, hi);
        str_addf(out, " [%s, %s]", lo, hi);
    }
}

/* Lines are "  key         text", the text broken at the width. */

void view_line(const struct view *v, const char *key, const char *text)
{
    _cleanup_(str_release) struct str lead = STR_INIT;

    if (v->lines) {
        key += strspn(key, " ");
        json_array_append_new(v->lines, json_pack("[s, s]", key, text));
        return;
    }
    str_add(&lead, "  ");
    text_pad(&lead, key, KEY_WIDTH, false);
    if (text_width(key) >= KEY_WIDTH)
        str_addc(&lead, ' ');
    text_wrap(v->out, &v->o->style, lead.buf, KEY_WIDTH + 2, text);
}

/* Time per operation, and the rate or metric where that is how people know it. */
static void value_text(const struct view *v, const struct cell_result *r, struct str *out)
{
    char num[UNIT_TEXT], unit[UNIT_TEXT];

    if (v->cell->unit[0]) {
        figure_text(&v->o->style, v->cell, &r->absolute, out);
        return;
    }
    estimate_text(&v->o->style, &r->absolute, out);
    if (str_eq(figure_unit(v->cell), "ns"))
        return;
    figure_parts(&v->o->style, v->cell, r->absolute.value, num, unit);
    str_addf(out, " = %s %s", num, unit);
}

static void put_values(const struct view *v)
{
    const char *op = v->cell->workload ? v->cell->workload->op : "operation";
    _cleanup_(str_release) struct str t = STR_INIT;
    _cleanup_(str_release) struct str key = STR_INIT;

    if (v->base != v->r && v->base->absolute.n) {
        label(v, v->base->target, &t);
        str_addc(&t, ' ');
        value_text(v, v->base, &t);
        str_addf(&t, " %s ", style_glyph(&v->o->style, GLYPH_DOT));
    }
    label(v, v->r->target, &t);
    str_addc(&t, ' ');
    if (v->r->absolute.n) {
        value_text(v, v->r, &t);
    } else {
        str_add(&t, "no value");
    }
    if (v->cell->unit[0])
        str_add(&key, "value");
    else
        str_addf(&key, "per %s", op);
    view_line(v, key.buf, t.buf);
}

static void put_ratio(const struct view *v)
{
    const struct plan *p = &v->a->head.plan;
    const struct estimate *e = &v->r->ratio;
    const char *dot = style_glyph(&v->o->style, GLYPH_DOT);
    _cleanup_(str_release) struct str t = STR_INIT;
    char value[UNIT_TEXT], lo[UNIT_TEXT], hi[UNIT_TEXT];
    double half = interval_half(e->lo, e->hi);

    if (v->r->absolute.n == 0)
        return;
    if (!v->r->is_base && e->n) {
        unit_ratio(e->value, half, value);
        str_addf(&t, "%s%s", style_glyph(&v->o->style, GLYPH_TIMES), value);
        if (isfinite(half)) {
            unit_ratio(e->lo, half, lo);
            unit_ratio(e->hi, half, hi);
            str_addf(&t, " [%s, %s] at %.1f %%", lo, hi, 100 * e->level);
        }
        str_addf(&t, " %s %s %s ", dot, verdict_word(v->r->verdict, v->cell), dot);
    }
    if (v->cell->grain == GRAIN_WHOLE)
        str_addf(&t, "%zu blocks, one execution each", v->r->absolute.n);
    else
        str_addf(&t, "%zu blocks %s %u rounds %s %.0f ms", v->r->absolute.n,
                 style_glyph(&v->o->style, GLYPH_TIMES), p->rounds,
                 style_glyph(&v->o->style, GLYPH_TIMES), (double)p->slice_ns / NS_PER_MS);
    if (p->scale < 1)
        str_addf(&t, ", scaled by %.3g", p->scale);
    view_line(v, v->r->is_base ? "measured" : "ratio", t.buf);
}

static void put_costs(const struct view *v)
{
    const struct cell_result *r = v->r;
    const struct style *s = &v->o->style;
    _cleanup_(str_release) struct str t = STR_INIT;

    if (r->cpu.n) {
        estimate_text(s, &r->cpu, &t);
        str_addf(&t, " per %s", v->cell->workload ? v->cell->workload->op : "operation");
        if (isfinite(r->cpus_busy))
            str_addf(&t, " (%.2f CPUs busy while it ran)", r->cpus_busy);
        view_line(v, "host CPU", t.buf);
    }
    if (r->latency_n) {
        char p50[UNIT_TEXT], p90[UNIT_TEXT], p99[UNIT_TEXT];
        unit_ns(s, (double)r->p50_ns, p50);
        unit_ns(s, (double)r->p90_ns, p90);
        unit_ns(s, (double)r->p99_ns, p99);
        str_clear(&t);
        str_addf(&t, "p50 %s, p90 %s, p99 %s", p50, p90, p99);
        if (r->p999_ns) {
            char p999[UNIT_TEXT];
            unit_ns(s, (double)r->p999_ns, p999);
            str_addf(&t, ", p99.9 %s", p999);
        }
        str_addf(&t, " (%zu operations timed one by one)", r->latency_n);
        view_line(v, "latency", t.buf);
    }
    if (r->peak_memory_bytes) {
        char bytes[UNIT_TEXT];
        unit_bytes(r->peak_memory_bytes, bytes);
        str_clear(&t);
        str_addf(&t, "%s at the peak, the sandbox with all in it", bytes);
        view_line(v, "memory", t.buf);
    }
    if (r->absolute.n) {
        char mean[UNIT_TEXT];
        unit_ns(s, r->mean_ns, mean);
        str_clear(&t);
        if (!v->cell->unit[0])
            str_addf(&t, "%s, sample variance %.4g ns%s, ", mean, r->variance_ns,
                     style_glyph(s, GLYPH_SQUARED));
        str_addf(&t, "n = %zu", r->absolute.n);
        if (!r->is_base && isfinite(r->overhead))
            str_addf(&t,
                     "; overhead |virt - native| / native = %.4g, signed %.4g (positive is worse)",
                     r->overhead, r->degradation);
        view_line(v, "mean", t.buf);
    }
}

static void put_failure(const struct view *v)
{
    _cleanup_(str_release) struct str t = STR_INIT;

    if (v->r->status == CELL_NOT_MEASURED) {
        const char *why = v->a->target_reason[v->r->target];
        str_add(&t, "not measured");
        if (why[0])
            str_add(&t, ": ");
        text_inert(&t, why);
    } else if (v->r->failed) {
        failure_sentence(v->r, &t);
        str_add(&t, ": ");
        text_inert(&t, v->r->fail_text);
    } else {
        return;
    }
    view_line(v, "failure", t.buf);
}

void evidence_release(struct evidence *e)
{
    free(e->proof);
    free(e->hello);
    free(e->detail);
    free(e->facts);
}

int evidence_session(void *user, const struct session_record *s)
{
    struct evidence *e = user;

    if (s->target != e->target)
        return 0;
    e->starts++;
    if (s->outcome != OUTCOME_OK || !s->proof)
        return 0;
    e->proofs++;
    if (!e->proof) {
        e->proof = xstrdup(s->proof);
        e->hello = xstrdup(s->hello);
        e->launch_ns = s->launch_ns;
    }
    return 0;
}

int evidence_trial(void *user, const struct trial *t)
{
    struct evidence *e = user;

    VEC_FOREACH (&t->parts, const struct part, p) {
        if (p->target != e->target || p->outcome != OUTCOME_OK || e->detail)
            continue;
        e->detail = xstrdup(p->detail);
        e->facts = xstrdup(p->facts);
    }
    return 0;
}

int evidence_read(struct store *s, int64_t run, uint32_t cell, uint32_t target,
                  struct evidence *ret, struct err *err)
{
    int r;

    *ret = (struct evidence){.target = target, .cell = cell};
    r = store_sessions(s, run, evidence_session, ret, err);
    if (r >= 0)
        r = store_trials(s, run, (int32_t)cell, evidence_trial, ret, err);
    return r;
}

static void comma(struct str *out)
{
    if (out->len)
        str_add(out, ", ");
}

static bool has_own_line(const char *fact)
{
    return str_ends(fact, "_bits") || str_ends(fact, "series") || str_starts(fact, "could_") ||
           str_starts(fact, "shares_") || str_starts(fact, "host_paths_");
}

/* A JSON object as "key value, key value", nested ones dotted; hashes cut to eight digits, what is
 * empty left out. */
static void flatten(const char *prefix, json_t *v, struct str *out)
{
    const char *key;
    json_t *item;

    if (json_is_object(v)) {
        json_object_foreach (v, key, item) {
            _cleanup_free_ char *path = xasprintf("%s%s%s", prefix, prefix[0] ? "." : "", key);
            flatten(path, item, out);
        }
        return;
    }
    if (json_is_null(v) || (json_is_string(v) && !json_string_value(v)[0]) || has_own_line(prefix))
        return;
    comma(out);
    text_inert(out, prefix);
    str_addc(out, ' ');
    if (json_is_string(v)) {
        const char *text = json_string_value(v);
        bool hash = strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
        _cleanup_free_ char *cut = xstrndup(text, hash ? 8 : 240);
        text_inert(out, cut);
    } else {
        _cleanup_free_ char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
        text_inert(out, text);
    }
}

/* "its own mnt, net, ipc; the host's pid": pairs of inodes, its and ours. */
static void namespaces_text(json_t *o, struct str *out)
{
    _cleanup_(str_release) struct str own = STR_INIT, shared = STR_INIT;
    const char *name;
    json_t *pair;

    json_object_foreach (o, name, pair) {
        struct str *to =
            json_equal(json_array_get(pair, 0), json_array_get(pair, 1)) ? &shared : &own;
        str_addc(to, ' ');
        text_inert(to, name);
    }
    comma(out);
    str_addf(out, "namespaces of its own:%s, the host's:%s", own.len ? own.buf : " none",
             shared.len ? shared.buf : " none");
}

/* "processes sandbox 4280, gofer 4279, stub 4302": what they are and their pids on the host. */
static void processes_text(json_t *a, struct str *out)
{
    json_t *p;
    size_t i;

    comma(out);
    str_add(out, "on the host:");
    json_array_foreach (a, i, p) {
        const char *is = json_string_value(json_object_get(p, "is"));
        str_addc(out, i ? ',' : ' ');
        if (i)
            str_addc(out, ' ');
        text_inert(out, is ? is : "process");
        str_addf(out, " pid %lld", (long long)json_integer_value(json_object_get(p, "pid")));
    }
}

/* The evidence in short; --json has all of it. */
static void put_proof(const struct view *v, const char *json)
{
    json_t *o = json ? json_loads(json, 0, NULL) : NULL, *item;
    _cleanup_(str_release) struct str t = STR_INIT;
    const char *key;

    json_object_foreach (o, key, item) {
        if (str_eq(key, "namespaces_its_and_ours") && json_is_object(item))
            namespaces_text(item, &t);
        else if (str_eq(key, "processes") && json_is_array(item))
            processes_text(item, &t);
        else if (!str_eq(key, "state") && !str_eq(key, "state_form"))
            flatten(key, item, &t);
    }
    if (t.len)
        view_line(v, "proof", t.buf);
    json_decref(o);
}

static void put_object(const struct view *v, const char *key, const char *json)
{
    json_t *o = json ? json_loads(json, 0, NULL) : NULL;
    _cleanup_(str_release) struct str t = STR_INIT;

    if (o)
        flatten("", o, &t);
    if (t.len)
        view_line(v, key, t.buf);
    json_decref(o);
}

/* Heights of the blocks between the least and the largest. */
char *evidence_text(const struct evidence *e, const char *name)
{
    json_t *facts = e->facts ? json_loads(e->facts, 0, NULL) : NULL;
    const char *text = json_string_value(json_object_get(facts, name));
    char *copy = text ? xstrdup(text) : NULL;
    json_decref(facts);
    return copy;
}

void view_sparkline(const struct style *s, const double *x, size_t n, struct str *out)
{
    double lo = INFINITY, hi = -INFINITY;

    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i]))
            continue;
        lo = fmin(lo, x[i]);
        hi = fmax(hi, x[i]);
    }
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i]))
            str_addc(out, ' ');
        else
            str_add(out, style_spark(s, hi > lo ? (unsigned)(7.999 * (x[i] - lo) / (hi - lo)) : 3));
    }
}

void cell_put_proof(const struct view *v, const struct evidence *e)
{
    _cleanup_(str_release) struct str t = STR_INIT;
    char launch[UNIT_TEXT];

    if (e->starts == 0)
        return;
    unit_ns(&v->o->style, (double)e->launch_ns, launch);
    str_addf(&t, "%zu of %zu starts left proof that it really was this target", e->proofs,
             e->starts);
    if (e->proofs)
        str_addf(&t, "; the first took %s to its first word", launch);
    view_line(v, "starts", t.buf);
    put_proof(v, e->proof);
    put_object(v, "guest says", e->hello);
}

void cell_put_work(const struct view *v, const struct evidence *e)
{
    _cleanup_(str_release) struct str t = STR_INIT;

    if (e->starts == 0)
        return;
    if (e->detail && e->detail[0]) {
        text_inert(&t, e->detail);
        view_line(v, "work done", t.buf);
    }
    put_object(v, "facts", e->facts);
}

/* UnixBench's own way of scoring its passes, of which a block is one. */
static void put_score(const struct view *v, const struct cell_series *c)
{
    _cleanup_free_ double *rates = xcalloc(c->n + 1, sizeof(*rates));
    _cleanup_(str_release) struct str t = STR_INIT;
    char rate[UNIT_TEXT];

    if (!v->cell->workload || !str_eq(v->cell->workload->family, "unixbench") || c->n == 0)
        return;
    for (size_t i = 0; i < c->n; i++)
        rates[i] = 1e9 / c->ns_per_op[i];
    double lps = score_unixbench_rate(rates, c->n);
    unit_value(lps, rate);
    str_addf(&t, "%s lps by UnixBench's scoring (the worst third left out, geometric mean)", rate);
    if (str_starts(v->cell->name, "unixbench.mix"))
        str_addf(&t, ", index %.1f", score_unixbench_index(lps));
    view_line(v, "score", t.buf);
}

/* Where a block is one start or one end, people ask for the slow ones. A percentile that the blocks
 * are too few to bound is not said, but how many it would take. */
static void put_percentiles(const struct view *v, const struct cell_series *c)
{
    static const double wanted[] = {.5, .9, .99};
    const struct workload *w = v->cell->workload;
    _cleanup_(str_release) struct str t = STR_INIT;

    if (!w || (w->experiment != EXPERIMENT_CYCLE && w->experiment != EXPERIMENT_DESTROY) ||
        c->n == 0)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        struct rank_interval q;
        comma(&t);
        str_addf(&t, "p%.0f ", 100 * wanted[i]);
        if (rank_quantile(c->ns_per_op, c->n, wanted[i], PERCENTILE_ALPHA, &q, NULL) < 0) {
            str_addf(&t, "from %zu blocks on", rank_quantile_min_n(wanted[i], PERCENTILE_ALPHA));
            continue;
        }
        struct estimate e = {
            .value = q.estimate, .lo = q.lo, .hi = q.hi, .level = q.level, .n = q.n};
        estimate_text(&v->o->style, &e, &t);
    }
    view_line(v, "percentiles", t.buf);
}

static void put_blocks(const struct view *v, const struct cell_series *c)
{
    const double *x = v->r->is_base ? c->ns_per_op : c->log_ratio;
    _cleanup_(str_release) struct str t = STR_INIT;
    double lo = INFINITY, hi = -INFINITY;

    if (c->n == 0)
        return;
    for (size_t i = 0; i < c->n; i++)
        if (isfinite(x[i])) {
            lo = fmin(lo, x[i]);
            hi = fmax(hi, x[i]);
        }
    view_sparkline(&v->o->style, x, c->n, &t);
    if (!v->r->is_base && isfinite(lo))
        str_addf(&t, " from %s%.4g to %s%.4g", style_glyph(&v->o->style, GLYPH_TIMES), exp(lo),
                 style_glyph(&v->o->style, GLYPH_TIMES), exp(hi));
    if (isfinite(v->r->r1))
        str_addf(&t, "; lag-1 r %.2f", v->r->r1);
    view_line(v, "blocks", t.buf);
}

void cell_put_remarks(const struct view *v)
{
    for (unsigned bit = 1; bit && bit <= v->r->flags; bit <<= 1)
        if (v->r->flags & bit)
            view_line(v, "note", flag_words(bit));
    if (v->r->flags == 0 && v->r->absolute.n)
        view_line(v, "note", "steady");
}

/* Parameters that differ from what the cell has by itself. */
static void again_params(const struct cell *cell, struct str *out)
{
    const struct cell_def *def = cell_def_find(cell->name);
    struct cell plain;

    if (!def)
        return;
    cell_from_def(def, &plain);
    for (size_t i = 0; i < cell->params.n; i++) {
        const struct param *p = &cell->params.v[i], *q = params_find(&plain.params, p->name);
        const struct param_def *d = workload_param(plain.workload, p->name);
        if (!q || !d || p->is_auto || q->is_auto || cell_def_presets(def, p->name))
            continue;
        if (q->is_text == p->is_text && q->num == p->num && str_eq(q->text, p->text))
            continue;
        char text[PARAM_TEXT_MAX];
        param_value_text(d, p, text, sizeof(text));
        str_addf(out, " -p %s=%s", p->name, text);
    }
}

/* A target's text quoted for a shell where it needs it. */
void report_shell_word(const char *word, struct str *out)
{
    if (word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                          "@%+=:,./_-")] == '\0') {
        str_add(out, word);
        return;
    }
    str_addc(out, '\'');
    for (; *word; word++) {
        if (*word == '\'')
            str_add(out, "'\\''");
        else
            str_addc(out, *word);
    }
    str_addc(out, '\'');
}

void report_again_target(const struct analysis *a, uint32_t target, struct str *out)
{
    const struct target *t = &a->head.plan.targets.v[target];
    _cleanup_(str_release) struct str word = STR_INIT;
    char text[TARGET_TEXT_MAX + TARGET_LABEL_MAX + 2];

    target_format(t, text, sizeof(text));
    /* A label that is the default one need not be said. */
    size_t n = strlen(t->label);
    bool plain = str_starts(text, t->label) && text[n] == '=' && str_starts(text + n + 1, t->label);
    text_inert(&word, plain ? text + n + 1 : text);
    str_add(out, " --target ");
    report_shell_word(word.buf, out);
}

/* As it was measured, but for its length and its seed. */
static void again_plain(const struct analysis *a, uint32_t cell, uint32_t target, struct str *out)
{
    const struct plan *p = &a->head.plan;
    const struct cell *c = &p->cells.v[cell];

    str_add(out, "cupel run --workload ");
    report_shell_word(c->name, out);
    if (target != a->head.base)
        report_again_target(a, a->head.base, out);
    report_again_target(a, target, out);
    again_params(c, out);
    if (p->limits.cpus > 0)
        str_addf(out, " --limit cpus=%g", p->limits.cpus);
    if (p->limits.memory_bytes)
        str_addf(out, " --limit memory=%" PRIu64, p->limits.memory_bytes);
    if (p->limits.pids)
        str_addf(out, " --limit pids=%" PRIu64, p->limits.pids);
    if (p->limits.io_bps)
        str_addf(out, " --limit io=%" PRIu64, p->limits.io_bps);
    if (p->slice_ns != PLAN_SLICE_NS)
        str_addf(out, " --slice %" PRIu64 "ns", p->slice_ns);
    if (p->rounds != PLAN_ROUNDS)
        str_addf(out, " --rounds %u", p->rounds);
    if (p->solo)
        str_add(out, " --solo");
}

void report_again(const struct analysis *a, uint32_t cell, uint32_t target, struct str *out)
{
    const struct plan *p = &a->head.plan;

    again_plain(a, cell, target, out);
    if (p->blocks)
        str_addf(out, " --blocks %u", p->blocks);
    if (p->repeats)
        str_addf(out, " --repeats %u", p->repeats);
    if (p->seed)
        str_addf(out, " --seed %" PRIu64, p->seed);
}

void report_again_longer(const struct analysis *a, uint32_t cell, uint32_t target, unsigned blocks,
                         struct str *out)
{
    again_plain(a, cell, target, out);
    str_addf(out, " --repeats %u", blocks < PLAN_REPEATS_MIN ? PLAN_REPEATS_MIN : blocks);
}

int cell_put_figures(const struct view *v, const struct cell_series *c, const struct evidence *e,
                     struct err *err)
{
    put_values(v);
    put_failure(v);
    put_ratio(v);
    put_costs(v);
    cell_put_network(v, e);
    put_score(v, c);
    put_percentiles(v, c);
    int r = cell_put_reach(v, e, err);
    if (r >= 0)
        cell_put_neighbour(v, e);
    return r;
}

int report_cell(struct store *s, const struct analysis *a, uint32_t cell, uint32_t target,
                const struct report_options *o, struct str *out, struct err *err)
{
    _cleanup_(cell_series_release) struct cell_series series = {0};
    _cleanup_(evidence_release) struct evidence e = {0};
    _cleanup_(str_release) struct str head = STR_INIT, again = STR_INIT;
    struct view v = {
        .store = s,
        .a = a,
        .o = o,
        .r = analysis_at(a, cell, target),
        .base = analysis_at(a, cell, a->head.base),
        .cell = &a->head.plan.cells.v[cell],
        .out = out,
    };
    int r = analyse_series(s, a->head.id, cell, target, &series, err);
    if (r >= 0)
        r = evidence_read(s, a->head.id, cell, target, &e, err);
    if (r < 0)
        return r;
    str_addf(&head, "%s on ", v.cell->name);
    label(&v, target, &head);
    str_addf(&head, " %s r%" PRId64, style_glyph(&o->style, GLYPH_DOT), a->head.id);
    if (v.cell->workload)
        str_addf(&head, " %s %s", style_glyph(&o->style, GLYPH_DOT), v.cell->workload->title);
    text_wrap(out, &o->style, "", 2, head.buf);
    r = cell_put_figures(&v, &series, &e, err);
    if (r < 0)
        return r;
    cell_put_proof(&v, &e);
    cell_put_work(&v, &e);
    put_blocks(&v, &series);
    cell_put_remarks(&v);
    report_again(a, cell, target, &again);
    /* One unbroken line, to be copied. */
    str_add(out, "  ");
    text_pad(out, "again", KEY_WIDTH, false);
    str_addf(out, "%s\n", again.buf);
    return 0;
}

static json_t *series_json(const double *x, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, isfinite(x[i]) ? json_real(x[i]) : json_null());
    return a;
}

static json_t *object_or_null(const char *text)
{
    json_t *o = text ? json_loads(text, 0, NULL) : NULL;
    return o ? o : json_null();
}

int report_cell_json(struct store *s, const struct analysis *a, uint32_t cell, uint32_t target,
                     json_t **ret, struct err *err)
{
    _cleanup_(cell_series_release) struct cell_series series = {0};
    _cleanup_(evidence_release) struct evidence e = {0};
    _cleanup_(str_release) struct str again = STR_INIT;
    json_t *o, *blocks, *all, *item;
    size_t i;
    int r = analyse_series(s, a->head.id, cell, target, &series, err);

    if (r >= 0)
        r = evidence_read(s, a->head.id, cell, target, &e, err);
    if (r < 0)
        return r;
    all = report_summary_json(a);
    i = (size_t)cell * a->n_targets + target;
    item = json_array_get(json_object_get(all, "cells"), i);
    o = json_deep_copy(item);
    json_decref(all);
    blocks = json_array();
    for (i = 0; i < series.n; i++)
        json_array_append_new(blocks, json_integer((json_int_t)series.block[i]));
    json_object_set_new(o, "blocks", blocks);
    json_object_set_new(o, "block_log_ratio", series_json(series.log_ratio, series.n));
    json_object_set_new(o, "block_ns_per_op", series_json(series.ns_per_op, series.n));
    json_object_set_new(o, "block_cpu_ns_per_op", series_json(series.cpu_per_op, series.n));
    json_object_set_new(o, "starts", json_integer((json_int_t)e.starts));
    json_object_set_new(o, "starts_proved", json_integer((json_int_t)e.proofs));
    json_object_set_new(o, "proof", object_or_null(e.proof));
    json_object_set_new(o, "hello", object_or_null(e.hello));
    json_object_set_new(o, "facts", object_or_null(e.facts));
    report_again(a, cell, target, &again);
    json_object_set_new(o, "again", json_string(again.buf));
    *ret = o;
    return 0;
}
