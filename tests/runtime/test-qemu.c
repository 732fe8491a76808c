/* What goes wrong with a virtual machine, really made to go wrong, and how it is said. */
#include "rig.h"

#include "base/fd.h"
#include "base/fs.h"
#include "host/proc.h"
#include "vm/vmm.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define TARGET "qemu:virtiofs"
#define MIB    (INT64_C(1) << 20)

/* ---- what is not here ---- */

static void test_unusable(void **state)
{
    rig_check_unusable("qemu:/nowhere/qemu:virtiofs", ERR_UNSUPPORTED,
                       "no program at /nowhere/qemu");
    rig_check_unusable("qemu:floppy", ERR_USAGE, "virtiofs, 9p or block, not by floppy");
    rig_check_unusable(TARGET ",colour=red", ERR_USAGE, "no flag colour=red");
    rig_check_unusable(TARGET ",accel=warp", ERR_USAGE, "accel is kvm or tcg, not warp");
    rig_check_unusable(TARGET ",machine=toaster", ERR_UNSUPPORTED, "has no machine toaster");
    rig_check_unusable(TARGET ",memory=1M", ERR_USAGE, "memory is between");
    rig_check_unusable("qemu:9p,cache=none", ERR_USAGE, "cache is virtiofsd's");
    rig_check_unusable(TARGET ",kernel=vmlinuz", ERR_USAGE, "kernel is an absolute path");
    rig_check_unusable(TARGET ",kernel=/etc/passwd", ERR_USAGE, "/etc/passwd");
    rig_check_unusable(TARGET ",kernel=/nowhere/vmlinuz", ERR_ENVIRONMENT, "/nowhere/vmlinuz");
}

static void test_no_qemu(void **state)
{
    _cleanup_free_ char *path = xstrdup(getenv("PATH"));
    setenv("PATH", "/nowhere", 1);
    rig_check_unusable(TARGET, ERR_UNSUPPORTED, "on the PATH (package qemu-system-");
    setenv("PATH", path, 1);
}

static void qemu_path(char *dst, size_t size)
{
    assert_int_equal(fs_which(vmm_qemu.program, dst, size), 0);
}

static void look_at(struct rig *r, const char *text)
{
    struct target t;
    size_t n;
    const char *const *names = driver_names(&n);
    assert_ok(target_parse(text, names, n, &t, err));
    r->driver = driver_find(t.driver);
    r->driver->inspect(&r->site, &t, &r->info);
}

/* The tools of a Debian are nowhere, and no kernel was fetched before. */
static void test_no_kernel(void **state)
{
    struct rig r;
    char path[256];
    struct err why = ERR_INIT;
    rig_init(&r);
    str_format(path, sizeof(path), "%s/guests", r.state);
    assert_int_equal(unlink(path), 0);
    look_at(&r, TARGET ",accel=tcg");
    assert_true(r.info.usable);
    assert_non_null(strstr(r.info.reason, ", is fetched when it is first started"));
    _cleanup_free_ char *before = xstrdup(getenv("PATH"));
    setenv("PATH", "/nowhere", 1);
    int rc = r.driver->open(&r.site, &r.info, &r.engine, &why);
    setenv("PATH", before, 1);
    assert_true(rc < 0);
    print_message("# %s\n", why.msg);
    assert_int_equal(why.kind, ERR_ENVIRONMENT);
    assert_non_null(strstr(why.msg, "a guest kernel comes by apt, which is not here"));
    rig_release(&r);
}

/* ---- what does not come up ---- */

/* Its real QEMU, with something more on the command line. */
static void open_with(struct rig *r, const char *more)
{
    char qemu[256], body[400], target[200];
    qemu_path(qemu, sizeof(qemu));
    str_format(body, sizeof(body), "exec %s \"$@\" %s\n", qemu, more);
    rig_script(r->state, "bin", "qemu", body);
    str_format(target, sizeof(target), "qemu:%s/bin/qemu:virtiofs,accel=tcg", r->state);
    if (!rig_open(r, target))
        fail_msg("%s", r->info.reason);
}

static void test_never_boots(void **state)
{
    struct rig r;
    rig_init(&r);
    r.site.start_timeout_ns = NS_PER_S / 2;
    open_with(&r, "-S"); /* its CPUs stand still */
    rig_check_start_fails(&r, ERR_TIMEOUT, "timed out at start after 3 s (no hello came",
                          10 * NS_PER_S);
    rig_release(&r);
}

static void test_refused_option(void **state)
{
    struct rig r;
    rig_init(&r);
    open_with(&r, "-device toaster");
    rig_check_start_fails(&r, ERR_ENVIRONMENT, "'toaster' is not a valid device model name",
                          10 * NS_PER_S);
    rig_release(&r);
}

/* An init that is no program: the kernel gives up, and says so on its console. */
static void test_panic(void **state)
{
    struct rig r;
    char probe[160];
    rig_init(&r);
    rig_script(r.state, "programs", "cupel-guest", "");
    str_format(probe, sizeof(probe), "%s/programs/cupel-probe", r.state);
    assert_ok(fs_copy_file(r.site.programs.path[PROGRAM_PROBE], probe, 0755, err));
    str_copy(r.site.programs.path[PROGRAM_PROBE], sizeof(r.site.programs.path[0]), probe);
    if (!rig_open(&r, TARGET ",accel=tcg"))
        fail_msg("%s", r.info.reason);
    rig_check_start_fails(&r, ERR_ENVIRONMENT, "its kernel panicked: ", 60 * NS_PER_S);
    rig_release(&r);
}

/* ---- what ends early ---- */

static pid_t first_server(const struct rig *r, const struct session *s)
{
    struct pid_list pids = {0};
    pid_t found = 0;
    assert_ok(cgroup_pids(&r->machine.cgroups, s->caps.cgroup, &pids, err));
    for (size_t i = 0; i < pids.n && !found; i++) {
        char comm[16];
        if (proc_comm(pids.v[i], comm, sizeof(comm)) == 0 && str_eq(comm, "virtiofsd"))
            found = pids.v[i];
    }
    pid_list_release(&pids);
    return found;
}

static void test_server_dies(void **state)
{
    struct rig r;
    rig_init(&r);
    rig_open_or_skip(&r, TARGET);
    struct session *s = rig_start(&r);
    rig_prepare(s, "cpu.prime", 1, "limit", 20000);
    struct frame f;
    struct err why = ERR_INIT;
    frame_init(&f, FRAME_SLICE, s->nonce, 0);
    f.slice.ops = 1000000;
    assert_ok(session_post(s, &f, err));
    pid_t server = first_server(&r, s);
    assert_true(server > 0);
    kill(server, SIGKILL);
    assert_true(
        session_await(s, FRAME_SLICED, "a slice", time_deadline(20 * NS_PER_S), NULL, &why) < 0);
    print_message("# %s\n", why.msg);
    assert_int_equal(why.kind, ERR_ENVIRONMENT);
    assert_non_null(strstr(why.msg, "its virtiofsd died: "));
    rig_stop(&r, s);
    rig_release(&r);
}

/* More and more is asked for, until it is more than the guest has. */
static int use_up(struct session *s, struct err *why)
{
    for (int64_t bytes = 48 * MIB; bytes < 128 * MIB; bytes += 4 * MIB) {
        struct frame f;
        frame_init(&f, FRAME_PREPARE, s->nonce, 0);
        str_copy(f.prepare.workload, sizeof(f.prepare.workload), "mem.copy");
        f.prepare.workers = 1;
        facts_add_num(&f.prepare.params, "array_bytes", bytes);
        int r = session_call(s, &f, FRAME_READY, time_deadline(60 * NS_PER_S), NULL, why);
        if (r < 0)
            return r;
        rig_finish(s);
    }
    return 0;
}

/* What fits into the limit fits into the guest; what does not ends it, and it says by what. */
static void test_memory_used_up(void **state)
{
    struct rig r;
    struct err why = ERR_INIT;
    rig_init(&r);
    r.site.limits.memory_bytes = (uint64_t)(160 * MIB);
    rig_open_or_skip(&r, TARGET);
    struct session *s = rig_start(&r);
    rig_prepare(s, "mem.copy", 1, "array_bytes", 48 * MIB);
    rig_finish(s);
    assert_true(use_up(s, &why) < 0);
    print_message("# %s\n", why.msg);
    assert_int_equal(why.kind, ERR_MEASUREMENT);
    assert_true(s->broken);
    assert_non_null(strstr(why.msg, "memory"));
    rig_stop(&r, s);
    rig_release(&r);
}

/* The share lies on a file system of the host's, and that is full. */
static void test_share_full(void **state)
{
    struct rig r;
    struct frame f;
    struct err why = ERR_INIT;
    rig_init(&r);
    assert_int_equal(mount("none", r.site.dir, "tmpfs", 0, "size=24m"), 0);
    rig_open_or_skip(&r, TARGET);
    struct session *s = rig_start(&r);
    frame_init(&f, FRAME_PREPARE, s->nonce, 0);
    str_copy(f.prepare.workload, sizeof(f.prepare.workload), "disk.iozone");
    f.prepare.workers = 1;
    facts_add_text(&f.prepare.params, "dir", s->caps.dir_bind);
    facts_add_num(&f.prepare.params, "size", 64 * MIB);
    facts_add_text(&f.prepare.params, "phases", "write");
    int rc = session_call(s, &f, FRAME_READY, time_deadline(60 * NS_PER_S), NULL, &why);
    frame_init(&f, FRAME_SLICE, s->nonce, 0);
    f.slice.ops = 1;
    if (rc == 0)
        rc = session_call(s, &f, FRAME_SLICED, time_deadline(60 * NS_PER_S), NULL, &why);
    print_message("# %s\n", why.msg);
    assert_true(rc < 0);
    assert_int_equal(why.kind, ERR_MEASUREMENT);
    assert_int_equal(why.code, ENOSPC);
    rig_stop(&r, s);
    assert_int_equal(umount(r.site.dir), 0);
    rig_release(&r);
}

/* ---- KVM ---- */

/* The device is there, and this process may not open it: emulated, and said why. Last, since the
 * device stays hidden from what is left of this program. */
static void test_kvm_denied(void **state)
{
    struct rig r;
    char dir[128], node[160];
    if (access("/dev/kvm", F_OK) < 0)
        skip();
    rig_init(&r);
    str_format(dir, sizeof(dir), "%s/dev", r.state);
    assert_ok(fs_mkdirs(dir, 0700, err));
    assert_int_equal(unshare(CLONE_NEWNS), 0);
    assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    assert_int_equal(mount("none", dir, "tmpfs", MS_NODEV, NULL), 0);
    str_format(node, sizeof(node), "%s/kvm", dir);
    assert_int_equal(mknod(node, S_IFCHR | 0600, makedev(10, 232)), 0);
    assert_int_equal(mount(node, "/dev/kvm", NULL, MS_BIND, NULL), 0);
    rig_check_unusable(TARGET ",accel=kvm", ERR_UNSUPPORTED,
                       "/dev/kvm cannot be opened: Permission denied");
    rig_open_or_skip(&r, TARGET);
    assert_true(r.info.emulated);
    assert_non_null(strstr(r.info.reason, "/dev/kvm cannot be opened (Permission denied)"));
    assert_int_equal(umount2(dir, MNT_DETACH), 0);
    rig_release(&r);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unusable),       cmocka_unit_test(test_no_qemu),
        cmocka_unit_test(test_no_kernel),      cmocka_unit_test(test_never_boots),
        cmocka_unit_test(test_refused_option), cmocka_unit_test(test_panic),
        cmocka_unit_test(test_server_dies),    cmocka_unit_test(test_memory_used_up),
        cmocka_unit_test(test_share_full),     cmocka_unit_test(test_kvm_denied),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    if (rig_unusable(TARGET))
        return rig_required(TARGET);
    return cmocka_run_group_tests_name("qemu", tests, NULL, NULL);
}
