/* What has to be said beside the figures: what failed, what did something else than its name says,
 * what disturbed the run. One line of text each, signs first, inert; who asks wraps and escapes it.
 *
 * Layer: report, internal.
 *
 *     notes_failures(&analysis, &style, line, user);   // calls line(user, "...") */
#ifndef CUPEL_REPORT_NOTES_H
#define CUPEL_REPORT_NOTES_H

#include "analyse/overhead.h"
#include "report/style.h"

typedef void note_line(void *user, const char *text);

/* Each kind of failure of a target once, with how many cells share it; then targets that were not
 * measured at all. */
void notes_failures(const struct analysis *a, const struct style *s, note_line *line, void *user);
/* What the operations really did, where that is not what their name says: a line a kind and target.
 */
void notes_semantics(const struct analysis *a, const struct style *s, note_line *line, void *user);
/* What RuntimeClasses count for a pod's sandbox, beside what one was found to take. */
void notes_overheads(const struct analysis *a, const struct overheads *o, const struct style *s,
                     note_line *line, void *user);
/* Warnings by kind: the worst one speaks, the others are counted. */
void notes_warnings(const struct analysis *a, const struct style *s, note_line *line, void *user);

#endif
