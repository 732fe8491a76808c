/* Reports: a run as a table for a terminal, as Markdown, as CSV, as JSON, as a page for a browser,
 * and one cell in detail.
 *
 * Layer: report. Reads what analyse gives (and, for samples and proofs, the store); measures and
 * judges nothing. Everything is appended to a str; only cli prints. Text that came out of a
 * runtime, a guest or an imported file is made inert before it is written.
 *
 *     struct report_options o = {.style = style};
 *     report_table(&analysis, &more, &o, &out); */
#ifndef CUPEL_REPORT_REPORT_H
#define CUPEL_REPORT_REPORT_H

#include "analyse/aa.h"
#include "analyse/advise.h"
#include "analyse/analyse.h"
#include "analyse/gate.h"
#include "analyse/matrix.h"
#include "analyse/overhead.h"
#include "analyse/trade.h"
#include "report/style.h"
#include "stats/simulate.h"

#include <jansson.h>

struct report_options {
    struct style style;
    bool absolute;  /* values with units instead of ratios */
    const char *db; /* put into the hints ("--db FILE"); NULL: the default file */
};

/* What a run has beside its cells one by one. Ownership: report_more_release. */
struct report_more {
    struct matrix matrix; /* without loads: there is none */
    struct trade trade;
    struct gate gate;
    struct aa aa;
    struct overheads overheads;
    bool has_trade, has_gate, has_aa; /* a gate and A/A: where the run's plan has them */
};
/* trade: also where the run has figures of one kind alone. */
int report_more_read(struct store *s, const struct analysis *a, bool trade, struct report_more *ret,
                     struct err *err);
void report_more_release(struct report_more *m);

/* The table for a terminal: a row per cell, a column per target; cells of a matrix as such; trade,
 * A/A and the gate's verdict at the end. */
void report_table(const struct analysis *a, const struct report_more *more,
                  const struct report_options *o, struct str *out);
/* The same as a Markdown table (always UTF-8, no colour, no width), the gate's verdict first. */
void report_markdown(const struct analysis *a, const struct report_more *more,
                     const struct report_options *o, struct str *out);
/* Each by itself. */
void report_matrix(const struct analysis *a, const struct matrix *m, const struct report_options *o,
                   struct str *out);
void report_matrix_markdown(const struct analysis *a, const struct matrix *m, struct str *out);
void report_trade(const struct analysis *a, const struct trade *t, const struct report_options *o,
                  struct str *out);
void report_trade_markdown(const struct analysis *a, const struct trade *t, struct str *out);
/* One line per measure and target. */
void report_trade_csv(const struct analysis *a, const struct trade *t, struct str *out);
/* {"kinds": {...}, "measures": [{"measure", "kind", ..., "values": [...]}]}; a new reference. */
json_t *report_trade_json(const struct analysis *a, const struct trade *t);
/* Which targets meet limits, with the evidence and what was not measured; where limits have no
 * bounds, what each target comes to. */
void report_advise(const struct analysis *a, const struct advise *v, const struct report_options *o,
                   struct str *out);
void report_advise_markdown(const struct analysis *a, const struct advise *v,
                            const struct report_options *o, struct str *out);
/* {"run", "base", "limits": [...], "meets": [...], "targets": [...]}; a new reference. */
json_t *report_advise_json(const struct analysis *a, const struct advise *v);
/* What a gate says: the verdict in one line, then regressions and what cannot be told. In Markdown
 * the rest follows folded, for a comment on a pull request. */
void report_gate(const struct analysis *a, const struct gate *g, const struct report_options *o,
                 struct str *out);
void report_gate_markdown(const struct analysis *a, const struct gate *g, struct str *out);
/* {"gate", "verdict", "counts": {...}, "comparisons": [...]}; a new reference. */
json_t *report_gate_json(const struct analysis *a, const struct gate *g);
/* False alarms, noise floor, and for each cell and target the smallest difference that is told. */
void report_aa(const struct analysis *a, const struct aa *x, const struct report_options *o,
               struct str *out);
void report_aa_markdown(const struct analysis *a, const struct aa *x, struct str *out);
/* {"intervals", "alarms", "allowed", ..., "comparisons": [...]}; a new reference. */
json_t *report_aa_json(const struct analysis *a, const struct aa *x);
/* What the simulations found, a line a figure with its bound. */
void report_selftest(const struct sim_table *t, const struct style *s, struct str *out);
void report_selftest_markdown(const struct sim_table *t, struct str *out);
/* {"pass", "figures": [...]}; a new reference. */
json_t *report_selftest_json(const struct sim_table *t);
/* The whole run as Markdown: the answers in words, ratios, values, what failed, the machine; folded
 * under the verdict of a gate, where there is one. */
void report_markdown_full(const struct analysis *a, const struct report_more *more,
                          struct str *out);
/* One self-contained page: data, style and script in one HTML file, nothing loaded from anywhere.
 * Whatever stands in the run's strings is inert in it: the data is JSON without `<`, `>` and `&`,
 * and the script makes text of it, never markup. */
int report_html(struct store *s, const struct analysis *a, const struct report_more *more,
                struct str *out, struct err *err);
/* One line per cell and target, every figure of cell_result; empty fields where there is none. */
void report_summary_csv(const struct analysis *a, struct str *out);
/* The same as JSON: {"base", "blocks", "cells": [...], "geometric_mean": [...], "warnings": [...]}.
 * A new reference. Figures that do not exist are null. */
json_t *report_summary_json(const struct analysis *a);
/* With "trade", "overheads", "gate", "aa", where there are such. A new reference. */
json_t *report_whole_json(const struct analysis *a, const struct report_more *more);
/* A document as text for people, too; takes the reference. */
void report_json_text(json_t *o, struct str *out);
/* One line per sample, failures as lines of their own. */
int report_samples_csv(struct store *s, int64_t run, struct str *out, struct err *err);

/* A RuntimeClass for every target that was weighed, with its overhead and the evidence, as YAML.
 * ERR_USAGE: the run weighed none. */
int report_runtimeclass(struct store *s, const struct analysis *a, struct str *out,
                        struct err *err);

/* One cell on one target: values, host CPU, proof, blocks, how to repeat it. */
int report_cell(struct store *s, const struct analysis *a, uint32_t cell, uint32_t target,
                const struct report_options *o, struct str *out, struct err *err);
int report_cell_json(struct store *s, const struct analysis *a, uint32_t cell, uint32_t target,
                     json_t **ret, struct err *err);

/* Shared by the above and by cli. The machine's host name out of the run's metadata, inert. */
void report_hostname(const struct run_head *h, char *dst, size_t size);
/* A command that measures this cell on this target again. */
void report_again(const struct analysis *a, uint32_t cell, uint32_t target, struct str *out);
/* The same for so many blocks, and with a seed of its own: a new measurement. */
void report_again_longer(const struct analysis *a, uint32_t cell, uint32_t target, unsigned blocks,
                         struct str *out);
/* Quoted for a shell where it needs it. */
void report_shell_word(const char *word, struct str *out);
/* " --target runc", as it was typed. */
void report_again_target(const struct analysis *a, uint32_t target, struct str *out);

#endif
