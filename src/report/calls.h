/* System calls in words: names by libseccomp, for this machine's architecture; numbers where it
 * knows none.
 *
 * Layer: report, internal. `bits` is a fact of the workloads reach.*, in the form of
 * wire/callset.h; what is not of that form says nothing. */
#ifndef CUPEL_REPORT_CALLS_H
#define CUPEL_REPORT_CALLS_H

#include "base/str.h"

/* "356 of the 362 that host answers; not: acct, add_key, ..." */
void calls_compare(const char *bits, const char *base_bits, const char *base_label,
                   struct str *out);
/* "85 of the 358 that host answers"; without base_bits "85 of 512 numbers". */
void calls_could(const char *bits, const char *base_bits, const char *base_label, struct str *out);
/* "; not made: accept, ...": what of it was not. Where all is let through nothing is named. */
void calls_not_made(const char *bits, const char *made_bits, struct str *out);
/* "24: brk, clone, close, ..." */
void calls_list(const char *bits, struct str *out);

#endif
