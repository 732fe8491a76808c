/* A comparison of runs for other programs: CSV and JSON. */
#include "report/compare.h"

#include "report/compare-words.h"
#include "report/csv.h"
#include "report/json-parts.h"

#include <inttypes.h>
#include <math.h>

/* What a side has a mean of. */
static const char *what_name(const struct compare *c)
{
    return c->absolute ? "value" : "ratio";
}

static void csv_side(const struct comparison_side *s, struct str *out)
{
    str_addf(out, ",%zu,%zu", s->runs, s->n);
    csv_double(out, s->n ? exp(s->mean) : NAN);
    csv_double(out, s->sd);
    csv_double(out, s->within);
    str_addf(out, ",%zu,%zu", s->tried, s->failed);
}

static void csv_row(const struct compare *c, const struct comparison *x, struct str *out)
{
    csv_text(out, c->cells.v[x->cell].name);
    str_addc(out, ',');
    csv_text(out, c->targets.v[x->target]);
    str_addf(out, ",%s,%s", comparison_status_name(x->status), x->primary ? "yes" : "");
    csv_side(&x->side[SIDE_A], out);
    csv_side(&x->side[SIDE_B], out);
    csv_double(out, x->ratio.value);
    csv_double(out, x->ratio.lo);
    csv_double(out, x->ratio.hi);
    csv_double(out, x->ratio.n ? x->w.df : NAN);
    csv_double(out, x->between);
    csv_double(out, x->within);
    csv_double(out, x->ratio.n ? x->w.p : NAN);
    csv_double(out, x->adjusted_p);
    str_addf(out, ",%s,%s\n", x->ratio.n ? verdict_name(x->verdict) : "",
             comparison_hold_name(x->hold));
}

void report_compare_csv(const struct compare *c, struct str *out)
{
    const char *what = what_name(c);

    str_addf(out,
             "cell,target,status,primary,"
             "a_runs,a_n,a_%s,a_log_sd,a_within_log_se,a_blocks_tried,a_blocks_failed,"
             "b_runs,b_n,b_%s,b_log_sd,b_within_log_se,b_blocks_tried,b_blocks_failed,"
             "ratio,ratio_lo,ratio_hi,df,between_log_sd,within_log_se,p,adjusted_p,verdict,"
             "held_back_by\n",
             what, what);
    for (size_t i = 0; i < c->cells.n * c->targets.n; i++)
        if (c->results[i].status != COMPARISON_ABSENT)
            csv_row(c, &c->results[i], out);
}

static json_t *side_json(const struct compare *c, const struct comparison_side *s)
{
    json_t *o = json_object();

    json_object_set_new(o, "runs", json_integer((json_int_t)s->runs));
    json_object_set_new(o, "n", json_integer((json_int_t)s->n));
    json_object_set_new(o, what_name(c), js_number(s->n ? exp(s->mean) : NAN));
    json_object_set_new(o, "log_sd", js_number(s->sd));
    json_object_set_new(o, "within_log_se", js_number(s->within));
    json_object_set_new(o, "blocks_tried", json_integer((json_int_t)s->tried));
    json_object_set_new(o, "blocks_failed", json_integer((json_int_t)s->failed));
    if (s->failed) {
        json_object_set_new(o, "failure", json_string(err_kind_name(s->fail_kind)));
        json_object_set_new(o, "failure_text", js_inert(s->fail_text));
    }
    return o;
}

static json_t *comparison_json(const struct compare *c, const struct comparison *x)
{
    json_t *o = json_object();
    bool has = x->ratio.n > 0;

    json_object_set_new(o, "cell", js_inert(c->cells.v[x->cell].name));
    json_object_set_new(o, "target", js_inert(c->targets.v[x->target]));
    json_object_set_new(o, "status", json_string(comparison_status_name(x->status)));
    json_object_set_new(o, "primary", json_boolean(x->primary));
    json_object_set_new(o, "a", side_json(c, &x->side[SIDE_A]));
    json_object_set_new(o, "b", side_json(c, &x->side[SIDE_B]));
    json_object_set_new(o, "ratio", js_estimate(&x->ratio));
    json_object_set_new(o, "df", js_number(has ? x->w.df : NAN));
    json_object_set_new(o, "between_log_sd", js_number(x->between));
    json_object_set_new(o, "within_log_se", js_number(x->within));
    json_object_set_new(o, "p", js_number(has ? x->w.p : NAN));
    json_object_set_new(o, "adjusted_p", js_number(x->adjusted_p));
    json_object_set_new(o, "verdict", has ? json_string(verdict_name(x->verdict)) : json_null());
    json_object_set_new(o, "held_back_by",
                        x->hold ? json_string(comparison_hold_name(x->hold)) : json_null());
    return o;
}

static json_t *runs_json(const struct compare *c, enum compare_side_name side)
{
    json_t *a = json_array();

    for (size_t i = side == SIDE_A ? 0 : c->n_a; i < (side == SIDE_A ? c->n_a : c->n_runs); i++) {
        const struct run_head *h = &c->runs[i].head;
        char id[RUN_ID_MAX], host[80];
        str_format(id, sizeof(id), "r%lld", (long long)h->id);
        report_hostname(h, host, sizeof(host));
        json_array_append_new(a, json_pack("{s:s, s:s, s:s, s:s, s:o, s:I}", "run", id, "uuid",
                                           h->uuid, "status", h->status, "host", host, "machine_id",
                                           js_inert(h->machine_id), "blocks",
                                           (json_int_t)c->runs[i].n_blocks));
    }
    return a;
}

static void add_difference(void *user, const struct compare_difference *d)
{
    json_t *all = user, *o = json_object(), *within = json_array();

    for (enum compare_side_name i = SIDE_A; i < SIDES; i++)
        if (d->within[i])
            json_array_append_new(within, json_string(i == SIDE_A ? "a" : "b"));
    json_object_set_new(o, "field", js_inert(d->name));
    json_object_set_new(o, "a", json_string(d->values[SIDE_A].buf));
    json_object_set_new(o, "b", json_string(d->values[SIDE_B].buf));
    json_object_set_new(o, "within", within);
    json_object_set_new(o, "between", json_boolean(d->between));
    json_object_set_new(o, "forced", json_boolean(d->refused));
    json_array_append_new(all, o);
}

static void add_note(void *user, const char *text)
{
    json_array_append_new(user, json_string(text));
}

static const char *order_name(enum compare_order order)
{
    static const char *const names[] = {
        [ORDER_MIXED] = "mixed",
        [ORDER_A_FIRST] = "a-first",
        [ORDER_B_FIRST] = "b-first",
        [ORDER_MACHINES] = "several-machines",
    };
    return names[order];
}

json_t *report_compare_json(const struct compare *c)
{
    const struct style plain = {.utf8 = false};
    _cleanup_(str_release) struct str base = STR_INIT;
    json_t *o = json_object(), *all = json_array(), *differences = json_array(),
           *notes = json_array();

    compare_base_text(c, &base);
    for (size_t i = 0; i < c->cells.n * c->targets.n; i++)
        if (c->results[i].status != COMPARISON_ABSENT)
            json_array_append_new(all, comparison_json(c, &c->results[i]));
    compare_differences(c, false, add_difference, differences);
    compare_notes(c, &plain, add_note, notes);
    compare_remarks(c, &plain, add_note, notes);
    json_object_set_new(o, "a", runs_json(c, SIDE_A));
    json_object_set_new(o, "b", runs_json(c, SIDE_B));
    json_object_set_new(o, "base", json_string(base.buf));
    json_object_set_new(o, "absolute", json_boolean(c->absolute));
    json_object_set_new(o, "theta", js_number(c->theta));
    json_object_set_new(o, "level", js_number(1 - COMPARE_ALPHA));
    json_object_set_new(o, "order", json_string(order_name(c->order)));
    json_object_set_new(o, "machines", json_integer((json_int_t)c->machines));
    json_object_set_new(o, "holm", json_integer((json_int_t)c->n_primary));
    json_object_set_new(o, "benjamini_hochberg", json_integer((json_int_t)c->n_rest));
    json_object_set_new(o, "comparisons", all);
    json_object_set_new(o, "environment", differences);
    json_object_set_new(o, "notes", notes);
    return o;
}
