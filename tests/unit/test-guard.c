#include "host/guard.h"

#include "base/fd.h"
#include "base/time.h"
#include "host/proc.h"
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define LONG_NS (20 * NS_PER_S) /* no machine is so busy */

static struct cgroups here;
static char group[64], second[64]; /* "": not made */

static bool groups(void)
{
    const struct cgroup_limits bounded = {.pids = 64};
    if (geteuid() != 0) {
        print_message("# skipped: control groups need root\n");
        return false;
    }
    assert_ok(cgroups_detect(&here, err));
    if (here.n_trees == 0) {
        print_message("# skipped: no control groups are mounted here\n");
        return false;
    }
    str_format(group, sizeof(group), "/cupel-test-guard-%d", (int)getpid());
    str_format(second, sizeof(second), "/cupel-test-guard2-%d", (int)getpid());
    struct err why = ERR_INIT;
    if (cgroup_make(&here, group, &why) < 0) {
        group[0] = second[0] = '\0';
        if (why.code == EROFS || why.code == EPERM || why.code == EACCES) {
            print_message("# skipped: %s\n", why.msg);
            return false;
        }
        fail_msg("%s", why.msg);
    }
    assert_ok(cgroup_make(&here, second, err));
    assert_ok(cgroup_set_limits(&here, group, &bounded, err));
    /* What the processes leave behind that are killed falls to us, not to the machine. */
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    return true;
}

static void reap(void *user)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

/* True: it came to its end before the deadline. */
static bool ends_by(pid_t pid, uint64_t deadline_ns)
{
    _cleanup_fd_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n;
    if (fd < 0)
        return errno == ESRCH;
    do
        n = poll(&p, 1, time_left_ms(deadline_ns));
    while (n < 0 && errno == EINTR);
    return n == 1;
}

static void await_gone(pid_t pid)
{
    if (!ends_by(pid, time_deadline(LONG_NS)))
        fail_msg("process %d does not end", (int)pid);
}

static pid_t first_child(void)
{
    char line[1024] = "";
    reap(NULL);
    (void)file_read_line("/proc/thread-self/children", line, sizeof(line));
    return (pid_t)strtol(line, NULL, 10);
}

/* Guards and controllers. They end by themselves: one that does not is a failure, but no process of
 * a test that failed outlives it. */
static void end_children(void)
{
    uint64_t deadline = time_deadline(LONG_NS);
    int survivors = 0;
    for (pid_t pid; (pid = first_child()) > 0;) {
        if (ends_by(pid, deadline))
            continue;
        survivors++;
        kill(pid, SIGKILL);
        await_gone(pid);
    }
    assert_int_equal(survivors, 0);
}

/* After every test, whatever became of it. */
static int finish(void **state)
{
    const char *const both[] = {group, second};
    for (size_t i = 0; i < 2 && *both[i]; i++) {
        assert_ok(cgroup_kill(&here, both[i], time_deadline(LONG_NS), reap, NULL, err));
        assert_ok(cgroup_remove(&here, both[i], err));
        assert_false(cgroup_exists(&here, both[i]));
    }
    group[0] = second[0] = '\0';
    end_children();
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
    return 0;
}

static size_t alive_in(const char *path)
{
    struct pid_list l = {NULL, 0, 0};
    size_t n = 0;
    assert_ok(cgroup_pids(&here, path, &l, err));
    for (size_t i = 0; i < l.n; i++)
        n += proc_alive(l.v[i]);
    pid_list_release(&l);
    return n;
}

/* How long it took in ms; fails if it never came to that. */
static int await_empty(const char *path)
{
    uint64_t start = time_mono_ns();
    while (alive_in(path) > 0) {
        assert_true(time_mono_ns() < start + LONG_NS);
        reap(NULL);
        poll(NULL, 0, 5);
    }
    return (int)((time_mono_ns() - start) / NS_PER_MS);
}

/* In the child: a failure must not look like the test's own end. */
static void enter(const char *path)
{
    int fds[CGROUP_TREES];
    int n = cgroup_open_join(&here, path, fds, CGROUP_TREES, NULL);
    if (n <= 0)
        _exit(3);
    for (int i = 0; i < n; i++)
        if (write(fds[i], "0", 1) != 1)
            _exit(4);
}

/* Whole and in time, or not at all. */
static bool hear(int fd, void *dst, size_t size)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, (int)(LONG_NS / NS_PER_MS)) == 1 && read(fd, dst, size) == (ssize_t)size;
}

/* -1: it is not there. It asserts nothing, since a controller calls it, too. */
static pid_t start_in(const char *path, void (*work)(void))
{
    int ready[2];
    char byte;
    if (fd_pipe(ready, NULL) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        enter(path);
        if (write(ready[1], "", 1) != 1)
            _exit(5);
        work();
        _exit(0);
    }
    close(ready[1]);
    bool there = hear(ready[0], &byte, 1);
    close(ready[0]);
    return there ? pid : -1;
}

static void wait_for_ever(void)
{
    for (;;)
        pause();
}

static void fork_bomb(void)
{
    for (;;)
        if (fork() < 0 && errno == EAGAIN)
            sched_yield();
}

/* A controller with a fork bomb in one group and a sleeper in the other, and a guard for each. It
 * sends the pids of its guards. */
static pid_t start_controller(int to)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct guard *g[2];
    pid_t guards[2];
    if (start_in(group, fork_bomb) < 0 || start_in(second, wait_for_ever) < 0)
        _exit(8);
    if (guard_new(&here, group, UINT64_MAX, &g[0], NULL) < 0 ||
        guard_new(&here, second, time_deadline(3600 * NS_PER_S), &g[1], NULL) < 0)
        _exit(6);
    for (int i = 0; i < 2; i++)
        guards[i] = guard_pid(g[i]);
    if (write(to, guards, sizeof(guards)) != (ssize_t)sizeof(guards))
        _exit(7);
    wait_for_ever();
    _exit(0);
}

static void test_controller_is_killed(void **state)
{
    int pipe_fds[2];
    pid_t guards[2];
    char comm[32];
    if (!groups())
        skip();
    assert_ok(fd_pipe(pipe_fds, err));
    pid_t controller = start_controller(pipe_fds[1]);
    close(pipe_fds[1]);
    assert_true(hear(pipe_fds[0], guards, sizeof(guards)));
    close(pipe_fds[0]);
    assert_int_equal(proc_comm(guards[0], comm, sizeof(comm)), 0);
    assert_string_equal(comm, GUARD_NAME);
    poll(NULL, 0, 100); /* the bomb fills its group */
    assert_true(alive_in(group) > 8);
    assert_int_equal(alive_in(second), 1);
    kill(controller, SIGKILL);
    print_message("# fork bomb gone after %d ms\n", await_empty(group));
    await_empty(second); /* the second guard, forked later, does not keep the first one's end */
    await_gone(guards[0]);
    await_gone(guards[1]);
}

static void test_deadline(void **state)
{
    struct guard *g;
    bool killed = false;
    if (!groups())
        skip();
    assert_true(start_in(group, fork_bomb) > 0);
    uint64_t start = time_mono_ns();
    assert_ok(guard_new(&here, group, time_deadline(200 * NS_PER_MS), &g, err));
    await_empty(group);
    assert_true(time_mono_ns() >= start + 200 * NS_PER_MS);
    await_gone(guard_pid(g));
    reap(NULL); /* the guard too, as a loop would */
    assert_ok(guard_end(g, &killed, err));
    assert_true(killed);
    /* In the midst of it: waited for, and nobody is left afterwards. */
    assert_true(start_in(group, fork_bomb) > 0);
    assert_ok(guard_new(&here, group, 0, &g, err));
    assert_ok(guard_end(g, &killed, err));
    if (killed)
        assert_int_equal(alive_in(group), 0);
}

static void test_stands_down(void **state)
{
    struct guard *g;
    bool killed = true;
    if (!groups())
        skip();
    pid_t pid = start_in(group, wait_for_ever);
    assert_true(pid > 0);
    assert_ok(guard_new(&here, group, time_deadline(600 * NS_PER_S), &g, err));
    pid_t guard = guard_pid(g);
    assert_ok(guard_end(g, &killed, err));
    assert_false(killed);
    assert_int_equal(kill(guard, 0), -1); /* reaped */
    assert_int_equal(errno, ESRCH);
    assert_true(proc_alive(pid));
    killed = true;
    assert_ok(guard_end(NULL, &killed, err));
    assert_false(killed);
}

static size_t count_open(pid_t pid)
{
    char path[64];
    size_t n = 0;
    str_format(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *d; (d = readdir(dir));)
        n += d->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void test_is_on_its_own(void **state)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT, SIGUSR1, SIGALRM};
    struct guard *g;
    bool killed = true;
    if (!groups())
        skip();
    int inherited = dup(1); /* not close-on-exec, as from a careless caller */
    assert_ok(guard_new(&here, group, UINT64_MAX, &g, err));
    pid_t guard = guard_pid(g);
    assert_int_equal(count_open(guard), 4); /* 0 to 2, and its end of the socket */
    assert_int_equal(getsid(guard), guard);
    assert_false(proc_in_cgroup(guard, group));
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        assert_int_equal(kill(guard, signals[i]), 0);
    poll(NULL, 0, 20);
    assert_true(proc_alive(guard));
    assert_ok(guard_end(g, &killed, err));
    assert_false(killed);
    close(inherited);
    /* One that somebody has killed guarded nothing, and that is told. */
    assert_ok(guard_new(&here, group, UINT64_MAX, &g, err));
    kill(guard_pid(g), SIGKILL);
    await_gone(guard_pid(g));
    killed = true;
    assert_fails(guard_end(g, &killed, err), ESRCH, "gone before its time");
    assert_false(killed);
}

static void test_refuses(void **state)
{
    struct guard *g = NULL;
    int status;
    if (!groups())
        skip();
    assert_fails(guard_new(&here, "/docker", UINT64_MAX, &g, err), EINVAL, "no control group");
    assert_fails(guard_new(&here, "/cupel-none", UINT64_MAX, &g, err), ENOENT, "there is none");
    pid_t pid = fork();
    if (pid == 0) {
        enter(group);
        _exit(guard_new(&here, group, UINT64_MAX, &g, NULL) == -EDEADLK ? 0 : 1);
    }
    await_gone(pid);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_null(g);
}

#define TEST(f) cmocka_unit_test_teardown(f, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_controller_is_killed), TEST(test_deadline), TEST(test_stands_down),
        TEST(test_is_on_its_own),        TEST(test_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
