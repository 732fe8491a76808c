#include "unit.h"

#include "base/cleanup.h"
#include "base/loop.h"
#include "base/spawn.h"
#include "base/str.h"
#include "base/time.h"
#include "model/workload.h"

#include <errno.h>
#include <math.h>

static bool good_text(const char *s)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < n; i++)
        if (s[i] < 0x20 || s[i] > 0x7e)
            return false;
    return n > 0 && n < 80;
}

static void workloads_are_sound(void **state)
{
    for (size_t i = 0; i < workload_count(); i++) {
        const struct workload *w = workload_at(i);
        size_t family = strlen(w->family);
        assert_true(str_starts(w->name, w->family) && strchr(".", w->name[family]));
        assert_ptr_equal(workload_find(w->name), w);
        assert_true(good_text(w->title) && good_text(w->op));
        assert_true(w->n_params < PARAMS_MAX);
        for (size_t k = 0; k < w->n_params; k++) {
            const struct param_def *d = &w->params[k];
            assert_true(strlen(d->name) < PARAM_NAME_MAX && good_text(d->help));
            assert_ptr_equal(workload_param(w, d->name), d);
            struct params p = {.n = 0};
            assert_ok(params_set(&p, d, d->fallback, err));
        }
        bool has_cell = false;
        for (size_t k = 0; k < cell_def_count(); k++)
            has_cell = has_cell || str_eq(cell_def_at(k)->workload, w->name);
        if (!has_cell)
            fail_msg("%s has no cell", w->name);
    }
    assert_null(workload_at(workload_count()));
    assert_null(workload_find("cpu"));
    assert_null(workload_find("unknown"));
}

static void cells_are_sound(void **state)
{
    for (size_t i = 0; i < cell_def_count(); i++) {
        const struct cell_def *d = cell_def_at(i);
        char name[CELL_NAME_MAX];
        struct cell c;
        cell_def_name(d, name);
        assert_true(strlen(name) < 24); /* stands in the first column of tables */
        assert_ptr_equal(cell_def_find(name), d);
        const struct workload *w = workload_find(d->workload);
        assert_true(d->suites & SUITE_MICRO || w->grain == GRAIN_WHOLE || w->network);
        assert_true(!d->worker_per_cpu || d->cpus == CPUS_ALL);
        cell_from_def(d, &c);
        assert_string_equal(c.name, name);
        assert_string_equal(c.workload->name, d->workload);
        assert_int_equal(c.params.n, c.workload->n_params);
        assert_int_equal(c.workers, d->copies ? d->copies : d->worker_per_cpu ? 0 : 1);
        assert_true(!d->copies || !d->worker_per_cpu);
        if (c.grain == GRAIN_WHOLE)
            assert_false(d->suites & (SUITE_QUICK | SUITE_MICRO));
    }
    assert_null(cell_def_at(cell_def_count()));
    assert_null(cell_def_find("cpu.prime@al"));
}

static void presets(void **state)
{
    struct cell c;
    cell_from_def(cell_def_find("mem.triad@all-nt"), &c);
    assert_string_equal(params_text(&c.params, "stores", ""), "nt");
    assert_true(params_find(&c.params, "array_bytes")->is_auto);
    assert_true(cell_def_presets(cell_def_find("mem.triad@nt"), "stores"));
    assert_false(cell_def_presets(cell_def_find("mem.triad@nt"), "pages"));
    assert_false(cell_def_presets(cell_def_find("mem.triad"), "stores"));
}

struct picked {
    size_t n;
    char first[CELL_NAME_MAX], last[CELL_NAME_MAX];
};

static void pick(void *user, const struct cell_def *d)
{
    struct picked *p = user;
    if (p->n++ == 0)
        cell_def_name(d, p->first);
    cell_def_name(d, p->last);
}

static void assert_picks(const char *pattern, size_t n, const char *first, const char *last)
{
    struct picked p = {.n = 0};
    assert_ok(cells_select(pattern, pick, &p, err));
    assert_int_equal(p.n, n);
    assert_string_equal(p.first, first);
    assert_string_equal(p.last, last);
}

static void select_cells(void **state)
{
    struct picked p = {.n = 0};
    assert_picks("cpu.prime", 1, "cpu.prime", "cpu.prime");
    assert_picks("cpu.prime@all", 1, "cpu.prime@all", "cpu.prime@all");
    assert_picks("cpu.prime*", 2, "cpu.prime", "cpu.prime@all");
    assert_picks("sys.getpid@*", 2, "sys.getpid@wide", "sys.getpid@all");
    assert_picks("fs.open", 3, "fs.open@rootfs", "fs.open@bind");
    assert_picks("fs", 6, "fs.open@rootfs", "fs.create@bind");
    assert_picks("fs.*", 6, "fs.open@rootfs", "fs.create@bind");
    assert_picks("fs*@tmpfs", 2, "fs.open@tmpfs", "fs.create@tmpfs");
    assert_picks("disk.read", 9, "disk.read@rootfs-4k", "disk.read@bind-1m");
    assert_picks("iozone", 36, "disk.write@rootfs-4k", "disk.reread@bind-1m");
    assert_picks("*@*-64k", 12, "disk.write@rootfs-64k", "disk.reread@bind-64k");
    assert_picks("unixbench.mix", 2, "unixbench.mix@1", "unixbench.mix@4");
    assert_picks("*@tmpfs", 5, "fs.open@tmpfs", "sqlite@tmpfs");
    assert_picks("net", 17, "net.tcp_stream", "net.http_bw@same");
    assert_picks("net.tcp_stream*", 5, "net.tcp_stream", "net.tcp_stream@same");
    assert_picks("linpack", 1, "linpack", "linpack");
    assert_picks("sqlite", 4, "sqlite@rootfs", "sqlite@rootfs-indexed");
    assert_picks("*", cell_def_count(), "cpu.prime", "call.timer");
    assert_fails(cells_select("sys.getpit", pick, &p, err), ENOENT,
                 "no workload \"sys.getpit\"; did you mean sys.getpid?");
    assert_fails(cells_select("fs.open@tmps", pick, &p, err), ENOENT,
                 "did you mean fs.open@tmpfs?");
    assert_fails(cells_select("quite another thing", pick, &p, err), ENOENT, "cupel workloads");
    assert_fails(cells_select("", pick, &p, err), ENOENT, "no workload");
    assert_fails(cells_select("[", pick, &p, err), ENOENT, "no workload");
    assert_int_equal(p.n, 0);
}

static void apply(void **state)
{
    struct cell c[3];
    cell_from_def(cell_def_find("mem.triad"), &c[0]);
    cell_from_def(cell_def_find("mem.triad@nt"), &c[1]);
    cell_from_def(cell_def_find("fs.open@bind"), &c[2]);
    assert_ok(cells_apply_param(c, 3, "array_bytes=8M", err));
    assert_int_equal(params_num(&c[0].params, "array_bytes", 0), 8 << 20);
    assert_int_equal(params_num(&c[1].params, "array_bytes", 0), 8 << 20);
    assert_int_equal(c[2].params.n, c[2].workload->n_params);
    assert_ok(cells_apply_param(c, 2, "stores=plain", err));
    assert_string_equal(params_text(&c[1].params, "stores", ""), "nt");
    assert_fails(cells_apply_param(&c[1], 1, "stores=plain", err), EINVAL, "fix parameter");
    assert_fails(cells_apply_param(c, 3, "array_byte=8M", err), ENOENT,
                 "did you mean array_bytes?");
    assert_fails(cells_apply_param(c, 3, "limit=8", err), ENOENT, "no selected workload");
    assert_fails(cells_apply_param(c, 3, "array_bytes", err), EINVAL, "expected name=value");
    assert_fails(cells_apply_param(c, 3, "=8", err), EINVAL, "expected name=value");
    assert_fails(cells_apply_param(c, 3, "array_bytes=8X", err), EINVAL,
                 "mem.triad: array_bytes: '8X'");
    assert_fails(cells_apply_param(c, 0, "array_bytes=8M", err), ENOENT, "no selected workload");
    assert_ok(cells_apply_param(c, 3, "grain=whole", err));
    assert_int_equal(c[2].grain, GRAIN_WHOLE);
    assert_fails(cells_apply_param(c, 3, "grain=half", err), EINVAL, "neither slice nor whole");
    assert_int_equal(c[0].grain, GRAIN_WHOLE);
    assert_int_equal(params_num(&c[0].params, "array_bytes", 0), 8 << 20);
}

/* Rates are of the bytes that an operation really moves. */
static void bytes_of_an_operation(void **state)
{
    struct cell c;
    cell_from_def(cell_def_find("net.tcp_stream@4"), &c);
    assert_true(cell_bytes_per_op(&c) == 16384);
    assert_ok(cells_apply_param(&c, 1, "bytes=64k", err));
    assert_true(cell_bytes_per_op(&c) == 65536);
    assert_fails(cells_apply_param(&c, 1, "streams=2", err), EINVAL, "fix parameter");
    cell_from_def(cell_def_find("net.tcp_stream@1gbit"), &c);
    assert_int_equal(params_num(&c.params, NET_WIRE, 0), 1000000000);
    cell_from_def(cell_def_find("mem.triad"), &c);
    assert_true(cell_bytes_per_op(&c) == 3 << 20);
    cell_from_def(cell_def_find("sys.getpid"), &c);
    assert_true(cell_bytes_per_op(&c) == 0);
}

/* A peer on another machine, and what fits to it. */
static void peers_on_machines(void **state)
{
    static const char *const alone[] = {"peer=remote", "machine=there", "port=7000"};
    struct cell c;
    for (size_t i = 0; i < ARRAY_SIZE(alone); i++) {
        cell_from_def(cell_def_find("net.tcp_rr"), &c);
        assert_ok(cells_check_network(&c, 1, err));
        assert_ok(cells_apply_param(&c, 1, alone[i], err));
        assert_fails(cells_check_network(&c, 1, err), EINVAL, "--peer user@machine");
    }
    cell_from_def(cell_def_find("net.tcp_rr"), &c);
    assert_ok(cells_apply_param(&c, 1, "peer=remote", err));
    assert_ok(cells_apply_param(&c, 1, "machine=me@there", err));
    assert_ok(cells_apply_param(&c, 1, "port=7000", err));
    assert_ok(cells_check_network(&c, 1, err));
    assert_ok(cells_apply_param(&c, 1, "loss=1%", err));
    assert_fails(cells_check_network(&c, 1, err), EINVAL, "loss=");
    assert_ok(cells_apply_param(&c, 1, "loss=0%", err));
    assert_ok(cells_apply_param(&c, 1, "machine=-oProxyCommand=x", err));
    assert_fails(cells_check_network(&c, 1, err), EINVAL, "no machine");
}

static void suites(void **state)
{
    for (size_t i = 0; i < suite_count(); i++) {
        size_t n = 0;
        for (size_t k = 0; k < cell_def_count(); k++)
            n += (cell_def_at(k)->suites & suite_at(i)->bit) != 0;
        assert_true(n >= 3);
        assert_true(good_text(suite_at(i)->title));
        assert_ptr_equal(suite_find(suite_at(i)->name), suite_at(i));
        if (str_eq(suite_at(i)->name, "quick"))
            assert_true(n <= 16);
    }
    assert_null(suite_find("quik"));
    assert_null(suite_at(suite_count()));
}

static void enumerations(void **state)
{
    enum place p = PLACE_NONE;
    enum cpus_kind c = CPUS_ONE;
    enum grain g = GRAIN_WHOLE;
    assert_int_equal(place_parse("bind", &p), 0);
    assert_int_equal(p, PLACE_BIND);
    assert_int_equal(place_parse("bin", &p), -EINVAL);
    assert_int_equal(cpus_kind_parse("all", &c), 0);
    assert_int_equal(c, CPUS_ALL);
    assert_int_equal(cpus_kind_parse("", &c), -EINVAL);
    assert_int_equal(grain_parse("slice", &g), 0);
    assert_int_equal(g, GRAIN_SLICE);
    assert_int_equal(grain_parse("slices", &g), -EINVAL);
    assert_string_equal(place_name(PLACE_TMPFS), "tmpfs");
    assert_string_equal(cpus_kind_name(CPUS_TWO), "two");
    assert_string_equal(grain_name(GRAIN_WHOLE), "whole");
    assert_string_equal(better_name(BETTER_HIGHER), "higher");
}

static void whole_cells(void **state)
{
    struct cell c;
    cell_from_def(cell_def_find("unixbench.mix@4"), &c);
    assert_int_equal(c.workers, 4);
    assert_string_equal(c.workload->exec, "sys.mix");
    assert_int_equal(params_num(&c.params, c.workload->time_param, 0), 10 * NS_PER_S);
    cell_from_def(cell_def_find("disk.reread@tmpfs-1m"), &c);
    assert_int_equal(c.workers, 1);
    assert_int_equal(params_num(&c.params, "record", 0), 1 << 20);
    assert_true(params_find(&c.params, "size")->is_auto);
    assert_string_equal(params_text(&c.params, "sync", ""), "in");
    assert_string_equal(c.workload->metric, "reread");
    cell_from_def(cell_def_find("ramspeed.add@float"), &c);
    assert_int_equal(c.workers, 2);
    assert_int_equal(c.workload->whole_ops(&c.params), 8192);
    assert_string_equal(params_text(&c.params, "elements", ""), "float");
    cell_from_def(cell_def_find("blogbench.read@rootfs"), &c);
    assert_string_equal(c.workload->exec, "blogbench");
    assert_int_equal(params_num(&c.params, "readers", 0), 10);
}

/* Does the catalogue have a workload of this program that executes name? Applications, which are
 * not of the catalogue, are executed by one that is in the probe alone, and so is what the peer of
 * a network workload does. */
static bool executes(enum program program, const char *name)
{
    if (program == PROGRAM_PROBE && (str_eq(name, "app.run") || str_eq(name, NET_SERVE)))
        return true;
    for (size_t i = 0; i < workload_count(); i++) {
        const struct workload *w = workload_at(i);
        if (w->program == program && str_eq(w->exec ? w->exec : w->name, name))
            return true;
    }
    return false;
}

static bool lists(const char *text, const char *name)
{
    for (size_t n; *text; text += n + (text[n] == '\n')) {
        n = strcspn(text, "\n");
        if (n == strlen(name) && strncmp(text, name, n) == 0)
            return true;
    }
    return false;
}

/* What each workload of the catalogue executes is in its program's list, and the other way round.
 */
static void assert_same_as(enum program program, const char *path)
{
    struct loop *loop = NULL;
    _cleanup_(str_release) struct str out = STR_INIT;
    const char *const argv[] = {path, "--list", NULL};
    assert_ok(loop_new(&loop, err));
    assert_ok(spawn_simple(loop, argv, time_deadline(10 * NS_PER_S), &out, err));
    loop_free(loop);
    for (size_t i = 0; i < workload_count(); i++) {
        const struct workload *w = workload_at(i);
        const char *exec = w->exec ? w->exec : w->name;
        if (w->program == program && !w->experiment && !lists(out.buf, exec))
            fail_msg("the catalogue has %s, %s has no %s", w->name, path, exec);
    }
    for (char *line = out.buf, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        if (!executes(program, line))
            fail_msg("%s has %s, the catalogue has not", path, line);
    }
}

static void same_as_the_probe(void **state)
{
    assert_same_as(PROGRAM_PROBE, CUPEL_PROBE_PATH);
}

static void same_as_linpack(void **state)
{
#ifdef CUPEL_LINPACK_PATH
    assert_same_as(PROGRAM_LINPACK, CUPEL_LINPACK_PATH);
#else
    print_message("# skipped: cupel-linpack is not built here\n");
    skip();
#endif
}

static void same_as_sqlite(void **state)
{
#ifdef CUPEL_SQLITE_PATH
    assert_same_as(PROGRAM_SQLITE, CUPEL_SQLITE_PATH);
#else
    print_message("# skipped: cupel-sqlite is not built here\n");
    skip();
#endif
}

static void whole_operations(void **state)
{
    struct cell c;
    cell_from_def(cell_def_find("linpack"), &c);
    assert_int_equal(c.workload->whole_ops(&c.params), 83383333333); /* 2/3 5000^3 + 2 5000^2 */
    params_set_num(&c.params, "n", 20000);
    assert_int_equal(c.workload->whole_ops(&c.params), 5334133333333);
    params_set_num(&c.params, "n", 100); /* 666666.67 + 20000 */
    assert_int_equal(c.workload->whole_ops(&c.params), 686667);
    cell_from_def(cell_def_find("sqlite@rootfs-indexed"), &c);
    assert_int_equal(c.workload->whole_ops(&c.params), 2500);
    assert_string_equal(params_text(&c.params, "indexed", ""), "yes");
    params_set_num(&c.params, "scripts", 3);
    assert_int_equal(c.workload->whole_ops(&c.params), 7500);
}

static double decode(double value, enum better better)
{
    uint64_t ops, ns;
    assert_int_equal(value_encode(value, better, &ops, &ns), 0);
    assert_true(ops > 0 && ns > 0 && ops < UINT64_C(1) << 50 && ns < UINT64_C(1) << 53);
    return better == BETTER_HIGHER ? 1e9 * (double)ops / (double)ns
                                   : (double)ns / (double)ops / 1e9;
}

static void values(void **state)
{
    static const double v[] = {2e-7, 1.23456789e-4, .0032, 1, 3.2, 93142.7, 8999999.5};
    for (size_t i = 0; i < ARRAY_SIZE(v); i++)
        for (enum better b = BETTER_LOWER; b <= BETTER_HIGHER; b++)
            if (fabs(decode(v[i], b) / v[i] - 1) > 1e-9)
                fail_msg("%g becomes %g", v[i], decode(v[i], b));
    assert_true(fabs(decode(1.23456789e12, BETTER_HIGHER) / 1.23456789e12 - 1) < 1e-9);
    assert_true(fabs(decode(1e-12, BETTER_LOWER) / 1e-12 - 1) < 1e-9);
    uint64_t ops = 7, ns = 7;
    static const double bad[] = {0, -1, INFINITY, NAN, 1e10};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(value_encode(bad[i], BETTER_LOWER, &ops, &ns), -ERANGE);
    assert_int_equal(value_encode(1e-9, BETTER_HIGHER, &ops, &ns), -ERANGE);
    assert_true(ops == 7 && ns == 7);
}

/* One execution serves the cells that ask for the same in every respect. */
static void where_aggressors_run(void **state)
{
    static const char *const drivers[] = {"host", "oci"};
    struct target t = {.label = "untouched"};
    struct cell c;
    cell_from_def(cell_def_find("cpu.prime"), &c);
    assert_int_equal(cell_aggressor(&c, drivers, 2, &t, NULL), 0);
    cell_from_def(cell_def_find("beside.cpu@prime"), &c);
    assert_int_equal(cell_aggressor(&c, drivers, 2, &t, NULL), 0);
    assert_string_equal(t.label, "untouched");
    assert_ok(cells_apply_param(&c, 1, "aggressor=g=oci:/opt/runsc:ptrace", err));
    assert_int_equal(cell_aggressor(&c, drivers, 2, &t, NULL), 1);
    assert_string_equal(t.label, "g");
    assert_string_equal(t.platform, "ptrace");
    assert_ok(cells_apply_param(&c, 1, "aggressor=a b", err));
    assert_fails(cell_aggressor(&c, drivers, 2, &t, err), EINVAL, "-p aggressor=a b: target");
}

static void shared_executions(void **state)
{
    static const struct workload read = {
        .name = "b.read", .family = "b", .grain = GRAIN_WHOLE, .exec = "b"};
    static const struct workload write = {
        .name = "b.write", .family = "b", .grain = GRAIN_WHOLE, .exec = "b"};
    struct cell a = {.workload = &read, .workers = 1}, b = {.workload = &write, .workers = 1};
    assert_string_equal(cell_exec(&a), "b");
    assert_true(cell_shares_execution(&a, &b));
    b.place = PLACE_TMPFS;
    assert_false(cell_shares_execution(&a, &b));
    b.place = PLACE_NONE;
    params_set_num(&b.params, "size", 1);
    assert_false(cell_shares_execution(&a, &b));
    struct cell sliced = {.workload = workload_find("sys.getpid")};
    assert_false(cell_shares_execution(&sliced, &sliced));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workloads_are_sound),
        cmocka_unit_test(cells_are_sound),
        cmocka_unit_test(presets),
        cmocka_unit_test(select_cells),
        cmocka_unit_test(apply),
        cmocka_unit_test(bytes_of_an_operation),
        cmocka_unit_test(suites),
        cmocka_unit_test(enumerations),
        cmocka_unit_test(whole_cells),
        cmocka_unit_test(values),
        cmocka_unit_test(where_aggressors_run),
        cmocka_unit_test(shared_executions),
        cmocka_unit_test(same_as_the_probe),
        cmocka_unit_test(same_as_linpack),
        cmocka_unit_test(same_as_sqlite),
        cmocka_unit_test(peers_on_machines),
        cmocka_unit_test(whole_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
