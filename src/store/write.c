/* Writing a run, row by row. Everything of a trial goes in one transaction. */
#include "store/database.h"
#include "store/plain.h"

#include "base/rand.h"
#include "base/time.h"

#include <errno.h>
#include <inttypes.h>

void run_head_init(struct run_head *h)
{
    *h = (struct run_head){.id = 0};
    plan_init(&h->plan);
}

void run_head_release(struct run_head *h)
{
    if (!h)
        return;
    free(TAKE_PTR(h->machine_id));
    free(TAKE_PTR(h->machine));
    free(TAKE_PTR(h->version));
    free(TAKE_PTR(h->command));
    plan_release(&h->plan);
}

/* Version 4 of RFC 9562: random. */
static void draw_uuid(char dst[37])
{
    uint64_t a = rng_entropy(), b = rng_entropy();
    a = (a & ~UINT64_C(0xf000)) | 0x4000;
    b = (b & (UINT64_MAX >> 2)) | UINT64_C(1) << 63;
    str_format(dst, 37, "%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
               a >> 32, a >> 16 & 0xffff, a & 0xffff, b >> 48, b & UINT64_C(0xffffffffffff));
}

static int insert_head(struct store *s, struct run_head *h, struct err *err)
{
    _cleanup_stmt_ sqlite3_stmt *st = NULL;
    const struct plan *p = &h->plan;
    char seed[24];
    int r = db_prepare(
        s,
        "INSERT INTO run(uuid, machine_id, machine, version, command, started_real_ns,"
        " ended_real_ns, status, base, suite, base_label, seed, theta, precision, blocks, repeats,"
        " budget_ns, interval_ns, settle_ns, slice_ns, rounds, solo, share, limit_cpus,"
        " limit_memory_bytes, limit_pids, scale, drop_caches, limit_io_bps, gate, aa,"
        " emulated_too) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        &st, err);
    if (r < 0)
        return r;
    str_format(seed, sizeof(seed), "%" PRIu64, p->seed);
    struct binder b = bind_start(st);
    bind_text(&b, h->uuid);
    bind_text(&b, h->machine_id);
    bind_text(&b, h->machine);
    bind_text(&b, h->version);
    bind_text(&b, h->command);
    bind_i64(&b, (int64_t)h->started_real_ns);
    bind_i64(&b, (int64_t)h->ended_real_ns);
    bind_text(&b, h->status);
    bind_i64(&b, h->base);
    bind_text(&b, p->suite);
    bind_text(&b, p->base);
    bind_text(&b, seed);
    bind_double(&b, p->theta);
    bind_double(&b, p->precision);
    bind_i64(&b, p->blocks);
    bind_i64(&b, p->repeats);
    bind_i64(&b, (int64_t)p->budget_ns);
    bind_i64(&b, (int64_t)p->interval_ns);
    bind_i64(&b, (int64_t)p->settle_ns);
    bind_i64(&b, (int64_t)p->slice_ns);
    bind_i64(&b, p->rounds);
    bind_i64(&b, p->solo);
    bind_i64(&b, p->share);
    bind_double(&b, p->limits.cpus);
    bind_i64(&b, (int64_t)p->limits.memory_bytes);
    bind_i64(&b, (int64_t)p->limits.pids);
    bind_double(&b, p->scale);
    bind_i64(&b, p->drop_caches);
    bind_i64(&b, (int64_t)p->limits.io_bps);
    bind_double(&b, p->gate);
    bind_i64(&b, p->aa);
    bind_i64(&b, p->emulated_too);
    r = db_run(s, &b, "store the run", err);
    if (r == 0)
        h->id = sqlite3_last_insert_rowid(s->db);
    return r;
}

static char *dump(json_t *stolen)
{
    char *text = json_dumps(stolen, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(stolen);
    return text;
}

static int insert_targets(struct store *s, const struct run_head *h, const struct target_row *rows,
                          struct err *err)
{
    _cleanup_stmt_ sqlite3_stmt *st = NULL;
    int r = db_prepare(s,
                       "INSERT INTO target(run, idx, label, text, driver, runtime, platform, flags,"
                       " inject, usable, info) VALUES(?,?,?,?,?,?,?,?,?,?,?)",
                       &st, err);
    for (size_t i = 0; r == 0 && i < h->plan.targets.n; i++) {
        const struct target *t = &h->plan.targets.v[i];
        _cleanup_free_ char *flags = dump(flags_to_json(t));
        struct binder b = bind_start(st);
        bind_i64(&b, h->id);
        bind_i64(&b, (int64_t)i);
        bind_text(&b, t->label);
        bind_text(&b, t->text);
        bind_text(&b, t->driver);
        bind_text(&b, t->runtime);
        bind_text(&b, t->platform);
        bind_text(&b, flags);
        bind_text(&b, t->inject);
        bind_i64(&b, rows ? rows[i].usable : true);
        bind_text(&b, rows ? rows[i].info : NULL);
        r = db_run(s, &b, "store a target", err);
    }
    return r;
}

static int insert_cells(struct store *s, const struct run_head *h, struct err *err)
{
    _cleanup_stmt_ sqlite3_stmt *st = NULL;
    int r = db_prepare(s,
                       "INSERT INTO cell(run, idx, name, workload, cpus, workers, place, grain,"
                       " params, unit, better, app) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)",
                       &st, err);
    for (size_t i = 0; r == 0 && i < h->plan.cells.n; i++) {
        const struct cell *c = &h->plan.cells.v[i];
        const struct app *app = plan_cell_app(&h->plan, c);
        _cleanup_free_ char *params = dump(params_to_json(&c->params));
        char workload[CELL_NAME_MAX];
        cell_workload_name(c->name, workload);
        struct binder b = bind_start(st);
        bind_i64(&b, h->id);
        bind_i64(&b, (int64_t)i);
        bind_text(&b, c->name);
        bind_text(&b, workload);
        bind_text(&b, cpus_kind_name(c->cpus));
        bind_i64(&b, c->workers);
        bind_text(&b, place_name(c->place));
        bind_text(&b, grain_name(c->grain));
        bind_text(&b, params);
        bind_text(&b, c->unit);
        bind_text(&b, better_name(c->better));
        bind_text(&b, app ? app->source : NULL);
        r = db_run(s, &b, "store a cell", err);
    }
    return r;
}

int store_run_new(struct store *s, struct run_head *head, const struct target_row *targets,
                  struct err *err)
{
    if (!head->uuid[0])
        draw_uuid(head->uuid);
    if (!head->status[0])
        str_copy(head->status, sizeof(head->status), "running");
    int r = db_begin(s, err);
    if (r < 0)
        return r;
    r = insert_head(s, head, err);
    if (r == 0)
        r = insert_targets(s, head, targets, err);
    if (r == 0)
        r = insert_cells(s, head, err);
    r = db_end(s, r, err);
    if (r < 0)
        head->id = 0;
    return r;
}

static int set_status(struct store *s, int64_t run, const char *status, uint64_t ended,
                      struct err *err)
{
    _cleanup_stmt_ sqlite3_stmt *st = NULL;
    int r = db_prepare(s, "UPDATE run SET status=?, ended_real_ns=? WHERE id=?", &st, err);
    if (r < 0)
        return r;
    struct binder b = bind_start(st);
    bind_text(&b, status);
    bind_i64(&b, (int64_t)ended);
    bind_i64(&b, run);
    r = db_run(s, &b, "store the state of the run", err);
    if (r == 0 && sqlite3_changes(s->db) == 0)
        return err_set(err, ERR_BUG, ENOENT, "%s: there is no run r%jd", s->path, (intmax_t)run);
    return r;
}

int store_run_status(struct store *s, int64_t run, const char *status, struct err *err)
{
    return set_status(s, run, status, 0, err);
}

int store_run_end(struct store *s, int64_t run, const char *status, struct err *err)
{
    return set_status(s, run, status, time_real_ns(), err);
}

int store_block(struct store *s, int64_t run, const struct block_record *k, struct err *err)
{
    sqlite3_stmt *st;
    int r = db_kept(s, KEPT_BLOCK,
                    "INSERT INTO block(run, block, start_ns, end_ns, complete) VALUES(?,?,?,?,?)"
                    " ON CONFLICT DO UPDATE SET start_ns=excluded.start_ns,"
                    " end_ns=excluded.end_ns, complete=excluded.complete",
                    &st, err);
    if (r < 0)
        return r;
    struct binder b = bind_start(st);
    bind_i64(&b, run);
    bind_i64(&b, k->block);
    bind_i64(&b, (int64_t)k->start_ns);
    bind_i64(&b, (int64_t)k->end_ns);
    bind_i64(&b, k->complete);
    return db_run(s, &b, "store a block", err);
}

int store_session(struct store *s, int64_t run, const struct session_record *x, struct err *err)
{
    sqlite3_stmt *st;
    int r = db_kept(s, KEPT_SESSION,
                    "INSERT INTO session(run, block, target, outcome, fail_kind, fail_code,"
                    " fail_text, launch_ns, idle_cpu, proof, hello)"
                    " VALUES(?,?,?,?,?,?,?,?,?,?,?)",
                    &st, err);
    if (r < 0)
        return r;
    struct binder b = bind_start(st);
    bind_i64(&b, run);
    bind_i64(&b, x->block);
    bind_i64(&b, x->target);
    bind_text(&b, outcome_name(x->outcome));
    bind_text(&b, err_kind_name(x->fail_kind));
    bind_i64(&b, x->fail_code);
    bind_text(&b, x->fail_text);
    bind_i64(&b, (int64_t)x->launch_ns);
    bind_double(&b, x->idle_cpu);
    bind_text(&b, x->proof);
    bind_text(&b, x->hello);
    return db_run(s, &b, "store a session", err);
}

int store_session_idle(struct store *s, int64_t run, uint32_t block, uint32_t target,
                       double idle_cpu, struct err *err)
{
    sqlite3_stmt *st;
    int r = db_kept(s, KEPT_SESSION_IDLE,
                    "UPDATE session SET idle_cpu=? WHERE id="
                    "(SELECT max(id) FROM session WHERE run=? AND block=? AND target=?)",
                    &st, err);
    if (r < 0)
        return r;
    struct binder b = bind_start(st);
    bind_double(&b, idle_cpu);
    bind_i64(&b, run);
    bind_i64(&b, block);
    bind_i64(&b, target);
    return db_run(s, &b, "store a session", err);
}

static int insert_trial(struct store *s, int64_t run, const struct trial *t, int64_t *ret_id,
                        struct err *err)
{
    sqlite3_stmt *st;
    const struct covariates *c = &t->covariates;
    int r = db_kept(s, KEPT_TRIAL,
                    "INSERT INTO trial(run, block, position, cell, start_ns, end_ns, steal,"
                    " psi_cpu, loadavg, runnable, swap_pages, throttled, others_cpu_ns,"
                    " kernel_log_lines) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                    &st, err);
    if (r < 0)
        return r;
    struct binder b = bind_start(st);
    bind_i64(&b, run);
    bind_i64(&b, t->block);
    bind_i64(&b, t->position);
    bind_i64(&b, t->cell);
    bind_i64(&b, (int64_t)t->start_ns);
    bind_i64(&b, (int64_t)t->end_ns);
    bind_double(&b, c->steal);
    bind_double(&b, c->psi_cpu);
    bind_double(&b, c->loadavg);
    bind_u64(&b, c->runnable);
    bind_u64(&b, c->swap_pages);
    bind_u64(&b, c->throttled);
    bind_u64(&b, c->others_cpu_ns);
    bind_u64(&b, c->kernel_log_lines);
    r = db_run(s, &b, "store a trial", err);
    *ret_id = sqlite3_last_insert_rowid(s->db);
    return r;
}

static int insert_part(struct store *s, int64_t run, int64_t trial, size_t idx,
                       const struct part *p, int64_t *ret_id, struct err *err)
{
    sqlite3_stmt *st;
    int r = db_kept(s, KEPT_PART,
                    "INSERT INTO part(trial, run, idx, role, target, outcome, fail_kind, fail_code,"
                    " fail_text, verified, detail, facts, hist, peak_memory_bytes, clock_drift)"
                    " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                    &st, err);
    if (r < 0)
        return r;
    struct binder b = bind_start(st);
    bind_i64(&b, trial);
    bind_i64(&b, run);
    bind_i64(&b, (int64_t)idx);
    bind_text(&b, p->role);
    bind_i64(&b, p->target);
    bind_text(&b, outcome_name(p->outcome));
    bind_text(&b, err_kind_name(p->fail_kind));
    bind_i64(&b, p->fail_code);
    bind_text(&b, p->fail_text);
    bind_i64(&b, p->verified);
    bind_text(&b, p->detail);
    bind_text(&b, p->facts);
    bind_text(&b, p->hist);
    bind_i64(&b, (int64_t)p->peak_memory_bytes);
    bind_double(&b, p->clock_drift);
    r = db_run(s, &b, "store a part", err);
    *ret_id = sqlite3_last_insert_rowid(s->db);
    return r;
}

static int insert_sample(struct store *s, int64_t part, size_t idx, const struct sample *x,
                         struct err *err)
{
    sqlite3_stmt *st;
    int r = db_kept(s, KEPT_SAMPLE,
                    "INSERT INTO sample(part, idx, round, position, previous, start_ns, ops, ns,"
                    " control_ns, cpu_ns) VALUES(?,?,?,?,?,?,?,?,?,?)",
                    &st, err);
    if (r < 0)
        return r;
    struct binder b = bind_start(st);
    bind_i64(&b, part);
    bind_i64(&b, (int64_t)idx);
    bind_i64(&b, x->round);
    bind_i64(&b, x->position);
    bind_index(&b, x->previous);
    bind_i64(&b, (int64_t)x->start_ns);
    bind_i64(&b, (int64_t)x->ops);
    bind_i64(&b, (int64_t)x->ns);
    bind_i64(&b, (int64_t)x->control_ns);
    bind_u64(&b, x->cpu_ns);
    return db_run(s, &b, "store a sample", err);
}

int store_trial(struct store *s, int64_t run, const struct trial *t, struct err *err)
{
    int64_t trial = 0, part = 0;
    int r = db_begin(s, err);
    if (r < 0)
        return r;
    r = insert_trial(s, run, t, &trial, err);
    for (size_t i = 0; r == 0 && i < t->parts.n; i++) {
        const struct part *p = &t->parts.v[i];
        r = insert_part(s, run, trial, i, p, &part, err);
        for (size_t k = 0; r == 0 && k < p->samples.n; k++)
            r = insert_sample(s, part, k, &p->samples.v[k], err);
    }
    return db_end(s, r, err);
}

int store_warning(struct store *s, int64_t run, const struct warning *w, struct err *err)
{
    sqlite3_stmt *st;
    int r = db_kept(s, KEPT_WARNING,
                    "INSERT INTO warning(run, kind, block, target, cell, value, text)"
                    " VALUES(?,?,?,?,?,?,?)",
                    &st, err);
    if (r < 0)
        return r;
    struct binder b = bind_start(st);
    bind_i64(&b, run);
    bind_text(&b, warning_name(w->kind));
    bind_index(&b, w->block);
    bind_index(&b, w->target);
    bind_index(&b, w->cell);
    bind_double(&b, w->value);
    bind_text(&b, w->text);
    return db_run(s, &b, "store a warning", err);
}
