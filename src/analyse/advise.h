/* Which targets meet the limits that somebody gave, by the intervals of a stored run.
 *
 * A limit is decided by comparison alone: it is met where the whole interval lies within it, not
 * met where the whole interval lies beyond, undecided in between. Nothing is weighed against
 * anything else, so there is no score: a target meets all of them or it does not. Meeting them
 * all needs no correction for their number (an intersection-union test: Berger, Technometrics 1982;
 * each is to be shown at its own level); what is excluded by one cell of many may be so by chance.
 *
 * Layer: analyse. Plain data, for any report. Ownership: advise_release; the analysis and the
 * limits it was made from have to live as long.
 *
 *     struct advise_limit l = {.kind = ADVISE_LOSS, .pattern = "fs.*", .bound = 1.1};
 *     struct advise v = {0};
 *     analyse_advise(s, &a, &l, 1, &known, &v, err);
 *     if (advise_at(&v, 0, target)->verdict == ADVISE_MEETS) ... */
#ifndef CUPEL_ANALYSE_ADVISE_H
#define CUPEL_ANALYSE_ADVISE_H

#include "analyse/matrix.h"
#include "analyse/trade.h"

/* In the order in which people are asked for them. Adding one: its line in kinds[] of advise.c,
 * where its figures come from there, its words in report/advise-words.c, its option in
 * cli/cmd-advise.c. */
enum advise_kind {
    ADVISE_LOSS,       /* of work: ratios to the base */
    ADVISE_START,      /* life.start: ns */
    ADVISE_MEMORY,     /* bytes of one container more, kernel's part included */
    ADVISE_FIT,        /* how many of them the memory holds: at least */
    ADVISE_BESIDE,     /* factors, time beside a neighbour / without */
    ADVISE_CALLS,      /* of the host's, that it could make */
    ADVISE_MADE,       /* of the host's, that it made */
    ADVISE_CAPS,       /* capabilities on the host */
    ADVISE_NAMESPACES, /* of the host's */
    ADVISE_PATHS,      /* of the host's */
    ADVISE_ANSWERED,   /* calls answered inside: at least */
    ADVISE_KERNEL,     /* a kernel of its own: 1; at least */
    ADVISE_KINDS
};

struct advise_limit {
    enum advise_kind kind;
    char pattern[CELL_NAME_MAX]; /* of loss and beside: cells, as --workload; "": see advise.c */
    double bound;                /* inclusive; NAN: none, its figures are wanted alone */
};

/* Worse is larger: what a target comes to is the largest of what its limits come to. */
enum advise_verdict { ADVISE_MEETS, ADVISE_UNDECIDED, ADVISE_NOT_MEASURED, ADVISE_FAILS };

/* One figure against one limit. */
struct advise_finding {
    const struct cell_result *cell; /* the one behind it; NULL: it is of several, or of none */
    struct estimate e;              /* n = 0 and no bounds: a count that is not estimated */
    enum advise_verdict verdict;
    size_t cells;          /* that it is the mean of; 0: of one */
    bool failed;           /* the work failed, if only in one block: it never meets a limit */
    bool at_least;         /* a count: it may be more */
    size_t limits, broken; /* aggressors: blocks that know, and in which its limits were passed */
    size_t blocks;    /* undecided: in all, by which it may be decided (power .8); 0: unknown */
    char remark[240]; /* what has to be known of it; from outside, to be made inert */
};

struct advise_answer {
    enum advise_verdict verdict;
    VEC(struct advise_finding) findings; /* the worst first; never empty */
};

/* What the run has for a limit. */
struct advise_row {
    size_t cells;       /* of it */
    size_t n_missing;   /* cells of its pattern that are not in the run */
    struct str missing; /* "fs.open@bind, fs.create@bind" */
};

struct advise {
    size_t n_targets, n_limits;
    const struct advise_limit *limits;
    struct advise_row *rows;       /* n_limits */
    struct advise_answer *answers; /* n_limits * n_targets, limit-major */
    bool *candidate;               /* per target: not bare on the host */
    enum advise_verdict *verdicts; /* per target */
    VEC(uint32_t) meets;           /* candidates that meet all, in the order of order_by */
    VEC(size_t) order_by; /* limits whose worst figure that is the order of; none: as run */
    struct estimate *key; /* per target: that figure */
    struct trade trade;
    struct matrix matrix;
};

/* known: its applications may be named in patterns; NULL: those of the run alone. ERR_USAGE: a
 * pattern that is of no workload (with the nearest name), or of none that such a limit is about;
 * a run of the host alone. */
int analyse_advise(struct store *s, const struct analysis *a, const struct advise_limit *limits,
                   size_t n, const struct plan *known, struct advise *ret, struct err *err);
void advise_release(struct advise *v);
const struct advise_answer *advise_at(const struct advise *v, size_t limit, size_t target);

/* "loss", "per-machine": the option of the command line, and stable. */
const char *advise_kind_name(enum advise_kind k);
bool advise_kind_at_least(enum advise_kind k);
/* "meets", "undecided", "not-measured", "fails": stable. */
const char *advise_verdict_name(enum advise_verdict v);

#endif
