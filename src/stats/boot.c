#include "stats/boot.h"

#include "base/cleanup.h"
#include "base/rand.h"
#include "base/str.h"
#include "stats/dist.h"
#include "stats/rank.h"

#include <errno.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>

static int check(size_t draws, double alpha, struct err *err)
{
    if (draws < BOOT_DRAWS_MIN)
        return err_set(err, ERR_USAGE, EINVAL, "%zu bootstrap draws, at least %d are needed", draws,
                       BOOT_DRAWS_MIN);
    if (!(alpha > 0 && alpha < 1))
        return err_set(err, ERR_USAGE, EINVAL, "alpha %g is not between 0 and 1", alpha);
    return 0;
}

/* Acceleration: skewness of the jackknife values. */
static double acceleration(const double *y, size_t n, boot_statistic statistic)
{
    _cleanup_free_ double *left = xmalloc(2 * n * sizeof(*left));
    double *value = left + n, mean, square = 0, cube = 0;

    memcpy(left, y + 1, (n - 1) * sizeof(*left)); /* without y[0] */
    for (size_t i = 0; i < n; i++) {
        value[i] = statistic(left, n - 1);
        if (i + 1 < n)
            left[i] = y[i]; /* y[i] comes back in the place of y[i + 1] */
    }
    mean = gsl_stats_mean(value, 1, n);
    for (size_t i = 0; i < n; i++) {
        double u = mean - value[i];
        square += u * u;
        cube += u * u * u;
    }
    return square > 0 ? cube / (6 * pow(square, 1.5)) : 0;
}

static double bca_quantile(const double *sorted, size_t draws, double z0, double a, double p)
{
    double z = z0 + dist_qnorm(p);

    return gsl_stats_quantile_from_sorted_data(sorted, 1, draws,
                                               dist_pnorm(z0 + z / (1 - a * z), true));
}

/* z0: where the estimate stands among the draws; equal draws count half. Kept off 0 and 1, where
 * the quantile would be infinite. */
static double bias_correction(const double *sorted, size_t draws, double estimate)
{
    double below = 0;

    for (size_t i = 0; i < draws && sorted[i] <= estimate; i++)
        below += sorted[i] < estimate ? 1 : 0.5;
    double share = below / (double)draws, edge = 0.5 / (double)draws;
    return dist_qnorm(fmin(fmax(share, edge), 1 - edge));
}

int boot_interval(const double *y, size_t n, boot_statistic statistic, size_t draws, double alpha,
                  uint64_t seed, struct boot *ret, struct err *err)
{
    int r = check(draws, alpha, err);

    if (r < 0)
        return r;
    if (n < 3)
        return err_set(err, ERR_MEASUREMENT, ERANGE, "%zu values are too few to resample", n);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(y[i]))
            return err_set(err, ERR_USAGE, EINVAL, "value %zu of %zu is not finite", i + 1, n);

    _cleanup_free_ double *t = xmalloc((draws + n) * sizeof(*t));
    double *sample = t + draws, lo = alpha / 2, hi = 1 - alpha / 2;
    struct rng rng;
    rng_seed(&rng, seed);
    for (size_t b = 0; b < draws; b++) {
        for (size_t i = 0; i < n; i++)
            sample[i] = y[rng_below(&rng, n)];
        t[b] = statistic(sample, n);
    }
    gsl_sort(t, 1, draws);

    struct boot out = {.estimate = statistic(y, n)};
    double z0 = bias_correction(t, draws, out.estimate);
    double a = acceleration(y, n, statistic);
    out.percentile_lo = gsl_stats_quantile_from_sorted_data(t, 1, draws, lo);
    out.percentile_hi = gsl_stats_quantile_from_sorted_data(t, 1, draws, hi);
    out.basic_lo = 2 * out.estimate - out.percentile_hi;
    out.basic_hi = 2 * out.estimate - out.percentile_lo;
    out.bca_lo = bca_quantile(t, draws, z0, a, lo);
    out.bca_hi = bca_quantile(t, draws, z0, a, hi);
    *ret = out;
    return 0;
}

/* Mean over workloads of the Hodges-Lehmann estimate of the chosen blocks; NaN when a workload has
 * no value in them. column is scratch for `blocks` values. */
static double log_geomean(const double *d, const size_t *chosen, size_t blocks, size_t workloads,
                          double *column)
{
    double sum = 0;

    for (size_t w = 0; w < workloads; w++) {
        size_t n = 0;
        for (size_t b = 0; b < blocks; b++) {
            double v = d[chosen[b] * workloads + w];
            if (!isnan(v))
                column[n++] = v;
        }
        sum += rank_hl_estimate(column, n); /* NaN for n = 0 */
    }
    return sum / (double)workloads;
}

static int check_matrix(const double *d, size_t blocks, size_t workloads, struct err *err)
{
    if (blocks < 6 || workloads == 0)
        return err_set(err, ERR_MEASUREMENT, ERANGE,
                       "%zu blocks of %zu workloads are too few to resample", blocks, workloads);
    for (size_t w = 0; w < workloads; w++) {
        size_t seen = 0;
        for (size_t b = 0; b < blocks; b++) {
            double v = d[b * workloads + w];
            if (isinf(v))
                return err_set(err, ERR_USAGE, EINVAL, "block %zu is not finite", b);
            seen += isnan(v) ? 0 : 1;
        }
        if (seen == 0)
            return err_set(err, ERR_MEASUREMENT, ERANGE, "workload %zu has no block at all", w);
    }
    return 0;
}

/* Resamples vary too little by (n-1)/n, and a quantile of theirs is one of the normal where it
 * ought to be Student's. Both are put right by going further into the tail. */
static double expanded_tail(double alpha, size_t n)
{
    double dn = (double)n;

    return dist_pnorm(sqrt(dn / (dn - 1)) * dist_qt(alpha / 2, dn - 1), true);
}

int boot_geomean(const double *d, size_t blocks, size_t workloads, size_t draws, double alpha,
                 uint64_t seed, struct boot_geomean *ret, struct err *err)
{
    int r = check(draws, alpha, err);

    if (r == 0)
        r = check_matrix(d, blocks, workloads, err);
    if (r < 0)
        return r;

    _cleanup_free_ double *t = xmalloc((draws + blocks) * sizeof(*t));
    _cleanup_free_ size_t *chosen = xmalloc(blocks * sizeof(*chosen));
    struct rng rng;
    for (size_t b = 0; b < blocks; b++)
        chosen[b] = b;
    struct boot_geomean out = {.blocks = blocks, .workloads = workloads};
    out.estimate = log_geomean(d, chosen, blocks, workloads, t + draws);
    rng_seed(&rng, seed);
    for (size_t k = 0, refused = 0; k < draws;) {
        for (size_t b = 0; b < blocks; b++)
            chosen[b] = rng_below(&rng, blocks);
        t[k] = log_geomean(d, chosen, blocks, workloads, t + draws);
        if (!isnan(t[k]))
            k++;
        else if (++refused > draws) /* a workload with one or two blocks: no interval to speak of */
            return err_set(err, ERR_MEASUREMENT, ERANGE,
                           "a workload has too few of the %zu blocks to resample", blocks);
    }
    gsl_sort(t, 1, draws);
    double tail = expanded_tail(alpha, blocks);
    out.lo = gsl_stats_quantile_from_sorted_data(t, 1, draws, tail);
    out.hi = gsl_stats_quantile_from_sorted_data(t, 1, draws, 1 - tail);
    *ret = out;
    return 0;
}
