/* Reading runs back. Each walk prepares its own statements, so a callback may read something else,
 * or the same, from the same store. */
#include "store/database.h"
#include "store/plain.h"

#include <errno.h>
#include <inttypes.h>

/* Steps st once: 1 with a row. Bound by the caller. */
static int next(struct store *s, sqlite3_stmt *st, struct err *err)
{
    return db_step(s, st, "read", err);
}

static int prepare_for(struct store *s, const char *sql, int64_t run, sqlite3_stmt **ret,
                       struct err *err)
{
    int r = db_prepare(s, sql, ret, err);
    if (r == 0)
        sqlite3_bind_int64(*ret, 1, run);
    return r;
}

static int find_latest(struct store *s, int64_t *ret, struct err *err)
{
    int64_t id = 0;
    int r = db_number(s, "SELECT max(id) FROM run", &id, err);
    if (r == 0 && id == 0)
        return err_set(err, ERR_USAGE, ENOENT, "%s holds no run yet", s->path);
    if (r == 0)
        *ret = id;
    return r;
}

/* 1: there is such a run. */
static int find_id(struct store *s, int64_t id, struct err *err)
{
    _cleanup_stmt_ sqlite3_stmt *st = NULL;
    int r = prepare_for(s, "SELECT 1 FROM run WHERE id=?", id, &st, err);
    return r < 0 ? r : next(s, st, err);
}

/* How many runs have a uuid that starts so, up to 2. */
static int find_uuid(struct store *s, const char *prefix, int64_t *ret, struct err *err)
{
    _cleanup_stmt_ sqlite3_stmt *st = NULL;
    int n = 0;
    int r = db_prepare(
        s, "SELECT id FROM run WHERE substr(uuid, 1, length(?1)) = lower(?1) LIMIT 2", &st, err);
    if (r < 0)
        return r;
    sqlite3_bind_text(st, 1, prefix, -1, SQLITE_STATIC);
    while ((r = next(s, st, err)) > 0) {
        *ret = sqlite3_column_int64(st, 0);
        n++;
    }
    return r < 0 ? r : n;
}

static int no_such_run(struct store *s, const char *spec, struct err *err)
{
    int64_t first = 0, last = 0;
    int r = db_number(s, "SELECT min(id) FROM run", &first, err);
    if (r == 0)
        r = db_number(s, "SELECT max(id) FROM run", &last, err);
    if (r < 0)
        return r;
    if (last == 0)
        return err_set(err, ERR_USAGE, ENOENT, "no run \"%.60s\": %s holds no run yet", spec,
                       s->path);
    return err_set(err, ERR_USAGE, ENOENT,
                   "no run \"%.60s\" in %s; there are r%jd to r%jd, \"cupel runs\" lists them",
                   spec, s->path, (intmax_t)first, (intmax_t)last);
}

int store_run_find(struct store *s, const char *spec, int64_t *ret, struct err *err)
{
    if (!spec || !spec[0])
        return find_latest(s, ret, err);
    int64_t id = 0;
    int r = 0;
    if (parse_i64(spec + (spec[0] == 'r'), 1, INT64_MAX, "run", &id, NULL) == 0)
        r = find_id(s, id, err);
    if (r == 0 && strlen(spec) >= 4 && strlen(spec) <= 36)
        r = find_uuid(s, spec, &id, err);
    if (r < 0)
        return r;
    if (r == 0)
        return no_such_run(s, spec, err);
    if (r > 1)
        return err_set(err, ERR_USAGE, EINVAL, "more than one run's uuid starts with \"%s\"", spec);
    *ret = id;
    return 0;
}

#define HEAD_COLUMNS                                                                               \
    "id, uuid, machine_id, machine, version, command, started_real_ns, ended_real_ns, status,"     \
    " base, suite, base_label, seed, theta, precision, blocks, repeats, budget_ns, interval_ns,"   \
    " settle_ns, slice_ns, rounds, solo, share, limit_cpus, limit_memory_bytes, limit_pids, "      \
    "scale, drop_caches, limit_io_bps, gate, aa, emulated_too"

static void read_head(struct columns *c, struct run_head *h)
{
    struct plan *p = &h->plan;
    char seed[24];
    h->id = col_i64(c);
    col_text(c, h->uuid, sizeof(h->uuid));
    h->machine_id = col_dup(c);
    h->machine = col_dup(c);
    h->version = col_dup(c);
    h->command = col_dup(c);
    h->started_real_ns = col_count(c);
    h->ended_real_ns = col_count(c);
    col_text(c, h->status, sizeof(h->status));
    h->base = col_u32(c);
    col_text(c, p->suite, sizeof(p->suite));
    col_text(c, p->base, sizeof(p->base));
    col_text(c, seed, sizeof(seed));
    parse_u64(seed, 0, UINT64_MAX, "seed", &p->seed, NULL);
    p->theta = col_double(c);
    p->precision = col_double(c);
    p->blocks = col_u32(c);
    p->repeats = col_u32(c);
    p->budget_ns = col_count(c);
    p->interval_ns = col_count(c);
    p->settle_ns = col_count(c);
    p->slice_ns = col_count(c);
    p->rounds = col_u32(c);
    p->solo = col_i64(c) != 0;
    p->share = col_i64(c) != 0;
    p->limits.cpus = col_double(c);
    p->limits.memory_bytes = col_count(c);
    p->limits.pids = col_count(c);
    p->scale = col_double(c);
    p->drop_caches = col_i64(c) != 0;
    p->limits.io_bps = col_count(c);
    p->gate = col_double(c);
    p->aa = col_i64(c) != 0;
    p->emulated_too = col_i64(c) != 0;
}

static int read_json(struct columns *c, json_t **ret)
{
    const char *text = (const char *)sqlite3_column_text(c->st, c->i++);
    *ret = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    return *ret ? 0 : -EBADMSG;
}

static int not_ours(struct store *s, const char *what, struct err *err)
{
    return err_set(err, ERR_ENVIRONMENT, EBADMSG, "%s: %s is damaged", s->path, what);
}

static int read_targets(struct store *s, struct run_head *h, struct err *err)
{
    _cleanup_stmt_ sqlite3_stmt *st = NULL;
    int r = prepare_for(s,
                        "SELECT idx, label, text, driver, runtime, platform, flags, inject"
                        " FROM target WHERE run=? ORDER BY idx",
                        h->id, &st, err);
    if (r < 0)
        return r;
    while ((r = next(s, st, err)) > 0) {
        struct columns c = {.st = st};
        struct target t = {.label = ""};
        json_t *flags;
        if (col_u32(&c) != h->plan.targets.n)
            return not_ours(s, "a target's number", err);
        col_text(&c, t.label, sizeof(t.label));
        col_text(&c, t.text, sizeof(t.text));
        col_text(&c, t.driver, sizeof(t.driver));
        col_text(&c, t.runtime, sizeof(t.runtime));
        col_text(&c, t.platform, sizeof(t.platform));
        r = read_json(&c, &flags);
        if (r == 0)
            r = flags_from_json(flags, &t, NULL);
        json_decref(flags);
        if (r < 0)
            return not_ours(s, "a target's list of flags", err);
        col_text(&c, t.inject, sizeof(t.inject));
        VEC_PUSH(&h->plan.targets, t);
    }
    return r;
}

static int read_cells(struct store *s, struct run_head *h, struct err *err)
{
    _cleanup_stmt_ sqlite3_stmt *st = NULL;
    int r = prepare_for(s,
                        "SELECT idx, name, cpus, workers, place, grain, params, unit, better, app"
                        " FROM cell WHERE run=? ORDER BY idx",
                        h->id, &st, err);
    if (r < 0)
        return r;
    while ((r = next(s, st, err)) > 0) {
        struct columns c = {.st = st};
        struct cell x = {.workers = 0};
        char name[16];
        json_t *params;
        if (col_u32(&c) != h->plan.cells.n)
            return not_ours(s, "a cell's number", err);
        col_text(&c, x.name, sizeof(x.name));
        x.workload = cell_workload(x.name);
        col_text(&c, name, sizeof(name));
        r = cpus_kind_parse(name, &x.cpus);
        x.workers = col_u32(&c);
        col_text(&c, name, sizeof(name));
        r = r < 0 ? r : place_parse(name, &x.place);
        col_text(&c, name, sizeof(name));
        r = r < 0 ? r : grain_parse(name, &x.grain);
        int e = read_json(&c, &params);
        r = r < 0 ? r : e;
        if (r == 0)
            r = params_from_json(params, &x.params, NULL);
        json_decref(params);
        col_text(&c, x.unit, sizeof(x.unit));
        text_clean(x.unit);
        col_text(&c, name, sizeof(name));
        r = r < 0 ? r : better_parse(name, &x.better);
        const char *app = (const char *)sqlite3_column_text(c.st, c.i++);
        if (r < 0)
            return not_ours(s, "a cell", err);
        if (app)
            cell_find_app(&h->plan, &x, app);
        VEC_PUSH(&h->plan.cells, x);
    }
    return r;
}

static int read_whole_head(struct store *s, struct columns *c, struct run_head *ret,
                           struct err *err)
{
    run_head_init(ret);
    read_head(c, ret);
    int r = read_targets(s, ret, err);
    if (r == 0)
        r = read_cells(s, ret, err);
    if (r < 0)
        run_head_release(ret);
    return r;
}

int store_run_head(struct store *s, int64_t run, struct run_head *ret, struct err *err)
{
    _cleanup_stmt_ sqlite3_stmt *st = NULL;
    int r = prepare_for(s, "SELECT " HEAD_COLUMNS " FROM run WHERE id=?", run, &st, err);
    if (r < 0)
        return r;
    r = next(s, st, err);
    if (r < 0)
        return r;
    if (r == 0)
        return err_set(err, ERR_USAGE, ENOENT, "%s: there is no run r%jd", s->path, (intmax_t)run);
    struct columns c = {.st = st};
    struct run_head h;
    r = read_whole_head(s, &c, &h, err);
    if (r == 0)
        *ret = h;
    return r;
}

int store_runs(struct store *s, int (*cb)(void *user, const struct run_head *h, size_t n_trials),
               void *user, struct err *err)
{
    _cleanup_stmt_ sqlite3_stmt *st = NULL;
    int r =
        db_prepare(s,
                   "SELECT " HEAD_COLUMNS ", (SELECT count(*) FROM trial WHERE trial.run = run.id)"
                   " FROM run ORDER BY id",
                   &st, err);
    if (r < 0)
        return r;
    while ((r = next(s, st, err)) > 0) {
        struct columns c = {.st = st};
        struct run_head h;
        r = read_whole_head(s, &c, &h, err);
        if (r < 0)
            return r;
        r = cb(user, &h, (size_t)col_count(&c));
        run_head_release(&h);
        if (r != 0)
            return r;
    }
    return r;
}

int store_targets(struct store *s, int64_t run,
                  int (*cb)(void *user, uint32_t idx, const struct target_row *t), void *user,
                  struct err *err)
{
    _cleanup_stmt_ sqlite3_stmt *st = NULL;
    int r = prepare_for(s, "SELECT idx, usable, info FROM target WHERE run=? ORDER BY idx", run,
                        &st, err);
    if (r < 0)
        return r;
    while ((r = next(s, st, err)) > 0) {
        struct columns c = {.st = st};
        uint32_t idx = col_u32(&c);
        struct target_row row = {.usable = col_i64(&c) != 0, .info = NULL};
        _cleanup_free_ char *info = col_dup(&c);
        row.info = info;
        r = cb(user, idx, &row);
        if (r != 0)
            return r;
    }
    return r;
}

int store_blocks(struct store *s, int64_t run, int (*cb)(void *user, const struct block_record *b),
                 void *user, struct err *err)
{
    _cleanup_stmt_ sqlite3_stmt *st = NULL;
    int r = prepare_for(
        s, "SELECT block, start_ns, end_ns, complete FROM block WHERE run=? ORDER BY block", run,
        &st, err);
    if (r < 0)
        return r;
    while ((r = next(s, st, err)) > 0) {
        struct columns c = {.st = st};
        struct block_record b = {.block = col_u32(&c)};
        b.start_ns = col_count(&c);
        b.end_ns = col_count(&c);
        b.complete = col_i64(&c) != 0;
        r = cb(user, &b);
        if (r != 0)
            return r;
    }
    return r;
}

/* outcome, fail_kind, fail_code, fail_text */
static void read_failure(struct columns *c, enum outcome *outcome, enum err_kind *kind, int *code,
                         char *text, size_t size)
{
    char name[24];
    *outcome = OUTCOME_FAILED;
    col_text(c, name, sizeof(name));
    outcome_parse(name, outcome);
    col_text(c, name, sizeof(name));
    *kind = err_kind_parse(name);
    *code = (int)col_i64(c);
    col_text(c, text, size);
}

int store_sessions(struct store *s, int64_t run,
                   int (*cb)(void *user, const struct session_record *r), void *user,
                   struct err *err)
{
    _cleanup_stmt_ sqlite3_stmt *st = NULL;
    int r = prepare_for(s,
                        "SELECT block, target, outcome, fail_kind, fail_code, fail_text, launch_ns,"
                        " idle_cpu, proof, hello FROM session WHERE run=? ORDER BY block, id",
                        run, &st, err);
    if (r < 0)
        return r;
    while ((r = next(s, st, err)) > 0) {
        struct columns c = {.st = st};
        struct session_record x = {.block = col_u32(&c)};
        x.target = col_u32(&c);
        read_failure(&c, &x.outcome, &x.fail_kind, &x.fail_code, x.fail_text, sizeof(x.fail_text));
        x.launch_ns = col_count(&c);
        x.idle_cpu = col_double(&c);
        x.proof = col_dup(&c);
        x.hello = col_dup(&c);
        r = cb(user, &x);
        session_record_release(&x);
        if (r != 0)
            return r;
    }
    return r;
}

static int read_samples(struct store *s, sqlite3_stmt *st, int64_t part, struct part *p,
                        struct err *err)
{
    int r;
    sqlite3_reset(st);
    sqlite3_bind_int64(st, 1, part);
    while ((r = next(s, st, err)) > 0) {
        struct columns c = {.st = st};
        struct sample x = {.round = col_u32(&c)};
        x.position = col_u32(&c);
        x.previous = col_index(&c);
        x.start_ns = col_count(&c);
        x.ops = col_count(&c);
        x.ns = col_count(&c);
        x.control_ns = col_count(&c);
        x.cpu_ns = col_u64(&c);
        VEC_PUSH(&p->samples, x);
    }
    return r;
}

static int read_parts(struct store *s, sqlite3_stmt *parts, sqlite3_stmt *samples, int64_t trial,
                      struct trial *t, struct err *err)
{
    int r;
    sqlite3_reset(parts);
    sqlite3_bind_int64(parts, 1, trial);
    while ((r = next(s, parts, err)) > 0) {
        struct columns c = {.st = parts};
        struct part p = {.target = 0};
        int64_t id = col_i64(&c);
        col_text(&c, p.role, sizeof(p.role));
        p.target = col_u32(&c);
        read_failure(&c, &p.outcome, &p.fail_kind, &p.fail_code, p.fail_text, sizeof(p.fail_text));
        p.verified = col_i64(&c) != 0;
        col_text(&c, p.detail, sizeof(p.detail));
        p.facts = col_dup(&c);
        p.hist = col_dup(&c);
        p.peak_memory_bytes = col_count(&c);
        p.clock_drift = col_double(&c);
        r = read_samples(s, samples, id, &p, err);
        VEC_PUSH(&t->parts, p);
        if (r < 0)
            return r;
    }
    return r;
}

static int64_t read_trial(struct columns *c, struct trial *t)
{
    struct covariates *x = &t->covariates;
    int64_t id = col_i64(c);
    t->block = col_u32(c);
    t->position = col_u32(c);
    t->cell = col_u32(c);
    t->start_ns = col_count(c);
    t->end_ns = col_count(c);
    x->steal = col_double(c);
    x->psi_cpu = col_double(c);
    x->loadavg = col_double(c);
    x->runnable = col_u64(c);
    x->swap_pages = col_u64(c);
    x->throttled = col_u64(c);
    x->others_cpu_ns = col_u64(c);
    x->kernel_log_lines = col_u64(c);
    return id;
}

int store_trials(struct store *s, int64_t run, int32_t cell,
                 int (*cb)(void *user, const struct trial *t), void *user, struct err *err)
{
    _cleanup_stmt_ sqlite3_stmt *st = NULL, *parts = NULL, *samples = NULL;
#define TRIAL_COLUMNS                                                                              \
    "SELECT id, block, position, cell, start_ns, end_ns, steal, psi_cpu, loadavg, runnable,"       \
    " swap_pages, throttled, others_cpu_ns, kernel_log_lines FROM trial WHERE run=?1"
    int r = prepare_for(s,
                        cell < 0 ? TRIAL_COLUMNS " ORDER BY block, position, id"
                                 : TRIAL_COLUMNS " AND cell=?2 ORDER BY block, position, id",
                        run, &st, err);
    if (r == 0 && cell >= 0)
        sqlite3_bind_int(st, 2, cell);
    if (r == 0)
        r = db_prepare(s,
                       "SELECT id, role, target, outcome, fail_kind, fail_code, fail_text,"
                       " verified, detail, facts, hist, peak_memory_bytes, clock_drift"
                       " FROM part WHERE trial=? ORDER BY idx",
                       &parts, err);
    if (r == 0)
        r = db_prepare(s,
                       "SELECT round, position, previous, start_ns, ops, ns, control_ns, cpu_ns"
                       " FROM sample WHERE part=? ORDER BY idx",
                       &samples, err);
    if (r < 0)
        return r;
    while ((r = next(s, st, err)) > 0) {
        struct columns c = {.st = st};
        struct trial t;
        trial_init(&t);
        int64_t id = read_trial(&c, &t);
        r = read_parts(s, parts, samples, id, &t, err);
        if (r == 0)
            r = cb(user, &t);
        trial_release(&t);
        if (r != 0)
            return r;
    }
    return r;
}

int store_warnings(struct store *s, int64_t run, int (*cb)(void *user, const struct warning *w),
                   void *user, struct err *err)
{
    _cleanup_stmt_ sqlite3_stmt *st = NULL;
    int r = prepare_for(
        s, "SELECT kind, block, target, cell, value, text FROM warning WHERE run=? ORDER BY id",
        run, &st, err);
    if (r < 0)
        return r;
    while ((r = next(s, st, err)) > 0) {
        struct columns c = {.st = st};
        struct warning w = {.kind = WARN_STEAL};
        char kind[32];
        col_text(&c, kind, sizeof(kind));
        if (warning_parse(kind, &w.kind) < 0)
            return not_ours(s, "a warning", err);
        w.block = col_index(&c);
        w.target = col_index(&c);
        w.cell = col_index(&c);
        w.value = col_double(&c);
        col_text(&c, w.text, sizeof(w.text));
        r = cb(user, &w);
        if (r != 0)
            return r;
    }
    return r;
}

bool store_has_trial(struct store *s, int64_t run, uint32_t block, uint32_t cell)
{
    sqlite3_stmt *st;
    int r = db_kept(s, KEPT_HAS_TRIAL, "SELECT 1 FROM trial WHERE run=? AND block=? AND cell=?",
                    &st, NULL);
    if (r < 0)
        return false;
    struct binder b = bind_start(st);
    bind_i64(&b, run);
    bind_i64(&b, block);
    bind_i64(&b, cell);
    r = db_step(s, st, "read", NULL);
    sqlite3_reset(st);
    return r > 0;
}
