/* Writes a results file with one run of made-up samples, the same every time, for the golden tests:
 * five targets and nine cells, among them one that is alike, one slightly and one clearly slower, a
 * faster one, a noisy one, one that failed at times, one that failed always with a text full of
 * escape sequences, and a target that cannot be used.
 *
 *     fixture FILE */
#include "base/rand.h"
#include "base/time.h"
#include "store/store.h"
#include "wire/hist.h"

#include <math.h>

#define BLOCKS 12
#define ROUNDS 5
#define OPS    100000

enum { HOST, RUNC, CRUN, PTRACE, SYSTRAP, N_TARGETS };

/* A screen cleared, a title set, a bell: none of it may reach a terminal. */
#define HOSTILE "\033[2J\033]0;owned\007evil"

struct shape {
    const char *cell;
    double ns;               /* per operation on the host */
    double ratio[N_TARGETS]; /* true ratios */
    double spread;           /* of the log, between blocks */
};

static const struct shape shapes[] = {
    {"cpu.prime", 1.1e6, {1, 1.001, .999, 1.004}, .002},
    {"mem.triad", 2.1e5, {1, 1.01, 1.00, 1.02}, .08},
    {"sys.getpid", 121, {1, 1.002, 1.001, 120.7}, .004},
    {"sys.exec", 4.2e5, {1, 1.06, .90, 5.2}, .01},
    {"mm.fault", 610, {1, 1.008, 1.001, 3.08}, .003},
    {"ipc.pipe@same", 5200, {1, 1.003, 1.012, 8.4}, .004},
    {"fs.open@rootfs", 1510, {1, 1.08, 1.07, 34}, .005},
    {"fs.open@tmpfs", 1460, {1, 1.004, 1.001, 19}, .006},
    {"clock.gettime", 32, {1, 1.000, 1.001, 1}, .003},
};

/* Normal enough: a sum of twelve uniforms. */
static double noise(struct rng *r)
{
    double s = 0;
    for (int i = 0; i < 12; i++)
        s += (double)(rng_u64(r) >> 11) / 9007199254740992.0;
    return s - 6;
}

static void check(int r, const struct err *err)
{
    if (r >= 0)
        return;
    fprintf(stderr, "fixture: %s\n", err->msg);
    exit(1);
}

static void add_cell(void *user, const struct cell_def *d)
{
    struct plan *p = user;
    struct cell c;
    cell_from_def(d, &c);
    VEC_PUSH(&p->cells, c);
}

static void fill_plan(struct plan *p, struct err *err)
{
    static const char *const drivers[] = {"host", "oci"};
    static const char *const targets[] = {"host", "runc", "crun", "runsc:ptrace", "runsc:systrap"};

    str_copy(p->suite, sizeof(p->suite), "quick");
    p->seed = 91;
    p->rounds = ROUNDS;
    p->budget_ns = 240 * NS_PER_S;
    for (size_t i = 0; i < N_TARGETS; i++) {
        struct target t;
        check(target_parse(targets[i], drivers, 2, &t, err), err);
        VEC_PUSH(&p->targets, t);
    }
    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
        check(cells_select(shapes[i].cell, add_cell, p, err), err);
    if (p->cells.n != ARRAY_SIZE(shapes)) {
        fprintf(stderr, "fixture: a name of a cell selects several\n");
        exit(1);
    }
}

static int64_t write_head(struct store *s, struct err *err)
{
    static char machine[] = "{\"hostname\": \"vm-7f3a\", \"cpus_usable\": 2}";
    static char info[] =
        "{\"version\": \"\\u001b[2Jrunc version 1.1.5\", \"path\": \"/usr/sbin/runc\"}";
    static char none[] = "{\"reason\": \"this build has ptrace, kvm\", \"why\": \"unsupported\"}";
    struct target_row rows[N_TARGETS];
    struct run_head h;

    run_head_init(&h);
    str_copy(h.uuid, sizeof(h.uuid), "0f0e0d0c-0b0a-4009-8807-060504030201");
    h.machine_id = xstrdup("5bb1aa4b4ba3e5ed2c3ae4a0aa2e0b1a5bb1aa4b4ba3e5ed2c3ae4a0aa2e0b1a");
    h.machine = xstrdup(machine);
    h.version = xstrdup("0.1.0");
    h.command = xstrdup("cupel run");
    h.started_real_ns = UINT64_C(1795000000) * NS_PER_S;
    str_copy(h.status, sizeof(h.status), "running");
    fill_plan(&h.plan, err);
    for (size_t i = 0; i < N_TARGETS; i++)
        rows[i] = (struct target_row){.usable = i != SYSTRAP, .info = i == SYSTRAP ? none : info};
    check(store_run_new(s, &h, rows, err), err);
    int64_t id = h.id;
    run_head_release(&h);
    return id;
}

static void write_sessions(struct store *s, int64_t run, uint32_t block, struct err *err)
{
    static char proof[] = "{\"kernel\": \"4.4.0 "
                          "\\u001b[31m2016\", \"sandbox_pid\": 4711, "
                          "\"sha256\": "
                          "\"9a1c9a1c9a1c9a1c9a1c9a1c9a1c9a1c9a1c9a1c9a1c9a1c9a1c9a1c9a1c9a1c\"}";
    static char hello[] = "{\"kernel\": \"4.4.0\", \"cpu\": 1}";

    for (uint32_t t = 0; t < SYSTRAP; t++) {
        struct session_record r = {
            .block = block,
            .target = t,
            .launch_ns = (t + 1) * 12 * NS_PER_MS,
            .idle_cpu = NAN,
            .proof = proof,
            .hello = hello,
        };
        check(store_session(s, run, &r, err), err);
    }
}

static void fail_part(struct part *p, enum err_kind kind, const char *text)
{
    p->outcome = OUTCOME_FAILED;
    p->fail_kind = kind;
    p->fail_code = 110;
    str_copy(p->fail_text, sizeof(p->fail_text), text);
}

static void add_samples(struct part *p, const struct shape *shape, uint32_t block, uint32_t cell,
                        uint32_t target)
{
    struct rng shared, own;
    rng_stream(&shared, 7, block, cell);
    rng_stream(&own, 11, block * 100 + cell, target);
    double common = .02 * noise(&shared); /* what hits all targets alike */
    double launch = shape->spread * noise(&own);

    for (uint32_t i = 0; i < ROUNDS; i++) {
        double ns = shape->ns * shape->ratio[target] *
                    exp(common + launch + .3 * shape->spread * noise(&own));
        struct sample x = {
            .round = i,
            .position = target,
            .previous = (int32_t)target - 1,
            .start_ns = (block * 100 + cell * 10 + i) * NS_PER_MS,
            .ops = OPS,
            .ns = (uint64_t)llround(ns * OPS),
        };
        x.control_ns = x.ns + 120000;
        x.cpu_ns = target == PTRACE ? 19 * x.ns / 10 : x.ns;
        VEC_PUSH(&p->samples, x);
    }
}

static char *histogram(double ns)
{
    struct hist *h = xcalloc(1, sizeof(*h));
    struct str text = STR_INIT;
    struct err err = ERR_INIT;

    for (unsigned i = 0; i < 1000; i++)
        hist_record(h, (uint64_t)(ns * (.9 + i / 4000.0)));
    check(hist_encode(h, &text, &err), &err);
    free(h);
    return str_take(&text);
}

static void write_trial(struct store *s, int64_t run, uint32_t block, uint32_t cell,
                        struct err *err)
{
    const struct shape *shape = &shapes[cell];
    struct trial t;

    trial_init(&t);
    t.block = block;
    t.position = cell;
    t.cell = cell;
    t.start_ns = (block * 15 + cell) * NS_PER_S;
    t.end_ns = t.start_ns + NS_PER_S;
    for (uint32_t target = 0; target < SYSTRAP; target++) {
        struct part p = {.role = "main", .target = target, .verified = true, .clock_drift = .0001};
        str_copy(p.detail, sizeof(p.detail), "every call returned the pid");
        p.peak_memory_bytes = (target + 1) * UINT64_C(3000000);
        if (target == PTRACE && str_eq(shape->cell, "clock.gettime"))
            fail_part(&p, ERR_MEASUREMENT, "the probe said " HOSTILE);
        else if (target == PTRACE && str_eq(shape->cell, "sys.exec") && (block == 3 || block == 8))
            fail_part(&p, ERR_TIMEOUT, "no answer to a slice within 5 s");
        else
            add_samples(&p, shape, block, cell, target);
        if (p.outcome == OUTCOME_OK && str_eq(shape->cell, "ipc.pipe@same"))
            p.hist = histogram(shape->ns * shape->ratio[target]);
        VEC_PUSH(&t.parts, p);
    }
    check(store_trial(s, run, &t, err), err);
    trial_release(&t);
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct store *s;

    if (argc != 2) {
        fprintf(stderr, "usage: fixture FILE\n");
        return 1;
    }
    check(store_open(argv[1], true, &s, &err), &err);
    int64_t run = write_head(s, &err);
    for (uint32_t block = 0; block < BLOCKS; block++) {
        struct block_record b = {
            .block = block,
            .start_ns = block * 15 * NS_PER_S,
            .end_ns = (block * 15 + 14) * NS_PER_S,
            .complete = true,
        };
        check(store_block(s, run, &b, &err), &err);
        write_sessions(s, run, block, &err);
        for (uint32_t cell = 0; cell < ARRAY_SIZE(shapes); cell++)
            write_trial(s, run, block, cell, &err);
    }
    struct warning w = {.kind = WARN_STEAL, .block = 4, .target = -1, .cell = -1, .value = .03};
    str_copy(w.text, sizeof(w.text), "3 % of the CPU time was stolen " HOSTILE);
    check(store_warning(s, run, &w, &err), &err);
    check(store_run_end(s, run, "complete", &err), &err);
    store_close(s);
    return 0;
}
