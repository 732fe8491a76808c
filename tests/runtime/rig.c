#include "rig.h"

#include "base/fd.h"
#include "base/fs.h"
#include "base/rand.h"
#include "host/proc.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

const struct launch rig_probe = {.program = PROGRAM_PROBE};

/* Kernels of guests are fetched once for all tests, as runtests keeps what it builds. */
static void share_guests(const char *state)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char kept[256], here[128];
    bool given = cache && *cache;
    str_format(kept, sizeof(kept), "%s%s/cupel-tests/guests",
               given  ? cache
               : home ? home
                      : "/root",
               given ? "" : "/.cache");
    str_format(here, sizeof(here), "%s/guests", state);
    assert_ok(fs_mkdirs(kept, 0700, err));
    assert_int_equal(symlink(kept, here), 0);
}

void rig_init(struct rig *r)
{
    *r = (struct rig){0};
    assert_ok(loop_new(&r->loop, err));
    machine_read(&r->machine);
    struct site *s = &r->site;
    str_format(s->run_id, sizeof(s->run_id), "%08x", (unsigned)rng_entropy());
    str_format(r->state, sizeof(r->state), "/tmp/cupel-test-%s", s->run_id);
    str_format(s->dir, sizeof(s->dir), "%s/run/%s", r->state, s->run_id);
    const char *probe = getenv("CUPEL_PROBE");
    str_copy(s->programs.path[PROGRAM_PROBE], sizeof(s->programs.path[0]),
             probe ? probe : CUPEL_PROBE_PATH);
    s->loop = r->loop;
    s->machine = &r->machine;
    s->start_timeout_ns = machine_patience(&r->machine) * 20 * NS_PER_S;
    s->stop_timeout_ns = machine_patience(&r->machine) * 10 * NS_PER_S;
    assert_ok(cgroup_usable_cpus(&r->machine.cgroups, &s->cpus, err));
    str_copy(s->keep, sizeof(s->keep), r->state);
    assert_ok(fs_mkdirs(r->state, 0700, err));
    share_guests(r->state);
    assert_ok(ledger_open(r->state, s->run_id, &s->ledger, err));
    struct ledger_item items[] = {{.kind = LEDGER_DIR, .path = s->dir},
                                  {.kind = LEDGER_CGROUP, .path = s->cgroup}};
    if (r->machine.is_root)
        str_format(s->cgroup, sizeof(s->cgroup), "/cupel-%s", s->run_id);
    assert_ok(ledger_intend(s->ledger, items, r->machine.is_root ? 2 : 1, err));
    assert_ok(fs_mkdirs(s->dir, 0700, err));
    if (r->machine.is_root)
        assert_ok(cgroup_make(&r->machine.cgroups, s->cgroup, err));
}

bool rig_open(struct rig *r, const char *target)
{
    struct target t;
    size_t n;
    const char *const *names = driver_names(&n);
    assert_ok(target_parse(target, names, n, &t, err));
    r->driver = driver_find(t.driver);
    assert_non_null(r->driver);
    r->driver->inspect(&r->site, &t, &r->info);
    if (!r->info.usable)
        return false;
    assert_ok(r->driver->open(&r->site, &r->info, &r->engine, err));
    return true;
}

void rig_release(struct rig *r)
{
    struct site *s = &r->site;
    if (r->engine)
        r->driver->close(s, r->engine);
    loop_run_ready(r->loop);
    if (s->cgroup[0])
        assert_ok(cgroup_remove(&r->machine.cgroups, s->cgroup, err));
    assert_ok(fs_remove_tree(s->dir, err));
    struct ledger_item items[] = {{.kind = LEDGER_DIR, .path = s->dir},
                                  {.kind = LEDGER_CGROUP, .path = s->cgroup}};
    for (size_t i = 0; i < (s->cgroup[0] ? 2u : 1u); i++)
        assert_ok(ledger_done(s->ledger, &items[i], err));
    assert_int_equal(ledger_open_items(s->ledger), 0);
    assert_ok(ledger_close(s->ledger, err));
    assert_ok(fs_remove_tree(r->state, err));
    _cleanup_(str_release) struct str left = STR_INIT;
    if (rig_leftovers(r, &left) > 0)
        fail_msg("left behind:\n%s", left.buf);
    loop_free(r->loop);
}

bool rig_has_static_probe(void)
{
    return CUPEL_PROBE_STATIC || getenv("CUPEL_PROBE");
}

bool rig_required(const char *target)
{
    const char *list = getenv("CUPEL_REQUIRE");
    return list && (strcmp(list, "all") == 0 || strstr(list, target));
}

bool rig_unusable(const char *target)
{
    struct rig r;
    if (!rig_has_static_probe() && strcmp(target, "host") != 0) {
        printf("1..0 # SKIP the probe of this build is not static: set CUPEL_PROBE\n");
        return true;
    }
    rig_init(&r);
    bool usable = rig_open(&r, target);
    if (!usable && rig_required(target))
        printf("1..1\nnot ok 1 - %s is required and unusable: %s\n", target, r.info.reason);
    else if (!usable)
        printf("1..0 # SKIP %s: %s\n", target, r.info.reason);
    fflush(stdout);
    rig_release(&r);
    return !usable;
}

/* ---- checks ---- */

void rig_open_or_skip(struct rig *r, const char *target)
{
    if (rig_open(r, target))
        return;
    print_message("# %s: %s\n", target, r->info.reason);
    rig_release(r);
    skip();
}

void rig_check_unusable(const char *target, enum err_kind kind, const char *text)
{
    struct rig r;
    rig_init(&r);
    if (rig_open(&r, target))
        fail_msg("%s is usable: %s", target, r.info.reason);
    if (r.info.why != kind || !strstr(r.info.reason, text))
        fail_msg("%s: %s: '%s', not '%s'", target, err_kind_name(r.info.why), r.info.reason, text);
    rig_release(&r);
}

void rig_check_start_fails(struct rig *r, enum err_kind kind, const char *text, uint64_t limit_ns)
{
    struct session *s = NULL;
    struct err why = ERR_INIT;
    uint64_t begin = time_mono_ns();
    int rc = r->driver->start(&r->site, r->engine, &rig_probe, &s, &why);
    uint64_t took = time_mono_ns() - begin;
    assert_null(s);
    assert_true(rc < 0);
    print_message("# %s\n", why.msg);
    if (why.kind != kind || !strstr(why.msg, text))
        fail_msg("%s: '%s', not '%s'", err_kind_name(why.kind), why.msg, text);
    if (took > limit_ns)
        fail_msg("took %.1f s to fail", (double)took / NS_PER_S);
}

void rig_script(const char *dir, const char *folder, const char *name, const char *body)
{
    char path[256];
    str_format(path, sizeof(path), "%s/%s", dir, folder);
    assert_ok(fs_mkdirs(path, 0700, err));
    str_format(path, sizeof(path), "%s/%s/%s", dir, folder, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\n%s", body);
    assert_int_equal(fchmod(fileno(f), 0755), 0);
    fclose(f);
}

/* ---- times ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof(double), compare);
    return v[n / 2];
}

/* Median round trip of an empty frame. */
static double ping_us(struct session *s)
{
    enum { PINGS = 101 };
    double us[PINGS];
    for (size_t i = 0; i < PINGS; i++) {
        struct frame f;
        frame_init(&f, FRAME_PING, s->nonce, 0);
        assert_ok(session_call(s, &f, FRAME_PONG, time_deadline(20 * NS_PER_S), NULL, err));
        us[i] = (double)session_control_ns(s) / NS_PER_US;
    }
    return median(us, PINGS);
}

void rig_print_times(const char *target)
{
    enum { TIMES = 7 };
    double start_ms[TIMES], stop_ms[TIMES], ping = 0;
    size_t times = getenv("CUPEL_FULL") ? TIMES : 1;
    struct rig r;
    uint64_t opened = time_mono_ns();
    rig_init(&r);
    if (!rig_open(&r, target)) {
        print_message("# %s: %s\n", target, r.info.reason);
        rig_release(&r);
        return;
    }
    opened = time_mono_ns() - opened;
    rig_stop(&r, rig_start(&r)); /* docker's image is imported, podman's database made */
    for (size_t i = 0; i < times; i++) {
        struct session *s = rig_start(&r);
        ping = ping_us(s);
        uint64_t begin = time_mono_ns();
        start_ms[i] = (double)session_launch_ns(s) / NS_PER_MS;
        rig_stop(&r, s);
        stop_ms[i] = (double)(time_mono_ns() - begin) / NS_PER_MS;
    }
    print_message("# %s: opened in %.0f ms, start to hello %.0f ms, empty frame %.0f us, stop "
                  "%.0f ms\n",
                  target, (double)opened / NS_PER_MS, median(start_ms, times), ping,
                  median(stop_ms, times));
    rig_release(&r);
}

/* ---- leftovers ---- */

static void note(struct str *ret, size_t *n, const char *kind, const char *what)
{
    str_addf(ret, "%s %s\n", kind, what);
    (*n)++;
}

static void processes_left(const struct rig *r, struct str *ret, size_t *n)
{
    DIR *d = opendir("/proc");
    struct dirent *de;
    while ((de = readdir(d))) {
        uint64_t pid;
        char cmdline[4096] = "";
        if (parse_u64(de->d_name, 1, INT32_MAX, "pid", &pid, NULL) < 0 || (pid_t)pid == getpid())
            continue;
        proc_cmdline((pid_t)pid, cmdline, sizeof(cmdline));
        if (strstr(cmdline, r->site.run_id) ||
            (r->site.cgroup[0] && proc_in_cgroup((pid_t)pid, r->site.cgroup)))
            note(ret, n, "process", cmdline);
    }
    closedir(d);
}

static void names_left(const char *dir, const char *needle, struct str *ret, size_t *n)
{
    DIR *d = opendir(dir);
    struct dirent *de;
    while (d && (de = readdir(d)))
        if (strstr(de->d_name, needle)) {
            char path[512];
            str_format(path, sizeof(path), "%s/%s", dir, de->d_name);
            note(ret, n, "file", path);
        }
    if (d)
        closedir(d);
}

size_t rig_leftovers(const struct rig *r, struct str *ret)
{
    static const char *const places[] = {
        "/tmp",      "/run",           "/var/run/runsc", "/run/runc",
        "/run/crun", "/var/lib/cupel", "/run/netns",     "/sys/kernel/tracing/instances"};
    size_t n = 0;
    processes_left(r, ret, &n);
    const struct cgroups *c = &r->machine.cgroups;
    if (r->site.cgroup[0] && cgroup_exists(c, r->site.cgroup))
        note(ret, &n, "cgroup", r->site.cgroup);
    _cleanup_(str_release) struct str mounts = STR_INIT;
    file_read("/proc/self/mountinfo", 1 << 20, &mounts, NULL);
    if (strstr(mounts.buf, r->site.run_id))
        note(ret, &n, "mount", r->site.run_id);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        names_left(places[i], r->site.run_id, ret, &n);
    return n;
}

size_t rig_fds(void)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

/* ---- sessions ---- */

struct session *rig_start(struct rig *r)
{
    struct session *s = NULL;
    assert_ok(r->driver->start(&r->site, r->engine, &rig_probe, &s, err));
    assert_non_null(s);
    return s;
}

void rig_stop(struct rig *r, struct session *s)
{
    char dir[160], group[CGROUP_PATH_MAX + 8];
    struct stat st;
    str_format(dir, sizeof(dir), "%s/%04u", r->site.dir, s->number);
    str_format(group, sizeof(group), "%s/s%04u", r->site.cgroup, s->number);
    assert_int_equal(stat(dir, &st), 0);
    if (r->site.cgroup[0])
        assert_true(cgroup_exists(&r->machine.cgroups, group));
    assert_ok(session_stop(s, ENDING_BYE, NULL, err));
    assert_int_equal(stat(dir, &st), -1);
    if (r->site.cgroup[0])
        assert_false(cgroup_exists(&r->machine.cgroups, group));
}

void rig_prepare(struct session *s, const char *workload, unsigned workers, const char *param,
                 int64_t value)
{
    struct frame f;
    frame_init(&f, FRAME_PREPARE, s->nonce, 0);
    str_copy(f.prepare.workload, sizeof(f.prepare.workload), workload);
    f.prepare.workers = workers;
    if (param)
        facts_add_num(&f.prepare.params, param, value);
    assert_ok(session_call(s, &f, FRAME_READY, time_deadline(30 * NS_PER_S), NULL, err));
}

struct frame_sliced rig_slice(struct session *s, uint64_t ops)
{
    struct frame f;
    const struct frame *answer;
    frame_init(&f, FRAME_SLICE, s->nonce, 0);
    f.slice.ops = ops;
    assert_ok(session_call(s, &f, FRAME_SLICED, time_deadline(60 * NS_PER_S), &answer, err));
    return answer->sliced;
}

void rig_finish(struct session *s)
{
    struct frame f;
    const struct frame *answer;
    frame_init(&f, FRAME_FINISH, s->nonce, 0);
    assert_ok(session_call(s, &f, FRAME_FINISHED, time_deadline(30 * NS_PER_S), &answer, err));
    assert_true(answer->finished.verified);
}
