/* Pieces of comma-separated values.
 *
 * Layer: report, internal. */
#ifndef CUPEL_REPORT_CSV_H
#define CUPEL_REPORT_CSV_H

#include "base/str.h"

/* Text from outside, inert, quoted where it needs it. */
void csv_text(struct str *out, const char *s);
/* ",value", or "," alone where there is none. */
void csv_double(struct str *out, double v);

#endif
