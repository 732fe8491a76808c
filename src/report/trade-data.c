/* The trade for other programs: CSV and JSON. */
#include "report/csv.h"
#include "report/json-parts.h"
#include "report/trade-words.h"

#include <inttypes.h>
#include <math.h>

static void csv_count(struct str *out, size_t n)
{
    if (n)
        str_addf(out, ",%zu", n);
    else
        str_addc(out, ',');
}

static void csv_row(const struct analysis *a, const struct trade *t, enum trade_measure m,
                    uint32_t target, struct str *out)
{
    const struct trade_row *row = &t->rows[m];
    const struct trade_value *v = &row->values[target];
    _cleanup_(str_release) struct str command = STR_INIT;
    bool factor = trade_kind_of(m) != TRADE_REACH;

    trade_command(a, t, m, &command);
    str_addf(out, "r%" PRId64 ",%s,%s,", a->head.id, trade_kind_name(trade_kind_of(m)),
             trade_measure_name(m));
    csv_text(out, a->head.plan.targets.v[target].label);
    str_add(out, target == a->head.base ? ",base" : ",");
    csv_double(out, v->has ? v->e.value : NAN);
    csv_double(out, v->has && v->e.n ? v->e.lo : NAN);
    csv_double(out, v->has && v->e.n ? v->e.hi : NAN);
    csv_count(out, v->has ? v->e.n : 0);
    str_addf(out, ",%s", v->has && factor ? verdict_name(v->verdict) : "");
    csv_count(out, row->cells);
    csv_count(out, row->left_out);
    csv_count(out, row->cells ? row->of : 0);
    str_addf(out, ",%s,%s,", v->at_least ? "yes" : "", v->which);
    csv_text(out, v->alone && !v->has ? v->alone->fail_text : "");
    str_addc(out, ',');
    csv_text(out, command.buf);
    str_addc(out, '\n');
}

void report_trade_csv(const struct analysis *a, const struct trade *t, struct str *out)
{
    str_add(out, "run,kind,measure,target,base,value,lo,hi,blocks,verdict,cells,left_out,of,"
                 "at_least,which,failure,command\n");
    for (enum trade_measure m = 0; m < TRADE_MEASURES; m++)
        for (uint32_t i = 0; i < a->n_targets; i++)
            csv_row(a, t, m, i, out);
}

static json_t *value_json(const struct analysis *a, const struct trade *t, enum trade_measure m,
                          uint32_t target)
{
    const struct trade_value *v = &t->rows[m].values[target];
    json_t *o = json_object();

    json_object_set_new(o, "target", js_inert(a->head.plan.targets.v[target].label));
    json_object_set_new(o, "value", js_number(v->has ? v->e.value : NAN));
    json_object_set_new(o, "lo", js_number(v->has ? v->e.lo : NAN));
    json_object_set_new(o, "hi", js_number(v->has ? v->e.hi : NAN));
    json_object_set_new(o, "n", json_integer(v->has ? (json_int_t)v->e.n : 0));
    json_object_set_new(o, "verdict",
                        v->has && trade_kind_of(m) != TRADE_REACH
                            ? json_string(verdict_name(v->verdict))
                            : json_null());
    if (m == TRADE_COULD)
        json_object_set_new(o, "at_least", json_boolean(v->at_least));
    if (m == TRADE_WORST)
        json_object_set_new(o, "cell", v->which[0] ? json_string(v->which) : json_null());
    if (v->alone && !v->has && v->alone->failed)
        json_object_set_new(o, "failure", js_inert(v->alone->fail_text));
    return o;
}

static json_t *measure_json(const struct analysis *a, const struct trade *t, enum trade_measure m)
{
    const struct trade_row *row = &t->rows[m];
    _cleanup_(str_release) struct str command = STR_INIT;
    json_t *o = json_object(), *values = json_array();

    trade_command(a, t, m, &command);
    json_object_set_new(o, "kind", json_string(trade_kind_name(trade_kind_of(m))));
    json_object_set_new(o, "measure", json_string(trade_measure_name(m)));
    json_object_set_new(o, "cells", json_integer((json_int_t)row->cells));
    json_object_set_new(o, "left_out", json_integer((json_int_t)row->left_out));
    if (row->cells && row->of)
        json_object_set_new(o, "of", json_integer((json_int_t)row->of));
    if (command.len)
        json_object_set_new(o, "command", json_string(command.buf));
    for (uint32_t i = 0; i < a->n_targets; i++)
        json_array_append_new(values, value_json(a, t, m, i));
    json_object_set_new(o, "values", values);
    return o;
}

json_t *report_trade_json(const struct analysis *a, const struct trade *t)
{
    json_t *o = json_object(), *measures = json_array();

    for (enum trade_measure m = 0; m < TRADE_MEASURES; m++)
        json_array_append_new(measures, measure_json(a, t, m));
    json_object_set_new(o, "base", js_inert(a->head.plan.targets.v[a->head.base].label));
    json_object_set_new(o, "composites", json_string(trade_formula()));
    json_object_set_new(o, "measures", measures);
    return o;
}
