/* A comparison of runs as Markdown, for a pull request. */
#include "report/compare.h"

#include "report/compare-words.h"
#include "report/markdown.h"

static void put_table(const struct compare *c, size_t target, struct str *out)
{
    const struct style style = {.utf8 = true};

    str_add(out, "\n| ");
    md_text(out, c->targets.v[target]);
    str_add(out, " |");
    for (enum compare_column i = 0; i < COMPARE_COLUMNS; i++)
        str_addf(out, " %s |", compare_head(i));
    str_add(out, "\n|---|");
    for (enum compare_column i = 0; i < COMPARE_COLUMNS; i++)
        str_add(out, "---|");
    str_addc(out, '\n');
    for (size_t k = 0; k < c->cells.n; k++) {
        const struct comparison *x = compare_at(c, k, target);
        if (!compare_has_row(x))
            continue;
        str_add(out, "| ");
        md_text(out, c->cells.v[k].name);
        str_add(out, c->cells.v[k].primary ? " (primary) |" : " |");
        for (enum compare_column i = 0; i < COMPARE_COLUMNS; i++) {
            struct cell_words w;
            compare_words(&style, c, x, i, &w);
            md_cell(&w, out);
        }
        str_addc(out, '\n');
    }
}

static void difference_row(void *user, const struct compare_difference *d)
{
    struct str *out = user;
    bool inside = d->within[SIDE_A] || d->within[SIDE_B];

    str_add(out, inside ? "| **" : "| ");
    md_text(out, d->name);
    str_add(out, inside ? "** |" : " |");
    for (enum compare_side_name i = SIDE_A; i < SIDES; i++) {
        str_addc(out, ' ');
        md_text(out, d->values[i].buf);
        str_add(out, " |");
    }
    str_addf(out, " %s%s |\n", inside ? "**within a side**" : "between the sides",
             d->refused ? ", compared by --force" : "");
}

static void put_environ(const struct compare *c, struct str *out)
{
    _cleanup_(str_release) struct str rows = STR_INIT;

    if (compare_differences(c, true, difference_row, &rows) == 0) {
        str_addf(out, "\nThe environment is alike in all %zu fields that were recorded.\n",
                 c->environ.fields.n);
        return;
    }
    str_addf(out, "\n| differs | A | B | |\n|---|---|---|---|\n%s", rows.buf);
}

void report_compare_markdown(const struct compare *c, struct str *out)
{
    const struct style style = {.utf8 = true};
    _cleanup_(str_release) struct str what = STR_INIT;

    for (enum compare_side_name i = SIDE_A; i < SIDES; i++) {
        _cleanup_(str_release) struct str side = STR_INIT;
        compare_side_text(c, i, &side);
        str_add(out, i == SIDE_A ? "A: " : ", B: ");
        md_line(out, side.buf);
    }
    compare_what_text(c, &what);
    str_add(out, "; ");
    md_line(out, what.buf);
    str_addf(out,
             ", mean over runs, and B against A with 95 %% intervals over runs; alike within "
             "%g %%. *runs*: spread from run to run, *within*: what of that the runs' own noise "
             "explains.\n",
             100 * c->theta);
    for (size_t t = 0; t < c->targets.n; t++)
        if (compare_target_has_rows(c, t))
            put_table(c, t, out);
    str_addc(out, '\n');
    compare_notes(c, &style, md_bullet, out);
    compare_remarks(c, &style, md_bullet, out);
    put_environ(c, out);
}
