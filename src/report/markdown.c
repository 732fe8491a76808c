/* The table as Markdown, for a README or an issue; and the whole report, for a pull request or an
 * appendix. */
#include "report/markdown.h"

#include "report/answers.h"
#include "report/notes.h"
#include "report/report.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>

void md_line(struct str *out, const char *s)
{
    for (const char *p = s; *p; p++) {
        if (strchr("|\\`*_<>[]!&~", *p))
            str_addc(out, '\\');
        str_addc(out, *p);
    }
}

void md_bullet(void *user, const char *text)
{
    struct str *out = user;

    str_add(out, "- ");
    md_line(out, text);
    str_addc(out, '\n');
}

void md_text(struct str *out, const char *s)
{
    _cleanup_(str_release) struct str inert = STR_INIT;

    text_inert(&inert, s);
    md_line(out, inert.buf);
}

void md_targets(struct str *out, const struct analysis *a, bool with_base)
{
    size_t columns = 0;

    str_add(out, "| |");
    for (uint32_t t = 0; t < a->n_targets; t++) {
        if (!with_base && t == a->head.base)
            continue;
        _cleanup_(str_release) struct str head = STR_INIT;
        target_head(a, t, &head);
        str_addc(out, ' ');
        md_line(out, head.buf);
        str_add(out, " |");
        columns++;
    }
    str_add(out, "\n|---|");
    while (columns--)
        str_add(out, "---|");
    str_addc(out, '\n');
}

void md_cell(const struct cell_words *w, struct str *out)
{
    const char *emphasis = w->tone == TONE_LOUD || w->tone == TONE_FAIL ? "**" : "";

    str_addf(out, " %s%s", emphasis, w->sign);
    if (w->number[0])
        str_addf(out, "%s%s", w->sign[0] ? " " : "", w->number);
    if (w->unit[0])
        str_addf(out, " %s", w->unit);
    if (w->half[0])
        str_addf(out, " %s", w->half);
    if (w->word[0])
        str_addf(out, "%s%s", w->sign[0] || w->number[0] ? " " : "", w->word);
    str_addf(out, "%s |", emphasis);
}

static void md_head(const struct analysis *a, bool listed, bool absolute, struct str *out)
{
    char host[80], elapsed[UNIT_TEXT];

    report_hostname(&a->head, host, sizeof(host));
    unit_elapsed(a->elapsed_ns, elapsed);
    if (a->head.plan.suite[0])
        str_addf(out, "%s on ", a->head.plan.suite);
    else
        str_addf(out, "%zu cells on ", a->n_cells);
    md_text(out, host);
    str_addf(out, ", %zu blocks in %s, base ", a->n_blocks, elapsed);
    md_text(out, a->head.base < a->n_targets ? a->head.plan.targets.v[a->head.base].label : "none");
    if (a->head.plan.scale < 1)
        str_addf(out, ", scaled by %.3g", a->head.plan.scale);
    if (!listed)
        str_add(out, "; 95 % intervals.\n");
    else
        str_addf(out, "; %s%s, 95 %% intervals.\n",
                 absolute ? "time per operation or rate" : "ratios of ",
                 absolute ? "" : report_cost_words(&a->head.plan));
}

static bool withholds_any(const struct analysis *a)
{
    for (size_t t = 0; t < a->n_targets; t++)
        if (analysis_withholds(a, t))
            return true;
    return false;
}

static void md_table(const struct analysis *a, const struct report_options *o, struct str *out)
{
    const struct style style = {.utf8 = true};
    const struct plan *p = &a->head.plan;
    bool absolute = o->absolute || a->n_targets < 2;
    char theta[UNIT_TEXT];

    str_addc(out, '\n');
    md_targets(out, a, absolute);
    for (size_t c = 0; c < a->n_cells; c++) {
        if (matrix_has(a, c))
            continue;
        str_add(out, "| ");
        md_text(out, p->cells.v[c].name);
        str_add(out, " |");
        for (uint32_t t = 0; t < a->n_targets; t++) {
            struct cell_words w;
            if (!absolute && t == a->head.base)
                continue;
            if (!a->targets[t].usable && analysis_at(a, c, t)->status == CELL_NOT_MEASURED)
                cell_words_unusable(&style, target_why(&a->targets[t]), &w);
            else if (absolute)
                cell_words_absolute(&style, analysis_at(a, c, t), &p->cells.v[c], &w);
            else
                cell_words_ratio(&style, analysis_at(a, c, t), &p->cells.v[c], &w);
            md_cell(&w, out);
        }
        str_addc(out, '\n');
    }
    str_format(theta, sizeof(theta), "%g %%", 100 * p->theta);
    if (!absolute)
        str_addf(out,
                 "\n= alike within %s, ≈ a difference under %s, ▲ slower, ▼ faster, ? unsure, "
                 "✘ failed%s.\n",
                 theta, theta,
                 withholds_any(a) ? ", ◇ emulated CPU: no verdict (--emulated-too gives one)" : "");
}

void report_markdown(const struct analysis *a, const struct report_more *more,
                     const struct report_options *o, struct str *out)
{
    size_t listed = 0;

    for (size_t c = 0; c < a->n_cells; c++)
        listed += !matrix_has(a, c);
    if (more->has_gate) {
        report_gate_markdown(a, &more->gate, out);
        str_addc(out, '\n');
    }
    md_head(a, listed || a->n_cells == 0, o->absolute || a->n_targets < 2, out);
    if (listed || a->n_cells == 0)
        md_table(a, o, out);
    report_matrix_markdown(a, &more->matrix, out);
    if (more->has_trade) {
        str_addc(out, '\n');
        report_trade_markdown(a, &more->trade, out);
    }
    if (more->has_aa) {
        str_addc(out, '\n');
        report_aa_markdown(a, &more->aa, out);
    }
}

static void put_answers(const struct analysis *a, struct str *out)
{
    _cleanup_(str_release) struct str t = STR_INIT;

    answer_what(a, &t);
    md_line(out, t.buf);
    str_clear(&t);
    answer_cheapest(a, &t);
    str_addc(out, '\n');
    if (t.len) {
        str_addc(out, '\n');
        md_line(out, t.buf);
        str_addc(out, '\n');
    }
}

/* A row a chapter, a column a target. */
static void put_where(const struct analysis *a, const struct style *s, struct str *out)
{
    str_addc(out, '\n');
    md_targets(out, a, false);
    for (enum chapter c = 0; c < CHAPTER_COUNT; c++) {
        _cleanup_(str_release) struct str row = STR_INIT;
        for (uint32_t t = 0; t < a->n_targets; t++) {
            _cleanup_(str_release) struct str text = STR_INIT;
            if (t == a->head.base || !answer_where(a, s, t, c, &text))
                continue;
            str_addc(&row, ' ');
            md_line(&row, text.buf);
            str_add(&row, " |");
        }
        if (row.len)
            str_addf(out, "| %s |%s\n", chapter_title(c), row.buf);
    }
}

static void put_notes(const struct analysis *a, const struct overheads *o, const struct style *s,
                      struct str *out)
{
    _cleanup_(str_release) struct str t = STR_INIT;

    notes_failures(a, s, md_bullet, &t);
    notes_semantics(a, s, md_bullet, &t);
    notes_overheads(a, o, s, md_bullet, &t);
    notes_warnings(a, s, md_bullet, &t);
    if (t.len)
        str_addf(out, "\n## Failures and warnings\n\n%s", t.buf);
}

static void machine_line(const char *key, const char *what, json_t *machine, struct str *out)
{
    json_t *v = json_object_get(machine, key);
    char bytes[UNIT_TEXT];

    if (!json_is_string(v) && !json_is_integer(v))
        return;
    str_addf(out, "- %s: ", what);
    if (json_is_string(v)) {
        md_text(out, json_string_value(v));
    } else if (str_ends(key, "_bytes")) {
        unit_bytes((uint64_t)json_integer_value(v), bytes);
        str_add(out, bytes);
    } else {
        str_addf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    }
    str_addc(out, '\n');
}

static void put_machine(const struct analysis *a, struct str *out)
{
    static const char *const lines[][2] = {
        {"cpu_model", "processor"}, {"cpus_usable", "CPUs"},
        {"memory_bytes", "memory"}, {"kernel", "kernel"},
        {"os", "system"},           {"virtualisation", "inside"},
        {"clocksource", "clock"},   {"cgroup_mode", "control groups"},
    };
    json_t *machine = a->head.machine ? json_loads(a->head.machine, 0, NULL) : NULL;

    str_add(out, "\n## Machine\n\n");
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        machine_line(lines[i][0], lines[i][1], machine, out);
    for (size_t t = 0; t < a->n_targets; t++) {
        json_t *info = a->targets[t].info ? json_loads(a->targets[t].info, 0, NULL) : NULL;
        const char *version = json_string_value(json_object_get(info, "version"));
        str_add(out, "- ");
        md_text(out, a->head.plan.targets.v[t].label);
        str_add(out, ": ");
        md_text(out, version && version[0] ? version : "version not known");
        str_addc(out, '\n');
        json_decref(info);
    }
    str_add(out, "- measured with cupel ");
    md_text(out, a->head.version ? a->head.version : "of an unknown version");
    str_add(out, ": ");
    md_text(out, a->head.command ? a->head.command : "command not known");
    str_addc(out, '\n');
    json_decref(machine);
}

static void put_whole(const struct analysis *a, const struct report_more *more, struct str *out)
{
    const struct style style = {.utf8 = true};
    const struct report_more none = {.has_trade = false};
    struct report_options o = {.style = style};

    str_addf(out, "# r%" PRId64, a->head.id);
    if (a->head.plan.suite[0])
        str_addf(out, ": %s", a->head.plan.suite);
    str_add(out, "\n\n");
    put_answers(a, out);
    if (a->n_targets > 1) {
        put_where(a, &style, out);
        str_add(out, "\n## Ratios\n\n");
        report_markdown(a, more, &o, out);
    }
    str_add(out, "\n## Values\n\n");
    o.absolute = true;
    report_markdown(a, &none, &o, out);
    put_notes(a, &more->overheads, &style, out);
    put_machine(a, out);
}

void report_markdown_full(const struct analysis *a, const struct report_more *more, struct str *out)
{
    struct report_more rest = *more; /* borrowed */

    if (!more->has_gate) {
        put_whole(a, more, out);
        return;
    }
    rest.has_gate = false;
    report_gate_markdown(a, &more->gate, out);
    str_add(out, "\n<details><summary>The whole run</summary>\n\n");
    put_whole(a, &rest, out);
    str_add(out, "\n</details>\n");
}
