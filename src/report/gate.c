/* A gate's verdict for a terminal, as Markdown and as JSON. */
#include "report/gate-words.h"
#include "report/json-parts.h"
#include "report/markdown.h"
#include "report/report.h"

#include <math.h>

struct lines {
    const struct style *style;
    struct str *out;
};

static void put_line(void *user, const char *text)
{
    const struct lines *l = user;
    text_wrap(l->out, l->style, "", 2, text);
}

void report_gate(const struct analysis *a, const struct gate *g, const struct report_options *o,
                 struct str *out)
{
    _cleanup_(str_release) struct str head = STR_INIT, text = STR_INIT;
    struct lines l = {&o->style, out};
    enum tone tone = gate_tone(gate_verdict(g));

    gate_head(g, &head);
    str_addf(&text, "%s%s%s. ", tone_on(&o->style, tone), head.buf, tone_off(&o->style, tone));
    gate_sentence(a, g, &text);
    put_line(&l, text.buf);
    gate_lines(a, g, &o->style, put_line, &l);
}

static void md_entry(const struct analysis *a, const struct gate *g, const struct gate_entry *e,
                     struct str *out)
{
    const struct style style = {.utf8 = true};
    _cleanup_(str_release) struct str ratio = STR_INIT, p = STR_INIT, why = STR_INIT;
    const char *strong = e->state <= GATE_REGRESSED ? "**" : "";

    gate_ratio(e, &ratio);
    if (e->state <= GATE_UNSURE)
        gate_p(e, &p);
    gate_why(a, g, e, &why);
    str_addf(out, "| %s ", style_glyph(&style, gate_glyph(e->state)));
    md_text(out, a->head.plan.cells.v[e->result->cell].name);
    str_add(out, " | ");
    md_text(out, a->head.plan.targets.v[e->result->target].label);
    str_addf(out, " | %s", strong);
    md_line(out, ratio.len ? ratio.buf : "–");
    str_addf(out, "%s | %zu | ", strong, e->result->ratio.n);
    md_line(out, p.len ? p.buf : "–");
    str_add(out, " | ");
    md_line(out, why.buf);
    str_add(out, " |\n");
}

static void md_entries(const struct analysis *a, const struct gate *g, size_t from, size_t to,
                       struct str *out)
{
    if (from == to)
        return;
    str_add(out, "\n| | | cost against ");
    md_text(out, a->head.plan.targets.v[a->head.base].label);
    str_add(out, " | blocks | | |\n|---|---|---|---|---|---|\n");
    for (size_t i = from; i < to; i++)
        md_entry(a, g, &g->entries[i], out);
}

void report_gate_markdown(const struct analysis *a, const struct gate *g, struct str *out)
{
    _cleanup_(str_release) struct str head = STR_INIT, text = STR_INIT;
    static const char *const signs[] = {
        [GATE_PASSED] = "✔", [GATE_FAILED] = "✘", [GATE_UNDECIDED] = "?"};
    size_t loud = 0;

    while (loud < g->n && g->entries[loud].state <= GATE_UNSURE)
        loud++;
    gate_head(g, &head);
    gate_sentence(a, g, &text);
    str_addf(out, "%s **%s.** ", signs[gate_verdict(g)], head.buf);
    md_line(out, text.buf);
    str_addc(out, '\n');
    md_entries(a, g, 0, loud, out);
    if (loud < g->n) {
        str_addf(out, "\n<details><summary>%zu %s within the gate</summary>\n", g->n - loud,
                 g->count[GATE_UNCOMPARED] + g->count[GATE_EMULATED] ? "others: not compared, or"
                                                                     : "others are");
        md_entries(a, g, loud, g->n, out);
        str_add(out, "\n</details>\n");
    }
    str_add(out,
            "\nAn interval of 95 % goes with each ratio; p is one-sided, against the gate, and "
            "adjusted for all comparisons (Holm).\n");
}

static json_t *entry_json(const struct analysis *a, const struct gate *g,
                          const struct gate_entry *e)
{
    _cleanup_(str_release) struct str why = STR_INIT;
    const struct cell_result *r = e->result;

    gate_why(a, g, e, &why);
    return json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:I, s:I, s:o, s:s}", "cell",
                     a->head.plan.cells.v[r->cell].name, "target",
                     js_inert(a->head.plan.targets.v[r->target].label), "state",
                     gate_state_name(e->state), "ratio", js_estimate(&r->ratio), "holm_p",
                     js_number(e->p), "failure_holm_p", js_number(e->failure_p),
                     "failed_where_base_worked", (json_int_t)e->only_target,
                     "worked_where_base_failed", (json_int_t)e->only_base, "provable",
                     js_number(e->provable), "why", why.buf);
}

json_t *report_gate_json(const struct analysis *a, const struct gate *g)
{
    json_t *comparisons = json_array(), *counts = json_object();

    for (size_t i = 0; i < g->n; i++)
        json_array_append_new(comparisons, entry_json(a, g, &g->entries[i]));
    for (enum gate_state s = 0; s < GATE_STATES; s++)
        json_object_set_new(counts, gate_state_name(s), json_integer((json_int_t)g->count[s]));
    return json_pack("{s:f, s:s, s:o, s:I, s:o, s:o}", "gate", g->gate, "verdict",
                     gate_verdict_name(gate_verdict(g)), "counts", counts, "least_blocks",
                     (json_int_t)g->min_blocks, "provable", js_number(g->provable), "comparisons",
                     comparisons);
}
