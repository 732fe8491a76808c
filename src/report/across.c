/* Machines side by side: a row per cell and target, a column per machine, as many as fit. */
#include "report/across.h"

#include "report/units.h"

#include <math.h>

#define COLUMN  18
#define ROW_MAX 34

static void put_ratio(const struct style *s, const struct estimate *e, bool failed, struct str *out)
{
    char ratio[UNIT_TEXT], half[UNIT_TEXT];
    double h = interval_half(e->lo, e->hi);
    _cleanup_(str_release) struct str text = STR_INIT;

    if (!isfinite(e->value)) {
        str_add(&text, failed ? "failed" : style_glyph(s, GLYPH_NONE));
    } else {
        unit_ratio(e->value, h, ratio);
        str_addf(&text, "%s%s", style_glyph(s, GLYPH_TIMES), ratio);
        if (isfinite(h)) {
            unit_percent(h, half);
            str_addf(&text, " %s%s", style_glyph(s, GLYPH_PLUS_MINUS), half);
        }
        str_add(&text, failed ? " !" : "");
    }
    text_pad(out, text.buf, COLUMN, false);
}

static void put_name(const struct across_row *r, struct str *out)
{
    _cleanup_(str_release) struct str name = STR_INIT;

    str_addf(&name, "  %s ", r->cell);
    text_inert(&name, r->target);
    text_pad(out, name.buf, ROW_MAX, false);
    str_addc(out, ' ');
}

static void put_columns(const struct across *a, const char *const *names, size_t from, size_t to,
                        const struct style *s, struct str *out)
{
    text_pad(out, "", ROW_MAX + 1, false);
    for (size_t i = from; i < to; i++) {
        _cleanup_(str_release) struct str name = STR_INIT;
        text_inert(&name, names[i]);
        str_addf(out, "%-*.*s ", COLUMN - 1, COLUMN - 1, name.buf);
    }
    text_trim(out);
    str_addc(out, '\n');
    VEC_FOREACH (&a->rows, const struct across_row, r) {
        put_name(r, out);
        for (size_t i = from; i < to; i++)
            put_ratio(s, &r->ratio[i], r->failed[i], out);
        text_trim(out);
        str_addc(out, '\n');
    }
}

static void put_all(const struct across *a, const struct style *s, struct str *out)
{
    str_addf(out, "over all machines, geometric mean and its interval, spread between machines\n");
    VEC_FOREACH (&a->rows, const struct across_row, r) {
        char spread[UNIT_TEXT];
        put_name(r, out);
        put_ratio(s, &r->all, false, out);
        if (isfinite(r->spread)) {
            unit_percent(expm1(r->spread), spread);
            str_addf(out, "%s  n=%zu", spread, r->n);
        }
        text_trim(out);
        str_addc(out, '\n');
    }
}

void report_across(const struct across *a, const char *const *names, size_t asked,
                   const struct style *s, struct str *out)
{
    size_t fit = s->width > ROW_MAX + 1 + COLUMN ? (s->width - ROW_MAX - 1) / COLUMN : 1;

    if (a->rows.n == 0)
        return;
    str_add(out, "time against ");
    text_inert(out, a->base);
    str_addf(out, ", machine by machine%s\n",
             a->n_machines < asked ? " (partial: not of all that were asked)" : "");
    for (size_t from = 0; from < a->n_machines; from += fit)
        put_columns(a, names, from, from + fit < a->n_machines ? from + fit : a->n_machines, s,
                    out);
    if (a->n_machines >= ACROSS_LEAST)
        put_all(a, s, out);
    else
        str_addf(out, "nothing is claimed beyond these machines: that takes %d and more\n",
                 ACROSS_LEAST);
}
