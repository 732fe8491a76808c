#include "report/grid.h"

#define GAP 3 /* wide enough for the eye where signs come first */

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

void grid_init(struct grid *g, const struct style *style)
{
    *g = (struct grid){.style = style, .gap = GAP, .least_gap = GAP, .replicates = "blocks"};
}

void grid_release(struct grid *g)
{
    VEC_FOREACH (&g->columns, struct grid_column, c)
        free(c->rows);
    VEC_RELEASE(&g->columns);
    VEC_RELEASE(&g->rows);
}

void grid_row(struct grid *g, const char *name, bool gap)
{
    struct grid_row row = {.gap = gap};

    str_copy(row.name, sizeof(row.name), name);
    g->name_width = larger(g->name_width, text_width(row.name));
    VEC_PUSH(&g->rows, row);
}

void grid_heading(struct grid *g, const char *text, bool gap)
{
    struct grid_row row = {.gap = gap, .heading = true};

    str_copy(row.name, sizeof(row.name), text);
    VEC_PUSH(&g->rows, row);
}

struct grid_column *grid_column(struct grid *g, const char *head, uint32_t target, bool unusable)
{
    struct grid_column c = {.target = target, .unusable = unusable};
    struct str inert = STR_INIT;

    text_inert(&inert, head);
    str_copy(c.head, sizeof(c.head), inert.buf);
    str_release(&inert);
    c.rows = xcalloc(g->rows.n + 1, sizeof(*c.rows));
    VEC_PUSH(&g->columns, c);
    return &g->columns.v[g->columns.n - 1];
}

/* Digits before the point, and the rest with the point. */
static void number_widths(const char *number, size_t *whole, size_t *fraction)
{
    size_t n = strcspn(number, ".");
    *whole = n;
    *fraction = strlen(number) - n;
}

static void column_measure(struct grid_column *c, size_t n_rows)
{
    size_t alone = 0;

    for (size_t i = 0; i < n_rows; i++) {
        const struct cell_words *w = &c->rows[i];
        size_t whole, fraction;
        c->sign = larger(c->sign, text_width(w->sign));
        if (!w->number[0]) {
            alone = larger(alone, text_width(w->word));
            continue;
        }
        number_widths(w->number, &whole, &fraction);
        c->whole = larger(c->whole, whole);
        c->fraction = larger(c->fraction, fraction);
        c->unit = larger(c->unit, text_width(w->unit));
        c->half = larger(c->half, text_width(w->half));
        c->word = larger(c->word, text_width(w->word));
    }
    size_t body =
        c->whole + c->fraction + (c->unit ? c->unit + 1 : 0) + (c->half ? c->half + 1 : 0);
    size_t head = text_width(c->head) > c->sign + 1 ? text_width(c->head) - c->sign - 1 : 0;
    c->body[0] = larger(larger(body, alone), head);
    c->body[1] = larger(larger(body + (c->word ? c->word + 1 : 0), alone), head);
}

static size_t column_width(const struct grid *g, const struct grid_column *c, bool words)
{
    return g->gap + c->sign + 1 + c->body[words];
}

static void put_cell(const struct grid *g, const struct grid_column *c, const struct cell_words *w,
                     bool words, struct str *out)
{
    struct str body = STR_INIT;
    size_t whole, fraction;

    if (!w->number[0]) {
        str_add(&body, w->word);
    } else {
        number_widths(w->number, &whole, &fraction);
        text_pad(&body, "", c->whole - whole, false);
        text_pad(&body, w->number, whole + c->fraction, false);
        if (c->unit) {
            str_addc(&body, ' ');
            text_pad(&body, w->unit, c->unit, false);
        }
        if (c->half) {
            str_addc(&body, ' ');
            text_pad(&body, w->half, words && c->word ? c->half : 0, false);
        }
        if (words && c->word)
            str_addf(&body, " %s", w->word);
    }
    text_pad(out, "", g->gap, false);
    str_add(out, tone_on(g->style, w->tone));
    text_pad(out, w->sign, c->sign, true);
    str_addc(out, ' ');
    size_t width = text_width(body.buf);
    str_add(out, body.buf);
    str_add(out, tone_off(g->style, w->tone));
    if (width < c->body[words])
        text_pad(out, "", c->body[words] - width, false);
    str_release(&body);
}

static void put_head(const struct grid *g, size_t from, size_t to, bool words, struct str *out)
{
    text_pad(out, "", g->name_width, false);
    for (size_t i = from; i < to; i++) {
        const struct grid_column *c = &g->columns.v[i];
        text_pad(out, "", g->gap, false);
        str_add(out, tone_on(g->style, TONE_HEAD));
        str_add(out, c->head);
        str_add(out, tone_off(g->style, TONE_HEAD));
        size_t used = text_width(c->head), all = c->sign + 1 + c->body[words];
        text_pad(out, "", used < all ? all - used : 0, false);
    }
    text_trim(out);
    str_addc(out, '\n');
}

static void put_rows(const struct grid *g, size_t from, size_t to, bool words, struct str *out)
{
    put_head(g, from, to, words, out);
    VEC_FOREACH (&g->rows, const struct grid_row, row) {
        if (row->gap)
            str_addc(out, '\n');
        if (row->heading) {
            text_wrap(out, g->style, "", 2, row->name);
            continue;
        }
        text_pad(out, row->name, g->name_width, false);
        for (size_t i = from; i < to; i++)
            put_cell(g, &g->columns.v[i], &g->columns.v[i].rows[row - g->rows.v], words, out);
        text_trim(out);
        str_addc(out, '\n');
    }
}

static bool all_fit(const struct grid *g, bool words)
{
    size_t width = g->name_width;
    VEC_FOREACH (&g->columns, const struct grid_column, c)
        width += column_width(g, c, words);
    return g->style->width == 0 || width <= g->style->width;
}

/* Columns of targets that never ran go first when there is no room: the notes say why anyway. */
static void drop_unusable(struct grid *g)
{
    size_t kept = 0;

    for (size_t i = 0; i < g->columns.n; i++) {
        if (g->columns.v[i].unusable)
            free(g->columns.v[i].rows);
        else
            g->columns.v[kept++] = g->columns.v[i];
    }
    g->columns.n = kept;
}

void grid_put(struct grid *g, struct str *out)
{
    VEC_FOREACH (&g->columns, struct grid_column, c)
        column_measure(c, g->rows.n);
    if (g->rows.n == 0)
        return;
    if (!all_fit(g, false))
        drop_unusable(g);
    bool words = all_fit(g, true);
    while (!all_fit(g, words) && g->gap > g->least_gap)
        g->gap--;

    for (size_t from = 0, to; from < g->columns.n; from = to) {
        size_t width = g->name_width + column_width(g, &g->columns.v[from], words);
        for (to = from + 1; to < g->columns.n; to++) {
            width += column_width(g, &g->columns.v[to], words);
            if (g->style->width && width > g->style->width)
                break;
        }
        if (from > 0)
            str_addc(out, '\n');
        put_rows(g, from, to, words, out);
    }
}

bool grid_sign_used(const struct grid *g, enum glyph sign)
{
    VEC_FOREACH (&g->columns, const struct grid_column, c)
        for (size_t i = 0; i < g->rows.n; i++)
            if (c->rows[i].sign[0] && c->rows[i].glyph == sign)
                return true;
    return false;
}

void grid_legend(const struct grid *g, double theta, bool counts, struct flow *f)
{
    const struct style *s = g->style;
    char alike[UNIT_TEXT];

    str_format(alike, sizeof(alike), "%g %%", 100 * theta);
    if (grid_sign_used(g, GLYPH_EQUAL))
        flow_add(f, "%s alike within %s", style_glyph(s, GLYPH_EQUAL), alike);
    if (grid_sign_used(g, GLYPH_SLIGHT))
        flow_add(f, "%s slight: a difference, but under %s", style_glyph(s, GLYPH_SLIGHT), alike);
    if (grid_sign_used(g, GLYPH_SLOWER)) {
        const char *sign = style_glyph(s, GLYPH_SLOWER);
        flow_add(f, "%s slower%s (%s%s 1.5 times and more, %s%s%s 10 times)", sign,
                 counts ? " or worse" : "", sign, sign, sign, sign, sign);
    }
    if (grid_sign_used(g, GLYPH_FASTER))
        flow_add(f, "%s faster%s", style_glyph(s, GLYPH_FASTER), counts ? " or better" : "");
    if (grid_sign_used(g, GLYPH_UNSURE))
        flow_add(f, "%s unsure: too noisy or too few %s to tell", style_glyph(s, GLYPH_UNSURE),
                 g->replicates);
    if (grid_sign_used(g, GLYPH_EMULATED))
        flow_add(f, "%s emulated CPU: no verdict (--emulated-too gives one)",
                 style_glyph(s, GLYPH_EMULATED));
}
