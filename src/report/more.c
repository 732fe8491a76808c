#include "report/report.h"

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
}

json_t *report_whole_json(const struct analysis *a, const struct report_more *more)
{
    json_t *o = report_summary_json(a);

    if (more->has_trade)
        json_object_set_new(o, "trade", report_trade_json(a, &more->trade));
    if (more->has_gate)
        json_object_set_new(o, "gate", report_gate_json(a, &more->gate));
    if (more->has_aa)
        json_object_set_new(o, "aa", report_aa_json(a, &more->aa));
    return o;
}
