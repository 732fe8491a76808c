/* Pieces of Markdown tables.
 *
 * Layer: report, internal. */
#ifndef CUPEL_REPORT_MARKDOWN_H
#define CUPEL_REPORT_MARKDOWN_H

#include "report/words.h"

/* Text from outside into a table cell: inert, and nothing of it is mark-up. */
void md_text(struct str *out, const char *s);
/* " ▲ 1.08 ±0.9 % slower |", the loud ones bold. */
void md_cell(const struct cell_words *w, struct str *out);

#endif
