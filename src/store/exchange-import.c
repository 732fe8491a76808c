/* A JSON document as a run of this store. Section by section, everything checked, in one
 * transaction. */
#include "store/exchange.h"

#include "store/database.h"
#include "store/exchange-read.h"
#include "store/plain.h"
#include "wire/hist.h"

#include <errno.h>
#include <inttypes.h>

#define CELLS_MAX      4096
#define PARTS_MAX      256
#define SAMPLES_MAX    100000
#define SAMPLE_COLUMNS 8
#define ROWS_MAX       10000000
#define OBJECT_BYTES   65536
#define MACHINE_BYTES  (256 * 1024)
#define COMMAND_BYTES  65536

struct importer {
    struct doc d;
    struct store *s;
    struct run_head head;
    VEC(struct target_row) rows;
    struct hist *hist; /* 270 KB: made once */
};

/* The _parse functions take pointers to their enums; doc_word wants one shape. */
#define WORD_PARSER(fn, type)                                                                      \
    static int word_##fn(const char *text, void *ret)                                              \
    {                                                                                              \
        return fn(text, (type *)ret);                                                              \
    }
WORD_PARSER(outcome_parse, enum outcome)
WORD_PARSER(warning_parse, enum warning_kind)
WORD_PARSER(cpus_kind_parse, enum cpus_kind)
WORD_PARSER(place_parse, enum place)
WORD_PARSER(grain_parse, enum grain)
WORD_PARSER(better_parse, enum better)

static int word_err_kind(const char *text, void *ret)
{
    enum err_kind k = err_kind_parse(text);
    if (k == ERR_NONE && !str_eq(text, "none"))
        return -EINVAL;
    *(enum err_kind *)ret = k;
    return 0;
}

static bool uuid_ok(const char *s)
{
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool hex = (s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f');
        if (dash ? s[i] != '-' : !hex)
            return false;
    }
    return s[36] == '\0';
}

static void take_run(struct importer *m, const json_t *doc)
{
    struct doc *d = &m->d;
    struct run_head *h = &m->head;
    doc_at(d, "run");
    const json_t *o = doc_object(d, doc, "run");
    doc_text(d, o, "uuid", h->uuid, sizeof(h->uuid));
    if (d->r == 0 && !uuid_ok(h->uuid))
        doc_fail(d, "uuid: expected one in lower-case hexadecimal");
    h->machine_id = doc_text_dup(d, o, "machine_id", 128);
    h->machine = doc_json(d, o, "machine", MACHINE_BYTES);
    h->version = doc_text_dup(d, o, "version", 64);
    h->command = doc_text_dup(d, o, "command", COMMAND_BYTES);
    h->started_real_ns = doc_big(d, o, "started_real_ns", INT64_MAX);
    h->ended_real_ns = doc_big(d, o, "ended_real_ns", INT64_MAX);
    h->base = (uint32_t)doc_int(d, o, "base", 0, PLAN_TARGETS_MAX - 1);
    char ended[sizeof(h->status)];
    doc_text(d, o, "status", ended, sizeof(ended));
    /* What is partial stays so. */
    str_copy(h->status, sizeof(h->status),
             str_eq(ended, "complete") || str_eq(ended, "imported") ? "imported"
             : str_eq(ended, "failed")                              ? "failed"
                                                                    : "interrupted");
}

static void take_limits(struct importer *m, const json_t *plan)
{
    struct doc *d = &m->d;
    struct limits *l = &m->head.plan.limits;
    const json_t *o = doc_object(d, plan, "limits");
    doc_at(d, "plan.limits");
    l->cpus = doc_real(d, o, "cpus", 0, PLAN_LIMIT_CPUS_MAX);
    l->memory_bytes = doc_count(d, o, "memory_bytes");
    l->pids = doc_count(d, o, "pids");
    l->io_bps = json_object_get(o, "io_bps") ? doc_count(d, o, "io_bps") : 0; /* older files */
}

static void take_plan(struct importer *m, const json_t *doc)
{
    struct doc *d = &m->d;
    struct plan *p = &m->head.plan;
    doc_at(d, "plan");
    const json_t *o = doc_object(d, doc, "plan");
    doc_text(d, o, "suite", p->suite, sizeof(p->suite));
    doc_text(d, o, "base", p->base, sizeof(p->base));
    if (d->r == 0 && p->base[0] && !target_label_ok(p->base))
        doc_fail(d, "base: \"%s\" is no label", p->base);
    p->seed = doc_big(d, o, "seed", UINT64_MAX);
    p->theta = doc_real(d, o, "theta", 0, PLAN_FRACTION_MAX);
    p->precision = doc_real(d, o, "precision", 0, PLAN_FRACTION_MAX);
    p->blocks = (unsigned)doc_int(d, o, "blocks", 0, PLAN_BLOCKS_MAX);
    p->repeats = (unsigned)doc_int(d, o, "repeats", 0, PLAN_BLOCKS_MAX);
    p->budget_ns = (uint64_t)doc_int(d, o, "budget_ns", 0, PLAN_TIME_MAX_NS);
    p->interval_ns = (uint64_t)doc_int(d, o, "interval_ns", 0, PLAN_TIME_MAX_NS);
    p->settle_ns = (uint64_t)doc_int(d, o, "settle_ns", 0, PLAN_TIME_MAX_NS);
    p->slice_ns = (uint64_t)doc_int(d, o, "slice_ns", PLAN_SLICE_MIN_NS, PLAN_SLICE_MAX_NS);
    p->rounds = (unsigned)doc_int(d, o, "rounds", 1, PLAN_ROUNDS_MAX);
    p->solo = doc_bool(d, o, "solo");
    p->share = doc_bool(d, o, "share");
    /* Not in documents of before these were thought of. */
    p->drop_caches = json_object_get(o, "drop_caches") && doc_bool(d, o, "drop_caches");
    p->scale = json_object_get(o, "scale") ? doc_real(d, o, "scale", 0, 1) : 1;
    p->gate = json_object_get(o, "gate") ? doc_real(d, o, "gate", 0, PLAN_FRACTION_MAX) : 0;
    p->aa = json_object_get(o, "aa") && doc_bool(d, o, "aa");
    p->emulated_too = json_object_get(o, "emulated_too") && doc_bool(d, o, "emulated_too");
    take_limits(m, o);
}

static void take_target(struct importer *m, const json_t *o)
{
    struct doc *d = &m->d;
    struct target t = {.label = ""};
    struct target_row row = {.usable = false};
    doc_text(d, o, "label", t.label, sizeof(t.label));
    doc_text(d, o, "text", t.text, sizeof(t.text));
    doc_text(d, o, "driver", t.driver, sizeof(t.driver));
    doc_text(d, o, "runtime", t.runtime, sizeof(t.runtime));
    doc_text(d, o, "platform", t.platform, sizeof(t.platform));
    doc_text(d, o, "inject", t.inject, sizeof(t.inject));
    if (d->r == 0 && !target_label_ok(t.label))
        doc_fail(d, "label: \"%s\" is no label", t.label);
    if (d->r == 0 && (!t.text[0] || !str_is_id(t.driver, sizeof(t.driver) - 1)))
        doc_fail(d, "text or driver is empty or no name");
    for (size_t i = 0; d->r == 0 && i < m->head.plan.targets.n; i++)
        if (str_eq(m->head.plan.targets.v[i].label, t.label))
            doc_fail(d, "label \"%s\" is there twice", t.label);
    const json_t *flags = doc_array(d, o, "flags", TARGET_FLAGS_MAX);
    struct err why = ERR_INIT;
    if (d->r == 0 && flags_from_json(flags, &t, &why) < 0)
        doc_fail(d, "%s", why.msg);
    row.usable = doc_bool(d, o, "usable");
    row.info = doc_json(d, o, "info", OBJECT_BYTES);
    VEC_PUSH(&m->head.plan.targets, t);
    VEC_PUSH(&m->rows, row);
}

static void take_cell(struct importer *m, const json_t *o)
{
    struct doc *d = &m->d;
    struct cell c = {.workload = workload_unknown()};
    doc_text(d, o, "name", c.name, sizeof(c.name));
    if (d->r == 0 && !cell_name_ok(c.name))
        doc_fail(d, "name: \"%s\" is no name of a cell", c.name);
    for (size_t i = 0; d->r == 0 && i < m->head.plan.cells.n; i++)
        if (str_eq(m->head.plan.cells.v[i].name, c.name))
            doc_fail(d, "cell \"%s\" is there twice", c.name);
    c.workload = cell_workload(c.name);
    doc_word(d, o, "cpus", word_cpus_kind_parse, &c.cpus);
    doc_word(d, o, "place", word_place_parse, &c.place);
    doc_word(d, o, "grain", word_grain_parse, &c.grain);
    c.workers = (unsigned)doc_int(d, o, "workers", 0, 65536);
    if (json_object_get(o, "unit")) {
        doc_text(d, o, "unit", c.unit, sizeof(c.unit));
        doc_word(d, o, "better", word_better_parse, &c.better);
    }
    if (json_is_string(json_object_get(o, "app")))
        cell_find_app(&m->head.plan, &c, json_string_value(json_object_get(o, "app")));
    const json_t *params = doc_object(d, o, "params");
    struct err why = ERR_INIT;
    if (d->r == 0 && params_from_json(params, &c.params, &why) < 0)
        doc_fail(d, "%s", why.msg);
    VEC_PUSH(&m->head.plan.cells, c);
}

static void take_targets_and_cells(struct importer *m, const json_t *doc)
{
    struct doc *d = &m->d;
    doc_at(d, "targets");
    const json_t *a = doc_array(d, doc, "targets", PLAN_TARGETS_MAX);
    for (size_t i = 0; d->r == 0 && i < json_array_size(a); i++) {
        doc_at(d, "targets[%zu]", i);
        take_target(m, doc_item(d, a, i));
    }
    struct err why = ERR_INIT;
    if (d->r == 0 && plan_check_twins(&m->head.plan, &why) < 0)
        doc_fail(d, "%s", why.msg);
    doc_at(d, "cells");
    a = doc_array(d, doc, "cells", CELLS_MAX);
    for (size_t i = 0; d->r == 0 && i < json_array_size(a); i++) {
        doc_at(d, "cells[%zu]", i);
        take_cell(m, doc_item(d, a, i));
    }
    doc_at(d, "run");
    if (d->r == 0 && m->head.base >= m->head.plan.targets.n)
        doc_fail(d, "base: there is no such target");
}

static int64_t last_target(const struct importer *m)
{
    return (int64_t)m->head.plan.targets.n - 1;
}

/* Stores what was just read, unless reading it failed. */
#define STORE(m, call)                                                                             \
    do {                                                                                           \
        if ((m)->d.r == 0)                                                                         \
            (m)->d.r = (call);                                                                     \
    } while (0)

static void take_blocks(struct importer *m, const json_t *doc)
{
    struct doc *d = &m->d;
    doc_at(d, "blocks");
    const json_t *a = doc_array(d, doc, "blocks", PLAN_BLOCKS_MAX);
    int64_t before = -1;
    for (size_t i = 0; d->r == 0 && i < json_array_size(a); i++) {
        doc_at(d, "blocks[%zu]", i);
        const json_t *o = doc_item(d, a, i);
        struct block_record b = {.block = (uint32_t)doc_int(d, o, "block", 0, PLAN_BLOCKS_MAX)};
        b.start_ns = doc_count(d, o, "start_ns");
        b.end_ns = doc_count(d, o, "end_ns");
        b.complete = doc_bool(d, o, "complete");
        if (d->r == 0 && b.block <= before)
            doc_fail(d, "block: not in ascending order");
        before = b.block;
        STORE(m, store_block(m->s, m->head.id, &b, d->err));
    }
}

static void take_failure(struct doc *d, const json_t *o, enum outcome *outcome, enum err_kind *kind,
                         int *code, char *text, size_t size)
{
    doc_word(d, o, "outcome", word_outcome_parse, outcome);
    if (d->r < 0 || *outcome == OUTCOME_OK)
        return;
    const json_t *f = doc_object(d, o, "failure");
    doc_word(d, f, "kind", word_err_kind, kind);
    *code = (int)doc_int(d, f, "code", INT32_MIN, INT32_MAX);
    doc_text(d, f, "text", text, size);
}

static void take_sessions(struct importer *m, const json_t *doc)
{
    struct doc *d = &m->d;
    doc_at(d, "sessions");
    const json_t *a = doc_array(d, doc, "sessions", ROWS_MAX);
    for (size_t i = 0; d->r == 0 && i < json_array_size(a); i++) {
        doc_at(d, "sessions[%zu]", i);
        const json_t *o = doc_item(d, a, i);
        struct session_record x = {.block = (uint32_t)doc_int(d, o, "block", 0, PLAN_BLOCKS_MAX)};
        x.target = (uint32_t)doc_int(d, o, "target", 0, last_target(m));
        take_failure(d, o, &x.outcome, &x.fail_kind, &x.fail_code, x.fail_text,
                     sizeof(x.fail_text));
        x.launch_ns = doc_count(d, o, "launch_ns");
        x.idle_cpu = doc_real_or_nan(d, o, "idle_cpu", -1e6, 1e6);
        x.proof = doc_json(d, o, "proof", OBJECT_BYTES);
        x.hello = doc_json(d, o, "hello", OBJECT_BYTES);
        STORE(m, store_session(m->s, m->head.id, &x, d->err));
        session_record_release(&x);
    }
}

static void take_covariates(struct doc *d, const json_t *trial, struct covariates *c)
{
    const json_t *o = doc_object(d, trial, "covariates");
    c->steal = doc_real_or_nan(d, o, "steal", -1e6, 1e6);
    c->psi_cpu = doc_real_or_nan(d, o, "psi_cpu", -1e6, 1e6);
    c->loadavg = doc_real_or_nan(d, o, "loadavg", 0, 1e9);
    c->runnable = doc_count_or_unknown(d, o, "runnable");
    c->swap_pages = doc_count_or_unknown(d, o, "swap_pages");
    c->throttled = doc_count_or_unknown(d, o, "throttled");
    c->others_cpu_ns = doc_count_or_unknown(d, o, "others_cpu_ns");
    c->kernel_log_lines = doc_count_or_unknown(d, o, "kernel_log_lines");
}

static void take_sample(struct importer *m, const json_t *row, struct sample *x)
{
    struct doc *d = &m->d;
    if (json_array_size(row) != SAMPLE_COLUMNS) {
        doc_fail(d, "samples: expected arrays of %d numbers", SAMPLE_COLUMNS);
        return;
    }
    x->round = (uint32_t)doc_int_at(d, row, 0, 0, UINT32_MAX - 1, INT64_MIN);
    x->position = (uint32_t)doc_int_at(d, row, 1, 0, UINT32_MAX - 1, INT64_MIN);
    x->previous = (int32_t)doc_int_at(d, row, 2, 0, last_target(m), -1);
    x->start_ns = (uint64_t)doc_int_at(d, row, 3, 0, DOC_INT_MAX, INT64_MIN);
    x->ops = (uint64_t)doc_int_at(d, row, 4, 0, DOC_INT_MAX, INT64_MIN);
    x->ns = (uint64_t)doc_int_at(d, row, 5, 0, DOC_INT_MAX, INT64_MIN);
    x->control_ns = (uint64_t)doc_int_at(d, row, 6, 0, DOC_INT_MAX, INT64_MIN);
    x->cpu_ns = (uint64_t)doc_int_at(d, row, 7, 0, DOC_INT_MAX, -1); /* -1 is UINT64_MAX */
}

static void check_hist(struct importer *m, const char *text)
{
    struct err why = ERR_INIT;
    if (m->d.r < 0 || !text)
        return;
    if (!m->hist)
        m->hist = xmalloc(sizeof(*m->hist));
    if (hist_decode(text, m->hist, &why) < 0)
        doc_fail(&m->d, "hist: %s", why.msg);
}

static void take_part(struct importer *m, const json_t *o, struct part *p)
{
    struct doc *d = &m->d;
    doc_text(d, o, "role", p->role, sizeof(p->role));
    p->target = (uint32_t)doc_int(d, o, "target", 0, last_target(m));
    take_failure(d, o, &p->outcome, &p->fail_kind, &p->fail_code, p->fail_text,
                 sizeof(p->fail_text));
    p->verified = doc_bool(d, o, "verified");
    doc_text(d, o, "detail", p->detail, sizeof(p->detail));
    p->facts = doc_json(d, o, "facts", OBJECT_BYTES);
    p->hist = doc_text_dup(d, o, "hist", HIST_TEXT_MAX);
    check_hist(m, p->hist);
    p->peak_memory_bytes = doc_count(d, o, "peak_memory_bytes");
    p->clock_drift = doc_real_or_nan(d, o, "clock_drift", -1e9, 1e9);
    const json_t *rows = doc_array(d, o, "samples", SAMPLES_MAX);
    for (size_t i = 0; d->r == 0 && i < json_array_size(rows); i++) {
        struct sample x = {.round = 0};
        take_sample(m, json_array_get(rows, i), &x);
        VEC_PUSH(&p->samples, x);
    }
}

static void take_trial(struct importer *m, const json_t *o, size_t i)
{
    struct doc *d = &m->d;
    struct trial t;
    trial_init(&t);
    t.block = (uint32_t)doc_int(d, o, "block", 0, PLAN_BLOCKS_MAX);
    t.position = (uint32_t)doc_int(d, o, "position", 0, UINT32_MAX - 1);
    t.cell = (uint32_t)doc_int(d, o, "cell", 0, (int64_t)m->head.plan.cells.n - 1);
    t.start_ns = doc_count(d, o, "start_ns");
    t.end_ns = doc_count(d, o, "end_ns");
    take_covariates(d, o, &t.covariates);
    const json_t *parts = doc_array(d, o, "parts", PARTS_MAX);
    for (size_t k = 0; d->r == 0 && k < json_array_size(parts); k++) {
        struct part p = {.target = 0};
        doc_at(d, "trials[%zu].parts[%zu]", i, k);
        take_part(m, doc_item(d, parts, k), &p);
        VEC_PUSH(&t.parts, p);
    }
    doc_at(d, "trials[%zu]", i);
    if (d->r == 0 && store_has_trial(m->s, m->head.id, t.block, t.cell))
        doc_fail(d, "a second trial of cell %u in block %u", t.cell, t.block);
    STORE(m, store_trial(m->s, m->head.id, &t, d->err));
    trial_release(&t);
}

static void take_trials(struct importer *m, const json_t *doc)
{
    static const char *const names[SAMPLE_COLUMNS] = {"round", "position", "previous",   "start_ns",
                                                      "ops",   "ns",       "control_ns", "cpu_ns"};
    struct doc *d = &m->d;
    doc_at(d, "sample_columns");
    const json_t *a = doc_array(d, doc, "sample_columns", SAMPLE_COLUMNS);
    for (size_t i = 0; d->r == 0 && i < SAMPLE_COLUMNS; i++)
        if (!str_eq(json_string_value(json_array_get(a, i)), names[i]))
            doc_fail(d, "column %zu is not \"%s\"", i, names[i]);
    doc_at(d, "trials");
    a = doc_array(d, doc, "trials", ROWS_MAX);
    for (size_t i = 0; d->r == 0 && i < json_array_size(a); i++) {
        doc_at(d, "trials[%zu]", i);
        take_trial(m, doc_item(d, a, i), i);
    }
}

static void take_warnings(struct importer *m, const json_t *doc)
{
    struct doc *d = &m->d;
    doc_at(d, "warnings");
    const json_t *a = doc_array(d, doc, "warnings", ROWS_MAX);
    for (size_t i = 0; d->r == 0 && i < json_array_size(a); i++) {
        struct warning w = {.kind = WARN_STEAL};
        doc_at(d, "warnings[%zu]", i);
        const json_t *o = doc_item(d, a, i);
        doc_word(d, o, "kind", word_warning_parse, &w.kind);
        w.block = doc_index_or_none(d, o, "block", PLAN_BLOCKS_MAX);
        w.target = doc_index_or_none(d, o, "target", (int32_t)last_target(m));
        w.cell = doc_index_or_none(d, o, "cell", (int32_t)m->head.plan.cells.n - 1);
        w.value = doc_real_or_nan(d, o, "value", -1e300, 1e300);
        doc_text(d, o, "text", w.text, sizeof(w.text));
        STORE(m, store_warning(m->s, m->head.id, &w, d->err));
    }
}

/* Is it ours, and of a format we know? */
static void check_kind(struct doc *d, const json_t *doc)
{
    char kind[32];
    doc_text(d, doc, "kind", kind, sizeof(kind));
    if (d->r < 0 || !str_eq(kind, EXCHANGE_KIND)) {
        d->r = 0;
        doc_fail(d, "this is no run that cupel exported");
        return;
    }
    int64_t format = doc_int(d, doc, "format", 1, DOC_INT_MAX);
    if (d->r == 0 && format > EXCHANGE_FORMAT)
        d->r = err_set(d->err, ERR_ENVIRONMENT, EPROTONOSUPPORT,
                       "%s was written by a newer cupel (format %" PRId64
                       ", this one knows %d); nothing was imported",
                       d->name, format, EXCHANGE_FORMAT);
}

/* Is the run here already? */
static int check_new(struct importer *m)
{
    int64_t id = 0;
    if (store_run_find(m->s, m->head.uuid, &id, NULL) < 0)
        return 0;
    return err_set(m->d.err, ERR_USAGE, EEXIST, "%s: this run is here already, as r%jd", m->d.name,
                   (intmax_t)id);
}

static int take_document(struct importer *m, const json_t *doc)
{
    struct doc *d = &m->d;
    check_kind(d, doc);
    take_run(m, doc);
    take_plan(m, doc);
    take_targets_and_cells(m, doc);
    STORE(m, check_new(m));
    if (d->r < 0)
        return d->r;
    int r = db_begin(m->s, d->err);
    if (r < 0)
        return r;
    STORE(m, store_run_new(m->s, &m->head, m->rows.v, d->err));
    take_blocks(m, doc);
    take_sessions(m, doc);
    take_trials(m, doc);
    take_warnings(m, doc);
    return db_end(m->s, d->r, d->err);
}

static int parse_text(const char *text, size_t n, const char *name, json_t **ret, struct err *err)
{
    json_error_t why;
    if (n > EXCHANGE_MAX_BYTES)
        return err_set(err, ERR_USAGE, EFBIG, "%s: larger than %u MiB", name,
                       EXCHANGE_MAX_BYTES >> 20);
    json_t *doc = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
    if (!doc)
        return err_set(err, ERR_USAGE, EINVAL, "%s:%d:%d: %s; nothing was imported", name, why.line,
                       why.column, why.text);
    *ret = doc;
    return 0;
}

int exchange_import(struct store *s, const char *text, size_t n, const char *name, int64_t *ret_run,
                    struct err *err)
{
    struct err own = ERR_INIT;
    struct importer m = {.d = {.name = name, .err = err ? err : &own}, .s = s};
    json_t *doc = NULL;
    int r = parse_text(text, n, name, &doc, m.d.err);
    if (r < 0)
        return r;
    run_head_init(&m.head);
    r = take_document(&m, doc);
    if (r == 0)
        *ret_run = m.head.id;
    json_decref(doc);
    VEC_FOREACH (&m.rows, struct target_row, row)
        free(row->info);
    VEC_RELEASE(&m.rows);
    run_head_release(&m.head);
    free(m.hist);
    return r;
}
