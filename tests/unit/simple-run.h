/* Whole runs by the dozen, each of ratios that are said outright: for what is worked out from
 * several of them. */
#ifndef CUPEL_TESTS_SIMPLE_RUN_H
#define CUPEL_TESTS_SIMPLE_RUN_H

#include "store-fixture.h"

#include "model/run.h"

#include <math.h>

#define BLOCKS 8
#define LISTED 5

/* A run to be made. What is NULL or 0 is as most runs have it: host and runc, sys.getpid, one
 * machine, all blocks. */
struct made {
    const char *targets[LISTED], *cells[LISTED];
    double ratio[LISTED]; /* of every target but the first, to the first; by cell */
    unsigned failed;      /* so many blocks fail on the second target */
    const char *machine, *machine_id, *base, *info, *hello;
    double theta, limit_cpus;
    int64_t array_bytes;
    uint64_t started_s;
    const char *status; /* it did not end as planned */
};

static inline void head_of(const struct made *m, struct run_head *h)
{
    static const char *const drivers[] = {"host", "oci"};

    run_head_init(h);
    for (int i = 0; i == 0 || (i < LISTED && m->targets[i]); i++)
        assert_ok(
            plan_add_target(&h->plan, m->targets[i] ? m->targets[i] : "host", drivers, 2, err));
    if (!m->targets[0])
        assert_ok(plan_add_target(&h->plan, "runc", drivers, 2, err));
    for (int i = 0; i == 0 || (i < LISTED && m->cells[i]); i++)
        assert_ok(plan_add_cells(&h->plan, m->cells[i] ? m->cells[i] : "sys.getpid", err));
    VEC_FOREACH (&h->plan.cells, struct cell, c)
        if (m->array_bytes && params_find(&c->params, "array_bytes"))
            params_set_num(&c->params, "array_bytes", m->array_bytes);
    h->plan.repeats = BLOCKS;
    h->plan.seed = 3;
    h->plan.theta = m->theta > 0 ? m->theta : .02;
    h->plan.limits.cpus = m->limit_cpus;
    size_t base = 0;
    if (m->base)
        str_copy(h->plan.base, sizeof(h->plan.base), m->base);
    assert_ok(plan_base_index(&h->plan, &base, err));
    h->base = (uint32_t)base;
    h->machine_id = xstrdup(m->machine_id ? m->machine_id : "m");
    h->machine = xstrdup(m->machine ? m->machine : "{\"kernel\": \"6.1\", \"cpus_usable\": 2}");
    h->version = xstrdup("0");
    h->command = xstrdup("cupel run");
    str_copy(h->status, sizeof(h->status), m->status ? m->status : "complete");
    h->started_real_ns = (m->started_s + 1) * UINT64_C(1000000000);
    h->ended_real_ns = h->started_real_ns + 1000;
}

/* The blocks lie a little to both sides of the ratio, so that they have an interval about it. */
static inline void put_block(struct store *s, const struct made *m, const struct run_head *h,
                             uint32_t b)
{
    static const double d[BLOCKS] = {-.002, .002, .001, -.001, .0015, -.0015, .0005, -.0005};
    struct block_record rec = {.block = b, .start_ns = b, .end_ns = b + 1, .complete = true};

    assert_ok(store_block(s, h->id, &rec, err));
    for (uint32_t c = 0; c < h->plan.cells.n; c++) {
        struct trial t;
        trial_init(&t);
        t.block = b;
        t.cell = t.position = c;
        for (uint32_t k = 0; k < h->plan.targets.n; k++) {
            struct part p = {.role = "main", .target = k, .verified = true};
            struct sample x = {.previous = -1, .ops = 1000, .cpu_ns = UINT64_MAX};
            double ratio = m->ratio[c] > 0 ? m->ratio[c] : 1;
            x.ns = (uint64_t)llround(1e9 * (k == h->base ? 1 : ratio * exp(d[b])));
            if (k == 1 && b < m->failed) {
                p.outcome = OUTCOME_FAILED;
                p.fail_kind = ERR_TIMEOUT;
                p.verified = false;
                str_copy(p.fail_text, sizeof(p.fail_text), "it hung");
            } else {
                VEC_PUSH(&p.samples, x);
            }
            VEC_PUSH(&t.parts, p);
        }
        assert_ok(store_trial(s, h->id, &t, err));
        trial_release(&t);
    }
}

static inline int64_t make(struct store *s, const struct made *m)
{
    struct target_row rows[LISTED];
    struct run_head h;

    head_of(m, &h);
    for (int i = 0; i < LISTED; i++)
        rows[i] = (struct target_row){true, (char *)(m->info ? m->info : "{\"version\": \"1\"}")};
    assert_ok(store_run_new(s, &h, rows, err));
    for (uint32_t b = 0; b < BLOCKS; b++)
        put_block(s, m, &h, b);
    struct session_record x = {.block = 0, .target = 0, .idle_cpu = NAN};
    x.hello = (char *)(m->hello ? m->hello : "{\"program\": \"cupel-probe 0\"}");
    x.proof = (char *)"{\"root_process\": {\"is\": \"probe\", \"sha256\": \"ab\"}}";
    assert_ok(store_session(s, h.id, &x, err));
    int64_t id = h.id;
    run_head_release(&h);
    return id;
}

static inline struct store *opened(void **state)
{
    struct fixture *f = *state;
    struct store *s;

    assert_ok(store_open(f->db, true, &s, err));
    return s;
}

#endif
