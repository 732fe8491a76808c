#include "report/figure.h"

#include <math.h>

enum kind { KIND_TIME, KIND_BYTES, KIND_FLOPS, KIND_RATE, KIND_VALUE };

static enum kind kind_of(const struct cell *cell)
{
    if (cell->unit[0])
        return cell->better == BETTER_HIGHER ? KIND_RATE : KIND_VALUE;
    if (cell_bytes_per_op(cell) > 0)
        return KIND_BYTES;
    return cell->workload && str_eq(cell->workload->op, "flop") ? KIND_FLOPS : KIND_TIME;
}

double figure_value(const struct cell *cell, double cost_ns)
{
    switch (kind_of(cell)) {
    case KIND_BYTES:
        return cell_bytes_per_op(cell) / cost_ns * 1e9;
    case KIND_FLOPS:
    case KIND_RATE:
        return 1e9 / cost_ns;
    case KIND_VALUE:
        return cost_ns / 1e9;
    case KIND_TIME:
        break;
    }
    return cost_ns;
}

const char *figure_unit(const struct cell *cell)
{
    switch (kind_of(cell)) {
    case KIND_BYTES:
        return "B/s";
    case KIND_FLOPS:
        return "flop/s";
    case KIND_RATE:
    case KIND_VALUE:
        return cell->unit;
    case KIND_TIME:
        break;
    }
    return "ns";
}

void figure_parts(const struct style *s, const struct cell *cell, double cost_ns,
                  char num[UNIT_TEXT], char unit[UNIT_TEXT])
{
    double v = figure_value(cell, cost_ns);

    switch (kind_of(cell)) {
    case KIND_TIME:
        unit_ns_parts(s, v, num, unit);
        break;
    case KIND_BYTES:
        unit_rate_parts(v, num, unit);
        break;
    case KIND_FLOPS:
        unit_flops_parts(v, num, unit);
        break;
    case KIND_RATE:
    case KIND_VALUE:
        unit_value(v, num);
        str_copy(unit, UNIT_TEXT, cell->unit);
        break;
    }
}

void figure_text(const struct style *s, const struct cell *cell, const struct estimate *cost,
                 struct str *out)
{
    char num[UNIT_TEXT], unit[UNIT_TEXT], lo[2 * UNIT_TEXT + 1], hi[2 * UNIT_TEXT + 1];
    bool turned = figure_value(cell, 1) > figure_value(cell, 2);

    figure_parts(s, cell, cost->value, num, unit);
    str_addf(out, "%s%s%s", num, unit[0] ? " " : "", unit);
    if (!isfinite(cost->lo) || !isfinite(cost->hi))
        return;
    figure_parts(s, cell, turned ? cost->hi : cost->lo, num, unit);
    str_format(lo, sizeof(lo), "%s%s%s", num, unit[0] ? " " : "", unit);
    figure_parts(s, cell, turned ? cost->lo : cost->hi, num, unit);
    str_format(hi, sizeof(hi), "%s%s%s", num, unit[0] ? " " : "", unit);
    str_addf(out, " [%s, %s]", lo, hi);
}

struct estimate figure_estimate(const struct cell *cell, const struct estimate *cost)
{
    struct estimate e = *cost;
    double lo = figure_value(cell, cost->lo), hi = figure_value(cell, cost->hi);

    e.value = figure_value(cell, cost->value);
    e.lo = lo < hi ? lo : hi;
    e.hi = lo < hi ? hi : lo;
    if (!isfinite(cost->lo) || !isfinite(cost->hi))
        e.lo = e.hi = NAN;
    return e;
}
