/* A small run with something in every field, for the tests of the store and of the exchange form,
 * and a temporary directory to put files in. */
#ifndef CUPEL_TESTS_STORE_FIXTURE_H
#define CUPEL_TESTS_STORE_FIXTURE_H

#include "unit.h"

#include "base/fs.h"
#include "store/store.h"
#include "wire/hist.h"

#include <math.h>

#define FIXTURE_TARGETS 3
#define FIXTURE_CELLS   3

struct fixture {
    char dir[64];
    char db[96];
};

static inline int fixture_setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    str_copy(f->dir, sizeof(f->dir), "/tmp/cupel-store-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    str_format(f->db, sizeof(f->db), "%s/results.db", f->dir);
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    fs_remove_tree(f->dir, NULL);
    free(f);
    return 0;
}

static inline void fixture_plan(struct plan *p)
{
    static const char *const drivers[] = {"host", "oci", "docker"};
    static const char *const targets[FIXTURE_TARGETS] = {
        "host", "old=/opt/a\\,b/runsc:systrap,overlay2=none,file-access=a b",
        "slow=host,inject=cpu:1%"};
    for (int i = 0; i < FIXTURE_TARGETS; i++)
        assert_ok(plan_add_target(p, targets[i], drivers, 3, err));
    assert_ok(plan_add_cells(p, "cpu.prime", err));
    assert_ok(plan_add_cells(p, "mem.triad@all-nt", err));
    assert_ok(plan_add_cells(p, "fs.open@tmpfs", err));
    p->cells.v[1].workers = 2;
    params_set_num(&p->cells.v[1].params, "array_bytes", 135266304);
    str_copy(p->suite, sizeof(p->suite), "quick");
    str_copy(p->base, sizeof(p->base), "host");
    p->seed = UINT64_MAX - 5;
    p->theta = 0.1 / 3;
    p->limits =
        (struct limits){.cpus = 1.5, .memory_bytes = 1 << 29, .pids = 100, .io_bps = 50 << 20};
    p->budget_ns = 240000000000;
    p->blocks = 20;
    p->repeats = 3;
    p->gate = 0.07 / 3;
    p->interval_ns = 1;
    p->settle_ns = 2;
    p->solo = true;
    p->emulated_too = true;
}

static inline int64_t fixture_head(struct store *s)
{
    struct run_head h;
    run_head_init(&h);
    fixture_plan(&h.plan);
    h.machine_id = xstrdup("0123456789abcdef");
    h.machine = xstrdup("{\"cpu\":\"a 'quoted' CPU\",\"cpus\":2,\"clock_ns\":31.25}");
    h.version = xstrdup("0.1.0");
    h.command = xstrdup("cupel run --target \"host\" --workload 'fs.*'");
    h.started_real_ns = 1795000000123456789;
    struct target_row rows[FIXTURE_TARGETS] = {{true, (char *)"{\"version\":\"1\"}"},
                                               {false, (char *)"{\"reason\":\"it hung\"}"},
                                               {true, NULL}};
    assert_ok(store_run_new(s, &h, rows, err));
    int64_t id = h.id;
    assert_true(id > 0);
    assert_int_equal(strlen(h.uuid), 36);
    run_head_release(&h);
    return id;
}

static inline char *fixture_hist(void)
{
    struct hist *h = xcalloc(1, sizeof(*h));
    struct str text = STR_INIT;
    for (uint64_t ns = 100; ns < 1000000; ns *= 2)
        hist_record(h, ns);
    assert_ok(hist_encode(h, &text, err));
    free(h);
    return str_take(&text);
}

static inline void fixture_trial(uint32_t block, uint32_t cell, struct trial *t)
{
    trial_init(t);
    t->block = block;
    t->position = FIXTURE_CELLS - 1 - cell;
    t->cell = cell;
    t->start_ns = 1000 * block + cell;
    t->end_ns = t->start_ns + 77;
    t->covariates = (struct covariates){.steal = .015,
                                        .psi_cpu = (double)NAN,
                                        .loadavg = 1.0 / 3,
                                        .runnable = 1,
                                        .swap_pages = 0,
                                        .throttled = UINT64_MAX,
                                        .others_cpu_ns = 123456789,
                                        .kernel_log_lines = UINT64_MAX};
    for (uint32_t k = 0; k < FIXTURE_TARGETS; k++) {
        struct part p = {.target = k, .verified = true, .clock_drift = 1e-4 * k};
        str_copy(p.role, sizeof(p.role), "main");
        str_copy(p.detail, sizeof(p.detail), "2261 primes");
        p.peak_memory_bytes = 4096 * k;
        if (k == 1) {
            p.outcome = OUTCOME_FAILED;
            p.fail_kind = ERR_TIMEOUT;
            p.fail_code = 110;
            p.verified = false;
            p.clock_drift = (double)NAN;
            str_copy(p.fail_text, sizeof(p.fail_text), "timed out at start after 10 s, \"so\"");
        } else {
            p.facts = xstrdup("{\"huge\":1,\"dir\":\"/x\"}");
            p.hist = cell == 2 ? fixture_hist() : NULL;
        }
        for (uint32_t i = 0; k != 1 && i < 10; i++)
            VEC_PUSH(&p.samples, (struct sample){.round = i,
                                                 .position = k,
                                                 .previous = i ? (int32_t)k : -1,
                                                 .start_ns = t->start_ns + i,
                                                 .ops = 1000 + i,
                                                 .ns = 20000000 + k,
                                                 .control_ns = 20100000,
                                                 .cpu_ns = k == 2 ? UINT64_MAX : 19999999});
        VEC_PUSH(&t->parts, p);
    }
}

/* The whole run: `blocks` blocks. */
static inline int64_t fixture_run(struct store *s, uint32_t blocks)
{
    int64_t run = fixture_head(s);
    for (uint32_t b = 0; b < blocks; b++) {
        struct block_record rec = {.block = b, .start_ns = b * 1000};
        assert_ok(store_block(s, run, &rec, err));
        for (uint32_t k = 0; k < FIXTURE_TARGETS; k++) {
            struct session_record x = {.block = b,
                                       .target = k,
                                       .launch_ns = 5000000 + k,
                                       .idle_cpu = (double)NAN,
                                       .proof = (char *)"{\"pid\":7,\"namespaces\":[1,2]}",
                                       .hello = (char *)"{\"release\":\"6.1\"}"};
            if (k == 1) {
                x = (struct session_record){.block = b, .target = 1, .outcome = OUTCOME_FAILED};
                x.fail_kind = ERR_TIMEOUT;
                x.fail_code = 110;
                x.idle_cpu = (double)NAN;
                str_copy(x.fail_text, sizeof(x.fail_text), "timed out");
            }
            assert_ok(store_session(s, run, &x, err));
        }
        assert_ok(store_session_idle(s, run, b, 0, 0.25, err));
        for (uint32_t c = 0; c < FIXTURE_CELLS; c++) {
            struct trial t;
            fixture_trial(b, c, &t);
            assert_ok(store_trial(s, run, &t, err));
            trial_release(&t);
        }
        rec.end_ns = rec.start_ns + 999;
        rec.complete = true;
        assert_ok(store_block(s, run, &rec, err));
    }
    struct warning w = {.kind = WARN_STEAL, .block = 0, .target = -1, .cell = 1, .value = .02};
    str_copy(w.text, sizeof(w.text), "2.0 % of the CPU time was stolen");
    assert_ok(store_warning(s, run, &w, err));
    w = (struct warning){
        .kind = WARN_SMT, .block = -1, .target = -1, .cell = -1, .value = (double)NAN};
    str_copy(w.text, sizeof(w.text), "siblings");
    assert_ok(store_warning(s, run, &w, err));
    assert_ok(store_run_end(s, run, "complete", err));
    return run;
}

#endif
