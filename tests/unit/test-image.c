/* Images: what is refused before anything runs, what is made once and kept, what is left when
 * making fails. Packages and archives are tried where their tools are. */
#include "unit.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/spawn.h"
#include "base/time.h"
#include "image/image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

struct bed {
    struct loop *loop;
    struct ledger *ledger;
    char state[64], dir[96];
    struct image_store store;
    unsigned said;
};

static void count(void *user, const char *line)
{
    ++*(unsigned *)user;
}

static int begin(void **state)
{
    struct bed *b = xcalloc(1, sizeof(*b));
    str_copy(b->state, sizeof(b->state), "/tmp/cupel-image-XXXXXX");
    assert_non_null(mkdtemp(b->state));
    str_format(b->dir, sizeof(b->dir), "%s/images", b->state);
    assert_ok(loop_new(&b->loop, err));
    assert_ok(ledger_open(b->state, "0badcafe", &b->ledger, err));
    b->store = (struct image_store){
        .loop = b->loop, .ledger = b->ledger, .dir = b->dir, .say = count, .user = &b->said};
    *state = b;
    return 0;
}

static int end(void **state)
{
    struct bed *b = *state;
    assert_int_equal(ledger_open_items(b->ledger), 0);
    assert_ok(ledger_close(b->ledger, err));
    loop_free(b->loop);
    assert_ok(fs_remove_tree(b->state, err));
    free(b);
    return 0;
}

static bool is_root(void)
{
    if (geteuid() != 0)
        print_message("# skipped: images need root\n");
    return geteuid() == 0;
}

static size_t entries(const char *dir)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

static bool has(const struct image *i, const char *path)
{
    char full[400];
    struct stat st;
    str_format(full, sizeof(full), "%s%s", i->rootfs, path);
    return lstat(full, &st) == 0;
}

static void test_programs(void **state)
{
    struct bed *b = *state;
    struct image one, two, other;
    const char *const names[] = {"sleep", "seq"}, *const single[] = {"seq"};
    if (!is_root())
        return;
    assert_ok(image_from_programs(&b->store, names, 2, &one, err));
    assert_int_equal(b->said, 1);
    assert_int_equal(strlen(one.digest), 64);
    assert_true(has(&one, "/etc/passwd") && has(&one, "/tmp") && has(&one, "/proc"));
    assert_true(has(&one, "/usr/bin/seq") || has(&one, "/bin/seq"));
    assert_ok(image_from_programs(&b->store, names, 2, &two, err));
    assert_int_equal(b->said, 1); /* it is there */
    assert_string_equal(one.rootfs, two.rootfs);
    assert_ok(image_from_programs(&b->store, single, 1, &other, err));
    assert_string_not_equal(one.digest, other.digest);
    assert_int_equal(entries(b->dir), 3); /* two images and the lock */
}

static void test_refused(void **state)
{
    struct bed *b = *state;
    struct image i;
    static const char *const bad[] = {"-x", "../etc", "a b", "a;b", "A", "", "a/b", "$x"};
    for (size_t k = 0; k < ARRAY_SIZE(bad); k++)
        assert_fails(image_from_packages(&b->store, &bad[k], 1, &i, err), EINVAL,
                     "is no name of a package");
    const char *const absent[] = {"no-such-program-here"}, *const script[] = {"/usr/bin/ldd"};
    assert_fails(image_from_programs(&b->store, absent, 1, &i, err), ENOENT, "is not on the PATH");
    assert_fails(image_from_programs(&b->store, script, 1, &i, err), ENOEXEC,
                 "is no 64-bit program");
    assert_fails(image_from_archive(&b->store, "ftp://x", &i, err), EINVAL,
                 "expected docker-archive");
    assert_fails(image_from_dir("/etc/passwd", &i, err), ENOTDIR, "is no directory");
    assert_fails(image_from_dir("/nowhere", &i, err), ENOENT, "image /nowhere");
    assert_int_equal(b->said, 0);
}

static void test_directories(void **state)
{
    struct bed *b = *state;
    struct image one, two;
    assert_ok(image_from_dir(b->state, &one, err));
    assert_string_equal(one.rootfs, b->state);
    char inside[128];
    str_format(inside, sizeof(inside), "%s/new", b->state);
    assert_ok(fs_mkdirs(inside, 0700, err));
    assert_ok(image_from_dir(b->state, &two, err));
    assert_string_not_equal(one.digest, two.digest);
}

static bool tool(const char *name)
{
    char path[256];
    bool there = fs_which(name, path, sizeof(path)) == 0;
    if (!there)
        print_message("# skipped: no %s\n", name);
    return there;
}

static void test_packages(void **state)
{
    struct bed *b = *state;
    struct image i;
    const char *const names[] = {"hello"}, *const none[] = {"no-such-package-at-all"};
    if (!is_root() || !tool("mmdebstrap"))
        return;
    assert_fails(image_from_packages(&b->store, none, 1, &i, err), ENOENT, "is not to be had here");
    assert_ok(image_from_packages(&b->store, names, 1, &i, err));
    assert_true(has(&i, "/usr/bin/hello") && has(&i, "/etc/ld.so.cache"));
    unsigned said = b->said;
    assert_ok(image_from_packages(&b->store, names, 1, &i, err));
    assert_int_equal(b->said, said);
    char path[256], sha256[65];
    const char *const good[] = {"hello", "-g", "x", NULL}, *const sh[] = {"/bin/sh", "-c",
                                                                          "hello > /work/out",
                                                                          NULL};
    assert_fails(image_input(&b->store, names, 1, good, "/work/out", "in", path, sha256, err),
                 ENOENT, "what it made");
    assert_ok(image_input(&b->store, names, 1, sh, "/work/out", "in", path, sha256, err));
    _cleanup_(str_release) struct str text = STR_INIT;
    assert_ok(file_read(path, 100, &text, err));
    assert_string_equal(text.buf, "Hello, world!\n");
}

static void test_archives(void **state)
{
    struct bed *b = *state;
    struct image i;
    char layout[128], reference[160];
    if (!is_root() || !tool("skopeo") || !tool("umoci"))
        return;
    str_format(layout, sizeof(layout), "%s/layout", b->state);
    str_format(reference, sizeof(reference), "%s/layout:tag", b->state);
    const char *const init[] = {"umoci", "init", "--layout", layout, NULL};
    const char *const create[] = {"umoci", "new", "--image", reference, NULL};
    for (int k = 0; k < 2; k++) {
        char path[256];
        const char *argv[8];
        memcpy(argv, k ? create : init, sizeof(init));
        assert_int_equal(fs_which("umoci", path, sizeof(path)), 0);
        argv[0] = path;
        assert_ok(spawn_simple(b->loop, argv, time_deadline(30 * NS_PER_S), NULL, err));
    }
    str_format(reference, sizeof(reference), "oci:%s/layout:tag", b->state);
    assert_ok(image_from_archive(&b->store, reference, &i, err));
    assert_true(has(&i, "/etc/passwd"));
    assert_fails(image_from_archive(&b->store, "oci:/nowhere:x", &i, err), EIO,
                 "image oci:/nowhere");
    assert_int_equal(entries(b->dir), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_programs, begin, end),
        cmocka_unit_test_setup_teardown(test_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_directories, begin, end),
        cmocka_unit_test_setup_teardown(test_packages, begin, end),
        cmocka_unit_test_setup_teardown(test_archives, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
