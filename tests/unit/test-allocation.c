/* A job's control groups of version 2 as the root of all others, in the kernel's own hierarchy: a
 * mount namespace in which nothing of version 1 is to be seen, and in it the groups that Slurm
 * makes for a step. Where the kernel has its controllers elsewhere, the groups confine nothing, but
 * hold processes all the same. */
#include "unit.h"

#include "base/fd.h"
#include "host/allocation.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define ROOT "/sys/fs/cgroup"

/* As in Slurm's plugin cgroup/v2, but for the first, which is the test's own. */
static char parts[4][40] = {"", "job_7", "step_batch", "user"};
static char scope[64], task[200];

static void write_in(const char *dir, const char *file, const char *text)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, file);
    assert_ok(file_write(path, text, err));
}

static char *read_in(const char *dir, const char *file)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, file);
    struct str text = STR_INIT;
    assert_ok(file_read(path, 65536, &text, err));
    return str_take(&text);
}

static void only_version_2(void)
{
    assert_int_equal(unshare(CLONE_NEWNS), 0);
    assert_int_equal(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL), 0);
    while (umount2(ROOT, MNT_DETACH) == 0)
        ;
    assert_int_equal(mount("cgroup2", ROOT, "cgroup2", 0, NULL), 0);
}

static bool has_controllers(void)
{
    _cleanup_free_ char *text = read_in(ROOT, "cgroup.controllers");
    return strstr(text, "memory") != NULL;
}

/* Each hands down to the one below, and 200 MB are the job's. */
static void make_job(void)
{
    char path[200] = ROOT;
    bool limits = has_controllers();

    for (size_t i = 0; i < ARRAY_SIZE(parts) + 1; i++) {
        if (limits)
            write_in(path, "cgroup.subtree_control", "+memory +pids");
        size_t n = strlen(path);
        str_format(path + n, sizeof(path) - n, "/%s", i < ARRAY_SIZE(parts) ? parts[i] : "task_0");
        assert_int_equal(mkdir(path, 0755), 0);
        if (i == 0)
            str_copy(scope, sizeof(scope), path);
        if (i == 1 && limits)
            write_in(path, "memory.max", "200M");
    }
    str_copy(task, sizeof(task), path);
}

static void remove_job(void)
{
    char path[200];

    str_copy(path, sizeof(path), task);
    while (strlen(path) >= strlen(scope)) {
        assert_int_equal(rmdir(path), 0);
        *strrchr(path, '/') = '\0';
    }
}

static void expect_own(const char *group)
{
    _cleanup_free_ char *text = read_in("/proc/self", "cgroup");
    const char *at = strstr(text, "0::");
    assert_non_null(at);
    assert_int_equal(strncmp(at + 3, group, strlen(group)), 0);
    assert_int_equal(at[3 + strlen(group)], '\n');
}

/* In the job: what it makes lies below the job's group, which holds it. Leaves by _exit: killed, or
 * in order. */
static void work_in_job(bool killed)
{
    const struct cgroup_limits limits = {.pids = 50};
    struct cgroup_limits got = {0};
    struct cgroups c;
    _cleanup_fd_ int outside = open(task, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    write_in(task, "cgroup.procs", "0");
    setenv("SLURM_JOB_ID", "7", 1);
    assert_int_equal(allocation_enter(NULL), 1);
    _cleanup_free_ char *own = xasprintf("=%s", task + strlen(ROOT));
    assert_non_null(strstr(allocation_of_self(), own));
    expect_own("/cupel-job");
    assert_ok(cgroups_detect(&c, err));
    assert_int_equal(c.mode, CGROUP_V2);
    _cleanup_free_ char *procs = read_in(ROOT, "cgroup.procs");
    assert_string_equal(procs, "");
    assert_ok(cgroup_make(&c, "/cupel-0badcafe", err));
    assert_int_equal(faccessat(outside, "cupel-0badcafe", F_OK, 0), 0);
    if (c.trees[0].controllers[0]) {
        assert_ok(cgroup_set_limits(&c, "/cupel-0badcafe", &limits, err));
        assert_ok(cgroup_read_limits(&c, "/cupel-0badcafe", &got, err));
        assert_int_equal(got.pids, 50);
    }
    if (killed)
        _exit(0);
    assert_ok(cgroup_remove(&c, "/cupel-0badcafe", err));
    allocation_leave();
    expect_own("/");
    assert_int_not_equal(faccessat(outside, "cupel-job", F_OK, 0), 0);
    _exit(0);
}

static void in_child(void (*work)(bool), bool arg)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        work(arg);
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void in_order_and_killed(bool unused)
{
    _cleanup_free_ char *list = NULL;
    struct cgroups c;

    only_version_2();
    make_job();
    in_child(work_in_job, false);
    in_child(work_in_job, true);
    /* From outside, by what the killed one had written down. */
    list = xasprintf("=%s", task + strlen(ROOT));
    assert_ok(cgroups_detect(&c, err));
    assert_ok(allocation_look_into(&c, list, err));
    assert_true(cgroup_exists(&c, "/cupel-0badcafe"));
    assert_ok(cgroup_remove(&c, "/cupel-0badcafe", err));
    allocation_left(&c);
    remove_job();
    _exit(0);
}

static void test_version_2(void **state)
{
    if (geteuid() != 0)
        skip();
    str_format(parts[0], sizeof(parts[0]), "cupel-test-%d.scope", (int)getpid());
    in_child(in_order_and_killed, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_version_2)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
