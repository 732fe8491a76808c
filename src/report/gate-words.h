/* A gate's verdict in words: what terminal, Markdown and page have in common.
 *
 * Layer: report, internal. All text is inert. */
#ifndef CUPEL_REPORT_GATE_WORDS_H
#define CUPEL_REPORT_GATE_WORDS_H

#include "analyse/gate.h"
#include "report/notes.h"
#include "report/style.h"

/* "gate 5 %: failed". */
void gate_head(const struct gate *g, struct str *out);
/* The sentence after it: how many of how many, what is open, what would have been found. */
void gate_sentence(const struct analysis *a, const struct gate *g, struct str *out);
enum tone gate_tone(enum gate_verdict v);
enum glyph gate_glyph(enum gate_state s);
/* "1.052 [1.048, 1.056]"; nothing where there is no ratio. */
void gate_ratio(const struct gate_entry *e, struct str *out);
/* "p=0.0004", "p<0.0001"; nothing where nothing was tested. Of the failures where they decided.
 */
void gate_p(const struct gate_entry *e, struct str *out);
/* What the state rests on, and for what is unsure what would have been found. */
void gate_why(const struct analysis *a, const struct gate *g, const struct gate_entry *e,
              struct str *out);
/* A line for each that is a regression or unsure: "x fs.open on new: 1.31 [1.29, 1.33], ...". */
void gate_lines(const struct analysis *a, const struct gate *g, const struct style *s,
                note_line *line, void *user);

#endif
