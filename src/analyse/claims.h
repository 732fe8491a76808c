/* Does it hold here? Published claims (model/claims.h) against runs: a verdict for each, with the
 * interval that it rests on beside the stated figure.
 *
 * Layer: analyse. Plain data, for any report. Ownership: claims_judged_release; claims, analyses
 * and stores have to live as long.
 *
 *     const struct claim_run runs[] = {{store, &analysis}};
 *     struct claims_judged j = {0};
 *     claims_judge(claims, runs, 1, &j, err);
 *     j.v[i].verdict                            // of claims->all.v[i]
 *
 * Losses and orders are of log ratios by block, target against target (through the base, or
 * straight from the times where there is none), a mean over the cells of a group; Hodges-Lehmann
 * and the exact signed-rank interval (stats/paired.h). Absolute figures and facts: the median over
 * blocks and its order-statistic interval. What the words mean is in docs/replicate.md. */
#ifndef CUPEL_ANALYSE_CLAIMS_H
#define CUPEL_ANALYSE_CLAIMS_H

#include "analyse/analyse.h"
#include "model/claims.h"

enum claim_verdict {
    CLAIM_HOLDS,
    CLAIM_DOES_NOT_HOLD,
    CLAIM_UNDECIDED, /* the interval holds what would be and what would not be, or there is none */
    CLAIM_UNTESTED,  /* the runs have not what it takes: `reason` */
    CLAIM_VERDICTS
};

enum claim_answer { ANSWER_NONE, ANSWER_YES, ANSWER_NO, ANSWER_OPEN };

/* What the figures of a result are: a loss by the paper's formula but signed, as a fraction; a
 * ratio of costs; or a figure in the claim's own unit. */
enum claim_measure { MEASURE_FRACTION, MEASURE_TIMES, MEASURE_PLAIN };

/* Of an order: the second takes so many times what the first takes. */
struct claim_pair {
    uint32_t less, more; /* targets */
    struct estimate ratio;
    enum claim_answer holds;
};

/* The source's own arithmetic. */
struct claim_own {
    bool has;
    double
        value; /* of the formula over the printed figures; a fraction as per cent, if so stated */
    enum claim_agrees agrees; /* with the stated figure; AGREES_UNSAID where none is stated */
};

struct claim_result {
    enum claim_verdict verdict;
    enum claim_answer direction, size;
    size_t run;        /* index of runs; SIZE_MAX: none was looked at */
    uint32_t of, over; /* targets of that run; UINT32_MAX */
    enum claim_measure measure;
    struct estimate e; /* n = 0: none */
    double stated;     /* in the same measure; NAN for words */
    double lo, hi;     /* what it may be for the claim to hold; infinite: no bound */
    bool negligible;   /* "more" or "less" holds, by less than the run's theta */
    bool partial;      /* an order: of some of its targets only */
    VEC(struct claim_pair) pairs;
    char reason[300];          /* untested, or undecided for want of blocks */
    char lacks[CELL_NAME_MAX]; /* untested: the cell that no run has */
    struct claim_own own;
};

struct claims_judged {
    const struct claims *claims;
    struct claim_result *v; /* claims->all.n */
    size_t count[CLAIM_VERDICTS];
};

struct claim_run {
    struct store *s;
    const struct analysis *a;
};

/* Each claim by the first of the runs that can decide it. No runs: figures alone are checked. */
int claims_judge(const struct claims *c, const struct claim_run *runs, size_t n_runs,
                 struct claims_judged *ret, struct err *err);
void claims_judged_release(struct claims_judged *j);

/* "holds", "does-not-hold", "undecided", "untested"; as exported. */
const char *claim_verdict_name(enum claim_verdict v);

/* The formula over the printed figures, against the stated one: yes if the result, rounded as that
 * is, equals it; rounding if some figures that round to the printed ones give it. */
void claim_own_check(const struct claim_item *c, struct claim_own *ret);

#endif
