#include "report/compare-words.h"

#include "report/figure.h"

#include <math.h>

const char *compare_head(enum compare_column column)
{
    static const char *const heads[] = {
        [COLUMN_A] = "A",          [COLUMN_B] = "B",           [COLUMN_RATIO] = "B against A",
        [COLUMN_BETWEEN] = "runs", [COLUMN_WITHIN] = "within",
    };
    return heads[column];
}

bool compare_has_row(const struct comparison *x)
{
    return x->status != COMPARISON_ONE_SIDE && x->status != COMPARISON_ABSENT;
}

bool compare_target_has_rows(const struct compare *c, size_t target)
{
    for (size_t i = 0; i < c->cells.n; i++)
        if (compare_has_row(compare_at(c, i, target)))
            return true;
    return false;
}

static void side_words(const struct style *style, const struct compare *c,
                       const struct comparison *x, enum compare_side_name side,
                       struct cell_words *ret)
{
    const struct comparison_side *s = &x->side[side];

    ret->tone = TONE_QUIET;
    if (s->n && c->absolute)
        figure_parts(style, &c->cells.v[x->cell].cell, exp(s->mean), ret->number, ret->unit);
    else if (s->n)
        unit_ratio(exp(s->mean), interval_half(x->ratio.lo, x->ratio.hi), ret->number);
    else
        str_copy(ret->word, sizeof(ret->word), "none");
}

/* The sign of per cent as a unit, so that points stand under one another. */
static void spread_words(double log_sd, struct cell_words *ret)
{
    ret->tone = TONE_QUIET;
    if (!isfinite(log_sd))
        return;
    unit_percent(expm1(log_sd), ret->number);
    ret->number[strcspn(ret->number, " ")] = '\0';
    str_copy(ret->unit, sizeof(ret->unit), "%");
}

/* No figure on a side: why not stands in the middle of the row. */
static void none_words(const struct style *s, const struct comparison *x, struct cell_words *ret)
{
    for (enum compare_side_name i = SIDE_A; i < SIDES; i++) {
        const struct comparison_side *side = &x->side[i];
        if (side->n || !side->failed)
            continue;
        cell_words_unusable(s, side->fail_kind, ret);
        str_format(ret->word, sizeof(ret->word), "%s %s", i == SIDE_A ? "A" : "B",
                   failure_word(side->fail_kind));
        return;
    }
    cell_words_unusable(s, ERR_UNSUPPORTED, ret);
    str_format(ret->word, sizeof(ret->word), "no figure in %s",
               x->side[SIDE_A].n   ? "B"
               : x->side[SIDE_B].n ? "A"
                                   : "both");
}

void compare_words(const struct style *s, const struct compare *c, const struct comparison *x,
                   enum compare_column column, struct cell_words *ret)
{
    *ret = (struct cell_words){.tone = TONE_PLAIN};
    if (column == COLUMN_A || column == COLUMN_B) {
        side_words(s, c, x, column == COLUMN_A ? SIDE_A : SIDE_B, ret);
    } else if (column == COLUMN_BETWEEN || column == COLUMN_WITHIN) {
        spread_words(column == COLUMN_BETWEEN ? x->between : x->within, ret);
    } else if (x->status == COMPARISON_NONE) {
        none_words(s, x, ret);
    } else {
        struct cell_result r = {.ratio = x->ratio, .verdict = x->verdict};
        cell_words_ratio(s, &r, &c->cells.v[x->cell].cell, ret);
        if (x->status == COMPARISON_FEW && x->verdict != VERDICT_EMULATED)
            str_copy(ret->word, sizeof(ret->word), "too few runs");
    }
}

void compare_side_text(const struct compare *c, enum compare_side_name side, struct str *out)
{
    size_t from = side == SIDE_A ? 0 : c->n_a, to = side == SIDE_A ? c->n_a : c->n_runs;
    char before[80] = "";

    for (size_t i = from; i < to; i++) {
        const struct run_head *h = &c->runs[i].head;
        char host[80];
        report_hostname(h, host, sizeof(host));
        if (i > from && !str_eq(host, before))
            str_addf(out, " on %s", before);
        str_addf(out, "%sr%lld", i > from ? " " : "", (long long)h->id);
        if (!str_eq(h->status, "complete") && !str_eq(h->status, "imported"))
            str_addf(out, " (%s)", h->status);
        str_copy(before, sizeof(before), host);
    }
    str_addf(out, " on %s", before);
}

void compare_base_text(const struct compare *c, struct str *out)
{
    bool any = false;

    for (size_t i = 0; i < c->targets.n; i++) {
        if (!compare_is_base(c, i))
            continue;
        str_add(out, any ? ", " : "");
        text_inert(out, c->targets.v[i]);
        any = true;
    }
}

static void multiplicity_note(const struct compare *c, note_line *line, void *user)
{
    _cleanup_(str_release) struct str t = STR_INIT;

    if (c->n_primary + c->n_rest == 0)
        return;
    if (c->n_primary)
        str_addf(&t, "%zu primary comparison%s: Holm, family-wise error %g %%", c->n_primary,
                 c->n_primary == 1 ? "" : "s", 100 * COMPARE_ALPHA);
    if (c->n_primary && c->n_rest)
        str_add(&t, "; ");
    if (c->n_rest)
        str_addf(&t, "%zu %scomparison%s: Benjamini-Hochberg, false discovery rate %g %%",
                 c->n_rest, c->n_primary ? "other " : "", c->n_rest == 1 ? "" : "s",
                 100 * COMPARE_ALPHA);
    str_add(&t, "; a difference needs its interval and its adjusted p");
    line(user, t.buf);
}

static void few_note(const struct compare *c, const struct style *s, note_line *line, void *user)
{
    _cleanup_(str_release) struct str t = STR_INIT;
    size_t few = 0, a = compare_side_runs(c, SIDE_A), b = compare_side_runs(c, SIDE_B);

    for (size_t i = 0; i < c->cells.n * c->targets.n; i++)
        few += c->results[i].status == COMPARISON_FEW;
    if (few == 0)
        return;
    str_addf(&t, "%s inconclusive: ", style_glyph(s, GLYPH_WARN));
    if (a >= COMPARE_RUNS_MIN && b >= COMPARE_RUNS_MIN)
        str_addf(&t, "%zu comparison%s with figures from fewer than %d runs on a side", few,
                 few == 1 ? "" : "s", COMPARE_RUNS_MIN);
    else if (a == b)
        str_addf(&t, "%zu run%s a side, %d are needed", a, a == 1 ? "" : "s", COMPARE_RUNS_MIN);
    else
        str_addf(&t, "%zu run%s of A and %zu of B, %d a side are needed", a, a == 1 ? "" : "s", b,
                 COMPARE_RUNS_MIN);
    line(user, t.buf);
}

static void order_note(const struct compare *c, const struct style *s, note_line *line, void *user)
{
    _cleanup_(str_release) struct str t = STR_INIT;
    bool a_first = c->order == ORDER_A_FIRST;

    if (c->order == ORDER_MIXED)
        return;
    if (c->order == ORDER_MACHINES)
        str_addf(&t,
                 "%s %zu machines: a difference is one between these machines as much as between "
                 "what ran on them, and says nothing of others",
                 style_glyph(s, GLYPH_WARN), c->machines);
    else
        str_addf(&t,
                 "%s all of %s was measured before all of %s: what drifted on the machine in "
                 "between cannot be told from a difference. Both in one run can: cupel run "
                 "--base old=... --target new=...",
                 style_glyph(s, GLYPH_WARN), a_first ? "A" : "B", a_first ? "B" : "A");
    line(user, t.buf);
}

static void absolute_note(const struct compare *c, const struct style *s, note_line *line,
                          void *user)
{
    _cleanup_free_ char *text =
        xasprintf("%s the values themselves, without a base: whatever else a machine did, and how "
                  "fast it ran, is in them",
                  style_glyph(s, GLYPH_WARN));

    if (c->absolute)
        line(user, text);
}

void compare_what_text(const struct compare *c, struct str *out)
{
    if (c->absolute) {
        str_add(out, "values");
        return;
    }
    str_add(out, "ratios to ");
    compare_base_text(c, out);
}

void compare_notes(const struct compare *c, const struct style *s, note_line *line, void *user)
{
    absolute_note(c, s, line, user);
    few_note(c, s, line, user);
    multiplicity_note(c, line, user);
    order_note(c, s, line, user);
}

static void name_comparison(const struct compare *c, const struct comparison *x, struct str *out)
{
    str_addf(out, "%s on ", c->cells.v[x->cell].name);
    text_inert(out, c->targets.v[x->target]);
}

/* What the interval says by itself, and why that is not the verdict. */
static void hold_note(const struct compare *c, const struct style *s, const struct comparison *x,
                      note_line *line, void *user)
{
    _cleanup_(str_release) struct str t = STR_INIT;
    enum verdict alone = verdict_of(x->w.lo, x->w.hi, c->theta, false);

    if (x->hold == HOLD_NONE)
        return;
    str_addf(&t, "%s ", style_glyph(s, GLYPH_UNSURE));
    name_comparison(c, x, &t);
    str_addf(&t, ": %s ", verdict_word(alone, &c->cells.v[x->cell].cell));
    if (x->hold == HOLD_MANY)
        str_addf(&t, "if it were the only comparison (p %.3f), not among %zu (adjusted %.3f)",
                 x->w.p, x->primary ? c->n_primary : c->n_rest, x->adjusted_p);
    else
        str_add(&t, "where both worked: what fails is never called the faster");
    line(user, t.buf);
}

static void failure_note(const struct compare *c, const struct style *s, const struct comparison *x,
                         note_line *line, void *user)
{
    _cleanup_(str_release) struct str t = STR_INIT;
    const struct comparison_side *a = &x->side[SIDE_A], *b = &x->side[SIDE_B],
                                 *of = b->failed ? b : a;

    if (a->failed + b->failed == 0 || x->status == COMPARISON_ABSENT)
        return;
    str_addf(&t, "%s ", style_glyph(s, of->fail_kind == ERR_UNSUPPORTED ? GLYPH_NONE : GLYPH_FAIL));
    name_comparison(c, x, &t);
    str_addf(&t, ": %s, in A %zu of %zu blocks, in B %zu of %zu", failure_word(of->fail_kind),
             a->failed, a->tried, b->failed, b->tried);
    if (of->fail_text[0]) {
        str_add(&t, ": ");
        text_inert(&t, of->fail_text);
    }
    line(user, t.buf);
}

static bool side_has_target(const struct compare *c, enum compare_side_name side, size_t target)
{
    size_t from = side == SIDE_A ? 0 : c->n_a, to = side == SIDE_A ? c->n_a : c->n_runs;

    for (size_t i = from; i < to; i++)
        VEC_FOREACH (&c->runs[i].head.plan.targets, const struct target, t)
            if (str_eq(t->label, c->targets.v[target]))
                return true;
    return false;
}

static bool side_has_cell(const struct compare *c, enum compare_side_name side, size_t cell)
{
    size_t from = side == SIDE_A ? 0 : c->n_a, to = side == SIDE_A ? c->n_a : c->n_runs;

    for (size_t i = from; i < to; i++)
        if (c->cell_in[i * c->cells.n + cell] >= 0)
            return true;
    return false;
}

static void only_note(const struct compare *c, const struct style *s, enum compare_side_name side,
                      note_line *line, void *user)
{
    enum compare_side_name other = side == SIDE_A ? SIDE_B : SIDE_A;
    _cleanup_(str_release) struct str t = STR_INIT;
    size_t n = 0;

    for (size_t i = 0; i < c->targets.n; i++)
        if (side_has_target(c, side, i) && !side_has_target(c, other, i)) {
            str_add(&t, n++ ? ", " : "");
            str_add(&t, "target ");
            text_inert(&t, c->targets.v[i]);
        }
    for (size_t i = 0; i < c->cells.n; i++)
        if (side_has_cell(c, side, i) && !side_has_cell(c, other, i))
            str_addf(&t, "%s%s", n++ ? ", " : "", c->cells.v[i].name);
    if (n == 0)
        return;
    _cleanup_free_ char *text = xasprintf("%s only in %s: %s", style_glyph(s, GLYPH_NONE),
                                          side == SIDE_A ? "A" : "B", t.buf);
    line(user, text);
}

void compare_remarks(const struct compare *c, const struct style *s, note_line *line, void *user)
{
    for (size_t i = 0; i < c->cells.n * c->targets.n; i++)
        hold_note(c, s, &c->results[i], line, user);
    for (size_t i = 0; i < c->cells.n * c->targets.n; i++)
        failure_note(c, s, &c->results[i], line, user);
    only_note(c, s, SIDE_A, line, user);
    only_note(c, s, SIDE_B, line, user);
}

/* A hash is told from another by its first digits. */
static void put_value(const char *value, bool brief, struct str *out)
{
    bool hash = strlen(value) == 64 && strspn(value, "0123456789abcdef") == 64;

    if (brief && hash)
        str_addf(out, "%.12s", value);
    else
        text_inert(out, value);
}

/* The values of a side, each with its runs where there are several. */
static void side_values(const struct compare *c, const struct environ_field *f,
                        enum compare_side_name side, bool brief, struct str *out)
{
    size_t from = side == SIDE_A ? 0 : c->n_a, to = side == SIDE_A ? c->n_a : c->n_runs;
    bool several = environ_differs(f, from, to);

    for (size_t i = from; i < to; i++) {
        bool said = !f->values[i];
        for (size_t k = from; k < i && !said; k++)
            said = str_eq(f->values[k], f->values[i]);
        if (said)
            continue;
        str_add(out, out->len ? ", " : "");
        put_value(f->values[i], brief, out);
        for (size_t k = i; k < to && several; k++)
            if (str_eq(f->values[k], f->values[i]))
                str_addf(out, "%sr%lld", k == i ? " (" : " ", (long long)c->runs[k].head.id);
        str_add(out, several ? ")" : "");
    }
    if (out->len == 0)
        str_add(out, "not recorded");
}

static void put_difference(const struct compare *c, const struct environ_field *f, bool brief,
                           struct compare_difference *d,
                           void (*each)(void *user, const struct compare_difference *d), void *user)
{
    d->name = f->name;
    d->refused = compare_forbids(c, f);
    for (enum compare_side_name i = SIDE_A; i < SIDES; i++) {
        str_init(&d->values[i]);
        side_values(c, f, i, brief, &d->values[i]);
    }
    each(user, d);
    for (enum compare_side_name i = SIDE_A; i < SIDES; i++)
        str_release(&d->values[i]);
}

size_t compare_differences(const struct compare *c, bool brief,
                           void (*each)(void *user, const struct compare_difference *d), void *user)
{
    size_t n = 0;

    for (int within = 1; within >= 0; within--)
        VEC_FOREACH (&c->environ.fields, const struct environ_field, f) {
            struct compare_difference d = {
                .within = {environ_differs(f, 0, c->n_a), environ_differs(f, c->n_a, c->n_runs)},
                .between = environ_differs_between(f, c->n_a, c->n_runs)};
            bool inside = d.within[SIDE_A] || d.within[SIDE_B];
            if (inside != (within == 1) || !(inside || d.between))
                continue;
            put_difference(c, f, brief, &d, each, user);
            n++;
        }
    return n;
}
