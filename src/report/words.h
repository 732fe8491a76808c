/* One cell of the table in pieces: its sign, its number, its interval and a word. What a terminal,
 * a Markdown table and the cell's own page have in common.
 *
 * Layer: report. Plain data. */
#ifndef CUPEL_REPORT_WORDS_H
#define CUPEL_REPORT_WORDS_H

#include "analyse/analyse.h"
#include "report/style.h"
#include "report/units.h"

/* Instead of a verdict, and in the heads of columns. */
#define EMULATED_WORD "emulated CPU"

struct cell_words {
    enum tone tone;
    enum glyph glyph;
    char sign[16];          /* the glyph, repeated for large differences: "▲▲▲" */
    char number[UNIT_TEXT]; /* "1.08", "121"; "" where there is none */
    char unit[UNIT_TEXT];   /* absolute values: "µs" */
    char half[UNIT_TEXT];   /* "±0.9 %"; "n=3" where 3 blocks give none */
    char word[40];          /* "slower", "alike"; where there is no number: what happened */
};

/* It was measured, and there is nothing on the base to compare it with. */
bool cell_lacks_base(const struct cell_result *r);
/* The ratio to the base; the cell's own figure, and "no base", where it lacks one (cell NULL: a
 * ratio there must be). */
void cell_words_ratio(const struct style *s, const struct cell_result *r, const struct cell *cell,
                      struct cell_words *ret);
/* The cell's own figure (see report/figure.h). */
void cell_words_absolute(const struct style *s, const struct cell_result *r,
                         const struct cell *cell, struct cell_words *ret);
/* A cell of a target that could not be used at all: what its preflight found. */
void cell_words_unusable(const struct style *s, enum err_kind why, struct cell_words *ret);
/* A target whose CPU is emulated, where a figure of several cells would stand. */
void cell_words_emulated(const struct style *s, struct cell_words *ret);
/* Its label, inert, and "(emulated CPU)" where it is: for the heads of columns. */
void target_head(const struct analysis *a, size_t target, struct str *out);
#define TARGET_HEAD_MAX (TARGET_LABEL_MAX + sizeof(" (" EMULATED_WORD ")"))
/* What the ratios of a run are ratios of. */
const char *report_cost_words(const struct plan *p);
/* A remark about a cell's data, one CELL_FLAG_. */
const char *flag_words(unsigned flag);
/* The kind in a stored target_info; ERR_UNSUPPORTED where it does not say. */
enum err_kind target_why(const struct target_row *row);
/* Of the catalogue, and neither a time nor an operation: memory, a number of calls. */
bool cell_is_count(const struct cell *cell);
/* "slower", "faster" (of a count "worse", "better"), "alike", "slight", "unsure", "emulated CPU".
 * cell may be NULL. */
const char *verdict_word(enum verdict v, const struct cell *cell);
/* "timed out", "unsupported", "bad data", "failed", "a bug of cupel". */
const char *failure_word(enum err_kind k);
/* The longer form for notes: "timed out in 2 of 11 blocks (4 to 52 %)". */
void failure_sentence(const struct cell_result *r, struct str *out);

#endif
