/* Runs of many machines, as a table for a terminal, as Markdown, as CSV, as JSON.
 *
 * Layer: report. As report.h: reads what analyse gives, appends, makes inert. */
#ifndef CUPEL_REPORT_MACHINES_H
#define CUPEL_REPORT_MACHINES_H

#include "analyse/machines.h"
#include "report/report.h"

/* Which rows there are under each cell. */
enum machines_by {
    MACHINES_BY_DEFAULT, /* machine where there are few, kind where there are several, else all */
    MACHINES_BY_ALL,
    MACHINES_BY_KIND,
    MACHINES_BY_MACHINE,
};

void report_machines(const struct machines *m, enum machines_by by, const struct report_options *o,
                     struct str *out);
void report_machines_markdown(const struct machines *m, enum machines_by by, struct str *out);
/* One line per machine, cell and target: what a warehouse takes. */
void report_machines_csv(const struct machines *m, struct str *out);
/* {"machines": [...], "kinds": [...], "results": [...], "apart": [...], "environment": [...],
 * "notes": [...]}; a new reference. */
json_t *report_machines_json(const struct machines *m);

#endif
