/* A run made by hand on host, runc and gVisor: what each came to in each block is said outright, so
 * that every figure is one that can be worked out on paper. */
#ifndef CUPEL_TESTS_MADE_RUN_H
#define CUPEL_TESTS_MADE_RUN_H

#include "store-fixture.h"

enum { HOST, RUNC, GVISOR, N };

struct made {
    struct store *s;
    int64_t run;
    struct plan *plan; /* of head */
    struct run_head head;
};

/* On other targets than those three; rows: what was found out about them, NULL: that they can be
 * used. */
static inline void made_open_rows(struct fixture *f, const char *const targets[N],
                                  const struct target_row *rows, const char *const *cells,
                                  struct made *m)
{
    static const char *const drivers[] = {"host", "oci", "docker"};

    *m = (struct made){0};
    run_head_init(&m->head);
    m->plan = &m->head.plan;
    for (int i = 0; i < N; i++)
        assert_ok(plan_add_target(m->plan, targets[i], drivers, 3, err));
    for (; *cells; cells++)
        assert_ok(plan_add_cells(m->plan, *cells, err));
    m->plan->repeats = 8; /* one look: intervals at 95 % */
    m->plan->seed = 3;
    m->head.machine_id = xstrdup("m");
    m->head.machine = xstrdup("{\"kernel\": \"6.1.0\"}");
    m->head.version = xstrdup("0");
    m->head.command = xstrdup("cupel run");
    assert_ok(store_open(f->db, true, &m->s, err));
    assert_ok(store_run_new(m->s, &m->head, rows, err));
    m->run = m->head.id;
}

static inline void made_open_on(struct fixture *f, const char *const targets[N],
                                const char *const *cells, struct made *m)
{
    made_open_rows(f, targets, NULL, cells, m);
}

static inline void made_open(struct fixture *f, const char *const *cells, struct made *m)
{
    static const char *const targets[N] = {"host", "runc", "runsc:ptrace"};
    made_open_on(f, targets, cells, m);
}

/* What a target came to in a block: a time in ns (factors in 1e9), and facts. 0: it hung; -1: what
 * came back was no measurement. */
struct outcome_of {
    double ns;
    const char *facts;
};

static inline void put(struct made *m, uint32_t block, const char *cell,
                       const struct outcome_of v[N])
{
    struct trial t;

    trial_init(&t);
    t.block = block;
    for (t.cell = 0; !str_eq(m->plan->cells.v[t.cell].name, cell); t.cell++)
        assert_true(t.cell + 1 < m->plan->cells.n);
    t.position = t.cell;
    t.start_ns = UINT64_C(1000000000) * (block + 1);
    t.end_ns = t.start_ns + 1000;
    t.covariates = (struct covariates){.swap_pages = UINT64_MAX,
                                       .throttled = UINT64_MAX,
                                       .others_cpu_ns = UINT64_MAX,
                                       .kernel_log_lines = UINT64_MAX};
    for (uint32_t k = 0; k < N; k++) {
        struct part p = {.target = k, .verified = v[k].ns > 0};
        str_copy(p.role, sizeof(p.role), "main");
        p.facts = v[k].facts ? xstrdup(v[k].facts) : NULL;
        if (v[k].ns > 0) {
            struct sample x = {.previous = -1, .ops = 1000, .cpu_ns = UINT64_MAX};
            x.ns = (uint64_t)llround(1000 * v[k].ns);
            VEC_PUSH(&p.samples, x);
        } else {
            p.outcome = OUTCOME_FAILED;
            p.fail_kind = v[k].ns < 0 ? ERR_MEASUREMENT : ERR_TIMEOUT;
            str_copy(p.fail_text, sizeof(p.fail_text), "it hung");
        }
        VEC_PUSH(&t.parts, p);
    }
    struct block_record b = {
        .block = block, .start_ns = t.start_ns, .end_ns = t.end_ns, .complete = true};
    assert_ok(store_block(m->s, m->run, &b, err));
    assert_ok(store_trial(m->s, m->run, &t, err));
    trial_release(&t);
}

static inline void same_in_blocks(struct made *m, uint32_t n, const char *cell,
                                  const struct outcome_of v[N])
{
    for (uint32_t b = 0; b < n; b++)
        put(m, b, cell, v);
}

static inline void made_close(struct made *m)
{
    store_close(m->s);
    run_head_release(&m->head);
}

#endif
