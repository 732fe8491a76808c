#include "report/machines-words.h"

#include "report/figure.h"

#include <math.h>

#define LIST_MOST   8 /* lines of one kind; the rest is counted */
#define VALUES_MOST 4 /* values of a field that are written out */
/* Machines do not agree where they spread so many times as much as their own noise explains. */
#define SPREAD_TIMES 3

enum machines_by machines_by_default(const struct machines *m, enum machines_by by)
{
    if (by != MACHINES_BY_DEFAULT)
        return by;
    if (m->n < MACHINES_MIN)
        return MACHINES_BY_MACHINE;
    return m->groups.n > 1 ? MACHINES_BY_KIND : MACHINES_BY_ALL;
}

bool machines_has_column(const struct machines *m, size_t target)
{
    for (size_t c = 0; c < m->cells.n; c++)
        if (machines_has(m, c, target))
            return true;
    return false;
}

static bool has_row(const struct machines *m, size_t cell)
{
    for (size_t t = 0; t < m->targets.n; t++)
        if (machines_has(m, cell, t))
            return true;
    return false;
}

/* ---- rows ---- */

static void add_group(const struct machines *m, size_t cell, size_t group, struct machines_lines *l)
{
    const struct machines_group *g = &m->groups.v[group];
    struct machines_line line = {.cell = cell, .of_group = true, .index = group};

    if (group == 0)
        str_format(line.name, sizeof(line.name), "  all %zu", g->n);
    else
        str_format(line.name, sizeof(line.name), "  %zu of kind %zu", g->n, group);
    VEC_PUSH(l, line);
}

static void add_machine(const struct machines *m, size_t cell, size_t machine,
                        struct machines_lines *l)
{
    struct machines_line line = {.cell = cell, .index = machine};
    bool any = false;

    for (size_t t = 0; t < m->targets.n; t++)
        any = any || machines_figure(m, machine, cell, t)->runs > 0;
    if (!any)
        return;
    str_format(line.name, sizeof(line.name), "  %s", m->rows[machine].name);
    VEC_PUSH(l, line);
}

static void add_heading(const struct machines *m, size_t cell, struct machines_lines *l)
{
    struct machines_line line = {.cell = cell, .heading = true};

    str_copy(line.name, sizeof(line.name), m->cells.v[cell].name);
    VEC_PUSH(l, line);
}

void machines_lines(const struct machines *m, enum machines_by by, struct machines_lines *ret)
{
    *ret = (struct machines_lines){.n = 0};
    for (size_t c = 0; c < m->cells.n; c++) {
        if (!has_row(m, c))
            continue;
        if (by == MACHINES_BY_ALL) {
            add_group(m, c, 0, ret);
            str_copy(ret->v[ret->n - 1].name, sizeof(ret->v->name), m->cells.v[c].name);
            continue;
        }
        add_heading(m, c, ret);
        for (size_t i = 0; by == MACHINES_BY_KIND && i < m->groups.n; i++)
            add_group(m, c, i, ret);
        for (size_t i = 0; by == MACHINES_BY_MACHINE && i < m->n; i++)
            add_machine(m, c, i, ret);
    }
}

/* ---- figures ---- */

static void put_figure(const struct style *s, const struct machines *m, size_t cell,
                       const struct estimate *e, enum verdict verdict, struct cell_words *ret)
{
    const struct cell_result r = {
        .status = CELL_OK, .ratio = *e, .absolute = *e, .verdict = verdict};

    if (m->absolute)
        cell_words_absolute(s, &r, &m->cells.v[cell].cell, ret);
    else
        cell_words_ratio(s, &r, &m->cells.v[cell].cell, ret);
}

/* The same in a sentence. */
static void put_value(const struct style *s, const struct machines *m, size_t cell, double value,
                      struct str *out)
{
    char number[UNIT_TEXT], unit[UNIT_TEXT] = "";

    if (m->absolute)
        figure_parts(s, &m->cells.v[cell].cell, value, number, unit);
    else
        unit_ratio(value, NAN, number);
    str_addf(out, "%s%s%s", number, unit[0] ? " " : "", unit);
}

static void group_words(const struct style *s, const struct machines *m,
                        const struct machines_line *l, size_t target, struct cell_words *ret)
{
    const struct machines_result *x = machines_at(m, l->index, l->cell, target);

    if (x->n == 0 && x->withheld) {
        str_copy(ret->word, sizeof(ret->word), "emulated CPU");
        ret->tone = TONE_QUIET;
    } else if (x->n == 0 && x->failed) {
        const struct machine_figure *f = machines_figure(m, x->first_failed, l->cell, target);
        cell_words_unusable(s, f->fail_kind, ret);
    } else if (x->n > 0) {
        put_figure(s, m, l->cell, &x->ratio, x->verdict, ret);
        if (x->n < MACHINES_MIN)
            str_copy(ret->word, sizeof(ret->word), "too few");
    }
}

static void machine_words(const struct style *s, const struct machines *m,
                          const struct machines_line *l, size_t target, struct cell_words *ret)
{
    const struct machine_figure *f = machines_figure(m, l->index, l->cell, target);

    if (f->runs == 0)
        return;
    if (f->n == 0) {
        if (f->failed)
            cell_words_unusable(s, f->fail_kind, ret);
        else
            str_copy(ret->word, sizeof(ret->word), "not measured");
        return;
    }
    const struct estimate e = {exp(f->log), exp(f->lo), exp(f->hi), .95, f->n};
    put_figure(s, m, l->cell, &e, f->verdict, ret);
    if (f->n > 1) { /* no interval of its own */
        str_format(ret->half, sizeof(ret->half), "%u runs", f->n);
        ret->word[0] = '\0';
    }
}

void machines_words(const struct style *s, const struct machines *m, const struct machines_line *l,
                    size_t target, struct cell_words *ret)
{
    *ret = (struct cell_words){.tone = TONE_PLAIN};
    if (l->heading || !machines_has(m, l->cell, target))
        return;
    if (l->of_group)
        group_words(s, m, l, target, ret);
    else
        machine_words(s, m, l, target, ret);
}

/* ---- sentences ---- */

__attribute__((format(printf, 3, 4))) static void say(note_line *line, void *user, const char *fmt,
                                                      ...)
{
    _cleanup_free_ char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        abort();
    va_end(ap);
    line(user, text);
}

void machines_head(const struct machines *m, note_line *part, void *user)
{
    _cleanup_(str_release) struct str base = STR_INIT;

    say(part, user, "%zu machine%s, %zu run%s", m->n, m->n == 1 ? "" : "s", m->n_runs,
        m->n_runs == 1 ? "" : "s");
    if (m->groups.n > 1)
        say(part, user, "%zu kinds", m->groups.n - 1);
    for (size_t t = 0; t < m->targets.n; t++) {
        if (!m->is_base[t])
            continue;
        str_add(&base, base.len ? ", " : "");
        text_inert(&base, m->targets.v[t]);
    }
    if (m->absolute)
        say(part, user, "values, mean over machines");
    else
        say(part, user, "ratios to %s, mean over machines", base.len ? base.buf : "nothing");
    say(part, user, "95 %% intervals over machines");
}

static void claim_note(const struct machines *m, const struct style *s, note_line *line, void *user)
{
    if (m->n < MACHINES_MIN)
        say(line, user,
            "%s %zu machine%s: each is shown for itself, and nothing is claimed of others; %d are "
            "needed for that",
            style_glyph(s, GLYPH_WARN), m->n, m->n == 1 ? "" : "s", MACHINES_MIN);
    else if (m->groups.v[0].tested)
        say(line, user,
            "%zu figures: Benjamini-Hochberg, false discovery rate %g %%; a difference needs its "
            "interval and its adjusted p",
            m->groups.v[0].tested, 100 * MACHINES_ALPHA);
    if (m->groups.n > 1 && m->n >= MACHINES_MIN)
        say(line, user,
            "the mean over all is one of %zu kinds of machine as they were chosen: for another mix "
            "it is another",
            m->groups.n - 1);
}

static void kind_notes(const struct machines *m, note_line *line, void *user)
{
    for (size_t i = 1; i < m->groups.n && i <= LIST_MOST; i++)
        say(line, user, "kind %zu: %s", i, m->groups.v[i].name);
    if (m->groups.n > LIST_MOST + 1)
        say(line, user, "and %zu more kinds", m->groups.n - 1 - LIST_MOST);
}

static void partial_notes(const struct machines *m, const struct style *s, note_line *line,
                          void *user)
{
    size_t partial = 0;

    for (size_t i = 0; i < m->n; i++) {
        const struct machine_row *row = &m->rows[i];
        if (!row->status[0])
            continue;
        if (partial++ < LIST_MOST)
            say(line, user, "%s partial: %s, whose run r%lld was %s after %zu block%s",
                style_glyph(s, GLYPH_WARN), row->name, (long long)row->last_run,
                str_eq(row->status, "running") ? "not ended" : row->status, row->blocks,
                row->blocks == 1 ? "" : "s");
    }
    if (partial > LIST_MOST)
        say(line, user, "and %zu more that are partial", partial - LIST_MOST);
}

/* The first figure that a machine has not. */
static void failed_note(const struct machines *m, const struct style *s, size_t machine,
                        note_line *line, void *user)
{
    const struct machine_row *row = &m->rows[machine];

    for (size_t c = 0; c < m->cells.n; c++)
        for (size_t t = 0; t < m->targets.n; t++) {
            const struct machine_figure *f = machines_figure(m, machine, c, t);
            _cleanup_(str_release) struct str name = STR_INIT, why = STR_INIT;
            if (f->runs == 0 || f->n > 0)
                continue;
            text_inert(&name, m->targets.v[t]);
            if (f->failed)
                str_addf(&why, "%s: ", failure_word(f->fail_kind));
            text_inert(&why, f->failed ? f->fail_text : "not measured");
            say(line, user, "%s %s: %zu of %zu without a figure, first %s on %s: %s",
                style_glyph(s,
                            f->failed && f->fail_kind != ERR_UNSUPPORTED ? GLYPH_FAIL : GLYPH_NONE),
                row->name, row->failed, row->cells, m->cells.v[c].name, name.buf, why.buf);
            return;
        }
}

static void failed_notes(const struct machines *m, const struct style *s, note_line *line,
                         void *user)
{
    size_t n = 0;

    for (size_t i = 0; i < m->n; i++)
        if (m->rows[i].failed && n++ < LIST_MOST)
            failed_note(m, s, i, line, user);
    if (n > LIST_MOST)
        say(line, user, "and %zu more machines without some figures", n - LIST_MOST);
}

static void apart_notes(const struct machines *m, const struct style *s, note_line *line,
                        void *user)
{
    for (size_t i = 0; i < m->apart.n && i < LIST_MOST; i++) {
        const struct machine_apart *a = &m->apart.v[i];
        _cleanup_(str_release) struct str name = STR_INIT, is = STR_INIT, median = STR_INIT;
        put_value(s, m, a->cell, a->ratio, &is);
        put_value(s, m, a->cell, a->median, &median);
        text_inert(&name, m->targets.v[a->target]);
        say(line, user, "%s %s stands apart: %s on %s is %s there, and %s in the middle of %s",
            style_glyph(s, GLYPH_WARN), m->rows[a->machine].name, m->cells.v[a->cell].name,
            name.buf, is.buf, median.buf, m->groups.n > 1 ? "its kind" : "all");
    }
    if (m->apart.n > LIST_MOST)
        say(line, user, "and %zu more figures that stand apart", m->apart.n - LIST_MOST);
}

static void spread_notes(const struct machines *m, const struct style *s, note_line *line,
                         void *user)
{
    size_t n = 0;

    for (size_t i = 0; i < m->cells.n * m->targets.n; i++) {
        const struct machines_result *x = &m->groups.v[0].results[i];
        size_t c = i / m->targets.n, t = i % m->targets.n;
        _cleanup_(str_release) struct str name = STR_INIT, least = STR_INIT, most = STR_INIT;
        if (x->n < MACHINES_MIN || !(x->between > SPREAD_TIMES * x->within) ||
            !(x->between > log1p(m->theta)) || n++ >= LIST_MOST)
            continue;
        put_value(s, m, c, exp(machines_figure(m, x->least, c, t)->log), &least);
        put_value(s, m, c, exp(machines_figure(m, x->most, c, t)->log), &most);
        text_inert(&name, m->targets.v[t]);
        say(line, user, "%s machines do not agree on %s on %s: from %s (%s) to %s (%s)",
            style_glyph(s, GLYPH_WARN), m->cells.v[c].name, name.buf, least.buf,
            m->rows[x->least].name, most.buf, m->rows[x->most].name);
    }
    if (n > LIST_MOST)
        say(line, user, "and on %zu more", n - LIST_MOST);
}

void machines_notes(const struct machines *m, const struct style *s, note_line *line, void *user)
{
    kind_notes(m, line, user);
    claim_note(m, s, line, user);
    partial_notes(m, s, line, user);
    failed_notes(m, s, line, user);
    apart_notes(m, s, line, user);
    spread_notes(m, s, line, user);
}

/* ---- the environment ---- */

static bool seen_before(const struct environ_field *f, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (str_eq(f->values[k], f->values[i]))
            return true;
    return false;
}

/* A hash is told from another by its first digits. */
static void put_text(const char *value, struct str *out)
{
    bool hash = strlen(value) == 64 && strspn(value, "0123456789abcdef") == 64;
    _cleanup_free_ char *brief = xstrndup(value, hash ? 12 : 60);

    text_inert(out, brief);
    if (!hash && strlen(value) > 60)
        str_add(out, "...");
}

static void put_values(const struct machines *m, const struct environ_field *f, struct str *out)
{
    size_t values = 0;

    for (size_t i = 0; i < m->n_runs; i++) {
        size_t n = 0;
        if (!f->values[i] || seen_before(f, i) || values++ >= VALUES_MOST)
            continue;
        for (size_t k = i; k < m->n_runs; k++)
            n += str_eq(f->values[i], f->values[k]);
        str_add(out, out->len ? ", " : "");
        put_text(f->values[i], out);
        if (n > 1)
            str_addf(out, " (%zu runs)", n);
        else
            str_addf(out, " (%s)", m->rows[m->machine_of[i]].name);
    }
    if (values > VALUES_MOST)
        str_addf(out, ", and %zu more", values - VALUES_MOST);
}

size_t machines_differences(const struct machines *m,
                            void (*each)(void *user, const struct machines_difference *d),
                            void *user)
{
    size_t n = 0;

    VEC_FOREACH (&m->environ.fields, const struct environ_field, f) {
        struct machines_difference d = {
            .name = f->name, .refused = machines_forbid(m, f) && !str_eq(f->name, "architecture")};
        if (str_eq(f->name, "machine") || !environ_differs(f, 0, m->n_runs))
            continue;
        put_values(m, f, &d.values);
        each(user, &d);
        str_release(&d.values);
        n++;
    }
    return n;
}
