#include "report/report.h"

#include "report/json-parts.h"

int report_more_read(struct store *s, const struct analysis *a, bool trade, struct report_more *ret,
                     struct err *err)
{
    struct report_more m = {
        .has_trade = trade || trade_has_several(a),
        .has_gate = a->head.plan.gate > 0 && a->n_targets > 1,
        .has_aa = a->head.plan.aa,
    };
    int r = analyse_matrix(s, a, &m.matrix, err);

    if (r == 0 && m.has_trade)
        r = analyse_trade(s, a, &m.trade, err);
    if (r == 0)
        r = analyse_overheads(s, a, &m.overheads, err);
    if (r == 0 && m.has_gate)
        r = analyse_gate(s, a, &m.gate, err);
    if (r == 0 && m.has_aa)
        r = analyse_aa(s, a, &m.aa, err);
    if (r < 0)
        report_more_release(&m);
    else
        *ret = m;
    return r;
}

void report_more_release(struct report_more *m)
{
    matrix_release(&m->matrix);
    trade_release(&m->trade);
    gate_release(&m->gate);
    aa_release(&m->aa);
    overheads_release(&m->overheads);
}

/* null: its class counts nothing. */
static json_t *overheads_json(const struct analysis *a, const struct overheads *all)
{
    json_t *list = json_array();

    VEC_FOREACH (&all->list, const struct overhead, o)
        json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:o, s:o}", "target",
                                              js_inert(a->head.plan.targets.v[o->target].label),
                                              "memory_bytes", js_number(o->memory_bytes), "cpus",
                                              js_number(o->cpus), "counted_memory_bytes",
                                              js_number(o->counted_bytes), "counted_cpus",
                                              js_number(o->counted_cpus)));
    return list;
}

json_t *report_whole_json(const struct analysis *a, const struct report_more *more)
{
    json_t *o = report_summary_json(a);

    if (more->has_trade)
        json_object_set_new(o, "trade", report_trade_json(a, &more->trade));
    if (more->overheads.list.n)
        json_object_set_new(o, "overheads", overheads_json(a, &more->overheads));
    if (more->has_gate)
        json_object_set_new(o, "gate", report_gate_json(a, &more->gate));
    if (more->has_aa)
        json_object_set_new(o, "aa", report_aa_json(a, &more->aa));
    return o;
}
