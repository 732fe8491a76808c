#include "unit.h"

#include "base/fd.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char root[64]; /* of this program's files: tests have no other way to share it */

static int make_root(void **state)
{
    str_copy(root, sizeof(root), "/tmp/cupel-test-fs-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int drop_root(void **state)
{
    return fs_remove_tree(root, NULL);
}

static const char *in_root(const char *name, char dst[256])
{
    str_format(dst, 256, "%s/%s", root, name);
    return dst;
}

#define IN(name) in_root(name, (char[256]){0})

static void put(const char *path, const char *text)
{
    assert_ok(file_replace(path, text, strlen(text), 0600, err));
}

static void directories(void **state)
{
    assert_ok(fs_mkdirs(IN("a/b//c/"), 0700, err));
    assert_ok(fs_mkdirs(IN("a/b/c"), 0700, err));
    assert_ok(fs_mkdirs("/tmp", 0700, err));
    assert_ok(fs_mkdirs("/proc/self", 0700, err)); /* there, and not to be made */
    put(IN("a/file"), "x");
    assert_fails(fs_mkdirs(IN("a/file"), 0700, err), ENOTDIR, "make directory");
    assert_fails(fs_mkdirs(IN("a/file/b"), 0700, err), ENOTDIR, "make directory");
    assert_fails(fs_mkdirs("", 0700, err), ENOENT, "make directory");
    assert_ok(fs_remove_tree(IN("a"), err));
    assert_int_equal(access(IN("a"), F_OK), -1);
}

static void removal_follows_no_links(void **state)
{
    assert_ok(fs_mkdirs(IN("keep/d"), 0700, err));
    put(IN("keep/file"), "x");
    assert_ok(fs_mkdirs(IN("gone/sub"), 0700, err));
    assert_int_equal(symlink(IN("keep"), IN("gone/sub/dir")), 0);
    assert_int_equal(symlink(IN("keep/file"), IN("gone/sub/file")), 0);
    assert_int_equal(mkfifo(IN("gone/fifo"), 0600), 0);
    assert_ok(fs_remove_tree(IN("gone/"), err));
    assert_int_equal(access(IN("gone"), F_OK), -1);
    assert_int_equal(access(IN("keep/file"), F_OK), 0);
    assert_int_equal(symlink(IN("keep"), IN("link")), 0);
    assert_ok(fs_remove_tree(IN("link"), err)); /* the link, not what it points to */
    assert_int_equal(access(IN("keep/d"), F_OK), 0);
    assert_ok(fs_remove_tree(IN("keep/file"), err)); /* a plain file is a tree too */
    assert_ok(fs_remove_tree(IN("keep"), err));
    assert_ok(fs_remove_tree(IN("keep"), err)); /* not there: success */
    assert_ok(fs_remove_tree(IN("keep/never/was"), err));
    const char *const refused[] = {"/", ".", "..", "", "/tmp/..", "/tmp/."};
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        assert_fails(fs_remove_tree(refused[i], err), EINVAL, "not a name inside");
}

/* Deeper than descriptors last. */
static void removal_of_a_deep_tree(void **state)
{
    struct rlimit before, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 100;
    assert_int_equal(mkdir(IN("deep"), 0700), 0);
    int fd = open(IN("deep"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 1500; i++) {
        assert_int_equal(mkdirat(fd, "d", 0700), 0);
        if (i % 100 == 0)
            assert_int_equal(mkdirat(fd, "e", 0700), 0);
        int next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(fd);
        fd = next;
    }
    close(fd);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    struct err err = ERR_INIT;
    int r = fs_remove_tree(IN("deep"), &err);
    setrlimit(RLIMIT_NOFILE, &before);
    if (r < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(access(IN("deep"), F_OK), -1);
}

static void removal_stops_at_mounts(void **state)
{
    if (geteuid() != 0) {
        print_message("skipped: mounting needs root\n");
        skip();
    }
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        print_message("skipped: no mount namespace of our own: %s\n", strerror(errno));
        skip();
    }
    assert_ok(fs_mkdirs(IN("m/bind"), 0700, err));
    assert_ok(fs_mkdirs(IN("m/tmpfs"), 0700, err));
    assert_ok(fs_mkdirs(IN("precious"), 0700, err));
    put(IN("precious/file"), "x");
    put(IN("m/over"), "under");
    /* The same file system, so st_dev alone would not tell. */
    assert_int_equal(mount(IN("precious"), IN("m/bind"), NULL, MS_BIND, NULL), 0);
    assert_fails(fs_remove_tree(IN("m"), err), EXDEV, "mounted on 'bind'");
    assert_fails(fs_remove_tree(IN("m/bind"), err), EXDEV, "mounted");
    assert_int_equal(access(IN("precious/file"), F_OK), 0);
    assert_int_equal(umount(IN("m/bind")), 0);
    assert_int_equal(mount("none", IN("m/tmpfs"), "tmpfs", 0, NULL), 0);
    put(IN("m/tmpfs/file"), "x");
    assert_fails(fs_remove_tree(IN("m"), err), EXDEV, "mounted on 'tmpfs'");
    assert_int_equal(access(IN("m/tmpfs/file"), F_OK), 0);
    assert_int_equal(umount(IN("m/tmpfs")), 0);
    put(IN("m/over"), "under");
    assert_int_equal(mount(IN("precious/file"), IN("m/over"), NULL, MS_BIND, NULL), 0);
    assert_fails(fs_remove_tree(IN("m"), err), EXDEV, "mounted on 'over'");
    assert_int_equal(access(IN("precious/file"), F_OK), 0);
    assert_int_equal(umount(IN("m/over")), 0);
    assert_ok(fs_remove_tree(IN("m"), err));
    assert_ok(fs_remove_tree(IN("precious"), err));
}

static void copies(void **state)
{
    _cleanup_free_ char *big = xmalloc(300001);
    memset(big, 'q', 300000);
    big[300000] = '\0';
    put(IN("from"), big);
    assert_ok(fs_copy_file(IN("from"), IN("to"), 0755, err));
    struct stat st;
    assert_int_equal(stat(IN("to"), &st), 0);
    assert_int_equal(st.st_size, 300000);
    assert_int_equal(st.st_mode & 07777, 0755);
    char a[FS_SHA256_HEX], b[FS_SHA256_HEX];
    assert_ok(fs_sha256(IN("from"), a, err));
    assert_ok(fs_sha256(IN("to"), b, err));
    assert_string_equal(a, b);
    /* A file whose size is not what it holds: the in-kernel copy gives up, reading does not. */
    assert_ok(fs_copy_file("/proc/self/status", IN("to"), 0600, err));
    _cleanup_(str_release) struct str s = STR_INIT;
    assert_ok(file_read(IN("to"), 65536, &s, err));
    assert_non_null(strstr(s.buf, "Threads:"));
    assert_fails(fs_copy_file(root, IN("to"), 0600, err), EINVAL, "not a regular file");
    assert_fails(fs_copy_file(IN("none"), IN("to"), 0600, err), ENOENT, "none");
    assert_fails(fs_copy_file(IN("from"), IN("no/dir"), 0600, err), ENOENT, "create");
    assert_int_equal(symlink("from", IN("link")), 0);
    assert_fails(fs_copy_file(IN("to"), IN("link"), 0600, err), ELOOP, "create");
    assert_int_equal(mkfifo(IN("fifo"), 0600), 0);
    assert_fails(fs_copy_file(IN("fifo"), IN("to"), 0600, err), EINVAL, "not a regular file");
}

static void hashes(void **state)
{
    char hex[FS_SHA256_HEX];
    fs_sha256_bytes("abc", 3, hex); /* FIPS 180-4's example */
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    put(IN("abc"), "abc");
    assert_ok(fs_sha256(IN("abc"), hex, err));
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_fails(fs_sha256(IN("none"), hex, err), ENOENT, "open");
    assert_fails(fs_sha256(root, hex, err), EINVAL, "not a regular file");
}

static void programs_on_the_path(void **state)
{
    char p[256];
    _cleanup_free_ char *before = xstrdup(getenv("PATH"));
    assert_ok(fs_mkdirs(IN("bin"), 0700, err));
    put(IN("bin/tool"), "#!/bin/sh\n");
    assert_int_equal(setenv("PATH", IN("bin"), 1), 0);
    assert_int_equal(fs_which("tool", p, sizeof(p)), -ENOENT); /* not executable */
    assert_int_equal(chmod(IN("bin/tool"), 0700), 0);
    assert_int_equal(fs_which("tool", p, sizeof(p)), 0);
    assert_string_equal(p, IN("bin/tool"));
    assert_int_equal(fs_which("tool", p, 4), -ENAMETOOLONG);
    assert_int_equal(fs_which("", p, sizeof(p)), -ENOENT);
    assert_int_equal(fs_which(IN("bin"), p, sizeof(p)), -ENOENT); /* a directory */
    char cwd[256];
    assert_non_null(getcwd(cwd, sizeof(cwd)));
    assert_int_equal(chdir(root), 0);
    assert_int_equal(fs_which("bin/tool", p, sizeof(p)), 0);
    assert_string_equal(p, IN("bin/tool"));
    setenv("PATH", "/nonexistent::/usr/bin", 1); /* an empty part is the working directory */
    assert_int_equal(fs_which("tool", p, sizeof(p)), -ENOENT);
    assert_int_equal(chdir("bin"), 0);
    assert_int_equal(fs_which("tool", p, sizeof(p)), 0);
    assert_int_equal(p[0], '/');
    assert_int_equal(chdir(cwd), 0);
    setenv("PATH", before, 1);
    uint64_t room;
    assert_ok(fs_free_bytes(root, &room, err));
    assert_true(room > 0);
    assert_fails(fs_free_bytes("/nonexistent", &room, err), ENOENT, "free space of /nonexistent");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(directories),
        cmocka_unit_test(removal_follows_no_links),
        cmocka_unit_test(removal_of_a_deep_tree),
        cmocka_unit_test(copies),
        cmocka_unit_test(hashes),
        cmocka_unit_test(programs_on_the_path),
        cmocka_unit_test(removal_stops_at_mounts), /* last: it moves to a mount namespace */
    };
    return cmocka_run_group_tests(tests, make_root, drop_root);
}
