/* What a cell's cost is in the unit people know it by: a time per operation, a rate, or the metric
 * of an application.
 *
 * Layer: report. A cost is nanoseconds per operation as analyse gives it. */
#ifndef CUPEL_REPORT_FIGURE_H
#define CUPEL_REPORT_FIGURE_H

#include "analyse/analyse.h"
#include "report/units.h"

/* Number and unit apart, for columns: "14.6" and "µs", "18.2" and "GB/s", "93100" and
 * "requests/s". */
void figure_parts(const struct style *s, const struct cell *cell, double cost_ns,
                  char num[UNIT_TEXT], char unit[UNIT_TEXT]);
/* "14.6 µs [14.1, 15.0 µs]", the smaller bound first. */
void figure_text(const struct style *s, const struct cell *cell, const struct estimate *cost,
                 struct str *out);
/* The same as numbers in figure_unit, for other programs. n == 0 stays so. */
struct estimate figure_estimate(const struct cell *cell, const struct estimate *cost);
double figure_value(const struct cell *cell, double cost_ns); /* one number of it */
const char *figure_unit(const struct cell *cell); /* "ns", "B/s", "flop/s", "requests/s" */

#endif
