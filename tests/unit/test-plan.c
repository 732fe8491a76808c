#include "unit.h"

#include "base/cleanup.h"
#include "model/plan.h"

#include <errno.h>

static const char *const drivers[] = {"host", "oci", "docker"};

static int parse(const char *text, struct plan *ret, struct err *err)
{
    return plan_parse(text, strlen(text), "my.yaml", drivers, ARRAY_SIZE(drivers), NULL, ret, err);
}

#define assert_refused(text, says)                                                                 \
    do {                                                                                           \
        struct plan refused_ = {.seed = 77};                                                       \
        struct err refused_err_ = ERR_INIT;                                                        \
        assert_true(parse(text, &refused_, &refused_err_) < 0);                                    \
        assert_int_equal(refused_err_.kind, ERR_USAGE);                                            \
        if (!strstr(refused_err_.msg, says))                                                       \
            fail_msg("says '%s', not '%s'", refused_err_.msg, says);                               \
        assert_int_equal(refused_.seed, 77);                                                       \
        assert_true(parse(text, &refused_, NULL) < 0);                                             \
    } while (0)

static const struct cell *cell(const struct plan *p, const char *name)
{
    for (size_t i = 0; i < p->cells.n; i++)
        if (str_eq(p->cells.v[i].name, name))
            return &p->cells.v[i];
    return NULL;
}

static void defaults(void **state)
{
    struct plan p;
    assert_ok(parse("solo: no\n", &p, err));
    assert_true(p.theta == .02);
    assert_int_equal(p.slice_ns, 15000000);
    assert_int_equal(p.rounds, 10);
    assert_int_equal(p.targets.n + p.cells.n, 0);
    plan_release(&p);
    plan_release(NULL);
}

static void all_keys(void **state)
{
    struct plan p;
    assert_ok(parse("# a comment\n"
                    "targets: [host, runc, \"new=oci:/opt/b/runsc:systrap,overlay2=none\", host]\n"
                    "workloads:\n"
                    "  - fs.open\n"
                    "  - mem.triad: {array_bytes: 64M, stores: nt}\n"
                    "  - mem.triad@nt: {stores: nt, grain: whole}\n"
                    "  - cpu.*\n"
                    "parameters: {limit: 10000, files: 8}\n"
                    "limits: {cpus: 1.5, memory: 512M, pids: 100, io: 50M}\n"
                    "base: runc\nseed: 18446744073709551615\ntheta: 3%\nprecision: 0.01\n"
                    "blocks: 20\nrepeats: 0\nbudget: 4m\ninterval: 100ms\nsettle: 1s\n"
                    "slice: 30ms\nrounds: 12\nsolo: yes\n",
                    &p, err));
    assert_int_equal(p.targets.n, 4);
    assert_string_equal(p.targets.v[2].label, "new");
    assert_string_equal(p.targets.v[3].label, "host#2");
    assert_int_equal(p.cells.n, 3 + 2 + 2);
    assert_int_equal(params_num(&cell(&p, "mem.triad")->params, "array_bytes", 0), 64 << 20);
    assert_string_equal(params_text(&cell(&p, "mem.triad")->params, "stores", ""), "nt");
    assert_true(params_find(&cell(&p, "mem.triad@nt")->params, "array_bytes")->is_auto);
    assert_int_equal(params_num(&cell(&p, "cpu.prime")->params, "limit", 0), 10000);
    assert_int_equal(params_num(&cell(&p, "cpu.prime@all")->params, "limit", 0), 10000);
    assert_int_equal(params_num(&cell(&p, "fs.open@bind")->params, "files", 0), 8);
    assert_int_equal(cell(&p, "fs.open@bind")->place, PLACE_BIND);
    assert_true(p.limits.cpus == 1.5);
    assert_int_equal(p.limits.memory_bytes, 512 << 20);
    assert_int_equal(p.limits.pids, 100);
    assert_int_equal(p.limits.io_bps, 50 << 20);
    assert_string_equal(p.base, "runc");
    assert_true(p.seed == UINT64_MAX);
    assert_true(p.theta == .03 && p.precision == .01);
    assert_int_equal(p.blocks, 20);
    assert_int_equal(p.budget_ns, 240000000000);
    assert_int_equal(p.interval_ns, 100000000);
    assert_int_equal(p.settle_ns, 1000000000);
    assert_int_equal(p.slice_ns, 30000000);
    assert_int_equal(p.rounds, 12);
    assert_true(p.solo);
    size_t base;
    assert_ok(plan_base_index(&p, &base, err));
    assert_int_equal(base, 1);
    plan_release(&p);
}

static void json_is_yaml(void **state)
{
    struct plan p;
    assert_ok(parse("{\"suite\": \"quick\", \"targets\": [\"host\", \"runsc:ptrace\"],\n"
                    " \"parameters\": {\"limit\": 1000}, \"solo\": true, \"seed\": 3}",
                    &p, err));
    assert_string_equal(p.suite, "quick");
    assert_true(p.cells.n >= 10 && p.cells.n <= 16);
    assert_int_equal(params_num(&cell(&p, "cpu.prime")->params, "limit", 0), 1000);
    assert_true(p.solo);
    plan_release(&p);
}

static void refused(void **state)
{
    assert_refused("suite: quick\nseed: 1\n\nmetrik: 3\n",
                   "my.yaml:4:1: unknown key \"metrik\"; expected one of suite, from_suite");
    assert_refused("limits:\n  memory: 1G\n  swap: 1G\n",
                   "my.yaml:3:3: unknown key \"swap\"; expected one of cpus, memory, pids");
    assert_refused("seed: 1\nseed: 2\n", "my.yaml:2:1: key \"seed\" is given twice");
    assert_refused("seed: [1]\n", "my.yaml:1:7: seed: expected a single value");
    assert_refused("seed: -1\n", "my.yaml:1:7: seed: '-1'");
    assert_refused("solo: maybe\n", "my.yaml:1:7: solo: expected yes or no");
    assert_refused("theta: 0\n", "my.yaml:1:8: theta has to be more than 0");
    assert_refused("theta: 60%\n", "more than 50%");
    assert_refused("precision: {}\n", "my.yaml:1:12: precision: expected a single value");
    assert_refused("slice: 1us\n", "my.yaml:1:8: slice: 1us is out of range");
    assert_refused("slice: 20\n", "needs a unit");
    assert_refused("budget: []\n", "expected a single value");
    assert_refused("rounds: 0\n", "my.yaml:1:9: rounds");
    assert_refused("blocks: 9999999\n", "blocks");
    assert_refused("targets: host\n", "my.yaml:1:10: targets: expected a list of targets");
    assert_refused("targets: [host, [a]]\n", "my.yaml:1:17: targets: expected a target");
    assert_refused("targets:\n  - host\n  - dokcer/runc\n",
                   "my.yaml:3:5: target \"dokcer/runc\", character 1: no driver \"dokcer\"");
    assert_refused("targets: [a=host, a=runc]\n", "label \"a\" is given to two targets");
    assert_refused("targets: [host]\nbase: runc\n", "my.yaml:2:7: base \"runc\" is none of");
    assert_refused("base: 'a b'\n", "is no label");
    assert_refused("base: [a]\n", "base");
    assert_refused("suite: quik\n", "my.yaml:1:8: no suite \"quik\"; there are: quick, micro");
    assert_refused("suite: [quick]\n", "expected the name of a suite");
    assert_refused("from_suite: a b\n", "no name of a suite");
    assert_refused("from_suite: []\n", "single value");
    assert_refused("workloads: cpu.prime\n", "expected a list of workloads");
    assert_refused("workloads:\n- sys.getpit\n",
                   "my.yaml:2:3: no workload \"sys.getpit\"; did you mean sys.getpid?");
    assert_refused("workloads: [[a]]\n", "expected a workload");
    assert_refused("workloads: [cpu.prime: 3]\n", "expected parameters");
    assert_refused("workloads: [{cpu.prime: {limit: 3}, mem.copy: {}}]\n", "expected a workload");
    assert_refused(
        "workloads: [cpu.prime: {limt: 30}]\n",
        "my.yaml:1:25: no selected workload has a parameter \"limt\"; did you mean limit?");
    assert_refused("workloads: [cpu.prime: {limit: x}]\n", "limit: 'x'");
    assert_refused("workloads: [cpu.prime: {limit: [1]}]\n", "limit: expected a single value");
    assert_refused("workloads: [cpu.prime: {[1]: 1}]\n", "expected the name of a parameter");
    assert_refused("workloads: [mem.copy@nt: {stores: plain}]\n", "fixed by mem.copy@nt");
    assert_refused("workloads: [mem.copy@nt: {stores: x}]\n", "not one of plain or nt");
    assert_refused("workloads: [cpu.prime]\nparameters: {limit: 5, limit: 6}\n", "given twice");
    assert_refused("parameters: {limit: 5}\n", "my.yaml:1:14: no selected workload has");
    assert_refused("parameters: [limit]\n", "expected a mapping of names");
    assert_refused("limits: 3\n", "expected a mapping such as");
    assert_refused("limits: {memory: lots}\n", "memory: 'lots'");
    assert_refused("limits: {memory: 16000000T}\n", "too large");
    assert_refused("limits: {memory: []}\n", "single value");
    assert_refused("limits: {cpus: -1}\n", "cpus");
    assert_refused("limits: {cpus: []}\n", "single value");
    assert_refused("limits: {pids: x}\n", "pids: 'x'");
    assert_refused("limits: {io: fast}\n", "io: 'fast'");
    assert_refused("limits: {io: 16000000T}\n", "too large");
}

static void malformed(void **state)
{
    assert_refused("", "my.yaml: it is empty");
    assert_refused("- a\n", "my.yaml:1:1: expected a mapping of keys");
    assert_refused("a: [1\n", "my.yaml:");
    assert_refused("seed: 1\n---\nseed: 2\n", "my.yaml:3:1: a second document");
    assert_refused("seed: 1\n...\n%FOO\n", "my.yaml:");
    assert_refused("\xff\xfe\xff", "my.yaml");
    assert_refused("seed: \xff\xff", "my.yaml: byte");
    assert_refused("? [a]\n: 3\n", "my.yaml:1:3: expected a key");
    assert_refused("\"a\\0b\": 3\n", "expected a key");
    assert_refused("a: *nowhere\n", "my.yaml:1:4");
    assert_refused("seed: &s [*s]\n", "seed: expected a single value");
    struct str big = STR_INIT;
    for (int i = 0; i < 140000; i++)
        str_add(&big, "# filler\n");
    assert_refused(big.buf, "at most 1024 KiB");
    str_clear(&big);
    str_add(&big, "targets: [");
    for (int i = 0; i < 70; i++)
        str_add(&big, "host,");
    str_add(&big, "host]");
    assert_refused(big.buf, "more than 64 targets");
    str_clear(&big);
    str_add(&big, "workloads: [");
    for (int i = 0; i < 5000; i++)
        str_add(&big, "cpu.prime,");
    str_add(&big, "]");
    assert_refused(big.buf, "more than 4096 workloads");
    str_clear(&big);
    for (int i = 0; i < 5000; i++)
        str_add(&big, "[");
    assert_refused(big.buf, "my.yaml");
    str_release(&big);
}

/* What is written reads back to an equal plan, and the text of that is the same again. */
static void assert_round_trip(const struct plan *p)
{
    _cleanup_(str_release) struct str text = STR_INIT, again = STR_INIT;
    struct plan back;
    assert_ok(plan_format(p, &text, err));
    assert_ok(parse(text.buf, &back, err));
    if (!plan_equal(p, &back))
        fail_msg("not equal: %s", text.buf);
    assert_ok(plan_format(&back, &again, err));
    assert_string_equal(text.buf, again.buf);
    plan_release(&back);
}

static void round_trip(void **state)
{
    struct plan p;
    plan_init(&p);
    assert_round_trip(&p);
    assert_ok(plan_add_suite(&p, "micro", err));
    assert_ok(plan_add_target(&p, "x=/opt/a\\,\"b/ru\\\\nc,f=\\,", drivers, 3, err));
    assert_ok(plan_add_target(&p, "host", drivers, 3, err));
    assert_ok(cells_apply_param(p.cells.v, p.cells.n, "limit=4711", err));
    for (size_t i = 0; i < p.cells.n; i++)
        if (params_find(&p.cells.v[i].params, "array_bytes"))
            params_set_num(&p.cells.v[i].params, "array_bytes", 135266304 + 1);
    p.theta = 0.1 + 0.2;
    p.precision = 1.0 / 3;
    p.limits = (struct limits){.cpus = 4.0 / 3, .memory_bytes = 123456789, .pids = 1, .io_bps = 7};
    p.seed = UINT64_MAX - 1;
    p.budget_ns = 12345678901;
    str_copy(p.base, sizeof(p.base), "x");
    assert_round_trip(&p);
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < 2000; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        p.theta = (double)(x >> 11) / 9007199254740992.0 / 2 + 1e-9;
        p.cells.n = 0;
        p.limits.cpus = (double)(x >> 20) / 1e9;
        assert_round_trip(&p);
    }
    plan_release(&p);
}

/* Shortened is what declares a floor, and repeats; sizes stay. */
static void scale(void **state)
{
    static const struct param_def defs[] = {
        {"time", PARAM_DURATION, "10s", 1, INT64_MAX, NULL, "", 0},
        {"size", PARAM_SIZE, "2G", 1, INT64_MAX, NULL, "", 0},
    };
    static const struct workload w = {.name = "x",
                                      .family = "x",
                                      .params = defs,
                                      .n_params = 2,
                                      .scaled = "time",
                                      .scaled_floor = INT64_C(2000000000)};
    struct cell cell = {.workload = &w};
    struct plan p;
    plan_init(&p);
    params_set_num(&cell.params, "time", INT64_C(10000000000));
    params_set_num(&cell.params, "size", INT64_C(2) << 30);
    VEC_PUSH(&p.cells, cell);
    p.repeats = 50;
    plan_scale(&p, .5);
    assert_int_equal(params_num(&p.cells.v[0].params, "time", 0), 5000000000);
    assert_int_equal(params_num(&p.cells.v[0].params, "size", 0), INT64_C(2) << 30);
    assert_int_equal(p.repeats, 25);
    plan_scale(&p, .1);
    assert_int_equal(params_num(&p.cells.v[0].params, "time", 0), 2000000000);
    assert_int_equal(p.repeats, 7);
    assert_true(p.scale == .05);
    p.cells.n = 0;
    assert_round_trip(&p);
    p.repeats = 3; /* as given: no reason to make it more */
    plan_scale(&p, .5);
    assert_int_equal(p.repeats, 3);
    plan_release(&p);
    assert_refused("scaled: 1.5\n", "scaled: expected a factor");
    assert_refused("scaled: x\n", "scaled: expected a factor");
}

/* theta is the gate's unless it is given, and both are written out. */
static void gate(void **state)
{
    struct plan p;
    assert_ok(parse("gate: 5%\n", &p, err));
    assert_true(p.gate == .05 && p.theta == .05);
    assert_round_trip(&p);
    plan_release(&p);
    assert_ok(parse("theta: 1%\ngate: 5%\n", &p, err));
    assert_true(p.gate == .05 && p.theta == .01);
    assert_round_trip(&p);
    p.gate = 0.1 / 3;
    assert_round_trip(&p);
    plan_release(&p);
    assert_ok(parse("gate: 0\n", &p, err));
    assert_true(p.gate == 0 && p.theta == PLAN_THETA);
    plan_release(&p);
    assert_refused("gate: 60%\n", "my.yaml:1:7: gate: 60% is more than 50%");
    assert_refused("gate: -1%\n", "gate");
    assert_refused("gate: []\n", "gate");
}

static void twins(void **state)
{
    struct plan p;
    plan_init(&p);
    assert_ok(plan_add_target(&p, "host", drivers, 3, err));
    assert_ok(plan_add_target(&p, "a=runc,x=y", drivers, 3, err));
    assert_ok(plan_double_targets(&p, err));
    assert_true(p.aa);
    assert_int_equal(p.targets.n, 4);
    assert_string_equal(p.targets.v[1].label, "host#2");
    assert_string_equal(p.targets.v[2].label, "a");
    assert_string_equal(p.targets.v[3].label, "a#2");
    assert_string_equal(p.targets.v[3].text, "runc,x=y");
    assert_round_trip(&p);
    p.targets.n = 33;
    assert_fails(plan_double_targets(&p, err), E2BIG, "33 targets, each twice");
    p.targets.n = 4;
    plan_release(&p);
    assert_ok(parse("targets: [a=runc, b=runc]\naa: yes\n", &p, err));
    assert_true(p.aa);
    plan_release(&p);
    assert_ok(parse("aa: yes\n", &p, err)); /* whose targets are still to come */
    plan_release(&p);
    assert_refused("targets: [host, runc]\naa: yes\n", "my.yaml:2:5: aa: target host has no twin");
    assert_refused("aa: yes\ntargets: [host, host, runc]\n", "aa: target runc has no twin");
    assert_refused("aa: maybe\n", "aa");
}

static void base(void **state)
{
    struct plan p;
    size_t i = 9;
    plan_init(&p);
    assert_ok(plan_add_target(&p, "runc", drivers, 3, err));
    assert_ok(plan_base_index(&p, &i, err));
    assert_int_equal(i, 0);
    assert_ok(plan_add_target(&p, "slow=host,inject=cpu:1%", drivers, 3, err));
    assert_ok(plan_base_index(&p, &i, err));
    assert_int_equal(i, 0);
    assert_ok(plan_add_target(&p, "host", drivers, 3, err));
    assert_ok(plan_base_index(&p, &i, err));
    assert_int_equal(i, 2);
    str_copy(p.base, sizeof(p.base), "slow");
    assert_ok(plan_base_index(&p, &i, err));
    assert_int_equal(i, 1);
    str_copy(p.base, sizeof(p.base), "hots");
    assert_fails(plan_base_index(&p, &i, err), ENOENT, "did you mean host?");
    plan_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults), cmocka_unit_test(all_keys),  cmocka_unit_test(json_is_yaml),
        cmocka_unit_test(refused),  cmocka_unit_test(malformed), cmocka_unit_test(round_trip),
        cmocka_unit_test(scale),    cmocka_unit_test(gate),      cmocka_unit_test(twins),
        cmocka_unit_test(base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
