#include "report/notes.h"

#include "report/words.h"

#include <math.h>

static bool same_failure(const struct cell_result *a, const struct cell_result *b)
{
    return a->target == b->target && a->status == b->status && a->fail_kind == b->fail_kind &&
           a->failed == b->failed && a->tried == b->tried && str_eq(a->fail_text, b->fail_text);
}

static bool is_failure(const struct cell_result *r)
{
    return r->status == CELL_FAILED || r->status == CELL_SOME_FAILED;
}

static void put_failure(const struct analysis *a, const struct style *s, uint32_t target,
                        size_t cell, note_line *line, void *user)
{
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
    line(user, text.buf);
}

void notes_failures(const struct analysis *a, const struct style *s, note_line *line, void *user)
{
    for (uint32_t target = 0; target < a->n_targets; target++) {
        bool any = false;
        for (size_t cell = 0; cell < a->n_cells; cell++) {
            if (!is_failure(analysis_at(a, cell, target)))
                continue;
            any = true;
            put_failure(a, s, target, cell, line, user);
        }
        if (!any && a->target_reason && a->target_reason[target][0]) {
            _cleanup_(str_release) struct str text = STR_INIT;
            bool missing = target_why(&a->targets[target]) == ERR_UNSUPPORTED;
            str_addf(&text, "%s ", style_glyph(s, missing ? GLYPH_NONE : GLYPH_FAIL));
            text_inert(&text, a->head.plan.targets.v[target].label);
            str_add(&text, " was not measured: ");
            text_inert(&text, a->target_reason[target]);
            line(user, text.buf);
        }
    }
}

void notes_semantics(const struct analysis *a, const struct style *s, note_line *line, void *user)
{
    for (unsigned bit = CELL_FLAG_MEMORY_FS; bit <= CELL_FLAG_OTHER_MACHINE; bit <<= 1) {
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
            str_addf(&text, "%s %s", style_glyph(s, GLYPH_WARN), first);
            if (n > 1)
                str_addf(&text, " and %zu more", n - 1);
            str_add(&text, " on ");
            text_inert(&text, a->head.plan.targets.v[target].label);
            str_addf(&text, ": %s", flag_words(bit));
            line(user, text.buf);
        }
    }
}

/* "120 MiB and 250m" */
static void put_amounts(double bytes, double cpus, struct str *out)
{
    char memory[UNIT_TEXT] = "";

    if (isfinite(bytes))
        unit_bytes((uint64_t)bytes, memory);
    str_add(out, memory);
    if (isfinite(cpus))
        str_addf(out, "%s%.3gm of a CPU", memory[0] ? " and " : "", cpus * 1000);
}

void notes_overheads(const struct analysis *a, const struct overheads *all, const struct style *s,
                     note_line *line, void *user)
{
    VEC_FOREACH (&all->list, const struct overhead, o) {
        _cleanup_(str_release) struct str text = STR_INIT;
        if (!isfinite(o->counted_bytes) && !isfinite(o->counted_cpus))
            continue;
        str_addf(&text, "%s ", style_glyph(s, overhead_is_more(o) ? GLYPH_WARN : GLYPH_NONE));
        text_inert(&text, a->head.plan.targets.v[o->target].label);
        str_add(&text, ": its RuntimeClass counts ");
        put_amounts(o->counted_bytes, o->counted_cpus, &text);
        str_add(&text, " for a pod's sandbox (podFixed), and one takes ");
        put_amounts(o->memory_bytes, o->cpus, &text);
        line(user, text.buf);
    }
}

void notes_warnings(const struct analysis *a, const struct style *s, note_line *line, void *user)
{
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
        str_addf(&text, "%s %s: ", style_glyph(s, GLYPH_WARN), warning_name(k));
        text_inert(&text, worst->text);
        if (n > 1)
            str_addf(&text, " (the largest of %zu)", n);
        line(user, text.buf);
    }
}
