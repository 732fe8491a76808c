#include "report/page-data.h"

#include "analyse/facts.h"
#include "report/answers.h"
#include "report/cell-view.h"
#include "report/figure.h"
#include "report/json-parts.h"
#include "report/notes.h"
#include "report/gate-words.h"
#include "report/trade-words.h"
#include "report/words.h"

#include <math.h>
#include <resolv.h>

static const struct style page_style = {.utf8 = true};

/* What the trials of one cell say about one target. */
struct column {
    struct evidence evidence; /* the sessions' part is kept from cell to cell */
    struct str values;        /* floats, as bytes */
    struct str places;
    json_t *counts;
    json_t *series, *load_series; /* of the first block that has them */
    struct fact_table facts;
};

struct builder {
    struct store *store;
    const struct analysis *a;
    struct column *columns; /* one a target */
    const struct cell *cell;
    json_t *trials;
    bool keep_facts;
};

static void add(json_t *o, const char *key, json_t *v)
{
    json_object_set_new(o, key, v);
}

static void push(json_t *o, const char *key, json_t *v)
{
    json_t *list = json_object_get(o, key);
    if (!list) {
        list = json_array();
        json_object_set_new(o, key, list);
    }
    json_array_append_new(list, v);
}

static json_t *count_or_null(uint64_t n)
{
    return n == UINT64_MAX ? json_null() : json_integer((json_int_t)n);
}

static void push_trial(json_t *o, const struct trial *t)
{
    const struct covariates *c = &t->covariates;
    double ns = (double)(t->end_ns - t->start_ns);
    bool others = c->others_cpu_ns != UINT64_MAX && ns > 0;

    push(o, "block", json_integer(t->block));
    push(o, "position", json_integer(t->position));
    push(o, "start_s", json_real((double)t->start_ns / 1e9));
    push(o, "took_s", json_real(ns / 1e9));
    push(o, "steal", js_number(c->steal));
    push(o, "pressure", js_number(c->psi_cpu));
    push(o, "load", js_number(c->loadavg));
    push(o, "others", js_number(others ? (double)c->others_cpu_ns / ns : NAN));
    push(o, "swap", count_or_null(c->swap_pages));
    push(o, "throttled", count_or_null(c->throttled));
    push(o, "kernel_log", count_or_null(c->kernel_log_lines));
}

static void add_samples(struct column *col, const struct cell *cell, const struct part *p)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    VEC_FOREACH (&p->samples, const struct sample, x) {
        double ns = x->ops && x->ns ? (double)x->ns / (double)x->ops : NAN;
        float value = (float)figure_value(cell, ns);
        str_addn(&col->values, (const char *)&value, sizeof(value));
        str_addc(&col->places, digits[x->position < 64 ? x->position : 63]);
    }
}

static void keep_series(struct column *col, const char *facts)
{
    json_t *o = facts && !col->series ? json_loads(facts, 0, NULL) : NULL;
    json_t *series = json_object_get(o, "series"), *load = json_object_get(o, "load_series");

    if (json_is_array(series))
        col->series = json_incref(series);
    if (json_is_array(load) && !col->load_series)
        col->load_series = json_incref(load);
    json_decref(o);
}

static int take_trial(void *user, const struct trial *t)
{
    struct builder *b = user;

    push_trial(b->trials, t);
    for (uint32_t i = 0; i < b->a->n_targets; i++) {
        struct column *col = &b->columns[i];
        size_t n = 0;
        VEC_FOREACH (&t->parts, const struct part, p) {
            if (p->target != i || p->outcome != OUTCOME_OK)
                continue;
            n += p->samples.n;
            add_samples(col, b->cell, p);
            if (!b->keep_facts)
                continue;
            fact_table_add(&col->facts, p->facts);
            keep_series(col, p->facts);
        }
        evidence_trial(&col->evidence, t);
        json_array_append_new(col->counts, json_integer((json_int_t)n));
    }
    return 0;
}

static void column_begin(struct column *col, uint32_t cell)
{
    col->evidence.cell = cell;
    col->counts = json_array();
}

/* Ready for the next cell; what is known of the sessions stays. */
static void column_end(struct column *col)
{
    free(col->evidence.detail);
    free(col->evidence.facts);
    col->evidence.detail = col->evidence.facts = NULL;
    str_clear(&col->values);
    str_clear(&col->places);
    json_decref(col->counts);
    json_decref(col->series);
    json_decref(col->load_series);
    col->counts = col->series = col->load_series = NULL;
    fact_table_release(&col->facts);
}

static void column_release(struct column *col)
{
    column_end(col);
    str_release(&col->values);
    str_release(&col->places);
    evidence_release(&col->evidence);
}

static json_t *base64(const struct str *bytes)
{
    size_t size = (bytes->len + 2) / 3 * 4 + 1;
    _cleanup_free_ char *text = xmalloc(size);

    text[0] = '\0';
    b64_ntop((const unsigned char *)bytes->buf, bytes->len, text, size);
    return json_string(text);
}

static json_t *reals(const double *x, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, js_number(x[i]));
    return a;
}

static json_t *words_json(const struct cell_words *w)
{
    static const char *const tones[] = {
        [TONE_PLAIN] = "plain", [TONE_QUIET] = "quiet", [TONE_NOTE] = "note", [TONE_LOUD] = "loud",
        [TONE_GOOD] = "good",   [TONE_FAIL] = "fail",   [TONE_HEAD] = "head",
    };

    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "sign", w->sign, "number", w->number, "unit",
                     w->unit, "half", w->half, "word", w->word, "tone", tones[w->tone]);
}

static void add_words(const struct builder *b, const struct cell_result *r, json_t *o)
{
    const struct target_row *row = &b->a->targets[r->target];
    struct cell_words w;

    if (!row->usable && r->status == CELL_NOT_MEASURED)
        cell_words_unusable(&page_style, target_why(row), &w);
    else
        cell_words_ratio(&page_style, r, b->cell, &w);
    add(o, "ratio", r->is_base ? json_null() : words_json(&w));
    if (row->usable || r->status != CELL_NOT_MEASURED)
        cell_words_absolute(&page_style, r, b->cell, &w);
    add(o, "absolute", words_json(&w));
}

static json_t *facts_json(const struct fact_table *t)
{
    json_t *o = json_object();

    VEC_FOREACH (&t->names, struct fact_values, f) {
        struct estimate e = fact_estimate(f);
        json_object_set_new(
            o, f->name,
            json_pack("[o, o, o]", js_number(e.value), js_number(e.lo), js_number(e.hi)));
    }
    return o;
}

static int one_target(struct builder *b, const struct cell_result *r, const struct cell_series *c,
                      json_t **ret, struct err *err)
{
    struct column *col = &b->columns[r->target];
    const struct report_options options = {.style = page_style};
    _cleanup_(str_release) struct str again = STR_INIT;
    json_t *o = json_object();
    struct view v = {
        .store = b->store,
        .a = b->a,
        .o = &options,
        .r = r,
        .base = analysis_at(b->a, r->cell, b->a->head.base),
        .cell = b->cell,
        .lines = json_array(),
    };

    add(o, "lines", v.lines);
    int rc = cell_put_figures(&v, c, &col->evidence, err);
    if (rc < 0) {
        json_decref(o);
        return rc;
    }
    cell_put_work(&v, &col->evidence);
    cell_put_remarks(&v);
    add_words(b, r, o);
    report_again(b->a, r->cell, r->target, &again);
    add(o, "again", json_string(again.buf));
    add(o, "n", json_incref(col->counts));
    add(o, "y", base64(&col->values));
    add(o, "p", json_string(col->places.buf));
    add(o, "blocks", json_array());
    for (size_t i = 0; i < c->n; i++)
        push(o, "blocks", json_integer(c->block[i]));
    add(o, "log_ratio", reals(c->log_ratio, c->n));
    if (b->keep_facts)
        add(o, "facts", facts_json(&col->facts));
    if (col->series)
        add(o, "series", json_incref(col->series));
    if (col->load_series)
        add(o, "load_series", json_incref(col->load_series));
    *ret = o;
    return 0;
}

static json_t *params_json(const struct cell *c)
{
    json_t *o = json_object();

    for (size_t i = 0; i < c->params.n; i++) {
        char text[PARAM_TEXT_MAX + 32];
        const struct param *p = &c->params.v[i];
        param_value_text(workload_param(c->workload, p->name), p, text, sizeof(text));
        json_object_set_new(o, p->name, js_inert(text));
    }
    return o;
}

static json_t *cell_head(const struct cell *c)
{
    json_t *o = json_object();

    add(o, "name", js_inert(c->name));
    add(o, "title", js_inert(c->workload->title));
    add(o, "op", js_inert(c->workload->op));
    add(o, "family", js_inert(c->workload->family));
    add(o, "chapter", json_string(chapter_name(chapter_of(c))));
    add(o, "unit", js_inert(figure_unit(c)));
    add(o, "more_is_better",
        json_boolean(c->unit[0] ? c->better == BETTER_HIGHER : !str_eq(figure_unit(c), "ns")));
    add(o, "cpus", json_string(cpus_kind_name(c->cpus)));
    add(o, "workers", json_integer(c->workers));
    add(o, "place", json_string(place_name(c->place)));
    add(o, "grain", json_string(grain_name(c->grain)));
    add(o, "params", params_json(c));
    return o;
}

/* Facts are those of an execution: told once where several cells read theirs from one. */
static bool first_of_execution(const struct plan *p, size_t cell)
{
    const struct cell *c = &p->cells.v[cell];

    if (c->workload->experiment == EXPERIMENT_WORK)
        return c->workload->host_calls;
    for (size_t i = 0; i < cell; i++)
        if (cell_shares_execution(&p->cells.v[i], c))
            return false;
    return true;
}

static int one_cell(struct builder *b, uint32_t cell, json_t **ret, struct err *err)
{
    const struct analysis *a = b->a;
    _cleanup_free_ struct cell_series *series = xcalloc(a->n_targets + 1, sizeof(*series));
    json_t *o, *targets = json_array();
    int r;

    b->cell = &a->head.plan.cells.v[cell];
    b->keep_facts = first_of_execution(&a->head.plan, cell);
    b->trials = json_object();
    o = cell_head(b->cell);
    add(o, "trials", b->trials);
    add(o, "targets", targets);
    for (size_t t = 0; t < a->n_targets; t++)
        column_begin(&b->columns[t], cell);
    r = store_trials(b->store, a->head.id, (int32_t)cell, take_trial, b, err);
    if (r == 0)
        r = analyse_series_all(b->store, a, cell, series, err);
    for (size_t t = 0; t < a->n_targets; t++) {
        json_t *one = NULL;
        if (r == 0)
            r = one_target(b, analysis_at(a, cell, t), &series[t], &one, err);
        if (one)
            json_array_append_new(targets, one);
        cell_series_release(&series[t]);
        column_end(&b->columns[t]);
    }
    if (r < 0)
        json_decref(o);
    else
        *ret = o;
    return r;
}

static int take_session(void *user, const struct session_record *s)
{
    struct builder *b = user;
    return s->target < b->a->n_targets ? evidence_session(&b->columns[s->target].evidence, s) : 0;
}

/* JSON text that was stored. Its strings are shown as text, whatever they hold. */
static json_t *stored_json(const char *text)
{
    json_t *o = text ? json_loads(text, 0, NULL) : NULL;
    return o ? o : json_null();
}

static json_t *targets_json(const struct builder *b)
{
    const struct report_options options = {.style = page_style};
    json_t *list = json_array();

    for (uint32_t t = 0; t < b->a->n_targets; t++) {
        struct view v = {.a = b->a, .o = &options, .lines = json_array()};
        json_t *o = json_object();
        add(o, "label", js_inert(b->a->head.plan.targets.v[t].label));
        add(o, "driver", js_inert(b->a->head.plan.targets.v[t].driver));
        add(o, "info", stored_json(b->a->targets[t].info));
        cell_put_proof(&v, &b->columns[t].evidence);
        add(o, "lines", v.lines);
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *chapters_json(const struct analysis *a)
{
    json_t *list = json_array();

    for (enum chapter c = 0; c < CHAPTER_COUNT; c++) {
        json_t *where = json_array();
        bool any = false;
        for (uint32_t t = 0; t < a->n_targets; t++) {
            _cleanup_(str_release) struct str text = STR_INIT;
            any = answer_where(a, &page_style, t, c, &text);
            json_array_append_new(where,
                                  any && t != a->head.base ? json_string(text.buf) : json_null());
        }
        if (any)
            json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "name", chapter_name(c),
                                                  "title", chapter_title(c), "where", where));
        else
            json_decref(where);
    }
    return list;
}

static void append_line(void *user, const char *text)
{
    json_array_append_new(user, json_string(text));
}

static json_t *gate_json(const struct analysis *a, const struct gate *g)
{
    json_t *lines = json_array();
    _cleanup_(str_release) struct str text = STR_INIT;

    gate_head(g, &text);
    str_add(&text, ". ");
    gate_sentence(a, g, &text);
    gate_lines(a, g, &page_style, append_line, lines);
    return json_pack("{s:s, s:o}", "text", text.buf, "lines", lines);
}

static json_t *answers_json(const struct analysis *a, const struct overheads *o)
{
    json_t *failures = json_array(), *semantics = json_array(), *warnings = json_array();
    _cleanup_(str_release) struct str what = STR_INIT, cheapest = STR_INIT;

    answer_what(a, &what);
    answer_cheapest(a, &cheapest);
    notes_failures(a, &page_style, append_line, failures);
    notes_semantics(a, &page_style, append_line, semantics);
    notes_overheads(a, o, &page_style, append_line, semantics);
    notes_warnings(a, &page_style, append_line, warnings);
    return json_pack("{s:s, s:s, s:o, s:o, s:o}", "what", what.buf, "cheapest", cheapest.buf,
                     "failures", failures, "semantics", semantics, "warnings", warnings);
}

/* A row a measure, in the words that a terminal has. */
static json_t *trade_json(const struct analysis *a, const struct trade *t)
{
    json_t *rows = json_array();

    for (enum trade_measure m = 0; m < TRADE_MEASURES; m++) {
        _cleanup_(str_release) struct str name = STR_INIT;
        json_t *values = json_array();
        if (trade_is_row(t, m))
            trade_row_name(t, m, &name);
        for (uint32_t i = 0; name.len && i < a->n_targets; i++) {
            struct cell_words w, which = {.sign = ""};
            trade_words(&page_style, a, t, m, i, &w);
            if (m == TRADE_WORST && t->rows[m].cells)
                trade_which(&page_style, t, i, &which);
            json_t *v = words_json(&w);
            add(v, "which", json_string(which.word));
            json_array_append_new(values, v);
        }
        if (name.len)
            json_array_append_new(rows, json_pack("{s:s, s:s, s:O}", "kind",
                                                  trade_kind_name(trade_kind_of(m)), "name",
                                                  name.buf, "values", values));
        json_decref(values);
    }
    return json_pack("{s:s, s:o}", "composites", trade_formula(), "rows", rows);
}

static json_t *head_json(const struct run_head *h)
{
    json_t *o = json_object();

    add(o, "version", js_inert(h->version));
    add(o, "command", js_inert(h->command));
    add(o, "started_ms", json_integer((json_int_t)(h->started_real_ns / 1000000)));
    add(o, "ended_ms", json_integer((json_int_t)(h->ended_real_ns / 1000000)));
    add(o, "base", json_integer(h->base));
    return o;
}

static json_t *plan_json(const struct plan *p)
{
    json_t *o = json_object();
    _cleanup_free_ char *seed = xasprintf("%llu", (unsigned long long)p->seed);

    add(o, "seed", json_string(seed));
    add(o, "theta", js_number(p->theta));
    add(o, "precision", js_number(p->precision));
    add(o, "blocks", json_integer(p->blocks));
    add(o, "repeats", json_integer(p->repeats));
    add(o, "budget_s", js_number((double)p->budget_ns / 1e9));
    add(o, "slice_ms", js_number((double)p->slice_ns / 1e6));
    add(o, "rounds", json_integer(p->rounds));
    add(o, "solo", json_boolean(p->solo));
    add(o, "scale", js_number(p->scale));
    add(o, "limit_cpus", js_number(p->limits.cpus));
    add(o, "limit_memory_bytes", json_integer((json_int_t)p->limits.memory_bytes));
    add(o, "limit_pids", json_integer((json_int_t)p->limits.pids));
    add(o, "limit_io_bps", json_integer((json_int_t)p->limits.io_bps));
    return o;
}

int page_data(struct store *s, const struct analysis *a, const struct report_more *more,
              json_t **ret, struct err *err)
{
    struct builder b = {.store = s, .a = a};
    json_t *o = json_object(), *cells = json_array();
    int r;

    b.columns = xcalloc(a->n_targets + 1, sizeof(*b.columns));
    for (uint32_t t = 0; t < a->n_targets; t++) {
        b.columns[t].evidence.target = t;
        str_init(&b.columns[t].values);
        str_init(&b.columns[t].places);
    }
    r = store_sessions(s, a->head.id, take_session, &b, err);
    for (uint32_t c = 0; r == 0 && c < a->n_cells; c++) {
        json_t *cell = NULL;
        r = one_cell(&b, c, &cell, err);
        if (!cell)
            continue;
        add(cell, "work", json_boolean(analysis_is_work(&a->head.plan.cells.v[c])));
        json_array_append_new(cells, cell);
    }
    add(o, "summary", report_summary_json(a));
    add(o, "head", head_json(&a->head));
    add(o, "plan", plan_json(&a->head.plan));
    add(o, "machine", stored_json(a->head.machine));
    add(o, "answers", answers_json(a, &more->overheads));
    if (more->has_gate)
        add(o, "gate", gate_json(a, &more->gate));
    if (more->has_trade)
        add(o, "trade", trade_json(a, &more->trade));
    add(o, "chapters", chapters_json(a));
    add(o, "targets", targets_json(&b));
    add(o, "cells", cells);
    for (size_t t = 0; t < a->n_targets; t++)
        column_release(&b.columns[t]);
    free(b.columns);
    if (r < 0)
        json_decref(o);
    else
        *ret = o;
    return r;
}
