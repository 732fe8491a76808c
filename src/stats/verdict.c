#include "stats/verdict.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "stats/dist.h"

#include <math.h>

static const char *const names[VERDICT_COUNT] = {
    [VERDICT_INCONCLUSIVE] = "inconclusive",
    [VERDICT_SLOWER] = "slower",
    [VERDICT_FASTER] = "faster",
    [VERDICT_EQUIVALENT] = "equivalent",
    [VERDICT_SMALL] = "detectable-small",
    [VERDICT_EMULATED] = "emulated-cpu",
};

enum verdict verdict_of(double lo, double hi, double theta, bool higher_is_better)
{
    double edge = log1p(theta);

    if (!isfinite(lo) || !isfinite(hi) || !(edge >= 0))
        return VERDICT_INCONCLUSIVE;
    if (lo > edge)
        return higher_is_better ? VERDICT_FASTER : VERDICT_SLOWER;
    if (hi < -edge)
        return higher_is_better ? VERDICT_SLOWER : VERDICT_FASTER;
    if (lo >= -edge && hi <= edge)
        return lo > 0 || hi < 0 ? VERDICT_SMALL : VERDICT_EQUIVALENT;
    return VERDICT_INCONCLUSIVE;
}

int verdict_direction(double lo, double hi, bool higher_is_better)
{
    int up = higher_is_better ? -1 : 1;

    return lo > 0 ? up : hi < 0 ? -up : 0;
}

const char *verdict_name(enum verdict v)
{
    return (unsigned)v < VERDICT_COUNT ? names[v] : "inconclusive";
}

enum verdict verdict_parse(const char *name)
{
    for (size_t i = 0; i < VERDICT_COUNT; i++)
        if (str_eq(name, names[i]))
            return (enum verdict)i;
    return VERDICT_COUNT;
}

double verdict_mde(double sd, size_t n)
{
    return (dist_qnorm(0.975) + dist_qnorm(0.8)) * sd * sqrt(M_PI / (3 * (double)n));
}

double verdict_power_formula(double sd, double theta, double power)
{
    double ratio = (dist_qnorm(0.975) + dist_qnorm(power)) * sd / log1p(theta);

    return M_PI / 3 * ratio * ratio;
}

size_t verdict_power_blocks(double sd, double theta, double power)
{
    double z = dist_qnorm(0.975);
    double n = ceil(verdict_power_formula(sd, theta, power) + z * z / 2);

    if (n > 6)
        return n < 1e9 ? (size_t)n : 1000000000;
    /* Six blocks reject only with all differences on one side; from seven on one may stray. */
    return pow(dist_pnorm(log1p(theta) / sd, true), 6) >= power ? 6 : 7;
}
