/* Runs of many machines as Markdown. */
#include "report/machines-words.h"
#include "report/markdown.h"

static void add_part(void *user, const char *text)
{
    struct str *out = user;

    str_add(out, out->len ? "; " : "");
    md_line(out, text);
}

static void put_head(const struct machines *m, struct str *out)
{
    size_t columns = 0;

    str_add(out, "| |");
    for (size_t t = 0; t < m->targets.n; t++) {
        if (!machines_has_column(m, t))
            continue;
        str_addc(out, ' ');
        md_text(out, m->targets.v[t]);
        str_add(out, " |");
        columns++;
    }
    str_add(out, "\n|---|");
    while (columns--)
        str_add(out, "---|");
    str_addc(out, '\n');
}

static void put_row(const struct machines *m, const struct machines_line *l, struct str *out)
{
    const struct style style = {.utf8 = true};
    const char *name = l->name + strspn(l->name, " ");

    str_add(out, l->heading ? "| **" : "| ");
    md_text(out, name);
    str_add(out, l->heading ? "** |" : " |");
    for (size_t t = 0; t < m->targets.n; t++) {
        struct cell_words w;
        if (!machines_has_column(m, t))
            continue;
        machines_words(&style, m, l, t, &w);
        md_cell(&w, out);
    }
    str_addc(out, '\n');
}

static void put_difference(void *user, const struct machines_difference *d)
{
    struct str *out = user;

    str_add(out, "| ");
    md_text(out, d->name);
    str_add(out, " | ");
    md_text(out, d->values.buf);
    str_add(out, d->refused ? " (put together by --force) |\n" : " |\n");
}

void report_machines_markdown(const struct machines *m, enum machines_by by, struct str *out)
{
    const struct style style = {.utf8 = true};
    _cleanup_(str_release) struct str head = STR_INIT, rows = STR_INIT;
    struct machines_lines lines;

    machines_head(m, add_part, &head);
    str_addf(out, "%s; alike within %g %%.\n\n", head.buf, 100 * m->theta);
    put_head(m, out);
    machines_lines(m, machines_by_default(m, by), &lines);
    for (size_t i = 0; i < lines.n; i++)
        put_row(m, &lines.v[i], out);
    free(lines.v);
    str_addc(out, '\n');
    machines_notes(m, &style, md_bullet, out);
    if (machines_differences(m, put_difference, &rows))
        str_addf(out, "\n| differs | |\n|---|---|\n%s", rows.buf);
    else
        str_add(out, "\nThe environment is alike in all fields that were recorded.\n");
}
