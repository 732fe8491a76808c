#include "report/units.h"

#include "base/time.h"

#include <inttypes.h>
#include <math.h>

/* Three significant digits without an exponent for 0 <= v < 1e6. */
static void three_digits(double v, char dst[UNIT_TEXT])
{
    int decimals = v < 9.995 ? 2 : v < 99.95 ? 1 : 0;
    str_format(dst, UNIT_TEXT, "%.*f", decimals, v);
}

static void scaled(double v, double step, const char *const *names, size_t n, char num[UNIT_TEXT],
                   const char **ret_unit)
{
    size_t i = 0;
    while (i + 1 < n && v >= .9995 * step) {
        v /= step;
        i++;
    }
    three_digits(v, num);
    *ret_unit = names[i];
}

void unit_ns_parts(const struct style *s, double ns, char num[UNIT_TEXT], char unit[UNIT_TEXT])
{
    static const char *const names[] = {"ns", "us", "ms", "s"};
    const char *name;

    unit[0] = '\0';
    if (!isfinite(ns)) {
        str_copy(num, UNIT_TEXT, "?");
        return;
    }
    scaled(ns, 1000, names, ARRAY_SIZE(names), num, &name);
    if (name[0] == 'u')
        str_format(unit, UNIT_TEXT, "%ss", style_glyph(s, GLYPH_MICRO));
    else
        str_copy(unit, UNIT_TEXT, name);
}

void unit_ns(const struct style *s, double ns, char dst[UNIT_TEXT])
{
    char num[UNIT_TEXT], unit[UNIT_TEXT];
    unit_ns_parts(s, ns, num, unit);
    str_format(dst, UNIT_TEXT, "%.20s%s%.8s", num, unit[0] ? " " : "", unit);
}

/* In steps of a thousand. */
static void rate_parts(double per_s, const char *const *names, size_t n, char num[UNIT_TEXT],
                       char unit[UNIT_TEXT])
{
    const char *name;

    unit[0] = '\0';
    if (!isfinite(per_s)) {
        str_copy(num, UNIT_TEXT, "?");
        return;
    }
    scaled(per_s, 1000, names, n, num, &name);
    str_copy(unit, UNIT_TEXT, name);
}

void unit_rate_parts(double bytes_per_s, char num[UNIT_TEXT], char unit[UNIT_TEXT])
{
    static const char *const names[] = {"B/s", "kB/s", "MB/s", "GB/s", "TB/s"};

    rate_parts(bytes_per_s, names, ARRAY_SIZE(names), num, unit);
}

void unit_flops_parts(double flop_per_s, char num[UNIT_TEXT], char unit[UNIT_TEXT])
{
    static const char *const names[] = {"flop/s", "kflop/s", "Mflop/s", "Gflop/s", "Tflop/s"};

    rate_parts(flop_per_s, names, ARRAY_SIZE(names), num, unit);
}

void unit_value(double v, char dst[UNIT_TEXT])
{
    if (!isfinite(v)) {
        str_copy(dst, UNIT_TEXT, "?");
        return;
    }
    int whole = v > 0 ? (int)floor(log10(v)) + 1 : 1;
    if (whole > 3) { /* what is left of the third digit is noise: 93142 is 93100 */
        double step = pow(10, whole - 3);
        v = floor(v / step + .5) * step;
    }
    if (whole > 15 || whole < -9)
        str_format(dst, UNIT_TEXT, "%.3g", v);
    else
        str_format(dst, UNIT_TEXT, "%.*f", whole >= 3 ? 0 : 3 - whole, v);
}

void unit_bytes(uint64_t bytes, char dst[UNIT_TEXT])
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    char num[UNIT_TEXT];
    const char *name;

    if (bytes < 1000) {
        str_format(dst, UNIT_TEXT, "%" PRIu64 " B", bytes);
        return;
    }
    scaled((double)bytes, 1024, names, ARRAY_SIZE(names), num, &name);
    str_format(dst, UNIT_TEXT, "%.20s %.8s", num, name);
}

void unit_percent(double fraction, char dst[UNIT_TEXT])
{
    double p = 100 * fraction;

    if (!isfinite(p))
        str_copy(dst, UNIT_TEXT, "?");
    else if (p > 0 && p < .05)
        str_format(dst, UNIT_TEXT, "%.2f %%", p);
    else
        str_format(dst, UNIT_TEXT, "%.*f %%", p < 9.95 ? 1 : 0, p);
}

void unit_ratio(double ratio, double half, char dst[UNIT_TEXT])
{
    if (!isfinite(ratio))
        str_copy(dst, UNIT_TEXT, "?");
    else if (ratio < 9.995)
        str_format(dst, UNIT_TEXT, "%.*f", half < .005 ? 3 : 2, ratio);
    else
        str_format(dst, UNIT_TEXT, "%.*f", ratio < 99.95 ? 1 : 0, ratio);
}

void unit_elapsed(uint64_t ns, char dst[UNIT_TEXT])
{
    uint64_t s = (ns + NS_PER_S / 2) / NS_PER_S;

    if (s >= 3600)
        str_format(dst, UNIT_TEXT, "%" PRIu64 ":%02u:%02u", s / 3600, (unsigned)(s / 60 % 60),
                   (unsigned)(s % 60));
    else
        str_format(dst, UNIT_TEXT, "%u:%02u", (unsigned)(s / 60), (unsigned)(s % 60));
}

double interval_half(double lo, double hi)
{
    if (!isfinite(lo) || !isfinite(hi) || lo <= 0 || hi < lo)
        return NAN;
    return sqrt(hi / lo) - 1;
}
