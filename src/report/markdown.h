/* Pieces of Markdown tables.
 *
 * Layer: report, internal. */
#ifndef CUPEL_REPORT_MARKDOWN_H
#define CUPEL_REPORT_MARKDOWN_H

#include "analyse/analyse.h"
#include "report/words.h"

/* Text from outside into a table cell: inert, and nothing of it is mark-up. */
void md_text(struct str *out, const char *s);
/* A sentence of ours, in which what came from outside is inert already: nothing is mark-up. */
void md_line(struct str *out, const char *s);
/* The same as a point of a list; for callbacks of notes, with the str as what they are given. */
void md_bullet(void *user, const char *text);
/* " ▲ 1.08 ±0.9 % slower |", the loud ones bold. */
void md_cell(const struct cell_words *w, struct str *out);
/* The head of a table with a column for each target. */
void md_targets(struct str *out, const struct analysis *a, bool with_base);

#endif
