#include "stats/gate.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "stats/dist.h"
#include "stats/signflip.h"

#include <math.h>

/* As in paired.c: above SIGNFLIP_COUNT_MAX blocks the flips are drawn. */
enum { FLIP_SEED = 0x5eed };

/* What a p value has to be at most, before it is put on the scale of the reported alpha. */
static double level_of(const struct stop_rule *rule)
{
    return rule ? GATE_ALPHA * rule->alpha_prime / rule->alpha_reported : GATE_ALPHA;
}

size_t gate_min_blocks(size_t comparisons, const struct stop_rule *rule)
{
    double most = level_of(rule) / (double)(comparisons ? comparisons : 1);
    size_t n = 1;

    while (ldexp(1, -(int)n) > most)
        n++;
    return n;
}

int gate_ratio_p(const double *d, size_t n, double gate, const struct stop_rule *rule, double *ret,
                 struct err *err)
{
    _cleanup_free_ double *shifted = xmalloc((n + 1) * sizeof(*shifted));
    struct signflip flip;

    for (size_t i = 0; i < n; i++)
        shifted[i] = d[i] - log1p(gate);
    int r = signflip_test(shifted, n, SIGNFLIP_SIGNED_RANK, FLIP_SEED, &flip, err);
    if (r < 0)
        return r;
    if (n < gate_min_blocks(1, rule))
        *ret = NAN;
    else
        *ret = rule ? stop_rule_adjust_p(rule, flip.p_greater) : flip.p_greater;
    return 0;
}

double gate_failure_p(size_t only_target, size_t only_base)
{
    size_t n = only_target + only_base;

    if (n < gate_min_blocks(1, NULL))
        return NAN;
    return only_target ? dist_pbinom((double)only_target - 1, n, 0.5, false) : 1;
}

double gate_provable(double sd, size_t n, double gate, size_t comparisons,
                     const struct stop_rule *rule)
{
    double level = level_of(rule) / (double)(comparisons ? comparisons : 1);

    if (n < gate_min_blocks(comparisons, rule))
        return INFINITY;
    double least = (dist_qnorm(1 - level) + dist_qnorm(0.8)) * sd * sqrt(M_PI / (3 * (double)n));
    return expm1(log1p(gate) + least);
}
