/* Advice for other programs: JSON. */
#include "report/advise-words.h"
#include "report/json-parts.h"

#include <inttypes.h>
#include <math.h>

static json_t *text_or_null(const struct str *s)
{
    return s->len ? js_inert(s->buf) : json_null();
}

static json_t *limit_json(const struct analysis *a, const struct advise *v, size_t i)
{
    const struct advise_limit *l = &v->limits[i];
    _cleanup_(str_release) struct str what = STR_INIT, command = STR_INIT;
    json_t *o = json_object();

    advise_missing(a, v, i, &what, &command);
    json_object_set_new(o, "limit", json_string(advise_kind_name(l->kind)));
    json_object_set_new(o, "pattern", l->pattern[0] ? js_inert(l->pattern) : json_null());
    json_object_set_new(o, "side",
                        json_string(advise_kind_at_least(l->kind) ? "at-least" : "at-most"));
    json_object_set_new(o, "bound", js_number(l->bound));
    json_object_set_new(o, "unit", json_string(advise_unit(l->kind)));
    json_object_set_new(o, "cells", json_integer((json_int_t)v->rows[i].cells));
    json_object_set_new(o, "missing", text_or_null(&v->rows[i].missing));
    json_object_set_new(o, "command", text_or_null(&command));
    return o;
}

static json_t *flags_json(const struct cell_result *r)
{
    json_t *all = json_array();

    for (unsigned bit = 1; r && bit <= CELL_FLAG_OTHER_MACHINE; bit <<= 1)
        if (r->flags & bit)
            json_array_append_new(all, json_string(flag_words(bit)));
    return all;
}

static json_t *finding_json(const struct analysis *a, const struct advise_finding *f)
{
    _cleanup_(str_release) struct str again = STR_INIT;
    json_t *o = json_object();

    advise_again(a, f, &again);
    json_object_set_new(
        o, "cell", f->cell ? json_string(a->head.plan.cells.v[f->cell->cell].name) : json_null());
    json_object_set_new(o, "verdict", json_string(advise_verdict_name(f->verdict)));
    json_object_set_new(o, "value", js_number(f->e.value));
    json_object_set_new(o, "lo", js_number(f->e.lo));
    json_object_set_new(o, "hi", js_number(f->e.hi));
    json_object_set_new(o, "n", json_integer((json_int_t)f->e.n));
    json_object_set_new(o, "at_least", json_boolean(f->at_least));
    json_object_set_new(o, "mean_of", json_integer((json_int_t)f->cells));
    json_object_set_new(o, "failure", f->failed ? js_inert(f->cell->fail_text) : json_null());
    json_object_set_new(o, "limits_passed", json_integer((json_int_t)f->broken));
    json_object_set_new(o, "blocks_wanted",
                        f->blocks ? json_integer((json_int_t)f->blocks) : json_null());
    json_object_set_new(o, "command", text_or_null(&again));
    json_object_set_new(o, "remark", f->remark[0] ? js_inert(f->remark) : json_null());
    json_object_set_new(o, "flags", flags_json(f->cell));
    return o;
}

static json_t *answer_json(const struct analysis *a, const struct advise_answer *answer)
{
    json_t *o = json_object(), *all = json_array();

    VEC_FOREACH (&answer->findings, const struct advise_finding, f)
        json_array_append_new(all, finding_json(a, f));
    json_object_set_new(o, "verdict", json_string(advise_verdict_name(answer->verdict)));
    json_object_set_new(o, "findings", all);
    return o;
}

static json_t *target_json(const struct analysis *a, const struct advise *v, uint32_t t)
{
    json_t *o = json_object(), *all = json_array(), *warnings = json_array();

    for (size_t i = 0; i < v->n_limits; i++)
        json_array_append_new(all, answer_json(a, advise_at(v, i, t)));
    for (size_t i = 0; i < a->n_warnings; i++)
        if (a->warnings[i].target == (int32_t)t)
            json_array_append_new(warnings, js_inert(a->warnings[i].text));
    json_object_set_new(o, "target", js_inert(a->head.plan.targets.v[t].label));
    json_object_set_new(o, "candidate", json_boolean(v->candidate[t]));
    json_object_set_new(o, "verdict", json_string(advise_verdict_name(v->verdicts[t])));
    json_object_set_new(o, "reason",
                        a->targets[t].usable ? json_null() : js_inert(a->target_reason[t]));
    json_object_set_new(o, "limits", all);
    json_object_set_new(o, "warnings", warnings);
    return o;
}

json_t *report_advise_json(const struct analysis *a, const struct advise *v)
{
    _cleanup_(str_release) struct str order = STR_INIT, never = STR_INIT;
    json_t *o = json_object(), *limits = json_array(), *targets = json_array(),
           *meets = json_array();

    for (size_t i = 0; i < v->n_limits; i++)
        json_array_append_new(limits, limit_json(a, v, i));
    for (uint32_t t = 0; t < a->n_targets; t++)
        json_array_append_new(targets, target_json(a, v, t));
    /* Without bounds nothing was asked for. */
    for (size_t i = 0; v->n_limits && !isnan(v->limits[0].bound) && i < v->meets.n; i++)
        json_array_append_new(meets, js_inert(a->head.plan.targets.v[v->meets.v[i]].label));
    advise_order_words(a, v, &order);
    advise_chapters_missing(a, &never);
    json_object_set_new(o, "run", json_integer((json_int_t)a->head.id));
    json_object_set_new(o, "uuid", json_string(a->head.uuid));
    json_object_set_new(o, "base", js_inert(a->head.plan.targets.v[a->head.base].label));
    json_object_set_new(o, "limits", limits);
    json_object_set_new(o, "meets", meets);
    json_object_set_new(o, "order", text_or_null(&order));
    json_object_set_new(o, "targets", targets);
    json_object_set_new(o, "never_run", text_or_null(&never));
    return o;
}
