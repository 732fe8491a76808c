/* An A/A run: what was seen where there is nothing to see. For a terminal, as Markdown and as JSON.
 */
#include "report/grid.h"
#include "report/json-parts.h"
#include "report/markdown.h"
#include "report/report.h"

#include <math.h>

static const char *label_of(const struct analysis *a, size_t pair)
{
    return a->head.plan.targets.v[2 * pair].label;
}

/* "3 of 40 intervals leave 1 out ...", and what that says. */
static void alarms_text(const struct aa *x, struct str *out)
{
    char rate[UNIT_TEXT], lo[UNIT_TEXT], hi[UNIT_TEXT];

    if (x->intervals == 0) {
        str_add(out, "false alarms: too few blocks for any interval");
        return;
    }
    unit_percent((double)x->alarms / (double)x->intervals, rate);
    unit_percent(x->rate_lo, lo);
    unit_percent(x->rate_hi, hi);
    str_addf(out, "false alarms: %zu of %zu intervals leave%s 1 out, %s [%s, %s]", x->alarms,
             x->intervals, x->alarms == 1 ? "s" : "", rate, lo, hi);
    if (x->alarms > x->allowed)
        str_addf(out,
                 ": too many, since 5 %% would give at most %zu in 99 of 100 such runs. "
                 "Intervals from this machine cannot be trusted as it is now; the warnings may "
                 "say why",
                 x->allowed);
    else
        str_addf(out, "; with 5 %%, up to %zu are chance (99 %%)", x->allowed);
}

static void floor_text(const struct aa *x, struct str *out)
{
    char floor[UNIT_TEXT];

    if (!isfinite(x->floor)) {
        str_add(out, "noise floor: nothing was compared");
        return;
    }
    unit_percent(x->floor, floor);
    str_addf(out, "noise floor: %s. So far from 1, or less, were 95 of 100 estimates of what is 1",
             floor);
}

/* The ratio of the twins, and in the place of a word what can be told apart. */
static void entry_words(const struct style *s, const struct analysis *a, const struct aa *x,
                        size_t cell, size_t pair, struct cell_words *w)
{
    const struct aa_entry *e = aa_at(x, cell, pair);
    struct cell_result r = {.status = CELL_OK, .ratio = e->ratio};

    if (aa_withholds(a, pair)) {
        cell_words_emulated(s, w);
        return;
    }
    if (e->ratio.n == 0) {
        r.status = CELL_NOT_MEASURED;
        cell_words_ratio(s, &r, NULL, w);
        return;
    }
    if (e->alarm)
        r.verdict = e->ratio.value > 1 ? VERDICT_SLOWER : VERDICT_FASTER;
    else
        r.verdict = isfinite(e->ratio.lo) ? VERDICT_EQUIVALENT : VERDICT_INCONCLUSIVE;
    cell_words_ratio(s, &r, NULL, w);
    w->word[0] = '\0';
    if (isfinite(e->resolvable)) {
        char least[UNIT_TEXT];
        unit_percent(e->resolvable, least);
        str_format(w->word, sizeof(w->word), "tells %s", least);
    }
}

#define AA_HEAD                                                                                    \
    "A/A: every target beside its twin. The ratio of the two, which is 1, and the smallest "       \
    "difference that would be told in 4 of 5 such runs."

void report_aa(const struct analysis *a, const struct aa *x, const struct report_options *o,
               struct str *out)
{
    _cleanup_(grid_release) struct grid g;
    _cleanup_(str_release) struct str alarms = STR_INIT, floor = STR_INIT;

    text_wrap(out, &o->style, "", 2, AA_HEAD);
    grid_init(&g, &o->style);
    for (size_t c = 0; c < x->n_cells; c++)
        grid_row(&g, a->head.plan.cells.v[c].name, false);
    for (size_t k = 0; k < x->n_pairs; k++) {
        struct grid_column *column =
            grid_column(&g, label_of(a, k), (uint32_t)(2 * k), !a->targets[2 * k].usable);
        for (size_t c = 0; c < x->n_cells; c++)
            entry_words(&o->style, a, x, c, k, &column->rows[c]);
    }
    grid_put(&g, out);
    alarms_text(x, &alarms);
    text_wrap(out, &o->style, "", 2, alarms.buf);
    floor_text(x, &floor);
    text_wrap(out, &o->style, "", 2, floor.buf);
}

void report_aa_markdown(const struct analysis *a, const struct aa *x, struct str *out)
{
    const struct style style = {.utf8 = true};
    _cleanup_(str_release) struct str alarms = STR_INIT, floor = STR_INIT;

    str_add(out, AA_HEAD "\n\n| |");
    for (size_t k = 0; k < x->n_pairs; k++) {
        str_addc(out, ' ');
        md_text(out, label_of(a, k));
        str_add(out, " |");
    }
    str_add(out, "\n|---|");
    for (size_t k = 0; k < x->n_pairs; k++)
        str_add(out, "---|");
    str_addc(out, '\n');
    for (size_t c = 0; c < x->n_cells; c++) {
        str_add(out, "| ");
        md_text(out, a->head.plan.cells.v[c].name);
        str_add(out, " |");
        for (size_t k = 0; k < x->n_pairs; k++) {
            struct cell_words w;
            entry_words(&style, a, x, c, k, &w);
            md_cell(&w, out);
        }
        str_addc(out, '\n');
    }
    alarms_text(x, &alarms);
    floor_text(x, &floor);
    str_add(out, "\n- ");
    md_line(out, alarms.buf);
    str_add(out, "\n- ");
    md_line(out, floor.buf);
    str_addc(out, '\n');
}

json_t *report_aa_json(const struct analysis *a, const struct aa *x)
{
    json_t *comparisons = json_array();

    for (size_t c = 0; c < x->n_cells; c++)
        for (size_t k = 0; k < x->n_pairs; k++) {
            const struct aa_entry *e = aa_at(x, c, k);
            json_array_append_new(comparisons,
                                  json_pack("{s:s, s:o, s:o, s:o, s:b, s:o}", "cell",
                                            a->head.plan.cells.v[c].name, "target",
                                            js_inert(label_of(a, k)), "twin",
                                            js_inert(a->head.plan.targets.v[2 * k + 1].label),
                                            "ratio", js_estimate(&e->ratio), "alarm", e->alarm,
                                            "smallest_resolvable", js_number(e->resolvable)));
        }
    return json_pack("{s:I, s:I, s:I, s:f, s:f, s:o, s:o}", "intervals", (json_int_t)x->intervals,
                     "alarms", (json_int_t)x->alarms, "allowed", (json_int_t)x->allowed, "rate_lo",
                     x->rate_lo, "rate_hi", x->rate_hi, "noise_floor", js_number(x->floor),
                     "comparisons", comparisons);
}
