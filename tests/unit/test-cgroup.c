#include "host/cgroup.h"
#include "host/cpus.h"
#include "host/disk.h"
#include "host/mountinfo.h"
#include "host/proc.h"

#include "base/fd.h"
#include "base/fs.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <cmocka.h>

/* --- detection, from texts --- */

static void detect(const char *text, struct cgroups *ret)
{
    _cleanup_free_ char *copy = xstrdup(text);
    cgroups_from_mountinfo(copy, ret);
}

static void test_detect_hybrid(void **state)
{
    struct cgroups c;
    detect("32 31 0:29 / /x/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
           "33 31 0:29 / /x/cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
           "34 31 0:31 / /x/cpuset rw - cgroup cgroup rw,cpuset\n"
           "36 31 0:33 / /x/devices rw - cgroup cgroup rw,devices\n"
           "40 31 0:37 / /x/systemd rw - cgroup cgroup rw,name=systemd\n"
           "41 31 0:38 / /x/unified rw - cgroup2 cgroup2 rw\n",
           &c);
    assert_int_equal(c.mode, CGROUP_HYBRID);
    assert_int_equal(c.n_trees, 2); /* cpu and cpuacct are one hierarchy, mounted twice */
    assert_string_equal(c.trees[0].controllers, "cpu,cpuacct");
    assert_string_equal(c.trees[0].mount, "/x/cpu");
    assert_string_equal(c.trees[1].controllers, "cpuset");
    assert_int_equal(c.n_others, 3);
    assert_string_equal(c.unified_mount, "/x/unified");
    assert_false(c.unified_has_controllers);
}

static void test_detect_others(void **state)
{
    struct cgroups c;
    detect("1 1 0:1 / / rw - ext4 /dev/vda rw\n", &c);
    assert_int_equal(c.mode, CGROUP_NONE);
    assert_int_equal(c.n_trees, 0);
    assert_int_equal(cgroup_make(&c, "/cupel-x", NULL), -ENOTSUP);
    detect("32 31 0:29 / /x/cpu rw - cgroup cgroup rw,cpu\n", &c);
    assert_int_equal(c.mode, CGROUP_V1);
    detect("32 31 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", &c);
    assert_int_equal(c.mode, CGROUP_V2);
    assert_int_equal(c.n_trees, 1);
    assert_true(c.trees[0].unified);
    /* More hierarchies than there is room for do no harm. */
    _cleanup_(str_release) struct str many = STR_INIT;
    for (int i = 0; i < 60; i++)
        str_addf(&many, "1 1 0:1 / /n%d rw - cgroup cgroup rw,name=n%d\n", i, i);
    detect(many.buf, &c);
    assert_int_equal(c.n_others, CGROUP_OTHERS);
}

/* --- version 2, against a directory that looks like it --- */

static char fake[64];

static void put(const char *name, const char *text)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", fake, name);
    assert_int_equal(file_replace(path, text, strlen(text), 0600, NULL), 0);
}

static void expect_file(const char *name, const char *text)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", fake, name);
    char line[128];
    assert_int_equal(file_read_line(path, line, sizeof(line)), 0);
    assert_string_equal(line, text);
}

static void fake_v2(struct cgroups *c)
{
    str_copy(fake, sizeof(fake), "/tmp/cupel-test-cgroup-XXXXXX");
    assert_non_null(mkdtemp(fake));
    put("cgroup.controllers", "cpuset cpu io memory hugetlb pids\n");
    put("cgroup.subtree_control", "");
    _cleanup_free_ char *line = xasprintf("1 1 0:1 / %s rw - cgroup2 cgroup2 rw\n", fake);
    detect(line, c);
}

static void test_v2_make(void **state)
{
    struct cgroups c;
    fake_v2(&c);
    assert_int_equal(c.mode, CGROUP_V2);
    assert_true(c.unified_has_controllers);
    assert_string_equal(c.trees[0].controllers, "cpu,cpuset,memory,pids");
    assert_int_equal(cgroup_make(&c, "/cupel-x", NULL), 0);
    expect_file("cgroup.subtree_control", "+cpu +cpuset +memory +pids");
    put("cupel-x/cgroup.controllers", "cpu pids\n");
    put("cupel-x/cgroup.subtree_control", "");
    assert_int_equal(cgroup_make(&c, "/cupel-x/s1", NULL), 0);
    expect_file("cupel-x/cgroup.subtree_control", "+cpu +pids");
    assert_true(cgroup_exists(&c, "/cupel-x/s1"));
    assert_int_equal(cgroup_make(&c, "/cupel-x/s1", NULL), -EEXIST);
    assert_true(cgroup_exists(&c, "/cupel-x/s1")); /* the old one is not taken away */
    struct err err = ERR_INIT;
    assert_int_equal(cgroup_make(&c, "/cupel-y/s1", &err), -ENOENT);
    assert_int_equal(fs_remove_tree(fake, NULL), 0);
}

static void test_v2_limits(void **state)
{
    struct cgroups c;
    fake_v2(&c);
    assert_int_equal(cgroup_make(&c, "/cupel-x", NULL), 0);
    struct err err = ERR_INIT;
    const struct cgroup_limits none = {0}, some = {.cpus = 1.5, .memory_bytes = 1 << 20, .pids = 9};
    assert_int_equal(cgroup_set_limits(&c, "/cupel-x", &none, &err), 0);
    assert_int_equal(cgroup_set_limits(&c, "/cupel-x", &some, &err), -ENOTSUP);
    assert_int_equal(err.kind, ERR_UNSUPPORTED); /* the controller was not handed down */
    put("cupel-x/cpu.max", "");
    put("cupel-x/memory.max", "");
    put("cupel-x/memory.swap.max", "");
    put("cupel-x/pids.max", "");
    assert_int_equal(cgroup_set_limits(&c, "/cupel-x", &some, &err), 0);
    expect_file("cupel-x/cpu.max", "150000 100000");
    expect_file("cupel-x/memory.max", "1048576");
    expect_file("cupel-x/memory.swap.max", "0");
    expect_file("cupel-x/pids.max", "9");
    assert_int_equal(fs_remove_tree(fake, NULL), 0);
}

static void expect_limits(const struct cgroups *c, const char *path, double cpus, uint64_t memory,
                          uint64_t pids)
{
    struct cgroup_limits l;
    struct err err = ERR_INIT;
    if (cgroup_read_limits(c, path, &l, &err) < 0)
        fail_msg("%s", err.msg);
    assert_float_equal(l.cpus, cpus, 1e-9);
    assert_int_equal(l.memory_bytes, memory);
    assert_int_equal(l.pids, pids);
}

static void test_v2_limits_in_force(void **state)
{
    struct cgroups c;
    struct cgroup_limits l;
    struct err err = ERR_INIT;
    uint64_t n;
    fake_v2(&c);
    assert_int_equal(cgroup_make(&c, "/cupel-x", NULL), 0);
    assert_int_equal(cgroup_make(&c, "/cupel-x/s", NULL), 0);
    expect_limits(&c, "/cupel-x/s", 0, 0, 0); /* no files: no controller, no limit */
    put("cupel-x/cpu.max", "150000 100000\n");
    put("cupel-x/memory.max", "max\n");
    put("cupel-x/pids.max", "100\n");
    put("cupel-x/s/cpu.max", "max 100000\n");
    put("cupel-x/s/memory.max", "1048576\n");
    put("cupel-x/s/pids.max", "200\n");
    expect_limits(&c, "/cupel-x", 1.5, 0, 100);
    expect_limits(&c, "/cupel-x/s", 1.5, 1 << 20, 100);
    put("cupel-x/s/cpu.max", "25000 50000\n");
    put("memory.max", "4096\n"); /* in a container the root is a group like any other */
    expect_limits(&c, "/cupel-x/s", .5, 4096, 100);
    assert_int_equal(cgroup_tasks(&c, "/cupel-x/s", &n), -ENOTSUP);
    put("cupel-x/s/pids.current", "7\n");
    assert_int_equal(cgroup_tasks(&c, "/cupel-x/s", &n), 0);
    assert_int_equal(n, 7);
    assert_int_equal(cgroup_tasks(&c, "/cupel-y", &n), -ENOENT);
    assert_int_equal(cgroup_read_limits(&c, "/cupel-y", &l, &err), -ENOENT);
    assert_int_equal(cgroup_read_limits(&c, "cupel-x", &l, &err), -EINVAL);
    static const char *const bad[] = {"150000", "x 100000", "1 0", "", "1 2 3"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        put("cupel-x/s/cpu.max", bad[i]);
        assert_true(cgroup_read_limits(&c, "/cupel-x/s", &l, &err) < 0);
    }
    assert_int_equal(fs_remove_tree(fake, NULL), 0);
}

static void test_v2_io(void **state)
{
    struct cgroups c;
    uint64_t bps;
    struct err err = ERR_INIT;
    const dev_t disk = makedev(254, 0);
    fake_v2(&c);
    assert_true(c.trees[0].io);
    assert_int_equal(cgroup_make(&c, "/cupel-x", NULL), 0);
    assert_int_equal(cgroup_make(&c, "/cupel-x/s", NULL), 0);
    assert_int_equal(cgroup_limit_io(&c, "/cupel-x/s", disk, 1000, &err), -ENOTSUP);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
    put("cupel-x/io.max", "");
    put("cupel-x/s/io.max", "");
    put("cupel-x/cgroup.subtree_control", "");
    put("cgroup.subtree_control", "");
    assert_int_equal(cgroup_limit_io(&c, "/cupel-x/s", disk, 1000, NULL), 0);
    expect_file("cgroup.subtree_control", "+io");
    expect_file("cupel-x/cgroup.subtree_control", "+io");
    expect_file("cupel-x/s/io.max", "254:0 rbps=1000 wbps=1000");
    assert_int_equal(cgroup_read_io(&c, "/cupel-x/s", disk, &bps, NULL), 0);
    assert_int_equal(bps, 1000);
    put("cupel-x/io.max", "254:16 rbps=1 wbps=1\n254:0 rbps=400 wbps=max riops=max wiops=max\n");
    assert_int_equal(cgroup_read_io(&c, "/cupel-x", disk, &bps, NULL), 0);
    assert_int_equal(bps, 0); /* writing has none */
    put("cupel-x/io.max", "254:0 rbps=400 wbps=500 riops=max wiops=max\n");
    assert_int_equal(cgroup_read_io(&c, "/cupel-x/s", disk, &bps, NULL), 0);
    assert_int_equal(bps, 500);
    put("cupel-x/s/io.max", "");
    assert_int_equal(cgroup_limit_io(&c, "/cupel-x/s", disk, 0, NULL), 0);
    expect_file("cupel-x/s/io.max", "254:0 rbps=max wbps=max");
    struct cgroup_io io = {0};
    assert_int_equal(cgroup_io_done(&c, "/cupel-x/s", disk, &io), -ENOTSUP);
    put("cupel-x/s/io.stat", "254:16 rbytes=9 wbytes=9\n254:0 rbytes=4096 wbytes=8192 rios=1\n");
    assert_int_equal(cgroup_io_done(&c, "/cupel-x/s", disk, &io), 0);
    assert_int_equal(io.read_bytes, 4096);
    assert_int_equal(io.written_bytes, 8192);
    assert_int_equal(cgroup_read_io(&c, "/cupel-y", disk, &bps, NULL), -ENOENT);
    assert_int_equal(cgroup_limit_io(&c, "/docker", disk, 1, NULL), -EINVAL);
    assert_int_equal(fs_remove_tree(fake, NULL), 0);
    /* No such controller. */
    detect("32 31 0:29 / /x/cpu rw - cgroup cgroup rw,cpu\n", &c);
    assert_int_equal(cgroup_limit_io(&c, "/cupel-x", disk, 1, &err), -ENOTSUP);
    assert_non_null(strstr(err.msg, "no blkio or io controller"));
    assert_int_equal(cgroup_read_io(&c, "/cupel-x", disk, &bps, NULL), 0);
    assert_int_equal(bps, 0);
}

/* The tree of I/O limits of version 1 gets a group where that is asked for, and nowhere else: not
 * because somebody made its parent there, as runtimes do. */
static void test_v1_io_on_request(void **state)
{
    struct cgroups c;
    struct cgroup_io io = {0};
    const dev_t disk = makedev(254, 0);
    char there[96];
    str_copy(fake, sizeof(fake), "/tmp/cupel-test-cgroup-XXXXXX");
    assert_non_null(mkdtemp(fake));
    _cleanup_free_ char *lines = xasprintf("1 1 0:1 / %s/cpu rw - cgroup cgroup rw,cpu\n"
                                           "2 1 0:2 / %s/io rw - cgroup cgroup rw,blkio\n",
                                           fake, fake);
    str_format(there, sizeof(there), "%s/cpu", fake);
    assert_int_equal(mkdir(there, 0700), 0);
    str_format(there, sizeof(there), "%s/io/cupel-x", fake);
    assert_int_equal(fs_mkdirs(there, 0700, NULL), 0);
    detect(lines, &c);
    assert_int_equal(c.n_trees, 1);
    assert_int_equal(cgroup_make(&c, "/cupel-x", NULL), 0);
    assert_int_equal(cgroup_make(&c, "/cupel-x/plain", NULL), 0);
    str_format(there, sizeof(there), "%s/io/cupel-x/plain", fake);
    assert_int_equal(access(there, F_OK), -1);
    assert_int_equal(cgroup_make_with_io(&c, "/cupel-x/held", NULL), 0);
    assert_int_equal(cgroup_make_with_io(&c, "/cupel-x/held/box", NULL), 0);
    str_format(there, sizeof(there), "%s/io/cupel-x/held/box", fake);
    assert_int_equal(access(there, F_OK), 0);
    assert_int_equal(cgroup_make_with_io(&c, "/cupel-x/held", NULL), -EEXIST);
    assert_int_equal(access(there, F_OK), 0); /* the old one is not taken away */
    /* What they did: each counts for itself. */
    assert_int_equal(cgroup_io_done(&c, "/cupel-x/held", disk, &io), -ENOTSUP);
    put("io/cupel-x/held/blkio.throttle.io_service_bytes", "Total 0\n");
    put("io/cupel-x/held/box/blkio.throttle.io_service_bytes",
        "254:0 Read 5\n254:0 Write 7\n254:0 Total 12\n254:16 Write 1\nTotal 13\n");
    assert_int_equal(cgroup_io_done(&c, "/cupel-x/held", disk, &io), 0);
    assert_int_equal(io.read_bytes, 5);
    assert_int_equal(io.written_bytes, 7);
    assert_int_equal(cgroup_io_done(&c, "/cupel-x/plain", disk, &io), -ENOTSUP);
    assert_int_equal(fs_remove_tree(fake, NULL), 0);
}

static void test_disk(void **state)
{
    dev_t disk = 0;
    struct err err = ERR_INIT;
    str_copy(fake, sizeof(fake), "/tmp/cupel-test-cgroup-XXXXXX");
    assert_non_null(mkdtemp(fake));
    _cleanup_free_ char *part = xasprintf("%s/devices/sda/sda1", fake);
    _cleanup_free_ char *block = xasprintf("%s/dev/block", fake);
    _cleanup_free_ char *link = xasprintf("%s/8:1", block), *whole = xasprintf("%s/8:0", block);
    assert_int_equal(fs_mkdirs(part, 0700, NULL), 0);
    assert_int_equal(fs_mkdirs(block, 0700, NULL), 0);
    assert_int_equal(symlink("../../devices/sda/sda1", link), 0);
    assert_int_equal(symlink("../../devices/sda", whole), 0);
    put("devices/sda/dev", "8:0\n");
    put("devices/sda/sda1/dev", "8:1\n");
    put("devices/sda/sda1/partition", "1\n");
    assert_int_equal(disk_whole(fake, makedev(8, 1), &disk, NULL), 0);
    assert_true(disk == makedev(8, 0));
    assert_int_equal(disk_whole(fake, makedev(8, 0), &disk, NULL), 0);
    assert_true(disk == makedev(8, 0));
    assert_int_equal(disk_whole(fake, makedev(9, 0), &disk, &err), -ENOTSUP);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
    put("devices/sda/dev", "8\n");
    assert_int_equal(disk_whole(fake, makedev(8, 1), &disk, &err), -EINVAL);
    assert_int_equal(fs_remove_tree(fake, NULL), 0);
    assert_int_equal(disk_under("/proc", &disk, &err), -ENOTSUP);
    assert_non_null(strstr(err.msg, "no disk of its own lies under /proc"));
    assert_int_equal(disk_under("/none", &disk, &err), -ENOENT);
}

static void test_v2_cpus(void **state)
{
    struct cgroups c;
    fake_v2(&c);
    assert_int_equal(cgroup_make(&c, "/cupel-x", NULL), 0);
    assert_int_equal(cgroup_make(&c, "/cupel-x/own", NULL), 0);
    assert_int_equal(cgroup_make(&c, "/cupel-x/none", NULL), 0);
    put("cupel-x/cpuset.cpus", "\n");
    put("cupel-x/own/cpuset.cpus", "3\n");
    put("cupel-x/none/cpuset.cpus", "\n");
    cpu_set_t set;
    assert_int_equal(cpus_parse("1-2", &set, NULL), 0);
    assert_int_equal(cgroup_set_cpus(&c, "/cupel-x", &set, NULL), 0);
    expect_file("cupel-x/cpuset.cpus", "1-2");
    expect_file("cupel-x/own/cpuset.cpus", "1-2");
    expect_file("cupel-x/none/cpuset.cpus", "");
    CPU_ZERO(&set);
    assert_int_equal(cgroup_set_cpus(&c, "/cupel-x", &set, NULL), -EINVAL);
    put("cpuset.cpus.effective", "0-1000\n");
    assert_int_equal(cgroup_usable_cpus(&c, &set, NULL), 0);
    cpu_set_t own;
    assert_int_equal(sched_getaffinity(0, sizeof(own), &own), 0);
    assert_true(CPU_EQUAL(&set, &own));
    put("cpuset.cpus.effective", "1000\n");
    assert_int_equal(cgroup_usable_cpus(&c, &set, NULL), -ENODEV);
    assert_int_equal(fs_remove_tree(fake, NULL), 0);
}

static void test_v2_read(void **state)
{
    struct cgroups c;
    fake_v2(&c);
    uint64_t v;
    assert_int_equal(cgroup_make(&c, "/cupel-x", NULL), 0);
    assert_int_equal(cgroup_make(&c, "/cupel-x/s", NULL), 0);
    put("cupel-x/cpu.stat", "usage_usecs 7\nusage_usec 1234567\nuser_usec 1\nnr_throttled 4\n");
    put("cupel-x/s/cpu.stat", "usage_usec 5\nnr_throttled 3\n");
    put("cupel-x/memory.peak", "4096\n");
    put("cupel-x/memory.events", "low 0\noom 2\noom_kill 1\n");
    struct cgroup_meter m;
    assert_int_equal(cgroup_meter_open(&c, "/cupel-x", &m, NULL), 0);
    assert_int_equal(cgroup_meter_read(&m, &v), 0);
    assert_true(v == UINT64_C(1234567000));
    cgroup_meter_close(&m);
    assert_int_equal(m.fd, -1);
    assert_true(cgroup_meter_read(&m, &v) < 0);
    assert_int_equal(cgroup_throttled(&c, "/cupel-x", &v), 0);
    assert_int_equal(v, 7);
    assert_int_equal(cgroup_oom_kills(&c, "/cupel-x", &v), 0);
    assert_int_equal(v, 1);
    assert_int_equal(cgroup_peak_memory(&c, "/cupel-x", &v), 0);
    assert_int_equal(v, 4096);
    assert_int_equal(cgroup_peak_tasks(&c, "/cupel-x", &v), -ENOTSUP);
    assert_int_equal(cgroup_refused_tasks(&c, "/cupel-x", &v), -ENOTSUP);
    put("cupel-x/pids.peak", "12\n");
    put("cupel-x/pids.events", "max 3\n");
    put("cupel-x/s/pids.events", "max 2\n");
    assert_int_equal(cgroup_peak_tasks(&c, "/cupel-x", &v), 0);
    assert_int_equal(v, 12);
    assert_int_equal(cgroup_refused_tasks(&c, "/cupel-x", &v), 0);
    assert_int_equal(v, 5); /* each its own */
    put("cupel-x/pids.events.local", "max 1\n");
    assert_int_equal(cgroup_refused_tasks(&c, "/cupel-x", &v), 0);
    assert_int_equal(v, 3); /* with those below */
    assert_int_equal(cgroup_reset_peak(&c, "/cupel-x"), -ENOTSUP);
    assert_int_equal(cgroup_peak_memory(&c, "/cupel-x/s", &v), -ENOTSUP);
    assert_int_equal(cgroup_oom_kills(&c, "/cupel-x/s", &v), -ENOTSUP);
    assert_int_equal(cgroup_meter_open(&c, "/cupel-y", &m, NULL), -ENOENT);
    assert_int_equal(fs_remove_tree(fake, NULL), 0);
}

/* What stands in cgroup.procs is not believed: a process is killed only if /proc agrees. */
static void test_v2_kill_checks(void **state)
{
    struct cgroups c;
    fake_v2(&c);
    assert_int_equal(cgroup_make(&c, "/cupel-x", NULL), 0);
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    char text[128];
    str_format(text, sizeof(text), "%d\n0\nnonsense\n%d\n-4\n", (int)pid, (int)pid);
    put("cupel-x/cgroup.procs", text);
    put("cupel-x/cgroup.kill", "");
    struct pid_list l = {NULL, 0, 0};
    assert_int_equal(cgroup_pids(&c, "/cupel-x", &l, NULL), 0);
    assert_int_equal(l.n, 1);
    assert_int_equal(l.v[0], pid);
    pid_list_release(&l);
    struct err err = ERR_INIT;
    int r = cgroup_kill(&c, "/cupel-x", time_deadline(50 * NS_PER_MS), NULL, NULL, &err);
    assert_int_equal(r, -ETIMEDOUT);
    assert_int_equal(err.kind, ERR_TIMEOUT);
    expect_file("cupel-x/cgroup.kill", "1");
    assert_true(proc_alive(pid));
    /* The same without cgroup.kill, where processes are signalled one by one. */
    _cleanup_free_ char *file = xasprintf("%s/cupel-x/cgroup.kill", fake);
    unlink(file);
    put("cupel-x/cgroup.freeze", "");
    assert_int_equal(cgroup_kill(&c, "/cupel-x", time_deadline(50 * NS_PER_MS), NULL, NULL, &err),
                     -ETIMEDOUT);
    assert_true(proc_alive(pid));
    expect_file("cupel-x/cgroup.freeze", "0");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(fs_remove_tree(fake, NULL), 0);
}

static void test_bad_paths(void **state)
{
    struct cgroups c;
    fake_v2(&c);
    static const char *const bad[] = {"/",           "",          "/docker",     "cupel-x",
                                      "/cupel-x/..", "/cupel-x/", "/cupel-x//y", "/cupel-x/../../a",
                                      "/cupel-x\n",  "/cupel-x y"};
    cpu_set_t set;
    assert_int_equal(cpus_parse("0", &set, NULL), 0);
    const struct cgroup_limits none = {0};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct err err = ERR_INIT;
        assert_int_equal(cgroup_make(&c, bad[i], &err), -EINVAL);
        assert_int_equal(err.kind, ERR_BUG);
        assert_int_equal(cgroup_remove(&c, bad[i], NULL), -EINVAL);
        assert_int_equal(cgroup_kill(&c, bad[i], 0, NULL, NULL, NULL), -EINVAL);
        assert_int_equal(cgroup_set_cpus(&c, bad[i], &set, NULL), -EINVAL);
        assert_int_equal(cgroup_set_limits(&c, bad[i], &none, NULL), -EINVAL);
    }
    assert_int_equal(fs_remove_tree(fake, NULL), 0);
}

/* --- this machine's own, as root --- */

static struct cgroups here;
static bool unified_only; /* on hybrid: the unified tree alone, which is a real version 2 */
static char top[64], leaf[96], second[96];

static bool real_groups(void)
{
    if (geteuid() != 0) {
        print_message("# skipped: control groups need root\n");
        return false;
    }
    assert_int_equal(cgroups_detect(&here, NULL), 0);
    if (unified_only) {
        _cleanup_free_ char *line =
            xasprintf("1 1 0:1 / %s rw - cgroup2 cgroup2 rw\n", here.unified_mount);
        detect(here.unified_mount[0] ? line : "", &here);
    }
    if (here.n_trees == 0) {
        print_message("# skipped: no control groups are mounted here\n");
        return false;
    }
    str_format(top, sizeof(top), "/cupel-test-%d", (int)getpid());
    str_format(leaf, sizeof(leaf), "%s/s1", top);
    str_format(second, sizeof(second), "%s/s2", top);
    struct err err = ERR_INIT;
    if (cgroup_make(&here, top, &err) < 0) {
        if (err.code == EROFS || err.code == EPERM || err.code == EACCES) {
            print_message("# skipped: %s\n", err.msg);
            return false;
        }
        fail_msg("%s", err.msg);
    }
    assert_int_equal(cgroup_make(&here, leaf, &err), 0);
    return true;
}

/* Joins the leaf in the child itself, as spawn does. */
static pid_t start_in(const char *group, void (*work)(void))
{
    int fds[CGROUP_TREES + 1];
    struct err err = ERR_INIT;
    int n = cgroup_open_join(&here, group, fds, CGROUP_TREES + 1, &err);
    if (n < 0)
        fail_msg("%s", err.msg);
    assert_true((size_t)n == here.n_trees || (size_t)n == here.n_trees + 1);
    int ready[2];
    assert_int_equal(fd_pipe(ready, NULL), 0);
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < n; i++)
            if (write(fds[i], "0", 1) != 1)
                _exit(3);
        if (write(ready[1], "", 1) != 1)
            _exit(4);
        work();
        _exit(0);
    }
    for (int i = 0; i < n; i++)
        close(fds[i]);
    char byte;
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

static void wait_for_ever(void)
{
    for (;;)
        pause();
}

static void spin(void)
{
    for (volatile unsigned long i = 0;; i++)
        ;
}

static void fork_bomb(void)
{
    for (;;)
        if (fork() < 0 && errno == EAGAIN)
            sched_yield();
}

static void reap(void *user)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ++*(unsigned *)user;
}

static void finish_real(void)
{
    unsigned reaped = 0;
    struct err err = ERR_INIT;
    if (cgroup_kill(&here, top, time_deadline(10 * NS_PER_S), reap, &reaped, &err) < 0)
        fail_msg("%s", err.msg);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    if (cgroup_remove(&here, top, &err) < 0)
        fail_msg("%s", err.msg);
    assert_false(cgroup_exists(&here, top));
    assert_int_equal(cgroup_remove(&here, top, NULL), 0); /* not there: success */
}

static void note_path(void *user, const char *path)
{
    if (str_eq(path, top))
        ++*(unsigned *)user;
}

static void test_real_life(void **state)
{
    if (!real_groups())
        skip();
    assert_int_equal(cgroup_make(&here, leaf, NULL), -EEXIST);
    unsigned seen = 0;
    assert_int_equal(cgroup_list(&here, "cupel-test-", note_path, &seen, NULL), 0);
    assert_int_equal(seen, 1); /* once, however many hierarchies hold it */
    pid_t pid = start_in(leaf, wait_for_ever);
    assert_true(proc_in_cgroup(pid, top) && proc_in_cgroup(pid, leaf));
    assert_false(proc_in_cgroup(pid, second));
    struct pid_list l = {NULL, 0, 0};
    assert_int_equal(cgroup_pids(&here, top, &l, NULL), 0);
    assert_int_equal(l.n, 1);
    assert_int_equal(l.v[0], pid);
    pid_list_release(&l);
    struct err err = ERR_INIT;
    assert_true(cgroup_remove(&here, leaf, &err) < 0); /* a busy group stays */
    assert_true(cgroup_exists(&here, leaf));
    finish_real();
    assert_false(proc_alive(pid));
}

static cpu_set_t cpus_of(pid_t pid)
{
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(pid, sizeof(set), &set), 0);
    return set;
}

static void set_cpus(const char *path, const cpu_set_t *set)
{
    struct err err = ERR_INIT;
    if (cgroup_set_cpus(&here, path, set, &err) < 0)
        fail_msg("%s", err.msg);
}

static void test_real_cpus(void **state)
{
    if (!real_groups())
        skip();
    cpu_set_t all, last, first, now;
    assert_int_equal(cgroup_usable_cpus(&here, &all, NULL), 0);
    CPU_ZERO(&last);
    CPU_SET(cpus_from_end(&all, 0), &last);
    CPU_ZERO(&first);
    CPU_SET(cpus_from_end(&all, cpus_count(&all) - 1), &first);
    pid_t pid = start_in(leaf, wait_for_ever);
    const cpu_set_t *steps[] = {&last, &first, &all, &first, &last, &all};
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        set_cpus(top, steps[i]); /* parent, with a child group and a running process */
        now = cpus_of(pid);
        assert_true(CPU_EQUAL(&now, steps[i]));
    }
    set_cpus(leaf, &last); /* the child alone */
    now = cpus_of(pid);
    assert_true(CPU_EQUAL(&now, &last));
    assert_int_equal(cgroup_make(&here, second, NULL), 0); /* a new one has what the parent has */
    pid_t other = start_in(second, wait_for_ever);
    now = cpus_of(other);
    assert_true(CPU_EQUAL(&now, &all));
    finish_real();
}

static void test_real_meter_and_limits(void **state)
{
    if (!real_groups())
        skip();
    struct cgroup_meter m;
    uint64_t before, after, v;
    assert_int_equal(cgroup_meter_open(&here, top, &m, NULL), 0);
    assert_int_equal(cgroup_meter_read(&m, &before), 0);
    const struct cgroup_limits tight = {.cpus = .2, .memory_bytes = 64 << 20, .pids = 50};
    struct err err = ERR_INIT;
    if (cgroup_set_limits(&here, leaf, &tight, &err) < 0)
        fail_msg("%s", err.msg);
    uint64_t start = time_mono_ns();
    pid_t pid = start_in(leaf, spin);
    while (cgroup_throttled(&here, top, &v) < 0 || v == 0)
        assert_true(time_mono_ns() < start + 20 * NS_PER_S);
    assert_int_equal(cgroup_meter_read(&m, &after), 0);
    assert_true(after > before); /* counted with all below it */
    assert_int_equal(cgroup_oom_kills(&here, top, &v), 0);
    assert_int_equal(v, 0);
    const struct cgroup_limits none = {0};
    assert_int_equal(cgroup_set_limits(&here, leaf, &none, &err), 0);
    cgroup_meter_close(&m);
    int r = cgroup_peak_memory(&here, leaf, &v);
    assert_true(r == -ENOTSUP || (r == 0 && v > 0));
    r = cgroup_reset_peak(&here, leaf);
    assert_true(r == 0 || r == -ENOTSUP);
    assert_true(proc_alive(pid));
    finish_real();
}

static void test_real_limits_in_force(void **state)
{
    if (!real_groups())
        skip();
    char below[128];
    struct cgroup_limits outside;
    struct err err = ERR_INIT;
    uint64_t n;
    str_format(below, sizeof(below), "%s/deep", leaf);
    assert_int_equal(cgroup_make(&here, below, NULL), 0);
    if (cgroup_read_limits(&here, top, &outside, &err) < 0)
        fail_msg("%s", err.msg);
    if (outside.cpus == 0 && outside.memory_bytes == 0 && outside.pids == 0) {
        const struct cgroup_limits high = {.cpus = 1.5, .memory_bytes = 256 << 20, .pids = 300},
                                   mixed = {.cpus = .5, .pids = 500},
                                   low = {.memory_bytes = 64 << 20};
        assert_int_equal(cgroup_set_limits(&here, top, &high, &err), 0);
        expect_limits(&here, below, 1.5, 256 << 20, 300);
        assert_int_equal(cgroup_set_limits(&here, leaf, &mixed, &err), 0);
        expect_limits(&here, top, 1.5, 256 << 20, 300);
        expect_limits(&here, leaf, .5, 256 << 20, 300);
        assert_int_equal(cgroup_set_limits(&here, leaf, &low, &err), 0);
        expect_limits(&here, below, 1.5, 64 << 20, 300);
    }
    pid_t pid = start_in(below, wait_for_ever);
    int r = cgroup_tasks(&here, top, &n);
    assert_true(r == -ENOTSUP || (r == 0 && n == 1));
    assert_true(proc_alive(pid));
    finish_real();
}

#define IO_BPS (2u << 20)

static dev_t io_disk;
static char io_file[96];

/* Past the page cache, twice what a second allows, in its own group below the one named. */
static void write_direct(void)
{
    void *block;
    int fd = open(io_file, O_WRONLY | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
    if (fd < 0 || posix_memalign(&block, 4096, 1 << 20) != 0)
        _exit(9);
    memset(block, 1, 1 << 20);
    for (int i = 0; i < 4; i++)
        if (write(fd, block, 1 << 20) != 1 << 20)
            _exit(10);
}

static void test_real_io(void **state)
{
    struct err err = ERR_INIT;
    uint64_t bps;
    int status;
    if (!real_groups())
        skip();
    str_copy(io_file, sizeof(io_file), "/var/tmp/cupel-test-io-XXXXXX");
    int fd = mkstemp(io_file);
    assert_true(fd >= 0);
    close(fd);
    int r = disk_under(io_file, &io_disk, &err);
    if (r == 0)
        r = cgroup_limit_io(&here, leaf, io_disk, IO_BPS, &err);
    if (r == -ENOTSUP) {
        print_message("# skipped: %s\n", err.msg);
        unlink(io_file);
        finish_real();
        skip();
    }
    if (r < 0)
        fail_msg("%s", err.msg);
    char below[128];
    str_format(below, sizeof(below), "%s/box", leaf);
    assert_int_equal(cgroup_make_with_io(&here, below, &err), 0);
    assert_int_equal(cgroup_limit_io(&here, leaf, io_disk, IO_BPS, &err), 0);
    assert_int_equal(cgroup_read_io(&here, below, io_disk, &bps, &err), 0);
    assert_int_equal(bps, IO_BPS);
    uint64_t start = time_mono_ns();
    pid_t pid = start_in(below, write_direct);
    assert_int_equal(cgroup_io_covers(&here, leaf, &err), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    print_message("# 4 MiB at 2 MiB/s took %d ms\n", (int)((time_mono_ns() - start) / NS_PER_MS));
    assert_true(time_mono_ns() - start > NS_PER_S);
    assert_int_equal(cgroup_limit_io(&here, leaf, io_disk, 0, &err), 0);
    assert_int_equal(cgroup_read_io(&here, below, io_disk, &bps, &err), 0);
    assert_int_equal(bps, 0);
    struct cgroup_io io = {0};
    assert_int_equal(cgroup_io_done(&here, leaf, io_disk, &io), 0); /* with those below */
    assert_true(io.written_bytes >= 4 << 20 && io.written_bytes < 8 << 20);
    /* Unasked none is made there, though its parent is; a process outside is seen. */
    assert_int_equal(cgroup_make(&here, second, &err), 0);
    bool apart = false;
    for (size_t i = 0; i < here.n_others; i++)
        apart |= here.others[i].io;
    start_in(second, wait_for_ever);
    assert_int_equal(cgroup_io_covers(&here, second, &err), apart ? -ENOTSUP : 0);
    assert_int_equal(unlink(io_file), 0);
    finish_real();
}

static void eat_memory(void)
{
    for (;;) {
        char *p = malloc(1 << 20);
        if (p)
            memset(p, 1, 1 << 20);
    }
}

static void test_real_oom(void **state)
{
    if (!real_groups())
        skip();
    const struct cgroup_limits small = {.memory_bytes = 16 << 20};
    assert_int_equal(cgroup_set_limits(&here, leaf, &small, NULL), 0);
    pid_t pid = start_in(leaf, eat_memory);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    uint64_t v;
    assert_int_equal(cgroup_oom_kills(&here, top, &v), 0);
    assert_true(v >= 1);
    finish_real();
}

static void test_real_fork_bomb(void **state)
{
    if (!real_groups())
        skip();
    const struct cgroup_limits l = {.pids = 100};
    assert_int_equal(cgroup_set_limits(&here, leaf, &l, NULL), 0);
    start_in(leaf, fork_bomb);
    poll(NULL, 0, 30);
    uint64_t start = time_mono_ns();
    unsigned reaped = 0;
    struct err err = ERR_INIT;
    if (cgroup_kill(&here, leaf, time_deadline(20 * NS_PER_S), reap, &reaped, &err) < 0)
        fail_msg("%s", err.msg);
    print_message("# fork bomb gone after %d ms\n", (int)((time_mono_ns() - start) / NS_PER_MS));
    assert_true(reaped >= 1);
    struct pid_list pids = {NULL, 0, 0};
    assert_int_equal(cgroup_pids(&here, leaf, &pids, NULL), 0);
    for (size_t i = 0; i < pids.n; i++)
        assert_false(proc_alive(pids.v[i]));
    pid_list_release(&pids);
    finish_real();
}

/* Never the same process for long: each forks the next and ends. */
static void run_away(void)
{
    for (;;)
        if (fork() > 0)
            _exit(0);
}

static void chase(void)
{
    start_in(leaf, run_away);
    poll(NULL, 0, 20);
    unsigned reaped = 0;
    struct err err = ERR_INIT;
    if (cgroup_kill(&here, leaf, time_deadline(20 * NS_PER_S), reap, &reaped, &err) < 0)
        fail_msg("%s", err.msg);
    for (int i = 0; i < 5; i++) {
        struct pid_list pids = {NULL, 0, 0};
        assert_int_equal(cgroup_pids(&here, leaf, &pids, NULL), 0);
        for (size_t k = 0; k < pids.n; k++)
            assert_false(proc_alive(pids.v[k]));
        pid_list_release(&pids);
        poll(NULL, 0, 2);
    }
}

static void test_real_run_away(void **state)
{
    if (!real_groups())
        skip();
    chase();
    finish_real();
}

static void unified(void)
{
    if (!real_groups())
        skip();
    assert_int_equal(here.mode, CGROUP_V2);
    struct cgroup_meter m;
    uint64_t before, after;
    assert_int_equal(cgroup_meter_open(&here, top, &m, NULL), 0);
    assert_true(m.v2);
    assert_int_equal(cgroup_meter_read(&m, &before), 0);
    pid_t pid = start_in(leaf, spin);
    assert_true(proc_in_cgroup(pid, leaf));
    uint64_t start = time_mono_ns();
    do {
        poll(NULL, 0, 20);
        assert_int_equal(cgroup_meter_read(&m, &after), 0);
    } while (after < before + 10 * NS_PER_MS && time_mono_ns() < start + 20 * NS_PER_S);
    assert_true(after >= before + 10 * NS_PER_MS);
    cgroup_meter_close(&m);
    chase();
    assert_false(proc_alive(pid)); /* it was in that group too */
    finish_real();
}

static void test_real_unified(void **state)
{
    unified_only = true;
    unified();
    unified_only = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_detect_hybrid),
        cmocka_unit_test(test_detect_others),
        cmocka_unit_test(test_v2_make),
        cmocka_unit_test(test_v2_limits),
        cmocka_unit_test(test_v2_limits_in_force),
        cmocka_unit_test(test_v2_io),
        cmocka_unit_test(test_v1_io_on_request),
        cmocka_unit_test(test_disk),
        cmocka_unit_test(test_v2_cpus),
        cmocka_unit_test(test_v2_read),
        cmocka_unit_test(test_v2_kill_checks),
        cmocka_unit_test(test_bad_paths),
        cmocka_unit_test(test_real_life),
        cmocka_unit_test(test_real_cpus),
        cmocka_unit_test(test_real_meter_and_limits),
        cmocka_unit_test(test_real_limits_in_force),
        cmocka_unit_test(test_real_io),
        cmocka_unit_test(test_real_oom),
        cmocka_unit_test(test_real_fork_bomb),
        cmocka_unit_test(test_real_run_away),
        cmocka_unit_test(test_real_unified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
