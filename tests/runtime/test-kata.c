/* The driver of Kata 1 against a kata-runtime that behaves as Kata was seen to, and has no virtual
 * machine (fake-kata.py): the commands, their order, each peculiarity that the driver deals with.
 * What the fake runs is the probe, on this host; so it must be refused as Kata wherever it does not
 * take the trouble to lie in every place at once.
 *
 * Everything lies in a mount namespace of the test's own, with a /run of its own. Needs root. */
#include "rig.h"

#include "base/fd.h"
#include "base/fs.h"
#include "driver/attribution.h"
#include "driver/docker-daemon.h"
#include "driver/kata.h"
#include "driver/network.h"
#include "driver/weight.h"
#include "ledger/kata.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#define SHARED "/run/kata-containers"
#define TWO_WAYS                                                                                   \
    "\"configs\": {\"configuration.toml\": {\"shared_fs\": \"virtio-9p\"},"                        \
    " \"configuration-fs.toml\": {\"shared_fs\": \"virtio-fs\", \"sandbox_cgroup_only\": true}}"
#define HONEST "\"guest\": \"vm\", \"machine\": true, "

static char dir[64] = "/tmp/kata-fake-XXXXXX";
static const char *fake_script, *fake_vmm;

/* ---- the fake ---- */

static void copy(const char *from, const char *name)
{
    char to[160];
    str_format(to, sizeof(to), "%s/%s", dir, name);
    assert_ok(fs_copy_file(from, to, 0755, err));
}

static void put(const char *name, const char *text)
{
    char path[160];
    str_format(path, sizeof(path), "%s/%s", dir, name);
    assert_ok(file_replace(path, text, strlen(text), 0644, err));
}

/* What it is to do from now on, with no calls counted yet. */
static void behave(const char *more)
{
    char text[1024], path[160];
    str_format(text, sizeof(text), "{" TWO_WAYS ", %s}", more);
    put("fake.json", text);
    put("calls", "");
    str_format(path, sizeof(path), "%s/count", dir);
    (void)unlink(path);
}

static const char *target(const char *platform)
{
    static char text[160];
    str_format(text, sizeof(text), "kata:%s/kata-runtime%s%s", dir, *platform ? ":" : "", platform);
    return text;
}

static void begin_at(struct rig *r, const char *text)
{
    rig_init(r);
    r->site.start_timeout_ns = 10 * NS_PER_S;
    r->site.stop_timeout_ns = 10 * NS_PER_S;
    if (!rig_open(r, text))
        fail_msg("%s: %s", text, r->info.reason);
}

static void begin(struct rig *r, const char *platform)
{
    begin_at(r, target(platform));
}

/* All that it wrote down, as one array. */
static json_t *calls(void)
{
    char path[160];
    _cleanup_(str_release) struct str text = STR_INIT;
    json_t *all = json_array();
    str_format(path, sizeof(path), "%s/calls", dir);
    assert_ok(file_read(path, 1 << 20, &text, err));
    char *rest = text.buf, *line;
    while ((line = strsep(&rest, "\n")))
        if (*line)
            json_array_append_new(all, json_loads(line, 0, NULL));
    return all;
}

/* The verbs in their order but for kata-env: "create start state delete". */
static void check_verbs(const char *want)
{
    _cleanup_(str_release) struct str verbs = STR_INIT;
    json_t *all = calls(), *one;
    size_t i;
    json_array_foreach (all, i, one) {
        const char *verb = json_string_value(json_object_get(one, "verb"));
        if (verb && !str_eq(verb, "kata-env"))
            str_addf(&verbs, "%s%s", verbs.len ? " " : "", verb);
    }
    json_decref(all);
    assert_string_equal(verbs.buf, want);
}

/* The n-th thing noted under the name; borrowed from all. */
static json_t *noted(json_t *all, const char *name, size_t n)
{
    json_t *one;
    size_t i;
    json_array_foreach (all, i, one)
        if (json_object_get(one, name) && n-- == 0)
            return one;
    return NULL;
}

/* ---- what is here ---- */

static void check_unusable(const char *platform, enum err_kind kind, const char *text)
{
    rig_check_unusable(target(platform), kind, text);
}

static void test_configurations(void **state)
{
    char text[300];
    behave(HONEST "\"n\": 0");
    check_unusable("clh-virtiofs", ERR_UNSUPPORTED,
                   "no configuration of Kata's here is clh-virtiofs; there is qemu-9p, "
                   "qemu-virtiofs");
    str_format(text, sizeof(text), "qemu-virtiofs,config=%s/share/configuration.toml", dir);
    check_unusable(text, ERR_USAGE, "configuration.toml is qemu-9p and not qemu-virtiofs");
    check_unusable("qemu-9p,config=here.toml", ERR_USAGE, "an absolute path is expected");
    str_format(text, sizeof(text), "qemu-9p,config=%s/nowhere.toml", dir);
    check_unusable(text, ERR_ENVIRONMENT, "nowhere.toml");
    static const struct {
        const char *asked, *file, *platform;
    } found[] = {{"", "configuration.toml", "qemu-9p"},
                 {"qemu-9p", "configuration.toml", "qemu-9p"},
                 {"qemu-virtiofs", "configuration-fs.toml", "qemu-virtiofs"}};
    for (size_t i = 0; i < ARRAY_SIZE(found); i++) {
        struct rig r;
        begin(&r, found[i].asked);
        assert_string_equal(r.info.platform, found[i].platform);
        assert_non_null(strstr(r.info.reason, found[i].file));
        rig_release(&r);
    }
}

static void test_programs(void **state)
{
    behave("\"version\": \"3.2.0\", " HONEST "\"n\": 0");
    check_unusable("qemu-9p", ERR_UNSUPPORTED, "has no OCI command line");
    rig_check_unusable("kata:/nonexistent/kata-runtime:qemu-9p", ERR_UNSUPPORTED,
                       "no program at /nonexistent/kata-runtime");
    rig_check_unusable("kata:/bin/true:qemu-9p", ERR_ENVIRONMENT, "calls itself");
    behave(HONEST "\"n\": 0");
    char text[160];
    str_format(text, sizeof(text), "oci:%s/kata-runtime", dir);
    rig_check_unusable(text, ERR_UNSUPPORTED, "Kata has a driver of its own");
}

static int syslog_fd = -1;

static void take_log(bool on)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "/run/syslog"};
    fd_close(&syslog_fd);
    (void)unlink(at.sun_path);
    if (!on)
        return;
    syslog_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(syslog_fd, (struct sockaddr *)&at, sizeof(at)), 0);
}

static void test_host(void **state)
{
    struct sockaddr_un log = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
    _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    behave(HONEST "\"n\": 0");
    if (connect(fd, (struct sockaddr *)&log, sizeof(log)) < 0) {
        take_log(false);
        check_unusable("qemu-9p", ERR_ENVIRONMENT, "nothing listens at /dev/log");
        take_log(true);
    }
    assert_int_equal(mount(NULL, SHARED, NULL, MS_PRIVATE, NULL), 0);
    check_unusable("qemu-9p", ERR_ENVIRONMENT, SHARED " is on a mount that is not shared");
    assert_int_equal(mount(NULL, SHARED, NULL, MS_SHARED, NULL), 0);
}

/* ---- a whole cycle ---- */

/* How many of the session's processes the proof calls so, and that all lie in its group. */
static size_t parts(json_t *proof, const char *what)
{
    size_t n = 0, i;
    json_t *p;
    json_array_foreach (json_object_get(proof, "processes"), i, p) {
        n += str_eq(json_string_value(json_object_get(p, "is")), what);
        assert_true(json_is_true(json_object_get(p, "in_group")));
    }
    return n;
}

static void check_proof(const struct session *s, const char *ran)
{
    json_t *p = json_loads(s->proof, 0, NULL);
    json_t *machine = json_object_get(p, "machine");
    assert_string_equal(json_string_value(json_object_get(p, "kind")), "kata");
    assert_string_equal(json_string_value(json_object_get(machine, "ran")), ran);
    assert_string_equal(json_string_value(json_object_get(machine, "accelerator")), "tcg");
    assert_true(json_is_true(json_object_get(machine, "is_the_configured")));
    assert_true(json_is_true(json_object_get(machine, "in_its_namespace")));
    assert_true(s->caps.emulated); /* nobody holds a machine of KVM's */
    assert_int_equal(parts(p, "vmm"), 1);
    assert_int_equal(parts(p, "virtiofsd"), str_ends(ran, "virtiofs") ? 1 : 0);
    assert_int_equal(parts(p, "proxy"), 1);
    assert_int_equal(parts(p, "shim"), 1);
    json_decref(p);
}

static void check_group(const struct rig *r, const struct session *s)
{
    _cleanup_(pid_list_release) struct pid_list in = {0};
    char kata[160];
    assert_ok(cgroup_pids(&r->machine.cgroups, s->caps.cgroup, &in, err));
    assert_true(in.n >= 4); /* machine, proxy, shim, and the fake's guest */
    str_format(kata, sizeof(kata), "/sys/fs/cgroup/cpu/kata%s/kata_box/cgroup.procs",
               s->caps.cgroup);
    _cleanup_(str_release) struct str outside = STR_INIT;
    if (file_read(kata, 4096, &outside, NULL) == 0)
        assert_string_equal(outside.buf, "");
}

static void use(struct session *s)
{
    const char *dirs[] = {s->caps.dir_rootfs, s->caps.dir_tmpfs, s->caps.dir_bind};
    rig_prepare(s, "cpu.prime", 1, "limit", 5000);
    assert_int_equal(rig_slice(s, 20).ops, 20);
    rig_finish(s);
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        struct frame f;
        frame_init(&f, FRAME_PREPARE, s->nonce, 0);
        str_copy(f.prepare.workload, sizeof(f.prepare.workload), "call.stat");
        f.prepare.workers = 1;
        assert_true(facts_add_text(&f.prepare.params, "dir", dirs[i]));
        assert_ok(session_call(s, &f, FRAME_READY, time_deadline(20 * NS_PER_S), NULL, err));
        assert_int_equal(rig_slice(s, 10).ops, 10);
        rig_finish(s);
    }
}

static void test_cycle(void **state)
{
    static const char *const platforms[] = {"qemu-9p", "qemu-virtiofs"};
    for (size_t i = 0; i < ARRAY_SIZE(platforms); i++) {
        struct rig r;
        char want[160];
        behave(HONEST "\"reap_s\": 20");
        begin(&r, platforms[i]);
        struct session *s = rig_start(&r);
        check_proof(s, platforms[i]);
        check_group(&r, s);
        assert_true(s->caps.own_cache);
        use(s);
        uint64_t stop_ns = time_mono_ns();
        rig_stop(&r, s);
        assert_true(time_mono_ns() - stop_ns < 8 * NS_PER_S); /* nothing waited to be reaped */
        check_verbs("create start state delete");
        json_t *all = calls(), *made = noted(all, "create", 0);
        str_format(want, sizeof(want), "%s/s0000/kata_box", r.site.cgroup);
        assert_string_equal(json_string_value(json_object_get(made, "box")), want);
        str_format(want, sizeof(want), "%s/0000/root", r.site.dir);
        assert_string_equal(json_string_value(json_object_get(made, "root")), want);
        assert_true(json_is_false(json_object_get(made, "used")));
        json_decref(all);
        rig_release(&r);
    }
}

/* The components of several sessions at once, each with its machine. */
static void test_weights(void **state)
{
    enum { N = 2 };
    struct rig r;
    struct session *s[N];
    struct claim claims[N];
    struct weight w[N];
    struct attribution a = {0};
    struct pss_reader reader;
    behave(HONEST "\"n\": 0");
    begin(&r, "qemu-virtiofs");
    for (size_t i = 0; i < N; i++)
        s[i] = rig_start(&r);
    for (size_t i = 0; i < N; i++)
        claims[i] = session_claim(s[i]);
    struct attribution_input in = {
        .proc = "/proc", .self = getpid(), .claims = claims, .n_claims = N};
    assert_ok(pss_reader_open(&reader, "/proc", err));
    assert_ok(attribution_read(&a, &in, err));
    weights_read(&a, &reader, w, N, NULL);
    for (size_t i = 0; i < N; i++) {
        static const enum component one_each[] = {COMPONENT_VMM, COMPONENT_VIRTIOFSD,
                                                  COMPONENT_PROXY, COMPONENT_SHIM};
        for (size_t k = 0; k < ARRAY_SIZE(one_each); k++) {
            assert_int_equal(w[i].part[one_each[k]].processes, 1);
            assert_true(w[i].part[one_each[k]].pss_bytes > 0);
        }
        /* The shim stands outside of what the guest itself weighs. */
        assert_true(weight_pss(&w[i], WEIGHT_ALL) > weight_pss(&w[i], WEIGHT_CONTAINER));
    }
    pss_reader_close(&reader);
    attribution_release(&a);
    for (size_t i = 0; i < N; i++)
        rig_stop(&r, s[i]);
    rig_release(&r);
}

static void test_renew(void **state)
{
    struct rig r;
    behave(HONEST "\"n\": 0");
    begin(&r, "qemu-9p");
    struct session *s = rig_start(&r);
    assert_ok(r.driver->renew(&r.site, r.engine, &s, err));
    use(s);
    rig_stop(&r, s);
    check_verbs("create start state delete create start state delete");
    json_t *all = calls();
    assert_true(json_is_false(json_object_get(noted(all, "create", 1), "used")));
    json_decref(all);
    rig_release(&r);
}

/* Plugged into the run's network; and never into the machine's own, whose interface would be gone.
 */
static void test_network(void **state)
{
    struct rig r;
    struct net_end end;
    struct session *s = NULL;
    struct err why = ERR_INIT;
    struct launch what = rig_probe;
    what.net = &end;
    behave(HONEST "\"n\": 0");
    begin(&r, "qemu-9p");
    assert_ok(network_make(&r.site, &(struct net_shape){0}, err));
    assert_ok(network_end_make(&r.site, &end, err));
    assert_ok(r.driver->start(&r.site, r.engine, &what, &s, err));
    check_proof(s, "qemu-9p");
    /* The tap stays in it: no second machine there. */
    assert_int_equal(r.driver->renew(&r.site, r.engine, &s, &why), -ENOTSUP);
    assert_int_equal(why.kind, ERR_UNSUPPORTED);
    assert_null(s);
    assert_ok(network_end_remove(&r.site, &end, err));
    assert_ok(network_remove(&r.site, err));

    behave(HONEST "\"n\": 0");
    assert_ok(network_make_own(&r.site, err));
    network_switch(&r.site, &end);
    assert_int_equal(r.driver->start(&r.site, r.engine, &what, &s, &why), -ENOTSUP);
    assert_non_null(strstr(why.msg, "this machine's own interface"));
    check_verbs(""); /* it was not even asked */
    assert_ok(network_remove(&r.site, err));
    rig_release(&r);
}

static void test_forced(void **state)
{
    struct rig r;
    struct lifetimes life = {0};
    behave(HONEST "\"reap_s\": 20");
    begin(&r, "qemu-9p");
    struct session *s = rig_start(&r);
    uint64_t begin_ns = time_mono_ns();
    assert_ok(session_stop(s, ENDING_FORCED, &life, err));
    assert_true(time_mono_ns() - begin_ns < 8 * NS_PER_S);
    assert_true(life.exited_ns > 0 && life.gone_ns >= life.exited_ns);
    check_verbs("create start state delete");
    rig_release(&r);
}

/* ---- names that lie ---- */

static void check_refused(const char *platform, const char *how, const char *text)
{
    struct rig r;
    behave(how);
    begin(&r, platform);
    rig_check_start_fails(&r, ERR_MEASUREMENT, text, 8 * NS_PER_S);
    rig_release(&r);
}

/* A runtime that isolates by this host's kernel, under Kata's name: whatever stands beside it. */
static void test_runc_called_kata(void **state)
{
    check_refused("qemu-9p", "\"guest\": \"host\"",
                  "this is not kata: the guest's kernel is the host's");
    check_refused("qemu-9p", "\"guest\": \"host\", \"machine\": true",
                  "this is not kata: the guest's kernel is the host's");
    check_refused("qemu-9p", "\"guest\": \"vm\", \"same_boot\": true, \"machine\": true",
                  "this is not kata: the guest runs in the host's own boot");
    check_refused("qemu-9p", "\"guest\": \"vm\", \"same_program\": true, \"machine\": true",
                  "this is not kata: the probe runs on this host, in no virtual machine");
    check_refused("qemu-9p", "\"guest\": \"vm\"",
                  "this is not kata: no process of a virtual machine belongs to it");
}

static void test_another_machine(void **state)
{
    char how[300];
    check_refused("qemu-virtiofs", HONEST "\"ran\": \"virtio-9p\"",
                  "this is not kata: its virtual machine is qemu-9p, not qemu-virtiofs");
    check_refused("qemu-9p", HONEST "\"ran\": \"virtio-fs\"",
                  "this is not kata: its virtual machine is qemu-virtiofs, not qemu-9p");
    copy(fake_vmm, "qemu-lite-system");
    char path[160];
    str_format(path, sizeof(path), "%s/qemu-lite-system", dir);
    FILE *f = fopen(path, "ae"); /* another file, not only another name */
    assert_non_null(f);
    fputc('\n', f);
    fclose(f);
    str_format(how, sizeof(how), HONEST "\"vmm\": \"%s\"", path);
    check_refused("qemu-9p", how, "qemu-lite-system and not ");
}

/* ---- what fails ---- */

static void check_root_kept(size_t n)
{
    json_t *all = calls(), *failed = noted(all, "failed_create", n);
    assert_non_null(failed);
    assert_int_equal(json_integer_value(json_object_get(failed, "deleted")), 0);
    assert_true(json_integer_value(json_object_get(failed, "refused")) > 0);
    json_decref(all);
}

/* It deletes what it can through a mount that it leaves; there is nothing that it can. */
static void test_failed_create(void **state)
{
    struct rig r;
    char id[40];
    behave(HONEST "\"fail_each\": 1");
    begin(&r, "qemu-9p");
    rig_check_start_fails(
        &r, ERR_ENVIRONMENT,
        "kata-runtime create: exit 1: rpc error: code = Unavailable desc = transport is closing",
        8 * NS_PER_S);
    check_root_kept(0);
    assert_int_equal(access(r.engine->programs[PROGRAM_PROBE].path, X_OK), 0);
    str_format(id, sizeof(id), "cupel-%s-0000", r.site.run_id);
    assert_false(kata_has_left(&r.machine.cgroups, id));
    rig_release(&r);
}

/* An image's root can be written to: what is deleted is the session's layer, not the image. */
static void test_failed_create_of_image(void **state)
{
    struct rig r;
    struct session *s = NULL;
    struct err why = ERR_INIT;
    char image[160], file[200];
    behave(HONEST "\"fail_each\": 1");
    begin(&r, "qemu-9p");
    str_format(image, sizeof(image), "%s/image", r.site.dir);
    str_format(file, sizeof(file), "%s/etc/passwd", image);
    str_format(file, sizeof(file), "%s/etc", image);
    assert_ok(fs_mkdirs(file, 0755, err));
    str_format(file, sizeof(file), "%s/etc/passwd", image);
    assert_ok(file_replace(file, "root\n", 5, 0644, err));
    const struct launch what = {.program = PROGRAM_PROBE, .image = image};
    assert_true(r.driver->start(&r.site, r.engine, &what, &s, &why) < 0);
    assert_non_null(strstr(why.msg, "transport is closing"));
    assert_int_equal(access(file, R_OK), 0);
    assert_int_equal(access(r.engine->programs[PROGRAM_PROBE].path, X_OK), 0);
    rig_release(&r);
}

/* One start in some fails: that one is told, the others work, and none is tried again behind the
 * back of whoever counts. */
static void test_some_fail(void **state)
{
    enum { STARTS = 4 };
    struct rig r;
    unsigned failed = 0;
    behave(HONEST "\"fail_each\": 3");
    begin(&r, "qemu-9p");
    for (unsigned i = 0; i < STARTS; i++) {
        struct session *s = NULL;
        struct err why = ERR_INIT;
        if (r.driver->start(&r.site, r.engine, &rig_probe, &s, &why) < 0) {
            assert_non_null(strstr(why.msg, "transport is closing"));
            failed++;
            assert_int_equal(i, 2);
        } else {
            rig_stop(&r, s);
        }
    }
    assert_int_equal(failed, 1);
    json_t *all = calls();
    assert_non_null(noted(all, "create", STARTS - 1));
    assert_null(noted(all, "create", STARTS));
    json_decref(all);
    rig_release(&r);
}

static void test_hangs(void **state)
{
    static const struct {
        const char *how, *text;
    } cases[] = {
        {HONEST "\"hang\": \"create\"", "timed out at start after 3 s (kata-runtime create)"},
        {HONEST "\"hang\": \"start\"", "timed out at start after 3 s (kata-runtime start)"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct rig r;
        behave(cases[i].how);
        begin(&r, "qemu-9p");
        r.site.start_timeout_ns = NS_PER_S; /* times what Kata is granted */
        r.site.stop_timeout_ns = 5 * NS_PER_S;
        rig_check_start_fails(&r, ERR_TIMEOUT, cases[i].text, 12 * NS_PER_S);
        rig_release(&r);
    }
}

/* `delete` that hangs, or ends the machine and leaves all the rest with its mounts: it goes. */
static void test_useless_delete(void **state)
{
    static const char *const how[] = {HONEST "\"hang\": \"delete\"", HONEST "\"leave\": true"};
    for (size_t i = 0; i < ARRAY_SIZE(how); i++) {
        struct rig r;
        char id[40];
        behave(how[i]);
        begin(&r, "qemu-virtiofs");
        r.site.stop_timeout_ns = 2 * NS_PER_S;
        struct session *s = rig_start(&r);
        str_format(id, sizeof(id), "cupel-%s-%04u", r.site.run_id, s->number);
        assert_true(kata_has_left(&r.machine.cgroups, id));
        rig_stop(&r, s);
        assert_false(kata_has_left(&r.machine.cgroups, id));
        rig_release(&r);
    }
}

/* ---- after SIGKILL ---- */

static void note_line(void *user, const char *line)
{
    str_addf(user, "%s\n", line);
}

/* The ledger alone knows of it, and leads to everything. */
static void test_killed(void **state)
{
    struct rig r;
    char state_dir[96], run[16], id[40];
    struct clean_result res;
    _cleanup_(str_release) struct str lines = STR_INIT;
    struct loop *loop = NULL;
    int ready[2];
    behave(HONEST "\"n\": 0");
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        begin(&r, "qemu-virtiofs");
        rig_start(&r);
        (void)!write(ready[1], &r, sizeof(r));
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(read(ready[0], &r, sizeof(r)), sizeof(r));
    close(ready[0]);
    close(ready[1]);
    str_copy(state_dir, sizeof(state_dir), r.state);
    str_copy(run, sizeof(run), r.site.run_id);
    str_format(id, sizeof(id), "cupel-%s-0000", run);
    assert_true(kata_has_left(&r.machine.cgroups, id));
    assert_ok(loop_new(&loop, err));
    assert_ok(ledger_clean(state_dir, loop, note_line, &lines, &res, err));
    if (res.failed > 0 || kata_has_left(&r.machine.cgroups, id))
        fail_msg("%s", lines.buf);
    assert_ok(fs_remove_tree(state_dir, err));
    _cleanup_(str_release) struct str left = STR_INIT;
    if (rig_leftovers(&r, &left) > 0)
        fail_msg("left behind:\n%s\n%s", left.buf, lines.buf);
    loop_free(loop);
}

/* ---- versions 2 and 3: a shim of containerd's ---- */

static char path_before[4096];

/* A shim that is runc's under Kata's name, first on the PATH; with `as_runc` the runtime that it
 * calls is the fake. */
static void shim_is_runcs(bool as_runc)
{
    char all[4600];
    rig_script(dir, "shim", "containerd-shim-kata-v2",
               "if [ \"$1\" = --version ]; then echo 'Kata shim: version: 3.2.0'; exit; fi\n"
               "exec containerd-shim-runc-v2 \"$@\"\n");
    str_format(all, sizeof(all), "%s/shim:%s%s%s", dir, as_runc ? dir : "",
               as_runc ? "/runc-is:" : "", path_before);
    setenv("PATH", all, 1);
    setenv("CONTAINERD_ADDRESS", "/nonexistent/socket", 1); /* the user's is left alone */
}

static int restore_path(void **state)
{
    setenv("PATH", path_before, 1);
    unsetenv("CONTAINERD_ADDRESS");
    return 0;
}

static void begin_containerd(struct rig *r, const char *name)
{
    rig_init(r);
    r->site.start_timeout_ns = 10 * NS_PER_S;
    r->site.stop_timeout_ns = 10 * NS_PER_S;
    rig_open_or_skip(r, name);
    assert_string_equal(r->info.kind, "kata");
    assert_string_equal(r->info.version, "Kata shim: version: 3.2.0");
}

static void test_no_shim(void **state)
{
    char where[256];
    if (fs_which("containerd", where, sizeof(where)) < 0)
        skip();
    static const char *const names[] = {"containerd/kata", "containerd/io.containerd.kata.v2",
                                        "containerd/kata:qemu-virtiofs"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        rig_check_unusable(names[i], ERR_UNSUPPORTED, "no containerd-shim-kata-v2 on the PATH");
    rig_check_unusable("containerd/io.containerd.kata-clh.v2", ERR_UNSUPPORTED,
                       "no containerd-shim-kata-clh-v2 on the PATH");
    shim_is_runcs(false);
    rig_check_unusable("containerd/kata,debug=true", ERR_USAGE, "Kata's shim takes no flag debug");
}

/* runc measured, and called Kata. */
static void test_shim_of_runc(void **state)
{
    struct rig r;
    shim_is_runcs(false);
    begin_containerd(&r, "containerd/kata");
    rig_check_start_fails(&r, ERR_MEASUREMENT, "this is not kata: the guest's kernel is the host's",
                          12 * NS_PER_S);
    rig_release(&r);
}

/* With everything that a proof looks at. */
static void test_shim(void **state)
{
    struct rig r;
    char wrong[160];
    behave(HONEST "\"n\": 0");
    shim_is_runcs(true);
    begin_containerd(&r, "containerd/kata:qemu-9p");
    struct session *s = rig_start(&r);
    json_t *p = json_loads(s->proof, 0, NULL), *machine = json_object_get(p, "machine");
    assert_string_equal(json_string_value(json_object_get(machine, "ran")), "qemu-9p");
    assert_int_equal(parts(p, "vmm"), 1);
    assert_true(parts(p, "shim") >= 1);
    json_decref(p);
    check_group(&r, s);
    use(s);
    rig_stop(&r, s);
    str_format(wrong, sizeof(wrong), "cupel-%s-0000", r.site.run_id);
    assert_false(kata_has_left(&r.machine.cgroups, wrong));
    rig_release(&r);
    begin_containerd(&r, "containerd/kata:qemu-virtiofs");
    rig_check_start_fails(&r, ERR_MEASUREMENT,
                          "this is not kata: its virtual machine is qemu-9p, not qemu-virtiofs",
                          12 * NS_PER_S);
    rig_release(&r);
}

/* ---- as a docker has it registered ---- */

/* The docker that plays the user's is the private one of a rig of its own, whose /run holds no
 * system's log. */
static void test_docker(void **state)
{
    struct rig users, r;
    char host[160];
    struct engine kata = {.info = {.kind = "kata"}};
    behave(HONEST "\"no_syslog\": true");
    setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock", 1);
    rig_init(&users);
    rig_open_or_skip(&users, "docker/runc");
    rig_check_unusable("docker/kata", ERR_UNSUPPORTED, "under a docker that has it registered");
    struct docker_target t = {.daemon = ((struct docker_target *)users.engine->own)->daemon};
    str_format(kata.info.path, sizeof(kata.info.path), "%s/kata-runtime", dir);
    assert_ok(docker_daemon_register(t.daemon, &kata, &t, err));
    str_format(host, sizeof(host), "unix://%s", docker_socket(t.daemon->api));
    setenv("DOCKER_HOST", host, 1);

    begin_at(&r, "docker/kata:qemu-9p");
    assert_non_null(strstr(r.info.reason, t.runtime));
    struct session *s = rig_start(&r);
    json_t *p = json_loads(s->proof, 0, NULL), *machine = json_object_get(p, "machine");
    assert_string_equal(json_string_value(json_object_get(machine, "ran")), "qemu-9p");
    assert_int_equal(parts(p, "vmm"), 1);
    assert_int_equal(parts(p, "proxy"), 1);
    assert_int_equal(parts(p, "shim"), 2); /* docker's and Kata's */
    json_decref(p);
    check_group(&r, s);
    use(s);
    rig_stop(&r, s);
    rig_release(&r);

    behave("\"guest\": \"host\", \"no_syslog\": true");
    begin_at(&r, "docker/kata");
    rig_check_start_fails(&r, ERR_MEASUREMENT, "this is not kata: the guest's kernel is the host's",
                          12 * NS_PER_S);
    rig_release(&r);
    unsetenv("DOCKER_HOST");
    rig_release(&users);
}

/* ---- */

static int set_up(void **state)
{
    struct err err = ERR_INIT;
    if (!mkdtemp(dir) || unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("cupel-test", "/run", "tmpfs", 0, "mode=755") < 0 ||
        fs_mkdirs(SHARED, 0755, &err) < 0 || mount(SHARED, SHARED, NULL, MS_BIND, NULL) < 0 ||
        mount(NULL, SHARED, NULL, MS_SHARED, NULL) < 0)
        return -1;
    static const char *const dirs[] = {"bin", "etc", "share", "runc-is"};
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        char path[160];
        str_format(path, sizeof(path), "%s/%s", dir, dirs[i]);
        if (fs_mkdirs(path, 0755, &err) < 0)
            return -1;
    }
    copy(fake_script, "kata-runtime");
    str_copy(path_before, sizeof(path_before), getenv("PATH"));
    copy(fake_vmm, "bin/qemu-system-x86_64");
    copy(fake_vmm, "bin/virtiofsd");
    copy(fake_vmm, "bin/kata-proxy");
    char link_at[160];
    str_format(link_at, sizeof(link_at), "%s/runc-is/runc", dir);
    if (symlink("../kata-runtime", link_at) < 0)
        return -1;
    put("share/configuration.toml", "");
    put("share/configuration-fs.toml", "");
    take_log(true);
    return 0;
}

/* The group above all machines is Kata's, and stays; here it is the fake's. */
static void remove_group(const struct cgroup_tree *trees, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char path[160];
        str_format(path, sizeof(path), "%s/kata", trees[i].mount);
        (void)rmdir(path);
    }
}

static int tear_down(void **state)
{
    struct cgroups c;
    if (cgroups_detect(&c, NULL) == 0) {
        remove_group(c.trees, c.n_trees);
        remove_group(c.others, c.n_others);
    }
    fd_close(&syslog_fd);
    return fs_remove_tree(dir, NULL);
}

/* Runs a program on what the tests here stand on, with the fake at its best as the target. */
static int stage(const char *program, const char *filter)
{
    int status = 1;
    if (set_up(NULL) < 0)
        return 1;
    behave(HONEST "\"reap_s\": 20");
    setenv("CUPEL_TEST_STAGED", "1", 1);
    if (!getenv("CUPEL_FULL"))
        setenv("CUPEL_TEST_BRIEF", "1", 1);
    pid_t child = fork();
    if (child == 0) {
        execl(program, program, target("qemu-virtiofs"), filter, NULL);
        _exit(127);
    }
    (void)waitpid(child, &status, 0);
    return tear_down(NULL) < 0 || !WIFEXITED(status) ? 1 : WEXITSTATUS(status);
}

/* FAKE-KATA FAKE-VMM [test | --stage PROGRAM [test]] */
int main(int argc, char **argv)
{
    if (argc < 3)
        return 1;
    fake_script = argv[1];
    fake_vmm = argv[2];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configurations),
        cmocka_unit_test(test_programs),
        cmocka_unit_test(test_host),
        cmocka_unit_test(test_cycle),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_renew),
        cmocka_unit_test(test_network),
        cmocka_unit_test(test_forced),
        cmocka_unit_test(test_runc_called_kata),
        cmocka_unit_test(test_another_machine),
        cmocka_unit_test(test_failed_create),
        cmocka_unit_test(test_failed_create_of_image),
        cmocka_unit_test(test_some_fail),
        cmocka_unit_test(test_hangs),
        cmocka_unit_test(test_useless_delete),
        cmocka_unit_test(test_killed),
        cmocka_unit_test_teardown(test_no_shim, restore_path),
        cmocka_unit_test_teardown(test_shim_of_runc, restore_path),
        cmocka_unit_test_teardown(test_shim, restore_path),
        cmocka_unit_test(test_docker),
    };
    if (geteuid() != 0) {
        printf("1..0 # SKIP needs root\n");
        return 0;
    }
    if (!rig_has_static_probe()) {
        printf("1..0 # SKIP the probe of this build is not static: set CUPEL_PROBE\n");
        return 0;
    }
    if (argc > 4 && str_eq(argv[3], "--stage"))
        return stage(argv[4], argv[5]);
    if (argc > 3)
        cmocka_set_test_filter(argv[3]);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
