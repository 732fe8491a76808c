/* Applications: what can be declared, what is refused and where, what the guest is told, and what
 * is read out of what was printed. */
#include "unit.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "model/plan.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>

#define LEAST                                                                                      \
    "name: a\nimage: {dir: /x}\ncommand: [run, \"${n}\"]\n"                                        \
    "params: {n: {default: 3}}\n"
#define METRIC "metrics: [{name: a, regex: 'x=([0-9.]+)', unit: r/s}]\n"

static struct app *parse(const char *text)
{
    struct app *a = NULL;
    assert_ok(app_parse(text, strlen(text), "my.yaml", &a, err));
    return a;
}

static void refused(const char *text, const char *says)
{
    struct app *a = NULL;
    struct err why = ERR_INIT;
    assert_true(app_parse(text, strlen(text), "my.yaml", &a, &why) < 0);
    assert_int_equal(why.kind, ERR_USAGE);
    assert_null(a);
    if (!strstr(why.msg, says))
        fail_msg("says '%s', not '%s'", why.msg, says);
    assert_true(app_parse(text, strlen(text), "my.yaml", &a, NULL) < 0);
}

static void test_cells(void **state)
{
    struct app *a = parse("name: web\naliases: [www]\nsuites: [paper]\nimage: {packages: [nginx]}\n"
                          "params: {time: {kind: duration, default: 10s, scale: yes, floor: 2s}}\n"
                          "command: [wrk]\ncpus: one\nmetrics:\n"
                          "  - {name: rate, regex: '([0-9]+)', unit: r/s}\n"
                          "  - {name: size, json: 'a.b', unit: B, better: lower}\n"
                          "  - {name: other, wall: yes, command: [ab]}\n");
    struct cell c[3];
    assert_int_equal(a->n_metrics, 3);
    for (size_t i = 0; i < 3; i++)
        app_cell(a, i, &c[i]);
    assert_string_equal(c[0].name, "web.rate");
    assert_string_equal(c[2].unit, "s");
    assert_int_equal(c[0].better, BETTER_HIGHER);
    assert_int_equal(c[1].better, BETTER_LOWER);
    assert_int_equal(c[2].better, BETTER_LOWER);
    assert_int_equal(c[0].cpus, CPUS_ONE);
    assert_int_equal(params_num(&c[0].params, "time", 0), 10000000000);
    assert_true(cell_shares_execution(&c[0], &c[1]));
    assert_false(cell_shares_execution(&c[0], &c[2]));
    assert_true(app_answers_to(a, "www") && app_answers_to(a, "web") && !app_answers_to(a, "w"));
    assert_int_equal(a->suites, SUITE_PAPER);
    assert_string_equal(c[0].workload->scaled, "time");
    assert_int_equal(c[0].workload->scaled_floor, 2000000000);
    app_unref(a);
    a = parse(LEAST METRIC);
    app_cell(a, 0, &c[0]);
    assert_string_equal(c[0].name, "a");
    app_unref(a);
    app_unref(NULL);
}

static void test_complaints(void **state)
{
    refused("", "my.yaml: it is empty");
    refused("name: a\nmetrik: 3\n", "my.yaml:2:1: unknown key \"metrik\"; expected one of name, ");
    refused("name: a\nname: b\n", "my.yaml:2:1: key \"name\" is given twice");
    refused("name: A\n", "my.yaml:1:7: name: \"A\" is no name");
    refused("name: a\n", "my.yaml:1:1: no image");
    refused("image: {dir: /x, packages: [a]}\n", "my.yaml:1:28: image: one of");
    refused("image: {archive: x}\n", "my.yaml:1:18: archive: expected docker-archive:FILE");
    refused("files: [{path: etc/x, text: a}]\n",
            "my.yaml:1:16: path: \"etc/x\" is no absolute path");
    refused("files: [{path: /a/../b, text: a}]\n", "no absolute path inside the image");
    refused("files: [{path: /a}]\n", "my.yaml:1:9: files: each needs a path and a text");
    refused("command: run\n", "my.yaml:1:10: command: expected a list of words");
    refused("timeout: soon\n", "my.yaml:1:10: timeout");
    refused("server: {command: [x], ready: {port: 70000}}\n", "my.yaml:1:38: port");
    refused("params: {n: {}}\n", "my.yaml:1:10: parameter n: no default");
    refused("params: {n: {default: x}}\n", "my.yaml:1:23: ");
    refused("params: {n: {default: 3, max: 2}}\n", "3 is not within");
    refused(LEAST "metrics: [{name: a, regex: '(a', unit: u}]\n", "my.yaml:5:28: regex: ");
    refused(LEAST "metrics: [{name: a, regex: 'a', unit: u}]\n", "no group");
    refused(LEAST "metrics: [{name: a, regex: '(a)\\1', unit: u}]\n", "back-references");
    refused(LEAST "metrics: [{name: a, regex: '(((a{90}){90}){90})', unit: u}]\n", "too much");
    refused(LEAST "metrics: [{name: a, regex: '(a)'}]\n", "metric a: no unit");
    refused(LEAST "metrics: [{name: a, unit: u}]\n", "expected one of regex, json, wall");
    refused(LEAST "metrics: [{name: a, wall: yes}, {name: a, wall: yes}]\n", "is there twice");
    refused("name: a\nimage: {dir: /x}\nmetrics: [{name: a, wall: yes}]\n", "has a command");
    refused("name: a\nimage: {dir: /x}\ncommand: [\"${m}\"]\n" METRIC,
            "my.yaml:3:11: \"${m}\" names no parameter of this application, which has none");
    refused("name: a\nimage: {dir: /x}\nparams: {n: {default: 1}, t: {default: 2}}\n"
            "command: [run]\nfiles:\n  - {path: /f, text: \"n=${n} ${k}\"}\n" METRIC,
            "my.yaml:6:22: \"${k}\" names no parameter of this application; there are: n, t");
    refused("name: a\nimage: {dir: /x}\nparams: {n: {default: 1}}\ncommand: [\"${n.ms}\"]\n" METRIC,
            "my.yaml:4:11: \"${n.ms}\" names no parameter");
    refused("name: a\nimage: {dir: /x}\ncommand: [run]\nenv:\n  A: \"${open\"\n" METRIC,
            "my.yaml:5:6: \"${open\" names no");
    refused(LEAST "metrics: [{name: a, regex: '(a)', json: b, unit: u}]\n",
            "my.yaml:5:41: metrics: one of regex, json, wall, not several");
    refused(LEAST "metrics: [{name: a, json: b, wall: yes}]\n", "one of regex, json, wall, not");
    refused(LEAST METRIC "inputs: [{name: c, param: n}]\n", "is no text parameter");
}

static json_t *spec_of(const struct cell *c)
{
    _cleanup_(str_release) struct str text = STR_INIT;
    assert_ok(app_spec(c, &text, err));
    json_t *o = json_loads(text.buf, 0, NULL);
    assert_non_null(o);
    return o;
}

static void test_spec(void **state)
{
    struct app *a = parse(
        "name: a\nimage: {dir: /x}\nenv: {SIZE: \"${size}\"}\nfiles:\n"
        "  - {path: /etc/f, text: \"t=${time} ${time.ms} $x ${n}\", mode: \"0600\"}\n"
        "params:\n  n: {default: 3}\n  size: {kind: size, default: 1M}\n"
        "  time: {kind: duration, default: 1500ms}\n  t: {kind: text, default: 'a \"b\"'}\n"
        "server: {command: [s, \"${t}\"], ready: {port: 80}, timeout: 3s}\n"
        "setup: [{command: [p], timeout: 2s}]\ncommand: [run, \"-${n}-\"]\ntimeout: 4s\n" METRIC);
    struct cell c;
    app_cell(a, 0, &c);
    params_set_num(&c.params, "n", 7);
    json_t *o = spec_of(&c), *command = json_object_get(o, "command");
    json_t *file = json_array_get(json_object_get(o, "files"), 0);
    json_t *server = json_object_get(o, "server");
    assert_string_equal(json_string_value(json_object_get(file, "text")), "t=2 1500 $x 7");
    assert_int_equal(json_integer_value(json_object_get(file, "mode")), 0600);
    assert_string_equal(json_string_value(json_array_get(json_object_get(command, "argv"), 1)),
                        "-7-");
    assert_string_equal(json_string_value(json_array_get(json_object_get(command, "env"), 0)),
                        "SIZE=1048576");
    assert_int_equal(json_integer_value(json_object_get(command, "timeout_ns")), 4000000000);
    assert_string_equal(json_string_value(json_array_get(json_object_get(server, "argv"), 1)),
                        "a \"b\"");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(server, "ready"), "tcp")),
                     80);
    assert_true(app_prepare_timeout_ns(&c) >= UINT64_C(5000000000));
    assert_int_equal(app_command_timeout_ns(&c), 4000000000);
    json_decref(o);
    app_unref(a);
}

/* What says nothing of its own takes the application's; what does keeps it. */
static void test_timeouts(void **state)
{
    struct app *a = parse("name: a\nimage: {dir: /x}\ncommand: [run]\nmetrics:\n"
                          "  - {name: x, wall: yes, command: [own], setup: [{command: [p]}]}\n"
                          "  - {name: y, wall: yes, command: [own], timeout: 3s}\n"
                          "  - {name: z, unit: ms, better: higher, wall: yes, timeout: 2s}\n"
                          "timeout: 300s\n");
    struct cell x, y, z;
    app_cell(a, 2, &z);
    assert_int_equal(app_command_timeout_ns(&z), UINT64_C(2000000000));
    json_t *o = spec_of(&z), *argv = json_object_get(json_object_get(o, "command"), "argv");
    assert_string_equal(json_string_value(json_array_get(argv, 0)), "run");
    json_decref(o);
    assert_string_equal(z.unit, "ms");
    assert_int_equal(z.better, BETTER_HIGHER);
    app_cell(a, 0, &x);
    app_cell(a, 1, &y);
    assert_int_equal(app_command_timeout_ns(&x), UINT64_C(300000000000));
    assert_int_equal(app_command_timeout_ns(&y), UINT64_C(3000000000));
    assert_true(app_prepare_timeout_ns(&x) >= UINT64_C(300000000000));
    app_unref(a);
}

static double value(const char *metric, const char *output, uint64_t wall_ns)
{
    _cleanup_free_ char *text = xasprintf(LEAST "metrics: [{name: a, %s}]\n", metric);
    struct app *a = parse(text);
    struct cell c;
    double v = NAN;
    struct err why = ERR_INIT;
    app_cell(a, 0, &c);
    if (app_value(&c, output, wall_ns, &v, &why) < 0) {
        assert_int_equal(why.kind, ERR_MEASUREMENT);
        assert_true(str_starts(why.msg, "a: "));
        v = NAN;
    }
    app_unref(a);
    return v;
}

static void test_values(void **state)
{
    const char *rate = "regex: '^rate: +([0-9.]+)', unit: r/s, scale: 2";
    assert_true(value(rate, "warm-up\nrate:  12.5 per second\n", 1) == 25);
    assert_true(isnan(value(rate, "", 1)));
    assert_true(isnan(value(rate, "the rate: 3\n", 1)));
    assert_true(isnan(value(rate, "rate: 0\n", 1)));
    assert_true(isnan(value(rate, "rate: 1.2.3\n", 1)));
    assert_true(isnan(value("regex: '(.*)', unit: u", "nan\n", 1)));
    assert_true(isnan(value("regex: '(.*)', unit: u", "-3\n", 1)));
    const char *json = "json: 'jobs[1].write.bw', unit: B/s";
    assert_true(value(json, "note\n{\"jobs\": [{}, {\"write\": {\"bw\": 4.5}}]}\nmore", 1) == 4.5);
    assert_true(isnan(value(json, "{\"jobs\": [{}]}", 1)));
    assert_true(isnan(value(json, "no JSON", 1)));
    assert_true(value("wall: yes", "whatever", 1500000000) == 1.5);
}

/* Those that come with cupel, and a plan made of them that reads back. */
static char *builtin_dir(void)
{
    const char *root = getenv("CUPEL_SOURCE_ROOT");
    return xasprintf("%s/workloads", root ? root : ".");
}

/* What a declaration that came with cupel reads out of what its tool prints. */
static double builtin_value(const char *name, size_t metric, const char *output)
{
    _cleanup_free_ char *dir = builtin_dir(), *path = xasprintf("%s/%s.yaml", dir, name);
    _cleanup_(str_release) struct str yaml = STR_INIT;
    struct app *a = NULL;
    struct cell c;
    double v = NAN;
    assert_ok(file_read(path, 65536, &yaml, err));
    assert_ok(app_parse(yaml.buf, yaml.len, path, &a, err));
    app_cell(a, metric, &c);
    assert_ok(app_value(&c, output, 1, &v, err));
    app_unref(a);
    return v;
}

static void test_builtin_values(void **state)
{
    assert_float_equal(builtin_value("dav1d", 0,
                                     "dav1d 1.0.0 - by VideoLAN\n"
                                     "Decoded 1/100 frames (1.0%) - 43.10/25.00 fps (1.72x)\n"
                                     "Decoded 99/100 frames (99.0%) - 86.90/25.00 fps (3.48x)\n"
                                     "Decoded 100/100 frames (100.0%) - 87.25/25.00 fps (3.49x)\n"),
                       87.25, 1e-9);
    static const char ram[] =
        "INTEGER   Copy:      9000.00 MB/s\nINTEGER   Scale:     8000.00 MB/s\n"
        "INTEGER   AVERAGE:   8500.00 MB/s\n\n"
        "INTEGER BatchRun   Copy:      9100.50 MB/s\n"
        "INTEGER BatchRun   Scale:     8100.25 MB/s\n";
    assert_float_equal(builtin_value("ramspeed-tool", 0, ram), 9100.5, 1e-9);
    assert_float_equal(builtin_value("ramspeed-tool", 1, ram), 8100.25, 1e-9);
    assert_float_equal(
        builtin_value(
            "xlinpack-tool", 0,
            "Size   LDA    Align. Time(s)    GFlops   Residual     Residual(norm) Check\n"
            "5000   5008   4      1.095      76.1555  2.581643e-11 3.599893e-02   pass\n\n"
            "Performance Summary (GFlops)\n\nSize   LDA    Align.  Average  Maximal\n"
            "5000   5008   4       77.2000  78.0100 \n\nResidual checks PASSED\n"),
        77.2, 1e-9);
}

static void test_builtin(void **state)
{
    _cleanup_free_ char *dir = builtin_dir();
    _cleanup_(plan_release) struct plan p;
    _cleanup_(str_release) struct str text = STR_INIT, again = STR_INIT;
    size_t n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    plan_init(&p);
    for (struct dirent *e; (e = readdir(d));) {
        _cleanup_(str_release) struct str yaml = STR_INIT;
        _cleanup_free_ char *path = xasprintf("%s/%s", dir, e->d_name);
        struct app *a = NULL;
        if (!str_ends(e->d_name, ".yaml"))
            continue;
        assert_ok(file_read(path, 65536, &yaml, err));
        assert_ok(app_parse(yaml.buf, yaml.len, path, &a, err));
        plan_know_app(&p, a);
        assert_ok(plan_add_cells(&p, a->name, err));
        app_unref(a);
        n++;
    }
    closedir(d);
    assert_true(n >= 8 && p.cells.n > n);
    assert_ok(plan_format(&p, &text, err));
    struct plan back;
    assert_ok(plan_parse(text.buf, text.len, "plan", NULL, 0, NULL, &back, err));
    assert_true(plan_equal(&p, &back));
    assert_ok(plan_format(&back, &again, err));
    assert_string_equal(text.buf, again.buf);
    plan_release(&back);
}

static void test_selection(void **state)
{
    _cleanup_(plan_release) struct plan p;
    struct app *a =
        parse("name: web\naliases: [www]\nsuites: [paper]\nimage: {dir: /x}\n"
              "command: [wrk]\nmetrics: [{name: rate, wall: yes}, {name: x, wall: yes}]\n");
    plan_init(&p);
    plan_know_app(&p, a);
    app_unref(a);
    assert_ok(plan_add_cells(&p, "web.rate", err));
    assert_int_equal(p.cells.n, 1);
    assert_ok(plan_add_cells(&p, "www", err));
    assert_int_equal(p.cells.n, 2);
    assert_fails(plan_add_cells(&p, "web.rat", err), ENOENT, "did you mean web.rate?");
    p.cells.n = 0;
    assert_ok(plan_add_cells(&p, "iozone", err));
    assert_true(p.cells.n > 0 && str_starts(p.cells.v[0].name, "disk."));
    p.cells.n = 0;
    assert_ok(plan_add_suite(&p, "paper", err));
    assert_true(str_eq(p.cells.v[p.cells.n - 1].name, "web.x"));
}

/* A declaration of the user's has its name, whatever the catalogue calls so. */
static void test_own_names(void **state)
{
    _cleanup_(plan_release) struct plan p;
    struct app *a = parse("name: iozone\nimage: {dir: /x}\ncommand: [w]\n"
                          "metrics: [{name: iozone, wall: yes}]\n");
    struct app *b = parse("name: cpu\nimage: {dir: /x}\ncommand: [w]\n"
                          "metrics: [{name: cpu, wall: yes}]\n");
    plan_init(&p);
    plan_know_app(&p, a);
    plan_know_app(&p, b);
    app_unref(a);
    app_unref(b);
    assert_ok(plan_add_cells(&p, "iozone", err));
    assert_ok(plan_add_cells(&p, "cpu", err));
    assert_int_equal(p.cells.n, 2);
    assert_string_equal(p.cells.v[0].name, "iozone");
    assert_string_equal(p.cells.v[1].name, "cpu");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells),     cmocka_unit_test(test_complaints),
        cmocka_unit_test(test_spec),      cmocka_unit_test(test_values),
        cmocka_unit_test(test_builtin),   cmocka_unit_test(test_selection),
        cmocka_unit_test(test_timeouts),  cmocka_unit_test(test_builtin_values),
        cmocka_unit_test(test_own_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
