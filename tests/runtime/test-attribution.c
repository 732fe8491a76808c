/* Real sessions of one target, named as the argument: which of this machine's processes exist
 * because of them, and whether what they weigh is what other ways of summing say.
 *
 * The shim of an engine is played by a process of the test's own: it lies outside of the session's
 * group, is left to process 1 or to us, and reaps a payload inside. */
#include "rig.h"

#include "base/fd.h"
#include "base/fs.h"
#include "base/spawn.h"
#include "driver/attribution.h"
#include "driver/confine.h"
#include "driver/weight.h"
#include "host/proc.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define SESSIONS 3

static const char *target = "host";

static void open_root(struct rig *r)
{
    rig_init(r);
    if (!rig_open(r, target))
        fail_msg("%s: %s", target, r->info.reason);
    if (r->machine.is_root)
        return;
    rig_release(r);
    skip(); /* no groups */
}

/* ---- the parts ---- */

struct scene {
    struct rig rig;
    struct session *sessions[SESSIONS];
    struct claim claims[SESSIONS];
    struct attribution a;
};

static void scene_open(struct scene *s)
{
    *s = (struct scene){0};
    open_root(&s->rig);
    for (size_t i = 0; i < SESSIONS; i++) {
        s->sessions[i] = rig_start(&s->rig);
        s->claims[i] = session_claim(s->sessions[i]);
    }
}

static void scene_close(struct scene *s)
{
    for (size_t i = 0; i < SESSIONS; i++)
        rig_stop(&s->rig, s->sessions[i]);
    attribution_release(&s->a);
    rig_release(&s->rig);
}

static size_t scene_look(struct scene *s)
{
    struct attribution_input in = {
        .proc = "/proc", .self = getpid(), .claims = s->claims, .n_claims = SESSIONS};
    size_t sum = 0;
    assert_ok(attribution_read(&s->a, &in, err));
    for (size_t i = 0; i < s->a.table.n; i++)
        sum += s->a.v[i].owner < SESSIONS ? (size_t)s->a.table.v[i].pid : 0;
    return sum;
}

/* gVisor's sentry has a helper that unmounts something and ends, soon after the start: looks until
 * the same processes are there for a while. */
static void scene_settle(struct scene *s)
{
    size_t before = 0, now = 0;
    unsigned same = 0;
    for (unsigned i = 0; i < 50 && same < 4; i++) {
        now = scene_look(s);
        same = now == before ? same + 1 : 0;
        before = now;
        poll(NULL, 0, 100);
    }
    assert_int_equal(same, 4);
}

static unsigned count(const struct scene *s, uint32_t owner, enum component what)
{
    unsigned n = 0;
    for (size_t i = 0; i < s->a.table.n; i++)
        n += s->a.v[i].owner == owner && s->a.v[i].what == what;
    return n;
}

static bool is_bwrap(const struct scene *s)
{
    return str_eq(s->rig.info.kind, "bwrap");
}

/* Every process of every session's group, each by the right name, and none besides. */
static void test_parts(void **state)
{
    struct scene s;
    scene_open(&s);
    bool sandboxed = strcmp(s.rig.info.kind, "runsc") == 0;
    size_t waits = is_bwrap(&s); /* outside of the sandbox, and in its group */
    bool machine = strcmp(s.rig.info.kind, "qemu") == 0;
    bool served = strcmp(s.rig.info.platform, "virtiofs") == 0;
    scene_settle(&s);
    for (uint32_t k = 0; k < SESSIONS; k++) {
        struct pid_list pids = {0};
        struct component_list parts;
        assert_ok(cgroup_pids(&s.rig.machine.cgroups, s.claims[k].group, &pids, err));
        assert_true(pids.n > 0);
        for (size_t i = 0; i < pids.n; i++) {
            size_t at = proc_table_index(&s.a.table, pids.v[i]);
            assert_true(at != PROC_NO_INDEX && s.a.v[at].owner == k);
        }
        assert_int_equal(count(&s, k, COMPONENT_PAYLOAD), sandboxed || machine ? 0 : 1);
        assert_int_equal(count(&s, k, COMPONENT_VMM), machine ? 1 : 0);
        assert_int_equal(count(&s, k, COMPONENT_VIRTIOFSD) > 0, served);
        assert_int_equal(count(&s, k, COMPONENT_SENTRY), sandboxed ? 1 : 0);
        assert_int_equal(count(&s, k, COMPONENT_GOFER), sandboxed ? 1 : 0);
        assert_int_equal(count(&s, k, COMPONENT_STUB) > 0, sandboxed);
        assert_int_equal(count(&s, k, COMPONENT_SHIM), waits);
        assert_int_equal(count(&s, k, COMPONENT_TOOL), 0);
        size_t n = 0;
        for (size_t i = 0; i < s.a.table.n; i++)
            n += s.a.v[i].owner == k;
        assert_int_equal(n, pids.n);
        /* The look at one alone agrees. */
        assert_ok(components_read(&s.rig.machine.cgroups, s.claims[k].group, s.claims[k].tool,
                                  s.claims[k].kind, s.claims[k].root, &parts, err));
        assert_int_equal(parts.n, n);
        for (enum component what = 0; what < COMPONENT_COUNT; what++)
            assert_int_equal(components_count(&parts, what), count(&s, k, what));
        component_list_release(&parts);
        pid_list_release(&pids);
        assert_int_equal(s.sessions[k]->n_outside, 0);
    }
    scene_close(&s);
}

/* ---- the weights ---- */

/* The sum of all `Pss:` lines of /proc/PID/smaps. The kernel cuts each mapping's number down to a
 * kilobyte, so it is a little too small. */
static double smaps_kb(pid_t pid)
{
    char path[64];
    _cleanup_(str_release) struct str text = STR_INIT;
    str_format(path, sizeof(path), "/proc/%d/smaps", (int)pid);
    assert_ok(file_read(path, 64 << 20, &text, err));
    double sum = 0;
    for (const char *at = text.buf; (at = strstr(at, "\nPss:")); at++)
        sum += (double)strtol(at + 5, NULL, 10);
    return sum;
}

static bool is_ours(const struct scene *s, pid_t pid)
{
    size_t i = proc_table_index(&s->a.table, pid);
    return i != PROC_NO_INDEX && s->a.v[i].owner < SESSIONS;
}

/* What smem says of the same processes; NAN: it is not installed. *ret_ours is what we say of those
 * that it lists: it takes a process without a command line for a kernel's thread, and gVisor's
 * stubs have none. */
static double smem_kb(const struct scene *s, double *ret_ours)
{
    char path[256];
    if (fs_which("smem", path, sizeof(path)) < 0)
        return NAN;
    const char *const argv[] = {path, "-H", "-c", "pid pss", NULL};
    struct spawn_spec spec = {.argv = argv, .fd_in = -1, .fd_out = -1, .fd_err = -1};
    struct spawn_result res;
    struct pss_reader r;
    struct pss p;
    assert_ok(pss_reader_open(&r, "/proc", err));
    assert_ok(spawn_run(s->rig.loop, &spec, time_deadline(60 * NS_PER_S), 1 << 20, &res, err));
    double sum = 0;
    for (char *rest = res.out.buf, *line; (line = strsep(&rest, "\n"));) {
        char *end;
        long pid = strtol(line, &end, 10);
        if (end == line || !is_ours(s, (pid_t)pid))
            continue;
        sum += strtod(end, NULL);
        assert_int_equal(pss_read(&r, (pid_t)pid, &p), 0);
        *ret_ours += (double)p.pss_bytes / 1024;
    }
    spawn_result_release(&res);
    pss_reader_close(&r);
    return sum;
}

static double ours_kb(struct scene *s, struct weight w[SESSIONS])
{
    struct pss_reader r;
    double sum = 0;
    assert_ok(pss_reader_open(&r, "/proc", err));
    weights_read(&s->a, &r, w, SESSIONS, NULL);
    pss_reader_close(&r);
    for (size_t k = 0; k < SESSIONS; k++) {
        assert_int_equal(w[k].gone, 0);
        assert_int_equal(w[k].unreadable, 0);
        sum += (double)weight_pss(&w[k], WEIGHT_ALL) / 1024;
    }
    return sum;
}

/* bwrap maps many small libraries that others map, too: what is cut off of each is more there. */
static bool smaps_agrees(const struct scene *s, double ours, double smaps)
{
    return fabs(smaps / ours - 1) <= (is_bwrap(s) ? .03 : .01);
}

/* smem maps the libraries that bwrap maps: while it looks there is one more to share them with, and
 * on a machine where few do, that is some hundredths. */
static bool smem_agrees(const struct scene *s, double ours, double smem)
{
    return isnan(smem) || (smem / ours >= (is_bwrap(s) ? .9 : .99) && smem / ours <= 1.01);
}

static void report(const struct scene *s, const struct weight w[SESSIONS])
{
    uint64_t shmem = 0, mapped = 0;
    for (enum component what = 0; what < COMPONENT_COUNT; what++)
        if (w[0].part[what].processes > 0) {
            printf("#   %s: %u, %.0f kB\n", component_name(what), w[0].part[what].processes,
                   (double)w[0].part[what].pss_bytes / 1024);
            mapped += w[0].part[what].shmem_bytes;
        }
    if (cgroup_shmem(&s->rig.machine.cgroups, s->claims[0].group, &shmem) == 0)
        printf("#   shared memory: charged %.0f kB, mapped %.0f kB\n", (double)shmem / 1024,
               (double)mapped / 1024);
}

/* Idle, the sum is what the mappings' own numbers add up to, and what smem says. A sentry's heap
 * may move between the looks, so there are some tries. */
static void test_weights(void **state)
{
    struct scene s;
    scene_open(&s);
    bool fits = false;
    scene_settle(&s);
    for (unsigned i = 0; i < 5 && !fits; i++) {
        struct weight w[SESSIONS];
        double smaps = 0, listed = 0;
        scene_look(&s);
        double ours = ours_kb(&s, w);
        for (size_t k = 0; k < s.a.table.n; k++)
            if (s.a.v[k].owner < SESSIONS)
                smaps += smaps_kb(s.a.table.v[k].pid);
        double smem = smem_kb(&s, &listed);
        printf("# %s: %.0f kB, smaps %.0f (%+.2f %%); of %.0f kB smem %.0f (%+.2f %%)\n", target,
               ours, smaps, 100 * (smaps / ours - 1), listed, smem, 100 * (smem / listed - 1));
        fits = smaps_agrees(&s, ours, smaps) && smem_agrees(&s, listed, smem);
        if (fits)
            report(&s, w);
        uint64_t all = weight_pss(&w[0], WEIGHT_ALL),
                 container = weight_pss(&w[0], WEIGHT_CONTAINER);
        assert_true(is_bwrap(&s) ? all > container : all == container);
    }
    assert_true(fits);
    scene_close(&s);
}

/* ---- a guest's memory ---- */

#define GUEST_BYTES (UINT64_C(96) << 20)

static double weigh(struct scene *s)
{
    struct weight w[SESSIONS];
    scene_look(s);
    return ours_kb(s, w);
}

/* What a guest touches is a memory file of its VMM's that a file server maps as well: the weight
 * grows by it once, and so does what the group is charged. */
static void test_guest_memory(void **state)
{
    struct scene s;
    uint64_t before_bytes, after_bytes;
    scene_open(&s);
    if (strcmp(s.rig.info.kind, "qemu") != 0) {
        scene_close(&s);
        return;
    }
    scene_settle(&s);
    const struct cgroups *c = &s.rig.machine.cgroups;
    double before = weigh(&s);
    assert_int_equal(cgroup_shmem(c, s.claims[0].group, &before_bytes), 0);
    /* Three arrays, of which each is touched. */
    rig_prepare(s.sessions[0], "mem.triad", 1, "array_bytes", (int64_t)GUEST_BYTES / 3);
    double grown = (weigh(&s) - before) * 1024;
    assert_int_equal(cgroup_shmem(c, s.claims[0].group, &after_bytes), 0);
    double charged = (double)(after_bytes - before_bytes);
    printf("# %.0f MiB touched: weight %+.1f MiB, charged %+.1f\n", (double)GUEST_BYTES / 1048576,
           grown / 1048576, charged / 1048576);
    /* Some of it the guest had touched before, for other things, and given back. */
    assert_true(grown > .4 * GUEST_BYTES && grown < 1.5 * GUEST_BYTES);
    assert_true(charged > .4 * GUEST_BYTES && charged < 1.5 * GUEST_BYTES);
    rig_finish(s.sessions[0]);
    scene_close(&s);
}

/* ---- a shim ---- */

struct shim {
    pid_t pid, payload;
    int orders; /* our end: a byte makes it work for a while, the end of the pipe ends it */
    int answers;
};

static void join_group(const struct cgroups *c, const char *group)
{
    int fds[SPAWN_MAX_JOIN];
    int n = cgroup_open_join(c, group, fds, ARRAY_SIZE(fds), NULL);
    for (int i = 0; i < n; i++)
        if (write(fds[i], "0", 1) != 1)
            _exit(3);
}

/* From now on: on a slow machine a fork may have taken as long. */
static void burn(void)
{
    struct timespec begin, t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    do
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    while ((t.tv_sec - begin.tv_sec) * (int64_t)NS_PER_S + t.tv_nsec - begin.tv_nsec <
           60 * (int64_t)NS_PER_MS);
}

/* The payload names itself like the shim it is not. */
static void shim_main(const struct cgroups *c, const char *group, int orders, int answers)
{
    char byte;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_NAME, "containerd-shim-runc-v2");
    pid_t payload = fork();
    if (payload == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        join_group(c, group);
        close(orders);
        if (write(answers, "p", 1) != 1)
            _exit(3);
        for (;;)
            pause();
    }
    if (read(orders, &byte, 1) == 1) {
        burn();
        if (write(answers, "b", 1) != 1 || write(answers, &payload, sizeof(payload)) < 0)
            _exit(3);
        (void)!read(orders, &byte, 1);
    }
    kill(payload, SIGKILL);
    waitpid(payload, NULL, 0);
    _exit(0);
}

static struct shim shim_start(const struct cgroups *c, const char *group)
{
    int orders[2], answers[2];
    char byte;
    assert_ok(fd_pipe(orders, err));
    assert_ok(fd_pipe(answers, err));
    struct shim s = {.orders = orders[1], .answers = answers[0]};
    s.pid = fork();
    if (s.pid == 0) {
        close(orders[1]);
        shim_main(c, group, orders[0], answers[1]);
    }
    close(orders[0]);
    close(answers[1]);
    assert_int_equal(read(s.answers, &byte, 1), 1);
    return s;
}

static void test_shim(void **state)
{
    struct rig r;
    char group[CGROUP_PATH_MAX], box[CGROUP_PATH_MAX], byte;
    rig_init(&r);
    if (!r.machine.is_root) {
        rig_release(&r);
        skip();
    }
    const struct cgroups *c = &r.machine.cgroups;
    str_format(group, sizeof(group), "%s/s0001", r.site.cgroup);
    str_format(box, sizeof(box), "%s/box", group);
    assert_ok(cgroup_make(c, group, err));
    assert_ok(cgroup_make(c, box, err));
    struct shim shim = shim_start(c, box);
    struct component_list parts;
    assert_ok(components_read(c, group, NULL, "runc", 0, &parts, err));
    assert_int_equal(parts.n, 2);
    assert_int_equal(components_count(&parts, COMPONENT_PAYLOAD), 1);
    assert_int_equal(components_count(&parts, COMPONENT_SHIM), 1);
    struct session sess = {.n_outside = 0};
    for (size_t i = 0; i < parts.n; i++) {
        assert_int_equal(parts.v[i].in_group, parts.v[i].what == COMPONENT_PAYLOAD);
        assert_string_equal(parts.v[i].comm, "containerd-shim");
        if (!parts.v[i].in_group) {
            assert_int_equal(parts.v[i].pid, shim.pid);
            assert_ok(session_add_outside(&sess, parts.v[i].pid, err));
        }
    }
    component_list_release(&parts);

    /* Its CPU time is the session's, and so is its confinement. */
    uint64_t before, after, group_before, group_after;
    assert_ok(cgroup_meter_open(c, group, &sess.meter, err));
    assert_int_equal(cgroup_meter_read(&sess.meter, &group_before), 0);
    assert_int_equal(session_cpu_read(&sess, &before), 0);
    assert_int_equal(write(shim.orders, "b", 1), 1);
    assert_int_equal(read(shim.answers, &byte, 1), 1);
    assert_int_equal(session_cpu_read(&sess, &after), 0);
    assert_int_equal(cgroup_meter_read(&sess.meter, &group_after), 0);
    assert_true(after - before >= 50 * NS_PER_MS);
    assert_true(group_after - group_before < 10 * NS_PER_MS);
    cpu_set_t one, its;
    CPU_ZERO(&one);
    for (int i = 0; CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET((size_t)i, &r.site.cpus))
            CPU_SET((size_t)i, &one);
    str_copy(sess.caps.cgroup, sizeof(sess.caps.cgroup), group);
    assert_ok(session_confine(&r.site, &sess, &one, err));
    assert_int_equal(sched_getaffinity(shim.pid, sizeof(its), &its), 0);
    assert_true(CPU_EQUAL(&its, &one));

    fd_close(&shim.orders);
    fd_close(&shim.answers);
    assert_int_equal(waitpid(shim.pid, NULL, 0), shim.pid);
    assert_int_equal(session_cpu_read(&sess, &after), -ESRCH); /* not less than before */
    cgroup_meter_close(&sess.meter);
    assert_int_equal(session_cpu_read(&sess, &after), -EBADF);
    assert_ok(cgroup_remove(c, group, err));
    rig_release(&r);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        target = argv[1];
    const struct CMUnitTest all[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_guest_memory),
        cmocka_unit_test(test_shim),
    };
    if (argc > 2)
        cmocka_set_test_filter(argv[2]);
    if (rig_unusable(target))
        return rig_required(target);
    return cmocka_run_group_tests_name(target, all, NULL, NULL);
}
