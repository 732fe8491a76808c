#include "stats/dist.h"

#include <gsl/gsl_errno.h>
#include <math.h>

/* The only file that sees Rmath.h, and after everything else: its short-named macros (pt, beta,
 * sign, choose ...) would rewrite innocent declarations. */
#define MATHLIB_STANDALONE 1
#include <Rmath.h>

/* Above this n the counting table (n^2/4 doubles, filled in n^3/4 steps) costs more than it gives:
 * the normal approximation is right to three digits of the tail probability. */
enum { SIGNRANK_EXACT_MAX = 500 };

void stats_init(void)
{
    gsl_set_error_handler_off();
}

static double signrank_mean(double n)
{
    return n * (n + 1) / 4;
}

static double signrank_sd(double n)
{
    return sqrt(n * (n + 1) * (2 * n + 1) / 24);
}

double dist_psignrank(double v, size_t n, bool lower)
{
    double dn = (double)n;

    if (n == 0)
        return NAN;
    if (n <= SIGNRANK_EXACT_MAX)
        return psignrank(v, dn, lower, 0);
    return pnorm5((floor(v) + 0.5 - signrank_mean(dn)) / signrank_sd(dn), 0, 1, lower, 0);
}

double dist_qsignrank(double p, size_t n)
{
    double dn = (double)n;

    if (n == 0 || !(p >= 0 && p <= 1))
        return NAN;
    if (n <= SIGNRANK_EXACT_MAX)
        return qsignrank(p, dn, 1, 0);
    return fmax(0, ceil(signrank_mean(dn) + signrank_sd(dn) * qnorm5(p, 0, 1, 1, 0) - 0.5));
}

double dist_pwilcox(double w, size_t nx, size_t ny, bool lower)
{
    if (nx == 0 || ny == 0)
        return NAN;
    return pwilcox(w, (double)nx, (double)ny, lower, 0);
}

double dist_pbinom(double k, size_t n, double p, bool lower)
{
    return pbinom(k, (double)n, p, lower, 0);
}

double dist_qbinom(double prob, size_t n, double p)
{
    return qbinom(prob, (double)n, p, 1, 0);
}

double dist_qbeta(double prob, double a, double b)
{
    return qbeta(prob, a, b, 1, 0);
}

double dist_pnorm(double z, bool lower)
{
    return pnorm5(z, 0, 1, lower, 0);
}

double dist_qnorm(double prob)
{
    return qnorm5(prob, 0, 1, 1, 0);
}

double dist_pt(double t, double df, bool lower)
{
    return pt(t, df, lower, 0);
}

double dist_qt(double prob, double df)
{
    return qt(prob, df, 1, 0);
}
