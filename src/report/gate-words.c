#include "report/gate-words.h"

#include "report/units.h"
#include "report/words.h"
#include "stats/gate.h"

#include <math.h>

enum tone gate_tone(enum gate_verdict v)
{
    return v == GATE_FAILED ? TONE_FAIL : v == GATE_PASSED ? TONE_GOOD : TONE_NOTE;
}

enum glyph gate_glyph(enum gate_state s)
{
    static const enum glyph glyphs[GATE_STATES] = {
        [GATE_BROKE] = GLYPH_FAIL,      [GATE_REGRESSED] = GLYPH_SLOWER,
        [GATE_UNSURE] = GLYPH_UNSURE,   [GATE_WITHIN] = GLYPH_GOOD,
        [GATE_UNCOMPARED] = GLYPH_NONE, [GATE_EMULATED] = GLYPH_EMULATED,
    };
    return glyphs[s];
}

void gate_head(const struct gate *g, struct str *out)
{
    str_addf(out, "gate %g %%: %s", 100 * g->gate, gate_verdict_name(gate_verdict(g)));
}

static size_t compared(const struct gate *g)
{
    return g->n - g->count[GATE_UNCOMPARED] - g->count[GATE_EMULATED];
}

static void of_comparisons(const struct analysis *a, const struct gate *g, struct str *out)
{
    str_addf(out, "%zu comparison%s with ", compared(g), compared(g) == 1 ? "" : "s");
    text_inert(out, a->head.plan.targets.v[a->head.base].label);
}

static void regressions(const struct gate *g, struct str *out)
{
    size_t slow = g->count[GATE_REGRESSED], broke = g->count[GATE_BROKE];

    if (slow)
        str_addf(out, "%zu proven to cost over %g %% more", slow, 100 * g->gate);
    if (broke)
        str_addf(out, "%s%zu fail%s where the base works", slow ? ", " : "", broke,
                 broke == 1 ? "s" : "");
}

static void power(const struct gate *g, struct str *out)
{
    char least[UNIT_TEXT];

    if (!isfinite(g->provable))
        return;
    unit_percent(g->provable, least);
    str_addf(out, " A regression of %s would have been proven %s, 4 times in 5.", least,
             compared(g) == 1 ? "there" : "in any of them");
}

void gate_sentence(const struct analysis *a, const struct gate *g, struct str *out)
{
    size_t unsure = g->count[GATE_UNSURE], left = g->count[GATE_UNCOMPARED];
    size_t emulated = g->count[GATE_EMULATED];

    if (compared(g) == 0) {
        str_addf(out, "Nothing could be compared: %s.",
                 emulated == 0 ? "the base has no figures"
                 : left        ? "the base has no figures, or the CPU is emulated"
                               : "the CPU is emulated (--emulated-too compares it)");
        return;
    }
    switch (gate_verdict(g)) {
    case GATE_FAILED:
        str_add(out, "Of ");
        of_comparisons(a, g, out);
        str_add(out, ": ");
        regressions(g, out);
        str_addf(out, unsure ? "; %zu cannot be told." : ".", unsure);
        break;
    case GATE_UNDECIDED:
        str_addf(out, "No regression is proven, but in %zu of ", unsure);
        of_comparisons(a, g, out);
        str_add(out, " one cannot be excluded: too few blocks, too noisy, or too near the gate.");
        break;
    default:
        str_add(out, compared(g) == 1 ? "The " : "All ");
        of_comparisons(a, g, out);
        str_addf(out, " lie%s under %g %% more with the whole interval.",
                 compared(g) == 1 ? "s" : "", 100 * g->gate);
        power(g, out);
    }
    if (left)
        str_addf(out, " Without a figure of the base: %zu.", left);
    if (emulated)
        str_addf(out, " Not compared, since the CPU is emulated: %zu.", emulated);
}

void gate_ratio(const struct gate_entry *e, struct str *out)
{
    const struct estimate *r = &e->result->ratio;
    char value[UNIT_TEXT], lo[UNIT_TEXT], hi[UNIT_TEXT];
    double half = interval_half(r->lo, r->hi);

    if (r->n == 0)
        return;
    unit_ratio(r->value, half, value);
    str_add(out, value);
    if (!isfinite(half))
        return;
    unit_ratio(r->lo, half, lo);
    unit_ratio(r->hi, half, hi);
    str_addf(out, " [%s, %s]", lo, hi);
}

void gate_p(const struct gate_entry *e, struct str *out)
{
    double p = e->state == GATE_BROKE ? e->failure_p : e->p;

    if (isnan(p))
        return;
    if (p < .0001)
        str_add(out, "p<0.0001");
    else
        str_addf(out, "p=%.2g", p);
}

static void why_broke(const struct analysis *a, const struct gate_entry *e, struct str *out)
{
    const struct cell_result *r = e->result;

    if (r->status == CELL_NOT_MEASURED) {
        str_add(out, "cannot be used here: ");
        text_inert(out, a->target_reason[r->target]);
        return;
    }
    if (r->failed == r->tried)
        str_addf(out, "%s in all %zu blocks: ", failure_word(r->fail_kind), r->tried);
    else
        str_addf(out,
                 "%s in %zu of %zu blocks, the base in %zu of them: ", failure_word(r->fail_kind),
                 r->failed, r->tried, r->failed - e->only_target);
    text_inert(out, r->fail_text);
}

static void why_unsure(const struct gate *g, const struct gate_entry *e, struct str *out)
{
    const struct cell_result *r = e->result;
    char least[UNIT_TEXT];

    if (e->only_target) {
        str_addf(out, "%s in %zu of %zu blocks where the base worked, which may be chance",
                 failure_word(r->fail_kind), e->only_target, r->tried);
        return;
    }
    if (r->ratio.n < g->min_blocks) {
        str_addf(out, "too few blocks: at least %zu are needed", g->min_blocks);
        return;
    }
    unit_percent(e->provable, least);
    if (r->ratio.lo > 1 + g->gate)
        str_add(out, "beyond the gate, but not after the adjustment for so many comparisons");
    else
        str_addf(out, "from %s on a regression would have been proven", least);
}

void gate_why(const struct analysis *a, const struct gate *g, const struct gate_entry *e,
              struct str *out)
{
    switch (e->state) {
    case GATE_BROKE:
        why_broke(a, e, out);
        break;
    case GATE_REGRESSED:
        str_addf(out, "over %g %% more", 100 * g->gate);
        if (e->only_target)
            str_addf(out, ", and %s in %zu of %zu blocks", failure_word(e->result->fail_kind),
                     e->only_target, e->result->tried);
        break;
    case GATE_UNSURE:
        why_unsure(g, e, out);
        break;
    case GATE_WITHIN:
        str_addf(out, "under %g %% more", 100 * g->gate);
        break;
    case GATE_EMULATED:
        str_add(out, "emulated CPU: not compared");
        break;
    default:
        str_add(out, "no figure of the base");
    }
}

static void entry_line(const struct analysis *a, const struct gate *g, const struct gate_entry *e,
                       const struct style *s, struct str *out)
{
    const struct cell_result *r = e->result;
    _cleanup_(str_release) struct str p = STR_INIT;

    str_addf(out, "%s %s on ", style_glyph(s, gate_glyph(e->state)),
             a->head.plan.cells.v[r->cell].name);
    text_inert(out, a->head.plan.targets.v[r->target].label);
    str_add(out, ": ");
    if (r->ratio.n && e->state != GATE_BROKE) {
        gate_ratio(e, out);
        str_addf(out, ", %zu block%s, ", r->ratio.n, r->ratio.n == 1 ? "" : "s");
    }
    gate_why(a, g, e, out);
    gate_p(e, &p);
    if (e->state == GATE_REGRESSED || (e->state == GATE_BROKE && p.len))
        str_addf(out, " (%s)", p.buf);
}

void gate_lines(const struct analysis *a, const struct gate *g, const struct style *s,
                note_line *line, void *user)
{
    for (size_t i = 0; i < g->n; i++) {
        _cleanup_(str_release) struct str text = STR_INIT;
        if (g->entries[i].state > GATE_UNSURE)
            break;
        entry_line(a, g, &g->entries[i], s, &text);
        line(user, text.buf);
    }
}
