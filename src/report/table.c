/* The table for a terminal. The eye is to find the differences first: equal cells are dim and bear
 * a thin sign, large differences have up to three signs, failures stand in their cell in words.
 * Where the columns do not fit, first the words go (the signs say the same), then the table is
 * split. */
#include "report/report.h"
#include "report/words.h"

#include <math.h>

struct column {
    uint32_t target;
    bool unusable; /* never ran: its column says the same in every row */
    char head[TARGET_LABEL_MAX];
    struct cell_words *rows;                        /* one per row of the table */
    size_t sign, whole, fraction, unit, half, word; /* widths */
    size_t body[2]; /* width right of the sign, without and with words */
};

struct table {
    const struct analysis *a;
    const struct report_options *o;
    size_t n_rows; /* cells, and one more for the geometric mean */
    bool has_mean;
    bool absolute;
    VEC(struct column) columns;
    size_t name_width;
};

#define GAP 3

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Digits before the point, and the rest with the point. */
static void number_widths(const char *number, size_t *whole, size_t *fraction)
{
    size_t n = strcspn(number, ".");
    *whole = n;
    *fraction = strlen(number) - n;
}

static void column_measure(struct column *c, size_t n_rows)
{
    size_t alone = 0;

    for (size_t i = 0; i < n_rows; i++) {
        const struct cell_words *w = &c->rows[i];
        size_t whole, fraction;
        c->sign = larger(c->sign, text_width(w->sign));
        if (!w->number[0]) {
            alone = larger(alone, text_width(w->word));
            continue;
        }
        number_widths(w->number, &whole, &fraction);
        c->whole = larger(c->whole, whole);
        c->fraction = larger(c->fraction, fraction);
        c->unit = larger(c->unit, text_width(w->unit));
        c->half = larger(c->half, text_width(w->half));
        c->word = larger(c->word, text_width(w->word));
    }
    size_t body =
        c->whole + c->fraction + (c->unit ? c->unit + 1 : 0) + (c->half ? c->half + 1 : 0);
    size_t head = text_width(c->head) > c->sign + 1 ? text_width(c->head) - c->sign - 1 : 0;
    c->body[0] = larger(larger(body, alone), head);
    c->body[1] = larger(larger(body + (c->word ? c->word + 1 : 0), alone), head);
}

static void mean_words(const struct table *t, uint32_t target, struct cell_words *ret)
{
    const struct estimate *e = &t->a->geomean[target];
    struct cell_result r = {.ratio = *e, .verdict = VERDICT_INCONCLUSIVE};

    *ret = (struct cell_words){.tone = TONE_PLAIN};
    if (e->n == 0 || !isfinite(e->value))
        return;
    if (isfinite(e->lo) && isfinite(e->hi) && e->lo > 0)
        r.verdict = verdict_of(log(e->lo), log(e->hi), t->a->head.plan.theta, false);
    cell_words_ratio(&t->o->style, &r, NULL, ret);
}

static void column_add(struct table *t, uint32_t target)
{
    const struct plan *p = &t->a->head.plan;
    struct column c = {.target = target, .unusable = !t->a->targets[target].usable};
    struct str head = STR_INIT;

    text_inert(&head, p->targets.v[target].label);
    str_copy(c.head, sizeof(c.head), head.buf);
    str_release(&head);
    c.rows = xcalloc(t->n_rows, sizeof(*c.rows));
    for (size_t i = 0; i < t->a->n_cells; i++) {
        const struct cell_result *r = analysis_at(t->a, i, target);
        if (c.unusable && r->status == CELL_NOT_MEASURED)
            cell_words_unusable(&t->o->style, target_why(&t->a->targets[target]), &c.rows[i]);
        else if (t->absolute)
            cell_words_absolute(&t->o->style, r, &p->cells.v[i], &c.rows[i]);
        else
            cell_words_ratio(&t->o->style, r, &p->cells.v[i], &c.rows[i]);
    }
    if (t->has_mean)
        mean_words(t, target, &c.rows[t->n_rows - 1]);
    column_measure(&c, t->n_rows);
    VEC_PUSH(&t->columns, c);
}

static const char *row_name(const struct table *t, size_t row)
{
    return row < t->a->n_cells ? t->a->head.plan.cells.v[row].name : "geometric mean";
}

static bool any_mean(const struct analysis *a)
{
    for (size_t i = 0; a->geomean && i < a->n_targets; i++)
        if (a->geomean[i].n && isfinite(a->geomean[i].value))
            return true;
    return false;
}

static void table_init(struct table *t, const struct analysis *a, const struct report_options *o)
{
    *t = (struct table){.a = a, .o = o};
    t->absolute = o->absolute || a->n_targets < 2;
    t->has_mean = !t->absolute && a->n_cells > 1 && any_mean(a);
    t->n_rows = a->n_cells + (t->has_mean ? 1 : 0);
    for (uint32_t i = 0; i < a->n_targets; i++)
        if (t->absolute || i != a->head.base)
            column_add(t, i);
    for (size_t i = 0; i < t->n_rows; i++)
        t->name_width = larger(t->name_width, text_width(row_name(t, i)));
}

static void table_release(struct table *t)
{
    VEC_FOREACH (&t->columns, struct column, c)
        free(c->rows);
    VEC_RELEASE(&t->columns);
}

static size_t column_width(const struct column *c, bool words)
{
    return GAP + c->sign + 1 + c->body[words];
}

static void put_cell(const struct table *t, const struct column *c, const struct cell_words *w,
                     bool words, struct str *out)
{
    const struct style *s = &t->o->style;
    struct str body = STR_INIT;
    size_t whole, fraction;

    if (!w->number[0]) {
        str_add(&body, w->word);
    } else {
        number_widths(w->number, &whole, &fraction);
        text_pad(&body, "", c->whole - whole, false);
        text_pad(&body, w->number, whole + c->fraction, false);
        if (c->unit) {
            str_addc(&body, ' ');
            text_pad(&body, w->unit, c->unit, false);
        }
        if (c->half) {
            str_addc(&body, ' ');
            text_pad(&body, w->half, words && c->word ? c->half : 0, false);
        }
        if (words && c->word)
            str_addf(&body, " %s", w->word);
    }
    text_pad(out, "", GAP, false);
    str_add(out, tone_on(s, w->tone));
    text_pad(out, w->sign, c->sign, true);
    str_addc(out, ' ');
    size_t width = text_width(body.buf);
    str_add(out, body.buf);
    str_add(out, tone_off(s, w->tone));
    if (width < c->body[words])
        text_pad(out, "", c->body[words] - width, false);
    str_release(&body);
}

/* Cells of another family get an empty line before them where the table is long. */
static bool family_starts(const struct table *t, size_t row)
{
    const struct cell *cells = t->a->head.plan.cells.v;

    if (t->n_rows <= 20 || row == 0)
        return false;
    if (row >= t->a->n_cells)
        return true;
    return cells[row].workload && cells[row - 1].workload &&
           !str_eq(cells[row].workload->family, cells[row - 1].workload->family);
}

static void put_rows(const struct table *t, size_t from, size_t to, bool words, struct str *out)
{
    const struct style *s = &t->o->style;

    text_pad(out, "", t->name_width, false);
    for (size_t i = from; i < to; i++) {
        const struct column *c = &t->columns.v[i];
        text_pad(out, "", GAP, false);
        str_add(out, tone_on(s, TONE_HEAD));
        str_add(out, c->head);
        str_add(out, tone_off(s, TONE_HEAD));
        size_t used = text_width(c->head), all = c->sign + 1 + c->body[words];
        text_pad(out, "", used < all ? all - used : 0, false);
    }
    text_trim(out);
    str_addc(out, '\n');
    for (size_t row = 0; row < t->n_rows; row++) {
        if (family_starts(t, row))
            str_addc(out, '\n');
        text_pad(out, row_name(t, row), t->name_width, false);
        for (size_t i = from; i < to; i++)
            put_cell(t, &t->columns.v[i], &t->columns.v[i].rows[row], words, out);
        text_trim(out);
        str_addc(out, '\n');
    }
}

static bool all_fit(const struct table *t, bool words)
{
    size_t width = t->name_width;
    VEC_FOREACH (&t->columns, const struct column, c)
        width += column_width(c, words);
    return t->o->style.width == 0 || width <= t->o->style.width;
}

/* Columns of targets that never ran go first when there is no room: the notes say why anyway. */
static void drop_unusable(struct table *t)
{
    size_t kept = 0;

    for (size_t i = 0; i < t->columns.n; i++) {
        if (t->columns.v[i].unusable)
            free(t->columns.v[i].rows);
        else
            t->columns.v[kept++] = t->columns.v[i];
    }
    t->columns.n = kept;
}

static void put_tables(struct table *t, struct str *out)
{
    if (!all_fit(t, false))
        drop_unusable(t);
    bool words = all_fit(t, true);

    for (size_t from = 0, to; from < t->columns.n; from = to) {
        size_t width = t->name_width + column_width(&t->columns.v[from], words);
        for (to = from + 1; to < t->columns.n; to++) {
            width += column_width(&t->columns.v[to], words);
            if (t->o->style.width && width > t->o->style.width)
                break;
        }
        if (from > 0)
            str_addc(out, '\n');
        put_rows(t, from, to, words, out);
    }
}

void report_hostname(const struct run_head *h, char *dst, size_t size)
{
    json_t *m = h->machine ? json_loads(h->machine, 0, NULL) : NULL;
    const char *name = json_string_value(json_object_get(m, "hostname"));
    struct str inert = STR_INIT;

    text_inert(&inert, name && name[0] ? name : "an unnamed machine");
    str_copy(dst, size, inert.buf);
    str_release(&inert);
    json_decref(m);
}

static void put_head(const struct table *t, struct str *out)
{
    const struct analysis *a = t->a;
    char host[80], elapsed[UNIT_TEXT];
    struct flow f;

    report_hostname(&a->head, host, sizeof(host));
    unit_elapsed(a->elapsed_ns, elapsed);
    flow_begin(&f, out, &t->o->style, "", 2);
    flow_add(&f, "r%lld", (long long)a->head.id);
    if (a->head.plan.suite[0])
        flow_add(&f, "%s on %s", a->head.plan.suite, host);
    else
        flow_add(&f, "%zu cell%s on %s", a->n_cells, a->n_cells == 1 ? "" : "s", host);
    flow_add(&f, "%zu block%s", a->n_blocks, a->n_blocks == 1 ? "" : "s");
    flow_add(&f, "%s", elapsed);
    if (!str_eq(a->head.status, "complete"))
        flow_add(&f, "%s", a->head.status);
    if (a->n_targets && a->head.base < a->n_targets) {
        struct str base = STR_INIT;
        text_inert(&base, a->head.plan.targets.v[a->head.base].label);
        flow_add(&f, "base %s", base.buf);
        str_release(&base);
    }
    if (a->head.plan.scale < 1)
        flow_add(&f, "scaled by %.3g", a->head.plan.scale);
    if (t->absolute)
        flow_add(&f, "time per operation or rate, 95 %% intervals");
    else
        flow_add(&f, "ratios of %s, 95 %% intervals", report_cost_words(&a->head.plan));
    flow_end(&f);
}

static bool sign_used(const struct table *t, enum glyph g)
{
    VEC_FOREACH (&t->columns, const struct column, c)
        for (size_t i = 0; i < t->n_rows; i++)
            if (c->rows[i].sign[0] && c->rows[i].glyph == g)
                return true;
    return false;
}

static bool lacks_base_anywhere(const struct table *t)
{
    VEC_FOREACH (&t->columns, const struct column, c)
        for (size_t i = 0; i < t->a->n_cells; i++)
            if (cell_lacks_base(analysis_at(t->a, i, c->target)))
                return true;
    return false;
}

/* What the signs mean: only those that are there. */
static void put_legend(const struct table *t, struct str *out)
{
    const struct style *s = &t->o->style;
    char theta[UNIT_TEXT], floor[UNIT_TEXT];
    struct flow f;
    bool counts = false;

    if (t->absolute)
        return;
    for (size_t i = 0; i < t->a->n_cells; i++)
        counts = counts || cell_is_count(&t->a->head.plan.cells.v[i]);
    str_format(theta, sizeof(theta), "%g %%", 100 * t->a->head.plan.theta);
    flow_begin(&f, out, s, "", 2);
    if (sign_used(t, GLYPH_EQUAL))
        flow_add(&f, "%s alike within %s", style_glyph(s, GLYPH_EQUAL), theta);
    if (sign_used(t, GLYPH_SLIGHT))
        flow_add(&f, "%s slight: a difference, but under %s", style_glyph(s, GLYPH_SLIGHT), theta);
    if (sign_used(t, GLYPH_SLOWER)) {
        const char *g = style_glyph(s, GLYPH_SLOWER);
        flow_add(&f, "%s slower%s (%s%s 1.5 times and more, %s%s%s 10 times)", g,
                 counts ? " or worse" : "", g, g, g, g, g);
    }
    if (sign_used(t, GLYPH_FASTER))
        flow_add(&f, "%s faster%s", style_glyph(s, GLYPH_FASTER), counts ? " or better" : "");
    if (sign_used(t, GLYPH_UNSURE))
        flow_add(&f, "%s unsure: too noisy or too few blocks to tell",
                 style_glyph(s, GLYPH_UNSURE));
    if (lacks_base_anywhere(t))
        flow_add(&f, "no base: the base has no such figure, this is its own");
    if (sign_used(t, GLYPH_FAIL))
        flow_add(&f, "%s failed", style_glyph(s, GLYPH_FAIL));
    if (isfinite(t->a->noise_floor)) {
        unit_percent(t->a->noise_floor, floor);
        flow_add(&f, "smallest difference resolvable here: %s", floor);
    }
    if (!f.first)
        flow_end(&f);
}

static bool same_failure(const struct cell_result *a, const struct cell_result *b)
{
    return a->target == b->target && a->status == b->status && a->fail_kind == b->fail_kind &&
           a->failed == b->failed && a->tried == b->tried && str_eq(a->fail_text, b->fail_text);
}

static bool is_failure(const struct cell_result *r)
{
    return r->status == CELL_FAILED || r->status == CELL_SOME_FAILED;
}

static void put_failure(const struct table *t, uint32_t target, size_t cell, struct str *out)
{
    const struct analysis *a = t->a;
    const struct style *s = &t->o->style;
    const struct cell_result *r = analysis_at(a, cell, target);
    _cleanup_(str_release) struct str text = STR_INIT;
    size_t same = 0;

    for (size_t i = 0; i < a->n_cells; i++) {
        const struct cell_result *o = analysis_at(a, i, target);
        if (is_failure(o) && same_failure(o, r)) {
            if (i < cell)
                return; /* said already */
            same++;
        }
    }
    str_addf(&text, "%s ",
             style_glyph(s, r->fail_kind == ERR_UNSUPPORTED ? GLYPH_NONE : GLYPH_FAIL));
    if (same == a->n_cells && same > 1)
        str_add(&text, "all cells");
    else if (same > 1)
        str_addf(&text, "%s and %zu more", a->head.plan.cells.v[cell].name, same - 1);
    else
        str_add(&text, a->head.plan.cells.v[cell].name);
    str_add(&text, " on ");
    text_inert(&text, a->head.plan.targets.v[target].label);
    str_add(&text, ": ");
    failure_sentence(r, &text);
    if (r->fail_text[0]) {
        str_add(&text, ": ");
        text_inert(&text, r->fail_text);
    }
    if (r->status == CELL_SOME_FAILED && isfinite(r->ratio.value) && r->ratio.n) {
        char ratio[UNIT_TEXT];
        unit_ratio(r->ratio.value, interval_half(r->ratio.lo, r->ratio.hi), ratio);
        str_addf(&text, " (where it worked: %s%s)", style_glyph(s, GLYPH_TIMES), ratio);
    }
    text_wrap(out, s, "", 2, text.buf);
}

static void put_failures(const struct table *t, struct str *out)
{
    for (uint32_t target = 0; target < t->a->n_targets; target++) {
        bool any = false;
        for (size_t cell = 0; cell < t->a->n_cells; cell++) {
            if (!is_failure(analysis_at(t->a, cell, target)))
                continue;
            any = true;
            put_failure(t, target, cell, out);
        }
        if (!any && t->a->target_reason && t->a->target_reason[target][0]) {
            _cleanup_(str_release) struct str text = STR_INIT;
            bool missing = target_why(&t->a->targets[target]) == ERR_UNSUPPORTED;
            str_addf(&text, "%s ", style_glyph(&t->o->style, missing ? GLYPH_NONE : GLYPH_FAIL));
            text_inert(&text, t->a->head.plan.targets.v[target].label);
            str_add(&text, " was not measured: ");
            text_inert(&text, t->a->target_reason[target]);
            text_wrap(out, &t->o->style, "", 2, text.buf);
        }
    }
}

/* What the operations really did, where that is not what their name says: a line a kind and target.
 */
static void put_semantics(const struct table *t, struct str *out)
{
    const struct analysis *a = t->a;

    for (unsigned bit = CELL_FLAG_MEMORY_FS; bit <= CELL_FLAG_HUGE_PAGES; bit <<= 1) {
        for (uint32_t target = 0; target < a->n_targets; target++) {
            const char *first = NULL;
            _cleanup_(str_release) struct str text = STR_INIT;
            size_t n = 0;
            for (size_t cell = 0; cell < a->n_cells; cell++) {
                if (!(analysis_at(a, cell, target)->flags & bit))
                    continue;
                first = first ? first : a->head.plan.cells.v[cell].name;
                n++;
            }
            if (n == 0)
                continue;
            str_addf(&text, "%s %s", style_glyph(&t->o->style, GLYPH_WARN), first);
            if (n > 1)
                str_addf(&text, " and %zu more", n - 1);
            str_add(&text, " on ");
            text_inert(&text, a->head.plan.targets.v[target].label);
            str_addf(&text, ": %s", flag_words(bit));
            text_wrap(out, &t->o->style, "", 2, text.buf);
        }
    }
}

/* Warnings by kind: the worst one speaks, the others are counted. */
static void put_warnings(const struct table *t, struct str *out)
{
    const struct analysis *a = t->a;

    for (enum warning_kind k = 0; k < WARN_KIND_COUNT; k++) {
        const struct warning *worst = NULL;
        _cleanup_(str_release) struct str text = STR_INIT;
        size_t n = 0;
        for (size_t i = 0; i < a->n_warnings; i++) {
            const struct warning *w = &a->warnings[i];
            if (w->kind != k)
                continue;
            n++;
            if (!worst || w->value > worst->value)
                worst = w;
        }
        if (!worst)
            continue;
        str_addf(&text, "%s %s: ", style_glyph(&t->o->style, GLYPH_WARN), warning_name(k));
        text_inert(&text, worst->text);
        if (n > 1)
            str_addf(&text, " (the largest of %zu)", n);
        text_wrap(out, &t->o->style, "", 2, text.buf);
    }
}

/* The cell worth looking at: the largest measured difference, else the first cell. */
static void put_hint(const struct table *t, struct str *out)
{
    const struct analysis *a = t->a;
    size_t cell = 0, target = a->n_targets > 1 && a->head.base == 0 ? 1 : 0;
    double most = -1;
    struct flow f;

    if (a->n_cells == 0 || a->n_targets == 0)
        return;
    for (size_t i = 0; i < a->n_cells; i++)
        for (size_t j = 0; j < a->n_targets; j++) {
            const struct cell_result *r = analysis_at(a, i, j);
            double d = fabs(log(r->ratio.value));
            if (!r->is_base && r->status == CELL_OK && isfinite(d) && d > most) {
                most = d;
                cell = i;
                target = j;
            }
        }
    const char *db = t->o->db;
    _cleanup_(str_release) struct str label = STR_INIT, where = STR_INIT;
    text_inert(&label, a->head.plan.targets.v[target].label);
    if (db)
        str_addf(&where, " --db %s", db);
    flow_begin(&f, out, &t->o->style, "", 2);
    flow_add(&f, "proof and detail: cupel show r%lld --cell %s,%s%s", (long long)a->head.id,
             a->head.plan.cells.v[cell].name, label.buf, where.buf);
    if (!t->absolute)
        flow_add(&f, "in ns: cupel show r%lld --absolute%s", (long long)a->head.id, where.buf);
    flow_end(&f);
}

void report_table(const struct analysis *a, const struct report_options *o, struct str *out)
{
    struct table t;

    table_init(&t, a, o);
    put_head(&t, out);
    if (t.columns.n)
        put_tables(&t, out);
    put_legend(&t, out);
    put_failures(&t, out);
    put_semantics(&t, out);
    put_warnings(&t, out);
    put_hint(&t, out);
    table_release(&t);
}
