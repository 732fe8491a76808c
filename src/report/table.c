/* The table for a terminal. The eye is to find the differences first: equal cells are dim and bear
 * a thin sign, large differences have up to three signs, failures stand in their cell in words. */
#include "report/grid.h"
#include "report/notes.h"
#include "report/report.h"
#include "report/words.h"

#include <math.h>

struct table {
    const struct analysis *a;
    const struct report_options *o;
    VEC(uint32_t) cells; /* of the rows: those that no matrix shows */
    bool has_mean;       /* a last row: the geometric mean */
    bool absolute;
    struct grid grid;
};

struct noted {
    const struct table *table;
    struct str *out;
};

static void mean_words(const struct table *t, uint32_t target, struct cell_words *ret)
{
    const struct estimate *e = &t->a->geomean[target];
    struct cell_result r = {.ratio = *e, .verdict = VERDICT_INCONCLUSIVE};

    *ret = (struct cell_words){.tone = TONE_PLAIN};
    if (analysis_withholds(t->a, target)) {
        cell_words_emulated(&t->o->style, ret);
        return;
    }
    if (e->n == 0 || !isfinite(e->value))
        return;
    if (isfinite(e->lo) && isfinite(e->hi) && e->lo > 0)
        r.verdict = verdict_of(log(e->lo), log(e->hi), t->a->head.plan.theta, false);
    cell_words_ratio(&t->o->style, &r, NULL, ret);
}

static void column_add(struct table *t, uint32_t target)
{
    const struct plan *p = &t->a->head.plan;
    bool unusable = !t->a->targets[target].usable;
    _cleanup_(str_release) struct str head = STR_INIT;

    target_head(t->a, target, &head);
    struct grid_column *c = grid_column(&t->grid, head.buf, target, unusable);

    for (size_t i = 0; i < t->cells.n; i++) {
        uint32_t cell = t->cells.v[i];
        const struct cell_result *r = analysis_at(t->a, cell, target);
        if (unusable && r->status == CELL_NOT_MEASURED)
            cell_words_unusable(&t->o->style, target_why(&t->a->targets[target]), &c->rows[i]);
        else if (t->absolute)
            cell_words_absolute(&t->o->style, r, &p->cells.v[cell], &c->rows[i]);
        else
            cell_words_ratio(&t->o->style, r, &p->cells.v[cell], &c->rows[i]);
    }
    if (t->has_mean)
        mean_words(t, target, &c->rows[t->cells.n]);
}

static bool any_mean(const struct analysis *a)
{
    for (size_t i = 0; a->geomean && i < a->n_targets; i++)
        if (a->geomean[i].n && isfinite(a->geomean[i].value))
            return true;
    return false;
}

/* Cells of another family get an empty line before them where the table is long. */
static bool family_starts(const struct table *t, size_t row)
{
    const struct cell *cells = t->a->head.plan.cells.v;

    if (t->cells.n + t->has_mean <= 20 || row == 0)
        return false;
    return !str_eq(cells[t->cells.v[row]].workload->family,
                   cells[t->cells.v[row - 1]].workload->family);
}

static void table_init(struct table *t, const struct analysis *a, const struct report_options *o)
{
    *t = (struct table){.a = a, .o = o};
    t->absolute = o->absolute || a->n_targets < 2;
    for (uint32_t i = 0; i < a->n_cells; i++)
        if (!matrix_has(a, i))
            VEC_PUSH(&t->cells, i);
    /* Without work it would be a mean of rows that a matrix shows instead. */
    bool of_rows = analysis_has_work(a) || t->cells.n == a->n_cells;
    t->has_mean = !t->absolute && of_rows && t->cells.n > 1 && any_mean(a);
    grid_init(&t->grid, &o->style);
    for (size_t i = 0; i < t->cells.n; i++)
        grid_row(&t->grid, a->head.plan.cells.v[t->cells.v[i]].name, family_starts(t, i));
    if (t->has_mean)
        grid_row(&t->grid, "geometric mean", t->cells.n >= 20);
    for (uint32_t i = 0; i < a->n_targets && t->cells.n; i++)
        if (t->absolute || i != a->head.base)
            column_add(t, i);
}

static void table_release(struct table *t)
{
    grid_release(&t->grid);
    VEC_RELEASE(&t->cells);
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
    if (t->cells.n == 0)
        flow_add(&f, "95 %% intervals");
    else if (t->absolute)
        flow_add(&f, "time per operation or rate, 95 %% intervals");
    else
        flow_add(&f, "ratios of %s, 95 %% intervals", report_cost_words(&a->head.plan));
    flow_end(&f);
}

static bool lacks_base_anywhere(const struct table *t)
{
    VEC_FOREACH (&t->grid.columns, const struct grid_column, c)
        VEC_FOREACH (&t->cells, const uint32_t, cell)
            if (cell_lacks_base(analysis_at(t->a, *cell, c->target)))
                return true;
    return false;
}

static void put_legend(const struct table *t, struct str *out)
{
    char floor[UNIT_TEXT];
    struct flow f;
    bool counts = false;

    if (t->absolute || t->cells.n == 0)
        return;
    VEC_FOREACH (&t->cells, const uint32_t, cell)
        counts = counts || cell_is_count(&t->a->head.plan.cells.v[*cell]);
    flow_begin(&f, out, &t->o->style, "", 2);
    grid_legend(&t->grid, t->a->head.plan.theta, counts, &f);
    if (lacks_base_anywhere(t))
        flow_add(&f, "no base: the base has no such figure, this is its own");
    if (grid_sign_used(&t->grid, GLYPH_FAIL))
        flow_add(&f, "%s failed", style_glyph(&t->o->style, GLYPH_FAIL));
    if (isfinite(t->a->noise_floor)) {
        unit_percent(t->a->noise_floor, floor);
        flow_add(&f, "smallest difference resolvable here: %s", floor);
    }
    if (!f.first)
        flow_end(&f);
}

static void put_note(void *user, const char *text)
{
    const struct noted *n = user;
    text_wrap(n->out, &n->table->o->style, "", 2, text);
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
            bool judged = !r->is_base && r->verdict != VERDICT_EMULATED;
            if (judged && r->status == CELL_OK && isfinite(d) && d > most) {
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
    if (!t->absolute && t->cells.n)
        flow_add(&f, "in ns: cupel show r%lld --absolute%s", (long long)a->head.id, where.buf);
    flow_add(&f, "page: cupel report r%lld -o r%lld.html%s", (long long)a->head.id,
             (long long)a->head.id, where.buf);
    flow_end(&f);
}

void report_table(const struct analysis *a, const struct report_more *more,
                  const struct report_options *o, struct str *out)
{
    struct table t;
    struct noted noted = {.table = &t, .out = out};

    table_init(&t, a, o);
    put_head(&t, out);
    grid_put(&t.grid, out);
    put_legend(&t, out);
    if (more->matrix.n_loads)
        report_matrix(a, &more->matrix, o, out);
    notes_failures(a, &o->style, put_note, &noted);
    notes_semantics(a, &o->style, put_note, &noted);
    notes_overheads(a, &more->overheads, &o->style, put_note, &noted);
    notes_warnings(a, &o->style, put_note, &noted);
    put_hint(&t, out);
    table_release(&t);
    if (more->has_trade) {
        str_addc(out, '\n');
        report_trade(a, &more->trade, o, out);
    }
    if (more->has_aa) {
        str_addc(out, '\n');
        report_aa(a, &more->aa, o, out);
    }
    if (more->has_gate) {
        str_addc(out, '\n');
        report_gate(a, &more->gate, o, out);
    }
}
