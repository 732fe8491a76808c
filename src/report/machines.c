/* Runs of many machines on a terminal: under each cell's name a row for all machines, for each kind
 * or for each machine; a column a target. */
#include "report/machines.h"

#include "report/grid.h"
#include "report/machines-words.h"

struct view {
    const struct machines *m;
    const struct style *style;
    struct str *out;
    struct flow flow;
    size_t name_width;
};

static void put_part(void *user, const char *text)
{
    struct view *v = user;
    flow_add(&v->flow, "%s", text);
}

static void put_line(void *user, const char *text)
{
    const struct view *v = user;
    text_wrap(v->out, v->style, "", 2, text);
}

static void fill_grid(struct grid *g, const struct machines *m, const struct machines_lines *lines)
{
    for (size_t i = 0; i < lines->n; i++) {
        if (lines->v[i].heading)
            grid_heading(g, lines->v[i].name, false);
        else
            grid_row(g, lines->v[i].name, false);
    }
    for (size_t t = 0; t < m->targets.n; t++) {
        _cleanup_(str_release) struct str label = STR_INIT;
        if (!machines_has_column(m, t))
            continue;
        text_inert(&label, m->targets.v[t]);
        struct grid_column *c = grid_column(g, label.buf, (uint32_t)t, false);
        for (size_t i = 0; i < lines->n; i++)
            machines_words(g->style, m, &lines->v[i], t, &c->rows[i]);
    }
}

static void put_legend(struct view *v, const struct grid *g)
{
    bool counts = false;

    VEC_FOREACH (&v->m->cells, const struct known_cell, c)
        counts = counts || cell_is_count(&c->cell);
    flow_begin(&v->flow, v->out, v->style, "", 2);
    grid_legend(g, v->m->theta, counts, &v->flow);
    flow_end(&v->flow);
}

static void measure_difference(void *user, const struct machines_difference *d)
{
    struct view *v = user;
    size_t width = text_width(d->name);

    if (width > v->name_width)
        v->name_width = width;
}

static void put_difference(void *user, const struct machines_difference *d)
{
    const struct view *v = user;
    _cleanup_(str_release) struct str lead = STR_INIT, name = STR_INIT, text = STR_INIT;

    text_inert(&name, d->name);
    str_add(&lead, "  ");
    text_pad(&lead, name.buf, v->name_width, false);
    str_add(&lead, "  ");
    str_addf(&text, "%s%s", d->values.buf, d->refused ? " (put together by --force)" : "");
    text_wrap(v->out, v->style, lead.buf, 4, text.buf);
}

static void put_environ(struct view *v)
{
    if (machines_differences(v->m, measure_difference, v) == 0) {
        str_add(v->out, "environment: alike in all fields that were recorded\n");
        return;
    }
    str_addf(v->out, "%sdiffers from machine to machine:%s\n", tone_on(v->style, TONE_HEAD),
             tone_off(v->style, TONE_HEAD));
    machines_differences(v->m, put_difference, v);
}

void report_machines(const struct machines *m, enum machines_by by, const struct report_options *o,
                     struct str *out)
{
    _cleanup_(grid_release) struct grid g;
    struct view v = {.m = m, .style = &o->style, .out = out};
    struct machines_lines lines;

    flow_begin(&v.flow, out, &o->style, "", 2);
    machines_head(m, put_part, &v);
    flow_end(&v.flow);
    machines_lines(m, machines_by_default(m, by), &lines);
    grid_init(&g, &o->style);
    g.replicates = machines_by_default(m, by) == MACHINES_BY_MACHINE ? "blocks" : "machines";
    fill_grid(&g, m, &lines);
    grid_put(&g, out);
    free(lines.v);
    put_legend(&v, &g);
    machines_notes(m, &o->style, put_line, &v);
    put_environ(&v);
}
