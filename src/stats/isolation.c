#include "stats/isolation.h"

#include <math.h>

double isolation_loss(double before, double with)
{
    return before > 0 ? fabs(before - with) / before : NAN;
}

double isolation_shrinkage(double before, double with)
{
    return before > 0 ? (before - with) / before : NAN;
}

double isolation_combined(double loss, double shrinkage, double least)
{
    return shrinkage > least ? loss / shrinkage : NAN;
}
