/* Texts of smaps_rollup, smaps, meminfo, stat and cgroup, whole, cut and hostile; and this process
 * as the real /proc shows it. */
#include "fake-proc.h"

#include "base/fd.h"
#include "host/proctext.h"
#include "host/pss.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static char proc[64];

static int setup(void **state)
{
    str_copy(proc, sizeof(proc), "/tmp/test-pss-XXXXXX");
    assert_non_null(mkdtemp(proc));
    return 0;
}

static int teardown(void **state)
{
    assert_ok(fs_remove_tree(proc, err));
    return 0;
}

static void put(const char *pid, const char *name, const char *text)
{
    char dir[128];
    str_format(dir, sizeof(dir), "%s/%s", proc, pid);
    assert_ok(fs_mkdirs(dir, 0755, err));
    fake_write(dir, name, text, strlen(text));
}

static void test_rollup(void **state)
{
    struct pss_reader r;
    struct pss p = {.pss_bytes = 7};
    put("10", "smaps_rollup",
        "00400000-7ffe8000 ---p 00000000 00:00 0                          [rollup]\n"
        "Rss:                1696 kB\nPss:                 269 kB\nPss_Dirty:           112 kB\n"
        "Pss_Anon:            112 kB\nPss_File:            157 kB\nPss_Shmem:            12 kB\n"
        "Swap:                 40 kB\nSwapPss:              20 kB\nLocked:                0 kB\n");
    put("11", "smaps_rollup", "");
    put("12", "smaps_rollup", "some other text\n");
    put("13", "smaps_rollup", "Pss: none\n");
    assert_ok(pss_reader_open(&r, proc, err));
    assert_int_equal(pss_read(&r, 99, &p), -ESRCH);
    assert_int_equal(pss_read(&r, 11, &p), -ESRCH);
    assert_int_equal(pss_read(&r, 12, &p), -EBADMSG);
    assert_int_equal(pss_read(&r, 13, &p), -EBADMSG);
    assert_int_equal(p.pss_bytes, 7); /* untouched */
    assert_int_equal(pss_read(&r, 10, &p), 0);
    assert_int_equal(p.pss_bytes, 269 << 10);
    assert_int_equal(p.shmem_bytes, 12 << 10);
    assert_int_equal(p.swap_bytes, 20 << 10);
    assert_int_equal(p.rss_bytes, 1696 << 10);
    assert_true(r.rollup);
    pss_reader_close(&r);
    assert_fails(pss_reader_open(&r, "/nonexistent", err), ENOENT, "/nonexistent");
}

/* An old kernel: many mappings, through one buffer; names longer than it, that hold our keys. */
static void test_smaps(void **state)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    for (unsigned i = 0; i < 3000; i++) {
        str_addf(&text, "7f%06x000-7f%06x000 r-xp 00000000 fe:00 77    /lib/", i, i + 1);
        for (unsigned k = 0; i % 100 == 0 && k < 20000; k++)
            str_addc(&text, "Pss:    9 kB "[k % 13]);
        str_addf(&text, "\nSize:    4 kB\nRss:    4 kB\nPss:    3 kB\nPss_Dirty:    1 kB\n"
                        "SwapPss:    1 kB\nVmFlags: rd ex\n");
    }
    struct pss_reader r;
    struct pss p;
    put("10", "smaps", text.buf);
    assert_ok(pss_reader_open(&r, proc, err));
    assert_int_equal(pss_read(&r, 10, &p), 0);
    assert_false(r.rollup);
    assert_int_equal(p.pss_bytes, 9000 << 10);
    assert_int_equal(p.rss_bytes, 12000 << 10);
    assert_int_equal(p.swap_bytes, 3000 << 10);
    assert_int_equal(p.shmem_bytes, 0);
    assert_int_equal(pss_read(&r, 11, &p), -ESRCH);
    pss_reader_close(&r);
}

/* A memfd that two processes map counts once in their sum; one that ended counts not at all. */
static void test_real(void **state)
{
    const size_t size = 8 << 20;
    int fd = memfd_create("test", MFD_CLOEXEC), ready[2];
    char byte;
    assert_true(fd >= 0 && ftruncate(fd, (off_t)size) == 0 && pipe(ready) == 0);
    struct pss_reader r;
    struct pss before, ours, its;
    assert_ok(pss_reader_open(&r, "/proc", err));
    assert_int_equal(pss_read(&r, getpid(), &before), 0);
    char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED);
    memset(map, 1, size);
    pid_t pid = fork();
    if (pid == 0) {
        volatile char sum = 0;
        for (size_t i = 0; i < size; i += 4096)
            sum = (char)(sum + map[i]);
        (void)!write(ready[1], "x", 1);
        pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(pss_read(&r, getpid(), &ours), 0);
    assert_int_equal(pss_read(&r, pid, &its), 0);
    assert_int_equal(ours.shmem_bytes + its.shmem_bytes, size);
    assert_int_equal(ours.shmem_bytes, size / 2);
    assert_true(ours.pss_bytes + its.pss_bytes >= size);
    assert_true(ours.pss_bytes + its.pss_bytes < before.pss_bytes + size + (2 << 20));
    kill(pid, SIGKILL);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(pss_read(&r, pid, &its), -ESRCH); /* a zombie */
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(pss_read(&r, pid, &its), -ESRCH);
    if (getppid() != 0 && kill(2, 0) == 0)
        assert_int_equal(pss_read(&r, 2, &its), -ESRCH); /* a kernel thread */
    pss_reader_close(&r);
    munmap(map, size);
    close(fd);
    close(ready[0]);
    close(ready[1]);
}

static void test_kernel_memory(void **state)
{
    struct kernel_memory m;
    put(".", "meminfo",
        "MemTotal:       24684096 kB\nMemFree:        20 kB\nMemAvailable:   30 kB\nSlab:  7 kB\n"
        "SReclaimable:      75616 kB\nSUnreclaim:        5 kB\nKernelStack:        6 kB\n"
        "PageTables:         2 kB\nSecPageTables:       1 kB\nShmem:   9 kB\nShmemHugePages: 1 "
        "kB\n");
    assert_ok(kernel_memory_read(proc, &m, err));
    assert_int_equal(m.available, 30 << 10);
    assert_int_equal(m.free, 20 << 10);
    assert_int_equal(m.slab, 7 << 10);
    assert_int_equal(m.slab_unreclaimable, 5 << 10);
    assert_int_equal(m.page_tables, 3 << 10);
    assert_int_equal(m.kernel_stacks, 6 << 10);
    assert_int_equal(m.shmem, 9 << 10);
    assert_true(m.percpu == KERNEL_MEMORY_UNKNOWN);
    assert_int_equal(kernel_memory_pinned(&m), 14 << 10);
    assert_fails(kernel_memory_read("/nonexistent", &m, err), ENOENT, "meminfo");
    assert_ok(kernel_memory_read("/proc", &m, err));
    assert_true(m.available > 0 && m.available < UINT64_C(1) << 50 && m.page_tables > 0);
}

static void test_stat(void **state)
{
    struct proc_entry e = {.pid = 77};
#define TAIL " 1 2 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4242 4096 1\n"
    char whole[] = "12 (a) S 99 (b\033) R 3" TAIL, zombie[] = "12 (a) Z 3" TAIL,
         cut[] = "12 (a) S 3 1 2 0 -1", empty[] = "", open[] = "12 (a", turned[] = "12 )a( S 3",
         thread[] = "12 (kworker) I 2 0 0 0 -1 69238880 0 0 0 0 0 0 0 0 20 0 1 0 7 0 0\n";
    char *const bad[] = {zombie, cut, empty, open, turned};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(proc_stat_parse(bad[i], &e));
    assert_int_equal(e.pid, 77);
    assert_true(proc_stat_parse(whole, &e));
    assert_int_equal(e.pid, 12);
    assert_int_equal(e.parent, 3);
    assert_int_equal(e.session, 2);
    assert_int_equal(e.start_ticks, 4242);
    assert_string_equal(e.comm, "a) S 99 (b?");
    assert_false(e.kernel_thread);
    assert_true(proc_stat_parse(thread, &e));
    assert_true(e.kernel_thread);
}

/* A list of groups that is cut in the middle of a path says nothing of that path. */
static void test_table(void **state)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    while (text.len < 9000)
        str_addf(&text, "4:memory:/a/s0001%s\n", text.len % 2 ? "" : "0");
    fake_add(proc, &(struct fake_process){.pid = 12, .parent = 5, .comm = "x", .group = "/g"});
    fake_add(proc, &(struct fake_process){.pid = 5, .parent = 0, .comm = "y"});
    fake_add(proc, &(struct fake_process){.pid = 110, .parent = 12, .comm = "z"});
    put("110", "cgroup", text.buf);
    put("fs", "stat", "12 (a) S 3");
    put("13x", "stat", "13 (a) S 3");
    struct proc_table t = {0};
    for (unsigned i = 0; i < 2; i++) {
        assert_ok(proc_table_read(&t, proc, err));
        assert_int_equal(t.n, 3);
        assert_int_equal(t.v[0].pid, 5);
        assert_int_equal(t.v[2].pid, 110);
        assert_string_equal(proc_table_groups(&t, &t.v[1]), "/\n/g\n/\n");
        for (const char *line = proc_table_groups(&t, &t.v[2]); *line;) {
            size_t n = strcspn(line, "\n");
            assert_true(line[n] == '\n' && (n == 8 || n == 9));
            line += n + 1;
        }
        assert_int_equal(proc_table_parent(&t, 1), 0);
        assert_true(proc_table_parent(&t, 0) == PROC_NO_INDEX);
        assert_null(proc_table_find(&t, 6));
    }
    const pid_t one[] = {110, 4000, 12};
    assert_ok(proc_table_read_pids(&t, proc, one, ARRAY_SIZE(one), err));
    assert_int_equal(t.n, 3);
    assert_string_equal(proc_table_groups(&t, &t.v[1]), "");
    assert_ok(proc_table_read(&t, "/proc", err));
    const struct proc_entry *self = proc_table_find(&t, getpid());
    assert_non_null(self);
    assert_int_equal(self->parent, getppid());
    assert_int_equal(self->session, getsid(0));
    char words[256];
    assert_int_equal(proc_table_cmdline(&t, getpid(), words, sizeof(words)), 0);
    assert_non_null(strstr(words, "test-pss"));
    assert_int_equal(proc_table_cmdline(&t, 0, words, sizeof(words)), -ENOENT);
    proc_table_release(&t);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rollup),        TEST(test_smaps), TEST(test_real),
        TEST(test_kernel_memory), TEST(test_stat),  TEST(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
