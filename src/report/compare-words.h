/* A comparison of runs in pieces and sentences: what a terminal and Markdown have in common.
 *
 * Layer: report, internal. */
#ifndef CUPEL_REPORT_COMPARE_WORDS_H
#define CUPEL_REPORT_COMPARE_WORDS_H

#include "analyse/compare.h"
#include "report/notes.h"
#include "report/report.h"
#include "report/words.h"

enum compare_column {
    COLUMN_A, /* the ratio to the base, or the value, mean over A's runs */
    COLUMN_B,
    COLUMN_RATIO,   /* B against A, with its interval and verdict */
    COLUMN_BETWEEN, /* spread from run to run */
    COLUMN_WITHIN,  /* what of it the runs' own noise explains */
    COMPARE_COLUMNS
};

const char *compare_head(enum compare_column column);
void compare_words(const struct style *s, const struct compare *c, const struct comparison *x,
                   enum compare_column column, struct cell_words *ret);
/* Has it a row of the table? What is on one side alone is said in a note instead. */
bool compare_has_row(const struct comparison *x);
bool compare_target_has_rows(const struct compare *c, size_t target);
/* "r1 r2 r3 on vm-7f3a", inert. */
void compare_side_text(const struct compare *c, enum compare_side_name side, struct str *out);
/* What is compared: "ratios to host", "values". */
void compare_what_text(const struct compare *c, struct str *out);
/* "host"; where bases differ, "host, runc". Inert. */
void compare_base_text(const struct compare *c, struct str *out);

/* How many comparisons, by which procedure, what is too little, in which order the runs were made:
 * what has to be known before the table is believed. A line each. */
void compare_notes(const struct compare *c, const struct style *s, note_line *line, void *user);
/* Verdicts held back, failures, what is on one side alone. */
void compare_remarks(const struct compare *c, const struct style *s, note_line *line, void *user);

/* A field of the environment that differs: where, and which values. */
struct compare_difference {
    const char *name;
    bool within[SIDES], between, refused;
    struct str values[SIDES]; /* "6.1" or "6.1 (r1 r2), 6.8 (r3)"; inert */
};
/* Calls for every one, those within a side first; returns how many. brief: hashes are cut. */
size_t compare_differences(const struct compare *c, bool brief,
                           void (*each)(void *user, const struct compare_difference *d),
                           void *user);

#endif
