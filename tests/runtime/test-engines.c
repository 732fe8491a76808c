/* What only engines can do wrong: daemons and monitors that die, clients that hang or refuse,
 * programs that are missing, and containers of other people's in the same daemon. The targets are
 * podman/runc and containerd/runc; what is no engine's own is tested by test-drivers, for every
 * target. Also prints how long a start and a stop take, of each target that is usable here. */
#include "rig.h"

#include "base/fs.h"
#include "base/spawn.h"
#include "driver/containerd-words.h"
#include "driver/containerd.h"
#include "host/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

static char scripts[64] = "/tmp/cupel-engines-XXXXXX";
static char *path_before;

/* An executable <scripts>/<folder>/<name>, which then stands first on the PATH. */
static void script(const char *folder, const char *name, const char *body)
{
    char all[4096];
    rig_script(scripts, folder, name, body);
    str_format(all, sizeof(all), "%s/%s:%s", scripts, folder, path_before);
    setenv("PATH", all, 1);
}

static int restore_path(void **state)
{
    setenv("PATH", path_before, 1);
    unsetenv("CONTAINERD_ADDRESS");
    return 0;
}

/* ---- times ---- */

static void test_times(void **state)
{
    static const char *const targets[] = {
        "runc",         "podman/runc",         "containerd/runc",
        "crun",         "podman/crun",         "containerd/crun",
        "runsc:ptrace", "podman/runsc:ptrace", "containerd/runsc:ptrace"};
    for (size_t t = 0; t < ARRAY_SIZE(targets); t++)
        rig_print_times(targets[t]);
}

/* ---- what is missing ---- */

static void test_missing(void **state)
{
    setenv("PATH", "/nonexistent", 1);
    setenv("CONTAINERD_ADDRESS", "/nonexistent/socket", 1);
    rig_check_unusable("podman/runc", ERR_UNSUPPORTED, "podman is not installed");
    rig_check_unusable("containerd/runc", ERR_UNSUPPORTED, "containerd is not installed");
    setenv("PATH", path_before, 1);
    struct rig r;
    rig_init(&r);
    rig_open_or_skip(&r, "containerd/runc");
    assert_non_null(
        strstr(r.info.reason, " is installed but not running; a private one will be started"));
    rig_release(&r);
    rig_check_unusable("containerd/io.containerd.nosuch.v7", ERR_UNSUPPORTED,
                       "no containerd-shim-nosuch-v7 on the PATH");
}

/* ---- podman ---- */

static void start_podman_script(struct rig *r, const char *folder, const char *body)
{
    rig_init(r);
    r->site.start_timeout_ns = 3 * NS_PER_S;
    r->site.stop_timeout_ns = 3 * NS_PER_S;
    char real[256], text[1024];
    if (fs_which("podman", real, sizeof(real)) < 0) {
        rig_release(r);
        print_message("# podman is not installed\n");
        skip();
    }
    str_format(
        text, sizeof(text),
        "case \"$*\" in *--version*) echo podman version 4; exit;; %s esac\nexec %s \"$@\"\n", body,
        real);
    script(folder, "podman", text);
    rig_open_or_skip(r, "podman/runc");
}

static void test_podman_refuses(void **state)
{
    struct rig r;
    start_podman_script(&r, "refuses", "*--detach*) echo 'Error: not today' >&2; exit 125;;");
    rig_check_start_fails(&r, ERR_ENVIRONMENT, "podman run: exit 125: Error: not today",
                          5 * NS_PER_S);
    rig_release(&r);
}

static void test_podman_hangs(void **state)
{
    struct rig r;
    start_podman_script(&r, "hangs", "*--detach*) sleep 1000;;");
    rig_check_start_fails(&r, ERR_TIMEOUT, "timed out at start after 3 s (podman run)",
                          9 * NS_PER_S);
    rig_release(&r);
}

/* `rm` that hangs or does nothing: what is left goes all the same. */
static void test_podman_useless_rm(void **state)
{
    static const char *const bodies[] = {"*--force*) sleep 1000;;", "*--force*) exit 0;;"};
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        struct rig r;
        start_podman_script(&r, i ? "rm1" : "rm0", bodies[i]);
        rig_stop(&r, rig_start(&r));
        rig_release(&r);
        setenv("PATH", path_before, 1);
    }
}

/* The monitor dies: the container goes on, is seen to end, and goes. */
static void test_conmon_dies(void **state)
{
    struct rig r;
    rig_init(&r);
    rig_open_or_skip(&r, "podman/runc");
    struct session *s = rig_start(&r);
    char comm[32] = "";
    pid_t conmon = proc_parent(s->caps.pid);
    proc_comm(conmon, comm, sizeof(comm));
    assert_string_equal(comm, "conmon");
    assert_int_equal(kill(conmon, SIGKILL), 0);
    rig_prepare(s, "cpu.prime", 1, "limit", 5000);
    assert_int_equal(rig_slice(s, 10).ops, 10);
    uint64_t begin = time_mono_ns();
    rig_stop(&r, s);
    assert_true(time_mono_ns() - begin < 12 * NS_PER_S);
    rig_release(&r);
}

/* ---- containerd ---- */

static void test_daemon_dies(void **state)
{
    struct rig r;
    setenv("CONTAINERD_ADDRESS", "/nonexistent/socket", 1); /* the user's is not ours to kill */
    rig_init(&r);
    rig_open_or_skip(&r, "containerd/runc");
    const struct containerd *d = r.engine->own;
    assert_true(d->own_daemon);
    struct session *s = rig_start(&r);
    rig_prepare(s, "cpu.prime", 1, "limit", 20000);
    struct frame f;
    frame_init(&f, FRAME_SLICE, s->nonce, 0);
    f.slice.ops = UINT64_C(100000000);
    assert_ok(session_post(s, &f, err));
    kill(d->daemon.pid, SIGKILL);
    struct err why = ERR_INIT;
    assert_true(session_await(s, FRAME_SLICED, "slice", time_deadline(5 * NS_PER_S), NULL, &why) <
                0);
    print_message("# %s\n", why.msg);
    assert_int_equal(why.kind, ERR_MEASUREMENT);
    assert_non_null(strstr(why.msg, "(containerd died)"));
    rig_stop(&r, s);
    rig_check_start_fails(&r, ERR_ENVIRONMENT, "containerd died: killed by signal 9", NS_PER_S);
    rig_release(&r);
}

static void test_daemon_refuses(void **state)
{
    struct rig r;
    char path[256];
    struct err why = ERR_INIT;
    setenv("CONTAINERD_ADDRESS", "/nonexistent/socket", 1);
    rig_init(&r);
    r.site.start_timeout_ns = 2 * NS_PER_S;
    struct target t;
    size_t n;
    const char *const *names = driver_names(&n);
    if (fs_which("containerd", path, sizeof(path)) < 0) {
        rig_release(&r);
        skip();
    }
    assert_ok(target_parse("containerd/runc", names, n, &t, err));
    r.driver = driver_find("containerd");
    static const struct {
        const char *folder, *body, *text;
        enum err_kind kind;
    } cases[] = {
        {"broken", "echo 'containerd: bad luck' >&2; exit 3",
         "containerd died: exit 3: containerd: bad luck", ERR_ENVIRONMENT},
        {"slow", "exec sleep 1000", "containerd: timed out", ERR_TIMEOUT},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        script(cases[i].folder, "containerd", cases[i].body);
        r.driver->inspect(&r.site, &t, &r.info);
        assert_true(r.info.usable);
        assert_true(r.driver->open(&r.site, &r.info, &r.engine, &why) < 0);
        print_message("# %s\n", why.msg);
        assert_int_equal(why.kind, cases[i].kind);
        assert_non_null(strstr(why.msg, cases[i].text));
        assert_null(r.engine);
        setenv("PATH", path_before, 1);
    }
    rig_release(&r);
}

/* ---- both ---- */

/* A frozen container does not answer, and can be taken away. */
static void frozen(const char *target)
{
    struct rig r;
    rig_init(&r);
    r.site.stop_timeout_ns = 5 * NS_PER_S;
    rig_open_or_skip(&r, target);
    struct session *s = rig_start(&r);
    rig_prepare(s, "cpu.prime", 1, "limit", 5000);
    assert_int_equal(kill(s->caps.pid, SIGSTOP), 0);
    struct frame f;
    frame_init(&f, FRAME_SLICE, s->nonce, 0);
    f.slice.ops = 10;
    struct err why = ERR_INIT;
    assert_int_equal(session_call(s, &f, FRAME_SLICED, time_deadline(NS_PER_S), NULL, &why),
                     -ETIMEDOUT);
    assert_int_equal(why.kind, ERR_TIMEOUT);
    uint64_t begin = time_mono_ns();
    rig_stop(&r, s);
    assert_true(time_mono_ns() - begin < 8 * NS_PER_S);
    rig_release(&r);
}

static void test_frozen_podman(void **state)
{
    frozen("podman/runc");
}

static void test_frozen_containerd(void **state)
{
    frozen("containerd/runc");
}

/* A crun that is runc, under an engine: the proof looks at what runs and not at what was asked. */
static void false_crun(const char *engine)
{
    char real[256], target[320], body[400];
    struct rig r;
    if (fs_which("runc", real, sizeof(real)) < 0)
        skip();
    str_format(body, sizeof(body),
               "[ \"$1\" = --version ] && echo crun version 1.14 && exit\nexec %s \"$@\"\n", real);
    script("lie", "crun", body);
    rig_init(&r);
    str_format(target, sizeof(target), "%s:%s/lie/crun", engine, scripts);
    rig_open_or_skip(&r, target);
    rig_check_start_fails(&r, ERR_MEASUREMENT, "this is not crun: ", 15 * NS_PER_S);
    rig_release(&r);
}

static void test_false_crun_podman(void **state)
{
    false_crun("podman");
}

static void test_false_crun_containerd(void **state)
{
    false_crun("containerd");
}

/* ---- somebody else's ---- */

static int user_ctr(struct rig *r, const char *socket, const char *const *words, struct str *out)
{
    char path[256];
    const char *argv[24];
    size_t n = 0;
    assert_int_equal(fs_which("ctr", path, sizeof(path)), 0);
    argv[n++] = path;
    argv[n++] = "--address";
    argv[n++] = socket;
    while (*words)
        argv[n++] = *words++;
    argv[n] = NULL;
    struct err err = ERR_INIT;
    int rc = spawn_simple(r->loop, argv, time_deadline(10 * NS_PER_S), out, &err);
    if (rc < 0)
        print_message("# %s\n", err.msg);
    return rc;
}

/* The user's containerd, as far as we can tell: one that answers at the usual variable's place,
 * with a container record in a namespace of the user's. Sessions run in it and leave no trace; the
 * record stays. */
static void test_users_containerd(void **state)
{
    struct rig user, r;
    setenv("CONTAINERD_ADDRESS", "/nonexistent/socket", 1);
    rig_init(&user);
    rig_open_or_skip(&user, "containerd/runc"); /* its private daemon plays the user's */
    const struct containerd *d = user.engine->own;
    const char *socket = d->address;
    const char *const make[] = {"--namespace", "bystander", "containers", "create",
                                "--config",    "/dev/null", "his",        NULL};
    const char *const list[] = {"--namespace", "bystander", "containers", "list", "--quiet", NULL};
    const char *const spaces[] = {"namespaces", "list", "--quiet", NULL};
    char config[256];
    str_format(config, sizeof(config), "%s/config.json", user.site.dir);
    FILE *f = fopen(config, "we");
    assert_non_null(f);
    fputs("{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"/\"}}", f);
    fclose(f);
    const char *make_it[ARRAY_SIZE(make)];
    memcpy(make_it, make, sizeof(make));
    make_it[5] = config;
    assert_int_equal(user_ctr(&user, socket, make_it, NULL), 0);
    setenv("CONTAINERD_ADDRESS", socket, 1);
    rig_init(&r);
    rig_open_or_skip(&r, "containerd/runc");
    assert_non_null(strstr(r.info.reason, " runs: in a namespace of the run's own"));
    assert_false(((struct containerd *)r.engine->own)->own_daemon);
    struct session *s = rig_start(&r);
    rig_prepare(s, "cpu.prime", 1, "limit", 5000);
    assert_int_equal(rig_slice(s, 10).ops, 10);
    rig_finish(s);
    rig_stop(&r, s);
    s = rig_start(&r);
    kill(s->caps.pid, SIGKILL);
    rig_stop(&r, s);
    rig_release(&r);
    _cleanup_(str_release) struct str left = STR_INIT, his = STR_INIT;
    assert_int_equal(user_ctr(&user, socket, spaces, &left), 0);
    assert_string_equal(left.buf, "bystander\n");
    assert_int_equal(user_ctr(&user, socket, list, &his), 0);
    assert_string_equal(his.buf, "his\n");
    unsetenv("CONTAINERD_ADDRESS");
    rig_release(&user);
}

/* ---- small parsers ---- */

static void test_shim_names(void **state)
{
    char name[96];
    assert_true(shim_program("io.containerd.kata.v2", name, sizeof(name)));
    assert_string_equal(name, "containerd-shim-kata-v2");
    assert_true(shim_program("io.containerd.kata.clh.v2", name, sizeof(name)));
    assert_string_equal(name, "containerd-shim-kata.clh-v2");
    assert_false(shim_program("runc", name, sizeof(name)));
    assert_false(shim_program("io.containerd.", name, sizeof(name)));
    assert_false(shim_program("io.containerd.runc", name, sizeof(name)));
    assert_false(shim_program("io.containerd.runc.v", name, sizeof(name)));
}

static void test_shim_options(void **state)
{
    char name[256];
    /* BinaryName /usr/sbin/runc, Root /tmp/w */
    shim_option_binary("Mg4vdXNyL3NiaW4vcnVuYzoGL3RtcC93", name, sizeof(name));
    assert_string_equal(name, "/usr/sbin/runc");
    /* SystemdCgroup before it */
    shim_option_binary("OAEyAi94", name, sizeof(name));
    assert_string_equal(name, "/x");
    /* Cut, longer than it is, no message, no base64 */
    static const char *const bad[] = {"Mg4vdXNy", "Mv///38v", "", "????", "////////////", "Mg=="};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        shim_option_binary(bad[i], name, sizeof(name));
        assert_string_equal(name, "");
    }
}

static void test_task_list(void **state)
{
    static const char list[] = "TASK                   PID     STATUS    \n"
                               "cupel-3fa9c2d1-00010   17      STOPPED\n"
                               "cupel-3fa9c2d1-0001    4711    RUNNING\n";
    char status[16];
    long pid;
    assert_true(containerd_find_task(list, "cupel-3fa9c2d1-0001", &pid, status, sizeof(status)));
    assert_int_equal(pid, 4711);
    assert_string_equal(status, "running");
    assert_false(containerd_find_task(list, "cupel-3fa9c2d1-0002", &pid, status, sizeof(status)));
    assert_false(containerd_find_task("", "cupel-3fa9c2d1-0002", &pid, status, sizeof(status)));
}

static int setup(void **state)
{
    path_before = xstrdup(getenv("PATH"));
    return mkdtemp(scripts) ? 0 : -1;
}

static int teardown(void **state)
{
    free(path_before);
    return fs_remove_tree(scripts, NULL);
}

#define TEST(f) cmocka_unit_test_teardown(f, restore_path)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_shim_names),
        TEST(test_shim_options),
        TEST(test_task_list),
        TEST(test_times),
        TEST(test_missing),
        TEST(test_podman_refuses),
        TEST(test_podman_hangs),
        TEST(test_podman_useless_rm),
        TEST(test_conmon_dies),
        TEST(test_daemon_dies),
        TEST(test_daemon_refuses),
        TEST(test_frozen_podman),
        TEST(test_frozen_containerd),
        TEST(test_false_crun_podman),
        TEST(test_false_crun_containerd),
        TEST(test_users_containerd),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    if (!rig_has_static_probe() || geteuid() != 0) {
        printf("1..0 # SKIP needs root and a static probe: set CUPEL_PROBE\n");
        return 0;
    }
    return cmocka_run_group_tests_name("engines", tests, setup, teardown);
}
