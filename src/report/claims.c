/* Published claims on a terminal and as Markdown: by section, the verdict before the evidence. */
#include "report/claims-words.h"

#include "report/markdown.h"

#include <math.h>

/* ---- the head ---- */

static void source_line(const struct claims *c, struct str *out)
{
    text_inert(out, c->title);
    if (c->authors) {
        str_add(out, "; ");
        text_inert(out, c->authors);
    }
    if (c->year) {
        str_add(out, "; ");
        text_inert(out, c->year);
    }
}

static void counts_line(const struct claims_view *v, struct str *out)
{
    const struct claims_judged *j = v->judged;

    str_addf(out, "%zu claims: ", j->claims->all.n);
    for (enum claim_verdict k = 0; k < CLAIM_VERDICTS; k++)
        str_addf(out, "%s%zu %s", k ? ", " : "", j->count[k], claim_verdict_plural(k));
}

static void rule_line(const struct claims *c, struct str *out)
{
    str_addf(out,
             "a stated figure holds where the whole interval lies within %g %% of it (of the extra "
             "time or space, %g points at the least); alike: within %g %%; each interval is at 95 "
             "%%, so some of so many will be wrong",
             100 * c->relative, 100 * c->points, 100 * c->alike);
}

static void put_conditions(const struct claims_view *v, const struct style *s, struct str *out)
{
    size_t width = 0;

    str_add(out, "\nconditions: there; here\n");
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0;; i++) {
            _cleanup_(str_release) struct str name = STR_INIT, there = STR_INIT, here = STR_INIT,
                                              lead = STR_INIT;
            if (!claims_condition(v, i, &name, &there, &here))
                break;
            width = text_width(name.buf) > width ? text_width(name.buf) : width;
            if (pass == 0 || !name.len)
                continue;
            str_add(&lead, "  ");
            text_pad(&lead, name.buf, width + 2, false);
            str_addf(&there, "; here: %s", here.buf);
            text_wrap(out, s, lead.buf, (unsigned)width + 4, there.buf);
        }
    }
}

/* ---- a claim ---- */

/* Claims of a section stand together, whatever their order in the file. */
static bool first_of_section(const struct claims *c, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (str_eq(c->all.v[k].section, c->all.v[i].section))
            return false;
    return true;
}

static void put_line(const char *text, const struct style *s, struct str *out)
{
    if (text[0])
        text_wrap(out, s, "      ", 8, text);
}

static void verdict_line(const struct claims_view *v, size_t i, struct str *out)
{
    const struct claim_item *c = &v->judged->claims->all.v[i];
    const struct claim_result *r = &v->judged->v[i];
    _cleanup_(str_release) struct str here = STR_INIT, why = STR_INIT, of = STR_INIT;

    claim_here(v, i, &here);
    claim_why(v, i, &why);
    claim_of_what(v, i, &of);
    str_add(out, claim_verdict_words(r->verdict));
    if (r->verdict == CLAIM_UNTESTED)
        str_addf(out, ", because %s", why.buf);
    if (here.len)
        str_addf(out, ": %s", here.buf);
    /* A word, or an order, is in the claim's text. */
    if (here.len && r->verdict != CLAIM_UNTESTED && c->test != CLAIM_ORDER &&
        c->figure.is < IS_ALIKE) {
        str_add(out, ", stated ");
        claim_stated(v->judged->claims, c, out);
    }
    if (of.len)
        str_addf(out, " (%s)", of.buf);
    if (why.len && r->verdict != CLAIM_UNTESTED)
        str_addf(out, "; %s", why.buf);
    if (c->test == CLAIM_FIGURES)
        str_add(out, ", by the source's own figures: nothing is measured");
}

static void put_claim(const struct claims_view *v, size_t i, const struct style *s, struct str *out)
{
    const struct claim_item *c = &v->judged->claims->all.v[i];
    const struct claim_result *r = &v->judged->v[i];
    _cleanup_(str_release) struct str text = STR_INIT, wrapped = STR_INIT, verdict = STR_INIT,
                                      own = STR_INIT, note = STR_INIT;
    struct style rest = *s;

    str_addf(out, "  %s%s%s ", tone_on(s, claim_tone(r->verdict)),
             style_glyph(s, claim_glyph(r->verdict)), tone_off(s, claim_tone(r->verdict)));
    str_addf(&text, "%s ", c->id);
    if (c->place[0]) {
        str_addc(&text, '(');
        text_inert(&text, c->place);
        str_add(&text, ") ");
    }
    text_inert(&text, c->text);
    /* Beside the sign, whose colour takes no column. */
    rest.width = s->width > 4 ? s->width - 4 : s->width;
    text_wrap(&wrapped, &rest, "", 2, text.buf);
    for (const char *p = wrapped.buf; *p; p++) {
        str_addc(out, *p);
        if (*p == '\n' && p[1])
            str_add(out, "    ");
    }
    verdict_line(v, i, &verdict);
    put_line(verdict.buf, s, out);
    claim_own_words(v, i, &own);
    put_line(own.buf, s, out);
    if (c->note[0]) {
        str_add(&note, "note: ");
        text_inert(&note, c->note);
    }
    put_line(note.buf, s, out);
}

static void put_more(const struct claims_view *v, const struct style *s, struct str *out)
{
    for (size_t i = 0;; i++) {
        _cleanup_(str_release) struct str command = STR_INIT, line = STR_INIT;
        size_t n;
        if (!claims_more(v, i, &command, &n))
            return;
        if (i == 0)
            text_wrap(out, s, "\n", 2,
                      "to test more, and then: cupel replicate --from RUN --from RUN ...");
        str_addf(&line, "%s (%zu claim%s)", command.buf, n, n == 1 ? "" : "s");
        text_wrap(out, s, "  ", 4, line.buf);
    }
}

void report_claims(const struct claims_view *v, const struct style *s, struct str *out)
{
    const struct claims *c = v->judged->claims;
    _cleanup_(str_release) struct str head = STR_INIT, counts = STR_INIT, rule = STR_INIT;

    str_addf(&head, "%s: ", c->name);
    source_line(c, &head);
    text_wrap(out, s, "", 2, head.buf);
    if (c->url) {
        text_inert(out, c->url);
        str_addc(out, '\n');
    }
    counts_line(v, &counts);
    text_wrap(out, s, "", 2, counts.buf);
    rule_line(c, &rule);
    text_wrap(out, s, "", 2, rule.buf);
    if (v->n_runs)
        put_conditions(v, s, out);
    for (size_t i = 0; i < c->all.n; i++) {
        const char *section = c->all.v[i].section;
        if (!first_of_section(c, i))
            continue;
        str_addf(out, "\n%s", tone_on(s, TONE_HEAD));
        text_inert(out, section[0] ? section : "without a section");
        str_addf(out, "%s\n", tone_off(s, TONE_HEAD));
        for (size_t k = i; k < c->all.n; k++)
            if (str_eq(c->all.v[k].section, section))
                put_claim(v, k, s, out);
    }
    put_more(v, s, out);
}

/* ---- Markdown ---- */

static void md_row(const struct claims_view *v, size_t i, struct str *out)
{
    const struct style plain = {.utf8 = true};
    const struct claim_item *c = &v->judged->claims->all.v[i];
    const struct claim_result *r = &v->judged->v[i];
    _cleanup_(str_release) struct str stated = STR_INIT, here = STR_INIT, why = STR_INIT,
                                      of = STR_INIT, own = STR_INIT;

    claim_stated(v->judged->claims, c, &stated);
    claim_here(v, i, &here);
    claim_why(v, i, &why);
    claim_of_what(v, i, &of);
    claim_own_words(v, i, &own);
    str_addf(out, "| %s | ", c->id);
    md_text(out, c->place);
    str_add(out, " | ");
    md_text(out, c->text);
    str_add(out, " | ");
    md_text(out, stated.buf);
    str_addf(out, " | %s %s | ", style_glyph(&plain, claim_glyph(r->verdict)),
             claim_verdict_words(r->verdict));
    md_text(out, here.buf);
    if (of.len) {
        str_add(out, " (");
        md_text(out, of.buf);
        str_addc(out, ')');
    }
    str_add(out, " | ");
    const char *const remarks[] = {why.buf, own.buf, c->note};
    bool any = false;
    for (size_t k = 0; k < ARRAY_SIZE(remarks); k++) {
        if (!remarks[k][0])
            continue;
        str_add(out, any ? "; " : "");
        md_text(out, remarks[k]);
        any = true;
    }
    str_add(out, " |\n");
}

static void md_conditions(const struct claims_view *v, struct str *out)
{
    str_add(out, "\n| condition | there | here |\n|---|---|---|\n");
    for (size_t i = 0;; i++) {
        _cleanup_(str_release) struct str name = STR_INIT, there = STR_INIT, here = STR_INIT;
        if (!claims_condition(v, i, &name, &there, &here))
            return;
        if (!name.len)
            continue;
        str_add(out, "| ");
        md_text(out, name.buf);
        str_add(out, " | ");
        md_text(out, there.buf);
        str_add(out, " | ");
        md_text(out, here.buf);
        str_add(out, " |\n");
    }
}

void report_claims_markdown(const struct claims_view *v, struct str *out)
{
    const struct claims *c = v->judged->claims;
    _cleanup_(str_release) struct str source = STR_INIT, counts = STR_INIT, rule = STR_INIT;

    source_line(c, &source);
    str_add(out, "# ");
    md_text(out, source.buf);
    str_add(out, "\n\n");
    if (c->url) {
        md_text(out, c->url);
        str_add(out, "\n\n");
    }
    counts_line(v, &counts);
    rule_line(c, &rule);
    str_addf(out, "%s; %s.\n", counts.buf, rule.buf);
    if (v->n_runs)
        md_conditions(v, out);
    for (size_t i = 0; i < c->all.n; i++) {
        const char *section = c->all.v[i].section;
        if (!first_of_section(c, i))
            continue;
        str_add(out, "\n## ");
        md_text(out, section[0] ? section : "without a section");
        str_add(out, "\n\n| | place | claim | stated | verdict | here | remarks |\n"
                     "|---|---|---|---|---|---|---|\n");
        for (size_t k = i; k < c->all.n; k++)
            if (str_eq(c->all.v[k].section, section))
                md_row(v, k, out);
    }
    for (size_t i = 0;; i++) {
        _cleanup_(str_release) struct str command = STR_INIT;
        size_t n;
        if (!claims_more(v, i, &command, &n))
            return;
        str_addf(out, "%s- `%s` would test %zu more.\n", i ? "" : "\n", command.buf, n);
    }
}
