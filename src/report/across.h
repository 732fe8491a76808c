/* The runs of several machines in one table. Layer: report. */
#ifndef CUPEL_REPORT_ACROSS_H
#define CUPEL_REPORT_ACROSS_H

#include "analyse/across.h"
#include "report/style.h"

/* names: a->n_machines; asked: how many machines were to be measured. Nothing for targets that are
 * compared with nothing. */
void report_across(const struct across *a, const char *const *names, size_t asked,
                   const struct style *s, struct str *out);

#endif
