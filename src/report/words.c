#include "report/words.h"

#include "report/figure.h"

#include <jansson.h>
#include <math.h>

/* From which ratio on a difference gets two signs, and three. */
#define LARGE 1.5
#define HUGE_ 10.0

bool cell_is_count(const struct cell *cell)
{
    return cell && cell->unit[0] && !cell->app;
}

const char *verdict_word(enum verdict v, const struct cell *cell)
{
    bool count = cell_is_count(cell);

    switch (v) {
    case VERDICT_SLOWER:
        return count ? "worse" : "slower";
    case VERDICT_FASTER:
        return count ? "better" : "faster";
    case VERDICT_EQUIVALENT:
        return "alike";
    case VERDICT_SMALL:
        return "slight";
    case VERDICT_EMULATED:
        return EMULATED_WORD;
    default:
        return "unsure";
    }
}

const char *failure_word(enum err_kind k)
{
    switch (k) {
    case ERR_TIMEOUT:
        return "timed out";
    case ERR_UNSUPPORTED:
        return "unsupported";
    case ERR_MEASUREMENT:
        return "bad data";
    case ERR_BUG:
        return "a bug of cupel";
    default:
        return "failed";
    }
}

void failure_sentence(const struct cell_result *r, struct str *out)
{
    char lo[UNIT_TEXT], hi[UNIT_TEXT];

    str_add(out, failure_word(r->fail_kind));
    if (r->status != CELL_SOME_FAILED)
        return;
    unit_percent(r->failure_lo, lo);
    unit_percent(r->failure_hi, hi);
    str_addf(out, " in %zu of %zu blocks", r->failed, r->tried);
    if (isfinite(r->failure_lo) && isfinite(r->failure_hi))
        str_addf(out, " (rate %s to %s)", lo, hi);
}

static void sign_set(const struct style *s, enum glyph g, unsigned n, struct cell_words *w)
{
    const char *one = style_glyph(s, g);

    w->glyph = g;
    w->sign[0] = '\0';
    for (size_t len = 0; n > 0 && len + strlen(one) < sizeof(w->sign); n--, len += strlen(one))
        str_copy(w->sign + len, sizeof(w->sign) - len, one);
}

static unsigned magnitude(double ratio)
{
    double r = ratio < 1 ? 1 / ratio : ratio;
    return r >= HUGE_ ? 3 : r >= LARGE ? 2 : 1;
}

void cell_words_unusable(const struct style *s, enum err_kind why, struct cell_words *ret)
{
    bool unsupported = why == ERR_UNSUPPORTED;

    *ret = (struct cell_words){.tone = unsupported ? TONE_QUIET : TONE_FAIL};
    sign_set(s, unsupported ? GLYPH_NONE : GLYPH_FAIL, 1, ret);
    str_copy(ret->word, sizeof(ret->word), failure_word(why));
}

void cell_words_emulated(const struct style *s, struct cell_words *ret)
{
    *ret = (struct cell_words){.tone = TONE_QUIET};
    sign_set(s, GLYPH_EMULATED, 1, ret);
    str_copy(ret->word, sizeof(ret->word), EMULATED_WORD);
}

void target_head(const struct analysis *a, size_t target, struct str *out)
{
    text_inert(out, a->head.plan.targets.v[target].label);
    if (a->emulated && a->emulated[target])
        str_add(out, " (" EMULATED_WORD ")");
}

enum err_kind target_why(const struct target_row *row)
{
    json_t *o = row->info ? json_loads(row->info, 0, NULL) : NULL;
    const char *name = json_string_value(json_object_get(o, "why"));
    enum err_kind why = name ? err_kind_parse(name) : ERR_NONE;

    json_decref(o);
    return why == ERR_NONE ? ERR_UNSUPPORTED : why;
}

/* Failures and gaps: what happened stands where the number would. True if that is all there is. */
static bool words_of_status(const struct style *s, const struct cell_result *r,
                            struct cell_words *w)
{
    if (r->status == CELL_NOT_MEASURED) {
        w->tone = TONE_QUIET;
        sign_set(s, GLYPH_NONE, 1, w);
        str_copy(w->word, sizeof(w->word), "not measured");
        return true;
    }
    if (r->status == CELL_FAILED) {
        cell_words_unusable(s, r->fail_kind, w);
        return true;
    }
    if (r->status == CELL_SOME_FAILED) {
        w->tone = TONE_FAIL;
        sign_set(s, GLYPH_FAIL, 1, w);
        str_format(w->word, sizeof(w->word), "%s %zu of %zu", failure_word(r->fail_kind), r->failed,
                   r->tried);
        return true;
    }
    return false;
}

static void half_set(const struct style *s, const struct estimate *e, double half,
                     struct cell_words *w)
{
    char percent[UNIT_TEXT];

    if (e->n == 0)
        return;
    if (!isfinite(half)) {
        str_format(w->half, sizeof(w->half), "n=%zu", e->n);
        return;
    }
    unit_percent(half, percent);
    str_format(w->half, sizeof(w->half), "%s%.20s", style_glyph(s, GLYPH_PLUS_MINUS), percent);
}

bool cell_lacks_base(const struct cell_result *r)
{
    return r->status != CELL_NOT_MEASURED && r->status != CELL_FAILED && !r->is_base &&
           !isfinite(r->ratio.value) && isfinite(r->absolute.value);
}

void cell_words_ratio(const struct style *s, const struct cell_result *r, const struct cell *cell,
                      struct cell_words *ret)
{
    double half = interval_half(r->ratio.lo, r->ratio.hi);

    if (cell && cell_lacks_base(r)) {
        cell_words_absolute(s, r, cell, ret);
        if (!ret->word[0])
            str_copy(ret->word, sizeof(ret->word), "no base");
        return;
    }
    *ret = (struct cell_words){.tone = TONE_PLAIN};
    if (words_of_status(s, r, ret))
        return;
    switch (r->verdict) {
    case VERDICT_SLOWER:
        ret->tone = magnitude(r->ratio.value) > 1 ? TONE_LOUD : TONE_NOTE;
        sign_set(s, GLYPH_SLOWER, magnitude(r->ratio.value), ret);
        break;
    case VERDICT_FASTER:
        ret->tone = TONE_GOOD;
        sign_set(s, GLYPH_FASTER, magnitude(r->ratio.value), ret);
        break;
    case VERDICT_EQUIVALENT:
        ret->tone = TONE_QUIET;
        sign_set(s, GLYPH_EQUAL, 1, ret);
        break;
    case VERDICT_SMALL:
        ret->tone = TONE_QUIET;
        sign_set(s, GLYPH_SLIGHT, 1, ret);
        break;
    case VERDICT_EMULATED:
        ret->tone = TONE_QUIET;
        sign_set(s, GLYPH_EMULATED, 1, ret);
        break;
    default:
        sign_set(s, GLYPH_UNSURE, 1, ret);
        break;
    }
    unit_ratio(r->ratio.value, half, ret->number);
    half_set(s, &r->ratio, half, ret);
    str_copy(ret->word, sizeof(ret->word), verdict_word(r->verdict, cell));
}

const char *flag_words(unsigned flag)
{
    static const struct {
        unsigned bit;
        const char *text;
    } remarks[] = {
        {CELL_FLAG_ASYMMETRIC, "the blocks are lopsided: median, mean and estimate differ by more "
                               "than the interval's half-width"},
        {CELL_FLAG_AUTOCORRELATED, "neighbouring blocks resemble each other: the interval is too "
                                   "narrow, more blocks would help"},
        {CELL_FLAG_NOT_STEADY, "not steady: the first third of the blocks differs from the rest"},
        {CELL_FLAG_DRIFT, "the guest's clock was off by more than 1 %"},
        {CELL_FLAG_TOO_FEW, "too few blocks for an interval"},
        {CELL_FLAG_NOISY_ENV, "the machine was disturbed in more than a tenth of the blocks"},
        {CELL_FLAG_MEMORY_FS, "its root file system is really memory"},
        {CELL_FLAG_NOT_COLD, "what was to be read cold was in a cache"},
        {CELL_FLAG_FSYNC, "its syncs cost less than half of the base's: are they honoured?"},
        {CELL_FLAG_HUGE_PAGES, "its memory has other huge pages than the base's"},
        {CELL_FLAG_PEER, "the server at the other end had no CPU time left: it was what limited"},
        {CELL_FLAG_EMULATED,
         "its CPU is emulated in software: no figure of it says anything of the hardware"},
        {CELL_FLAG_OTHER_MACHINE,
         "it ran on another machine than the base: the ratio is of the two machines, too"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(remarks); i++)
        if (remarks[i].bit == flag)
            return remarks[i].text;
    return "";
}

const char *report_cost_words(const struct plan *p)
{
    for (size_t i = 0; i < p->cells.n; i++)
        if (p->cells.v[i].unit[0])
            return "cost (time per operation, what a rate is the inverse of)";
    return "time per operation";
}

void cell_words_absolute(const struct style *s, const struct cell_result *r,
                         const struct cell *cell, struct cell_words *ret)
{
    *ret = (struct cell_words){.tone = TONE_PLAIN};
    if (words_of_status(s, r, ret))
        return;
    figure_parts(s, cell, r->absolute.value, ret->number, ret->unit);
    half_set(s, &r->absolute, interval_half(r->absolute.lo, r->absolute.hi), ret);
    if (r->flags & CELL_FLAG_EMULATED && ret->number[0])
        str_copy(ret->word, sizeof(ret->word), EMULATED_WORD);
}
