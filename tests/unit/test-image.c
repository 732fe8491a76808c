/* Images: what is refused before anything runs, what is made once and kept, what is left when
 * making fails. Packages and archives are tried where their tools are. */
#include "unit.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/spawn.h"
#include "base/time.h"
#include "host/mounts.h"
#include "image/image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

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
    image_store_release(&b->store);
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

static bool tool(const char *name)
{
    char path[256];
    bool there = fs_which(name, path, sizeof(path)) == 0;
    if (!there)
        print_message("# skipped: no %s\n", name);
    return there;
}

/* A path below the bed's directory; four at a time. */
static const char *in(const struct bed *b, const char *name)
{
    static char path[4][160];
    static unsigned next;
    char *p = path[next++ % 4];
    str_format(p, sizeof(path[0]), "%s/%s", b->state, name);
    return p;
}

static void put(const char *path, const char *text)
{
    assert_ok(file_replace(path, text, strlen(text), 0644, err));
}

static void run(struct bed *b, const char *root, const char *const *argv, struct str *out)
{
    char path[256];
    const char *words[16] = {argv[0]};
    for (size_t i = 1; argv[i]; i++)
        words[i] = argv[i];
    if (!root) {
        assert_int_equal(fs_which(argv[0], path, sizeof(path)), 0);
        words[0] = path;
    }
    const struct spawn_spec spec = {
        .argv = words, .root = root, .fd_in = -1, .fd_out = -1, .fd_err = -1};
    struct spawn_result res;
    assert_ok(spawn_run(b->loop, &spec, time_deadline(60 * NS_PER_S), 4096, &res, err));
    assert_ok(spawn_check(&spec, &res, err));
    if (out)
        str_addn(out, res.out.buf, res.out.len);
    spawn_result_release(&res);
}

/* As another run that makes something. */
static int lock_store(struct bed *b)
{
    assert_ok(fs_mkdirs(b->dir, 0700, err));
    int fd = open(in(b, "images/lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    return fd;
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
    assert_true(has(&one, "/etc/nsswitch.conf"));
    assert_ok(image_from_programs(&b->store, names, 2, &two, err));
    assert_int_equal(b->said, 1); /* it is there */
    assert_string_equal(one.rootfs, two.rootfs);
    assert_ok(image_from_programs(&b->store, single, 1, &other, err));
    assert_string_not_equal(one.digest, other.digest);
    assert_int_equal(entries(b->dir), 3); /* two images and the lock */
}

/* /bin leads where it leads on this machine. */
static void test_merged(void **state)
{
    struct bed *b = *state;
    struct image i;
    const char *const names[] = {"sh"}, *const argv[] = {"/bin/sh", "-c", "exit 0", NULL};
    if (!is_root())
        return;
    assert_ok(image_from_programs(&b->store, names, 1, &i, err));
    run(b, i.rootfs, argv, NULL);
}

static void build(struct bed *b, const char *source, const char *to, const char *const *more)
{
    const char *argv[12] = {"gcc", "-x", "c", source, "-o", to, "-x", "none"};
    for (size_t i = 8; *more; i++)
        argv[i] = *more++;
    run(b, NULL, argv, NULL);
}

/* app/bin/prog with its library in app/lib, found through `rpath`. */
static void build_app(struct bed *b, const char *app, const char *rpath, const char *soname,
                      char ret_program[160])
{
    char lib[160], search[200];
    const char *const shared[] = {"-shared", "-fPIC", soname, NULL};
    str_format(lib, sizeof(lib), "%s/%s/lib", b->state, app);
    assert_ok(fs_mkdirs(lib, 0755, err));
    str_format(ret_program, 160, "%s/%s/bin", b->state, app);
    assert_ok(fs_mkdirs(ret_program, 0755, err));
    str_format(lib, sizeof(lib), "%s/%s/lib/libcupelzz.so", b->state, app);
    str_format(ret_program, 160, "%s/%s/bin/prog", b->state, app);
    str_format(search, sizeof(search), "-Wl,-rpath,%s", rpath);
    put(in(b, "lib.c"), "int zz(void); int zz(void) { return 0; }\n");
    put(in(b, "prog.c"), "int zz(void); int main(void) { return zz(); }\n");
    build(b, in(b, "lib.c"), lib, shared);
    const char *const linked[] = {lib, search, NULL};
    build(b, in(b, "prog.c"), ret_program, linked);
}

/* A program that is moved finds the libraries it looks for beside itself, and a path that climbs
 * puts nothing outside of the image. */
static void test_own_libraries(void **state)
{
    struct bed *b = *state;
    struct image i;
    char origin[160], climbing[160], rpath[160];
    const char *const argv[] = {"/usr/local/bin/prog", NULL};
    if (!is_root() || !tool("gcc"))
        return;
    build_app(b, "app", "$ORIGIN/../lib", "-Wl,-soname,libcupelzz.so", origin);
    str_format(rpath, sizeof(rpath), "/../..%s/other/lib", b->state);
    build_app(b, "other", rpath, "-Wl,-soname,libcupelzz.so", climbing);
    const char *const one[] = {origin}, *const two[] = {climbing},
                      *const both[] = {origin, climbing};
    assert_ok(image_from_programs(&b->store, one, 1, &i, err));
    run(b, i.rootfs, argv, NULL);
    assert_ok(image_from_programs(&b->store, two, 1, &i, err));
    assert_int_equal(entries(b->dir), 3); /* two images and the lock */
    run(b, i.rootfs, argv, NULL);
    assert_fails(image_from_programs(&b->store, both, 2, &i, err), EEXIST, "bear one name");
    /* Without a name of its own, a library is asked for by its path, which /tmp covers. */
    build_app(b, "app", "/nowhere", NULL, origin);
    assert_fails(image_from_programs(&b->store, one, 1, &i, err), ENOTSUP, "by its path");
    /* ldconfig knows of no libraries but those called lib... */
    build_app(b, "app", "$ORIGIN/../../app/lib", "-Wl,-soname,cupelzz.so", origin);
    assert_int_equal(rename(in(b, "app/lib/libcupelzz.so"), in(b, "app/lib/cupelzz.so")), 0);
    assert_fails(image_from_programs(&b->store, one, 1, &i, err), ENOENT, "does not find");
    assert_int_equal(entries(b->dir), 3);
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
    static const char *const nowhere[] = {"ftp://x", "", "oci", "docker:x", "dir:/x"};
    static const char *const nameless[] = {"docker://", "docker:// x", "docker://a b",
                                           "docker:///x"};
    static const char *const pathless[] = {"oci:", "oci::tag", "docker-archive:"};
    for (size_t k = 0; k < ARRAY_SIZE(nowhere); k++)
        assert_fails(image_from_archive(&b->store, nowhere[k], &i, err), EINVAL,
                     "expected docker-archive");
    for (size_t k = 0; k < ARRAY_SIZE(nameless); k++)
        assert_fails(image_from_archive(&b->store, nameless[k], &i, err), EINVAL, "no name");
    for (size_t k = 0; k < ARRAY_SIZE(pathless); k++)
        assert_fails(image_from_archive(&b->store, pathless[k], &i, err), EINVAL, "no path");
    assert_fails(image_from_archive(&b->store, "oci:/nowhere:x", &i, err), ENOENT,
                 "image oci:/nowhere");
    const char *words[97] = {NULL}, *const good[] = {"hello"};
    char path[256], sha256[65];
    for (size_t k = 0; k < 96; k++)
        words[k] = "true";
    assert_fails(image_input(&b->store, good, 1, words, "/x", "in", path, sha256, err), E2BIG,
                 "96 words");
    assert_fails(image_from_dir("/etc/passwd", &i, err), ENOTDIR, "is no directory");
    assert_fails(image_from_dir("/nowhere", &i, err), ENOENT, "image /nowhere");
    assert_int_equal(b->said, 0);
}

static void digest_of(const char *dir, char dst[65])
{
    struct image i;
    assert_ok(image_from_dir(dir, &i, err));
    assert_string_equal(i.rootfs, dir);
    str_copy(dst, 65, i.digest);
}

/* The digest sees what changes deep inside, and nothing where nothing changes. */
static void test_directories(void **state)
{
    struct bed *b = *state;
    char dir[160], before[65], now[65];
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    str_copy(dir, sizeof(dir), in(b, "dir"));
    assert_ok(fs_mkdirs(in(b, "dir/sub/deep"), 0755, err));
    put(in(b, "dir/sub/deep/file"), "one");
    assert_int_equal(utimensat(AT_FDCWD, in(b, "dir/sub/deep/file"), times, 0), 0);
    assert_int_equal(symlink("one", in(b, "dir/sub/link")), 0);
    digest_of(dir, before);
    assert_int_equal(strlen(before), 64);
    for (int step = 0; step < 6; step++) {
        digest_of(dir, now);
        assert_string_equal(now, before);
        if (step == 0) /* another size, the same time */
            put(in(b, "dir/sub/deep/file"), "three");
        if (step <= 1) /* the same size, another time */
            assert_int_equal(
                utimensat(AT_FDCWD, in(b, "dir/sub/deep/file"), step ? NULL : times, 0), 0);
        if (step == 2)
            assert_int_equal(chmod(in(b, "dir/sub/deep/file"), 0755), 0);
        if (step == 3)
            assert_int_equal(unlink(in(b, "dir/sub/link")) + symlink("two", in(b, "dir/sub/link")),
                             0);
        if (step == 4)
            assert_int_equal(rename(in(b, "dir/sub/deep"), in(b, "dir/sub/deeq")), 0);
        if (step == 5)
            put(in(b, "dir/sub/new"), "");
        digest_of(dir, now);
        assert_string_not_equal(now, before);
        str_copy(before, sizeof(before), now);
    }
}

static void test_interrupted(void **state)
{
    struct bed *b = *state;
    struct image i;
    const char *const names[] = {"seq"};
    if (!is_root())
        return;
    int fd = lock_store(b);
    assert_ok(loop_catch_interrupts(b->loop, err));
    assert_int_equal(raise(SIGINT), 0);
    assert_fails(image_from_programs(&b->store, names, 1, &i, err), EINTR, "interrupted");
    loop_clear_interrupt(b->loop);
    fd_close(&fd);
    assert_ok(image_from_programs(&b->store, names, 1, &i, err));
}

static void test_prune(void **state)
{
    struct bed *b = *state;
    struct image i;
    const char *const names[] = {"seq"};
    assert_ok(image_prune(&b->store, err)); /* nothing yet, and nothing made */
    assert_int_equal(access(b->dir, F_OK), -1);
    assert_ok(fs_mkdirs(in(b, "images/tmp-dead/rootfs"), 0700, err));
    put(in(b, "images/tmp-dead/rootfs/file"), "x");
    int fd = lock_store(b);
    assert_ok(image_prune(&b->store, err)); /* it may be theirs */
    assert_int_equal(access(in(b, "images/tmp-dead"), F_OK), 0);
    fd_close(&fd);
    if (is_root())
        assert_ok(image_from_programs(&b->store, names, 1, &i, err));
    image_store_release(&b->store);
    assert_ok(image_prune(&b->store, err));
    assert_int_equal(access(in(b, "images/tmp-dead"), F_OK), -1);
    assert_int_equal(entries(b->dir), is_root() ? 2 : 1);
}

static void test_remove_unused(void **state)
{
    struct bed *b = *state;
    struct image_store other = b->store;
    struct image mine, theirs;
    struct image_removed n;
    const char *const one[] = {"seq"}, *const two[] = {"sleep"};
    if (!is_root())
        return;
    assert_ok(image_remove_unused(&b->store, &n, err));
    assert_int_equal(n.images + n.inputs + n.in_use, 0);
    assert_ok(image_from_programs(&b->store, one, 1, &mine, err));
    assert_ok(image_from_programs(&other, two, 1, &theirs, err));
    image_store_release(&b->store);
    int fd = lock_store(b);
    assert_fails(image_remove_unused(&b->store, &n, err), EBUSY, "is making an image");
    fd_close(&fd);
    assert_ok(image_remove_unused(&b->store, &n, err));
    assert_int_equal(n.images, 1);
    assert_int_equal(n.inputs, 0);
    assert_int_equal(n.in_use, 1);
    assert_true(n.bytes > 4096);
    assert_false(has(&mine, ""));
    assert_true(has(&theirs, "/etc/passwd"));
    assert_ok(image_from_programs(&b->store, one, 1, &mine, err)); /* made again */
    assert_true(has(&mine, "/etc/passwd"));
    image_store_release(&other);
    image_store_release(&b->store);
    assert_ok(image_remove_unused(&b->store, &n, err));
    assert_int_equal(n.images, 2);
    assert_int_equal(entries(b->dir), 1);
}

/* Holds the store with the image of hello as soon as a test has made one. */
static char first_hello[64] = "/tmp/cupel-hello-XXXXXX";

/* Gives the bed's empty store the image of hello, which takes seconds to make: a test that does not
 * look at its making gets a copy of the first one's. */
static void with_hello(struct bed *b)
{
    const char *const names[] = {"hello"};
    struct image i;
    char kept[96];
    str_format(kept, sizeof(kept), "%s/images", first_hello);
    const char *const copy[] = {"cp", "-a", kept, b->dir, NULL};
    const char *const keep[] = {"cp", "-a", b->dir, kept, NULL};
    if (access(kept, F_OK) == 0)
        run(b, NULL, copy, NULL);
    assert_ok(image_from_packages(&b->store, names, 1, &i, err));
    assert_true(has(&i, "/usr/bin/hello") && has(&i, "/etc/ld.so.cache"));
    if (access(kept, F_OK) < 0)
        run(b, NULL, keep, NULL);
}

static int make_first(void **state)
{
    return mkdtemp(first_hello) ? 0 : -1;
}

static int remove_first(void **state)
{
    return fs_remove_tree(first_hello, NULL);
}

static void test_packages(void **state)
{
    struct bed *b = *state;
    struct image i;
    const char *const names[] = {"hello"}, *const none[] = {"no-such-package-at-all"};
    if (!is_root() || !tool("mmdebstrap"))
        return;
    assert_fails(image_from_packages(&b->store, none, 1, &i, err), ENOENT, "is not to be had here");
    unsigned said = b->said;
    with_hello(b);
    assert_int_equal(b->said, said + 1);
    said = b->said;
    assert_ok(image_from_packages(&b->store, names, 1, &i, err));
    assert_int_equal(b->said, said);
}

static int make_with(struct bed *b, const char *script, const char *output, char path[256],
                     struct err *err)
{
    static const char *const names[] = {"hello"};
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    char sha256[65];
    return image_input(&b->store, names, 1, argv, output, "in", path, sha256, err);
}

static void test_inputs(void **state)
{
    struct bed *b = *state;
    char path[256], sha256[65], at[300];
    const char *const names[] = {"hello"}, *const good[] = {"hello", "-g", "x", NULL};
    if (!is_root() || !tool("mmdebstrap"))
        return;
    with_hello(b);
    assert_fails(image_input(&b->store, names, 1, good, "/work/out", "in", path, sha256, err),
                 ENOENT, "what it made");
    _cleanup_(str_release) struct str text = STR_INIT;
    assert_ok(make_with(b, "hello > /work/out; echo $LC_ALL >> /work/out", "/work/out", path, err));
    assert_ok(file_read(path, 100, &text, err));
    assert_string_equal(text.buf, "Hello, world!\nC\n");
    /* Links on the way lead where they lead inside. */
    assert_ok(fs_mkdirs(in(b, "outside"), 0755, err));
    put(in(b, "outside/secret"), "secret");
    struct image i;
    assert_ok(image_from_packages(&b->store, names, 1, &i, err));
    str_format(at, sizeof(at), "%s/work", i.rootfs);
    assert_ok(fs_mkdirs(at, 0755, err));
    str_format(at, sizeof(at), "%s/work/dir", i.rootfs);
    assert_int_equal(symlink(in(b, "outside"), at), 0);
    str_format(at, sizeof(at), "%s/work/up", i.rootfs);
    assert_int_equal(symlink("../../../../../../../..", at), 0);
    assert_fails(make_with(b, "hello", "/work/dir/secret", path, err), ENOENT, "what it made");
    assert_fails(make_with(b, "hello", "/proc/version", path, err), EXDEV, "what it made");
    assert_ok(make_with(b, "hello > /made", "/work/up/made", path, err));
    assert_int_equal(access(path, R_OK), 0);
}

/* What the command leaves running is gone, orphans too. */
static void test_input_background(void **state)
{
    struct bed *b = *state;
    char path[256];
    if (!is_root() || !tool("mmdebstrap"))
        return;
    with_hello(b);
    assert_ok(make_with(b,
                        "(while :; do :; done) & echo $! > /work/out; "
                        "(trap '' TERM HUP; (while :; do :; done) & echo $! >> /work/out)",
                        "/work/out", path, err));
    _cleanup_(str_release) struct str text = STR_INIT;
    assert_ok(file_read(path, 100, &text, err));
    for (char *at = text.buf; *at;) {
        pid_t pid = (pid_t)strtol(at, &at, 10);
        assert_true(pid > 1);
        assert_int_equal(kill(pid, 0), -1);
        at += strspn(at, "\n");
    }
}

/* A run that is killed while it copies; what it leaves is taken for nothing, and goes. */
static void test_input_killed(void **state)
{
    struct bed *b = *state;
    struct stat st;
    char path[256];
    const char *const script = "ulimit -S -f unlimited; t=0123456789abcdef; for i in 1 2 3 4 "
                               "5 6 7 8 9 10 11 12 13 14 15; do t=$t$t; done; "
                               "echo \"$t$t$t$t\" > /work/out";
    if (!is_root() || !tool("mmdebstrap"))
        return;
    with_hello(b);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit;
        getrlimit(RLIMIT_FSIZE, &limit);
        limit.rlim_cur = 1 << 20;
        setrlimit(RLIMIT_FSIZE, &limit); /* SIGXFSZ */
        b->store.n_held = 0;
        if (loop_new(&b->loop, NULL) == 0 &&
            ledger_open(b->state, "0badcaff", &b->ledger, NULL) == 0) {
            b->store.loop = b->loop;
            b->store.ledger = b->ledger;
            make_with(b, script, "/work/out", path, NULL);
        }
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
    assert_int_equal(entries(b->dir), 3); /* the image, the lock, the half */
    assert_ok(image_prune(&b->store, err));
    assert_int_equal(entries(b->dir), 2);
    assert_ok(make_with(b, script, "/work/out", path, err));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, (2 << 20) + 1);
}

static void make_layout(struct bed *b)
{
    const char *const init[] = {"umoci", "init", "--layout", in(b, "layout"), NULL};
    run(b, NULL, init, NULL);
    const char *const create[] = {"umoci", "new", "--image", in(b, "layout:tag"), NULL};
    run(b, NULL, create, NULL);
}

static void test_archives(void **state)
{
    struct bed *b = *state;
    struct image i, same;
    char reference[160];
    if (!is_root() || !tool("skopeo") || !tool("umoci"))
        return;
    make_layout(b);
    str_format(reference, sizeof(reference), "oci:%s/layout:tag", b->state);
    assert_ok(image_from_archive(&b->store, reference, &i, err));
    assert_true(has(&i, "/etc/passwd"));
    assert_int_equal(entries(b->dir), 2);
    /* A relative path is from here, not from where the tools run. */
    assert_int_equal(chdir(b->state), 0);
    assert_ok(image_from_archive(&b->store, "oci:layout:tag", &same, err));
    assert_fails(image_from_archive(&b->store, "docker-archive:no.tar", &i, err), ENOENT, "no.tar");
    assert_int_equal(chdir("/"), 0);
    assert_string_equal(i.digest, same.digest);
}

/* An image whose /etc is a link to a folder of ours (there is one of that path inside, too, so that
 * making goes on), with a device node and a set-uid file. */
static void make_hostile(struct bed *b, const char *target, const char *ours)
{
    char path[400];
    const char *const unpack[] = {"umoci",         "unpack", "--image", in(b, "layout:tag"),
                                  in(b, "bundle"), NULL};
    run(b, NULL, unpack, NULL);
    str_format(path, sizeof(path), "%s/bundle/rootfs%s", b->state, ours);
    assert_ok(fs_mkdirs(path, 0755, err));
    assert_int_equal(symlink(target, in(b, "bundle/rootfs/etc")), 0);
    assert_int_equal(mknod(in(b, "bundle/rootfs/disk"), S_IFCHR | 0666, makedev(1, 3)), 0);
    put(in(b, "bundle/rootfs/suid"), "x");
    assert_int_equal(chmod(in(b, "bundle/rootfs/suid"), 04755), 0);
    const char *const repack[] = {"umoci",         "repack", "--image", in(b, "layout:bad"),
                                  in(b, "bundle"), NULL};
    run(b, NULL, repack, NULL);
    assert_ok(fs_remove_tree(in(b, "bundle"), err));
}

static void test_hostile(void **state)
{
    struct bed *b = *state;
    struct image i;
    struct statvfs fs;
    char ours[160], climbing[300], path[400];
    if (!is_root() || !tool("skopeo") || !tool("umoci"))
        return;
    make_layout(b);
    str_copy(ours, sizeof(ours), in(b, "ours"));
    assert_ok(fs_mkdirs(ours, 0755, err));
    str_format(climbing, sizeof(climbing), "../../../../../../../../..%s", ours);
    for (int k = 0; k < 2; k++) {
        make_hostile(b, k ? climbing : ours, ours);
        str_format(path, sizeof(path), "oci:%s/layout:bad", b->state);
        assert_ok(image_from_archive(&b->store, path, &i, err));
        assert_int_equal(entries(ours), 0);
        str_format(path, sizeof(path), "%s/passwd", ours);
        assert_true(has(&i, path) && has(&i, "/disk") && has(&i, "/suid"));
    }
    assert_ok(fs_mkdirs(in(b, "upper"), 0755, err));
    assert_ok(fs_mkdirs(in(b, "layer"), 0755, err));
    assert_ok(fs_mkdirs(in(b, "root"), 0755, err));
    assert_ok(mount_overlay(i.rootfs, in(b, "upper"), in(b, "layer"), in(b, "root"), err));
    int fd = open(in(b, "root/disk"), O_RDONLY | O_CLOEXEC), code = errno;
    int r = statvfs(in(b, "root/suid"), &fs);
    assert_ok(mount_remove_below(in(b, "root"), err));
    assert_int_equal(fd, -1);
    assert_int_equal(code, EACCES);
    assert_int_equal(r, 0);
    assert_true(fs.f_flag & ST_NOSUID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_programs, begin, end),
        cmocka_unit_test_setup_teardown(test_merged, begin, end),
        cmocka_unit_test_setup_teardown(test_own_libraries, begin, end),
        cmocka_unit_test_setup_teardown(test_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_directories, begin, end),
        cmocka_unit_test_setup_teardown(test_interrupted, begin, end),
        cmocka_unit_test_setup_teardown(test_prune, begin, end),
        cmocka_unit_test_setup_teardown(test_remove_unused, begin, end),
        cmocka_unit_test_setup_teardown(test_packages, begin, end),
        cmocka_unit_test_setup_teardown(test_inputs, begin, end),
        cmocka_unit_test_setup_teardown(test_input_background, begin, end),
        cmocka_unit_test_setup_teardown(test_input_killed, begin, end),
        cmocka_unit_test_setup_teardown(test_archives, begin, end),
        cmocka_unit_test_setup_teardown(test_hostile, begin, end),
    };
    return cmocka_run_group_tests(tests, make_first, remove_first);
}
