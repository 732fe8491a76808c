#include "stats/multi.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "stats/dist.h"

#include <gsl/gsl_sort.h>
#include <math.h>

/* Copies the p values that are numbers to the front of ret_p and where each came from to ret_from;
 * returns how many. */
static size_t gather(const double *p, size_t n, double *ret_p, size_t *ret_from)
{
    size_t m = 0;

    for (size_t i = 0; i < n; i++)
        if (!isnan(p[i])) {
            ret_p[m] = p[i];
            ret_from[m++] = i;
        }
    return m;
}

void multi_holm(const double *p, size_t n, double *ret)
{
    _cleanup_free_ double *v = xmalloc((n + 1) * sizeof(*v));
    _cleanup_free_ size_t *from = xmalloc(2 * (n + 1) * sizeof(*from));
    size_t *order = from + n, m = gather(p, n, v, from);
    double running = 0;

    for (size_t i = 0; i < n; i++)
        ret[i] = p[i];
    gsl_sort_index(order, v, 1, m);
    for (size_t i = 0; i < m; i++) {
        running = fmax(running, fmin(1, (double)(m - i) * v[order[i]]));
        ret[from[order[i]]] = running;
    }
}

void multi_bh(const double *p, size_t n, double *ret)
{
    _cleanup_free_ double *v = xmalloc((n + 1) * sizeof(*v));
    _cleanup_free_ size_t *from = xmalloc(2 * (n + 1) * sizeof(*from));
    size_t *order = from + n, m = gather(p, n, v, from);
    double running = 1;

    for (size_t i = 0; i < n; i++)
        ret[i] = p[i];
    gsl_sort_index(order, v, 1, m);
    for (size_t i = m; i-- > 0;) {
        running = fmin(running, (double)m / (double)(i + 1) * v[order[i]]);
        ret[from[order[i]]] = running;
    }
}

size_t multi_alarms_allowed(size_t n, double alpha)
{
    return n && alpha > 0 && alpha < 1 ? (size_t)dist_qbinom(0.99, n, alpha) : 0;
}
