#include "bench.h"

#include "base/fd.h"
#include "base/rand.h"
#include "base/spawn.h"
#include "base/time.h"
#include "driver/session.h"
#include "stats/describe.h"
#include "stats/dist.h"
#include "stats/paired.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#define ANSWER_TIMEOUT_NS (60 * NS_PER_S)
#define BLOCKS_MAX        64
#define ROUNDS_MAX        64

int bench_cpu(void)
{
    cpu_set_t set;

    sched_getaffinity(0, sizeof(set), &set);
    for (int i = CPU_SETSIZE - 1; i >= 0; i--)
        if (CPU_ISSET((size_t)i, &set))
            return i;
    return 0;
}

/* ---- the probe ---- */

static int probe_spawn(struct bench_probe *p, const char *nonce, struct err *err)
{
    const char *argv[] = {p->path, "--nonce", nonce, NULL};
    int in[2], out[2], er[2];
    cpu_set_t cpus;
    pid_t pid;
    int r;

    if (fd_pipe(in, err) < 0 || fd_pipe(out, err) < 0 || fd_pipe(er, err) < 0)
        return -EMFILE;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)p->cpu, &cpus);
    struct spawn_spec spec = {.argv = argv,
                              .fd_in = in[0],
                              .fd_out = out[1],
                              .fd_err = er[1],
                              .cpus = &cpus,
                              .die_with_parent = true};
    r = spawn(&spec, &pid, err);
    close(in[0]);
    close(out[1]);
    close(er[1]);
    if (r < 0)
        return r;
    p->pid = pid;
    return session_new(p->loop, nonce, in[1], out[0], er[0], &p->session, err);
}

static int probe_prepare(struct bench_probe *p, struct err *err)
{
    struct frame f;

    frame_init(&f, FRAME_PREPARE, p->session->nonce, 0);
    str_copy(f.prepare.workload, sizeof(f.prepare.workload), p->workload);
    f.prepare.workers = 1;
    f.prepare.n_cpus = 1;
    f.prepare.cpus[0] = (uint16_t)p->cpu;
    for (const char *const *q = p->params; q && *q; q++) {
        char name[64];
        const char *eq = strchr(*q, '=');
        uint64_t num;

        str_copy(name, sizeof(name), *q);
        name[eq - *q] = 0;
        if (parse_u64(eq + 1, 0, INT64_MAX, name, &num, NULL) == 0)
            facts_add_num(&f.prepare.params, name, (int64_t)num);
        else
            facts_add_text(&f.prepare.params, name, eq + 1);
    }
    return session_call(p->session, &f, FRAME_READY, time_deadline(ANSWER_TIMEOUT_NS), NULL, err);
}

static int probe_open(void *user, struct err *err)
{
    struct bench_probe *p = user;
    char nonce[WIRE_NONCE_SIZE];
    int r;

    session_nonce(nonce);
    r = probe_spawn(p, nonce, err);
    if (r == 0)
        r = session_hello(p->session, time_deadline(ANSWER_TIMEOUT_NS), err);
    return r == 0 ? probe_prepare(p, err) : r;
}

static int probe_ops(struct bench_probe *p, uint64_t ops, uint64_t *ret_ns, struct err *err)
{
    const struct frame *answer;
    struct frame f;
    int r;

    frame_init(&f, FRAME_SLICE, p->session->nonce, 0);
    f.slice.ops = ops;
    r = session_call(p->session, &f, FRAME_SLICED, time_deadline(ANSWER_TIMEOUT_NS), &answer, err);
    if (r == 0)
        *ret_ns = answer->sliced.ns;
    return r;
}

static int probe_whole(struct bench_probe *p, uint64_t *ret_ns, struct err *err)
{
    const struct frame *answer;
    struct frame f;
    int r = probe_prepare(p, err);

    if (r == 0)
        r = probe_ops(p, p->whole_ops, ret_ns, err);
    if (r < 0)
        return r;
    frame_init(&f, FRAME_FINISH, p->session->nonce, 0);
    r = session_call(p->session, &f, FRAME_FINISHED, time_deadline(ANSWER_TIMEOUT_NS), &answer,
                     err);
    if (r == 0 && !answer->finished.verified)
        r = err_set(err, ERR_MEASUREMENT, EPROTO, "%s: %s", p->workload, answer->finished.detail);
    return r;
}

static int probe_slice(void *user, uint64_t want_ns, double *ret, struct err *err)
{
    struct bench_probe *p = user;
    uint64_t ns = 0;
    int r;

    if (p->whole_ops) {
        r = probe_whole(p, &ns, err);
        *ret = (double)ns;
        return r;
    }
    for (p->ops = p->ops ? p->ops : 1;; p->ops *= 2) {
        r = probe_ops(p, p->ops, &ns, err);
        if (r < 0 || ns > want_ns / 2)
            break;
    }
    *ret = (double)ns / (double)p->ops;
    return r;
}

static void probe_close(void *user)
{
    struct bench_probe *p = user;
    bool never = false;

    session_free(p->session);
    p->session = NULL;
    if (p->pid > 0)
        kill(p->pid, SIGKILL);
    p->pid = 0;
    loop_run_until(p->loop, &never, time_deadline(2 * NS_PER_MS), NULL);
}

struct subject bench_probe_subject(struct bench_probe *p)
{
    return (struct subject){p->workload, p, probe_open, probe_slice, probe_close};
}

/* ---- the reference program ---- */

static int reference_open(void *user, struct err *err)
{
    struct bench_reference *x = user;
    const char *argv[ARRAY_SIZE(x->args) + 2] = {x->path};
    int in[2], out[2];
    cpu_set_t cpus;
    pid_t pid;
    int r;

    if (fd_pipe(in, err) < 0 || fd_pipe(out, err) < 0)
        return -EMFILE;
    for (size_t i = 0; i < ARRAY_SIZE(x->args); i++)
        argv[i + 1] = x->args[i];
    CPU_ZERO(&cpus);
    if (x->cpu >= 0)
        CPU_SET((size_t)x->cpu, &cpus);
    struct spawn_spec spec = {.argv = argv,
                              .fd_in = in[0],
                              .fd_out = out[1],
                              .fd_err = 2,
                              .cpus = x->cpu >= 0 ? &cpus : NULL,
                              .die_with_parent = true};
    r = spawn(&spec, &pid, err);
    close(in[0]);
    close(out[1]);
    x->pid = pid;
    x->in = in[1];
    x->out = out[0];
    return r;
}

static int reference_ops(struct bench_reference *x, uint64_t ops, uint64_t *ret_ns, struct err *err)
{
    char line[32];
    size_t n = 0;

    str_format(line, sizeof(line), "%" PRIu64 "\n", ops);
    if (fd_write_full(x->in, line, strlen(line), err) < 0)
        return -EPIPE;
    while (n + 1 < sizeof(line)) {
        ssize_t got = read(x->out, line + n, 1);
        if (got <= 0)
            return err_set(err, ERR_ENVIRONMENT, EPIPE, "the reference program ended");
        if (line[n] == '\n')
            break;
        n++;
    }
    line[n] = 0;
    return parse_u64(line, 1, UINT64_MAX, "reference", ret_ns, err);
}

static int reference_slice(void *user, uint64_t want_ns, double *ret, struct err *err)
{
    struct bench_reference *x = user;
    uint64_t ns = 0;
    int r;

    for (x->ops = x->ops ? x->ops : 1;; x->ops *= 2) {
        r = reference_ops(x, x->ops, &ns, err);
        if (r < 0 || ns > want_ns / 2)
            break;
    }
    *ret = (double)ns / (double)x->ops;
    return r;
}

static void reference_close(void *user)
{
    struct bench_reference *x = user;

    close(x->in);
    close(x->out);
    if (x->pid > 0)
        kill(x->pid, SIGKILL);
    x->pid = 0;
    loop_run_ready(x->loop);
}

struct subject bench_reference_subject(struct bench_reference *r)
{
    return (struct subject){"reference", r, reference_open, reference_slice, reference_close};
}

/* ---- the comparison ---- */

static int one_block(const struct bench_plan *p, struct subject *s[2], struct rng *rng, double *ret,
                     struct err *err)
{
    double d[ROUNDS_MAX], y[2];
    int r = 0;

    for (int k = 0; k < 2 && r == 0; k++)
        r = s[k]->open(s[k]->user, err);
    for (int k = 0; k < 2 && r == 0; k++)
        r = s[k]->slice(s[k]->user, p->slice_ns, &y[k], err); /* warm-up and calibration */
    for (unsigned i = 0; i < p->rounds && r == 0; i++) {
        size_t first = rng_below(rng, 2);

        for (size_t k = 0; k < 2 && r == 0; k++) {
            size_t who = (first + k) % 2;
            r = s[who]->slice(s[who]->user, p->slice_ns, &y[who], err);
        }
        d[i] = log(y[1] / y[0]);
    }
    s[0]->close(s[0]->user);
    s[1]->close(s[1]->user);
    if (r == 0)
        *ret = describe_median(d, p->rounds);
    return r;
}

/* A one-sided bound is for the estimate, a band for the whole interval. */
static bool within(const struct bench_plan *p, const struct paired *x)
{
    double lo = exp(p->interval_within ? x->lo : x->estimate);
    double hi = exp(p->interval_within ? x->hi : x->estimate);

    return (p->least <= 0 || lo >= p->least) && (p->most <= 0 || hi <= p->most);
}

int bench_compare(const struct bench_plan *p, struct subject *a, struct subject *b, bool cost,
                  struct err *err)
{
    struct subject *s[2] = {a, b};
    double d[BLOCKS_MAX];
    struct paired x;
    struct rng rng;
    bool ok;
    int r;

    stats_init();
    rng_seed(&rng, rng_entropy());
    for (unsigned i = 0; i < p->blocks; i++) {
        r = one_block(p, s, &rng, &d[i], err);
        if (r < 0)
            return err_wrap(err, "%s", p->what);
        if (cost)
            d[i] = -d[i];
    }
    r = paired_summary(d, p->blocks, .05, &x, err);
    if (r < 0)
        return r;
    ok = within(p, &x);
    printf("%s: ratio %.4f [%.4f, %.4f], %.1f %%, %u blocks", p->what, exp(x.estimate), exp(x.lo),
           exp(x.hi), 100 * x.level, p->blocks);
    if (p->least > 0 && p->most > 0)
        printf(" (bounds %.3g to %.3g)", p->least, p->most);
    else if (p->least > 0)
        printf(" (at least %.3g)", p->least);
    else if (p->most > 0)
        printf(" (at most %.3g)", p->most);
    printf(": %s\n", ok ? "ok" : "MISSED");
    fflush(stdout);
    return ok ? 0 : 1;
}
