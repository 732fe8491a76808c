/* Numbers as people read them. Layer: report. All write into dst[size], always terminated. */
#ifndef CUPEL_REPORT_UNITS_H
#define CUPEL_REPORT_UNITS_H

#include "report/style.h"

#include <stdint.h>

#define UNIT_TEXT 32

/* "121 ns", "14.6 µs", "3.20 ms", "1.25 s": three significant digits. NaN: "?". */
void unit_ns(const struct style *s, double ns, char dst[UNIT_TEXT]);
/* The same in two pieces, for columns: "14.6" and "µs". */
void unit_ns_parts(const struct style *s, double ns, char num[UNIT_TEXT], char unit[UNIT_TEXT]);
/* "18.2 GB/s", powers of 1000. */
void unit_rate_parts(double bytes_per_s, char num[UNIT_TEXT], char unit[UNIT_TEXT]);
/* "78.3 Gflop/s". */
void unit_flops_parts(double flop_per_s, char num[UNIT_TEXT], char unit[UNIT_TEXT]);
/* Three significant digits of anything that is not negative: "0.00132", "93100". */
void unit_value(double v, char dst[UNIT_TEXT]);
/* "23.5 GiB", powers of 1024. */
void unit_bytes(uint64_t bytes, char dst[UNIT_TEXT]);
/* "0.4 %", "3.8 %", "25 %" from .004, .038, .25. */
void unit_percent(double fraction, char dst[UNIT_TEXT]);
/* "1.003" where the half-width (fraction) supports three digits, else "1.08", "34.2", "121". */
void unit_ratio(double ratio, double half, char dst[UNIT_TEXT]);
/* "0:07", "3:12", "1:02:03". */
void unit_elapsed(uint64_t ns, char dst[UNIT_TEXT]);
/* Half-width of an interval on the log scale as a fraction: sqrt(hi / lo) - 1. NaN if there is
 * none. */
double interval_half(double lo, double hi);

#endif
