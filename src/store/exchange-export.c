/* A stored run as a JSON document; docs/run.schema.json says what it looks like. */
#include "store/exchange.h"
#include "store/plain.h"

#include "base/time.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

static void set(json_t *o, const char *key, json_t *stolen)
{
    json_object_set_new(o, key, stolen ? stolen : json_null());
}

static void set_int(json_t *o, const char *key, uint64_t v)
{
    set(o, key, json_integer((json_int_t)v));
}

static void set_count(json_t *o, const char *key, uint64_t v)
{
    set(o, key, v > INT64_MAX ? NULL : json_integer((json_int_t)v));
}

static void set_real(json_t *o, const char *key, double v)
{
    set(o, key, isfinite(v) ? json_real(v) : NULL);
}

static void set_index(json_t *o, const char *key, int32_t v)
{
    set(o, key, v < 0 ? NULL : json_integer(v));
}

/* Bytes that are no UTF-8 would make the whole document unwritable: they become '?'. */
static void set_text(json_t *o, const char *key, const char *v)
{
    json_t *text = v ? json_string(v) : NULL;
    if (v && !text) {
        _cleanup_free_ char *ascii = xstrdup(v);
        str_printable(ascii);
        text = json_string(ascii);
    }
    set(o, key, text);
}

/* As a string of digits: readers that take numbers for doubles would round it. */
static void set_big(json_t *o, const char *key, uint64_t v)
{
    char text[24];
    str_format(text, sizeof(text), "%" PRIu64, v);
    set_text(o, key, text);
}

/* JSON text of a column. What is none, by whatever accident, is kept as a text. */
static void set_json(json_t *o, const char *key, const char *text)
{
    json_t *v = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (text && !json_is_object(v)) {
        json_decref(v);
        v = json_object();
        set_text(v, "unreadable", text);
    }
    set(o, key, v);
}

static json_t *run_to_json(const struct run_head *h)
{
    json_t *o = json_object();
    char iso[21];
    set_text(o, "uuid", h->uuid);
    set_text(o, "machine_id", h->machine_id);
    set_json(o, "machine", h->machine);
    set_text(o, "version", h->version);
    set_text(o, "command", h->command);
    time_iso(h->started_real_ns, iso);
    set_text(o, "started", iso);
    set_big(o, "started_real_ns", h->started_real_ns);
    if (h->ended_real_ns)
        set_big(o, "ended_real_ns", h->ended_real_ns);
    else
        set(o, "ended_real_ns", NULL);
    set_text(o, "status", h->status);
    set_int(o, "base", h->base);
    return o;
}

static json_t *plan_to_json(const struct plan *p)
{
    json_t *o = json_object(), *limits = json_object();
    set_text(o, "suite", p->suite);
    set_text(o, "base", p->base);
    set_big(o, "seed", p->seed);
    set_real(o, "theta", p->theta);
    set_real(o, "precision", p->precision);
    set_int(o, "blocks", p->blocks);
    set_int(o, "repeats", p->repeats);
    set_int(o, "budget_ns", p->budget_ns);
    set_int(o, "interval_ns", p->interval_ns);
    set_int(o, "settle_ns", p->settle_ns);
    set_int(o, "slice_ns", p->slice_ns);
    set_int(o, "rounds", p->rounds);
    set(o, "solo", json_boolean(p->solo));
    set(o, "scale", json_real(p->scale));
    set(o, "drop_caches", json_boolean(p->drop_caches));
    set_real(o, "gate", p->gate);
    set(o, "aa", json_boolean(p->aa));
    set(o, "emulated_too", json_boolean(p->emulated_too));
    set(o, "share", json_boolean(p->share));
    set_real(limits, "cpus", p->limits.cpus);
    set_int(limits, "memory_bytes", p->limits.memory_bytes);
    set_int(limits, "pids", p->limits.pids);
    set_int(limits, "io_bps", p->limits.io_bps);
    set(o, "limits", limits);
    return o;
}

static json_t *cells_to_json(const struct plan *p)
{
    json_t *a = json_array();
    for (size_t i = 0; i < p->cells.n; i++) {
        const struct cell *c = &p->cells.v[i];
        const struct app *app = plan_cell_app(p, c);
        json_t *o = json_object();
        char workload[CELL_NAME_MAX];
        cell_workload_name(c->name, workload);
        set_text(o, "name", c->name);
        set_text(o, "workload", workload);
        set_text(o, "cpus", cpus_kind_name(c->cpus));
        set_int(o, "workers", c->workers);
        set_text(o, "place", place_name(c->place));
        set_text(o, "grain", grain_name(c->grain));
        set(o, "params", params_to_json(&c->params));
        set_text(o, "unit", c->unit);
        set_text(o, "better", better_name(c->better));
        if (app)
            set_text(o, "app", app->source);
        json_array_append_new(a, o);
    }
    return a;
}

struct target_list {
    json_t *array;
    const struct plan *plan;
};

static int add_target(void *user, uint32_t idx, const struct target_row *row)
{
    struct target_list *l = user;
    if (idx >= l->plan->targets.n)
        return 0;
    const struct target *t = &l->plan->targets.v[idx];
    json_t *o = json_object();
    set_text(o, "label", t->label);
    set_text(o, "text", t->text);
    set_text(o, "driver", t->driver);
    set_text(o, "runtime", t->runtime);
    set_text(o, "platform", t->platform);
    set(o, "flags", flags_to_json(t));
    set_text(o, "inject", t->inject);
    set(o, "usable", json_boolean(row->usable));
    set_json(o, "info", row->info);
    json_array_append_new(l->array, o);
    return 0;
}

static int add_block(void *user, const struct block_record *b)
{
    json_t *o = json_object();
    set_int(o, "block", b->block);
    set_int(o, "start_ns", b->start_ns);
    set_int(o, "end_ns", b->end_ns);
    set(o, "complete", json_boolean(b->complete));
    json_array_append_new(user, o);
    return 0;
}

/* "failure": null, or what went wrong. */
static void set_failure(json_t *o, enum outcome outcome, enum err_kind kind, int code,
                        const char *text)
{
    json_t *f = NULL;
    if (outcome != OUTCOME_OK) {
        f = json_object();
        set_text(f, "kind", err_kind_name(kind));
        set(f, "code", json_integer(code));
        set_text(f, "text", text);
    }
    set_text(o, "outcome", outcome_name(outcome));
    set(o, "failure", f);
}

static int add_session(void *user, const struct session_record *x)
{
    json_t *o = json_object();
    set_int(o, "block", x->block);
    set_int(o, "target", x->target);
    set_failure(o, x->outcome, x->fail_kind, x->fail_code, x->fail_text);
    set_int(o, "launch_ns", x->launch_ns);
    set_real(o, "idle_cpu", x->idle_cpu);
    set_json(o, "proof", x->proof);
    set_json(o, "hello", x->hello);
    json_array_append_new(user, o);
    return 0;
}

static json_t *samples_to_json(const struct part *p)
{
    json_t *a = json_array();
    for (size_t i = 0; i < p->samples.n; i++) {
        const struct sample *x = &p->samples.v[i];
        json_t *row = json_array();
        json_array_append_new(row, json_integer(x->round));
        json_array_append_new(row, json_integer(x->position));
        json_array_append_new(row, x->previous < 0 ? json_null() : json_integer(x->previous));
        json_array_append_new(row, json_integer((json_int_t)x->start_ns));
        json_array_append_new(row, json_integer((json_int_t)x->ops));
        json_array_append_new(row, json_integer((json_int_t)x->ns));
        json_array_append_new(row, json_integer((json_int_t)x->control_ns));
        json_array_append_new(row, x->cpu_ns > INT64_MAX ? json_null()
                                                         : json_integer((json_int_t)x->cpu_ns));
        json_array_append_new(a, row);
    }
    return a;
}

static json_t *part_to_json(const struct part *p)
{
    json_t *o = json_object();
    set_text(o, "role", p->role);
    set_int(o, "target", p->target);
    set_failure(o, p->outcome, p->fail_kind, p->fail_code, p->fail_text);
    set(o, "verified", json_boolean(p->verified));
    set_text(o, "detail", p->detail);
    set_json(o, "facts", p->facts);
    set_text(o, "hist", p->hist);
    set_int(o, "peak_memory_bytes", p->peak_memory_bytes);
    set_real(o, "clock_drift", p->clock_drift);
    set(o, "samples", samples_to_json(p));
    return o;
}

static int add_trial(void *user, const struct trial *t)
{
    const struct covariates *c = &t->covariates;
    json_t *o = json_object(), *x = json_object(), *parts = json_array();
    set_int(o, "block", t->block);
    set_int(o, "position", t->position);
    set_int(o, "cell", t->cell);
    set_int(o, "start_ns", t->start_ns);
    set_int(o, "end_ns", t->end_ns);
    set_real(x, "steal", c->steal);
    set_real(x, "psi_cpu", c->psi_cpu);
    set_real(x, "loadavg", c->loadavg);
    set_count(x, "runnable", c->runnable);
    set_count(x, "swap_pages", c->swap_pages);
    set_count(x, "throttled", c->throttled);
    set_count(x, "others_cpu_ns", c->others_cpu_ns);
    set_count(x, "kernel_log_lines", c->kernel_log_lines);
    set(o, "covariates", x);
    for (size_t i = 0; i < t->parts.n; i++)
        json_array_append_new(parts, part_to_json(&t->parts.v[i]));
    set(o, "parts", parts);
    json_array_append_new(user, o);
    return 0;
}

static int add_warning(void *user, const struct warning *w)
{
    json_t *o = json_object();
    set_text(o, "kind", warning_name(w->kind));
    set_index(o, "block", w->block);
    set_index(o, "target", w->target);
    set_index(o, "cell", w->cell);
    set_real(o, "value", w->value);
    set_text(o, "text", w->text);
    json_array_append_new(user, o);
    return 0;
}

static json_t *new_list(json_t *doc, const char *key)
{
    json_t *a = json_array();
    set(doc, key, a);
    return a;
}

static int fill(struct store *s, const struct run_head *h, json_t *doc, struct err *err)
{
    set_text(doc, "kind", EXCHANGE_KIND);
    set_int(doc, "format", EXCHANGE_FORMAT);
    set_text(doc, "generator", "cupel " CUPEL_VERSION);
    set(doc, "run", run_to_json(h));
    set(doc, "plan", plan_to_json(&h->plan));
    struct target_list targets = {.array = new_list(doc, "targets"), .plan = &h->plan};
    set(doc, "cells", cells_to_json(&h->plan));
    int r = store_targets(s, h->id, add_target, &targets, err);
    if (r == 0)
        r = store_blocks(s, h->id, add_block, new_list(doc, "blocks"), err);
    if (r == 0)
        r = store_sessions(s, h->id, add_session, new_list(doc, "sessions"), err);
    set(doc, "sample_columns",
        json_pack("[ssssssss]", "round", "position", "previous", "start_ns", "ops", "ns",
                  "control_ns", "cpu_ns"));
    if (r == 0)
        r = store_trials(s, h->id, -1, add_trial, new_list(doc, "trials"), err);
    if (r == 0)
        r = store_warnings(s, h->id, add_warning, new_list(doc, "warnings"), err);
    return r;
}

int exchange_export(struct store *s, int64_t run, json_t *extra, json_t **ret, struct err *err)
{
    struct run_head h;
    int r = store_run_head(s, run, &h, err);
    if (r < 0) {
        json_decref(extra);
        return r;
    }
    json_t *doc = json_object();
    r = fill(s, &h, doc, err);
    run_head_release(&h);
    if (extra)
        set(doc, "summary", extra);
    if (r < 0) {
        json_decref(doc);
        return r;
    }
    *ret = doc;
    return 0;
}
