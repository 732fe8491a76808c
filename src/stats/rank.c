#include "stats/rank.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "stats/describe.h"
#include "stats/dist.h"

#include <errno.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>

static int check_values(const double *y, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(y[i]))
            return err_set(err, ERR_USAGE, EINVAL, "value %zu of %zu is not finite", i + 1, n);
    return 0;
}

static int check_alpha(double alpha, struct err *err)
{
    if (!(alpha > 0 && alpha < 1))
        return err_set(err, ERR_USAGE, EINVAL, "alpha %g is not between 0 and 1", alpha);
    return 0;
}

int rank_hl_cut(size_t n, double alpha, size_t *ret_q, double *ret_level, struct err *err)
{
    int r = check_alpha(alpha, err);

    if (r < 0)
        return r;
    double q = n ? dist_qsignrank(alpha / 2, n) : 0;
    if (q < 1)
        return err_set(err, ERR_MEASUREMENT, ERANGE,
                       "no %g %% interval exists for %zu blocks, at least %zu are needed",
                       100 * (1 - alpha), n, rank_hl_min_n(alpha));
    *ret_q = (size_t)q;
    *ret_level = 1 - 2 * dist_psignrank(q - 1, n, true);
    return 0;
}

size_t rank_hl_min_n(double alpha)
{
    /* The widest interval spans all Walsh averages and misses with 2 P(V = 0) = 2^(1-n). */
    return alpha > 0 && alpha < 1 ? (size_t)ceil(1 - log2(alpha) - 1e-9) : 0;
}

static double *walsh_averages(const double *d, size_t n, size_t *ret_m)
{
    size_t m = n * (n + 1) / 2, k = 0;
    double *w = xmalloc(m * sizeof(*w));

    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++)
            w[k++] = d[i] / 2 + d[j] / 2;
    *ret_m = m;
    return w;
}

/* Order statistic k, from 1. Reorders w. */
static double select_kth(double *w, size_t m, size_t k)
{
    return gsl_stats_select(w, 1, m, k - 1);
}

static double select_median(double *w, size_t m)
{
    double high = select_kth(w, m, m / 2 + 1);

    return m % 2 ? high : (select_kth(w, m, m / 2) + high) / 2;
}

double rank_hl_estimate(const double *d, size_t n)
{
    size_t m;

    if (n == 0 || n > RANK_HL_MAX || check_values(d, n, NULL) < 0)
        return NAN;
    _cleanup_free_ double *w = walsh_averages(d, n, &m);
    return select_median(w, m);
}

void rank_hl_at(const double *d, size_t n, size_t q, double level, struct rank_interval *ret)
{
    size_t m;
    _cleanup_free_ double *w = walsh_averages(d, n, &m);

    *ret = (struct rank_interval){.estimate = select_median(w, m),
                                  .lo = select_kth(w, m, q),
                                  .hi = select_kth(w, m, m + 1 - q),
                                  .level = level,
                                  .n = n,
                                  .lo_rank = q,
                                  .hi_rank = m + 1 - q};
}

int rank_hl(const double *d, size_t n, double alpha, struct rank_interval *ret, struct err *err)
{
    size_t q;
    double level;
    int r = check_values(d, n, err);

    if (r < 0)
        return r;
    if (n > RANK_HL_MAX)
        return err_set(err, ERR_USAGE, EINVAL, "%zu values are more than the %d that fit", n,
                       RANK_HL_MAX);
    r = rank_hl_cut(n, alpha, &q, &level, err);
    if (r < 0)
        return r;
    rank_hl_at(d, n, q, level, ret);
    return 0;
}

size_t rank_quantile_min_n(double p, double alpha)
{
    if (!(p > 0 && p < 1 && alpha > 0 && alpha < 1))
        return 0;
    return (size_t)ceil(log(alpha / 2) / log(fmax(p, 1 - p)) - 1e-9);
}

int rank_quantile(const double *y, size_t n, double p, double alpha, struct rank_interval *ret,
                  struct err *err)
{
    int r = check_values(y, n, err);

    if (r == 0)
        r = check_alpha(alpha, err);
    if (r < 0)
        return r;
    if (!(p > 0 && p < 1))
        return err_set(err, ERR_USAGE, EINVAL, "quantile %g is not between 0 and 1", p);
    if (n < rank_quantile_min_n(p, alpha))
        return err_set(err, ERR_MEASUREMENT, ERANGE,
                       "no %g %% interval of the %g quantile exists for %zu values, at least %zu "
                       "are needed",
                       100 * (1 - alpha), p, n, rank_quantile_min_n(p, alpha));
    /* X values lie below the quantile, X binomial: P(X < lo) < alpha/2, P(X >= hi) <= alpha/2.
     * The lower tail of 1 - p serves for the upper end, so that p and 1 - p mirror each other. */
    size_t lo = (size_t)fmax(1, dist_qbinom(alpha / 2, n, p));
    size_t hi = n + 1 - (size_t)fmax(1, dist_qbinom(alpha / 2, n, 1 - p));
    _cleanup_free_ double *sorted = xmalloc(n * sizeof(*sorted));
    memcpy(sorted, y, n * sizeof(*sorted));
    gsl_sort(sorted, 1, n);
    *ret = (struct rank_interval){.estimate = gsl_stats_quantile_from_sorted_data(sorted, 1, n, p),
                                  .lo = sorted[lo - 1],
                                  .hi = sorted[hi - 1],
                                  .level = dist_pbinom((double)hi - 1, n, p, true) -
                                           dist_pbinom((double)lo - 1, n, p, true),
                                  .n = n,
                                  .lo_rank = lo,
                                  .hi_rank = hi};
    return 0;
}

int rank_median(const double *y, size_t n, double alpha, struct rank_interval *ret, struct err *err)
{
    return rank_quantile(y, n, 0.5, alpha, ret, err);
}

/* Fills the three p values from the normal approximation. correct is 0 or .5. */
static void normal_p(struct rank_test *t, double mean, double variance, double correct)
{
    double diff = t->statistic - mean;
    double sd = sqrt(variance);

    t->exact = false;
    if (!(sd > 0)) {
        t->p_two = t->p_greater = t->p_less = 1;
        return;
    }
    double sign = diff > 0 ? 1 : diff < 0 ? -1 : 0;
    double z = (diff - sign * correct) / sd;
    t->p_greater = dist_pnorm((diff - correct) / sd, false);
    t->p_less = dist_pnorm((diff + correct) / sd, true);
    t->p_two = fmin(1, 2 * fmin(dist_pnorm(z, true), dist_pnorm(z, false)));
}

/* The exact form is used when asked for, or when it is free of charge; -EINVAL if it cannot be. */
static int choose_exact(enum rank_method method, bool clean, size_t largest, struct err *err)
{
    if (method == RANK_EXACT && !clean)
        return err_set(err, ERR_USAGE, EINVAL, "ties or zeros leave no exact rank distribution");
    return method == RANK_EXACT || (method == RANK_AUTO && clean && largest < 50);
}

int rank_signed_test(const double *d, size_t n, enum rank_method method, struct rank_test *ret,
                     struct err *err)
{
    int r = check_values(d, n, err);

    if (r < 0)
        return r;
    _cleanup_free_ double *abs_d = xmalloc((2 * n + 1) * sizeof(*abs_d));
    double *ranks = abs_d + n, ties;
    struct rank_test t = {0};
    for (size_t i = 0; i < n; i++)
        if (d[i] != 0)
            abs_d[t.n++] = fabs(d[i]);
    describe_ranks(abs_d, t.n, ranks, &ties);
    for (size_t i = 0, k = 0; i < n; i++) {
        if (d[i] == 0)
            continue;
        if (d[i] > 0)
            t.statistic += ranks[k];
        k++;
    }
    int exact = choose_exact(method, ties == 0 && t.n == n && n > 0, n, err);
    if (exact < 0)
        return exact;
    double m = (double)t.n;
    if (exact) {
        t.exact = true;
        t.p_less = dist_psignrank(t.statistic, n, true);
        t.p_greater = dist_psignrank(t.statistic - 1, n, false);
        t.p_two = fmin(1, 2 * fmin(t.p_less, t.p_greater));
    } else {
        normal_p(&t, m * (m + 1) / 4, m * (m + 1) * (2 * m + 1) / 24 - ties / 48,
                 method == RANK_NORMAL ? 0 : 0.5);
    }
    *ret = t;
    return 0;
}

int rank_sum_test(const double *x, size_t nx, const double *y, size_t ny, enum rank_method method,
                  struct rank_test *ret, struct err *err)
{
    size_t n = nx + ny;
    int r = check_values(x, nx, err);

    if (r == 0)
        r = check_values(y, ny, err);
    if (r < 0)
        return r;
    if (nx == 0 || ny == 0)
        return err_set(err, ERR_MEASUREMENT, ERANGE, "one of the two samples is empty");
    _cleanup_free_ double *all = xmalloc(2 * n * sizeof(*all));
    double *ranks = all + n, ties, dx = (double)nx, dy = (double)ny, dn = (double)n;
    struct rank_test t = {.statistic = -dx * (dx + 1) / 2, .n = n};
    memcpy(all, x, nx * sizeof(*all));
    memcpy(all + nx, y, ny * sizeof(*all));
    describe_ranks(all, n, ranks, &ties);
    for (size_t i = 0; i < nx; i++)
        t.statistic += ranks[i];
    int exact = choose_exact(method, ties == 0, nx > ny ? nx : ny, err);
    if (exact < 0)
        return exact;
    if (exact) {
        t.exact = true;
        t.p_less = dist_pwilcox(t.statistic, nx, ny, true);
        t.p_greater = dist_pwilcox(t.statistic - 1, nx, ny, false);
        t.p_two = fmin(1, 2 * fmin(t.p_less, t.p_greater));
    } else {
        normal_p(&t, dx * dy / 2, dx * dy / 12 * (dn + 1 - ties / (dn * (dn - 1))),
                 method == RANK_NORMAL ? 0 : 0.5);
    }
    *ret = t;
    return 0;
}
