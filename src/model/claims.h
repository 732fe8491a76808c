/* Published claims as data: what a paper, a README or a guide says of runtimes, under which
 * conditions, and which comparison of a run decides whether it holds here.
 *
 *     name: mine
 *     source: {title: ..., authors: ..., year: 2022, url: ..., retrieved: 2026-11-30}
 *     conditions: {machine: ..., system: ..., kernel: ..., engine: ..., disk: ..., runc: 1.0.0}
 *     tolerance: {relative: 25%, points: 2%, alike: 10%}   # see docs/replicate.md
 *     base: host                      # what losses refer to, unless a claim says otherwise
 *     planned: [net.quic_rr]          # cells that cupel does not have yet
 *     targets:                        # the source's names; here, the first one that a run has
 *       host: {title: bare metal, is: [host]}
 *       runc: {title: RunC, is: [docker/runc, runc]}
 *     claims:
 *       - id: R001
 *         text: runc loses 4.67 % of the events
 *         section: "5.1"
 *         place: Fig. 6
 *         better: higher              # of the source's metric; default: the cell's own
 *         overhead: {cell: sysbench, of: runc}
 *         is: 4.67 %
 *     steps:                          # of the source: the command, and where it stands
 *       - {place: Fig. 6, what: ..., command: cupel run ..., output: ...}
 *
 * A claim has one test, or none and then figures of its own:
 *
 *     overhead: {cell: A | cells: [A, B], of: T, over: U, than: [C]}
 *         what T loses against U in the cells (in their mean of logs); than: against what it loses
 *         in those
 *     growth: {cell: A, from: B, of: T, over: U}
 *         how much more A takes than B, both on T; over: against how much more on U
 *     value: {cell: A, of: T, as: time|rate, times: X}
 *     difference: {cell: A, of: T, over: U, as: ..., times: X}
 *     fact: {cell: A, fact: F | [F, G], of: T, less: F, share: [F, G], over: U, times: X}
 *         a figure beside the samples: a sum of facts, less another, as a share of a sum; over: by
 *         the same on U
 *     order: {cell: A | cells: [A, B], of: [T, [U, V], W], fact: F}
 *         from the least (of cost, or of that fact) to the most; in brackets: in any order
 *
 * `is` is what the quantity is said to be: "4.67 %" or "1.62 s" (about so much), "< 1 %", "2.7
 * times", alike, more, less, much more. Without it: what `printed` comes to.
 *
 *     printed: {overhead: [602242, 654280]}     # or difference, ratio, sum, percent-of
 *         figures in the source from which the stated one follows; checked by arithmetic
 *     recomputed: 7.953476                      # what was found when the file was written
 *     agrees: yes | rounding | no               # the same
 *
 * Layer: model. Ownership: claims_free. Plain data after claims_parse, which has checked that names
 * of targets are declared and cells exist, or are said to be planned. */
#ifndef CUPEL_MODEL_CLAIMS_H
#define CUPEL_MODEL_CLAIMS_H

#include "base/vec.h"
#include "model/plan.h"

#define CLAIMS_MAX        2000
#define CLAIM_ID_MAX      24
#define CLAIM_CELLS_MAX   16
#define CLAIM_GROUPS_MAX  8
#define CLAIM_NAMES_MAX   32 /* names of targets in a file */
#define CLAIM_CHOICES_MAX 16 /* targets of a name */
#define CLAIM_PRINTED_MAX 4
#define CLAIM_FACTS_MAX   6
#define CLAIM_FACT_MAX    48
#define CLAIM_CONDITIONS  16
#define CLAIM_NO_NAME     SIZE_MAX

#define CLAIM_TESTS(X)                                                                             \
    X(OVERHEAD, "overhead")                                                                        \
    X(GROWTH, "growth")                                                                            \
    X(VALUE, "value")                                                                              \
    X(DIFFERENCE, "difference")                                                                    \
    X(FACT, "fact")                                                                                \
    X(ORDER, "order")                                                                              \
    X(FIGURES, "figures") /* nothing is measured: its own figures decide */

#define CLAIM_TEST_ENUM(id, name) CLAIM_##id,
enum claim_test { CLAIM_TESTS(CLAIM_TEST_ENUM) CLAIM_TEST_COUNT };
#undef CLAIM_TEST_ENUM

enum claim_is {
    IS_PRINTED, /* not said: what the printed figures come to */
    IS_ABOUT,
    IS_BELOW,
    IS_AT_MOST,
    IS_ABOVE,
    IS_AT_LEAST,
    IS_ALIKE, /* within tolerance.alike of each other */
    IS_MORE,
    IS_LESS,
    IS_MUCH_MORE, /* by more than tolerance.alike */
    IS_MUCH_LESS
};

enum claim_scale {
    SCALE_PLAIN,
    SCALE_PERCENT, /* figure.value is the fraction */
    SCALE_TIMES
};

struct claim_figure {
    enum claim_is is;
    enum claim_scale scale;
    double value;
    unsigned decimals; /* as written */
    char unit[16];
    char text[48]; /* as written */
};

enum claim_formula {
    FORMULA_NONE,
    FORMULA_OVERHEAD,   /* |a - b| / b */
    FORMULA_DIFFERENCE, /* a - b */
    FORMULA_RATIO,      /* a / b */
    FORMULA_SUM,
    FORMULA_PERCENT_OF /* a percent of b */
};

enum claim_agrees { AGREES_UNSAID, AGREES_YES, AGREES_ROUNDING, AGREES_NO };

struct claim_printed {
    enum claim_formula formula;
    size_t n;
    double v[CLAIM_PRINTED_MAX];
    unsigned decimals[CLAIM_PRINTED_MAX];
};

struct claim_cells {
    size_t n;
    char name[CLAIM_CELLS_MAX][CELL_NAME_MAX];
};

struct claim_facts {
    size_t n;
    char name[CLAIM_FACTS_MAX][CLAIM_FACT_MAX];
};

struct claim_group {
    size_t n;
    size_t name[CLAIM_NAMES_MAX]; /* indices of claims.names */
};

enum claim_as { AS_NATURAL, AS_TIME, AS_RATE };

struct claim_item {
    char id[CLAIM_ID_MAX];
    char *text;
    char *section, *place, *note; /* "" where not said */
    bool better_said;
    enum better better;
    enum claim_test test;
    struct claim_cells cells, than; /* than: `from` of growth */
    size_t of, over;                /* names; CLAIM_NO_NAME */
    struct claim_facts facts, less, share;
    size_t n_groups;
    struct claim_group groups[CLAIM_GROUPS_MAX]; /* of order */
    enum claim_as as;
    double times;
    struct claim_figure figure;
    struct claim_printed printed;
    double recomputed; /* in the stated figure's own unit; NAN */
    enum claim_agrees agrees;
};

struct claim_name {
    char name[CLAIM_FACT_MAX];
    char *title;
    size_t n;
    struct target choices[CLAIM_CHOICES_MAX];
};

struct claim_condition {
    char name[CLAIM_FACT_MAX];
    char *text;
};

struct claim_step {
    char *place, *what, *command, *output;
};

struct claims {
    char name[CLAIM_ID_MAX];
    char *title, *authors, *year, *url, *retrieved;
    struct claim_condition conditions[CLAIM_CONDITIONS];
    size_t n_conditions;
    double relative, points, alike; /* tolerance, fractions */
    size_t base;                    /* a name, or CLAIM_NO_NAME */
    struct claim_cells planned;
    struct claim_name *names;
    size_t n_names;
    VEC(struct claim_item) all;
    VEC(struct claim_step) steps;
};

/* ERR_USAGE "mine.yaml:7:3: ..."; *ret is untouched then. known: its applications' cells exist,
 * too; may be NULL. drivers as in target_parse. */
int claims_parse(const char *text, size_t n, const char *name, const char *const *drivers,
                 size_t n_drivers, const struct plan *known, struct claims **ret, struct err *err);
void claims_free(struct claims *c); /* NULL is fine */
static inline void claims_freep(struct claims **c)
{
    claims_free(*c);
}

/* Reads "4.67 %", "< 1 %", "2.72 times", "1.62 s", "alike", "much more". ERR_USAGE. */
int claim_figure_parse(const char *text, struct claim_figure *ret, struct err *err);

const char *claim_test_name(enum claim_test t);
const char *claim_agrees_name(enum claim_agrees a);   /* "yes", "rounding", "no"; "" unsaid */
const char *claim_formula_name(enum claim_formula f); /* "overhead", "percent-of", ... */
/* Does t, of a run, count as that target of a claims file? By driver, runtime (a path by its last
 * part) and platform; labels are the user's. */
bool claim_target_is(const struct target *choice, const struct target *t);

#endif
