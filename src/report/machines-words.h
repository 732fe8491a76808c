/* What runs of many machines say, in pieces and sentences: what a terminal and Markdown have in
 * common.
 *
 * Layer: report, internal. */
#ifndef CUPEL_REPORT_MACHINES_WORDS_H
#define CUPEL_REPORT_MACHINES_WORDS_H

#include "report/machines.h"
#include "report/notes.h"
#include "report/words.h"

/* A row of the table: of a cell, for a group of machines or for one of them. */
struct machines_line {
    size_t cell;
    bool heading;   /* the cell's name alone */
    bool of_group;  /* else of a machine */
    size_t index;   /* of groups or of rows */
    char name[200]; /* inert */
};

struct machines_lines {
    struct machines_line *v;
    size_t n, cap;
};

enum machines_by machines_by_default(const struct machines *m, enum machines_by by);
/* In the order of the table; the caller frees v. */
void machines_lines(const struct machines *m, enum machines_by by, struct machines_lines *ret);
void machines_words(const struct style *s, const struct machines *m, const struct machines_line *l,
                    size_t target, struct cell_words *ret);
/* Is it a column? Bases are, where a cell is a factor of itself. */
bool machines_has_column(const struct machines *m, size_t target);

/* "8 machines, 9 runs", "2 kinds", "ratios to host": a part each. */
void machines_head(const struct machines *m, note_line *part, void *user);
/* What has to be known before the table is believed, a line each: how many machines, which of them
 * are partial, failed, stand apart; where machines do not agree. */
void machines_notes(const struct machines *m, const struct style *s, note_line *line, void *user);

/* A field of the environment that differs: "6.1 on 990, 6.5 on 10", or how many there are. */
struct machines_difference {
    const char *name;
    struct str values; /* inert */
    bool refused;
};
size_t machines_differences(const struct machines *m,
                            void (*each)(void *user, const struct machines_difference *d),
                            void *user);

#endif
