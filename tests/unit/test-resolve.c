#include "unit.h"

#include "measure/network.h"

#include <errno.h>

#define MIB (UINT64_C(1) << 20)

/* A course that goes no further than to know its machine. */
struct resolving {
    struct machine machine;
    struct measure_options o;
    struct course c;
    struct slot slots[2];
};

static void begin(struct resolving *x, unsigned cpus, const char *const *cells)
{
    *x = (struct resolving){.machine = {.llc_bytes = 32 * MIB, .available_bytes = 16384 * MIB}};
    x->o.machine = &x->machine;
    x->c.o = &x->o;
    x->c.slots = x->slots;
    x->c.n_targets = 2;
    run_head_init(&x->c.head);
    for (; *cells; cells++)
        assert_ok(plan_add_cells(&x->c.head.plan, *cells, err));
    x->c.n_cells = x->c.head.plan.cells.n;
    x->c.cell_cpus = xcalloc(x->c.n_cells, sizeof(cpu_set_t));
    x->c.peer_cpus = xcalloc(x->c.n_cells, sizeof(cpu_set_t));
    x->c.impossible = xcalloc(x->c.n_cells, sizeof(bool));
    x->c.launches = xcalloc(x->c.n_cells, sizeof(struct launch));
    for (size_t t = 0; t < 2; t++)
        x->slots[t].pairs = xcalloc(x->c.n_cells, sizeof(struct pair));
    CPU_ZERO(&x->c.site.cpus);
    for (unsigned i = 0; i < cpus; i++)
        CPU_SET(2 * i + 1, &x->c.site.cpus); /* 1, 3, 5 ... */
}

static void end(struct resolving *x)
{
    for (size_t t = 0; t < 2; t++)
        free(x->slots[t].pairs);
    free(x->c.cell_cpus);
    free(x->c.peer_cpus);
    free(x->c.launches);
    free(x->c.impossible);
    run_head_release(&x->c.head);
}

static const struct param *array_bytes(const struct resolving *x)
{
    const struct params *p = &x->c.head.plan.cells.v[0].params;

    for (size_t i = 0; i < p->n; i++)
        if (str_eq(p->v[i].name, "array_bytes"))
            return &p->v[i];
    return NULL;
}

/* Size of an array of mem.triad on a machine with this cache and memory. */
static int64_t arrays(uint64_t llc, uint64_t available, uint64_t limit)
{
    static const char *const cells[] = {"mem.triad", NULL};
    struct resolving x;
    int64_t bytes;

    begin(&x, 2, cells);
    x.machine.llc_bytes = llc;
    x.machine.available_bytes = available;
    x.c.head.plan.limits.memory_bytes = limit;
    assert_true(array_bytes(&x)->is_auto);
    assert_ok(resolve_cells(&x.c, err));
    assert_false(array_bytes(&x)->is_auto);
    bytes = array_bytes(&x)->num;
    end(&x);
    return bytes;
}

static void arrays_fit_cache_and_memory(void **state)
{
    (void)state;
    assert_int_equal(arrays(32 * MIB, 16384 * MIB, 0), 64 * MIB);    /* twice the cache */
    assert_int_equal(arrays(0, 16384 * MIB, 0), 64 * MIB);           /* unknown: a large one */
    assert_int_equal(arrays(1 * MIB, 16384 * MIB, 0), 16 * MIB);     /* never tiny */
    assert_int_equal(arrays(1024 * MIB, 16384 * MIB, 0), 256 * MIB); /* never huge */
    assert_int_equal(arrays(32 * MIB, 240 * MIB, 0), 20 * MIB);      /* 3 arrays, 2 targets, half */
    assert_int_equal(arrays(32 * MIB, 16384 * MIB, 96 * MIB), 16 * MIB); /* half of the limit */
    assert_int_equal(arrays(33 * MIB, 16384 * MIB, 0), 66 * MIB);        /* whole huge pages */
}

static void too_little_memory_is_said(void **state)
{
    static const char *const cells[] = {"mem.triad", NULL};
    struct resolving x;

    (void)state;
    begin(&x, 2, cells);
    x.machine.available_bytes = 16 * MIB;
    assert_fails(resolve_cells(&x.c, err), ENOMEM, "mem.triad: too little memory");
    end(&x);
}

static void given_sizes_stay(void **state)
{
    static const char *const cells[] = {"mem.triad", NULL};
    struct resolving x;

    (void)state;
    begin(&x, 2, cells);
    assert_ok(cells_apply_param(x.c.head.plan.cells.v, 1, "array_bytes=24M", err));
    assert_ok(resolve_cells(&x.c, err));
    assert_int_equal(array_bytes(&x)->num, 24 * MIB);
    end(&x);
}

static void cpus_come_from_the_end(void **state)
{
    static const char *const cells[] = {"cpu.prime", "cpu.prime@all", "ipc.switch@cross", NULL};
    struct resolving x;

    (void)state;
    begin(&x, 3, cells);
    assert_ok(resolve_cells(&x.c, err));
    assert_int_equal(CPU_COUNT(&x.c.cell_cpus[0]), 1);
    assert_true(CPU_ISSET(5, &x.c.cell_cpus[0]));
    assert_int_equal(x.c.head.plan.cells.v[0].workers, 1);
    assert_true(CPU_EQUAL(&x.c.cell_cpus[1], &x.c.site.cpus));
    assert_int_equal(x.c.head.plan.cells.v[1].workers, 3);
    assert_int_equal(CPU_COUNT(&x.c.cell_cpus[2]), 2);
    assert_true(CPU_ISSET(5, &x.c.cell_cpus[2]) && CPU_ISSET(3, &x.c.cell_cpus[2]));
    end(&x);
}

static void client_and_server_have_a_cpu_each(void **state)
{
    static const char *const cells[] = {"net.tcp_rr", "net.tcp_rr@same", NULL};
    struct resolving x;

    (void)state;
    begin(&x, 3, cells);
    assert_ok(resolve_cells(&x.c, err));
    assert_int_equal(CPU_COUNT(&x.c.cell_cpus[0]), 1);
    assert_int_equal(CPU_COUNT(&x.c.peer_cpus[0]), 1);
    assert_true(CPU_ISSET(5, &x.c.cell_cpus[0]) && CPU_ISSET(3, &x.c.peer_cpus[0]));
    assert_true(CPU_ISSET(5, &x.c.cell_cpus[1]) && CPU_ISSET(5, &x.c.peer_cpus[1]));
    assert_int_equal(CPU_COUNT(&x.c.peer_cpus[1]), 1);
    end(&x);
}

static bool share(const char *name, const char *assignment, const char *other)
{
    struct cell a, b;

    cell_from_def(cell_def_find(name), &a);
    cell_from_def(cell_def_find(other), &b);
    assert_ok(cells_apply_param(&a, 1, assignment, err));
    assert_int_equal(network_shared(&a, &b), network_shared(&b, &a));
    return network_shared(&a, &b);
}

static void cells_of_one_network_share_it(void **state)
{
    (void)state;
    assert_true(share("net.tcp_rr", "request=100", "net.http_bw@same"));
    assert_false(share("net.tcp_rr", "peer=target", "net.http_bw"));
    assert_false(share("net.tcp_rr", "stack=host", "net.http_bw"));
    assert_false(share("net.tcp_rr", "delay=1ms", "net.http_bw"));
    assert_false(share("net.tcp_rr", "loss=1%", "net.http_bw"));
    assert_false(share("net.tcp_rr", "mtu=9000", "net.http_bw"));
    assert_false(share("net.tcp_rr", "request=100", "net.tcp_stream@1gbit"));
    assert_true(share("net.tcp_rr", "wire=1gbit", "net.tcp_stream@1gbit"));
    assert_false(share("cpu.prime", "limit=100", "net.tcp_rr"));
    assert_false(share("cpu.prime", "limit=100", "cpu.prime"));
}

/* On one CPU a cell that needs two is given up with its reason, and the others are measured. */
static void one_cpu_gives_up_what_needs_two(void **state)
{
    static const char *const cells[] = {"cpu.prime", "ipc.switch@cross", NULL};
    struct resolving x;

    (void)state;
    begin(&x, 1, cells);
    assert_ok(resolve_cells(&x.c, err));
    for (size_t t = 0; t < 2; t++) {
        assert_false(course_pair(&x.c, t, 0)->given_up);
        assert_true(course_pair(&x.c, t, 1)->given_up);
        assert_int_equal(course_pair(&x.c, t, 1)->why.kind, ERR_UNSUPPORTED);
        assert_non_null(strstr(course_pair(&x.c, t, 1)->why.msg, "two CPUs"));
    }
    end(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_fit_cache_and_memory),
        cmocka_unit_test(too_little_memory_is_said),
        cmocka_unit_test(given_sizes_stay),
        cmocka_unit_test(cpus_come_from_the_end),
        cmocka_unit_test(client_and_server_have_a_cpu_each),
        cmocka_unit_test(cells_of_one_network_share_it),
        cmocka_unit_test(one_cpu_gives_up_what_needs_two),
    };

    return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
