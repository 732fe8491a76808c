#include "report/advise-words.h"

#include "analyse/chapter.h"

#include <inttypes.h>
#include <math.h>

#define BLOCKS_MAX 1000 /* more than these nobody measures */
#define NAMES_MAX  6    /* of cells, in one line */

enum figure { RATIO, TIME, BYTES, COUNT, YES_NO };

static const struct {
    const char *title;
    enum figure figure;
    const char *unit;
    const char *options; /* of `cupel run`, to measure it */
} words[ADVISE_KINDS] = {
    [ADVISE_LOSS] = {"loss", RATIO, "ratio", " --suite quick"},
    [ADVISE_START] = {"start", TIME, "ns", " --workload life.start --workload life.start@cold"},
    [ADVISE_MEMORY] = {"memory of one", BYTES, "bytes", " --suite density"},
    [ADVISE_FIT] = {"per machine", COUNT, "count", " --suite density"},
    [ADVISE_BESIDE] = {"beside", RATIO, "factor", " --suite matrix"},
    [ADVISE_CALLS] = {"host calls possible", COUNT, "count", " --suite reach"},
    [ADVISE_MADE] = {"host calls made", COUNT, "count", " --suite reach"},
    [ADVISE_CAPS] = {"host capabilities", COUNT, "count", " --suite reach"},
    [ADVISE_NAMESPACES] = {"host namespaces", COUNT, "count", " --suite reach"},
    [ADVISE_PATHS] = {"host paths", COUNT, "count", " --suite reach"},
    [ADVISE_ANSWERED] = {"calls answered", COUNT, "count", " --suite reach"},
    [ADVISE_KERNEL] = {"kernel of its own", YES_NO, "yes or no", " --suite quick"},
};

const char *advise_unit(enum advise_kind k)
{
    return words[k].unit;
}

static void value_parts(const struct style *s, enum advise_kind k, double v, double half,
                        char num[UNIT_TEXT], char unit[UNIT_TEXT])
{
    unit[0] = '\0';
    switch (words[k].figure) {
    case RATIO:
        unit_ratio(v, half, num);
        break;
    case TIME:
        unit_ns_parts(s, v, num, unit);
        break;
    case BYTES: {
        unit_bytes(v > 0 ? (uint64_t)v : 0, num);
        char *blank = strchr(num, ' ');
        if (blank) {
            str_copy(unit, UNIT_TEXT, blank + 1);
            *blank = '\0';
        }
        break;
    }
    case COUNT:
        str_format(num, UNIT_TEXT, "%.6g", v);
        break;
    case YES_NO:
        str_copy(num, UNIT_TEXT, v > 0 ? "yes" : "no");
        break;
    }
}

static void value_text(const struct style *s, enum advise_kind k, double v, double half,
                       struct str *out)
{
    char num[UNIT_TEXT], unit[UNIT_TEXT];

    value_parts(s, k, v, half, num, unit);
    str_addf(out, "%s%s%s", num, unit[0] ? " " : "", unit);
}

void advise_limit_words(const struct style *s, const struct advise_limit *l, struct str *out)
{
    if (l->kind != ADVISE_BESIDE || !l->pattern[0])
        str_add(out, words[l->kind].title);
    if (l->kind == ADVISE_LOSS)
        str_add(out, l->pattern[0] ? " on " : " on all work");
    else if (l->kind == ADVISE_BESIDE && !l->pattern[0])
        str_add(out, " a neighbour");
    text_inert(out, l->pattern);
    if (isnan(l->bound) || l->kind == ADVISE_KERNEL)
        return;
    str_addf(out, " %s ",
             advise_kind_at_least(l->kind) ? style_glyph(s, GLYPH_AT_LEAST)
                                           : style_glyph(s, GLYPH_AT_MOST));
    if (words[l->kind].figure == RATIO)
        str_addf(out, "%.6g",
                 l->bound); /* as it was given: figures have the digits they are worth */
    else
        value_text(s, l->kind, l->bound, INFINITY, out);
}

/* ---- in a table ---- */

static void sign_set(const struct style *s, enum glyph g, enum tone tone, struct cell_words *w)
{
    w->glyph = g;
    w->tone = tone;
    str_copy(w->sign, sizeof(w->sign), style_glyph(s, g));
}

static void verdict_signs(const struct style *s, enum advise_verdict v, struct cell_words *w)
{
    switch (v) {
    case ADVISE_MEETS:
        sign_set(s, GLYPH_GOOD, TONE_GOOD, w);
        break;
    case ADVISE_FAILS:
        sign_set(s, GLYPH_FAIL, TONE_FAIL, w);
        break;
    case ADVISE_UNDECIDED:
        sign_set(s, GLYPH_UNSURE, TONE_PLAIN, w);
        break;
    case ADVISE_NOT_MEASURED:
        sign_set(s, GLYPH_NONE, TONE_QUIET, w);
        break;
    }
}

static void half_words(const struct style *s, const struct advise_finding *f, struct cell_words *w)
{
    double half = interval_half(f->e.lo, f->e.hi);
    char percent[UNIT_TEXT];

    unit_percent(half, percent);
    if (f->at_least)
        str_copy(w->half, sizeof(w->half), "or more");
    else if (f->e.n && !isfinite(half))
        str_format(w->half, sizeof(w->half), "n=%zu", f->e.n);
    else if (f->e.n && half > 0)
        str_format(w->half, sizeof(w->half), "%s%.20s", style_glyph(s, GLYPH_PLUS_MINUS), percent);
}

/* Without a bound the worst figure there is; what failed has none, and is counted. */
static const struct advise_finding *worst_figure(const struct advise_answer *answer,
                                                 size_t *ret_failed)
{
    const struct advise_finding *first = &answer->findings.v[0];

    *ret_failed = 0;
    VEC_FOREACH (&answer->findings, const struct advise_finding, f) {
        *ret_failed += f->failed;
        if (first->failed && !f->failed && isfinite(f->e.value))
            first = f;
    }
    return first;
}

void advise_words(const struct style *s, const struct analysis *a, const struct advise *v,
                  size_t limit, uint32_t target, struct cell_words *ret)
{
    const struct advise_limit *l = &v->limits[limit];
    const struct advise_answer *answer = advise_at(v, limit, target);
    const struct advise_finding *f = &answer->findings.v[0];
    size_t failed = 0;

    if (isnan(l->bound))
        f = worst_figure(answer, &failed);
    *ret = (struct cell_words){.tone = TONE_PLAIN, .glyph = GLYPH_NONE};
    if (!isnan(l->bound) || answer->verdict != ADVISE_MEETS)
        verdict_signs(s, answer->verdict, ret);
    if (f->failed) {
        str_copy(ret->word, sizeof(ret->word), failure_word(f->cell->fail_kind));
    } else if (!a->targets[target].usable) {
        cell_words_unusable(s, target_why(&a->targets[target]), ret);
    } else if (!isfinite(f->e.value)) {
        str_copy(ret->word, sizeof(ret->word), f->at_least ? "not known" : "not measured");
    } else if (words[l->kind].figure == YES_NO) {
        str_copy(ret->word, sizeof(ret->word),
                 f->e.n           ? "not known"
                 : f->e.value > 0 ? "yes"
                                  : "no");
    } else {
        value_parts(s, l->kind, f->e.value, interval_half(f->e.lo, f->e.hi), ret->number,
                    ret->unit);
        half_words(s, f, ret);
        if (failed)
            str_format(ret->word, sizeof(ret->word), "%zu failed", failed);
    }
}

/* ---- one finding ---- */

/* "20 % beyond it", "3.2 times as much as it", "4 too many". */
static void beyond(const struct advise_limit *l, const struct advise_finding *f, struct str *out)
{
    bool at_least = advise_kind_at_least(l->kind);
    double over = at_least ? l->bound / f->e.value : f->e.value / l->bound;
    char text[UNIT_TEXT];

    if (words[l->kind].figure == COUNT) {
        str_addf(out, "%g too %s", fabs(f->e.value - l->bound), at_least ? "few" : "many");
        return;
    }
    if (over < 1.5) {
        unit_percent(over - 1, text);
        str_addf(out, "%s beyond", text);
    } else {
        unit_ratio(over, INFINITY, text);
        str_addf(out, "%s times the limit", text);
    }
}

static void figure_words(const struct style *s, const struct advise_limit *l,
                         const struct advise_finding *f, struct str *out)
{
    double half = interval_half(f->e.lo, f->e.hi);

    value_text(s, l->kind, f->e.value, half, out);
    if (f->at_least)
        str_add(out, " or more");
    if (f->e.n && isfinite(f->e.lo) && isfinite(f->e.hi)) {
        str_add(out, " [");
        value_text(s, l->kind, f->e.lo, half, out);
        str_add(out, ", ");
        value_text(s, l->kind, f->e.hi, half, out);
        str_addc(out, ']');
    }
    if (f->e.n)
        str_addf(out, ", %zu block%s", f->e.n, f->e.n == 1 ? "" : "s");
}

static void undecided_words(const struct advise_finding *f, struct str *out)
{
    if (f->at_least)
        str_add(out,
                "; what some of its processes could make is not known, and blocks do not tell");
    else if (f->blocks && f->blocks <= BLOCKS_MAX)
        str_addf(out, "; about %zu blocks might decide", f->blocks);
    else if (f->blocks)
        str_add(out, "; too close to the limit for more blocks to decide");
    else if (f->e.n && !isfinite(f->e.lo))
        str_add(out, "; too few blocks for an interval");
}

/* Where that is not what the verdict says already. */
static void remark_words(const struct advise_limit *l, const struct advise_finding *f,
                         struct str *out)
{
    if (f->remark[0]) {
        str_add(out, out->len ? "; " : "");
        text_inert(out, f->remark);
    }
    if (f->broken)
        str_addf(out, "; the aggressor took more than its limits allowed in %zu of %zu blocks",
                 f->broken, f->limits);
    /* What disturbs times does not disturb counts. */
    bool counted = words[l->kind].figure == COUNT && l->kind != ADVISE_FIT;
    for (unsigned bit = 1; f->cell && !counted && bit <= CELL_FLAG_OTHER_MACHINE; bit <<= 1) {
        /* Of a figure that is no ratio, what was found of the ratios does not count; of too few
         * blocks for an interval, and of an emulated CPU, the verdict tells. */
        bool of_ratio = bit <= CELL_FLAG_NOT_STEADY;
        if ((f->cell->flags & bit) && bit != CELL_FLAG_TOO_FEW && bit != CELL_FLAG_EMULATED &&
            (l->kind == ADVISE_LOSS || !of_ratio))
            str_addf(out, "; %s", flag_words(bit));
    }
}

void advise_finding_words(const struct style *s, const struct analysis *a,
                          const struct advise_limit *l, const struct advise_finding *f,
                          struct str *out)
{
    _cleanup_(str_release) struct str rest = STR_INIT;
    size_t from = out->len;

    if (f->cells > 1)
        str_addf(out, "mean of %zu cells: ", f->cells);
    else if (f->cell && !str_eq(a->head.plan.cells.v[f->cell->cell].name, l->pattern))
        str_addf(out, "%s: ", a->head.plan.cells.v[f->cell->cell].name);
    if (f->failed) {
        failure_sentence(f->cell, out);
        if (f->cell->fail_text[0]) {
            str_add(out, ": ");
            text_inert(out, f->cell->fail_text);
        }
        if (isfinite(f->e.value)) {
            str_add(out, "; where it worked ");
            figure_words(s, l, f, out);
        }
        return;
    }
    if (!isfinite(f->e.value)) {
        if (f->remark[0])
            text_inert(out, f->remark);
        else
            str_add(out, "not measured");
        return;
    }
    if (words[l->kind].figure != YES_NO)
        figure_words(s, l, f, out);
    if (f->verdict == ADVISE_FAILS && words[l->kind].figure != YES_NO && l->bound > 0) {
        str_add(out, ", ");
        beyond(l, f, out);
    }
    if (f->verdict == ADVISE_UNDECIDED && words[l->kind].figure != YES_NO)
        undecided_words(f, out);
    remark_words(l, f, &rest);
    if (out->len == from && str_starts(rest.buf, "; "))
        str_add(out, rest.buf + 2);
    else if (rest.len)
        str_addf(out, "%s%s", out->len == from || str_starts(rest.buf, "; ") ? "" : "; ", rest.buf);
}

/* ---- the answer ---- */

static size_t count(const struct advise *v, enum advise_verdict what)
{
    size_t n = 0;

    for (size_t t = 0; t < v->n_targets; t++)
        n += v->candidate[t] && v->verdicts[t] == what;
    return n;
}

static void join(struct str *out, const struct analysis *a, uint32_t target, size_t i, size_t n)
{
    str_add(out, i == 0 ? "" : i + 1 == n ? " and " : ", ");
    text_inert(out, a->head.plan.targets.v[target].label);
}

static void labels(const struct analysis *a, const struct advise *v, enum advise_verdict what,
                   struct str *out)
{
    size_t n = count(v, what), i = 0;

    for (uint32_t t = 0; t < v->n_targets; t++)
        if (v->candidate[t] && v->verdicts[t] == what)
            join(out, a, t, i++, n);
}

bool advise_answer_words(const struct style *s, const struct analysis *a, const struct advise *v,
                         size_t i, struct str *out)
{
    const char *it = v->n_limits == 1 ? "it" : "all of them";
    static const enum advise_verdict order[] = {ADVISE_MEETS, ADVISE_UNDECIDED, ADVISE_NOT_MEASURED,
                                                ADVISE_FAILS};
    struct cell_words w = {.tone = TONE_PLAIN};

    if (i >= ARRAY_SIZE(order))
        return false;
    size_t n = count(v, order[i]);
    if (i == 0 && n == 0) {
        str_addf(out, "No target is shown to meet %s.", it);
        return true;
    }
    if (n == 0)
        return true;
    verdict_signs(s, order[i], &w);
    str_addf(out, "%s ", w.sign);
    if (i == 0)
        for (size_t k = 0; k < v->meets.n; k++)
            join(out, a, v->meets.v[k], k, v->meets.n);
    else
        labels(a, v, order[i], out);
    switch (order[i]) {
    case ADVISE_MEETS:
        str_addf(out, " meet%s %s.", n == 1 ? "s" : "", it);
        break;
    case ADVISE_UNDECIDED:
        str_add(out, ": undecided; the figures do not tell.");
        break;
    case ADVISE_NOT_MEASURED:
        str_add(out, ": not known; something was not measured.");
        break;
    case ADVISE_FAILS:
        str_addf(out, " do%s not.", n == 1 ? "es" : "");
        break;
    }
    return true;
}

static bool overlap(const struct estimate *a, const struct estimate *b)
{
    return !(a->lo > b->hi || b->lo > a->hi);
}

void advise_order_words(const struct analysis *a, const struct advise *v, struct str *out)
{
    const struct style plain = {.utf8 = false};
    bool alike = true;

    if (v->meets.n < 2 || v->order_by.n == 0)
        return;
    const struct advise_limit *l = &v->limits[v->order_by.v[0]];
    if (l->kind == ADVISE_LOSS) {
        str_add(out, v->order_by.n == 1 && !l->pattern[0]
                         ? "In the order of the mean of all work, the cheapest first"
                         : "In the order of the dearest of the work named, the cheapest first");
    } else {
        struct advise_limit name = *l;
        name.bound = NAN;
        str_add(out, "In the order of ");
        advise_limit_words(&plain, &name, out);
        str_addf(out, ", the %s first", advise_kind_at_least(l->kind) ? "most" : "least");
    }
    for (size_t i = 0; i < v->meets.n; i++)
        for (size_t k = 0; k < i; k++)
            alike = alike && overlap(&v->key[v->meets.v[k]], &v->key[v->meets.v[i]]);
    for (size_t i = 1; !alike && i < v->meets.n; i++)
        if (overlap(&v->key[v->meets.v[i - 1]], &v->key[v->meets.v[i]])) {
            str_add(out, "; ");
            join(out, a, v->meets.v[i - 1], 0, 2);
            join(out, a, v->meets.v[i], 1, 2);
            str_add(out, " cannot be told apart in it");
        }
    str_add(out, alike ? "; they cannot be told apart in it." : ".");
}

/* ---- what was not measured ---- */

/* " --workload A --workload B" of "A, B". */
static void workload_options(const char *names, struct str *out)
{
    while (*names) {
        size_t n = strcspn(names, ",");
        _cleanup_free_ char *name = xstrndup(names, n);
        str_add(out, " --workload ");
        report_shell_word(name, out);
        names += n + strspn(names + n, ", ");
    }
}

/* names: of the cells that are missing, "A, B"; "": all that the limit is about. */
static void command_for(const struct analysis *a, const struct advise_limit *l, const char *names,
                        struct str *out)
{
    str_add(out, "cupel run");
    if (names[0] || l->pattern[0])
        workload_options(names[0] ? names : l->pattern, out);
    else
        str_add(out, words[l->kind].options);
    bool aggressor = l->kind == ADVISE_BESIDE && !str_starts(l->pattern, "neighbour");
    if (aggressor && l->pattern[0])
        str_add(out, " --limit cpus=1,memory=256M,pids=256,io=100M");
    for (uint32_t t = 0; t < a->n_targets; t++)
        /* A neighbour's cost is the target's own: there the host would be in danger for nothing. */
        if (a->targets[t].usable &&
            !(aggressor && str_eq(a->head.plan.targets.v[t].driver, "host")))
            report_again_target(a, t, out);
}

static bool has_figure(const struct analysis *a, const struct advise *v, size_t limit)
{
    for (uint32_t t = 0; t < v->n_targets; t++) {
        const struct advise_finding *f = &advise_at(v, limit, t)->findings.v[0];
        if (v->candidate[t] && a->targets[t].usable && (f->failed || isfinite(f->e.value)))
            return true;
    }
    return false;
}

/* The first few of a list. */
static void some_names(const struct advise_row *row, struct str *out)
{
    size_t shown = row->n_missing < NAMES_MAX ? row->n_missing : NAMES_MAX, n = 0;
    const char *end = row->missing.buf;

    for (; *end; end++)
        if (*end == ',' && ++n == shown)
            break;
    str_addn(out, row->missing.buf, (size_t)(end - row->missing.buf));
    if (row->n_missing > shown)
        str_addf(out, " and %zu more", row->n_missing - shown);
}

bool advise_missing(const struct analysis *a, const struct advise *v, size_t i, struct str *what,
                    struct str *command)
{
    const struct style ascii = {.utf8 = false};

    if (i >= v->n_limits)
        return false;
    struct advise_limit name = v->limits[i];
    const struct advise_row *row = &v->rows[i];
    bool any = has_figure(a, v, i);
    name.bound = NAN;
    if (any && !row->missing.len)
        return true;
    advise_limit_words(&ascii, &name, what);
    if (any) {
        str_addf(what, " is decided by %zu cell%s of this run; not in it: ", row->cells,
                 row->cells == 1 ? "" : "s");
        some_names(row, what);
    }
    /* Half of the catalogue is nobody's next step. */
    if (!any || row->n_missing <= NAMES_MAX)
        command_for(a, &v->limits[i], any ? row->missing.buf : "", command);
    return true;
}

void advise_chapters_missing(const struct analysis *a, struct str *out)
{
    for (enum chapter c = 0; c < CHAPTER_OTHER; c++) {
        bool any = c == CHAPTER_APPS; /* there are as many as anybody makes */
        for (size_t i = 0; i < a->n_cells; i++)
            any = any || chapter_of(&a->head.plan.cells.v[i]) == c;
        if (!any)
            str_addf(out, "%s%s", out->len ? ", " : "", chapter_title(c));
    }
}

void advise_again(const struct analysis *a, const struct advise_finding *f, struct str *out)
{
    if (f->verdict != ADVISE_UNDECIDED || !f->cell || !f->blocks || f->blocks > BLOCKS_MAX)
        return;
    report_again_longer(a, f->cell->cell, f->cell->target, (unsigned)f->blocks, out);
}

const struct warning *advise_warning(const struct analysis *a, enum warning_kind k, int32_t target)
{
    const struct warning *worst = NULL;

    for (size_t i = 0; i < a->n_warnings; i++) {
        const struct warning *w = &a->warnings[i];
        if (w->kind == k && w->target == target && (!worst || w->value > worst->value))
            worst = w;
    }
    return worst;
}
