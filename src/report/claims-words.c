#include "report/claims-words.h"

#include "report/units.h"

#include <math.h>

const char *claim_verdict_words(enum claim_verdict v)
{
    static const char *const words[CLAIM_VERDICTS] = {
        [CLAIM_HOLDS] = "holds",
        [CLAIM_DOES_NOT_HOLD] = "does not hold",
        [CLAIM_UNDECIDED] = "undecided",
        [CLAIM_UNTESTED] = "cannot be tested here",
    };
    return words[v];
}

const char *claim_verdict_plural(enum claim_verdict v)
{
    static const char *const words[CLAIM_VERDICTS] = {
        [CLAIM_HOLDS] = "hold",
        [CLAIM_DOES_NOT_HOLD] = "do not hold",
        [CLAIM_UNDECIDED] = "undecided",
        [CLAIM_UNTESTED] = "cannot be tested here",
    };
    return words[v];
}

enum glyph claim_glyph(enum claim_verdict v)
{
    static const enum glyph glyphs[CLAIM_VERDICTS] = {
        [CLAIM_HOLDS] = GLYPH_GOOD,
        [CLAIM_DOES_NOT_HOLD] = GLYPH_FAIL,
        [CLAIM_UNDECIDED] = GLYPH_UNSURE,
        [CLAIM_UNTESTED] = GLYPH_NONE,
    };
    return glyphs[v];
}

enum tone claim_tone(enum claim_verdict v)
{
    static const enum tone tones[CLAIM_VERDICTS] = {
        [CLAIM_HOLDS] = TONE_GOOD,
        [CLAIM_DOES_NOT_HOLD] = TONE_LOUD,
        [CLAIM_UNDECIDED] = TONE_NOTE,
        [CLAIM_UNTESTED] = TONE_QUIET,
    };
    return tones[v];
}

/* ---- numbers ---- */

/* A loss of 99.98 % is not one of 99.9 %. */
static int percent_decimals(double x)
{
    double p = fabs(100 * x);
    return p < 10 || (p > 90 && p < 100) ? 2 : p < 1000 ? 1 : 0;
}

static void number(double x, enum claim_measure m, int decimals, struct str *out)
{
    char text[UNIT_TEXT];

    if (m == MEASURE_FRACTION) {
        str_addf(out, "%.*f", decimals, 100 * x);
        return;
    }
    unit_value(fabs(x), text);
    str_addf(out, "%s%s", x < 0 ? "-" : "", text);
}

static const char *unit_of(const struct claim_item *c, enum claim_measure m)
{
    return m == MEASURE_FRACTION ? "%" : m == MEASURE_TIMES ? "times" : c->figure.unit;
}

static void add_unit(const struct claim_item *c, enum claim_measure m, struct str *out)
{
    const char *unit = unit_of(c, m);

    if (!unit[0])
        return;
    str_addc(out, ' ');
    text_inert(out, unit);
}

static void add_interval(const struct estimate *e, enum claim_measure m, int decimals,
                         struct str *out)
{
    if (!isfinite(e->lo) || !isfinite(e->hi))
        return;
    str_add(out, " [");
    number(e->lo, m, decimals, out);
    str_add(out, ", ");
    number(e->hi, m, decimals, out);
    str_addc(out, ']');
}

static void add_estimate(const struct claim_item *c, const struct estimate *e, enum claim_measure m,
                         struct str *out)
{
    int decimals = percent_decimals(e->value);

    number(e->value, m, decimals, out);
    add_unit(c, m, out);
    add_interval(e, m, decimals, out);
}

/* ---- evidence ---- */

static const struct claim_item *claim_at(const struct claims_view *v, size_t i)
{
    return &v->judged->claims->all.v[i];
}

static void add_label(const struct claims_view *v, const struct claim_result *r, uint32_t target,
                      struct str *out)
{
    text_inert(out, v->runs[r->run].a->head.plan.targets.v[target].label);
}

static const char *pair_sign(enum claim_answer holds)
{
    return holds == ANSWER_YES ? " < " : holds == ANSWER_NO ? " not < " : " ? ";
}

void claim_here(const struct claims_view *v, size_t i, struct str *out)
{
    const struct claim_result *r = &v->judged->v[i];
    const struct claim_item *c = claim_at(v, i);

    VEC_FOREACH (&r->pairs, const struct claim_pair, p) {
        if (p != r->pairs.v)
            str_add(out, "; ");
        add_label(v, r, p->less, out);
        str_add(out, pair_sign(p->holds));
        add_label(v, r, p->more, out);
        if (p->ratio.n == 0)
            continue;
        str_add(out, ": ");
        add_estimate(c, &p->ratio, MEASURE_TIMES, out);
    }
    if (r->e.n)
        add_estimate(c, &r->e, r->measure, out);
}

static void add_order(const struct claims *all, const struct claim_item *c, struct str *out)
{
    for (size_t g = 0; g < c->n_groups; g++) {
        str_add(out, g ? " < " : "");
        for (size_t k = 0; k < c->groups[g].n; k++) {
            str_add(out, k ? ", " : "");
            text_inert(out, all->names[c->groups[g].name[k]].name);
        }
    }
}

void claim_stated(const struct claims *all, const struct claim_item *c, struct str *out)
{
    double alike = 100 * all->alike;

    if (c->test == CLAIM_ORDER) {
        add_order(all, c, out);
        return;
    }
    switch (c->figure.is) {
    case IS_PRINTED: {
        struct claim_own own;
        claim_own_check(c, &own);
        str_addf(out, "%.4g%s by its figures", own.value,
                 c->printed.formula == FORMULA_OVERHEAD ? " %" : "");
        break;
    }
    case IS_ALIKE:
        str_addf(out, "alike (within %g %%)", alike);
        break;
    case IS_MUCH_MORE:
    case IS_MUCH_LESS:
        str_addf(out, "%s (by %g %% at the least)", c->figure.text, alike);
        break;
    default:
        text_inert(out, c->figure.text);
    }
}

static void add_bounds(const struct claim_item *c, const struct claim_result *r, struct str *out)
{
    bool lo = isfinite(r->lo), hi = isfinite(r->hi);
    int decimals = percent_decimals(isfinite(r->stated) ? r->stated : 0);

    str_add(out, lo && hi ? "" : lo ? "at least " : "at most ");
    if (lo)
        number(r->lo, r->measure, decimals, out);
    str_add(out, lo && hi ? " to " : "");
    if (hi)
        number(r->hi, r->measure, decimals, out);
    add_unit(c, r->measure, out);
}

static const char *answer_words(enum claim_answer a)
{
    return a == ANSWER_YES ? "holds" : a == ANSWER_NO ? "does not" : "is open";
}

void claim_why(const struct claims_view *v, size_t i, struct str *out)
{
    const struct claim_result *r = &v->judged->v[i];
    bool measured = r->verdict != CLAIM_UNTESTED && r->e.n > 0;

    if (r->reason[0]) {
        text_inert(out, r->reason);
        return;
    }
    bool both = r->direction == ANSWER_YES && r->size == ANSWER_YES;
    if (measured && r->direction != ANSWER_NONE && !both)
        str_addf(out, "direction %s, size %s", answer_words(r->direction), answer_words(r->size));
    enum claim_is is = claim_at(v, i)->figure.is;
    bool sign_alone = is == IS_MORE || is == IS_LESS;
    if (measured && r->size != ANSWER_YES && !sign_alone) {
        str_add(out, out->len ? ": " : "");
        add_bounds(claim_at(v, i), r, out);
        str_add(out, " would do");
    }
    if (r->negligible && r->verdict == CLAIM_HOLDS)
        str_add(out, out->len ? "; by less than matters" : "by less than matters");
}

void claim_of_what(const struct claims_view *v, size_t i, struct str *out)
{
    const struct claim_result *r = &v->judged->v[i];
    size_t blocks = r->e.n;

    if (r->run == SIZE_MAX || r->verdict == CLAIM_UNTESTED)
        return;
    VEC_FOREACH (&r->pairs, const struct claim_pair, p)
        blocks = blocks == 0 || p->ratio.n < blocks ? p->ratio.n : blocks;
    if (r->of != UINT32_MAX)
        add_label(v, r, r->of, out);
    if (r->over != UINT32_MAX) {
        str_add(out, " over ");
        add_label(v, r, r->over, out);
    }
    str_addf(out, "%sr%lld, %zu blocks", out->len ? ", " : "",
             (long long)v->runs[r->run].a->head.id, blocks);
}

void claim_own_words(const struct claims_view *v, size_t i, struct str *out)
{
    const struct claim_own *own = &v->judged->v[i].own;
    const struct claim_item *c = claim_at(v, i);
    bool percent = c->figure.scale == SCALE_PERCENT || c->printed.formula == FORMULA_OVERHEAD;

    if (!own->has || own->agrees == AGREES_UNSAID)
        return;
    str_addf(out, "the source's own figures (");
    for (size_t k = 0; k < c->printed.n; k++)
        str_addf(out, "%s%.*f", k ? ", " : "", (int)c->printed.decimals[k], c->printed.v[k]);
    str_addf(out, ") give %.4g%s", own->value, percent ? " %" : "");
    if (!percent)
        add_unit(c, c->figure.scale == SCALE_TIMES ? MEASURE_TIMES : MEASURE_PLAIN, out);
    if (own->agrees == AGREES_YES)
        str_add(out, ", as stated");
    else
        str_addf(out, ", %s",
                 own->agrees == AGREES_ROUNDING ? "which rounding could make "
                                                : "which contradicts ");
    if (own->agrees != AGREES_YES)
        text_inert(out, c->figure.text);
}
