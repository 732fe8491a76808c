/* Published claims for other programs. */
#include "report/claims-words.h"

#include "report/csv.h"
#include "report/json-parts.h"

#include <math.h>

static const char *measure_name(enum claim_measure m)
{
    return m == MEASURE_FRACTION ? "fraction" : m == MEASURE_TIMES ? "times" : "value";
}

static const char *answer_name(enum claim_answer a)
{
    static const char *const names[] = {[ANSWER_NONE] = "",
                                        [ANSWER_YES] = "holds",
                                        [ANSWER_NO] = "does-not",
                                        [ANSWER_OPEN] = "open"};
    return names[a];
}

static const char *label_of(const struct claims_view *v, const struct claim_result *r,
                            uint32_t target)
{
    bool has = r->run != SIZE_MAX && target != UINT32_MAX;
    return has ? v->runs[r->run].a->head.plan.targets.v[target].label : "";
}

void report_claims_csv_header(struct str *out)
{
    str_add(out, "file,id,section,place,claim,test,stated,verdict,direction,size,measure,value,lo,"
                 "hi,blocks,holds_from,holds_to,run,target,over,order,own_value,own_agrees,because,"
                 "note\n");
}

static void csv_comma_text(struct str *out, const char *s)
{
    str_addc(out, ',');
    csv_text(out, s);
}

static void csv_row(const struct claims_view *v, size_t i, struct str *out)
{
    const struct claim_item *c = &v->judged->claims->all.v[i];
    const struct claim_result *r = &v->judged->v[i];
    _cleanup_(str_release) struct str stated = STR_INIT, order = STR_INIT;
    bool has = r->e.n > 0;

    claim_stated(v->judged->claims, c, &stated);
    if (r->pairs.n)
        claim_here(v, i, &order);
    str_addf(out, "%s,%s", v->judged->claims->name, c->id);
    csv_comma_text(out, c->section);
    csv_comma_text(out, c->place);
    csv_comma_text(out, c->text);
    str_addf(out, ",%s", claim_test_name(c->test));
    csv_comma_text(out, stated.buf);
    str_addf(out, ",%s,%s,%s,%s", claim_verdict_name(r->verdict), answer_name(r->direction),
             answer_name(r->size), has ? measure_name(r->measure) : "");
    csv_double(out, has ? r->e.value : NAN);
    csv_double(out, has ? r->e.lo : NAN);
    csv_double(out, has ? r->e.hi : NAN);
    if (has)
        str_addf(out, ",%zu", r->e.n);
    else
        str_addc(out, ',');
    csv_double(out, has ? r->lo : NAN);
    csv_double(out, has ? r->hi : NAN);
    if (r->run != SIZE_MAX)
        str_addf(out, ",r%lld", (long long)v->runs[r->run].a->head.id);
    else
        str_addc(out, ',');
    csv_comma_text(out, label_of(v, r, r->of));
    csv_comma_text(out, label_of(v, r, r->over));
    csv_comma_text(out, order.buf);
    csv_double(out, r->own.has ? r->own.value : NAN);
    str_addf(out, ",%s", r->own.has ? claim_agrees_name(r->own.agrees) : "");
    csv_comma_text(out, r->reason);
    csv_comma_text(out, c->note);
    str_addc(out, '\n');
}

void report_claims_csv(const struct claims_view *v, struct str *out)
{
    for (size_t i = 0; i < v->judged->claims->all.n; i++)
        csv_row(v, i, out);
}

/* ---- JSON ---- */

static json_t *text_or_null(const char *s)
{
    return s && s[0] ? js_inert(s) : json_null();
}

static json_t *pairs_json(const struct claims_view *v, const struct claim_result *r)
{
    json_t *a = json_array();

    VEC_FOREACH (&r->pairs, const struct claim_pair, p)
        json_array_append_new(a, json_pack("{s:o, s:o, s:o, s:s}", "less",
                                           js_inert(label_of(v, r, p->less)), "more",
                                           js_inert(label_of(v, r, p->more)), "ratio",
                                           js_estimate(&p->ratio), "holds", answer_name(p->holds)));
    return a;
}

static json_t *own_json(const struct claim_own *own)
{
    if (!own->has)
        return json_null();
    return json_pack("{s:o, s:o}", "value", js_number(own->value), "agrees",
                     text_or_null(claim_agrees_name(own->agrees)));
}

static json_t *claim_json(const struct claims_view *v, size_t i)
{
    const struct claim_item *c = &v->judged->claims->all.v[i];
    const struct claim_result *r = &v->judged->v[i];
    _cleanup_(str_release) struct str stated = STR_INIT;
    json_t *o = json_object();

    claim_stated(v->judged->claims, c, &stated);
    json_object_set_new(o, "id", json_string(c->id));
    json_object_set_new(o, "section", text_or_null(c->section));
    json_object_set_new(o, "place", text_or_null(c->place));
    json_object_set_new(o, "claim", js_inert(c->text));
    json_object_set_new(o, "test", json_string(claim_test_name(c->test)));
    json_object_set_new(o, "stated", js_inert(stated.buf));
    json_object_set_new(o, "verdict", json_string(claim_verdict_name(r->verdict)));
    json_object_set_new(o, "because", text_or_null(r->reason));
    json_object_set_new(o, "direction", text_or_null(answer_name(r->direction)));
    json_object_set_new(o, "size", text_or_null(answer_name(r->size)));
    json_object_set_new(o, "measure", r->e.n ? json_string(measure_name(r->measure)) : json_null());
    json_object_set_new(o, "here", js_estimate(&r->e));
    json_object_set_new(o, "stated_value", js_number(r->stated));
    json_object_set_new(o, "holds_from", js_number(r->lo));
    json_object_set_new(o, "holds_to", js_number(r->hi));
    json_object_set_new(o, "order", pairs_json(v, r));
    json_object_set_new(o, "run",
                        r->run == SIZE_MAX ? json_null()
                                           : json_integer((json_int_t)v->runs[r->run].a->head.id));
    json_object_set_new(o, "target", text_or_null(label_of(v, r, r->of)));
    json_object_set_new(o, "over", text_or_null(label_of(v, r, r->over)));
    json_object_set_new(o, "own_figures", own_json(&r->own));
    json_object_set_new(o, "note", text_or_null(c->note));
    return o;
}

static json_t *conditions_json(const struct claims_view *v)
{
    json_t *a = json_array();

    for (size_t i = 0;; i++) {
        _cleanup_(str_release) struct str name = STR_INIT, there = STR_INIT, here = STR_INIT;
        if (!claims_condition(v, i, &name, &there, &here))
            return a;
        if (name.len)
            json_array_append_new(a, json_pack("{s:s, s:s, s:s}", "name", name.buf, "there",
                                               there.buf, "here", here.buf));
    }
}

json_t *report_claims_json(const struct claims_view *v)
{
    const struct claims *c = v->judged->claims;
    json_t *o = json_object(), *counts = json_object(), *claims = json_array();

    for (enum claim_verdict k = 0; k < CLAIM_VERDICTS; k++)
        json_object_set_new(counts, claim_verdict_name(k),
                            json_integer((json_int_t)v->judged->count[k]));
    for (size_t i = 0; i < c->all.n; i++)
        json_array_append_new(claims, claim_json(v, i));
    json_object_set_new(o, "name", json_string(c->name));
    json_object_set_new(o, "source",
                        json_pack("{s:o, s:o, s:o, s:o, s:o}", "title", js_inert(c->title),
                                  "authors", text_or_null(c->authors), "year",
                                  text_or_null(c->year), "url", text_or_null(c->url), "retrieved",
                                  text_or_null(c->retrieved)));
    json_object_set_new(o, "conditions", conditions_json(v));
    json_object_set_new(o, "tolerance",
                        json_pack("{s:f, s:f, s:f}", "relative", c->relative, "points", c->points,
                                  "alike", c->alike));
    json_object_set_new(o, "counts", counts);
    json_object_set_new(o, "claims", claims);
    return o;
}
