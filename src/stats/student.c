#include "stats/student.h"

#include "stats/describe.h"
#include "stats/dist.h"

#include <errno.h>
#include <math.h>

int student_mean(const double *y, size_t n, double least_sd, double alpha, struct student *ret,
                 struct err *err)
{
    struct student m = {.se = NAN, .lo = -INFINITY, .hi = INFINITY, .p = NAN};

    if (n == 0 || !(alpha > 0 && alpha < 1))
        return err_set(err, ERR_USAGE, EINVAL, "no mean of %zu values at alpha %g", n, alpha);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(y[i]))
            return err_set(err, ERR_USAGE, EINVAL, "a value of a mean is not finite");
    m.mean = describe_mean(y, n);
    if (n >= 2) {
        double df = (double)n - 1;
        /* fmax leaves a NaN out. */
        m.se = fmax(describe_sd(y, n), least_sd) / sqrt((double)n);
        double half = dist_qt(1 - alpha / 2, df) * m.se;
        m.has_interval = true;
        m.level = 1 - alpha;
        m.lo = m.mean - half;
        m.hi = m.mean + half;
        m.p = m.se > 0 ? 2 * dist_pt(-fabs(m.mean / m.se), df, true) : m.mean == 0 ? 1 : 0;
    }
    *ret = m;
    return 0;
}
