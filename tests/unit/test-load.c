/* The aggressors: each does what it is for, counts what it runs into, keeps to its bounds and its
 * time, and leaves neither process nor file nor descriptor behind, however it ends. */
#include "probe/team.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/time.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "unit.h"
#include "site.h"

extern const struct family family_load, family_load_file, family_load_limit;
static const struct family *const families[] = {&family_load, &family_load_file,
                                                &family_load_limit};

#define MIB    (INT64_C(1) << 20)
#define FOR_NS (60 * NS_PER_MS)
/* For what needs memory that a virtual machine may yet have to get. */
#define LONG_NS   (400 * NS_PER_MS)
#define ALL_NAMES 12
/* What one operation may last more than it should, on a machine that does something else too. */
#define LATE_NS (2 * NS_PER_S)

static unsigned entries(const char *dir)
{
    unsigned n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += !str_eq(e->d_name, ".") && !str_eq(e->d_name, "..");
    closedir(d);
    return n;
}

/* In the one directory there. */
static unsigned files_below(const char *dir)
{
    char path[sizeof(((struct dirent *)0)->d_name) + 80] = "";
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.')
            assert_true(str_format(path, sizeof(path), "%s/%s", dir, e->d_name));
    closedir(d);
    return entries(path);
}

/* What an aggressor could leave behind in this process. */
struct traces {
    unsigned descriptors;
    struct rlimit files;
    int reaper;
};

static struct traces traces(void)
{
    struct traces t = {.descriptors = entries("/proc/self/fd")};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &t.files), 0);
    assert_int_equal(prctl(PR_GET_CHILD_SUBREAPER, &t.reaper), 0);
    return t;
}

static void assert_no_traces(const struct traces *before, const char *dir)
{
    struct traces t = traces();
    assert_int_equal(t.descriptors, before->descriptors);
    assert_int_equal(t.files.rlim_cur, before->files.rlim_cur);
    assert_int_equal(t.reaper, before->reaper);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    assert_int_equal(entries(dir), 0);
}

/* ---- asking ---- */

static const struct workload *find(const char *name, const struct family **ret_family)
{
    for (size_t f = 0; f < ARRAY_SIZE(families); f++)
        for (unsigned i = 0; i < families[f]->n; i++)
            if (str_eq(families[f]->list[i].name, name)) {
                *ret_family = families[f];
                return &families[f]->list[i];
            }
    return NULL;
}

/* A parameter of 0 is none. */
static int try_load(const char *name, const char *dir, const char *param, int64_t value,
                    unsigned workers, struct team **ret, struct err *err)
{
    struct frame_prepare p = {.workers = workers};
    const struct family *family = NULL;
    const struct workload *workload = find(name, &family);
    str_copy(p.workload, sizeof(p.workload), name);
    facts_add_text(&p.params, "dir", dir);
    if (param)
        facts_add_num(&p.params, param, value);
    return team_new(family, workload, &p, 0, ret, err);
}

static struct team *load(const char *name, const char *dir, const char *param, int64_t value)
{
    struct team *t = NULL;
    assert_ok(try_load(name, dir, param, value, 1, &t, err));
    return t;
}

static int64_t fact(const struct frame_finished *f, const char *name)
{
    return facts_num(&f->facts, name, -1);
}

/* For a time, then a few operations, then what came of it. */
static void run_load(struct team *t, uint64_t for_ns, uint64_t ops, struct frame_finished *ret)
{
    struct team_slice s = {.ops = 0};
    assert_ok(team_slice_for(t, 1, for_ns, &s, err));
    assert_true(s.ops > 0);
    assert_true(s.ns >= for_ns && s.ns < for_ns + LATE_NS);
    if (ops)
        assert_ok(team_slice(t, ops, 0, NULL, &s, err));
    assert_ok(team_finish(t, ret, err));
    if (!ret->verified)
        fail_msg("%s: %s", team_job(t)->workload->name, ret->detail);
}

/* ---- every one ---- */

static const struct {
    const char *name, *param;
    int64_t value;
    const char *fact; /* that is more than zero; or NULL */
} loads[ALL_NAMES] = {
    {"load.idle", NULL, 0, NULL},
    {"load.cpu", NULL, 0, NULL},
    {"load.memory", "bytes", 4 * MIB, NULL},
    {"load.cache", "bytes", 3 * MIB, NULL},
    {"load.network", NULL, 0, "datagrams"},
    {"load.pagecache", "bytes", 5 * MIB, "read_bytes"},
    {"load.fsync", NULL, 0, "written_bytes"},
    {"load.files", NULL, 0, "made"},
    {"load.inodes", "most", 500, "made"},
    {"load.forks", "most", 32, "made"},
    {"load.oom", "bytes", 16 * MIB, "reached"},
    {"load.descriptors", "most", 600, "opened"},
};

static void each_works_and_leaves_nothing(void **state)
{
    const struct site *s = *state;
    unsigned n = 0;
    for (size_t f = 0; f < ARRAY_SIZE(families); f++)
        n += families[f]->n;
    assert_int_equal(n, ARRAY_SIZE(loads));
    for (size_t i = 0; i < ARRAY_SIZE(loads); i++) {
        struct traces before = traces();
        struct frame_finished fin;
        struct team *t = load(loads[i].name, s->dir, loads[i].param, loads[i].value);
        run_load(t, FOR_NS, 7, &fin);
        if (loads[i].fact)
            assert_true(fact(&fin, loads[i].fact) > 0);
        run_load(t, FOR_NS, 1, &fin);
        team_free(t);
        assert_no_traces(&before, s->dir);
    }
}

/* Those that change nothing of the process itself do so by several workers, too. */
static void several_workers(void **state)
{
    const struct site *s = *state;
    for (size_t i = 0; i < ARRAY_SIZE(loads); i++) {
        const struct family *family = NULL;
        struct frame_finished fin;
        struct team *t = NULL;
        find(loads[i].name, &family);
        if (family == &family_load_limit) {
            assert_fails(
                try_load(loads[i].name, s->dir, loads[i].param, loads[i].value, 2, &t, err), EINVAL,
                "one worker");
            continue;
        }
        assert_ok(try_load(loads[i].name, s->dir, loads[i].param, loads[i].value, 2, &t, err));
        run_load(t, FOR_NS, 1, &fin);
        team_free(t);
    }
    assert_int_equal(entries(s->dir), 0);
}

static const struct {
    const char *workload, *name;
    int64_t value;
} bad_params[] = {
    {"load.memory", "bytes", MIB - 1},
    {"load.memory", "bytes", 4096 * MIB + 1},
    {"load.cache", "bytes", 0},
    {"load.cache", "bytes", INT64_MAX},
    {"load.pagecache", "bytes", MIB - 1},
    {"load.inodes", "most", 0},
    {"load.inodes", "most", INT64_MAX},
    {"load.forks", "most", 0},
    {"load.forks", "most", 32769},
    {"load.oom", "bytes", 0},
    {"load.oom", "bytes", INT64_MAX},
    {"load.descriptors", "most", -1},
    {"load.descriptors", "most", INT64_MAX},
};

static void bad_parameters_are_refused(void **state)
{
    const struct site *s = *state;
    struct traces before = traces();
    for (size_t i = 0; i < ARRAY_SIZE(bad_params); i++) {
        struct team *t = NULL;
        assert_fails(try_load(bad_params[i].workload, s->dir, bad_params[i].name,
                              bad_params[i].value, 1, &t, err),
                     EINVAL, bad_params[i].name);
    }
    struct team *t = NULL;
    assert_fails(try_load("load.files", "relative", NULL, 0, 1, &t, err), EINVAL, "absolute");
    assert_fails(try_load("load.inodes", "/nonexistent-directory", NULL, 0, 1, &t, err), ENOENT,
                 "nonexistent");
    assert_no_traces(&before, s->dir);
}

/* ---- bounds ---- */

static void bounds_are_kept(void **state)
{
    const struct site *s = *state;
    struct frame_finished fin;
    struct team *t = load("load.forks", s->dir, "most", 8);
    run_load(t, LONG_NS, 0, &fin);
    assert_in_range(fact(&fin, "made"), fin.ops, 8 * fin.ops);
    assert_int_equal(fact(&fin, "refused"), 0);
    assert_true(fact(&fin, "capped") > 0);
    team_free(t);

    t = load("load.oom", s->dir, "bytes", 16 * MIB);
    run_load(t, LONG_NS, 0, &fin);
    assert_int_equal(fact(&fin, "touched_bytes"), 16 * MIB);
    assert_int_equal(fact(&fin, "killed"), 0);
    assert_int_equal(fact(&fin, "refused"), 0);
    team_free(t);

    t = load("load.descriptors", s->dir, "most", 100);
    run_load(t, FOR_NS, 1, &fin);
    assert_true(entries("/proc/self/fd") < 120);
    assert_true(fact(&fin, "opened") > 100);
    assert_int_equal(fact(&fin, "refused"), 0);
    team_free(t);

    t = load("load.inodes", s->dir, "most", 10);
    run_load(t, LONG_NS, 1, &fin);
    assert_in_range(files_below(s->dir), 0, 10);
    assert_true(fact(&fin, "made") > 10);
    team_free(t);
    assert_int_equal(entries(s->dir), 0);
}

/* ---- in a process of its own, as it changes what that may do ---- */

/* What became of `work` there: true if it said so. */
static bool apart(bool (*work)(const char *dir), const char *dir)
{
    int status = -1;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(work(dir) ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status == 0;
}

/* One workload there, for a while, with its facts; false if anything failed. */
static bool run_apart(const char *name, const char *dir, const char *param, int64_t value,
                      struct frame_finished *ret)
{
    struct err err = ERR_INIT;
    struct team *t = NULL;
    struct team_slice slice;
    bool ok = try_load(name, dir, param, value, 1, &t, &err) == 0 &&
              team_slice_for(t, 1, LONG_NS, &slice, &err) == 0 && team_finish(t, ret, &err) == 0 &&
              ret->verified;
    team_free(t);
    if (!ok)
        fprintf(stderr, "%s: %s\n", name, err.msg);
    return ok && waitpid(-1, NULL, WNOHANG) < 0;
}

static bool with_few_descriptors(const char *dir)
{
    const struct rlimit few = {64, 200};
    struct frame_finished fin;
    return setrlimit(RLIMIT_NOFILE, &few) == 0 &&
           run_apart("load.descriptors", dir, NULL, 0, &fin) && fact(&fin, "refused") > 0 &&
           fact(&fin, "opened") > 150; /* past the soft limit */
}

/* 64 MiB more than it has mapped anyway. */
static bool with_little_memory(const char *dir)
{
    char line[128];
    struct frame_finished fin;
    if (file_read_line("/proc/self/statm", line, sizeof(line)) < 0)
        return false;
    rlim_t bytes = (rlim_t)strtoull(line, NULL, 10) * 4096 + 64 * (rlim_t)MIB;
    const struct rlimit little = {bytes, bytes};
    return setrlimit(RLIMIT_AS, &little) == 0 && run_apart("load.oom", dir, NULL, 0, &fin) &&
           fact(&fin, "refused") > 0 && fact(&fin, "touched_bytes") > 16 * MIB;
}

static void what_is_refused_is_counted(void **state)
{
    const struct site *s = *state;
    assert_true(apart(with_few_descriptors, s->dir));
#ifndef __SANITIZE_ADDRESS__
    assert_true(apart(with_little_memory, s->dir));
#endif
}

static bool without_processes(const char *dir)
{
    const struct rlimit few = {12, 12};
    struct frame_finished fin;
    /* A number nobody else has: the limit counts all processes of a user. */
    return setrlimit(RLIMIT_NPROC, &few) == 0 && setgid(1910753) == 0 && setuid(1910753) == 0 &&
           run_apart("load.forks", dir, NULL, 0, &fin) && fact(&fin, "refused") > 0 &&
           fact(&fin, "made") > 3;
}

static bool without_room(const char *dir)
{
    struct frame_finished fin;
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", dir, "tmpfs", 0, "size=2m,nr_inodes=100") == 0 &&
           run_apart("load.inodes", dir, NULL, 0, &fin) && fact(&fin, "refused") > 0 &&
           fact(&fin, "made") > 90 && run_apart("load.pagecache", dir, NULL, 0, &fin) &&
           fact(&fin, "refused") > 0 && fact(&fin, "written_bytes") > MIB &&
           run_apart("load.fsync", dir, NULL, 0, &fin) && fact(&fin, "refused") > 0;
}

static bool without_network(const char *dir)
{
    struct err err = ERR_INIT;
    struct team *t = NULL;
    return unshare(CLONE_NEWNET) == 0 &&
           try_load("load.network", dir, NULL, 0, 1, &t, &err) == -ENOTSUP &&
           err.kind == ERR_UNSUPPORTED && strstr(err.msg, "no loopback network here");
}

static void where_there_is_nothing(void **state)
{
    const struct site *s = *state;
    if (geteuid() != 0) {
        print_message("# skipped: needs root\n");
        skip();
    }
    assert_true(apart(without_processes, s->dir));
    assert_true(apart(without_room, s->dir));
    assert_true(apart(without_network, s->dir));
}

/* ---- when the probe is killed ---- */

static bool for_ever(const char *name, const char *param, int64_t value)
{
    struct err err = ERR_INIT;
    struct team *t = NULL;
    struct team_slice slice;
    return try_load(name, "/tmp", param, value, 1, &t, &err) == 0 &&
           team_slice_for(t, 1, 60 * NS_PER_S, &slice, &err) == 0;
}

/* All that was forked goes with it. This process is the one they would fall to. */
static void dies_with_the_probe(const char *name, const char *param, int64_t value)
{
    int reaper = 0;
    assert_int_equal(prctl(PR_GET_CHILD_SUBREAPER, &reaper), 0);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(for_ever(name, param, value) ? 0 : 1);
    nanosleep(&(struct timespec){.tv_nsec = 130 * (long)NS_PER_MS}, NULL);
    assert_int_equal(kill(pid, SIGKILL), 0);
    uint64_t deadline = time_deadline(LATE_NS);
    pid_t r;
    while ((r = waitpid(-1, NULL, WNOHANG)) >= 0 && time_mono_ns() < deadline)
        if (r == 0)
            nanosleep(&(struct timespec){.tv_nsec = (long)NS_PER_MS}, NULL);
    assert_int_equal(r, -1);
    assert_int_equal(errno, ECHILD);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, reaper), 0);
}

static void children_die_with_the_probe(void **state)
{
    dies_with_the_probe("load.forks", "most", 32);
    dies_with_the_probe("load.oom", "bytes", 64 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_works_and_leaves_nothing, site_make, site_remove),
        cmocka_unit_test_setup_teardown(several_workers, site_make, site_remove),
        cmocka_unit_test_setup_teardown(bad_parameters_are_refused, site_make, site_remove),
        cmocka_unit_test_setup_teardown(bounds_are_kept, site_make, site_remove),
        cmocka_unit_test_setup_teardown(what_is_refused_is_counted, site_make, site_remove),
        cmocka_unit_test_setup_teardown(where_there_is_nothing, site_make, site_remove),
        cmocka_unit_test(children_die_with_the_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
