#include "stats/binom.h"

#include "stats/dist.h"

#include <errno.h>
#include <math.h>

int binom_clopper_pearson(size_t hits, size_t n, double alpha, struct binom_interval *ret,
                          struct err *err)
{
    double k = (double)hits, dn = (double)n;

    if (hits > n || !(alpha > 0 && alpha < 1))
        return err_set(err, ERR_USAGE, EINVAL, "%zu of %zu at alpha %g is no rate", hits, n, alpha);
    *ret = (struct binom_interval){
        .rate = n ? k / dn : NAN,
        .lo = hits == 0 ? 0 : dist_qbeta(alpha / 2, k, dn - k + 1),
        .hi = hits == n ? 1 : dist_qbeta(1 - alpha / 2, k + 1, dn - k),
    };
    return 0;
}
