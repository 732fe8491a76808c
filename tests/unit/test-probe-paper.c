/* The paper's whole workloads (disk, ramspeed, blogbench), run by the real probe at tiny sizes:
 * they verify and report, wrong parameters and full file systems are typed errors, and nothing
 * stays. */
#include "probe-talk.h"

#include "base/fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define MIB 1048576
#define MS  1000000

struct site {
    char dir[64];
    struct talk talk;
};

static int site_make(void **state)
{
    struct site *s = xcalloc(1, sizeof(*s));
    str_copy(s->dir, sizeof(s->dir), "/tmp/cupel-test-XXXXXX");
    *state = s;
    if (!mkdtemp(s->dir))
        return -1;
    talk_open(&s->talk, NULL);
    return 0;
}

static void assert_empty(const char *dir)
{
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] != '.')
            fail_msg("%s was left behind", e->d_name);
    }
    closedir(d);
}

static int site_remove(void **state)
{
    struct site *s = *state;
    struct err err = ERR_INIT;
    talk_close(&s->talk);
    assert_empty(s->dir);
    int r = fs_remove_tree(s->dir, &err);
    free(s);
    return r;
}

/* ---- asking ---- */

static void start(struct frame *f, const char *workload, unsigned workers, const char *dir)
{
    frame_init(f, FRAME_PREPARE, TALK_NONCE, 0);
    str_copy(f->prepare.workload, sizeof(f->prepare.workload), workload);
    f->prepare.workers = workers;
    if (dir)
        facts_add_text(&f->prepare.params, "dir", dir);
}

static void prepared(struct talk *t, struct frame *f, struct frame *ret)
{
    talk_ask(t, f, ret);
    if (ret->type != FRAME_READY)
        fail_msg("%s: %s", f->prepare.workload, ret->error.text);
}

static void refused(struct talk *t, struct frame *f, int code, const char *text)
{
    struct frame a;
    talk_ask(t, f, &a);
    if (a.type != FRAME_ERROR || a.error.code != code || !strstr(a.error.text, text))
        fail_msg("%s: %s %d %s", f->prepare.workload, frame_type_name(a.type),
                 a.type == FRAME_ERROR ? a.error.code : 0,
                 a.type == FRAME_ERROR ? a.error.text : "");
    frame_release(&a);
}

static void slice(struct talk *t, uint64_t ops, struct frame *ret)
{
    struct frame f;
    frame_init(&f, FRAME_SLICE, TALK_NONCE, 0);
    f.slice.ops = ops;
    talk_ask(t, &f, ret);
}

static void slice_fails(struct talk *t, int code, const char *text)
{
    struct frame a;
    slice(t, 1, &a);
    if (a.type != FRAME_ERROR || a.error.code != code || !strstr(a.error.text, text))
        fail_msg("%s: %s", text, a.type == FRAME_ERROR ? a.error.text : "the slice succeeded");
    frame_release(&a);
}

static uint64_t slice_ok(struct talk *t, uint64_t ops, uint64_t expect)
{
    struct frame a;
    slice(t, ops, &a);
    if (a.type != FRAME_SLICED)
        fail_msg("%s", a.error.text);
    assert_int_equal(a.sliced.ops, expect);
    uint64_t ns = a.sliced.ns;
    frame_release(&a);
    return ns;
}

static void finished(struct talk *t, struct facts *ret)
{
    struct frame f, a;
    frame_init(&f, FRAME_FINISH, TALK_NONCE, 0);
    talk_ask(t, &f, &a);
    assert_int_equal(a.type, FRAME_FINISHED);
    if (!a.finished.verified)
        fail_msg("%s", a.finished.detail);
    *ret = a.finished.facts;
    frame_release(&a);
}

/* The path of what the probe made in dir, with tail behind it. */
static void inside(const char *dir, const char *tail, char dst[256])
{
    DIR *d = opendir(dir);
    assert_non_null(d);
    dst[0] = '\0';
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] != '.')
            assert_true(str_format(dst, 256, "%s/%s%s", dir, e->d_name, tail));
    }
    closedir(d);
    assert_true(dst[0]);
}

/* ---- disk.iozone ---- */

static void disk_frame(struct frame *f, const char *dir, int64_t size, int64_t record)
{
    start(f, "disk.iozone", 1, dir);
    facts_add_num(&f->prepare.params, "size", size);
    facts_add_num(&f->prepare.params, "record", record);
}

static void assert_phases(const struct facts *facts, int64_t mib, uint64_t slice_ns)
{
    static const char *const names[] = {"write", "rewrite", "read", "reread"};
    int64_t sum = 0;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char key[32];
        str_format(key, sizeof(key), "%s_ns", names[i]);
        assert_int_equal(facts_num(facts, names[i], -1), mib);
        assert_true(facts_num(facts, key, -1) > 0);
        sum += facts_num(facts, key, -1);
    }
    assert_true((uint64_t)sum <= slice_ns);
}

static void test_disk_reports_each_phase(void **state)
{
    static const struct {
        int64_t mib, record;
        const char *sync, *cold;
    } cases[] = {{1, 4096, "in", "yes"},
                 {3, MIB, "out", "no"},
                 {4, 65536, "out", "yes"},
                 {2, 8192, "in", "no"}};
    struct site *s = *state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct frame f, a;
        struct facts facts;
        disk_frame(&f, s->dir, cases[i].mib * MIB, cases[i].record);
        facts_add_text(&f.prepare.params, "sync", cases[i].sync);
        facts_add_text(&f.prepare.params, "cold", cases[i].cold);
        prepared(&s->talk, &f, &a);
        assert_true(facts_num(&a.ready, "fs_magic", -1) > 0);
        frame_release(&a);
        uint64_t ns = slice_ok(&s->talk, 1, 1);
        finished(&s->talk, &facts);
        assert_phases(&facts, cases[i].mib, ns);
        assert_int_equal(facts_num(&facts, "direct", -1), 0);
        int64_t left = facts_num(&facts, "read_resident_mib", -2);
        assert_in_range(left, 0, cases[i].mib);
        if (str_eq(cases[i].cold, "no"))
            assert_int_equal(left, cases[i].mib);
        char path[256];
        inside(s->dir, "/iozone", path);
        assert_int_equal(access(path, F_OK), -1);
    }
}

/* Where O_DIRECT is taken, nothing that was written is in the page cache; elsewhere it is refused.
 */
static void test_disk_direct(void **state)
{
    struct site *s = *state;
    struct frame f, a;
    struct facts facts;
    disk_frame(&f, s->dir, MIB, 4096);
    facts_add_text(&f.prepare.params, "direct", "yes");
    talk_ask(&s->talk, &f, &a);
    if (a.type == FRAME_ERROR) {
        assert_int_equal(a.error.code, EINVAL);
        assert_non_null(strstr(a.error.text, "no O_DIRECT"));
        frame_release(&a);
        return;
    }
    frame_release(&a);
    slice_ok(&s->talk, 1, 1);
    finished(&s->talk, &facts);
    assert_int_equal(facts_num(&facts, "direct", -1),
                     facts_num(&facts, "write_resident_mib", -2) == 0);
}

static void half_frame(struct frame *f, const char *dir, const char *half)
{
    disk_frame(f, dir, 2 * MIB, 8192);
    facts_add_text(&f->prepare.params, "phases", half);
}

/* What one half leaves the other finds, also in another probe, and takes away. */
static void test_disk_in_two_halves(void **state)
{
    struct site *s = *state;
    struct frame f, a;
    struct facts facts;
    char path[256];
    str_format(path, sizeof(path), "%s/" WIRE_COLD_DIR "/" WIRE_COLD_FILE, s->dir);

    half_frame(&f, s->dir, "read");
    refused(&s->talk, &f, ENOENT, WIRE_COLD_DIR);

    half_frame(&f, s->dir, "write");
    prepared(&s->talk, &f, &a);
    frame_release(&a);
    slice_ok(&s->talk, 1, 1);
    finished(&s->talk, &facts);
    assert_int_equal(facts_num(&facts, "write", -1), 2);
    assert_int_equal(facts_num(&facts, "rewrite", -1), 2);
    assert_int_equal(facts_num(&facts, "read", -1), -1);
    assert_int_equal(access(path, F_OK), 0);

    half_frame(&f, s->dir, "write");
    refused(&s->talk, &f, EEXIST, WIRE_COLD_DIR);

    half_frame(&f, s->dir, "read");
    prepared(&s->talk, &f, &a);
    frame_release(&a);
    slice_ok(&s->talk, 1, 1);
    finished(&s->talk, &facts);
    assert_int_equal(facts_num(&facts, "write", -1), -1);
    assert_int_equal(facts_num(&facts, "read", -1), 2);
    assert_int_equal(facts_num(&facts, "reread", -1), 2);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_disk_bad_parameters(void **state)
{
    struct site *s = *state;
    struct frame f;
    disk_frame(&f, s->dir, MIB + 4096, 4096);
    refused(&s->talk, &f, EINVAL, "size");
    disk_frame(&f, s->dir, 0, 4096);
    refused(&s->talk, &f, EINVAL, "size");
    disk_frame(&f, s->dir, MIB, 100);
    refused(&s->talk, &f, EINVAL, "record");
    disk_frame(&f, s->dir, MIB, 3 * 4096);
    refused(&s->talk, &f, EINVAL, "not a multiple of 12288");
    disk_frame(&f, s->dir, MIB, 4096);
    facts_add_text(&f.prepare.params, "sync", "maybe");
    refused(&s->talk, &f, EINVAL, "sync");
    disk_frame(&f, s->dir, MIB, 4096);
    f.prepare.workers = 2;
    refused(&s->talk, &f, EINVAL, "one worker");
    disk_frame(&f, "/nonexistent-directory", MIB, 4096);
    refused(&s->talk, &f, ENOENT, "");
    disk_frame(&f, s->dir, INT64_C(1) << 44, 4096);
    refused(&s->talk, &f, ENOSPC, "a file of 16777216 MiB does not fit");
}

/* What a phase cannot do is an error of the slice that names the phase. */
static void test_disk_failing_phase(void **state)
{
    struct site *s = *state;
    struct frame f, a;
    char path[256];
    disk_frame(&f, s->dir, MIB, 4096);
    prepared(&s->talk, &f, &a);
    frame_release(&a);
    inside(s->dir, "/iozone", path);
    assert_int_equal(mkdir(path, 0700), 0);
    slice_fails(&s->talk, EEXIST, "write");
}

static bool mount_small(const char *dir)
{
    return geteuid() == 0 && mount("none", dir, "tmpfs", 0, "size=8m") == 0;
}

static void test_full_file_system(void **state)
{
    struct site *s = *state;
    struct frame f, a;
    char dir[80], ballast[128];
    str_format(dir, sizeof(dir), "%s/small", s->dir);
    str_format(ballast, sizeof(ballast), "%s/ballast", dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    if (!mount_small(dir)) {
        assert_int_equal(rmdir(dir), 0);
        skip();
    }
    disk_frame(&f, dir, 9 * MIB, 4096);
    refused(&s->talk, &f, ENOSPC, "a file of 9 MiB does not fit");
    disk_frame(&f, dir, 6 * MIB, 4096);
    prepared(&s->talk, &f, &a);
    frame_release(&a);
    int fd = open(ballast, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(posix_fallocate(fd, 0, 4 * MIB), 0);
    close(fd);
    slice_fails(&s->talk, ENOSPC, "write");
    assert_int_equal(unlink(ballast), 0);

    start(&f, "blogbench", 1, dir);
    facts_add_num(&f.prepare.params, "iterations", 20);
    facts_add_num(&f.prepare.params, "interval", 100 * MS);
    prepared(&s->talk, &f, &a);
    frame_release(&a);
    slice_fails(&s->talk, ENOSPC, "blog");
    start(&f, "sys.getpid", 1, NULL); /* lets go of the directory */
    prepared(&s->talk, &f, &a);
    frame_release(&a);
    assert_empty(dir);
    assert_int_equal(umount(dir), 0);
    assert_int_equal(rmdir(dir), 0);
}

/* ---- ramspeed ---- */

static void test_ramspeed(void **state)
{
    static const struct {
        const char *name, *elements;
        unsigned streams;
    } cases[] = {{"ramspeed.copy", "int", 2},  {"ramspeed.scale", "float", 2},
                 {"ramspeed.add", "int", 3},   {"ramspeed.triad", "float", 3},
                 {"ramspeed.triad", "int", 3}, {"ramspeed.scale", "int", 2},
                 {"ramspeed.add", "float", 3}, {"ramspeed.copy", "float", 2}};
    struct site *s = *state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct frame f, a;
        struct facts facts;
        start(&f, cases[i].name, 2, NULL);
        facts_add_num(&f.prepare.params, "array_bytes", 2 * MIB);
        facts_add_text(&f.prepare.params, "elements", cases[i].elements);
        prepared(&s->talk, &f, &a);
        assert_string_equal(facts_text(&a.ready, "workers_are", ""), "processes");
        frame_release(&a);
        uint64_t ns = slice_ok(&s->talk, 5, 10); /* two passes and a half each */
        finished(&s->talk, &facts);
        assert_int_equal(facts_num(&facts, "bytes", -1), 10 * MIB * (int64_t)cases[i].streams);
        assert_in_range(facts_num(&facts, "mean_ns", 0), 1, ns);
        assert_int_equal(facts_num(&facts, "elements_checked", -1), 2 * 2 * 4);
    }
    struct frame f;
    start(&f, "ramspeed.copy", 2, NULL);
    facts_add_num(&f.prepare.params, "array_bytes", MIB + 8);
    refused(&s->talk, &f, EINVAL, "array_bytes");
    start(&f, "ramspeed.copy", 2, NULL);
    facts_add_text(&f.prepare.params, "elements", "short");
    refused(&s->talk, &f, EINVAL, "elements");
}

/* ---- blogbench ---- */

static void test_blogbench(void **state)
{
    struct site *s = *state;
    struct frame f, a;
    struct facts facts;
    start(&f, "blogbench", 1, s->dir);
    facts_add_num(&f.prepare.params, "iterations", 4);
    facts_add_num(&f.prepare.params, "interval", 400 * MS);
    facts_add_num(&f.prepare.params, "readers", 4);
    prepared(&s->talk, &f, &a);
    frame_release(&a);
    uint64_t ns = slice_ok(&s->talk, 1, 1);
    finished(&s->talk, &facts);
    int64_t elapsed = facts_num(&facts, "elapsed_ns", 0);
    assert_true(elapsed >= 1600 * MS);
    assert_true(ns < (uint64_t)elapsed + NS_PER_S); /* at the last tick it is over */
    assert_true(facts_num(&facts, "write", 0) > 0);
    assert_true(facts_num(&facts, "read", 0) > 0);
    assert_true(facts_num(&facts, "comments", 0) > 0);
    assert_int_equal(facts_num(&facts, "read_ns", 0), elapsed);
    assert_int_equal(facts_num(&facts, "write_ns", 0), elapsed);
    assert_true(facts_num(&facts, "errors", -1) > 0); /* the store was empty at first */
}

/* A link in a blog's place is removed, not followed. */
static void test_blogbench_removes_no_more_than_its_own(void **state)
{
    struct site *s = *state;
    struct frame f, a;
    char path[256], mine[80];
    str_format(mine, sizeof(mine), "%s-kept", s->dir);
    assert_int_equal(mkdir(mine, 0700), 0);
    start(&f, "blogbench", 1, s->dir);
    facts_add_num(&f.prepare.params, "iterations", 1);
    facts_add_num(&f.prepare.params, "interval", 50 * MS);
    prepared(&s->talk, &f, &a);
    frame_release(&a);
    inside(s->dir, "/link", path);
    assert_int_equal(symlink(mine, path), 0);
    slice_ok(&s->talk, 1, 1);
    start(&f, "sys.getpid", 1, NULL);
    prepared(&s->talk, &f, &a);
    frame_release(&a);
    assert_empty(s->dir);
    assert_int_equal(rmdir(mine), 0);
}

static void test_blogbench_bad_parameters(void **state)
{
    static const struct {
        const char *name;
        int64_t num;
    } cases[] = {{"writers", 0},    {"rewriters", 257}, {"readers", -1},        {"commenters", 0},
                 {"iterations", 0}, {"interval", 10},   {"interval", INT64_MAX}};
    struct site *s = *state;
    struct frame f;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        start(&f, "blogbench", 1, s->dir);
        facts_add_num(&f.prepare.params, cases[i].name, cases[i].num);
        refused(&s->talk, &f, EINVAL, cases[i].name);
    }
    start(&f, "blogbench", 2, s->dir);
    refused(&s->talk, &f, EINVAL, "one worker");
    start(&f, "blogbench", 1, "/nonexistent-directory");
    refused(&s->talk, &f, ENOENT, "");
}

/* ---- unixbench ---- */

/* What its cells execute: the system-call kernels, for a time, by so many processes. */
static void test_system_calls_for_a_time(void **state)
{
    static const char *const names[] = {"sys.mix", "sys.close", "sys.getpid", "sys.exec"};
    struct site *s = *state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct frame f, a;
        struct facts facts;
        start(&f, names[i], 4, NULL);
        facts_add_num(&f.prepare.params, "time",
                      50 * MS); /* the controller sends what cells have */
        prepared(&s->talk, &f, &a);
        assert_string_equal(facts_text(&a.ready, "workers_are", ""), "processes");
        frame_release(&a);
        frame_init(&f, FRAME_SLICE, TALK_NONCE, 0);
        f.slice.ops = 10;
        f.slice.for_ns = 50 * MS;
        talk_ask(&s->talk, &f, &a);
        assert_int_equal(a.type, FRAME_SLICED);
        assert_true(a.sliced.ns >= 50 * MS);
        assert_true(a.sliced.ops >= 40 && a.sliced.ops % 10 == 0);
        frame_release(&a);
        finished(&s->talk, &facts);
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
#define TEST(name) cmocka_unit_test_setup_teardown(name, site_make, site_remove)
    const struct CMUnitTest tests[] = {
        TEST(test_disk_reports_each_phase),
        TEST(test_disk_direct),
        TEST(test_disk_in_two_halves),
        TEST(test_disk_bad_parameters),
        TEST(test_disk_failing_phase),
        TEST(test_full_file_system),
        TEST(test_ramspeed),
        TEST(test_blogbench),
        TEST(test_blogbench_removes_no_more_than_its_own),
        TEST(test_blogbench_bad_parameters),
        TEST(test_system_calls_for_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
