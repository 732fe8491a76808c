/* The simulations of the statistics, as a table. */
#include "report/markdown.h"
#include "report/report.h"

#define WHAT_WIDTH  33
#define NOISE_WIDTH 16

/* ">= 0.930" */
static void bound_text(const struct sim_row *r, const struct style *s, struct str *out)
{
    const char *least = s->utf8 ? "≥" : ">=";
    str_addf(out, "%s %.3f", r->at_least ? least : style_glyph(s, GLYPH_AT_MOST), r->bound);
}

/* How many blocks: what a stopping rule used of those it had. */
static void blocks_text(const struct sim_row *r, struct str *out)
{
    if (r->mean_blocks < (double)r->n)
        str_addf(out, "%.1f of %zu", r->mean_blocks, r->n);
    else
        str_addf(out, "%zu", r->n);
}

static void put_row(const struct sim_row *r, const struct style *s, struct str *out)
{
    enum tone tone = r->pass ? TONE_PLAIN : TONE_FAIL;
    _cleanup_(str_release) struct str blocks = STR_INIT;

    blocks_text(r, &blocks);
    str_addf(out, "%s%s ", tone_on(s, tone), style_glyph(s, r->pass ? GLYPH_GOOD : GLYPH_FAIL));
    text_pad(out, r->what, WHAT_WIDTH, false);
    text_pad(out, r->noise, NOISE_WIDTH, false);
    text_pad(out, blocks.buf, 11, true);
    str_addf(out, "  %.3f ", r->value);
    bound_text(r, s, out);
    str_addf(out, "%s\n", tone_off(s, tone));
}

/* "78 figures of 2000 replicates each: all within their bounds". */
static void summary(const struct sim_table *t, struct str *out)
{
    size_t failed = 0;

    for (size_t i = 0; i < t->n; i++)
        failed += !t->row[i].pass;
    str_addf(out, "%zu figures of %zu replicates each: ", t->n, t->n ? t->row[0].replicates : 0);
    if (failed)
        str_addf(out, "%zu outside %s", failed, failed == 1 ? "its bound" : "their bounds");
    else
        str_add(out, "all within their bounds");
}

void report_selftest(const struct sim_table *t, const struct style *s, struct str *out)
{
    _cleanup_(str_release) struct str head = STR_INIT, end = STR_INIT;

    text_pad(&head, "  what", WHAT_WIDTH + 2, false);
    text_pad(&head, "noise", NOISE_WIDTH, false);
    text_pad(&head, "blocks", 11, true);
    str_addf(out, "%s%s  share bound%s\n", tone_on(s, TONE_HEAD), head.buf, tone_off(s, TONE_HEAD));
    for (size_t i = 0; i < t->n; i++)
        put_row(&t->row[i], s, out);
    summary(t, &end);
    text_wrap(out, s, "", 2, end.buf);
    text_wrap(out, s, "", 2,
              "Shares of the replicates: whose interval holds the truth (coverage, stopping), that "
              "alarm where nothing is (false alarms), that find what is planted (power). Controls "
              "are what the procedure forbids: they have to go wrong.");
}

void report_selftest_markdown(const struct sim_table *t, struct str *out)
{
    const struct style style = {.utf8 = true};

    str_add(out, "| | what | noise | blocks | share | bound |\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < t->n; i++) {
        const struct sim_row *r = &t->row[i];
        str_addf(out, "| %s | %s | ", r->pass ? "✔" : "✘", r->what);
        md_text(out, r->noise);
        str_add(out, " | ");
        blocks_text(r, out);
        str_addf(out, " | %.3f | ", r->value);
        bound_text(r, &style, out);
        str_add(out, " |\n");
    }
    str_addc(out, '\n');
    summary(t, out);
    str_add(out, ".\n");
}

json_t *report_selftest_json(const struct sim_table *t)
{
    json_t *figures = json_array();

    for (size_t i = 0; i < t->n; i++) {
        const struct sim_row *r = &t->row[i];
        json_array_append_new(
            figures,
            json_pack("{s:s, s:s, s:I, s:f, s:I, s:f, s:f, s:s, s:b}", "what", r->what, "noise",
                      r->noise, "blocks", (json_int_t)r->n, "mean_blocks", r->mean_blocks,
                      "replicates", (json_int_t)r->replicates, "share", r->value, "bound", r->bound,
                      "side", r->at_least ? "at-least" : "at-most", "pass", r->pass));
    }
    return json_pack("{s:b, s:o}", "pass", t->pass, "figures", figures);
}
