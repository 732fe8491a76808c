#include "ledger/journal.h"
#include "ledger/ledger.h"

#include "base/fd.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

#define RUN "3fa9c2d1"

static char state_dir[64], ledger_file[128];

static int set_up(void **state)
{
    str_copy(state_dir, sizeof(state_dir), "/tmp/cupel-test-ledger-XXXXXX");
    if (!mkdtemp(state_dir))
        return -1;
    str_format(ledger_file, sizeof(ledger_file), "%s/ledger/" RUN ".jsonl", state_dir);
    return 0;
}

static int tear_down(void **state)
{
    return fs_remove_tree(state_dir, NULL);
}

static struct ledger *open_ledger(void)
{
    struct ledger *l = NULL;
    struct err err = ERR_INIT;
    if (ledger_open(state_dir, RUN, &l, &err) < 0)
        fail_msg("%s", err.msg);
    return l;
}

static struct ledger_item dir_item(char buf[160], const char *name)
{
    str_format(buf, 160, "%s/run/%s", state_dir, name);
    return (struct ledger_item){.kind = LEDGER_DIR, .path = buf};
}

static size_t count_lines(void)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    assert_int_equal(file_read(ledger_file, 1 << 20, &text, NULL), 0);
    size_t n = 0;
    for (const char *p = text.buf; (p = strchr(p, '\n')); p++)
        n++;
    assert_true(text.len > 0 && text.buf[text.len - 1] == '\n');
    return n;
}

static void read_back(struct journal *ret)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    assert_int_equal(file_read(ledger_file, 1 << 20, &text, NULL), 0);
    journal_parse(text.buf, text.len, state_dir, ret);
}

static void test_life(void **state)
{
    struct ledger *l = open_ledger();
    char dir[160], root[160];
    dir_item(root, "runc");
    const struct ledger_item items[] = {
        {.kind = LEDGER_CGROUP, .path = "/cupel-" RUN},
        dir_item(dir, "a \"quoted\" directory"),
        {.kind = LEDGER_CONTAINER,
         .path = root,
         .id = "cupel-" RUN "-0001",
         .runtime = "/usr/sbin/runc",
         .cover_unified = true},
    };
    assert_int_equal(ledger_intend(l, items, 3, NULL), 0);
    assert_int_equal(ledger_open_items(l), 3);
    assert_int_equal(count_lines(), 4);
    assert_int_equal(ledger_done(l, &items[1], NULL), 0);
    assert_int_equal(ledger_open_items(l), 2);
    assert_int_equal(ledger_done(l, &items[1], NULL), -ENOENT);
    struct journal j;
    read_back(&j);
    assert_true(j.has_header);
    assert_string_equal(j.run, RUN);
    assert_int_equal(j.pid, getpid());
    assert_int_equal(strlen(j.boot), 36);
    assert_int_equal(j.refused, 0);
    assert_int_equal(j.items.n, 3);
    assert_true(j.items.v[1].done && !j.items.v[0].done && !j.items.v[2].done);
    assert_string_equal(j.items.v[1].item.path, dir);
    assert_string_equal(j.items.v[2].item.runtime, "/usr/sbin/runc");
    assert_true(j.items.v[2].item.cover_unified);
    journal_release(&j);
    assert_int_equal(ledger_done(l, &items[0], NULL), 0);
    assert_int_equal(ledger_done(l, &items[2], NULL), 0);
    assert_int_equal(ledger_close(l, NULL), 0);
    assert_int_equal(access(ledger_file, F_OK), -1); /* everything done: no ledger */
}

static void test_unfinished_stays(void **state)
{
    struct ledger *l = open_ledger(), *again = NULL;
    char dir[160];
    const struct ledger_item item = dir_item(dir, "left");
    assert_int_equal(ledger_intend(l, &item, 1, NULL), 0);
    assert_int_equal(ledger_close(l, NULL), 0);
    assert_int_equal(access(ledger_file, F_OK), 0);
    struct err err = ERR_INIT;
    assert_int_equal(ledger_open(state_dir, RUN, &again, &err),
                     -EEXIST); /* never over an old one */
    assert_null(again);
    assert_int_equal(count_lines(), 2);
    struct stat st;
    assert_int_equal(stat(ledger_file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    unlink(ledger_file);
    assert_int_equal(ledger_open(state_dir, "../../etc", &again, &err), -EINVAL);
    assert_int_equal(ledger_open(state_dir, "3FA9C2D1", &again, &err), -EINVAL);
}

/* Liveness is the lock, and a process does not see itself as another. */
static void test_live(void **state)
{
    char run[16] = "";
    pid_t pid = 0;
    _cleanup_free_ char *none = xasprintf("%s/none", state_dir);
    assert_int_equal(ledger_live(none, run, &pid, NULL), 0);
    struct ledger *l = open_ledger();
    assert_int_equal(ledger_live(state_dir, run, &pid, NULL), 0);
    int go[2];
    assert_int_equal(fd_pipe(go, NULL), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(ledger_live(state_dir, run, &pid, NULL) == 1 && pid == getppid() && str_eq(run, RUN)
                  ? 0
                  : 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(ledger_close(l, NULL), 0);

    /* A run that was killed is not live, though its ledger is there. */
    child = fork();
    if (child == 0) {
        char dir[160];
        const struct ledger_item item = dir_item(dir, "x");
        struct ledger *own = NULL;
        if (ledger_open(state_dir, RUN, &own, NULL) < 0 || ledger_intend(own, &item, 1, NULL) < 0)
            _exit(1);
        if (write(go[1], "", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    char byte;
    assert_int_equal(read(go[0], &byte, 1), 1);
    assert_int_equal(ledger_live(state_dir, run, &pid, NULL), 1);
    assert_int_equal(pid, child);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(ledger_live(state_dir, run, &pid, NULL), 0);
    assert_int_equal(access(ledger_file, F_OK), 0);
    unlink(ledger_file);
    close(go[0]);
    close(go[1]);
}

static void test_naming(void **state)
{
    const char *const good_dirs[] = {"/s/run/x", "/s/x y", "/run/cupel/a", "/run/cupel-a",
                                     "/s/ledgers"};
    const char *const bad_dirs[] = {"/s",
                                    "/s/",
                                    "/s/ledger",
                                    "/s/ledger/a",
                                    "/s/results.db",
                                    "/s/results.db-wal",
                                    "/s/../etc",
                                    "/s/run/../x",
                                    "/s//x",
                                    "/s/./x",
                                    "/s/x/",
                                    "/etc",
                                    "relative",
                                    "",
                                    "/sx/y",
                                    "/run/cupel",
                                    "/run/cupel-",
                                    "/run/cupelx/y",
                                    "/run/docker",
                                    "/",
                                    "/s/run/..",
                                    "/run/cupel/",
                                    "/run/cupel/../docker"};
    for (size_t i = 0; i < ARRAY_SIZE(good_dirs); i++) {
        struct ledger_item it = {.kind = LEDGER_DIR, .path = good_dirs[i]};
        assert_int_equal(journal_check(&it, "/s", NULL), 0);
        it.kind = LEDGER_MOUNT;
        assert_int_equal(journal_check(&it, "/s", NULL), 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad_dirs); i++) {
        struct ledger_item it = {.kind = LEDGER_DIR, .path = bad_dirs[i]};
        if (journal_check(&it, "/s", NULL) == 0)
            fail_msg("accepted '%s'", bad_dirs[i]);
    }
    const char *const bad_groups[] = {"/",       "/cupel",        "/cupel-",  "/docker",
                                      "cupel-x", "/cupel-x/../y", "/cupel-x/"};
    for (size_t i = 0; i < ARRAY_SIZE(bad_groups); i++) {
        struct ledger_item it = {.kind = LEDGER_CGROUP, .path = bad_groups[i]};
        assert_true(journal_check(&it, "/s", NULL) < 0);
    }
    const char *const brought[] = {"/var/tmp/cupel-fleet-aZ09bcdefg",
                                   "/cupel-fleet-0123456789",
                                   "/var/tmp/cupel-fleet-aZ09bcdef",
                                   "/var/tmp/cupel-fleet-aZ09bcdefgh",
                                   "/var/tmp/cupel-fleet-aZ09bcdef.",
                                   "/var/tmp/cupel-fleet-aZ09bcdefg/x",
                                   "/var/../cupel-fleet-aZ09bcdefg",
                                   "cupel-fleet-aZ09bcdefg",
                                   ""};
    for (size_t i = 0; i < ARRAY_SIZE(brought); i++) {
        struct ledger_item it = {.kind = LEDGER_BROUGHT, .path = brought[i]};
        assert_int_equal(journal_check(&it, "/s", NULL) == 0, i < 2);
        assert_int_equal(ledger_is_brought(brought[i]), i < 2);
    }
    const char *const tracing[] = {"/sys/kernel/tracing/instances/cupel-3fa9c2d1-0001",
                                   "/sys/kernel/debug/tracing/instances/cupel-3fa9c2d1-0001",
                                   "/sys/kernel/tracing/instances/mine",
                                   "/sys/kernel/tracing/instances/cupel-3fa9c2d1-0001/../mine",
                                   "/sys/kernel/tracing/instances",
                                   "/sys/kernel/tracing/cupel-3fa9c2d1-0001",
                                   "/s/run/cupel-3fa9c2d1-0001",
                                   "cupel-3fa9c2d1-0001"};
    for (size_t i = 0; i < ARRAY_SIZE(tracing); i++) {
        struct ledger_item it = {.kind = LEDGER_TRACING, .path = tracing[i]};
        assert_int_equal(journal_check(&it, "/s", NULL) == 0, i < 2);
    }
    const char *const bad_ids[] = {NULL,
                                   "",
                                   "web",
                                   "cupel-3fa9c2d1",
                                   "cupel-3fa9c2d1-001",
                                   "cupel-3fa9c2d-0001",
                                   "cupel-3FA9C2D1-0001",
                                   "cupel-3fa9c2d1-0001x",
                                   "cupel-3fa9c2d1-0001/..",
                                   "xcupel-3fa9c2d1-0001"};
    for (size_t i = 0; i < ARRAY_SIZE(bad_ids); i++) {
        struct ledger_item it = {
            .kind = LEDGER_CONTAINER, .path = "/s/r", .id = bad_ids[i], .runtime = "/bin/runc"};
        assert_true(journal_check(&it, "/s", NULL) < 0);
    }
    struct ledger_item it = {
        .kind = LEDGER_CONTAINER, .path = "/s/r", .id = "cupel-3fa9c2d1-12345"};
    assert_true(journal_check(&it, "/s", NULL) < 0); /* no runtime */
    it.runtime = "runc";
    assert_true(journal_check(&it, "/s", NULL) < 0);
    it.runtime = "/bin/runc";
    assert_int_equal(journal_check(&it, "/s", NULL), 0);
    it.path = "/run/runc";
    assert_true(journal_check(&it, "/s", NULL) < 0); /* somebody else's state */
    /* A namespace lies in somebody else's daemon; its name is ours alone. */
    it = (struct ledger_item){.kind = LEDGER_NAMESPACE,
                              .path = "/run/containerd/containerd.sock",
                              .id = "cupel-3fa9c2d1-0",
                              .runtime = "/usr/bin/ctr"};
    assert_int_equal(journal_check(&it, "/s", NULL), 0);
    static const char *const bad_spaces[] = {
        "default", "moby", "k8s.io", "cupel-3fa9c2d1", "cupel-3fa9c2d1-", "cupel-3fa9c2d1-0/..",
        "",        NULL};
    for (size_t i = 0; i < ARRAY_SIZE(bad_spaces); i++) {
        it.id = bad_spaces[i];
        assert_true(journal_check(&it, "/s", NULL) < 0);
    }
    it.id = "cupel-3fa9c2d1-0";
    it.path = "containerd.sock";
    assert_true(journal_check(&it, "/s", NULL) < 0);
    it.path = "/run/x";
    it.runtime = "ctr";
    assert_true(journal_check(&it, "/s", NULL) < 0);
    /* What Kata keeps lies in places of its own, so there is no path. */
    it = (struct ledger_item){.kind = LEDGER_KATA,
                              .path = "",
                              .id = "cupel-3fa9c2d1-0001",
                              .runtime = "/usr/bin/kata-runtime"};
    assert_int_equal(journal_check(&it, "/s", NULL), 0);
    it.path = "/run/vc";
    assert_true(journal_check(&it, "/s", NULL) < 0);
    it.path = NULL;
    assert_true(journal_check(&it, "/s", NULL) < 0);
    it.path = "";
    it.runtime = "kata-runtime";
    assert_true(journal_check(&it, "/s", NULL) < 0);
    it.runtime = "/usr/bin/kata-runtime";
    it.id = "cupel-3fa9c2d1-0001/..";
    assert_true(journal_check(&it, "/s", NULL) < 0);
    /* The same of what docker holds. */
    static const enum ledger_kind dockers[] = {LEDGER_DOCKER_CONTAINER, LEDGER_DOCKER_IMAGE};
    for (size_t k = 0; k < ARRAY_SIZE(dockers); k++) {
        it = (struct ledger_item){
            .kind = dockers[k], .path = "/var/run/docker.sock", .id = "cupel-3fa9c2d1-0001"};
        assert_int_equal(journal_check(&it, "/s", NULL), 0);
        for (size_t i = 0; i < ARRAY_SIZE(bad_spaces); i++) {
            it.id = bad_spaces[i];
            assert_true(journal_check(&it, "/s", NULL) < 0);
        }
        it.id = "cupel-3fa9c2d1-0";
        it.path = "docker.sock";
        assert_true(journal_check(&it, "/s", NULL) < 0);
    }
}

/* What clean-up would refuse is refused before it is made, and the ledger stays as it was. */
static void test_intend_refuses(void **state)
{
    struct ledger *l = open_ledger();
    char dir[160];
    const struct ledger_item items[] = {dir_item(dir, "fine"),
                                        {.kind = LEDGER_DIR, .path = "/etc"}};
    struct err err = ERR_INIT;
    assert_int_equal(ledger_intend(l, items, 2, &err), -EINVAL);
    assert_int_equal(err.kind, ERR_BUG);
    assert_int_equal(ledger_open_items(l), 0);
    assert_int_equal(count_lines(), 1);
    assert_int_equal(ledger_close(l, NULL), 0);
}

static void test_damaged(void **state)
{
    static const char text[] =
        "{\"e\":\"run\",\"run\":\"3fa9c2d1\",\"pid\":12,\"start\":1,\"boot\":\"b\"}\n"
        "{\"e\":\"intend\",\"kind\":\"dir\",\"path\":\"/s/run/a\"}\n"
        "rubbish\n"
        "{\"e\":\"intend\",\"kind\":\"dir\",\"path\":\"/etc\"}\n"
        "{\"e\":\"intend\",\"kind\":\"dir\"}\n"
        "{\"e\":\"intend\",\"kind\":\"zoo\",\"path\":\"/s/run/a\"}\n"
        "{\"e\":\"intend\",\"kind\":\"cgroup\",\"path\":[]}\n"
        "{\"e\":\"run\",\"run\":\"00000000\",\"pid\":12,\"start\":1,\"boot\":\"b\"}\n"
        "{\"e\":\"done\",\"kind\":\"dir\",\"path\":\"/s/run/never\"}\n"
        "[]\n"
        "{\"e\":\"intend\",\"kind\":\"cgroup\",\"path\":\"/cupel-3fa9c2d1\"}\n"
        "{\"e\":\"intend\",\"kind\":\"dir\",\"path\":\"/s/run/cut";
    struct journal j;
    journal_parse(text, sizeof(text) - 1, "/s", &j);
    assert_true(j.has_header);
    assert_string_equal(j.run, "3fa9c2d1");
    assert_int_equal(j.items.n, 2);
    assert_string_equal(j.items.v[0].item.path, "/s/run/a");
    assert_string_equal(j.items.v[1].item.path, "/cupel-3fa9c2d1");
    assert_int_equal(j.refused, 7); /* the cut last line is no damage */
    assert_true(str_starts(j.refusal, "line 3: "));
    journal_release(&j);
    /* Cut anywhere, it never yields anything but a beginning of the same items. */
    for (size_t n = 0; n < sizeof(text); n++) {
        journal_parse(text, n, "/s", &j);
        assert_true(j.items.n <= 2);
        journal_release(&j);
    }
}

static void test_kill_at(void **state)
{
    for (unsigned at = 1; at <= 4; at++) {
        pid_t child = fork();
        if (child == 0) {
            char text[16], a[160], b[160], c[160];
            str_format(text, sizeof(text), "%u", at);
            setenv("CUPEL_FAULT_KILL_AT", text, 1);
            const struct ledger_item items[] = {dir_item(a, "a"), dir_item(b, "b"),
                                                dir_item(c, "c")};
            struct ledger *l = NULL;
            if (ledger_open(state_dir, RUN, &l, NULL) == 0 && ledger_intend(l, items, 3, NULL) == 0)
                ledger_done(l, &items[0], NULL);
            _exit(9);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_int_equal(count_lines(), 1 + at); /* the header and exactly that many events */
        unlink(ledger_file);
    }
}

/* A full disk: the write fails as a whole, and what follows is not glued to half a line. */
static void test_no_space(void **state)
{
    struct ledger *l = open_ledger();
    char a[160], b[160];
    const struct ledger_item items[] = {dir_item(a, "a"), dir_item(b, "b")};
    struct stat st;
    assert_int_equal(stat(ledger_file, &st), 0);
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = (rlim_t)st.st_size + 20;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct err err = ERR_INIT;
    assert_true(ledger_intend(l, items, 2, &err) < 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(ledger_open_items(l), 0);
    assert_int_equal(ledger_intend(l, items, 2, NULL), 0);
    struct journal j;
    read_back(&j);
    assert_int_equal(j.items.n, 2);
    assert_int_equal(j.refused, 0);
    journal_release(&j);
    ledger_free(l);
    unlink(ledger_file);
}

static void test_state_dir(void **state)
{
    _cleanup_(str_release) struct str path = STR_INIT;
    _cleanup_free_ char *own = xasprintf("%s/deep/state", state_dir);
    setenv("CUPEL_STATE", own, 1);
    assert_int_equal(ledger_state_dir(&path, NULL), 0);
    assert_string_equal(path.buf, own);
    struct stat st;
    assert_int_equal(stat(own, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    struct err err = ERR_INIT;
    assert_int_equal(chmod(own, 0777), 0);
    assert_int_equal(ledger_state_dir(&path, &err), -EPERM);
    assert_int_equal(err.kind, ERR_ENVIRONMENT);
    setenv("CUPEL_STATE", "relative", 1);
    assert_int_equal(ledger_state_dir(&path, &err), -EINVAL);
    assert_int_equal(err.kind, ERR_USAGE);
    unsetenv("CUPEL_STATE");
}

static void test_resume(void **state)
{
    const struct ledger_item items[] = {
        {.kind = LEDGER_SHARED, .path = "/scratch/cupel-fleet-0123456789"},
        {.kind = LEDGER_SLURM_JOB,
         .id = "cupel-3fa9c2d1-1",
         .runtime = "/usr/bin/scancel",
         .path = "/etc/slurm/slurm.conf"}};
    struct ledger *l = NULL;
    struct err err = ERR_INIT;

    assert_int_equal(ledger_resume(state_dir, RUN, &l, NULL), -ENOENT);
    l = open_ledger();
    assert_int_equal(ledger_intend(l, items, 2, &err), 0);
    struct ledger_item wrong = items[1];
    wrong.id = "bystander";
    assert_true(ledger_intend(l, &wrong, 1, NULL) < 0);
    struct ledger *other = NULL;
    assert_int_equal(ledger_resume(state_dir, RUN, &other, NULL), -EBUSY); /* it lives */
    assert_int_equal(ledger_done(l, &items[0], &err), 0);
    ledger_free(l);
    assert_int_equal(ledger_resume(state_dir, RUN, &l, &err), 0);
    assert_int_equal(ledger_open_items(l), 1);
    assert_int_equal(ledger_done(l, &items[1], &err), 0);
    assert_int_equal(ledger_close(l, &err), 0);
    assert_int_not_equal(access(ledger_file, F_OK), 0);
}

/* Of a cluster, what has a name of ours in a place that is known, and of three kinds. */
static void test_k8s(void **state)
{
    const struct ledger_item pod = {.kind = LEDGER_K8S,
                                    .path = "/root/.kube/config",
                                    .id = "pods/cupel-3fa9c2d1-0001",
                                    .runtime = "/usr/bin/kubectl",
                                    .place = "default https://10.0.0.1:6443 a context/of mine"};
    const char *const wrong_ids[] = {"pods/bystander", "secrets/cupel-3fa9c2d1-0001",
                                     "pods/cupel-3fa9c2d1-0001/log", "cupel-3fa9c2d1-0001", NULL};
    struct ledger *l = open_ledger();
    struct err err = ERR_INIT;

    assert_int_equal(ledger_intend(l, &pod, 1, &err), 0);
    for (size_t i = 0; wrong_ids[i]; i++) {
        struct ledger_item wrong = pod;
        wrong.id = wrong_ids[i];
        assert_true(ledger_intend(l, &wrong, 1, NULL) < 0);
    }
    struct ledger_item nowhere = pod;
    nowhere.place = "default";
    assert_true(ledger_intend(l, &nowhere, 1, NULL) < 0);
    ledger_free(l);
    assert_int_equal(ledger_resume(state_dir, RUN, &l, &err), 0);
    assert_int_equal(ledger_open_items(l), 1);
    assert_int_equal(ledger_done(l, &pod, &err), 0);
    assert_int_equal(ledger_close(l, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_unfinished_stays),
        cmocka_unit_test(test_live),
        cmocka_unit_test(test_naming),
        cmocka_unit_test(test_intend_refuses),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_kill_at),
        cmocka_unit_test(test_no_space),
        cmocka_unit_test(test_state_dir),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_k8s),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
