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

/* Of the mean. */
static double squared_error(const struct welch_sample *s, bool least)
{
    double variance = describe_variance(s->v, s->n), known = s->least_sd * s->least_sd;

    return (least && known > variance ? known : variance) / (double)s->n;
}

/* Satterthwaite's. NaN where nothing varies. */
static double freedom(const struct welch_sample *x, const struct welch_sample *y, bool least)
{
    double vx = squared_error(x, least), vy = squared_error(y, least);

    return (vx + vy) * (vx + vy) / (vx * vx / (double)(x->n - 1) + vy * vy / (double)(y->n - 1));
}

int welch_compare(const struct welch_sample *x, const struct welch_sample *y, double alpha,
                  struct welch *ret, struct err *err)
{
    struct welch w = {.se = NAN, .df = NAN, .lo = -INFINITY, .hi = INFINITY, .p = NAN};

    if (x->n == 0 || y->n == 0 || !(alpha > 0 && alpha < 1))
        return err_set(err, ERR_USAGE, EINVAL, "no difference of %zu and %zu values at alpha %g",
                       x->n, y->n, alpha);
    if (!all_finite(x->v, x->n) || !all_finite(y->v, y->n))
        return err_set(err, ERR_USAGE, EINVAL, "a value to be compared is not finite");
    w.difference = describe_mean(y->v, y->n) - describe_mean(x->v, x->n);
    if (x->n < 2 || y->n < 2) {
        *ret = w;
        return 0;
    }
    double v = squared_error(x, true) + squared_error(y, true);
    w.has_interval = true;
    w.level = 1 - alpha;
    if (v > 0) {
        w.se = sqrt(v);
        /* A side's greater spread may make for more degrees of freedom; it shall not narrow. */
        w.df = fmin(freedom(x, y, true), freedom(x, y, false));
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
