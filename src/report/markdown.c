/* The table as Markdown, for a README or an issue. */
#include "report/markdown.h"
#include "report/report.h"

#include <math.h>

void md_text(struct str *out, const char *s)
{
    _cleanup_(str_release) struct str inert = STR_INIT;

    text_inert(&inert, s);
    for (const char *p = inert.buf; *p; p++) {
        if (strchr("|\\`*_<>[]!&~", *p))
            str_addc(out, '\\');
        str_addc(out, *p);
    }
}

void md_cell(const struct cell_words *w, struct str *out)
{
    const char *emphasis = w->tone == TONE_LOUD || w->tone == TONE_FAIL ? "**" : "";

    str_addf(out, " %s%s", emphasis, w->sign);
    if (w->number[0])
        str_addf(out, "%s%s", w->sign[0] ? " " : "", w->number);
    if (w->unit[0])
        str_addf(out, " %s", w->unit);
    if (w->half[0])
        str_addf(out, " %s", w->half);
    if (w->word[0])
        str_addf(out, "%s%s", w->sign[0] || w->number[0] ? " " : "", w->word);
    str_addf(out, "%s |", emphasis);
}

static void md_head(const struct analysis *a, bool listed, bool absolute, struct str *out)
{
    char host[80], elapsed[UNIT_TEXT];

    report_hostname(&a->head, host, sizeof(host));
    unit_elapsed(a->elapsed_ns, elapsed);
    if (a->head.plan.suite[0])
        str_addf(out, "%s on ", a->head.plan.suite);
    else
        str_addf(out, "%zu cells on ", a->n_cells);
    md_text(out, host);
    str_addf(out, ", %zu blocks in %s, base ", a->n_blocks, elapsed);
    md_text(out, a->head.base < a->n_targets ? a->head.plan.targets.v[a->head.base].label : "none");
    if (a->head.plan.scale < 1)
        str_addf(out, ", scaled by %.3g", a->head.plan.scale);
    if (!listed)
        str_add(out, "; 95 % intervals.\n");
    else
        str_addf(out, "; %s%s, 95 %% intervals.\n",
                 absolute ? "time per operation or rate" : "ratios of ",
                 absolute ? "" : report_cost_words(&a->head.plan));
}

static void md_table(const struct analysis *a, const struct report_options *o, struct str *out)
{
    const struct style style = {.utf8 = true};
    const struct plan *p = &a->head.plan;
    bool absolute = o->absolute || a->n_targets < 2;
    char theta[UNIT_TEXT];
    size_t columns = 0;

    str_add(out, "\n| |");
    for (uint32_t t = 0; t < a->n_targets; t++) {
        if (!absolute && t == a->head.base)
            continue;
        str_addc(out, ' ');
        md_text(out, p->targets.v[t].label);
        str_add(out, " |");
        columns++;
    }
    str_add(out, "\n|---|");
    while (columns--)
        str_add(out, "---|");
    str_addc(out, '\n');
    for (size_t c = 0; c < a->n_cells; c++) {
        if (matrix_has(a, c))
            continue;
        str_add(out, "| ");
        md_text(out, p->cells.v[c].name);
        str_add(out, " |");
        for (uint32_t t = 0; t < a->n_targets; t++) {
            struct cell_words w;
            if (!absolute && t == a->head.base)
                continue;
            if (!a->targets[t].usable && analysis_at(a, c, t)->status == CELL_NOT_MEASURED)
                cell_words_unusable(&style, target_why(&a->targets[t]), &w);
            else if (absolute)
                cell_words_absolute(&style, analysis_at(a, c, t), &p->cells.v[c], &w);
            else
                cell_words_ratio(&style, analysis_at(a, c, t), &p->cells.v[c], &w);
            md_cell(&w, out);
        }
        str_addc(out, '\n');
    }
    str_format(theta, sizeof(theta), "%g %%", 100 * p->theta);
    if (!absolute)
        str_addf(out,
                 "\n= alike within %s, ≈ a difference under %s, ▲ slower, ▼ faster, ? unsure, "
                 "✘ failed.\n",
                 theta, theta);
}

void report_markdown(const struct analysis *a, const struct report_more *more,
                     const struct report_options *o, struct str *out)
{
    size_t listed = 0;

    for (size_t c = 0; c < a->n_cells; c++)
        listed += !matrix_has(a, c);
    md_head(a, listed || a->n_cells == 0, o->absolute || a->n_targets < 2, out);
    if (listed || a->n_cells == 0)
        md_table(a, o, out);
    report_matrix_markdown(a, &more->matrix, out);
    if (more->has_trade) {
        str_addc(out, '\n');
        report_trade_markdown(a, &more->trade, out);
    }
}
