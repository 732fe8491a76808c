/* The arithmetic of a source, from the figures that it prints. */
#include "analyse/claims.h"

#include "stats/describe.h"

#include <math.h>

static double formula(enum claim_formula f, const double *v, size_t n)
{
    double sum = 0;

    switch (f) {
    case FORMULA_OVERHEAD:
        return overhead(v[0], v[1]);
    case FORMULA_DIFFERENCE:
        return v[0] - v[1];
    case FORMULA_RATIO:
        return v[0] / v[1];
    case FORMULA_PERCENT_OF:
        return v[0] / 100 * v[1];
    case FORMULA_SUM:
        for (size_t i = 0; i < n; i++)
            sum += v[i];
        return sum;
    default:
        return NAN;
    }
}

/* Least and most over all figures that round to the printed ones: every formula is monotone in
 * each, but for the fold of an overhead at 0, which the printed figures themselves would show. */
static void reach(const struct claim_printed *p, double *lo, double *hi)
{
    *lo = INFINITY;
    *hi = -INFINITY;
    for (unsigned corner = 0; corner < 1u << p->n; corner++) {
        double v[CLAIM_PRINTED_MAX];
        for (size_t i = 0; i < p->n; i++)
            v[i] = p->v[i] + (corner >> i & 1 ? .5 : -.5) * pow(10, -(double)p->decimals[i]);
        double x = formula(p->formula, v, p->n);
        *lo = fmin(*lo, x);
        *hi = fmax(*hi, x);
    }
}

void claim_own_check(const struct claim_item *c, struct claim_own *ret)
{
    const struct claim_figure *f = &c->figure;
    double scale = f->scale == SCALE_PERCENT || c->printed.formula == FORMULA_OVERHEAD ? 100 : 1;
    double lo, hi, unit = pow(10, -(double)f->decimals), stated = f->value;

    *ret = (struct claim_own){.value = NAN};
    if (c->printed.formula == FORMULA_NONE)
        return;
    /* A sum of per cents is one already. */
    if (c->printed.formula != FORMULA_OVERHEAD && c->printed.formula != FORMULA_RATIO)
        scale = 1;
    if (f->scale == SCALE_PERCENT)
        stated *= 100;
    if (c->printed.formula == FORMULA_OVERHEAD) /* which has no sign */
        stated = fabs(stated);
    ret->has = true;
    ret->value = scale * formula(c->printed.formula, c->printed.v, c->printed.n);
    if (f->is != IS_ABOUT)
        return;
    reach(&c->printed, &lo, &hi);
    double rounded = round(ret->value / unit) * unit;
    if (fabs(rounded - stated) < unit / 1e4)
        ret->agrees = AGREES_YES;
    else if (scale * lo - unit / 2 <= stated && stated <= scale * hi + unit / 2)
        ret->agrees = AGREES_ROUNDING;
    else
        ret->agrees = AGREES_NO;
}
