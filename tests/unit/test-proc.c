#include "host/proc.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

static void test_self(void **state)
{
    char text[4096];
    assert_int_equal(proc_parent(getpid()), getppid());
    assert_true(proc_alive(getpid()));
    assert_true(proc_start_ticks(getpid()) > 0);
    assert_int_equal(proc_cmdline(getpid(), text, sizeof(text)), 0);
    assert_non_null(strstr(text, "test-proc"));
    assert_int_equal(proc_exe(getpid(), text, sizeof(text)), 0);
    assert_true(text[0] == '/' && str_ends(text, "/test-proc"));
    struct stat st;
    assert_int_equal(stat("/proc/self/ns/mnt", &st), 0);
    assert_true(proc_ns_inode(getpid(), "mnt") == st.st_ino);
    assert_true(proc_ns_inode(getpid(), "nonsense") == 0);
}

/* A name may hold parentheses, blanks and control characters; none of them may mislead the parser
 * or reach a terminal. */
static void test_hostile_name(void **state)
{
    char before[16], comm[32];
    prctl(PR_GET_NAME, before);
    prctl(PR_SET_NAME, "a) Z 1\033 (");
    uint64_t ticks = proc_start_ticks(getpid());
    assert_int_equal(proc_parent(getpid()), getppid());
    assert_true(proc_alive(getpid()));
    assert_int_equal(proc_comm(getpid(), comm, sizeof(comm)), 0);
    assert_string_equal(comm, "a) Z 1? (");
    prctl(PR_SET_NAME, before);
    assert_true(ticks > 0 && ticks == proc_start_ticks(getpid()));
}

/* What a process calls itself cannot lend it a line of its status. */
static void test_powers(void **state)
{
    struct proc_powers p;
    int status;
    char before[16];
    prctl(PR_GET_NAME, before);
    prctl(PR_SET_NAME, "a\nSeccomp:\t2");
    assert_int_equal(proc_powers(getpid(), &p), 0);
    prctl(PR_SET_NAME, before);
    assert_int_equal(p.filtered, prctl(PR_GET_SECCOMP) == 2);
    assert_int_equal(p.no_new_privs, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    assert_true(geteuid() != 0 || p.capabilities != 0);
    pid_t pid = fork();
    if (pid == 0) {
        bool ok = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                  (geteuid() != 0 || setuid(65534) == 0) && proc_powers(getpid(), &p) == 0 &&
                  p.no_new_privs && p.capabilities == 0;
        _exit(ok ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(proc_powers(pid, &p), -ENOENT);
}

static void test_zombie_and_gone(void **state)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_false(proc_alive(pid)); /* a zombie */
    assert_true(proc_start_ticks(pid) > 0);
    char text[64];
    assert_int_equal(proc_cmdline(pid, text, sizeof(text)), 0);
    assert_string_equal(text, "");
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_false(proc_alive(pid));
    assert_true(proc_start_ticks(pid) == 0);
    assert_int_equal(proc_parent(pid), 0);
    assert_int_equal(proc_cmdline(pid, text, sizeof(text)), -ENOENT);
    assert_int_equal(proc_exe(pid, text, sizeof(text)), -ENOENT);
}

static void test_cmdline_is_bounded(void **state)
{
    char tiny[5];
    assert_int_equal(proc_cmdline(getpid(), tiny, sizeof(tiny)), 0);
    assert_true(strlen(tiny) <= 4);
}

static void test_in_cgroup(void **state)
{
    assert_false(proc_in_cgroup(getpid(), "/cupel-not-there"));
    assert_false(proc_in_cgroup(getpid(), ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_self),
        cmocka_unit_test(test_hostile_name),
        cmocka_unit_test(test_powers),
        cmocka_unit_test(test_zombie_and_gone),
        cmocka_unit_test(test_cmdline_is_bounded),
        cmocka_unit_test(test_in_cgroup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
