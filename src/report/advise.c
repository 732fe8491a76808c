/* Advice for people: an answer, a table of limits and targets, the evidence, what is not known. */
#include "report/advise-words.h"
#include "report/grid.h"
#include "report/markdown.h"

#include <inttypes.h>
#include <math.h>

#define SHOWN_MAX 4 /* findings of one limit on one target that do not meet it */

/* Lines for a terminal or for Markdown. */
struct sheet {
    const struct analysis *a;
    const struct advise *v;
    const struct report_options *o;
    struct style style;
    bool md;
    struct str *out;
};

static void put_text(const struct sheet *p, const char *text)
{
    if (p->md) {
        md_line(p->out, text);
        str_add(p->out, "\n\n");
    } else {
        text_wrap(p->out, &p->style, "", 2, text);
    }
}

static void put_heading(const struct sheet *p, const char *text)
{
    if (p->md) {
        str_add(p->out, "\n**");
        md_line(p->out, text);
        str_add(p->out, "**\n\n");
        return;
    }
    str_addf(p->out, "\n%s", tone_on(&p->style, TONE_HEAD));
    text_wrap(p->out, &p->style, "", 2, text);
    str_add(p->out, tone_off(&p->style, TONE_HEAD));
}

static void put_item(const struct sheet *p, const char *sign, const char *text)
{
    if (p->md) {
        str_addf(p->out, "- %s ", sign);
        md_line(p->out, text);
        str_addc(p->out, '\n');
        return;
    }
    _cleanup_(str_release) struct str lead = STR_INIT;
    str_addf(&lead, "  %s ", sign);
    text_wrap(p->out, &p->style, lead.buf, 4, text);
}

/* Below an item. Commands are never broken: they are there to be copied. */
static void put_command(const struct sheet *p, const char *command)
{
    if (p->md) {
        str_add(p->out, "  - ");
        md_line(p->out, command);
        str_addc(p->out, '\n');
    } else {
        str_addf(p->out, "      %s\n", command);
    }
}

static bool is_open(const struct advise *v)
{
    return v->n_limits == 0 || isnan(v->limits[0].bound);
}

static bool is_row(const struct sheet *p, size_t limit)
{
    struct str what = STR_INIT, command = STR_INIT;
    bool measured = true;

    if (is_open(p->v)) {
        advise_missing(p->a, p->v, limit, &what, &command);
        measured = what.len == 0;
    }
    str_release(&what);
    str_release(&command);
    return measured;
}

static void row_name(const struct sheet *p, size_t limit, struct str *out)
{
    const struct advise_limit *l = &p->v->limits[limit];

    if (is_open(p->v))
        str_addf(out, "--%-15s ", advise_kind_name(l->kind));
    advise_limit_words(&p->style, l, out);
}

static void put_table(const struct sheet *p)
{
    _cleanup_(grid_release) struct grid g;

    grid_init(&g, &p->style);
    for (size_t i = 0; i < p->v->n_limits; i++) {
        _cleanup_(str_release) struct str name = STR_INIT;
        row_name(p, i, &name);
        if (is_row(p, i))
            grid_row(&g, name.buf, false);
    }
    for (uint32_t t = 0; t < p->a->n_targets; t++) {
        if (!p->v->candidate[t])
            continue;
        struct grid_column *c =
            grid_column(&g, p->a->head.plan.targets.v[t].label, t, !p->a->targets[t].usable);
        for (size_t i = 0, row = 0; i < p->v->n_limits; i++)
            if (is_row(p, i))
                advise_words(&p->style, p->a, p->v, i, t, &c->rows[row++]);
    }
    grid_put(&g, p->out);
}

static void put_table_markdown(const struct sheet *p)
{
    size_t columns = 0;

    str_add(p->out, "| |");
    for (uint32_t t = 0; t < p->a->n_targets; t++) {
        if (!p->v->candidate[t])
            continue;
        str_addc(p->out, ' ');
        md_text(p->out, p->a->head.plan.targets.v[t].label);
        str_add(p->out, " |");
        columns++;
    }
    str_add(p->out, "\n|---|");
    while (columns--)
        str_add(p->out, "---|");
    str_addc(p->out, '\n');
    for (size_t i = 0; i < p->v->n_limits; i++) {
        _cleanup_(str_release) struct str name = STR_INIT;
        if (!is_row(p, i))
            continue;
        row_name(p, i, &name);
        str_add(p->out, "| ");
        md_line(p->out, name.buf);
        str_add(p->out, " |");
        for (uint32_t t = 0; t < p->a->n_targets; t++) {
            struct cell_words w;
            if (!p->v->candidate[t])
                continue;
            advise_words(&p->style, p->a, p->v, i, t, &w);
            md_cell(&w, p->out);
        }
        str_addc(p->out, '\n');
    }
}

static const char *sign_of(const struct sheet *p, enum advise_verdict v)
{
    static const enum glyph signs[] = {[ADVISE_MEETS] = GLYPH_GOOD,
                                       [ADVISE_UNDECIDED] = GLYPH_UNSURE,
                                       [ADVISE_NOT_MEASURED] = GLYPH_NONE,
                                       [ADVISE_FAILS] = GLYPH_FAIL};
    return style_glyph(&p->style, signs[v]);
}

/* The worst figure of a limit that is met; all that stand in the way of one that is not. */
static void put_answer(const struct sheet *p, size_t limit, uint32_t target)
{
    const struct advise_limit *l = &p->v->limits[limit];
    const struct advise_answer *answer = advise_at(p->v, limit, target);
    size_t most = answer->verdict == ADVISE_MEETS ? 1 : SHOWN_MAX, same = 0;

    VEC_FOREACH (&answer->findings, const struct advise_finding, f)
        same += f->verdict > ADVISE_MEETS || answer->verdict == ADVISE_MEETS;
    for (size_t i = 0; i < same && i < most; i++) {
        const struct advise_finding *f = &answer->findings.v[i];
        _cleanup_(str_release) struct str text = STR_INIT, again = STR_INIT;
        advise_limit_words(&p->style, l, &text);
        str_add(&text, ": ");
        advise_finding_words(&p->style, p->a, l, f, &text);
        if (answer->verdict == ADVISE_MEETS && same > 1)
            str_addf(&text, " (the worst of %zu)", same);
        else if (i + 1 == most && same > most)
            str_addf(&text, " (and %zu more)", same - most);
        put_item(p, sign_of(p, f->verdict), text.buf);
        advise_again(p->a, f, &again);
        if (again.len)
            put_command(p, again.buf);
    }
}

static void put_warnings(const struct sheet *p, int32_t target)
{
    for (enum warning_kind k = 0; k < WARN_KIND_COUNT; k++) {
        const struct warning *w = advise_warning(p->a, k, target);
        _cleanup_(str_release) struct str text = STR_INIT;
        if (!w)
            continue;
        str_addf(&text, "%s: ", warning_name(k));
        text_inert(&text, w->text);
        put_item(p, style_glyph(&p->style, GLYPH_WARN), text.buf);
    }
}

static void put_target(const struct sheet *p, uint32_t target)
{
    _cleanup_(str_release) struct str head = STR_INIT;

    if (!p->a->targets[target].usable)
        return; /* among what was not measured */
    text_inert(&head, p->a->head.plan.targets.v[target].label);
    put_heading(p, head.buf);
    for (size_t i = 0; i < p->v->n_limits; i++)
        put_answer(p, i, target);
    put_warnings(p, (int32_t)target);
}

static void put_evidence(const struct sheet *p)
{
    for (size_t i = 0; i < p->v->meets.n; i++)
        put_target(p, p->v->meets.v[i]);
    for (enum advise_verdict w = ADVISE_UNDECIDED; w <= ADVISE_FAILS; w++)
        for (uint32_t t = 0; t < p->a->n_targets; t++)
            if (p->v->candidate[t] && p->v->verdicts[t] == w)
                put_target(p, t);
}

/* Limits that one command measures are one item. */
static void put_missing_limits(const struct sheet *p, const char *none)
{
    _cleanup_(str_release) struct str names = STR_INIT, last = STR_INIT;
    bool more = true;

    for (size_t i = 0; more; i++) {
        _cleanup_(str_release) struct str what = STR_INIT, command = STR_INIT;
        more = advise_missing(p->a, p->v, i, &what, &command);
        if (more && !what.len)
            continue;
        bool same = more && names.len && command.len && str_eq(command.buf, last.buf);
        if (names.len && !same) {
            put_item(p, none, names.buf);
            if (last.len)
                put_command(p, last.buf);
            str_clear(&names);
        }
        str_addf(&names, "%s%s", same ? ", " : "", what.buf);
        str_clear(&last);
        str_add(&last, command.buf);
    }
}

static void put_missing(const struct sheet *p)
{
    const char *none = style_glyph(&p->style, GLYPH_NONE);
    _cleanup_(str_release) struct str never = STR_INIT, text = STR_INIT;

    size_t from;

    put_heading(p, "not measured");
    from = p->out->len;
    put_missing_limits(p, none);
    for (uint32_t t = 0; t < p->a->n_targets; t++) {
        _cleanup_(str_release) struct str line = STR_INIT;
        if (p->a->targets[t].usable || !p->v->candidate[t])
            continue;
        text_inert(&line, p->a->head.plan.targets.v[t].label);
        str_add(&line, ": ");
        text_inert(&line, p->a->target_reason[t]);
        put_item(p, none, line.buf);
    }
    advise_chapters_missing(p->a, &never);
    if (never.len)
        str_addf(&text, "nothing at all of: %s (cupel workloads)", never.buf);
    if (text.len)
        put_item(p, none, text.buf);
    if (p->out->len == from)
        put_item(p, none, "nothing of what was asked for");
}

static void put_notes(const struct sheet *p)
{
    _cleanup_(str_release) struct str text = STR_INIT, where = STR_INIT, base = STR_INIT;
    const struct style *s = &p->style;

    text_inert(&base, p->a->head.plan.targets.v[p->a->head.base].label);
    str_addf(&text, "Loss: time per operation / %s's. Beside: with a neighbour / without.",
             base.buf);
    if (str_eq(p->a->head.plan.targets.v[p->a->head.base].driver, "host"))
        str_addf(&text, " %s is bare and no candidate.", base.buf);
    str_add(&text, " 95 % intervals");
    if (!is_open(p->v))
        str_addf(
            &text, ": %s all of it within the limit, %s all of it beyond, %s it spans the limit",
            style_glyph(s, GLYPH_GOOD), style_glyph(s, GLYPH_FAIL), style_glyph(s, GLYPH_UNSURE));
    str_addc(&text, '.');
    put_text(p, text.buf);
    if (p->o->db) {
        str_add(&where, " --db ");
        report_shell_word(p->o->db, &where);
    }
    str_clear(&text);
    str_addf(&text, "Samples and proof of a figure: cupel show r%" PRId64 " --cell CELL,TARGET%s",
             p->a->head.id, where.buf);
    put_text(p, text.buf);
}

static void put_limits(const struct sheet *p)
{
    _cleanup_(str_release) struct str text = STR_INIT;

    str_addf(&text, "r%" PRId64 ": ", p->a->head.id);
    for (size_t i = 0; i < p->v->n_limits; i++) {
        str_add(&text, i ? ", " : "");
        advise_limit_words(&p->style, &p->v->limits[i], &text);
    }
    put_text(p, text.buf);
}

static void put_answers(const struct sheet *p)
{
    _cleanup_(str_release) struct str order = STR_INIT;

    put_limits(p);
    for (size_t i = 0;; i++) {
        _cleanup_(str_release) struct str text = STR_INIT;
        if (!advise_answer_words(&p->style, p->a, p->v, i, &text))
            break;
        if (text.len)
            put_text(p, text.buf);
        if (i > 0)
            continue;
        advise_order_words(p->a, p->v, &order);
        if (order.len)
            put_text(p, order.buf);
    }
}

/* Which limits the run has figures for. */
static void put_possible(const struct sheet *p)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    size_t work = 0, beside = 0;

    str_addf(&text, "r%" PRId64 " can decide limits given as", p->a->head.id);
    for (size_t i = 0, n = 0; i < p->v->n_limits; i++)
        if (is_row(p, i))
            str_addf(&text, "%s --%s", n++ ? "," : "", advise_kind_name(p->v->limits[i].kind));
    for (size_t i = 0; i < p->a->n_cells; i++) {
        const struct cell *c = &p->a->head.plan.cells.v[i];
        work += analysis_is_work(c);
        beside += str_eq(c->workload->family, "beside");
    }
    if (work)
        str_addf(&text, "; also --loss WORKLOAD=10%% of any of its %zu cells of work", work);
    if (beside)
        str_addf(&text, "; --beside 'beside.*=10%%' of its %zu pair%s", beside,
                 beside == 1 ? "" : "s");
    str_add(&text, ". Without a limit nothing is advised; this is what each comes to:");
    put_text(p, text.buf);
}

static void put_all(const struct sheet *p)
{
    bool open = is_open(p->v);

    if (open)
        put_possible(p);
    else
        put_answers(p);
    if (!p->md)
        str_addc(p->out, '\n');
    if (p->md)
        put_table_markdown(p);
    else
        put_table(p);
    if (!open)
        put_evidence(p);
    bool any = false;
    for (enum warning_kind k = 0; !open && k < WARN_KIND_COUNT; k++)
        any |= advise_warning(p->a, k, -1) != NULL;
    if (any) {
        put_heading(p, "the machine, meanwhile");
        put_warnings(p, -1);
    }
    put_missing(p);
    str_addc(p->out, '\n');
    put_notes(p);
}

void report_advise(const struct analysis *a, const struct advise *v, const struct report_options *o,
                   struct str *out)
{
    const struct sheet p = {a, v, o, o->style, false, out};
    put_all(&p);
}

void report_advise_markdown(const struct analysis *a, const struct advise *v,
                            const struct report_options *o, struct str *out)
{
    const struct sheet p = {a, v, o, {.utf8 = true}, true, out};
    put_all(&p);
}
