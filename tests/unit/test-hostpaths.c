/* What of the host can be reached: from here all that is there, from an empty root nothing, and
 * from one with links and copies only what is the host's own. */
#include "unit.h"

#include "base/cleanup.h"
#include "base/fs.h"
#include "host/hostpaths.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sched.h>
#include <unistd.h>

static void from_here(void **state)
{
    struct hostpaths p = {0};
    _cleanup_(str_release) struct str t = STR_INIT;
    struct stat st;
    assert_true(hostpaths_count() > 10);
    assert_int_equal(hostpaths_add(getpid(), &p), 0);
    hostpaths_list(&p, &t);
    assert_int_equal(strstr(t.buf, "/etc/passwd") != NULL, lstat("/etc/passwd", &st) == 0);
    assert_non_null(strstr(t.buf, "/proc/kallsyms"));
    assert_true(hostpaths_add(0x7fffffff, &p) < 0);
}

static int make_root(const char *root)
{
    return chdir(root) | mkdir("etc", 0755) | mkdir("proc", 0755) | mkdir("sys", 0755) |
           mkdir("host", 0755) | mkdir("root", 0755);
}

/* In a mount namespace and a root of its own, with a link to where the host's root lies, a
 * directory of its own under a telling name, and the host's /sys read-only. */
static void live_in(const char *root, int ready)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
        make_root(root) != 0 || mount("/", "host", NULL, MS_BIND | MS_REC, NULL) < 0 ||
        mount("proc", "proc", "proc", 0, NULL) < 0 || mount("/sys", "sys", NULL, MS_BIND, NULL) ||
        mount(NULL, "sys", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0 ||
        symlink("/host/home", "home") < 0 || symlink("/host/etc/passwd", "etc/passwd") < 0 ||
        chroot(root) < 0 || write(ready, "r", 1) != 1)
        _exit(90);
    for (;;)
        pause();
}

static void from_a_root_of_its_own(void **state)
{
    char root[] = "/tmp/cupel-test-XXXXXX", byte;
    struct hostpaths p = {0};
    _cleanup_(str_release) struct str t = STR_INIT;
    int ready[2], status;
    if (geteuid() != 0)
        skip();
    assert_non_null(mkdtemp(root));
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0)
        live_in(root, ready[1]);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(hostpaths_add(pid, &p), 0);
    hostpaths_list(&p, &t);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_null(strstr(t.buf, "/etc/passwd")); /* a link is not followed */
    assert_null(strstr(t.buf, "/home"));
    assert_null(strstr(t.buf, "/root")); /* another one of that name */
    assert_non_null(strstr(t.buf, "/sys/kernel(ro)"));
    assert_non_null(strstr(t.buf, "/proc/kallsyms,")); /* another instance, the same kernel */
    assert_ok(fs_remove_tree(root, err));
    close(ready[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_here),
        cmocka_unit_test(from_a_root_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
