#include "ledger/byid.h"
#include "ledger/journal.h"
#include "ledger/ledger.h"

#include "base/fd.h"
#include "base/fs.h"
#include "base/spawn.h"
#include "base/time.h"
#include "host/cgroup.h"
#include "host/mounts.h"
#include "host/proc.h"
#include "host/tracing.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

/* Everything of a test bears this run id, so that what others do on the machine is told apart. */
static char run[16], other_run[16], group[32], state_dir[64], run_dir[96], id[40];
static struct loop *loop;
static struct cgroups cg;

static int set_up(void **state)
{
    str_copy(state_dir, sizeof(state_dir), "/tmp/cupel-test-clean-XXXXXX");
    str_format(run, sizeof(run), "%08x", (unsigned)getpid());
    str_format(other_run, sizeof(other_run), "e%07x", (unsigned)getpid());
    str_format(group, sizeof(group), "/cupel-%s", run);
    str_format(id, sizeof(id), "cupel-%s-0001", run);
    if (!mkdtemp(state_dir) || loop_new(&loop, NULL) < 0 || cgroups_detect(&cg, NULL) < 0)
        return -1;
    str_format(run_dir, sizeof(run_dir), "%s/run/%s", state_dir, run);
    return 0;
}

static int tear_down(void **state)
{
    /* What a failed test left. */
    struct clean_result res;
    (void)ledger_clean(state_dir, loop, NULL, NULL, &res, NULL);
    if (cgroup_exists(&cg, group)) {
        (void)cgroup_kill(&cg, group, time_deadline(5 * NS_PER_S), NULL, NULL, NULL);
        (void)cgroup_remove(&cg, group, NULL);
    }
    loop_free(loop);
    mount_remove_below(state_dir, NULL);
    return fs_remove_tree(state_dir, NULL);
}

static bool as_root(void)
{
    if (geteuid() != 0)
        print_message("# skipped: needs root\n");
    return geteuid() == 0;
}

static bool have_groups(void)
{
    if (!as_root())
        return false;
    struct err err = ERR_INIT;
    int r = cg.n_trees ? cgroup_make(&cg, group, &err) : -ENOTSUP;
    if (r < 0)
        print_message("# skipped: no control groups of our own here (%s)\n", err.msg);
    return r == 0;
}

static void take_line(void *user, const char *line)
{
    str_addf(user, "%s\n", line);
}

static struct clean_result clean(struct str *lines)
{
    struct clean_result res;
    struct err err = ERR_INIT;
    if (ledger_clean(state_dir, loop, lines ? take_line : NULL, lines, &res, &err) < 0)
        fail_msg("%s", err.msg);
    return res;
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static void make_dir(const char *path)
{
    struct err err = ERR_INIT;
    if (fs_mkdirs(path, 0755, &err) < 0)
        fail_msg("%s", err.msg);
}

static void put(const char *path, const char *text)
{
    struct err err = ERR_INIT;
    if (file_replace(path, text, strlen(text), 0644, &err) < 0)
        fail_msg("%s", err.msg);
}

/* Writes the items down and dies without a word, as far as the ledger is concerned. */
static void intend_and_crash(const struct ledger_item *items, size_t n)
{
    struct ledger *l = NULL;
    struct err err = ERR_INIT;
    if (ledger_open(state_dir, run, &l, &err) < 0 || ledger_intend(l, items, n, &err) < 0)
        fail_msg("%s", err.msg);
    ledger_free(l);
}

static void expect_no_ledger(void)
{
    _cleanup_free_ char *path = xasprintf("%s/ledger/%s.jsonl", state_dir, run);
    assert_false(exists(path));
}

static void test_nothing(void **state)
{
    struct clean_result res = clean(NULL);
    assert_int_equal(res.runs + res.removed + res.failed + res.live, 0);
}

static void test_directories(void **state)
{
    _cleanup_free_ char *deep = xasprintf("%s/a/b", run_dir);
    _cleanup_free_ char *file = xasprintf("%s/a/b/file", run_dir);
    _cleanup_free_ char *gone = xasprintf("%s/never-made", run_dir);
    const struct ledger_item items[] = {{.kind = LEDGER_DIR, .path = run_dir},
                                        {.kind = LEDGER_DIR, .path = gone}};
    intend_and_crash(items, 2);
    make_dir(deep);
    put(file, "x");
    _cleanup_(str_release) struct str lines = STR_INIT;
    struct clean_result res = clean(&lines);
    assert_int_equal(res.runs, 1);
    assert_int_equal(res.removed, 1); /* what never was does not count */
    assert_int_equal(res.failed, 0);
    assert_false(exists(run_dir));
    expect_no_ledger();
    assert_non_null(strstr(lines.buf, run_dir));
    assert_int_equal(clean(NULL).runs, 0);
}

static void test_mounts(void **state)
{
    if (!as_root())
        skip();
    _cleanup_free_ char *listed = xasprintf("%s/listed", run_dir);
    _cleanup_free_ char *unlisted = xasprintf("%s/unlisted", run_dir);
    _cleanup_free_ char *source = xasprintf("%s/somebody", state_dir);
    _cleanup_free_ char *file = xasprintf("%s/file", source);
    const struct ledger_item items[] = {{.kind = LEDGER_DIR, .path = run_dir},
                                        {.kind = LEDGER_MOUNT, .path = listed}};
    intend_and_crash(items, 2);
    make_dir(listed);
    make_dir(unlisted);
    make_dir(source);
    put(file, "precious");
    assert_int_equal(mount_tmpfs(listed, 1 << 20, NULL), 0);
    const char *const bind[] = {"/bin/mount", "--bind", source, unlisted, NULL};
    assert_int_equal(spawn_simple(loop, bind, time_deadline(5 * NS_PER_S), NULL, NULL), 0);
    struct clean_result res = clean(NULL);
    assert_int_equal(res.removed, 2);
    assert_int_equal(res.failed, 0);
    assert_false(exists(run_dir));
    assert_true(exists(file)); /* what was bound there is not ours to delete */
    expect_no_ledger();
    assert_int_equal(fs_remove_tree(source, NULL), 0);
}

static pid_t start_in_group(const char *path)
{
    struct spawn_spec spec = {.fd_in = -1, .fd_out = -1, .fd_err = -1};
    const char *const argv[] = {"/bin/sleep", "300", NULL};
    spec.argv = argv;
    struct err err = ERR_INIT;
    int n = cgroup_open_join(&cg, path, spec.join_fds, SPAWN_MAX_JOIN, &err);
    if (n < 0)
        fail_msg("%s", err.msg);
    spec.n_join = (size_t)n;
    pid_t pid = 0;
    if (spawn(&spec, &pid, &err) < 0)
        fail_msg("%s", err.msg);
    for (int i = 0; i < n; i++)
        close(spec.join_fds[i]);
    return pid;
}

static void test_groups(void **state)
{
    if (!have_groups())
        skip();
    _cleanup_free_ char *leaf = xasprintf("%s/s0001", group);
    const struct ledger_item items[] = {{.kind = LEDGER_CGROUP, .path = group},
                                        {.kind = LEDGER_CGROUP, .path = leaf}};
    intend_and_crash(items, 2);
    assert_int_equal(cgroup_make(&cg, leaf, NULL), 0);
    pid_t pid = start_in_group(leaf);
    assert_true(proc_in_cgroup(pid, leaf));
    struct clean_result res = clean(NULL);
    assert_int_equal(res.removed, 2);
    assert_int_equal(res.failed, 0);
    assert_false(cgroup_exists(&cg, group));
    assert_false(proc_alive(pid));
    expect_no_ledger();
}

/* As a run killed while it counted leaves it: recording, and with a filter. */
static void test_tracing(void **state)
{
    if (!as_root() || !tracing_dir())
        skip();
    char listed[96], never[96], unlisted[96];
    str_format(listed, sizeof(listed), "%s/instances/%s", tracing_dir(), id);
    str_format(never, sizeof(never), "%s/instances/cupel-%s-0002", tracing_dir(), run);
    str_format(unlisted, sizeof(unlisted), "%s/instances/cupel-%s-0001", tracing_dir(), other_run);
    const struct ledger_item items[] = {{.kind = LEDGER_TRACING, .path = listed},
                                        {.kind = LEDGER_TRACING, .path = never}};
    intend_and_crash(items, 2);
    make_dir(listed);
    make_dir(unlisted);
    _cleanup_free_ char *pids = xasprintf("%s/set_event_pid", listed);
    _cleanup_free_ char *enable = xasprintf("%s/events/raw_syscalls/sys_enter/enable", listed);
    assert_int_equal(file_write(pids, "1", NULL), 0);
    assert_int_equal(file_write(enable, "1", NULL), 0);
    _cleanup_(str_release) struct str lines = STR_INIT;
    struct clean_result res = clean(&lines);
    assert_int_equal(res.removed, 1);
    assert_int_equal(res.failed, 0);
    assert_false(exists(listed));
    assert_true(exists(unlisted));
    assert_true(res.unknown >= 1);
    assert_non_null(strstr(lines.buf, unlisted));
    expect_no_ledger();
    assert_int_equal(tracing_remove(unlisted, NULL), 1);
}

/* Somebody who looks into it keeps it from going: it stays in the ledger, but records no more. */
static void test_tracing_in_use(void **state)
{
    if (!as_root() || !tracing_dir())
        skip();
    char path[96], on[8];
    str_format(path, sizeof(path), "%s/instances/%s", tracing_dir(), id);
    const struct ledger_item item = {.kind = LEDGER_TRACING, .path = path};
    _cleanup_free_ char *pipe_path = xasprintf("%s/trace_pipe", path);
    _cleanup_free_ char *on_path = xasprintf("%s/tracing_on", path);
    intend_and_crash(&item, 1);
    make_dir(path);
    int fd = open(pipe_path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(fd >= 0);
    struct clean_result res = clean(NULL);
    assert_int_equal(res.failed, 1);
    assert_int_equal(file_read_line(on_path, on, sizeof(on)) < 0, 0);
    assert_string_equal(on, "0");
    close(fd);
    res = clean(NULL);
    assert_int_equal(res.removed, 1);
    assert_false(exists(path));
    expect_no_ledger();
}

/* A run that lives is neither cleaned up nor reported. */
static void test_live(void **state)
{
    _cleanup_free_ char *extra = xasprintf("%s/not/in/the/ledger", run_dir);
    int go[2];
    assert_int_equal(fd_pipe(go, NULL), 0);
    pid_t child = fork();
    if (child == 0) {
        struct ledger *l = NULL;
        const struct ledger_item item = {.kind = LEDGER_DIR, .path = run_dir};
        if (ledger_open(state_dir, run, &l, NULL) < 0 || ledger_intend(l, &item, 1, NULL) < 0 ||
            write(go[1], "", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    char byte;
    assert_int_equal(read(go[0], &byte, 1), 1);
    make_dir(extra);
    _cleanup_(str_release) struct str lines = STR_INIT;
    struct clean_result res = clean(&lines);
    assert_int_equal(res.live, 1);
    assert_int_equal(res.runs, 0);
    assert_int_equal(res.removed, 0);
    assert_true(exists(extra));
    assert_non_null(strstr(lines.buf, run));
    assert_null(strstr(lines.buf, run_dir));
    kill(child, SIGKILL);
    while (proc_alive(child))
        loop_run_ready(loop);
    res = clean(NULL);
    assert_int_equal(res.live, 0);
    assert_int_equal(res.removed, 1);
    assert_false(exists(run_dir));
    close(go[0]);
    close(go[1]);
}

static void test_unknown_directory(void **state)
{
    _cleanup_free_ char *dir = xasprintf("%s/run/%s", state_dir, other_run);
    make_dir(dir);
    _cleanup_(str_release) struct str lines = STR_INIT;
    struct clean_result res = clean(&lines);
    assert_true(res.unknown >= 1); /* control groups of other tests may be about */
    assert_non_null(strstr(lines.buf, dir));
    assert_true(exists(dir));
    assert_int_equal(fs_remove_tree(dir, NULL), 0);
}

static void test_unknown_group(void **state)
{
    if (!have_groups())
        skip();
    _cleanup_(str_release) struct str lines = STR_INIT;
    assert_true(clean(&lines).unknown >= 1);
    assert_non_null(strstr(lines.buf, group));
    assert_true(cgroup_exists(&cg, group));
    assert_int_equal(cgroup_remove(&cg, group, NULL), 0);
}

static void write_ledger(const char *text)
{
    _cleanup_free_ char *dir = xasprintf("%s/ledger", state_dir);
    _cleanup_free_ char *path = xasprintf("%s/%s.jsonl", dir, run);
    make_dir(dir);
    put(path, text);
}

static void test_tampered(void **state)
{
    _cleanup_free_ char *victim = xasprintf("%s/victim", state_dir);
    _cleanup_free_ char *text =
        xasprintf("{\"e\":\"run\",\"run\":\"%s\",\"pid\":1,\"start\":1,\"boot\":\"x\"}\n"
                  "{\"e\":\"intend\",\"kind\":\"dir\",\"path\":\"%s/run/../victim\"}\n"
                  "{\"e\":\"intend\",\"kind\":\"dir\",\"path\":\"%s\"}\n"
                  "{\"e\":\"intend\",\"kind\":\"dir\",\"path\":\"%s/run/cut-he",
                  run, state_dir, run_dir, state_dir);
    make_dir(victim);
    make_dir(run_dir);
    write_ledger(text);
    _cleanup_(str_release) struct str lines = STR_INIT;
    struct clean_result res = clean(&lines);
    assert_int_equal(res.failed, 1);
    assert_int_equal(res.removed, 1); /* the good line is worked off all the same */
    assert_true(exists(victim));
    assert_false(exists(run_dir));
    _cleanup_free_ char *aside = xasprintf("%s/ledger/%s.jsonl.refused", state_dir, run);
    assert_true(exists(aside));
    assert_non_null(strstr(lines.buf, "line 2"));
    assert_int_equal(clean(NULL).failed, 0);
    unlink(aside);
    assert_int_equal(fs_remove_tree(victim, NULL), 0);
}

/* After a reboot control groups, mounts and processes of that run are gone; what bears their names
 * now is not of that run. Directories are. */
static void test_rebooted(void **state)
{
    if (!have_groups())
        skip();
    _cleanup_free_ char *text =
        xasprintf("{\"e\":\"run\",\"run\":\"%s\",\"pid\":1,\"start\":1,\"boot\":\"another boot\"}\n"
                  "{\"e\":\"intend\",\"kind\":\"cgroup\",\"path\":\"%s\"}\n"
                  "{\"e\":\"intend\",\"kind\":\"dir\",\"path\":\"%s\"}\n",
                  run, group, run_dir);
    make_dir(run_dir);
    write_ledger(text);
    struct clean_result res = clean(NULL);
    assert_int_equal(res.removed, 1);
    assert_int_equal(res.failed, 0);
    assert_false(exists(run_dir));
    assert_true(cgroup_exists(&cg, group));
    assert_int_equal(cgroup_remove(&cg, group, NULL), 0);
    expect_no_ledger();
}

/* --- by identifier --- */

static void test_byid_matching(void **state)
{
    const char *const i = "cupel-3fa9c2d1-0001";
    static const struct {
        const char *text;
        bool expect;
    } texts[] = {
        {"cupel-3fa9c2d1-0001", true},       {"x/cupel-3fa9c2d1-0001/y", true},
        {"--id=cupel-3fa9c2d1-0001", true},  {"1:cpu:/kata_cupel-3fa9c2d1-0001\n", true},
        {"cupel-3fa9c2d1-00012", false},     {"cupel-3fa9c2d1-0001x", false},
        {"acupel-3fa9c2d1-0001", false},     {"grep cupel-3fa9c2d1-0001", false},
        {"cupel-3fa9c2d1-000", false},       {"", false},
        {"my-cupel-3fa9c2d1-0001/x", false},
    };
    for (size_t k = 0; k < ARRAY_SIZE(texts); k++)
        if (byid_in_text(texts[k].text, strlen(texts[k].text), i) != texts[k].expect)
            fail_msg("'%s'", texts[k].text);
    static const char words[] = "runsc-sandbox\0boot\0cupel-3fa9c2d1-0001\0--x";
    assert_true(byid_in_text(words, sizeof(words) - 1, i));
    assert_true(byid_in_name("runsc-cupel-3fa9c2d1-0001.sock", i));
    assert_true(byid_in_name("cupel-3fa9c2d1-0001_sandbox:cupel-3fa9c2d1-0001.state", i));
    assert_false(byid_in_name("cupel-3fa9c2d1-00012", i));
    assert_true(byid_is_helper("runsc-sandbox", "/opt/other"));
    assert_true(byid_is_helper("/usr/bin/containerd-shim-runc-v2", ""));
    assert_true(byid_is_helper("memfd:runc_cloned:/proc/self/exe (deleted)", ""));
    assert_true(byid_is_helper("/opt/mine", "/usr/local/bin/mine"));
    assert_true(byid_is_helper("mine-sandbox", "/usr/local/bin/mine"));
    assert_false(byid_is_helper("miner", "/usr/local/bin/mine"));
    assert_false(byid_is_helper("vim", "/usr/local/bin/mine"));
    assert_false(byid_is_helper("", ""));
}

/* A shell under another name, waiting on a pipe of ours, with the identifier in its command line.
 */
static pid_t start_named(const char *argv0, int stdin_fd)
{
    int ready[2];
    assert_int_equal(fd_pipe(ready, NULL), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (dup2(stdin_fd, 0) == 0)
            execl("/bin/sh", argv0, "-s", "--", "boot", id, (char *)NULL);
        _exit(127);
    }
    close(ready[1]);
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 0); /* it has executed */
    close(ready[0]);
    return pid;
}

/* As a runtime killed inside `create` leaves it: a partial state entry, a process that nothing but
 * its command line betrays, and a runtime that is not there any more to be asked. */
static void test_container_without_runtime(void **state)
{
    _cleanup_free_ char *root = xasprintf("%s/state", run_dir);
    _cleanup_free_ char *entry = xasprintf("%s/%s", root, id);
    _cleanup_free_ char *lock = xasprintf("%s/%s.lock", root, id);
    _cleanup_free_ char *others = xasprintf("%s/%s2", root, id);
    const struct ledger_item item = {
        .kind = LEDGER_CONTAINER, .path = root, .id = id, .runtime = "/no/such/runtime"};
    int fds[2];
    assert_int_equal(fd_pipe(fds, NULL), 0);
    pid_t helper = start_named("runsc-sandbox", fds[0]), editor = start_named("vim", fds[0]);
    intend_and_crash(&item, 1);
    make_dir(entry);
    make_dir(others);
    put(lock, "");
    _cleanup_(str_release) struct str lines = STR_INIT;
    struct clean_result res = clean(&lines);
    assert_int_equal(res.removed, 1);
    assert_int_equal(res.failed, 0);
    assert_false(proc_alive(helper));
    assert_true(proc_alive(editor));
    assert_false(exists(entry));
    assert_false(exists(lock));
    assert_true(exists(others)); /* another container's: its identifier only begins alike */
    assert_non_null(strstr(lines.buf, "/no/such/runtime"));
    expect_no_ledger();
    kill(editor, SIGKILL);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(fs_remove_tree(run_dir, NULL), 0);
}

/* A runtime others could have written is not run with our rights. */
static void test_untrusted_runtime(void **state)
{
    _cleanup_free_ char *root = xasprintf("%s/state", run_dir);
    _cleanup_free_ char *runtime = xasprintf("%s/tool", state_dir);
    _cleanup_free_ char *trace = xasprintf("%s/trace", state_dir);
    _cleanup_free_ char *script = xasprintf("#!/bin/sh\necho \"$@\" >> %s\n", trace);
    const struct ledger_item item = {
        .kind = LEDGER_CONTAINER, .path = root, .id = id, .runtime = runtime};
    put(runtime, script);
    for (int trusted = 0; trusted <= 1; trusted++) {
        assert_int_equal(chmod(runtime, trusted ? 0755 : 0757), 0);
        make_dir(root);
        intend_and_crash(&item, 1);
        assert_int_equal(clean(NULL).failed, 0);
        assert_int_equal(exists(trace), trusted);
    }
    char line[256];
    _cleanup_free_ char *expect = xasprintf("--root %s delete --force %s", root, id);
    assert_int_equal(file_read_line(trace, line, sizeof(line)), 0);
    assert_string_equal(line, expect);
    unlink(trace);
    unlink(runtime);
    assert_int_equal(fs_remove_tree(run_dir, NULL), 0);
}

/* --- with real runtimes --- */

static const char config_text[] =
    "{\"ociVersion\":\"1.0.2\",\"process\":{\"terminal\":false,\"user\":{\"uid\":0,\"gid\":0},"
    "\"args\":[\"/bin/sleep\",\"300\"],\"env\":[\"PATH=/bin:/usr/bin\"],\"cwd\":\"/\"},"
    "\"root\":{\"path\":\"rootfs\",\"readonly\":true},\"hostname\":\"cupel\",\"mounts\":["
    "{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
    "{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"},"
    "{\"destination\":\"/usr\",\"type\":\"bind\",\"source\":\"/"
    "usr\",\"options\":[\"rbind\",\"ro\"]},"
    "{\"destination\":\"/bin\",\"type\":\"bind\",\"source\":\"/"
    "bin\",\"options\":[\"rbind\",\"ro\"]},"
    "{\"destination\":\"/lib\",\"type\":\"bind\",\"source\":\"/"
    "lib\",\"options\":[\"rbind\",\"ro\"]},"
    "{\"destination\":\"/lib64\",\"type\":\"bind\",\"source\":\"/"
    "lib64\",\"options\":[\"rbind\",\"ro\"]}"
    "],\"linux\":{\"cgroupsPath\":\"%s/"
    "s0001\",\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},"
    "{\"type\":\"ipc\"},{\"type\":\"uts\"}]}}";

struct runtime {
    const char *name;
    const char *options[4];
};

static const struct runtime runtimes[] = {
    {"runc", {NULL}},
    {"crun", {NULL}},
    {"runsc", {"--platform=ptrace", "--network=none", NULL}},
};

static void make_bundle(void)
{
    static const char *const dirs[] = {"proc", "dev", "usr", "bin", "lib", "lib64"};
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        _cleanup_free_ char *dir = xasprintf("%s/bundle/rootfs/%s", run_dir, dirs[i]);
        make_dir(dir);
    }
    _cleanup_(str_release) struct str text = STR_INIT;
    const char *hole = strstr(config_text, "%s");
    str_addn(&text, config_text, (size_t)(hole - config_text));
    str_addf(&text, "%s%s", group, hole + 2);
    _cleanup_free_ char *path = xasprintf("%s/bundle/config.json", run_dir);
    put(path, text.buf);
}

/* Starts "runtime … create/run …"; at_ns > 0: SIGKILL that long after its start. */
static void run_and_kill(const struct runtime *rt, const char *path, const char *root,
                         const char *const *verb, uint64_t at_ns)
{
    const char *argv[16] = {path, "--root", root};
    size_t n = 3;
    for (size_t i = 0; rt->options[i]; i++)
        argv[n++] = rt->options[i];
    for (size_t i = 0; verb[i]; i++)
        argv[n++] = verb[i];
    argv[n] = id;
    struct spawn_spec spec = {.argv = argv, .fd_in = -1, .fd_out = -1, .fd_err = -1};
    _cleanup_free_ char *leaf = xasprintf("%s/ctl", group);
    struct err err = ERR_INIT;
    assert_int_equal(cgroup_make(&cg, leaf, &err), 0);
    int fds = cgroup_open_join(&cg, leaf, spec.join_fds, SPAWN_MAX_JOIN, &err);
    assert_true(fds > 0);
    spec.n_join = (size_t)fds;
    int ns = -1;
    if (cg.mode == CGROUP_HYBRID && cg.unified_has_controllers &&
        mountns_with_cover(loop, cg.unified_mount, &ns, &err) == 0)
        spec.ns_fds[spec.n_ns++] = ns;
    _cleanup_free_ char *err_path = xasprintf("%s/stderr", state_dir);
    int err_fd = open(err_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    spec.fd_err = err_fd;
    pid_t pid;
    if (spawn(&spec, &pid, &err) < 0)
        fail_msg("%s", err.msg);
    bool never = false;
    uint64_t deadline = time_deadline(at_ns ? at_ns : 30 * NS_PER_S);
    while (proc_alive(pid) && time_mono_ns() < deadline) {
        uint64_t soon = time_deadline(NS_PER_MS);
        loop_run_until(loop, &never, soon < deadline ? soon : deadline, NULL);
    }
    if (at_ns)
        kill(pid, SIGKILL);
    for (int i = 0; i < fds; i++)
        close(spec.join_fds[i]);
    fd_close(&ns);
    fd_close(&err_fd);
}

static void expect_clean(const struct runtime *rt, const char *when)
{
    _cleanup_(str_release) struct str lines = STR_INIT;
    struct clean_result res = clean(&lines);
    if (res.failed || res.runs != 1 || exists(run_dir) || cgroup_exists(&cg, group))
        fail_msg("%s %s: %u failed\n%s", rt->name, when, res.failed, lines.buf);
    expect_no_ledger();
}

static void prepare(const struct runtime *rt, const char *path, char root[160])
{
    str_format(root, 160, "%s/state", run_dir);
    const struct ledger_item items[] = {
        {.kind = LEDGER_CGROUP, .path = group},
        {.kind = LEDGER_DIR, .path = run_dir},
        {.kind = LEDGER_CONTAINER,
         .path = root,
         .id = id,
         .runtime = path,
         .cover_unified = str_eq(rt->name, "crun")},
    };
    intend_and_crash(items, ARRAY_SIZE(items));
    make_bundle();
    make_dir(root);
}

static void clean_after(const struct runtime *rt, const char *path)
{
    char root[160];
    _cleanup_free_ char *bundle = xasprintf("--bundle=%s/bundle", run_dir);
    const char *const run_verb[] = {"run", "--detach", bundle, NULL};
    const char *const create_verb[] = {"create", bundle, NULL};
    prepare(rt, path, root);
    run_and_kill(rt, path, root, run_verb, 0);
    struct pid_list pids = {NULL, 0, 0};
    assert_int_equal(cgroup_pids(&cg, group, &pids, NULL), 0);
    if (pids.n == 0) {
        _cleanup_free_ char *err_path = xasprintf("%s/stderr", state_dir);
        char line[512] = "";
        file_read_line(err_path, line, sizeof(line));
        fail_msg("%s did not start a container: %s", rt->name, line);
    }
    expect_clean(rt, "with a running container");
    for (size_t i = 0; i < pids.n; i++)
        assert_false(proc_alive(pids.v[i]));
    pid_list_release(&pids);
    static const unsigned ms[] = {2, 5, 10, 20, 40, 60, 90};
    for (size_t i = 0; i < ARRAY_SIZE(ms); i++) {
        char when[48];
        str_format(when, sizeof(when), "killed %u ms into create", ms[i]);
        assert_int_equal(cgroup_make(&cg, group, NULL), 0);
        prepare(rt, path, root);
        run_and_kill(rt, path, root, create_verb, ms[i] * NS_PER_MS);
        expect_clean(rt, when);
    }
}

static void test_real_runtimes(void **state)
{
    unsigned tried = 0;
    for (size_t i = 0; i < ARRAY_SIZE(runtimes); i++) {
        char path[256];
        if (fs_which(runtimes[i].name, path, sizeof(path)) < 0) {
            print_message("# skipped: %s is not installed\n", runtimes[i].name);
            continue;
        }
        if (!have_groups())
            skip();
        clean_after(&runtimes[i], path);
        tried++;
    }
    if (!tried)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_directories),
        cmocka_unit_test(test_mounts),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_tracing),
        cmocka_unit_test(test_tracing_in_use),
        cmocka_unit_test(test_live),
        cmocka_unit_test(test_unknown_directory),
        cmocka_unit_test(test_unknown_group),
        cmocka_unit_test(test_tampered),
        cmocka_unit_test(test_rebooted),
        cmocka_unit_test(test_byid_matching),
        cmocka_unit_test(test_container_without_runtime),
        cmocka_unit_test(test_untrusted_runtime),
        cmocka_unit_test(test_real_runtimes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
