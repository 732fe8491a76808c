#include "report/cell-view.h"
#include "report/figure.h"

#include <math.h>

static double real_fact(json_t *facts, const char *phase, const char *what)
{
    _cleanup_free_ char *name = xasprintf("%s%s", phase, what);
    json_t *x = json_object_get(facts, name);
    return json_is_number(x) ? json_number_value(x) : NAN;
}

/* Sample by sample, a blank where the load began or ended. */
static void put_series(const struct view *v, const char *key, json_t *series)
{
    size_t n = json_array_size(series), i;
    _cleanup_free_ double *x = xcalloc(n + 1, sizeof(*x));
    _cleanup_(str_release) struct str t = STR_INIT;
    json_t *point;

    json_array_foreach (series, i, point) {
        bool edge = json_integer_value(json_array_get(point, 5)) != 0;
        x[i] = edge ? NAN : json_number_value(json_array_get(point, 2));
    }
    view_sparkline(&v->o->style, x, n, &t);
    if (n)
        view_line(v, key, t.buf);
}

/* The first block of an experiment with a neighbour, in the paper's terms. */
static void put_neighbour(const struct view *v, const struct evidence *e)
{
    static const char *const phases[] = {"before", "with", "after"};
    json_t *facts = e->facts ? json_loads(e->facts, 0, NULL) : NULL;
    _cleanup_(str_release) struct str t = STR_INIT;
    double loss = real_fact(facts, "loss", ""), shrinkage = real_fact(facts, "shrinkage", "");
    double combined = real_fact(facts, "combined", "");

    if (isfinite(loss) && isfinite(shrinkage)) {
        for (size_t i = 0; i < ARRAY_SIZE(phases); i++)
            str_addf(&t, "%s%s %.4g GFlops on %.3g CPUs", i ? ", " : "", phases[i],
                     real_fact(facts, phases[i], "_gflops"), real_fact(facts, phases[i], "_cpus"));
        if (isfinite(real_fact(facts, "load", "_cpus")))
            str_addf(&t, "; the neighbour on %.3g", real_fact(facts, "load", "_cpus"));
        view_line(v, "first block", t.buf);
        str_clear(&t);
        str_addf(&t, "loss I = %.1f %%, shrinkage RS = %.1f %%", 100 * loss, 100 * shrinkage);
        if (isfinite(combined))
            str_addf(&t, ", C = I / RS = %.3g", combined);
        else
            str_add(&t, "; RS is too near to 0 for their quotient");
        view_line(v, "isolation", t.buf);
        put_series(v, "affected", json_object_get(facts, "series"));
        put_series(v, "neighbour", json_object_get(facts, "load_series"));
    }
    json_decref(facts);
}

static void put_beside_limits(const struct view *v, json_t *facts)
{
    _cleanup_(str_release) struct str t = STR_INIT;
    double took = real_fact(facts, "load", "_cpus"), allowed = real_fact(facts, "allowed", "_cpus");
    double peak = real_fact(facts, "peak", "_bytes"), most = real_fact(facts, "allowed", "_bytes");
    double tasks = real_fact(facts, "peak", "_pids"), crowd = real_fact(facts, "allowed", "_pids");
    double written = real_fact(facts, "load", "_written_bps");
    double speed = real_fact(facts, "allowed", "_io_bps");
    const json_t *held = json_object_get(facts, "held");

    if (isfinite(took) && isfinite(allowed))
        str_addf(&t, "the aggressor took %.3g of %.3g CPUs", took, allowed);
    if (isfinite(peak) && isfinite(most))
        str_addf(&t, "%s%.0f of %.0f MiB", t.len ? ", " : "the aggressor took ", peak / 1048576,
                 most / 1048576);
    if (isfinite(tasks) && isfinite(crowd))
        str_addf(&t, "%s%.0f of %.0f processes", t.len ? ", " : "the aggressor had ", tasks, crowd);
    if (isfinite(written) && isfinite(speed))
        str_addf(&t, "%s%.3g of %.3g MiB/s", t.len ? ", wrote " : "the aggressor wrote ",
                 written / 1048576, speed / 1048576);
    if (held)
        str_addf(&t, "; its limits %s", json_is_true(held) ? "held" : "did not hold");
    if (isfinite(real_fact(facts, "outside", "_cpus")))
        str_addf(&t, "; %+.3f CPUs were used outside of them meanwhile",
                 real_fact(facts, "outside", "_cpus"));
    if (t.len)
        view_line(v, "limits", t.buf);
}

/* The first block of an experiment with an aggressor. */
static void put_beside(const struct view *v, const struct evidence *e)
{
    json_t *facts = e->facts ? json_loads(e->facts, 0, NULL) : NULL;
    const char *died = json_string_value(json_object_get(facts, "load_died"));
    const char *where = json_string_value(json_object_get(facts, "load_target"));
    double recovery = real_fact(facts, "recovery", "_s");
    _cleanup_(str_release) struct str t = STR_INIT;
    char without[UNIT_TEXT], with[UNIT_TEXT];

    if (isfinite(real_fact(facts, "without", "_ns"))) {
        unit_ns(&v->o->style, real_fact(facts, "without", "_ns"), without);
        unit_ns(&v->o->style, real_fact(facts, "with", "_ns"), with);
        str_addf(&t, "an operation takes %s, beside the aggressor %s", without, with);
        view_line(v, "first block", t.buf);
        put_beside_limits(v, facts);
        str_clear(&t);
        if (isfinite(recovery))
            str_addf(&t, "as fast as before %.3g s after the aggressor's end", recovery);
        else
            str_add(&t, "not as fast as before within the phase that followed");
        view_line(v, "recovery", t.buf);
    }
    str_clear(&t);
    if (where) {
        str_add(&t, "ran in ");
        text_inert(&t, where);
    }
    if (died) {
        str_add(&t, where ? "; " : "");
        text_inert(&t, died);
    }
    if (t.len)
        view_line(v, "aggressor", t.buf);
    json_decref(facts);
}

void cell_put_neighbour(const struct view *v, const struct evidence *e)
{
    put_neighbour(v, e);
    put_beside(v, e);
}
