/* One real target, named as the argument, through everything a driver owes: a whole cycle with
 * proof, confinement to CPUs, limits in force, many starts without a leak, failures that stay its
 * own.
 *
 * A target that is not usable here is skipped with its reason; CUPEL_REQUIRE names those that must
 * not be (comma separated, "all"). */
#include "rig.h"

#include "base/fd.h"
#include "base/fs.h"
#include "driver/attribution.h"
#include "driver/confine.h"
#include "host/cpus.h"
#include "host/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sys/stat.h>

static const char *target = "host";

static void open_target(struct rig *r)
{
    if (!rig_open(r, target))
        fail_msg("%s: %s", target, r->info.reason);
}

static bool is_kind(const struct rig *r, const char *kind)
{
    return strcmp(r->info.kind, kind) == 0;
}

/* What runs is no process of this machine's. */
static bool is_vm(const struct rig *r)
{
    return is_kind(r, "kata") || is_kind(r, "qemu");
}

/* ---- a whole cycle ---- */

/* How many of the session's processes the proof calls so. */
static size_t proof_parts(json_t *proof, const char *what)
{
    size_t n = 0, i;
    json_t *p;
    json_array_foreach (json_object_get(proof, "processes"), i, p)
        n += strcmp(json_string_value(json_object_get(p, "is")), what) == 0;
    return n;
}

static void check_parts(const struct rig *r, json_t *proof)
{
    if (!r->machine.is_root)
        return;
    bool sandboxed = is_kind(r, "runsc");
    assert_int_equal(proof_parts(proof, "vmm"), is_vm(r) ? 1 : 0);
    if (is_kind(r, "qemu"))
        assert_int_equal(proof_parts(proof, "virtiofsd") > 0, str_eq(r->info.platform, "virtiofs"));
    if (is_vm(r)) {
        assert_int_equal(proof_parts(proof, "shim") > 0, is_kind(r, "kata"));
        assert_int_equal(proof_parts(proof, "payload"), 0);
        return;
    }
    assert_int_equal(proof_parts(proof, "payload"), sandboxed ? 0 : 1);
    assert_int_equal(proof_parts(proof, "sentry"), sandboxed ? 1 : 0);
    assert_int_equal(proof_parts(proof, "gofer"), sandboxed ? 1 : 0);
    assert_int_equal(proof_parts(proof, "stub") > 0, sandboxed);
    /* What of an engine stays beside a container. */
    bool podman = strcmp(r->driver->name, "podman") == 0;
    bool containerd = strcmp(r->driver->name, "containerd") == 0;
    bool docker = str_eq(r->driver->name, "docker");
    assert_int_equal(proof_parts(proof, "conmon"), podman ? 1 : 0);
    assert_int_equal(proof_parts(proof, "shim"),
                     containerd || docker || is_kind(r, "bwrap") ? 1 : 0);
    assert_int_equal(proof_parts(proof, "tool"), containerd ? 1 : 0); /* ctr */
}

static const char *proof_text(json_t *proof, const char *object, const char *name)
{
    const char *text = json_string_value(json_object_get(json_object_get(proof, object), name));
    assert_non_null(text);
    return text;
}

/* A guest may have the very kernel that this machine runs: what differs is the boot. */
static void check_machine(const struct rig *r, const struct session *s, json_t *proof)
{
    const char *accel = json_string_value(json_object_get(proof, "accelerator"));
    assert_string_not_equal(proof_text(proof, "boot_id", "guest"),
                            proof_text(proof, "boot_id", "host"));
    assert_string_equal(proof_text(proof, "boot_id", "guest"), s->hello.boot_id);
    assert_string_equal(proof_text(proof, "guest_kernel", "release"), s->hello.release);
    assert_int_equal(strlen(proof_text(proof, "guest_kernel", "sha256")), 64);
    assert_int_equal(s->caps.emulated, strcmp(accel, "tcg") == 0);
    assert_string_equal(proof_text(proof, "machine", "said_accelerator"), accel);
    if (str_eq(r->info.platform, "virtiofs"))
        assert_int_equal(strlen(proof_text(proof, "virtiofsd", "sha256")), 64);
}

static void check_proof(const struct rig *r, const struct session *s)
{
    assert_non_null(s->proof);
    json_t *p = json_loads(s->proof, 0, NULL);
    assert_non_null(p);
    assert_string_equal(json_string_value(json_object_get(p, "kind")), r->info.kind);
    json_t *root = json_object_get(p, "root_process");
    const char *is = json_string_value(json_object_get(root, "is"));
    if (is_vm(r)) {
        assert_string_not_equal(is, "probe");
    } else {
        assert_string_equal(is, is_kind(r, "runsc") ? "runtime" : "probe");
        assert_int_equal(strlen(json_string_value(json_object_get(root, "sha256"))), 64);
    }
    if (is_kind(r, "qemu"))
        assert_string_equal(is, "runtime");
    json_t *net = json_object_get(json_object_get(p, "namespaces_its_and_ours"), "net");
    bool shared =
        json_integer_value(json_array_get(net, 0)) == json_integer_value(json_array_get(net, 1));
    assert_int_equal(shared, is_kind(r, "host") || is_kind(r, "qemu"));
    json_t *kernel = json_object_get(p, "kernel");
    bool same = strcmp(json_string_value(json_object_get(kernel, "guest")),
                       json_string_value(json_object_get(kernel, "host"))) == 0;
    if (is_kind(r, "qemu"))
        check_machine(r, s, p);
    else
        assert_int_equal(same, !is_kind(r, "runsc") && !is_vm(r));
    if (!is_kind(r, "host") && !is_kind(r, "bwrap") && !is_kind(r, "qemu"))
        assert_string_equal(
            json_string_value(json_object_get(json_object_get(p, "state"), "status")), "running");
    check_parts(r, p);
    json_decref(p);
}

static void test_cycle(void **state)
{
    struct rig r;
    rig_init(&r);
    open_target(&r);
    struct session *s = rig_start(&r);
    assert_int_equal(s->hello.version, WIRE_VERSION);
    assert_true(session_launch_ns(s) > 0 && session_launch_ns(s) < r.site.start_timeout_ns);
    check_proof(&r, s);
    rig_prepare(s, "cpu.prime", 1, "limit", 5000);
    uint64_t cpu_before = 0, cpu_after = 0;
    if (s->meter.fd >= 0)
        assert_int_equal(cgroup_meter_read(&s->meter, &cpu_before), 0);
    struct frame_sliced done = rig_slice(s, 200);
    assert_int_equal(done.ops, 200);
    assert_true(done.ns > 0 && done.ns <= session_control_ns(s));
    if (s->meter.fd >= 0) {
        assert_int_equal(cgroup_meter_read(&s->meter, &cpu_after), 0);
        /* The host's account covers what the guest says it used. */
        if (cpu_after - cpu_before <
            (is_kind(&r, "runsc") || is_vm(&r) ? done.ns / 10 : done.cpu_ns / 2))
            fail_msg("%llu ns of work, %llu ns on the host's account",
                     (unsigned long long)done.cpu_ns, (unsigned long long)(cpu_after - cpu_before));
    }
    rig_finish(s);
    rig_stop(&r, s);
    rig_release(&r);
}

/* The directories for file workloads are there and can be written. */
static void test_directories(void **state)
{
    struct rig r;
    rig_init(&r);
    open_target(&r);
    struct session *s = rig_start(&r);
    const char *dirs[] = {s->caps.dir_rootfs, s->caps.dir_tmpfs, s->caps.dir_bind};
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        if (!*dirs[i] && !r.machine.is_root)
            continue; /* no tmpfs without root */
        struct frame f;
        frame_init(&f, FRAME_PREPARE, s->nonce, 0);
        str_copy(f.prepare.workload, sizeof(f.prepare.workload), "call.stat");
        f.prepare.workers = 1;
        assert_true(facts_add_text(&f.prepare.params, "dir", dirs[i]));
        assert_ok(session_call(s, &f, FRAME_READY, time_deadline(20 * NS_PER_S), NULL, err));
        assert_int_equal(rig_slice(s, 10).ops, 10);
        rig_finish(s);
    }
    rig_stop(&r, s);
    rig_release(&r);
}

/* ---- CPUs ---- */

/* Every thread of every process of the session may use exactly this set. */
static void check_allowed(const struct rig *r, const struct session *s, const char *want)
{
    struct pid_list pids = {0};
    unsigned threads = 0;
    assert_ok(cgroup_pids(&r->machine.cgroups, s->caps.cgroup, &pids, err));
    assert_true(pids.n > 0);
    for (size_t i = 0; i < pids.n; i++) {
        char dir[64];
        str_format(dir, sizeof(dir), "/proc/%d/task", (int)pids.v[i]);
        DIR *d = opendir(dir);
        struct dirent *de;
        while (d && (de = readdir(d))) {
            char path[400];
            _cleanup_(str_release) struct str status = STR_INIT;
            str_format(path, sizeof(path), "%s/%s/status", dir, de->d_name);
            if (de->d_name[0] == '.' || file_read(path, 16384, &status, NULL) < 0)
                continue;
            const char *line = strstr(status.buf, "Cpus_allowed_list:\t");
            assert_non_null(line);
            line += strlen("Cpus_allowed_list:\t");
            size_t n = strcspn(line, "\n");
            if (n != strlen(want) || strncmp(line, want, n) != 0)
                fail_msg("a thread of %d may use %.*s, not %s", (int)pids.v[i], (int)n, line, want);
            threads++;
        }
        if (d)
            closedir(d);
    }
    assert_true(threads > 0);
    pid_list_release(&pids);
}

static void test_confinement(void **state)
{
    struct rig r;
    rig_init(&r);
    open_target(&r);
    if (!r.machine.is_root || CPU_COUNT(&r.site.cpus) < 2) {
        rig_release(&r);
        skip();
    }
    struct session *s = rig_start(&r);
    char all[64], one_text[64];
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpus_from_end(&r.site.cpus, 0), &one);
    cpus_format(&r.site.cpus, all, sizeof(all));
    cpus_format(&one, one_text, sizeof(one_text));
    check_allowed(&r, s, all);
    assert_ok(session_confine(&r.site, s, &one, err));
    check_allowed(&r, s, one_text);
    rig_prepare(s, "cpu.prime", 2, "limit", 5000);
    uint64_t before, after;
    assert_int_equal(cgroup_meter_read(&s->meter, &before), 0);
    rig_slice(s, 1000);
    assert_int_equal(cgroup_meter_read(&s->meter, &after), 0);
    /* Two workers, and never more than one CPU's worth of time. */
    assert_true((double)(after - before) < 1.1 * (double)session_control_ns(s));
    check_allowed(&r, s, one_text);
    assert_ok(session_confine(&r.site, s, &r.site.cpus, err));
    check_allowed(&r, s, all);
    rig_stop(&r, s);
    rig_release(&r);
}

/* ---- limits ---- */

static void limits_or_skip(struct rig *r)
{
    open_target(r);
    if (r->machine.is_root)
        return;
    rig_release(r);
    skip();
}

static void test_limit_cpus(void **state)
{
    struct rig r;
    rig_init(&r);
    r.site.limits.cpus = 0.5;
    limits_or_skip(&r);
    struct session *s = rig_start(&r);
    rig_prepare(s, "cpu.prime", 1, "limit", 5000);
    uint64_t before, after, work = 500, wall;
    do { /* several periods of the quota */
        work *= 2;
        assert_int_equal(cgroup_meter_read(&s->meter, &before), 0);
        rig_slice(s, work);
        wall = session_control_ns(s);
        assert_int_equal(cgroup_meter_read(&s->meter, &after), 0);
    } while (wall < NS_PER_S);
    double share = (double)(after - before) / (double)wall;
    if (share > 0.6)
        fail_msg("half a CPU was allowed, %.2f used", share);
    rig_stop(&r, s);
    rig_release(&r);
}

static void test_limit_memory(void **state)
{
    struct rig r;
    rig_init(&r);
    r.site.limits.memory_bytes = UINT64_C(160) << 20;
    limits_or_skip(&r);
    if (is_kind(&r, "kata") && !getenv("CUPEL_TEST_STAGED")) { /* its machine alone is larger */
        rig_release(&r);
        skip();
    }
    struct session *s = rig_start(&r);
    struct frame f;
    frame_init(&f, FRAME_PREPARE, s->nonce, 0);
    str_copy(f.prepare.workload, sizeof(f.prepare.workload), "mem.copy");
    f.prepare.workers = 1;
    facts_add_num(&f.prepare.params, "array_bytes", INT64_C(512) << 20);
    struct err why = ERR_INIT;
    int rc = session_call(s, &f, FRAME_READY, time_deadline(60 * NS_PER_S), NULL, &why);
    assert_true(rc < 0);
    assert_int_equal(why.kind, ERR_MEASUREMENT);
    print_message("# %s\n", why.msg);
    if (is_kind(&r, "qemu") && why.code == ENOMEM) { /* its kernel does not promise so much */
        rig_stop(&r, s);
        rig_release(&r);
        return;
    }
    assert_true(s->broken);
    /* It stays broken, with that reason, and can be stopped. */
    frame_init(&f, FRAME_PING, s->nonce, 0);
    assert_true(session_post(s, &f, &why) < 0);
    rig_stop(&r, s);
    rig_release(&r);
}

static void test_limit_pids(void **state)
{
    struct rig r;
    rig_init(&r);
    r.site.limits.pids = 90; /* runsc's own threads need about 40 */
    limits_or_skip(&r);
    struct session *s = rig_start(&r);
    struct frame f;
    frame_init(&f, FRAME_PREPARE, s->nonce, 0);
    str_copy(f.prepare.workload, sizeof(f.prepare.workload), "cpu.prime");
    f.prepare.workers = 400;
    struct err why = ERR_INIT;
    int rc = session_call(s, &f, FRAME_READY, time_deadline(30 * NS_PER_S), NULL, &why);
    if (is_kind(&r, "runsc") || is_vm(&r)) {
        /* A guest's thread need not be one of the host's; what must hold is the host's
         * count. */
        struct pid_list pids = {0};
        assert_ok(cgroup_pids(&r.machine.cgroups, s->caps.cgroup, &pids, err));
        assert_true(pids.n <= 90);
        pid_list_release(&pids);
    } else {
        assert_true(rc < 0);
        assert_int_equal(why.kind, ERR_MEASUREMENT);
        print_message("# %s\n", why.msg);
    }
    rig_stop(&r, s);
    rig_release(&r);
}

/* ---- failures ---- */

static void test_killed_payload(void **state)
{
    struct rig r;
    rig_init(&r);
    open_target(&r);
    struct session *s = rig_start(&r);
    rig_prepare(s, "cpu.prime", 1, "limit", 20000);
    struct frame f;
    frame_init(&f, FRAME_SLICE, s->nonce, 0);
    f.slice.ops = 1000000;
    assert_ok(session_post(s, &f, err));
    assert_true(s->caps.pid > 0);
    kill(s->caps.pid, SIGKILL);
    struct session *who;
    struct session *const set[] = {NULL, s};
    assert_ok(sessions_wait_any(r.loop, set, 2, time_deadline(10 * NS_PER_S), &who, err));
    assert_ptr_equal(who, s);
    assert_null(session_answer(s));
    struct err why = ERR_INIT;
    assert_true(session_failure(s, &why) < 0);
    assert_int_equal(why.kind, ERR_MEASUREMENT);
    rig_stop(&r, s);
    rig_release(&r);
}

/* An interrupt while the target starts: nothing is left, and the interrupt is still there to see.
 */
static void test_interrupted_start(void **state)
{
    struct rig r;
    rig_init(&r);
    assert_ok(loop_catch_interrupts(r.loop, err));
    open_target(&r);
    raise(SIGHUP);
    struct session *s = NULL;
    struct err why = ERR_INIT;
    int rc = r.driver->start(&r.site, r.engine, &rig_probe, &s, &why);
    if (rc == 0 && is_kind(&r, "host")) { /* so quick that the hello came with the signal */
        rig_stop(&r, s);
    } else {
        assert_int_equal(rc, -EINTR);
        assert_null(s);
    }
    loop_run_ready(r.loop);
    assert_int_equal(loop_interrupted(r.loop), SIGHUP);
    loop_clear_interrupt(r.loop);
    /* And one during a stop does not keep it from its end. */
    s = rig_start(&r);
    raise(SIGTERM);
    rig_stop(&r, s);
    loop_run_ready(r.loop);
    assert_int_equal(loop_interrupted(r.loop), SIGTERM);
    loop_clear_interrupt(r.loop);
    rig_release(&r);
}

static void test_stalled_probe(void **state)
{
    struct rig r;
    rig_init(&r);
    open_target(&r);
    struct session *s = rig_start(&r);
    rig_prepare(s, "cpu.prime", 1, "limit", 20000);
    struct frame f;
    frame_init(&f, FRAME_SLICE, s->nonce, 0);
    f.slice.ops = 1000000;
    struct err why = ERR_INIT;
    assert_int_equal(session_call(s, &f, FRAME_SLICED, time_deadline(200 * NS_PER_MS), NULL, &why),
                     -ETIMEDOUT);
    assert_int_equal(why.kind, ERR_TIMEOUT);
    uint64_t begin = time_mono_ns();
    rig_stop(&r, s);
    assert_true(time_mono_ns() - begin < 6 * NS_PER_S);
    rig_release(&r);
}

/* ---- images ---- */

static void make_file(const char *dir, const char *name)
{
    char path[256];
    str_format(path, sizeof(path), "%s/%s", dir, name);
    _cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
}

static size_t entries(const char *dir)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* A tree that means no good: what we need to make is there already, as links out of the root. */
static void make_image(const struct rig *r, char dst[160])
{
    char path[224];
    str_format(dst, 160, "%s/image", r->state);
    assert_ok(fs_mkdirs(dst, 0755, err));
    str_format(path, sizeof(path), "%s/etc", dst);
    assert_ok(fs_mkdirs(path, 0755, err));
    make_file(dst, "etc/marker");
    str_format(path, sizeof(path), "%s/work", dst);
    assert_int_equal(symlink("../../../../etc", path), 0);
    str_format(path, sizeof(path), "%s/cupel-probe", dst);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    str_format(path, sizeof(path), "%s/disk", dst);
    assert_int_equal(mknod(path, S_IFBLK | 0666, 0xfe00), 0);
}

/* The session works on a layer of its own: image and host stay as they were. */
static void test_image(void **state)
{
    struct rig r;
    struct session *s = NULL;
    char image[160], input[224], etc[224];
    rig_init(&r);
    open_target(&r);
    if (!r.machine.is_root) {
        rig_release(&r);
        return;
    }
    make_image(&r, image);
    make_file(r.state, "input");
    str_format(input, sizeof(input), "%s/input", r.state);
    const struct launch_input in = {.path = input, .name = "clip.ivf"};
    const struct launch what = {
        .program = PROGRAM_PROBE, .image = image, .inputs = &in, .n_inputs = 1};
    size_t before = entries("/etc"), in_image = entries(image);
    assert_ok(r.driver->start(&r.site, r.engine, &what, &s, err));
    check_proof(&r, s);
    struct frame f;
    frame_init(&f, FRAME_PREPARE, s->nonce, 0);
    str_copy(f.prepare.workload, sizeof(f.prepare.workload), "fs.create");
    f.prepare.workers = 1;
    facts_add_text(&f.prepare.params, "dir", s->caps.dir_rootfs);
    assert_ok(session_call(s, &f, FRAME_READY, time_deadline(30 * NS_PER_S), NULL, err));
    rig_slice(s, 5);
    rig_finish(s);
    char clip[256];
    struct stat st;
    str_format(clip, sizeof(clip), "%s/%04u/data/clip.ivf", r.site.dir, s->number);
    assert_int_equal(stat(clip, &st), 0);
    rig_stop(&r, s);
    assert_int_equal(entries("/etc"), before);
    assert_int_equal(entries(image), in_image);
    str_format(etc, sizeof(etc), "%s/etc", image);
    assert_int_equal(entries(etc), 3);
    assert_ok(fs_remove_tree(image, err));
    unlink(input);
    rig_release(&r);
}

/* ---- many ---- */

static void write_or_read(struct session *s, const char *dir, const char *half)
{
    struct frame f;
    frame_init(&f, FRAME_PREPARE, s->nonce, 0);
    str_copy(f.prepare.workload, sizeof(f.prepare.workload), "disk.iozone");
    f.prepare.workers = 1;
    facts_add_text(&f.prepare.params, "dir", dir);
    facts_add_num(&f.prepare.params, "size", 4 << 20);
    facts_add_text(&f.prepare.params, "phases", half);
    assert_ok(session_call(s, &f, FRAME_READY, time_deadline(30 * NS_PER_S), NULL, err));
    rig_slice(s, 1);
    rig_finish(s);
}

/* In the root file system the place is /work, in the bound directory it is the directory itself. */
static bool left_on_host(const char *root)
{
    char in_root[256], bound[256];
    str_format(in_root, sizeof(in_root), "%s/work/" WIRE_COLD_DIR "/" WIRE_COLD_FILE, root);
    str_format(bound, sizeof(bound), "%s/" WIRE_COLD_DIR "/" WIRE_COLD_FILE, root);
    return access(in_root, F_OK) == 0 || access(bound, F_OK) == 0;
}

/* Another guest, the same files: what it reads is what the first one wrote. */
static void test_renew(void **state)
{
    struct rig r;
    rig_init(&r);
    open_target(&r);
    if (!r.driver->renew) { /* nothing is promised */
        rig_release(&r);
        return;
    }
    struct session *s = rig_start(&r);
    assert_int_equal(s->caps.own_cache, is_kind(&r, "runsc") || is_vm(&r));
    const char *places[] = {s->caps.dir_rootfs, s->caps.dir_bind};
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        char dir[128], nonce[WIRE_NONCE_SIZE];
        str_copy(dir, sizeof(dir), places[i]);
        str_copy(nonce, sizeof(nonce), s->nonce);
        write_or_read(s, dir, "write");
        /* Later builds of gVisor keep the root file system's changes in a layer that goes with the
         * sandbox: then the host does not see them, and nobody asks for a renewal. */
        if (i == 0 && is_kind(&r, "runsc") && !left_on_host(s->caps.host_rootfs))
            continue;
        if (s->caps.host_disk[0]) /* of which the host sees the disk alone */
            assert_int_equal(access(s->caps.host_disk, F_OK), 0);
        else
            assert_true(left_on_host(i == 0 ? s->caps.host_rootfs : s->caps.host_bind));
        assert_ok(r.driver->renew(&r.site, r.engine, &s, err));
        assert_string_not_equal(s->nonce, nonce);
        check_proof(&r, s);
        write_or_read(s, dir, "read");
        places[0] = s->caps.dir_rootfs;
        places[1] = s->caps.dir_bind;
    }
    rig_stop(&r, s);
    rig_release(&r);
}

/* A container that cannot be started a second time leaves nothing, as one that cannot at first. */
static void test_renew_fails(void **state)
{
    struct rig r;
    rig_init(&r);
    open_target(&r);
    if (!r.driver->renew) { /* nothing is promised */
        rig_release(&r);
        return;
    }
    struct session *s = rig_start(&r);
    char program[256];
    str_format(program, sizeof(program), "%s/cupel-probe", s->caps.host_rootfs);
    assert_int_equal(unlink(program), 0);
    struct err e = ERR_INIT;
    assert_true(r.driver->renew(&r.site, r.engine, &s, &e) < 0);
    assert_null(s);
    rig_release(&r);
}

static void test_two_at_once(void **state)
{
    struct rig r;
    rig_init(&r);
    open_target(&r);
    struct session *s[2] = {rig_start(&r), rig_start(&r)};
    assert_true(s[0]->number != s[1]->number);
    for (int i = 0; i < 2; i++)
        rig_prepare(s[i], "cpu.prime", 1, "limit", 5000);
    for (int i = 0; i < 2; i++) {
        struct frame f;
        frame_init(&f, FRAME_SLICE, s[i]->nonce, 0);
        f.slice.ops = 50;
        assert_ok(session_post(s[i], &f, err));
    }
    struct session *who, *first;
    assert_ok(sessions_wait_any(r.loop, s, 2, time_deadline(20 * NS_PER_S), &first, err));
    assert_ok(sessions_wait_any(r.loop, s, 2, time_deadline(20 * NS_PER_S), &who, err));
    assert_ptr_not_equal(who, first);
    assert_int_equal(session_answer(who)->sliced.ops, 50);
    rig_stop(&r, s[0]);
    assert_int_equal(rig_slice(s[1], 5).ops, 5);
    rig_stop(&r, s[1]);
    rig_release(&r);
}

static void test_many_starts(void **state)
{
    struct rig r;
    rig_init(&r);
    open_target(&r);
    bool slow = is_kind(&r, "runsc") || is_vm(&r) || r.driver->engine;
    unsigned times = getenv("CUPEL_FULL") ? 50 : is_kind(&r, "qemu") ? 3 : slow ? 12 : 50;
    if (getenv("CUPEL_TEST_BRIEF"))
        times = 5;               /* what is lost at each start, a sanitizer sees at the first */
    rig_stop(&r, rig_start(&r)); /* what is opened once is open now */
    size_t before = rig_fds();
    for (unsigned i = 0; i < times; i++)
        rig_stop(&r, rig_start(&r));
    assert_int_equal(rig_fds(), before);
    rig_release(&r);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        target = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cycle),          cmocka_unit_test(test_directories),
        cmocka_unit_test(test_confinement),    cmocka_unit_test(test_limit_cpus),
        cmocka_unit_test(test_limit_memory),   cmocka_unit_test(test_limit_pids),
        cmocka_unit_test(test_killed_payload), cmocka_unit_test(test_interrupted_start),
        cmocka_unit_test(test_stalled_probe),  cmocka_unit_test(test_two_at_once),
        cmocka_unit_test(test_renew),          cmocka_unit_test(test_renew_fails),
        cmocka_unit_test(test_image),          cmocka_unit_test(test_many_starts),
    };
    /* A machine takes seconds to start where its CPU is emulated. */
    const struct CMUnitTest brief[] = {
        cmocka_unit_test(test_cycle),          cmocka_unit_test(test_confinement),
        cmocka_unit_test(test_limit_cpus),     cmocka_unit_test(test_limit_memory),
        cmocka_unit_test(test_killed_payload), cmocka_unit_test(test_renew),
        cmocka_unit_test(test_many_starts),
    };
    bool is_brief = argc == 2 && !getenv("CUPEL_FULL") && str_starts(target, "qemu");
    if (argc > 2)
        cmocka_set_test_filter(argv[2]);
    if (rig_unusable(target))
        return rig_required(target);
    return is_brief ? cmocka_run_group_tests_name(target, brief, NULL, NULL)
                    : cmocka_run_group_tests_name(target, tests, NULL, NULL);
}
