#include "unit.h"

#include "base/fd.h"
#include "base/loop.h"
#include "base/spawn.h"
#include "base/time.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

struct fixture {
    struct loop *l;
    int pipe[2];
    int other[2];
    struct loop_source *a, *b;
    unsigned calls_a, calls_b;
    bool done;
    pid_t pid;
    int status;
    unsigned deaths;
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    *state = f;
    return loop_new(&f->l, NULL) < 0 || fd_pipe(f->pipe, NULL) < 0 || fd_pipe(f->other, NULL) < 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    loop_free(f->l);
    for (int i = 0; i < 2; i++) {
        fd_close(&f->pipe[i]);
        fd_close(&f->other[i]);
    }
    free(f);
    return 0;
}

static void on_a(void *user, int fd, uint32_t events)
{
    struct fixture *f = user;
    char c;
    f->calls_a++;
    assert_int_equal(read(fd, &c, 1), 1);
    f->done = true;
}

static void descriptors(void **state)
{
    struct fixture *f = *state;
    assert_ok(loop_add_fd(f->l, f->pipe[0], EPOLLIN, on_a, f, &f->a, err));
    assert_fails(loop_add_fd(f->l, f->pipe[0], EPOLLIN, on_a, f, &f->b, err), EEXIST, "watch");
    assert_fails(loop_add_fd(f->l, 999, EPOLLIN, on_a, f, &f->b, err), EBADF, "descriptor 999");
    assert_fails(loop_run_until(f->l, &f->done, 0, err), ETIMEDOUT, "timed out");
    assert_int_equal(f->calls_a, 0);
    assert_ok(fd_write_full(f->pipe[1], "xyz", 3, err));
    assert_ok(loop_run_until(f->l, &f->done, 0, err)); /* a past deadline still dispatches */
    assert_int_equal(f->calls_a, 1);
    assert_ok(loop_run_until(f->l, &f->done, UINT64_MAX, err)); /* done already: nothing runs */
    assert_int_equal(f->calls_a, 1);
    assert_ok(loop_mod_fd(f->l, f->a, 0, err));
    loop_run_ready(f->l);
    assert_int_equal(f->calls_a, 1);
    assert_ok(loop_mod_fd(f->l, f->a, EPOLLIN, err));
    loop_run_ready(f->l);
    assert_int_equal(f->calls_a, 2);
    loop_remove(f->l, f->a);
    loop_remove(f->l, NULL);
    loop_run_ready(f->l);
    assert_int_equal(f->calls_a, 2);
}

static void deadline_is_kept_in_sleep(void **state)
{
    struct fixture *f = *state;
    uint64_t before = loop_wakeups(f->l), t = time_mono_ns();
    struct err err = ERR_INIT;
    assert_int_equal(loop_run_until(f->l, NULL, t + 50 * NS_PER_MS, &err), -ETIMEDOUT);
    assert_int_equal(err.kind, ERR_TIMEOUT);
    assert_true(time_mono_ns() - t >= 50 * NS_PER_MS);
    assert_in_range(loop_wakeups(f->l) - before, 1, 2); /* it slept rather than polled */
}

static void remove_both(void *user, int fd, uint32_t events)
{
    struct fixture *f = user;
    f->calls_a++;
    loop_remove(f->l, f->a);
    loop_remove(f->l, f->b);
}

static void removal_within_a_batch(void **state)
{
    struct fixture *f = *state;
    assert_ok(loop_add_fd(f->l, f->pipe[0], EPOLLIN, remove_both, f, &f->a, err));
    assert_ok(loop_add_fd(f->l, f->other[0], EPOLLIN, remove_both, f, &f->b, err));
    assert_ok(fd_write_full(f->pipe[1], "x", 1, err));
    assert_ok(fd_write_full(f->other[1], "x", 1, err));
    loop_run_ready(f->l); /* both events are in one batch; the second must not be delivered */
    loop_run_ready(f->l);
    assert_int_equal(f->calls_a, 1);
}

static void inner(void *user, int fd, uint32_t events)
{
    struct fixture *f = user;
    f->calls_b++;
    loop_remove(f->l, f->b);
    f->done = true;
}

static void outer(void *user, int fd, uint32_t events)
{
    struct fixture *f = user;
    f->calls_a++;
    loop_remove(f->l, f->a);
    assert_ok(loop_run_until(f->l, &f->done, time_deadline(NS_PER_S), err));
}

static void nested_runs(void **state)
{
    struct fixture *f = *state;
    assert_ok(loop_add_fd(f->l, f->pipe[0], EPOLLIN, outer, f, &f->a, err));
    assert_ok(loop_add_fd(f->l, f->other[0], EPOLLIN, inner, f, &f->b, err));
    assert_ok(fd_write_full(f->pipe[1], "x", 1, err));
    assert_ok(fd_write_full(f->other[1], "x", 1, err));
    for (int i = 0; i < 3; i++)
        loop_run_ready(f->l);
    assert_int_equal(f->calls_a, 1);
    assert_int_equal(f->calls_b, 1);
}

static void on_death(void *user, pid_t pid, int wait_status, const struct rusage *usage)
{
    struct fixture *f = user;
    f->pid = pid;
    f->status = wait_status;
    f->deaths++;
    f->done = true;
}

static pid_t start_shell(const char *script)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    struct spawn_spec spec = {.argv = argv, .fd_in = -1, .fd_out = -1, .fd_err = -1};
    pid_t pid = -1;
    assert_ok(spawn(&spec, &pid, err));
    return pid;
}

static void watch_before_and_after(void **state)
{
    struct fixture *f = *state;
    pid_t pid = start_shell("exit 3");
    assert_ok(loop_watch_child(f->l, pid, on_death, f, &f->a, err));
    assert_ok(loop_run_until(f->l, &f->done, time_deadline(5 * NS_PER_S), err));
    assert_int_equal(f->pid, pid);
    assert_int_equal(WEXITSTATUS(f->status), 3);
    loop_remove(f->l, f->a);
    assert_fails(loop_watch_child(f->l, pid, on_death, f, &f->a, err), ESRCH, "it is gone");

    /* Reaped before anybody watched: the ring remembers. */
    pid = start_shell("kill -9 $$");
    while (kill(pid, 0) == 0)
        assert_true(loop_run_until(f->l, NULL, time_deadline(NS_PER_MS), NULL) < 0);
    f->done = false;
    assert_ok(loop_watch_child(f->l, pid, on_death, f, &f->a, err));
    assert_int_equal(f->deaths, 1); /* never from within the call */
    assert_ok(loop_run_until(f->l, &f->done, UINT64_MAX, err));
    assert_int_equal(f->deaths, 2);
    assert_int_equal(WTERMSIG(f->status), SIGKILL);
    assert_fails(loop_watch_child(f->l, pid, on_death, f, &f->b, err), ESRCH, "gone"); /* once */
    loop_remove(f->l, f->a);
    assert_fails(loop_watch_child(f->l, 0, on_death, f, &f->b, err), EINVAL, "process 0");
}

/* More than are buried in one turn; nobody is forgotten, though no signal tells of the rest. */
static void many_deaths_at_once(void **state)
{
    struct fixture *f = *state;
    pid_t last = 0;
    for (int i = 0; i < 700; i++) {
        last = fork();
        assert_true(last >= 0);
        if (last == 0)
            _exit(7);
    }
    assert_ok(loop_watch_child(f->l, last, on_death, f, &f->a, err));
    siginfo_t si;
    assert_int_equal(waitid(P_PID, (id_t)last, &si, WEXITED | WNOWAIT), 0);
    assert_ok(loop_run_until(f->l, &f->done, time_deadline(20 * NS_PER_S), err));
    assert_int_equal(WEXITSTATUS(f->status), 7);
    loop_remove(f->l, f->a);
    assert_int_equal(loop_run_until(f->l, NULL, time_deadline(300 * NS_PER_MS), NULL), -ETIMEDOUT);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* none is left */
}

static void watches_may_be_dropped(void **state)
{
    struct fixture *f = *state;
    pid_t pid = start_shell("exit 0");
    assert_ok(loop_watch_child(f->l, pid, on_death, f, &f->a, err));
    loop_remove(f->l, f->a);
    while (kill(pid, 0) == 0)
        assert_true(loop_run_until(f->l, NULL, time_deadline(NS_PER_MS), NULL) < 0);
    assert_int_equal(f->deaths, 0);
    /* In the ring since nobody watched; removed again before the turn that would tell. */
    assert_ok(loop_watch_child(f->l, pid, on_death, f, &f->a, err));
    loop_remove(f->l, f->a);
    loop_run_ready(f->l);
    assert_int_equal(f->deaths, 0);
    pid = start_shell("exit 0");
    assert_ok(loop_watch_child(f->l, pid, on_death, f, NULL, err));  /* removes itself */
    assert_ok(loop_watch_child(f->l, pid, on_death, f, &f->a, err)); /* and a second one */
    for (int i = 0; i < 5000 && f->deaths < 2; i++)
        loop_run_until(f->l, NULL, time_deadline(NS_PER_MS), NULL);
    assert_int_equal(f->deaths, 2);
    loop_remove(f->l, f->a);
}

static void orphans_are_adopted(void **state)
{
    struct fixture *f = *state;
    int report[2];
    assert_ok(fd_pipe(report, err));
    /* A shell that leaves a grandchild behind, tells its pid and exits. */
    const char *const argv[] = {"/bin/sh", "-c", "sleep 0.2 & echo $!", NULL};
    struct spawn_spec spec = {.argv = argv, .fd_in = -1, .fd_out = report[1], .fd_err = -1};
    pid_t parent;
    assert_ok(spawn(&spec, &parent, err));
    close(report[1]);
    char text[32] = "";
    assert_true(read(report[0], text, sizeof(text) - 1) > 0);
    close(report[0]);
    int64_t orphan;
    assert_ok(parse_i64(str_strip(text), 2, INT32_MAX, "pid", &orphan, err));
    assert_ok(loop_watch_child(f->l, (pid_t)orphan, on_death, f, &f->a, err));
    assert_ok(loop_run_until(f->l, &f->done, time_deadline(5 * NS_PER_S), err));
    assert_int_equal(f->pid, orphan);
    assert_int_equal(f->status, 0);
    assert_int_equal(kill((pid_t)orphan, 0), -1); /* reaped, not a zombie */
    assert_int_equal(kill(parent, 0), -1);
    loop_remove(f->l, f->a);
}

static void more_children_than_the_ring(void **state)
{
    struct fixture *f = *state;
    pid_t pids[LOOP_RING + 4];
    for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
        pids[i] = start_shell("exit 0");
    for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
        while (kill(pids[i], 0) == 0)
            loop_run_until(f->l, NULL, time_deadline(NS_PER_MS), NULL);
    unsigned gone = 0;
    for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
        gone += loop_watch_child(f->l, pids[i], on_death, f, NULL, NULL) == -ESRCH;
    assert_int_equal(gone, 4);
    loop_run_ready(f->l);
    assert_int_equal(f->deaths, LOOP_RING);
}

static void interrupts(void **state)
{
    struct fixture *f = *state;
    assert_ok(loop_catch_interrupts(f->l, err));
    assert_int_equal(loop_interrupted(f->l), 0);
    kill(getpid(), SIGINT);
    assert_fails(loop_run_until(f->l, &f->done, time_deadline(NS_PER_S), err), EINTR,
                 "interrupted by INT");
    assert_int_equal(loop_interrupted(f->l), SIGINT);
    kill(getpid(), SIGTERM);
    assert_fails(loop_run_until(f->l, &f->done, UINT64_MAX, err), EINTR, "interrupted by INT");
    assert_int_equal(loop_interrupt_count(f->l), 2);
    loop_clear_interrupt(f->l);
    assert_int_equal(loop_interrupted(f->l), 0);
    assert_fails(loop_run_until(f->l, &f->done, time_deadline(NS_PER_MS), err), ETIMEDOUT, "");
    kill(getpid(), SIGHUP);
    loop_run_ready(f->l);
    assert_int_equal(loop_interrupted(f->l), SIGHUP);
}

static void freeing_restores_the_process(void **state)
{
    struct fixture *f = *state;
    int sub = -1;
    prctl(PR_GET_CHILD_SUBREAPER, &sub);
    assert_int_equal(sub, 1);
    assert_ok(loop_catch_interrupts(f->l, err));
    kill(getpid(), SIGINT); /* pending when it is freed: must not kill us */
    loop_free(f->l);
    f->l = NULL;
    prctl(PR_GET_CHILD_SUBREAPER, &sub);
    assert_int_equal(sub, 0);
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    assert_false(sigismember(&mask, SIGCHLD));
    assert_false(sigismember(&mask, SIGINT));
}

static void on_gone(void *user, int fd, uint32_t events)
{
    struct fixture *f = user;
    f->calls_b++;
    f->done = true;
}

/* A grandchild whose own parent reaps it: seen to end, once, without a status. */
static void foreign_processes(void **state)
{
    struct fixture *f = *state;
    char text[16] = "";
    pid_t parent = fork();
    if (parent == 0) {
        pid_t child = fork();
        if (child == 0) {
            read(f->other[0], text, 1);
            _exit(7);
        }
        str_format(text, sizeof(text), "%d", (int)child);
        if (write(f->pipe[1], text, strlen(text) + 1) < 0)
            _exit(1);
        waitpid(child, NULL, 0);
        read(f->other[0], text, 1);
        _exit(0);
    }
    assert_true(read(f->pipe[0], text, sizeof(text)) > 0);
    pid_t child = (pid_t)strtol(text, NULL, 10);
    assert_ok(loop_watch_pid(f->l, child, on_gone, f, &f->b, err));
    loop_run_ready(f->l);
    assert_int_equal(f->calls_b, 0);
    assert_int_equal(write(f->other[1], "x", 1), 1);
    assert_ok(loop_run_until(f->l, &f->done, time_deadline(5 * NS_PER_S), err));
    loop_run_ready(f->l);
    assert_int_equal(f->calls_b, 1);
    loop_remove(f->l, f->b);
    assert_int_equal(write(f->other[1], "x", 1), 1);
    f->done = false;
    assert_fails(loop_run_until(f->l, &f->done, time_deadline(50 * NS_PER_MS), err), ETIMEDOUT, "");
    assert_fails(loop_watch_pid(f->l, child, on_gone, f, &f->b, err), ESRCH, "watch process");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(foreign_processes),
        T(descriptors),
        T(deadline_is_kept_in_sleep),
        T(removal_within_a_batch),
        T(nested_runs),
        T(watch_before_and_after),
        T(many_deaths_at_once),
        T(watches_may_be_dropped),
        T(orphans_are_adopted),
        T(more_children_than_the_ring),
        T(interrupts),
        T(freeing_restores_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
