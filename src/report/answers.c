#include "report/answers.h"

#include "report/report.h"
#include "report/words.h"

#include <math.h>

#define TIMES_FROM 1.5 /* "53 % more", but "1.6 times as much" */

static void label(const struct analysis *a, size_t target, struct str *out)
{
    text_inert(out, a->head.plan.targets.v[target].label);
}

void answer_what(const struct analysis *a, struct str *out)
{
    char elapsed[UNIT_TEXT];

    unit_elapsed(a->elapsed_ns, elapsed);
    if (a->head.plan.suite[0])
        str_addf(out, "%s: ", a->head.plan.suite);
    str_addf(out, "%zu workload%s on %zu target%s, %zu block%s in %s", a->n_cells,
             a->n_cells == 1 ? "" : "s", a->n_targets, a->n_targets == 1 ? "" : "s", a->n_blocks,
             a->n_blocks == 1 ? "" : "s", elapsed);
    if (a->n_targets > 1) {
        str_add(out, ", compared with ");
        label(a, a->head.base, out);
    }
    str_add(out, ". Every figure comes with its 95 % interval");
    if (isfinite(a->noise_floor)) {
        char floor[UNIT_TEXT];
        unit_percent(a->noise_floor, floor);
        str_addf(out, "; differences from %s on can be told here", floor);
    }
    str_addc(out, '.');
}

/* as: what it is compared with, NULL where that was said. */
static void cost(const struct estimate *e, const char *as, struct str *out)
{
    char text[UNIT_TEXT];
    double ratio = e->value;

    if (e->lo <= 1 && e->hi >= 1) {
        str_addf(out, "about as much%s%s", as ? " as " : "", as ? as : "");
        return;
    }
    if (ratio >= TIMES_FROM) {
        unit_ratio(ratio, INFINITY, text);
        str_addf(out, "%s times as much%s%s", text, as ? " as " : "", as ? as : "");
        return;
    }
    unit_percent(fabs(ratio - 1), text);
    str_addf(out, "%s %s%s%s", text, ratio < 1 ? "less" : "more", as ? " than " : "", as ? as : "");
}

static void interval(const struct estimate *e, struct str *out)
{
    char lo[UNIT_TEXT], hi[UNIT_TEXT];
    double half = interval_half(e->lo, e->hi);

    if (!isfinite(half))
        return;
    unit_ratio(e->lo, half, lo);
    unit_ratio(e->hi, half, hi);
    str_addf(out, " [%s, %s]", lo, hi);
}

static bool has_mean(const struct analysis *a, size_t target)
{
    return a->geomean && target != a->head.base && a->geomean[target].n > 0 &&
           isfinite(a->geomean[target].value);
}

/* Cells of work, which the composite of target is made of, of how many. */
static size_t cells_with_ratio(const struct analysis *a, size_t target, size_t *ret_all)
{
    size_t n = 0;

    *ret_all = 0;
    for (size_t i = 0; i < a->n_cells; i++) {
        const struct estimate *e = &analysis_at(a, i, target)->ratio;
        if (!analysis_is_work(&a->head.plan.cells.v[i]))
            continue;
        (*ret_all)++;
        n += isfinite(e->value) && e->n;
    }
    return n;
}

/* The next dearer than `after` (SIZE_MAX: the cheapest), SIZE_MAX at the end. */
static size_t next_dearer(const struct analysis *a, size_t after)
{
    size_t best = SIZE_MAX;

    for (size_t t = 0; t < a->n_targets; t++) {
        if (!has_mean(a, t) || t == after)
            continue;
        double x = a->geomean[t].value, last = after == SIZE_MAX ? 0 : a->geomean[after].value;
        if (x < last || (after != SIZE_MAX && x == last && t < after))
            continue;
        if (best == SIZE_MAX || x < a->geomean[best].value)
            best = t;
    }
    return best;
}

/* Who took no part in that, if anybody. */
static void left_out(const struct analysis *a, struct str *out)
{
    size_t n = 0;

    for (size_t t = 0; t < a->n_targets; t++) {
        if (t == a->head.base || !a->targets[t].usable || !analysis_withholds(a, t))
            continue;
        str_add(out, n++ ? ", " : " Left out, since the CPU is emulated: ");
        label(a, t, out);
    }
    if (n)
        str_addc(out, '.');
}

void answer_cheapest(const struct analysis *a, struct str *out)
{
    size_t first = next_dearer(a, SIZE_MAX), shown = 0, all = 0;
    _cleanup_(str_release) struct str base = STR_INIT;

    if (first == SIZE_MAX || !analysis_has_work(a))
        return;
    double reach = a->geomean[first].hi;
    label(a, a->head.base, &base);
    label(a, first, out);
    size_t t = next_dearer(a, first);
    bool alone = t == SIZE_MAX;
    for (; t != SIZE_MAX && a->geomean[t].lo <= reach; t = next_dearer(a, t)) {
        str_add(out, " and ");
        label(a, t, out);
        shown++;
    }
    if (shown)
        str_add(out, " cost least, and cannot be told apart");
    else
        str_add(out, alone ? " costs" : " costs least");
    str_add(out, alone ? " " : ": ");
    for (t = first; t != SIZE_MAX; t = next_dearer(a, t)) {
        if (t != first)
            str_add(out, ", ");
        if (t != first || shown) {
            label(a, t, out);
            str_addc(out, ' ');
        }
        cost(&a->geomean[t], t == first ? base.buf : NULL, out);
        interval(&a->geomean[t], out);
        size_t n = cells_with_ratio(a, t, &all);
        if (n < all)
            str_addf(out, " over the %zu it could do", n);
    }
    str_addf(out, " (geometric mean of %zu ratio%s%s).", all, all == 1 ? "" : "s",
             all < a->n_cells ? " of work done inside" : "");
    left_out(a, out);
}

struct tally {
    size_t cells, measured, failed, alike, unsure, emulated;
    struct side {
        size_t n;
        double lo, hi;
        const char *word;
    } slower, faster;
};

static void side_add(struct side *d, double ratio, const char *word)
{
    d->lo = d->n ? fmin(d->lo, ratio) : ratio;
    d->hi = d->n ? fmax(d->hi, ratio) : ratio;
    if (!d->n)
        d->word = word;
    d->n++;
}

static void tally_cell(struct tally *n, const struct cell_result *r, const struct cell *cell)
{
    n->cells++;
    n->failed += r->failed > 0;
    if (r->status == CELL_FAILED || r->status == CELL_NOT_MEASURED)
        return;
    if (!r->ratio.n || !isfinite(r->ratio.value))
        return;
    n->measured++;
    switch (r->verdict) {
    case VERDICT_SLOWER:
        side_add(&n->slower, r->ratio.value, verdict_word(r->verdict, cell));
        break;
    case VERDICT_FASTER:
        side_add(&n->faster, r->ratio.value, verdict_word(r->verdict, cell));
        break;
    case VERDICT_EQUIVALENT:
    case VERDICT_SMALL:
        n->alike++;
        break;
    case VERDICT_EMULATED:
        n->emulated++;
        break;
    default:
        n->unsure++;
    }
}

static void part(struct str *out)
{
    if (out->len)
        str_add(out, ", ");
}

static void side_put(const struct style *s, const struct tally *n, const struct side *d,
                     struct str *out)
{
    char lo[UNIT_TEXT], hi[UNIT_TEXT];

    if (d->n == 0)
        return;
    part(out);
    unit_ratio(d->lo, INFINITY, lo);
    unit_ratio(d->hi, INFINITY, hi);
    if (str_eq(lo, hi))
        str_addf(out, "%s %s %s", lo, style_glyph(s, GLYPH_TIMES), d->word);
    else
        str_addf(out, "%s to %s %s %s", lo, hi, style_glyph(s, GLYPH_TIMES), d->word);
    if (d->n < n->measured)
        str_addf(out, " in %zu of %zu", d->n, n->measured);
}

static void tally_put(const struct style *s, const struct tally *n, struct str *out)
{
    side_put(s, n, &n->slower, out);
    side_put(s, n, &n->faster, out);
    if (n->alike && n->alike == n->measured) {
        str_add(out, "alike");
    } else if (n->alike) {
        part(out);
        str_addf(out, "%zu alike", n->alike);
    }
    if (n->unsure) {
        part(out);
        if (n->unsure == n->measured)
            str_add(out, "unsure");
        else
            str_addf(out, "%zu unsure", n->unsure);
    }
    if (n->emulated) {
        part(out);
        str_add(out, EMULATED_WORD);
    }
    if (n->failed) {
        part(out);
        if (n->failed == n->cells)
            str_add(out, "failed");
        else
            str_addf(out, "%zu failed", n->failed);
    }
    if (!out->len)
        str_add(out, n->measured ? "" : "nothing to compare");
}

bool answer_where(const struct analysis *a, const struct style *s, uint32_t target, enum chapter c,
                  struct str *out)
{
    struct tally n = {0};
    _cleanup_(str_release) struct str text = STR_INIT;
    bool any = false;

    for (size_t i = 0; i < a->n_cells; i++) {
        const struct cell *cell = &a->head.plan.cells.v[i];
        const struct cell_result *r = analysis_at(a, i, target);
        if (chapter_of(cell) != c)
            continue;
        any = any || r->status != CELL_NOT_MEASURED;
        tally_cell(&n, r, cell);
    }
    if (n.cells == 0)
        return false;
    if (any)
        tally_put(s, &n, &text);
    else
        str_add(&text, "not measured");
    str_add(out, text.buf);
    return true;
}
