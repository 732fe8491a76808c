/* The probe's application family, with real programs: what is prepared, timed, kept and cleaned up.
 */
#include "unit.h"

#include "probe-talk.h"

#include "base/fs.h"
#include "wire/appspec.h"

#include <sched.h>
#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

static void prepare(struct talk *t, const char *spec, struct frame *answer)
{
    struct frame f;
    frame_init(&f, FRAME_PREPARE, TALK_NONCE, 0);
    str_copy(f.prepare.workload, sizeof(f.prepare.workload), "app.run");
    f.prepare.workers = 1;
    f.prepare.spec = xstrdup(spec);
    talk_ask(t, &f, answer);
    frame_release(&f);
}

static void slice(struct talk *t, struct frame *answer)
{
    struct frame f;
    frame_init(&f, FRAME_SLICE, TALK_NONCE, 0);
    f.slice.ops = 1;
    talk_ask(t, &f, answer);
}

static void finish(struct talk *t, struct frame *answer)
{
    struct frame f;
    frame_init(&f, FRAME_FINISH, TALK_NONCE, 0);
    talk_ask(t, &f, answer);
}

/* What the command wrote, run once from preparing to finishing; the finished frame in *fin. */
static char *run_once(const char *spec, struct frame *fin)
{
    struct talk t;
    struct frame a;
    talk_open(&t, NULL);
    prepare(&t, spec, &a);
    if (a.type != FRAME_READY)
        fail_msg("%s", a.type == FRAME_ERROR ? a.error.text : "no ready");
    frame_release(&a);
    slice(&t, &a);
    if (a.type != FRAME_SLICED)
        fail_msg("%s", a.type == FRAME_ERROR ? a.error.text : "no slice");
    assert_int_equal(a.sliced.ops, 1);
    assert_true(a.sliced.ns > 0);
    assert_non_null(a.sliced.output);
    char *output = xstrdup(a.sliced.output);
    frame_release(&a);
    finish(&t, fin);
    assert_int_equal(fin->type, FRAME_FINISHED);
    talk_close(&t);
    return output;
}

/* A prepare or a slice that is answered by an error whose text holds `says`. */
static void refused(const char *spec, bool in_slice, int code, const char *says)
{
    struct talk t;
    struct frame a;
    talk_open(&t, NULL);
    prepare(&t, spec, &a);
    if (in_slice) {
        assert_int_equal(a.type, FRAME_READY);
        frame_release(&a);
        slice(&t, &a);
    }
    assert_int_equal(a.type, FRAME_ERROR);
    if (!strstr(a.error.text, says) || a.error.code != code)
        fail_msg("says '%s' (%d), not '%s' (%d)", a.error.text, a.error.code, says, code);
    frame_release(&a);
    talk_close(&t);
}

static void test_output(void **state)
{
    struct frame fin;
    _cleanup_free_ char *out = run_once(
        "{\"command\": {\"argv\": [\"sh\", \"-c\", \"echo one; echo two >&2; printf 'a\\\\tb'\"]}}",
        &fin);
    assert_string_equal(out, "one\ntwo\na\tb");
    assert_true(fin.finished.verified);
    assert_int_equal(facts_num(&fin.finished.facts, "output_bytes", 0), 11);
    assert_int_equal(facts_num(&fin.finished.facts, "children_left", -1), 0);
    assert_true(facts_num(&fin.finished.facts, "max_rss_kib", 0) > 0);
}

static void test_long_output(void **state)
{
    struct frame fin;
    _cleanup_free_ char *out =
        run_once("{\"command\": {\"argv\": [\"seq\", \"1\", \"100000\"]}}", &fin);
    assert_true(strlen(out) < WIRE_BLOB_MAX);
    assert_true(str_starts(out, "1\n2\n3\n"));
    assert_true(str_ends(out, "\n99999\n100000\n"));
    assert_non_null(strstr(out, " bytes left out ...]\n"));
    assert_int_equal(facts_num(&fin.finished.facts, "output_bytes", 0), 588895);
}

static void test_surroundings(void **state)
{
    struct frame fin;
    _cleanup_free_ char *out = run_once(
        "{\"command\": {\"argv\": [\"sh\", \"-c\", \"pwd; echo $FOO $HOME $LC_ALL; cat; nproc\"],"
        " \"env\": [\"FOO=bar\"], \"cwd\": \"/tmp\"}}",
        &fin);
    assert_true(str_starts(out, "/tmp\nbar / C.UTF-8\n"));
}

static void test_files(void **state)
{
    struct frame fin;
    struct stat st;
    _cleanup_free_ char *out =
        run_once("{\"files\": [{\"path\": \"/tmp/cupel-test-app/deep/f\", \"text\": \"hello\\n\","
                 " \"mode\": 384}], \"command\": {\"argv\": [\"stat\", \"-c\", \"%a %s\","
                 " \"/tmp/cupel-test-app/deep/f\"]}}",
                 &fin);
    assert_string_equal(out, "600 6\n");
    assert_int_equal(stat("/tmp/cupel-test-app/deep/f", &st), -1);
    fs_remove_tree("/tmp/cupel-test-app", NULL);
}

static void test_failing_commands(void **state)
{
    refused("{\"command\": {\"argv\": [\"sh\", \"-c\", \"echo no luck >&2; exit 3\"]}}", true, EIO,
            "sh ended with status 3: no luck");
    refused("{\"command\": {\"argv\": [\"sh\", \"-c\", \"kill -9 $$\"]}}", true, EIO,
            "killed by signal 9");
    refused("{\"command\": {\"argv\": [\"no-such-program\"]}}", true, ENOENT,
            "no-such-program: not found in the image");
    uint64_t start = time_mono_ns();
    refused("{\"command\": {\"argv\": [\"sh\", \"-c\", \"echo begun; sleep 60 & sleep 60\"],"
            " \"timeout_ns\": 200000000}}",
            true, ETIMEDOUT, "did not end within 0.2 s: begun");
    assert_true(time_mono_ns() - start < 20 * NS_PER_S);
    refused("{\"setup\": [{\"argv\": [\"false\"]}], \"command\": {\"argv\": [\"true\"]}}", false,
            EIO, "false ended with status 1");
}

#define LISTEN                                                                                     \
    "import socket,time; s=socket.socket();"                                                       \
    "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('127.0.0.1', 45711));"       \
    "time.sleep(.1); s.listen(); print('up', flush=True); time.sleep(60)"

static void test_server(void **state)
{
    struct frame fin;
    _cleanup_free_ char *port = run_once(
        "{\"server\": {\"argv\": [\"python3\", \"-c\", \"" LISTEN "\"], \"ready\":"
        " {\"tcp\": 45711}, \"timeout_ns\": 20000000000}, \"command\": {\"argv\": [\"python3\","
        " \"-c\", \"import socket; socket.create_connection(('127.0.0.1', 45711));"
        " print('met')\"]}}",
        &fin);
    assert_string_equal(port, "met\n");
    assert_true(fin.finished.verified);
    _cleanup_free_ char *text = run_once(
        "{\"server\": {\"argv\": [\"sh\", \"-c\", \"echo now ready; sleep 60\"], \"ready\":"
        " {\"output\": \"ready\"}}, \"command\": {\"argv\": [\"echo\", \"x\"]}}",
        &fin);
    assert_string_equal(text, "x\n");
    _cleanup_free_ char *command =
        run_once("{\"server\": {\"argv\": [\"sh\", \"-c\", \"sleep .2; touch "
                 "/tmp/cupel-test-ready; sleep 60\"],"
                 " \"ready\": {\"argv\": [\"test\", \"-e\", \"/tmp/cupel-test-ready\"]}},"
                 " \"command\": {\"argv\": [\"rm\", \"-v\", \"/tmp/cupel-test-ready\"]}}",
                 &fin);
    assert_true(str_starts(command, "removed"));
}

static void test_bad_servers(void **state)
{
    refused("{\"server\": {\"argv\": [\"sh\", \"-c\", \"echo bad config; exit 7\"], \"ready\":"
            " {\"tcp\": 45712}}, \"command\": {\"argv\": [\"true\"]}}",
            false, ECHILD, "sh ended with status 7: bad config");
    refused("{\"server\": {\"argv\": [\"sh\", \"-c\", \"echo waiting; sleep 60\"], \"ready\":"
            " {\"tcp\": 45712}, \"timeout_ns\": 200000000}, \"command\": {\"argv\": [\"true\"]}}",
            false, ETIMEDOUT, "was not ready within 0.2 s: waiting");
    /* Somebody else's server, where the guest shares the host's ports. */
    struct sockaddr_in at = {.sin_family = AF_INET}; /* whichever port is free */
    socklen_t size = sizeof(at);
    char job[160], answer[64];
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    _cleanup_fd_ int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(other, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(other, 1), 0);
    assert_int_equal(getsockname(other, (struct sockaddr *)&at, &size), 0);
    str_format(job, sizeof(job),
               "{\"server\": {\"argv\": [\"sleep\", \"60\"], \"ready\": {\"tcp\": %d}},"
               " \"command\": {\"argv\": [\"true\"]}}",
               ntohs(at.sin_port));
    str_format(answer, sizeof(answer), "something else answers at port %d", ntohs(at.sin_port));
    refused(job, false, EADDRINUSE, answer);
    struct frame fin;
    _cleanup_free_ char *out =
        run_once("{\"server\": {\"argv\": [\"sleep\", \"0.05\"]}, \"command\":"
                 " {\"argv\": [\"sleep\", \"0.3\"]}}",
                 &fin);
    assert_string_equal(out, "");
    assert_false(fin.finished.verified);
    assert_non_null(strstr(fin.finished.detail, "sleep ended with status 0"));
}

static bool runs(pid_t pid)
{
    return kill(pid, 0) == 0;
}

static void test_children_left_behind(void **state)
{
    struct frame fin;
    uint64_t pid = 0;
    _cleanup_free_ char *out = run_once("{\"command\": {\"argv\": [\"sh\", \"-c\","
                                        " \"setsid sleep 61 > /dev/null 2>&1 & echo $!\"]}}",
                                        &fin);
    out[strcspn(out, "\n")] = '\0';
    assert_ok(parse_u64(out, 1, INT32_MAX, "pid", &pid, err));
    assert_int_equal(facts_num(&fin.finished.facts, "children_left", -1), 1);
    assert_false(runs((pid_t)pid));
}

static void test_specs(void **state)
{
    static const struct {
        const char *spec, *says;
    } bad[] = {
        {"", "not JSON"},
        {"[]", "is no object"},
        {"{}", "command is no object"},
        {"{\"command\": {\"argv\": []}}", "command is no list of words"},
        {"{\"command\": {\"argv\": [1]}}", "something that is no text"},
        {"{\"command\": {\"argv\": [\"a\"], \"cwd\": \"x\"}}", "no absolute path"},
        {"{\"command\": {\"argv\": [\"a\"], \"cwd\": \"/a/../b\"}}", "no absolute path"},
        {"{\"command\": {\"argv\": [\"a\"], \"timeout_ns\": 0}}", "timeout"},
        {"{\"files\": [{\"path\": \"/a/..\", \"text\": \"\"}]}", "climbs"},
        {"{\"files\": [{\"path\": \"/a\"}]}", "without text"},
        {"{\"files\": [{\"path\": \"/a\", \"text\": \"\", \"mode\": 4096}]}", "mode"},
        {"{\"server\": {\"argv\": [\"a\"], \"ready\": {\"tcp\": 0}}}", "names no port"},
        {"{\"server\": {\"argv\": [\"a\"], \"ready\": {\"output\": \"\"}}}", "waits for no text"},
        {"{\"setup\": {}}", "setup is no list"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct appspec a = {.port = 7};
        struct err why = ERR_INIT;
        assert_true(appspec_parse(bad[i].spec, &a, &why) < 0);
        if (!strstr(why.msg, bad[i].says))
            fail_msg("'%s' says '%s', not '%s'", bad[i].spec, why.msg, bad[i].says);
        assert_int_equal(a.port, 7);
    }
    refused("{\"command\": {}}", false, EINVAL, "command is no list of words");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_long_output),
        cmocka_unit_test(test_surroundings),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_failing_commands),
        cmocka_unit_test(test_server),
        cmocka_unit_test(test_bad_servers),
        cmocka_unit_test(test_children_left_behind),
        cmocka_unit_test(test_specs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
