/* Estimates and verdicts as JSON: what `show --json` prints and `export` stores under "summary". */
#include "report/json-parts.h"

#include "report/figure.h"
#include "report/report.h"
#include "report/words.h"

#include <math.h>

json_t *js_number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

/* Strings of ours are ASCII; what came from outside is made so. */
json_t *js_inert(const char *s)
{
    _cleanup_(str_release) struct str t = STR_INIT;
    text_inert(&t, s);
    return json_string(t.buf);
}

json_t *js_estimate(const struct estimate *e)
{
    if (e->n == 0)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:I}", "value", js_number(e->value), "lo",
                     js_number(e->lo), "hi", js_number(e->hi), "level", js_number(e->level), "n",
                     (json_int_t)e->n);
}

static json_t *flags_json(unsigned flags)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {
        {CELL_FLAG_ASYMMETRIC, "asymmetric"},       {CELL_FLAG_AUTOCORRELATED, "autocorrelated"},
        {CELL_FLAG_NOT_STEADY, "not-steady"},       {CELL_FLAG_DRIFT, "clock-drift"},
        {CELL_FLAG_TOO_FEW, "too-few-blocks"},      {CELL_FLAG_NOISY_ENV, "noisy-environment"},
        {CELL_FLAG_MEMORY_FS, "memory-fs"},         {CELL_FLAG_NOT_COLD, "not-cold"},
        {CELL_FLAG_FSYNC, "fsync-doubtful"},        {CELL_FLAG_HUGE_PAGES, "huge-pages-differ"},
        {CELL_FLAG_PEER, "peer-limited"},           {CELL_FLAG_EMULATED, "emulated-cpu"},
        {CELL_FLAG_OTHER_MACHINE, "other-machine"},
    };
    json_t *a = json_array();

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (flags & names[i].bit)
            json_array_append_new(a, json_string(names[i].name));
    return a;
}

static json_t *failure_json(const struct cell_result *r)
{
    if (r->failed == 0)
        return json_null();
    return json_pack("{s:s, s:o, s:I, s:I, s:o, s:o}", "kind", err_kind_name(r->fail_kind), "text",
                     js_inert(r->fail_text), "blocks_failed", (json_int_t)r->failed, "blocks_tried",
                     (json_int_t)r->tried, "rate_lo", js_number(r->failure_lo), "rate_hi",
                     js_number(r->failure_hi));
}

static json_t *latency_json(const struct cell_result *r)
{
    if (r->latency_n == 0)
        return json_null();
    json_t *o = json_pack("{s:I, s:I, s:I}", "p50_ns", (json_int_t)r->p50_ns, "p90_ns",
                          (json_int_t)r->p90_ns, "p99_ns", (json_int_t)r->p99_ns);
    if (r->p999_ns)
        json_object_set_new(o, "p99_9_ns", json_integer((json_int_t)r->p999_ns));
    json_object_set_new(o, "operations", json_integer((json_int_t)r->latency_n));
    return o;
}

static json_t *result_json(const struct analysis *a, const struct cell_result *r)
{
    static const char *const statuses[] = {
        [CELL_OK] = "ok",
        [CELL_SOME_FAILED] = "some-failed",
        [CELL_FAILED] = "failed",
        [CELL_NOT_MEASURED] = "not-measured",
    };
    bool has = r->absolute.n > 0;
    const struct cell *cell = &a->head.plan.cells.v[r->cell];
    struct estimate value = figure_estimate(cell, &r->absolute);
    json_t *o = json_object();

    json_object_set_new(o, "cell", json_string(a->head.plan.cells.v[r->cell].name));
    json_object_set_new(o, "target", js_inert(a->head.plan.targets.v[r->target].label));
    json_object_set_new(o, "base", json_boolean(r->is_base));
    json_object_set_new(o, "status", json_string(statuses[r->status]));
    json_object_set_new(o, "verdict",
                        r->is_base || r->ratio.n == 0 ? json_null()
                                                      : json_string(verdict_name(r->verdict)));
    json_object_set_new(o, "ratio", js_estimate(&r->ratio));
    json_object_set_new(o, "ns_per_op", js_estimate(&r->absolute));
    json_object_set_new(o, "value", has ? js_estimate(&value) : json_null());
    json_object_set_new(o, "unit", json_string(figure_unit(cell)));
    json_object_set_new(o, "cpu_ns_per_op", js_estimate(&r->cpu));
    json_object_set_new(o, "cpus_busy", js_number(has ? r->cpus_busy : NAN));
    json_object_set_new(o, "n", json_integer((json_int_t)r->absolute.n));
    json_object_set_new(o, "mean_ns", js_number(has ? r->mean_ns : NAN));
    json_object_set_new(o, "variance_ns2", js_number(has ? r->variance_ns : NAN));
    json_object_set_new(o, "overhead", js_number(has ? r->overhead : NAN));
    json_object_set_new(o, "degradation", js_number(has ? r->degradation : NAN));
    json_object_set_new(o, "sign_flip_p", js_number(r->is_base ? NAN : r->sign_flip_p));
    json_object_set_new(o, "holm_p", js_number(r->is_base ? NAN : r->adjusted_p));
    json_object_set_new(o, "lag1_r", js_number(has ? r->r1 : NAN));
    json_object_set_new(o, "latency", latency_json(r));
    json_object_set_new(o, "peak_memory_bytes",
                        r->peak_memory_bytes ? json_integer((json_int_t)r->peak_memory_bytes)
                                             : json_null());
    json_object_set_new(o, "precise", json_boolean(r->precise));
    json_object_set_new(o, "flags", flags_json(r->flags));
    json_object_set_new(o, "failure", failure_json(r));
    return o;
}

static json_t *targets_json(const struct analysis *a)
{
    json_t *targets = json_array();

    for (size_t i = 0; i < a->n_targets; i++) {
        json_t *o = json_object();
        json_object_set_new(o, "target", js_inert(a->head.plan.targets.v[i].label));
        json_object_set_new(o, "usable", json_boolean(a->targets[i].usable));
        json_object_set_new(o, "emulated", json_boolean(a->emulated[i]));
        json_object_set_new(o, "machine", a->machine[i] ? js_inert(a->machine[i]) : json_null());
        json_object_set_new(o, "reason",
                            a->target_reason[i][0] ? js_inert(a->target_reason[i]) : json_null());
        json_object_set_new(o, "geometric_mean",
                            a->geomean ? js_estimate(&a->geomean[i]) : json_null());
        json_array_append_new(targets, o);
    }
    return targets;
}

static json_t *warnings_json(const struct analysis *a)
{
    json_t *warnings = json_array();

    for (size_t i = 0; i < a->n_warnings; i++) {
        const struct warning *w = &a->warnings[i];
        json_array_append_new(
            warnings, json_pack("{s:s, s:o, s:o, s:i, s:i, s:i}", "kind", warning_name(w->kind),
                                "text", js_inert(w->text), "value", js_number(w->value), "block",
                                (int)w->block, "target", (int)w->target, "cell", (int)w->cell));
    }
    return warnings;
}

json_t *report_summary_json(const struct analysis *a)
{
    const struct run_head *h = &a->head;
    json_t *o = json_object(), *cells = json_array();
    char id[RUN_ID_MAX], host[80];

    str_format(id, sizeof(id), "r%lld", (long long)h->id);
    report_hostname(h, host, sizeof(host));
    for (size_t c = 0; c < a->n_cells; c++)
        for (size_t t = 0; t < a->n_targets; t++)
            json_array_append_new(cells, result_json(a, analysis_at(a, c, t)));
    json_object_set_new(o, "run", json_string(id));
    json_object_set_new(o, "uuid", json_string(h->uuid));
    json_object_set_new(o, "status", json_string(h->status));
    json_object_set_new(o, "host", json_string(host));
    json_object_set_new(o, "suite", h->plan.suite[0] ? json_string(h->plan.suite) : json_null());
    json_object_set_new(o, "base",
                        h->base < a->n_targets ? js_inert(h->plan.targets.v[h->base].label)
                                               : json_null());
    json_object_set_new(o, "theta", js_number(h->plan.theta));
    json_object_set_new(o, "blocks", json_integer((json_int_t)a->n_blocks));
    json_object_set_new(o, "elapsed_ns", json_integer((json_int_t)a->elapsed_ns));
    json_object_set_new(o, "smallest_resolvable", js_number(a->noise_floor));
    json_object_set_new(o, "targets", targets_json(a));
    json_object_set_new(o, "cells", cells);
    json_object_set_new(o, "warnings", warnings_json(a));
    return o;
}

void report_json_text(json_t *o, struct str *out)
{
    char *text = json_dumps(o, JSON_INDENT(1));

    json_decref(o);
    str_add(out, text);
    str_addc(out, '\n');
    free(text);
}
