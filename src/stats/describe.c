#include "stats/describe.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "stats/rank.h"

#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>

static double *sorted_copy(const double *y, size_t n)
{
    double *copy = xmalloc(n * sizeof(*copy));

    memcpy(copy, y, n * sizeof(*copy));
    gsl_sort(copy, 1, n);
    return copy;
}

/* Sorting puts NaN anywhere, so quantities taken from order refuse it first. */
static bool has_nan(const double *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isnan(y[i]))
            return true;
    return false;
}

double describe_mean(const double *y, size_t n)
{
    return n ? gsl_stats_mean(y, 1, n) : NAN;
}

double describe_variance(const double *y, size_t n)
{
    return n > 1 ? gsl_stats_variance(y, 1, n) : NAN;
}

double describe_sd(const double *y, size_t n)
{
    return n > 1 ? gsl_stats_sd(y, 1, n) : NAN;
}

double describe_median(const double *y, size_t n)
{
    return describe_quantile(y, n, 0.5);
}

double describe_quantile(const double *y, size_t n, double p)
{
    if (n == 0 || !(p >= 0 && p <= 1) || has_nan(y, n))
        return NAN;
    _cleanup_free_ double *copy = sorted_copy(y, n);
    return gsl_stats_quantile_from_sorted_data(copy, 1, n, p);
}

double describe_mad(const double *y, size_t n)
{
    if (n == 0 || has_nan(y, n))
        return NAN;
    _cleanup_free_ double *work = xmalloc(n * sizeof(*work));
    return gsl_stats_mad0(y, 1, n, work);
}

double describe_min(const double *y, size_t n)
{
    return n ? gsl_stats_min(y, 1, n) : NAN;
}

double describe_max(const double *y, size_t n)
{
    return n ? gsl_stats_max(y, 1, n) : NAN;
}

double describe_lag1(const double *y, size_t n)
{
    if (n < 3 || has_nan(y, n))
        return NAN;
    if (describe_min(y, n) == describe_max(y, n))
        return 0; /* 0/0 in the formula: equal values carry nothing over to the next */
    return gsl_stats_lag1_autocorrelation(y, 1, n);
}

double describe_geomean(const double *y, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        if (!(y[i] > 0))
            return NAN;
        sum += log(y[i]);
    }
    return n ? exp(sum / (double)n) : NAN;
}

double describe_harmonic(const double *y, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        if (!(y[i] > 0))
            return NAN;
        sum += 1 / y[i];
    }
    return n ? (double)n / sum : NAN;
}

void describe_ranks(const double *y, size_t n, double *ret_ranks, double *ret_tie_sum)
{
    _cleanup_free_ size_t *order = xmalloc((n + 1) * sizeof(*order));
    double ties = 0;

    gsl_sort_index(order, y, 1, n);
    for (size_t i = 0; i < n;) {
        size_t j = i + 1;
        while (j < n && y[order[j]] == y[order[i]])
            j++;
        double t = (double)(j - i);
        ties += t * t * t - t;
        for (size_t k = i; k < j; k++)
            ret_ranks[order[k]] = (double)(i + 1 + j) / 2;
        i = j;
    }
    if (ret_tie_sum)
        *ret_tie_sum = ties;
}

struct steadiness describe_steadiness(const double *y, size_t n, double threshold)
{
    size_t third = n / 3;
    struct steadiness s = {NAN, NAN, NAN, NAN, true};
    struct rank_test test;

    if (n < 10) /* with 3 against 6 no rank sum reaches .02 */
        return s;
    s.first = describe_median(y, third);
    s.rest = describe_median(y + third, n - third);
    s.shift = s.first - s.rest;
    if (rank_sum_test(y, third, y + third, n - third, RANK_AUTO, &test, NULL) < 0)
        return s;
    s.p = test.p_two;
    s.steady = !(test.p_two < 0.02 && fabs(s.shift) > threshold);
    return s;
}

double overhead(double virt, double native)
{
    return fabs(virt - native) / native;
}

double degradation(double virt, double native, bool higher_is_better)
{
    return (higher_is_better ? native - virt : virt - native) / native;
}
