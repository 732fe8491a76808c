/* Published claims beside what a machine shows: for a terminal, as Markdown, CSV and JSON; and the
 * map of a source, from its steps to commands.
 *
 * Layer: report. As report/report.h: everything is appended to a str, and what came from outside
 * (users' claims files, runs) is made inert.
 *
 *     const struct claims_view v = {&judged, runs, n_runs};
 *     report_claims(&v, &style, &out); */
#ifndef CUPEL_REPORT_CLAIMS_H
#define CUPEL_REPORT_CLAIMS_H

#include "analyse/claims.h"
#include "report/style.h"

#include <jansson.h>

struct claims_view {
    const struct claims_judged *judged;
    const struct claim_run *runs;
    size_t n_runs;
};

void report_claims(const struct claims_view *v, const struct style *s, struct str *out);
void report_claims_markdown(const struct claims_view *v, struct str *out);
/* One line a claim. The header is for all files that follow one another. */
void report_claims_csv_header(struct str *out);
void report_claims_csv(const struct claims_view *v, struct str *out);
/* {"name", "source", "conditions", "tolerance", "counts", "claims": [...]}; a new reference. */
json_t *report_claims_json(const struct claims_view *v);

/* Markdown: each step of the source, the command that does it, where it stands in the output, and
 * the ids of the claims of that place. Needs no run. */
void report_claims_map(const struct claims *c, struct str *out);

#endif
