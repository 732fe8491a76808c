#include "stats/score.h"

#include "base/cleanup.h"
#include "base/str.h"

#include <gsl/gsl_sort.h>
#include <math.h>

double score_blogbench(const double *ticks, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += ticks[i];
    return n ? sum : NAN;
}

double score_blogbench_per_second(const double *ticks, size_t n, double interval_s)
{
    return interval_s > 0 ? score_blogbench(ticks, n) / ((double)n * interval_s) : NAN;
}

double score_unixbench_rate(const double *rates, size_t n)
{
    _cleanup_free_ double *v = xmalloc((n + 1) * sizeof(*v));
    size_t dropped = n / 3;
    double logs = 0;

    for (size_t i = 0; i < n; i++) {
        if (!(rates[i] > 0))
            return NAN;
        v[i] = rates[i];
    }
    gsl_sort(v, 1, n);
    for (size_t i = dropped; i < n; i++)
        logs += log(v[i]);
    return n ? exp(logs / (double)(n - dropped)) : NAN;
}

double score_unixbench_index(double rate)
{
    return rate > 0 ? rate / 15000 * 10 : NAN;
}

double score_ramspeed(double bytes, const double *times_ns, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += times_ns[i];
    /* bytes / ns is 10^9 bytes/s */
    return n && sum > 0 ? bytes / (sum / (double)n) * 1e3 : NAN;
}

double score_linpack_flops(double order)
{
    return order > 0 ? 2.0 / 3.0 * order * order * order + 2 * order * order : NAN;
}

double score_linpack_gflops(double order, double seconds)
{
    return seconds > 0 ? score_linpack_flops(order) / seconds / 1e9 : NAN;
}
