#include "analyse/machines-judge.h"

#include "base/cleanup.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>

const struct machines_result *machines_at(const struct machines *m, size_t group, size_t cell,
                                          size_t target)
{
    return &m->groups.v[group].results[cell * m->targets.n + target];
}

static struct machine_figure *figure_at(const struct machines *m, size_t machine, size_t cell,
                                        size_t target)
{
    return &m->figures[(machine * m->cells.n + cell) * m->targets.n + target];
}

const struct machine_figure *machines_figure(const struct machines *m, size_t machine, size_t cell,
                                             size_t target)
{
    return figure_at(m, machine, cell, target);
}

bool machines_has(const struct machines *m, size_t cell, size_t target)
{
    if (m->is_base[target] && !m->cells.v[cell].of_itself)
        return false;
    return machines_at(m, 0, cell, target)->machines > 0;
}

/* ---- which machines, cells and targets there are ---- */

/* "AMD EPYC, 2 CPUs, 24 GiB, x86_64" */
static void kind_of(const json_t *machine, char *dst, size_t size)
{
    const char *model = json_string_value(json_object_get(machine, "cpu_model")),
               *arch = json_string_value(json_object_get(machine, "arch"));
    json_int_t cpus = json_integer_value(json_object_get(machine, "cpus_online"));
    double bytes = json_number_value(json_object_get(machine, "memory_bytes"));

    str_format(dst, size, "%.80s, %d CPU%s, %.0f GiB, %.20s", model && *model ? model : "unknown",
               cpus > 0 && cpus < 1 << 20 ? (int)cpus : 0, cpus == 1 ? "" : "s",
               bytes / (UINT64_C(1) << 30), arch && *arch ? arch : "unknown");
    str_printable(dst);
}

static size_t group_find(struct machines *m, const char *kind)
{
    for (size_t i = 1; i < m->groups.n; i++)
        if (str_eq(m->groups.v[i].name, kind))
            return i;
    struct machines_group g = {.n = 0};
    str_copy(g.name, sizeof(g.name), kind);
    VEC_PUSH(&m->groups, g);
    return m->groups.n - 1;
}

/* name: NULL, or what tells it from the others. */
static size_t row_find(struct machines *m, const struct run_head *h, const char *name)
{
    struct machine_row row = {.runs = 0};
    char kind[160];

    str_copy(row.id, sizeof(row.id), h->machine_id);
    for (size_t i = 0; i < m->n; i++)
        if (name ? str_eq(m->rows[i].name, name) : str_eq(m->rows[i].id, row.id))
            return i;
    json_t *machine = h->machine ? json_loads(h->machine, 0, NULL) : NULL;
    const char *host = json_string_value(json_object_get(machine, "hostname"));
    str_copy(row.name, sizeof(row.name), name ? name : host && *host ? host : "unnamed");
    str_printable(row.name);
    kind_of(machine, kind, sizeof(kind));
    json_decref(machine);
    row.group = group_find(m, kind);
    m->groups.v[0].n++;
    m->groups.v[row.group].n++;
    m->rows[m->n] = row;
    return m->n++;
}

/* Machines of one host name are told apart by their identities. */
static void name_rows(struct machines *m)
{
    _cleanup_free_ bool *again = xcalloc(m->n + 1, sizeof(*again));

    for (size_t i = 0; i < m->n; i++)
        for (size_t k = 0; k < i; k++)
            if (str_eq(m->rows[i].name, m->rows[k].name))
                again[i] = again[k] = true;
    for (size_t i = 0; i < m->n; i++) {
        size_t n = strlen(m->rows[i].name);
        if (again[i])
            str_format(m->rows[i].name + n, sizeof(m->rows[i].name) - n, " (%.6s)", m->rows[i].id);
    }
}

static bool ended_well(const struct run_head *h)
{
    return str_eq(h->status, "complete") || str_eq(h->status, "imported");
}

/* Takes h if a cell was first met in it. */
static void see_head(struct machines *m, size_t run, struct run_head **h, const char *name)
{
    size_t i = row_find(m, *h, name);
    struct machine_row *row = &m->rows[i];

    m->machine_of[run] = i;
    row->runs++;
    row->last_run = (*h)->id;
    if (!row->status[0] && !ended_well(*h))
        str_copy(row->status, sizeof(row->status), (*h)->status);
    known_targets_add(&m->targets, *h);
    m->absolute = m->absolute && (*h)->plan.targets.n < 2;
    if (known_cells_add(&m->cells, *h) == 0)
        return;
    VEC_PUSH(&m->kept, *h);
    *h = NULL;
}

static void head_free(struct run_head *h)
{
    if (!h)
        return;
    run_head_release(h);
    free(h);
}

static int read_heads(struct store *s, const struct machines_request *q, struct machines *m,
                      struct err *err)
{
    for (size_t i = 0; i < q->n; i++) {
        struct run_head *h = xcalloc(1, sizeof(*h));
        int r = store_run_head(s, q->runs[i], h, err);
        if (r < 0) {
            free(h);
            return r;
        }
        if (m->theta > 0 && !(q->theta > 0) && h->plan.theta != m->theta)
            r = err_set(err, ERR_USAGE, EINVAL,
                        "r%lld takes differences up to %g %% to be alike and others up to %g %%; "
                        "say with --theta what this table does",
                        (long long)h->id, 100 * h->plan.theta, 100 * m->theta);
        m->theta = q->theta > 0 ? q->theta : h->plan.theta;
        if (r == 0)
            see_head(m, i, &h, q->names ? q->names[i] : NULL);
        head_free(h);
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_twice(const struct machines_request *q, struct err *err)
{
    if (q->n == 0)
        return err_set(err, ERR_USAGE, ENOENT, "there is no run that is over");
    for (size_t i = 0; i < q->n; i++)
        for (size_t k = 0; k < i; k++)
            if (q->runs[k] == q->runs[i])
                return err_set(err, ERR_USAGE, EINVAL,
                               "r%lld is there twice: every run counts once",
                               (long long)q->runs[i]);
    return 0;
}

/* ---- what each run found ---- */

static void add_failure(struct machine_figure *f, const struct cell_result *r)
{
    f->failed += (unsigned)r->failed;
    if (!r->failed || f->fail_text)
        return;
    f->fail_kind = (uint8_t)r->fail_kind;
    f->fail_text = xstrdup(r->fail_text);
}

/* Means over runs: sums until end_figures divides. */
static void add_figure(const struct known_cell *cell, struct machine_figure *f,
                       const struct cell_result *r, bool withheld)
{
    double se, log_value = known_cell_log(cell, r, &se);
    const struct estimate *e = cell->of_itself ? &r->absolute : &r->ratio;

    f->runs++;
    f->withheld = f->withheld || withheld;
    add_failure(f, r);
    if (!isfinite(log_value))
        return;
    f->log += log_value;
    f->se += se * se;
    f->lo = f->n == 0 ? log(e->lo) : NAN;
    f->hi = f->n == 0 ? log(e->hi) : NAN;
    f->verdict = (uint8_t)(f->n == 0 ? r->verdict : VERDICT_INCONCLUSIVE);
    f->n++;
}

static void add_run(struct machines *m, size_t run, const struct analysis *a)
{
    _cleanup_free_ int32_t *index = xcalloc(m->cells.n + 1, sizeof(*index));
    size_t machine = m->machine_of[run];

    m->rows[machine].blocks += a->n_blocks;
    known_cells_index(&m->cells, &a->head, index);
    for (size_t k = 0; k < a->n_targets; k++) {
        size_t t = 0;
        while (!str_eq(m->targets.v[t], a->head.plan.targets.v[k].label))
            t++;
        m->is_base[t] = m->is_base[t] || k == a->head.base;
        for (size_t c = 0; c < m->cells.n; c++)
            if (index[c] >= 0 && (k != a->head.base || m->cells.v[c].of_itself))
                add_figure(&m->cells.v[c], figure_at(m, machine, c, t),
                           analysis_at(a, (size_t)index[c], k), analysis_withholds(a, k));
    }
}

static void end_figures(struct machines *m)
{
    size_t each = m->cells.n * m->targets.n;

    for (size_t i = 0; i < m->n * each; i++) {
        struct machine_figure *f = &m->figures[i];
        struct machine_row *row = &m->rows[i / each];
        row->cells += f->runs > 0;
        row->failed += f->runs > 0 && f->n == 0;
        if (f->n == 0) {
            f->log = f->se = f->lo = f->hi = NAN;
            continue;
        }
        f->log /= f->n;
        f->se = sqrt(f->se) / f->n;
    }
}

static int read_runs(struct store *s, const struct machines_request *q, struct machines *m,
                     struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < q->n; i++) {
        struct analysis a;
        r = analyse_progress(s, q->runs[i], &a, err);
        if (r < 0)
            return r;
        add_run(m, i, &a);
        r = environ_add(&m->environ, i, s, &a, err);
        analysis_release(&a);
    }
    end_figures(m);
    return r;
}

bool machines_forbid(const struct machines *m, const struct environ_field *f)
{
    return f->weight >= (m->absolute ? ENVIRON_REFUSE : ENVIRON_REFUSE_RATIOS);
}

/* One line that names the first field. */
static int check_environ(const struct machines *m, const struct machines_request *q,
                         struct err *err)
{
    VEC_FOREACH (&m->environ.fields, const struct environ_field, f) {
        size_t a = 0, b;
        if (!machines_forbid(m, f) || str_eq(f->name, "architecture") ||
            !environ_differs(f, 0, q->n))
            continue;
        while (!f->values[a])
            a++;
        for (b = a + 1; !f->values[b] || str_eq(f->values[a], f->values[b]);)
            b++;
        return err_set(err, ERR_USAGE, EXDEV,
                       "r%lld has %s %.60s and r%lld %.60s: their %s do not mean the same; "
                       "name the runs that go together, or --force puts them all in one table",
                       (long long)q->runs[a], f->name, f->values[a], (long long)q->runs[b],
                       f->values[b], m->absolute ? "values" : "ratios");
    }
    return 0;
}

int machines_read(struct store *s, const struct machines_request *q, struct machines *ret,
                  struct err *err)
{
    /* Until a run with a second target is met. */
    struct machines m = {.absolute = true, .n_runs = q->n, .environ = {.n_runs = q->n}};
    struct machines_group all = {.name = "all"};
    int r = check_twice(q, err);

    if (r < 0)
        return r;
    VEC_PUSH(&m.groups, all);
    m.rows = xcalloc(q->n, sizeof(*m.rows));
    m.machine_of = xcalloc(q->n, sizeof(*m.machine_of));
    r = read_heads(s, q, &m, err);
    if (r == 0) {
        m.absolute = m.absolute || q->absolute;
        VEC_FOREACH (&m.cells, struct known_cell, x)
            x->of_itself = x->of_itself || m.absolute;
        known_cells_tell_apart(&m.cells);
        name_rows(&m);
        m.is_base = xcalloc(m.targets.n + 1, sizeof(*m.is_base));
        m.figures = xcalloc(m.n * m.cells.n * m.targets.n + 1, sizeof(*m.figures));
        r = read_runs(s, q, &m, err);
    }
    if (r == 0 && !q->force)
        r = check_environ(&m, q, err);
    if (r == 0)
        r = machines_judge(&m, err);
    if (r < 0) {
        machines_release(&m);
        return r;
    }
    *ret = m;
    return 0;
}

void machines_release(struct machines *m)
{
    for (size_t i = 0; m->figures && i < m->n * m->cells.n * m->targets.n; i++)
        free(m->figures[i].fail_text);
    free(m->figures);
    free(m->rows);
    free(m->machine_of);
    free(m->is_base);
    VEC_FOREACH (&m->groups, struct machines_group, g)
        free(g->results);
    VEC_RELEASE(&m->groups);
    VEC_RELEASE(&m->apart);
    VEC_RELEASE(&m->cells);
    known_targets_release(&m->targets);
    environ_release(&m->environ);
    VEC_FOREACH (&m->kept, struct run_head *, h)
        head_free(*h);
    VEC_RELEASE(&m->kept);
    *m = (struct machines){.n = 0};
}

/* ---- which runs ---- */

struct latest {
    VEC(int64_t) runs;
    VEC(char *) machines; /* whose each is */
};

static int see_run(void *user, const struct run_head *h, size_t n_trials)
{
    struct latest *l = user;

    if (n_trials == 0 || str_eq(h->status, "running"))
        return 0;
    for (size_t i = 0; i < l->runs.n; i++)
        if (str_eq(l->machines.v[i], h->machine_id)) {
            if (h->id > l->runs.v[i])
                l->runs.v[i] = h->id;
            return 0;
        }
    VEC_PUSH(&l->runs, h->id);
    VEC_PUSH(&l->machines, xstrdup(h->machine_id));
    return 0;
}

int machines_latest(struct store *s, int64_t **ret_runs, size_t *ret_n, struct err *err)
{
    struct latest l = {.runs = VEC_INIT};
    int r = store_runs(s, see_run, &l, err);

    VEC_FOREACH (&l.machines, char *, id)
        free(*id);
    VEC_RELEASE(&l.machines);
    if (r < 0) {
        VEC_RELEASE(&l.runs);
        return r;
    }
    *ret_runs = l.runs.v;
    *ret_n = l.runs.n;
    return 0;
}
