/* bench-weight SLEEPER: what 500 containers weigh, by component, against a bare loop that reads
 * their smaps_rollup and nothing else. Needs root.
 *
 * The containers are played by static processes in control groups of their own: one that is as
 * small as a payload can be, and four of which two map as much as gVisor's sentry and gofer do
 * (smaps_rollup takes 220 and 175 us of a real pair's, 7 of a stub's). The whole look reads two
 * small files more a process, 15 us, whatever its size: beside a process of one page that is as
 * much again, and has no bound but the absolute one. */
#include "bench.h"

#include "base/fd.h"
#include "base/rand.h"
#include "base/spawn.h"
#include "base/time.h"
#include "driver/attribution.h"
#include "driver/weight.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define CONTAINERS      500
#define BUDGET_NS       (500 * NS_PER_MS)
#define READY_TIMEOUT_S 60

struct crowd {
    struct loop *loop;
    struct cgroups cgroups;
    char top[CGROUP_PATH_MAX];
    char (*groups)[CGROUP_PATH_MAX];
    struct claim claims[CONTAINERS];
    struct attribution a;
    struct pss_reader reader;
    struct weight weights[CONTAINERS];
    struct pid_list pids;
};

/* ---- the two ---- */

static int nothing_open(void *user, struct err *err)
{
    (void)user, (void)err;
    return 0;
}

static void nothing_close(void *user)
{
    (void)user;
}

static int weigh(void *user, uint64_t want_ns, double *ret, struct err *err)
{
    struct crowd *c = user;
    struct attribution_input in = {
        .proc = "/proc", .self = getpid(), .claims = c->claims, .n_claims = CONTAINERS};
    uint64_t from = time_mono_ns(), sum = 0;
    int r = attribution_read(&c->a, &in, err);

    (void)want_ns;
    if (r < 0)
        return r;
    weights_read(&c->a, &c->reader, c->weights, CONTAINERS, NULL);
    *ret = (double)(time_mono_ns() - from);
    for (size_t i = 0; i < CONTAINERS; i++)
        sum += weight_processes(&c->weights[i], WEIGHT_ALL);
    if (sum != c->pids.n)
        return err_set(err, ERR_MEASUREMENT, EBADMSG, "weighed %zu processes of %zu", (size_t)sum,
                       c->pids.n);
    return 0;
}

/* The reading alone. */
static int read_weights(void *user, uint64_t want_ns, double *ret, struct err *err)
{
    struct crowd *c = user;
    uint64_t from = time_mono_ns();

    (void)want_ns, (void)err;
    weights_read(&c->a, &c->reader, c->weights, CONTAINERS, NULL);
    *ret = (double)(time_mono_ns() - from);
    return 0;
}

static int bare(void *user, uint64_t want_ns, double *ret, struct err *err)
{
    struct crowd *c = user;
    uint64_t from = time_mono_ns();
    static char text[4096], path[64];
    unsigned long kb = 0;

    (void)want_ns;
    for (size_t i = 0; i < c->pids.n; i++) {
        snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)c->pids.v[i]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        if (n < 0)
            return err_errno(err, errno, "read %s", path);
        text[n] = 0;
        const char *at = strstr(text, "\nPss:");
        kb += at ? strtoul(at + 5, NULL, 10) : 0;
        close(fd);
    }
    *ret = (double)(time_mono_ns() - from);
    return kb > 0 ? 0 : err_set(err, ERR_MEASUREMENT, EBADMSG, "smaps_rollup says nothing");
}

/* ---- the crowd ---- */

struct cast {
    const char *what, *sleeper, *each, *file;
    double most; /* of the whole look's ratio; 0: no bound */
};

static int start_one(struct crowd *c, size_t i, const struct cast *cast, struct err *err)
{
    const char *argv[] = {cast->sleeper, cast->each, cast->file, NULL};
    char byte;
    int out[2];
    pid_t pid;

    str_format(c->groups[i], CGROUP_PATH_MAX, "%s/s%04zu", c->top, i);
    if (cgroup_make(&c->cgroups, c->groups[i], err) < 0 || fd_pipe(out, err) < 0)
        return -EIO;
    struct spawn_spec spec = {
        .argv = argv, .fd_in = -1, .fd_out = out[1], .fd_err = 2, .die_with_parent = true};
    int n = cgroup_open_join(&c->cgroups, c->groups[i], spec.join_fds, SPAWN_MAX_JOIN, err);
    spec.n_join = n < 0 ? 0 : (size_t)n;
    int r = n < 0 ? n : spawn(&spec, &pid, err);
    close(out[1]);
    for (size_t k = 0; k < spec.n_join; k++)
        fd_close(&spec.join_fds[k]);
    if (r == 0 && read(out[0], &byte, 1) != 1)
        r = err_set(err, ERR_MEASUREMENT, EIO, "%s said nothing", cast->sleeper);
    close(out[0]);
    if (r == 0)
        c->claims[i] = (struct claim){.group = c->groups[i], .kind = "runc", .root = pid};
    return r;
}

static void crowd_close(struct crowd *c)
{
    bool never = false;

    if (c->top[0]) {
        cgroup_kill(&c->cgroups, c->top, time_deadline(10 * NS_PER_S), NULL, NULL, NULL);
        loop_run_until(c->loop, &never, time_deadline(100 * NS_PER_MS), NULL);
        cgroup_remove(&c->cgroups, c->top, NULL);
    }
    pid_list_release(&c->pids);
    attribution_release(&c->a);
    pss_reader_close(&c->reader);
    free(c->groups);
}

static int crowd_open(struct crowd *c, struct loop *loop, const struct cast *cast, struct err *err)
{
    memset(c, 0, sizeof(*c));
    c->loop = loop;
    c->reader.dir = -1;
    c->groups = xcalloc(CONTAINERS, sizeof(*c->groups));
    int r = cgroups_detect(&c->cgroups, err);
    if (r == 0)
        r = pss_reader_open(&c->reader, "/proc", err);
    if (r < 0)
        return r;
    str_format(c->top, sizeof(c->top), "/cupel-%08x", (unsigned)rng_entropy());
    r = cgroup_make(&c->cgroups, c->top, err);
    for (size_t i = 0; r == 0 && i < CONTAINERS; i++)
        r = start_one(c, i, cast, err);
    return r == 0 ? cgroup_pids(&c->cgroups, c->top, &c->pids, err) : r;
}

static int compare(struct crowd *c, const struct cast *cast, const char *part,
                   int (*slice)(void *, uint64_t, double *, struct err *), double most,
                   struct err *err)
{
    char what[128];
    struct subject a = {"cupel", c, nothing_open, slice, nothing_close};
    struct subject b = {"bare loop", c, nothing_open, bare, nothing_close};
    struct bench_plan plan = {.what = what, .blocks = 10, .rounds = 4, .slice_ns = 1, .most = most};

    str_format(what, sizeof(what), "%s: %s, time / bare loop", cast->what, part);
    return bench_compare(&plan, &a, &b, true, err);
}

static int run(struct loop *loop, const struct cast *cast, struct err *err)
{
    static struct crowd c;
    double ns, best = 0;
    int missed = 0, r = crowd_open(&c, loop, cast, err);

    for (unsigned i = 0; r == 0 && i < 10; i++) {
        r = weigh(&c, 0, &ns, err);
        best = i == 0 || ns < best ? ns : best;
    }
    if (r == 0) {
        missed = best > BUDGET_NS;
        printf("%s: %d of them, %zu processes of %zu here, %.1f ms (at most %.0f): %s\n",
               cast->what, CONTAINERS, c.pids.n, c.a.table.n, best / 1e6, BUDGET_NS / 1e6,
               missed ? "MISSED" : "ok");
        r = compare(&c, cast, "reading PSS", read_weights, 1.2, err);
        missed |= r == 1;
    }
    if (r >= 0)
        r = compare(&c, cast, "looking and reading", weigh, cast->most, err);
    crowd_close(&c);
    return r < 0 ? r : r || missed;
}

/* As large as what a sentry has mapped of its program. */
static int make_file(char *path, struct err *err)
{
    static char block[1 << 20];
    int fd = mkstemp(path), r = fd < 0 ? err_errno(err, errno, "make %s", path) : 0;

    memset(block, 'x', sizeof(block));
    for (unsigned i = 0; r == 0 && i < 20; i++)
        r = fd_write_full(fd, block, sizeof(block), err);
    fd_close(&fd);
    return r;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    char file[] = "/tmp/bench-weight-XXXXXX";
    struct loop *loop;
    int r, missed = 0;

    if (argc != 2 || loop_new(&loop, &err) < 0) {
        fprintf(stderr, "usage: bench-weight SLEEPER\n");
        return 2;
    }
    if (geteuid() != 0) {
        printf("weight: left out, it needs root\n");
        return 0;
    }
    struct cast casts[] = {{"containers of one small process", argv[1], "1", "-", 0},
                           {"containers like gVisor's", argv[1], "4", file, 1.3}};
    r = make_file(file, &err);
    for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(casts); i++) {
        r = run(loop, &casts[i], &err);
        missed |= r > 0;
    }
    unlink(file);
    loop_free(loop);
    if (r < 0)
        fprintf(stderr, "bench-weight: %s\n", err.msg);
    return r < 0 ? 2 : missed;
}
