/* When a cell has been measured enough: on the width of its interval, never on significance.
 *
 * Layer: stats. The rule looks at fixed numbers of blocks only and uses intervals at alpha_prime,
 * stricter than what is reported, to pay for stopping at the first narrow one. docs/statistics.md
 * holds the measured coverage of the default.
 *
 *     struct stop_rule rule = stop_rule_default(theta);
 *     if (stop_rule_is_look(&rule, n)) {
 *         struct stop_state s;
 *         stop_rule_decide(&rule, d, n, &s, err);
 *         if (s.decision == STOP_PRECISE) ... the cell drops out of later blocks
 *     }
 * A run that spends its budget between two looks reports the interval at alpha_prime of what it
 * has, as paired_summary(d, n, rule.alpha_prime, ...) gives it. */
#ifndef CUPEL_STATS_SEQUENTIAL_H
#define CUPEL_STATS_SEQUENTIAL_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { STOP_LOOKS_MAX = 40 };

struct stop_rule {
    size_t looks[STOP_LOOKS_MAX]; /* numbers of blocks, rising */
    size_t n_looks;
    double alpha_prime;    /* of the intervals computed */
    double alpha_reported; /* of the statement printed: .05 */
    double theta;          /* practical threshold, a fraction */
    double half_width;     /* log units: precise when (hi - lo)/2 <= half_width */
};

/* The measured default: looks at every block from 7 (the least with an interval) to 16, then about
 * an eighth apart up to 186, at alpha' = .03. theta .02 gives half_width ln(1 + theta)/2; set
 * half_width afterwards for another precision. */
struct stop_rule stop_rule_default(double theta);

/* Errors: ERR_USAGE EINVAL for looks that do not rise, allow no interval at alpha_prime, or a
 * half-width or alpha that is not positive. */
int stop_rule_check(const struct stop_rule *rule, struct err *err);

/* Leaves out the looks before `least` blocks: for a test that cannot decide anything earlier. */
void stop_rule_start(struct stop_rule *rule, size_t least);

bool stop_rule_is_look(const struct stop_rule *rule, size_t n);
/* First look above n; 0 when there is none. */
size_t stop_rule_next(const struct stop_rule *rule, size_t n);

enum stop_decision {
    STOP_CONTINUE,  /* not precise yet, or n is not a look */
    STOP_PRECISE,   /* half-width reached at a look */
    STOP_EXHAUSTED, /* the last look passed without it */
};

struct stop_state {
    enum stop_decision decision;
    double estimate;   /* Hodges-Lehmann, NaN for n = 0 */
    double lo, hi;     /* at alpha_prime; -inf, inf where no interval exists yet */
    double half_width; /* (hi - lo)/2; inf likewise */
    double level;      /* achieved; 0 likewise */
    size_t n, next_look;
};

/* Judges the first n blocks. Also callable between looks, to show progress: it then never stops.
 * Errors: ERR_USAGE for values that are not finite. */
int stop_rule_decide(const struct stop_rule *rule, const double *d, size_t n,
                     struct stop_state *ret, struct err *err);

/* The p value of a test made where this rule stopped, put on the scale of the reported alpha: times
 * alpha_reported / alpha_prime, at most 1. Unadjusted, 5 % would be up to 7.5 % (a narrow interval
 * is one that may sit beside the truth). NaN stays NaN. */
double stop_rule_adjust_p(const struct stop_rule *rule, double p);

#endif
