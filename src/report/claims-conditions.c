/* What was otherwise there: the conditions that a source states beside those of the runs; and which
 * runs would have tested more. */
#include "report/claims-words.h"

#include "report/units.h"

#include <jansson.h>
#include <math.h>

static void add_text(struct str *out, const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    if (s && s[0])
        text_inert(out, s);
}

static void machine_of(const struct analysis *a, const json_t *m, struct str *out)
{
    char memory[UNIT_TEXT];
    double bytes = json_number_value(json_object_get(m, "memory_bytes"));
    const char *v = json_string_value(json_object_get(m, "virtualisation"));

    (void)a;
    add_text(out, m, "cpu_model");
    if (json_is_integer(json_object_get(m, "cpus_online")))
        str_addf(out, " (%lld CPUs)",
                 (long long)json_integer_value(json_object_get(m, "cpus_online")));
    if (bytes > 0 && bytes < 1e18) {
        unit_bytes((uint64_t)bytes, memory);
        str_addf(out, ", %s of memory", memory);
    }
    if (v && v[0] && !str_eq(v, "none")) {
        str_add(out, ", inside ");
        text_inert(out, v);
    }
}

static void engine_of(const struct analysis *a, const json_t *m, struct str *out)
{
    const struct plan *p = &a->head.plan;

    (void)m;
    VEC_FOREACH (&p->targets, const struct target, t) {
        bool seen = str_eq(t->driver, "host");
        for (const struct target *u = p->targets.v; u < t; u++)
            seen = seen || str_eq(u->driver, t->driver);
        if (seen)
            continue;
        str_add(out, out->len ? ", " : "");
        text_inert(out,
                   str_eq(t->driver, "oci") ? "none (the runtimes' own command line)" : t->driver);
    }
}

static void limits_of(const struct analysis *a, const json_t *m, struct str *out)
{
    const struct limits *l = &a->head.plan.limits;
    char bytes[UNIT_TEXT];

    (void)m;
    if (l->cpus > 0)
        str_addf(out, "%g CPUs", l->cpus);
    if (l->memory_bytes) {
        unit_bytes(l->memory_bytes, bytes);
        str_addf(out, "%s%s of memory", out->len ? ", " : "", bytes);
    }
    if (l->pids)
        str_addf(out, "%s%llu processes", out->len ? ", " : "", (unsigned long long)l->pids);
    if (!out->len)
        str_add(out, "none");
}

static void repeats_of(const struct analysis *a, const json_t *m, struct str *out)
{
    (void)m;
    str_addf(out, "%zu blocks", a->n_blocks);
    if (a->head.plan.scale < 1)
        str_addf(out, ", shortened to %g", a->head.plan.scale);
}

static void system_of(const struct analysis *a, const json_t *m, struct str *out)
{
    (void)a;
    add_text(out, m, "os");
}

static void kernel_of(const struct analysis *a, const json_t *m, struct str *out)
{
    (void)a;
    add_text(out, m, "kernel");
}

static void network_of(const struct analysis *a, const json_t *m, struct str *out)
{
    (void)m;
    for (size_t i = 0; i < a->n_cells; i++) {
        const struct cell *c = &a->head.plan.cells.v[i];
        if (!c->workload->network)
            continue;
        bool remote = str_eq(params_text(&c->params, NET_PEER, NET_PEER_BARE), NET_PEER_REMOTE);
        bool engine = str_eq(params_text(&c->params, NET_PATH, ""), NET_PATH_ENGINE);
        str_add(out, remote ? "the server on another machine"
                     : engine
                         ? "both ends on this machine, by the networks that engines make"
                         : "both ends on this machine, in namespaces of their own; @1gbit: over "
                           "a link of that rate");
        return;
    }
    str_add(out, "not measured");
}

/* The cell of the application as its file has it. */
static void app_defaults(const struct cell *c, struct cell *ret)
{
    *ret = *c;
    for (size_t i = 0; i < c->app->n_metrics; i++)
        if (&c->app->metrics[i].workload == c->workload)
            app_cell(c->app, i, ret);
}

/* What -p and --scale made otherwise than a cell's definition has it, once each. */
static void parameters_of(const struct analysis *a, const json_t *m, struct str *out)
{
    (void)m;
    VEC_FOREACH (&a->head.plan.cells, const struct cell, c) {
        const struct cell_def *d = cell_def_find(c->name);
        struct cell plain;
        if (d)
            cell_from_def(d, &plain);
        else if (c->app)
            app_defaults(c, &plain);
        for (size_t i = 0; (d || c->app) && i < c->params.n; i++) {
            const struct param *p = &c->params.v[i], *was = params_find(&plain.params, p->name);
            char value[PARAM_TEXT_MAX];
            _cleanup_free_ char *text = NULL;
            /* What the controller derives from the machine is nobody's choice. */
            if (!was || was->is_auto || param_equal(p, was))
                continue;
            param_value_text(workload_param(c->workload, p->name), p, value, sizeof(value));
            text = xasprintf("%s=%s", p->name, value);
            if (strstr(out->buf, text))
                continue;
            str_add(out, out->len ? ", " : "");
            text_inert(out, text);
        }
    }
}

static const struct {
    const char *name;
    void (*of)(const struct analysis *a, const json_t *machine, struct str *out);
} known[] = {
    {"machine", machine_of}, {"system", system_of},         {"kernel", kernel_of},
    {"engine", engine_of},   {"limits", limits_of},         {"repeats", repeats_of},
    {"network", network_of}, {"parameters", parameters_of},
};

/* A run's runtime of that kind, as target_info names kinds. */
static void version_of(const struct analysis *a, const char *kind, struct str *out)
{
    for (size_t t = 0; t < a->n_targets; t++) {
        json_t *o = a->targets[t].info ? json_loads(a->targets[t].info, 0, NULL) : NULL;
        const char *k = json_string_value(json_object_get(o, "kind"));
        const char *version = json_string_value(json_object_get(o, "version"));
        const char *label = a->head.plan.targets.v[t].label;
        if (k && str_eq(k, kind) && version && version[0] && !strstr(out->buf, version)) {
            str_add(out, out->len ? ", " : "");
            text_inert(out, version);
            if (out->len && strchr(label, ':')) {
                str_add(out, " (");
                text_inert(out, label);
                str_addc(out, ')');
            }
        }
        json_decref(o);
    }
}

static const char *kind_of(const char *condition)
{
    return str_eq(condition, "gvisor") ? "runsc" : condition;
}

static void value_of(const char *name, const struct analysis *a, struct str *out)
{
    json_t *m = a->head.machine ? json_loads(a->head.machine, 0, NULL) : NULL;
    bool found = false;

    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (!str_eq(known[i].name, name))
            continue;
        known[i].of(a, m, out);
        found = true;
    }
    if (!found)
        version_of(a, kind_of(name), out);
    json_decref(m);
}

/* Of all runs; each value once, with the runs it is of where they differ. */
static void here_of(const struct claims_view *v, const char *name, struct str *out)
{
    _cleanup_(str_release) struct str first = STR_INIT;
    bool differ = false;

    for (size_t i = 0; i < v->n_runs; i++) {
        _cleanup_(str_release) struct str value = STR_INIT;
        value_of(name, v->runs[i].a, &value);
        if (i == 0)
            str_add(&first, value.buf);
        differ = differ || !str_eq(first.buf, value.buf);
    }
    if (!differ) {
        str_add(out, first.buf);
        return;
    }
    for (size_t i = 0; i < v->n_runs; i++) {
        _cleanup_(str_release) struct str value = STR_INIT;
        value_of(name, v->runs[i].a, &value);
        str_addf(out, "%s%s (r%lld)", i ? "; " : "", value.len ? value.buf : "none",
                 (long long)v->runs[i].a->head.id);
    }
}

/* Kinds of runtimes in the runs that the source has no condition for. */
static const char *const runtimes[] = {"runc", "crun", "gvisor", "kata", "youki"};

static bool is_runtime(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(runtimes); i++)
        if (str_eq(runtimes[i], name))
            return true;
    return false;
}

static bool speaks_of(const struct claims *c, const char *runtime)
{
    for (size_t i = 0; i < c->n_names; i++)
        for (size_t k = 0; k < c->names[i].n; k++)
            if (str_eq(c->names[i].choices[k].runtime, kind_of(runtime)))
                return true;
    return false;
}

static bool has_condition(const struct claims *c, const char *name)
{
    for (size_t i = 0; i < c->n_conditions; i++)
        if (str_eq(c->conditions[i].name, name))
            return true;
    return false;
}

bool claims_condition(const struct claims_view *v, size_t i, struct str *name, struct str *there,
                      struct str *here)
{
    const struct claims *c = v->judged->claims;

    if (i < c->n_conditions) {
        text_inert(name, c->conditions[i].name);
        text_inert(there, c->conditions[i].text);
        here_of(v, c->conditions[i].name, here);
        if (!here->len)
            str_add(here, is_runtime(c->conditions[i].name) ? "none" : "not recorded");
        return true;
    }
    i -= c->n_conditions;
    if (i == ARRAY_SIZE(runtimes)) {
        here_of(v, "parameters", here);
        if (here->len) {
            str_add(name, "parameters");
            str_add(there, "as the workloads have them");
        }
        return true;
    }
    if (i > ARRAY_SIZE(runtimes))
        return false;
    if (has_condition(c, runtimes[i]) || !speaks_of(c, runtimes[i]))
        return true;
    here_of(v, runtimes[i], here);
    if (here->len) {
        str_add(name, runtimes[i]);
        str_add(there, "not said");
    }
    return true;
}

/* ---- what else to run ---- */

/* Applications are all the paper suite's. */
static unsigned suites_of(const char *cell)
{
    const struct cell_def *d = cell_def_find(cell);
    return d ? d->suites : SUITE_PAPER;
}

/* The suites that have what each claim is lacking, for the claims that lack nothing else; 0: none.
 */
static unsigned *lacking(const struct claims_judged *j)
{
    unsigned *suites = xcalloc(j->claims->all.n + 1, sizeof(*suites));

    for (size_t i = 0; i < j->claims->all.n; i++)
        if (j->v[i].verdict == CLAIM_UNTESTED && j->v[i].lacks[0])
            suites[i] = suites_of(j->v[i].lacks);
    return suites;
}

bool claims_more(const struct claims_view *v, size_t i, struct str *command, size_t *claims)
{
    _cleanup_free_ unsigned *suites = lacking(v->judged);
    const struct suite *best;

    do {
        size_t most = 0;
        best = NULL;
        for (size_t k = 0; k < suite_count(); k++) {
            size_t n = 0;
            for (size_t c = 0; c < v->judged->claims->all.n; c++)
                n += (suites[c] & suite_at(k)->bit) != 0;
            if (n <= most)
                continue;
            most = n;
            best = suite_at(k);
        }
        if (!best)
            return false;
        *claims = most;
        /* What it has, no other has to have. */
        for (size_t c = 0; c < v->judged->claims->all.n; c++)
            suites[c] = suites[c] & best->bit ? 0 : suites[c];
    } while (i-- > 0);
    str_addf(command, "cupel run --suite %s", best->name);
    return true;
}
