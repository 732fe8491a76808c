#include "model/plan.h"

#include <errno.h>
#include <math.h>
#include <inttypes.h>

void plan_init(struct plan *p)
{
    *p = (struct plan){
        .theta = PLAN_THETA,
        .slice_ns = PLAN_SLICE_NS,
        .rounds = PLAN_ROUNDS,
        .scale = 1,
    };
}

void plan_release(struct plan *p)
{
    if (!p)
        return;
    VEC_RELEASE(&p->targets);
    VEC_RELEASE(&p->cells);
    VEC_FOREACH (&p->apps, struct app *, a)
        app_unref(*a);
    VEC_RELEASE(&p->apps);
}

void plan_copy(struct plan *to, const struct plan *from)
{
    plan_release(to);
    *to = *from;
    to->targets.v = NULL;
    to->targets.n = to->targets.cap = 0;
    to->cells.v = NULL;
    to->cells.n = to->cells.cap = 0;
    to->apps.v = NULL;
    to->apps.n = to->apps.cap = 0;
    VEC_FOREACH (&from->targets, struct target, t)
        VEC_PUSH(&to->targets, *t);
    VEC_FOREACH (&from->cells, struct cell, c)
        VEC_PUSH(&to->cells, *c);
    VEC_FOREACH (&from->apps, struct app *, a)
        VEC_PUSH(&to->apps, app_ref(*a));
}

int plan_base_index(const struct plan *p, size_t *ret, struct err *err)
{
    const char *labels[PLAN_TARGETS_MAX];
    size_t n = 0, host = p->targets.n;
    for (size_t i = 0; i < p->targets.n; i++) {
        const struct target *t = &p->targets.v[i];
        if (p->base[0] && str_eq(t->label, p->base)) {
            *ret = i;
            return 0;
        }
        if (host == p->targets.n && str_eq(t->driver, "host") && !t->inject[0])
            host = i;
        if (n < ARRAY_SIZE(labels))
            labels[n++] = t->label;
    }
    if (p->base[0]) {
        const char *best = str_nearest(p->base, labels, n);
        return err_set(err, ERR_USAGE, ENOENT, "base \"%s\" is none of the targets%s%s%s", p->base,
                       best ? "; did you mean " : "", best ? best : "", best ? "?" : "");
    }
    *ret = host < p->targets.n ? host : 0;
    return 0;
}

static bool has_cell(const struct plan *p, const char *name)
{
    for (size_t i = 0; i < p->cells.n; i++)
        if (str_eq(p->cells.v[i].name, name))
            return true;
    return false;
}

static void add_cell(void *user, const struct cell_def *d)
{
    struct plan *p = user;
    struct cell c;
    cell_from_def(d, &c);
    if (!has_cell(p, c.name))
        VEC_PUSH(&p->cells, c);
}

void plan_know_app(struct plan *p, struct app *a)
{
    VEC_FOREACH (&p->apps, struct app *, known)
        if (str_eq((*known)->name, a->name))
            return;
    VEC_PUSH(&p->apps, app_ref(a));
}

static void add_app_cell(struct plan *p, const struct app *a, size_t i)
{
    struct cell c;
    app_cell(a, i, &c);
    if (!has_cell(p, c.name))
        VEC_PUSH(&p->cells, c);
}

/* By the application's name or alias all its cells, else those whose names match. */
static size_t add_app_cells(struct plan *p, const char *pattern)
{
    size_t n = 0;
    for (size_t k = 0; k < p->apps.n; k++) {
        const struct app *a = p->apps.v[k];
        bool all = app_answers_to(a, pattern);
        for (size_t i = 0; i < a->n_metrics; i++) {
            if (!all && !str_glob(pattern, a->metrics[i].cell))
                continue;
            add_app_cell(p, a, i);
            n++;
        }
    }
    return n;
}

static const char *nearest_app(const struct plan *p, const char *pattern)
{
    VEC(const char *) names = VEC_INIT;
    for (size_t k = 0; k < p->apps.n; k++) {
        VEC_PUSH(&names, p->apps.v[k]->name);
        for (size_t i = 0; i < p->apps.v[k]->n_metrics; i++)
            VEC_PUSH(&names, p->apps.v[k]->metrics[i].cell);
    }
    const char *best = str_nearest(pattern, names.v, names.n);
    VEC_RELEASE(&names);
    return best;
}

const struct app *plan_app(const struct plan *p, const char *name)
{
    for (size_t k = 0; k < p->apps.n; k++)
        if (str_eq(p->apps.v[k]->name, name))
            return p->apps.v[k];
    return NULL;
}

const struct app *plan_cell_app(const struct plan *p, const struct cell *c)
{
    if (c->workload->experiment != EXPERIMENT_BESIDE)
        return c->app;
    return plan_app(p, params_text(&c->params, "victim", ""));
}

int plan_add_cells(struct plan *p, const char *pattern, struct err *err)
{
    const struct app *named = plan_app(p, pattern);
    for (size_t i = 0; named && i < named->n_metrics; i++)
        add_app_cell(p, named, i);
    if (named)
        return 0; /* whatever else the catalogue calls so */
    size_t n = add_app_cells(p, pattern);
    struct err why = ERR_INIT;
    int r = cells_select(pattern, add_cell, p, &why);
    if (r >= 0 || n > 0)
        return 0;
    const char *near = nearest_app(p, pattern);
    if (near && !strstr(why.msg, "did you mean"))
        return err_set(err, ERR_USAGE, ENOENT, "no workload \"%.64s\"; did you mean %s?", pattern,
                       near);
    if (err)
        *err = why;
    return r;
}

int plan_add_suite(struct plan *p, const char *name, struct err *err)
{
    const struct suite *s = suite_find(name);
    if (!s) {
        struct str known = STR_INIT;
        for (size_t i = 0; i < suite_count(); i++)
            str_addf(&known, "%s%s", i ? ", " : "", suite_at(i)->name);
        int r =
            err_set(err, ERR_USAGE, ENOENT, "no suite \"%.40s\"; there are: %s", name, known.buf);
        str_release(&known);
        return r;
    }
    for (size_t i = 0; i < cell_def_count(); i++)
        if (cell_def_at(i)->suites & s->bit)
            add_cell(p, cell_def_at(i));
    for (size_t k = 0; k < p->apps.n; k++)
        for (size_t i = 0; (p->apps.v[k]->suites & s->bit) && i < p->apps.v[k]->n_metrics; i++)
            add_app_cell(p, p->apps.v[k], i);
    str_copy(p->suite, sizeof(p->suite), s->name);
    return 0;
}

/* Never longer than it was, never shorter than the floor. */
static void scale_param(struct cell *c, double factor)
{
    const struct workload *w = c->workload;
    const struct param *p = w->scaled ? params_find(&c->params, w->scaled) : NULL;

    if (!p || p->is_text || p->is_auto || p->num <= w->scaled_floor)
        return;
    double want = floor((double)p->num * factor + .5);
    params_set_num(&c->params, w->scaled,
                   want > (double)w->scaled_floor ? (int64_t)want : w->scaled_floor);
}

void plan_scale(struct plan *p, double factor)
{
    for (size_t i = 0; i < p->cells.n; i++)
        scale_param(&p->cells.v[i], factor);
    if (p->repeats > PLAN_REPEATS_MIN) {
        unsigned repeats = (unsigned)floor(p->repeats * factor + .5);
        p->repeats = repeats > PLAN_REPEATS_MIN ? repeats : PLAN_REPEATS_MIN;
    }
    p->scale *= factor;
}

int plan_add_target(struct plan *p, const char *text, const char *const *drivers, size_t n_drivers,
                    struct err *err)
{
    struct target t;
    int r = target_parse(text, drivers, n_drivers, &t, err);
    if (r < 0)
        return r;
    if (p->targets.n >= PLAN_TARGETS_MAX)
        return err_set(err, ERR_USAGE, E2BIG, "more than %d targets", PLAN_TARGETS_MAX);
    VEC_PUSH(&p->targets, t);
    return 0;
}

size_t plan_comparisons(const struct plan *p)
{
    return p->targets.n ? p->cells.n * (p->targets.n - 1) : 0;
}

int plan_double_targets(struct plan *p, struct err *err)
{
    size_t n = p->targets.n;

    if (2 * n > PLAN_TARGETS_MAX)
        return err_set(err, ERR_USAGE, E2BIG, "%zu targets, each twice, are more than %d", n,
                       PLAN_TARGETS_MAX);
    for (size_t i = 0; i < n; i++) {
        struct target copy = p->targets.v[i];
        VEC_PUSH(&p->targets, copy);
    }
    targets_double(p->targets.v, n);
    p->aa = true;
    return 0;
}

int plan_check_twins(const struct plan *p, struct err *err)
{
    for (size_t i = 0; p->aa && i < p->targets.n; i += 2)
        if (i + 1 == p->targets.n || !str_eq(p->targets.v[i].text, p->targets.v[i + 1].text))
            return err_set(err, ERR_USAGE, EINVAL,
                           "aa: target %s has no twin after it; write every target twice, as in "
                           "[a=runc, b=runc], or leave aa out and give --aa",
                           p->targets.v[i].label);
    return 0;
}

bool plan_equal(const struct plan *a, const struct plan *b)
{
    bool same = str_eq(a->suite, b->suite) && str_eq(a->base, b->base) &&
                a->limits.cpus == b->limits.cpus &&
                a->limits.memory_bytes == b->limits.memory_bytes &&
                a->limits.pids == b->limits.pids && a->limits.io_bps == b->limits.io_bps &&
                a->seed == b->seed && a->theta == b->theta && a->precision == b->precision &&
                a->gate == b->gate && a->aa == b->aa && a->blocks == b->blocks &&
                a->repeats == b->repeats && a->budget_ns == b->budget_ns &&
                a->interval_ns == b->interval_ns && a->settle_ns == b->settle_ns &&
                a->slice_ns == b->slice_ns && a->rounds == b->rounds && a->solo == b->solo &&
                a->scale == b->scale && a->drop_caches == b->drop_caches &&
                a->emulated_too == b->emulated_too && a->targets.n == b->targets.n &&
                a->cells.n == b->cells.n;
    for (size_t i = 0; same && i < a->targets.n; i++)
        same = target_equal(&a->targets.v[i], &b->targets.v[i]);
    for (size_t i = 0; same && i < a->cells.n; i++)
        same = str_eq(a->cells.v[i].name, b->cells.v[i].name) &&
               params_equal(&a->cells.v[i].params, &b->cells.v[i].params);
    return same;
}

/* Writing. */

/* A double-quoted YAML scalar. Everything that gets here is one line; the rest is for safety. */
static void add_quoted(struct str *out, const char *text)
{
    str_addc(out, '"');
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\')
            str_addf(out, "\\%c", *p);
        else if ((unsigned char)*p < 0x20 || *p == 0x7f)
            str_addf(out, "\\x%02x", (unsigned)(unsigned char)*p);
        else
            str_addc(out, *p);
    }
    str_addc(out, '"');
}

/* The shortest text that parse_fraction reads back to v. */
static void add_fraction(struct str *out, const char *key, double v)
{
    char text[40];
    for (int digits = 6; digits <= 20; digits++) {
        double back = -1;
        str_format(text, sizeof(text), "%.*g", digits, v);
        if (parse_fraction(text, key, &back, NULL) == 0 && back == v)
            break;
    }
    str_addf(out, "%s: %s\n", key, text);
}

static void add_duration(struct str *out, const char *key, uint64_t ns)
{
    static const struct param_def def = {.kind = PARAM_DURATION};
    struct param v = {.num = ns > INT64_MAX ? INT64_MAX : (int64_t)ns};
    char text[40];
    param_value_text(&def, &v, text, sizeof(text));
    str_addf(out, "%s: %s\n", key, text);
}

static void add_limits(struct str *out, const struct limits *l)
{
    const char *sep = "";
    if (l->cpus <= 0 && l->memory_bytes == 0 && l->pids == 0 && l->io_bps == 0)
        return;
    str_add(out, "limits: {");
    if (l->cpus > 0) {
        char text[40];
        for (int digits = 6; digits <= 17; digits++) {
            str_format(text, sizeof(text), "%.*g", digits, l->cpus);
            if (strtod(text, NULL) == l->cpus)
                break;
        }
        str_addf(out, "cpus: %s", text);
        sep = ", ";
    }
    if (l->memory_bytes > 0) {
        str_addf(out, "%smemory: %" PRIu64, sep, l->memory_bytes);
        sep = ", ";
    }
    if (l->pids > 0) {
        str_addf(out, "%spids: %" PRIu64, sep, l->pids);
        sep = ", ";
    }
    if (l->io_bps > 0)
        str_addf(out, "%sio: %" PRIu64, sep, l->io_bps);
    str_add(out, "}\n");
}

static void add_cell_text(struct str *out, const struct cell *c)
{
    str_add(out, "  - ");
    add_quoted(out, c->name);
    for (size_t i = 0; i < c->params.n; i++) {
        const struct param *v = &c->params.v[i];
        char text[PARAM_TEXT_MAX];
        param_value_text(workload_param(c->workload, v->name), v, text, sizeof(text));
        str_addf(out, "%s%s: ", i ? ", " : ": {", v->name);
        add_quoted(out, text);
    }
    bool grain = c->grain != c->workload->grain;
    if (grain)
        str_addf(out, "%sgrain: %s", c->params.n ? ", " : ": {", grain_name(c->grain));
    str_add(out, c->params.n || grain ? "}\n" : "\n");
}

/* The texts of the applications that cells are of: the plan means the same elsewhere. */
static void add_applications(struct str *out, const struct plan *p)
{
    bool any = false;
    for (size_t k = 0; k < p->apps.n; k++) {
        bool used = false;
        for (size_t i = 0; i < p->cells.n; i++)
            used = used || plan_cell_app(p, &p->cells.v[i]) == p->apps.v[k];
        if (!used)
            continue;
        str_add(out, any ? "  - " : "applications:\n  - ");
        add_quoted(out, p->apps.v[k]->source);
        str_addc(out, '\n');
        any = true;
    }
}

int plan_format(const struct plan *p, struct str *out, struct err *err)
{
    if (p->suite[0])
        str_addf(out, "from_suite: %s\n", p->suite);
    if (p->targets.n) {
        str_add(out, "targets:\n");
        for (size_t i = 0; i < p->targets.n; i++) {
            char text[TARGET_FORMAT_MAX];
            target_format(&p->targets.v[i], text, sizeof(text));
            str_add(out, "  - ");
            add_quoted(out, text);
            str_addc(out, '\n');
        }
    }
    add_applications(out, p);
    if (p->cells.n) {
        str_add(out, "workloads:\n");
        for (size_t i = 0; i < p->cells.n; i++) {
            if (p->cells.v[i].workload == workload_unknown())
                return err_set(err, ERR_UNSUPPORTED, ENOENT,
                               "workload %s is not in this version's catalogue",
                               p->cells.v[i].name);
            add_cell_text(out, &p->cells.v[i]);
        }
    }
    if (p->base[0]) {
        str_add(out, "base: ");
        add_quoted(out, p->base);
        str_addc(out, '\n');
    }
    add_limits(out, &p->limits);
    str_addf(out, "seed: %" PRIu64 "\n", p->seed);
    add_fraction(out, "theta", p->theta);
    add_fraction(out, "precision", p->precision);
    str_addf(out, "blocks: %u\nrepeats: %u\n", p->blocks, p->repeats);
    add_duration(out, "budget", p->budget_ns);
    add_duration(out, "interval", p->interval_ns);
    add_duration(out, "settle", p->settle_ns);
    add_duration(out, "slice", p->slice_ns);
    str_addf(out, "rounds: %u\nsolo: %s\n", p->rounds, p->solo ? "yes" : "no");
    if (p->drop_caches)
        str_add(out, "drop_caches: yes\n");
    if (p->emulated_too)
        str_add(out, "emulated_too: yes\n");
    if (p->gate > 0)
        add_fraction(out, "gate", p->gate);
    if (p->aa)
        str_add(out, "aa: yes\n");
    if (p->scale < 1)
        str_addf(out, "scaled: %.17g\n", p->scale);
    return 0;
}
