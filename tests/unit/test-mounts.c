#include "host/mountinfo.h"
#include "host/mounts.h"

#include "base/fd.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

static void test_mountinfo(void **state)
{
    char text[] =
        "36 35 98:0 /root /mnt/a\\040b\\134 rw,noatime master:1 shared:2 - ext3 /dev/x rw,e=c\n"
        "broken line\n"
        "1 2 0:3 / /no-dash rw\n"
        "37 35 0:30 / /c rw - cgroup cgroup rw,cpu,cpuacct\n"
        "38 35 0:31 / /last rw - tmpfs none";
    char *cursor = text;
    struct mountinfo m;
    assert_true(mountinfo_next(&cursor, &m));
    assert_string_equal(m.root, "/root");
    assert_string_equal(m.point, "/mnt/a b\\");
    assert_string_equal(m.fstype, "ext3");
    assert_string_equal(m.super, "rw,e=c");
    assert_true(m.shared);
    assert_true(mountinfo_next(&cursor, &m));
    assert_string_equal(m.point, "/c");
    assert_false(m.shared);
    assert_true(mountinfo_has_option(m.super, "cpu"));
    assert_true(mountinfo_has_option(m.super, "cpuacct"));
    assert_false(mountinfo_has_option(m.super, "cpua"));
    assert_false(mountinfo_has_option(m.super, "acct"));
    assert_true(mountinfo_next(&cursor, &m));
    assert_string_equal(m.point, "/last");
    assert_string_equal(m.super, "");
    assert_false(mountinfo_next(&cursor, &m));
}

/* Everything below needs mounts: in a mount namespace of the test's own, so nothing can stay. */
static bool can_mount(void)
{
    if (geteuid() != 0) {
        print_message("# skipped: mounting needs root\n");
        return false;
    }
    return true;
}

static char base[64];

static void sub(char dst[128], const char *name)
{
    str_format(dst, 128, "%s%s", base, name);
}

static void test_remove_below(void **state)
{
    if (!can_mount())
        skip();
    char top[128], deep[128], other[128], link[128];
    sub(top, "/top");
    sub(deep, "/top/in/deep");
    sub(other, "/topper");
    sub(link, "/link");
    assert_int_equal(fs_mkdirs(top, 0755, NULL), 0);
    assert_int_equal(fs_mkdirs(other, 0755, NULL), 0);
    assert_int_equal(symlink(other, link), 0);
    assert_int_equal(mount_tmpfs(top, 1 << 20, NULL), 0);
    assert_int_equal(fs_mkdirs(deep, 0755, NULL), 0);
    assert_int_equal(mount_tmpfs(deep, 1 << 20, NULL), 0);
    assert_int_equal(mount_tmpfs(deep, 1 << 20, NULL), 0); /* stacked */
    assert_int_equal(mount_tmpfs(other, 1 << 20, NULL), 0);
    assert_true(mount_is_point(top) && mount_is_point(deep) && mount_is_point(other));
    int busy = open(deep, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(busy >= 0);
    assert_int_equal(mount_remove_below(top, NULL), 0);
    assert_false(mount_is_point(top));
    assert_true(mount_is_point(other)); /* its name begins alike, but it is no part */
    assert_int_equal(mount_remove_below(link, NULL), 0);
    assert_true(mount_is_point(other)); /* a link leads nowhere */
    assert_int_equal(mount_remove_below(other, NULL), 0);
    assert_false(mount_is_point(other));
    assert_int_equal(mount_remove_below(other, NULL), 0); /* nothing there: fine */
    assert_int_equal(mount_remove_below("/no/such/place", NULL), 0);
    close(busy);
}

static void test_shared(void **state)
{
    if (!can_mount())
        skip();
    char top[128], not_there[160];
    sub(top, "/shared");
    str_format(not_there, sizeof(not_there), "%s/not/there/yet", top);
    assert_int_equal(fs_mkdirs(top, 0755, NULL), 0);
    assert_int_equal(mount_tmpfs(top, 1 << 20, NULL), 0);
    assert_int_equal(mount(NULL, top, NULL, MS_PRIVATE, NULL), 0);
    assert_false(mount_is_shared(top) || mount_is_shared(not_there));
    assert_int_equal(mount(NULL, top, NULL, MS_SHARED, NULL), 0);
    assert_true(mount_is_shared(top) && mount_is_shared(not_there));
    assert_int_equal(mount_remove_below(top, NULL), 0);
}

/* Nothing can be written, and nothing removed, through the second place; through the first it can.
 */
static void test_read_only(void **state)
{
    if (!can_mount())
        skip();
    char from[128], to[128], file[160], seen[160];
    sub(from, "/from");
    sub(to, "/to");
    str_format(file, sizeof(file), "%s/file", from);
    str_format(seen, sizeof(seen), "%s/file", to);
    assert_int_equal(fs_mkdirs(from, 0755, NULL), 0);
    assert_int_equal(fs_mkdirs(to, 0755, NULL), 0);
    assert_int_equal(file_replace(file, "x", 1, 0644, NULL), 0);
    assert_int_equal(mount_read_only(from, to, NULL), 0);
    assert_int_equal(access(seen, R_OK), 0);
    assert_int_equal(unlink(seen), -1);
    assert_int_equal(errno, EROFS);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(access(seen, F_OK), -1);
    assert_int_equal(mount_remove_below(to, NULL), 0);
    struct err err = ERR_INIT;
    assert_int_equal(mount_read_only("/no/such/place", to, &err), -ENOENT);
    assert_int_equal(err.kind, ERR_ENVIRONMENT);
}

/* What was mounted deeper is hidden by a later mount over its parent: both must go. */
static void test_hidden(void **state)
{
    if (!can_mount())
        skip();
    char top[128], deep[128];
    sub(top, "/hide");
    sub(deep, "/hide/in");
    assert_int_equal(fs_mkdirs(deep, 0755, NULL), 0);
    assert_int_equal(mount_tmpfs(deep, 1 << 20, NULL), 0);
    assert_int_equal(mount_tmpfs(top, 1 << 20, NULL), 0);
    struct err err = ERR_INIT;
    assert_int_equal(mount_remove_below(top, &err), 0);
    assert_false(mount_is_point(top));
    assert_false(mount_is_point(deep));
}

static void test_refuses(void **state)
{
    struct err err = ERR_INIT;
    static const char *const bad[] = {"/", "relative", "/tmp/..", "/tmp/.", "//"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_true(mount_remove_below(bad[i], &err) < 0);
        assert_int_equal(err.kind, ERR_BUG);
    }
}

static void test_cover(void **state)
{
    if (!can_mount())
        skip();
    char dir[128], file[160];
    sub(dir, "/covered");
    assert_int_equal(fs_mkdirs(dir, 0755, NULL), 0);
    str_format(file, sizeof(file), "%s/seen", dir);
    int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    int ns = -1;
    struct err err = ERR_INIT;
    assert_int_equal(mountns_with_cover(NULL, dir, &ns, &err), 0);
    assert_true(ns >= 0);
    assert_int_equal(access(file, F_OK), 0); /* not here */
    assert_false(mount_is_point(dir));
    pid_t pid = fork();
    if (pid == 0)
        _exit(setns(ns, CLONE_NEWNS) < 0 ? 2 : access(file, F_OK) == 0 ? 1 : 0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0); /* but there */
    close(ns);
    assert_true(mountns_with_cover(NULL, "/no/such/place", &ns, &err) < 0);
    assert_int_equal(err.code, ENOENT);
}

static int set_up(void **state)
{
    str_copy(base, sizeof(base), "/tmp/cupel-test-mounts-XXXXXX");
    if (!mkdtemp(base))
        return -1;
    if (geteuid() == 0 &&
        (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
        return -1;
    return 0;
}

static int tear_down(void **state)
{
    return fs_remove_tree(base, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mountinfo), cmocka_unit_test(test_remove_below),
        cmocka_unit_test(test_hidden),    cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_cover),     cmocka_unit_test(test_shared),
        cmocka_unit_test(test_read_only),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
