/* The trade in words: what a terminal, Markdown, CSV and JSON have in common.
 *
 * Layer: report, internal. */
#ifndef CUPEL_REPORT_TRADE_WORDS_H
#define CUPEL_REPORT_TRADE_WORDS_H

#include "report/report.h"
#include "report/words.h"

/* Is the measure a row of its own? Not where its kind is not in the run at all, nor where it would
 * be of nothing that anyone asked for. */
bool trade_is_row(const struct trade *t, enum trade_measure m);
/* "CPU (2)", "memory (3 of 4)", "calls it could make, of 358" */
void trade_row_name(const struct trade *t, enum trade_measure m, struct str *out);
/* "cost: time per operation against host's" */
void trade_heading(const struct analysis *a, enum trade_kind k, struct str *out);
void trade_words(const struct style *s, const struct analysis *a, const struct trade *t,
                 enum trade_measure m, uint32_t target, struct cell_words *ret);
/* TRADE_WORST alone: "fsync@create" */
void trade_which(const struct style *s, const struct trade *t, uint32_t target,
                 struct cell_words *ret);
/* How composites are made, and where the formula is from. */
const char *trade_formula(void);

/* What the run did not measure, a group at a time: "memory, start" and the command that does.
 * False when i is beyond the last. */
bool trade_missing(const struct analysis *a, const struct trade *t, size_t i, struct str *what,
                   struct str *command);
/* The same for one measure; nothing if it was measured. */
void trade_command(const struct analysis *a, const struct trade *t, enum trade_measure m,
                   struct str *out);

#endif
