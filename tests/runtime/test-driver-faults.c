/* Runtimes that are not what they are called, or that fail in the ways runtimes fail: made here as
 * scripts around the real ones, so that the whole path from the target's text to the clean ground
 * is the one a user gets. Needs root and runc. */
#include "rig.h"

#include "base/fd.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>

static char scripts[64] = "/tmp/cupel-scripts-XXXXXX";

/* Writes an executable at <scripts>/<folder>/<name>; returns a target's text for it. */
static const char *script(const char *folder, const char *name, const char *body, char *dst,
                          size_t size)
{
    rig_script(scripts, folder, name, body);
    str_format(dst, size, "oci:%s/%s/%s", scripts, folder, name);
    return dst;
}

/* Starting it fails so, in less than limit_ns, and nothing is left. */
static void check_start_fails(const char *target, enum err_kind kind, const char *text,
                              uint64_t limit_ns)
{
    struct rig r;
    rig_init(&r);
    r.site.start_timeout_ns = 3 * NS_PER_S;
    r.site.stop_timeout_ns = 5 * NS_PER_S;
    if (!rig_open(&r, target))
        fail_msg("%s: %s", target, r.info.reason);
    rig_check_start_fails(&r, kind, text, limit_ns);
    assert_int_equal(ledger_open_items(r.site.ledger), 4); /* the site's two, the state dir's two */
    rig_release(&r);
}

/* ---- names that lie ---- */

/* The usual wrapper drops gVisor's flags and calls runc. */
#define DROP_FLAGS                                                                                 \
    "for a; do shift; case $a in --platform=*|--network=*) ;; *) set -- \"$@\" \"$a\";; esac; "    \
    "done\n"

static void test_false_runsc(void **state)
{
    char target[300];
    script("lie", "runsc",
           "case $1 in\n"
           "--version) echo runsc version release-20260101.0; exit;;\n"
           "flags) printf '  -platform string\\n\\tx (default \"systrap\")\\n'; exit;;\n"
           "help) echo systrap; exit;;\n"
           "esac\n" DROP_FLAGS "exec runc \"$@\"\n",
           target, sizeof(target));
    check_start_fails(target, ERR_MEASUREMENT,
                      "this is not runsc: the guest's kernel is the host's", 5 * NS_PER_S);
}

static void test_false_crun(void **state)
{
    char target[300];
    script("lie", "crun",
           "[ \"$1\" = --version ] && echo crun version 1.14 && exit\nexec runc \"$@\"\n", target,
           sizeof(target));
    check_start_fails(target, ERR_MEASUREMENT, "this is not crun: ", 5 * NS_PER_S);
}

/* Not isolated at all: the probe straight on the host. */
static void test_no_container(void **state)
{
    char target[300];
    script("bare", "runc",
           "[ \"$1\" = --version ] && echo runc version 1.1 && exit\n"
           "root=$2; shift 2; verb=$1\n"
           "for id; do :; done\n"
           "case $verb in\n"
           "create)\n"
           "  mkdir -p $root/$id; echo $3 > $root/$id/state.json; mkfifo $root/$id/go\n"
           "  nonce=$(grep -o '\"[0-9a-f]\\{16\\}\"' $3/config.json | tr -d '\"')\n"
           "  exec 3<&0\n"
           "  (read x < $root/$id/go; exec $3/rootfs/cupel-probe --nonce $nonce <&3) &\n"
           "  echo $! > $5;;\n"
           "start) echo > $root/$id/go;;\n"
           "state) p=$(cat $(cat $root/$id/state.json)/pid)\n"
           "  echo '{\"status\":\"running\",\"pid\":'$p'}';;\n"
           "esac\n",
           target, sizeof(target));
    check_start_fails(target, ERR_MEASUREMENT, "this is not runc: its namespaces are the host's",
                      5 * NS_PER_S);
}

static void test_name_and_version(void **state)
{
    char target[300];
    script("other", "runsc", "exec runc \"$@\"\n", target, sizeof(target));
    rig_check_unusable(target, ERR_ENVIRONMENT, "calls itself \"runc version");
}

/* An upgrade between two blocks. */
static void test_replaced_runtime(void **state)
{
    static const char body[] = "exec runc \"$@\"\n";
    char target[300];
    struct rig r;
    script("upgrade", "runc", body, target, sizeof(target));
    rig_init(&r);
    assert_true(rig_open(&r, target));
    rig_stop(&r, rig_start(&r));
    char path[300];
    str_format(path, sizeof(path), "%s/upgrade/runc", scripts);
    assert_int_equal(unlink(path), 0);
    script("upgrade", "runc", body, target, sizeof(target));
    struct session *s = NULL;
    assert_fails(r.driver->start(&r.site, r.engine, &rig_probe, &s, err), ESTALE,
                 "changed while the run");
    rig_release(&r);
}

/* ---- what cannot be had ---- */

static void test_unusable(void **state)
{
    char target[300];
    rig_check_unusable("oci:/nonexistent/runc", ERR_UNSUPPORTED, "no program at /nonexistent/runc");
    rig_check_unusable("nosuchruntime", ERR_UNSUPPORTED, "no nosuchruntime on the PATH");
    rig_check_unusable("runc:kvm", ERR_USAGE, "runc has no platforms");
    script("mute", "runc", "exit 7\n", target, sizeof(target));
    rig_check_unusable(target, ERR_ENVIRONMENT, "exit 7");
    script("hung", "runc", "exec sleep 100\n", target, sizeof(target));
    rig_check_unusable(target, ERR_TIMEOUT, "timed out");
    char path[256];
    if (fs_which("runsc", path, sizeof(path)) == 0)
        rig_check_unusable("runsc:warp", ERR_UNSUPPORTED, "this build has ");
}

/* ---- failures ---- */

static void test_failing_create(void **state)
{
    char target[300];
    script(
        "fail", "runc",
        "[ \"$1\" = --version ] && echo runc version 1.1 && exit\n"
        "case \"$*\" in *create*)\n"
        "  printf 'time=\"now\" level=error msg=\"no \\033[1mluck today\"\\n' >&2; exit 1;; esac\n"
        "exec runc \"$@\"\n",
        target, sizeof(target));
    check_start_fails(target, ERR_ENVIRONMENT, "runc create: exit 1: no ?[1mluck today",
                      3 * NS_PER_S);
}

/* It made everything, then failed: what it made must go all the same. */
static void test_failing_start(void **state)
{
    char target[300];
    script("fail2", "runc",
           "[ \"$1\" = --version ] && echo runc version 1.1 && exit\n"
           "case \"$*\" in *' start '*) echo bad luck >&2; exit 4;; esac\n"
           "exec runc \"$@\"\n",
           target, sizeof(target));
    check_start_fails(target, ERR_ENVIRONMENT, "runc start: exit 4: bad luck", 5 * NS_PER_S);
}

static void test_hanging(void **state)
{
    static const char *const verbs[] = {"create", "start", "state"};
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        char target[300], body[400];
        str_format(body, sizeof(body),
                   "[ \"$1\" = --version ] && echo runc version 1.1 && exit\n"
                   "case \"$*\" in *' %s '*) sleep 1000;; esac\n"
                   "exec runc \"$@\"\n",
                   verbs[i]);
        script(verbs[i], "runc", body, target, sizeof(target));
        check_start_fails(target, ERR_TIMEOUT, "timed out at start after 3 s (runc ", 8 * NS_PER_S);
    }
}

/* `delete` that hangs or refuses does not keep us from cleaning. */
static void test_useless_delete(void **state)
{
    static const char *const bodies[] = {"exit 1", "sleep 1000", "exit 0"};
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        char target[300], body[400], folder[24];
        struct rig r;
        str_format(folder, sizeof(folder), "delete%zu", i);
        str_format(body, sizeof(body),
                   "[ \"$1\" = --version ] && echo runc version 1.1 && exit\n"
                   "case \"$*\" in *' delete '*) %s; exit;; esac\n"
                   "exec runc \"$@\"\n",
                   bodies[i]);
        script(folder, "runc", body, target, sizeof(target));
        rig_init(&r);
        r.site.stop_timeout_ns = 2 * NS_PER_S;
        assert_true(rig_open(&r, target));
        rig_stop(&r, rig_start(&r));
        rig_release(&r);
    }
}

/* Who ends a container: it has left when the runtime is asked to delete it, or it runs until the
 * runtime does that by force. What is timed as `life.destroy` would be something else otherwise. */
static void test_endings(void **state)
{
    static const struct {
        enum ending how;
        const char *seen;
    } cases[] = {{ENDING_BYE, "\"stopped\""}, {ENDING_FORCED, "\"running\""}};
    char target[300], body[400], seen[128];
    str_format(seen, sizeof(seen), "%s/seen", scripts);
    str_format(body, sizeof(body),
               "[ \"$3\" = delete ] && runc --root \"$2\" state \"$5\" >%s\nexec runc \"$@\"\n",
               seen);
    script("watched", "runc", body, target, sizeof(target));
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct rig r;
        struct lifetimes t = {0};
        _cleanup_(str_release) struct str text = STR_INIT;
        rig_init(&r);
        assert_true(rig_open(&r, target));
        struct session *s = rig_start(&r);
        assert_ok(session_stop(s, cases[i].how, &t, err));
        assert_ok(file_read(seen, 65536, &text, err));
        if (!strstr(text.buf, cases[i].seen))
            fail_msg("not %s at its deletion: %s", cases[i].seen, text.buf);
        assert_true(t.begin_ns < t.created_ns && t.created_ns < t.started_ns);
        assert_true(t.hello_ns > t.created_ns && t.hello_ns < t.end_ns);
        assert_true(t.end_ns < t.exited_ns && t.exited_ns < t.gone_ns);
        rig_release(&r);
    }
}

/* kvm of gVisor hangs for ever on nested paravirtual machines; elsewhere it runs. Never a third
 * thing. */
static void test_kvm(void **state)
{
    struct rig r;
    rig_init(&r);
    r.site.start_timeout_ns = 3 * NS_PER_S;
    rig_open_or_skip(&r, "runsc:kvm");
    struct session *s = NULL;
    struct err why = ERR_INIT;
    uint64_t begin = time_mono_ns();
    int rc = r.driver->start(&r.site, r.engine, &rig_probe, &s, &why);
    assert_true(time_mono_ns() - begin < 10 * NS_PER_S);
    if (rc == 0) {
        rig_stop(&r, s);
    } else {
        print_message("# %s\n", why.msg);
        assert_int_equal(why.kind, ERR_TIMEOUT);
        assert_non_null(strstr(why.msg, "timed out at start after 3 s"));
    }
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
        cmocka_unit_test(test_false_runsc),      cmocka_unit_test(test_false_crun),
        cmocka_unit_test(test_no_container),     cmocka_unit_test(test_name_and_version),
        cmocka_unit_test(test_replaced_runtime), cmocka_unit_test(test_unusable),
        cmocka_unit_test(test_failing_create),   cmocka_unit_test(test_failing_start),
        cmocka_unit_test(test_hanging),          cmocka_unit_test(test_useless_delete),
        cmocka_unit_test(test_endings),          cmocka_unit_test(test_kvm),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    char runc[256];
    if (geteuid() != 0 || fs_which("runc", runc, sizeof(runc)) < 0) {
        printf("1..0 # SKIP needs root and runc\n");
        return 0;
    }
    if (!rig_has_static_probe()) {
        printf("1..0 # SKIP the probe of this build is not static: set CUPEL_PROBE\n");
        return 0;
    }
    return cmocka_run_group_tests_name("driver-faults", tests, setup, teardown);
}
