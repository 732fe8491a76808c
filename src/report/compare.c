/* A comparison of runs on a terminal: a row a cell, under each target's name. */
#include "report/compare.h"

#include "report/compare-words.h"
#include "report/grid.h"

#include <math.h>

struct view {
    const struct compare *c;
    const struct style *style;
    struct str *out;
    size_t name_width; /* of the environment's fields */
    bool within;       /* which of the two lists is being written */
};

static void put_line(void *user, const char *text)
{
    const struct view *v = user;
    text_wrap(v->out, v->style, "", 2, text);
}

static void put_head(const struct view *v)
{
    const struct compare *c = v->c;
    _cleanup_(str_release) struct str what = STR_INIT;
    struct flow f;

    flow_begin(&f, v->out, v->style, "", 2);
    for (enum compare_side_name i = SIDE_A; i < SIDES; i++) {
        _cleanup_(str_release) struct str side = STR_INIT;
        compare_side_text(c, i, &side);
        flow_add(&f, "%s %s", i == SIDE_A ? "A" : "B", side.buf);
    }
    compare_what_text(c, &what);
    flow_add(&f, "%s, mean over runs", what.buf);
    flow_add(&f, "95 %% intervals over runs");
    flow_end(&f);
}

static void add_rows(struct grid *g, const struct compare *c)
{
    for (size_t t = 0; t < c->targets.n; t++) {
        _cleanup_(str_release) struct str label = STR_INIT;
        if (!compare_target_has_rows(c, t))
            continue;
        text_inert(&label, c->targets.v[t]);
        grid_heading(g, label.buf, false);
        for (size_t i = 0; i < c->cells.n; i++) {
            _cleanup_(str_release) struct str name = STR_INIT;
            if (!compare_has_row(compare_at(c, i, t)))
                continue;
            str_addf(&name, "  %s%s", c->cells.v[i].name, c->cells.v[i].primary ? " *" : "");
            grid_row(g, name.buf, false);
        }
    }
}

static void add_column(struct grid *g, const struct compare *c, enum compare_column column)
{
    struct grid_column *at = grid_column(g, compare_head(column), 0, false);
    size_t row = 0;

    for (size_t t = 0; t < c->targets.n; t++) {
        if (!compare_target_has_rows(c, t))
            continue;
        row++; /* its heading */
        for (size_t i = 0; i < c->cells.n; i++)
            if (compare_has_row(compare_at(c, i, t)))
                compare_words(g->style, c, compare_at(c, i, t), column, &at->rows[row++]);
    }
}

static void put_legend(const struct view *v, const struct grid *g)
{
    bool counts = false;
    struct flow f;

    VEC_FOREACH (&v->c->cells, const struct known_cell, cell)
        counts = counts || cell_is_count(&cell->cell);
    flow_begin(&f, v->out, v->style, "", 2);
    grid_legend(g, v->c->theta, counts, &f);
    flow_add(&f, "runs: spread from run to run");
    flow_add(&f, "within: what of that the runs' own noise explains");
    if (v->c->n_primary)
        flow_add(&f, "* primary");
    flow_end(&f);
}

static bool is_inside(const struct compare_difference *d)
{
    return d->within[SIDE_A] || d->within[SIDE_B];
}

static void measure_difference(void *user, const struct compare_difference *d)
{
    struct view *v = user;
    size_t width = text_width(d->name);

    if (is_inside(d) == v->within && width > v->name_width)
        v->name_width = width;
}

static void put_difference(void *user, const struct compare_difference *d)
{
    const struct view *v = user;
    _cleanup_(str_release) struct str lead = STR_INIT, text = STR_INIT, name = STR_INIT;

    if (is_inside(d) != v->within)
        return;
    text_inert(&name, d->name);
    str_add(&lead, "  ");
    text_pad(&lead, name.buf, v->name_width, false);
    str_add(&lead, "  ");
    str_addf(&text, "A %s %s B %s%s", d->values[SIDE_A].buf, style_glyph(v->style, GLYPH_DOT),
             d->values[SIDE_B].buf, d->refused ? " (compared by --force)" : "");
    text_wrap(v->out, v->style, lead.buf, 4, text.buf);
}

static void count_difference(void *user, const struct compare_difference *d)
{
    size_t *n = user;
    n[is_inside(d)]++;
}

static void put_list(struct view *v, bool within, enum tone tone, const char *title)
{
    v->within = within;
    v->name_width = 0;
    str_add(v->out, tone_on(v->style, tone));
    str_add(v->out, title);
    str_addf(v->out, "%s\n", tone_off(v->style, tone));
    compare_differences(v->c, true, measure_difference, v);
    compare_differences(v->c, true, put_difference, v);
}

static void put_environ(struct view *v)
{
    size_t n[2] = {0, 0};
    _cleanup_(str_release) struct str title = STR_INIT;

    compare_differences(v->c, true, count_difference, n);
    if (n[1]) {
        str_addf(&title, "%s differs within a side, so its runs are not of one thing:",
                 style_glyph(v->style, GLYPH_WARN));
        put_list(v, true, TONE_LOUD, title.buf);
    }
    if (n[0])
        put_list(v, false, TONE_HEAD, "differs between A and B, so may be the cause:");
    if (n[0] + n[1] == 0)
        str_addf(v->out, "environment: alike in all %zu fields that were recorded\n",
                 v->c->environ.fields.n);
}

void report_compare(const struct compare *c, const struct report_options *o, struct str *out)
{
    _cleanup_(grid_release) struct grid g;
    struct view v = {.c = c, .style = &o->style, .out = out};

    put_head(&v);
    grid_init(&g, &o->style);
    g.replicates = "runs";
    g.least_gap = 1;
    add_rows(&g, c);
    for (enum compare_column i = 0; i < COMPARE_COLUMNS; i++)
        add_column(&g, c, i);
    grid_put(&g, out);
    put_legend(&v, &g);
    compare_notes(c, &o->style, put_line, &v);
    compare_remarks(c, &o->style, put_line, &v);
    put_environ(&v);
}
