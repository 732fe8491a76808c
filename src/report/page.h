/* The page around a run's data: src/report/page/ put together at build time by embed.py, cut in two
 * where the data goes. The script's and the style's hashes stand in its Content-Security-Policy.
 *
 * Layer: report, internal. Constant data. */
#ifndef CUPEL_REPORT_PAGE_H
#define CUPEL_REPORT_PAGE_H

#include <stddef.h>

extern const char page_head[];
extern const size_t page_head_len;
extern const char page_tail[];
extern const size_t page_tail_len;

#endif
