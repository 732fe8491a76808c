/* Runs made by hand, sample by sample, for the tests of what analyse says of them. */
#ifndef CUPEL_TESTS_SYNTH_H
#define CUPEL_TESTS_SYNTH_H

#include "store-fixture.h"

#include "analyse/analyse.h"

#define OPS    1000000
#define ROUNDS 3

struct synth {
    struct store *s;
    int64_t run;
    uint32_t n_targets;
    uint32_t blocks; /* stored so far */
};

struct setup {
    const char *targets[4];
    const char *cells[4];
    unsigned repeats;
    double precision, gate;
    bool aa, unusable[4];
    const char *info[4];
};

static inline void synth_open(struct fixture *f, const struct setup *u, struct synth *y)
{
    static const char *const drivers[] = {"host", "oci"};
    struct target_row rows[4] = {0};
    struct run_head h;
    size_t base;

    *y = (struct synth){0};
    assert_ok(store_open(f->db, true, &y->s, err));
    run_head_init(&h);
    for (int i = 0; i < 4 && u->targets[i]; i++) {
        assert_ok(plan_add_target(&h.plan, u->targets[i], drivers, 2, err));
        rows[i] = (struct target_row){!u->unusable[i], (char *)u->info[i]};
        y->n_targets++;
    }
    for (int i = 0; i < 4 && u->cells[i]; i++)
        assert_ok(plan_add_cells(&h.plan, u->cells[i], err));
    h.plan.repeats = u->repeats;
    h.plan.precision = u->precision;
    h.plan.gate = u->gate;
    h.plan.aa = u->aa;
    h.plan.seed = 5;
    assert_ok(plan_base_index(&h.plan, &base, err));
    h.base = (uint32_t)base;
    h.machine_id = xstrdup("m");
    h.machine = xstrdup("{}");
    h.version = xstrdup("0");
    h.command = xstrdup("cupel run");
    assert_ok(store_run_new(y->s, &h, rows, err));
    y->run = h.id;
    run_head_release(&h);
}

static inline void trial_begin(struct trial *t, uint32_t block, uint32_t cell)
{
    trial_init(t);
    t->block = block;
    t->cell = cell;
    t->position = cell;
    t->start_ns = (uint64_t)block * 1000000000;
    t->end_ns = t->start_ns + 500000000;
    t->covariates = (struct covariates){.psi_cpu = (double)NAN,
                                        .swap_pages = UINT64_MAX,
                                        .throttled = UINT64_MAX,
                                        .others_cpu_ns = UINT64_MAX,
                                        .kernel_log_lines = UINT64_MAX};
}

static inline struct part *part_begin(struct trial *t, uint32_t target)
{
    struct part p = {.target = target, .verified = true};

    str_copy(p.role, sizeof(p.role), "main");
    VEC_PUSH(&t->parts, p);
    return &t->parts.v[t->parts.n - 1];
}

/* A slice that took ns_per_op for each of OPS operations; half as much CPU time again. */
static inline void slice_add(struct part *p, uint32_t round, double ns_per_op)
{
    uint64_t ns = (uint64_t)llround(ns_per_op * OPS);

    VEC_PUSH(&p->samples, (struct sample){.round = round,
                                          .previous = -1,
                                          .ops = OPS,
                                          .ns = ns,
                                          .control_ns = 2 * ns,
                                          .cpu_ns = ns + ns / 2});
}

static inline struct part *part_ok(struct trial *t, uint32_t target, double ns_per_op)
{
    struct part *p = part_begin(t, target);

    for (uint32_t r = 0; r < ROUNDS; r++)
        slice_add(p, r, ns_per_op);
    return p;
}

static inline void part_fail(struct trial *t, uint32_t target, enum err_kind kind, const char *text)
{
    struct part *p = part_begin(t, target);

    p->outcome = OUTCOME_FAILED;
    p->verified = false;
    p->fail_kind = kind;
    p->fail_code = 5;
    p->clock_drift = (double)NAN;
    str_copy(p->fail_text, sizeof(p->fail_text), text);
}

static inline void trial_keep(struct synth *y, struct trial *t)
{
    if (t->block >= y->blocks) {
        struct block_record b = {
            .block = t->block, .start_ns = t->start_ns, .end_ns = t->end_ns + 1, .complete = true};
        assert_ok(store_block(y->s, y->run, &b, err));
        y->blocks = t->block + 1;
    }
    assert_ok(store_trial(y->s, y->run, t, err));
    trial_release(t);
}

/* n blocks of cell: host takes 100 ns, target 1 exp(x[b]) times that. */
static inline void put_series(struct synth *y, uint32_t cell, const double *x, size_t n)
{
    for (uint32_t b = 0; b < n; b++) {
        struct trial t;

        trial_begin(&t, b, cell);
        part_ok(&t, 0, 100);
        part_ok(&t, 1, 100 * exp(x[b]));
        trial_keep(y, &t);
    }
}

static inline void analyse_and_close(struct synth *y, struct analysis *a)
{
    assert_ok(analyse_run(y->s, y->run, a, err));
    store_close(y->s);
}

#define assert_near(a, b, tol)                                                                     \
    do {                                                                                           \
        double near_a_ = (a), near_b_ = (b);                                                       \
        if (!(fabs(near_a_ - near_b_) <= (tol)))                                                   \
            fail_msg("%s = %.12g, not %.12g", #a, near_a_, near_b_);                               \
    } while (0)

#endif
