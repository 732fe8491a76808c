/* A run in plain words: which target costs least, what each costs where, what failed. Sentences of
 * what the estimates say and nothing beyond; no scores.
 *
 * Layer: report, internal. */
#ifndef CUPEL_REPORT_ANSWERS_H
#define CUPEL_REPORT_ANSWERS_H

#include "analyse/analyse.h"
#include "analyse/chapter.h"
#include "report/style.h"

#include <stdbool.h>

/* "quick: 14 workloads on 4 targets, 15 blocks in 3:55" and what all is compared with. */
void answer_what(const struct analysis *a, struct str *out);
/* Who costs least over all work, and the others beside; nothing where no composite of work exists.
 */
void answer_cheapest(const struct analysis *a, struct str *out);
/* "alike", "1.05 to 106 × slower in 5 of 6", "failed": what target costs in the workloads of that
 * chapter. False if the chapter has none. */
bool answer_where(const struct analysis *a, const struct style *s, uint32_t target, enum chapter c,
                  struct str *out);

#endif
