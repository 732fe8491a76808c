/* Comma-separated values, RFC 4180: a header line, CRLF left out in favour of the newline every
 * tool here reads, fields quoted where they need it. Figures in full precision, units in the column
 * names. */
#include "report/csv.h"

#include "report/figure.h"
#include "report/report.h"
#include "report/words.h"

#include <inttypes.h>
#include <math.h>

void csv_text(struct str *out, const char *s)
{
    _cleanup_(str_release) struct str inert = STR_INIT;

    text_inert(&inert, s);
    if (!strpbrk(inert.buf, "\",")) {
        str_add(out, inert.buf);
        return;
    }
    str_addc(out, '"');
    for (const char *p = inert.buf; *p; p++) {
        if (*p == '"')
            str_addc(out, '"');
        str_addc(out, *p);
    }
    str_addc(out, '"');
}

void csv_double(struct str *out, double v)
{
    if (isfinite(v))
        str_addf(out, ",%.17g", v);
    else
        str_addc(out, ',');
}

static void csv_estimate(struct str *out, const struct estimate *e)
{
    bool has = e->n > 0;
    csv_double(out, has ? e->value : NAN);
    csv_double(out, has ? e->lo : NAN);
    csv_double(out, has ? e->hi : NAN);
}

static const char *status_name(enum cell_status s)
{
    switch (s) {
    case CELL_OK:
        return "ok";
    case CELL_SOME_FAILED:
        return "some-failed";
    case CELL_FAILED:
        return "failed";
    default:
        return "not-measured";
    }
}

static void summary_row(const struct analysis *a, const struct cell_result *r, struct str *out)
{
    const struct plan *p = &a->head.plan;
    bool measured = r->absolute.n > 0;

    str_addf(out, "r%" PRId64 ",%s,", a->head.id, p->cells.v[r->cell].name);
    csv_text(out, p->targets.v[r->target].label);
    str_addf(out, ",%s,%s,%zu,%zu,", r->is_base ? "base" : "", status_name(r->status), r->tried,
             r->failed);
    if (r->failed)
        str_add(out, err_kind_name(r->fail_kind));
    str_addc(out, ',');
    csv_text(out, r->fail_text);
    str_addf(out, ",%s", r->is_base || !r->ratio.n ? "" : verdict_name(r->verdict));
    csv_estimate(out, &r->ratio);
    csv_estimate(out, &r->absolute);
    csv_estimate(out, &r->cpu);
    csv_double(out, r->cpus_busy);
    if (measured)
        str_addf(out, ",%zu", r->absolute.n);
    else
        str_addc(out, ',');
    csv_double(out, measured ? r->mean_ns : NAN);
    csv_double(out, measured ? r->variance_ns : NAN);
    csv_double(out, measured ? r->overhead : NAN);
    csv_double(out, measured ? r->degradation : NAN);
    csv_double(out, r->is_base ? NAN : r->sign_flip_p);
    csv_double(out, r->is_base ? NAN : r->adjusted_p);
    csv_double(out, measured ? r->r1 : NAN);
    for (size_t i = 0; i < 3; i++) {
        uint64_t q[3] = {r->p50_ns, r->p90_ns, r->p99_ns};
        if (r->latency_n)
            str_addf(out, ",%" PRIu64, q[i]);
        else
            str_addc(out, ',');
    }
    if (r->peak_memory_bytes)
        str_addf(out, ",%" PRIu64, r->peak_memory_bytes);
    else
        str_addc(out, ',');
    const struct cell *cell = &p->cells.v[r->cell];
    struct estimate value = figure_estimate(cell, &r->absolute);
    str_addc(out, ',');
    csv_text(out, figure_unit(cell));
    csv_estimate(out, &value);
    csv_double(out, p->scale);
    str_addf(out, ",%s\n", a->emulated[r->target] ? "yes" : "");
}

void report_summary_csv(const struct analysis *a, struct str *out)
{
    str_add(out,
            "run,cell,target,base,status,blocks_tried,blocks_failed,failure_kind,failure,verdict,"
            "ratio,ratio_lo,ratio_hi,ns_per_op,ns_per_op_lo,ns_per_op_hi,"
            "cpu_ns_per_op,cpu_ns_per_op_lo,cpu_ns_per_op_hi,cpus_busy,n,mean_ns,variance_ns2,"
            "overhead,degradation,sign_flip_p,holm_p,lag1_r,p50_ns,p90_ns,p99_ns,"
            "peak_memory_bytes,unit,value,value_lo,value_hi,scale,emulated\n");
    for (size_t c = 0; c < a->n_cells; c++)
        for (size_t t = 0; t < a->n_targets; t++)
            summary_row(a, analysis_at(a, c, t), out);
}

struct samples {
    const struct run_head *head;
    struct str *out;
};

static void sample_lead(const struct samples *s, const struct trial *t, const struct part *p)
{
    const struct plan *plan = &s->head->plan;

    str_addf(s->out, "r%" PRId64 ",%u,%u,", s->head->id, t->block, t->position);
    str_add(s->out, t->cell < plan->cells.n ? plan->cells.v[t->cell].name : "");
    str_addc(s->out, ',');
    csv_text(s->out, p->target < plan->targets.n ? plan->targets.v[p->target].label : "");
    str_addc(s->out, ',');
    csv_text(s->out, p->role);
    str_addf(s->out, ",%s,", p->outcome == OUTCOME_OK ? "ok" : err_kind_name(p->fail_kind));
    csv_text(s->out, p->outcome == OUTCOME_OK ? "" : p->fail_text);
}

static int sample_rows(void *user, const struct trial *t)
{
    const struct samples *s = user;

    VEC_FOREACH (&t->parts, const struct part, p) {
        if (p->samples.n == 0) {
            sample_lead(s, t, p);
            str_add(s->out, ",,,,,,,,\n");
        }
        VEC_FOREACH (&p->samples, const struct sample, x) {
            sample_lead(s, t, p);
            str_addf(s->out, ",%u,%u,%d,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",", x->round,
                     x->position, x->previous, x->start_ns, x->ops, x->ns, x->control_ns);
            if (x->cpu_ns != UINT64_MAX)
                str_addf(s->out, "%" PRIu64, x->cpu_ns);
            str_addc(s->out, '\n');
        }
    }
    return 0;
}

int report_samples_csv(struct store *s, int64_t run, struct str *out, struct err *err)
{
    _cleanup_(run_head_release) struct run_head head;
    struct samples samples = {.head = &head, .out = out};
    int r;

    run_head_init(&head);
    r = store_run_head(s, run, &head, err);
    if (r < 0)
        return r;
    str_add(out,
            "run,block,trial,cell,target,role,outcome,failure,round,position,previous,start_ns,"
            "ops,ns,control_ns,cpu_ns\n");
    return store_trials(s, run, -1, sample_rows, &samples, err);
}
