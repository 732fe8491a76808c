#include "stats/welch.h"

#include "stats/describe.h"
#include "stats/dist.h"

#include <errno.h>
#include <math.h>

static bool all_finite(const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(v[i]))
            return false;
    return true;
}

static void never_varies(struct welch *w)
{
    w->se = 0;
    w->lo = w->hi = w->difference;
    w->p = w->difference == 0 ? 1 : 0;
}

int welch_compare(const double *x, size_t nx, const double *y, size_t ny, double alpha,
                  struct welch *ret, struct err *err)
{
    struct welch w = {.se = NAN, .df = NAN, .lo = -INFINITY, .hi = INFINITY, .p = NAN};

    if (nx == 0 || ny == 0 || !(alpha > 0 && alpha < 1))
        return err_set(err, ERR_USAGE, EINVAL, "no difference of %zu and %zu values at alpha %g",
                       nx, ny, alpha);
    if (!all_finite(x, nx) || !all_finite(y, ny))
        return err_set(err, ERR_USAGE, EINVAL, "a value to be compared is not finite");
    w.difference = describe_mean(y, ny) - describe_mean(x, nx);
    if (nx < 2 || ny < 2) {
        *ret = w;
        return 0;
    }
    double vx = describe_variance(x, nx) / (double)nx, vy = describe_variance(y, ny) / (double)ny;
    w.has_interval = true;
    w.level = 1 - alpha;
    if (vx + vy > 0) {
        w.se = sqrt(vx + vy);
        w.df =
            (vx + vy) * (vx + vy) / (vx * vx / (double)(nx - 1) + vy * vy / (double)(ny - 1));
        double t = dist_qt(1 - alpha / 2, w.df);
        w.lo = w.difference - t * w.se;
        w.hi = w.difference + t * w.se;
        w.p = 2 * dist_pt(-fabs(w.difference / w.se), w.df, true);
    } else {
        never_varies(&w);
    }
    *ret = w;
    return 0;
}
