/* What is bubblewrap's own: programs that are called bwrap and are not, images it could be led
 * astray by, and its end without us. Needs root and bwrap. */
#include "rig.h"

#include "base/fd.h"
#include "base/fs.h"
#include "host/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

static char scripts[64] = "/tmp/cupel-scripts-XXXXXX";

/* A program <scripts>/<folder>/bwrap; what it does behind its --version. */
static void script(const char *folder, const char *version, const char *body, char *dst,
                   size_t size)
{
    _cleanup_free_ char *text =
        xasprintf("[ \"$1\" = --version ] && echo '%s' && exit\n%s", version, body);
    rig_script(scripts, folder, "bwrap", text);
    str_format(dst, size, "bwrap:%s/%s/bwrap", scripts, folder);
}

static void check_start_fails(const char *target, enum err_kind kind, const char *text)
{
    struct rig r;
    rig_init(&r);
    r.site.start_timeout_ns = 3 * NS_PER_S;
    if (!rig_open(&r, target))
        fail_msg("%s: %s", target, r.info.reason);
    rig_check_start_fails(&r, kind, text, 8 * NS_PER_S);
    assert_int_equal(ledger_open_items(r.site.ledger), 2); /* the site's */
    rig_release(&r);
}

/* ---- names that lie ---- */

/* Its last arguments are the program and its nonce; the directory above it is the session's. */
#define START_PROBE "for n; do :; done\nexec rootfs/cupel-probe --nonce $n\n"

static void test_no_sandbox(void **state)
{
    char target[300];
    script("bare", "bubblewrap 0.9.0", START_PROBE, target, sizeof(target));
    check_start_fails(target, ERR_MEASUREMENT, "bwrap: nothing runs below it");
    script("child", "bubblewrap 0.9.0",
           "exec 3<&0\nfor n; do :; done\nrootfs/cupel-probe --nonce $n <&3 &\nwait\n", target,
           sizeof(target));
    check_start_fails(target, ERR_MEASUREMENT,
                      "this is not bwrap: its user namespace is the host's");
}

/* One namespace the fewer: what unshare makes is not what it says. */
static void test_false_bwrap(void **state)
{
    char target[300];
    script("unshare", "bubblewrap 0.9.0",
           "exec 3<&0\nfor n; do :; done\n"
           "unshare -U -r -m -i -u -n rootfs/cupel-probe --nonce $n <&3 &\nwait\n",
           target, sizeof(target));
    check_start_fails(target, ERR_MEASUREMENT, "this is not bwrap: its parent is another program");
}

static void test_unusable(void **state)
{
    char target[300];
    rig_check_unusable("bwrap:/nonexistent/bwrap", ERR_UNSUPPORTED,
                       "no program at /nonexistent/bwrap");
    rig_check_unusable("bwrap:kvm", ERR_USAGE, "takes no platform");
    rig_check_unusable("bwrap,unshare-all=yes", ERR_USAGE, "no flags");
    script("other", "runc version 1.1", "", target, sizeof(target));
    rig_check_unusable(target, ERR_ENVIRONMENT, "calls itself \"runc version");
    script("old", "bubblewrap 0.4.1", "", target, sizeof(target));
    rig_check_unusable(target, ERR_UNSUPPORTED, "0.7 or later is needed");
}

/* Its words are the reason. */
static void test_failing(void **state)
{
    char target[300];
    script("fails", "bubblewrap 0.9.0",
           "echo 'bwrap: No permissions to create new namespace' >&2\nexit 1\n", target,
           sizeof(target));
    check_start_fails(target, ERR_MEASUREMENT, "No permissions to create new namespace");
    script("hangs", "bubblewrap 0.9.0", "exec sleep 100\n", target, sizeof(target));
    check_start_fails(target, ERR_TIMEOUT, "timed out at start after 3 s");
}

/* ---- images ---- */

/* Followed from where bwrap makes the mounts, this leads to the machine's own /tmp. */
static void test_image_with_a_link(void **state)
{
    char image[128], path[160];
    struct rig r;
    struct session *s = NULL;
    rig_init(&r);
    assert_true(rig_open(&r, "bwrap"));
    str_format(image, sizeof(image), "%s/image", scripts);
    str_format(path, sizeof(path), "%s/data", image);
    assert_ok(fs_mkdirs(image, 0755, err));
    assert_int_equal(symlink("/oldroot/tmp/cupel-led-astray", path), 0);
    const struct launch what = {.program = PROGRAM_PROBE, .image = image};
    assert_fails(r.driver->start(&r.site, r.engine, &what, &s, err), ELOOP,
                 "the image's /data is no directory");
    assert_int_equal(access("/tmp/cupel-led-astray", F_OK), -1);
    rig_release(&r);
}

/* ---- its end ---- */

static bool gone_within(pid_t pid, uint64_t ns)
{
    uint64_t deadline_ns = time_deadline(ns);
    while (proc_alive(pid) && time_mono_ns() < deadline_ns)
        poll(NULL, 0, 10);
    return !proc_alive(pid);
}

/* Where only bwrap is killed, what is inside goes with it, and the session knows. */
static void test_killed_bwrap(void **state)
{
    struct rig r;
    struct err e = ERR_INIT;
    rig_init(&r);
    assert_true(rig_open(&r, "bwrap"));
    struct session *s = rig_start(&r);
    pid_t inside = s->caps.pid, outside = proc_parent(inside);
    assert_int_equal(outside, s->stream_pid);
    assert_int_equal(kill(outside, SIGKILL), 0);
    assert_true(gone_within(inside, 5 * NS_PER_S));
    struct frame f;
    frame_init(&f, FRAME_PING, s->nonce, 0);
    assert_true(session_call(s, &f, FRAME_PONG, time_deadline(5 * NS_PER_S), NULL, &e) < 0);
    rig_stop(&r, s);
    rig_release(&r);
}

/* ---- what it is given ---- */

static void test_proof(void **state)
{
    static const char *const own[] = {"user", "pid", "mnt", "net", "ipc", "uts"};
    struct rig r;
    rig_init(&r);
    assert_true(rig_open(&r, "bwrap"));
    struct session *s = rig_start(&r);
    json_t *p = json_loads(s->proof, 0, NULL), *ns = json_object_get(p, "namespaces_its_and_ours");
    for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
        json_t *pair = json_object_get(ns, own[i]);
        json_int_t its = json_integer_value(json_array_get(pair, 0));
        assert_true(its > 0 && its != json_integer_value(json_array_get(pair, 1)));
        assert_int_equal((uint64_t)its, proc_ns_inode(s->caps.pid, own[i]));
    }
    assert_true(json_is_true(json_object_get(p, "root_is_its_own")));
    assert_true(json_is_true(json_object_get(json_object_get(p, "waits"), "is_bwrap")));
    assert_true(proc_in_cgroup(s->caps.pid, json_string_value(json_object_get(p, "group"))));
    assert_int_equal(s->hello.pid, 1);
    struct proc_powers powers;
    assert_int_equal(proc_powers(s->caps.pid, &powers), 0);
    assert_true(powers.no_new_privs);
    assert_int_equal(powers.capabilities, 0xa80425fb); /* Docker's default set */
    json_decref(p);
    rig_stop(&r, s);
    rig_release(&r);
}

/* Its user 0 is ours, and would be let through by what asks for no more than that. */
static void test_settings_of_the_machine(void **state)
{
    static const char *const paths[] = {
        "proc/sys/kernel/hostname",      "proc/sys/kernel/panic", "proc/sys/vm/swappiness",
        "proc/irq/default_smp_affinity", "proc/sysrq-trigger",    "sys/devices/system/cpu/uevent"};
    struct rig r;
    struct stat st;
    size_t there = 0;
    rig_init(&r);
    assert_true(rig_open(&r, "bwrap"));
    struct session *s = rig_start(&r);
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        char path[128];
        str_format(path, sizeof(path), "/proc/%d/root/%s", (int)s->caps.pid, paths[i]);
        if (stat(path, &st) < 0)
            continue; /* not every kernel has all */
        there++;
        _cleanup_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd >= 0 || errno != EROFS)
            fail_msg("%s can be opened for writing", path);
    }
    assert_true(there >= 4);
    rig_stop(&r, s);
    rig_release(&r);
}

static int setup(void **state)
{
    return mkdtemp(scripts) ? 0 : -1;
}

static int teardown(void **state)
{
    return fs_remove_tree(scripts, NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_sandbox),
        cmocka_unit_test(test_false_bwrap),
        cmocka_unit_test(test_unusable),
        cmocka_unit_test(test_failing),
        cmocka_unit_test(test_image_with_a_link),
        cmocka_unit_test(test_killed_bwrap),
        cmocka_unit_test(test_proof),
        cmocka_unit_test(test_settings_of_the_machine),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    if (rig_unusable("bwrap"))
        return rig_required("bwrap");
    return cmocka_run_group_tests_name("bwrap", tests, setup, teardown);
}
