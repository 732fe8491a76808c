/* bench-tools PROBE: the probe's kernels against packaged tools that measure the same. A tool that
 * is not on this machine is said and left out. */
#include "bench.h"

#include "base/fs.h"
#include "base/spawn.h"
#include "base/time.h"

#include <errno.h>
#include <stdio.h>

#define TOOL_TIMEOUT_NS (60 * NS_PER_S)

/* A whole command per slice; its output holds a rate behind a label. */
struct tool {
    struct loop *loop;
    const char *const *argv;
    const char *label;   /* "events per second:" */
    double ops_per_rate; /* 1: the rate is operations/s; else what one operation is worth in its
                            unit */
    int cpu;
};

static int tool_open(void *user, struct err *err)
{
    (void)user, (void)err;
    return 0;
}

static void tool_close(void *user)
{
    (void)user;
}

static int tool_slice(void *user, uint64_t want_ns, double *ret, struct err *err)
{
    struct tool *t = user;
    struct spawn_result res;
    struct spawn_spec spec = {.argv = t->argv, .fd_in = -1, .fd_out = -1, .fd_err = -1};
    cpu_set_t cpus;
    const char *at;
    double rate;
    int r;

    (void)want_ns;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)t->cpu, &cpus);
    spec.cpus = &cpus;
    r = spawn_run(t->loop, &spec, time_deadline(TOOL_TIMEOUT_NS), 65536, &res, err);
    if (r < 0)
        return r;
    at = strstr(res.out.buf, t->label);
    rate = at ? strtod(at + strlen(t->label), NULL) : 0;
    spawn_result_release(&res);
    if (!(rate > 0))
        return err_set(err, ERR_MEASUREMENT, EPROTO, "%s printed no \"%s\"", t->argv[0], t->label);
    *ret = 1e9 * t->ops_per_rate / rate;
    return 0;
}

static struct subject tool_subject(struct tool *t)
{
    return (struct subject){t->argv[0], t, tool_open, tool_slice, tool_close};
}

static int run_one(struct loop *loop, const char *probe, const struct bench_plan *plan,
                   const char *workload, const char *const *params, const char *const *argv,
                   const char *label, double ops_per_rate)
{
    struct err err = ERR_INIT;
    char path[256];
    struct bench_probe p = {
        .loop = loop, .path = probe, .workload = workload, .params = params, .cpu = bench_cpu()};
    struct tool t = {loop, argv, label, ops_per_rate, bench_cpu()};
    struct subject a = bench_probe_subject(&p), b = tool_subject(&t);
    int r;

    if (fs_which(argv[0], path, sizeof(path)) < 0) {
        printf("%s: left out, %s is not installed\n", plan->what, argv[0]);
        return 0;
    }
    argv = memcpy(xcalloc(16, sizeof(*argv)), argv, 15 * sizeof(*argv));
    ((const char **)argv)[0] = path;
    t.argv = argv;
    r = bench_compare(plan, &a, &b, false, &err);
    free((void *)argv);
    if (r < 0)
        fprintf(stderr, "bench-tools: %s\n", err.msg);
    return r;
}

int main(int argc, char **argv)
{
    static const char *const sysbench[15] = {
        "sysbench", "cpu", "--cpu-max-prime=20000", "--threads=1", "--time=1", "run", NULL};
    static const char *const likwid[15] = {"likwid-bench", "-t",         "stream_mem_sse",
                                           "-w",           "S0:192MB:1", NULL};
    static const char *const prime[] = {"limit=20000", NULL};
    static const char *const triad[] = {"array_bytes=67108864", "stores=nt", "pages=huge", NULL};
    struct bench_plan cpu = {.what = "cpu.prime at limit 20000, rate of the probe / sysbench",
                             .blocks = 10,
                             .rounds = 2,
                             .slice_ns = NS_PER_S,
                             .least = .97,
                             .most = 1.03,
                             .interval_within = true};
    struct bench_plan mem = {.what = "mem.triad past the cache, rate of the probe / likwid-bench",
                             .blocks = 8,
                             .rounds = 1,
                             .slice_ns = NS_PER_S,
                             .least = .97};
    struct err err = ERR_INIT;
    struct loop *loop;
    int a, b;

    if (argc != 2 || loop_new(&loop, &err) < 0) {
        fprintf(stderr, "usage: bench-tools PROBE\n");
        return 2;
    }
    a = run_one(loop, argv[1], &cpu, "cpu.prime", prime, sysbench, "events per second:", 1);
    /* likwid counts 24 bytes a triad in 10^6 B/s; one operation of the probe is 3 MiB. */
    b = run_one(loop, argv[1], &mem, "mem.triad", triad, likwid, "MByte/s:", 3 * 1.048576);
    loop_free(loop);
    return a < 0 || b < 0 ? 2 : a || b;
}
