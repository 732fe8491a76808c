/* Cost, reach and loss beside each other: a column per target. */
#include "report/grid.h"
#include "report/markdown.h"
#include "report/trade-words.h"

#include <math.h>

static void add_rows(struct grid *g, const struct analysis *a, const struct trade *t)
{
    for (enum trade_kind k = 0; k < TRADE_KINDS; k++) {
        _cleanup_(str_release) struct str heading = STR_INIT;

        trade_heading(a, k, &heading);
        grid_heading(g, heading.buf, false);
        if (!t->has[k])
            grid_row(g, "  not in this run", false);
        for (enum trade_measure m = 0; m < TRADE_MEASURES; m++) {
            _cleanup_(str_release) struct str name = STR_INIT;
            if (trade_kind_of(m) != k || !trade_is_row(t, m))
                continue;
            str_add(&name, "  ");
            trade_row_name(t, m, &name);
            grid_row(g, name.buf, false);
            if (m == TRADE_WORST && t->rows[m].cells)
                grid_row(g, "    is beside", false);
        }
    }
}

static void add_column(struct grid *g, const struct analysis *a, const struct trade *t,
                       uint32_t target)
{
    _cleanup_(str_release) struct str head = STR_INIT;
    size_t row = 0;

    target_head(a, target, &head);
    struct grid_column *c = grid_column(g, head.buf, target, !a->targets[target].usable);

    for (enum trade_kind k = 0; k < TRADE_KINDS; k++) {
        row++;
        if (!t->has[k])
            trade_words(g->style, a, t,
                        k == TRADE_COST    ? TRADE_CPU
                        : k == TRADE_REACH ? TRADE_MADE
                                           : TRADE_BESIDE,
                        target, &c->rows[row++]);
        for (enum trade_measure m = 0; m < TRADE_MEASURES; m++) {
            if (trade_kind_of(m) != k || !trade_is_row(t, m))
                continue;
            trade_words(g->style, a, t, m, target, &c->rows[row++]);
            if (m == TRADE_WORST && t->rows[m].cells)
                trade_which(g->style, t, target, &c->rows[row++]);
        }
    }
}

static size_t left_out(const struct trade *t)
{
    const struct trade_row *rows = t->rows;
    return rows[TRADE_ALL].left_out + rows[TRADE_START].left_out + rows[TRADE_BESIDE].left_out;
}

static bool unknown_calls(const struct trade *t)
{
    for (size_t i = 0; i < t->n_targets; i++)
        if (t->rows[TRADE_COULD].values[i].at_least)
            return true;
    return false;
}

/* What a reader has to know of the figures: at most one line each. next: appends one line. */
static void notes(const struct trade *t, void (*next)(void *user, const char *text), void *user)
{
    char text[200];

    if (left_out(t)) {
        str_format(text, sizeof(text),
                   "%zu cell%s failed or %s not measured on one of the targets: left out on all",
                   left_out(t), left_out(t) == 1 ? "" : "s", left_out(t) == 1 ? "was" : "were");
        next(user, text);
    }
    if (unknown_calls(t))
        next(user, "or more: of some of its processes it is not known which calls they could make");
    if (t->rows[TRADE_WORST].cells > 1) {
        str_format(text, sizeof(text),
                   "the worst is the largest of %zu estimates, so rather above the truth",
                   t->rows[TRADE_WORST].cells);
        next(user, text);
    }
}

struct lines {
    const struct style *style;
    struct str *out;
};

static void note_line(void *user, const char *text)
{
    const struct lines *l = user;
    text_wrap(l->out, l->style, "", 2, text);
}

static void put_missing(const struct analysis *a, const struct trade *t,
                        const struct report_options *o, struct str *out)
{
    bool any = false;

    for (size_t i = 0;; i++) {
        _cleanup_(str_release) struct str what = STR_INIT, command = STR_INIT, text = STR_INIT;
        if (!trade_missing(a, t, i, &what, &command))
            break;
        if (!what.len)
            continue;
        str_addf(&text, "%s %s: %s", style_glyph(&o->style, GLYPH_NONE), what.buf, command.buf);
        text_wrap(out, &o->style, "", 2, text.buf);
        any = true;
    }
    if (any)
        text_wrap(
            out, &o->style, "  ", 2,
            "(for one table of all: several --workload and --suite in one run, with --repeats "
            "and, for aggressors, --limit cpus=1,memory=256M,pids=256,io=100M)");
}

void report_trade(const struct analysis *a, const struct trade *t, const struct report_options *o,
                  struct str *out)
{
    _cleanup_(grid_release) struct grid g;
    _cleanup_(str_release) struct str head = STR_INIT;
    struct lines l = {&o->style, out};
    struct flow f;

    str_addf(&head, "r%lld %s cost, reach and loss. Geometric means: %s", (long long)a->head.id,
             style_glyph(&o->style, GLYPH_DOT), trade_formula());
    text_wrap(out, &o->style, "", 2, head.buf);
    grid_init(&g, &o->style);
    add_rows(&g, a, t);
    for (uint32_t i = 0; i < a->n_targets; i++)
        add_column(&g, a, t, i);
    grid_put(&g, out);
    flow_begin(&f, out, &o->style, "", 2);
    grid_legend(&g, a->head.plan.theta, false, &f);
    if (!f.first)
        flow_end(&f);
    notes(t, note_line, &l);
    put_missing(a, t, o, out);
}

static void note_item(void *user, const char *text)
{
    struct str *out = user;
    str_addf(out, "- %s\n", text);
}

static void md_row(const struct analysis *a, const struct trade *t, enum trade_measure m,
                   bool which, struct str *out)
{
    const struct style style = {.utf8 = true};
    _cleanup_(str_release) struct str name = STR_INIT;

    trade_row_name(t, m, &name);
    str_addf(out, "| %s |", which ? "is beside" : name.buf);
    for (uint32_t i = 0; i < a->n_targets; i++) {
        struct cell_words w;
        if (which)
            trade_which(&style, t, i, &w);
        else
            trade_words(&style, a, t, m, i, &w);
        md_cell(&w, out);
    }
    str_addc(out, '\n');
}

void report_trade_markdown(const struct analysis *a, const struct trade *t, struct str *out)
{
    str_addf(out, "Cost, reach and loss. Geometric means: %s.\n\n", trade_formula());
    md_targets(out, a, true);
    for (enum trade_kind k = 0; k < TRADE_KINDS; k++) {
        _cleanup_(str_release) struct str heading = STR_INIT;
        trade_heading(a, k, &heading);
        str_add(out, "| *");
        md_text(out, heading.buf);
        str_addc(out, '*');
        for (uint32_t i = 0; i <= a->n_targets; i++)
            str_add(out, !t->has[k] && i > 0 ? " – |" : " |");
        str_addc(out, '\n');
        for (enum trade_measure m = 0; m < TRADE_MEASURES; m++) {
            if (trade_kind_of(m) != k || !trade_is_row(t, m))
                continue;
            md_row(a, t, m, false, out);
            if (m == TRADE_WORST && t->rows[m].cells)
                md_row(a, t, m, true, out);
        }
    }
    str_addc(out, '\n');
    notes(t, note_item, out);
    for (size_t i = 0;; i++) {
        _cleanup_(str_release) struct str what = STR_INIT, command = STR_INIT;
        if (!trade_missing(a, t, i, &what, &command))
            break;
        if (!what.len)
            continue;
        str_addf(out, "- – %s: ", what.buf);
        md_text(out, command.buf);
        str_addc(out, '\n');
    }
}
