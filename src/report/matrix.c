/* Victims by aggressors, a target at a time: what the victim loses, whether the aggressor kept to
 * its limits, and how long it lasts. */
#include "report/grid.h"
#include "report/markdown.h"
#include "report/report.h"

#include <math.h>

struct sheet {
    const struct analysis *a;
    const struct matrix *m;
    const struct style *style;
    uint32_t target;
};

static void dash(const struct style *s, const char *word, struct cell_words *ret)
{
    *ret = (struct cell_words){.tone = TONE_QUIET, .glyph = GLYPH_NONE};
    str_copy(ret->sign, sizeof(ret->sign), style_glyph(s, GLYPH_NONE));
    str_copy(ret->word, sizeof(ret->word), word);
}

/* broken: the limits did not hold. */
static void factor_words(const struct style *s, const struct matrix_factor *f, bool broken,
                         struct cell_words *ret)
{
    const struct cell_result r = {.ratio = f->e, .verdict = f->verdict, .status = CELL_OK};

    if (!f->result || f->result->status == CELL_NOT_MEASURED) {
        dash(s, "", ret);
        return;
    }
    cell_words_ratio(s, f->result->status == CELL_OK ? &r : f->result, NULL, ret);
    if (broken && ret->number[0])
        str_format(ret->half + strlen(ret->half), sizeof(ret->half) - strlen(ret->half), "!");
}

static void recovery_words(const struct style *s, const struct matrix_entry *e,
                           struct cell_words *ret)
{
    *ret = (struct cell_words){.tone = TONE_PLAIN};
    if (e->recoveries == 0) {
        dash(s, "", ret);
    } else if (!isfinite(e->recovery_s)) {
        ret->tone = TONE_NOTE;
        str_copy(ret->word, sizeof(ret->word), "not back");
    } else if (e->recovery_s <= 0) {
        ret->tone = TONE_QUIET;
        str_copy(ret->word, sizeof(ret->word), "at once");
    } else {
        unit_ns_parts(s, 1e9 * e->recovery_s, ret->number, ret->unit);
    }
}

enum what { BESIDE, TAIL, RECOVERY };

static void entry_words(const struct sheet *s, enum what what, size_t load, size_t victim,
                        struct cell_words *ret)
{
    const struct matrix_entry *e = matrix_at(s->m, s->target, load, victim);

    if (what == RECOVERY)
        recovery_words(s->style, e, ret);
    else
        factor_words(s->style, what == TAIL ? &e->tail : &e->beside, e->broken > 0, ret);
}

/* Does any pair of the matrix have such a figure, on any target? */
static bool victim_has(const struct matrix *m, enum what what, size_t victim)
{
    for (size_t t = 0; t < m->n_targets; t++)
        for (size_t l = 0; l < m->n_loads; l++) {
            const struct matrix_entry *e = matrix_at(m, t, l, victim);
            if (what == RECOVERY ? e->recoveries > 0
                                 : (what == TAIL ? &e->tail : &e->beside)->result != NULL)
                return true;
        }
    return false;
}

static void add_columns(struct grid *g, const struct sheet *s, enum what what, const char *lead)
{
    for (size_t v = 0; v < s->m->n_victims; v++) {
        char head[CELL_NAME_MAX + 8];
        if (!victim_has(s->m, what, v))
            continue;
        str_format(head, sizeof(head), "%s%s", lead, s->m->victims[v]);
        struct grid_column *c = grid_column(g, head, s->target, false);
        for (size_t l = 0; l < s->m->n_loads; l++)
            entry_words(s, what, l, v, &c->rows[l]);
    }
}

static void begin(struct grid *g, const struct sheet *s)
{
    grid_init(g, s->style);
    g->least_gap = 1; /* five victims on 100 columns */
    for (size_t l = 0; l < s->m->n_loads; l++)
        grid_row(g, s->m->loads[l], false);
}

/* A target on which nothing came of any pair: what happened is said once, by the notes. */
static bool measured(const struct matrix *m, size_t target)
{
    for (size_t l = 0; l < m->n_loads; l++)
        for (size_t v = 0; v < m->n_victims; v++) {
            const struct matrix_entry *e = matrix_at(m, target, l, v);
            if ((e->beside.result && e->beside.e.n) || (e->tail.result && e->tail.e.n))
                return true;
        }
    return false;
}

static bool any_broken(const struct matrix *m)
{
    for (size_t i = 0; i < m->n_targets * m->n_loads * m->n_victims; i++)
        if (m->entries[i].broken)
            return true;
    return false;
}

static void put_label(const struct sheet *s, const char *text, struct str *out)
{
    _cleanup_(str_release) struct str line = STR_INIT;

    str_add(out, tone_on(s->style, TONE_HEAD));
    target_head(s->a, s->target, &line);
    str_addf(&line, " %s %s", style_glyph(s->style, GLYPH_DOT), text);
    text_wrap(out, s->style, "", 2, line.buf);
    str_add(out, tone_off(s->style, TONE_HEAD));
}

static void put_sheet(const struct sheet *s, struct grid *shown, struct str *out)
{
    _cleanup_(grid_release) struct grid more;

    str_addc(out, '\n');
    begin(shown, s);
    add_columns(shown, s, BESIDE, "");
    if (shown->columns.n) {
        put_label(s, "victims (columns) beside aggressors (rows): time with / without", out);
        grid_put(shown, out);
    }
    begin(&more, s);
    add_columns(&more, s, TAIL, "p99 ");
    size_t tails = more.columns.n;
    add_columns(&more, s, RECOVERY, "");
    if (more.columns.n == 0)
        return;
    put_label(
        s,
        tails == 0 ? "recovery: from the aggressor's end until as fast as before"
        : tails < more.columns.n
            ? "p99: 99th percentile with / without; others: from its end until as fast as before"
            : "99th percentile with / without",
        out);
    grid_put(&more, out);
}

static void put_legend(const struct sheet *s, const struct grid *g, struct str *out)
{
    struct flow f;

    flow_begin(&f, out, s->style, "", 2);
    grid_legend(g, s->a->head.plan.theta, false, &f);
    if (any_broken(s->m))
        flow_add(&f, "! the aggressor passed its limits in a block");
    flow_add(&f, "limits and series: cupel show r%lld --cell beside.%s@%s,TARGET",
             (long long)s->a->head.id, s->m->loads[0], s->m->victims[0]);
    flow_end(&f);
}

void report_matrix(const struct analysis *a, const struct matrix *m, const struct report_options *o,
                   struct str *out)
{
    struct sheet s = {.a = a, .m = m, .style = &o->style};
    struct grid all = {.style = &o->style}; /* every sign there is, for the legend */

    begin(&all, &s);
    for (uint32_t t = 0; t < m->n_targets; t++) {
        _cleanup_(grid_release) struct grid g = {.style = &o->style};
        s.target = t;
        if (!measured(m, t))
            continue;
        put_sheet(&s, &g, out);
        add_columns(&all, &s, BESIDE, "");
        add_columns(&all, &s, TAIL, "");
    }
    if (all.columns.n)
        put_legend(&s, &all, out);
    grid_release(&all);
}

static void md_columns(const struct grid *g, struct str *out)
{
    str_add(out, "| beside |");
    VEC_FOREACH (&g->columns, const struct grid_column, c)
        str_addf(out, " %s |", c->head);
    str_add(out, "\n|---|");
    for (size_t i = 0; i < g->columns.n; i++)
        str_add(out, "---|");
    str_addc(out, '\n');
}

void report_matrix_markdown(const struct analysis *a, const struct matrix *m, struct str *out)
{
    const struct style style = {.utf8 = true};
    struct sheet s = {.a = a, .m = m, .style = &style};

    for (s.target = 0; s.target < m->n_targets; s.target++) {
        _cleanup_(grid_release) struct grid g = {.style = &style};
        if (!measured(m, s.target))
            continue;
        begin(&g, &s);
        add_columns(&g, &s, BESIDE, "");
        add_columns(&g, &s, TAIL, "p99 ");
        add_columns(&g, &s, RECOVERY, "back ");
        _cleanup_(str_release) struct str head = STR_INIT;
        target_head(a, s.target, &head);
        str_add(out, "\nOn ");
        md_line(out, head.buf);
        str_add(out, ", time and 99th percentile (p99) of victims beside an aggressor / without, "
                     "and how long after its end they were back:\n\n");
        md_columns(&g, out);
        VEC_FOREACH (&g.rows, const struct grid_row, row) {
            str_addf(out, "| %s |", row->name);
            VEC_FOREACH (&g.columns, const struct grid_column, c)
                md_cell(&c->rows[row - g.rows.v], out);
            str_addc(out, '\n');
        }
    }
    if (any_broken(m))
        str_add(out, "\n! the aggressor passed its limits in a block.\n");
}
