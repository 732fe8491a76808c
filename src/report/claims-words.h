/* What a claim, its verdict and its evidence are in words: what a terminal, Markdown, CSV and JSON
 * have in common. ASCII but for the signs of the style; inert.
 *
 * Layer: report, internal. */
#ifndef CUPEL_REPORT_CLAIMS_WORDS_H
#define CUPEL_REPORT_CLAIMS_WORDS_H

#include "report/claims.h"

/* "holds", "does not hold", "undecided", "cannot be tested here". */
const char *claim_verdict_words(enum claim_verdict v);
/* "hold", "do not hold", ...: after a number. */
const char *claim_verdict_plural(enum claim_verdict v);
enum glyph claim_glyph(enum claim_verdict v);
enum tone claim_tone(enum claim_verdict v);

/* "4.52 % [4.11, 4.90]", "1.31 s [1.28, 1.33]", "2.41 times [...]"; of an order its pairs: "runc
 * < runsc:ptrace 5.2 times [...]". Nothing where nothing was measured. */
void claim_here(const struct claims_view *v, size_t i, struct str *out);
/* "4.67 %", "less than 1 %", "alike (within 10 %)", "runc < gVisor < Kata". */
void claim_stated(const struct claims *c, const struct claim_item *claim, struct str *out);
/* "direction holds, size does not: 3.5 to 5.84 % would"; nothing where it says no more than the
 * verdict. */
void claim_why(const struct claims_view *v, size_t i, struct str *out);
/* "runc over host, r7, 10 blocks". */
void claim_of_what(const struct claims_view *v, size_t i, struct str *out);
/* What the source's own figures come to, where they say something: "by its own figures 19.75 %,
 * which is not 18.9 %". */
void claim_own_words(const struct claims_view *v, size_t i, struct str *out);

/* The i-th condition: name, there, here; false past the last. Runtimes that the source does not
 * tell the version of come last. */
bool claims_condition(const struct claims_view *v, size_t i, struct str *name, struct str *there,
                      struct str *here);
/* The n-th command that would test more, and how many claims; false past the last. */
bool claims_more(const struct claims_view *v, size_t i, struct str *command, size_t *claims);

#endif
