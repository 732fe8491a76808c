/* Several runs against several others, as a table for a terminal, as Markdown, as CSV, as JSON.
 *
 * Layer: report. As report.h: reads what analyse gives, appends, makes inert. */
#ifndef CUPEL_REPORT_COMPARE_H
#define CUPEL_REPORT_COMPARE_H

#include "analyse/compare.h"
#include "report/report.h"

void report_compare(const struct compare *c, const struct report_options *o, struct str *out);
void report_compare_markdown(const struct compare *c, struct str *out);
/* One line per cell and target, what is on one side alone included. */
void report_compare_csv(const struct compare *c, struct str *out);
/* A new reference. */
json_t *report_compare_json(const struct compare *c);

#endif
