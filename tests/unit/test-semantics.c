/* Flags from the facts of a part: what an operation really did. */
#include "unit.h"

#include "analyse/analyse.h"
#include "analyse/semantics.h"

static struct sample sample_of(uint64_t ops, uint64_t ns)
{
    return (struct sample){.ops = ops, .ns = ns};
}

static struct part part_with(const char *facts, uint64_t ns)
{
    struct part p = {.outcome = OUTCOME_OK, .facts = facts ? xstrdup(facts) : NULL};

    VEC_PUSH(&p.samples, sample_of(1, ns));
    return p;
}

static unsigned flags(const char *cell_name, const char *facts, uint64_t ns, const char *base_facts,
                      uint64_t base_ns)
{
    struct cell cell = {.workload = workload_find(cell_name), .place = PLACE_ROOTFS};
    struct part p = part_with(facts, ns), base = part_with(base_facts, base_ns);

    if (str_starts(cell_name, "mem.") || str_starts(cell_name, "net."))
        cell.place = PLACE_NONE;
    unsigned f = semantics_of(&cell, &p, &base);
    part_release(&p);
    part_release(&base);
    return f;
}

static void test_memory_file_systems(void **state)
{
    const char *ext4 = "{\"fs_magic\": 61267}", *tmpfs = "{\"fs_magic\": 16914836}";

    assert_int_equal(flags("fs.open", ext4, 100, ext4, 100), 0);
    assert_int_equal(flags("fs.open", tmpfs, 100, ext4, 100), CELL_FLAG_MEMORY_FS);
    assert_int_equal(flags("fs.open", NULL, 100, NULL, 100), 0);
    assert_int_equal(flags("fs.open", "no JSON", 100, "[]", 100), 0);
    /* What a guest has and its host does not see is in the guest's memory. */
    assert_int_equal(flags("disk.write", "{\"on_host\": false}", 100, ext4, 100),
                     CELL_FLAG_MEMORY_FS);
    assert_int_equal(flags("disk.write", "{\"on_host\": true}", 100, ext4, 100), 0);
}

static void test_servers_that_limit(void **state)
{
    const char *limited = "{\"peer_busy\": 0.97, \"client_busy\": 0.6}";

    assert_int_equal(flags("net.tcp_stream", limited, 1, "{}", 1), CELL_FLAG_PEER);
    assert_int_equal(
        flags("net.tcp_stream", "{\"peer_busy\": 0.8, \"client_busy\": 0.6}", 1, limited, 1), 0);
    assert_int_equal(
        flags("net.tcp_stream", "{\"peer_busy\": 0.97, \"client_busy\": 0.95}", 1, limited, 1), 0);
    assert_int_equal(flags("net.tcp_stream", "{\"peer_busy\": 0.97}", 1, limited, 1), 0);
}

static void test_cold_reads(void **state)
{
    const char *cold = "{\"read\": 100, \"read_resident_mib\": 1}";
    const char *warm = "{\"read\": 100, \"read_resident_mib\": 30}";

    assert_int_equal(flags("disk.read", cold, 1, "{}", 1), 0);
    assert_int_equal(flags("disk.read", warm, 1, "{}", 1), CELL_FLAG_NOT_COLD);
    /* The others of the same execution were not meant to be. */
    assert_int_equal(flags("disk.reread", warm, 1, "{}", 1), 0);
    assert_int_equal(flags("disk.write", warm, 1, "{}", 1), 0);
}

static void test_warm_as_asked(void **state)
{
    struct cell cell = {.workload = workload_find("disk.read"), .place = PLACE_TMPFS};
    struct part p = part_with("{\"read\": 100, \"read_resident_mib\": 100}", 1);

    assert_int_equal(semantics_of(&cell, &p, &p), 0);
    cell.place = PLACE_ROOTFS;
    assert_int_equal(semantics_of(&cell, &p, &p), CELL_FLAG_NOT_COLD);
    struct param no = {.name = "cold", .is_text = true, .text = "no"};
    cell.params.v[cell.params.n++] = no;
    assert_int_equal(semantics_of(&cell, &p, &p), 0);
    part_release(&p);
}

static void test_syncs(void **state)
{
    assert_int_equal(flags("fs.create", "{\"syncs\": 10}", 60, "{\"syncs\": 10}", 100), 0);
    assert_int_equal(flags("fs.create", "{\"syncs\": 10}", 40, "{\"syncs\": 10}", 100),
                     CELL_FLAG_FSYNC);
    assert_int_equal(flags("fs.create", "{}", 40, "{}", 100), 0);
}

static void test_huge_pages(void **state)
{
    const char *all = "{\"huge_bytes\": 100, \"mapped_bytes\": 100}";
    const char *none = "{\"huge_bytes\": 0, \"mapped_bytes\": 100}";
    const char *unknown = "{\"huge_bytes\": -1, \"mapped_bytes\": 100}";

    assert_int_equal(flags("mem.triad", none, 1, all, 1), CELL_FLAG_HUGE_PAGES);
    assert_int_equal(flags("mem.triad", all, 1, all, 1), 0);
    assert_int_equal(flags("mem.triad", unknown, 1, all, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_file_systems),
        cmocka_unit_test(test_servers_that_limit),
        cmocka_unit_test(test_cold_reads),
        cmocka_unit_test(test_warm_as_asked),
        cmocka_unit_test(test_syncs),
        cmocka_unit_test(test_huge_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
