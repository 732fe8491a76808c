#include "host/covariates.h"
#include "host/cpus.h"
#include "host/machine.h"

#include "base/fd.h"
#include "base/time.h"

#include <jansson.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <cmocka.h>

static void test_read(void **state)
{
    struct machine m, again;
    struct utsname u;
    struct sysinfo info;
    machine_read(&m);
    assert_int_equal(uname(&u), 0);
    assert_int_equal(sysinfo(&info), 0);
    assert_string_equal(m.kernel, u.release);
    assert_string_equal(m.arch, u.machine);
    assert_int_equal(strlen(m.id), 64);
    assert_int_equal(m.cpus_online, sysconf(_SC_NPROCESSORS_ONLN));
    assert_true(m.cpus_usable >= 1 && m.cpus_usable <= m.cpus_online);
    /* /proc and sysinfo round differently, nothing more. */
    assert_true(fabs((double)m.memory_bytes / ((double)info.totalram * info.mem_unit) - 1) < .01);
    assert_true(m.available_bytes > 0 && m.available_bytes <= m.memory_bytes);
    assert_int_equal(m.page_bytes, sysconf(_SC_PAGESIZE));
    assert_true(m.clock_ns >= 1 && m.clock_ns < 100000);
    assert_true(labs((long)m.uptime_s - info.uptime) <= 2);
    assert_int_equal(m.is_root, geteuid() == 0);
    assert_true(m.virtualisation[0] != '\0');
    assert_true(m.clocksource[0] != '\0');
    str_copy(again.virtualisation, sizeof(again.virtualisation), "kvm");
    assert_int_equal(machine_patience(&again), 1);
    str_copy(again.virtualisation, sizeof(again.virtualisation), "qemu");
    assert_int_equal(machine_patience(&again), 4);
    /* The id is the same each time, and never the machine's own. */
    machine_read(&again);
    assert_string_equal(m.id, again.id);
    char own[64] = "";
    if (file_read_line("/etc/machine-id", own, sizeof(own)) == 0 && own[0])
        assert_null(strstr(m.id, own));
}

static void test_json(void **state)
{
    struct machine m;
    machine_read(&m);
    _cleanup_free_ char *text = machine_json(&m);
    json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_true(json_is_object(o));
    assert_string_equal(json_string_value(json_object_get(o, "kernel")), m.kernel);
    assert_int_equal(json_integer_value(json_object_get(o, "memory_bytes")), m.memory_bytes);
    assert_string_equal(json_string_value(json_object_get(o, "cgroup_mode")),
                        cgroup_mode_name(m.cgroups.mode));
    json_decref(o);
}

/* A shell under another name that waits for commands on a pipe of ours: it ends when we do. */
static pid_t start_named(const char *argv0, const char *const *args, int keep_open[2])
{
    int ready[2];
    assert_int_equal(fd_pipe(ready, NULL), 0); /* closes when the child has executed */
    pid_t pid = fork();
    if (pid == 0) {
        const char *argv[12] = {argv0, "-s", "--"};
        for (size_t i = 0; args[i] && i < 8; i++)
            argv[3 + i] = args[i];
        if (dup2(keep_open[0], 0) == 0)
            execv("/bin/sh", (char *const *)argv);
        _exit(127);
    }
    close(ready[1]);
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 0);
    close(ready[0]);
    return pid;
}

static void stop(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static bool has_line(const char *text, const char *line)
{
    _cleanup_free_ char *copy = xstrdup(text);
    for (char *rest = copy, *p; (p = strsep(&rest, "\n"));)
        if (str_eq(p, line))
            return true;
    return false;
}

static void test_foreign(void **state)
{
    _cleanup_(str_release) struct str before = STR_INIT, after = STR_INIT;
    int n = machine_foreign_containers(&before);
    assert_int_equal(machine_foreign_containers(NULL), n);
    const char *shim[] = {"-namespace", "moby", "-id", "feedbeef01", NULL};
    const char *again[] = {"-id", "feedbeef01", NULL};
    const char *ours[] = {"-id", "cupel-00000000-0001", NULL};
    const char *pod[] = {"--api-version", "1", "-c", "feedbeef02", NULL};
    int fds[2];
    assert_int_equal(fd_pipe(fds, NULL), 0);
    const pid_t pids[] = {start_named("/usr/bin/containerd-shim-runc-v2", shim, fds),
                          start_named("containerd-shim", again, fds),
                          start_named("containerd-shim", ours, fds),
                          start_named("/usr/bin/conmon", pod, fds)};
    assert_int_equal(machine_foreign_containers(&after), n + 2);
    assert_true(has_line(after.buf, "podman: feedbeef02"));
    assert_true(has_line(after.buf, "docker: feedbeef01") ||
                has_line(after.buf, "containerd: feedbeef01"));
    for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
        stop(pids[i]);
    close(fds[0]);
    close(fds[1]);
}

static void test_shared_core(void **state)
{
    cpu_set_t cpus, before, after;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    assert_int_equal(cpus_parse("0", &cpus, NULL), 0);
    assert_true(isnan(machine_shared_core(&cpus, NS_PER_MS)));
    if (cpus_count(&before) >= 2) {
        uint64_t start = time_mono_ns();
        double f = machine_shared_core(&before, 300 * NS_PER_MS);
        print_message("# shared core in %.3f of the probes, %d ms\n", f,
                      (int)((time_mono_ns() - start) / NS_PER_MS));
        assert_true(f >= 0 && f <= 1);
    }
    assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
    assert_true(CPU_EQUAL(&before, &after)); /* pinning does not outlast it */
}

static void spin(uint64_t ns)
{
    for (uint64_t end = time_mono_ns() + ns; time_mono_ns() < end;)
        ;
}

static void test_monitor(void **state)
{
    struct cgroups c;
    struct monitor *m = NULL;
    struct reading a, b;
    assert_int_equal(cgroups_detect(&c, NULL), 0);
    assert_int_equal(monitor_open(&c, "/cupel-not-there", &m, NULL), 0);
    monitor_read(m, &a);
    spin(200 * NS_PER_MS);
    monitor_read(m, &b);
    assert_true(b.mono_ns >= a.mono_ns + 200 * NS_PER_MS);
    assert_true(b.total_ticks > a.total_ticks);
    assert_true(b.busy_ticks > a.busy_ticks);
    assert_true(b.total_ticks - a.total_ticks >= b.busy_ticks - a.busy_ticks);
    assert_true(b.runnable >= 1);
    assert_true(b.swap_pages >= a.swap_pages);
    assert_true(b.own_cpu_ns == UINT64_MAX); /* no such group */
    assert_true(b.psi_cpu_us == UINT64_MAX || b.psi_cpu_us >= a.psi_cpu_us);
    if (b.kernel_log_lines == UINT64_MAX) {
        print_message("# no kernel log here\n");
    } else {
        int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
        uint64_t start = b.kernel_log_lines;
        if (fd >= 0 && write(fd, "<7>cupel: a test's line\n", 24) == 24) {
            monitor_read(m, &b);
            assert_true(b.kernel_log_lines >= start + 1);
        }
        if (fd >= 0)
            close(fd);
    }
    monitor_close(m);
    monitor_close(NULL);
}

static void test_monitor_own_time(void **state)
{
    struct cgroups c;
    assert_int_equal(cgroups_detect(&c, NULL), 0);
    char path[64];
    str_format(path, sizeof(path), "/cupel-test-machine-%d", (int)getpid());
    struct err err = ERR_INIT;
    if (geteuid() != 0 || cgroup_make(&c, path, &err) < 0) {
        print_message("# skipped: no control group of our own (%s)\n", err.msg);
        skip();
    }
    struct monitor *m = NULL;
    struct reading a, b;
    assert_int_equal(monitor_open(&c, path, &m, NULL), 0);
    monitor_read(m, &a);
    int fds[CGROUP_TREES], n = cgroup_open_join(&c, path, fds, CGROUP_TREES, NULL);
    assert_true(n > 0);
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < n; i++)
            if (write(fds[i], "0", 1) != 1)
                _exit(1);
        spin(100 * NS_PER_MS);
        _exit(0);
    }
    for (int i = 0; i < n; i++)
        close(fds[i]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    monitor_read(m, &b);
    assert_true(a.own_cpu_ns != UINT64_MAX && b.own_cpu_ns != UINT64_MAX);
    assert_true(b.own_cpu_ns > a.own_cpu_ns);
    monitor_close(m);
    assert_int_equal(cgroup_remove(&c, path, NULL), 0);
}

static void test_kernel_log(void **state)
{
    static const char *const links[] = {
        "6,2001,3947121269,-;switch: port 1(p3) entered blocking state\n",
        "6,2001,3947121269,-;p4 (unregistering): left allmulticast mode\n",
        "6,2001,3947121269,-;veth12: entered promiscuous mode\n SUBSYSTEM=net\n",
        "6,2001,3947121269,-;eth0: renamed from vethcd33612\n",
        "6,2,3,-;IPv6: ADDRCONF(NETDEV_CHANGE): veth1: link becomes ready\n",
    };
    static const char *const others[] = {
        "",
        "6,1,2,-",
        "6,1,2,-;\n",
        "3,1,2,-;Out of memory: Killed process 12 (state) at port 1\n",
        "4,1,2,-;mce: hardware error\n a: entered promiscuous mode\n",
        "4,1,2,-;nf_conntrack: table full, dropping packet\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(links); i++)
        assert_true(kernel_log_is_of_links(links[i]));
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_false(kernel_log_is_of_links(others[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernel_log),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_shared_core),
        cmocka_unit_test(test_monitor),
        cmocka_unit_test(test_monitor_own_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
