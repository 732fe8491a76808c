#include "stats/sequential.h"

#include "stats/rank.h"

#include <errno.h>
#include <math.h>
#include <string.h>

struct stop_rule stop_rule_default(double theta)
{
    return (struct stop_rule){
        .looks = {7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 18,  20,  22,  24,  27,  30,
                  34, 38, 43, 48, 54, 60, 67, 75, 84, 94, 105, 118, 132, 148, 166, 186},
        .n_looks = 32,
        .alpha_prime = 0.03,
        .alpha_reported = 0.05,
        .theta = theta,
        .half_width = log1p(theta) / 2,
    };
}

int stop_rule_check(const struct stop_rule *rule, struct err *err)
{
    if (!(rule->alpha_prime > 0 && rule->alpha_prime <= rule->alpha_reported &&
          rule->alpha_reported < 1))
        return err_set(err, ERR_USAGE, EINVAL, "stopping rule: alpha %g for a reported %g",
                       rule->alpha_prime, rule->alpha_reported);
    if (!(rule->half_width > 0) || !(rule->theta >= 0))
        return err_set(err, ERR_USAGE, EINVAL, "stopping rule: half-width %g, threshold %g",
                       rule->half_width, rule->theta);
    if (rule->n_looks == 0 || rule->n_looks > STOP_LOOKS_MAX)
        return err_set(err, ERR_USAGE, EINVAL, "stopping rule: %zu looks", rule->n_looks);
    for (size_t i = 0; i < rule->n_looks; i++) {
        size_t least = i ? rule->looks[i - 1] + 1 : rank_hl_min_n(rule->alpha_prime);
        if (rule->looks[i] < least || rule->looks[i] > RANK_HL_MAX)
            return err_set(err, ERR_USAGE, EINVAL,
                           "stopping rule: look %zu at %zu blocks, at least %zu are needed", i + 1,
                           rule->looks[i], least);
    }
    return 0;
}

void stop_rule_start(struct stop_rule *rule, size_t least)
{
    size_t early = 0;

    while (early < rule->n_looks && rule->looks[early] < least)
        early++;
    rule->n_looks -= early;
    memmove(rule->looks, rule->looks + early, rule->n_looks * sizeof(*rule->looks));
}

bool stop_rule_is_look(const struct stop_rule *rule, size_t n)
{
    for (size_t i = 0; i < rule->n_looks; i++)
        if (rule->looks[i] == n)
            return true;
    return false;
}

size_t stop_rule_next(const struct stop_rule *rule, size_t n)
{
    for (size_t i = 0; i < rule->n_looks; i++)
        if (rule->looks[i] > n)
            return rule->looks[i];
    return 0;
}

int stop_rule_decide(const struct stop_rule *rule, const double *d, size_t n,
                     struct stop_state *ret, struct err *err)
{
    struct rank_interval ci = {.estimate = NAN, .lo = -INFINITY, .hi = INFINITY};
    struct stop_state s = {.n = n, .next_look = stop_rule_next(rule, n)};
    int r = rank_hl(d, n, rule->alpha_prime, &ci, err);

    if (r == -ERANGE)
        ci.estimate = rank_hl_estimate(d, n);
    else if (r < 0)
        return r;
    s.estimate = ci.estimate;
    s.lo = ci.lo;
    s.hi = ci.hi;
    s.level = ci.level;
    s.half_width = (ci.hi - ci.lo) / 2;
    if (stop_rule_is_look(rule, n) && s.half_width <= rule->half_width)
        s.decision = STOP_PRECISE;
    else if (s.next_look == 0)
        s.decision = STOP_EXHAUSTED;
    *ret = s;
    return 0;
}

double stop_rule_adjust_p(const struct stop_rule *rule, double p)
{
    double adjusted = p * rule->alpha_reported / rule->alpha_prime;

    return adjusted > 1 ? 1 : adjusted;
}
