/* Advice in words: what a terminal, Markdown and JSON have in common.
 *
 * Layer: report, internal. */
#ifndef CUPEL_REPORT_ADVISE_WORDS_H
#define CUPEL_REPORT_ADVISE_WORDS_H

#include "report/report.h"
#include "report/words.h"

/* "loss on fs.* <= 1.10", "host paths <= 5", "a kernel of its own"; without a bound the name. */
void advise_limit_words(const struct style *s, const struct advise_limit *l, struct str *out);
/* What its figures are in: "ratio", "factor", "ns", "bytes", "count", "yes or no". */
const char *advise_unit(enum advise_kind k);

/* A limit on a target, in a table: the worst figure and what it comes to. */
void advise_words(const struct style *s, const struct analysis *a, const struct advise *v,
                  size_t limit, uint32_t target, struct cell_words *ret);
/* "fs.create@rootfs 1.08 [1.07, 1.10], 12 blocks" with all that has to be known of it. */
void advise_finding_words(const struct style *s, const struct analysis *a,
                          const struct advise_limit *l, const struct advise_finding *f,
                          struct str *out);
/* "crun and runc meet all of it"; the sign before it. False when i is beyond the last sentence. */
bool advise_answer_words(const struct style *s, const struct analysis *a, const struct advise *v,
                         size_t i, struct str *out);
/* What the order of those that meet all is, and who cannot be told apart in it; nothing where there
 * is no order. */
void advise_order_words(const struct analysis *a, const struct advise *v, struct str *out);

/* What the run has no figure of, a line each: false when i is beyond the last. `what` is empty
 * where limit i was measured. */
bool advise_missing(const struct analysis *a, const struct advise *v, size_t i, struct str *what,
                    struct str *command);
/* Chapters of the catalogue that the run has nothing of: "storage, density"; nothing without. */
void advise_chapters_missing(const struct analysis *a, struct str *out);
/* The command that measures a limit's cell on target again, for so long that it may be decided. */
void advise_again(const struct analysis *a, const struct advise_finding *f, struct str *out);
/* The worst warning of a kind about target (-1: about none); NULL: there is none. */
const struct warning *advise_warning(const struct analysis *a, enum warning_kind k, int32_t target);

#endif
