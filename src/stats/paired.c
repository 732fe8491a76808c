#include "stats/paired.h"

#include "stats/describe.h"
#include "stats/rank.h"
#include "stats/signflip.h"

#include <errno.h>
#include <float.h>
#include <math.h>

/* Above SIGNFLIP_COUNT_MAX blocks the sign flips are drawn; a fixed seed keeps a stored verdict
 * recomputable from the samples alone. */
enum { FLIP_SEED = 0x5eed };

static unsigned paired_flags(const struct paired *p, const struct steadiness *s)
{
    double top = fmax(p->estimate, fmax(p->median, p->mean));
    double bottom = fmin(p->estimate, fmin(p->median, p->mean));
    /* Means of equal numbers differ from them by rounding. */
    double rounding = 16 * DBL_EPSILON * fmax(fabs(top), fabs(bottom));
    unsigned flags = 0;

    if (top - bottom > p->half_width + rounding)
        flags |= PAIRED_ASYMMETRIC;
    if (p->r1 > 1.645 / sqrt((double)p->n))
        flags |= PAIRED_AUTOCORRELATED;
    if (!s->steady)
        flags |= PAIRED_NOT_STEADY;
    return flags;
}

int paired_summary(const double *d, size_t n, double alpha, struct paired *ret, struct err *err)
{
    struct rank_interval hl = {.lo = -INFINITY, .hi = INFINITY};
    struct rank_interval med = {.lo = -INFINITY, .hi = INFINITY};
    struct signflip flip;
    int r = rank_hl(d, n, alpha, &hl, err);
    unsigned flags = r == -ERANGE ? PAIRED_NO_INTERVAL : 0;

    if (r == -ERANGE)
        hl.estimate = rank_hl_estimate(d, n);
    else if (r < 0)
        return r;
    r = rank_median(d, n, alpha, &med, err);
    if (r == 0 || r == -ERANGE)
        r = signflip_test(d, n, SIGNFLIP_SIGNED_RANK, FLIP_SEED, &flip, err);
    if (r < 0)
        return r;
    err_clear(err); /* a missing interval is a result here, not an error */

    struct paired p = {
        .n = n,
        .estimate = hl.estimate,
        .lo = hl.lo,
        .hi = hl.hi,
        .level = hl.level,
        .half_width = (hl.hi - hl.lo) / 2,
        .median = describe_median(d, n),
        .mean = describe_mean(d, n),
        .sd = describe_sd(d, n),
        .median_lo = med.lo,
        .median_hi = med.hi,
        .r1 = describe_lag1(d, n),
        .p = n ? flip.p : NAN,
    };
    struct steadiness s = describe_steadiness(d, n, p.half_width);
    p.first_third = s.first;
    p.the_rest = s.rest;
    p.flags = flags | paired_flags(&p, &s);
    *ret = p;
    return 0;
}

const char *paired_flag_name(unsigned flag)
{
    switch (flag) {
    case PAIRED_NO_INTERVAL:
        return "no-interval";
    case PAIRED_ASYMMETRIC:
        return "asymmetric";
    case PAIRED_AUTOCORRELATED:
        return "autocorrelated";
    case PAIRED_NOT_STEADY:
        return "not-steady";
    default:
        return NULL;
    }
}

int single_summary(const double *y, size_t n, double alpha, struct single *ret, struct err *err)
{
    struct rank_interval ci = {.lo = -INFINITY, .hi = INFINITY};
    int r = rank_median(y, n, alpha, &ci, err);
    bool has_interval = r == 0;

    if (r < 0 && r != -ERANGE)
        return r;
    err_clear(err);
    struct single s = {
        .n = n,
        .median = describe_median(y, n),
        .lo = ci.lo,
        .hi = ci.hi,
        .level = ci.level,
        .mean = describe_mean(y, n),
        .variance = describe_variance(y, n),
        .min = describe_min(y, n),
        .max = describe_max(y, n),
        .mad = describe_mad(y, n),
        .r1 = describe_lag1(y, n),
        .has_interval = has_interval,
    };
    s.steady = describe_steadiness(y, n, (ci.hi - ci.lo) / 2).steady;
    *ret = s;
    return 0;
}
