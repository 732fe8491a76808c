/* Runs of many machines for other programs: CSV and JSON. */
#include "report/csv.h"
#include "report/json-parts.h"
#include "report/machines-words.h"

#include <math.h>

static void csv_row(const struct machines *m, size_t machine, size_t cell, size_t target,
                    struct str *out)
{
    const struct machine_row *row = &m->rows[machine];
    const struct machine_figure *f = machines_figure(m, machine, cell, target);

    csv_text(out, row->id);
    str_addc(out, ',');
    csv_text(out, row->name);
    str_addc(out, ',');
    csv_text(out, m->groups.v[row->group].name);
    str_addf(out, ",r%lld,", (long long)row->last_run);
    csv_text(out, m->cells.v[cell].name);
    str_addc(out, ',');
    csv_text(out, m->targets.v[target]);
    str_addf(out, ",%u,%u", f->runs, f->n);
    csv_double(out, exp(f->log));
    csv_double(out, exp(f->lo));
    csv_double(out, exp(f->hi));
    csv_double(out, f->se);
    str_addf(out, ",%s,%u,%s,", f->n == 1 && !m->absolute ? verdict_name(f->verdict) : "",
             f->failed, f->failed ? err_kind_name(f->fail_kind) : "");
    csv_text(out, f->fail_text ? f->fail_text : "");
    str_addc(out, '\n');
}

/* What the figures are. */
static const char *what_name(const struct machines *m)
{
    return m->absolute ? "value" : "ratio";
}

void report_machines_csv(const struct machines *m, struct str *out)
{
    const char *what = what_name(m);

    str_addf(out,
             "machine_id,machine,kind,run,cell,target,runs,n,%s,%s_lo,%s_hi,log_se,"
             "verdict,blocks_failed,failure_kind,failure\n",
             what, what, what);
    for (size_t i = 0; i < m->n; i++)
        for (size_t c = 0; c < m->cells.n; c++)
            for (size_t t = 0; t < m->targets.n; t++)
                if (machines_figure(m, i, c, t)->runs)
                    csv_row(m, i, c, t, out);
}

static json_t *row_json(const struct machines *m, const struct machine_row *row)
{
    char run[RUN_ID_MAX];

    str_format(run, sizeof(run), "r%lld", (long long)row->last_run);
    return json_pack("{s:o, s:s, s:s, s:I, s:s, s:I, s:s?, s:I, s:I, s:I}", "id", js_inert(row->id),
                     "name", row->name, "kind", m->groups.v[row->group].name, "runs",
                     (json_int_t)row->runs, "run", run, "blocks", (json_int_t)row->blocks,
                     "partial", row->status[0] ? row->status : NULL, "figures",
                     (json_int_t)(row->cells - row->failed), "without_figure",
                     (json_int_t)row->failed, "apart", (json_int_t)row->apart);
}

static json_t *figure_json(const struct machines *m, size_t group, size_t cell, size_t target)
{
    const struct machines_result *x = machines_at(m, group, cell, target);
    json_t *o = json_object();

    json_object_set_new(o, "kind", json_string(m->groups.v[group].name));
    json_object_set_new(o, "cell", js_inert(m->cells.v[cell].name));
    json_object_set_new(o, "target", js_inert(m->targets.v[target]));
    json_object_set_new(o, "machines", json_integer((json_int_t)x->machines));
    json_object_set_new(o, "failed", json_integer((json_int_t)x->failed));
    json_object_set_new(o, what_name(m), js_estimate(&x->ratio));
    json_object_set_new(o, "between_log_sd", js_number(x->between));
    json_object_set_new(o, "within_log_se", js_number(x->within));
    json_object_set_new(o, "least", x->n ? json_string(m->rows[x->least].name) : json_null());
    json_object_set_new(o, "most", x->n ? json_string(m->rows[x->most].name) : json_null());
    json_object_set_new(o, "p", js_number(x->p));
    json_object_set_new(o, "adjusted_p", js_number(x->adjusted_p));
    json_object_set_new(o, "verdict",
                        x->ratio.level > 0 && !m->absolute ? json_string(verdict_name(x->verdict))
                                                           : json_null());
    json_object_set_new(o, "held_back_by",
                        x->hold ? json_string(comparison_hold_name(x->hold)) : json_null());
    return o;
}

static json_t *results_json(const struct machines *m)
{
    json_t *all = json_array();

    for (size_t g = 0; g < m->groups.n; g++)
        for (size_t c = 0; c < m->cells.n; c++)
            for (size_t t = 0; t < m->targets.n; t++)
                if (machines_at(m, g, c, t)->machines)
                    json_array_append_new(all, figure_json(m, g, c, t));
    return all;
}

static json_t *apart_json(const struct machines *m)
{
    json_t *all = json_array();

    VEC_FOREACH (&m->apart, const struct machine_apart, a)
        json_array_append_new(
            all, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "machine", m->rows[a->machine].name,
                           "cell", js_inert(m->cells.v[a->cell].name), "target",
                           js_inert(m->targets.v[a->target]), what_name(m), js_number(a->ratio),
                           "median", js_number(a->median), "score", js_number(a->score)));
    return all;
}

static void add_difference(void *user, const struct machines_difference *d)
{
    json_array_append_new(user, json_pack("{s:o, s:s, s:b}", "field", js_inert(d->name), "values",
                                          d->values.buf, "forced", (int)d->refused));
}

static void add_note(void *user, const char *text)
{
    json_array_append_new(user, json_string(text));
}

json_t *report_machines_json(const struct machines *m)
{
    const struct style plain = {.utf8 = false};
    json_t *o = json_object(), *rows = json_array(), *kinds = json_array(),
           *differences = json_array(), *notes = json_array();

    for (size_t i = 0; i < m->n; i++)
        json_array_append_new(rows, row_json(m, &m->rows[i]));
    VEC_FOREACH (&m->groups, const struct machines_group, g)
        json_array_append_new(
            kinds, json_pack("{s:s, s:I}", "kind", g->name, "machines", (json_int_t)g->n));
    machines_differences(m, add_difference, differences);
    machines_notes(m, &plain, add_note, notes);
    json_object_set_new(o, "runs", json_integer((json_int_t)m->n_runs));
    json_object_set_new(o, "absolute", json_boolean(m->absolute));
    json_object_set_new(o, "theta", js_number(m->theta));
    json_object_set_new(o, "level", js_number(1 - MACHINES_ALPHA));
    json_object_set_new(o, "machines", rows);
    json_object_set_new(o, "kinds", kinds);
    json_object_set_new(o, "results", results_json(m));
    json_object_set_new(o, "apart", apart_json(m));
    json_object_set_new(o, "environment", differences);
    json_object_set_new(o, "notes", notes);
    return o;
}
