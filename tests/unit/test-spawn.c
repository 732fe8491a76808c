#include "unit.h"

#include "base/fd.h"
#include "base/spawn.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int set_up(void **state)
{
    struct loop *l = NULL;
    int r = loop_new(&l, NULL);
    *state = l;
    return r;
}

static int tear_down(void **state)
{
    loop_free(*state);
    return 0;
}

#define SHELL(script) ((const char *const[]){"/bin/sh", "-c", script, NULL})
#define SPEC(args)                                                                                 \
    {                                                                                              \
        .argv = (args), .fd_in = -1, .fd_out = -1, .fd_err = -1                                    \
    }
#define SOON time_deadline(10 * NS_PER_S)

/* Runs the script to its end and compares what it printed. */
static void prints(struct loop *l, const struct spawn_spec *spec, const char *want)
{
    struct spawn_result res;
    assert_ok(spawn_run(l, spec, SOON, 65536, &res, err));
    assert_ok(spawn_check(spec, &res, err));
    assert_string_equal(res.out.buf, want);
    spawn_result_release(&res);
}

static void output_and_status(void **state)
{
    struct spawn_spec spec =
        SPEC(SHELL("echo out; echo first >&2; printf 'last\\n\\n' >&2; exit 4"));
    struct spawn_result res;
    assert_ok(spawn_run(*state, &spec, SOON, 100, &res, err));
    assert_string_equal(res.out.buf, "out\n");
    assert_string_equal(res.err.buf, "first\nlast\n\n");
    assert_int_equal(WEXITSTATUS(res.wait_status), 4);
    assert_false(res.out_cut);
    assert_true(res.usage.ru_maxrss > 0);
    assert_fails(spawn_check(&spec, &res, err), EIO, "sh -c: exit 4: last");
    spec.what = "make tea";
    assert_fails(spawn_check(&spec, &res, err), EIO, "make tea: exit 4: last");
    spawn_result_release(&res);
    struct spawn_spec dies = SPEC(SHELL("kill -9 $$"));
    assert_ok(spawn_run(*state, &dies, SOON, 100, &res, err));
    assert_fails(spawn_check(&dies, &res, err), EIO, "killed by signal 9");
    spawn_result_release(&res);
}

static void simple_form(void **state)
{
    _cleanup_(str_release) struct str out = STR_INIT;
    assert_ok(spawn_simple(*state, SHELL("echo a"), SOON, &out, err));
    assert_string_equal(out.buf, "a\n");
    assert_ok(spawn_simple(*state, SHELL("echo a"), SOON, NULL, err));
    assert_fails(spawn_simple(*state, SHELL("echo no >&2; false"), SOON, &out, err), EIO,
                 "exit 1: no");
    assert_string_equal(out.buf, "a\n");
}

static void output_is_bounded(void **state)
{
    struct spawn_spec spec =
        SPEC(SHELL("yes | head -c 500000; yes z | head -c 500000 >&2; printf END >&2"));
    struct spawn_result res;
    assert_ok(spawn_run(*state, &spec, SOON, 1000, &res, err));
    assert_int_equal(res.out.len, 1000);
    assert_true(res.out_cut);
    assert_int_equal(res.err.len, 4096);
    assert_true(str_ends(res.err.buf, "z\nEND"));
    assert_int_equal(res.wait_status, 0);
    spawn_result_release(&res);
}

static void failing_steps_are_named(void **state)
{
    pid_t pid = -7;
    struct spawn_spec spec = SPEC(((const char *const[]){"/nonexistent/runc", NULL}));
    assert_fails(spawn(&spec, &pid, err), ENOENT, "execute /nonexistent/runc: No such file");
    spec.argv = (const char *const[]){"/etc/passwd", NULL};
    assert_fails(spawn(&spec, &pid, err), EACCES, "execute /etc/passwd: Permission denied");
    struct spawn_spec cwd = SPEC(SHELL("true"));
    cwd.cwd = "/nonexistent";
    assert_fails(spawn(&cwd, &pid, err), ENOENT, "start /bin/sh: enter folder: No such");
    struct spawn_spec ns = SPEC(SHELL("true"));
    ns.ns_fds[0] = STDIN_FILENO;
    ns.n_ns = 1;
    assert_fails(spawn(&ns, &pid, err), EINVAL, "enter namespace");
    struct spawn_spec join = SPEC(SHELL("true"));
    join.join_fds[0] = open("/dev/full", O_WRONLY | O_CLOEXEC);
    join.n_join = 1;
    assert_fails(spawn(&join, &pid, err), ENOSPC, "start /bin/sh: join cgroup: No space left");
    close(join.join_fds[0]);
    cpu_set_t nowhere;
    CPU_ZERO(&nowhere);
    struct spawn_spec cpus = SPEC(SHELL("true"));
    cpus.cpus = &nowhere;
    assert_fails(spawn(&cpus, &pid, err), EINVAL, "set CPUs");
    struct spawn_spec fds = SPEC(SHELL("true"));
    fds.fd_out = 998;
    assert_fails(spawn(&fds, &pid, err), EBADF, "start /bin/sh: redirect: Bad file descriptor");
    struct spawn_spec many = SPEC(SHELL("true"));
    many.n_join = SPAWN_MAX_JOIN + 1;
    assert_fails(spawn(&many, &pid, err), E2BIG, "too many");
    assert_int_equal(pid, -7);
    struct spawn_result res; /* releasable after a failed start */
    spec.argv = (const char *const[]){"/nonexistent/x", NULL};
    assert_fails(spawn_run(*state, &spec, SOON, 10, &res, err), ENOENT, "execute");
    spawn_result_release(&res);
}

static void joins_before_it_executes(void **state)
{
    char path[] = "/tmp/cupel-test-spawn-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    struct spawn_spec spec = SPEC(((const char *const[]){"/bin/cat", path, NULL}));
    spec.join_fds[0] = fd;
    spec.n_join = 1;
    prints(*state, &spec, "0");
    close(fd);
    unlink(path);
}

static void deadline_kills(void **state)
{
    struct spawn_spec spec = SPEC(SHELL("echo $$; echo stuck >&2; exec sleep 100"));
    struct spawn_result res;
    uint64_t t = time_mono_ns();
    assert_fails(spawn_run(*state, &spec, time_deadline(200 * NS_PER_MS), 100, &res, err),
                 ETIMEDOUT, "sh -c: timed out: stuck");
    assert_in_range(time_mono_ns() - t, 200 * NS_PER_MS, 5 * NS_PER_S);
    int64_t pid;
    assert_ok(parse_i64(str_strip(res.out.buf), 2, INT32_MAX, "pid", &pid, err));
    assert_int_equal(kill((pid_t)pid, 0), -1); /* dead and reaped */
    assert_int_equal(WTERMSIG(res.wait_status), SIGKILL);
    spawn_result_release(&res);
}

static void interrupt_kills(void **state)
{
    assert_ok(loop_catch_interrupts(*state, err));
    struct spawn_spec spec = SPEC(SHELL("kill -INT $PPID; echo $$; exec sleep 100"));
    struct spawn_result res;
    assert_fails(spawn_run(*state, &spec, SOON, 100, &res, err), EINTR, "interrupted");
    assert_int_equal(WTERMSIG(res.wait_status), SIGKILL);
    spawn_result_release(&res);
    loop_clear_interrupt(*state);
    struct spawn_spec after = SPEC(SHELL("echo ok"));
    prints(*state, &after, "ok\n");
}

static void grandchildren_do_not_hold_us(void **state)
{
    struct spawn_spec spec = SPEC(SHELL("sleep 3 & echo started; yes >&2 & sleep 0.1; echo $!"));
    struct spawn_result res;
    uint64_t t = time_mono_ns();
    assert_ok(spawn_run(*state, &spec, SOON, 100, &res, err));
    assert_true(time_mono_ns() - t < 2 * NS_PER_S);
    assert_true(str_starts(res.out.buf, "started\n"));
    int64_t flood; /* the pipe is gone, so it has been or will be killed by SIGPIPE */
    assert_ok(parse_i64(str_strip(res.out.buf + 8), 2, INT32_MAX, "pid", &flood, err));
    spawn_result_release(&res);
    for (int i = 0; i < 2000 && kill((pid_t)flood, 0) == 0; i++)
        loop_run_until(*state, NULL, time_deadline(NS_PER_MS), NULL);
    assert_int_equal(kill((pid_t)flood, 0), -1);
}

static void child_starts_clean(void **state)
{
    sigset_t some, before;
    sigemptyset(&some);
    sigaddset(&some, SIGUSR1);
    sigprocmask(SIG_BLOCK, &some, &before);
    void (*old)(int) = signal(SIGPIPE, SIG_IGN);
    int leak =
        open("/dev/null", O_RDONLY); /* not close-on-exec, as inherited from a careless shell */
    struct spawn_spec sig = SPEC(SHELL("sed -nE '/^Sig(Blk|Ign|Cgt)/p' /proc/self/status"));
    prints(*state, &sig,
           "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n");
    /* What ls sees: 0, 1, 2 and the directory it reads. */
    struct spawn_spec fds = SPEC(((const char *const[]){"/bin/ls", "/proc/self/fd", NULL}));
    prints(*state, &fds, "0\n1\n2\n3\n");
    close(leak);
    signal(SIGPIPE, old);
    sigprocmask(SIG_SETMASK, &before, NULL);
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now); /* and ours is as it was */
    assert_true(sigismember(&now, SIGCHLD));
    assert_false(sigismember(&now, SIGTERM));
}

static void places(void **state)
{
    struct spawn_spec cwd = SPEC(SHELL("pwd"));
    cwd.cwd = "/usr";
    prints(*state, &cwd, "/usr\n");
    struct spawn_spec env = SPEC(((const char *const[]){"/usr/bin/env", NULL}));
    env.env = (const char *const[]){"A=b", NULL};
    prints(*state, &env, "A=b\n");
    struct spawn_spec session =
        SPEC(SHELL("set -- $(cat /proc/self/stat); test $6 = $$ && echo own"));
    session.new_session = true;
    prints(*state, &session, "own\n");
    cpu_set_t all, one;
    assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
    int first = 0;
    while (!CPU_ISSET(first, &all))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    struct spawn_spec cpus = SPEC(SHELL("grep Cpus_allowed_list /proc/self/status"));
    cpus.cpus = &one;
    char want[64];
    str_format(want, sizeof(want), "Cpus_allowed_list:\t%d\n", first);
    prints(*state, &cpus, want);
}

static void descriptors_in_any_order(void **state)
{
    int in[2], out[2];
    assert_ok(fd_pipe(in, err));
    assert_ok(fd_pipe(out, err));
    /* With 0 and 1 of ours as the child's other way round, placing one must not lose the other. */
    int saved0 = fcntl(0, F_DUPFD_CLOEXEC, 10), saved1 = fcntl(1, F_DUPFD_CLOEXEC, 10);
    dup2(out[1], 0);
    dup2(in[0], 1);
    struct spawn_spec spec = {
        .argv = ((const char *const[]){"/bin/cat", NULL}), .fd_in = 1, .fd_out = 0, .fd_err = -1};
    pid_t pid;
    int r = spawn(&spec, &pid, NULL);
    dup2(saved0, 0);
    dup2(saved1, 1);
    close(saved0);
    close(saved1);
    fd_close(&in[0]);
    fd_close(&out[1]);
    assert_int_equal(r, 0);
    assert_ok(fd_write_full(in[1], "through", 7, err));
    fd_close(&in[1]);
    _cleanup_(str_release) struct str s = STR_INIT;
    assert_ok(fd_read_all(out[0], 100, &s, err));
    assert_string_equal(s.buf, "through");
    fd_close(&out[0]);
}

/* A middle process starts a sleeper that dies with it, tells its pid and is killed. */
/* Last of all, since it stays: the controller may have more, and its children what they had. */
static void file_limit_is_ours_alone(void **state)
{
    struct rlimit before, now, low;
    char want[32];
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = (struct rlimit){before.rlim_max > 300 ? 300 : before.rlim_max, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    spawn_raise_file_limit();
    spawn_raise_file_limit();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    assert_true(now.rlim_cur == before.rlim_max);
    spawn_file_limit(&now);
    assert_true(now.rlim_cur == low.rlim_cur && now.rlim_max == low.rlim_max);
    const char *const argv[] = {"/bin/sh", "-c", "ulimit -n", NULL};
    struct spawn_spec spec = {.argv = argv, .fd_in = -1, .fd_out = -1, .fd_err = -1};
    str_format(want, sizeof(want), "%llu\n", (unsigned long long)low.rlim_cur);
    prints(*state, &spec, want);
}

static void dies_with_parent(void **state)
{
    int report[2];
    assert_ok(fd_pipe(report, err));
    pid_t middle = fork();
    if (middle == 0) {
        struct spawn_spec spec = SPEC(((const char *const[]){"/bin/sleep", "100", NULL}));
        spec.die_with_parent = true;
        pid_t pid = -1;
        spawn(&spec, &pid, NULL);
        fd_write_full(report[1], &pid, sizeof(pid), NULL);
        for (;;)
            pause();
    }
    pid_t sleeper = -1;
    assert_int_equal(read(report[0], &sleeper, sizeof(sleeper)), sizeof(sleeper));
    assert_true(sleeper > 1);
    close(report[0]);
    close(report[1]);
    assert_int_equal(kill(sleeper, 0), 0);
    kill(middle, SIGKILL);
    for (int i = 0; i < 5000 && kill(sleeper, 0) == 0; i++)
        loop_run_until(*state, NULL, time_deadline(NS_PER_MS), NULL);
    assert_int_equal(kill(sleeper, 0), -1);
}

static void enters_a_mount_namespace(void **state)
{
    if (geteuid() != 0) {
        print_message("skipped: entering a namespace needs root\n");
        skip();
    }
    int holder_in[2], ready[2];
    assert_ok(fd_pipe(holder_in, err));
    assert_ok(fd_pipe(ready, err));
    struct spawn_spec hold = {
        .argv = ((const char *const[]){
            "/usr/bin/unshare", "-m", "/bin/sh", "-c",
            "mount -t tmpfs none /mnt && touch /mnt/cupel-here && echo && read x", NULL}),
        .fd_in = holder_in[0],
        .fd_out = ready[1],
        .fd_err = -1};
    pid_t holder;
    assert_ok(spawn(&hold, &holder, err));
    close(holder_in[0]);
    close(ready[1]);
    char c;
    if (read(ready[0], &c, 1) != 1) {
        close(ready[0]);
        close(holder_in[1]);
        print_message("skipped: no mount namespace can be made here\n");
        skip();
    }
    char path[64];
    str_format(path, sizeof(path), "/proc/%d/ns/mnt", (int)holder);
    struct spawn_spec spec = SPEC(((const char *const[]){"/bin/ls", NULL}));
    spec.cwd = "/mnt"; /* looked up in there */
    spec.ns_fds[0] = open(path, O_RDONLY | O_CLOEXEC);
    spec.n_ns = 1;
    prints(*state, &spec, "cupel-here\n");
    close(spec.ns_fds[0]);
    close(holder_in[1]);
    close(ready[0]);
    assert_int_equal(access("/mnt/cupel-here", F_OK), -1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(output_and_status),        T(simple_form),
        T(output_is_bounded),        T(failing_steps_are_named),
        T(joins_before_it_executes), T(deadline_kills),
        T(interrupt_kills),          T(grandchildren_do_not_hold_us),
        T(child_starts_clean),       T(places),
        T(descriptors_in_any_order), T(dies_with_parent),
        T(enters_a_mount_namespace), T(file_limit_is_ours_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
