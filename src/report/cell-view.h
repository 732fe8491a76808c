/* What `show --cell` is put together of: the view, and the evidence behind a cell on a target.
 *
 * Layer: report, internal. cell.c has the order; the chapters of experiments are in cell-*.c. */
#ifndef CUPEL_REPORT_CELL_VIEW_H
#define CUPEL_REPORT_CELL_VIEW_H

#include "report/report.h"

#include <jansson.h>

#define KEY_WIDTH 12

struct view {
    struct store *store;
    const struct analysis *a;
    const struct report_options *o;
    const struct cell_result *r, *base;
    const struct cell *cell;
    struct str *out;
    json_t *lines; /* not NULL: lines go here, as [key, text], and not to out */
};

struct evidence {
    uint32_t target, cell;
    size_t starts, proofs;
    char *proof, *hello;  /* of the first session that has them */
    char *detail, *facts; /* of the first trial of the cell */
    uint64_t launch_ns;
};

int evidence_read(struct store *s, int64_t run, uint32_t cell, uint32_t target,
                  struct evidence *ret, struct err *err);
void evidence_release(struct evidence *e);
/* What evidence_read does with each session and trial; user: a struct evidence with target set. */
int evidence_session(void *user, const struct session_record *s);
int evidence_trial(void *user, const struct trial *t);
/* The fact of that name, malloced; NULL if there is none or it is no text. */
char *evidence_text(const struct evidence *e, const char *name);

/* One line: the key, then the text, wrapped below itself (or a pair in lines). */
void view_line(const struct view *v, const char *key, const char *text);
/* One character for each value, its height within the range of all; a blank for NAN. */
void view_sparkline(const struct style *s, const double *x, size_t n, struct str *out);

/* cell.c: what was measured; that it really was this target; what it did, and how steadily. */
int cell_put_figures(const struct view *v, const struct cell_series *c, const struct evidence *e,
                     struct err *err);
void cell_put_proof(const struct view *v, const struct evidence *e);
void cell_put_work(const struct view *v, const struct evidence *e);
void cell_put_remarks(const struct view *v);

/* cell-reach.c: which calls are answered, which are made of the host, which could be. */
int cell_put_reach(const struct view *v, const struct evidence *e, struct err *err);
/* cell-network.c: what lay between, and what either end took. */
void cell_put_network(const struct view *v, const struct evidence *e);
/* cell-neighbour.c: the first block of an experiment with a neighbour. */
void cell_put_neighbour(const struct view *v, const struct evidence *e);

#endif
