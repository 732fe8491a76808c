#include "fleet/k8s.h"
#include "fleet/podside.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <cmocka.h>

static void test_spec(void **state)
{
    struct k8s_spec s;

    assert_int_equal(k8s_spec_parse("selector=a=b,selector=zone!=c,image=r:5/i@sha256:0a,wait=2m,"
                                    "tolerate=x/y,tolerate=z,pull=never",
                                    &s, NULL),
                     0);
    assert_string_equal(s.selector, "a=b,zone!=c");
    assert_string_equal(s.image, "r:5/i@sha256:0a");
    assert_string_equal(s.tolerate, "x/y,z");
    assert_string_equal(s.pull, "Never");
    assert_int_equal(s.wait_ns, UINT64_C(120000000000));
    assert_int_equal(k8s_spec_parse("selector=*,image=i", &s, NULL), 0);
    assert_string_equal(s.selector, "");
    static const char *const wrong[] = {"",
                                        "image=i",
                                        "selector=a",
                                        "selector=a,node=b,image=i",
                                        "node=-b,image=i",
                                        "node=b,image=i,class=a b",
                                        "node=b,image=i,",
                                        "node=b,image=i,per=pod",
                                        "node=b,image=i,wait=8d",
                                        "node=b,image=i,memory=1G;i",
                                        "node=b,image=i,namespace=a/b"};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_true(k8s_spec_parse(wrong[i], &s, NULL) < 0);
}

/* ---- the log ---- */

static void write_log(const struct str *text, struct str *ret)
{
    json_t *head = json_pack("{s:s, s:s}", "outcome", "measured", "hostname", "n1");
    char path[40];
    int fd = memfd_create("log", MFD_CLOEXEC);

    assert_int_equal(runlog_write(fd, "3fa9c2d1-2", head, text, NULL), 0);
    json_decref(head);
    str_format(path, sizeof(path), "/proc/self/fd/%d", fd);
    assert_int_equal(file_read(path, 64 << 20, ret, NULL), 0);
    close(fd);
}

static void make_text(size_t n, struct str *ret)
{
    unsigned x = 1;

    for (size_t i = 0; i < n; i++) {
        x = x * 1664525 + 1013904223;
        str_addc(ret, (char)(x >> 24 | 1)); /* packs badly, so that there are pieces */
    }
}

static int take_all(struct runlog *r, const char *log)
{
    _cleanup_free_ char *copy = xstrdup(log);
    char *rest = copy;
    int ret = 0;

    for (char *line; ret >= 0 && (line = strsep(&rest, "\n"));)
        ret = runlog_take(r, line, NULL);
    return ret < 0 ? ret : 0;
}

static void test_a_run_goes_through_a_log(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 5999, 6000, 6001, 100000};

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        _cleanup_(str_release) struct str text = STR_INIT, log = STR_INIT, got = STR_INIT;
        _cleanup_(runlog_release) struct runlog r = RUNLOG_INIT;
        struct fleet_machine m = {.status = -1};
        make_text(sizes[i], &text);
        str_add(&log, "before\n");
        write_log(&text, &log);
        str_add(&log, "after\n");
        assert_int_equal(take_all(&r, log.buf), 0);
        assert_true(r.ended);
        assert_string_equal(r.key, "3fa9c2d1-2");
        /* Again from its beginning, as whoever lost the connection reads it. */
        assert_int_equal(take_all(&r, log.buf), 0);
        assert_int_equal(runlog_unpack(&r, &got, NULL), 0);
        assert_int_equal(got.len, text.len);
        assert_memory_equal(got.buf, text.buf, text.len);
        assert_int_equal(runlog_outcome(&r, &m, NULL), 0);
        assert_int_equal(m.outcome, FLEET_MEASURED);
        assert_string_equal(m.hostname, "n1");
    }
}

static void test_a_log_without_a_run_says_why(void **state)
{
    _cleanup_(str_release) struct str log = STR_INIT, got = STR_INIT;
    _cleanup_(runlog_release) struct runlog r = RUNLOG_INIT;

    write_log(NULL, &log);
    assert_int_equal(take_all(&r, log.buf), 0);
    assert_int_equal(runlog_unpack(&r, &got, NULL), 0);
    assert_int_equal(got.len, 0);
}

/* The log with the first `from` in it changed. */
static void expect_refused(const struct str *log, const char *from, const char *to)
{
    _cleanup_(str_release) struct str bad = STR_INIT, got = STR_INIT;
    _cleanup_(runlog_release) struct runlog r = RUNLOG_INIT;
    const char *at = strstr(log->buf, from);

    assert_non_null(at);
    str_addf(&bad, "%.*s%s%s", (int)(at - log->buf), log->buf, to, at + strlen(from));
    int taken = take_all(&r, bad.buf);
    assert_true(taken < 0 || runlog_unpack(&r, &got, NULL) < 0);
    assert_int_equal(got.len, 0);
}

static void test_hostile_logs(void **state)
{
    _cleanup_(str_release) struct str text = STR_INIT, log = STR_INIT;
    struct err err = ERR_INIT;

    make_text(20000, &text);
    write_log(&text, &log);
    expect_refused(&log, " 1 ", " 7 ");        /* a piece is missing */
    expect_refused(&log, " 0 H4sI", " 0 H4s"); /* no group of four */
    expect_refused(&log, " 0 H4sI", " 0 H=sI");
    expect_refused(&log, " 0 H4sI", " 0 AAAA"); /* no gzip */
    expect_refused(&log, "\"bytes\":20000", "\"bytes\":19999");
    expect_refused(&log, "\"bytes\":20000", "\"bytes\":-1");
    expect_refused(&log, "\"bytes\":20000", "\"bytes\":99999999999");
    expect_refused(&log, "\"sha256\":\"", "\"sha256\":\"0");
    expect_refused(&log, "head {", "head [");
    expect_refused(&log, "end ", "end 1");
    expect_refused(&log, "end ", "and ");

    _cleanup_(str_release) struct str large = STR_INIT;
    json_t *head = json_object();
    make_text(RUNLOG_PACKED_MAX / 4 * 5, &large);
    assert_int_equal(runlog_write(-1, "3fa9c2d1-1", head, &large, &err), -EFBIG);
    json_decref(head);
}

static void test_logs_of_several_pods(void **state)
{
    _cleanup_(str_release) struct str text = STR_INIT, log = STR_INIT, mixed = STR_INIT;
    struct runlogs logs = VEC_INIT;

    make_text(9000, &text);
    write_log(&text, &log);
    assert_true(runlog_is_in(log.buf, log.len));
    assert_false(runlog_is_in("{\"kind\":\"cupel-run \"}", 20));
    /* Line by line in turn. */
    _cleanup_free_ char *copy = xstrdup(log.buf);
    char *rest = copy;
    for (char *line; (line = strsep(&rest, "\n")) && *line;) {
        str_addf(&mixed, "[pod/a] %s\n", line);
        line[strlen("cupel-run 3fa9c2d1-")] = '5';
        str_addf(&mixed, "[pod/b] %s\n", line);
    }
    assert_int_equal(runlogs_read(mixed.buf, mixed.len, &logs, NULL), 0);
    assert_int_equal(logs.n, 2);
    for (size_t i = 0; i < logs.n; i++) {
        _cleanup_(str_release) struct str got = STR_INIT;
        assert_int_equal(runlog_unpack(&logs.v[i], &got, NULL), 0);
        assert_int_equal(got.len, text.len);
    }
    runlogs_release(&logs);
}

/* ---- what the API server says ---- */

static const char objects[] =
    "{'items':["
    "{'kind':'Job','metadata':{'name':'j1'},'status':{'conditions':[{'type':'Failed','status':"
    "'True','reason':'DeadlineExceeded','message':'too long'}]}},"
    "{'kind':'Pod','metadata':{'name':'p0','labels':{'job-name':'j1'},'deletionTimestamp':'t'},"
    "'status':{'phase':'Failed'}},"
    "{'kind':'Pod','metadata':{'name':'p1','labels':{'job-name':'j1'}},'status':{'phase':'Running',"
    "'conditions':[{'type':'Ready','status':'True'},{'type':'PodScheduled','status':'True'}],"
    "'containerStatuses':[{'state':{'running':{}}}]}},"
    "{'kind':'Pod','metadata':{'name':'p2','labels':{'job-name':'j2'}},'status':{'phase':'Pending',"
    "'conditions':[{'type':'PodScheduled','status':'False','reason':'Unschedulable','message':'no "
    "room'}]}}]}";

static json_t *parse(const char *text)
{
    _cleanup_free_ char *json = xstrdup(text);

    for (char *p = json; *p; p++)
        if (*p == '\'')
            *p = '"';
    return json_loads(json, 0, NULL);
}

static void test_objects(void **state)
{
    json_t *list = parse(objects);
    struct k8s_job j;
    struct k8s_pod p;

    k8s_job_find(list, "j1", &j);
    assert_true(j.there && j.failed);
    assert_string_equal(j.failure.reason, "DeadlineExceeded");
    k8s_job_find(list, "j3", &j);
    assert_false(j.there);
    k8s_pod_find(list, "j1", &p);
    assert_string_equal(p.name, "p1");
    assert_true(p.phase == K8S_RUNNING && p.ready && !p.deleting);
    k8s_pod_find(list, "j2", &p);
    assert_int_equal(p.phase, K8S_PENDING);
    assert_string_equal(p.scheduling.message, "no room");
    k8s_pod_find(list, "j3", &p);
    assert_int_equal(p.phase, K8S_NONE);
    json_decref(list);
}

static const char whole[] =
    "{'metadata':{'name':'p','uid':'u-1','resourceVersion':'7','creationTimestamp':'2026-01\\u0007'"
    "},"
    "'spec':{'nodeName':'n1','runtimeClassName':'crun'},'status':{'phase':'Failed','reason':"
    "'Evicted','message':'low on memory','conditions':[{'type':'PodScheduled','status':'True',"
    "'lastTransitionTime':'2026-02'},{'type':'Ready','status':'False','lastTransitionTime':'x'},"
    "{'type':'DisruptionTarget','status':'True','reason':'EvictionByEvictionAPI'}],"
    "'containerStatuses':[{'containerID':'containerd://0a','state':{'terminated':{'exitCode':137,"
    "'reason':'OOMKilled'}}}]}}";

static void test_a_pod(void **state)
{
    json_t *o = parse(whole);
    struct k8s_pod p;

    k8s_pod_read(o, &p);
    assert_string_equal(p.uid, "u-1");
    assert_string_equal(p.version, "7");
    assert_string_equal(p.node, "n1");
    assert_string_equal(p.class_, "crun");
    assert_string_equal(p.container, "containerd://0a");
    assert_true(p.phase == K8S_DONE && p.failed && p.over && p.placed);
    assert_false(p.ready || p.started || p.deleting);
    assert_int_equal(p.exit_code, 137);
    assert_string_equal(p.ended.reason, "OOMKilled");
    assert_string_equal(p.status.reason, "Evicted");
    assert_string_equal(p.disruption.reason, "EvictionByEvictionAPI");
    json_t *times = k8s_pod_times(o);
    _cleanup_free_ char *text = json_dumps(times, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, "{\"created\":\"2026-01?\",\"scheduled\":\"2026-02\"}");
    json_decref(times);
    json_decref(o);
    k8s_pod_read(NULL, &p);
    assert_true(p.phase == K8S_PENDING && !p.name[0]);
}

/* Half a name would be another's. */
static void test_a_name_too_long_is_none(void **state)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    struct k8s_node n;

    str_add(&text, "{'metadata':{'name':'");
    for (int i = 0; i < K8S_OBJECT_MAX; i++)
        str_addc(&text, 'a');
    str_add(&text, "'},'status':{'conditions':[{'type':'Ready','status':'True'}],'nodeInfo':{"
                   "'containerRuntimeVersion':'containerd://2','bootID':'b'}}}");
    json_t *o = parse(text.buf);
    k8s_node_read(o, &n);
    assert_string_equal(n.name, "");
    assert_true(n.ready);
    assert_string_equal(n.runtime, "containerd://2");
    assert_string_equal(n.boot_id, "b");
    json_decref(o);
}

static void test_a_class(void **state)
{
    json_t *o =
        parse("{'handler':'crun\\u0007','overhead':{'podFixed':{'cpu':'250m','memory':5}}}");
    struct k8s_class c;

    k8s_class_read(o, &c);
    assert_string_equal(c.handler, "crun?");
    assert_string_equal(c.fixed_cpu, "250m");
    assert_string_equal(c.fixed_memory, "");
    json_decref(o);
}

static void test_quantities(void **state)
{
    static const struct {
        const char *text;
        double is;
    } good[] = {{"250m", .25}, {"1", 1},     {"1.5", 1.5},   {"120Mi", 120 * 0x1p20}, {"10M", 1e7},
                {"1e3", 1e3},  {"2E", 2e18}, {"12E2", 1200}, {".5Gi", 0x1p29},        {"0", 0}};
    static const char *const bad[] = {"",     "m",   "-1",  " 1",  "0x10",
                                      "1 Mi", "1mi", "nan", "inf", "."};

    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_float_equal(k8s_quantity(good[i].text), good[i].is, 1e-9 * good[i].is);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_true(isnan(k8s_quantity(bad[i])));
}

static void test_events(void **state)
{
    static const char *const reasons[] = {"FailedCreatePodSandBox", NULL};
    struct k8s_said said = {.reason = ""};
    json_t *list =
        parse("{'items':[{'involvedObject':{'kind':'Pod','name':'p'},'reason':"
              "'FailedCreatePodSandBox','message':'later\\u0007','lastTimestamp':'2026-02'},"
              "{'involvedObject':{'kind':'Pod','name':'p'},'reason':'FailedCreatePodSandBox',"
              "'message':'sooner','lastTimestamp':'2026-01'},"
              "{'involvedObject':{'kind':'Pod','name':'q'},'reason':'FailedCreatePodSandBox',"
              "'message':'other','lastTimestamp':'2026-03'}]}");

    assert_true(k8s_event_find(list, "Pod", "p", reasons, &said));
    assert_string_equal(said.message, "later?");
    assert_false(k8s_event_find(list, "Job", "p", reasons, &said));
    assert_false(k8s_event_find(list, "Pod", "p", NULL, &said)); /* they are no warnings */
    json_decref(list);
}

static void test_hindrances(void **state)
{
    const struct k8s_said none = {.reason = ""}, quota = {"FailedCreate", "exceeded quota: x"},
                          class = {"FailedCreate", "RuntimeClass \"x\" not found"},
                          box = {"FailedCreatePodSandBox", "no runtime"};
    struct k8s_pod nothing = {.phase = K8S_NONE}, pod = {.phase = K8S_PENDING};
    struct k8s_said why;
    bool hopeless;

    assert_int_equal(k8s_hindrance(&nothing, &none, &none, &why, &hopeless), FLEET_QUEUED);
    assert_int_equal(k8s_hindrance(&nothing, &quota, &none, &why, &hopeless), FLEET_NOT_TAKEN);
    assert_false(hopeless);
    assert_int_equal(k8s_hindrance(&nothing, &class, &none, &why, &hopeless), FLEET_NOT_TAKEN);
    assert_true(hopeless);
    assert_int_equal(k8s_hindrance(&pod, &none, &box, &why, &hopeless), FLEET_NO_SANDBOX);
    assert_string_equal(why.message, "no runtime");
    str_copy(pod.waiting.reason, sizeof(pod.waiting.reason), "ImagePullBackOff");
    assert_int_equal(k8s_hindrance(&pod, &none, &none, &why, &hopeless), FLEET_NO_IMAGE);
    assert_false(hopeless);
    str_copy(pod.waiting.reason, sizeof(pod.waiting.reason), "RunContainerError");
    assert_int_equal(k8s_hindrance(&pod, &none, &none, &why, &hopeless), FLEET_NO_SANDBOX);
}

static void test_ends(void **state)
{
    static const struct {
        const char *status, *disruption, *ended, *message;
        enum fleet_outcome outcome;
    } ends[] = {{"Evicted", "", "", "", FLEET_CANCELLED},
                {"", "PreemptionByScheduler", "Error", "", FLEET_CANCELLED},
                {"", "DeletionByTaintManager", "", "", FLEET_NODE_FAILED},
                {"NodeLost", "", "", "", FLEET_NODE_FAILED},
                {"", "", "OOMKilled", "", FLEET_FAILED},
                {"", "", "StartError", "exec format error", FLEET_ARCHITECTURE},
                {"", "", "StartError", "no such file", FLEET_NO_SANDBOX},
                {"", "", "", "", FLEET_CANCELLED}};
    const struct k8s_job job = {.there = true}, late = {.failure = {.reason = "DeadlineExceeded"}};
    struct k8s_said why;

    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        struct k8s_pod p = {.name = "p", .phase = K8S_RUNNING};
        str_copy(p.status.reason, sizeof(p.status.reason), ends[i].status);
        str_copy(p.disruption.reason, sizeof(p.disruption.reason), ends[i].disruption);
        str_copy(p.ended.reason, sizeof(p.ended.reason), ends[i].ended);
        str_copy(p.ended.message, sizeof(p.ended.message), ends[i].message);
        assert_int_equal(k8s_end_of(&p, &job, &why), ends[i].outcome);
    }
    const struct k8s_pod gone = {.name = ""};
    assert_int_equal(k8s_end_of(&gone, &late, &why), FLEET_TIME_LIMIT);
    static const struct {
        const char *words;
        enum fleet_outcome outcome;
    } said[] = {{"Error from server (Forbidden): jobs.batch is forbidden: User \"u\" cannot create "
                 "resource \"jobs\" in API group \"batch\"",
                 FLEET_REFUSED},
                {"Error from server (Forbidden): jobs.batch \"x\" is forbidden: exceeded quota: q",
                 FLEET_NOT_TAKEN},
                {"Unable to connect to the server: dial tcp: i/o timeout", FLEET_UNREACHABLE}};
    for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
        struct err err = ERR_INIT;
        (void)kubectl_failed(said[i].words, "kubectl", &err);
        assert_int_equal(k8s_refusal(&err), said[i].outcome);
    }
}

/* ---- in the pod ---- */

static void expect_targets(const char *wanted, bool privileged, const char *args)
{
    _cleanup_free_ char *copy = xstrdup(wanted);
    char *rest = copy, *list[8];
    size_t n = 0;
    json_t *got = json_array();

    for (char *one; *wanted && (one = strsep(&rest, " "));)
        list[n++] = one;
    assert_int_equal(pod_targets(list, n, privileged, got), args != NULL);
    _cleanup_free_ char *text = json_dumps(got, JSON_COMPACT);
    assert_string_equal(text, args ? args : "[]");
    json_decref(got);
}

static void test_a_pod_is_called_a_sandbox(void **state)
{
    expect_targets("", false, "[\"--target\",\"sandbox=host\"]");
    expect_targets("runc host", false, "[\"--target\",\"sandbox=host\"]");
    expect_targets("*", false, "[\"--target\",\"sandbox=host\"]");
    expect_targets("host", true, "[\"--target\",\"host\"]");
    expect_targets("a=host,inject=cpu:1%", false, "[\"--target\",\"a=host,inject=cpu:1%\"]");
    expect_targets("host,inject=cpu:1%", false, "[\"--target\",\"sandbox=host,inject=cpu:1%\"]");
    expect_targets("runc", false, NULL);
    expect_targets("hosts x=runc", true, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spec),
        cmocka_unit_test(test_a_run_goes_through_a_log),
        cmocka_unit_test(test_a_log_without_a_run_says_why),
        cmocka_unit_test(test_hostile_logs),
        cmocka_unit_test(test_logs_of_several_pods),
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_a_pod),
        cmocka_unit_test(test_a_name_too_long_is_none),
        cmocka_unit_test(test_a_class),
        cmocka_unit_test(test_quantities),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_hindrances),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_a_pod_is_called_a_sandbox),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
