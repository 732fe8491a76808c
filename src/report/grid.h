/* Rows and columns of cell_words on a terminal. Where the columns do not fit, first those of
 * targets that never ran go, then the words (the signs say the same), then the table is split.
 *
 * Layer: report, internal. Ownership: grid_release. All rows first, then the columns:
 *
 *     grid_init(&g, &style);
 *     grid_row(&g, "sys.getpid", false);
 *     struct grid_column *c = grid_column(&g, "runc", 1, false);
 *     cell_words_ratio(&style, r, cell, &c->rows[0]);
 *     grid_put(&g, out); */
#ifndef CUPEL_REPORT_GRID_H
#define CUPEL_REPORT_GRID_H

#include "model/plan.h"
#include "report/words.h"

#define GRID_NAME_MAX 120

struct grid_row {
    char name[GRID_NAME_MAX];
    bool gap;     /* an empty line before it */
    bool heading; /* a line of its own over the rows that follow: no cells */
};

struct grid_column {
    uint32_t target;
    bool unusable; /* never ran: its column says the same in every row */
    char head[TARGET_HEAD_MAX];
    struct cell_words *rows;                        /* one per row, to be filled by the caller */
    size_t sign, whole, fraction, unit, half, word; /* widths, of grid_put */
    size_t body[2];                                 /* right of the sign, without and with words */
};

struct grid {
    const struct style *style;
    VEC(struct grid_row) rows;
    VEC(struct grid_column) columns;
    size_t name_width;
    size_t gap, least_gap;  /* before each column; what it may shrink to rather than be split */
    const char *replicates; /* what there may be too few of: "blocks" unless said otherwise */
};

void grid_init(struct grid *g, const struct style *style);
void grid_release(struct grid *g);
void grid_row(struct grid *g, const char *name, bool gap);
void grid_heading(struct grid *g, const char *text, bool gap);
/* Valid until the next one is added. head: inert or not. */
struct grid_column *grid_column(struct grid *g, const char *head, uint32_t target, bool unusable);
/* Nothing without rows or columns. */
void grid_put(struct grid *g, struct str *out);
bool grid_sign_used(const struct grid *g, enum glyph sign);
/* What the signs of verdicts mean: only those that are there. counts: some rows are no times. */
void grid_legend(const struct grid *g, double theta, bool counts, struct flow *f);

#endif
